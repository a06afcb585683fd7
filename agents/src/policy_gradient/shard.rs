//! One thread's share of a policy's update.

use std::sync::Arc;

use envs::EnvironmentSpec;
use nn::parameters::{Parameters, flat_values};
use tch::{Device, Tensor};

use super::losses::{PolicyTerms, log_probabilities, policy_loss, value_loss};
use crate::AgentsError;
use crate::advantages::{EpisodePlaces, Episodes};
use crate::network::NetworkRows;
use crate::network_pass::NetworkPass;
use crate::replay::HostBatch;
use crate::shards::Shard;

/// A batch with the places of its episodes.
#[derive(Debug)]
pub struct PlacedBatch {
    /// The batch.
    pub batch: Arc<HostBatch>,
    /// Its episodes, longest first.
    pub episodes: Vec<EpisodePlaces>,
}

impl PlacedBatch {
    /// Finds the episodes of a batch.
    pub fn new(batch: &Arc<HostBatch>) -> Self {
        Self {
            batch: Arc::clone(batch),
            episodes: Episodes::of(&batch.sizes).collect(),
        }
    }
}

/// Numbers of the whole batch that the losses are computed from.
#[derive(Debug, Default)]
pub struct LossTargets {
    /// What the critic learns. `[transitions, agents]`
    pub returns: Vec<f32>,
    /// What the policy learns from; empty: the returns less the critic's values.
    /// `[transitions, agents]`
    pub advantages: Vec<f32>,
    /// The critic's values before the update; empty when values are not clipped.
    /// `[transitions, agents]`
    pub old_values: Vec<f32>,
    /// Logarithms of the probabilities that actions were taken with; empty: those of the
    /// policy when the shard first learns from the episodes. `[transitions, agents]`
    pub old_log_probabilities: Vec<f32>,
    /// Weight of each transition; empty stands for ones. `[transitions]`
    pub weights: Vec<f32>,
}

/// What a shard is asked.
#[derive(Debug)]
pub enum PolicyPart {
    /// Take these episodes and look at them with the weights as they are.
    Look {
        /// The whole batch.
        batch: Arc<PlacedBatch>,
        /// The shard's episodes, in rising order.
        ranks: Vec<usize>,
        /// What to tell.
        view: View,
    },
    /// Gradients of both losses.
    Learn {
        /// Other episodes than those looked at last, in rising order.
        other: Option<(Arc<PlacedBatch>, Vec<usize>)>,
        /// For the whole batch.
        targets: Arc<LossTargets>,
        /// Sum of the weights of all shards' transitions, times the agents.
        terms: f64,
    },
}

/// Which numbers a look gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Values of all rows by the target critic.
    pub target_values: bool,
    /// Values of all rows by the critic.
    pub values: bool,
    /// Logarithms of the probabilities of the actions taken.
    pub log_probabilities: bool,
}

/// What a shard answers.
#[derive(Debug)]
pub enum PolicyOutput {
    /// To [`PolicyPart::Look`].
    Seen(Seen),
    /// To [`PolicyPart::Learn`]; nothing when its episodes have no weight.
    Learnt(Option<Box<Learnt>>),
}

/// Numbers of a shard's episodes, each empty when not asked for.
#[derive(Debug)]
pub struct Seen {
    /// Where the episodes lie in the whole batch.
    pub places: Selection,
    /// `[rows, agents]`
    pub target_values: Vec<f32>,
    /// `[rows, agents]`
    pub values: Vec<f32>,
    /// `[transitions, agents]`
    pub log_probabilities: Vec<f32>,
}

/// One shard's share of losses and gradients; all are parts of the whole batch's means.
#[derive(Debug)]
pub struct Learnt {
    /// Of the policy's loss. `[scalars]`
    pub policy_gradient: Tensor,
    /// Of the critic's loss. `[scalars]`
    pub critic_gradient: Tensor,
    /// Figures.
    pub figures: Figures,
}

/// What is told of an update's losses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// The policy's loss.
    pub policy_loss: f64,
    /// The critic's loss.
    pub critic_loss: f64,
    /// Mean entropy of the policy, in nats.
    pub entropy: f64,
    /// Share of the ratios outside the clip range.
    pub clipped: f64,
    /// Mean value, on the critic's scale.
    pub mean_value: f64,
    /// Mean return, on the critic's scale.
    pub mean_return: f64,
}

impl Figures {
    /// Adds another shard's share.
    pub fn add(&mut self, other: &Self) {
        self.policy_loss += other.policy_loss;
        self.critic_loss += other.critic_loss;
        self.entropy += other.entropy;
        self.clipped += other.clipped;
        self.mean_value += other.mean_value;
        self.mean_return += other.mean_return;
    }

    /// The mean of sums over `count` steps.
    pub fn over(&self, count: f64) -> Self {
        Self {
            policy_loss: self.policy_loss / count,
            critic_loss: self.critic_loss / count,
            entropy: self.entropy / count,
            clipped: self.clipped / count,
            mean_value: self.mean_value / count,
            mean_return: self.mean_return / count,
        }
    }
}

