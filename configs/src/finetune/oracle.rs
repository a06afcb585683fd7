//! `[oracle]`: who says which response is better.

use serde::{Deserialize, Serialize};

use super::ServerConfig;
use crate::field::{Field, FieldKind};

/// The source of preferences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OracleConfig {
    /// Who says which response is better.
    pub kind: OracleKind,
    /// PairRM or a reward model, of the hub or a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How pair logits become probabilities: pairwise as in the paper, averaged_scores as in the released code.
    pub aggregation: Aggregation,
    /// A difference of rewards is divided by this before it is a log-odds.
    pub temperature: f64,
    /// How a response is compared with the problem's answer.
    pub verifier: VerifierKind,
    /// JSON lines with a judgement of every prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A made-up preference of the responses' text, for tests.
    pub game: Game,
    /// Share of judgements that may fail and count as ties before the stage stops.
    pub max_failures: f64,
    /// File with the judge's instructions, in place of the built-in ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The server, where one judges.
    pub server: ServerConfig,
}

/// Who says which response is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OracleKind {
    /// PairRM.
    PairModel,
    /// A reward model.
    RewardModel,
    /// A language model at an OpenAI-compatible server.
    Judge,
    /// The problem's answer.
    #[default]
    Verifier,
    /// A file.
    ScoresFile,
    /// A made-up preference.
    Synthetic,
}

/// How pair logits become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// Each pair by itself, as in the paper.
    #[default]
    Pairwise,
    /// By differences of mean scores, as in the released code.
    AveragedScores,
}

/// How a response is compared with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifierKind {
    /// The same text, white space apart.
    Exact,
    /// The same number, the last one of the response.
    #[default]
    Numeric,
    /// The content of the last \boxed{}.
    Boxed,
}

/// A made-up preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Game {
    /// Intransitive: by the length modulo three, one beats the next with probability 0.9.
    #[default]
    LengthTriangle,
    /// The shorter response is preferred.
    Shorter,
    /// The longer response is preferred.
    Longer,
}

impl Default for OracleConfig {
    fn default() -> Self {
        Self {
            kind: OracleKind::Verifier,
            model: None,
            aggregation: Aggregation::Pairwise,
            temperature: 1.0,
            verifier: VerifierKind::Numeric,
            path: None,
            game: Game::LengthTriangle,
            max_failures: 0.1,
            prompt: None,
            server: ServerConfig::default(),
        }
    }
}

impl OracleConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new("oracle.kind", "Oracle", FieldKind::Variant { values: &["pair_model", "reward_model", "judge", "verifier", "scores_file", "synthetic"] }, "Who says which response is better."),
        Field::new("oracle.model", "Oracle model", FieldKind::Model, "PairRM or a reward model, of the hub or a folder.").optional().when("oracle.kind", &["pair_model", "reward_model"]),
        Field::new("oracle.aggregation", "Aggregation", FieldKind::Choice { values: &["pairwise", "averaged_scores"] }, "How pair logits become probabilities: pairwise as in the paper, averaged_scores as in the released code.").advanced().when("oracle.kind", &["pair_model", "scores_file"]),
        Field::new("oracle.temperature", "Temperature", FieldKind::Number { min: 0.0, max: 1_000_000.0, min_excluded: true }, "A difference of rewards is divided by this before it is a log-odds.").advanced().when("oracle.kind", &["reward_model", "scores_file"]),
        Field::new("oracle.verifier", "Verifier", FieldKind::Choice { values: &["exact", "numeric", "boxed"] }, "How a response is compared with the problem's answer.").when("oracle.kind", &["verifier"]),
        Field::new("oracle.path", "Scores", FieldKind::Text, "JSON lines with a judgement of every prompt.").optional().when("oracle.kind", &["scores_file"]),
        Field::new("oracle.game", "Game", FieldKind::Choice { values: &["length_triangle", "shorter", "longer"] }, "A made-up preference of the responses' text, for tests.").advanced().when("oracle.kind", &["synthetic"]),
        Field::new("oracle.max_failures", "Most failures", FieldKind::Number { min: 0.0, max: 1.0, min_excluded: false }, "Share of judgements that may fail and count as ties before the stage stops.").advanced().when("oracle.kind", &["judge"]),
        Field::new("oracle.prompt", "Judge prompt", FieldKind::Text, "File with the judge's instructions, in place of the built-in ones.").optional().advanced().when("oracle.kind", &["judge"]),
    ];
}
