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

use serde::{Serialize, Serializer};

use super::{RunRecord, by_experiment};
use crate::error::TrackingError;
use crate::history::Evaluation;

/// An export with what its reader should know.
#[derive(Debug, Clone, PartialEq)]
pub struct MarlEvalExport {
    document: Ordered<Tasks>,
    /// What marl-eval would object to (unequal numbers of evaluations or seeds, missing
    /// absolute metrics) and what was done about it.
    pub notes: Vec<String>,
}

impl MarlEvalExport {
    /// The whole document, indented.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.document).expect("string keys, finite numbers")
    }
}

/// A JSON object whose keys stay in the order of insertion: marl-eval takes the order of
/// evaluations from it, where sorted keys would put `step_10` before `step_2`.
#[derive(Debug, Clone, PartialEq)]
struct Ordered<T>(Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<T: Default> Ordered<T> {
    fn child(&mut self, key: &str) -> &mut T {
        let index = self
            .0
            .iter()
            .position(|(existing, _)| existing == key)
            .unwrap_or_else(|| {
                self.0.push((key.to_owned(), T::default()));
                self.0.len() - 1
            });
        &mut self.0[index].1
    }
}

/// By evaluation, then by metric.
type Evaluations = Ordered<Ordered<Metric>>;
/// By seed.
type Seeds = Ordered<Evaluations>;
/// By task, then by algorithm.
type Tasks = Ordered<Ordered<Seeds>>;

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Metric {
    Count(u64),
    Seconds(f64),
    Episodes(Vec<f64>),
    Lengths(Vec<u64>),
}

/// Exports runs into one document. With `equal_lengths`, every run is cut to the
/// evaluations that all runs of the document have, as marl-eval's tools require.
///
/// # Errors
/// No run with an evaluation; two runs of the same algorithm, task and seed; a return
/// that is not finite.
pub fn export(records: &[RunRecord], equal_lengths: bool) -> Result<MarlEvalExport, TrackingError> {
    let mut notes = Vec::new();
    let mut document = Ordered::<Tasks>::default();
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
        let seeds = document.child(&environment).child(&task).child(&algorithm);
        for run in runs {
            let key = format!("seed_{}", run.meta.seed);
            if seeds.0.iter().any(|(existing, _)| *existing == key) {
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
            seeds.0.push((key, run_object(run, shown)?));
        }
    }
    Ok(MarlEvalExport { document, notes })
}

fn run_object(run: &RunRecord, shown: usize) -> Result<Evaluations, TrackingError> {
    let mut object = Evaluations::default();
    for (index, evaluation) in run.history.interval_evaluations().take(shown).enumerate() {
        let mut step = metrics(run, evaluation)?;
        step.0.insert(
            0,
            (
                "step_count".to_owned(),
                Metric::Count(evaluation.progress.step),
            ),
        );
        object.0.push((format!("step_{index}"), step));
    }
    if let Some(absolute) = run.history.absolute_evaluation() {
        object
            .0
            .push(("absolute_metrics".to_owned(), metrics(run, absolute)?));
    }
    Ok(object)
}

fn metrics(run: &RunRecord, evaluation: &Evaluation) -> Result<Ordered<Metric>, TrackingError> {
    let mut numbers = evaluation
        .returns
        .iter()
        .chain(evaluation.extra.values().flatten());
    if !numbers.all(|value| value.is_finite()) || !evaluation.progress.seconds.is_finite() {
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
    let mut metrics = vec![
        (
            "elapsed_time".to_owned(),
            Metric::Seconds(evaluation.progress.seconds),
        ),
        (
            "return".to_owned(),
            Metric::Episodes(evaluation.returns.clone()),
        ),
        (
            "length".to_owned(),
            Metric::Lengths(evaluation.lengths.clone()),
        ),
    ];
    for (name, values) in &evaluation.extra {
        metrics.push((name.clone(), Metric::Episodes(values.clone())));
    }
    Ok(Ordered(metrics))
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
