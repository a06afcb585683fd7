//! Updates of IPPO and MAPPO against PyTorch's (`xtask/parity/make_ppo_golden.py`).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use agents::learner::Learner;
use agents::policy_gradient::PolicyGradientLearner;
use agents::rollout::EpisodeBatch;
use configs::train::{
    AdvantageKind, AlgorithmConfig, AlgorithmKind, GaeAdvantage, NStepAdvantage, NetworkKind,
    PpoConfig, SoftTargetUpdate, TargetUpdate, TrainConfig,
};
use nn::arrays::Array;
use serde::Deserialize;
use tch::Device;

const LIMIT: usize = 8;
const AGENTS: usize = 2;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    joint: bool,
    recurrent: bool,
    masked: bool,
    value_normalisation: bool,
    gae_lambda: Option<f64>,
    value_clip: f64,
    lengths: Vec<usize>,
    terminated: Vec<bool>,
    observations: Vec<f32>,
    action_mask: Vec<u8>,
    actions: Vec<u8>,
    rewards: Vec<f32>,
    start: BTreeMap<String, Vec<f64>>,
    policy_loss_norm_critic_loss_norm: Vec<[f64; 4]>,
    end: BTreeMap<String, Vec<f64>>,
}

fn config(case: &Case, shards: usize) -> TrainConfig {
    let mut config = TrainConfig {
        algorithm: AlgorithmConfig {
            kind: if case.joint {
                AlgorithmKind::Mappo
            } else {
                AlgorithmKind::Ippo
            },
            learning_rate: 0.01,
            discount: 0.9,
            gradient_clip: 0.5,
            target_update: TargetUpdate::Soft(SoftTargetUpdate { rate: 0.1 }),
            ppo: PpoConfig {
                epochs: 3,
                clip_range: 0.05,
                entropy_coefficient: 0.02,
                advantage: case.gae_lambda.map_or(
                    AdvantageKind::NStep(NStepAdvantage { steps: 2 }),
                    |lambda| AdvantageKind::Gae(GaeAdvantage { lambda }),
                ),
                value_clip: case.value_clip,
                value_normalisation: case.value_normalisation,
                critic_hidden_size: 12,
                ..PpoConfig::default()
            },
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
    config.environment.action_masks = case.masked;
    config.replay.batch_episodes = case.lengths.len();
    config.runtime.learner_shards = shards;
    config
}

/// A learner with the fixture's weights.
fn learner(case: &Case, shards: usize) -> PolicyGradientLearner {
    let options = envs::EnvironmentOptions {
        time_limit: Some(LIMIT),
        ..Default::default()
    };
    let environment = envs::make("Foraging-5x5-2p-1f-coop-v3", &options).unwrap();
    let mut learner =
        PolicyGradientLearner::new(&config(case, shards), environment.spec(), Device::Cpu).unwrap();
    let (mut arrays, state) = learner.to_arrays().unwrap();
    for (name, values) in &case.start {
        for copy in ["online", "target"] {
            let name = format!("{copy}.{name}");
            let Some(shape) = arrays.shape(&name).map(<[usize]>::to_vec) else {
                assert!(name.starts_with("target.agent"), "{name} is unknown");
                continue;
            };
            let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
            arrays.insert(name, Array::from_f32(shape, &values));
        }
    }
    learner.load_arrays(&arrays, state).unwrap();
    learner
}

fn episodes(case: &Case) -> EpisodeBatch {
    let episodes = case.lengths.len();
    EpisodeBatch {
        episodes,
        horizon: LIMIT,
        observations: case.observations.clone(),
        action_mask: case.action_mask.clone(),
        actions: case.actions.clone(),
        rewards: case
            .rewards
            .iter()
            .flat_map(|&reward| [reward; AGENTS])
            .collect(),
        lengths: case.lengths.clone(),
        terminated: case.terminated.clone(),
        returns: vec![0.0; episodes],
        ..EpisodeBatch::default()
    }
}

#[test]
fn losses_gradients_and_weights_equal_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("golden/ppo.json")).unwrap();
    for (index, case) in golden.cases.iter().enumerate() {
        for shards in [1, 2, 7] {
            let mut learner = learner(case, shards);
            for (update, expected) in case.policy_loss_norm_critic_loss_norm.iter().enumerate() {
                learner.observe(&episodes(case));
                assert!(learner.ready());
                let report = learner.update().unwrap();
                assert!(!learner.ready(), "episodes are learnt from once");
                let more: BTreeMap<_, _> = report.more.iter().copied().collect();
                let actual = [
                    report.loss,
                    report.gradient_norm,
                    more["train/critic_loss"],
                    more["train/critic_gradient_norm"],
                ];
                for (actual, expected) in actual.iter().zip(expected) {
                    let difference = (actual - expected).abs();
                    assert!(
                        difference < 2e-5 * expected.abs().max(0.1),
                        "case {index}, {shards} shards, update {update}: {actual} {expected}"
                    );
                }
            }
            let (arrays, _) = learner.to_arrays().unwrap();
            for (name, expected) in &case.end {
                let name = format!("online.{name}");
                let actual = arrays.f32(&name, arrays.shape(&name).unwrap()).unwrap();
                for (actual, expected) in actual.iter().zip(expected) {
                    let difference = (f64::from(*actual) - expected).abs();
                    assert!(
                        difference < 2e-5,
                        "case {index}, {shards} shards, {name}: {actual} {expected}"
                    );
                }
            }
        }
    }
}
