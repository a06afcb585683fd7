//! The learner of MANSA over IPPO and MAPPO.
//!
//! Both members learn from the same episodes, which the switch dealt out step by step between
//! their policies. With `data = "own"` each learns from the steps that it acted in. With
//! `data = "all"` each learns from all of them; where the other acted, the probability ratio of
//! the clipped objective is against the policy that did:
//!
//! ```text
//! ratio_i = pi_i(a | o) / pi_g(a | o)       g: the policy in charge of the step
//! ```

use std::sync::Arc;

use configs::train::{TrainConfig, TransitionData};
use envs::EnvironmentSpec;
use nn::arrays::Arrays;
use nn::random::RandomStream;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use crate::AgentsError;
use crate::critic::CriticScope;
use crate::learner::{Learner, UpdateReport, read_state};
use crate::mansa::switch::{SwitchLearner, switch_learner};
use crate::policy_gradient::member::{
    MemberReport, MemberState, PolicyGradientMember, TrainingData,
};
use crate::replay::{EpisodeReplay, HostBatch};
use crate::reward_standardisation::RewardScale;
use crate::rollout::EpisodeBatch;
use crate::team::Team;

/// Two policies with their critics, and what switches between them.
pub struct PairedPolicyLearner {
    team: Arc<Team>,
    independent: PolicyGradientMember,
    central: PolicyGradientMember,
    switch: Option<Box<dyn SwitchLearner>>,
    pending: EpisodeReplay, // the episodes since the last update
    batch_episodes: usize,
    data: TransitionData,
    rewards: RewardScale,
    updates: u64,
}

/// What a checkpoint keeps beside the arrays.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LearnerState {
    independent: MemberState,
    central: MemberState,
    rewards: RewardScale,
    updates: u64,
}

impl PairedPolicyLearner {
    /// A fresh learner; both members draw from the start of the same stream, so that with
    /// the switch held open or shut MANSA is the algorithm that acts.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn new(
        config: &TrainConfig,
        spec: &EnvironmentSpec,
        device: Device,
    ) -> Result<Self, AgentsError> {
        let member = |scope| {
            let mut stream = RandomStream::new(config.seed, "initialisation", 0);
            PolicyGradientMember::new("agent", scope, config, spec, device, &mut stream)
        };
        let capacity = config.replay.batch_episodes + config.environments();
        let masked = config.environment.action_masks;
        Ok(Self {
            team: Arc::new(Team::new(config, spec)),
            independent: member(CriticScope::Own)?,
            central: member(CriticScope::Joint)?,
            switch: switch_learner(config, spec, device),
            pending: EpisodeReplay::new(spec, capacity, masked, true),
            batch_episodes: config.replay.batch_episodes,
            data: config.algorithm.switch.data,
            rewards: RewardScale::new(config, spec.agents),
            updates: 0,
        })
    }

    /// All pending episodes, with the rewards as they are learnt from.
    fn take(&mut self) -> (Arc<HostBatch>, Vec<f32>) {
        let (batch, padding) = self.pending.drain();
        let agents = self.team.spec().agents;
        let rewards = self.rewards.learnt(&[&batch.rewards], agents, padding);
        let rewards = rewards.concat();
        (Arc::new(batch), rewards)
    }

    /// What one member learns from; `probabilities` are those of the policies in charge.
    fn data(
        &self,
        batch: &Arc<HostBatch>,
        rewards: &[f32],
        own_call: u8,
        probabilities: &[f32],
    ) -> TrainingData {
        let alone = batch.calls.iter().all(|&call| call == own_call);
        let own = |&call: &u8| f32::from(u8::from(call == own_call));
        TrainingData {
            batch: Arc::clone(batch),
            rewards: rewards.to_vec(),
            weights: match self.data {
                TransitionData::Own if !alone => batch.calls.iter().map(own).collect(),
                _ => Vec::new(),
            },
            behaviour: match self.data {
                TransitionData::All if !alone => probabilities.to_vec(),
                _ => Vec::new(),
            },
        }
    }

    /// Logarithms of the probabilities that the policies in charge gave their actions;
    /// nothing when each member learns from its own. `[transitions, agents]`
    fn behaviour(&mut self, batch: &Arc<HostBatch>) -> Result<Vec<f32>, AgentsError> {
        if self.data == TransitionData::Own {
            return Ok(Vec::new());
        }
        let agents = self.team.spec().agents;
        let mut probabilities = self.independent.log_probabilities(batch)?;
        let central = self.central.log_probabilities(batch)?;
        for (index, probability) in probabilities.iter_mut().enumerate() {
            if batch.calls[index / agents] == 1 {
                *probability = central[index];
            }
        }
        Ok(probabilities)
    }
}

impl Learner for PairedPolicyLearner {
    fn team(&self) -> &Arc<Team> {
        &self.team
    }

    fn acting_weights(&self) -> Tensor {
        let mut parts = vec![
            self.independent.policy().snapshot(),
            self.central.policy().snapshot(),
        ];
        parts.extend(self.switch.iter().map(|switch| switch.acting().snapshot()));
        Tensor::cat(&parts, 0)
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
        self.updates
    }

    fn update(&mut self) -> Result<UpdateReport, AgentsError> {
        let (batch, rewards) = self.take();
        let behaviour = self.behaviour(&batch)?;
        let data = [0, 1].map(|call| self.data(&batch, &rewards, call, &behaviour));
        let [independent, central] = data;
        let own = |report: Option<MemberReport>| report.unwrap_or_default();
        let independent = own(self.independent.update(&independent)?);
        let central = own(self.central.update(&central)?);
        let mut more = vec![
            ("train/critic_loss", independent.figures.critic_loss),
            ("train/entropy", independent.figures.entropy),
            ("train/central_loss", central.figures.policy_loss),
            ("train/central_critic_loss", central.figures.critic_loss),
            ("train/central_entropy", central.figures.entropy),
        ];
        let calls = batch.calls.iter().filter(|&&call| call == 1).count() as f64;
        more.push(match self.data {
            TransitionData::All => ("mansa/cl_update_fraction", 1.0),
            TransitionData::Own => (
                "mansa/cl_update_fraction",
                calls / batch.calls.len().max(1) as f64,
            ),
        });
        if let Some(switch) = &mut self.switch {
            more.extend(switch.update(&[&batch])?.curves());
        }
        self.updates += 1;
        Ok(UpdateReport {
            loss: independent.figures.policy_loss,
            gradient_norm: independent.policy_gradient_norm,
            mean_value: independent.figures.mean_value,
            mean_target: independent.figures.mean_return,
            more,
        })
    }

    fn to_arrays(&self) -> Result<(Arrays, serde_json::Value), AgentsError> {
        let (mut arrays, independent) = self.independent.to_arrays("independent.");
        let (of_central, central) = self.central.to_arrays("central.");
        arrays.extend(of_central);
        if let Some(switch) = &self.switch {
            arrays.extend(switch.to_arrays());
        }
        let state = LearnerState {
            independent,
            central,
            rewards: self.rewards.clone(),
            updates: self.updates,
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
        let LearnerState {
            independent,
            central,
            rewards,
            updates,
        } = state;
        self.independent
            .load_arrays(arrays, "independent.", independent)?;
        self.central.load_arrays(arrays, "central.", central)?;
        if let Some(switch) = &mut self.switch {
            switch.load_arrays(arrays)?;
        }
        (self.rewards, self.updates) = (rewards, updates);
        Ok(())
    }

    fn replay(&self) -> &EpisodeReplay {
        &self.pending
    }

    fn replay_mut(&mut self) -> &mut EpisodeReplay {
        &mut self.pending
    }
}
