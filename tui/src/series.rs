//! One scalar over a whole run in bounded memory.

/// Points kept before neighbours are merged.
const CAPACITY: usize = 2_048;

/// A scalar's history: thinned by merging neighbours, so that a run of any
/// length costs the same, beside its last value at full resolution.
#[derive(Clone, Debug, Default)]
pub struct Series {
    points: Vec<(f64, f64)>,
    /// How many values one kept point stands for.
    stride: usize,
    pending: (f64, f64, usize),
    last: Option<(f64, f64)>,
    non_finite: u64,
    last_non_finite: f64,
    axis: String,
}

impl Series {
    /// Adds a value at a step. Values that are not finite are counted, not drawn.
    pub fn push(&mut self, step: f64, value: f64) {
        self.last = Some((step, value));
        if !value.is_finite() || !step.is_finite() {
            self.non_finite += 1;
            self.last_non_finite = step;
            return;
        }
        self.stride = self.stride.max(1);
        let (sum_step, sum_value, count) = &mut self.pending;
        *sum_step += step;
        *sum_value += value;
        *count += 1;
        if *count >= self.stride {
            let size = *count as f64;
            self.points.push((*sum_step / size, *sum_value / size));
            self.pending = (0.0, 0.0, 0);
        }
        if self.points.len() >= CAPACITY {
            self.points = self
                .points
                .chunks(2)
                .map(|pair| {
                    let size = pair.len() as f64;
                    let sum = pair
                        .iter()
                        .fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
                    (sum.0 / size, sum.1 / size)
                })
                .collect();
            self.stride *= 2;
        }
    }

    /// Names what the steps count.
    pub fn set_axis(&mut self, axis: &str) {
        if self.axis != axis {
            axis.clone_into(&mut self.axis);
        }
    }

    /// What the steps count (`env_steps`, `learner_updates`, ...).
    #[must_use]
    pub fn axis(&self) -> &str {
        &self.axis
    }

    /// The kept points (step, value), oldest first, all finite.
    #[must_use]
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points
    }

    /// The last value as it came, finite or not.
    #[must_use]
    pub fn last(&self) -> Option<(f64, f64)> {
        self.last
    }

    /// A badge such as `NaN x3 @ 1.2k` when values were not finite.
    #[must_use]
    pub fn badge(&self) -> Option<String> {
        (self.non_finite > 0).then(|| {
            format!(
                "not finite x{} @ {}",
                self.non_finite,
                crate::figures::count(self.last_non_finite)
            )
        })
    }

    /// The points after an exponential moving average of the given weight.
    #[must_use]
    pub fn smoothed(&self, weight: f64) -> Vec<(f64, f64)> {
        let mut average = None;
        self.points
            .iter()
            .map(|&(step, value)| {
                let next = average.map_or(value, |before: f64| {
                    weight * before + (1.0 - weight) * value
                });
                average = Some(next);
                (step, next)
            })
            .collect()
    }

    /// The last `width` points' values scaled to eight levels, for a sparkline.
    #[must_use]
    pub fn levels(&self, width: usize) -> Vec<usize> {
        if width == 0 || self.points.is_empty() {
            return Vec::new();
        }
        let size = self.points.len().div_ceil(width).max(1);
        let means: Vec<f64> = self
            .points
            .chunks(size)
            .map(|chunk| chunk.iter().map(|point| point.1).sum::<f64>() / chunk.len() as f64)
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
}

/// Axis limits around finite points, with a minimum span.
#[must_use]
pub fn bounds(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return [0.0, 1.0];
    }
    let span = high - low;
    let least = 1e-6_f64.max(low.abs().max(high.abs()) * 1e-6);
    if span < least {
        let margin = (high.abs() * 0.1).max(0.5);
        return [low - margin, high + margin];
    }
    [low, high]
}

/// Limits at round numbers, and into how many parts of a round size they fall:
/// at most about `parts`.
#[must_use]
pub fn round_bounds(limits: [f64; 2], parts: usize) -> ([f64; 2], usize) {
    let [low, high] = limits;
    let raw = (high - low) / parts.max(1) as f64;
    let power = 10_f64.powf(raw.log10().floor());
    if !power.is_normal() {
        return (limits, parts.max(1));
    }
    // The little less than one forgives the rounding of `high` itself.
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= raw * 0.999_999)
        .unwrap_or(raw);
    let (first, last) = ((low / step + 1e-6).floor(), (high / step - 1e-6).ceil());
    (
        [first * step, last * step],
        ((last - first).round() as usize).max(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_mean_is_kept() {
        let mut series = Series::default();
        for step in 0..100_000 {
            series.push(f64::from(step), f64::from(step % 2));
        }
        assert!(series.points().len() < CAPACITY);
        assert_eq!(series.last(), Some((99_999.0, 1.0)));
        let mean =
            series.points().iter().map(|point| point.1).sum::<f64>() / series.points().len() as f64;
        assert!((mean - 0.5).abs() < 1e-3, "{mean}");
        assert!(series.points().windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn values_that_are_not_finite_are_counted_and_never_drawn() {
        let mut series = Series::default();
        series.push(1.0, 0.5);
        series.push(1_200.0, f64::NAN);
        series.push(1_300.0, f64::INFINITY);
        assert_eq!(series.points(), [(1.0, 0.5)]);
        assert_eq!(series.badge().as_deref(), Some("not finite x2 @ 1.3k"));
    }

    #[test]
    fn limits_come_from_finite_values_and_have_a_span() {
        assert_eq!(bounds([f64::NAN].into_iter()), [0.0, 1.0]);
        assert_eq!(bounds([1.0, 3.0, f64::INFINITY].into_iter()), [1.0, 3.0]);
        let [low, high] = bounds([2.0, 2.0].into_iter());
        assert!(low < 2.0 && high > 2.0);
    }

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!(round_bounds([0.0, 0.97], 2), ([0.0, 1.0], 2));
        assert_eq!(round_bounds([0.0, 1.0], 4), ([0.0, 1.0], 4));
        assert_eq!(round_bounds([-3.0, 17.0], 5), ([-5.0, 20.0], 5));
        assert_eq!(round_bounds([0.0, f64::MAX], 0).1, 1);
    }

    #[test]
    fn smoothing_and_levels() {
        let mut series = Series::default();
        for (step, value) in [(0.0, 0.0), (1.0, 1.0)] {
            series.push(step, value);
        }
        assert_eq!(series.smoothed(0.5), [(0.0, 0.0), (1.0, 0.5)]);
        assert_eq!(series.levels(8), [0, 7]);
        assert_eq!(series.levels(0), Vec::<usize>::new());
    }
}
