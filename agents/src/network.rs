//! The utility network `Q_i(o_i, a_i)` of value-based agents.
//!
//! EPyMARL's `RNNAgent`: Linear, ReLU, then a GRU or a Linear with ReLU, then Linear.
//! One set of weights for all agents (with agent ids) or one set per agent.

use configs::train::{NetworkConfig, NetworkKind};
use envs::EnvironmentSpec;
use nn::fused::FusedBody;
use nn::layers::{Gru, Linear};
use nn::parameters::{ParameterLayout, Parameters, flat_values};
use tch::{Device, Kind, Tensor};

use crate::replay::HostBatch;

/// The network's description; the weights live in a [`Parameters`].
#[derive(Clone, Debug)]
pub struct UtilityNetwork {
    bodies: Vec<Body>, // one when shared, one per agent otherwise
    agents: i64,
    actions: i64,
    hidden_size: i64,
    agent_id: bool,
    last_action: bool,
}

#[derive(Clone, Copy, Debug)]
struct Body {
    input: Linear,
    middle: Middle,
    output: Linear,
}

#[derive(Clone, Copy, Debug)]
enum Middle {
    Gru(Gru),
    FeedForward(Linear),
}

/// Recurrent state of a rollout, one entry per body. `[rows, hidden]`
pub type HiddenState = Vec<Tensor>;

impl UtilityNetwork {
    /// Declares the weights in `layout` under `agent.` or `agent.{index}.`.
    pub fn declare(
        layout: &mut ParameterLayout,
        config: &NetworkConfig,
        spec: &EnvironmentSpec,
    ) -> Self {
        let agents = spec.agents as i64;
        let actions = spec.actions as i64;
        let hidden_size = config.hidden_size as i64;
        let inputs = spec.observation_size as i64
            + if config.last_action { actions } else { 0 }
            + if config.agent_id { agents } else { 0 };
        let mut body = |name: &str| Body {
            input: Linear::declare(layout, &format!("{name}.input"), inputs, hidden_size),
            middle: match config.kind {
                NetworkKind::Gru => Middle::Gru(Gru::declare(
                    layout,
                    &format!("{name}.gru"),
                    hidden_size,
                    hidden_size,
                )),
                NetworkKind::FeedForward => Middle::FeedForward(Linear::declare(
                    layout,
                    &format!("{name}.middle"),
                    hidden_size,
                    hidden_size,
                )),
            },
            output: Linear::declare(layout, &format!("{name}.output"), hidden_size, actions),
        };
        let bodies = if config.share_parameters {
            vec![body("agent")]
        } else {
            (0..agents)
                .map(|index| body(&format!("agent.{index}")))
                .collect()
        };
        Self {
            bodies,
            agents,
            actions,
            hidden_size,
            agent_id: config.agent_id,
            last_action: config.last_action,
        }
    }

    /// Whether the previous joint action is part of the input.
    pub fn uses_last_action(&self) -> bool {
        self.last_action
    }

    /// The state before an episode's first step, for `batch` environments.
    pub fn initial_state(&self, batch: i64, device: Device) -> HiddenState {
        let rows = if self.bodies.len() == 1 {
            batch * self.agents
        } else {
            batch
        };
        self.bodies
            .iter()
            .map(|_| Tensor::zeros([rows, self.hidden_size], (Kind::Float, device)))
            .collect()
    }

    /// Builds network inputs: observations, then the previous action and the agent's
    /// number, both one-hot, where configured.
    ///
    /// `observations` `[rows, agents, observation]`; `last_actions` `[rows, agents]` i64,
    /// -1 before the first step.
    pub fn inputs(&self, observations: &Tensor, last_actions: Option<&Tensor>) -> Tensor {
        let rows = observations.size()[0];
        let mut parts = vec![observations.shallow_clone()];
        if let (true, Some(last)) = (self.last_action, last_actions) {
            // Shifted by one so that -1 becomes a class of its own, which is then cut off.
            let one_hot = (last + 1)
                .one_hot(self.actions + 1)
                .narrow(-1, 1, self.actions);
            parts.push(one_hot.to_kind(Kind::Float));
        }
        if self.agent_id {
            let identity = Tensor::eye(self.agents, (Kind::Float, observations.device()));
            parts.push(identity.expand([rows, self.agents, self.agents], false));
        }
        if parts.len() == 1 {
            observations.shallow_clone()
        } else {
            Tensor::cat(&parts, -1)
        }
    }

