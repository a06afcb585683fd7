//! Jobs improve their metric.

use tracking::EvaluationPurpose;

use crate::folder::{TestRun, outcome};

/// One small map in the free mode with a recurrent network and separate weights; the
/// lockstep mode learns in the next test.
#[test]
fn the_free_mode_learns_the_safe_play_of_the_penalty_game() {
    let run = TestRun::new(&[
        "environment.id=Penalty-100-v1",
        "algorithm.learning_rate=0.003",
        "total_steps=8000",
        "exploration.anneal_steps=4000",
        "evaluation.interval_steps=2000",
        "evaluation.epsilon=0.2",
        "runtime.mode={kind='free',max_staleness_updates=64}",
        "network.kind=gru",
        "network.share_parameters=false",
    ]);
    assert_eq!(outcome(&run.run()), (0, String::new()));
    // Random play meets a penalty in two of nine joint actions. The order of rounds depends on
    // timing here, so the best stretch counts, not the last.
    let trained = run.curve("train/return");
    let first = trained[..3].iter().map(|point| point.1).sum::<f64>() / 3.0;
    let best = trained.iter().map(|point| point.1).fold(f64::MIN, f64::max);
    assert!(first < -200.0 && best > 0.0, "{trained:?}");
    let staleness = run.curve("runtime/staleness_updates");
    assert!(
        staleness.iter().all(|&(_, value)| value <= 64.0),
        "{staleness:?}"
    );
}

#[test]
fn foraging_on_a_small_map_reaches_most_of_the_food() {
    let run = TestRun::new(&[
        "environment.id=Foraging-5x5-2p-1f-coop-v3",
        "total_steps=120000",
        "network.hidden_size=64",
        "network.kind=gru",
        "algorithm.learning_rate=0.001",
        "algorithm.target_update={kind='hard',interval_updates=200}",
        "exploration.anneal_steps=50000",
        "replay.capacity_episodes=2000",
        "replay.batch_episodes=32",
        "runtime.environments_per_actor=16",
        "runtime.learner_shards=2",
        "evaluation.interval_steps=20000",
        "evaluation.episodes=100",
        "evaluation.environments=100",
        "checkpoint.interval_steps=120000",
    ]);
    assert_eq!(outcome(&run.run()), (0, String::new()));
    let returns = run.returns(EvaluationPurpose::Interval);
    // Greedy play of an unfinished learner jumps from one evaluation to the next, and other
    // processors round differently: the best of them has to be far from the first.
    let first = returns.first().unwrap().1;
    let best = returns.iter().map(|point| point.1).fold(0.0, f64::max);
    assert!(first < 0.2 && best > 0.6, "{returns:?}");
}
