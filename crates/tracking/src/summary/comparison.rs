//! Several runs side by side.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RunRow;
use crate::clock::unix_seconds;
use crate::error::TrackingError;
use crate::export::{RunRecord, by_experiment};
use crate::history::History;
use crate::run_folder::RunFolder;
use crate::statistics::{Bootstrap, Interval, mean};

/// Runs of one algorithm on one task, seed by seed, on common steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedGroup {
    /// Algorithm.
    pub algorithm: String,
    /// Task.
    pub task: String,
    /// Run ids, by seed.
    pub runs: Vec<String>,
    /// Seeds, in the same order.
    pub seeds: Vec<u64>,
    /// The curve.
    pub points: Vec<ComparedPoint>,
    /// Interquartile mean over the seeds of each seed's mean absolute return; `None`
    /// unless every seed has one.
    pub absolute: Option<Interval>,
    /// Interquartile mean over the seeds of each seed's best mean return. Optimistic:
    /// the choice of the best evaluation is made on the same episodes.
    pub best: Option<Interval>,
}

/// A step of a group's curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedPoint {
    /// Environment step.
    pub step: u64,
    /// Each seed's mean return there, in the order of the seeds; interpolated between
    /// its neighbouring evaluations, `None` outside what the run covers.
    #[serde(with = "optional_numbers")]
    pub values: Vec<Option<f64>>,
    /// Interquartile mean over the seeds that have a value, with the bootstrap interval
    /// over seeds.
    pub interquartile_mean: Interval,
}

/// Several runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The runs.
    pub rows: Vec<RunRow>,
    /// Grouped by task and algorithm.
    pub groups: Vec<ComparedGroup>,
    /// Every pair of algorithms on the same task.
    pub improvements: Vec<Improvement>,
}

/// Whether one algorithm beats another on a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Improvement {
    /// Task.
    pub task: String,
    /// The algorithm whose chance this is.
    pub first: String,
    /// The other.
    pub second: String,
    /// The mean absolute returns were compared; otherwise those of the last evaluations,
    /// because a run has no absolute one yet.
    pub absolute: bool,
    /// Probability that a run of the first scores higher than one of the second.
    pub probability: Interval,
}

/// Lays runs beside each other: grouped by task and algorithm, aligned on the steps of
/// the evaluations of all runs of a group. `bootstrap` gives seed and effort.
///
/// # Errors
/// As [`RunRecord::read`].
pub fn compare(runs: &[RunFolder], bootstrap: &Bootstrap) -> Result<Comparison, TrackingError> {
    let now = unix_seconds();
    let rows = runs.iter().map(|run| RunRow::read(run, now)).collect();
    let records = RunRecord::read_all(runs)?;
    let experiments = by_experiment(&records);
    let improvements = improvements(&experiments, bootstrap);
    let groups = experiments
        .into_iter()
        .map(|((_, task, algorithm), records)| group(task, algorithm, &records, bootstrap))
        .collect();
    Ok(Comparison {
        rows,
        groups,
        improvements,
    })
}

fn group(
    task: String,
    algorithm: String,
    records: &[&RunRecord],
    bootstrap: &Bootstrap,
) -> ComparedGroup {
    let curves: Vec<Vec<(u64, f64)>> = records
        .iter()
        .map(|record| curve(&record.history))
        .collect();
    let mut steps: Vec<u64> = curves.iter().flatten().map(|(step, _)| *step).collect();
    steps.sort_unstable();
    steps.dedup();
    let points = steps
        .into_iter()
        .map(|step| {
            let values: Vec<Option<f64>> =
                curves.iter().map(|curve| value_at(curve, step)).collect();
            let known: Vec<f64> = values.iter().flatten().copied().collect();
            ComparedPoint {
                step,
                values,
                interquartile_mean: bootstrap.interquartile_mean(&[known]),
            }
        })
        .collect();
    let over_seeds = |score: &dyn Fn(&History) -> Option<f64>| {
        let scores: Option<Vec<f64>> = records
            .iter()
            .map(|record| score(&record.history))
            .collect();
        Some(bootstrap.interquartile_mean(&[scores?]))
    };
    ComparedGroup {
        absolute: over_seeds(&|history| {
            history.absolute_evaluation().map(|one| mean(&one.returns))
        }),
        best: over_seeds(&|history| {
            curve(history)
                .into_iter()
                .map(|(_, score)| score)
                .max_by(f64::total_cmp)
        }),
        algorithm,
        task,
        runs: records
            .iter()
            .map(|record| record.meta.id.clone())
            .collect(),
        seeds: records.iter().map(|record| record.meta.seed).collect(),
        points,
    }
}

fn improvements(
    experiments: &BTreeMap<(String, String, String), Vec<&RunRecord>>,
    bootstrap: &Bootstrap,
) -> Vec<Improvement> {
    let mut found = Vec::new();
    for (index, ((environment, task, first), ours)) in experiments.iter().enumerate() {
        for ((other_environment, other_task, second), theirs) in experiments.iter().skip(index + 1)
        {
            if (environment, task) != (other_environment, other_task) {
                continue;
            }
            let both: Vec<&&RunRecord> = ours.iter().chain(theirs).collect();
            let absolute = both
                .iter()
                .all(|record| record.history.absolute_evaluation().is_some());
            let final_scores = |records: &[&RunRecord]| -> Vec<f64> {
                records
                    .iter()
                    .filter_map(|record| final_score(&record.history, absolute))
                    .collect()
            };
            let probability = bootstrap
                .probability_of_improvement(&[final_scores(ours)], &[final_scores(theirs)]);
            let (task, first, second) = (task.clone(), first.clone(), second.clone());
            found.push(Improvement {
                task,
                first,
                second,
                absolute,
                probability,
            });
        }
    }
    found
}

fn final_score(history: &History, absolute: bool) -> Option<f64> {
    if absolute {
        history.absolute_evaluation().map(|one| mean(&one.returns))
    } else {
        curve(history).last().map(|(_, score)| *score)
    }
}

/// Mean return of each evaluation, by step.
fn curve(history: &History) -> Vec<(u64, f64)> {
    let mut curve: Vec<(u64, f64)> = history
        .interval_evaluations()
        .filter(|one| !one.returns.is_empty())
        .map(|one| (one.progress.step, mean(&one.returns)))
        .collect();
    curve.sort_by_key(|(step, _)| *step);
    curve
}

fn value_at(curve: &[(u64, f64)], step: u64) -> Option<f64> {
    let after = curve.partition_point(|(at, _)| *at < step);
    let (right, high) = *curve.get(after)?;
    if right == step {
        return Some(high);
    }
    let (left, low) = *curve.get(after.checked_sub(1)?)?;
    let part = (step - left) as f64 / (right - left) as f64;
    Some(low + (high - low) * part)
}

/// Lists of `Option<f64>` by the rule of event numbers.
mod optional_numbers {
    use crate::event::encoding::number::Number;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        values: &[Option<f64>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| value.map(Number)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Option<f64>>, D::Error> {
        let values = Vec::<Option<Number>>::deserialize(deserializer)?;
        Ok(values
            .into_iter()
            .map(|value| value.map(|number| number.0))
            .collect())
    }
}
