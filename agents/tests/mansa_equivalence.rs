//! A switch that is held open or shut leaves exactly the algorithm that acts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use agents::learner::Learner;
use agents::q_learning::QLearner;
use agents::rollout::{ActingStreams, PlayOrder, Rollout};
use configs::train::{
    AlgorithmKind, CallBudget, Calls, CentralKind, Execution, NetworkKind, SharedParts, SwitchKind,
    TrainConfig, TransitionData,
};
use envs::{EnvironmentOptions, ResetMode};
use nn::parameters::Parameters;
use tch::Device;

const MAP: &str = "Foraging-5x5-2p-1f-coop-v3";

fn config(kind: AlgorithmKind, network: NetworkKind) -> TrainConfig {
    let mut config = TrainConfig::default();
    config.environment.id = MAP.to_owned();
    config.algorithm.kind = kind;
    config.network.kind = network;
    config.network.hidden_size = 16;
    config.replay.batch_episodes = 8;
    config
}

fn switched(switch: SwitchKind, central: CentralKind, network: NetworkKind) -> TrainConfig {
    let mut config = config(AlgorithmKind::Mansa, network);
    config.algorithm.switch.kind = switch;
    config.algorithm.central = central;
    config
}

/// Weights after some rounds of acting and learning, by name, and the returns.
fn train(config: &TrainConfig, prefix: &str) -> (Vec<(String, Vec<f32>)>, Vec<f64>) {
    let options = EnvironmentOptions::default();
    let environment = envs::make_vector(MAP, &options, 8, ResetMode::Hold, 1).unwrap();
    let spec = environment.spec().clone();
    let mut learner = QLearner::new(config, &spec, Device::Cpu).unwrap();
    let team = learner.team().clone();
    let weights = Parameters::zeros(team.layout(), Device::Cpu, false);
    let mut rollout = Rollout::new(environment, team, weights, true, false);
    rollout.environment_mut().seed(3);
    let mut streams = ActingStreams::new(1, "exploration", 0);
    let mut returns = Vec::new();
    for round in 0..4 {
        let mut order = PlayOrder::greedy(1.0 - 0.3 * f64::from(round), Execution::Mansa);
        order.switch_epsilon = 0.5;
        rollout.set_weights(&learner.acting_weights());
        let episodes = rollout.play(&order, &mut streams, |_| {}).unwrap();
        returns.extend(&episodes.returns);
        learner.observe(&episodes);
        for _ in 0..5 {
            learner.update().unwrap();
        }
    }
    let (arrays, _) = learner.to_arrays().unwrap();
    let prefix = format!("{prefix}online.");
    let own = arrays.names().filter(|name| name.starts_with(&prefix));
    let values = own.map(|name| {
        let shape = arrays.shape(name).unwrap().to_vec();
        (
            name[prefix.len()..].to_owned(),
            arrays.f32(name, &shape).unwrap(),
        )
    });
    (values.collect(), returns)
}

#[test]
fn never_switching_is_independent_learning_bit_for_bit() {
    for network in [NetworkKind::FeedForward, NetworkKind::Gru] {
        let plain = train(&config(AlgorithmKind::Iql, network), "");
        let mansa = switched(SwitchKind::Never, CentralKind::Qmix, network);
        assert_eq!(plain, train(&mansa, "independent."));
        assert!(plain.0.len() >= 6);
    }
}

#[test]
fn always_switching_is_central_learning_bit_for_bit() {
    for network in [NetworkKind::FeedForward, NetworkKind::Gru] {
        for (kind, central) in [
            (AlgorithmKind::Vdn, CentralKind::Vdn),
            (AlgorithmKind::Qmix, CentralKind::Qmix),
        ] {
            let plain = train(&config(kind, network), "");
            let mansa = switched(SwitchKind::Always, central, network);
            assert_eq!(plain, train(&mansa, "central."));
        }
    }
}

#[test]
fn a_switch_without_calls_left_is_independent_learning() {
    let plain = train(&config(AlgorithmKind::Iql, NetworkKind::FeedForward), "");
    let mut mansa = switched(
        SwitchKind::Always,
        CentralKind::Vdn,
        NetworkKind::FeedForward,
    );
    mansa.algorithm.switch.budget = CallBudget::PerEpisode(Calls { calls: 0 });
    assert_eq!(plain, train(&mansa, "independent."));
    mansa.algorithm.switch.budget = CallBudget::PerEpisode(Calls { calls: 3 });
    assert_ne!(plain, train(&mansa, "independent."));
}

/// With one network for both, the switch only chooses the loss that a transition feeds.
#[test]
fn a_shared_network_learns_by_the_loss_that_the_switch_chooses() {
    for (kind, switch) in [
        (AlgorithmKind::Iql, SwitchKind::Never),
        (AlgorithmKind::Vdn, SwitchKind::Always),
    ] {
        let network = NetworkKind::FeedForward;
        let plain = train(&config(kind, network), "");
        let mut mansa = switched(switch, CentralKind::Vdn, network);
        mansa.algorithm.switch.share = SharedParts::Full;
        mansa.algorithm.switch.data = TransitionData::Own;
        assert_eq!(plain, train(&mansa, ""));
        mansa.algorithm.switch.data = TransitionData::All;
        assert_ne!(plain, train(&mansa, ""), "both losses are fed by all");
    }
}

#[test]
fn a_shared_trunk_learns_for_both_heads() {
    let mut mansa = switched(SwitchKind::Never, CentralKind::Qmix, NetworkKind::Gru);
    mansa.algorithm.switch.share = SharedParts::Trunk;
    let (weights, _) = train(&mansa, "");
    let output = weights
        .iter()
        .find(|(name, _)| name == "agent.output.weight");
    // Six actions for each of two heads, of 16 features.
    assert_eq!(output.unwrap().1.len(), 2 * 6 * 16);
    let alone = train(&config(AlgorithmKind::Iql, NetworkKind::Gru), "");
    let trunk = |weights: &[(String, Vec<f32>)]| {
        let input = weights
            .iter()
            .find(|(name, _)| name == "agent.input.weight");
        input.unwrap().1.clone()
    };
    assert_ne!(trunk(&weights), trunk(&alone.0));
}
