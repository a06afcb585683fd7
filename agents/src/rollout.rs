//! Playing one episode in each environment of a batch, without gradients.
//!
//! Actors and the evaluator share this loop; they differ in epsilon, in the stream
//! and in what they keep.

use std::sync::Arc;

use envs::{BatchBuffers, EnvironmentSpec, VectorEnvironment};
use nn::parameters::Parameters;
use nn::random::RandomStream;
use tch::{Device, Tensor, no_grad};

use crate::AgentsError;
use crate::exploration::epsilon_greedy;
use crate::network::UtilityNetwork;

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
}

impl EpisodeBatch {
    /// Environment steps in all episodes.
    pub fn steps(&self) -> u64 {
        self.lengths.iter().map(|&length| length as u64).sum()
    }
}

/// An environment batch with everything needed to act in it.
pub struct Rollout {
    environment: Box<dyn VectorEnvironment>,
    buffers: BatchBuffers,
    network: Arc<UtilityNetwork>,
    parameters: Parameters,
    common_reward: bool,
    masked: bool,
    device: Device,
}

impl Rollout {
    /// `environment` must hold finished episodes ([`envs::ResetMode::Hold`]);
    /// `parameters` are this rollout's own copy.
    pub fn new(
        environment: Box<dyn VectorEnvironment>,
        network: Arc<UtilityNetwork>,
        parameters: Parameters,
        common_reward: bool,
        masked: bool,
    ) -> Self {
        let spec = environment.spec();
        let mut buffers = BatchBuffers::new(spec, environment.len());
        if masked {
            buffers = buffers.with_action_mask(spec);
        }
        let device = parameters.flat().device();
        Self {
            environment,
            buffers,
            network,
            parameters,
            common_reward,
            masked,
            device,
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
        self.parameters.copy_from_flat(flat);
    }

    /// Plays one episode in every environment. `watch` sees the batch after the reset
    /// and after each step, with the rewards of that step `[environments, agents]`.
    ///
    /// # Errors
    /// The environment's.
    pub fn play(
        &mut self,
        epsilon: f64,
        stream: &mut RandomStream,
        mut watch: impl FnMut(&dyn VectorEnvironment, &[f64]),
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
        let mut state = self.network.initial_state(episodes as i64, self.device);
        let mut chosen = vec![0u8; episodes * agents];
        let mut values = vec![0f32; episodes * agents * actions];
        let mut running = vec![true; episodes];
        self.environment.reset_all(&mut self.buffers)?;
        self.keep_observation(&mut record);
        watch(self.environment.as_ref(), &[]);
        for time in 0..limit {
            no_grad(|| self.utilities(time, &chosen, &mut state, &mut values));
            let mask = self.masked.then_some(&self.buffers.action_mask[..]);
            epsilon_greedy(&values, mask, actions, epsilon, stream, &mut chosen);
            self.environment.step(&chosen, &mut self.buffers)?;
            watch(self.environment.as_ref(), &self.buffers.rewards);
            record.horizon += 1;
            record.actions.extend_from_slice(&chosen);
            self.keep_rewards(&running, &mut record);
            self.keep_observation(&mut record);
            for (episode, alive) in running.iter_mut().enumerate().filter(|(_, alive)| **alive) {
                record.lengths[episode] += 1;
                let terminated = self.buffers.terminated[episode];
                record.terminated[episode] = terminated;
                *alive = !(terminated || self.buffers.truncated[episode]);
            }
            if !running.contains(&true) {
                break;
            }
        }
        Ok(record)
    }

    fn utilities(&self, time: usize, previous: &[u8], state: &mut Vec<Tensor>, values: &mut [f32]) {
        let spec = self.environment.spec();
        let (environments, agents) = (self.environment.len() as i64, spec.agents as i64);
        let observations = Tensor::from_slice(&self.buffers.observations)
            .view([environments, agents, spec.observation_size as i64])
            .to_device(self.device);
        let last = self.network.uses_last_action().then(|| {
            let before = |&action: &u8| if time == 0 { -1 } else { i64::from(action) };
            let last: Vec<i64> = previous.iter().map(before).collect();
            Tensor::from_slice(&last)
                .view([environments, agents])
                .to_device(self.device)
        });
        let inputs = self.network.inputs(&observations, last.as_ref());
        let utilities = self
            .network
            .forward(&self.parameters, &inputs, &[environments], state);
        let count = values.len();
        utilities.to_device(Device::Cpu).copy_data(values, count);
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
