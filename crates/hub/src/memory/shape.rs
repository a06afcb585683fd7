//! The sizes of a decoder, as its `config.json` tells them.

use serde_json::Value;

use crate::error::HubError;
use crate::folder::ModelFolder;
use crate::selection;

/// Sizes of a decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelShape {
    /// Rows of the embedding.
    pub vocabulary: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Width inside a feed-forward layer.
    pub intermediate: u64,
    /// Query heads.
    pub heads: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Width of a head.
    pub head_dim: u64,
    /// Layers.
    pub layers: u64,
    /// Whether the output uses the embedding.
    pub tied: bool,
    /// Numbers of norms and biases in a layer.
    pub vectors: u64,
}

impl ModelShape {
    /// Reads the sizes; what is missing is what the family's class of `transformers` takes.
    ///
    /// # Errors
    ///
    /// [`HubError::Broken`] where a size is missing or no whole number from 1 to 2147483647.
    pub fn of(folder: &ModelFolder) -> Result<Self, HubError> {
        let family = folder.family().unwrap_or_default();
        let broken = |key: &str| {
            HubError::broken(
                &folder.path().join(selection::CONFIG),
                format!(
                    "`{key}` is no whole number from 1 to 2147483647, so that no memory can be told"
                ),
            )
        };
        let number = |key: &str, default: Option<u64>| -> Result<u64, HubError> {
            let value = match folder.field(key) {
                None => default,
                Some(value) => value.as_u64(),
            };
            let value = value.filter(|value| (1..1 << 31).contains(value));
            value.ok_or_else(|| broken(key))
        };
        let flag = |key: &str, default| {
            folder
                .field(key)
                .and_then(Value::as_bool)
                .unwrap_or(default)
        };
        let gemma = family.starts_with("gemma");
        let hidden = number("hidden_size", None)?;
        let intermediate = number("intermediate_size", None)?;
        let heads = number("num_attention_heads", None)?;
        let kv_heads = match family {
            "mistral" => 8,
            "qwen2" | "qwen3" => 32,
            "smollm3" => 4,
            _ if gemma => 4,
            _ => heads,
        };
        let kv_heads = number("num_key_value_heads", Some(kv_heads))?;
        let head_dim = match family {
            "qwen3" => 128,
            _ if gemma => 256,
            _ => hidden / heads,
        };
        let head_dim = number("head_dim", Some(head_dim))?;
        let (query, key) = (heads * head_dim, kv_heads * head_dim);
        let attention =
            family == "llama" || family.starts_with("qwen3") || family == "smollm3" || gemma;
        let biased = attention && flag("attention_bias", false);
        let mut vectors = hidden * if gemma { 4 } else { 2 };
        if family == "qwen2" || biased {
            vectors += query + 2 * key;
        }
        if biased {
            vectors += hidden;
        }
        if matches!(family, "qwen3" | "gemma3" | "gemma3_text") {
            vectors += 2 * head_dim;
        }
        if matches!(family, "llama" | "smollm3") && flag("mlp_bias", false) {
            vectors += 2 * intermediate + hidden;
        }
        Ok(Self {
            vocabulary: number("vocab_size", None)?,
            hidden,
            intermediate,
            heads,
            kv_heads,
            head_dim,
            layers: number("num_hidden_layers", None)?,
            tied: flag("tie_word_embeddings", gemma || family == "smollm3"),
            vectors,
        })
    }

    /// Width of all queries of a token.
    fn query_width(&self) -> u64 {
        self.heads * self.head_dim
    }

    /// Width of all keys of a token.
    #[must_use]
    pub fn key_width(&self) -> u64 {
        self.kv_heads * self.head_dim
    }

    /// Numbers of one layer.
    #[must_use]
    pub fn layer_parameters(&self) -> u64 {
        let attention = 2 * self.query_width() + 2 * self.key_width();
        self.hidden * (attention + 3 * self.intermediate) + self.vectors
    }

    /// Numbers of the model, each counted once.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        let embeddings = self.vocabulary * self.hidden * if self.tied { 1 } else { 2 };
        embeddings + self.layers * self.layer_parameters() + self.hidden
    }

    /// Numbers of an adapter of `rank` beside all products of all layers.
    #[must_use]
    pub fn adapter_numbers(&self, rank: u64) -> u64 {
        let (hidden, query, key) = (self.hidden, self.query_width(), self.key_width());
        let attention = (hidden + query) * 2 + (hidden + key) * 2;
        self.layers * rank * (attention + 3 * (hidden + self.intermediate))
    }

    /// Whether all bytes of `tokens` can be counted in 64 bits, with much to spare.
    pub(super) fn check_countable(
        &self,
        folder: &ModelFolder,
        tokens: u64,
    ) -> Result<(), HubError> {
        let number = |size: u64| size as f64;
        let hidden = number(self.hidden);
        let widths = hidden + number(self.heads) * number(self.head_dim);
        let widths = widths + number(self.kv_heads) * number(self.head_dim);
        let widths = widths + number(self.intermediate);
        let all_layers = number(self.layers) * widths;
        let weights = 8.0 * hidden * (all_layers + number(self.vocabulary));
        let kept = number(tokens) * (all_layers + number(self.vocabulary));
        if 64.0 * (weights + kept) < number(u64::MAX) {
            return Ok(());
        }
        Err(HubError::broken(
            &folder.path().join(selection::CONFIG),
            format!(
                "a model of {} layers, {} hidden units and {tokens} tokens is beyond any memory",
                self.layers, self.hidden
            ),
        ))
    }

    /// What a layer keeps of `tokens` for its backward pass, bytes; numbers of `size` bytes.
    pub(super) fn activations(&self, tokens: u64, size: u64, hand_made: bool) -> u64 {
        let (hidden, query, key) = (self.hidden, self.query_width(), self.key_width());
        if hand_made {
            // The stream before both parts, queries, keys and values, what
            // was attended, gates and ups; the rest is computed again.
            return tokens * 4 * 2 * (hidden + query + key + self.intermediate);
        }
        // Both norms with their inputs, which are f32 there; queries, keys and values before and
        // behind the rotation, keys and values once for each query head; what was attended; the
        // feed-forward.
        let numbers = 6 * hidden + 6 * query + key + 4 * self.intermediate;
        tokens * (numbers * size + 2 * hidden * 4)
    }

    /// What passes through a layer's backward pass at its widest.
    pub(super) fn passing(&self, tokens: u64, size: u64) -> u64 {
        tokens * 5 * self.intermediate * size
    }

    /// Logits of `tokens` with all that their gradient takes.
    pub(super) fn logits(&self, tokens: u64, size: u64) -> u64 {
        // Seven and a half copies in f32, measured, and in bf16 two more of that type.
        tokens * self.vocabulary * if size == 4 { 30 } else { 30 + 2 * size }
    }
}
