//! Critics: the value of an observation for each agent.
//!
//! EPyMARL `modules/critics/ac.py` (an agent's own observation) and `centralV.py` (the state,
//! which is all agents' observations, given to each of them): Linear, ReLU, Linear, ReLU,
//! Linear. With shared weights an agent's number is part of the input; without, each agent has
//! weights of its own (`ac_ns.py`, `centralV_ns.py`).

use std::sync::Arc;

use configs::train::{NetworkConfig, NetworkKind, TrainConfig};
use envs::EnvironmentSpec;
use nn::parameters::ParameterLayout;

use crate::network::{AgentNetwork, NetworkShape};

/// What a critic sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CriticScope {
    /// The agent's own observation: independent learners (IPPO).
    Own,
    /// All agents' observations: a central critic (MAPPO).
    Joint,
}

/// Declares a critic's network in `layout` under `critic.` or `critic.{agent}.`: one output,
/// the value.
///
/// In either scope a row of [`crate::replay::HostBatch::observations`] is a row of its
/// features.
pub fn critic_network(
    layout: &mut ParameterLayout,
    scope: CriticScope,
    config: &TrainConfig,
    spec: &EnvironmentSpec,
) -> Arc<AgentNetwork> {
    let own = NetworkShape {
        outputs: 1,
        ..NetworkShape::per_action(spec)
    };
    let shape = match scope {
        CriticScope::Own => own,
        CriticScope::Joint => NetworkShape {
            features: spec.joint_observation_size(),
            common_features: true,
            ..own
        },
    };
    let layers = NetworkConfig {
        kind: NetworkKind::FeedForward,
        hidden_size: config.algorithm.ppo.critic_hidden_size,
        share_parameters: config.network.share_parameters,
        agent_id: config.network.share_parameters,
        last_action: false,
    };
    Arc::new(AgentNetwork::declare(layout, "critic", shape, &layers))
}

#[cfg(test)]
mod tests {
    use nn::parameters::Parameters;
    use nn::random::RandomStream;
    use tch::Device;

    use super::*;
    use crate::network::NetworkRows;

    /// Values of two agents that see 1 and 2, and of the same with the second agent's changed.
    fn values(scope: CriticScope, share: bool) -> [Vec<f32>; 2] {
        let options = envs::EnvironmentOptions::default();
        let environment = envs::make("Foraging-5x5-2p-1f-v3", &options).unwrap();
        let spec = environment.spec();
        let mut config = TrainConfig::default();
        config.network.share_parameters = share;
        let mut layout = ParameterLayout::new();
        let network = critic_network(&mut layout, scope, &config, spec);
        let layout = Arc::new(layout);
        let mut stream = RandomStream::new(1, "initialisation", 0);
        let weights = Parameters::initialised(&layout, Device::Cpu, false, &mut stream);
        [2.0, 3.0].map(|second| {
            let mut features = vec![1.0; spec.observation_size];
            features.resize(spec.joint_observation_size(), second);
            let rows = NetworkRows {
                features: &features,
                last_actions: &[],
                sizes: &[1],
            };
            let mut state = network.initial_state(1, Device::Cpu);
            let values = network.forward(&weights, &rows, &mut state);
            assert_eq!(values.size(), [1, 2, 1]);
            nn::parameters::flat_values(&values.reshape([-1]))
        })
    }

    #[test]
    fn only_a_joint_critic_sees_what_the_other_sees() {
        for share in [true, false] {
            let [before, after] = values(CriticScope::Own, share);
            assert_eq!(before[0], after[0]);
            assert_ne!(before[1], after[1]);
            let [before, after] = values(CriticScope::Joint, share);
            assert_ne!(before[0], after[0]);
            assert_ne!(before[0], before[1], "agents are told apart");
        }
    }
}
