//! Batches: the same results on any number of threads, no allocation, holding, resuming, refusing.

#![allow(unsafe_code, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use envs::numpy_random::Pcg64;
use envs::{
    BatchBuffers, EnvironmentError, EnvironmentOptions, ResetMode, TimeLimitKind, VectorEnvironment,
};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const IDS: [&str; 8] = [
    "Foraging-8x8-2p-2f-v3",
    "Foraging-2s-6x6-6p-3f-pen-v3",
    "Foraging-grid-1s-6x6-3p-2f-coop-v2",
    "Foraging-15x15-4p-5f-v1",
    "Climbing-v1",
    "Penalty-25-v1",
    "Chain-6-v1",
    "Rendezvous-4x4-2p-v1",
];

fn make(
    id: &str,
    count: usize,
    mode: ResetMode,
    threads: usize,
) -> (Box<dyn VectorEnvironment>, BatchBuffers) {
    let options = EnvironmentOptions {
        time_limit: Some(20),
        ..Default::default()
    };
    let mut batch = envs::make_vector(id, &options, count, mode, threads).unwrap();
    let spec = batch.spec().clone();
    let mut buffers = BatchBuffers::new(&spec, count)
        .with_action_mask(&spec)
        .with_states(&spec)
        .with_final_observations(&spec);
    batch.seed(5);
    batch.reset_all(&mut buffers).unwrap();
    (batch, buffers)
}

fn draw(random: &mut Pcg64, batch: &dyn VectorEnvironment) -> Vec<u8> {
    let actions = batch.spec().actions as u32;
    (0..batch.len() * batch.spec().agents)
        .map(|_| random.integer(0, actions) as u8)
        .collect()
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for id in IDS {
        let mut runs = [1, 2, 3].map(|threads| make(id, 333, ResetMode::Automatic, threads));
        let mut random = Pcg64::seeded(2);
        for step in 0..60 {
            let actions = draw(&mut random, runs[0].0.as_ref());
            for (batch, buffers) in &mut runs {
                batch.step(&actions, buffers).unwrap();
            }
            assert!(
                runs[0].1 == runs[1].1 && runs[0].1 == runs[2].1,
                "{id}, step {step}"
            );
        }
        assert_eq!(runs[0].0.save(), runs[2].0.save(), "{id}");
    }
}

#[test]
fn a_step_allocates_nothing() {
    for id in IDS {
        let (mut batch, mut buffers) = make(id, 64, ResetMode::Automatic, 1);
        let mut random = Pcg64::seeded(3);
        let joint: Vec<Vec<u8>> = (0..200)
            .map(|_| draw(&mut random, batch.as_ref()))
            .collect();
        let before = ALLOCATIONS.with(Cell::get);
        for actions in &joint {
            batch.step(actions, &mut buffers).unwrap();
        }
        assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0, "{id}");
    }
}

/// A restored batch continues bit for bit; a copy does not depend on how many stand beside it, and
/// no two copies start alike.
#[test]
fn a_batch_resumes_and_its_copies_are_independent() {
    for id in ["Foraging-8x8-2p-2f-v3", "Rendezvous-4x4-2p-v1"] {
        let (mut batch, mut buffers) = make(id, 3, ResetMode::Automatic, 1);
        let saved = batch.save();
        let mut again = make(id, 3, ResetMode::Automatic, 1).0;
        let mut other_buffers = buffers.clone();
        again.restore(&saved).unwrap();
        let mut random = Pcg64::seeded(4);
        for _ in 0..50 {
            let actions = draw(&mut random, batch.as_ref());
            batch.step(&actions, &mut buffers).unwrap();
            again.step(&actions, &mut other_buffers).unwrap();
            assert_eq!(buffers, other_buffers);
        }
        let first = make(id, 1, ResetMode::Automatic, 1).1;
        let many = make(id, 9, ResetMode::Automatic, 1).1;
        assert_eq!(
            first.observations,
            many.observations[..first.observations.len()]
        );
        assert_ne!(
            many.observations[..first.observations.len()],
            many.observations[first.observations.len()..][..first.observations.len()]
        );
    }
}

