//! Time of one learner update (the quickest, so that other work on the machine does not count) and
//! of one acting step.
//!
//! `cargo run -p agents --example update_speed [seconds per row]`
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;
use std::time::Instant;

use agents::learner::Learner;
use agents::mansa::switch::switch_learner;
use agents::q_learning::QLearner;
use agents::replay::EpisodeReplay;
use agents::rollout::{ActingStreams, PlayOrder, Rollout};
use agents::team::Team;
use configs::train::{AlgorithmKind, Execution, NetworkKind, SwitchKind, TrainConfig};
use envs::{EnvironmentOptions, ResetMode};
use nn::parameters::Parameters;
use tch::Device;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds: f64 = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(2.0);
    nn::runtime::prepare(1);
    println!(
        "network                 shards  update ms  env steps/s at 1 update per 50 steps  act us/step"
    );
    for (algorithm, kind, hidden) in [
        (AlgorithmKind::Iql, NetworkKind::FeedForward, 64),
        (AlgorithmKind::Vdn, NetworkKind::FeedForward, 64),
        (AlgorithmKind::Qmix, NetworkKind::FeedForward, 64),
        (AlgorithmKind::Mansa, NetworkKind::FeedForward, 64),
        (AlgorithmKind::Iql, NetworkKind::FeedForward, 128),
        (AlgorithmKind::Qmix, NetworkKind::FeedForward, 128),
        (AlgorithmKind::Iql, NetworkKind::Gru, 128),
    ] {
        for shards in [1, 2] {
            let mut config = TrainConfig::default();
            config.algorithm.kind = algorithm;
            config.network.kind = kind;
            config.network.hidden_size = hidden;
            config.runtime.learner_shards = shards;
            let id = "Foraging-8x8-2p-2f-coop-v3";
            let environment =
                envs::make_vector(id, &EnvironmentOptions::default(), 64, ResetMode::Hold, 1)?;
            let spec = environment.spec().clone();
            let mut learner = QLearner::new(&config, &spec, Device::Cpu)?;
            let team = learner.team().clone();
            let parameters = Parameters::zeros(team.layout(), Device::Cpu, false);
            let mut rollout = Rollout::new(environment, team, parameters, true, false);
            rollout.environment_mut().seed(1);
            let mut streams = ActingStreams::new(1, "exploration", 0);
            let order = PlayOrder::greedy(1.0, Execution::Mansa);
            let start = Instant::now();
            let episodes = rollout.play(&order, &mut streams, |_| {})?;
            let acting = start.elapsed().as_secs_f64() * 1e6 / episodes.horizon as f64;
            learner.observe(&episodes);
            for _ in 0..10 {
                learner.update()?;
            }
            let (start, mut update) = (Instant::now(), f64::INFINITY);
            while start.elapsed().as_secs_f64() < seconds {
                let one = Instant::now();
                learner.update()?;
                update = update.min(one.elapsed().as_secs_f64());
            }
            println!(
                "{:<18} {hidden:>4}  {shards:>6}  {:>9.3}  {:>37.0}  {acting:>11.1}",
                format!("{algorithm:?} {kind:?}"),
                update * 1e3,
                50.0 / update
            );
        }
    }
    switches(seconds)
}

/// Updates of MANSA's switch alone, over 32 episodes.
fn switches(seconds: f64) -> Result<(), Box<dyn std::error::Error>> {
    println!("\nswitch         hidden  update ms");
    for kind in [
        SwitchKind::DoubleDqn,
        SwitchKind::DiscreteSac,
        SwitchKind::Ppo,
    ] {
        for hidden in [64, 128] {
            let mut config = TrainConfig::default();
            config.algorithm.kind = AlgorithmKind::Mansa;
            config.algorithm.switch.kind = kind;
            config.algorithm.switch.hidden_size = hidden;
            let id = "Foraging-8x8-2p-2f-coop-v3";
            let environment =
                envs::make_vector(id, &EnvironmentOptions::default(), 32, ResetMode::Hold, 1)?;
            let spec = environment.spec().clone();
            let team = Arc::new(Team::new(&config, &spec));
            let parameters = Parameters::zeros(team.layout(), Device::Cpu, false);
            let mut rollout = Rollout::new(environment, team, parameters, true, false);
            rollout.environment_mut().seed(1);
            let mut streams = ActingStreams::new(1, "exploration", 0);
            let mut order = PlayOrder::greedy(1.0, Execution::Mansa);
            order.switch_epsilon = 1.0;
            let episodes = rollout.play(&order, &mut streams, |_| {})?;
            let mut replay = EpisodeReplay::new(&spec, 32, false, true);
            replay.insert(&episodes);
            let batch = replay.gather(&(0..32).collect::<Vec<_>>());
            let mut switch = switch_learner(&config, &spec, Device::Cpu).ok_or("it learns")?;
            let (start, mut quickest) = (Instant::now(), f64::INFINITY);
            while start.elapsed().as_secs_f64() < seconds {
                let one = Instant::now();
                switch.update(&[&batch])?;
                quickest = quickest.min(one.elapsed().as_secs_f64());
            }
            let name = format!("{kind:?}");
            println!("{name:<14} {hidden:>6}  {:>9.3}", quickest * 1e3);
        }
    }
    Ok(())
}
