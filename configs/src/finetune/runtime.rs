//! `[runtime]`: where the work is done.

use serde::{Deserialize, Serialize};

use crate::device::DeviceChoice;
use crate::field::{Field, FieldKind};

/// Devices and threads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeConfig {
    /// Where the model computes.
    pub device: DeviceChoice,
    /// LibTorch's threads within one operation; 0 for every core.
    pub threads: usize,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            device: DeviceChoice::Auto,
            threads: 0,
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
        ),
        Field::new(
            "runtime.threads",
            "Threads",
            FieldKind::Integer { min: 0, max: 1_024 },
            "LibTorch's threads within one operation; 0 for every core.",
        )
        .unit("threads")
        .advanced(),
    ];
}
