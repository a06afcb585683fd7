//! Deciding, step by step, between independent and central while a batch of episodes is
//! played, within the budget of central calls.

use configs::train::{CallBudget, Execution, SwitchKind};
use nn::random::RandomStream;

use crate::acting::ActingTeam;
use crate::mansa::budget::Grant;
use crate::rollout::PlayOrder;
use crate::team::Team;

/// What a switch decided in a batch of episodes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SwitchRecord {
    /// 1 where the step was a central call; 0 behind an episode's end. `[horizon, episodes]`
    pub calls: Vec<u8>,
    /// 1 where a coin decided. `[horizon, episodes]`
    pub explored: Vec<u8>,
    /// Share of the budget left before the step, from 0 to 1; 0 without a budget.
    /// `[horizon + 1, episodes]`
    pub remaining: Vec<f32>,
    /// 1 where a call was allowed. `[horizon + 1, episodes]`
    pub allowed: Vec<u8>,
}

impl SwitchRecord {
    /// Central calls in all episodes.
    pub fn call_count(&self) -> u64 {
        self.calls.iter().map(|&call| u64::from(call)).sum()
    }
}

/// Central calls that are left while a batch is played. A call is only ever made through
/// [`CallAllowance::spend`], which refuses when nothing is left.
#[derive(Clone, Debug, PartialEq)]
pub enum CallAllowance {
    /// Any number.
    Unbounded,
    /// A number in each episode.
    PerEpisode {
        /// Calls left of each episode. `[episodes]`
        left: Vec<u64>,
        /// Calls at the start (n).
        budget: u64,
    },
    /// A number for all episodes together: this play's grant from the run's budget.
    Shared {
        /// Calls left of the grant.
        left: u64,
        /// The grant.
        grant: Grant,
        /// The run's budget (n).
        budget: u64,
    },
}

impl CallAllowance {
    fn new(budget: CallBudget, order: &PlayOrder, episodes: usize) -> Self {
        match (budget, order.grant) {
            (CallBudget::None, _) | (CallBudget::PerRun(_), None) => Self::Unbounded,
            (CallBudget::PerEpisode(budget), _) => Self::PerEpisode {
                left: vec![budget.calls; episodes],
                budget: budget.calls,
            },
            (CallBudget::PerRun(budget), Some(grant)) => Self::Shared {
                left: grant.calls,
                grant,
                budget: budget.calls,
            },
        }
    }

    /// Whether a call in this episode is allowed now.
    pub fn allows(&self, episode: usize) -> bool {
        match self {
            Self::Unbounded => true,
            Self::PerEpisode { left, .. } => left[episode] > 0,
            Self::Shared { left, .. } => *left > 0,
        }
    }

    /// Takes one call, if there is one; whether there was.
    #[must_use]
    pub fn spend(&mut self, episode: usize) -> bool {
        let left = match self {
            Self::Unbounded => return true,
            Self::PerEpisode { left, .. } => &mut left[episode],
            Self::Shared { left, .. } => left,
        };
        let enough = *left > 0;
        *left -= u64::from(enough);
        enough
    }

    /// Chance of a call in each of `steps` steps to come of each of `running` episodes that
    /// spreads what is left evenly over them, if it is bounded.
    fn even_chance(&self, episode: usize, steps: usize, running: usize) -> Option<f64> {
        let (left, steps) = match self {
            Self::Unbounded => return None,
            Self::PerEpisode { left, .. } => (left[episode], steps),
            Self::Shared { left, .. } => (*left, steps * running),
        };
        Some(left as f64 / steps.max(1) as f64)
    }

    /// Share of the budget left (x/n), from 0 to 1; 0 without a budget.
    pub fn remaining(&self, episode: usize) -> f32 {
        match self {
            Self::Unbounded => 0.0,
            Self::PerEpisode { left, budget } => left[episode] as f32 / (*budget).max(1) as f32,
            Self::Shared {
                left,
                grant,
                budget,
            } => {
                let spent = (grant.calls - left) as f32 / (*budget).max(1) as f32;
                (grant.budget_left - spent).max(0.0)
            }
        }
    }
}

/// The decisions of one batch of episodes.
pub struct Decision {
    rule: Rule,
    steps: usize,
    limit: usize,
    sample: bool,
    epsilon: f64,
    allowance: CallAllowance,
    calls: Vec<u8>,    // [episodes], of the step to come
    explored: Vec<u8>, // [episodes]
    record: Option<SwitchRecord>,
}

