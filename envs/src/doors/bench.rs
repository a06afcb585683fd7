//! `concord env bench`: how many steps a second.
//!
//! # The floor
//!
//! What a step of `Foraging-8x8-2p-2f-v3` must do at the least, all observations written:
//! * write 114 bytes: 24 observation numbers (96), 2 rewards (16), 2 flags; read 2 actions and about
//!   100 bytes of memory of the copy;
//! * per agent: one addition for the target, two comparisons with the border and one with each food,
//!   one comparison with every other agent's target, and the conversion of row, column and level to
//!   floating point.
//!
//! That is some 60 arithmetic operations and 30 stores, so about 40 cycles on a core that retires
//! two to three a cycle. A start costs about 16 random words (8 products of 128 bits) and comes once
//! in at most 50 steps. `15x15-4p-5f` writes 468 bytes and compares 4 x 5 foods.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::batch::engine::threads;
use crate::batch::{BatchBuffers, ResetMode};
use crate::error::EnvironmentError;
use crate::numpy_random::Pcg64;
use crate::options::EnvironmentOptions;
use crate::registry::make_vector_on;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchOptions {
    /// How long to measure, after a short warm-up.
    pub seconds: f64,
    /// Threads that step the batch.
    pub threads: usize,
    /// Copies in the batch; 0 takes 1024 per thread.
    pub environments: usize,
    /// Writes action masks as well.
    pub action_masks: bool,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self {
            seconds: 2.0,
            threads: 1,
            environments: 0,
            action_masks: false,
        }
    }
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// The environment.
    pub id: String,
    /// Copies in the batch.
    pub environments: usize,
    /// Threads that stepped it.
    pub threads: usize,
    /// Measured time.
    pub seconds: f64,
    /// Steps of copies.
    pub env_steps: u64,
    /// Steps of copies per second, over the whole measured time.
    pub env_steps_per_second: f64,
    /// The same over the fastest tenth of a second: what a quiet machine gives.
    pub best_env_steps_per_second: f64,
    /// Steps of copies per second times agents.
    pub agent_steps_per_second: f64,
    /// Heap allocations per step of a copy.
    pub allocations_per_step: f64,
    /// Bytes written per step of a copy: observations, rewards, flags, masks.
    pub bytes_written_per_step: usize,
    /// Episodes that ended.
    pub episodes: u64,
}

/// Steps a batch under uniformly random actions, observations written, with automatic reset.
///
/// `allocation_count` returns the heap allocations of the process so far; it lives in the binary,
/// because a counting allocator must.
///
/// # Errors
/// As [`crate::make_vector`].
pub fn bench(
    id: &str,
    options: &EnvironmentOptions,
    bench: &BenchOptions,
    allocation_count: &(dyn Fn() -> u64 + Sync),
) -> Result<BenchReport, EnvironmentError> {
    let pool = threads(bench.threads)?;
    let copies = if bench.environments == 0 {
        1024 * bench.threads.max(1)
    } else {
        bench.environments
    };
    let mut batch = make_vector_on(id, options, copies, ResetMode::Automatic, pool.clone())?;
    let spec = batch.spec().clone();
    let mut buffers = BatchBuffers::new(&spec, copies);
    if bench.action_masks {
        buffers = buffers.with_action_mask(&spec);
    }
    let bytes = 4 * spec.joint_observation_size()
        + 8 * spec.agents
        + 2
        + buffers.action_mask.len() / copies;
    // Drawing actions is the caller's work, so it is done before: each step reads the list of random
    // actions from another random place.
    let mut random = Pcg64::seeded(1);
    let joint = copies * spec.agents;
    let actions: Vec<u8> = (0..joint + 65_536)
        .map(|_| random.integer(0, spec.actions as u32) as u8)
        .collect();
    let mut measure = move || -> Result<BenchReport, EnvironmentError> {
        batch.reset_all(&mut buffers)?;
        let mut step = |buffers: &mut BatchBuffers| {
            let start = random.integer(0, 65_536) as usize;
            batch.step(&actions[start..][..joint], buffers)
        };
        for _ in 0..60 {
            step(&mut buffers)?;
        }
        let resets = |count: u64| count.saturating_sub(copies as u64);
        let allocations = allocation_count();
        let wanted = Duration::from_secs_f64(bench.seconds.clamp(0.01, 3600.0));
        let begin = Instant::now();
        let (mut rounds, mut best) = (0_u64, 0.0_f64);
        let (mut window, mut window_rounds) = (begin, 0_u64);
        while begin.elapsed() < wanted {
            for _ in 0..4 {
                step(&mut buffers)?;
            }
            rounds += 4;
            window_rounds += 4;
            let spent = window.elapsed();
            if spent > Duration::from_millis(100) {
                best = best.max((window_rounds * copies as u64) as f64 / spent.as_secs_f64());
                (window, window_rounds) = (Instant::now(), 0);
            }
        }
        let seconds = begin.elapsed().as_secs_f64();
        let allocations = allocation_count() - allocations;
        let env_steps = rounds * copies as u64;
        let rate = env_steps as f64 / seconds;
        Ok(BenchReport {
            id: spec.id.clone(),
            environments: copies,
            threads: bench.threads.max(1),
            seconds,
            env_steps,
            env_steps_per_second: rate,
            best_env_steps_per_second: best.max(rate),
            agent_steps_per_second: rate * spec.agents as f64,
            allocations_per_step: allocations as f64 / env_steps as f64,
            bytes_written_per_step: bytes,
            episodes: resets(batch.diagnostics().resets),
        })
    };
    // Inside the pool a step reaches its threads without passing the queue from outside.
    match pool {
        Some(pool) => pool.install(measure),
        None => measure(),
    }
}
