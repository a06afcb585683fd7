//! From arguments to a checked configuration.

use configs::env::Environment;
use configs::finetune::{ARITHMETIC, FinetuneConfig};
use configs::search::{ModelKind, QuestionsKind, SearchConfig};
use configs::train::{EnvironmentConfig, TimeLimitAs};
use configs::{Job, LoadRequest, Loaded, Problem, RunConfig, load_with};
use envs::{EnvironmentError, EnvironmentOptions, EnvironmentSpec, TimeLimitKind};

use crate::arguments::Settings;
use crate::failure::Failure;
use crate::worker;

/// This process's variables without the one that names the worker, which is no setting
/// and unknown to the crate of the settings.
pub(crate) fn variables() -> Environment {
    let others = std::env::vars_os().filter(|(name, _)| name != worker::VARIABLE);
    Environment::from_pairs(others.map(|(name, value)| {
        (
            name.to_string_lossy().into_owned(),
            value.to_string_lossy().into_owned(),
        )
    }))
}

/// The layers that the arguments ask for.
pub(crate) fn request(settings: &Settings, job: Option<Job>) -> LoadRequest {
    let mut request = LoadRequest::named(&settings.target);
    request.job = job;
    request.environment = variables();
    request.sets.clone_from(&settings.sets);
    let flags = [
        ("runtime.device", settings.device.clone()),
        (
            "runtime.threads",
            settings.threads.map(|threads| threads.to_string()),
        ),
        ("seed", settings.seed.map(|seed| seed.to_string())),
    ];
    for (path, value) in flags {
        if let Some(value) = value {
            request.sets.push(format!("{path}={value}"));
        }
    }
    request
}

/// Loads and checks everything, the environment's id and options included.
///
/// # Errors
/// All problems at once, in the order of the settings.
pub(crate) fn load(settings: &Settings, job: Option<Job>) -> Result<Loaded, Vec<Problem>> {
    let loaded = load_with(&request(settings, job), &|id| id_problem(id))?;
    match surroundings(&loaded.config) {
        None => Ok(loaded),
        Some(problem) => {
            let mut problems = loaded.warnings;
            problems.push(problem);
            Err(problems)
        }
    }
}

/// What a training's environment does not take; other jobs have none.
pub(crate) fn surroundings(config: &RunConfig) -> Option<Problem> {
    match config {
        RunConfig::Train(_) => environment(config)
            .err()
            .map(|error| option_problem(&error)),
        _ => None,
    }
}

/// A file that a setting names, where it does, and what it is to be.
type Named<'a> = (&'static str, &'a Option<String>, &'static str);

/// A file that a fine-tuning or a search names and that is not there: told before a run is made
/// for it.
pub(crate) fn missing_file(config: &RunConfig) -> Option<Problem> {
    let files = match config {
        RunConfig::Finetune(config) => files_of_finetuning(config),
        RunConfig::Search(config) => files_of_search(config),
        _ => Vec::new(),
    };
    files.into_iter().find_map(|(name, file, allowed)| {
        let file = file.as_deref().filter(|file| *file != ARITHMETIC)?;
        let problem = match std::fs::metadata(file) {
            Ok(about) if about.is_file() => return None,
            Ok(_) => Problem::error(name, "this is no file"),
            Err(error) => Problem::error(name, format!("cannot read this: {error}")),
        };
        let corrected = format!("correct it, as with --set {name}=FILE");
        Some(problem.value(file).allowed(allowed).hint(corrected))
    })
}

fn files_of_finetuning(config: &FinetuneConfig) -> Vec<Named<'_>> {
    let rows = "a file of rows (JSON lines, a JSON list or Parquet), or arithmetic";
    vec![
        ("data.path", &config.data.path, rows),
        ("data.evaluation", &config.data.evaluation, rows),
        ("oracle.path", &config.oracle.path, "a file of scores"),
        ("oracle.prompt", &config.oracle.prompt, "a text file"),
        ("model.create", &config.model.create, "a config.json"),
    ]
}

/// Those that are read: made-up questions have none, a question in the settings documents alone.
fn files_of_search(config: &SearchConfig) -> Vec<Named<'_>> {
    let questions = &config.questions;
    let documents = (
        "questions.documents",
        &questions.documents,
        "a file of documents, JSON lines with title and text",
    );
    match (config.model.kind, questions.kind) {
        (ModelKind::Scripted, _) | (_, QuestionsKind::World) => Vec::new(),
        (_, QuestionsKind::Text) => vec![documents],
        (_, QuestionsKind::File) => vec![
            (
                "questions.path",
                &questions.path,
                "a file of HotpotQA, 2WikiMultihopQA, MuSiQue, Bamboogle or JSON lines",
            ),
            documents,
            (
                "questions.aliases",
                &questions.aliases,
                "id_aliases.json of 2WikiMultihopQA",
            ),
        ],
    }
}

