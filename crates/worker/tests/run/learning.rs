//! Jobs improve their metric.

use crate::folder::{TestRun, outcome};

/// Independent Q-learning finds the safe equilibrium of the climbing game: 30 steps of
/// it bring 7 a step, random play -4 on average.
#[test]
fn the_climbing_game_improves_in_both_modes_and_networks() {
    for (mode, network) in [
        (
            "runtime.mode={kind='lockstep',lag_rounds=1}",
            "network.kind=feed_forward",
        ),
        (
            "runtime.mode={kind='free',max_staleness_updates=64}",
            "network.kind=gru",
        ),
    ] {
        let run = TestRun::new(&[
            "environment.id=Climbing-v1",
            "algorithm.learning_rate=0.003",
            "total_steps=6000",
            "exploration.anneal_steps=4000",
            "evaluation.interval_steps=2000",
            mode,
            network,
        ]);
        assert_eq!(outcome(&run.run()), (0, String::new()));
        let returns = run.curve("evaluation/return");
        let (first, last) = (returns.first().unwrap().1, returns.last().unwrap().1);
        assert!(last > first, "{network}: {returns:?}");
    }
}

#[test]
fn foraging_on_a_small_map_reaches_most_of_the_food() {
    let run = TestRun::new(&[
        "environment.id=Foraging-5x5-2p-1f-coop-v3",
        "total_steps=60000",
        "network.hidden_size=64",
        "algorithm.learning_rate=0.001",
        "algorithm.target_update={kind='hard',interval_updates=200}",
        "exploration.anneal_steps=30000",
        "replay.capacity_episodes=2000",
        "replay.batch_episodes=32",
        "runtime.environments_per_actor=16",
        "runtime.learner_shards=2",
        "evaluation.interval_steps=20000",
        "evaluation.episodes=100",
        "evaluation.environments=100",
        "checkpoint.interval_steps=60000",
    ]);
    assert_eq!(outcome(&run.run()), (0, String::new()));
    let returns = run.curve("evaluation/return");
    let (first, last) = (returns.first().unwrap().1, returns.last().unwrap().1);
    assert!(first < 0.2 && last > 0.5, "{returns:?}");
}
