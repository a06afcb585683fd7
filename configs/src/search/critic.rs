//! `[critic]`: how steps are judged.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// What the critic is asked for, and how it may reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CriticConfig {
    /// What the critic is asked for: what the last step added, or how good the state is.
    pub score: CriticScore,
    /// Whether the score is the expectation over the allowed replies, where the backend can tell their probabilities.
    pub constrained: bool,
    /// Tokens after which a judgement is cut.
    pub max_tokens: u64,
    /// Temperature of the judgement; 0 for the likeliest reply.
    pub temperature: f64,
}

/// What the critic is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CriticScore {
    /// What the last step added.
    #[default]
    Residual,
    /// How good the state is.
    Absolute,
}

impl Default for CriticConfig {
    fn default() -> Self {
        Self {
            score: CriticScore::Residual,
            constrained: true,
            max_tokens: 128,
            temperature: 0.0,
        }
    }
}

impl CriticConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new("critic.score", "Score", FieldKind::Choice { values: &["residual", "absolute"] }, "What the critic is asked for: what the last step added, or how good the state is."),
        Field::new("critic.constrained", "Constrained", FieldKind::Boolean, "Whether the score is the expectation over the allowed replies, where the backend can tell their probabilities.").when("model.kind", &["local", "server"]),
        Field::new("critic.max_tokens", "Most tokens", FieldKind::Integer { min: 1, max: 1_000_000 }, "Tokens after which a judgement is cut.").unit("tokens"),
        Field::new("critic.temperature", "Temperature", FieldKind::Number { min: 0.0, max: 100.0, min_excluded: false }, "Temperature of the judgement; 0 for the likeliest reply.").advanced().when("model.kind", &["local", "server"]),
    ];
}
