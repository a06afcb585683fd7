//! Arguments of what scores policies.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{FormatArgument, LanguageEvaluation};

/// How the episodes are played.
#[derive(Debug, Clone, Args)]
pub(crate) struct Playing {
    /// Play in this environment instead of the training's; sizes must match
    #[arg(long, value_name = "ID")]
    pub(crate) env: Option<String>,
    /// Steps after which an episode ends, instead of the training's
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) time_limit: Option<u64>,
    /// Which half of MANSA acts [default: the configuration's]
    #[arg(long, value_enum, value_name = "HALF")]
    pub(crate) execution: Option<Execution>,
    /// Episodes played, by every team
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) episodes: u64,
    /// Seed of the episodes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Chance of a random action; 0 is greedy
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub(crate) epsilon: f64,
}

/// Where the results of an evaluation of several policies or settings are kept.
#[derive(Debug, Clone, Args)]
pub(crate) struct Kept {
    /// Worker processes at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) jobs: u32,
    /// Keep the results in this folder; the same command goes on there [default for several
    /// policies or settings: evaluations/ in the folder of the runs]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Eval {
    /// Runs (id, part of it, path, or `last`), checkpoint folders, or presets that were trained; or
    /// one language model: OWNER/NAME of the cache, a folder, or a run of a fine-tuning
    #[arg(value_name = "PRESET|RUN|CHECKPOINT|MODEL", required = true)]
    pub(crate) targets: Vec<String>,
    /// Which checkpoint of the run: best, last or step-N; all or every:N for a curve over training
    #[arg(long, value_name = "WHICH")]
    pub(crate) checkpoint: Option<String>,
    /// Score at several values of a setting: budget_calls=0,1,2,none, epsilon=0,0.1 or
    /// execution=il,mansa,cl; for runs of searches a resource, such as tokens or tool_calls
    #[arg(long, value_name = "SETTING=VALUES", conflicts_with_all = ["with", "gif", "record"])]
    pub(crate) sweep: Option<String>,
    /// Deal the agents' seats to this policy as well, in every way; may be repeated
    #[arg(long, value_name = "PRESET|RUN|CHECKPOINT")]
    pub(crate) with: Vec<String>,
    #[command(flatten)]
    pub(crate) playing: Playing,
    /// Keep the results in evaluations/, as those of several policies are
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) kept: Kept,
    /// Record one episode as a GIF
    #[arg(long, value_name = "FILE")]
    pub(crate) gif: Option<PathBuf>,
    /// Record one episode as JSON lines, a scene per line, for `concord show --episode`
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
    #[command(flatten)]
    pub(crate) language: LanguageEvaluation,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Tournament {
    /// Runs (id, part of it that may fit several, path, or `last`), checkpoint folders, or
    /// presets that were trained
    #[arg(value_name = "PRESET|RUN|CHECKPOINT", required = true)]
    pub(crate) targets: Vec<String>,
    /// Which checkpoints of each run: best, last, step-N, all or every:N
    #[arg(long, value_name = "WHICH", default_value = "best")]
    pub(crate) checkpoints: String,
    #[command(flatten)]
    pub(crate) playing: Playing,
    #[command(flatten)]
    pub(crate) kept: Kept,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Evaluation {
    /// The kept evaluations, newest first
    List(FormatArgument),
    /// The tables of one
    Show {
        /// Its folder's name, a part of it, its path, or `last`
        #[arg(value_name = "EVALUATION")]
        name: String,
        #[command(flatten)]
        format: FormatArgument,
    },
    /// Play what is missing of one that was interrupted
    Resume {
        /// Its folder's name, a part of it, its path, or `last`
        #[arg(value_name = "EVALUATION")]
        name: String,
        /// Worker processes at the same time
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
        jobs: u32,
        #[command(flatten)]
        format: FormatArgument,
    },
}

/// Which half of MANSA acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Execution {
    /// The switch decides, as trained
    Mansa,
    /// Independent policies always
    Il,
    /// Central policies always
    Cl,
}

impl Execution {
    /// The word of configurations.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Mansa => "mansa",
            Self::Il => "il",
            Self::Cl => "cl",
        }
    }
}
