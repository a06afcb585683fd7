//! A team's outputs step by step, without gradients.

use std::sync::Arc;

use nn::fused::{FusedBody, Workspace};
use nn::parameters::{Parameters, flat_values};
use tch::{Device, Tensor, no_grad};

use crate::network::{AgentNetwork, HiddenState, NetworkRows};
use crate::team::Team;

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
