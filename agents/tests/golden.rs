//! Updates of IQL, VDN and QMIX against PyTorch's (`xtask/parity/make_q_learning_golden.py`).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use agents::learner::Learner;
use agents::q_learning::QLearner;
use agents::rollout::EpisodeBatch;
use configs::train::{
    AlgorithmConfig, AlgorithmKind, HardTargetUpdate, MixerConfig, NetworkKind, TargetUpdate,
    TrainConfig,
};
use nn::arrays::Array;
use serde::Deserialize;
use tch::Device;

const LIMIT: usize = 6;
const AGENTS: usize = 2;

#[derive(Deserialize)]
struct Golden {
    embedding: usize,
    hypernet: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    kind: AlgorithmKind,
    hypernet_layers: usize,
    recurrent: bool,
    lengths: Vec<usize>,
    terminated: Vec<bool>,
    observations: Vec<f32>,
    actions: Vec<u8>,
    rewards: Vec<f32>,
    start: BTreeMap<String, Vec<f64>>,
    losses_and_norms: Vec<(f64, f64)>,
    end: BTreeMap<String, Vec<f64>>,
}

fn config(golden: &Golden, case: &Case, shards: usize) -> TrainConfig {
    let mut config = TrainConfig {
        algorithm: AlgorithmConfig {
            kind: case.kind,
            mixer: MixerConfig {
                embedding_size: golden.embedding,
                hypernet_layers: case.hypernet_layers,
                hypernet_size: golden.hypernet,
            },
            learning_rate: 0.01,
            gradient_clip: 0.05,
            target_update: TargetUpdate::Hard(HardTargetUpdate {
                interval_updates: 2,
            }),
            ..AlgorithmConfig::default()
        },
        ..TrainConfig::default()
    };
    config.network.hidden_size = 8;
    config.network.kind = if case.recurrent {
        NetworkKind::Gru
    } else {
        NetworkKind::FeedForward
    };
    config.replay.batch_episodes = case.lengths.len();
    config.runtime.learner_shards = shards;
    config
}

/// A learner with the fixture's weights and episodes.
fn learner(golden: &Golden, case: &Case, shards: usize) -> QLearner {
    let options = envs::EnvironmentOptions {
        time_limit: Some(LIMIT),
        ..Default::default()
    };
    let environment = envs::make("Foraging-5x5-2p-1f-coop-v3", &options).unwrap();
    let config = config(golden, case, shards);
    let mut learner = QLearner::new(&config, environment.spec(), Device::Cpu).unwrap();
    let (mut arrays, state) = learner.to_arrays().unwrap();
    for (name, values) in &case.start {
        for copy in ["online", "target"] {
            let name = format!("{copy}.{name}");
            let shape = arrays
                .shape(&name)
                .expect("the layers have PyTorch's names")
                .to_vec();
            let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
            arrays.insert(name, Array::from_f32(shape, &values));
        }
    }
    learner.load_arrays(&arrays, state).unwrap();
    let episodes = case.lengths.len();
    let both = |&reward: &f32| [reward; AGENTS];
    learner.observe(&EpisodeBatch {
        episodes,
        horizon: LIMIT,
        observations: case.observations.clone(),
        actions: case.actions.clone(),
        rewards: case.rewards.iter().flat_map(both).collect(),
        lengths: case.lengths.clone(),
        terminated: case.terminated.clone(),
        returns: vec![0.0; episodes],
        ..EpisodeBatch::default()
    });
    learner
}

#[test]
fn losses_gradients_and_weights_equal_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("golden/q_learning.json")).unwrap();
    for case in &golden.cases {
        for shards in [1, 2, 3] {
            let mut learner = learner(&golden, case, shards);
            for (update, &(loss, norm)) in case.losses_and_norms.iter().enumerate() {
                let report = learner.update().unwrap();
                let close = |left: f64, right: f64| (left - right).abs() < 2e-5 * right.abs();
                let kind = case.kind;
                let actual = report.loss;
                assert!(close(actual, loss), "{kind:?} {update}: {actual} {loss}");
                assert!(
                    close(report.gradient_norm, norm),
                    "{kind:?} {update}: {report:?} {norm}"
                );
            }
            let (arrays, _) = learner.to_arrays().unwrap();
            for (name, expected) in &case.end {
                let name = format!("online.{name}");
                let actual = arrays.f32(&name, arrays.shape(&name).unwrap()).unwrap();
                for (actual, expected) in actual.iter().zip(expected) {
                    let difference = (f64::from(*actual) - expected).abs();
                    assert!(difference < 2e-5, "{name}: {actual} {expected}");
                }
            }
        }
    }
}
