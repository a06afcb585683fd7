//! The chain game: central calls pay in one state only, and the switch finds it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use agents::mansa::decision::SwitchRecord;
use agents::mansa::switch::switch_learner;
use agents::network::NetworkRows;
use agents::network_pass::NetworkPass;
use agents::replay::EpisodeReplay;
use agents::rollout::EpisodeBatch;
use agents::team::{SwitchInputs, switch_network};
use configs::train::{AlgorithmKind, TrainConfig};
use envs::{BatchBuffers, EnvironmentOptions, EnvironmentSpec, ResetMode};
use nn::parameters::ParameterLayout;
use nn::random::RandomStream;
use tch::Device;

const GAME: &str = "Chain-4-v1";
const CLIMBING_STATE: usize = 2;
const EPISODES: usize = 32;

fn config(cost: f64) -> TrainConfig {
    let mut config = TrainConfig::default();
    config.environment.id = GAME.to_owned();
    config.algorithm.kind = AlgorithmKind::Mansa;
    config.algorithm.switch.cost = cost;
    config.algorithm.switch.learning_rate = 0.003;
    config.algorithm.switch.target_interval_updates = 20;
    config
}

/// What the team plays: the safe states rightly in either mode; in the climbing state 5
/// without and 11 with the central policies.
fn actions(state: usize, call: bool) -> [u8; 2] {
    match (state, call) {
        (CLIMBING_STATE, true) => [0, 0],
        (CLIMBING_STATE, false) => [2, 2],
        _ => [(state % 3) as u8; 2],
    }
}

/// Episodes of the game in which a fair coin makes the calls.
fn episodes(stream: &mut RandomStream) -> (EpisodeBatch, EnvironmentSpec) {
    let options = EnvironmentOptions::default();
    let mut game = envs::make_vector(GAME, &options, EPISODES, ResetMode::Hold, 1).unwrap();
    let spec = game.spec().clone();
    let steps = spec.max_episode_steps;
    let mut buffers = BatchBuffers::new(&spec, EPISODES);
    let mut batch = EpisodeBatch {
        episodes: EPISODES,
        horizon: steps,
        lengths: vec![steps; EPISODES],
        terminated: vec![true; EPISODES],
        returns: vec![0.0; EPISODES],
        ..EpisodeBatch::default()
    };
    let mut record = SwitchRecord {
        explored: vec![1; steps * EPISODES],
        remaining: vec![0.0; (steps + 1) * EPISODES],
        allowed: vec![1; (steps + 1) * EPISODES],
        ..SwitchRecord::default()
    };
    game.reset_all(&mut buffers).unwrap();
    batch.observations.extend(&buffers.observations);
    for state in 0..steps {
        let mut joint = Vec::new();
        for _ in 0..EPISODES {
            let call = stream.below(2) == 1;
            record.calls.push(u8::from(call));
            joint.extend(actions(state, call));
        }
        game.step(&joint, &mut buffers).unwrap();
        batch.actions.extend(joint);
        for rewards in buffers.rewards.chunks_exact(2) {
            batch.rewards.extend([(rewards[0] + rewards[1]) as f32; 2]);
        }
        batch.observations.extend(&buffers.observations);
    }
    batch.switch = Some(record);
    (batch, spec)
}

/// The states in which the switch calls after learning with a cost.
fn called_states(cost: f64) -> Vec<usize> {
    let config = config(cost);
    let mut stream = RandomStream::new(1, "test", 0);
    let (batch, spec) = episodes(&mut stream);
    let mut replay = EpisodeReplay::new(&spec, EPISODES, false, true);
    replay.insert(&batch);
    let slots: Vec<usize> = (0..EPISODES).collect();
    let sample = replay.gather(&slots);
    let mut switch = switch_learner(&config, &spec, Device::Cpu).unwrap();
    for _ in 0..600 {
        switch.update(&[&sample]).unwrap();
    }
    let inputs = SwitchInputs::new(&config.algorithm.switch, &spec);
    let mut layout = ParameterLayout::new();
    let network = switch_network(&mut layout, &config.algorithm.switch, inputs);
    let mut pass = NetworkPass::new(&Arc::new(network), switch.acting(), Vec::new());
    let states = spec.max_episode_steps;
    let views: Vec<f32> = (0..states)
        .flat_map(|state| {
            (0..2 * states).map(move |index| f32::from(u8::from(index % states == state)))
        })
        .collect();
    let rows = NetworkRows {
        features: &inputs.rows(&views, &vec![0.0; states], &vec![0.0; states]),
        last_actions: &[],
        sizes: &[states as i64],
    };
    let values = pass.constant(switch.acting(), &rows);
    (0..states)
        .filter(|&state| {
            let value = |choice: i64| values.double_value(&[state as i64, 0, choice]);
            value(1) > value(0)
        })
        .collect()
}

#[test]
fn calls_are_made_in_the_climbing_state_and_nowhere_else() {
    assert_eq!(called_states(1.0), [CLIMBING_STATE]);
}

#[test]
fn no_call_is_made_where_it_costs_more_than_the_six_that_it_gains() {
    assert_eq!(called_states(5.0), [CLIMBING_STATE]);
    assert_eq!(called_states(7.0), [0; 0]);
}
