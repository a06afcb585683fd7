//! How IPPO and MAPPO treat weights, given probabilities, minibatches and checkpoints.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use agents::critic::CriticScope;
use agents::learner::Learner;
use agents::policy_gradient::PolicyGradientLearner;
use agents::policy_gradient::member::{PolicyGradientMember, TrainingData};
use agents::replay::{EpisodeReplay, HostBatch};
use agents::rollout::{ActingStreams, EpisodeBatch, PlayOrder, Rollout};
use configs::train::{
    AdvantageKind, AlgorithmKind, Execution, GaeAdvantage, NetworkKind, TrainConfig,
};
use envs::{EnvironmentOptions, EnvironmentSpec, ResetMode};
use nn::parameters::{Parameters, flat_values};
use nn::random::RandomStream;
use tch::Device;

const LIMIT: usize = 6;
const LENGTHS: [usize; 4] = [6, 2, 4, 6];

fn spec() -> EnvironmentSpec {
    let options = envs::EnvironmentOptions {
        time_limit: Some(LIMIT),
        ..Default::default()
    };
    let environment = envs::make("Foraging-5x5-2p-1f-coop-v3", &options).unwrap();
    environment.spec().clone()
}

fn config(kind: NetworkKind) -> TrainConfig {
    let mut config = TrainConfig::default();
    config.algorithm.kind = AlgorithmKind::Mappo;
    config.algorithm.learning_rate = 0.01;
    config.algorithm.ppo.clip_range = 0.05;
    config.network.kind = kind;
    config.network.hidden_size = 16;
    config.replay.batch_episodes = LENGTHS.len();
    config.runtime.learner_shards = 2;
    config
}

/// Four episodes of random numbers.
fn episodes(seed: u64) -> EpisodeBatch {
    let spec = spec();
    let mut stream = RandomStream::new(seed, "test", 0);
    let count = LENGTHS.len();
    let numbers = (LIMIT + 1) * count * spec.joint_observation_size();
    let observations = (0..numbers).map(|_| 5.0 * stream.uniform()).collect();
    let steps = LIMIT * count * spec.agents;
    EpisodeBatch {
        episodes: count,
        horizon: LIMIT,
        observations,
        actions: (0..steps)
            .map(|_| stream.below(spec.actions) as u8)
            .collect(),
        rewards: (0..steps).map(|_| stream.uniform()).collect(),
        lengths: LENGTHS.to_vec(),
        terminated: vec![false, true, true, false],
        returns: vec![0.0; count],
        ..EpisodeBatch::default()
    }
}

fn gather(slots: &[usize]) -> Arc<HostBatch> {
    let mut replay = EpisodeReplay::new(&spec(), LENGTHS.len(), false, false);
    replay.insert(&episodes(1));
    Arc::new(replay.gather(slots))
}

fn member(config: &TrainConfig) -> PolicyGradientMember {
    let mut stream = RandomStream::new(1, "initialisation", 0);
    let scope = CriticScope::Joint;
    PolicyGradientMember::new("agent", scope, config, &spec(), Device::Cpu, &mut stream).unwrap()
}

fn data(batch: &Arc<HostBatch>) -> TrainingData {
    TrainingData {
        rewards: batch.rewards.clone(),
        batch: Arc::clone(batch),
        weights: Vec::new(),
        behaviour: Vec::new(),
    }
}

/// All weights of the policy after some updates.
fn learnt(config: &TrainConfig, data: &TrainingData, updates: usize) -> Vec<f32> {
    let mut member = member(config);
    for _ in 0..updates {
        assert!(member.update(data).unwrap().is_some());
    }
    flat_values(member.policy().flat())
}

fn largest_difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    let pairs = left.iter().zip(right);
    pairs.map(|(l, r)| (l - r).abs()).fold(0.0, f32::max)
}

