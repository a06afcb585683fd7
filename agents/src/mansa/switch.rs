//! The switching agent: what it is paid, what it learns from, and what every way of learning
//! it offers.
//!
//! With `R` the team's reward, `g` 1 for a central call and `c` its cost, a decision is paid
//!
//! ```text
//! r = R - c g                 algorithm.switch.cost_mode = "per_step"
//! r = R - c g (1 - g_before)  algorithm.switch.cost_mode = "per_switch"
//! ```
//!
//! (Mguni et al. 2023; the objective of the switching agent). `R` is the reward as the
//! environment gave it: the learners' standardised rewards have another scale in every
//! update, and on none of them would `c` keep its meaning.

use configs::train::{CostMode, SwitchConfig, SwitchKind, TrainConfig};
use envs::EnvironmentSpec;
use nn::arrays::Arrays;
use nn::parameters::Parameters;
use tch::{Device, Kind, Tensor};

use crate::AgentsError;
use crate::mansa::discrete_sac::DiscreteSac;
use crate::mansa::double_dqn::DoubleDqn;
use crate::mansa::proximal::Proximal;
use crate::network::NetworkRows;
use crate::replay::HostBatch;
use crate::team::SwitchInputs;

/// Figures of one update of a switch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SwitchReport {
    /// The loss.
    pub loss: f64,
    /// Euclidean norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// How far the switch puts a call above no call, on average over the decisions that were
    /// free: a difference of values, net of the cost; of logits for a policy without values.
    pub value_gap: f64,
    /// Share of all decisions in the batch that the switch would make central now, without
    /// chance.
    pub greedy_calls: f64,
    /// Further figures, by the name of their curve.
    pub more: Vec<(&'static str, f64)>,
}

impl SwitchReport {
    /// The figures by the name of their curve.
    pub fn curves(self) -> Vec<(&'static str, f64)> {
        let mut curves = vec![
            ("mansa/switch_loss", self.loss),
            ("mansa/switch_gradient_norm", self.gradient_norm),
            ("mansa/switch_value_gap", self.value_gap),
            ("mansa/switch_greedy_calls", self.greedy_calls),
        ];
        curves.extend(self.more);
        curves
    }
}

/// A way of learning when to call.
pub trait SwitchLearner: Send {
    /// The weights that actors decide by, laid out as [`crate::team::switch_network`] does.
    fn acting(&self) -> &Parameters;

    /// One update from the parts of one batch. Learners of values take any transitions;
    /// learners of policies ([`SwitchKind::Ppo`]) take every episode once, whole, as it was
    /// played with the weights that [`SwitchLearner::acting`] holds.
    ///
    /// # Errors
    /// A loss or gradient that is not finite ([`AgentsError::Diverged`]); LibTorch's.
    fn update(&mut self, parts: &[&HostBatch]) -> Result<SwitchReport, AgentsError>;

    /// All weights, optimisers and counters by name, for a checkpoint; names start with
    /// `switch.`.
    fn to_arrays(&self) -> Arrays;

    /// Takes up what [`SwitchLearner::to_arrays`] gave.
    ///
    /// # Errors
    /// Arrays of another network or kind of switch.
    fn load_arrays(&mut self, arrays: &Arrays) -> Result<(), AgentsError>;
}

/// The learner of a configuration's switch; none without one and for switches that do not learn
/// ([`SwitchKind::Random`], [`SwitchKind::Always`], [`SwitchKind::Never`]).
pub fn switch_learner(
    config: &TrainConfig,
    spec: &EnvironmentSpec,
    device: Device,
) -> Option<Box<dyn SwitchLearner>> {
    if !config.algorithm.is_mansa() {
        return None;
    }
    match config.algorithm.switch.kind {
        SwitchKind::DoubleDqn => Some(Box::new(DoubleDqn::new(config, spec, device))),
        SwitchKind::DiscreteSac => Some(Box::new(DiscreteSac::new(config, spec, device))),
        SwitchKind::Ppo => Some(Box::new(Proximal::new(config, spec, device))),
        SwitchKind::Random | SwitchKind::Always | SwitchKind::Never => None,
    }
}

/// What a decision is paid: the team's reward, not standardised, less the cost of a call.
pub fn switch_reward(
    team_reward: f32,
    call: bool,
    previous_call: bool,
    config: &SwitchConfig,
) -> f32 {
    let charged = match config.cost_mode {
        CostMode::PerStep => call,
        CostMode::PerSwitch => call && !previous_call,
    };
    if charged {
        (f64::from(team_reward) - config.cost) as f32
    } else {
        team_reward
    }
}

/// How the episodes of a run become what a switch learns from.
#[derive(Clone, Debug)]
pub(crate) struct SwitchTask {
    inputs: SwitchInputs,
    config: SwitchConfig,
    discount: f64,
    agents: usize,
    common_reward: bool,
    device: Device,
}

