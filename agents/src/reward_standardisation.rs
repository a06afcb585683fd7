//! Running standardisation of rewards.

use configs::train::TrainConfig;
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

/// Rewards as they are learnt from: one set of statistics for a common reward, one per agent
/// otherwise, or none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RewardScale {
    channels: Vec<RewardStandardisation>,
}

impl RewardScale {
    /// The scale that a configuration asks for.
    pub fn new(config: &TrainConfig, agents: usize) -> Self {
        let channels = match (
            config.algorithm.standardise_rewards,
            config.environment.common_reward,
        ) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => agents,
        };
        Self {
            channels: vec![RewardStandardisation::default(); channels],
        }
    }

    /// Takes in the rewards of a batch, in parts of `[transitions, agents]`, with `padding`
    /// transitions to its longest episode, and gives them as they are learnt from.
    pub fn learnt(&mut self, parts: &[&[f32]], agents: usize, padding: usize) -> Vec<Vec<f32>> {
        let mut learnt: Vec<Vec<f32>> = parts.iter().map(|part| part.to_vec()).collect();
        let Some(last) = self.channels.len().checked_sub(1) else {
            return learnt;
        };
        for (channel, statistics) in self.channels.iter_mut().enumerate() {
            let rewards = parts.iter().flat_map(|part| part.chunks_exact(agents));
            let own = rewards.map(|rewards| rewards[channel]);
            statistics.update(own.chain(std::iter::repeat_n(0.0, padding)));
        }
        for (index, reward) in learnt
            .iter_mut()
            .flat_map(|part| part.iter_mut().enumerate())
        {
            *reward = self.channels[(index % agents).min(last)].apply(*reward);
        }
        learnt
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

    #[test]
    fn a_common_reward_has_one_scale_and_padding_counts() {
        let mut config = TrainConfig::default();
        let mut scale = RewardScale::new(&config, 2);
        let mut same = RewardStandardisation::default();
        same.update([1.0f32, 0.5, 0.0, 0.0].into_iter());
        let learnt = scale.learnt(&[&[1.0, 1.0], &[0.5, 0.5]], 2, 2).concat();
        assert_eq!(
            learnt,
            [
                same.apply(1.0),
                same.apply(1.0),
                same.apply(0.5),
                same.apply(0.5)
            ]
        );
        config.environment.common_reward = false;
        let learnt = RewardScale::new(&config, 2)
            .learnt(&[&[1.0, 5.0, 0.5, 3.0]], 2, 0)
            .concat();
        assert!(
            learnt[0] > 0.5 && learnt[1] > 0.5 && learnt[3] < -0.5,
            "{learnt:?}"
        );
        config.algorithm.standardise_rewards = false;
        let learnt = RewardScale::new(&config, 2)
            .learnt(&[&[1.0, 5.0]], 2, 3)
            .concat();
        assert_eq!(learnt, [1.0, 5.0]);
    }
}
