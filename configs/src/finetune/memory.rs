//! `[memory]`: what is held in memory.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// Memory against time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryConfig {
    /// Whether intermediate values are kept for the gradient or computed again.
    pub activations: Activations,
    /// Tokens whose logits exist at the same time.
    pub logit_chunk: usize,
    /// Whether texts share a pass without padding, and the responses of a pair their prompt.
    pub pack: bool,
}

/// What is kept for the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activations {
    /// Every intermediate value.
    #[default]
    Keep,
    /// The input of each layer; the rest is computed again.
    Recompute,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            activations: Activations::Keep,
            logit_chunk: 512,
            pack: true,
        }
    }
}

impl MemoryConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "memory.activations",
            "Activations",
            FieldKind::Choice {
                values: &["keep", "recompute"],
            },
            "Whether intermediate values are kept for the gradient or computed again.",
        )
        .known_as(&["gradient_checkpointing"]),
        Field::new(
            "memory.logit_chunk",
            "Logits at once",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Tokens whose logits exist at the same time.",
        )
        .unit("tokens")
        .advanced(),
        Field::new(
            "memory.pack",
            "Pack",
            FieldKind::Boolean,
            "Whether texts share a pass without padding, and the responses of a pair their prompt.",
        )
        .known_as(&["packing", "padding_free"]),
    ];
}