#[test]
fn episodes_of_weight_zero_are_as_if_they_were_not_there() {
    for kind in [NetworkKind::Gru, NetworkKind::FeedForward] {
        let mut config = config(kind);
        config.algorithm.ppo.value_normalisation = true;
        let (all, some) = (gather(&[0, 1, 2, 3]), gather(&[0, 2]));
        let of_some = learnt(&config, &data(&some), 2);
        // Longest first: the episodes 0, 3, 2, 1 are alive for 6, 6, 4, 2 transitions.
        let weights: Vec<f32> = (0..6)
            .flat_map(|time| {
                let alive: &[f32] = match time {
                    0 | 1 => &[1.0, 0.0, 1.0, 0.0],
                    2 | 3 => &[1.0, 0.0, 1.0],
                    _ => &[1.0, 0.0],
                };
                alive.iter().copied()
            })
            .collect();
        let weighted = TrainingData {
            weights: weights.clone(),
            ..data(&all)
        };
        let of_weighted = learnt(&config, &weighted, 2);
        assert!(largest_difference(&of_some, &of_weighted) < 1e-5);
        assert!(largest_difference(&of_some, &learnt(&config, &data(&all), 2)) > 1e-3);
        let none = TrainingData {
            weights: vec![0.0; weights.len()],
            ..data(&all)
        };
        let mut member = member(&config);
        let before = flat_values(member.policy().flat());
        assert!(member.update(&none).unwrap().is_none());
        assert_eq!(flat_values(member.policy().flat()), before);
    }
}

#[test]
fn given_probabilities_take_the_place_of_the_policys_own() {
    let config = config(NetworkKind::Gru);
    let batch = gather(&[0, 1, 2, 3]);
    let own = member(&config).log_probabilities(&batch).unwrap();
    assert_eq!(own.len(), batch.rewards.len());
    let given = TrainingData {
        behaviour: own.clone(),
        ..data(&batch)
    };
    let without = learnt(&config, &data(&batch), 1);
    assert!(largest_difference(&learnt(&config, &given, 1), &without) < 1e-6);
    // Drawn by a policy that was twice as sure: every ratio is one half.
    let given = TrainingData {
        behaviour: own.iter().map(|log| log + 2f32.ln()).collect(),
        ..data(&batch)
    };
    let mut other = member(&config);
    let report = other.update(&given).unwrap().unwrap();
    assert!(report.figures.clipped > 0.9, "{report:?}");
    assert!(largest_difference(&flat_values(other.policy().flat()), &without) > 1e-3);
}

#[test]
fn minibatches_take_every_episode_once_an_epoch() {
    let mut config = self::config(NetworkKind::Gru);
    config.algorithm.ppo.epochs = 1;
    config.algorithm.ppo.minibatches = 4;
    let batch = gather(&[0, 1, 2, 3]);
    let split = learnt(&config, &data(&batch), 1);
    assert_eq!(
        split,
        learnt(&config, &data(&batch), 1),
        "dealt by a seeded stream"
    );
    config.seed = 2;
    assert!(largest_difference(&split, &learnt(&config, &data(&batch), 1)) > 1e-5);
    // With steps too small to matter for the next, the first losses of four minibatches are
    // those of the whole, but for the weight of long episodes.
    config.algorithm.learning_rate = 1e-9;
    let mut report = |minibatches| {
        config.algorithm.ppo.minibatches = minibatches;
        member(&config).update(&data(&batch)).unwrap().unwrap()
    };
    let of_episode: Vec<f64> = (0..4)
        .map(|slot| {
            let alone = data(&gather(&[slot]));
            let mut config = self::config(NetworkKind::Gru);
            config.algorithm.ppo.epochs = 1;
            config.algorithm.learning_rate = 1e-9;
            config.seed = 2;
            let report = member(&config).update(&alone).unwrap().unwrap();
            report.figures.critic_loss
        })
        .collect();
    let mean = of_episode.iter().sum::<f64>() / 4.0;
    assert!((report(4).figures.critic_loss - mean).abs() < 1e-5 * mean);
    let transitions: f64 = LENGTHS.iter().map(|&length| length as f64).sum();
    let weighted = of_episode
        .iter()
        .zip(LENGTHS)
        .map(|(loss, length)| loss * length as f64);
    let whole = weighted.sum::<f64>() / transitions;
    assert!((report(1).figures.critic_loss - whole).abs() < 1e-5 * whole);
}

