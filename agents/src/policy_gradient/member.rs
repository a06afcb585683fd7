//! A policy with its critic, and how both learn from a batch of episodes.
//!
//! An update, after EPyMARL `learners/ppo_learner.py`:
//!
//! 1. The target critic values all observations; n-step returns are computed from them. (With
//!    generalised advantages the critic itself values them, and the advantages stay as they
//!    are.)
//! 2. Every epoch, for each minibatch of episodes: the critic's values `V` give the advantages
//!    `G - V` and take a step towards the returns `G`; the policy takes a step along the
//!    clipped objective, with the probabilities before the first epoch as the old ones.
//! 3. The target critic follows the critic.
//!
//! Policy and critic have an optimiser each, and gradients are clipped for each. A plain
//! learner has one member; MANSA has two, which learn from the same episodes with other
//! weights and, where another policy acted, with the probabilities given by it.

use std::sync::Arc;

use configs::train::{AdvantageKind, AlgorithmConfig, TargetUpdate, TrainConfig};
use envs::EnvironmentSpec;
use nn::arrays::Arrays;
use nn::optimiser::{Optimiser, clip_gradient};
use nn::parameters::{ParameterLayout, Parameters};
use nn::random::RandomStream;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::shard::{
    Figures, Learnt, LossTargets, PlacedBatch, PolicyOutput, PolicyPart, PolicyShard, Seen, View,
};
use crate::AgentsError;
use crate::advantages::{ReturnInputs, generalised_advantages, n_step_returns};
use crate::critic::{CriticScope, critic_network};
use crate::network::{AgentNetwork, NetworkShape};
use crate::network_pass::NetworkPass;
use crate::q_learning::optimiser_kind;
use crate::replay::HostBatch;
use crate::shards::Shards;
use crate::value_normalisation::ValueNormalisation;

/// What a member learns from.
#[derive(Clone, Debug)]
pub struct TrainingData {
    /// Whole episodes.
    pub batch: Arc<HostBatch>,
    /// The rewards as they are learnt from, standardised where configured.
    /// `[transitions, agents]`
    pub rewards: Vec<f32>,
    /// How much each transition counts, 0 or more; empty stands for ones. `[transitions]`
    pub weights: Vec<f32>,
    /// Logarithms of the probabilities that the actions were drawn with; empty: those of the
    /// member's own policy before the update. `[transitions, agents]`
    pub behaviour: Vec<f32>,
}

/// Figures of one update.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MemberReport {
    /// Means over the steps of the last epoch.
    pub figures: Figures,
    /// Norm of the policy's gradient before clipping, of the last step.
    pub policy_gradient_norm: f64,
    /// Norm of the critic's gradient before clipping, of the last step.
    pub critic_gradient_norm: f64,
}

/// A policy with its critic.
pub struct PolicyGradientMember {
    config: AlgorithmConfig,
    agents: usize,
    policy: Trained,
    critic: Trained,
    target: Parameters,
    shards: Shards<PolicyShard>,
    state: MemberState,
}

/// Weights with their optimiser.
struct Trained {
    weights: Parameters,
    optimiser: Optimiser,
}

/// What a checkpoint keeps of a member beside the arrays.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MemberState {
    minibatch_stream: RandomStream,
    value_normalisation: Option<ValueNormalisation>,
    updates: u64,
    last_target_update: u64,
}

impl PolicyGradientMember {
    /// A fresh member; its weights are drawn from `stream`, the policy's first. `prefix` names
    /// the policy's layers, as in the team ([`crate::team::Team`]).
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn new(
        prefix: &str,
        scope: CriticScope,
        config: &TrainConfig,
        spec: &EnvironmentSpec,
        device: Device,
        stream: &mut RandomStream,
    ) -> Result<Self, AgentsError> {
        let mut layout = ParameterLayout::new();
        let shape = NetworkShape::per_action(spec);
        let policy_network = AgentNetwork::declare(&mut layout, prefix, shape, &config.network);
        let policy_network = Arc::new(policy_network);
        let policy = Trained::new(layout, config, device, stream);
        let mut layout = ParameterLayout::new();
        let critic_network = critic_network(&mut layout, scope, config, spec);
        let critic = Trained::new(layout, config, device, stream);
        let mut target = Parameters::zeros(critic.weights.layout(), device, false);
        target.track(&critic.weights, 1.0);
        let ppo = &config.algorithm.ppo;
        let shard = |_| PolicyShard {
            policy: NetworkPass::new(&policy_network, &policy.weights, Vec::new()),
            policy_weights: policy.weights.share(),
            critic: NetworkPass::new(&critic_network, &critic.weights, Vec::new()),
            critic_weights: critic.weights.share(),
            target_weights: target.share(),
            spec: spec.clone(),
            clip_range: ppo.clip_range,
            entropy_coefficient: ppo.entropy_coefficient,
            value_clip: (ppo.value_clip > 0.0).then_some(ppo.value_clip),
            part: None,
        };
        let shards = (0..config.runtime.learner_shards.max(1)).map(shard);
        Ok(Self {
            shards: Shards::start(shards.collect())?,
            agents: spec.agents,
            policy,
            critic,
            target,
            state: MemberState {
                minibatch_stream: RandomStream::new(config.seed, &format!("minibatch-{prefix}"), 0),
                value_normalisation: ppo
                    .value_normalisation
                    .then(|| ValueNormalisation::new(spec.agents)),
                updates: 0,
                last_target_update: 0,
            },
            config: config.algorithm.clone(),
        })
    }