/// Where some episodes of a batch lie in it, in the order of a batch of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Episodes that have an observation at each step. `[horizon + 1]`
    pub sizes: Vec<i64>,
    /// Their rows in the whole batch.
    pub rows: Vec<usize>,
    /// Their transitions in the whole batch.
    pub transitions: Vec<usize>,
}

impl Selection {
    /// The episodes of these ranks, in rising order.
    pub fn new(episodes: &[EpisodePlaces], ranks: &[usize]) -> Self {
        let mut selection = Self::default();
        let horizon = ranks.first().map_or(0, |&rank| episodes[rank].rows.len());
        for time in 0..horizon {
            let alive = ranks.partition_point(|&rank| episodes[rank].rows.len() > time);
            for &rank in &ranks[..alive] {
                let episode = &episodes[rank];
                selection.rows.push(episode.rows[time]);
                selection.transitions.extend(episode.transitions.get(time));
            }
            selection.sizes.push(alive as i64);
        }
        selection
    }
}

/// The two networks on one thread.
pub struct PolicyShard {
    /// Passes of the policy.
    pub policy: NetworkPass,
    /// The policy's weights.
    pub policy_weights: Parameters,
    /// Passes of the critic.
    pub critic: NetworkPass,
    /// The critic's weights.
    pub critic_weights: Parameters,
    /// The target critic's weights.
    pub target_weights: Parameters,
    /// The environment.
    pub spec: EnvironmentSpec,
    /// [`configs::train::PpoConfig::clip_range`].
    pub clip_range: f64,
    /// [`configs::train::PpoConfig::entropy_coefficient`].
    pub entropy_coefficient: f64,
    /// [`configs::train::PpoConfig::value_clip`], when it is on.
    pub value_clip: Option<f64>,
    /// The episodes learnt from.
    pub part: Option<ShardPart>,
}

/// Episodes taken out of a batch, without the rows after their last transitions.
pub struct ShardPart {
    places: Selection,
    features: Vec<f32>,     // [transitions, agents, observation]
    last_actions: Vec<i64>, // [transitions, agents]
    actions: Tensor,        // [transitions, agents], i64
    forbidden: Option<Tensor>,
    old_log_probabilities: Option<Tensor>, // [transitions, agents]
}

impl ShardPart {
    fn new(batch: &PlacedBatch, ranks: &[usize], spec: &EnvironmentSpec, device: Device) -> Self {
        let places = Selection::new(&batch.episodes, ranks);
        let batch = &batch.batch;
        let agents = spec.agents;
        let rows = || {
            places
                .transitions
                .iter()
                .map(|&at| batch.current[at] as usize)
        };
        let shape = [-1, agents as i64, spec.actions as i64];
        let forbidden = (!batch.action_mask.is_empty()).then(|| {
            let mask = take(&batch.action_mask, spec.joint_mask_size(), rows());
            Tensor::from_slice(&mask)
                .view(shape)
                .eq(0)
                .to_device(device)
        });
        let actions = take(&batch.actions, agents, places.transitions.iter().copied());
        Self {
            features: take(&batch.observations, spec.joint_observation_size(), rows()),
            last_actions: take(&batch.last_actions, agents, rows()),
            actions: Tensor::from_slice(&actions)
                .view([-1, agents as i64])
                .to_device(device),
            forbidden,
            old_log_probabilities: None,
            places,
        }
    }

    fn rows(&self) -> NetworkRows<'_> {
        NetworkRows {
            features: &self.features,
            last_actions: &self.last_actions,
            sizes: self.places.sizes.get(1..).unwrap_or_default(),
        }
    }

    /// Numbers of this part's transitions. `[transitions, width]`
    fn of_transitions(&self, all: &[f32], width: usize, device: Device) -> Tensor {
        let own = take(all, width, self.places.transitions.iter().copied());
        Tensor::from_slice(&own)
            .view([-1, width as i64])
            .to_device(device)
    }
}

/// Rows of `width` numbers of a matrix.
fn take<T: Copy>(all: &[T], width: usize, rows: impl Iterator<Item = usize>) -> Vec<T> {
    rows.flat_map(|row| &all[row * width..(row + 1) * width])
        .copied()
        .collect()
}

impl Shard for PolicyShard {
    type Part = PolicyPart;
    type Output = PolicyOutput;

    fn work(&mut self, part: PolicyPart) -> Result<PolicyOutput, AgentsError> {
        match part {
            PolicyPart::Look { batch, ranks, view } => {
                self.load(&batch, &ranks);
                Ok(PolicyOutput::Seen(self.look(&batch, view)))
            }
            PolicyPart::Learn {
                other,
                targets,
                terms,
            } => {
                if let Some((batch, ranks)) = other {
                    self.load(&batch, &ranks);
                }
                Ok(PolicyOutput::Learnt(self.learn(&targets, terms)?))
            }
        }
    }
}

impl PolicyShard {
    fn device(&self) -> Device {
        self.policy_weights.flat().device()
    }

