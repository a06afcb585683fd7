//! `[runtime]`: how the work is spread over threads and devices.

use serde::{Deserialize, Serialize};

use crate::device::DeviceChoice;
use crate::field::{Field, FieldKind};

/// Actors, their environments, the learner and the devices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeConfig {
    /// Threads that step environments.
    pub actors: usize,
    /// Environments that each actor steps together.
    pub environments_per_actor: usize,
    /// Learner updates for each finished episode; fractions add up.
    pub updates_per_episode: f64,
    /// Messages that may wait between the actors and the learner.
    pub queue_capacity: usize,
    /// Where the learner computes.
    pub device: DeviceChoice,
    /// LibTorch's threads within one operation; small networks are fastest with one.
    pub threads: usize,
    /// Threads that each take an equal part of every batch.
    pub learner_shards: usize,
    /// How tightly actors and learner keep step.
    pub mode: RuntimeMode,
}

/// How tightly actors and learner keep step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RuntimeMode {
    /// A fixed number of updates per round of episodes: the same seed gives the
    /// same run, bit for bit, whatever the timing.
    Lockstep(LockstepMode),
    /// Actors and learner run as they can, within a bound on staleness.
    Free(FreeMode),
}

/// A fixed number of updates per round of episodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LockstepMode {
    /// Rounds by which the actors' weights lag: 0 waits for the learner, 1 overlaps with it.
    pub lag_rounds: u32,
}

/// Actors and learner run as they can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FreeMode {
    /// Learner updates by which the weights of an actor may be old.
    pub max_staleness_updates: u64,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            actors: 1,
            environments_per_actor: 1,
            updates_per_episode: 1.0,
            queue_capacity: 4,
            device: DeviceChoice::Auto,
            threads: 1,
            learner_shards: 1,
            mode: RuntimeMode::default(),
        }
    }
}

impl Default for RuntimeMode {
    fn default() -> Self {
        Self::Lockstep(LockstepMode::default())
    }
}

impl Default for FreeMode {
    fn default() -> Self {
        Self {
            max_staleness_updates: 64,
        }
    }
}

impl RuntimeConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "runtime.actors",
            "Actors",
            FieldKind::Integer { min: 1, max: 4_096 },
            "Threads that step environments.",
        )
        .unit("threads"),
        Field::new(
            "runtime.environments_per_actor",
            "Environments per actor",
            FieldKind::Integer {
                min: 1,
                max: 1_000_000,
            },
            "Environments that each actor steps together.",
        )
        .known_as(&["batch_size_run", "num_envs"])
        .unit("environments"),
        Field::new(
            "runtime.updates_per_episode",
            "Updates per episode",
            FieldKind::Number {
                min: 0.0,
                max: 1_000.0,
                min_excluded: true,
            },
            "Learner updates for each finished episode; fractions add up.",
        )
        .unit("updates"),
        Field::new(
            "runtime.queue_capacity",
            "Queue",
            FieldKind::Integer {
                min: 1,
                max: 65_536,
            },
            "Messages that may wait between the actors and the learner.",
        )
        .unit("messages")
        .advanced(),
        Field::new(
            "runtime.device",
            "Device",
            FieldKind::Device,
            "Where the learner computes.",
        ),
        Field::new(
            "runtime.threads",
            "Threads",
            FieldKind::Integer { min: 1, max: 1_024 },
            "LibTorch's threads within one operation; small networks are fastest with one.",
        )
        .unit("threads")
        .advanced(),
        Field::new(
            "runtime.learner_shards",
            "Learner shards",
            FieldKind::Integer { min: 1, max: 1_024 },
            "Threads that each take an equal part of every batch.",
        )
        .unit("threads")
        .advanced(),
        Field::new(
            "runtime.mode.kind",
            "Mode",
            FieldKind::Variant {
                values: &["lockstep", "free"],
            },
            "How tightly actors and learner keep step.",
        ),
        Field::new(
            "runtime.mode.lag_rounds",
            "Lag",
            FieldKind::Integer { min: 0, max: 1 },
            "Rounds by which the actors' weights lag: 0 waits for the learner, 1 overlaps with it.",
        )
        .unit("rounds")
        .advanced()
        .when("runtime.mode.kind", &["lockstep"]),
        Field::new(
            "runtime.mode.max_staleness_updates",
            "Staleness",
            FieldKind::Integer {
                min: 0,
                max: i64::MAX,
            },
            "Learner updates by which the weights of an actor may be old.",
        )
        .unit("updates")
        .advanced()
        .when("runtime.mode.kind", &["free"]),
    ];
}
