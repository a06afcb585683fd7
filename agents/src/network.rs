//! The network of agents: utilities, policies, critics and the switch are the same form.
//!
//! EPyMARL's `RNNAgent`: Linear, ReLU, then a GRU or a Linear with ReLU, then Linear.
//! One set of weights for all agents (with agent ids) or one set per agent.

use configs::train::{NetworkConfig, NetworkKind};
use envs::EnvironmentSpec;
use nn::fused::FusedBody;
use nn::layers::{Gru, Linear};
use nn::parameters::{ParameterLayout, Parameters, flat_values};
use tch::{Device, Kind, Tensor};

/// What goes in and what comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkShape {
    /// Agents in each row; one for a network that speaks for the team.
    pub agents: usize,
    /// Numbers that an agent sees, before its last action and its own number.
    pub features: usize,
    /// Whether all agents see the same numbers, so that a row holds them once.
    pub common_features: bool,
    /// Actions that an agent can take.
    pub actions: usize,
    /// Numbers per agent that come out.
    pub outputs: usize,
}

impl NetworkShape {
    /// One value or logit per action from each agent's own observation.
    pub fn per_action(spec: &EnvironmentSpec) -> Self {
        Self {
            agents: spec.agents,
            features: spec.observation_size,
            common_features: false,
            actions: spec.actions,
            outputs: spec.actions,
        }
    }
}

/// Input of a network for whole episodes or single steps.
///
/// The rows are time-major; `sizes[t]` of them belong to step `t`, longest episode first.
#[derive(Clone, Copy, Debug)]
pub struct NetworkRows<'a> {
    /// `[rows, agents, features]`, or `[rows, features]` when they are common.
    pub features: &'a [f32],
    /// The action before each row, -1 before the first; empty when the network does not
    /// look at it. `[rows, agents]`
    pub last_actions: &'a [i64],
    /// Rows of each step; never grows. `[time]`
    pub sizes: &'a [i64],
}

/// A network's description; the weights live in a [`Parameters`].
#[derive(Clone, Debug)]
pub struct AgentNetwork {
    bodies: Vec<Body>, // one when shared, one per agent otherwise
    shape: NetworkShape,
    hidden_size: i64,
    recurrent: bool,
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

impl AgentNetwork {
    /// Declares the weights in `layout` under `{prefix}.` or `{prefix}.{index}.`.
    pub fn declare(
        layout: &mut ParameterLayout,
        prefix: &str,
        shape: NetworkShape,
        config: &NetworkConfig,
    ) -> Self {
        let hidden_size = config.hidden_size as i64;
        let inputs = shape.features
            + if config.last_action { shape.actions } else { 0 }
            + if config.agent_id { shape.agents } else { 0 };
        let mut body = |name: &str| Body {
            input: Linear::declare(layout, &format!("{name}.input"), inputs as i64, hidden_size),
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
            output: Linear::declare(
                layout,
                &format!("{name}.output"),
                hidden_size,
                shape.outputs as i64,
            ),
        };
        let bodies = if config.share_parameters || shape.agents == 1 {
            vec![body(prefix)]
        } else {
            (0..shape.agents)
                .map(|index| body(&format!("{prefix}.{index}")))
                .collect()
        };
        Self {
            bodies,
            shape,
            hidden_size,
            recurrent: config.kind == NetworkKind::Gru,
            agent_id: config.agent_id,
            last_action: config.last_action,
        }
    }

    /// What goes in and what comes out.
    pub fn shape(&self) -> NetworkShape {
        self.shape
    }

    /// Whether the previous joint action is part of the input.
    pub fn uses_last_action(&self) -> bool {
        self.last_action
    }

    /// Whether the network remembers the episode.
    pub fn is_recurrent(&self) -> bool {
        self.recurrent
    }

