//! How many runs the machine carries at the same time.
//!
//! A run keeps `learner_shards x threads` cores busy while it learns and `actors` cores
//! while it plays. In lockstep without lag it does one after the other and needs the
//! larger number; otherwise both overlap and it needs the sum. `auto` starts as many runs
//! as the cores hold by the largest of these, at least one, and no more than four fifths
//! of the free memory hold by the estimate of [`memory`].

use configs::experiment::Experiment;
use configs::{RunConfig, RuntimeMode, TrainConfig};

use crate::arguments::Jobs;
use crate::failure::Failure;
use crate::settings;

/// A worker without its replay: LibTorch, networks, batches and buffers.
const WORKER_BYTES: f64 = 600e6;
/// The part of the free memory that runs may take.
const MEMORY_SHARE: f64 = 0.8;

/// The number of runs at the same time and the reason for it.
pub(super) fn decide(asked: Jobs, experiment: &Experiment) -> Result<(usize, String), Failure> {
    if let Jobs::Count(count) = asked {
        return Ok((count, "as asked for with --jobs".to_owned()));
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let (mut threads, mut bytes) = (1, WORKER_BYTES);
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for run in &experiment.runs {
        let RunConfig::Train(train) = &run.config else {
            continue;
        };
        threads = threads.max(threads_of(train));
        // The environment is the same for all methods of a task.
        if !seen.contains(&(&run.task, &run.method)) {
            seen.push((&run.task, &run.method));
            bytes = f64::max(bytes, memory(train, &run.config)?);
        }
    }
    Ok(divide(cores, threads, free_memory(), bytes))
}

fn divide(cores: usize, threads: usize, free: Option<f64>, bytes: f64) -> (usize, String) {
    let by_cores = (cores / threads.max(1)).max(1);
    let by_memory = free.map(|free| ((free * MEMORY_SHARE / bytes) as usize).max(1));
    let gigabytes = bytes / 1e9;
    match by_memory {
        Some(by_memory) if by_memory < by_cores => (
            by_memory,
            format!("a run takes about {gigabytes:.1} GB of the free memory"),
        ),
        _ => (
            by_cores,
            format!("{cores} cores, and a run keeps {threads} busy"),
        ),
    }
}

fn threads_of(train: &TrainConfig) -> usize {
    let runtime = &train.runtime;
    let learner = runtime
        .learner_shards
        .saturating_mul(runtime.threads.max(1));
    match runtime.mode {
        RuntimeMode::Lockstep(mode) if mode.lag_rounds == 0 => learner.max(runtime.actors),
        _ => learner.saturating_add(runtime.actors),
    }
}

/// Bytes of a run: the worker, and the replay with its observations in four bytes each
/// and about 16 bytes more per agent and step.
fn memory(train: &TrainConfig, config: &RunConfig) -> Result<f64, Failure> {
    let spec = settings::environment(config)?;
    let steps = (spec.max_episode_steps + 1) as f64;
    let row = spec.agents as f64 * (spec.observation_size as f64 * 4.0 + 16.0);
    Ok(WORKER_BYTES + train.replay.capacity_episodes as f64 * steps * row)
}

/// Bytes that may still be taken: what the kernel says is available, within the limit of
/// this process's control group. None where neither is told.
fn free_memory() -> Option<f64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.as_deref().and_then(available);
    let number =
        |path: &str| -> Option<f64> { std::fs::read_to_string(path).ok()?.trim().parse().ok() };
    let group = number("/sys/fs/cgroup/memory.max")
        .zip(number("/sys/fs/cgroup/memory.current"))
        .map(|(most, now)| (most - now).max(0.0));
    match (machine, group) {
        (Some(machine), Some(group)) => Some(machine.min(group)),
        (machine, group) => machine.or(group),
    }
}

fn available(meminfo: &str) -> Option<f64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use configs::{FreeMode, LockstepMode};

    #[test]
    fn cores_and_memory_both_limit_and_one_run_always_goes() {
        assert_eq!(divide(8, 3, None, 1e9).0, 2);
        assert_eq!(divide(2, 3, None, 1e9).0, 1);
        assert_eq!(divide(16, 1, Some(10e9), 2e9).0, 4);
        assert_eq!(divide(16, 1, Some(1e9), 2e9).0, 1);
    }

    #[test]
    fn actors_and_learner_add_up_only_where_they_overlap() {
        let mut train = TrainConfig::default();
        train.runtime.actors = 2;
        train.runtime.learner_shards = 3;
        assert_eq!(threads_of(&train), 3);
        train.runtime.mode = RuntimeMode::Lockstep(LockstepMode { lag_rounds: 1 });
        assert_eq!(threads_of(&train), 5);
        train.runtime.mode = RuntimeMode::Free(FreeMode::default());
        assert_eq!(threads_of(&train), 5);
    }

    #[test]
    fn the_kernel_tells_kilobytes() {
        let text = "MemTotal:  100 kB\nMemAvailable:   2048 kB\n";
        assert_eq!(available(text), Some(2_097_152.0));
        assert_eq!(available("nothing"), None);
    }
}