impl SwitchTask {
    pub(crate) fn new(config: &TrainConfig, spec: &EnvironmentSpec, device: Device) -> Self {
        let switch = &config.algorithm.switch;
        Self {
            inputs: SwitchInputs::new(switch, spec),
            config: switch.clone(),
            discount: config.algorithm.discount,
            agents: spec.agents,
            common_reward: config.environment.common_reward,
            device,
        }
    }

    /// What the switch sees.
    pub(crate) fn inputs(&self) -> SwitchInputs {
        self.inputs
    }

    /// What each transition paid the switch. `[transitions]`
    pub(crate) fn rewards(&self, part: &HostBatch) -> Vec<f32> {
        let team = part.rewards.chunks_exact(self.agents).map(|rewards| {
            if self.common_reward {
                rewards[0] // every agent's is the team's
            } else {
                rewards.iter().sum()
            }
        });
        let decisions = part.current.iter().zip(&part.calls);
        team.zip(decisions)
            .map(|(reward, (&row, &call))| {
                let previous_call = part.previous_call[row as usize] == 1.0;
                switch_reward(reward, call == 1, previous_call, &self.config)
            })
            .collect()
    }

    /// The parts of a batch as one, on the device.
    pub(crate) fn batch(&self, parts: &[&HostBatch]) -> SwitchBatch {
        let mut features = Vec::new();
        let (mut current, mut next, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        let (mut rewards, mut bootstrap) = (Vec::new(), Vec::new());
        let (mut allowed, mut explored) = (Vec::new(), Vec::new());
        let mut rows = 0;
        for part in parts {
            let own = self
                .inputs
                .rows(&part.observations, &part.remaining, &part.previous_call);
            features.extend(own);
            current.extend(part.current.iter().map(|&row| rows + row));
            next.extend(part.next.iter().map(|&row| rows + row));
            calls.extend(part.calls.iter().map(|&call| i64::from(call)));
            rewards.extend(self.rewards(part));
            let ends = part.terminated.iter();
            bootstrap.extend(ends.map(|&end| self.discount as f32 * (1.0 - end)));
            allowed.extend_from_slice(&part.allowed);
            explored.extend_from_slice(&part.explored);
            rows += part.row_count() as i64;
        }
        let column = |values: &[f32]| {
            Tensor::from_slice(values)
                .unsqueeze(-1)
                .to_device(self.device)
        };
        let indices = |values: &[i64]| Tensor::from_slice(values).to_device(self.device);
        let free: Vec<f32> = current
            .iter()
            .map(|&row| f32::from(allowed[row as usize]))
            .collect();
        let forbidden = allowed.contains(&0).then(|| {
            let forbidden: Vec<bool> = allowed
                .iter()
                .flat_map(|&flag| [false, flag == 0])
                .collect();
            Tensor::from_slice(&forbidden)
                .view([-1, 2])
                .to_device(self.device)
        });
        SwitchBatch {
            features,
            sizes: [rows],
            current: indices(&current),
            next: indices(&next),
            calls: indices(&calls).unsqueeze(-1),
            rewards: column(&rewards),
            bootstrap: column(&bootstrap),
            free: column(&free),
            explored,
            forbidden,
        }
    }
}

/// A batch as the switch learns from it.
pub(crate) struct SwitchBatch {
    features: Vec<f32>, // [rows, inputs]
    sizes: [i64; 1],
    /// The row each transition starts at. `[transitions]`, i64
    pub(crate) current: Tensor,
    /// The row it leads to. `[transitions]`, i64
    pub(crate) next: Tensor,
    /// 1 for a central call. `[transitions, 1]`, i64
    pub(crate) calls: Tensor,
    /// What the transition paid, [`switch_reward`]. `[transitions, 1]`
    pub(crate) rewards: Tensor,
    /// Weight of the next row's value: the discount, 0 where the task ended. `[transitions, 1]`
    pub(crate) bootstrap: Tensor,
    /// 1 where a call was allowed. `[transitions, 1]`
    pub(crate) free: Tensor,
    /// 1 where a coin decided. `[transitions]`
    pub(crate) explored: Vec<u8>,
    /// True where a decision is against the budget; none when all are allowed. `[rows, 2]`
    pub(crate) forbidden: Option<Tensor>,
}

impl SwitchBatch {
    /// What the switch saw in all rows, as single steps: its networks have no memory.
    pub(crate) fn rows(&self) -> NetworkRows<'_> {
        NetworkRows {
            features: &self.features,
            last_actions: &[],
            sizes: &self.sizes,
        }
    }

    /// The values of what was decided, by values of all rows `[rows, 2]`. `[transitions, 1]`
    pub(crate) fn chosen(&self, values: &Tensor) -> Tensor {
        values
            .index_select(0, &self.current)
            .gather(-1, &self.calls, false)
    }

