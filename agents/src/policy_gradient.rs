//! Proximal policy optimisation (Schulman et al. 2017) for teams: IPPO and MAPPO.
//!
//! Both are one learner and differ in what the critic sees ([`CriticScope`]): an agent's own
//! observation (de Witt et al. 2020) or all of them (Yu et al. 2022). The rule and its details
//! are EPyMARL's `learners/ppo_learner.py`; see [`member`] for the steps of an update and
//! [`losses`] for the equations.

pub mod losses;
pub mod member;
pub mod shard;

use std::sync::Arc;

use configs::train::{AlgorithmKind, TrainConfig};
use envs::EnvironmentSpec;
use nn::arrays::Arrays;
use nn::random::RandomStream;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::AgentsError;
use crate::critic::CriticScope;
use crate::learner::{Learner, UpdateReport, read_state};
use crate::replay::EpisodeReplay;
use crate::reward_standardisation::RewardScale;
use crate::rollout::EpisodeBatch;
use crate::team::Team;
use member::{MemberState, PolicyGradientMember, TrainingData};

/// The learner of one policy with its critic.
pub struct PolicyGradientLearner {
    team: Arc<Team>,
    member: PolicyGradientMember,
    pending: EpisodeReplay, // the episodes since the last update
    batch_episodes: usize,
    rewards: RewardScale,
}

/// What a checkpoint keeps beside the arrays.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LearnerState {
    member: MemberState,
    rewards: RewardScale,
}

impl PolicyGradientLearner {
    /// A fresh learner; weights are drawn from the run's `initialisation` stream.
    ///
    /// # Errors
    /// When the learner's threads cannot be started.
    pub fn new(
        config: &TrainConfig,
        spec: &EnvironmentSpec,
        device: Device,
    ) -> Result<Self, AgentsError> {
        let scope = match config.algorithm.kind {
            AlgorithmKind::Ippo => CriticScope::Own,
            _ => CriticScope::Joint,
        };
        let mut stream = RandomStream::new(config.seed, "initialisation", 0);
        // A round more than an update needs: it may come on top of all but one of them.
        let capacity = config.replay.batch_episodes + config.environments();
        Ok(Self {
            team: Arc::new(Team::new(config, spec)),
            member: PolicyGradientMember::new("agent", scope, config, spec, device, &mut stream)?,
            pending: EpisodeReplay::new(spec, capacity, config.environment.action_masks, false),
            batch_episodes: config.replay.batch_episodes,
            rewards: RewardScale::new(config, spec.agents),
        })
    }

    /// All pending episodes, with the rewards as they are learnt from.
    fn take(&mut self) -> TrainingData {
        let (batch, padding) = self.pending.drain();
        let agents = self.team.spec().agents;
        TrainingData {
            rewards: self
                .rewards
                .learnt(&[&batch.rewards], agents, padding)
                .concat(),
            batch: Arc::new(batch),
            weights: Vec::new(),
            behaviour: Vec::new(),
        }
    }
}

impl Learner for PolicyGradientLearner {
    fn team(&self) -> &Arc<Team> {
        &self.team
    }

    fn acting_weights(&self) -> Tensor {
        self.member.policy().snapshot()
    }

    fn on_policy(&self) -> bool {
        true
    }

    fn observe(&mut self, episodes: &EpisodeBatch) {
        self.pending.insert(episodes);
    }

    fn ready(&self) -> bool {
        self.pending.len() >= self.batch_episodes
    }

    fn updates(&self) -> u64 {
        self.member.updates()
    }

    fn update(&mut self) -> Result<UpdateReport, AgentsError> {
        let data = self.take();
        let report = self.member.update(&data)?.unwrap_or_default();
        let figures = report.figures;
        Ok(UpdateReport {
            loss: figures.policy_loss,
            gradient_norm: report.policy_gradient_norm,
            mean_value: figures.mean_value,
            mean_target: figures.mean_return,
            more: vec![
                ("train/critic_loss", figures.critic_loss),
                ("train/critic_gradient_norm", report.critic_gradient_norm),
                ("train/entropy", figures.entropy),
                ("train/clipped_share", figures.clipped),
            ],
        })
    }

    fn to_arrays(&self) -> Result<(Arrays, serde_json::Value), AgentsError> {
        let (arrays, member) = self.member.to_arrays("");
        let state = LearnerState {
            member,
            rewards: self.rewards.clone(),
        };
        let state = serde_json::to_value(&state).expect("the state is plain data");
        Ok((arrays, state))
    }

    fn load_arrays(
        &mut self,
        arrays: &Arrays,
        state: serde_json::Value,
    ) -> Result<(), AgentsError> {
        let state: LearnerState = read_state(state)?;
        self.member.load_arrays(arrays, "", state.member)?;
        self.rewards = state.rewards;
        Ok(())
    }

    fn replay(&self) -> &EpisodeReplay {
        &self.pending
    }

    fn replay_mut(&mut self) -> &mut EpisodeReplay {
        &mut self.pending
    }
}
