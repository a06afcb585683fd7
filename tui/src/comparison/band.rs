//! Seeds folded into a band.

use tracking::statistics::{Bootstrap, Interval};

use super::Centre;
use crate::curve::axes::between;
use crate::curve::drawable;

/// One position of a band.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BandPoint {
    /// Position.
    pub x: f64,
    /// The statistic over the seeds with its interval; NaN ends for a single seed.
    pub interval: Interval,
    /// Seeds that have a value there.
    pub seeds: usize,
}

/// Folds the curves of several seeds: at common positions, each seed counts with the value
/// between its neighbouring points, and only inside the range that it covers. The
/// positions are those of the seeds' own points where these are at most `points`, else as
/// many evenly spaced ones.
#[must_use]
pub fn band(
    curves: &[Vec<(f64, f64)>],
    centre: Centre,
    points: usize,
    bootstrap: &Bootstrap,
) -> Vec<BandPoint> {
    let clean: Vec<Vec<(f64, f64)>> = curves
        .iter()
        .map(|curve| {
            let finite = curve.iter().filter(|(x, y)| drawable(*x) && drawable(*y));
            finite.copied().collect()
        })
        .collect();
    positions(&clean, points.max(2))
        .into_iter()
        .filter_map(|x| {
            let scores: Vec<f64> = clean.iter().filter_map(|curve| between(curve, x)).collect();
            (!scores.is_empty()).then(|| BandPoint {
                x,
                interval: centre.interval(&scores, bootstrap),
                seeds: scores.len(),
            })
        })
        .collect()
}

fn positions(curves: &[Vec<(f64, f64)>], points: usize) -> Vec<f64> {
    let mut own: Vec<f64> = curves.iter().flatten().map(|point| point.0).collect();
    own.sort_by(f64::total_cmp);
    own.dedup();
    let (Some(first), Some(last)) = (own.first().copied(), own.last().copied()) else {
        return own;
    };
    if own.len() <= points {
        return own;
    }
    let parts = (points - 1) as f64;
    (0..points)
        .map(|index| {
            let share = index as f64 / parts;
            // The ends are met exactly, so that no seed falls out by a rounding.
            if index + 1 == points {
                last
            } else {
                first + (last - first) * share
            }
        })
        .collect()
}
