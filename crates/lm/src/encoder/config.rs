//! `config.json` of an encoder.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tch::Tensor;

use crate::LmError;
use crate::config::{Fields, architecture, label_count};

/// The `model_type` of both versions.
pub const MODEL_TYPE: &str = "deberta-v2";

/// An activation of the encoder or of its heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncoderActivation {
    /// The exact Gaussian error linear unit.
    Gelu,
    /// Its tanh form.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `x sigmoid(x)`.
    Silu,
    /// The hyperbolic tangent.
    Tanh,
}

impl EncoderActivation {
    fn of(fields: &Fields, key: &str, default: &str) -> Result<Self, LmError> {
        match fields.text(key)?.unwrap_or(default) {
            "gelu" | "gelu_python" => Ok(Self::Gelu),
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Ok(Self::GeluTanh),
            "relu" => Ok(Self::Relu),
            "silu" | "swish" => Ok(Self::Silu),
            "tanh" => Ok(Self::Tanh),
            other => Err(fields.problem(format!(
                "`{key}`: {other} - allowed: gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, silu, tanh"
            ))),
        }
    }

    pub(super) fn apply(self, input: &Tensor) -> Result<Tensor, LmError> {
        Ok(match self {
            Self::Gelu => input.f_gelu("none")?,
            Self::GeluTanh => input.f_gelu("tanh")?,
            Self::Relu => input.f_relu()?,
            Self::Silu => input.f_silu()?,
            Self::Tanh => input.f_tanh()?,
        })
    }
}

/// How distances between tokens enter the scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelativePositions {
    /// Logarithmic buckets on each side; none: every distance is its own.
    pub buckets: Option<usize>,
    /// Distances beyond this share the last bucket.
    pub furthest: usize,
    /// Queries look at distances (`c2p`).
    pub content_to_position: bool,
    /// Keys look at distances (`p2c`).
    pub position_to_content: bool,
    /// The query and key products serve the distances as well.
    pub shared_keys: bool,
    /// The vectors of the distances are normed first.
    pub normed: bool,
}

impl RelativePositions {
    /// Vectors on each side of distance 0.
    pub fn span(&self) -> usize {
        self.buckets.unwrap_or(self.furthest)
    }
}

/// The convolution beside the first layer, of DeBERTa-v2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Tokens under the kernel, an odd number.
    pub kernel: usize,
    /// Groups of channels.
    pub groups: usize,
    /// What follows it.
    pub activation: EncoderActivation,
}

/// What stands on the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncoderHead {
    /// Nothing that we run.
    None,
    /// Scores of a text from its first token (`DebertaV2ForSequenceClassification`).
    Classification {
        /// Scores of a text.
        labels: usize,
        /// The activation of the pooler.
        activation: EncoderActivation,
    },
    /// The comparison of two candidates (`DebertaV2PairRM`).
    Pair {
        /// Ids of `<|source|>`, `<|candidate1|>` and `<|candidate2|>`.
        markers: [i64; 3],
        /// Scores of a candidate, of which the mean counts.
        tasks: usize,
    },
}

/// A DeBERTa-v2 or -v3 encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Width of the stream.
    pub hidden: usize,
    /// Width of the embedding, before it is projected to `hidden`.
    pub embedding: usize,
    /// Width inside a feed-forward layer.
    pub intermediate: usize,
    /// Heads, each of `hidden / heads`.
    pub heads: usize,
    /// Number of layers.
    pub layers: usize,
    /// Absolute positions there are vectors for.
    pub max_positions: usize,
    /// Absolute positions are added to the embedding.
    pub absolute_positions: bool,
    /// Kinds of tokens; all of ours are of the first.
    pub token_types: usize,
    /// Added to the variance in every norm.
    pub norm_epsilon: f64,
    /// The activation of the feed-forward layers.
    pub activation: EncoderActivation,
    /// Distances in the scores; none: absolute positions alone.
    pub relative: Option<RelativePositions>,
    /// Terms of the scores, whose number scales them, distances used or not.
    pub terms: usize,
    /// The convolution, if there is one.
    pub convolution: Option<Convolution>,
    /// The head.
    pub head: EncoderHead,
}

