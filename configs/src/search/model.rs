//! `[model]`: who proposes steps and judges them.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};
use crate::finetune::NumberKind;

/// The policy and critic: one model under two prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Where the model runs; scripted is the made-up policy and critic of the statistics.
    pub kind: ModelKind,
    /// The model, of the hub or a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Branch, tag or commit of a model of the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Folder of an adapter that is put on the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// Kind of number to compute with.
    pub dtype: NumberKind,
}

/// Where the model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// In this process, from a checkpoint.
    #[default]
    Local,
    /// An OpenAI-compatible server.
    Server,
    /// No model: a made-up policy and critic of known error rates.
    Scripted,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            kind: ModelKind::Local,
            name: None,
            revision: None,
            adapter: None,
            dtype: NumberKind::Auto,
        }
    }
}

impl ModelConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "model.kind",
            "Runs on",
            FieldKind::Variant {
                values: &["local", "server", "scripted"],
            },
            "Where the model runs; scripted is the made-up policy and critic of the statistics.",
        ),
        Field::new(
            "model.name",
            "Model",
            FieldKind::Model,
            "The model, of the hub or a folder.",
        )
        .optional()
        .known_as(&["model_name_or_path", "model_name", "path"])
        .when("model.kind", &["local"]),
        Field::new(
            "model.revision",
            "Revision",
            FieldKind::Text,
            "Branch, tag or commit of a model of the hub.",
        )
        .optional()
        .advanced()
        .when("model.kind", &["local"]),
        Field::new(
            "model.adapter",
            "Adapter",
            FieldKind::Text,
            "Folder of an adapter that is put on the model.",
        )
        .optional()
        .advanced()
        .known_as(&["adapter_name_or_path", "lora"])
        .when("model.kind", &["local"]),
        Field::new(
            "model.dtype",
            "Number kind",
            FieldKind::Choice {
                values: &["auto", "f32", "bf16"],
            },
            "Kind of number to compute with.",
        )
        .known_as(&["torch_dtype"])
        .advanced()
        .when("model.kind", &["local"]),
    ];
}
