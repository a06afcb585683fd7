//! `[iterations]`: rounds of generating and training.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// How the prompts are spread over rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IterationsConfig {
    /// Rounds of generate, judge, select and train; 0 trains on the data's own pairs.
    pub count: usize,
    /// Prompts of an iteration; absent, they are split evenly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompts: Option<u64>,
    /// Responses of a prompt that the win rate is estimated from, beginning with the chosen ones; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub win_rate_responses: Option<u64>,
    /// Whether the model of every iteration stays on disk.
    pub keep_models: bool,
}

impl Default for IterationsConfig {
    fn default() -> Self {
        Self {
            count: 3,
            prompts: None,
            win_rate_responses: None,
            keep_models: true,
        }
    }
}

impl IterationsConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new("iterations.count", "Iterations", FieldKind::Integer { min: 0, max: 10_000 }, "Rounds of generate, judge, select and train; 0 trains on the data's own pairs.").known_as(&["num_iterations"]),
        Field::new("iterations.prompts", "Prompts per iteration", FieldKind::Integer { min: 1, max: i64::MAX }, "Prompts of an iteration; absent, they are split evenly.").unit("prompts").optional(),
        Field::new("iterations.win_rate_responses", "Win rate from", FieldKind::Integer { min: 2, max: 4_096 }, "Responses of a prompt that the win rate is estimated from, beginning with the chosen ones; all when absent.").optional().advanced(),
        Field::new("iterations.keep_models", "Keep models", FieldKind::Boolean, "Whether the model of every iteration stays on disk."),
    ];
}