impl EncoderConfig {
    /// Reads `config.json` of a model's folder.
    ///
    /// # Errors
    /// A missing or damaged file, another kind of model, sizes that do not fit.
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
    /// As [`EncoderConfig::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, LmError> {
        let map = serde_json::from_str(text).map_err(|error| LmError::Config {
            path: path.to_path_buf(),
            problem: format!("not an object ({error}) - the file is damaged; download it again"),
        })?;
        Self::from_fields(&Fields::new(path, map))
    }

    fn from_fields(fields: &Fields) -> Result<Self, LmError> {
        let model_type = fields.text("model_type")?.unwrap_or_default();
        if model_type != MODEL_TYPE {
            return Err(fields.problem(format!(
                "`model_type`: {model_type} - allowed: {MODEL_TYPE} - this is no DeBERTa encoder; choose PairRM or another model of that type"
            )));
        }
        let hidden = fields.required("hidden_size")?;
        let heads = fields.required("num_attention_heads")?;
        let head_dim = fields.count("attention_head_size")?;
        if !hidden.is_multiple_of(heads) || head_dim.is_some_and(|width| width * heads != hidden) {
            return Err(fields.problem(format!(
                "`num_attention_heads`: {heads} - allowed: a divisor of `hidden_size` = {hidden}, with heads that fill it"
            )));
        }
        let max_positions = fields.count("max_position_embeddings")?.unwrap_or(512);
        let kinds = attention_kinds(fields)?;
        let relative = relative(fields, max_positions, kinds)?;
        Ok(Self {
            vocabulary: fields.required("vocab_size")?,
            hidden,
            embedding: fields.count("embedding_size")?.unwrap_or(hidden),
            intermediate: fields.required("intermediate_size")?,
            heads,
            layers: fields.required("num_hidden_layers")?,
            max_positions,
            absolute_positions: fields.flag("position_biased_input")?.unwrap_or(true),
            token_types: fields.count("type_vocab_size")?.unwrap_or(0),
            norm_epsilon: fields.number("layer_norm_eps")?.unwrap_or(1e-7),
            activation: EncoderActivation::of(fields, "hidden_act", "gelu")?,
            relative,
            terms: 1 + usize::from(kinds[0]) + usize::from(kinds[1]),
            convolution: convolution(fields, hidden)?,
            head: head(fields)?,
        })
    }

    /// Tokens of the longest text; none: distances alone, which never end.
    pub fn most_tokens(&self) -> Option<usize> {
        self.absolute_positions.then_some(self.max_positions)
    }

    /// Parameters of the encoder, without its head.
    pub fn scalars(&self) -> usize {
        let absolute = usize::from(self.absolute_positions) * self.max_positions;
        let mut all = (self.vocabulary + absolute + self.token_types) * self.embedding;
        if self.embedding != self.hidden {
            all += self.embedding * self.hidden;
        }
        let square = self.hidden * (self.hidden + 1);
        let mut layer = 4 * square + 4 * self.hidden;
        layer += 2 * self.hidden * self.intermediate + self.hidden + self.intermediate;
        if let Some(relative) = &self.relative {
            all += 2 * relative.span() * self.hidden;
            all += usize::from(relative.normed) * 2 * self.hidden;
            if !relative.shared_keys {
                layer += (self.terms - 1) * square;
            }
        }
        if let Some(convolution) = self.convolution {
            let inputs = self.hidden / convolution.groups;
            all += self.hidden * (inputs * convolution.kernel + 3);
        }
        all + 2 * self.hidden + self.layers * layer
    }
}