/// As [`load`], for a command that stops at problems; warnings go to stderr.
pub(crate) fn load_or_fail(settings: &Settings, job: Option<Job>) -> Result<Loaded, Failure> {
    let loaded = load(settings, job)
        .map_err(|problems| Failure::problems(&format!("`{}`", settings.target), &problems))?;
    for warning in &loaded.warnings {
        crate::output::tell(&warning.to_string());
    }
    Ok(loaded)
}

/// What the configured environment is.
pub(crate) fn environment(config: &RunConfig) -> Result<EnvironmentSpec, EnvironmentError> {
    let RunConfig::Train(train) = config else {
        return Err(EnvironmentError::Custom {
            id: config.job().to_string(),
            problem: "this job has no environment".to_owned(),
        });
    };
    let environment = &train.environment;
    envs::make(&environment.id, &options(environment)).map(|made| made.spec().clone())
}

/// The environment's options as its crate takes them.
pub(crate) fn options(environment: &EnvironmentConfig) -> EnvironmentOptions {
    EnvironmentOptions {
        time_limit: environment.time_limit,
        time_limit_as: match environment.time_limit_as {
            TimeLimitAs::Termination => TimeLimitKind::Termination,
            TimeLimitAs::Truncation => TimeLimitKind::Truncation,
        },
        common_reward: environment.common_reward,
        exact: environment.exact,
        sight: environment.sight,
        penalty: environment.penalty,
        normalize_reward: environment.normalize_reward,
        observe_levels: environment.observe_levels,
        ..EnvironmentOptions::default()
    }
}

pub(crate) fn id_problem(id: &str) -> Option<Problem> {
    match envs::make(id, &EnvironmentOptions::default()) {
        Err(EnvironmentError::UnknownId { nearest, hint, .. }) => Some(
            Problem::error("environment.id", "unknown environment")
                .value(id)
                .hint(format!("did you mean `{nearest}`? {hint}")),
        ),
        // Whether the id takes the options is told once all of them are known.
        Ok(_) | Err(_) => None,
    }
}

pub(crate) fn option_problem(error: &EnvironmentError) -> Problem {
    match error {
        EnvironmentError::Option {
            option,
            value,
            allowed,
            hint,
        } => Problem::error(
            format!("environment.{option}"),
            "the environment does not take this",
        )
        .value(value)
        .allowed(allowed)
        .hint(hint),
        other => Problem::error("environment", other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(target: &str, sets: &[&str]) -> Settings {
        Settings {
            target: target.to_owned(),
            sets: sets.iter().map(|set| (*set).to_owned()).collect(),
            device: None,
            threads: None,
            seed: Some(7),
        }
    }

    #[test]
    fn flags_are_settings_and_win_over_set() {
        let asked = Settings {
            device: Some("cpu".to_owned()),
            ..settings("demo", &["seed=1"])
        };
        let request = request(&asked, Some(Job::Train));
        assert_eq!(request.sets, ["seed=1", "runtime.device=cpu", "seed=7"]);
        assert_eq!(
            load(&asked, None)
                .expect("a good configuration")
                .config
                .seed(),
            7
        );
    }

    #[test]
    fn every_preset_names_an_environment_that_exists() {
        for name in configs::presets::names() {
            let loaded = load(&settings(name, &[]), None)
                .unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
            if loaded.config.job() == Job::Train {
                let spec = environment(&loaded.config).expect("an environment");
                assert!(spec.agents > 0, "{name}");
            }
        }
    }

    #[test]
    fn an_unknown_environment_is_a_problem_with_the_nearest_name() {
        let problems = load(
            &settings(
                "demo",
                &[
                    "environment.id=Foraging-8x8-2p-2f-coop-v9",
                    "replay.batch_episodes=0",
                ],
            ),
            None,
        )
        .expect_err("two problems");
        let text = problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n");
        assert!(text.contains("Foraging-8x8-2p-2f-coop-v3"), "{text}");
        assert!(text.contains("replay.batch_episodes"), "{text}");
    }
}