    /// [`UtilityNetwork::inputs`] of a batch.
    pub fn batch_inputs(&self, batch: &HostBatch, device: Device) -> Tensor {
        let observations = Tensor::from_slice(&batch.observations)
            .view([batch.sizes.iter().sum(), self.agents, -1])
            .to_device(device);
        let last_actions = self.last_action.then(|| {
            Tensor::from_slice(&batch.last_actions)
                .view([-1, self.agents])
                .to_device(device)
        });
        self.inputs(&observations, last_actions.as_ref())
    }

    /// The network's bodies for the hand-made kernels.
    pub fn fused_bodies(&self, layout: &ParameterLayout) -> Vec<FusedBody> {
        let fused = |body: &Body| match body.middle {
            Middle::FeedForward(middle) => {
                FusedBody::feed_forward(layout, body.input, middle, body.output)
            }
            Middle::Gru(gru) => FusedBody::gru(layout, body.input, gru, body.output),
        };
        self.bodies.iter().map(fused).collect()
    }

    /// What [`UtilityNetwork::inputs`] holds, on the host: for each body its rows
    /// `[rows, inputs]` and how many of them belong to each step.
    pub fn host_inputs(&self, batch: &HostBatch) -> Vec<(Vec<f32>, Vec<usize>)> {
        let agents = self.agents as usize;
        let rows = batch.last_actions.len() / agents;
        let shared = self.bodies.len() == 1;
        let rows_per_sequence = if shared { agents } else { 1 };
        let sizes: Vec<usize> = batch
            .sizes
            .iter()
            .map(|&size| size as usize * rows_per_sequence)
            .collect();
        let mut inputs = vec![Vec::new(); self.bodies.len()];
        let observation = batch.observations.len() / (rows * agents).max(1);
        for (index, observed) in batch.observations.chunks_exact(observation).enumerate() {
            let agent = index % agents;
            let input = &mut inputs[if shared { 0 } else { agent }];
            input.extend_from_slice(observed);
            if self.last_action {
                let last = batch.last_actions[index];
                input.extend((0..self.actions).map(|action| f32::from(u8::from(action == last))));
            }
            if self.agent_id {
                input.extend((0..agents).map(|other| f32::from(u8::from(other == agent))));
            }
        }
        inputs
            .into_iter()
            .map(|input| (input, sizes.clone()))
            .collect()
    }

    /// Puts the outputs of all bodies together. `[rows, agents, actions]`
    pub fn utilities_of(&self, outputs: &[Vec<f32>]) -> Tensor {
        let shape = [-1, self.agents, self.actions];
        if let [output] = outputs {
            return Tensor::from_slice(output).view(shape);
        }
        let outputs: Vec<Tensor> = outputs
            .iter()
            .map(|output| Tensor::from_slice(output).view([-1, self.actions]))
            .collect();
        Tensor::stack(&outputs, 1)
    }

    /// Takes apart what [`UtilityNetwork::utilities_of`] put together.
    pub fn per_body(&self, utilities: &Tensor) -> Vec<Vec<f32>> {
        if self.bodies.len() == 1 {
            return vec![flat_values(&utilities.reshape([-1]))];
        }
        (0..self.agents)
            .map(|agent| flat_values(&utilities.select(1, agent).reshape([-1])))
            .collect()
    }

