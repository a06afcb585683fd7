//! Shares of things that succeed or fail, and two shares of the same things.

use super::{Bootstrap, Interval};

/// The normal quantile of a two-sided interval of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's interval of 95 % of a share (Wilson 1927): stays inside 0 to 1 and has a width at 0
/// and 1 too. `successes` may be a fraction, where ties count as half. NaN of no trials.
pub fn wilson(successes: f64, trials: usize) -> Interval {
    if trials == 0 {
        let unknown = f64::NAN;
        return Interval {
            estimate: unknown,
            low: unknown,
            high: unknown,
        };
    }
    let n = trials as f64;
    let share = successes / n;
    let scale = 1.0 + Z * Z / n;
    let centre = (share + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    Interval {
        estimate: share,
        // At 0 and 1 the ends are exact, which rounding would miss.
        low: if successes <= 0.0 { 0.0 } else { centre - half },
        high: if successes >= n { share } else { centre + half },
    }
}

/// McNemar's exact test of two shares of the same things: how probable it is that the things on
/// which both differ fall as unevenly as they do, or more, where either side is as likely
/// (two-sided, at most 1). Given are the things that only the one and only the other got right.
pub fn mcnemar(only_first: u64, only_second: u64) -> f64 {
    let trials = only_first + only_second;
    // Logarithms: 2^-trials alone may be below the smallest number.
    let mut term = -(trials as f64) * std::f64::consts::LN_2;
    let mut tail = 0.0;
    for count in 0..=only_first.min(only_second) {
        tail += term.exp();
        term += ((trials - count) as f64).ln() - ((count + 1) as f64).ln();
    }
    (2.0 * tail).min(1.0)
}

impl Bootstrap {
    /// Mean of `second - first`, figures of the same things in the same order, with the interval
    /// of a bootstrap that draws things: pairs stay together. NaN of none, and of lists of
    /// different lengths.
    pub fn paired_difference(&self, first: &[f64], second: &[f64]) -> Interval {
        let pairs = first.iter().zip(second);
        let mut differences: Vec<f64> = pairs.map(|(first, second)| second - first).collect();
        if first.len() != second.len() {
            differences.clear();
        }
        let mut intervals = self.jointly(differences.len(), 1, |places, found| {
            let sum: f64 = places.iter().map(|place| differences[*place]).sum();
            found[0] = sum / places.len() as f64;
        });
        intervals.remove(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_has_the_known_values() {
        // Newcombe 1998, table I, method 3 (to four digits), and the half-way share.
        for (right, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
            (20, 20, 0.8389, 1.0),
        ] {
            let found = wilson(f64::from(right), of);
            assert!((found.low - low).abs() < 5e-5, "{right} of {of}: {found:?}");
            assert!(
                (found.high - high).abs() < 5e-5,
                "{right} of {of}: {found:?}"
            );
            assert!((found.estimate - f64::from(right) / of as f64).abs() < 1e-9);
        }
        // scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
        for (right, of, low, high) in [
            (5.0, 10, 0.236_593_1, 0.763_406_9),
            (0.0, 20, 0.0, 0.161_125_2),
            (60.0, 100, 0.502_002_6, 0.690_598_7),
        ] {
            let found = wilson(right, of);
            assert!((found.low - low).abs() < 1e-6, "{found:?}");
            assert!((found.high - high).abs() < 1e-6, "{found:?}");
        }
        let none = wilson(0.0, 0);
        assert!(none.estimate.is_nan() && none.low.is_nan() && none.high.is_nan());
    }

    #[test]
    fn mcnemars_test_has_the_known_values() {
        // scipy.stats.binomtest(k, n, 0.5).pvalue
        for (one, other, p) in [
            (0, 5, 0.0625),
            (5, 0, 0.0625),
            (3, 9, 0.145_996_093_75),
            (7, 7, 1.0),
            (0, 0, 1.0),
        ] {
            let found = mcnemar(one, other);
            assert!((found - p).abs() < 1e-9, "{one} and {other}: {found}");
        }
        // 2^-5000 is below the smallest number; 10 standard deviations off the middle.
        let found = mcnemar(2146, 2854);
        assert!(found > 0.0 && found < 1e-20, "{found}");
    }

    #[test]
    fn pairs_stay_together() {
        let first = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0];
        let better: Vec<f64> = first.iter().map(|value| value + 0.25).collect();
        let found = Bootstrap::default().paired_difference(&first, &better);
        assert_eq!((found.estimate, found.low, found.high), (0.25, 0.25, 0.25));
        let found = Bootstrap::default().paired_difference(&first, &[1.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        assert!((found.estimate - 1.0 / 6.0).abs() < 1e-12);
        assert!(found.low == 0.0 && found.high <= 0.5 + 1e-12, "{found:?}");
        let none = Bootstrap::default().paired_difference(&first, &better[1..]);
        assert!(none.estimate.is_nan() && none.low.is_nan());
    }
}
