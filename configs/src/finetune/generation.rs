//! `[generation]`: how responses are sampled.

use serde::{Deserialize, Serialize};

use super::ServerConfig;
use crate::field::{Field, FieldKind};

/// Who answers, how often and how freely.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerationConfig {
    /// Who answers the prompts: the policy itself, or a server that runs it.
    pub kind: Source,
    /// Responses sampled for each prompt, the paper's K.
    pub responses: usize,
    /// Temperature of sampling.
    pub temperature: f64,
    /// Smallest share of probability that is sampled from.
    pub top_p: f64,
    /// Most tokens that are sampled from; 0 for all.
    pub top_k: u64,
    /// Tokens after which a response is cut.
    pub max_new_tokens: usize,
    /// Tokens of all responses that are generated side by side, prompts included.
    pub batch_tokens: usize,
    /// The server, where one answers.
    pub server: ServerConfig,
}

/// Who answers the prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The model that is trained.
    #[default]
    Policy,
    /// An OpenAI-compatible server that runs the same model.
    Server,
}

impl Default for GenerationConfig {
    fn default() -> Self {
        Self {
            kind: Source::Policy,
            responses: 5,
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            max_new_tokens: 512,
            batch_tokens: 65_536,
            server: ServerConfig::default(),
        }
    }
}

impl GenerationConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "generation.kind",
            "From",
            FieldKind::Variant {
                values: &["policy", "server"],
            },
            "Who answers the prompts: the policy itself, or a server that runs it.",
        ),
        Field::new(
            "generation.responses",
            "Responses",
            FieldKind::Integer { min: 1, max: 4_096 },
            "Responses sampled for each prompt, the paper's K.",
        )
        .known_as(&["num_return_sequences", "k", "n"]),
        Field::new(
            "generation.temperature",
            "Temperature",
            FieldKind::Number {
                min: 0.0,
                max: 100.0,
                min_excluded: false,
            },
            "Temperature of sampling.",
        ),
        Field::new(
            "generation.top_p",
            "Top-p",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: true,
            },
            "Smallest share of probability that is sampled from.",
        ),
        Field::new(
            "generation.top_k",
            "Top-k",
            FieldKind::Integer {
                min: 0,
                max: i64::MAX,
            },
            "Most tokens that are sampled from; 0 for all.",
        )
        .advanced(),
        Field::new(
            "generation.max_new_tokens",
            "Longest response",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Tokens after which a response is cut.",
        )
        .unit("tokens")
        .known_as(&["max_tokens", "max_completion_length"]),
        Field::new(
            "generation.batch_tokens",
            "Tokens in the batch",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Tokens of all responses that are generated side by side, prompts included.",
        )
        .unit("tokens")
        .advanced(),
    ];
}
