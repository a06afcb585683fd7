//! Checks of a whole configuration.

use std::collections::BTreeSet;

use crate::problem::Problem;
use crate::run::RunConfig;
use crate::schema::Schema;
use crate::{finetune, search, train};

/// All problems of a configuration, however it was made: values out of range
/// and contradictions.
#[must_use]
pub fn validate(config: &RunConfig) -> Vec<Problem> {
    validate_with(config, &|_| None)
}

/// As [`validate`], and asks the caller about the environment's id, since this
/// crate does not know the environments. The answer needs no path; it is put at
/// `environment.id`.
#[must_use]
pub fn validate_with(
    config: &RunConfig,
    environment_id: &dyn Fn(&str) -> Option<Problem>,
) -> Vec<Problem> {
    let schema = Schema::of(config.job());
    let mut problems: Vec<Problem> = config
        .values()
        .iter()
        .filter_map(|(path, value)| schema.field(path)?.check(value).err())
        .map(|problem| *problem)
        .collect();
    let faulty = paths(&problems);
    let contradictions = match config {
        RunConfig::Train(config) => train::contradictions(config),
        RunConfig::Finetune(config) => finetune::contradictions(config),
        RunConfig::Search(config) => search::contradictions(config),
    };
    problems.extend(
        contradictions
            .into_iter()
            .filter(|problem| !depends_on(problem, &faulty)),
    );
    match config {
        RunConfig::Finetune(_) | RunConfig::Search(_) => {}
        RunConfig::Train(config) => {
            if let Some(mut problem) = environment_id(&config.environment.id) {
                problem.path = "environment.id".to_owned();
                problems.push(problem);
            }
        }
    }
    problems
}

/// The settings that have a problem.
pub(crate) fn paths(problems: &[Problem]) -> BTreeSet<String> {
    problems
        .iter()
        .map(|problem| problem.path.clone())
        .filter(|path| !path.is_empty())
        .collect()
}

/// True when a contradiction rests on a setting that is wrong by itself, so that
/// it may vanish once that one is mended.
pub(crate) fn depends_on(problem: &Problem, faulty: &BTreeSet<String>) -> bool {
    faulty.contains(&problem.path) || problem.related.iter().any(|path| faulty.contains(path))
}
