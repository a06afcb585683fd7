//! Updates of MANSA's switch against PyTorch's (`xtask/parity/make_switch_golden.py`).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use agents::mansa::switch::{SwitchLearner, switch_learner};
use agents::replay::HostBatch;
use configs::train::{
    AdvantageKind, AlgorithmKind, CallBudget, Calls, CostMode, GaeAdvantage, NStepAdvantage,
    SwitchKind, TrainConfig,
};
use nn::arrays::Array;
use serde::Deserialize;
use tch::Device;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    kind: String,
    batch: Batch,
    start: BTreeMap<String, Vec<f64>>,
    reports: Vec<[f64; 4]>, // loss, gradient norm, value gap, share of greedy calls
    end: BTreeMap<String, Vec<f64>>,
}

#[derive(Deserialize)]
struct Batch {
    sizes: Vec<i64>,
    observations: Vec<f32>,
    remaining: Vec<f32>,
    previous_call: Vec<f32>,
    allowed: Vec<u8>,
    current: Vec<i64>,
    next: Vec<i64>,
    calls: Vec<u8>,
    explored: Vec<u8>,
    rewards: Vec<f32>,
    terminated: Vec<f32>,
}

impl Batch {
    fn host(&self) -> HostBatch {
        HostBatch {
            sizes: self.sizes.clone(),
            observations: self.observations.clone(),
            current: self.current.clone(),
            next: self.next.clone(),
            // Two agents, and both are given the team's reward.
            rewards: self.rewards.iter().flat_map(|&r| [r, r]).collect(),
            terminated: self.terminated.clone(),
            calls: self.calls.clone(),
            explored: self.explored.clone(),
            previous_call: self.previous_call.clone(),
            remaining: self.remaining.clone(),
            allowed: self.allowed.clone(),
            ..HostBatch::default()
        }
    }
}

fn config(kind: &str) -> TrainConfig {
    let mut config = TrainConfig::default();
    let algorithm = &mut config.algorithm;
    algorithm.kind = AlgorithmKind::Mansa;
    algorithm.discount = 0.9;
    algorithm.gradient_clip = 0.4;
    let switch = &mut algorithm.switch;
    switch.kind = match kind {
        "double_dqn" => SwitchKind::DoubleDqn,
        "discrete_sac" => SwitchKind::DiscreteSac,
        _ => SwitchKind::Ppo,
    };
    (switch.cost, switch.cost_mode) = (0.25, CostMode::PerSwitch);
    switch.budget = CallBudget::PerEpisode(Calls { calls: 2 });
    (switch.hidden_size, switch.learning_rate) = (8, 0.01);
    switch.target_interval_updates = 2;
    switch.target_entropy_share = 0.3;
    let ppo = &mut algorithm.ppo;
    (ppo.epochs, ppo.clip_range, ppo.entropy_coefficient) = (3, 0.2, 0.05);
    ppo.advantage = if kind == "ppo" {
        AdvantageKind::NStep(NStepAdvantage { steps: 2 })
    } else {
        AdvantageKind::Gae(GaeAdvantage { lambda: 0.8 })
    };
    config
}

/// A switch with the fixture's weights.
fn learner(case: &Case) -> Box<dyn SwitchLearner> {
    nn::runtime::prepare(1);
    let options = envs::EnvironmentOptions::default();
    let environment = envs::make("Foraging-8x8-2p-2f-v3", &options).unwrap();
    let mut spec = environment.spec().clone();
    spec.observation_size = 3;
    let mut learner = switch_learner(&config(&case.kind), &spec, Device::Cpu).unwrap();
    let mut arrays = learner.to_arrays();
    for (name, values) in &case.start {
        let shape = arrays
            .shape(name)
            .expect("the layers have PyTorch's names")
            .to_vec();
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        arrays.insert(name.clone(), Array::from_f32(shape, &values));
    }
    learner.load_arrays(&arrays).unwrap();
    learner
}

fn close(actual: f64, expected: f64, what: &str) {
    let bound = 2e-5 * expected.abs().max(1.0);
    assert!(
        (actual - expected).abs() < bound,
        "{what}: {actual} {expected}"
    );
}

#[test]
fn updates_equal_pytorch() {
    let golden: Golden = serde_json::from_str(include_str!("golden/switch.json")).unwrap();
    assert_eq!(golden.cases.len(), 4);
    for case in &golden.cases {
        let mut learner = learner(case);
        let batch = case.batch.host();
        for (update, expected) in case.reports.iter().enumerate() {
            let report = learner.update(&[&batch]).unwrap();
            let actual = [
                report.loss,
                report.gradient_norm,
                report.value_gap,
                report.greedy_calls,
            ];
            for (figure, (actual, expected)) in actual.iter().zip(expected).enumerate() {
                let what = format!("{} update {update} figure {figure}", case.kind);
                close(*actual, *expected, &what);
            }
        }
        let arrays = learner.to_arrays();
        for (name, expected) in &case.end {
            let actual = arrays.f32(name, arrays.shape(name).unwrap()).unwrap();
            assert_eq!(actual.len(), expected.len(), "{name}");
            for (actual, expected) in actual.iter().zip(expected) {
                close(
                    f64::from(*actual),
                    *expected,
                    &format!("{} {name}", case.kind),
                );
            }
        }
    }
}

#[test]
fn a_batch_in_parts_teaches_the_same() {
    let golden: Golden = serde_json::from_str(include_str!("golden/switch.json")).unwrap();
    for case in &golden.cases {
        let whole = case.batch.host();
        let (mut one, mut two) = (learner(case), learner(case));
        for _ in 0..3 {
            let left = one.update(&[&whole]).unwrap();
            let right = two.update(&[&whole, &whole]).unwrap();
            close(right.loss, left.loss, &case.kind);
            close(right.gradient_norm, left.gradient_norm, &case.kind);
            close(right.value_gap, left.value_gap, &case.kind);
        }
    }
}
