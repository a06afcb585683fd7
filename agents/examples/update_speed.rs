//! Time of one learner update and of one acting step, beside their arithmetic floor.
//!
//! `cargo run -p agents --example update_speed [seconds per row]`
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::time::Instant;

use agents::learner::Learner;
use agents::q_learning::QLearner;
use agents::rollout::{ActingStreams, PlayOrder, Rollout};
use configs::train::{AlgorithmKind, Execution, NetworkKind, TrainConfig};
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
            let start = Instant::now();
            let mut updates = 0;
            while start.elapsed().as_secs_f64() < seconds {
                learner.update()?;
                updates += 1;
            }
            let update = start.elapsed().as_secs_f64() / f64::from(updates);
            println!(
                "{:<18} {hidden:>4}  {shards:>6}  {:>9.3}  {:>37.0}  {acting:>11.1}",
                format!("{algorithm:?} {kind:?}"),
                update * 1e3,
                50.0 / update
            );
        }
    }
    Ok(())
}
