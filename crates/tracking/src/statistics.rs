//! Statistics of scores over runs and tasks.
//!
//! The definitions follow Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge
//! of the Statistical Precipice" (their package `rliable`), which Gorsane et al. 2022
//! adopt for cooperative multi-agent evaluation: scores are a table of tasks by runs;
//! point estimates are the interquartile mean of all scores, or the mean or median of
//! the task means; intervals are percentile intervals of a bootstrap that resamples runs
//! within each task.
//!
//! An empty list gives NaN, and a NaN among the scores gives NaN.

mod bootstrap;
mod shares;

pub use bootstrap::{Bootstrap, Interval};
pub use shares::{mcnemar, wilson};

/// Mean; NaN for none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Middle value, or the mean of the two middle ones; NaN for none.
pub fn median(values: &[f64]) -> f64 {
    quantile(&sorted(values), 0.5)
}

/// Interquartile mean: the mean without the lowest and highest quarter, each of
/// `floor(n / 4)` values (`scipy.stats.trim_mean(values, 0.25)`).
pub fn interquartile_mean(values: &[f64]) -> f64 {
    interquartile_mean_of_sorted(&sorted(values))
}

/// Standard deviation with `n - 1`; NaN for fewer than two values.
pub fn standard_deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// Lowest and highest value; NaN for none.
pub fn range(values: &[f64]) -> (f64, f64) {
    let sorted = sorted(values);
    match sorted.as_slice() {
        [] => (f64::NAN, f64::NAN),
        [.., last] if last.is_nan() => (f64::NAN, f64::NAN),
        [first, .., last] => (*first, *last),
        [only] => (*only, *only),
    }
}

/// Mean over tasks of each task's mean; `scores[task][run]`.
pub fn mean_of_tasks(scores: &[Vec<f64>]) -> f64 {
    mean(&task_means(scores))
}

/// Median over tasks of each task's mean; `scores[task][run]`.
pub fn median_of_tasks(scores: &[Vec<f64>]) -> f64 {
    median(&task_means(scores))
}

/// Interquartile mean of all scores together; `scores[task][run]`.
pub fn interquartile_mean_of_tasks(scores: &[Vec<f64>]) -> f64 {
    interquartile_mean(&scores.concat())
}

fn task_means(scores: &[Vec<f64>]) -> Vec<f64> {
    scores.iter().map(|runs| mean(runs)).collect()
}

/// Probability that a run of the first algorithm scores higher than one of the second on
/// the same task, ties counted half, averaged over tasks; `scores[task][run]`. Tasks are
/// paired by position; NaN when their numbers differ or a task has no runs.
pub fn probability_of_improvement(first: &[Vec<f64>], second: &[Vec<f64>]) -> f64 {
    if first.len() != second.len() || first.is_empty() {
        return f64::NAN;
    }
    let tasks = first.iter().zip(second).map(|(ours, theirs)| {
        let wins: f64 = ours
            .iter()
            .flat_map(|our| theirs.iter().map(move |their| win(*our, *their)))
            .sum();
        wins / (ours.len() * theirs.len()) as f64
    });
    tasks.sum::<f64>() / first.len() as f64
}

fn win(our: f64, their: f64) -> f64 {
    if our.is_nan() || their.is_nan() {
        f64::NAN
    } else if our > their {
        1.0
    } else if our == their {
        0.5
    } else {
        0.0
    }
}

/// Performance profile: for each threshold the share of runs that score above it, over
/// all tasks together; `scores[task][run]`.
pub fn performance_profile(scores: &[Vec<f64>], thresholds: &[f64]) -> Vec<f64> {
    let all = scores.concat();
    thresholds
        .iter()
        .map(|threshold| {
            all.iter().filter(|score| *score > threshold).count() as f64 / all.len() as f64
        })
        .collect()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sort(&mut sorted);
    sorted
}

/// Ascending, NaN of either sign last.
fn sort(values: &mut [f64]) {
    values.sort_unstable_by(|left, right| {
        left.is_nan()
            .cmp(&right.is_nan())
            .then(left.total_cmp(right))
    });
}

fn interquartile_mean_of_sorted(sorted: &[f64]) -> f64 {
    if sorted.last().is_some_and(|last| last.is_nan()) {
        return f64::NAN;
    }
    let cut = sorted.len() / 4;
    mean(&sorted[cut..sorted.len() - cut])
}

/// Linear interpolation between order statistics (numpy's default). `sorted` ascends.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    match sorted {
        [] => f64::NAN,
        [.., last] if last.is_nan() => f64::NAN,
        _ => {
            let position = share * (sorted.len() - 1) as f64;
            let below = position.floor() as usize;
            let above = position.ceil() as usize;
            let part = position - below as f64;
            if part == 0.0 {
                sorted[below]
            } else {
                sorted[below] + (sorted[above] - sorted[below]) * part
            }
        }
    }
}

#[cfg(test)]
mod tests;
