//! The made-up world: its rates are those that were asked for, and its luck does not depend on
//! who asks.

use std::sync::Arc;

use configs::search::ScriptedConfig;
use search::job::{Action, Instruction, Job, JobId, JobKind, Outcome, Remaining, State, Step};
use search::scripted::chain::{Chain, Move};
use search::scripted::{Coupling, Ending, RIGHT, Scripted, questions};
use search::serving::Backend;
use search::tree::NodeId;

const TIMES: usize = 20_000;

fn job(question: &str, moves: &[Move], kind: JobKind) -> Job {
    let mut resolved = 0;
    let steps = moves.iter().map(|choice| {
        let action = choice.call(resolved);
        resolved += usize::from(*choice == Move::Forward);
        Arc::new(Step {
            thought: String::new(),
            action,
            observation: None,
        })
    });
    Job {
        id: JobId(0),
        node: NodeId(0),
        kind,
        state: Arc::new(State {
            question: "".into(),
            question_id: question.into(),
            plan: None,
            steps: steps.collect(),
            value: 0.1,
        }),
        remaining: Remaining {
            tokens: None,
            tool_calls: None,
            fraction: 1.0,
        },
        max_tokens: 200,
        seed: 0,
    }
}

fn step(tried: Vec<Action>) -> JobKind {
    JobKind::Step {
        instruction: Instruction::Widen,
        tried,
        tools_allowed: true,
    }
}

fn outcome(world: &mut Scripted, job: &Job) -> Outcome {
    world.serve(std::slice::from_ref(job)).remove(0).1
}

fn world(config: &ScriptedConfig) -> Scripted {
    Scripted::new(config, 1, Ending::Critic, Coupling::Path)
}

/// How often each move comes out, of all steps asked on a path.
fn shares(world: &mut Scripted, moves: &[Move], tried: &[Action]) -> [f64; 3] {
    let resolved = moves.iter().filter(|m| **m == Move::Forward).count();
    let job = job("q", moves, step(tried.to_vec()));
    let mut counts = [0.0; 3];
    for _ in 0..TIMES {
        let Outcome::Stepped { action, .. } = outcome(world, &job) else {
            panic!("a step");
        };
        let place = Move::ALL.iter().position(|m| m.call(resolved) == action);
        counts[place.expect("one of the moves")] += 1.0;
    }
    counts.map(|count| count / TIMES as f64)
}

fn assert_shares(found: [f64; 3], expected: [f64; 3]) {
    for (found, expected) in found.into_iter().zip(expected) {
        // Four standard errors of the widest share.
        assert!((found - expected).abs() < 0.015, "{found}, not {expected}");
    }
}

#[test]
fn the_policy_has_the_shares_that_were_asked_for() {
    let plain = ScriptedConfig {
        trap: 0.0,
        ..ScriptedConfig::default()
    };
    let mut world_without_traps = world(&plain);
    assert_shares(shares(&mut world_without_traps, &[], &[]), [0.6, 0.2, 0.2]);
    // A step named as tried has 0.15 of its weight: 0.6, 0.03, 0.2 of 0.83.
    let tried = [Move::Aside.call(0)];
    assert_shares(
        shares(&mut world_without_traps, &[], &tried),
        [0.723, 0.036, 0.241],
    );
    assert_shares(
        shares(&mut world_without_traps, &[Move::Aside], &[]),
        [0.0, 0.0, 1.0],
    );
    let traps = ScriptedConfig {
        trap: 1.0,
        ..ScriptedConfig::default()
    };
    let mut world_of_traps = world(&traps);
    assert_shares(shares(&mut world_of_traps, &[], &[]), [0.15, 0.7, 0.15]);
    assert_shares(
        shares(
            &mut world_of_traps,
            &[Move::Forward],
            &[Move::Aside.call(1)],
        ),
        [0.370, 0.259, 0.370],
    );
}

