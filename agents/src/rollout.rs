//! Playing one episode in each environment of a batch, without gradients.
//!
//! Actors and the evaluator share this loop; they differ in how they explore, in the
//! streams and in what they keep.

use std::sync::Arc;

use configs::train::Execution;
use envs::{BatchBuffers, EnvironmentSpec, VectorEnvironment};
use nn::parameters::Parameters;
use nn::random::RandomStream;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::AgentsError;
use crate::acting::ActingTeam;
use crate::mansa::budget::Grant;
use crate::mansa::decision::{Decision, SwitchRecord};
use crate::network::NetworkRows;
use crate::team::Team;

/// Complete episodes, side by side; shorter ones are padded behind their end.
#[derive(Clone, Debug, Default)]
pub struct EpisodeBatch {
    /// Number of episodes.
    pub episodes: usize,
    /// Steps of the longest episode.
    pub horizon: usize,
    /// `[horizon + 1, episodes, agents, observation]`
    pub observations: Vec<f32>,
    /// `[horizon + 1, episodes, agents, actions]`, empty when masks are off.
    pub action_mask: Vec<u8>,
    /// `[horizon, episodes, agents]`
    pub actions: Vec<u8>,
    /// `[horizon, episodes, agents]`
    pub rewards: Vec<f32>,
    /// Steps of each episode. `[episodes]`
    pub lengths: Vec<usize>,
    /// Whether the last step ended the task, so that nothing is bootstrapped. `[episodes]`
    pub terminated: Vec<bool>,
    /// Undiscounted team return: the sum over agents and steps. `[episodes]`
    pub returns: Vec<f64>,
    /// What the switch decided, in a team that has one.
    pub switch: Option<SwitchRecord>,
}

impl EpisodeBatch {
    /// Environment steps in all episodes.
    pub fn steps(&self) -> u64 {
        self.lengths.iter().map(|&length| length as u64).sum()
    }
}

/// How episodes are played.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlayOrder {
    /// Chance of a random action, in teams that act by values.
    pub epsilon: f64,
    /// Whether policies draw their actions; otherwise they take the likeliest.
    pub sample: bool,
    /// Which policies act.
    pub execution: Execution,
    /// Chance that a coin decides on a central call.
    pub switch_epsilon: f64,
    /// Whether a learnt switching policy draws its decision.
    pub switch_sample: bool,
    /// Central calls granted to all episodes of this play together, where the budget is one
    /// of the whole training.
    pub grant: Option<Grant>,
}

impl PlayOrder {
    /// The best that the policies know, with a chance of `epsilon` for a random action.
    pub fn greedy(epsilon: f64, execution: Execution) -> Self {
        Self {
            epsilon,
            sample: false,
            execution,
            switch_epsilon: 0.0,
            switch_sample: false,
            grant: None,
        }
    }
}

/// The random streams of one rollout. They are apart so that a switch that never calls
/// leaves the actions of its agents as they would be without it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActingStreams {
    /// Draws actions.
    pub exploration: RandomStream,
    /// Draws central calls.
    pub switch: RandomStream,
}

impl ActingStreams {
    /// The streams named `name` and `name-switch` with a number.
    pub fn new(seed: u64, name: &str, index: u64) -> Self {
        Self {
            exploration: RandomStream::new(seed, name, index),
            switch: RandomStream::new(seed, &format!("{name}-switch"), index),
        }
    }
}

/// What a rollout shows after the reset and after each step.
pub struct Moment<'a> {
    /// The environments.
    pub environment: &'a dyn VectorEnvironment,
    /// Rewards of the step; empty after the reset. `[environments, agents]`
    pub rewards: &'a [f64],
    /// Whether the next step of each environment is a central call; empty without a switch
    /// and after the last step. `[environments]`
    pub calls: &'a [u8],
    /// Which environments are still in their episode. `[environments]`
    pub running: &'a [bool],
    /// The joint action of the step; empty after the reset. `[environments, agents]`
    pub actions: &'a [u8],
    /// Undiscounted team return of each episode so far. `[environments]`
    pub returns: &'a [f64],
    /// What decides central calls, where something does.
    pub decision: Option<&'a Decision>,
}

impl Moment<'_> {
    /// Share of the budget of central calls that is left, 0 to 1; nothing without a budget.
    pub fn budget_left(&self, environment: usize) -> Option<f64> {
        self.decision?.budget_left(environment)
    }
}

/// An environment batch with everything needed to act in it.
pub struct Rollout {
    environment: Box<dyn VectorEnvironment>,
    buffers: BatchBuffers,
    acting: ActingTeam,
    common_reward: bool,
    masked: bool,
}