enum Rule {
    /// One policy acts, always.
    Fixed(usize),
    /// The switch decides.
    Switch { kind: SwitchKind, probability: f64 },
}

impl Decision {
    /// Decisions for `episodes` episodes of at most `limit` steps.
    pub fn new(team: &Team, order: &PlayOrder, episodes: usize, limit: usize) -> Self {
        let budget = team
            .switch()
            .map_or(CallBudget::None, |switch| switch.budget);
        let rule = match (team.switch(), order.execution) {
            (None, _) | (Some(_), Execution::Il) => Rule::Fixed(0),
            (Some(_), Execution::Cl) => Rule::Fixed(1),
            (Some(switch), Execution::Mansa) => Rule::Switch {
                kind: switch.kind,
                probability: switch.probability,
            },
        };
        let switched = matches!(rule, Rule::Switch { .. });
        Self {
            rule,
            steps: 0,
            limit,
            sample: order.switch_sample,
            epsilon: order.switch_epsilon,
            allowance: CallAllowance::new(budget, order, episodes),
            calls: vec![0; episodes],
            explored: vec![0; episodes],
            record: switched.then(SwitchRecord::default),
        }
    }

    /// Decides the step to come in every episode that is still running.
    ///
    /// `observations` `[episodes, joint observation]`; `running` `[episodes]`.
    pub fn decide(
        &mut self,
        acting: &mut ActingTeam,
        observations: &[f32],
        running: &[bool],
        stream: &mut RandomStream,
    ) {
        let Rule::Switch { kind, probability } = self.rule else {
            return;
        };
        let episodes = running.len();
        let remaining: Vec<f32> = (0..episodes)
            .map(|episode| self.allowance.remaining(episode))
            .collect();
        let allowed = (0..episodes).map(|episode| u8::from(self.allowance.allows(episode)));
        let record = self.record.get_or_insert_default();
        record.remaining.extend_from_slice(&remaining);
        record.allowed.extend(allowed);
        if self.steps == self.limit || !running.contains(&true) {
            return;
        }
        let previous: Vec<f32> = self.calls.iter().map(|&call| f32::from(call)).collect();
        let inputs = acting.team().switch().map(|switch| switch.inputs);
        let outputs = inputs.and_then(|inputs| {
            let learns = matches!(
                kind,
                SwitchKind::DoubleDqn | SwitchKind::DiscreteSac | SwitchKind::Ppo
            );
            let decides = learns && self.epsilon < 1.0;
            let features = decides.then(|| inputs.rows(observations, &remaining, &previous))?;
            acting.switch_outputs(&features, episodes)
        });
        let alive_now = running.iter().filter(|&&alive| alive).count();
        for (episode, &alive) in running.iter().enumerate() {
            (self.calls[episode], self.explored[episode]) = (0, 0);
            if !alive {
                continue;
            }
            let (wanted, explored) = match kind {
                SwitchKind::Always => (true, false),
                SwitchKind::Never => (false, false),
                SwitchKind::Random => {
                    let steps = self.limit - self.steps;
                    let even = self.allowance.even_chance(episode, steps, alive_now);
                    let chance = even.unwrap_or(probability);
                    (f64::from(stream.uniform()) < chance, false)
                }
                SwitchKind::DoubleDqn | SwitchKind::DiscreteSac | SwitchKind::Ppo => {
                    let pair = outputs
                        .as_ref()
                        .map(|outputs| [outputs[2 * episode], outputs[2 * episode + 1]]);
                    let sample = self.sample && kind != SwitchKind::DoubleDqn;
                    learnt(pair, self.epsilon, sample, stream)
                }
            };
            if !self.allowance.allows(episode) {
                continue;
            }
            self.explored[episode] = u8::from(explored);
            let call = wanted && self.allowance.spend(episode);
            self.calls[episode] = u8::from(call);
        }
    }

    /// Writes down the decided step, once it was taken.
    pub fn keep(&mut self) {
        self.steps += 1;
        if let Some(record) = &mut self.record {
            record.calls.extend_from_slice(&self.calls);
            record.explored.extend_from_slice(&self.explored);
        }
    }

