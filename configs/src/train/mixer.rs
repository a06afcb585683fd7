//! `[algorithm.mixer]`: how QMIX puts the agents' values together.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// The monotone mixer and the networks that give its weights (Rashid et al. 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MixerConfig {
    /// Hidden units of the mixer.
    pub embedding_size: usize,
    /// Layers of the networks that turn the state into the mixer's weights, 1 or 2.
    pub hypernet_layers: usize,
    /// Hidden units of these networks when they have two layers.
    pub hypernet_size: usize,
}

impl Default for MixerConfig {
    fn default() -> Self {
        Self {
            embedding_size: 32,
            hypernet_layers: 2,
            hypernet_size: 64,
        }
    }
}

impl MixerConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "algorithm.mixer.embedding_size",
            "Mixer size",
            FieldKind::Integer { min: 1, max: 4_096 },
            "Hidden units of the mixer.",
        )
        .known_as(&["mixing_embed_dim"])
        .unit("units")
        .advanced()
        .when("algorithm.kind", &["qmix", "mansa"]),
        Field::new(
            "algorithm.mixer.hypernet_layers",
            "Hypernet layers",
            FieldKind::Integer { min: 1, max: 2 },
            "Layers of the networks that turn the state into the mixer's weights, 1 or 2.",
        )
        .advanced()
        .when("algorithm.kind", &["qmix", "mansa"]),
        Field::new(
            "algorithm.mixer.hypernet_size",
            "Hypernet size",
            FieldKind::Integer { min: 1, max: 4_096 },
            "Hidden units of these networks when they have two layers.",
        )
        .known_as(&["hypernet_embed"])
        .unit("units")
        .advanced()
        .when("algorithm.kind", &["qmix", "mansa"]),
    ];
}