    /// The policy's weights, laid out as its part of the team's.
    pub fn policy(&self) -> &Parameters {
        &self.policy.weights
    }

    /// Updates so far.
    pub fn updates(&self) -> u64 {
        self.state.updates
    }

    /// Logarithms of the probabilities that the policy gives the actions of a batch.
    /// `[transitions, agents]`
    ///
    /// # Errors
    /// A dead thread.
    pub fn log_probabilities(&mut self, batch: &Arc<HostBatch>) -> Result<Vec<f32>, AgentsError> {
        let batch = Arc::new(PlacedBatch::new(batch));
        let view = View {
            log_probabilities: true,
            ..View::default()
        };
        Ok(self.look(&batch, view)?.log_probabilities)
    }

    /// One update: all epochs over the episodes. Nothing is learnt when no transition counts.
    ///
    /// # Errors
    /// A loss or gradient that is not finite ([`AgentsError::Diverged`]); a dead thread.
    pub fn update(&mut self, data: &TrainingData) -> Result<Option<MemberReport>, AgentsError> {
        if !data.counts() {
            return Ok(None);
        }
        let batch = Arc::new(PlacedBatch::new(&data.batch));
        let ppo = &self.config.ppo;
        let (epochs, minibatches) = (ppo.epochs, ppo.minibatches.clamp(1, batch.episodes.len()));
        let gae = matches!(ppo.advantage, AdvantageKind::Gae(_));
        let seen = self.look(
            &batch,
            View {
                target_values: !gae,
                values: gae || ppo.value_clip > 0.0,
                log_probabilities: minibatches > 1 && data.behaviour.is_empty(),
            },
        )?;
        let mut targets = Arc::new(self.targets(data, &seen));
        let mut report = MemberReport::default();
        for epoch in 0..epochs {
            if epoch > 0 && !gae && self.state.value_normalisation.is_some() {
                // The statistics have moved, so that the target critic says something else.
                targets = Arc::new(self.targets(data, &seen));
            }
            let mut figures = Figures::default();
            for part in self.deal(batch.episodes.len(), minibatches) {
                let other = (minibatches > 1).then_some(part);
                let terms = data.terms(&batch, other.as_deref()) * self.agents as f64;
                if terms > 0.0 {
                    report = self.step(&batch, other, &targets, terms)?;
                    figures.add(&report.figures);
                }
            }
            report.figures = figures.over(minibatches as f64);
        }
        self.state.updates += 1;
        self.follow_target();
        Ok(Some(report))
    }

    /// The episodes of each minibatch, in rising order; one minibatch takes no random number.
    fn deal(&mut self, episodes: usize, minibatches: usize) -> Vec<Vec<usize>> {
        if minibatches == 1 {
            return vec![(0..episodes).collect()];
        }
        let mut order: Vec<usize> = (0..episodes).collect();
        for last in (1..episodes).rev() {
            order.swap(last, self.state.minibatch_stream.below(last + 1));
        }
        (0..minibatches)
            .map(|part| {
                let mut part: Vec<usize> = order
                    .iter()
                    .skip(part)
                    .step_by(minibatches)
                    .copied()
                    .collect();
                part.sort_unstable();
                part
            })
            .collect()
    }

    /// Deals episodes to the shards, so that each has long and short ones.
    fn share_out(&self, ranks: &[usize]) -> Vec<Vec<usize>> {
        let count = self.shards.count();
        (0..count)
            .map(|shard| ranks.iter().skip(shard).step_by(count).copied().collect())
            .collect()
    }

    /// What the networks say of a whole batch, put together from all shards.
    fn look(&mut self, batch: &Arc<PlacedBatch>, view: View) -> Result<WholeView, AgentsError> {
        let ranks: Vec<usize> = (0..batch.episodes.len()).collect();
        let parts = self
            .share_out(&ranks)
            .into_iter()
            .map(|ranks| PolicyPart::Look {
                batch: Arc::clone(batch),
                ranks,
                view,
            });
        let mut whole = WholeView::new(&batch.batch, self.agents, view);
        for output in self.shards.work(parts.collect())? {
            if let PolicyOutput::Seen(seen) = output {
                whole.put(&seen, self.agents);
            }
        }
        Ok(whole)
    }

