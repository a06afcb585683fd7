//! `[network]`: what computes the agents' values.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// Linear, ReLU, then a recurrent cell or a second linear layer with ReLU, then
/// a linear output with one value per action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// Whether the middle layer remembers the episode (`gru`) or not (`feed_forward`).
    pub kind: NetworkKind,
    /// Units of each hidden layer.
    pub hidden_size: usize,
    /// Whether all agents use one set of parameters.
    pub share_parameters: bool,
    /// Whether each agent's one-hot number is appended to its observation.
    pub agent_id: bool,
    /// Whether each agent's previous action, one-hot, is appended to its observation.
    pub last_action: bool,
}

/// The middle layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// A gated recurrent unit over the episode.
    Gru,
    /// A linear layer with ReLU.
    FeedForward,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            kind: NetworkKind::Gru,
            hidden_size: 128,
            share_parameters: true,
            agent_id: true,
            last_action: false,
        }
    }
}

impl NetworkConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "network.kind",
            "Network",
            FieldKind::Choice {
                values: &["gru", "feed_forward"],
            },
            "Whether the middle layer remembers the episode (`gru`) or not (`feed_forward`).",
        )
        .known_as(&["agent", "use_rnn"]),
        Field::new(
            "network.hidden_size",
            "Hidden size",
            FieldKind::Integer {
                min: 1,
                max: 65_536,
            },
            "Units of each hidden layer.",
        )
        .known_as(&["hidden_dim", "hidden"])
        .unit("units"),
        Field::new(
            "network.share_parameters",
            "Share parameters",
            FieldKind::Boolean,
            "Whether all agents use one set of parameters.",
        )
        .known_as(&["parameter_sharing", "share_params"]),
        Field::new(
            "network.agent_id",
            "Agent number",
            FieldKind::Boolean,
            "Whether each agent's one-hot number is appended to its observation.",
        )
        .known_as(&["obs_agent_id"])
        .advanced(),
        Field::new(
            "network.last_action",
            "Last action",
            FieldKind::Boolean,
            "Whether each agent's previous action, one-hot, is appended to its observation.",
        )
        .known_as(&["obs_last_action"])
        .advanced(),
    ];
}
