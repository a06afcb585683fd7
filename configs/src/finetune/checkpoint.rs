//! `[checkpoint]`: what is kept on disk to resume from.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// When checkpoints are written and which ones stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Updates between two checkpoints.
    pub every_updates: u64,
    /// Newest checkpoints kept.
    pub keep_last: usize,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self {
            every_updates: 100,
            keep_last: 1,
        }
    }
}

impl CheckpointConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "checkpoint.every_updates",
            "Every",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Updates between two checkpoints.",
        )
        .unit("updates")
        .known_as(&["save_steps"]),
        Field::new(
            "checkpoint.keep_last",
            "Keep last",
            FieldKind::Integer {
                min: 1,
                max: 1_000_000,
            },
            "Newest checkpoints kept.",
        )
        .unit("checkpoints"),
    ];
}
