//! A team's outputs step by step, without gradients.

use std::sync::Arc;

use nn::fused::{FusedBody, Workspace};
use nn::parameters::{Parameters, flat_values};
use nn::random::RandomStream;
use tch::{Device, Tensor, no_grad};

use crate::exploration::{epsilon_greedy, softmax_choice};
use crate::mansa::decision::Decision;
use crate::network::{AgentNetwork, HiddenState, NetworkRows};
use crate::rollout::PlayOrder;
use crate::team::{ActionChoice, Team};

/// A team with weights, playing a batch of environments.
pub struct ActingTeam {
    team: Arc<Team>,
    parameters: Parameters,
    weights: Vec<f32>, // [scalars], the same values for the kernels
    policies: Vec<ActingNetwork>,
    switch: Option<ActingNetwork>,
}

impl ActingTeam {
    /// `parameters` are the actor's own copy, over the team's layout.
    pub fn new(team: Arc<Team>, parameters: Parameters) -> Self {
        let acting = |network: &Arc<AgentNetwork>| ActingNetwork::new(network, &parameters);
        let policies = team.networks().iter().map(acting).collect();
        let switch = team.switch().and_then(|switch| switch.network.as_ref());
        let switch = switch.map(acting);
        let weights = flat_values(parameters.flat());
        Self {
            team,
            parameters,
            weights,
            policies,
            switch,
        }
    }

    /// What acts.
    pub fn team(&self) -> &Arc<Team> {
        &self.team
    }

    /// Takes over weights from a flat snapshot.
    pub fn set_weights(&mut self, flat: &Tensor) {
        self.parameters.copy_from_flat(flat);
        self.weights = flat_values(flat);
    }

    /// Forgets the episodes before, for `environments` new ones.
    pub fn begin(&mut self, environments: usize) {
        for network in self.policies.iter_mut().chain(&mut self.switch) {
            network.begin(environments);
        }
    }

    /// Whether the policy's network must see every step, whoever acts.
    pub fn remembers(&self, policy: usize) -> bool {
        let network = self.team.heads()[policy].network;
        self.team.networks()[network].is_recurrent()
    }

    /// What the policy in charge of each environment says about one step.
    /// `[environments, agents, actions]`
    pub fn outputs(&mut self, rows: &NetworkRows, decision: &Decision) -> Vec<f32> {
        let team = Arc::clone(&self.team);
        let environments = rows.sizes[0] as usize;
        let mut outputs: Vec<Option<Vec<f32>>> = vec![None; team.networks().len()];
        for (policy, head) in team.heads().iter().enumerate() {
            // A network with memory must see every step that its policy may follow.
            let needed =
                decision.acts(policy) || (self.remembers(policy) && decision.may_act(policy));
            if needed && outputs[head.network].is_none() {
                outputs[head.network] = Some(self.policy_outputs(head.network, rows));
            }
        }
        let heads = team.heads();
        if let ([head], [outputs]) = (heads, &mut outputs[..]) {
            debug_assert_eq!(head.first_output, 0);
            return outputs.take().unwrap_or_default();
        }
        let (agents, width) = (team.spec().agents, team.spec().actions);
        let mut selected = Vec::with_capacity(environments * agents * width);
        for environment in 0..environments {
            let head = heads[decision.policy(environment)];
            let Some(values) = &outputs[head.network] else {
                selected.resize(selected.len() + agents * width, 0.0);
                continue;
            };
            let row_width = team.networks()[head.network].shape().outputs;
            for row in environment * agents..(environment + 1) * agents {
                let start = row * row_width + head.first_output;
                selected.extend_from_slice(&values[start..start + width]);
            }
        }
        selected
    }