    /// The state before an episode's first step, for `batch` environments.
    pub fn initial_state(&self, batch: i64, device: Device) -> HiddenState {
        let rows = if self.bodies.len() == 1 {
            batch * self.shape.agents as i64
        } else {
            batch
        };
        self.bodies
            .iter()
            .map(|_| Tensor::zeros([rows, self.hidden_size], (Kind::Float, device)))
            .collect()
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

    /// Network inputs on the host: for each body its rows `[rows, inputs]`, replacing what
    /// `inputs` held. An agent's row is what it sees, then its previous action and its
    /// number, both one-hot, where configured.
    pub fn host_inputs(&self, rows: &NetworkRows, inputs: &mut Vec<Vec<f32>>) {
        let NetworkShape {
            agents,
            features,
            common_features,
            actions,
            ..
        } = self.shape;
        let shared = self.bodies.len() == 1;
        inputs.resize_with(self.bodies.len(), Vec::new);
        inputs.iter_mut().for_each(Vec::clear);
        let count = rows.sizes.iter().sum::<i64>() as usize;
        for index in 0..count * agents {
            let (row, agent) = (index / agents, index % agents);
            let input = &mut inputs[if shared { 0 } else { agent }];
            let start = features * if common_features { row } else { index };
            input.extend_from_slice(&rows.features[start..start + features]);
            if self.last_action {
                let last = rows.last_actions[index];
                input.extend((0..actions as i64).map(|action| f32::from(u8::from(action == last))));
            }
            if self.agent_id {
                input.extend((0..agents).map(|other| f32::from(u8::from(other == agent))));
            }
        }
    }

    /// Rows of one body that belong to each step. `[time]`
    pub fn body_sizes(&self, sizes: &[i64]) -> Vec<usize> {
        let rows_per_sequence = if self.bodies.len() == 1 {
            self.shape.agents
        } else {
            1
        };
        sizes
            .iter()
            .map(|&size| size as usize * rows_per_sequence)
            .collect()
    }

    /// Puts the outputs of all bodies together. `[rows, agents, outputs]`
    pub fn outputs_of(&self, outputs: &[Vec<f32>]) -> Tensor {
        let (agents, width) = (self.shape.agents as i64, self.shape.outputs as i64);
        if let [output] = outputs {
            return Tensor::from_slice(output).view([-1, agents, width]);
        }
        let outputs: Vec<Tensor> = outputs
            .iter()
            .map(|output| Tensor::from_slice(output).view([-1, width]))
            .collect();
        Tensor::stack(&outputs, 1)
    }

    /// Takes apart what [`AgentNetwork::outputs_of`] put together.
    pub fn per_body(&self, outputs: &Tensor) -> Vec<Vec<f32>> {
        if self.bodies.len() == 1 {
            return vec![flat_values(&outputs.reshape([-1]))];
        }
        (0..self.shape.agents as i64)
            .map(|agent| flat_values(&outputs.select(1, agent).reshape([-1])))
            .collect()
    }

    /// Outputs of whole episodes in one pass by LibTorch. `[rows, agents, outputs]`
    ///
    /// `state` is replaced by the state after each episode's last step.
    pub fn forward(
        &self,
        parameters: &Parameters,
        rows: &NetworkRows,
        state: &mut HiddenState,
    ) -> Tensor {
        let device = parameters.flat().device();
        let mut inputs = Vec::new();
        self.host_inputs(rows, &mut inputs);
        let sizes: Vec<i64> = self
            .body_sizes(rows.sizes)
            .iter()
            .map(|&size| size as i64)
            .collect();
        let outputs: Vec<Tensor> = self
            .bodies
            .iter()
            .zip(inputs)
            .zip(state)
            .map(|((body, input), hidden)| {
                let count = sizes.iter().sum::<i64>();
                let input = Tensor::from_slice(&input)
                    .view([count, -1])
                    .to_device(device);
                body.forward(parameters, &input, &sizes, hidden)
            })
            .collect();
        let (agents, width) = (self.shape.agents as i64, self.shape.outputs as i64);
        match &outputs[..] {
            [output] => output.view([-1, agents, width]),
            outputs => Tensor::stack(outputs, 1),
        }
    }
}

impl Body {
    fn forward(
        &self,
        parameters: &Parameters,
        input: &Tensor,
        sizes: &[i64],
        hidden: &mut Tensor,
    ) -> Tensor {
        let features = self.input.forward(parameters, input).relu();
        let features = match &self.middle {
            Middle::FeedForward(linear) => linear.forward(parameters, &features).relu(),
            Middle::Gru(gru) => {
                let sizes = Tensor::from_slice(sizes);
                let (output, last) = gru.forward(parameters, &features, &sizes, hidden);
                *hidden = last;
                output
            }
        };
        self.output.forward(parameters, &features)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nn::random::RandomStream;

    use super::*;

    fn shape() -> NetworkShape {
        NetworkShape {
            agents: 2,
            features: 12,
            common_features: false,
            actions: 6,
            outputs: 6,
        }
    }

    fn network(config: &NetworkConfig) -> (AgentNetwork, Parameters) {
        let mut layout = ParameterLayout::new();
        let network = AgentNetwork::declare(&mut layout, "agent", shape(), config);
        let mut stream = RandomStream::new(1, "initialisation", 0);
        let layout = Arc::new(layout);
        let parameters = Parameters::initialised(&layout, Device::Cpu, false, &mut stream);
        (network, parameters)
    }

    fn random(count: usize) -> Vec<f32> {
        let mut stream = RandomStream::new(2, "test", 0);
        (0..count).map(|_| stream.uniform()).collect()
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
                let features = random(8 * 2 * 12);
                let rows = NetworkRows {
                    features: &features,
                    last_actions: &[],
                    sizes: &[3, 3, 1, 1],
                };
                let mut state = network.initial_state(3, Device::Cpu);
                let whole = network.forward(&parameters, &rows, &mut state);
                let mut state = network.initial_state(1, Device::Cpu);
                for row in [0, 3, 6, 7] {
                    let rows = NetworkRows {
                        features: &features[row * 24..(row + 1) * 24],
                        last_actions: &[],
                        sizes: &[1],
                    };
                    let step = network.forward(&parameters, &rows, &mut state);
                    let difference = (step.get(0) - whole.get(row as i64)).abs().max();
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
        let one = random(12);
        let rows = NetworkRows {
            features: &[one.clone(), one].concat(),
            last_actions: &[],
            sizes: &[1],
        };
        let mut state = network.initial_state(1, Device::Cpu);
        let values = network.forward(&parameters, &rows, &mut state);
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
        let mut inputs = Vec::new();
        let rows = NetworkRows {
            features: &random(24),
            last_actions: &[-1, 3],
            sizes: &[1],
        };
        network.host_inputs(&rows, &mut inputs);
        assert_eq!(inputs[0][12..18], [0.0; 6]);
        assert_eq!(inputs[0][18 + 12..], [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    }

    #[test]
    fn common_features_are_given_to_every_agent() {
        let mut layout = ParameterLayout::new();
        let shape = NetworkShape {
            features: 3,
            common_features: true,
            outputs: 1,
            ..shape()
        };
        let config = NetworkConfig::default();
        let network = AgentNetwork::declare(&mut layout, "critic", shape, &config);
        let mut inputs = Vec::new();
        let rows = NetworkRows {
            features: &[7.0, 8.0, 9.0],
            last_actions: &[],
            sizes: &[1],
        };
        network.host_inputs(&rows, &mut inputs);
        assert_eq!(inputs, [[7.0, 8.0, 9.0, 1.0, 0.0, 7.0, 8.0, 9.0, 0.0, 1.0]]);
    }
}
