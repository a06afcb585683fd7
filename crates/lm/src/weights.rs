//! All weights of a model in one flat buffer, under their names in files.
//!
//! Queries, keys and values are one matrix, gates and ups another, whatever the files say:
//! fewer and larger products. Each weight knows which of its rows carry which name, so that
//! loading, saving and gradients speak the names of the family. Copying a master copy,
//! clipping or one optimiser step is then one operation on one tensor.

mod random;

use std::ops::Range;

use tch::{Device, Kind, Tensor, no_grad};

use crate::LmError;
use crate::checkpoint::Checkpoint;
use crate::config::ModelConfig;

/// Weights start at multiples of this many scalars: 64 bytes in bf16, a cache line.
const ALIGNMENT: i64 = 32;

/// Rows of a weight that a file knows under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name in files.
    pub name: String,
    /// The rows of the weight.
    pub rows: Range<i64>,
}

#[derive(Clone, Debug)]
struct Entry {
    shape: Vec<i64>,
    offset: i64,
    parts: Vec<Part>,
}

impl Entry {
    fn numel(&self) -> i64 {
        self.shape.iter().product()
    }

    /// Whether it multiplies vectors; else it is a norm or a bias.
    fn is_matrix(&self) -> bool {
        self.shape.len() > 1
    }

    fn is_norm(&self) -> bool {
        let first = self.parts.first();
        !self.is_matrix() && first.is_some_and(|part| part.name.ends_with("norm.weight"))
    }
}

/// Handle of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WeightIndex(usize);

impl WeightIndex {
    /// Its place in [`WeightLayout::indices`].
    pub(crate) fn number(self) -> usize {
        self.0
    }
}

/// A product with an optional bias.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Affine {
    pub(crate) weight: WeightIndex,       // [outputs, inputs]
    pub(crate) bias: Option<WeightIndex>, // [outputs]
}

/// The weights of one layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerWeights {
    pub(crate) attention_norm: WeightIndex,
    pub(crate) query_key_value: Affine,
    pub(crate) query_key_norms: Option<[WeightIndex; 2]>,
    pub(crate) output: Affine,
    pub(crate) attention_out_norm: Option<WeightIndex>,
    pub(crate) feed_norm: WeightIndex,
    pub(crate) gate_up: Affine,
    pub(crate) down: Affine,
    pub(crate) feed_out_norm: Option<WeightIndex>,
}

/// Names, shapes and places of all weights of a model.
#[derive(Clone, Debug)]
pub struct WeightLayout {
    entries: Vec<Entry>,
    total: i64,
    pub(crate) embedding: WeightIndex,
    pub(crate) layers: Vec<LayerWeights>,
    pub(crate) norm: WeightIndex,
    pub(crate) head: WeightIndex,
}

#[derive(Default)]
struct Builder {
    entries: Vec<Entry>,
    total: i64,
}

