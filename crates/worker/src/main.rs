//! `concord-worker`: runs one job on LibTorch.
//!
//! It is started by `concord`, which never links LibTorch itself, and talks through the
//! run folder and its control socket. Exit codes: 0 done, 2 bad config or arguments,
//! 3 environment, 4 diverged, 5 interrupted with a checkpoint, 130 told twice to leave.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

mod commands;
mod exit;
mod export;
mod finetune;
mod job;
mod language;
mod score;
mod search;
mod train;

/// Runs one job on LibTorch; started by `concord`.
#[derive(Parser)]
#[command(name = "concord-worker", version)]
struct Arguments {
    #[command(subcommand)]
    command: Job,
}

#[derive(Subcommand)]
enum Job {
    /// Runs the job of a run folder.
    Run {
        /// The run folder, made by `concord`.
        #[arg(long)]
        run_dir: PathBuf,
        /// Continue from the newest checkpoint.
        #[arg(long)]
        resume: bool,
        /// Events on stdout, or nothing.
        #[arg(long, value_enum, default_value_t = Output::None)]
        ui: Output,
    },
    /// Scores a policy.
    Eval(score::EvalArguments),
    /// Writes a policy for other programs.
    Export(export::ExportArguments),
    /// Writes a language model's scores of every next token.
    Logits(language::logits::LogitsArguments),
    /// Continues prompts with a language model.
    Generate(Box<language::generate::GenerateArguments>),
    /// A conversation with a language model, as JSON lines.
    Chat(Box<language::chat::ChatArguments>),
    /// Writes the folder of an adapter.
    Adapter(Box<language::adapter::AdapterArguments>),
    /// Loads a language model and writes it as a new folder.
    Save(language::save::SaveArguments),
    /// Writes a language model that was never trained as a new folder.
    Create(language::create::CreateArguments),
    /// Scores texts, or candidates against each other, with a reward model.
    Score(language::rewards::ScoreTextsArguments),
    /// Figures of a language model, and answer files for other tools.
    Assess(Box<language::assess::AssessArguments>),
    /// Tells what LibTorch and CUDA offer here, as JSON.
    Probe {
        /// Only `json`.
        #[arg(long, default_value = "json")]
        format: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Json,
    None,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Job::Run {
            run_dir,
            resume,
            ui,
        } => job::run(&run_dir, resume, ui == Output::Json),
        Job::Eval(arguments) => score::eval(&arguments),
        Job::Export(arguments) => export::export(&arguments),
        Job::Logits(arguments) => language::logits::logits(&arguments),
        Job::Generate(arguments) => language::generate::continue_prompts(&arguments),
        Job::Chat(arguments) => language::chat::chat(&arguments),
        Job::Adapter(arguments) => language::adapter::adapter(&arguments),
        Job::Save(arguments) => language::save::save_folder(&arguments),
        Job::Create(arguments) => language::create::create(&arguments),
        Job::Score(arguments) => language::rewards::score_texts(&arguments),
        Job::Assess(arguments) => language::assess::assess(&arguments),
        Job::Probe { .. } => probe(),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            exit::complain(&failure.to_string());
            ExitCode::from(failure.code)
        }
    }
}

fn probe() -> Result<u8, exit::Failure> {
    let report = nn::runtime::report();
    let text = serde_json::to_string_pretty(&report).expect("a report is plain data");
    exit::answer(&text);
    Ok(exit::DONE)
}
