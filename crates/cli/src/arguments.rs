//! The command line as types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tui::comparison::EVALUATION;

mod adapters;
mod curves;
mod data;
mod evaluation;
mod language_evaluation;
mod looking;
mod model;
mod model_creation;
mod model_files;
mod model_memory;
mod scoring;
mod search;
mod search_table;

pub(crate) use adapters::{Adapter, Merge};
pub(crate) use curves::{Compare, CurveLooks};
pub(crate) use data::{CreateData, Data, DataFile, MadeUp, MadeUpKind, MadeUpSplit};
pub(crate) use evaluation::{Eval, Evaluation, Kept, Playing, Tournament};
pub(crate) use language_evaluation::LanguageEvaluation;
pub(crate) use looking::{LogChoice, MachineLook};
pub(crate) use model::{
    Chat, Choosing, Generate, Logits, Model, ModelArguments, ModelChoice, Prompting, Save,
};
pub(crate) use model_creation::CreateModel;
pub(crate) use model_files::{ModelArgument, ModelFiles, ThinkingMode};
pub(crate) use model_memory::{MemoryTask, ModelMemory};
pub(crate) use scoring::ScoreTexts;
pub(crate) use search::{
    CompareSearches, Replay, Report, ReportFormat, Search, SearchCommand, SearchRun, World,
};
pub(crate) use search_table::{SearchTable, TablePart};

/// Trains agents that act together, on one machine, from one terminal.
#[derive(Debug, Parser)]
#[command(name = "concord", version, about, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const AFTER_HELP: &str = "Without a command, `concord` opens the dashboard on a terminal.\n\
Exit codes: 0 done, 2 bad config or arguments, 3 environment (no device, no disk, no worker),\n\
4 diverged, 5 interrupted with a checkpoint.";

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Folder that holds the run folders [default: $CONCORD_RUNS_DIR or runs]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    /// The worker's executable instead of the one beside this program
    #[arg(long, global = true, hide = true, value_name = "PATH")]
    pub(crate) worker: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a team: a preset or a configuration file
    Train(Train),
    /// Fine-tune a language model: a preset or a configuration file
    Finetune(Train),
    /// Search for answers within a budget: a preset or a configuration file; replay, compare
    Search(Search),
    /// Run an experiment: tasks x methods x seeds, or a sweep, with statistics and plots
    Experiment(Experiment),
    /// Score the policy of a run or checkpoint, alone or in teams with others; or a language model
    Eval(Box<Eval>),
    /// Let policies play with each other: scores, cross-play and a ranking with intervals
    Tournament(Tournament),
    /// Evaluations that were kept: list, show, continue
    #[command(subcommand)]
    Evaluation(Evaluation),
    /// Policies: export one for other programs
    #[command(subcommand)]
    Policy(Policy),
    /// Language models: fetch, list, inspect, preview; scores and continuations
    #[command(subcommand)]
    Model(Model),
    /// Data of fine-tuning: look at files, make some up
    #[command(subcommand)]
    Data(Data),
    /// Environments: list, roll out, replay, time and check them
    #[command(subcommand)]
    Env(Env),
    /// Configurations: presets, resolved values, problems
    #[command(subcommand)]
    Config(Config),
    /// List the runs
    Runs(Runs),
    /// Everything about one run
    Show(Show),
    /// Runs side by side, and statistics over seeds
    Compare(Compare),
    /// Follow a run that is already running; ctrl-c leaves it running
    Attach(Attach),
    /// Stop runs: they finish their step and write a checkpoint
    Stop(Control),
    /// Park runs between steps; they keep their device and memory
    Pause(Control),
    /// Let paused runs go on
    Unpause(Control),
    /// Let runs write a checkpoint now and go on
    Checkpoint(Control),
    /// End the processes of runs at once, without a checkpoint
    Kill(Kill),
    /// Continue a run: a paused one as it is, an ended one from its last checkpoint
    Resume(Resume),
    /// Hide ended runs from the lists; nothing is deleted
    Archive(Archive),
    /// Runs that wait for their device: list, move, remove
    Queue(QueueArguments),
    /// Processors, memory, disk, workers and devices at this moment
    Machine(MachineLook),
    /// What this machine offers, and what to do about each problem
    Doctor(Doctor),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// One JSON value
    Json,
    /// Comma-separated values with a header
    Csv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ui {
    /// The dashboard on a terminal, else plain
    Auto,
    /// The dashboard
    Tui,
    /// Progress bars on stderr, or a line now and then
    Plain,
    /// Events on stdout, one JSON object per line
    Json,
    /// Only the result
    None,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FormatArgument {
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// What decides a configuration.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    /// A preset's name, or a TOML file
    #[arg(value_name = "PRESET|FILE")]
    pub(crate) target: String,
    /// Change a setting, such as replay.batch_episodes=16; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) sets: Vec<String>,
    /// Where the tensors live: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: Option<String>,
    /// Threads of the tensor library
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<u64>,
    /// Seed of every random stream
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Train {
    #[command(flatten)]
    pub(crate) settings: Settings,
    /// Train that many seeds, counting up from the first
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) seeds: u32,
    /// Seeds trained at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) jobs: u32,
    /// Name of the run [default: the preset's or file's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How progress is shown [default: $CONCORD_UI or auto]
    #[arg(long, value_enum, value_name = "UI")]
    pub(crate) ui: Option<Ui>,
    /// Start the run and leave it running
    #[arg(long, conflicts_with_all = ["ui", "jobs"])]
    pub(crate) detach: bool,
    /// Let the runs wait in the queue until their device is free, and return at once
    #[arg(long, conflicts_with_all = ["ui", "jobs", "detach", "dry_run"])]
    pub(crate) queue: bool,
    /// Show the resolved configuration and the plan, and start nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Experiment {
    /// The experiment's file; started again, it goes on where it was
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Runs at the same time: a number, or auto for as many as cores and memory carry
    #[arg(long, value_name = "N|auto", default_value = "auto", value_parser = parse_jobs)]
    pub(crate) jobs: Jobs,
    /// Change a setting of every run; may be repeated. Runs with other settings are other runs
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) sets: Vec<String>,
    /// Show every run and where it stands, and start nothing
    #[arg(long, conflicts_with = "report_only")]
    pub(crate) dry_run: bool,
    /// Write the report again from the runs that are there
    #[arg(long)]
    pub(crate) report_only: bool,
    /// Also take up runs that failed: from their last checkpoint, else from the beginning
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// How progress is shown [default: $CONCORD_UI or plain]
    #[arg(long, value_enum, value_name = "UI")]
    pub(crate) ui: Option<Ui>,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

/// How many runs at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jobs {
    /// As many as the machine carries.
    Auto,
    /// That many.
    Count(usize),
}

