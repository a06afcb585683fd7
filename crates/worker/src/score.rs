//! `concord-worker eval`: scores a policy.

use std::path::{Path, PathBuf};

use agents::evaluation::{Evaluator, Scoring};
use agents::policy::Policy;
use clap::Args;
use serde_json::json;
use tracking::RunFolder;

use crate::exit::{BAD_CONFIG, DONE, ENVIRONMENT, Failure, answer};

/// What to score and how.
#[derive(Args)]
pub struct EvalArguments {
    /// A run folder.
    #[arg(long)]
    run_dir: PathBuf,
    /// `best`, `last`, `step-N`, or the folder of a policy.
    #[arg(long, default_value = "best")]
    checkpoint: String,
    /// Episodes to play.
    #[arg(long, default_value_t = 100)]
    episodes: usize,
    /// Seed of the starts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Chance of a random action.
    #[arg(long, default_value_t = 0.0)]
    epsilon: f64,
    /// Environment id, when it is not the one of the training; sizes must match.
    #[arg(long)]
    environment: Option<String>,
    /// Where to write the first episode as a GIF.
    #[arg(long)]
    gif: Option<PathBuf>,
    /// Only `json`.
    #[arg(long, default_value = "json")]
    format: String,
}

/// Plays the episodes and answers with one JSON object on stdout.
pub fn eval(arguments: &EvalArguments) -> Result<u8, Failure> {
    if arguments.episodes == 0 {
        return Err(Failure::new(
            BAD_CONFIG,
            "--episodes 0: at least 1 is needed",
        ));
    }
    let folder = checkpoint_folder(&arguments.run_dir, &arguments.checkpoint)?;
    nn::runtime::prepare(1);
    let policy = Policy::read(&folder)?;
    let mut config = policy.description.config.clone();
    config.seed = arguments.seed;
    if let Some(id) = &arguments.environment {
        config.environment.id.clone_from(id);
        check_sizes(&config, &policy)?;
    }
    let weights = policy.parameters.snapshot();
    let environments = arguments
        .episodes
        .min(config.evaluation.environments.max(1));
    let mut evaluator = Evaluator::new(
        &config,
        environments,
        policy.team.clone(),
        policy.parameters,
    )?;
    let scoring = Scoring {
        episodes: arguments.episodes,
        epsilon: arguments.epsilon,
        execution: config.evaluation.execution,
        purpose: "eval",
        index: 0,
        record: arguments.gif.is_some(),
        budget: None,
    };
    let report = evaluator.score(&weights, &scoring)?;
    if let (Some(path), Some(episode)) = (&arguments.gif, &report.recorded) {
        agents::report::write_gif(path, episode)
            .map_err(|error| Failure::new(ENVIRONMENT, error.to_string()))?;
    }
    let result = json!({
        "checkpoint": folder,
        "step": policy.description.step,
        "environment": config.environment.id,
        "episodes": report.returns.len(),
        "seed": arguments.seed,
        "epsilon": arguments.epsilon,
        "mean_return": report.mean_return(),
        "mean_length": report.mean_length(),
        "cl_decision_fraction": report.call_fraction(),
        "returns": report.returns,
        "lengths": report.lengths,
        "gif": arguments.gif,
    });
    answer(&result.to_string());
    Ok(DONE)
}

fn checkpoint_folder(run_dir: &Path, checkpoint: &str) -> Result<PathBuf, Failure> {
    let as_path = Path::new(checkpoint);
    if as_path.join("policy.json").exists() {
        return Ok(as_path.to_path_buf());
    }
    let run = RunFolder::open(run_dir)?;
    let folder = match checkpoint {
        "last" => run
            .checkpoints()
            .into_iter()
            .max_by_key(|(step, _)| *step)
            .map(|(_, path)| path),
        name => Some(run.checkpoints_folder().join(name)),
    };
    match folder {
        Some(folder) if folder.join("policy.json").exists() => Ok(folder),
        _ => {
            let mut names: Vec<String> = run
                .checkpoints()
                .iter()
                .map(|(step, _)| format!("step-{step}"))
                .collect();
            if run.checkpoints_folder().join("best").exists() {
                names.insert(0, "best".to_owned());
            }
            let message = if names.is_empty() {
                format!(
                    "{}: no checkpoint yet - let the run reach one",
                    run.path().display()
                )
            } else {
                format!(
                    "no checkpoint `{checkpoint}` - this run has: {}",
                    names.join(", ")
                )
            };
            Err(Failure::new(BAD_CONFIG, message))
        }
    }
}

fn check_sizes(config: &configs::train::TrainConfig, policy: &Policy) -> Result<(), Failure> {
    let options = agents::environment::environment_options(&config.environment);
    let environment = envs::make(&config.environment.id, &options)
        .map_err(|error| Failure::new(BAD_CONFIG, error.to_string()))?;
    let (asked, trained) = (environment.spec(), &policy.description.environment);
    let sizes = |spec: &envs::EnvironmentSpec| {
        format!(
            "{} agents, {} actions, {} observations",
            spec.agents, spec.actions, spec.observation_size
        )
    };
    if sizes(asked) == sizes(trained) {
        return Ok(());
    }
    Err(Failure::new(
        BAD_CONFIG,
        format!(
            "{} has {}, the policy was trained for {} - choose an environment of the same sizes",
            asked.id,
            sizes(asked),
            sizes(trained)
        ),
    ))
}
