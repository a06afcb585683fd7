//! Independent Q-learning (Tan 1993) with recurrent or feed-forward networks.
//!
//! The rule and its details are EPyMARL's `learners/q_learner.py` without a mixer:
//!
//! ```text
//! y_i = r_i + gamma (1 - d) Q'_i(o', argmax_a Q_i(o', a))      (double Q-learning)
//! L   = sum over played steps and agents of (Q_i(o, a_i) - y_i)^2 / number of them
//! ```

use std::sync::Arc;

use configs::train::{AlgorithmConfig, OptimizerKind, TargetUpdate, TrainConfig};
use envs::EnvironmentSpec;
use nn::arrays::Arrays;
use nn::optimiser::{Optimiser, OptimiserKind, clip_gradient};
use nn::parameters::{ParameterLayout, Parameters};
use nn::random::RandomStream;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor, no_grad};

use crate::AgentsError;
use crate::learner::{Learner, UpdateReport};
use crate::network::UtilityNetwork;
use crate::replay::{EpisodeReplay, HostBatch};
use crate::reward_standardisation::RewardStandardisation;
use crate::rollout::EpisodeBatch;
use crate::shards::{Shard, Shards};
use crate::utilities::Utilities;

/// The learner of independent Q-learning.
pub struct IndependentQLearner {
    config: AlgorithmConfig,
    network: Arc<UtilityNetwork>,
    online: Parameters,
    target: Parameters,
    optimiser: Optimiser,
    replay: EpisodeReplay,
    batch_episodes: usize,
    agents: usize,
    shards: Shards<LossShard>,
    state: LearnerState,
}

/// What a checkpoint keeps beside the arrays.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LearnerState {
    replay_stream: RandomStream,
    reward_standardisation: Vec<RewardStandardisation>,
    updates: u64,
    last_target_update: u64,
}

impl IndependentQLearner {
    /// A fresh learner; weights are drawn from the run's `initialisation` stream.
    ///
    /// # Errors
    /// When the learner's threads cannot be started.
    pub fn new(
        config: &TrainConfig,
        spec: &EnvironmentSpec,
        device: Device,
    ) -> Result<Self, AgentsError> {
        let iql = &config.algorithm;
        let channels = if config.environment.common_reward {
            1
        } else {
            spec.agents
        };
        let mut layout = ParameterLayout::new();
        let network = Arc::new(UtilityNetwork::declare(&mut layout, &config.network, spec));
        let layout = Arc::new(layout);
        let mut stream = RandomStream::new(config.seed, "initialisation", 0);
        let online = Parameters::initialised(&layout, device, true, &mut stream);
        let mut target = Parameters::zeros(&layout, device, false);
        target.track(&online, 1.0);
        let shard = || LossShard {
            utilities: Utilities::new(&network, &online),
            online: online.share(),
            target: target.share(),
            spec: spec.clone(),
            discount: iql.discount,
            double_q: iql.double_q,
        };
        let shards = Shards::start(
            (0..config.runtime.learner_shards.max(1))
                .map(|_| shard())
                .collect(),
        )?;
        Ok(Self {
            optimiser: Optimiser::new(optimiser_kind(iql.optimizer), iql.learning_rate, &online),
            replay: EpisodeReplay::new(
                spec,
                config.replay.capacity_episodes,
                config.environment.action_masks,
            ),
            batch_episodes: config.replay.batch_episodes,
            agents: spec.agents,
            config: iql.clone(),
            network,
            online,
            target,
            shards,
            state: LearnerState {
                replay_stream: RandomStream::new(config.seed, "replay", 0),
                reward_standardisation: vec![RewardStandardisation::default(); channels],
                updates: 0,
                last_target_update: 0,
            },
        })
    }

    /// The batch of one update, cut into one part per shard.
    fn sample(&mut self) -> (Vec<usize>, Vec<LossPart>) {
        let slots = self
            .state
            .replay_stream
            .distinct(self.batch_episodes, self.replay.len());
        let share = slots.len().div_ceil(self.shards.count());
        let mut parts: Vec<HostBatch> = slots
            .chunks(share)
            .map(|slots| self.replay.gather(slots))
            .collect();
        let transitions: usize = parts.iter().map(|part| part.current.len()).sum();
        if self.config.standardise_rewards {
            let padding = slots.len() * self.replay.horizon(&slots) - transitions;
            self.standardise(&mut parts, padding);
        }
        let terms = (transitions * self.agents) as f64;
        let parts = parts
            .into_iter()
            .map(|batch| LossPart { batch, terms })
            .collect();
        (slots, parts)
    }