/// Whether `c2p` and `p2c` are among the kinds of attention: a list, or a text with `|`.
fn attention_kinds(fields: &Fields) -> Result<[bool; 2], LmError> {
    let names: Vec<String> = match fields.get("pos_att_type") {
        None => Vec::new(),
        Some(Value::String(text)) => text.to_lowercase().split('|').map(str::to_owned).collect(),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| {
                item.as_str()
                    .map_or_else(|| item.to_string(), str::to_owned)
            })
            .collect(),
        Some(other) => vec![other.to_string()],
    };
    let mut kinds = [false; 2];
    for name in names.iter().map(|name| name.trim()) {
        match name {
            "c2p" => kinds[0] = true,
            "p2c" => kinds[1] = true,
            "" => {}
            other => {
                return Err(fields.problem(format!(
                    "`pos_att_type`: {other} - allowed: c2p, p2c, as a list or with `|` between them"
                )));
            }
        }
    }
    Ok(kinds)
}

fn relative(
    fields: &Fields,
    max_positions: usize,
    [content_to_position, position_to_content]: [bool; 2],
) -> Result<Option<RelativePositions>, LmError> {
    if !fields.flag("relative_attention")?.unwrap_or(false) {
        return Ok(None);
    }
    // Below 1 means that there is none.
    let bound = |key: &str| -> Result<Option<usize>, LmError> {
        let number = fields.number(key)?.filter(|number| *number >= 1.0);
        Ok(number.map(|number| number as usize))
    };
    let furthest = bound("max_relative_positions")?.unwrap_or(max_positions);
    let buckets = bound("position_buckets")?;
    if let Some(buckets) = buckets
        && (buckets < 4 || furthest <= buckets / 2 + 1)
    {
        return Err(fields.problem(format!(
            "`position_buckets`: {buckets} - allowed: at least 4, and half of them below the furthest distance, {furthest}"
        )));
    }
    let normed = match fields.text("norm_rel_ebd")?.unwrap_or("none").trim() {
        "none" | "" => false,
        "layer_norm" => true,
        other => {
            return Err(fields.problem(format!(
                "`norm_rel_ebd`: {other} - allowed: none, layer_norm"
            )));
        }
    };
    Ok(Some(RelativePositions {
        buckets,
        furthest,
        content_to_position,
        position_to_content,
        shared_keys: fields.flag("share_att_key")?.unwrap_or(false),
        normed,
    }))
}

fn convolution(fields: &Fields, hidden: usize) -> Result<Option<Convolution>, LmError> {
    let kernel = fields.count("conv_kernel_size")?.unwrap_or(0);
    if kernel == 0 {
        return Ok(None);
    }
    let groups = fields.count("conv_groups")?.unwrap_or(1);
    if kernel.is_multiple_of(2) || groups == 0 || !hidden.is_multiple_of(groups) {
        return Err(fields.problem(format!(
            "`conv_kernel_size` {kernel}, `conv_groups` {groups} - allowed: an odd number and a divisor of `hidden_size`"
        )));
    }
    Ok(Some(Convolution {
        kernel,
        groups,
        activation: EncoderActivation::of(fields, "conv_act", "tanh")?,
    }))
}

fn head(fields: &Fields) -> Result<EncoderHead, LmError> {
    let class = architecture(fields);
    if class == "DebertaV2PairRM" {
        let marker = |key: &str| {
            match fields.ids(key)?.first() {
            Some(id) => Ok(*id),
            None => Err(fields.problem(format!(
                "a PairRM without `{key}`, the id of its marker - use the form of llm-blender/PairRM-hf"
            ))),
        }
        };
        return Ok(EncoderHead::Pair {
            markers: [
                marker("source_prefix_id")?,
                marker("cand1_prefix_id")?,
                marker("cand2_prefix_id")?,
            ],
            tasks: fields.count("n_tasks")?.unwrap_or(1).max(1),
        });
    }
    if class.ends_with("ForSequenceClassification") {
        return Ok(EncoderHead::Classification {
            labels: label_count(fields, fields)?,
            activation: EncoderActivation::of(fields, "pooler_hidden_act", "gelu")?,
        });
    }
    Ok(EncoderHead::None)
}
