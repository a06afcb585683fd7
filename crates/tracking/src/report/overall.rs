//! Over all tasks: normalised scores, who beats whom, performance profiles.

use serde::Serialize;

use super::{Cell, ReportOptions, Variant};
use crate::statistics::{
    Bootstrap, Interval, interquartile_mean_of_tasks, mean_of_tasks, median_of_tasks,
    performance_profile,
};

/// Pairs are compared up to this number of variants; a large sweep has too many.
const MOST_COMPARED: usize = 30;
/// Thresholds of a profile: 0, 0.01, ..., 1.
const THRESHOLDS: u32 = 100;

/// One variant over the tasks that all variants have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Aggregate {
    /// Index into the report's variants.
    pub variant: usize,
    /// Tasks and runs.
    pub tasks: usize,
    /// Runs over all tasks.
    pub runs: usize,
    /// Interquartile mean of all normalised scores.
    pub interquartile_mean: Interval,
    /// Mean over tasks of the mean over seeds.
    pub mean: Interval,
    /// Median over tasks of the mean over seeds.
    pub median: Interval,
    /// Mean shortfall from the best normalised score, `mean(max(0, 1 - score))`.
    pub optimality_gap: Interval,
}

/// Whether one variant beats another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Improvement {
    /// The task, or none for the mean over all tasks that both have.
    pub task: Option<String>,
    /// Index of the variant whose chance this is.
    pub first: usize,
    /// Index of the other.
    pub second: usize,
    /// Probability that a run of the first scores higher than one of the second, ties
    /// counted half.
    pub probability: Interval,
}

/// Share of runs above each threshold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// Index into the report's variants.
    pub variant: usize,
    /// (threshold, share of runs with a normalised score above it, with its interval).
    pub points: Vec<(f64, Interval)>,
}

/// Everything over all tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Overall {
    /// What scores were normalised by: (task, lowest, highest).
    pub ranges: Vec<(String, f64, f64)>,
    /// Per variant.
    pub aggregates: Vec<Aggregate>,
    /// Per pair of variants, over all tasks and per task.
    pub improvements: Vec<Improvement>,
    /// Per variant.
    pub profiles: Vec<Profile>,
    /// What was left out.
    pub notes: Vec<String>,
}

impl Overall {
    pub(super) fn new(
        tasks: &[String],
        variants: &[Variant],
        cells: &[Cell],
        options: &ReportOptions,
    ) -> Self {
        let mut overall = Overall {
            ranges: tasks
                .iter()
                .filter_map(|task| {
                    let (low, high) = range_of(task, cells, options)?;
                    Some((task.clone(), low, high))
                })
                .collect(),
            ..Overall::default()
        };
        let scores = |task: &str, variant: usize| -> Option<Vec<f64>> {
            let cell = cells
                .iter()
                .find(|cell| cell.task == task && cell.variant == variant)?;
            let (_, low, high) = overall.ranges.iter().find(|(name, ..)| name == task)?;
            Some(
                cell.scores()
                    .iter()
                    .map(|score| (score - low) / (high - low))
                    .collect(),
            )
        };
        let present: Vec<usize> = (0..variants.len())
            .filter(|variant| cells.iter().any(|cell| cell.variant == *variant))
            .collect();
        let common: Vec<&String> = tasks
            .iter()
            .filter(|task| present.iter().all(|one| scores(task, *one).is_some()))
            .collect();
        let mut notes = Vec::new();
        if common.len() < tasks.len() {
            notes.push(format!(
                "over all tasks: only the {} of {} tasks that every method has",
                common.len(),
                tasks.len()
            ));
        }
        let bootstrap = &options.bootstrap;
        let mut aggregates = Vec::new();
        let mut profiles = Vec::new();
        for variant in present.iter().copied().filter(|_| !common.is_empty()) {
            let table: Vec<Vec<f64>> = common
                .iter()
                .filter_map(|task| scores(task, variant))
                .collect();
            aggregates.push(aggregate(variant, &table, bootstrap));
            profiles.push(profile(variant, &table, bootstrap));
        }
        let mut improvements = Vec::new();
        if present.len() > MOST_COMPARED {
            notes.push(format!(
                "probability of improvement is left out: {} variants, and at most {MOST_COMPARED} are compared pair by pair",
                present.len()
            ));
        } else {
            for (first, second) in pairs(&present) {
                compare(first, second, tasks, &scores, bootstrap, &mut improvements);
            }
        }
        overall.aggregates = aggregates;
        overall.profiles = profiles;
        overall.improvements = improvements;
        overall.notes = notes;
        overall
    }
}