    /// Returns and advantages on the critic's scale, from what the critics say.
    fn targets(&mut self, data: &TrainingData, seen: &WholeView) -> LossTargets {
        let batch = &data.batch;
        let discount = self.config.discount;
        let inputs = |values| ReturnInputs {
            rewards: &data.rewards,
            ..ReturnInputs::new(batch, values, discount)
        };
        let old_values = seen.current_values(batch, self.agents);
        let scale = self.state.value_normalisation.as_mut();
        let raw = |values: &[f32]| {
            let mut values = values.to_vec();
            if let Some(scale) = &scale {
                scale.denormalise(&mut values);
            }
            values
        };
        let (mut returns, mut advantages) = match self.config.ppo.advantage {
            AdvantageKind::NStep(n_step) => {
                let values = raw(&seen.target_values);
                (n_step_returns(&inputs(&values), n_step.steps), Vec::new())
            }
            AdvantageKind::Gae(gae) => {
                let advantages = generalised_advantages(&inputs(&raw(&seen.values)), gae.lambda);
                let returns = advantages.iter().zip(raw(&old_values)).map(|(a, v)| a + v);
                (returns.collect(), advantages)
            }
        };
        if let Some(scale) = scale {
            scale.update(&returns, &data.weights);
            scale.normalise(&mut returns);
            scale.normalise_differences(&mut advantages);
        }
        LossTargets {
            returns,
            advantages,
            old_values: if self.config.ppo.value_clip > 0.0 {
                old_values
            } else {
                Vec::new()
            },
            old_log_probabilities: if data.behaviour.is_empty() {
                seen.log_probabilities.clone()
            } else {
                data.behaviour.clone()
            },
            weights: data.weights.clone(),
        }
    }

    /// One step of both optimisers on one minibatch; `other` names its episodes unless it is
    /// all of them.
    fn step(
        &mut self,
        batch: &Arc<PlacedBatch>,
        other: Option<Vec<usize>>,
        targets: &Arc<LossTargets>,
        terms: f64,
    ) -> Result<MemberReport, AgentsError> {
        let mut parts = other.map(|ranks| self.share_out(&ranks).into_iter());
        let parts = (0..self.shards.count()).map(|_| PolicyPart::Learn {
            other: parts
                .as_mut()
                .and_then(Iterator::next)
                .map(|ranks| (Arc::clone(batch), ranks)),
            targets: Arc::clone(targets),
            terms,
        });
        let parts = parts.collect();
        let mut sum: Option<Box<Learnt>> = None;
        for output in self.shards.work(parts)? {
            let PolicyOutput::Learnt(Some(learnt)) = output else {
                continue;
            };
            match &mut sum {
                None => sum = Some(learnt),
                Some(sum) => sum.add(&learnt),
            }
        }
        let mut sum = sum.expect("some transition counts");
        let limit = (self.config.gradient_clip > 0.0).then_some(self.config.gradient_clip);
        let report = MemberReport {
            figures: sum.figures,
            policy_gradient_norm: clip_gradient(&mut sum.policy_gradient, limit),
            critic_gradient_norm: clip_gradient(&mut sum.critic_gradient, limit),
        };
        self.check(&report, batch)?;
        self.critic.step(&sum.critic_gradient);
        self.policy.step(&sum.policy_gradient);
        Ok(report)
    }

    fn check(&self, report: &MemberReport, batch: &PlacedBatch) -> Result<(), AgentsError> {
        let numbers = [
            ("policy loss", report.figures.policy_loss),
            ("critic loss", report.figures.critic_loss),
            ("policy gradient norm", report.policy_gradient_norm),
            ("critic gradient norm", report.critic_gradient_norm),
        ];
        match numbers.into_iter().find(|(_, value)| !value.is_finite()) {
            None => Ok(()),
            Some((quantity, value)) => Err(AgentsError::Diverged {
                quantity,
                value,
                update: self.state.updates + 1,
                episodes: (0..batch.episodes.len()).collect(),
                last_checkpoint: String::new(),
            }),
        }
    }

    fn follow_target(&mut self) {
        match self.config.target_update {
            TargetUpdate::Hard(hard) => {
                if self.state.updates - self.state.last_target_update >= hard.interval_updates {
                    self.target.track(&self.critic.weights, 1.0);
                    self.state.last_target_update = self.state.updates;
                }
            }
            TargetUpdate::Soft(soft) => self.target.track(&self.critic.weights, soft.rate),
        }
    }