fn parse_jobs(text: &str) -> Result<Jobs, String> {
    match text.parse() {
        _ if text == "auto" => Ok(Jobs::Auto),
        Ok(count @ 1..=1024) => Ok(Jobs::Count(count)),
        _ => Err("a whole number from 1 to 1024, or auto".to_owned()),
    }
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Policy {
    /// Write a policy as safetensors and JSON with a loader in plain PyTorch
    Export {
        /// A run (id, part of it, path, or `last`), a checkpoint folder, or a preset that was trained
        #[arg(value_name = "PRESET|RUN|CHECKPOINT")]
        target: String,
        /// Which checkpoint of the run: best, last or step-N
        #[arg(long, value_name = "WHICH")]
        checkpoint: Option<String>,
        /// Folder to write into
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        format: FormatArgument,
    },
}

/// An environment and what is changed about it.
#[derive(Debug, Clone, Args)]
pub(crate) struct EnvironmentArguments {
    /// The environment's id, such as Foraging-8x8-2p-2f-coop-v3
    #[arg(long = "env", value_name = "ID")]
    pub(crate) id: String,
    /// Change an option, such as sight=2 or time_limit=25; may be repeated
    #[arg(long = "set", value_name = "OPTION=VALUE")]
    pub(crate) sets: Vec<String>,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Env {
    /// The environments and what their ids mean
    List(FormatArgument),
    /// Play episodes with random actions and draw them as text
    Rollout {
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// Episodes played
        #[arg(long, value_name = "N", default_value_t = 1)]
        episodes: usize,
        /// Seed of the environment and of the actions
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// Record the first episode as a GIF
        #[arg(long, value_name = "FILE")]
        gif: Option<PathBuf>,
        #[command(flatten)]
        format: FormatArgument,
    },
    /// Read states with joint actions from stdin (JSON lines) and write what follows
    Replay {
        #[command(flatten)]
        environment: EnvironmentArguments,
    },
    /// Write successive seeded starts (JSON lines), bit for bit those of the reference package
    Reset {
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// Seed of the first start
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// Starts written
        #[arg(long, value_name = "N", default_value_t = 1)]
        count: usize,
    },
    /// Measure steps per second under random actions
    Bench {
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// Seconds measured
        #[arg(long, value_name = "S", default_value_t = 3.0)]
        seconds: f64,
        /// Threads that step the batch
        #[arg(long, value_name = "N", default_value_t = 1)]
        threads: usize,
        /// Environments in the batch
        #[arg(long, value_name = "N")]
        environments: Option<usize>,
        #[command(flatten)]
        format: FormatArgument,
    },
    /// Try an environment's promises: shapes, masks, determinism, finite rewards
    Check {
        #[command(flatten)]
        environment: EnvironmentArguments,
        /// Seed of the trials
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// Steps tried
        #[arg(long, value_name = "N", default_value_t = 2000)]
        steps: usize,
        #[command(flatten)]
        format: FormatArgument,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Config {
    /// The built-in presets
    Presets(FormatArgument),
    /// The resolved configuration with the origin of each value
    Show {
        #[command(flatten)]
        settings: Settings,
        /// Only what differs from the defaults
        #[arg(long)]
        changed: bool,
        #[command(flatten)]
        format: FormatArgument,
    },
    /// All problems of a configuration at once
    Check {
        #[command(flatten)]
        settings: Settings,
        #[command(flatten)]
        format: FormatArgument,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Runs {
    /// Show at most that many, newest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Only runs whose id contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// List archived runs too
    #[arg(long)]
    pub(crate) archived: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

/// A run that a user names.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgument {
    /// Its id, a part of it, its path, or `last`
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) run: RunArgument,
    /// Write every point of the scalars that contain this
    #[arg(long, value_name = "TEXT")]
    pub(crate) scalars: Option<String>,
    /// Show a curve: its name or a part of it, or nothing for the evaluations
    #[arg(long, value_name = "METRIC", num_args = 0..=1, default_missing_value = EVALUATION)]
    pub(crate) curves: Option<String>,
    #[command(flatten)]
    pub(crate) looks: CurveLooks,
    /// Print where a switch made its central calls: best or step-N
    #[arg(long, value_name = "WHICH", num_args = 0..=1, default_missing_value = "best")]
    pub(crate) calls: Option<String>,
    /// Print a recorded episode step by step: best, step-N, or a file
    #[arg(long, value_name = "WHICH")]
    pub(crate) episode: Option<String>,
    /// Print how a switch divided training between central and independent policies
    #[arg(long)]
    pub(crate) switch: bool,
    /// Print stages, metrics and the N newest samples of a fine-tuning
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "5")]
    pub(crate) samples: Option<usize>,
    /// Print the tree of a question's search; without QUESTION the list of questions
    #[arg(long, value_name = "QUESTION", num_args = 0..=1, default_missing_value = "")]
    pub(crate) search: Option<String>,
    /// Add the last N lines of the console
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) log: usize,
    #[command(flatten)]
    pub(crate) choice: LogChoice,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Attach {
    #[command(flatten)]
    pub(crate) run: RunArgument,
    /// Print the episodes that one of its environments plays, as they are played
    #[arg(long, value_name = "ENVIRONMENT", conflicts_with = "ui")]
    pub(crate) watch: Option<usize>,
    /// Leave after that many moments
    #[arg(long, value_name = "N", requires = "watch")]
    pub(crate) frames: Option<u64>,
    /// How progress is shown [default: $CONCORD_UI or auto]
    #[arg(long, value_enum, value_name = "UI")]
    pub(crate) ui: Option<Ui>,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

/// What is asked of running runs.
#[derive(Debug, Clone, Args)]
pub(crate) struct Control {
    /// Runs: ids, parts of ids, paths, or `last`
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<String>,
    /// Seconds to wait until it is done
    #[arg(long, value_name = "S", default_value_t = 120.0)]
    pub(crate) timeout: f64,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Kill {
    /// Runs: ids, parts of ids, paths, or `last`
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<String>,
    /// Do it: what was learnt since the last checkpoint is lost
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Archive {
    /// Runs: ids, parts of ids, paths, or `last`
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<String>,
    /// Take them back into the lists
    #[arg(long)]
    pub(crate) undo: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = false)]
pub(crate) struct QueueArguments {
    #[command(subcommand)]
    pub(crate) command: Option<Queue>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t, global = true)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Queue {
    /// The waiting runs, by device and position; what `concord queue` alone does
    List,
    /// Move a waiting run within the line for its device
    Move {
        /// Its id, a part of it, its path, or `last`
        #[arg(value_name = "RUN")]
        run: String,
        /// Where to
        #[arg(value_enum, value_name = "WHERE")]
        to: Direction,
    },
    /// Take waiting runs out of the queue; their folders stay
    Remove {
        /// Runs: ids, parts of ids, paths, or `last`
        #[arg(value_name = "RUN", required = true)]
        runs: Vec<String>,
    },
    /// Start waiting runs as their devices become free, until none waits; started by itself
    Work,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// One place ahead
    Up,
    /// One place back
    Down,
    /// To the front
    Top,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) run: RunArgument,
    /// How progress is shown [default: $CONCORD_UI or auto]
    #[arg(long, value_enum, value_name = "UI")]
    pub(crate) ui: Option<Ui>,
    /// Start the worker and leave it running
    #[arg(long, conflicts_with = "ui")]
    pub(crate) detach: bool,
    /// Let it wait in the queue until its device is free, and return at once
    #[arg(long, conflicts_with_all = ["ui", "detach"])]
    pub(crate) queue: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}
