//! What acts: the networks of a team and how their outputs become actions.
//!
//! A team of one algorithm has one policy. MANSA's has two, independent and central, and a
//! switch that decides in every step which of them acts. All weights lie in one flat
//! buffer, so that a snapshot for an actor, a policy on disk or an evaluation is one copy
//! whatever the algorithm.

use std::sync::Arc;

use configs::train::{
    AlgorithmKind, CallBudget, Calls, CostMode, NetworkConfig, NetworkKind, SharedParts,
    SwitchConfig, SwitchKind, TrainConfig,
};
use envs::EnvironmentSpec;
use nn::parameters::ParameterLayout;

use crate::network::{AgentNetwork, NetworkShape};

/// How outputs become actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionChoice {
    /// The outputs are values: the best action, now and then a random one.
    EpsilonGreedy,
    /// The outputs are logits: drawn by the softmax, or the likeliest.
    Softmax,
}

/// Where a policy's outputs are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Index into [`Team::networks`].
    pub network: usize,
    /// First output of the network that belongs to the policy.
    pub first_output: usize,
}

/// The description of a team; the weights live in a [`nn::parameters::Parameters`].
#[derive(Clone, Debug)]
pub struct Team {
    layout: Arc<ParameterLayout>,
    networks: Vec<Arc<AgentNetwork>>,
    heads: Vec<Head>,
    switch: Option<Switch>,
    choice: ActionChoice,
    spec: EnvironmentSpec,
}

/// What decides between the two policies of a team.
#[derive(Clone, Debug)]
pub struct Switch {
    /// The rule.
    pub kind: SwitchKind,
    /// Its network, when it learns. Two outputs: independent, central.
    pub network: Option<Arc<AgentNetwork>>,
    /// What the network sees.
    pub inputs: SwitchInputs,
    /// How many calls are allowed.
    pub budget: CallBudget,
    /// Chance of a call of [`SwitchKind::Random`].
    pub probability: f64,
}

/// What the switch sees: all observations, the share of the budget that is left when there
/// is one, and whether the step before was central when switching costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwitchInputs {
    joint_observation: usize,
    budget: bool,
    previous_call: bool,
}

impl SwitchInputs {
    /// What a switch of this configuration sees.
    pub fn new(config: &SwitchConfig, spec: &EnvironmentSpec) -> Self {
        Self {
            joint_observation: spec.joint_observation_size(),
            budget: config.budget != CallBudget::None,
            previous_call: config.cost_mode == CostMode::PerSwitch,
        }
    }

    /// Numbers in a row.
    pub fn size(&self) -> usize {
        self.joint_observation + usize::from(self.budget) + usize::from(self.previous_call)
    }

    /// Rows `[rows, size]` of joint observations `[rows, joint observation]`, shares of the
    /// budget left `[rows]` and previous calls `[rows]`.
    pub fn rows(
        &self,
        observations: &[f32],
        remaining: &[f32],
        previous_calls: &[f32],
    ) -> Vec<f32> {
        let observations = observations.chunks_exact(self.joint_observation.max(1));
        let mut rows = Vec::with_capacity(observations.len() * self.size());
        for (index, observation) in observations.enumerate() {
            rows.extend_from_slice(observation);
            if self.budget {
                rows.push(remaining[index]);
            }
            if self.previous_call {
                rows.push(previous_calls[index]);
            }
        }
        rows
    }
}

impl Team {
    /// The team that a configuration trains.
    pub fn new(config: &TrainConfig, spec: &EnvironmentSpec) -> Self {
        let algorithm = &config.algorithm;
        let mut layout = ParameterLayout::new();
        let shape = NetworkShape::per_action(spec);
        let mut declare = |prefix: &str, shape| {
            Arc::new(AgentNetwork::declare(
                &mut layout,
                prefix,
                shape,
                &config.network,
            ))
        };
        let head = |network, first_output| Head {
            network,
            first_output,
        };
        let share = algorithm.switch.share;
        let (networks, heads) = match (algorithm.kind, share) {
            (AlgorithmKind::Mansa, SharedParts::Separate) => (
                vec![declare("independent", shape), declare("central", shape)],
                vec![head(0, 0), head(1, 0)],
            ),
            (AlgorithmKind::Mansa, SharedParts::Trunk) => {
                let both = NetworkShape {
                    outputs: 2 * spec.actions,
                    ..shape
                };
                (
                    vec![declare("agent", both)],
                    vec![head(0, 0), head(0, spec.actions)],
                )
            }
            (AlgorithmKind::Mansa, SharedParts::Full) => {
                (vec![declare("agent", shape)], vec![head(0, 0), head(0, 0)])
            }
            _ => (vec![declare("agent", shape)], vec![head(0, 0)]),
        };
        let switch = algorithm.is_mansa().then(|| {
            let switch = &algorithm.switch;
            let inputs = SwitchInputs::new(switch, spec);
            let network = switch
                .learns()
                .then(|| Arc::new(switch_network(&mut layout, switch, inputs)));
            Switch {
                kind: switch.kind,
                network,
                inputs,
                budget: switch.budget,
                probability: switch.probability,
            }
        });
        Self {
            layout: Arc::new(layout),
            networks,
            heads,
            switch,
            choice: if algorithm.on_policy() {
                ActionChoice::Softmax
            } else {
                ActionChoice::EpsilonGreedy
            },
            spec: spec.clone(),
        }
    }

    /// All weights: the policies' networks in order, then the switch's.
    pub fn layout(&self) -> &Arc<ParameterLayout> {
        &self.layout
    }

    /// The policies' networks.
    pub fn networks(&self) -> &[Arc<AgentNetwork>] {
        &self.networks
    }

    /// Where each policy's outputs are: one policy, or independent and central.
    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// What decides between two policies.
    pub fn switch(&self) -> Option<&Switch> {
        self.switch.as_ref()
    }

    /// Allows at most so many central calls in each episode, instead of what the training
    /// allowed. What the switch sees stays as it was: one that was trained without a budget
    /// does not see how much of it is left.
    pub fn limit_calls(&mut self, calls: u64) {
        if let Some(switch) = &mut self.switch {
            switch.budget = CallBudget::PerEpisode(Calls { calls });
        }
    }

    /// How outputs become actions.
    pub fn choice(&self) -> ActionChoice {
        self.choice
    }

    /// What the team acts in.
    pub fn spec(&self) -> &EnvironmentSpec {
        &self.spec
    }

    /// Whether the previous joint action is part of any policy's input.
    pub fn uses_last_action(&self) -> bool {
        self.networks
            .iter()
            .any(|network| network.uses_last_action())
    }
}

/// A switch's network: one row for the team, two outputs (independent, central).
pub fn switch_network(
    layout: &mut ParameterLayout,
    config: &SwitchConfig,
    inputs: SwitchInputs,
) -> AgentNetwork {
    let shape = NetworkShape {
        agents: 1,
        features: inputs.size(),
        common_features: true,
        actions: 2,
        outputs: 2,
    };
    AgentNetwork::declare(layout, "switch", shape, &switch_layers(config))
}

/// The layers of a switching agent's networks: feed-forward, for the whole team.
pub fn switch_layers(config: &SwitchConfig) -> NetworkConfig {
    NetworkConfig {
        kind: NetworkKind::FeedForward,
        hidden_size: config.hidden_size,
        share_parameters: true,
        agent_id: false,
        last_action: false,
    }
}
