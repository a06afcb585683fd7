//! The families and the defaults of their `transformers` classes.

use std::fmt;

use super::fields::Fields;
use crate::LmError;

/// Models that one `model_type` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Llama 2 and 3, SmolLM, SmolLM2 (`llama`).
    Llama,
    /// Mistral 7B and Nemo (`mistral`).
    Mistral,
    /// Qwen2, Qwen2.5 and what was distilled into them (`qwen2`).
    Qwen2,
    /// Qwen3 (`qwen3`).
    Qwen3,
    /// Gemma 2 (`gemma2`).
    Gemma2,
    /// Gemma 3, the language model (`gemma3_text`).
    Gemma3,
    /// Phi-3, Phi-3.5 and Phi-4 (`phi3`).
    Phi3,
    /// SmolLM3 (`smollm3`).
    SmolLm3,
}

const FAMILIES: [(&str, Family); 9] = [
    ("llama", Family::Llama),
    ("mistral", Family::Mistral),
    ("qwen2", Family::Qwen2),
    ("qwen3", Family::Qwen3),
    ("gemma2", Family::Gemma2),
    ("gemma3_text", Family::Gemma3),
    ("gemma3", Family::Gemma3),
    ("phi3", Family::Phi3),
    ("smollm3", Family::SmolLm3),
];

/// What a family takes where `config.json` is silent.
pub(super) struct Defaults {
    pub(super) kv_heads: Option<usize>,
    pub(super) head_dim: Option<usize>,
    pub(super) max_positions: usize,
    pub(super) norm_epsilon: f64,
    pub(super) theta: f64,
    pub(super) window: Option<usize>,
    pub(super) tied: bool,
    /// Fixed by the family, else `attention_bias`.
    pub(super) qkv_bias: Option<bool>,
    /// Fixed by the family, else `attention_bias`.
    pub(super) output_bias: Option<bool>,
    /// Whether `mlp_bias` is read at all.
    pub(super) mlp_bias: bool,
    pub(super) attention_cap: Option<f64>,
    pub(super) logit_cap: Option<f64>,
    pub(super) end: Option<i64>,
    pub(super) padding: Option<i64>,
}

/// The class of Llama, from which the others differ.
const LLAMA: Defaults = Defaults {
    kv_heads: None,
    head_dim: None,
    max_positions: 2048,
    norm_epsilon: 1e-6,
    theta: 10_000.0,
    window: None,
    tied: false,
    qkv_bias: None,
    output_bias: None,
    mlp_bias: true,
    attention_cap: None,
    logit_cap: None,
    end: Some(2),
    padding: None,
};

impl Family {
    /// The family that `model_type` names.
    pub(super) fn of(fields: &Fields) -> Result<Self, LmError> {
        let Some(name) = fields.text("model_type")? else {
            return Err(fields.problem(
                "`model_type` is missing - the file does not say which model it describes; download it again",
            ));
        };
        let known = FAMILIES.iter().find(|(known, _)| *known == name);
        known.map(|(_, family)| *family).ok_or_else(|| {
            let names: Vec<&str> = FAMILIES.iter().map(|(name, _)| *name).collect();
            fields.problem(format!(
                "`model_type`: {name} - allowed: {} - choose a model of one of these families",
                names.join(", ")
            ))
        })
    }

    pub(super) fn defaults(self) -> Defaults {
        match self {
            Self::Llama => LLAMA,
            Self::Mistral => Defaults {
                kv_heads: Some(8),
                max_positions: 4096 * 32,
                window: Some(4096),
                qkv_bias: Some(false),
                output_bias: Some(false),
                mlp_bias: false,
                ..LLAMA
            },
            Self::Qwen2 => Defaults {
                kv_heads: Some(32),
                max_positions: 32_768,
                window: Some(4096),
                qkv_bias: Some(true),
                output_bias: Some(false),
                mlp_bias: false,
                end: None,
                ..LLAMA
            },
            Self::Qwen3 => Defaults {
                kv_heads: Some(32),
                head_dim: Some(128),
                max_positions: 32_768,
                window: Some(4096),
                mlp_bias: false,
                end: None,
                ..LLAMA
            },
            Self::Gemma2 => Defaults {
                kv_heads: Some(4),
                head_dim: Some(256),
                max_positions: 8192,
                window: Some(4096),
                tied: true,
                mlp_bias: false,
                attention_cap: Some(50.0),
                logit_cap: Some(30.0),
                end: Some(1),
                padding: Some(0),
                ..LLAMA
            },
            Self::Gemma3 => Defaults {
                kv_heads: Some(4),
                head_dim: Some(256),
                max_positions: 131_072,
                window: Some(4096),
                tied: true,
                mlp_bias: false,
                end: Some(1),
                padding: Some(0),
                ..LLAMA
            },
            Self::Phi3 => Defaults {
                max_positions: 4096,
                norm_epsilon: 1e-5,
                qkv_bias: Some(false),
                output_bias: Some(false),
                mlp_bias: false,
                end: Some(32_000),
                padding: Some(32_000),
                ..LLAMA
            },
            Self::SmolLm3 => Defaults {
                kv_heads: Some(4),
                max_positions: 32_768,
                theta: 2_000_000.0,
                tied: true,
                end: Some(128_001),
                padding: Some(128_004),
                ..LLAMA
            },
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FAMILIES.iter().find(|(_, family)| family == self);
        formatter.write_str(name.map_or("", |(name, _)| name))
    }
}
