//! Intervals of means, pass@k, correlation.

pub use tracking::statistics::wilson;
use tracking::statistics::{Bootstrap, Interval};

/// The interval of nothing.
const UNKNOWN: Interval = Interval {
    estimate: f64::NAN,
    low: f64::NAN,
    high: f64::NAN,
};

/// The mean of one figure per prompt with a percentile interval of 95 % over prompts.
///
/// Several samples of a prompt are alike and count as one: what is drawn is the prompt. NaN of
/// none. The same values give the same interval.
pub fn over_prompts(values: &[f64]) -> Interval {
    let bootstrap = Bootstrap::default();
    let mut all = bootstrap.jointly(values.len(), 1, |places, found| {
        let sum: f64 = places.iter().map(|place| values[*place]).sum();
        found[0] = sum / places.len() as f64;
    });
    all.pop().unwrap_or(UNKNOWN)
}

/// Chance that one of `k` samples is right, of `n` samples of which `right` are: the unbiased
/// `1 - C(n - right, k) / C(n, k)` of Chen et al. 2021. None for k of 0 or above n.
pub fn pass_at_k(n: usize, right: usize, k: usize) -> Option<f64> {
    if k == 0 || k > n || right > n {
        return None;
    }
    if n - right < k {
        return Some(1.0);
    }
    // The product form, without factorials.
    let all_wrong: f64 = (n - right + 1..=n)
        .map(|i| 1.0 - k as f64 / i as f64)
        .product();
    Some(1.0 - all_wrong)
}

/// The numbers of samples at which pass@k is told: powers of two below `n`, and `n`.
pub fn told_k(n: usize) -> Vec<usize> {
    let mut all: Vec<usize> = std::iter::successors(Some(1), |k| Some(k * 2))
        .take_while(|k| *k < n)
        .collect();
    if n > 0 {
        all.push(n);
    }
    all
}

/// Pearson's correlation; none below two pairs or where one side does not vary.
pub fn correlation(left: &[f64], right: &[f64]) -> Option<f64> {
    let n = left.len().min(right.len());
    if n < 2 {
        return None;
    }
    let mean = |values: &[f64]| values[..n].iter().sum::<f64>() / n as f64;
    let (mean_left, mean_right) = (mean(left), mean(right));
    let (mut product, mut squares_left, mut squares_right) = (0.0, 0.0, 0.0);
    for (a, b) in left.iter().zip(right) {
        let (a, b) = (a - mean_left, b - mean_right);
        product += a * b;
        squares_left += a * a;
        squares_right += b * b;
    }
    let scale = (squares_left * squares_right).sqrt();
    (scale > 0.0).then(|| product / scale)
}

/// Mean; none of nothing.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u64);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn pass_at_k_is_unbiased() {
        assert_eq!(pass_at_k(10, 0, 3), Some(0.0));
        assert_eq!(pass_at_k(10, 10, 1), Some(1.0));
        assert_eq!(pass_at_k(4, 3, 2), Some(1.0));
        // 1 - C(2,2)/C(4,2) = 5/6 and 1 - C(7,4)/C(10,4) = 5/6.
        assert!(near(pass_at_k(4, 2, 2).unwrap(), 5.0 / 6.0));
        assert!(near(pass_at_k(10, 3, 4).unwrap(), 5.0 / 6.0));
        assert_eq!(pass_at_k(3, 1, 4), None);
        assert_eq!(pass_at_k(3, 1, 0), None);
        // pass@1 is the share.
        for right in 0..=7 {
            assert!(near(pass_at_k(7, right, 1).unwrap(), right as f64 / 7.0));
        }
        // The mean over all subsets, counted by hand for n = 5, right = 2, k = 3: 9 of 10.
        assert!(near(pass_at_k(5, 2, 3).unwrap(), 0.9));
        assert_eq!(told_k(1), [1]);
        assert_eq!(told_k(8), [1, 2, 4, 8]);
        assert_eq!(told_k(10), [1, 2, 4, 8, 10]);
        assert!(told_k(0).is_empty());
    }

    #[test]
    fn intervals_over_prompts_are_of_the_prompts() {
        let equal = over_prompts(&[0.25; 30]);
        assert_eq!((equal.low, equal.estimate, equal.high), (0.25, 0.25, 0.25));
        let coin: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let found = over_prompts(&coin);
        // 1.96 * 0.5 / 20 = 0.049
        assert!((found.high - found.low - 0.098).abs() < 0.01, "{found:?}");
        assert!(over_prompts(&[]).estimate.is_nan());
    }

    #[test]
    fn correlation_knows_its_limits() {
        assert!(near(
            correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]).unwrap(),
            1.0
        ));
        // numpy.corrcoef([1,2,3,4], [1,3,2,4])[0,1]
        assert!(near(
            correlation(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 4.0]).unwrap(),
            0.8
        ));
        assert_eq!(correlation(&[1.0, 1.0], &[0.0, 1.0]), None);
        assert_eq!(correlation(&[1.0], &[1.0]), None);
        assert_eq!(mean([]), None);
        assert_eq!(mean([1.0, 2.0]), Some(1.5));
    }
}
