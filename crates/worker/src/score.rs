//! `concord-worker eval`: scores a policy, or teams of several.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agents::cross_play::{CrossPlay, assignments, problem};
use agents::evaluation::{Evaluator, RecordedEpisode, Scoring};
use agents::policy::Policy;
use clap::{Args, ValueEnum};
use configs::train::{Execution, TrainConfig};
use serde_json::{Value, json};
use tracking::RunFolder;

use crate::exit::{BAD_CONFIG, DONE, ENVIRONMENT, Failure, answer};

/// Teams that one call may score.
const MOST_TEAMS: usize = 256;

/// What to score and how.
#[derive(Args)]
pub struct EvalArguments {
    /// A run folder.
    #[arg(long)]
    run_dir: PathBuf,
    /// `best`, `last`, `step-N`, or the folder of a policy.
    #[arg(long, default_value = "best")]
    checkpoint: String,
    /// Folder of a further policy that shares the seats; may be repeated.
    #[arg(long)]
    with: Vec<PathBuf>,
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
    /// Steps after which an episode ends, when they are not those of the training.
    #[arg(long)]
    time_limit: Option<usize>,
    /// Which half of MANSA acts.
    #[arg(long, value_enum)]
    execution: Option<Half>,
    /// Central calls that a switch may make in each episode, instead of the training's budget.
    #[arg(long)]
    calls_per_episode: Option<u64>,
    /// Environments at the same time, when they are not as many as in the training's
    /// evaluations; they decide which start an episode gets.
    #[arg(long)]
    environments: Option<usize>,
    /// Where to write the first episode as a GIF.
    #[arg(long)]
    gif: Option<PathBuf>,
    /// Where to write the first episode, one scene (JSON) per line.
    #[arg(long)]
    record: Option<PathBuf>,
    /// Only `json`.
    #[arg(long, default_value = "json")]
    format: String,
}

/// [`Execution`] as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Half {
    Mansa,
    Il,
    Cl,
}

impl From<Half> for Execution {
    fn from(half: Half) -> Self {
        match half {
            Half::Mansa => Self::Mansa,
            Half::Il => Self::Il,
            Half::Cl => Self::Cl,
        }
    }
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
    let mut policy = Policy::read(&folder)?;
    change(&mut policy, arguments)?;
    let config = policy.description.config.clone();
    check_sizes(&config, &policy)?;
    let result = if arguments.with.is_empty() {
        alone(&folder, &config, &policy, arguments)?
    } else {
        let mut policies = vec![(folder, policy)];
        for folder in &arguments.with {
            let mut policy = Policy::read(folder)?;
            let changes = arguments.execution.is_some() || arguments.calls_per_episode.is_some();
            if changes && policy.team.switch().is_some() {
                change(&mut policy, arguments)?;
            }
            check_sizes(&config, &policy)?;
            policies.push((folder.clone(), policy));
        }
        together(&config, policies, arguments)?
    };
    answer(&result.to_string());
    Ok(DONE)
}

/// Applies what the arguments change about the training's own way to evaluate.
fn change(policy: &mut Policy, arguments: &EvalArguments) -> Result<(), Failure> {
    let config = &mut policy.description.config;
    config.seed = arguments.seed;
    if let Some(id) = &arguments.environment {
        config.environment.id.clone_from(id);
    }
    if let Some(limit) = arguments.time_limit {
        config.environment.time_limit = Some(limit);
    }
    if let Some(environments) = arguments.environments {
        config.evaluation.environments = environments;
    }
    if let Some(calls) = arguments.calls_per_episode {
        if policy.team.switch().is_none() && arguments.with.is_empty() {
            return Err(Failure::new(
                BAD_CONFIG,
                format!(
                    "--calls-per-episode {calls}: the policy makes no central calls - it limits those of mansa - leave it out"
                ),
            ));
        }
        Arc::make_mut(&mut policy.team).limit_calls(calls);
    }
    let Some(half) = arguments.execution else {
        return Ok(());
    };
    if policy.team.switch().is_none() && arguments.with.is_empty() && half != Half::Mansa {
        return Err(Failure::new(
            BAD_CONFIG,
            format!(
                "--execution {}: the policy has one half - it chooses between those of mansa - leave it out",
                if half == Half::Il { "il" } else { "cl" }
            ),
        ));
    }
    config.evaluation.execution = half.into();
    Ok(())
}

