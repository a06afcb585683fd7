//! The JSON of `marl-eval` (InstaDeep's package for the protocol of Gorsane et al. 2022).
//!
//! ```json
//! {"lbf": {"Foraging-8x8-2p-2f-coop-v3": {"iql": {"seed_1": {
//!     "step_0": {"step_count": 50000, "elapsed_time": 61.5, "return": [0.5, 1.0], "length": [50, 12]},
//!     "absolute_metrics": {"elapsed_time": 620.0, "return": [1.0, 1.0], "length": [9, 14]}}}}}}
//! ```
//!
//! `step_K` counts evaluations, not environment steps: the package pairs the runs of an
//! experiment by this key. `elapsed_time` stands in `absolute_metrics` too, since its
//! checker wants the same metrics in every step. Metric names hold no underscore where
//! they are ours, because the package cannot normalise names that do.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{RunRecord, by_experiment};
use crate::error::TrackingError;
use crate::history::Evaluation;

/// An export with what its reader should know.
#[derive(Debug, Clone, PartialEq)]
pub struct MarlEvalExport {
    /// The whole document.
    pub json: Value,
    /// What marl-eval would object to (unequal numbers of evaluations or seeds, missing
    /// absolute metrics) and what was done about it.
    pub notes: Vec<String>,
}

/// Exports runs into one document. With `equal_lengths`, every run is cut to the
/// evaluations that all runs of the document have, as marl-eval's tools require.
///
/// # Errors
/// No run with an evaluation; two runs of the same algorithm, task and seed; a return
/// that is not finite.
pub fn export(records: &[RunRecord], equal_lengths: bool) -> Result<MarlEvalExport, TrackingError> {
    let mut notes = Vec::new();
    let mut document = Map::new();
    let counts: Vec<usize> = records
        .iter()
        .map(|record| record.history.interval_evaluations().count())
        .collect();
    let (fewest, most) = (
        counts.iter().copied().min().unwrap_or(0),
        counts.iter().copied().max().unwrap_or(0),
    );
    if most == 0 {
        return Err(unusable(
            "cannot export",
            format!("{} runs without evaluations", records.len()),
            "runs with at least one evaluation",
            "set evaluation.interval_steps, or wait for the first evaluation",
        ));
    }
    let shown = if equal_lengths { fewest } else { most };
    if fewest != most {
        let done = if equal_lengths {
            "all are cut to the fewest"
        } else {
            "marl-eval wants equal numbers"
        };
        notes.push(format!("runs have {fewest} to {most} evaluations; {done}"));
    }
    let groups = by_experiment(records);
    let seeds: HashSet<usize> = groups.values().map(Vec::len).collect();
    if seeds.len() > 1 {
        notes.push(
            "experiments have different numbers of seeds; marl-eval wants equal numbers".to_owned(),
        );
    }
    for ((environment, task, algorithm), runs) in groups {
        // marl-eval refuses commas in algorithm names.
        let algorithm = algorithm.replace(',', "-");
        let seeds = child(child(child(&mut document, &environment), &task), &algorithm);
        for run in runs {
            let key = format!("seed_{}", run.meta.seed);
            if seeds.contains_key(&key) {
                return Err(unusable(
                    "cannot export",
                    format!("{algorithm} on {task} has seed {} twice", run.meta.seed),
                    "one run per seed",
                    "name the runs to export",
                ));
            }
            if run.history.absolute_evaluation().is_none() {
                notes.push(format!(
                    "{}: no absolute metric (the run has not ended)",
                    run.meta.id
                ));
            }
            seeds.insert(key, Value::Object(run_object(run, shown)?));
        }
    }
    Ok(MarlEvalExport {
        json: Value::Object(document),
        notes,
    })
}

fn child<'a>(parent: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = parent
        .entry(key)
        .or_insert_with(|| Value::Object(Map::new()));
    value
        .as_object_mut()
        .expect("every level above the metrics holds objects only")
}

fn run_object(run: &RunRecord, shown: usize) -> Result<Map<String, Value>, TrackingError> {
    let mut object = Map::new();
    for (index, evaluation) in run.history.interval_evaluations().take(shown).enumerate() {
        let mut metrics = metrics(run, evaluation)?;
        metrics.insert("step_count".to_owned(), json!(evaluation.progress.step));
        object.insert(format!("step_{index}"), Value::Object(metrics));
    }
    if let Some(absolute) = run.history.absolute_evaluation() {
        object.insert(
            "absolute_metrics".to_owned(),
            Value::Object(metrics(run, absolute)?),
        );
    }
    Ok(object)
}

fn metrics(run: &RunRecord, evaluation: &Evaluation) -> Result<Map<String, Value>, TrackingError> {
    let all_finite = evaluation
        .returns
        .iter()
        .chain(evaluation.extra.values().flatten())
        .all(|value| value.is_finite());
    if !all_finite || !evaluation.progress.seconds.is_finite() {
        return Err(unusable(
            "cannot export",
            format!(
                "{}: a non-finite number in the evaluation at step {}",
                run.meta.id, evaluation.progress.step
            ),
            "finite numbers (JSON has no others)",
            "see `concord show` for the run",
        ));
    }
    let mut metrics = Map::new();
    metrics.insert(
        "elapsed_time".to_owned(),
        json!(evaluation.progress.seconds),
    );
    metrics.insert("return".to_owned(), json!(evaluation.returns));
    metrics.insert("length".to_owned(), json!(evaluation.lengths));
    for (name, values) in &evaluation.extra {
        metrics.insert(name.clone(), json!(values));
    }
    Ok(metrics)
}

fn unusable(
    what: &'static str,
    value: String,
    allowed: &'static str,
    hint: &'static str,
) -> TrackingError {
    TrackingError::Unusable {
        what,
        value,
        allowed,
        hint,
    }
}
