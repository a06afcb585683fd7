//! Returns and advantages of whole episodes, from rewards and a critic's values.
//!
//! Both work on the packed rows of a [`HostBatch`]: no padding, time-major, longest episode
//! first. With `V` the value of a row, `L` an episode's length and `d` 1 where its last step
//! ended the task (0 at a time limit that only cuts it off):
//!
//! ```text
//! n-step   G_t = sum_{k<m} gamma^k r_{t+k} + gamma^m V_{t+m},         m = min(n, L - t)
//! GAE      A_t = delta_t + gamma lambda A_{t+1},   delta_t = r_t + gamma V_{t+1} - V_t
//! ```
//!
//! where `V_L` counts as `(1 - d) V_L` and `A_L` as 0. n-step: EPyMARL
//! `learners/ppo_learner.py` (`nstep_returns` with `add_value_last_step`); GAE: Schulman et
//! al. 2016, equation 16.

use crate::replay::HostBatch;

/// What returns are computed from.
#[derive(Clone, Copy, Debug)]
pub struct ReturnInputs<'a> {
    /// Episodes that have an observation at each step ([`HostBatch::sizes`]). `[horizon + 1]`
    pub sizes: &'a [i64],
    /// `[transitions, agents]`
    pub rewards: &'a [f32],
    /// 1 where the transition ended the task. `[transitions]`
    pub terminated: &'a [f32],
    /// The critic's values, on the scale of the rewards. `[rows, agents]`
    pub values: &'a [f32],
    /// Weight of a reward one step later.
    pub discount: f64,
}

impl<'a> ReturnInputs<'a> {
    /// The rewards of a batch with values for its rows. `values` `[rows, agents]`
    pub fn new(batch: &'a HostBatch, values: &'a [f32], discount: f64) -> Self {
        Self {
            sizes: &batch.sizes,
            rewards: &batch.rewards,
            terminated: &batch.terminated,
            values,
            discount,
        }
    }

    fn agents(&self) -> usize {
        self.rewards.len() / self.terminated.len().max(1)
    }

    /// The value a transition leads to, nothing past a task's end.
    fn next_value(&self, transition: usize, next_row: usize, agent: usize) -> f64 {
        let value = f64::from(self.values[next_row * self.agents() + agent]);
        value * (1.0 - f64::from(self.terminated[transition]))
    }
}

/// Rewards of `steps` steps and the value of the row they lead to. `[transitions, agents]`
pub fn n_step_returns(inputs: &ReturnInputs, steps: usize) -> Vec<f32> {
    let agents = inputs.agents();
    let mut returns = vec![0.0; inputs.rewards.len()];
    for episode in Episodes::of(inputs.sizes) {
        for time in 0..episode.transitions.len() {
            let last = (time + steps).min(episode.transitions.len()) - 1;
            for agent in 0..agents {
                let (end, row) = (episode.transitions[last], episode.rows[last + 1]);
                let mut value = inputs.next_value(end, row, agent);
                for &transition in episode.transitions[time..=last].iter().rev() {
                    let reward = f64::from(inputs.rewards[transition * agents + agent]);
                    value = reward + inputs.discount * value;
                }
                returns[episode.transitions[time] * agents + agent] = value as f32;
            }
        }
    }
    returns
}

/// Generalised advantages; `lambda` 0 trusts the values, 1 the rewards.
/// `[transitions, agents]`
pub fn generalised_advantages(inputs: &ReturnInputs, lambda: f64) -> Vec<f32> {
    let agents = inputs.agents();
    let mut advantages = vec![0.0; inputs.rewards.len()];
    for episode in Episodes::of(inputs.sizes) {
        for agent in 0..agents {
            let mut following = 0.0;
            for (time, &transition) in episode.transitions.iter().enumerate().rev() {
                let next = inputs.next_value(transition, episode.rows[time + 1], agent);
                let value = f64::from(inputs.values[episode.rows[time] * agents + agent]);
                let reward = f64::from(inputs.rewards[transition * agents + agent]);
                let error = reward + inputs.discount * next - value;
                following = error + inputs.discount * lambda * following;
                advantages[transition * agents + agent] = following as f32;
            }
        }
    }
    advantages
}

/// Where one episode lies in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpisodePlaces {
    /// The rows of its observations. `[length + 1]`
    pub rows: Vec<usize>,
    /// Its transitions. `[length]`
    pub transitions: Vec<usize>,
}

/// The episodes of a batch, longest first.
#[derive(Clone, Debug)]
pub struct Episodes<'a> {
    sizes: &'a [i64],
    rank: usize,
}

impl<'a> Episodes<'a> {
    /// The episodes of a batch with these [`HostBatch::sizes`].
    pub fn of(sizes: &'a [i64]) -> Self {
        Self { sizes, rank: 0 }
    }
}