/// The score of one policy's own team.
fn alone(
    folder: &Path,
    config: &TrainConfig,
    policy: &Policy,
    arguments: &EvalArguments,
) -> Result<Value, Failure> {
    let weights = policy.parameters.snapshot();
    let (team, parameters) = (policy.team.clone(), policy.parameters.share());
    let mut evaluator = Evaluator::new(config, environments(config, arguments), team, parameters)?;
    let report = evaluator.score(&weights, &scoring(config, arguments))?;
    keep_episode(arguments, report.recorded.as_ref())?;
    Ok(json!({
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
        "calls": report.calls,
        "gif": arguments.gif,
        "record": arguments.record,
    }))
}

/// The scores of all teams of several policies. The episode that is kept is the first of the
/// first mixed team.
fn together(
    config: &TrainConfig,
    policies: Vec<(PathBuf, Policy)>,
    arguments: &EvalArguments,
) -> Result<Value, Failure> {
    let agents = policies[0].1.description.environment.agents;
    let teams = assignments(policies.len(), agents, MOST_TEAMS).ok_or_else(|| {
        Failure::new(
            BAD_CONFIG,
            format!(
                "{} policies for {agents} agents: more than {MOST_TEAMS} teams - name fewer policies",
                policies.len()
            ),
        )
    })?;
    let (folders, policies): (Vec<PathBuf>, Vec<Policy>) = policies.into_iter().unzip();
    let mut play = CrossPlay::new(config, environments(config, arguments), &policies)?;
    let mixed = teams
        .iter()
        .position(|seats| seats.iter().any(|&seat| seat != seats[0]));
    let mut scores = Vec::new();
    for (index, seats) in teams.iter().enumerate() {
        let mut scoring = scoring(config, arguments);
        scoring.record &= Some(index) == mixed;
        let report = play.score(seats, &scoring)?;
        if scoring.record {
            keep_episode(arguments, report.recorded.as_ref())?;
        }
        scores.push(json!({
            "seats": seats,
            "mean_return": report.mean_return(),
            "mean_length": report.mean_length(),
            "returns": report.returns,
            "lengths": report.lengths,
        }));
    }
    let described = folders.iter().zip(&policies).map(|(folder, policy)| {
        json!({
            "checkpoint": folder,
            "step": policy.description.step,
            "algorithm": policy.description.config.algorithm.kind,
        })
    });
    Ok(json!({
        "policies": described.collect::<Vec<_>>(),
        "environment": config.environment.id,
        "episodes": arguments.episodes,
        "seed": arguments.seed,
        "epsilon": arguments.epsilon,
        "teams": scores,
        "gif": arguments.gif,
        "record": arguments.record,
    }))
}

fn environments(config: &TrainConfig, arguments: &EvalArguments) -> usize {
    arguments
        .episodes
        .min(config.evaluation.environments.max(1))
}

fn scoring<'a>(config: &TrainConfig, arguments: &EvalArguments) -> Scoring<'a> {
    Scoring {
        episodes: arguments.episodes,
        epsilon: arguments.epsilon,
        execution: config.evaluation.execution,
        purpose: "eval",
        index: 0,
        record: arguments.gif.is_some() || arguments.record.is_some(),
        budget: None,
    }
}

fn keep_episode(
    arguments: &EvalArguments,
    episode: Option<&RecordedEpisode>,
) -> Result<(), Failure> {
    let Some(episode) = episode else {
        return Ok(());
    };
    let failed = |error: agents::AgentsError| Failure::new(ENVIRONMENT, error.to_string());
    if let Some(path) = &arguments.gif {
        agents::report::write_gif(path, episode).map_err(failed)?;
    }
    if let Some(path) = &arguments.record {
        agents::report::write_scenes(path, episode).map_err(failed)?;
    }
    Ok(())
}

/// The folder of a run's checkpoint.
///
/// # Errors
/// When there is none of that name; the message says which there are.
pub fn checkpoint_folder(run_dir: &Path, checkpoint: &str) -> Result<PathBuf, Failure> {
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

/// Whether a policy can act in the environment that is asked for.
fn check_sizes(config: &TrainConfig, policy: &Policy) -> Result<(), Failure> {
    let options = agents::environment::environment_options(&config.environment);
    let environment = envs::make(&config.environment.id, &options)
        .map_err(|error| Failure::new(BAD_CONFIG, error.to_string()))?;
    match problem(environment.spec(), &policy.description.environment) {
        None => Ok(()),
        Some(problem) => Err(Failure::new(
            BAD_CONFIG,
            format!("{problem} - choose an environment of the same sizes"),
        )),
    }
}
