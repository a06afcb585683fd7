//! A critic that learns standardised returns: one running mean and deviation per agent.
//!
//! EPyMARL's `standardise_returns`: the target critic's values are brought back to the scale
//! of the rewards, returns are computed there, taken into the statistics and standardised by
//! them. (The reference counts the padding of its batches in; here there is none.)

use serde::{Deserialize, Serialize};

use crate::reward_standardisation::RewardStandardisation;

/// Running statistics of each agent's returns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueNormalisation {
    agents: Vec<RewardStandardisation>,
}

impl ValueNormalisation {
    /// Statistics of nothing yet: mean 0, variance 1.
    pub fn new(agents: usize) -> Self {
        Self {
            agents: vec![RewardStandardisation::default(); agents],
        }
    }

    /// Takes in `returns` `[transitions, agents]` where `weights` `[transitions]` is not 0;
    /// empty weights stand for ones.
    pub fn update(&mut self, returns: &[f32], weights: &[f32]) {
        let count = self.agents.len();
        for (agent, statistics) in self.agents.iter_mut().enumerate() {
            let own = returns.chunks_exact(count).enumerate();
            let counted = own.filter(|(index, _)| weights.get(*index).is_none_or(|&w| w != 0.0));
            statistics.update(counted.map(|(_, row)| row[agent]));
        }
    }

    /// Returns to the critic's scale, in place. `[.., agents]`
    pub fn normalise(&self, returns: &mut [f32]) {
        self.each(returns, RewardStandardisation::apply);
    }

    /// The critic's values to the scale of the rewards, in place. `[.., agents]`
    pub fn denormalise(&self, values: &mut [f32]) {
        self.each(values, RewardStandardisation::invert);
    }

    /// Differences of returns to the critic's scale, in place. `[.., agents]`
    pub fn normalise_differences(&self, differences: &mut [f32]) {
        self.each(differences, |statistics, difference| {
            (f64::from(difference) / statistics.deviation()) as f32
        });
    }

    fn each(&self, values: &mut [f32], change: impl Fn(&RewardStandardisation, f32) -> f32) {
        for row in values.chunks_exact_mut(self.agents.len()) {
            for (value, statistics) in row.iter_mut().zip(&self.agents) {
                *value = change(statistics, *value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Two agents; the fourth transition does not count. Mean and sample variance by hand:
    // 1, 2, 3 give 2 and 1; 10, 10, 40 give 20 and 300. The start (mean 0, variance 1, count
    // 1e-4) moves them by less than 1e-2.
    #[test]
    fn each_agent_has_its_own_scale_and_left_out_transitions_do_not_count() {
        let mut statistics = ValueNormalisation::new(2);
        let returns = [1.0, 10.0, 2.0, 10.0, 3.0, 40.0, 999.0, -999.0];
        statistics.update(&returns, &[1.0, 1.0, 1.0, 0.0]);
        let mut values = [3.0, 20.0 + 300f32.sqrt()];
        statistics.normalise(&mut values);
        assert!(
            (values[0] - 1.0).abs() < 1e-3 && (values[1] - 1.0).abs() < 1e-3,
            "{values:?}"
        );
        statistics.denormalise(&mut values);
        assert!(
            (values[0] - 3.0).abs() < 1e-6 && (values[1] - 37.3205).abs() < 1e-4,
            "{values:?}"
        );
        let mut differences = [2.0, 300f32.sqrt()];
        statistics.normalise_differences(&mut differences);
        assert!((differences[0] - 2.0).abs() < 1e-3 && (differences[1] - 1.0).abs() < 1e-3);
    }
}