#[test]
fn a_restored_learner_continues_bit_for_bit() {
    let mut config = config(NetworkKind::FeedForward);
    config.algorithm.ppo.value_normalisation = true;
    config.algorithm.ppo.minibatches = 2;
    config.replay.batch_episodes = 8;
    let fresh = || PolicyGradientLearner::new(&config, &spec(), Device::Cpu).unwrap();
    let mut left = fresh();
    left.observe(&episodes(1));
    left.observe(&episodes(2));
    left.update().unwrap();
    left.observe(&episodes(3)); // half of what the next update needs
    let mut right = fresh();
    let (arrays, state) = left.to_arrays().unwrap();
    right.load_arrays(&arrays, state).unwrap();
    right
        .replay_mut()
        .load_arrays(&left.replay().to_arrays())
        .unwrap();
    assert!(!right.ready());
    for learner in [&mut left, &mut right] {
        learner.observe(&episodes(4));
        assert!(learner.ready());
        learner.update().unwrap();
        // Once more, so that critics, optimisers and statistics show.
        learner.observe(&episodes(5));
        learner.observe(&episodes(6));
        learner.update().unwrap();
        assert_eq!(learner.updates(), 3);
    }
    assert_eq!(left.to_arrays().unwrap().1, right.to_arrays().unwrap().1);
    assert_eq!(
        flat_values(&left.acting_weights()),
        flat_values(&right.acting_weights())
    );
}

/// Team returns of each round of 64 episodes, by the policy that is learning.
fn learning_curve(kind: AlgorithmKind, rounds: usize) -> Vec<f64> {
    let mut config = config(NetworkKind::FeedForward);
    config.algorithm.kind = kind;
    config.algorithm.learning_rate = 0.002;
    config.algorithm.gradient_clip = 1.0;
    config.algorithm.ppo.clip_range = 0.2;
    config.algorithm.ppo.entropy_coefficient = 0.03;
    config.algorithm.ppo.minibatches = 4;
    config.algorithm.ppo.advantage = AdvantageKind::Gae(GaeAdvantage { lambda: 0.95 });
    config.network.hidden_size = 64;
    config.replay.batch_episodes = 64;
    let (map, options) = ("Foraging-5x5-2p-1f-coop-v3", EnvironmentOptions::default());
    let environment = envs::make_vector(map, &options, 64, ResetMode::Hold, 1).unwrap();
    let spec = environment.spec().clone();
    let mut learner = PolicyGradientLearner::new(&config, &spec, Device::Cpu).unwrap();
    let team = learner.team().clone();
    let weights = Parameters::zeros(team.layout(), Device::Cpu, false);
    let mut rollout = Rollout::new(environment, team, weights, true, false);
    rollout.environment_mut().seed(3);
    let mut streams = ActingStreams::new(1, "exploration", 0);
    let order = PlayOrder {
        sample: true,
        ..PlayOrder::greedy(0.0, Execution::Mansa)
    };
    let round = |_| {
        rollout.set_weights(&learner.acting_weights());
        let episodes = rollout.play(&order, &mut streams, |_| {}).unwrap();
        learner.observe(&episodes);
        learner.update().unwrap();
        episodes.returns.iter().sum::<f64>() / 64.0
    };
    (0..rounds).map(round).collect()
}

#[test]
fn both_learn_to_load_the_food_together() {
    for kind in [AlgorithmKind::Ippo, AlgorithmKind::Mappo] {
        let curve = learning_curve(kind, 30);
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (first, last) = (mean(&curve[..3]), mean(&curve[25..]));
        assert!(
            first < 0.1 && last > 0.9,
            "{kind:?}: {first} {last} {curve:?}"
        );
    }
}