    /// Weights and optimisers under names that start with `prefix`, and the rest as JSON.
    pub fn to_arrays(&self, prefix: &str) -> (Arrays, MemberState) {
        let mut arrays = self.policy.weights.to_arrays(&format!("{prefix}online."));
        arrays.extend(self.critic.weights.to_arrays(&format!("{prefix}online.")));
        arrays.extend(self.target.to_arrays(&format!("{prefix}target.")));
        let optimisers = [("policy", &self.policy), ("critic", &self.critic)];
        for (name, trained) in optimisers {
            let name = format!("{prefix}optimiser.{name}.");
            arrays.extend(trained.optimiser.to_arrays(&name));
        }
        (arrays, self.state.clone())
    }

    /// Takes up what [`PolicyGradientMember::to_arrays`] gave.
    ///
    /// # Errors
    /// Arrays of another network.
    pub fn load_arrays(
        &mut self,
        arrays: &Arrays,
        prefix: &str,
        state: MemberState,
    ) -> Result<(), AgentsError> {
        let online = format!("{prefix}online.");
        self.policy.weights.load_arrays(arrays, &online)?;
        self.critic.weights.load_arrays(arrays, &online)?;
        self.target
            .load_arrays(arrays, &format!("{prefix}target."))?;
        let optimisers = [("policy", &mut self.policy), ("critic", &mut self.critic)];
        for (name, trained) in optimisers {
            let name = format!("{prefix}optimiser.{name}.");
            trained.optimiser.load_arrays(arrays, &name)?;
        }
        self.state = state;
        Ok(())
    }
}

impl Trained {
    fn new(
        layout: ParameterLayout,
        config: &TrainConfig,
        device: Device,
        stream: &mut RandomStream,
    ) -> Self {
        let weights = Parameters::initialised(&Arc::new(layout), device, true, stream);
        let kind = optimiser_kind(config.algorithm.optimizer);
        Self {
            optimiser: Optimiser::new(kind, config.algorithm.learning_rate, &weights),
            weights,
        }
    }

    fn step(&mut self, gradient: &Tensor) {
        self.optimiser.step(&mut self.weights, gradient);
    }
}

impl TrainingData {
    fn counts(&self) -> bool {
        let transitions = self.batch.terminated.len();
        transitions > 0 && (self.weights.is_empty() || self.weights.iter().any(|&w| w > 0.0))
    }

    /// Sum of the weights of some episodes' transitions, or of all.
    fn terms(&self, batch: &PlacedBatch, ranks: Option<&[usize]>) -> f64 {
        let weight = |&transition: &usize| f64::from(self.weights[transition]);
        match (ranks, self.weights.is_empty()) {
            (None, true) => self.batch.terminated.len() as f64,
            (None, false) => self.weights.iter().copied().map(f64::from).sum(),
            (Some(ranks), true) => ranks
                .iter()
                .map(|&rank| batch.episodes[rank].transitions.len() as f64)
                .sum(),
            (Some(ranks), false) => ranks
                .iter()
                .flat_map(|&rank| batch.episodes[rank].transitions.iter().map(weight))
                .sum(),
        }
    }
}

impl Learnt {
    fn add(&mut self, other: &Self) {
        self.policy_gradient = self.policy_gradient.g_add_(&other.policy_gradient);
        self.critic_gradient = self.critic_gradient.g_add_(&other.critic_gradient);
        self.figures.add(&other.figures);
    }
}

/// What the networks say of a whole batch.
struct WholeView {
    target_values: Vec<f32>,     // [rows, agents] or empty
    values: Vec<f32>,            // [rows, agents] or empty
    log_probabilities: Vec<f32>, // [transitions, agents] or empty
}

impl WholeView {
    fn new(batch: &HostBatch, agents: usize, view: View) -> Self {
        let rows = batch.last_actions.len() / agents;
        let zeros = |wanted: bool, count: usize| vec![0.0; usize::from(wanted) * count * agents];
        Self {
            target_values: zeros(view.target_values, rows),
            values: zeros(view.values, rows),
            log_probabilities: zeros(view.log_probabilities, batch.terminated.len()),
        }
    }

    fn put(&mut self, seen: &Seen, agents: usize) {
        let places = &seen.places;
        for (whole, part, at) in [
            (&mut self.target_values, &seen.target_values, &places.rows),
            (&mut self.values, &seen.values, &places.rows),
            (
                &mut self.log_probabilities,
                &seen.log_probabilities,
                &places.transitions,
            ),
        ] {
            for (values, &place) in part.chunks_exact(agents).zip(at) {
                whole[place * agents..(place + 1) * agents].copy_from_slice(values);
            }
        }
    }

    /// The critic's values of the rows that transitions start at. `[transitions, agents]`
    fn current_values(&self, batch: &HostBatch, agents: usize) -> Vec<f32> {
        if self.values.is_empty() {
            return Vec::new();
        }
        let rows = batch.current.iter().map(|&row| row as usize);
        rows.flat_map(|row| &self.values[row * agents..(row + 1) * agents])
            .copied()
            .collect()
    }
}
