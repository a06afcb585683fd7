//! The metrics of a fine-tuning, from the curves that its job reports.

use tracking::History;
use tracking::series::Point;

use crate::figures::number;

/// A metric: how it is called on the screen, and its curve. `docs/terminal-formats.md`
/// says what each curve means.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// On the screen.
    pub label: &'static str,
    /// The curve.
    pub curve: &'static str,
    /// Curves of the ends of its interval.
    pub interval: Option<(&'static str, &'static str)>,
}

const fn metric(label: &'static str, curve: &'static str) -> Metric {
    Metric {
        label,
        curve,
        interval: None,
    }
}

/// All metrics, the ones to look at first at the top.
pub const METRICS: &[Metric] = &[
    Metric {
        interval: Some(("preference/win_rate_low", "preference/win_rate_high")),
        ..metric("win rate", "preference/win_rate")
    },
    metric("reward margin", "finetune/reward_margin"),
    metric("margin, trace", "finetune/trace_margin"),
    metric("margin, no trace", "finetune/answer_margin"),
    metric("log p chosen", "finetune/chosen_log_prob"),
    metric("log p rejected", "finetune/rejected_log_prob"),
    metric("reward accuracy", "finetune/reward_accuracy"),
    metric("KL to reference", "finetune/kl"),
    metric("tokens chosen", "finetune/chosen_length"),
    metric("tokens rejected", "finetune/rejected_length"),
    metric("loss", "finetune/loss"),
];

/// A metric that a run reports.
#[derive(Clone, Debug)]
pub struct Reported {
    /// Which.
    pub metric: Metric,
    /// Its points, oldest first.
    pub points: Vec<Point>,
    /// The ends of its interval.
    pub interval: Option<(f64, f64)>,
}

impl Reported {
    /// The last value, with its interval where it has one.
    #[must_use]
    pub fn value(&self) -> String {
        let last = self.points.last();
        let value = last.map_or_else(|| "-".to_owned(), |point| number(point.value));
        match self.interval {
            Some((low, high)) => format!("{value} [{}, {}]", number(low), number(high)),
            None => value,
        }
    }
}

/// The metrics that a run has reported.
#[must_use]
pub fn reported(history: &History) -> Vec<Reported> {
    let last = |curve: &str| Some(history.series(curve)?.last()?.value);
    METRICS
        .iter()
        .filter_map(|metric| {
            let points = history.series(metric.curve)?.points();
            let interval = metric
                .interval
                .and_then(|(low, high)| Some((last(low)?, last(high)?)));
            (!points.is_empty()).then_some(Reported {
                metric: *metric,
                points,
                interval,
            })
        })
        .collect()
}

/// A curve in a line of characters, from its lowest to its highest value. Where there
/// are more points than characters each stands for the mean of several; a value that is
/// not finite leaves a gap.
#[must_use]
pub fn sparkline(points: &[Point], width: usize, unicode: bool) -> String {
    let steps: &[char] = if unicode {
        &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
    } else {
        &['_', '.', ':', '-', '=', '+', '*', '#']
    };
    let count = points.len();
    let width = width.min(count);
    let means: Vec<Option<f64>> = (0..width)
        .map(|index| {
            let group = &points[index * count / width..(index + 1) * count / width];
            let finite: Vec<f64> = group
                .iter()
                .map(|point| point.value)
                .filter(|value| value.is_finite())
                .collect();
            // Halves before the sum: the largest numbers must not overflow.
            let parts = finite.len() as f64;
            let sum: f64 = finite.iter().map(|value| value / parts).sum();
            (!finite.is_empty()).then_some(sum)
        })
        .collect();
    let low = means
        .iter()
        .flatten()
        .copied()
        .fold(f64::INFINITY, f64::min);
    let high = means
        .iter()
        .flatten()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let span = high - low;
    means
        .iter()
        .map(|mean| {
            let Some(mean) = mean else { return ' ' };
            let share = if span > 0.0 && span.is_finite() {
                (mean - low) / span
            } else {
                0.5
            };
            let step = (share * steps.len() as f64) as usize;
            steps[step.min(steps.len() - 1)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[f64]) -> Vec<Point> {
        let numbered = values.iter().enumerate();
        numbered
            .map(|(step, value)| Point {
                step: step as u64,
                value: *value,
                time: 0.0,
            })
            .collect()
    }

    #[test]
    fn a_sparkline_goes_from_the_lowest_to_the_highest() {
        let line = |values: &[f64], width| sparkline(&points(values), width, true);
        assert_eq!(line(&[0.0, 1.0, 2.0, 7.0], 10), "▁▂▃█");
        assert_eq!(line(&[0.0, 2.0, 4.0, 6.0], 2), "▁█");
        assert_eq!(line(&[3.0, f64::NAN, 3.0], 9), "▅ ▅");
        assert_eq!(line(&[-f64::MAX, f64::MAX], 2), "▅▅");
        assert_eq!(line(&[], 9), "");
        assert_eq!(line(&[1.0], 0), "");
        assert_eq!(sparkline(&points(&[0.0, 1.0]), 2, false), "_#");
    }
}