    /// Utilities of whole episodes in one pass.
    ///
    /// `inputs` `[rows, agents, inputs]` to `[rows, agents, actions]`; the rows are
    /// time-major, `sizes[t]` `[time]` of them belong to step `t` (longest episode first).
    /// `state` is replaced by the state after each episode's last step.
    pub fn forward(
        &self,
        parameters: &Parameters,
        inputs: &Tensor,
        sizes: &[i64],
        state: &mut HiddenState,
    ) -> Tensor {
        let rows = inputs.size()[0];
        let run = |body: &Body, input: &Tensor, agents: i64, hidden: &mut Tensor| {
            let features = body.input.forward(parameters, input).relu();
            let features = match &body.middle {
                Middle::FeedForward(linear) => linear.forward(parameters, &features).relu(),
                Middle::Gru(gru) => {
                    let sizes: Vec<i64> = sizes.iter().map(|size| size * agents).collect();
                    let sizes = Tensor::from_slice(&sizes);
                    let (output, last) = gru.forward(parameters, &features, &sizes, hidden);
                    *hidden = last;
                    output
                }
            };
            body.output.forward(parameters, &features)
        };
        if let [body] = &self.bodies[..] {
            let input = inputs.view([rows * self.agents, -1]);
            let output = run(body, &input, self.agents, &mut state[0]);
            return output.view([rows, self.agents, self.actions]);
        }
        let outputs: Vec<Tensor> = self
            .bodies
            .iter()
            .zip(state)
            .enumerate()
            .map(|(agent, (body, hidden))| {
                let input = inputs.select(1, agent as i64).contiguous();
                run(body, &input, 1, hidden)
            })
            .collect();
        Tensor::stack(&outputs, 1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nn::random::RandomStream;

    use super::*;

    fn spec() -> EnvironmentSpec {
        envs::make(
            "Foraging-8x8-2p-2f-v3",
            &envs::EnvironmentOptions::default(),
        )
        .unwrap()
        .spec()
        .clone()
    }

    fn network(config: &NetworkConfig) -> (UtilityNetwork, Parameters) {
        let mut layout = ParameterLayout::new();
        let network = UtilityNetwork::declare(&mut layout, config, &spec());
        let mut stream = RandomStream::new(1, "initialisation", 0);
        let layout = Arc::new(layout);
        let parameters = Parameters::initialised(&layout, Device::Cpu, false, &mut stream);
        (network, parameters)
    }

    fn random(shape: &[i64]) -> Tensor {
        let mut stream = RandomStream::new(2, "test", 0);
        let count = shape.iter().product::<i64>();
        let values: Vec<f32> = (0..count).map(|_| stream.uniform()).collect();
        Tensor::from_slice(&values).view(shape)
    }

    #[test]
    fn packed_episodes_equal_their_single_steps() {
        for kind in [NetworkKind::Gru, NetworkKind::FeedForward] {
            for share_parameters in [true, false] {
                let config = NetworkConfig {
                    kind,
                    share_parameters,
                    hidden_size: 16,
                    ..Default::default()
                };
                let (network, parameters) = network(&config);
                // Three episodes of 4, 2 and 2 observations.
                let sizes = [3, 3, 1, 1];
                let inputs = network.inputs(&random(&[8, 2, 12]), None);
                assert_eq!(inputs.size(), [8, 2, 14]);
                let mut state = network.initial_state(3, Device::Cpu);
                let whole = network.forward(&parameters, &inputs, &sizes, &mut state);
                let mut state = network.initial_state(1, Device::Cpu);
                for row in [0, 3, 6, 7] {
                    let input = inputs.narrow(0, row, 1);
                    let step = network.forward(&parameters, &input, &[1], &mut state);
                    let difference = (step.get(0) - whole.get(row)).abs().max();
                    assert!(difference.double_value(&[]) < 1e-6);
                }
            }
        }
    }

    #[test]
    fn separate_agents_have_separate_weights() {
        let config = NetworkConfig {
            share_parameters: false,
            agent_id: false,
            ..Default::default()
        };
        let (network, parameters) = network(&config);
        let observations = random(&[1, 1, 12]).expand([1, 2, 12], false);
        let mut state = network.initial_state(1, Device::Cpu);
        let values = network.forward(&parameters, &observations, &[1], &mut state);
        let difference = (values.select(1, 0) - values.select(1, 1)).abs().max();
        assert!(difference.double_value(&[]) > 1e-3);
    }

    #[test]
    fn last_actions_are_one_hot_and_blank_before_the_first_step() {
        let config = NetworkConfig {
            last_action: true,
            agent_id: false,
            ..Default::default()
        };
        let (network, _) = network(&config);
        let last = Tensor::from_slice(&[-1i64, 3]).view([1, 2]);
        let inputs = network.inputs(&random(&[1, 2, 12]), Some(&last));
        let first = inputs.select(1, 0).narrow(-1, 12, 6).sum(Kind::Float);
        assert_eq!(first.double_value(&[]), 0.0);
        assert_eq!(inputs.double_value(&[0, 1, 12 + 3]), 1.0);
    }
}
