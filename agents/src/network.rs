//! The utility network `Q_i(o_i, a_i)` of value-based agents.
//!
//! EPyMARL's `RNNAgent`: Linear, ReLU, then a GRU or a Linear with ReLU, then Linear.
//! One set of weights for all agents (with agent ids) or one set per agent.

use configs::train::{NetworkConfig, NetworkKind};
use envs::EnvironmentSpec;
use nn::layers::{Gru, Linear};
use nn::parameters::{ParameterLayout, Parameters};
use tch::{Device, Kind, Tensor};

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
    /// `observations` `[time, batch, agents, observation]`; `last_actions`
    /// `[time, batch, agents]` i64, -1 before the first step.
    pub fn inputs(&self, observations: &Tensor, last_actions: Option<&Tensor>) -> Tensor {
        let size = observations.size();
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
            parts.push(identity.expand([size[0], size[1], self.agents, self.agents], false));
        }
        if parts.len() == 1 {
            observations.shallow_clone()
        } else {
            Tensor::cat(&parts, -1)
        }
    }

    /// Utilities of whole sequences in one pass.
    ///
    /// `inputs` `[time, batch, agents, inputs]` to `[time, batch, agents, actions]`;
    /// `state` is replaced by the state after the last step.
    pub fn forward(
        &self,
        parameters: &Parameters,
        inputs: &Tensor,
        state: &mut HiddenState,
    ) -> Tensor {
        let size = inputs.size();
        let (time, batch) = (size[0], size[1]);
        let run = |body: &Body, rows: &Tensor, hidden: &mut Tensor| {
            let features = body.input.forward(parameters, rows).relu();
            let features = match &body.middle {
                Middle::FeedForward(linear) => linear.forward(parameters, &features).relu(),
                Middle::Gru(gru) => {
                    let (output, last) = gru.forward(parameters, &features, hidden);
                    *hidden = last;
                    output
                }
            };
            body.output.forward(parameters, &features)
        };
        if let [body] = &self.bodies[..] {
            let rows = inputs.view([time, batch * self.agents, -1]);
            let output = run(body, &rows, &mut state[0]);
            return output.view([time, batch, self.agents, self.actions]);
        }
        let outputs: Vec<Tensor> = self
            .bodies
            .iter()
            .zip(state)
            .enumerate()
            .map(|(agent, (body, hidden))| {
                run(body, &inputs.select(2, agent as i64).contiguous(), hidden)
            })
            .collect();
        Tensor::stack(&outputs, 2)
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
        let parameters =
            Parameters::initialised(&Arc::new(layout), Device::Cpu, false, &mut stream);
        (network, parameters)
    }

    fn random(shape: &[i64]) -> Tensor {
        let mut stream = RandomStream::new(2, "test", 0);
        let count = shape.iter().product::<i64>();
        let values: Vec<f32> = (0..count).map(|_| stream.uniform()).collect();
        Tensor::from_slice(&values).view(shape)
    }

    #[test]
    fn a_sequence_equals_its_steps() {
        for share_parameters in [true, false] {
            let config = NetworkConfig {
                share_parameters,
                hidden_size: 16,
                ..Default::default()
            };
            let (network, parameters) = network(&config);
            let observations = random(&[5, 3, 2, 12]);
            let inputs = network.inputs(&observations, None);
            assert_eq!(inputs.size(), [5, 3, 2, 14]);
            let mut state = network.initial_state(3, Device::Cpu);
            let whole = network.forward(&parameters, &inputs, &mut state);
            let mut state = network.initial_state(3, Device::Cpu);
            for time in 0..5 {
                let step = network.forward(&parameters, &inputs.narrow(0, time, 1), &mut state);
                let difference = (step.get(0) - whole.get(time))
                    .abs()
                    .max()
                    .double_value(&[]);
                assert!(difference < 1e-6, "{difference}");
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
        let observations = random(&[1, 1, 1, 12]).expand([1, 1, 2, 12], false);
        let mut state = network.initial_state(1, Device::Cpu);
        let values = network.forward(&parameters, &observations, &mut state);
        let difference = (values.select(2, 0) - values.select(2, 1))
            .abs()
            .max()
            .double_value(&[]);
        assert!(difference > 1e-3, "{difference}");
    }

    #[test]
    fn last_actions_are_one_hot_and_blank_before_the_first_step() {
        let config = NetworkConfig {
            last_action: true,
            agent_id: false,
            ..Default::default()
        };
        let (network, _) = network(&config);
        let last = Tensor::from_slice(&[-1i64, 3]).view([1, 1, 2]);
        let inputs = network.inputs(&random(&[1, 1, 2, 12]), Some(&last));
        let first = inputs
            .select(2, 0)
            .narrow(-1, 12, 6)
            .sum(Kind::Float)
            .double_value(&[]);
        assert_eq!(first, 0.0);
        assert_eq!(inputs.double_value(&[0, 0, 1, 12 + 3]), 1.0);
    }
}
