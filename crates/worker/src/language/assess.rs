//! `concord-worker assess`: figures of a language model, and answer files for other tools.

mod answering;
mod comparing;
mod exporting;
mod keeping;
mod solving;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use configs::finetune::{DataConfig, GenerationConfig, OracleConfig};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ModelArguments;
use super::generate::catch_interruptions;
use super::sampling::SamplingArguments;
use crate::exit::{BAD_CONFIG, DONE, Failure, INTERRUPTED, try_answer};

/// Time between two reports of how far the work is.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// Made-up problems where no number is given.
const USUAL_PROBLEMS: u64 = 500;
/// Tokens of an answer, at most, where no number is given.
const USUAL_LENGTH: usize = 1024;

/// What is found out, and how.
#[derive(Args)]
pub struct AssessArguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Exact-match accuracy on the problems of this file, or `arithmetic`.
    #[arg(long, conflicts_with_all = ["against", "export"], required_unless_present_any = ["against", "export"])]
    problems: Option<String>,
    /// Win rate against the model of this folder.
    #[arg(long, requires = "prompts", conflicts_with = "export")]
    against: Option<PathBuf>,
    /// The adapter of that model.
    #[arg(long, requires = "against")]
    against_adapter: Option<PathBuf>,
    /// The prompts of a comparison: a file, or `arithmetic`.
    #[arg(long, requires = "against")]
    prompts: Option<String>,
    /// The answer file of this tool.
    #[arg(long, requires_all = ["questions", "output"])]
    export: Option<String>,
    /// The tool's questions.
    #[arg(long, requires = "export")]
    questions: Option<PathBuf>,
    /// Where records or answers go.
    #[arg(long)]
    output: Option<PathBuf>,
    /// The model's name in the tool's tables.
    #[arg(long, requires = "export")]
    name: Option<String>,
    /// Answers to each prompt.
    #[arg(long, default_value_t = 1)]
    samples: usize,
    /// Whether traces are asked for; left to the chat template when left out.
    #[arg(long, value_enum)]
    thinking: Option<Ways>,
    /// Prompts, from the first.
    #[arg(long)]
    limit: Option<u64>,
    #[command(flatten)]
    sampling: SamplingArguments,
    /// New tokens of an answer, at most.
    #[arg(long = "max-new")]
    max_new: Option<usize>,
    /// Seed of every answer's stream, and of made-up problems.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Settings of `data`, `generation` and `oracle` as JSON, as fine-tuning has them.
    #[arg(long, default_value = "{}")]
    settings: String,
}

/// Whether traces are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Ways {
    On,
    Off,
    Both,
}

impl AssessArguments {
    /// The ways of answering, as the chat template is told.
    fn ways(&self) -> Vec<Option<bool>> {
        match self.thinking {
            None => vec![None],
            Some(Ways::On) => vec![Some(true)],
            Some(Ways::Off) => vec![Some(false)],
            Some(Ways::Both) => vec![Some(true), Some(false)],
        }
    }

    /// The one way of what has only one.
    fn way(&self, what: &str) -> Result<Option<bool>, Failure> {
        match self.ways().as_slice() {
            [way] => Ok(*way),
            _ => Err(Failure::new(
                BAD_CONFIG,
                format!(
                    "--thinking both: {what} has one answer each - allowed: on or off, one after the other"
                ),
            )),
        }
    }
}

/// The settings that an evaluation shares with fine-tuning.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    data: DataConfig,
    generation: GenerationConfig,
    oracle: OracleConfig,
}

impl Settings {
    fn read(text: &str) -> Result<Self, Failure> {
        let mut settings: Self = serde_json::from_str(text).map_err(|error| {
            Failure::new(
                BAD_CONFIG,
                format!(
                    "--settings: {error} - allowed: an object with data, generation and oracle"
                ),
            )
        })?;
        // A training cuts what is too long; an evaluation that did would measure something else.
        settings.data.max_prompt_tokens = usize::MAX / 2;
        settings.data.max_tokens = usize::MAX;
        Ok(settings)
    }
}

/// Finds out what is asked for, and answers with events as JSON lines; the last one is `done`.
pub fn assess(arguments: &AssessArguments) -> Result<u8, Failure> {
    if arguments.samples == 0 {
        return Err(Failure::new(
            BAD_CONFIG,
            "--samples 0 - allowed: 1 or more answers to each prompt",
        ));
    }
    if arguments.limit == Some(0) {
        return Err(Failure::new(
            BAD_CONFIG,
            "--limit 0 - allowed: 1 or more prompts",
        ));
    }
    let mut telling = Telling::new(catch_interruptions()?);
    let settings = Settings::read(&arguments.settings)?;
    let mut found = if arguments.problems.is_some() {
        solving::solve(arguments, &settings, &mut telling)?
    } else if let Some(other) = &arguments.against {
        comparing::compare(arguments, other, &settings, &mut telling)?
    } else {
        exporting::export(arguments, &settings, &mut telling)?
    };
    found["event"] = json!("done");
    found["model"] = json!(arguments.model.model);
    found["adapter"] = json!(arguments.model.adapter);
    found["seed"] = json!(arguments.seed);
    found["samples"] = json!(arguments.samples);
    found["seconds"] = json!(telling.started.elapsed().as_secs_f64());
    found["interrupted"] = json!(telling.is_interrupted());
    telling.tell(&found);
    Ok(if telling.is_interrupted() {
        INTERRUPTED
    } else {
        DONE
    })
}

/// What is told while the work goes on.
struct Telling {
    interrupted: Arc<AtomicBool>,
    started: Instant,
    told: Option<Instant>,
    /// The reader has left.
    deaf: bool,
}

impl Telling {
    fn new(interrupted: Arc<AtomicBool>) -> Self {
        Self {
            interrupted,
            started: Instant::now(),
            told: None,
            deaf: false,
        }
    }

    /// Whether the work should end with what is finished.
    fn is_interrupted(&self) -> bool {
        self.deaf || self.interrupted.load(Ordering::Relaxed)
    }

    fn tell(&mut self, event: &Value) {
        self.deaf |= !try_answer(&event.to_string());
    }

    /// How far a stage is; told now and then, and at its end.
    fn progress(&mut self, stage: &str, finished: usize, of: usize) {
        let lately = self
            .told
            .is_some_and(|told| told.elapsed() < PROGRESS_EVERY);
        if lately && finished < of {
            return;
        }
        self.told = Some(Instant::now());
        self.tell(&json!({
            "event": "progress",
            "stage": stage,
            "finished": finished,
            "of": of,
            "seconds": self.started.elapsed().as_secs_f64(),
        }));
    }
}

/// The last part of a path, as a name.
fn name_of(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = full
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| path.display().to_string())
}