impl Builder {
    fn declare(&mut self, inputs: Option<usize>, parts: &[(String, usize)]) -> WeightIndex {
        let mut rows = 0;
        let parts = parts.iter().map(|(name, count)| {
            let start = rows;
            rows += *count as i64;
            Part {
                name: name.clone(),
                rows: start..rows,
            }
        });
        let parts = parts.collect();
        let mut shape = vec![rows];
        shape.extend(inputs.map(|inputs| inputs as i64));
        let entry = Entry {
            shape,
            offset: self.total,
            parts,
        };
        self.total += (entry.numel() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        self.entries.push(entry);
        WeightIndex(self.entries.len() - 1)
    }

    fn norm(&mut self, name: &str, width: usize) -> WeightIndex {
        self.declare(None, &[(format!("{name}.weight"), width)])
    }

    fn affine(&mut self, inputs: usize, parts: &[(String, usize)], bias: bool) -> Affine {
        let named = |suffix: &str| -> Vec<(String, usize)> {
            let parts = parts.iter();
            parts
                .map(|(name, rows)| (format!("{name}.{suffix}"), *rows))
                .collect()
        };
        let weight = self.declare(Some(inputs), &named("weight"));
        let bias = bias.then(|| self.declare(None, &named("bias")));
        Affine { weight, bias }
    }

    fn layer(&mut self, config: &ModelConfig, number: usize) -> LayerWeights {
        let at = |name: &str| format!("model.layers.{number}.{name}");
        let query = config.heads * config.head_dim;
        let key = config.kv_heads * config.head_dim;
        let attention_norm = self.norm(&at("input_layernorm"), config.hidden);
        let names = if config.fused_files {
            vec![(at("self_attn.qkv_proj"), query + 2 * key)]
        } else {
            vec![
                (at("self_attn.q_proj"), query),
                (at("self_attn.k_proj"), key),
                (at("self_attn.v_proj"), key),
            ]
        };
        let query_key_value = self.affine(config.hidden, &names, config.qkv_bias);
        let query_key_norms = config.query_key_norms.then(|| {
            ["self_attn.q_norm", "self_attn.k_norm"]
                .map(|name| self.norm(&at(name), config.head_dim))
        });
        let names = [(at("self_attn.o_proj"), config.hidden)];
        let output = self.affine(query, &names, config.output_bias);
        let [attention_out_norm, feed_norm] = if config.sandwich_norms {
            let out = self.norm(&at("post_attention_layernorm"), config.hidden);
            let feed = self.norm(&at("pre_feedforward_layernorm"), config.hidden);
            [Some(out), Some(feed)]
        } else {
            [None, None]
        };
        let feed_norm =
            feed_norm.unwrap_or_else(|| self.norm(&at("post_attention_layernorm"), config.hidden));
        let names = if config.fused_files {
            vec![(at("mlp.gate_up_proj"), 2 * config.intermediate)]
        } else {
            vec![
                (at("mlp.gate_proj"), config.intermediate),
                (at("mlp.up_proj"), config.intermediate),
            ]
        };
        let gate_up = self.affine(config.hidden, &names, config.mlp_bias);
        let names = [(at("mlp.down_proj"), config.hidden)];
        let down = self.affine(config.intermediate, &names, config.mlp_bias);
        let feed_out_norm = config
            .sandwich_norms
            .then(|| self.norm(&at("post_feedforward_layernorm"), config.hidden));
        LayerWeights {
            attention_norm,
            query_key_value,
            query_key_norms,
            output,
            attention_out_norm,
            feed_norm,
            gate_up,
            down,
            feed_out_norm,
        }
    }
}

impl WeightLayout {
    /// The weights that a model of this description has.
    pub fn of(config: &ModelConfig) -> Self {
        let mut builder = Builder::default();
        let embedding = builder.declare(
            Some(config.hidden),
            &[("model.embed_tokens.weight".to_owned(), config.vocabulary)],
        );
        let layers = (0..config.layers.len())
            .map(|number| builder.layer(config, number))
            .collect();
        let norm = builder.norm("model.norm", config.hidden);
        let head = match config.labels {
            None if config.tied => embedding,
            None => builder.declare(
                Some(config.hidden),
                &[("lm_head.weight".to_owned(), config.vocabulary)],
            ),
            Some(labels) => {
                builder.declare(Some(config.hidden), &[("score.weight".to_owned(), labels)])
            }
        };
        Self {
            entries: builder.entries,
            total: builder.total,
            embedding,
            layers,
            norm,
            head,
        }
    }

    /// Scalars of the flat buffer, gaps included.
    pub fn scalars(&self) -> usize {
        self.total as usize
    }

    /// Where the matrices lie in the flat buffer, in order; norms and biases are left out.
    pub fn matrices(&self) -> Vec<Range<usize>> {
        let matrices = self.entries.iter().filter(|entry| entry.is_matrix());
        let place = |entry: &Entry| entry.offset as usize..(entry.offset + entry.numel()) as usize;
        matrices.map(place).collect()
    }

    /// All names in files, with the shape each has there.
    pub fn names(&self) -> impl Iterator<Item = (&str, Vec<i64>)> {
        self.entries.iter().flat_map(|entry| {
            entry.parts.iter().map(|part| {
                let mut shape = entry.shape.clone();
                shape[0] = part.rows.end - part.rows.start;
                (part.name.as_str(), shape)
            })
        })
    }

    /// The part of `flat`, a buffer of this layout, that files call `name`.
    pub fn named(&self, flat: &Tensor, name: &str) -> Option<Tensor> {
        self.entries.iter().find_map(|entry| {
            let part = entry.parts.iter().find(|part| part.name == name)?;
            let rows = part.rows.end - part.rows.start;
            Some(self.view(flat, entry).narrow(0, part.rows.start, rows))
        })
    }

    /// Shape of the weight `index`.
    pub(crate) fn shape(&self, index: WeightIndex) -> &[i64] {
        &self.entries[index.0].shape
    }

    /// The names that files have for the rows of the weight `index`.
    pub(crate) fn parts(&self, index: WeightIndex) -> &[Part] {
        &self.entries[index.0].parts
    }

    /// Where in a flat buffer the weight `index` begins, in scalars.
    pub(crate) fn start(&self, index: WeightIndex) -> i64 {
        self.entries[index.0].offset
    }

    /// The part of `flat`, a buffer of this layout, that is the weight `index`.
    pub fn place(&self, flat: &Tensor, index: WeightIndex) -> Tensor {
        self.view(flat, &self.entries[index.0])
    }

    fn view(&self, flat: &Tensor, entry: &Entry) -> Tensor {
        let whole = flat.narrow(0, entry.offset, entry.numel());
        whole.view(&entry.shape[..])
    }

