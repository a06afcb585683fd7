//! A switch that learns a policy over calling and not calling from the episodes it just
//! played, for teams that learn in the same way.
//!
//! Proximal policy optimisation (Schulman et al. 2017) with the settings of `[algorithm.ppo]`:
//! the clipped objective with entropy ([`crate::policy_gradient::losses`]) on the advantages of
//! [`crate::advantages`] over the rewards of [`super::switch::switch_reward`], and a critic of
//! its own that fits the returns. The critic's values of before the update stand for the rest
//! of an episode.
//!
//! The policy learns from the decisions that were its own: not from those that the budget
//! forbade, nor from those of a coin. While the coin decides everything, only the critic learns.

use configs::train::{AdvantageKind, PpoConfig, TrainConfig};
use envs::EnvironmentSpec;
use nn::arrays::{Array, Arrays};
use nn::parameters::{Parameters, flat_values};
use nn::random::RandomStream;
use tch::{Device, Kind, Tensor};

use crate::AgentsError;
use crate::advantages::{ReturnInputs, generalised_advantages, n_step_returns};
use crate::mansa::learnt::LearntNetwork;
use crate::mansa::switch::{SwitchBatch, SwitchLearner, SwitchReport, SwitchTask};
use crate::policy_gradient::losses::{PolicyTerms, policy_loss, value_loss};
use crate::replay::HostBatch;

/// Proximal policy optimisation over the two decisions.
pub struct Proximal {
    task: SwitchTask,
    policy: LearntNetwork,
    critic: LearntNetwork,
    config: PpoConfig,
    discount: f64,
    updates: u64,
}

/// What one update aims at.
struct Aims {
    advantages: Tensor, // [transitions, 1]
    returns: Tensor,    // [transitions, 1]
    own: Tensor,        // [transitions, 1], 1 where the policy decided
    own_count: f64,
}

impl Proximal {
    /// A fresh switch; weights are drawn from the run's `switch-initialisation` stream.
    pub fn new(config: &TrainConfig, spec: &EnvironmentSpec, device: Device) -> Self {
        let task = SwitchTask::new(config, spec, device);
        let mut stream = RandomStream::new(config.seed, "switch-initialisation", 0);
        let inputs = task.inputs();
        Self {
            policy: LearntNetwork::acting(config, inputs, &mut stream, device),
            critic: LearntNetwork::beside(config, inputs, 1, &mut stream, device),
            task,
            config: config.algorithm.ppo.clone(),
            discount: config.algorithm.discount,
            updates: 0,
        }
    }

    /// Advantages and returns by the critic's values of all rows `[rows, 1]`.
    fn aims(&self, parts: &[&HostBatch], batch: &SwitchBatch, values: &Tensor) -> Aims {
        let host = flat_values(&values.reshape([-1]));
        let (mut advantages, mut returns) = (Vec::new(), Vec::new());
        let mut first_row = 0;
        for part in parts {
            let rewards = self.task.rewards(part);
            let inputs = ReturnInputs {
                sizes: &part.sizes,
                rewards: &rewards,
                terminated: &part.terminated,
                values: &host[first_row..first_row + part.row_count()],
                discount: self.discount,
            };
            let value = |&row: &i64| inputs.values[row as usize];
            let known = part.current.iter().map(value);
            match self.config.advantage {
                AdvantageKind::NStep(n_step) => {
                    let own = n_step_returns(&inputs, n_step.steps);
                    advantages.extend(own.iter().zip(known).map(|(all, value)| all - value));
                    returns.extend(own);
                }
                AdvantageKind::Gae(gae) => {
                    let own = generalised_advantages(&inputs, gae.lambda);
                    returns.extend(own.iter().zip(known).map(|(more, value)| more + value));
                    advantages.extend(own);
                }
            }
            first_row += part.row_count();
        }
        let column = |values: &[f32]| {
            let column = Tensor::from_slice(values).unsqueeze(-1);
            column.to_device(batch.rewards.device())
        };
        let chosen: Vec<f32> = batch
            .explored
            .iter()
            .map(|&coin| f32::from(1 - coin))
            .collect();
        let own = column(&chosen) * &batch.free;
        Aims {
            advantages: column(&advantages),
            returns: column(&returns),
            own_count: own.sum(Kind::Double).double_value(&[]),
            own,
        }
    }
}

impl SwitchLearner for Proximal {
    fn acting(&self) -> &Parameters {
        self.policy.weights()
    }

    fn update(&mut self, parts: &[&HostBatch]) -> Result<SwitchReport, AgentsError> {
        let batch = self.task.batch(parts);
        let rows = batch.rows();
        let update = self.updates + 1;
        let before = self.critic.constant(&rows); // [rows, 1]
        let aims = self.aims(parts, &batch, &before);
        let before = before.index_select(0, &batch.current);
        let everywhere = aims.own.ones_like();
        let transitions = everywhere.numel().max(1) as f64;
        let clip = self.config.value_clip;
        let mut report = SwitchReport::default();
        let mut old: Option<Tensor> = None;
        let epochs = self.config.epochs.max(1);
        let (mut entropy, mut clipped, mut of_critic) = (0.0, 0.0, 0.0);
        for epoch in 0..epochs {
            let outputs = self.policy.differentiable(&rows);
            if epoch == 0 {
                let preference = batch.preference(&outputs.values.detach());
                (report.value_gap, report.greedy_calls) = preference;
            }
            if aims.own_count > 0.0 {
                let logits = outputs.values.index_select(0, &batch.current);
                let terms = PolicyTerms {
                    logits: &logits.unsqueeze(1), // [transitions, 1, 2]
                    forbidden: None,              // where it is, the weight is 0
                    actions: &batch.calls,
                    old_log_probabilities: old.as_ref(),
                    advantages: &aims.advantages,
                    weights: &aims.own,
                };
                let (range, bonus) = (self.config.clip_range, self.config.entropy_coefficient);
                let policy = policy_loss(&terms, range, bonus, aims.own_count);
                report.gradient_norm += self.policy.step(&policy.loss, &outputs, update)?;
                report.loss += policy.loss.double_value(&[]);
                (entropy, clipped) = (entropy + policy.entropy, clipped + policy.clipped);
                old.get_or_insert(policy.log_probabilities);
            }
            let outputs = self.critic.differentiable(&rows);
            let values = outputs.values.index_select(0, &batch.current);
            let clip = (clip > 0.0).then_some((clip, &before));
            let loss = value_loss(&values, &aims.returns, clip, &everywhere, transitions);
            self.critic.step(&loss, &outputs, update)?;
            of_critic += loss.double_value(&[]);
        }
        self.updates = update;
        let mean = |sum: f64| sum / epochs as f64;
        report.loss = mean(report.loss + of_critic);
        report.gradient_norm = mean(report.gradient_norm);
        report.more = vec![
            ("mansa/switch_entropy", mean(entropy)),
            ("mansa/switch_clipped_fraction", mean(clipped)),
            ("mansa/switch_critic_loss", mean(of_critic)),
        ];
        Ok(report)
    }

    fn to_arrays(&self) -> Arrays {
        let mut arrays = self.policy.to_arrays("switch.");
        arrays.extend(self.critic.to_arrays("switch.critic."));
        arrays.insert("switch.updates", Array::from_u64(vec![1], &[self.updates]));
        arrays
    }

    fn load_arrays(&mut self, arrays: &Arrays) -> Result<(), AgentsError> {
        self.policy.load_arrays(arrays, "switch.")?;
        self.critic.load_arrays(arrays, "switch.critic.")?;
        self.updates = arrays.u64("switch.updates", &[1])?[0];
        Ok(())
    }
}
