//! `[evaluation]`: how progress is measured.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// When held-out prompts are answered, and how many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Updates between two evaluations; absent, one per iteration or epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_updates: Option<u64>,
    /// Held-out prompts of an evaluation, from the first.
    pub prompts: u64,
    /// Responses to each of them.
    pub responses: usize,
    /// Prompts whose responses are kept as samples.
    pub shown: usize,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self {
            every_updates: None,
            prompts: 128,
            responses: 1,
            shown: 4,
        }
    }
}

impl EvaluationConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "evaluation.every_updates",
            "Every",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Updates between two evaluations; absent, one per iteration or epoch.",
        )
        .unit("updates")
        .optional(),
        Field::new(
            "evaluation.prompts",
            "Prompts",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Held-out prompts of an evaluation, from the first.",
        )
        .unit("prompts"),
        Field::new(
            "evaluation.responses",
            "Responses",
            FieldKind::Integer { min: 1, max: 4_096 },
            "Responses to each of them.",
        ),
        Field::new(
            "evaluation.shown",
            "Shown",
            FieldKind::Integer { min: 0, max: 1_000 },
            "Prompts whose responses are kept as samples.",
        )
        .advanced(),
    ];
}
