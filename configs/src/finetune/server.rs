//! `[generation.server]` and `[oracle.server]`: an OpenAI-compatible server.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// Where a server is and how patiently it is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address of an OpenAI-compatible server, up to /v1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The model's name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Environment variable that holds the key; it may be unset.
    pub key_variable: String,
    /// Requests under way at the same time.
    pub concurrency: usize,
    /// Seconds after which a request is given up.
    pub timeout_seconds: f64,
    /// How often a failed request is sent again.
    pub retries: u32,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            url: None,
            model: None,
            key_variable: "OPENAI_API_KEY".to_owned(),
            concurrency: 8,
            timeout_seconds: 120.0,
            retries: 4,
        }
    }
}

impl ServerConfig {
    /// The field table of the server that answers prompts.
    pub const GENERATION_FIELDS: &'static [Field] = &[
        Field::new(
            "generation.server.url",
            "Server",
            FieldKind::Text,
            "Address of an OpenAI-compatible server, up to /v1.",
        )
        .optional()
        .known_as(&["base_url"])
        .when("generation.kind", &["server"]),
        Field::new(
            "generation.server.model",
            "Model at the server",
            FieldKind::Text,
            "The model's name there.",
        )
        .optional()
        .when("generation.kind", &["server"]),
        Field::new(
            "generation.server.key_variable",
            "Key variable",
            FieldKind::Text,
            "Environment variable that holds the key; it may be unset.",
        )
        .advanced()
        .when("generation.kind", &["server"]),
        Field::new(
            "generation.server.concurrency",
            "Concurrency",
            FieldKind::Integer { min: 1, max: 4_096 },
            "Requests under way at the same time.",
        )
        .advanced()
        .when("generation.kind", &["server"]),
        Field::new(
            "generation.server.timeout_seconds",
            "Timeout",
            FieldKind::Number {
                min: 0.0,
                max: 86_400.0,
                min_excluded: true,
            },
            "Seconds after which a request is given up.",
        )
        .unit("seconds")
        .advanced()
        .when("generation.kind", &["server"]),
        Field::new(
            "generation.server.retries",
            "Retries",
            FieldKind::Integer { min: 0, max: 100 },
            "How often a failed request is sent again.",
        )
        .advanced()
        .when("generation.kind", &["server"]),
    ];

    /// The field table of the server that judges.
    pub const ORACLE_FIELDS: &'static [Field] = &[
        Field::new(
            "oracle.server.url",
            "Server",
            FieldKind::Text,
            "Address of an OpenAI-compatible server, up to /v1.",
        )
        .optional()
        .known_as(&["base_url"])
        .when("oracle.kind", &["judge"]),
        Field::new(
            "oracle.server.model",
            "Model at the server",
            FieldKind::Text,
            "The model's name there.",
        )
        .optional()
        .when("oracle.kind", &["judge"]),
        Field::new(
            "oracle.server.key_variable",
            "Key variable",
            FieldKind::Text,
            "Environment variable that holds the key; it may be unset.",
        )
        .advanced()
        .when("oracle.kind", &["judge"]),
        Field::new(
            "oracle.server.concurrency",
            "Concurrency",
            FieldKind::Integer { min: 1, max: 4_096 },
            "Requests under way at the same time.",
        )
        .advanced()
        .when("oracle.kind", &["judge"]),
        Field::new(
            "oracle.server.timeout_seconds",
            "Timeout",
            FieldKind::Number {
                min: 0.0,
                max: 86_400.0,
                min_excluded: true,
            },
            "Seconds after which a request is given up.",
        )
        .unit("seconds")
        .advanced()
        .when("oracle.kind", &["judge"]),
        Field::new(
            "oracle.server.retries",
            "Retries",
            FieldKind::Integer { min: 0, max: 100 },
            "How often a failed request is sent again.",
        )
        .advanced()
        .when("oracle.kind", &["judge"]),
    ];
}
