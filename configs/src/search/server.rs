//! `[server]`: an OpenAI-compatible server.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// Where the server is, what it can do, and how patiently it is asked.
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
    /// Whether tools are offered through the server's tools API; a server that refuses it gets the text form.
    pub tools_api: bool,
    /// Whether replies are streamed.
    pub stream: bool,
    /// Requests under way at the same time.
    pub concurrency: usize,
    /// Seconds after which a request is given up.
    pub timeout_seconds: f64,
    /// How often a failed request is sent again.
    pub retries: u32,
    /// Whether a request that was given up is charged the most tokens that it might have made.
    pub charge_timeouts: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            url: None,
            model: None,
            key_variable: "OPENAI_API_KEY".to_owned(),
            tools_api: false,
            stream: false,
            concurrency: 8,
            timeout_seconds: 120.0,
            retries: 4,
            charge_timeouts: true,
        }
    }
}

impl ServerConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new("server.url", "Server", FieldKind::Text, "Address of an OpenAI-compatible server, up to /v1.").optional().known_as(&["base_url"]).when("model.kind", &["server"]),
        Field::new("server.model", "Model at the server", FieldKind::Text, "The model's name there.").optional().when("model.kind", &["server"]),
        Field::new("server.key_variable", "Key variable", FieldKind::Text, "Environment variable that holds the key; it may be unset.").advanced().when("model.kind", &["server"]),
        Field::new("server.tools_api", "Tools API", FieldKind::Boolean, "Whether tools are offered through the server's tools API; a server that refuses it gets the text form.").when("model.kind", &["server"]),
        Field::new("server.stream", "Stream", FieldKind::Boolean, "Whether replies are streamed.").advanced().when("model.kind", &["server"]),
        Field::new("server.concurrency", "Concurrency", FieldKind::Integer { min: 1, max: 4_096 }, "Requests under way at the same time.").advanced().when("model.kind", &["server"]),
        Field::new("server.timeout_seconds", "Timeout", FieldKind::Number { min: 0.0, max: 86_400.0, min_excluded: true }, "Seconds after which a request is given up.").unit("seconds").advanced().when("model.kind", &["server"]),
        Field::new("server.retries", "Retries", FieldKind::Integer { min: 0, max: 100 }, "How often a failed request is sent again.").advanced().when("model.kind", &["server"]),
        Field::new("server.charge_timeouts", "Charge timeouts", FieldKind::Boolean, "Whether a request that was given up is charged the most tokens that it might have made.").advanced().when("model.kind", &["server"]),
    ];
}
