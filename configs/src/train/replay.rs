//! `[replay]`: what the agents learn from.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// Whole episodes, the oldest replaced first, sampled evenly without
/// replacement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayConfig {
    /// Episodes kept.
    pub capacity_episodes: usize,
    /// Episodes in each update; the first update waits until so many are kept.
    pub batch_episodes: usize,
}

impl Default for ReplayConfig {
    fn default() -> Self {
        Self {
            capacity_episodes: 5_000,
            batch_episodes: 32,
        }
    }
}

impl ReplayConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "replay.capacity_episodes",
            "Capacity",
            FieldKind::Integer {
                min: 1,
                max: 1_000_000_000,
            },
            "Episodes kept.",
        )
        .known_as(&["buffer_size", "replay_size", "capacity"])
        .unit("episodes"),
        Field::new(
            "replay.batch_episodes",
            "Batch",
            FieldKind::Integer {
                min: 1,
                max: 1_000_000,
            },
            "Episodes in each update; the first update waits until so many are kept.",
        )
        .known_as(&["batch_size"])
        .unit("episodes"),
    ];
}
