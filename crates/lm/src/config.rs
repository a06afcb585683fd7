//! `config.json` of every family, read into one description of a decoder.
//!
//! Both forms are read: the one of `transformers` 4 (`rope_theta`, `rope_scaling`,
//! `torch_dtype`) and the one of version 5 (`rope_parameters`, `dtype`). A missing key takes
//! the default of the family's own class, and those that change the numbers are told in
//! [`ModelConfig::warnings`].

mod classification;
mod family;
mod fields;
mod positions;

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::LmError;
use crate::rope::Rope;

pub(crate) use classification::{architecture, count as label_count};
pub(crate) use fields::Fields;

pub use family::Family;

/// The activation between the two products of a feed-forward layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x sigmoid(x)`.
    Silu,
    /// The Gaussian error linear unit in its tanh form.
    GeluTanh,
    /// The exact Gaussian error linear unit.
    Gelu,
}

/// What sets one layer apart from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerPlan {
    /// Keys a query sees, itself included; none: all before it.
    pub window: Option<usize>,
    /// Which of [`ModelConfig::ropes`] turns queries and keys; none: no positions.
    pub rope: Option<usize>,
}

/// A decoder, whatever its family.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// The family that `model_type` names.
    pub family: Family,
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width inside a feed-forward layer.
    pub intermediate: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// One entry per layer.
    pub layers: Vec<LayerPlan>,
    /// The rotations that layers refer to.
    pub ropes: Vec<Rope>,
    /// Longest sequence the model was made for, in tokens.
    pub max_positions: usize,
    /// The activation of the feed-forward layers.
    pub activation: Activation,
    /// Added to the mean square in every norm.
    pub norm_epsilon: f64,
    /// Norms multiply by `1 + weight`, in f32 (Gemma).
    pub norm_offset: bool,
    /// Norms after attention and feed-forward as well (Gemma).
    pub sandwich_norms: bool,
    /// Norms of each head's query and key before the rotation.
    pub query_key_norms: bool,
    /// Biases of the query, key and value products.
    pub qkv_bias: bool,
    /// Bias of the attention's output product.
    pub output_bias: bool,
    /// Biases of the feed-forward products.
    pub mlp_bias: bool,
    /// Embeddings are multiplied by this, rounded to the model's type.
    pub embedding_scale: Option<f64>,
    /// Scores are multiplied by this before the softmax.
    pub attention_scale: f64,
    /// Scores are capped: `cap tanh(score / cap)`.
    pub attention_cap: Option<f64>,
    /// Logits are capped in the same way.
    pub logit_cap: Option<f64>,
    /// The output product uses the embedding.
    pub tied: bool,
    /// Scores of a text, of a sequence-classification head in place of the next token's.
    pub labels: Option<usize>,
    /// Files hold `qkv_proj` and `gate_up_proj` whole (Phi-3).
    pub fused_files: bool,
    /// The type of the weights in the files, as `config.json` says.
    pub dtype: Option<String>,
    /// Ids that end a text, of `config.json` alone.
    pub end_ids: Vec<i64>,
    /// The id that `config.json` names for padding; its embedding gets no gradient.
    pub padding_id: Option<i64>,
    /// Keys that were missing though they change the numbers, a sentence each.
    pub warnings: Vec<String>,
    /// The object as it was read, for saving.
    pub source: Map<String, Value>,
}

impl ModelConfig {
    /// Reads `config.json` of a model's folder.
    ///
    /// # Errors
    /// A missing or damaged file, an unknown family or rotation, sizes that do not fit.
    pub fn read(folder: &Path) -> Result<Self, LmError> {
        let path = folder.join("config.json");
        let text = fs::read_to_string(&path).map_err(|source| LmError::File {
            path: path.clone(),
            source,
        })?;
        Self::parse(&path, &text)
    }

