//! `[logging]`: what is written down along the way.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// How often figures are written, and where else than into `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingConfig {
    /// Seconds between two refreshes of the run's status.
    pub interval_secs: f64,
    /// Whether TensorBoard files are written as well.
    pub tensorboard: bool,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self {
            interval_secs: 1.0,
            tensorboard: true,
        }
    }
}

impl LoggingConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "logging.interval_secs",
            "Status interval",
            FieldKind::Number {
                min: 0.0,
                max: 3_600.0,
                min_excluded: true,
            },
            "Seconds between two refreshes of the run's status.",
        )
        .unit("seconds")
        .advanced(),
        Field::new(
            "logging.tensorboard",
            "TensorBoard",
            FieldKind::Boolean,
            "Whether TensorBoard files are written as well.",
        ),
    ];
}