    /// Handles of all weights, in order.
    pub fn indices(&self) -> impl Iterator<Item = WeightIndex> + use<> {
        (0..self.entries.len()).map(WeightIndex)
    }
}

/// Values for a [`WeightLayout`].
#[derive(Debug)]
pub struct Weights {
    layout: WeightLayout,
    flat: Tensor, // [scalars]
    views: Vec<Tensor>,
    trainable: bool,
}

impl Weights {
    /// All zeros. With `trainable`, the weights are leaves that require gradients.
    ///
    /// # Errors
    /// Not enough memory on the device.
    pub fn zeros(
        layout: WeightLayout,
        kind: Kind,
        device: Device,
        trainable: bool,
    ) -> Result<Self, LmError> {
        let flat = Tensor::f_zeros([layout.total], (kind, device))?;
        let views = layout.entries.iter().map(|entry| {
            let view = layout.view(&flat, entry);
            view.detach().set_requires_grad(trainable)
        });
        let views = views.collect();
        Ok(Self {
            layout,
            flat,
            views,
            trainable,
        })
    }

    /// The same weights, as leaves that require gradients.
    #[must_use]
    pub fn into_trainable(self) -> Self {
        let views = self.views.into_iter();
        Self {
            views: views.map(|view| view.set_requires_grad(true)).collect(),
            trainable: true,
            ..self
        }
    }

    /// Reads a checkpoint, converting to `kind`.
    ///
    /// # Errors
    /// A tensor that is missing, of another shape or quantised; one that this model does
    /// not have; not enough memory.
    pub fn load(
        layout: WeightLayout,
        checkpoint: &Checkpoint,
        kind: Kind,
        device: Device,
        trainable: bool,
    ) -> Result<Self, LmError> {
        let names = FileNames::of(checkpoint)?;
        names.refuse_strangers(checkpoint, &layout)?;
        let weights = Self::zeros(layout, kind, device, trainable)?;
        for entry in &weights.layout.entries {
            let whole = weights.layout.view(&weights.flat, entry);
            for part in &entry.parts {
                let rows = part.rows.end - part.rows.start;
                let mut shape = entry.shape.clone();
                shape[0] = rows;
                let read = checkpoint.tensor(&names.in_file(&part.name), &shape)?;
                no_grad(|| {
                    let mut target = whole.narrow(0, part.rows.start, rows);
                    target.f_copy_(&read)
                })?;
            }
        }
        Ok(weights)
    }

    /// The weight `index`.
    pub fn get(&self, index: WeightIndex) -> &Tensor {
        &self.views[index.0]
    }

    /// All weights, in the order of [`WeightLayout::indices`].
    pub fn all(&self) -> &[Tensor] {
        &self.views
    }

    /// The flat buffer. `[scalars]`.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// The flat buffer, for an optimiser to write into. `[scalars]`.
    pub fn flat_mut(&mut self) -> &mut Tensor {
        &mut self.flat
    }

    /// The layout these values belong to.
    pub fn layout(&self) -> &WeightLayout {
        &self.layout
    }

    /// The type of the values.
    pub fn kind(&self) -> Kind {
        self.flat.kind()
    }

    /// Whether the weights are leaves that require gradients.
    pub fn trainable(&self) -> bool {
        self.trainable
    }

    /// No gradients from here on.
    pub(crate) fn freeze(&mut self) {
        self.trainable = false;
        for view in &mut self.views {
            *view = view.detach();
        }
    }

    /// Where the values live.
    pub fn device(&self) -> Device {
        self.flat.device()
    }
}

/// How the files of a checkpoint spell our names.
struct FileNames {
    prefix: String,
}

impl FileNames {
    /// Multimodal checkpoints put the language model under a name of its own, and some
    /// files lack the leading `model.`: the embedding tells.
    fn of(checkpoint: &Checkpoint) -> Result<Self, LmError> {
        const EMBEDDING: &str = "embed_tokens.weight";
        let found = checkpoint.names().find(|name| {
            let rest = name.strip_suffix(EMBEDDING);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with("model."))
        });
        match found {
            Some(name) => Ok(Self {
                prefix: name[..name.len() - EMBEDDING.len()].to_owned(),
            }),
            None => Err(checkpoint.problem(
                "no `model.embed_tokens.weight` - the weights are not of a decoder; fetch the model again"
                    .to_owned(),
            )),
        }
    }

    fn in_file(&self, name: &str) -> String {
        match name.strip_prefix("model.") {
            Some(rest) => format!("{}{rest}", self.prefix),
            // `language_model.model.` goes with `language_model.lm_head`.
            None => format!("{}{name}", self.prefix.strip_suffix("model.").unwrap_or("")),
        }
    }

    /// A layer's tensor that this model does not have would be dropped in silence.
    fn refuse_strangers(
        &self,
        checkpoint: &Checkpoint,
        layout: &WeightLayout,
    ) -> Result<(), LmError> {
        let known: std::collections::BTreeSet<String> =
            layout.names().map(|(name, _)| self.in_file(name)).collect();
        let layers = format!("{}layers.", self.prefix);
        let stranger = checkpoint.names().find(|name| {
            name.starts_with(&layers) && !name.ends_with("inv_freq") && !known.contains(*name)
        });
        match stranger {
            None => Ok(()),
            Some(name) => Err(checkpoint.problem(format!(
                "`{name}` has no place in the model that config.json describes - the two files are of different models; fetch both again"
            ))),
        }
    }
}
