//! Running standardisation of rewards.

use serde::{Deserialize, Serialize};

/// Running mean and variance of the rewards in all sampled batches.
///
/// EPyMARL `components/standarize_stream.py` (`RunningMeanStd`): it starts at mean 0,
/// variance 1 and count 1e-4 and merges each batch's mean and sample variance (one
/// degree of freedom less) by the parallel formula of Chan et al. As there, a batch's
/// padding counts as rewards of 0, and the statistics take in a batch before they are
/// applied to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardStandardisation {
    mean: f64,
    variance: f64,
    count: f64,
}

impl Default for RewardStandardisation {
    fn default() -> Self {
        Self {
            mean: 0.0,
            variance: 1.0,
            count: 1e-4,
        }
    }
}

impl RewardStandardisation {
    /// Merges a batch into the statistics; fewer than two rewards say nothing of variance
    /// and are left out.
    pub fn update(&mut self, rewards: impl Iterator<Item = f32> + Clone) {
        let batch = rewards.clone().count() as f64;
        if batch < 2.0 {
            return;
        }
        let batch_mean = rewards.clone().map(f64::from).sum::<f64>() / batch;
        let squares: f64 = rewards
            .map(|reward| (f64::from(reward) - batch_mean).powi(2))
            .sum();
        let batch_variance = squares / (batch - 1.0);
        let delta = batch_mean - self.mean;
        let total = self.count + batch;
        let moment = self.variance * self.count
            + batch_variance * batch
            + delta * delta * self.count * batch / total;
        self.mean += delta * batch / total;
        self.variance = moment / total;
        self.count = total;
    }

    /// `(reward - mean) / sqrt(variance)`.
    pub fn apply(&self, reward: f32) -> f32 {
        ((f64::from(reward) - self.mean) / self.variance.sqrt()) as f32
    }

    /// The other way: `standardised * sqrt(variance) + mean`.
    pub fn invert(&self, standardised: f32) -> f32 {
        (f64::from(standardised) * self.variance.sqrt() + self.mean) as f32
    }

    /// `sqrt(variance)`.
    pub fn deviation(&self) -> f64 {
        self.variance.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values: EPyMARL's RunningMeanStd(shape=(1,)) on the same two batches.
    #[test]
    fn matches_the_reference_over_two_batches() {
        let mut statistics = RewardStandardisation::default();
        statistics.update([0.0f32, 0.5, 0.0, 1.0].into_iter());
        statistics.update([0.0f32, 0.0, 0.25, 0.0].into_iter());
        assert!(
            (statistics.mean - 0.218_747_26).abs() < 1e-7,
            "{statistics:?}"
        );
        assert!(
            (statistics.variance - 0.146_821_17).abs() < 1e-7,
            "{statistics:?}"
        );
        assert!(
            (statistics.apply(0.5) - 0.734_0).abs() < 1e-3,
            "{}",
            statistics.apply(0.5)
        );
    }
}
