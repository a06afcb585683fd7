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
        for (episode, &alive) in running.iter().enumerate() {
            (self.calls[episode], self.explored[episode]) = (0, 0);
            if !alive {
                continue;
            }
            let spread = self.spread(episode, running);
            let (wanted, explored) = match kind {
                SwitchKind::Always => (true, false),
                SwitchKind::Never => (false, false),
                SwitchKind::Random => {
                    let chance = spread.unwrap_or(probability);
                    (f64::from(stream.uniform()) < chance, false)
                }
                SwitchKind::DoubleDqn | SwitchKind::DiscreteSac | SwitchKind::Ppo => {
                    let pair = outputs
                        .as_ref()
                        .map(|outputs| [outputs[2 * episode], outputs[2 * episode + 1]]);
                    let chances = Chances {
                        epsilon: self.epsilon,
                        coin: self.coin(spread),
                        sample: self.sample && kind != SwitchKind::DoubleDqn,
                    };
                    learnt(pair, &chances, stream)
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

    /// The chance that spreads the calls left evenly over the decisions that may still need
    /// them; above 1 when there are more calls. Nothing without a budget.
    fn spread(&self, episode: usize, running: &[bool]) -> Option<f64> {
        let steps = self.limit - self.steps;
        let (left, decisions) = match &self.allowance {
            CallAllowance::Unbounded => return None,
            CallAllowance::PerEpisode { left, .. } => (left[episode], steps),
            CallAllowance::Shared { left, .. } => {
                let count = |running: &[bool]| running.iter().filter(|&&alive| alive).count();
                let now = count(&running[episode..]); // episodes before it have decided
                (*left, (steps - 1) * count(running) + now)
            }
        };
        Some(left as f64 / decisions.max(1) as f64)
    }

    /// Chance of a call of an exploring coin, by what spreads the calls left.
    fn coin(&self, spread: Option<f64>) -> f64 {
        let whole = match &self.allowance {
            CallAllowance::Shared { grant, .. } => grant.even_chance,
            CallAllowance::Unbounded | CallAllowance::PerEpisode { .. } => FAIR,
        };
        spread.map_or(FAIR, |spread| spread.min(whole).min(FAIR))
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

    /// Share of the budget that is left in an episode, 0 to 1; nothing without a budget or
    /// when nothing is decided.
    pub fn budget_left(&self, episode: usize) -> Option<f64> {
        let bounded = self.record.is_some() && self.allowance != CallAllowance::Unbounded;
        bounded.then(|| f64::from(self.allowance.remaining(episode)))
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

/// Chance of a call of a fair coin.
const FAIR: f64 = 0.5;

/// What a learnt switch leaves to chance.
struct Chances {
    /// Chance that a coin decides.
    epsilon: f64,
    /// Chance that the coin says call: fair, but with a budget no more than spreads the calls
    /// left over the steps left, of the episode or of the training. A fair coin would spend a
    /// small budget at the start, and nothing could be learnt of keeping it.
    coin: f64,
    /// Whether the outputs are logits that the decision is drawn by.
    sample: bool,
}

/// The choice of a learnt switch by its two outputs, `[independent, central]`, and whether a
/// coin made it. Independent on a tie.
fn learnt(outputs: Option<[f32; 2]>, chances: &Chances, stream: &mut RandomStream) -> (bool, bool) {
    if chances.epsilon > 0.0 && f64::from(stream.uniform()) < chances.epsilon {
        return (f64::from(stream.uniform()) < chances.coin, true);
    }
    let Some([independent, central]) = outputs else {
        return (false, false);
    };
    if chances.sample {
        let chance = 1.0 / (1.0 + f64::from(independent - central).exp());
        return (f64::from(stream.uniform()) < chance, false);
    }
    (central > independent, false)
}

#[cfg(test)]
mod tests {
    use nn::parameters::Parameters;

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
                even_chance: 1.0,
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
        let chances = |epsilon, sample| Chances {
            epsilon,
            coin: FAIR,
            sample,
        };
        for (outputs, call) in [([0.0, 1.0], true), ([1.0, 0.0], false), ([1.0, 1.0], false)] {
            let decided = learnt(Some(outputs), &chances(0.0, false), &mut stream);
            assert_eq!(decided, (call, false));
        }
        let drawn = (0..10_000)
            .filter(|_| learnt(Some([0.0, 1.0]), &chances(0.0, true), &mut stream).0)
            .count();
        // 1 / (1 + 1/e) = 0.7311; four standard deviations are 177 of 10,000.
        assert!(drawn.abs_diff(7_311) < 177, "{drawn}");
        let tossed: Vec<_> = (0..10_000)
            .map(|_| learnt(Some([0.0, 9.0]), &chances(1.0, false), &mut stream))
            .collect();
        assert!(tossed.iter().all(|&(_, explored)| explored));
        let heads = tossed.iter().filter(|&&(call, _)| call).count();
        assert!(heads.abs_diff(5_000) < 200, "{heads}");
    }

    /// Calls per step, `[limit]`, of many plays of three episodes by a switch.
    fn calls_per_step(kind: SwitchKind, budget: CallBudget, granted: Option<u64>) -> Vec<u64> {
        let mut config = configs::train::TrainConfig::default();
        config.algorithm.kind = configs::train::AlgorithmKind::Mansa;
        config.algorithm.switch.kind = kind;
        config.algorithm.switch.budget = budget;
        let options = envs::EnvironmentOptions::default();
        let spec = envs::make("Foraging-5x5-2p-1f-v3", &options).unwrap();
        let spec = spec.spec();
        let team = std::sync::Arc::new(Team::new(&config, spec));
        let weights = Parameters::zeros(team.layout(), tch::Device::Cpu, false);
        let mut acting = ActingTeam::new(std::sync::Arc::clone(&team), weights);
        let observations = vec![0.0; 3 * spec.joint_observation_size()];
        let mut order = PlayOrder::greedy(0.0, Execution::Mansa);
        order.switch_epsilon = 1.0;
        order.grant = granted.map(|calls| Grant {
            number: 0,
            calls,
            budget_left: 1.0,
            even_chance: 0.3,
        });
        let mut stream = RandomStream::new(3, "test", 2);
        let mut counts = vec![0; 10];
        for _ in 0..4_000 {
            let mut decision = Decision::new(&team, &order, 3, 10);
            for count in &mut counts {
                let running = [true; 3];
                decision.decide(&mut acting, &observations, &running, &mut stream);
                *count += decision
                    .calls()
                    .iter()
                    .map(|&call| u64::from(call))
                    .sum::<u64>();
                decision.keep();
            }
        }
        counts
    }

    #[test]
    fn coins_never_use_more_than_an_even_share_of_a_trainings_budget() {
        let budget = CallBudget::PerRun(configs::train::Calls { calls: 1_000 });
        // Far more calls than a round has steps: an even share of the training's is 0.3.
        let counts = calls_per_step(SwitchKind::DoubleDqn, budget, Some(500));
        // 3,600 of each step's 12,000 decisions; four standard deviations are 201.
        let even = |count: &u64| count.abs_diff(3_600) < 201;
        assert!(counts.iter().all(even), "{counts:?}");
    }

    #[test]
    fn chance_spreads_a_budget_evenly_and_uses_it_up() {
        let calls = configs::train::Calls { calls: 2 };
        let per_episode = CallBudget::PerEpisode(calls);
        let per_run = CallBudget::PerRun(calls);
        for kind in [SwitchKind::Random, SwitchKind::DoubleDqn] {
            for (budget, granted) in [(per_episode, None), (per_run, Some(6))] {
                let counts = calls_per_step(kind, budget, granted);
                // Two calls an episode over ten steps: 2,400 of each step's 12,000 decisions,
                // with a standard deviation of at most 44. A coin that is kept at or below
                // fair may leave a call over at the very end.
                let even = |count: &u64| count.abs_diff(2_400) < 200;
                let middle = &counts[..8];
                assert!(middle.iter().all(even), "{kind:?} {budget:?}: {counts:?}");
                let total: u64 = counts.iter().sum();
                let all = if kind == SwitchKind::Random {
                    24_000
                } else {
                    21_000
                };
                assert!(
                    (all..=24_000).contains(&total),
                    "{kind:?} {budget:?}: {total}"
                );
            }
        }
    }
}