    /// One set of statistics for a common reward, one per agent otherwise. The reference
    /// pads its batches to the longest episode and counts the padding as rewards of 0.
    fn standardise(&mut self, parts: &mut [HostBatch], padding: usize) {
        let agents = self.agents;
        let channels = self.state.reward_standardisation.len();
        for (channel, statistics) in self.state.reward_standardisation.iter_mut().enumerate() {
            let rewards = parts
                .iter()
                .flat_map(|part| part.rewards.chunks_exact(agents));
            let own = rewards.map(|rewards| rewards[channel]);
            statistics.update(own.chain(std::iter::repeat_n(0.0, padding)));
        }
        for part in parts {
            for (index, reward) in part.rewards.iter_mut().enumerate() {
                let channel = (index % agents).min(channels - 1);
                *reward = self.state.reward_standardisation[channel].apply(*reward);
            }
        }
    }

    fn follow_target(&mut self) {
        match self.config.target_update {
            TargetUpdate::Hard(hard) => {
                if self.state.updates - self.state.last_target_update >= hard.interval_updates {
                    self.target.track(&self.online, 1.0);
                    self.state.last_target_update = self.state.updates;
                }
            }
            TargetUpdate::Soft(soft) => self.target.track(&self.online, soft.rate),
        }
    }
}

impl Learner for IndependentQLearner {
    fn network(&self) -> &Arc<UtilityNetwork> {
        &self.network
    }

    fn acting_parameters(&self) -> &Parameters {
        &self.online
    }

    fn observe(&mut self, episodes: &EpisodeBatch) {
        self.replay.insert(episodes);
    }

    fn ready(&self) -> bool {
        self.replay.len() >= self.batch_episodes
    }

    fn updates(&self) -> u64 {
        self.state.updates
    }

    fn update(&mut self) -> Result<UpdateReport, AgentsError> {
        let (slots, parts) = self.sample();
        let outputs = self.shards.work(parts)?;
        let mut report = UpdateReport::default();
        let mut gradient: Option<Tensor> = None;
        for output in outputs {
            report.loss += output.loss;
            report.mean_value += output.mean_value;
            report.mean_target += output.mean_target;
            gradient = Some(match gradient {
                None => output.gradient,
                Some(mut sum) => sum.g_add_(&output.gradient),
            });
        }
        let mut gradient = gradient.expect("there is at least one shard");
        let limit = (self.config.gradient_clip > 0.0).then_some(self.config.gradient_clip);
        report.gradient_norm = clip_gradient(&mut gradient, limit);
        for (quantity, value) in [
            ("loss", report.loss),
            ("gradient norm", report.gradient_norm),
        ] {
            if !value.is_finite() {
                return Err(AgentsError::Diverged {
                    quantity,
                    value,
                    update: self.state.updates + 1,
                    episodes: slots,
                    last_checkpoint: String::new(),
                });
            }
        }
        self.optimiser.step(&mut self.online, &gradient);
        self.state.updates += 1;
        self.follow_target();
        Ok(report)
    }

    fn to_arrays(&self) -> Result<(Arrays, serde_json::Value), AgentsError> {
        let mut arrays = self.online.to_arrays("online.");
        arrays.extend(self.target.to_arrays("target."));
        arrays.extend(self.optimiser.to_arrays("optimiser."));
        let state = serde_json::to_value(&self.state).expect("the state is plain data");
        Ok((arrays, state))
    }

    fn load_arrays(
        &mut self,
        arrays: &Arrays,
        state: serde_json::Value,
    ) -> Result<(), AgentsError> {
        self.online.load_arrays(arrays, "online.")?;
        self.target.load_arrays(arrays, "target.")?;
        self.optimiser.load_arrays(arrays, "optimiser.")?;
        self.state = serde_json::from_value(state).map_err(|error| AgentsError::Checkpoint {
            path: "state.json".into(),
            problem: format!("the learner's state does not read: {error}"),
        })?;
        Ok(())
    }

    fn replay(&self) -> &EpisodeReplay {
        &self.replay
    }

