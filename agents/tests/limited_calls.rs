//! Central calls of an evaluation limited below what the training allowed.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, helpers included"
)]

use std::sync::Arc;

use agents::environment::environment_options;
use agents::evaluation::{EvaluationReport, Evaluator, Scoring};
use agents::policy::Policy;
use agents::team::Team;
use configs::train::{AlgorithmKind, Execution, SwitchKind, TrainConfig};
use nn::parameters::Parameters;
use nn::random::RandomStream;
use tch::Device;

/// An untrained team whose switch wants a central call in every step.
fn policy() -> Policy {
    let mut config = TrainConfig::default();
    config.environment.id = "Foraging-5x5-2p-1f-v3".to_owned();
    config.environment.time_limit = Some(9);
    config.network.hidden_size = 8;
    config.algorithm.kind = AlgorithmKind::Mansa;
    config.algorithm.switch.kind = SwitchKind::Always;
    let options = environment_options(&config.environment);
    let environment = envs::make(&config.environment.id, &options).unwrap();
    let team = Team::new(&config, environment.spec());
    let mut stream = RandomStream::new(1, "test", 0);
    let weights = Parameters::initialised(team.layout(), Device::Cpu, false, &mut stream);
    let folder = tempfile::tempdir().unwrap();
    Policy::write(
        folder.path(),
        &config,
        environment.spec(),
        weights.flat(),
        7,
    )
    .unwrap();
    Policy::read(folder.path()).unwrap()
}

fn score(policy: &Policy, execution: Execution) -> EvaluationReport {
    let config = &policy.description.config;
    let (team, parameters) = (Arc::clone(&policy.team), policy.parameters.share());
    let mut evaluator = Evaluator::new(config, 4, team, parameters).unwrap();
    let scoring = Scoring {
        episodes: 12,
        epsilon: 0.0,
        execution,
        purpose: "eval",
        index: 0,
        record: false,
        budget: None,
    };
    evaluator
        .score(&policy.parameters.snapshot(), &scoring)
        .unwrap()
}

#[test]
fn a_limit_holds_in_every_episode_and_none_of_it_is_the_independent_half() {
    let mut policy = policy();
    let free = score(&policy, Execution::Mansa);
    assert_eq!(free.calls, free.lengths, "as many calls as steps");
    for limit in [0, 1, 3] {
        Arc::make_mut(&mut policy.team).limit_calls(limit);
        let limited = score(&policy, Execution::Mansa);
        let expected = limited.lengths.iter().map(|&length| length.min(limit));
        assert_eq!(limited.calls, expected.collect::<Vec<u64>>());
        if limit == 0 {
            let independent = score(&policy, Execution::Il);
            assert_eq!(limited.returns, independent.returns);
            assert_eq!(limited.lengths, independent.lengths);
        }
    }
}
