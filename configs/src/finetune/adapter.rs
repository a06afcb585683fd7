//! `[adapter]`: what of the model is trained.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// A small adapter, or all weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdapterConfig {
    /// What is trained: all weights, or a small adapter of them.
    pub kind: AdapterKind,
    /// Rows of the adapter's small matrix.
    pub rank: usize,
    /// LoRA's change is multiplied by this over the rank.
    pub alpha: f64,
    /// Whether LoRA divides by the square root of the rank instead.
    pub rank_stabilised: bool,
    /// Names of the adapted modules with commas between, or all-linear.
    pub targets: String,
    /// Probability with which an input of the adapter is dropped in training.
    pub dropout: f64,
}

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    /// All weights.
    #[default]
    None,
    /// Low-rank adaptation.
    Lora,
    /// Matrix shard sharing.
    Miss,
    /// Its smaller form.
    MissMini,
    /// Block affine transformation.
    Bat,
}

impl Default for AdapterConfig {
    fn default() -> Self {
        Self {
            kind: AdapterKind::None,
            rank: 16,
            alpha: 32.0,
            rank_stabilised: false,
            targets: "all-linear".to_owned(),
            dropout: 0.0,
        }
    }
}

impl AdapterConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "adapter.kind",
            "Adapter",
            FieldKind::Variant {
                values: &["none", "lora", "miss", "miss_mini", "bat"],
            },
            "What is trained: all weights, or a small adapter of them.",
        )
        .known_as(&["use_peft"]),
        Field::new(
            "adapter.rank",
            "Rank",
            FieldKind::Integer {
                min: 1,
                max: 65_536,
            },
            "Rows of the adapter's small matrix.",
        )
        .known_as(&["r", "lora_r", "lora_rank"])
        .when("adapter.kind", &["lora", "miss", "miss_mini", "bat"]),
        Field::new(
            "adapter.alpha",
            "Alpha",
            FieldKind::Number {
                min: 0.0,
                max: 1_000_000.0,
                min_excluded: true,
            },
            "LoRA's change is multiplied by this over the rank.",
        )
        .known_as(&["lora_alpha"])
        .when("adapter.kind", &["lora"]),
        Field::new(
            "adapter.rank_stabilised",
            "Rank-stabilised",
            FieldKind::Boolean,
            "Whether LoRA divides by the square root of the rank instead.",
        )
        .advanced()
        .known_as(&["use_rslora"])
        .when("adapter.kind", &["lora"]),
        Field::new(
            "adapter.targets",
            "Targets",
            FieldKind::Text,
            "Names of the adapted modules with commas between, or all-linear.",
        )
        .known_as(&["target_modules", "lora_target"])
        .when("adapter.kind", &["lora", "miss", "miss_mini", "bat"]),
        Field::new(
            "adapter.dropout",
            "Dropout",
            FieldKind::Number {
                min: 0.0,
                max: 0.99,
                min_excluded: false,
            },
            "Probability with which an input of the adapter is dropped in training.",
        )
        .advanced()
        .known_as(&["lora_dropout"])
        .when("adapter.kind", &["lora", "miss", "miss_mini", "bat"]),
    ];
}
