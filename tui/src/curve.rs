//! Curves as they are drawn: finite points, limits at round numbers, sparklines.

use tracking::series::{Point, Series};

pub mod axes;

/// Whether a value can be placed in a plot. Beyond the limit the spans between values
/// overflow, and ratatui's line clipping never ends on what is not a number.
#[must_use]
pub fn drawable(value: f64) -> bool {
    value.abs() < 1e100
}

/// Points as (step, value), drawable ones only.
#[must_use]
pub fn points(series: &Series) -> Vec<(f64, f64)> {
    series
        .points()
        .iter()
        .filter(|point| drawable(point.value))
        .map(|point| (point.step as f64, point.value))
        .collect()
}

/// A badge such as `NaN x3 @ step 1.2k` when values cannot be drawn: how many, and where
/// the last of them is. Missing data must never look like zero.
#[must_use]
pub fn badge(series: &Series) -> Option<String> {
    let points = series.points();
    let huge = points
        .iter()
        .filter(|point| point.value.is_finite() && !drawable(point.value));
    let missing = series.missing();
    let count = missing.count + huge.clone().count() as u64;
    let latest = |left: &Point, right: &Point| left.step.cmp(&right.step);
    let last = missing.last.iter().chain(huge).copied().max_by(latest)?;
    let times = if count > 1 {
        format!(" x{count}")
    } else {
        String::new()
    };
    let step = crate::figures::count(last.step as f64);
    Some(format!(
        "{}{times} @ step {step}",
        crate::figures::number(last.value)
    ))
}

/// The points after an exponential moving average that keeps `weight` of the past, without
/// the bias towards zero of its first values: TensorBoard's formula, which leaves values
/// that are not finite as they are and out of the average.
#[must_use]
pub fn smoothed(points: &[(f64, f64)], weight: f64) -> Vec<(f64, f64)> {
    let (mut average, mut kept) = (0.0, 1.0);
    points
        .iter()
        .map(|&(x, value)| {
            if !drawable(value) || weight <= 0.0 {
                return (x, value);
            }
            average = average * weight + (1.0 - weight) * value;
            kept *= weight;
            (x, average / (1.0 - kept))
        })
        .collect()
}

/// The values in at most `width` groups, scaled to eight levels, for a sparkline.
#[must_use]
pub fn levels(points: &[(f64, f64)], width: usize) -> Vec<usize> {
    if width == 0 || points.is_empty() {
        return Vec::new();
    }
    let means: Vec<f64> = points
        .chunks(points.len().div_ceil(width))
        .map(|group| group.iter().map(|point| point.1).sum::<f64>() / group.len() as f64)
        .collect();
    let low = means.iter().copied().fold(f64::INFINITY, f64::min);
    let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    means
        .iter()
        .map(|mean| {
            if high > low {
                ((mean - low) / (high - low) * 7.0).round() as usize
            } else {
                0
            }
        })
        .collect()
}

/// Axis limits around finite values, with a minimum span.
#[must_use]
pub fn bounds(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let (low, high) = values
        .filter(|value| drawable(*value))
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return [0.0, 1.0];
    }
    let least = 1e-6_f64.max(low.abs().max(high.abs()) * 1e-6);
    if high - low < least {
        let margin = (high.abs() * 0.1).max(0.5);
        return [low - margin, high + margin];
    }
    [low, high]
}

/// Marks at round numbers, evenly spaced, that enclose the limits; about `parts` + 1
/// of them, at least two.
#[must_use]
pub fn marks(limits: [f64; 2], parts: usize) -> Vec<f64> {
    let [low, high] = limits;
    let raw = (high - low) / parts.max(1) as f64;
    let power = 10_f64.powf(raw.log10().floor());
    if !power.is_normal() {
        return limits.to_vec();
    }
    // The little less than one forgives the rounding of `high` itself.
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= raw * 0.999_999)
        .unwrap_or(raw);
    let first = (low / step + 1e-6).floor();
    let last = (high / step - 1e-6).ceil().max(first + 1.0);
    if (last - first).is_nan() || last - first >= 100.0 {
        return limits.to_vec();
    }
    (0..=(last - first) as usize)
        .map(|index| (first + index as f64) * step)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[(u64, f64)]) -> Series {
        let mut series = Series::new();
        for &(step, value) in values {
            series.push(Point {
                step,
                value,
                time: 0.0,
            });
        }
        series
    }

    #[test]
    fn values_that_are_not_finite_are_told_and_never_drawn() {
        let series = series(&[(1, 0.5), (1_200, f64::NAN), (1_300, f64::INFINITY)]);
        assert_eq!(points(&series), [(1.0, 0.5)]);
        assert_eq!(badge(&series).as_deref(), Some("inf x2 @ step 1.3k"));
    }

    #[test]
    fn limits_come_from_finite_values_and_have_a_span() {
        assert_eq!(bounds([f64::NAN].into_iter()), [0.0, 1.0]);
        assert_eq!(bounds([1.0, 3.0, f64::INFINITY].into_iter()), [1.0, 3.0]);
        let [low, high] = bounds([2.0, 2.0].into_iter());
        assert!(low < 2.0 && high > 2.0);
    }

    #[test]
    fn marks_are_round_and_zero_is_zero() {
        assert_eq!(marks([0.0, 0.97], 2), [0.0, 0.5, 1.0]);
        assert_eq!(marks([-3.0, 17.0], 5), [-5.0, 0.0, 5.0, 10.0, 15.0, 20.0]);
        assert_eq!(marks([-0.02, 0.212], 5)[1], 0.0);
        assert_eq!(marks([0.0, f64::MAX], 0).len(), 2);
        assert_eq!(marks([1e300, 1e300 + 1.0], 4).len(), 2);
    }

    /// By hand after TensorBoard's `resmoothDataset`: with weight 0.6 the averages are
    /// 0.4, 0.4 * 0.6 + 0.4 * 2 and so on, each over 1 - 0.6^n.
    #[test]
    fn smoothing_is_tensorboards_debiased_average() {
        let points = [(0.0, 1.0), (1.0, 2.0), (2.0, f64::NAN), (3.0, 4.0)];
        let smooth = smoothed(&points, 0.6);
        let expected = [0.4 / 0.4, 1.04 / 0.64, f64::NAN, 2.224 / 0.784];
        for (found, expected) in smooth.iter().zip(expected) {
            let same = (found.1 - expected).abs() < 1e-12;
            assert!(same || found.1.is_nan() && expected.is_nan(), "{smooth:?}");
        }
        assert_eq!(smoothed(&points[..2], 0.0), points[..2]);
    }

    #[test]
    fn levels_of_a_sparkline() {
        let points = [(0.0, 0.0), (1.0, 1.0)];
        assert_eq!(levels(&points, 8), [0, 7]);
        assert_eq!(levels(&points, 0), Vec::<usize>::new());
    }
}