    /// Reads the text of a `config.json`; `path` is for messages.
    ///
    /// # Errors
    /// As [`ModelConfig::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, LmError> {
        let value: Value = serde_json::from_str(text).map_err(|error| LmError::Config {
            path: path.to_path_buf(),
            problem: format!("not JSON ({error}) - the file is damaged; download it again"),
        })?;
        let Value::Object(source) = value else {
            return Err(LmError::Config {
                path: path.to_path_buf(),
                problem: "not an object - the file is damaged; download it again".to_owned(),
            });
        };
        let outer = Fields::new(path, source.clone());
        let whole = outer.clone();
        // A multimodal checkpoint describes its language model apart.
        let (fields, source) = match (outer.object("text_config")?, source.get("text_config")) {
            (Some(inner), Some(Value::Object(map))) => (inner, map.clone()),
            _ => (outer, source),
        };
        let labels = classification::labels(&whole, &fields)?;
        let mut config = Self::from_fields(&fields)?;
        if labels.is_some() {
            config.labels = labels;
            // The cap is of the next token's scores alone.
            config.logit_cap = None;
        }
        config.source = source;
        Ok(config)
    }

    fn from_fields(fields: &Fields) -> Result<Self, LmError> {
        let family = Family::of(fields)?;
        let defaults = family.defaults();
        let mut warnings = Vec::new();
        let mut told = |key: &str, value: &str| {
            warnings.push(format!(
                "config.json has no `{key}`; {family} models take {value} then"
            ));
        };
        let hidden = fields.required("hidden_size")?;
        let heads = fields.required("num_attention_heads")?;
        let kv_heads = fields.count("num_key_value_heads")?;
        let kv_heads = kv_heads.or(defaults.kv_heads).unwrap_or(heads);
        let head_dim = fields.count("head_dim")?.or(defaults.head_dim);
        let head_dim = head_dim.unwrap_or(hidden / heads);
        let count = fields.required("num_hidden_layers")?;
        let max_positions = fields.count("max_position_embeddings")?;
        let max_positions = max_positions.unwrap_or(defaults.max_positions);
        if !fields.has("rms_norm_eps") {
            told("rms_norm_eps", &defaults.norm_epsilon.to_string());
        }
        if family == Family::Mistral && !fields.has("sliding_window") {
            told("sliding_window", "a window of 4096 tokens");
        }
        let (ropes, layers) = positions::plan(
            fields,
            family,
            count,
            head_dim,
            max_positions,
            &mut warnings,
        )?;
        let gemma = matches!(family, Family::Gemma2 | Family::Gemma3);
        let cap = |key: &str, default| capped(fields, key, default);
        let attention_bias = fields.flag("attention_bias")?.unwrap_or(false);
        let queried = fields.number("query_pre_attn_scalar")?.unwrap_or(256.0);
        let config = Self {
            family,
            vocabulary: fields.required("vocab_size")?,
            hidden,
            intermediate: fields.required("intermediate_size")?,
            heads,
            kv_heads,
            head_dim,
            layers,
            ropes,
            max_positions,
            activation: activation(fields, gemma)?,
            norm_epsilon: fields
                .positive("rms_norm_eps")?
                .unwrap_or(defaults.norm_epsilon),
            norm_offset: gemma,
            sandwich_norms: gemma,
            query_key_norms: matches!(family, Family::Qwen3 | Family::Gemma3),
            qkv_bias: defaults.qkv_bias.unwrap_or(attention_bias),
            output_bias: defaults.output_bias.unwrap_or(attention_bias),
            mlp_bias: defaults.mlp_bias && fields.flag("mlp_bias")?.unwrap_or(false),
            embedding_scale: gemma.then(|| (hidden as f64).sqrt()),
            attention_scale: if gemma { queried } else { head_dim as f64 }.powf(-0.5),
            attention_cap: cap("attn_logit_softcapping", defaults.attention_cap)?,
            logit_cap: cap("final_logit_softcapping", defaults.logit_cap)?,
            tied: fields.flag("tie_word_embeddings")?.unwrap_or(defaults.tied),
            labels: None,
            fused_files: family == Family::Phi3,
            dtype: match fields.text("dtype")? {
                Some(dtype) => Some(dtype.to_owned()),
                None => fields.text("torch_dtype")?.map(str::to_owned),
            },
            end_ids: if fields.has("eos_token_id") {
                fields.ids("eos_token_id")?
            } else {
                defaults.end.into_iter().collect()
            },
            padding_id: if fields.has("pad_token_id") {
                fields.ids("pad_token_id")?.first().copied()
            } else {
                defaults.padding
            },
            warnings,
            source: Map::new(),
        };
        config.checked(fields)
    }

    fn checked(self, fields: &Fields) -> Result<Self, LmError> {
        if self.kv_heads == 0 || !self.heads.is_multiple_of(self.kv_heads) {
            return Err(fields.problem(format!(
                "`num_key_value_heads`: {} - allowed: a divisor of `num_attention_heads` = {}",
                self.kv_heads, self.heads
            )));
        }
        if self.head_dim == 0 || !self.head_dim.is_multiple_of(2) {
            return Err(fields.problem(format!(
                "`head_dim`: {} - allowed: an even number",
                self.head_dim
            )));
        }
        if fields.flag("use_bidirectional_attention")? == Some(true) {
            return Err(fields.problem(
                "`use_bidirectional_attention`: true - allowed: false; embedding models are not decoders",
            ));
        }
        Ok(self)
    }

    /// Ids that end a text: those of `config.json` and of `generation_config.json` in
    /// `folder`, each once.
    ///
    /// # Errors
    /// A damaged `generation_config.json`; it may be missing.
    pub fn stop_ids(&self, folder: &Path) -> Result<Vec<i64>, LmError> {
        let path = folder.join("generation_config.json");
        let mut ids = self.end_ids.clone();
        if let Ok(text) = fs::read_to_string(&path) {
            let map = serde_json::from_str(&text).map_err(|error| LmError::Config {
                path: path.clone(),
                problem: format!(
                    "not an object ({error}) - the file is damaged; download it again"
                ),
            })?;
            ids.extend(Fields::new(&path, map).ids("eos_token_id")?);
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Parameters of the model, each counted once.
    pub fn scalars(&self) -> usize {
        let attention = self.head_dim * (self.heads + 2 * self.kv_heads);
        let output = self.head_dim * self.heads;
        let mut layer = self.hidden * (attention + output + 3 * self.intermediate);
        layer += self.hidden * if self.sandwich_norms { 4 } else { 2 };
        layer += usize::from(self.query_key_norms) * 2 * self.head_dim;
        layer += usize::from(self.qkv_bias) * attention;
        layer += usize::from(self.output_bias) * self.hidden;
        layer += usize::from(self.mlp_bias) * (2 * self.intermediate + self.hidden);
        let head = match self.labels {
            Some(labels) => labels,
            None if self.tied => 0,
            None => self.vocabulary,
        };
        let embeddings = (self.vocabulary + head) * self.hidden;
        embeddings + self.layers.len() * layer + self.hidden
    }
}

/// A cap that null switches off and that a missing key leaves at the family's default.
fn capped(fields: &Fields, key: &str, default: Option<f64>) -> Result<Option<f64>, LmError> {
    if fields.has(key) {
        fields.number(key)
    } else {
        Ok(default)
    }
}

fn activation(fields: &Fields, gemma: bool) -> Result<Activation, LmError> {
    let (key, default) = if gemma {
        ("hidden_activation", "gelu_pytorch_tanh")
    } else {
        ("hidden_act", "silu")
    };
    match fields.text(key)?.unwrap_or(default) {
        "silu" | "swish" => Ok(Activation::Silu),
        "gelu_pytorch_tanh" | "gelu_new" => Ok(Activation::GeluTanh),
        "gelu" => Ok(Activation::Gelu),
        other => Err(fields.problem(format!(
            "`{key}`: {other} - allowed: silu, gelu_pytorch_tanh, gelu"
        ))),
    }
}