    fn replay_mut(&mut self) -> &mut EpisodeReplay {
        &mut self.replay
    }
}

/// The optimisers of EPyMARL's configurations.
fn optimiser_kind(kind: OptimizerKind) -> OptimiserKind {
    match kind {
        OptimizerKind::Adam => OptimiserKind::Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        },
        OptimizerKind::Rmsprop => OptimiserKind::RmsProp {
            alpha: 0.99,
            epsilon: 1e-5,
        },
    }
}

/// One shard's part of a batch.
struct LossPart {
    batch: HostBatch,
    terms: f64, // squared errors in the whole batch: played steps times agents
}

/// One shard's share of loss and gradient; all are sums over parts of the whole mean.
struct LossOutput {
    gradient: Tensor, // [scalars]
    loss: f64,
    mean_value: f64,
    mean_target: f64,
}

struct LossShard {
    utilities: Utilities,
    online: Parameters,
    target: Parameters,
    spec: EnvironmentSpec,
    discount: f64,
    double_q: bool,
}

impl Shard for LossShard {
    type Part = LossPart;
    type Output = LossOutput;

    fn work(&mut self, part: LossPart) -> Result<LossOutput, AgentsError> {
        let LossPart { batch: host, terms } = part;
        let batch = DeviceBatch::new(&host, &self.spec, self.online.flat().device());
        let values = self.utilities.differentiable(&self.online, &host); // [rows, agents, actions]
        let target_values = self.utilities.constant(&self.target, &host);
        let chosen = values
            .index_select(0, &batch.current)
            .gather(-1, &batch.actions.unsqueeze(-1), false)
            .squeeze_dim(-1); // [transitions, agents]
        let targets = no_grad(|| {
            let target_values = target_values.index_select(0, &batch.next);
            let next = if self.double_q {
                let values = batch.legal(&values.detach().index_select(0, &batch.next));
                let best = values.argmax(-1, true);
                target_values.gather(-1, &best, false).squeeze_dim(-1)
            } else {
                batch.legal(&target_values).amax(-1, false)
            };
            let bootstrap = (1.0 - &batch.terminated) * self.discount; // [transitions, 1]
            &batch.rewards + bootstrap * next
        });
        let loss = (&chosen - &targets).square().sum(Kind::Float) / terms;
        let gradient = self.utilities.gradient(&self.online, &loss, &values)?;
        let mean = |values: &Tensor| values.sum(Kind::Double).double_value(&[]) / terms;
        Ok(LossOutput {
            gradient,
            loss: loss.double_value(&[]),
            mean_value: mean(&chosen.detach()),
            mean_target: mean(&targets),
        })
    }
}

/// A [`HostBatch`] as tensors.
struct DeviceBatch {
    forbidden: Option<Tensor>, // [transitions, agents, actions], bool, of the next rows
    current: Tensor,           // [transitions], i64
    next: Tensor,              // [transitions], i64
    actions: Tensor,           // [transitions, agents], i64
    rewards: Tensor,           // [transitions, agents]
    terminated: Tensor,        // [transitions, 1]
}

impl DeviceBatch {
    fn new(batch: &HostBatch, spec: &EnvironmentSpec, device: Device) -> Self {
        let (agents, actions) = (spec.agents as i64, spec.actions as i64);
        let to = |tensor: Tensor, shape: &[i64]| tensor.view(shape).to_device(device);
        let next = to(Tensor::from_slice(&batch.next), &[-1]);
        let forbidden = (!batch.action_mask.is_empty()).then(|| {
            let mask = to(
                Tensor::from_slice(&batch.action_mask),
                &[-1, agents, actions],
            );
            mask.index_select(0, &next).eq(0)
        });
        Self {
            forbidden,
            current: to(Tensor::from_slice(&batch.current), &[-1]),
            next,
            actions: to(Tensor::from_slice(&batch.actions), &[-1, agents]),
            rewards: to(Tensor::from_slice(&batch.rewards), &[-1, agents]),
            terminated: to(Tensor::from_slice(&batch.terminated), &[-1, 1]),
        }
    }

    /// Next-step values with forbidden actions below every other.
    fn legal(&self, next_values: &Tensor) -> Tensor {
        match &self.forbidden {
            None => next_values.shallow_clone(),
            Some(forbidden) => next_values.masked_fill(forbidden, f64::NEG_INFINITY),
        }
    }
}
