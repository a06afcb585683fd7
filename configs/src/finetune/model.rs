//! `[model]`: the model that is trained.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// Which model, and in which numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// The model to start from, of the hub or a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Branch, tag or commit of a model of the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Kind of number to compute with; masters stay f32.
    pub dtype: NumberKind,
    /// A config.json: the model starts with random weights instead of a checkpoint's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<String>,
    /// Folder or model with the tokenizer and the chat template, where it is not the model's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
}

/// Kind of number of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberKind {
    /// As the checkpoint has them.
    #[default]
    Auto,
    /// Single precision.
    F32,
    /// Brain floats, with f32 masters where they are trained.
    Bf16,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            name: None,
            revision: None,
            dtype: NumberKind::Auto,
            create: None,
            tokenizer: None,
        }
    }
}

impl ModelConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new("model.name", "Model", FieldKind::Model, "The model to start from, of the hub or a folder.").optional().known_as(&["model_name_or_path", "model_name", "path"]),
        Field::new("model.revision", "Revision", FieldKind::Text, "Branch, tag or commit of a model of the hub.").optional().advanced(),
        Field::new("model.dtype", "Number kind", FieldKind::Choice { values: &["auto", "f32", "bf16"] }, "Kind of number to compute with; masters stay f32.").known_as(&["torch_dtype"]),
        Field::new("model.create", "Create from", FieldKind::Text, "A config.json: the model starts with random weights instead of a checkpoint's.").optional().advanced(),
        Field::new("model.tokenizer", "Tokenizer", FieldKind::Model, "Folder or model with the tokenizer and the chat template, where it is not the model's own.").optional().advanced(),
    ];
}