impl Rollout {
    /// `environment` must hold finished episodes ([`envs::ResetMode::Hold`]);
    /// `parameters` are this rollout's own copy.
    pub fn new(
        environment: Box<dyn VectorEnvironment>,
        team: Arc<Team>,
        parameters: Parameters,
        common_reward: bool,
        masked: bool,
    ) -> Self {
        let spec = environment.spec();
        let mut buffers = BatchBuffers::new(spec, environment.len());
        if masked {
            buffers = buffers.with_action_mask(spec);
        }
        Self {
            environment,
            buffers,
            acting: ActingTeam::new(team, parameters),
            common_reward,
            masked,
        }
    }

    /// What the environments are.
    pub fn spec(&self) -> &EnvironmentSpec {
        self.environment.spec()
    }

    /// Number of environments.
    pub fn environments(&self) -> usize {
        self.environment.len()
    }

    /// The environments, to seed, save or restore them.
    pub fn environment_mut(&mut self) -> &mut dyn VectorEnvironment {
        self.environment.as_mut()
    }

    /// Takes over weights from a flat snapshot.
    pub fn set_weights(&mut self, flat: &Tensor) {
        self.acting.set_weights(flat);
    }

    /// Plays one episode in every environment. `watch` sees the batch before the first
    /// step and after each one.
    ///
    /// # Errors
    /// The environment's.
    pub fn play(
        &mut self,
        order: &PlayOrder,
        streams: &mut ActingStreams,
        mut watch: impl FnMut(&Moment),
    ) -> Result<EpisodeBatch, AgentsError> {
        let spec = self.environment.spec();
        let (agents, actions) = (spec.agents, spec.actions);
        let (limit, episodes) = (spec.max_episode_steps, self.environment.len());
        let mut record = EpisodeBatch {
            episodes,
            lengths: vec![0; episodes],
            terminated: vec![false; episodes],
            returns: vec![0.0; episodes],
            ..EpisodeBatch::default()
        };
        let mut decision = Decision::new(self.acting.team(), order, episodes, limit);
        let mut chosen = vec![0u8; episodes * agents];
        let mut running = vec![true; episodes];
        self.environment.reset_all(&mut self.buffers)?;
        self.acting.begin(episodes);
        for time in 0..=limit {
            self.keep_observation(&mut record);
            let last = time == limit || !running.contains(&true);
            let observations = &self.buffers.observations;
            decision.decide(
                &mut self.acting,
                observations,
                &running,
                &mut streams.switch,
            );
            watch(&Moment {
                environment: self.environment.as_ref(),
                rewards: if time == 0 {
                    &[]
                } else {
                    &self.buffers.rewards
                },
                calls: if last { &[] } else { decision.calls() },
                running: &running,
                actions: if time == 0 { &[] } else { &chosen },
                returns: &record.returns,
                decision: Some(&decision),
            });
            if last {
                break;
            }
            let outputs = self.outputs(time, &chosen, &decision);
            let mask = self.masked.then_some(&self.buffers.action_mask[..]);
            let stream = &mut streams.exploration;
            self.acting
                .choose(&outputs, mask, order, stream, &mut chosen);
            debug_assert_eq!(outputs.len(), episodes * agents * actions);
            self.environment.step(&chosen, &mut self.buffers)?;
            decision.keep();
            record.horizon += 1;
            record.actions.extend_from_slice(&chosen);
            self.keep_rewards(&running, &mut record);
            for (episode, alive) in running.iter_mut().enumerate().filter(|(_, alive)| **alive) {
                record.lengths[episode] += 1;
                let terminated = self.buffers.terminated[episode];
                record.terminated[episode] = terminated;
                *alive = !(terminated || self.buffers.truncated[episode]);
            }
        }
        record.switch = decision.into_record();
        Ok(record)
    }

    /// What the acting policy of each environment says. `[environments, agents, actions]`
    fn outputs(&mut self, time: usize, previous: &[u8], decision: &Decision) -> Vec<f32> {
        let last_actions = self.acting.last_actions(time > 0, previous);
        let rows = NetworkRows {
            features: &self.buffers.observations,
            last_actions: &last_actions,
            sizes: &[self.environment.len() as i64],
        };
        self.acting.outputs(&rows, decision)
    }

    fn keep_observation(&self, record: &mut EpisodeBatch) {
        record
            .observations
            .extend_from_slice(&self.buffers.observations);
        if self.masked {
            record
                .action_mask
                .extend_from_slice(&self.buffers.action_mask);
        }
    }

    /// Stores each agent's reward, or the team's sum for every agent.
    fn keep_rewards(&self, running: &[bool], record: &mut EpisodeBatch) {
        let agents = self.environment.spec().agents;
        for (episode, rewards) in self.buffers.rewards.chunks_exact(agents).enumerate() {
            let sum: f64 = rewards.iter().sum();
            let alive = running[episode];
            let team = if alive { sum } else { 0.0 };
            record.returns[episode] += team;
            for &reward in rewards {
                let own = if self.common_reward { team } else { reward };
                record.rewards.push(if alive { own as f32 } else { 0.0 });
            }
        }
    }
}