impl Iterator for Episodes<'_> {
    type Item = EpisodePlaces;

    fn next(&mut self) -> Option<EpisodePlaces> {
        let rank = self.rank;
        let alive = |size: &&i64| **size > rank as i64;
        let observations = self.sizes.iter().take_while(alive).count();
        if observations == 0 {
            return None;
        }
        self.rank += 1;
        let mut rows = Vec::with_capacity(observations);
        let mut transitions = Vec::with_capacity(observations - 1);
        let (mut row, mut transition) = (rank, rank);
        for time in 0..observations {
            rows.push(row);
            row += self.sizes[time] as usize;
            if time + 1 < observations {
                transitions.push(transition);
                transition += self.sizes[time + 1] as usize;
            }
        }
        Some(EpisodePlaces { rows, transitions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Episodes of 3 and 1 steps: rows t0: 0, 1; t1: 2, 3; t2: 4; t3: 5.
    const SIZES: [i64; 4] = [2, 2, 1, 1];

    /// Two agents, the second one's numbers ten times the first one's. The long episode is
    /// cut off by the time limit, the short one ends the task.
    fn inputs<'a>(
        rewards: &'a [f32],
        values: &'a [f32],
        terminated: &'a [f32],
    ) -> ReturnInputs<'a> {
        ReturnInputs {
            sizes: &SIZES,
            rewards,
            terminated,
            values,
            discount: 0.5,
        }
    }

    fn both(first: &[f32]) -> Vec<f32> {
        first.iter().flat_map(|&x| [x, 10.0 * x]).collect()
    }

    #[test]
    fn an_episode_is_found_in_the_packed_rows() {
        let found: Vec<EpisodePlaces> = Episodes::of(&SIZES).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].rows, [0, 2, 4, 5]);
        assert_eq!(found[0].transitions, [0, 2, 3]);
        assert_eq!(found[1].rows, [1, 3]);
        assert_eq!(found[1].transitions, [1]);
    }

    // By hand, gamma 0.5. Long episode: rewards 1, 2, 4, values 8, 16, 32, 64; short: reward 3,
    // values 5, 7, ended.
    #[test]
    fn returns_of_n_steps_equal_those_by_hand() {
        let (rewards, values) = (
            both(&[1.0, 3.0, 2.0, 4.0]),
            both(&[8.0, 5.0, 16.0, 7.0, 32.0, 64.0]),
        );
        let terminated = [0.0, 1.0, 0.0, 0.0];
        let inputs = inputs(&rewards, &values, &terminated);
        // One step: 1 + 8, 3 + 0, 2 + 16, 4 + 32.
        assert_eq!(n_step_returns(&inputs, 1), both(&[9.0, 3.0, 18.0, 36.0]));
        // Two: 1 + 1 + 32/4, 3, 2 + 2 + 64/4, 4 + 32.
        assert_eq!(n_step_returns(&inputs, 2), both(&[10.0, 3.0, 20.0, 36.0]));
        // Five, past every end: 1 + 1 + 1 + 64/8, 3, 2 + 2 + 64/4, 4 + 32.
        assert_eq!(n_step_returns(&inputs, 5), both(&[11.0, 3.0, 20.0, 36.0]));
        let ended = [0.0, 1.0, 0.0, 1.0];
        let inputs = ReturnInputs {
            terminated: &ended,
            ..inputs
        };
        assert_eq!(n_step_returns(&inputs, 5), both(&[3.0, 3.0, 4.0, 4.0]));
    }

    #[test]
    fn generalised_advantages_equal_those_by_hand() {
        let (rewards, values) = (
            both(&[1.0, 3.0, 2.0, 4.0]),
            both(&[8.0, 5.0, 16.0, 7.0, 32.0, 64.0]),
        );
        let terminated = [0.0, 1.0, 0.0, 0.0];
        let inputs = inputs(&rewards, &values, &terminated);
        // Errors: 1 + 8 - 8 = 1, 3 - 5 = -2, 2 + 16 - 16 = 2, 4 + 32 - 32 = 4.
        assert_eq!(
            generalised_advantages(&inputs, 0.0),
            both(&[1.0, -2.0, 2.0, 4.0])
        );
        // Half of half of the next: 4; 2 + 4/4 = 3; 1 + 3/4 = 1.75.
        assert_eq!(
            generalised_advantages(&inputs, 0.5),
            both(&[1.75, -2.0, 3.0, 4.0])
        );
        // Lambda 1: the n-step return past every end, less the value.
        let advantages = generalised_advantages(&inputs, 1.0);
        assert_eq!(advantages, both(&[3.0, -2.0, 4.0, 4.0]));
    }
}
