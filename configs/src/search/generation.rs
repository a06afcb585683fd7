//! `[generation]`: how steps and answers are sampled.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// How freely the policy replies, and how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerationConfig {
    /// Temperature of sampling; 0 for the likeliest reply.
    pub temperature: f64,
    /// Smallest share of probability that is sampled from.
    pub top_p: f64,
    /// Most tokens that are sampled from; 0 for all.
    pub top_k: u64,
    /// Tokens after which a step is cut.
    pub max_step_tokens: u64,
    /// Fewest tokens that a step is still started with, near the end of the budget.
    pub min_step_tokens: u64,
    /// Tokens after which the plan is cut.
    pub max_plan_tokens: u64,
    /// Tokens after which an answer is cut.
    pub max_answer_tokens: u64,
}

impl Default for GenerationConfig {
    fn default() -> Self {
        Self {
            temperature: 0.7,
            top_p: 0.95,
            top_k: 0,
            max_step_tokens: 512,
            min_step_tokens: 64,
            max_plan_tokens: 256,
            max_answer_tokens: 256,
        }
    }
}

impl GenerationConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "generation.temperature",
            "Temperature",
            FieldKind::Number {
                min: 0.0,
                max: 100.0,
                min_excluded: false,
            },
            "Temperature of sampling; 0 for the likeliest reply.",
        )
        .when("model.kind", &["local", "server"]),
        Field::new(
            "generation.top_p",
            "Top p",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: true,
            },
            "Smallest share of probability that is sampled from.",
        )
        .advanced()
        .when("model.kind", &["local", "server"]),
        Field::new(
            "generation.top_k",
            "Top k",
            FieldKind::Integer {
                min: 0,
                max: i64::MAX,
            },
            "Most tokens that are sampled from; 0 for all.",
        )
        .advanced()
        .when("model.kind", &["local", "server"]),
        Field::new(
            "generation.max_step_tokens",
            "Most tokens of a step",
            FieldKind::Integer {
                min: 1,
                max: 1_000_000,
            },
            "Tokens after which a step is cut.",
        )
        .unit("tokens")
        .known_as(&["max_new_tokens"]),
        Field::new(
            "generation.min_step_tokens",
            "Fewest tokens of a step",
            FieldKind::Integer {
                min: 1,
                max: 1_000_000,
            },
            "Fewest tokens that a step is still started with, near the end of the budget.",
        )
        .unit("tokens")
        .advanced(),
        Field::new(
            "generation.max_plan_tokens",
            "Most tokens of the plan",
            FieldKind::Integer {
                min: 1,
                max: 1_000_000,
            },
            "Tokens after which the plan is cut.",
        )
        .unit("tokens")
        .advanced(),
        Field::new(
            "generation.max_answer_tokens",
            "Most tokens of an answer",
            FieldKind::Integer {
                min: 1,
                max: 1_000_000,
            },
            "Tokens after which an answer is cut.",
        )
        .unit("tokens")
        .advanced(),
    ];
}