    /// Values of all rows, those of forbidden calls below every other. `[rows, 2]`
    pub(crate) fn legal(&self, values: &Tensor) -> Tensor {
        match &self.forbidden {
            None => values.shallow_clone(),
            Some(forbidden) => values.masked_fill(forbidden, f64::NEG_INFINITY),
        }
    }

    /// [`SwitchReport::value_gap`] and [`SwitchReport::greedy_calls`] by values or logits of
    /// all rows. `[rows, 2]`
    pub(crate) fn preference(&self, values: &Tensor) -> (f64, f64) {
        let gap = values.select(1, 1) - values.select(1, 0);
        let gap = gap.index_select(0, &self.current).unsqueeze(-1); // [transitions, 1]
        let free = self.free.sum(Kind::Double).double_value(&[]);
        let sum = |values: Tensor| (values * &self.free).sum(Kind::Double).double_value(&[]);
        let calls = sum(gap.gt(0.0).to_kind(Kind::Float));
        let transitions = self.free.numel().max(1) as f64;
        (sum(gap) / free.max(1.0), calls / transitions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_costs_every_step_or_only_when_switching_on() {
        let config = |cost_mode| SwitchConfig {
            cost: 0.25,
            cost_mode,
            ..SwitchConfig::default()
        };
        let paid = |mode, call, before| switch_reward(1.0, call, before, &config(mode));
        for (call, before, per_step, per_switch) in [
            (false, false, 1.0, 1.0),
            (false, true, 1.0, 1.0),
            (true, false, 0.75, 0.75),
            (true, true, 0.75, 1.0),
        ] {
            assert_eq!(paid(CostMode::PerStep, call, before), per_step);
            assert_eq!(paid(CostMode::PerSwitch, call, before), per_switch);
        }
    }

    fn part() -> HostBatch {
        HostBatch {
            sizes: vec![2, 2, 1],
            observations: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0],
            last_actions: vec![-1; 10],
            current: vec![0, 1, 2],
            next: vec![2, 3, 4],
            actions: vec![0; 6],
            rewards: vec![0.5, 0.25, 0.0, 0.0, 1.0, 2.0],
            terminated: vec![0.0, 1.0, 0.0],
            calls: vec![1, 0, 1],
            explored: vec![0, 1, 0],
            previous_call: vec![0.0, 0.0, 1.0, 0.0, 1.0],
            remaining: vec![1.0, 1.0, 0.5, 1.0, 0.0],
            allowed: vec![1, 1, 1, 1, 0],
            ..HostBatch::default()
        }
    }

    fn task(common_reward: bool) -> SwitchTask {
        let options = envs::EnvironmentOptions::default();
        let environment = envs::make("Foraging-8x8-2p-2f-v3", &options).unwrap();
        let mut spec = environment.spec().clone();
        spec.observation_size = 1;
        let mut config = TrainConfig::default();
        config.environment.common_reward = common_reward;
        config.algorithm.discount = 0.5;
        let switch = &mut config.algorithm.switch;
        switch.cost = 0.125;
        switch.cost_mode = CostMode::PerSwitch;
        switch.budget = configs::train::CallBudget::PerEpisode(Default::default());
        SwitchTask::new(&config, &spec, Device::Cpu)
    }

    #[test]
    fn the_team_reward_is_the_sum_or_what_every_agent_got() {
        assert_eq!(task(true).rewards(&part()), [0.375, 0.0, 1.0]);
        assert_eq!(task(false).rewards(&part()), [0.625, 0.0, 3.0]);
    }

    #[test]
    fn parts_become_one_batch_with_their_rows_apart() {
        let part = part();
        let batch = task(true).batch(&[&part, &part]);
        let numbers = |tensor: &Tensor| {
            nn::parameters::flat_values(&tensor.to_kind(Kind::Float).reshape([-1]))
        };
        assert_eq!(numbers(&batch.current), [0.0, 1.0, 2.0, 5.0, 6.0, 7.0]);
        assert_eq!(numbers(&batch.next), [2.0, 3.0, 4.0, 7.0, 8.0, 9.0]);
        assert_eq!(numbers(&batch.bootstrap)[..3], [0.5, 0.0, 0.5]);
        // Joint observation, share of the budget left, previous call.
        assert_eq!(batch.features[2 * 4..3 * 4], [5.0, 6.0, 0.5, 1.0]);
        assert_eq!(batch.rows().sizes, [10]);
        let values = Tensor::from_slice(&[0f32, 1.0]).repeat([10, 1]);
        let legal = numbers(&batch.legal(&values));
        assert_eq!(legal[..4], [0.0, 1.0, 0.0, 1.0]);
        assert_eq!(legal[8..10], [0.0, f32::NEG_INFINITY]);
        assert_eq!(batch.preference(&values), (1.0, 1.0));
    }
}
