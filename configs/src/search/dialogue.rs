//! `[dialogue]`: how the model is talked to.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// The form of prompts and replies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DialogueConfig {
    /// Form of the prompts: chat for models that follow instructions, compact for this project's small searcher.
    pub style: DialogueStyle,
}

/// Form of the prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialogueStyle {
    /// Messages of a chat, replies as JSON or text.
    #[default]
    Chat,
    /// The small grammar of the project's own searcher.
    Compact,
}

impl Default for DialogueConfig {
    fn default() -> Self {
        Self {
            style: DialogueStyle::Chat,
        }
    }
}

impl DialogueConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new("dialogue.style", "Style", FieldKind::Choice { values: &["chat", "compact"] }, "Form of the prompts: chat for models that follow instructions, compact for this project's small searcher.").when("model.kind", &["local", "server"]),
    ];
}