#[test]
fn chains_have_two_or_three_hops_and_a_quarter_of_traps() {
    let config = ScriptedConfig::default();
    let chains: Vec<Chain> = questions(0, 4000)
        .map(|question| Chain::of(&config, 1, &question.id))
        .collect();
    let long = chains.iter().filter(|chain| chain.hops() == 3).count();
    assert!((long as f64 / 4000.0 - 0.5).abs() < 0.03, "{long} of three");
    assert!(chains.iter().all(|chain| (2..=3).contains(&chain.hops())));
    let hops: usize = chains.iter().map(Chain::hops).sum();
    let traps = chains.iter().flat_map(|chain| &chain.traps);
    let traps = traps.filter(|trap| **trap).count();
    assert!((traps as f64 / hops as f64 - 0.25).abs() < 0.02);
    // Another seed, other chains; the same seed, the same ones.
    let again = |seed| Chain::of(&config, seed, "chain-000007");
    assert_eq!(again(1), again(1));
    assert!((2..20).any(|seed| again(seed) != again(1)));
}

fn deltas(config: &ScriptedConfig, moves: &[Move]) -> Vec<f64> {
    let mut world = world(config);
    let job = job("q", moves, JobKind::Critic);
    (0..TIMES)
        .map(|_| match outcome(&mut world, &job) {
            Outcome::Judged {
                delta: Some(delta), ..
            } => delta,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_critic_errs_as_often_as_was_asked_for() {
    let config = ScriptedConfig {
        min_hops: 2,
        max_hops: 2,
        noise: 0.0,
        ..ScriptedConfig::default()
    };
    let share = |moves: &[Move], delta: f64| {
        let found = deltas(&config, moves);
        found.iter().filter(|found| **found == delta).count() as f64 / TIMES as f64
    };
    // 7.5 points for two hops: 3.75, rounded 4.
    assert!((share(&[Move::Forward], 4.0) - 0.92).abs() < 0.01);
    assert!((share(&[Move::Forward], 0.0) - 0.08).abs() < 0.01);
    assert!((share(&[Move::Again], 4.0) - 0.12).abs() < 0.01);
    assert!((share(&[Move::Again], 0.0) - 0.88).abs() < 0.01);
    assert!((share(&[Move::Aside], -1.0) - 0.88).abs() < 0.01);
    assert!((share(&[Move::Aside, Move::Again], 0.0) - 0.88).abs() < 0.01);
}

#[test]
fn the_noise_of_the_critic_has_its_mean_and_spread() {
    let config = ScriptedConfig {
        false_positive: 0.0,
        noise: 0.6,
        bias: 0.5,
        ..ScriptedConfig::default()
    };
    let found = deltas(&config, &[Move::Again]);
    let mean = found.iter().sum::<f64>() / TIMES as f64;
    let variance = found.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / TIMES as f64;
    assert!((mean - 0.5).abs() < 0.03, "{mean}");
    // Rounding to whole points adds a twelfth.
    assert!((variance - (0.36 + 1.0 / 12.0)).abs() < 0.03, "{variance}");
}

#[test]
fn a_critic_that_repeats_its_errors_has_one_opinion_of_a_node() {
    let job = job("q", &[Move::Again], JobKind::Critic);
    let opinions = |repeated_judgements| {
        let mut world = world(&ScriptedConfig {
            repeated_judgements,
            ..ScriptedConfig::default()
        });
        (0..50)
            .map(|_| match outcome(&mut world, &job) {
                Outcome::Judged { delta, .. } => delta,
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    let same = opinions(1.0);
    assert!(same.iter().all(|delta| *delta == same[0]));
    let free = opinions(0.0);
    assert!(free.iter().any(|delta| *delta != free[0]));
}

fn share_of_right(world: &mut Scripted, moves: &[Move]) -> f64 {
    let job = job("q", moves, JobKind::Answer { forced: false });
    let right = (0..TIMES).filter(|_| match outcome(world, &job) {
        Outcome::Answered { text, .. } => text == RIGHT,
        other => panic!("{other:?}"),
    });
    right.count() as f64 / TIMES as f64
}

#[test]
fn answers_are_right_where_every_hop_is_resolved() {
    let config = ScriptedConfig {
        min_hops: 2,
        max_hops: 2,
        ..ScriptedConfig::default()
    };
    let mut world = world(&config);
    let done = [Move::Forward, Move::Again, Move::Forward];
    assert!((share_of_right(&mut world, &done) - 0.95).abs() < 0.01);
    assert!((share_of_right(&mut world, &[Move::Forward]) - 0.03).abs() < 0.01);
    let left = [Move::Forward, Move::Aside, Move::Forward];
    assert!((share_of_right(&mut world, &left) - 0.03).abs() < 0.01);
}

#[test]
fn trajectories_without_a_critic_end_by_themselves() {
    let config = ScriptedConfig {
        min_hops: 2,
        max_hops: 2,
        ..ScriptedConfig::default()
    };
    let mut world = Scripted::new(&config, 1, Ending::Policy, Coupling::Path);
    let mut ended = |moves: &[Move]| {
        let job = job("q", moves, step(vec![]));
        let answers = (0..TIMES).filter(|_| {
            matches!(
                outcome(&mut world, &job),
                Outcome::Stepped {
                    action: Action::Answer { .. },
                    ..
                }
            )
        });
        answers.count() as f64 / TIMES as f64
    };
    assert_eq!(ended(&[]), 0.0);
    assert_eq!(ended(&[Move::Forward, Move::Forward]), 1.0);
    assert!((ended(&[Move::Forward]) - 0.05).abs() < 0.01);
    assert!((ended(&[Move::Aside]) - 0.6).abs() < 0.015);
}

#[test]
fn luck_depends_on_the_path_and_not_on_the_order_of_asking() {
    let config = ScriptedConfig::default();
    let jobs = [
        job("q", &[], step(vec![])),
        job("q", &[Move::Forward], step(vec![])),
        job("q", &[Move::Forward], JobKind::Critic),
        job("r", &[], step(vec![])),
    ];
    let mut one = world(&config);
    let forwards: Vec<_> = jobs.iter().map(|job| outcome(&mut one, job)).collect();
    let mut other = world(&config);
    let mut backwards: Vec<_> = jobs
        .iter()
        .rev()
        .map(|job| outcome(&mut other, job))
        .collect();
    backwards.reverse();
    assert_eq!(forwards, backwards);
    // Asked again, the dice are thrown again.
    let again: Vec<_> = (0..20).map(|_| outcome(&mut one, &jobs[0])).collect();
    assert!(again.iter().any(|outcome| *outcome != forwards[0]));
}

#[test]
fn by_the_jobs_seed_a_job_always_has_the_same_outcome() {
    let config = ScriptedConfig::default();
    let mut world = Scripted::new(&config, 1, Ending::Critic, Coupling::Job);
    let mut job = job("q", &[], step(vec![]));
    let first = outcome(&mut world, &job);
    assert_eq!(outcome(&mut world, &job), first);
    let other = (1..20).map(|seed| {
        job.seed = seed;
        outcome(&mut world, &job)
    });
    assert!(other.into_iter().any(|outcome| outcome != first));
}

#[test]
fn replies_keep_to_their_most_tokens() {
    let mut world = world(&ScriptedConfig::default());
    let mut job = job("q", &[], step(vec![]));
    let tokens = |world: &mut Scripted, job: &Job| outcome(world, job).usage().output_tokens as f64;
    let mean = (0..TIMES).map(|_| tokens(&mut world, &job)).sum::<f64>() / TIMES as f64;
    assert!((mean - 60.0).abs() < 0.5, "{mean}");
    job.max_tokens = 50;
    assert!((0..100).all(|_| tokens(&mut world, &job) <= 50.0));
}