    /// Whether the step to come is central; empty when nothing is decided. `[episodes]`
    pub fn calls(&self) -> &[u8] {
        if self.record.is_some() {
            &self.calls
        } else {
            &[]
        }
    }

    /// The policy that acts in an episode's step to come.
    pub fn policy(&self, episode: usize) -> usize {
        match self.rule {
            Rule::Fixed(policy) => policy,
            Rule::Switch { .. } => usize::from(self.calls[episode]),
        }
    }

    /// Whether a policy acts anywhere in the step to come.
    pub fn acts(&self, policy: usize) -> bool {
        match self.rule {
            Rule::Fixed(fixed) => fixed == policy,
            Rule::Switch { .. } => self.calls.iter().any(|&call| usize::from(call) == policy),
        }
    }

    /// Whether a policy may act in any step.
    pub fn may_act(&self, policy: usize) -> bool {
        match self.rule {
            Rule::Fixed(fixed) => fixed == policy,
            Rule::Switch { kind, .. } => match kind {
                SwitchKind::Never => policy == 0,
                SwitchKind::Always => policy == 1 || self.allowance != CallAllowance::Unbounded,
                _ => true,
            },
        }
    }

    /// What was decided.
    pub fn into_record(self) -> Option<SwitchRecord> {
        self.record
    }
}

/// The choice of a learnt switch by its two outputs, `[independent, central]`, and whether a
/// coin made it. Independent on a tie.
fn learnt(
    outputs: Option<[f32; 2]>,
    epsilon: f64,
    sample: bool,
    stream: &mut RandomStream,
) -> (bool, bool) {
    if epsilon > 0.0 && f64::from(stream.uniform()) < epsilon {
        return (stream.uniform() < 0.5, true);
    }
    let Some([independent, central]) = outputs else {
        return (false, false);
    };
    if sample {
        let chance = 1.0 / (1.0 + f64::from(independent - central).exp());
        return (f64::from(stream.uniform()) < chance, false);
    }
    (central > independent, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_interleaving_spends_more_than_was_allowed() {
        let mut stream = RandomStream::new(1, "test", 0);
        for _ in 0..200 {
            let calls = stream.below(6) as u64;
            let budget = |kind: fn(configs::train::Calls) -> CallBudget| {
                kind(configs::train::Calls { calls })
            };
            let mut order = PlayOrder::greedy(0.0, Execution::Mansa);
            let granted = stream.below(4) as u64;
            order.grant = Some(Grant {
                number: 0,
                calls: granted,
                budget_left: 1.0,
            });
            let mut each = CallAllowance::new(budget(CallBudget::PerEpisode), &order, 3);
            let mut all = CallAllowance::new(budget(CallBudget::PerRun), &order, 3);
            let (mut spent, mut together) = ([0u64; 3], 0);
            for _ in 0..40 {
                let episode = stream.below(3);
                spent[episode] += u64::from(each.spend(episode));
                together += u64::from(all.spend(episode));
                assert!((0.0..=1.0).contains(&each.remaining(episode)));
            }
            assert!(
                spent.iter().all(|&spent| spent <= calls),
                "{spent:?} of {calls}"
            );
            assert!(together <= granted);
        }
    }

    #[test]
    fn a_learnt_switch_takes_the_better_and_is_silent_on_a_tie() {
        let mut stream = RandomStream::new(1, "test", 1);
        for (outputs, call) in [([0.0, 1.0], true), ([1.0, 0.0], false), ([1.0, 1.0], false)] {
            let decided = learnt(Some(outputs), 0.0, false, &mut stream);
            assert_eq!(decided, (call, false));
        }
        let drawn = (0..10_000)
            .filter(|_| learnt(Some([0.0, 1.0]), 0.0, true, &mut stream).0)
            .count();
        // 1 / (1 + 1/e) = 0.7311; four standard deviations are 177 of 10,000.
        assert!(drawn.abs_diff(7_311) < 177, "{drawn}");
        let tossed: Vec<_> = (0..10_000)
            .map(|_| learnt(Some([0.0, 9.0]), 1.0, false, &mut stream))
            .collect();
        assert!(tossed.iter().all(|&(_, explored)| explored));
        let heads = tossed.iter().filter(|&&(call, _)| call).count();
        assert!(heads.abs_diff(5_000) < 200, "{heads}");
    }
}