#[test]
fn an_automatic_reset_keeps_the_end_and_shows_the_start() {
    let options = EnvironmentOptions {
        time_limit: Some(3),
        time_limit_as: TimeLimitKind::Truncation,
        ..Default::default()
    };
    let mut batch = envs::make_vector(
        "Foraging-8x8-2p-2f-v3",
        &options,
        1,
        ResetMode::Automatic,
        1,
    )
    .unwrap();
    let spec = batch.spec().clone();
    let mut buffers = BatchBuffers::new(&spec, 1).with_final_observations(&spec);
    batch.reset_all(&mut buffers).unwrap();
    let start = buffers.observations.clone();
    for step in 1..=3 {
        batch.step(&[0, 0], &mut buffers).unwrap();
        assert_eq!(buffers.truncated, [step == 3]);
    }
    assert_eq!(
        buffers.final_observations, start,
        "nobody moved, so the end looks like the start"
    );
    assert_ne!(buffers.observations, start);
    assert_eq!(batch.diagnostics().resets, 2);
}

#[test]
fn a_held_copy_stands_still_until_all_are_reset() {
    let options = EnvironmentOptions::default();
    let mut batch = envs::make_vector("Chain-2-v1", &options, 2, ResetMode::Hold, 1).unwrap();
    let mut buffers = BatchBuffers::new(batch.spec(), 2);
    batch.reset_all(&mut buffers).unwrap();
    for _ in 0..3 {
        batch.step(&[0, 0, 1, 1], &mut buffers).unwrap();
    }
    assert_eq!(buffers.terminated, [true, true]);
    let end = buffers.observations.clone();
    batch.step(&[2, 2, 2, 2], &mut buffers).unwrap();
    assert_eq!(
        (buffers.rewards.as_slice(), &buffers.observations),
        ([0.0; 4].as_slice(), &end)
    );
    assert_eq!(buffers.terminated, [true, true]);
    batch.reset_all(&mut buffers).unwrap();
    assert_eq!(buffers.terminated, [false, false]);
    batch.step(&[0, 0, 0, 0], &mut buffers).unwrap();
    assert_eq!(buffers.rewards, [0.5; 4]);
}

#[test]
fn a_common_reward_is_the_sum() {
    let play = |common_reward| {
        let options = EnvironmentOptions {
            common_reward,
            ..Default::default()
        };
        let mut batch = envs::make_vector(
            "Foraging-5x5-3p-1f-v3",
            &options,
            200,
            ResetMode::Automatic,
            1,
        )
        .unwrap();
        let mut buffers = BatchBuffers::new(batch.spec(), 200);
        batch.seed(1);
        batch.reset_all(&mut buffers).unwrap();
        let mut random = Pcg64::seeded(1);
        let mut rewards = Vec::new();
        for _ in 0..40 {
            let actions = draw(&mut random, batch.as_ref());
            batch.step(&actions, &mut buffers).unwrap();
            rewards.extend(buffers.rewards.chunks_exact(3).map(<[f64]>::to_vec));
        }
        rewards
    };
    let (own, common) = (play(false), play(true));
    assert!(own.iter().any(|rewards| rewards.iter().sum::<f64>() > 0.0));
    for (own, common) in own.iter().zip(common) {
        assert_eq!(common, [own.iter().sum::<f64>(); 3]);
    }
}

#[test]
fn wrong_input_is_refused_and_nothing_moves() {
    let (mut batch, mut buffers) = make("Foraging-8x8-2p-2f-v3", 4, ResetMode::Automatic, 1);
    let saved = batch.save();
    let error = batch
        .step(&[0, 0, 0, 0, 0, 6, 0, 0], &mut buffers)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "action of agent 1 in environment 2: 6 - allowed: 0 to 5 - pass an index into the action names"
    );
    assert!(matches!(
        batch.step(&[0; 7], &mut buffers),
        Err(EnvironmentError::Buffer {
            buffer: "actions",
            ..
        })
    ));
    buffers.observations.pop();
    let error = batch.step(&[0; 8], &mut buffers).unwrap_err().to_string();
    assert!(
        error.starts_with("length of observations: 95 - allowed: 96"),
        "{error}"
    );
    let mut broken = saved.clone();
    broken[100] ^= 1;
    assert!(batch.restore(&broken).is_err() && batch.restore(&saved[..50]).is_err());
    assert!(
        make("Foraging-8x8-2p-2f-v3", 5, ResetMode::Automatic, 1)
            .0
            .restore(&saved)
            .is_err()
    );
    assert_eq!(batch.save(), saved);
}
