//! `[runtime]`: where the work is done.

use serde::{Deserialize, Serialize};

use crate::device::DeviceChoice;
use crate::field::{Field, FieldKind};

/// Devices, threads and how much is done at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeConfig {
    /// Where the model computes.
    pub device: DeviceChoice,
    /// LibTorch's threads within one operation; 0 for every core.
    pub threads: usize,
    /// Questions that are searched at the same time.
    pub parallel_questions: usize,
    /// Jobs of one question that are under way at the same time; many make the tree wide.
    pub jobs_per_question: usize,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            device: DeviceChoice::Auto,
            threads: 0,
            parallel_questions: 1,
            jobs_per_question: 1,
        }
    }
}

impl RuntimeConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "runtime.device",
            "Device",
            FieldKind::Device,
            "Where the model computes.",
        )
        .when("model.kind", &["local"]),
        Field::new(
            "runtime.threads",
            "Threads",
            FieldKind::Integer { min: 0, max: 1_024 },
            "LibTorch's threads within one operation; 0 for every core.",
        )
        .unit("threads")
        .advanced()
        .when("model.kind", &["local"]),
        Field::new(
            "runtime.parallel_questions",
            "Questions at once",
            FieldKind::Integer { min: 1, max: 4_096 },
            "Questions that are searched at the same time.",
        )
        .unit("questions"),
        Field::new(
            "runtime.jobs_per_question",
            "Jobs per question",
            FieldKind::Integer { min: 1, max: 1_024 },
            "Jobs of one question that are under way at the same time; many make the tree wide.",
        )
        .unit("jobs")
        .known_as(&["batch_size"])
        .advanced(),
    ];
}