    fn load(&mut self, batch: &PlacedBatch, ranks: &[usize]) {
        self.part = Some(ShardPart::new(batch, ranks, &self.spec, self.device()));
    }

    fn look(&mut self, batch: &PlacedBatch, view: View) -> Seen {
        let part = self.part.as_ref().expect("episodes were taken");
        let width = self.spec.joint_observation_size();
        let features = take(
            &batch.batch.observations,
            width,
            part.places.rows.iter().copied(),
        );
        let rows = NetworkRows {
            features: &features,
            last_actions: &[],
            sizes: &part.places.sizes,
        };
        let mut values = |weights: &Parameters, wanted: bool| {
            if wanted {
                flat_values(&self.critic.constant(weights, &rows).reshape([-1]))
            } else {
                Vec::new()
            }
        };
        let target_values = values(&self.target_weights, view.target_values);
        let values = values(&self.critic_weights, view.values);
        let log_probabilities = if view.log_probabilities {
            let logits = self.policy.constant(&self.policy_weights, &part.rows());
            let all = log_probabilities(&logits, part.forbidden.as_ref());
            flat_values(
                &all.gather(-1, &part.actions.unsqueeze(-1), false)
                    .reshape([-1]),
            )
        } else {
            Vec::new()
        };
        Seen {
            places: part.places.clone(),
            target_values,
            values,
            log_probabilities,
        }
    }

    fn learn(
        &mut self,
        targets: &LossTargets,
        terms: f64,
    ) -> Result<Option<Box<Learnt>>, AgentsError> {
        let (device, agents) = (self.device(), self.spec.agents);
        let part = self.part.as_mut().expect("episodes were taken");
        if part.places.transitions.is_empty() {
            return Ok(None);
        }
        let weights = if targets.weights.is_empty() {
            let count = part.places.transitions.len() as i64;
            Tensor::ones([count, 1], (tch::Kind::Float, device))
        } else {
            part.of_transitions(&targets.weights, 1, device)
        };
        let returns = part.of_transitions(&targets.returns, agents, device);
        let rows = part.rows();

        let outputs = self.critic.differentiable(&self.critic_weights, &rows);
        let values = outputs.squeeze_dim(-1); // [transitions, agents]
        let old_values = (!targets.old_values.is_empty())
            .then(|| part.of_transitions(&targets.old_values, agents, device));
        let clip = self.value_clip.zip(old_values.as_ref());
        let critic_loss = value_loss(&values, &returns, clip, &weights, terms);
        let critic_gradient = self
            .critic
            .gradient(&self.critic_weights, &critic_loss, &outputs)?;

        let values = values.detach();
        let advantages = if targets.advantages.is_empty() {
            &returns - &values
        } else {
            part.of_transitions(&targets.advantages, agents, device)
        };
        let given = (!targets.old_log_probabilities.is_empty())
            .then(|| part.of_transitions(&targets.old_log_probabilities, agents, device));
        let logits = self.policy.differentiable(&self.policy_weights, &rows);
        let batch = PolicyTerms {
            logits: &logits,
            forbidden: part.forbidden.as_ref(),
            actions: &part.actions,
            old_log_probabilities: given.as_ref().or(part.old_log_probabilities.as_ref()),
            advantages: &advantages,
            weights: &weights,
        };
        let policy = policy_loss(&batch, self.clip_range, self.entropy_coefficient, terms);
        let policy_gradient = self
            .policy
            .gradient(&self.policy_weights, &policy.loss, &logits)?;
        part.old_log_probabilities
            .get_or_insert(policy.log_probabilities);

        let mean = |numbers: &Tensor| {
            (numbers * &weights)
                .sum(tch::Kind::Double)
                .double_value(&[])
                / terms
        };
        Ok(Some(Box::new(Learnt {
            policy_gradient,
            critic_gradient,
            figures: Figures {
                policy_loss: policy.loss.double_value(&[]),
                critic_loss: critic_loss.double_value(&[]),
                entropy: policy.entropy,
                clipped: policy.clipped,
                mean_value: mean(&values),
                mean_return: mean(&returns),
            },
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Episodes of 3, 2 and 1 steps: rows t0: 0, 1, 2; t1: 3, 4, 5; t2: 6, 7; t3: 8.
    #[test]
    fn selected_episodes_are_a_batch_of_their_own() {
        let episodes: Vec<EpisodePlaces> = Episodes::of(&[3, 3, 2, 1]).collect();
        let selection = Selection::new(&episodes, &[0, 2]);
        assert_eq!(selection.sizes, [2, 2, 1, 1]);
        assert_eq!(selection.rows, [0, 2, 3, 5, 6, 8]);
        assert_eq!(selection.transitions, [0, 2, 3, 5]);
        let all = Selection::new(&episodes, &[0, 1, 2]);
        assert_eq!(all.rows, (0..9).collect::<Vec<_>>());
        assert_eq!(all.transitions, (0..6).collect::<Vec<_>>());
        assert_eq!(Selection::new(&episodes, &[]), Selection::default());
    }
}