    /// Turns outputs `[environments, agents, actions]` into actions `[environments, agents]`,
    /// among those that `mask` allows.
    pub fn choose(
        &self,
        outputs: &[f32],
        mask: Option<&[u8]>,
        order: &PlayOrder,
        stream: &mut RandomStream,
        chosen: &mut [u8],
    ) {
        let actions = self.team.spec().actions;
        match self.team.choice() {
            ActionChoice::EpsilonGreedy => {
                epsilon_greedy(outputs, mask, actions, order.epsilon, stream, chosen);
            }
            ActionChoice::Softmax => {
                softmax_choice(outputs, mask, actions, order.sample, stream, chosen);
            }
        }
    }

    /// The actions before a step, -1 before the first (`begun` false); empty when no network
    /// looks at them. `[environments, agents]`
    pub fn last_actions(&self, begun: bool, previous: &[u8]) -> Vec<i64> {
        if !self.team.uses_last_action() {
            return Vec::new();
        }
        let before = |&action: &u8| if begun { i64::from(action) } else { -1 };
        previous.iter().map(before).collect()
    }

    /// One step of a policy's network. `[environments, agents, outputs]`
    pub fn policy_outputs(&mut self, network: usize, rows: &NetworkRows) -> Vec<f32> {
        self.policies[network].step(&self.parameters, &self.weights, rows)
    }

    /// One step of the switch's network, when it has one. `[environments, 2]`
    pub fn switch_outputs(&mut self, features: &[f32], environments: usize) -> Option<Vec<f32>> {
        let network = self.switch.as_mut()?;
        let rows = NetworkRows {
            features,
            last_actions: &[],
            sizes: &[environments as i64],
        };
        Some(network.step(&self.parameters, &self.weights, &rows))
    }
}

/// One network: hand-made kernels for feed-forward layers on the CPU, LibTorch otherwise.
struct ActingNetwork {
    network: Arc<AgentNetwork>,
    fused: Option<Vec<(FusedBody, Workspace)>>,
    state: HiddenState,
    inputs: Vec<Vec<f32>>,
    device: Device,
}

impl ActingNetwork {
    fn new(network: &Arc<AgentNetwork>, parameters: &Parameters) -> Self {
        let device = parameters.flat().device();
        let vectorised = Workspace::new().instruction_set() != "baseline";
        let kernels = device == Device::Cpu && vectorised && !network.is_recurrent();
        let fused = kernels.then(|| {
            let bodies = network.fused_bodies(parameters.layout());
            bodies
                .into_iter()
                .map(|body| (body, Workspace::new()))
                .collect()
        });
        Self {
            network: Arc::clone(network),
            fused,
            state: HiddenState::new(),
            inputs: Vec::new(),
            device,
        }
    }

    fn begin(&mut self, environments: usize) {
        if self.network.is_recurrent() {
            self.state = self.network.initial_state(environments as i64, self.device);
        }
    }

    fn step(&mut self, parameters: &Parameters, weights: &[f32], rows: &NetworkRows) -> Vec<f32> {
        let Some(bodies) = &mut self.fused else {
            if self.state.is_empty() {
                self.state = self.network.initial_state(rows.sizes[0], self.device);
            }
            let state = &mut self.state;
            return no_grad(|| flat_values(&self.network.forward(parameters, rows, state)));
        };
        self.network.host_inputs(rows, &mut self.inputs);
        let sizes = self.network.body_sizes(rows.sizes);
        let count = bodies.len();
        let mut outputs = Vec::new();
        for (index, ((body, workspace), input)) in bodies.iter_mut().zip(&self.inputs).enumerate() {
            let width = body.outputs();
            let mut output = vec![0.0; sizes.iter().sum::<usize>() * width];
            body.forward(weights, input, &sizes, workspace, &mut output, false);
            if count == 1 {
                return output;
            }
            outputs.resize(output.len() * count, 0.0);
            for (row, values) in output.chunks_exact(width).enumerate() {
                let start = (row * count + index) * width;
                outputs[start..start + width].copy_from_slice(values);
            }
        }
        outputs
    }
}
