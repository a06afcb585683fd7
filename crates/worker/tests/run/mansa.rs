//! The algorithms beside independent Q-learning, as whole jobs.

use tracking::EventKind;

use crate::folder::{TestRun, outcome};
use crate::interruption::killed_and_resumed_equals_straight;

const PAIR: &[&str] = &[
    "algorithm.kind=mansa",
    "algorithm.switch.warmup_steps=4000",
    "algorithm.switch.anneal_steps=8000",
];

#[test]
fn mansa_killed_and_resumed_continues_bit_for_bit() {
    let more = [
        "algorithm.central=qmix",
        "algorithm.switch.data=own",
        "algorithm.switch.budget={kind='per_run',calls=6000}",
        "runtime.mode={kind='lockstep',lag_rounds=1}",
        "runtime.actors=2",
        "runtime.learner_shards=2",
    ];
    killed_and_resumed_equals_straight(&[PAIR, &more].concat());
}

#[test]
fn so_does_mansa_over_policies() {
    let more = [
        "algorithm.independent=ippo",
        "algorithm.central=mappo",
        "algorithm.switch.kind=ppo",
        "algorithm.switch.budget={kind='per_episode',calls=3}",
        "algorithm.ppo.value_normalisation=true",
    ];
    killed_and_resumed_equals_straight(&[PAIR, &more].concat());
}

#[test]
fn so_does_a_switch_that_learns_from_each_episode_once() {
    let more = ["algorithm.central=vdn", "algorithm.switch.kind=ppo"];
    killed_and_resumed_equals_straight(&[PAIR, &more].concat());
}

/// Central calls and steps of all scored episodes.
fn scored_calls(run: &TestRun) -> Vec<(f64, u64)> {
    let mut calls = Vec::new();
    for event in run.events() {
        if let EventKind::Evaluation { extra, lengths, .. } = event.kind {
            calls.extend(extra["cl_calls"].iter().copied().zip(lengths));
        }
    }
    calls
}

#[test]
fn a_budget_per_episode_is_never_exceeded() {
    let more = ["algorithm.switch.budget={kind='per_episode',calls=2}"];
    for kind in ["double_dqn", "random", "always"] {
        let kind = format!("algorithm.switch.kind={kind}");
        let run = TestRun::new(&[&[PAIR[0], &kind], &more[..]].concat());
        assert_eq!(outcome(&run.run()), (0, String::new()));
        let calls = scored_calls(&run);
        assert!(calls.len() > 20);
        assert!(calls.iter().all(|&(calls, _)| calls <= 2.0), "{calls:?}");
        if kind.ends_with("always") {
            let spent = |&(calls, steps): &(f64, u64)| calls == steps.min(2) as f64;
            assert!(calls.iter().all(spent), "{calls:?}");
        }
    }
}

#[test]
fn a_budget_of_the_whole_training_is_used_up_and_never_exceeded() {
    for kind in ["double_dqn", "always", "random"] {
        let kind = format!("algorithm.switch.kind={kind}");
        let run = TestRun::new(&[
            PAIR[0],
            &kind,
            "algorithm.switch.budget={kind='per_run',calls=150}",
            "runtime.mode={kind='lockstep',lag_rounds=1}",
            "runtime.actors=2",
        ]);
        assert_eq!(outcome(&run.run()), (0, String::new()));
        let (_, path) = run.folder.checkpoints().into_iter().max().unwrap();
        let state = std::fs::read(path.join("state.json")).unwrap();
        let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
        let used = state["counters"]["budget"]["used"].as_u64().unwrap();
        assert!(used <= 150, "{kind}: {used}");
        let left = run.curve("mansa/budget_remaining");
        assert!(left.iter().all(|&(_, share)| (0.0..=1.0).contains(&share)));
        if kind.ends_with("always") {
            // The budget is spread over the training, and all of it is used.
            assert_eq!(used, 150);
        }
    }
}