/// Every ordered pair.
fn pairs(present: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    present.iter().flat_map(move |first| {
        let others = present.iter().filter(move |second| *second != first);
        others.map(move |second| (*first, *second))
    })
}

fn compare(
    first: usize,
    second: usize,
    tasks: &[String],
    scores: &dyn Fn(&str, usize) -> Option<Vec<f64>>,
    bootstrap: &Bootstrap,
    improvements: &mut Vec<Improvement>,
) {
    let both: Vec<(&String, Vec<f64>, Vec<f64>)> = tasks
        .iter()
        .filter_map(|task| Some((task, scores(task, first)?, scores(task, second)?)))
        .collect();
    if both.is_empty() {
        return;
    }
    let (ours, theirs): (Vec<_>, Vec<_>) = both
        .iter()
        .map(|(_, ours, theirs)| (ours.clone(), theirs.clone()))
        .unzip();
    improvements.push(Improvement {
        task: None,
        first,
        second,
        probability: bootstrap.probability_of_improvement(&ours, &theirs),
    });
    for (task, ours, theirs) in both {
        improvements.push(Improvement {
            task: Some(task.clone()),
            first,
            second,
            probability: bootstrap.probability_of_improvement(&[ours], &[theirs]),
        });
    }
}

/// The given range, else the lowest and highest score of any run on the task; one wide
/// where all are equal.
fn range_of(task: &str, cells: &[Cell], options: &ReportOptions) -> Option<(f64, f64)> {
    let scores = || {
        cells
            .iter()
            .filter(|cell| cell.task == task)
            .flat_map(Cell::scores)
            .copied()
    };
    scores().next()?;
    if let Some(range) = options.return_range {
        return Some(range);
    }
    let low = scores().fold(f64::INFINITY, f64::min);
    let high = scores().fold(f64::NEG_INFINITY, f64::max);
    Some(if high > low {
        (low, high)
    } else {
        (low, low + 1.0)
    })
}

fn aggregate(variant: usize, table: &[Vec<f64>], bootstrap: &Bootstrap) -> Aggregate {
    let gap = |drawn: &[Vec<f64>]| {
        let all = drawn.concat();
        let shortfall: f64 = all.iter().map(|score| (1.0 - score).max(0.0)).sum();
        shortfall / all.len() as f64
    };
    Aggregate {
        variant,
        tasks: table.len(),
        runs: table.iter().map(Vec::len).sum(),
        interquartile_mean: bootstrap.interval(table, interquartile_mean_of_tasks),
        mean: bootstrap.interval(table, mean_of_tasks),
        median: bootstrap.interval(table, median_of_tasks),
        optimality_gap: bootstrap.interval(table, gap),
    }
}

fn profile(variant: usize, table: &[Vec<f64>], bootstrap: &Bootstrap) -> Profile {
    let points = (0..=THRESHOLDS)
        .map(|part| {
            let threshold = f64::from(part) / f64::from(THRESHOLDS);
            let share = |drawn: &[Vec<f64>]| performance_profile(drawn, &[threshold])[0];
            (threshold, bootstrap.interval(table, share))
        })
        .collect();
    Profile { variant, points }
}
