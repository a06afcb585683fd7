//! `[checkpoint]`: what is kept on disk to resume from.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// When checkpoints are written and which ones stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointConfig {
    /// Environment steps between two checkpoints.
    pub interval_steps: u64,
    /// Newest checkpoints kept.
    pub keep_last: usize,
    /// Whether the checkpoint with the best evaluation is kept as well.
    pub keep_best: bool,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self {
            interval_steps: 50_000,
            keep_last: 2,
            keep_best: true,
        }
    }
}

impl CheckpointConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "checkpoint.interval_steps",
            "Interval",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Environment steps between two checkpoints.",
        )
        .known_as(&["save_model_interval"])
        .unit("environment steps"),
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
        Field::new(
            "checkpoint.keep_best",
            "Keep best",
            FieldKind::Boolean,
            "Whether the checkpoint with the best evaluation is kept as well.",
        ),
    ];
}
