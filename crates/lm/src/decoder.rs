//! The one decoder that all families are descriptions of.

mod attention;
mod batch;

use std::path::Path;

use nn::fused::causal::Tree;
use tch::{Device, Kind, Tensor, no_grad};

use crate::LmError;
use crate::adapters::Attached;
use crate::cache::Cache;
use crate::checkpoint::Checkpoint;
use crate::config::{Activation, ModelConfig};
use crate::rope;
use crate::weights::{Affine, LayerWeights, WeightIndex, WeightLayout, Weights};

pub use attention::Mask;
pub use batch::{Batch, Branched};

/// Cosine and signed sine of one rotation for the tokens at hand, `[.., tokens, 1, width]`.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) cosine: Tensor,
    pub(crate) sine: Tensor,
}

/// A decoder with its weights.
#[derive(Debug)]
pub struct Decoder {
    config: ModelConfig,
    weights: Weights,
    attached: Option<Attached>,
    nothing: Tensor, // [0], what is trained of a frozen model
}

/// What every layer of one pass needs to know about the tokens.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) turns: Vec<Turn>,
    /// For each distinct window of the model, what may be seen; none where hand-made kernels
    /// attend, which know the texts.
    pub(crate) masks: Vec<(Option<usize>, Mask)>,
    /// Seed of an adapter's dropout.
    pub(crate) dropout: Option<u64>,
    /// The texts of the batch.
    pub(crate) trees: Vec<Tree>,
}

impl Decoder {
    /// A decoder over weights of its layout.
    pub fn new(config: ModelConfig, weights: Weights) -> Self {
        let nothing = Tensor::zeros([0], (Kind::Float, weights.device()));
        Self {
            config,
            weights,
            attached: None,
            nothing,
        }
    }

    /// Loads a model's folder; without `kind`, in the type of its files.
    ///
    /// # Errors
    /// A `config.json` of an unknown model; weights that are damaged, missing or do not fit.
    pub fn load(
        folder: &Path,
        kind: Option<Kind>,
        device: Device,
        trainable: bool,
    ) -> Result<Self, LmError> {
        let config = ModelConfig::read(folder)?;
        if config.labels.is_some() {
            return Err(LmError::Config {
                path: folder.join("config.json"),
                problem: "a reward model, which scores texts - allowed here: a language model, which continues them - use `concord model score`".to_owned(),
            });
        }
        Self::of(config, folder, kind, device, trainable)
    }

    /// A decoder of `config` with the weights of `folder`, whatever its head is.
    pub(crate) fn of(
        config: ModelConfig,
        folder: &Path,
        kind: Option<Kind>,
        device: Device,
        trainable: bool,
    ) -> Result<Self, LmError> {
        let checkpoint = Checkpoint::open(folder)?;
        let kind = kind.unwrap_or_else(|| checkpoint.kind());
        let layout = WeightLayout::of(&config);
        let weights = Weights::load(layout, &checkpoint, kind, device, trainable)?;
        Ok(Self::new(config, weights))
    }

    /// The description.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The weights, to be changed.
    pub fn weights_mut(&mut self) -> &mut Weights {
        &mut self.weights
    }

    pub(crate) fn attached(&self) -> Option<&Attached> {
        self.attached.as_ref()
    }

    pub(crate) fn attached_mut(&mut self) -> &mut Option<Attached> {
        &mut self.attached
    }

    /// The flat buffer of what is trained when that is not the weights.
    pub(crate) fn beside_weights(&self) -> &Tensor {
        match &self.attached {
            Some(attached) if attached.adapter.trainable() => attached.adapter.flat(),
            _ => &self.nothing,
        }
    }

    pub(crate) fn beside_weights_mut(&mut self) -> &mut Tensor {
        match &mut self.attached {
            Some(attached) if attached.adapter.trainable() => attached.adapter.flat_mut(),
            _ => &mut self.nothing,
        }
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.config.layers.len()
    }

    /// Says whether the model knows every one of `ids` and has room for them.
    ///
    /// # Errors
    /// An id outside the vocabulary, no ids, or more than the model's context.
    pub fn check(&self, ids: &[i64]) -> Result<(), LmError> {
        let vocabulary = self.config.vocabulary;
        if ids.is_empty() {
            return Err(LmError::Input(
                "the prompt has no tokens - allowed: at least one; many models begin a text with their `bos` token".to_owned(),
            ));
        }
        if let Some(id) = ids.iter().find(|id| **id < 0 || **id >= vocabulary as i64) {
            return Err(LmError::Input(format!(
                "token id {id} - allowed: 0 to {} - the ids are of another model's tokenizer",
                vocabulary - 1
            )));
        }
        if ids.len() > self.config.max_positions {
            return Err(LmError::Input(format!(
                "a prompt of {} tokens - allowed: {}, the model's context - shorten it, or choose a model with a longer one",
                ids.len(),
                self.config.max_positions
            )));
        }
        Ok(())
    }

    /// The residual stream before the last norm. `[rows, tokens, hidden]`.
    pub fn forward(&self, batch: &Batch) -> Tensor {
        let surroundings = self.surroundings(batch);
        let mut stream = self.embed(batch.ids());
        for layer in 0..self.layers() {
            stream = self.block(layer, &stream, &surroundings, None);
        }
        stream
    }

    /// As [`Decoder::forward`], for tokens that follow those of `cache`, which keeps their
    /// keys and values. `ids` `[rows, tokens]`. Gradients do not flow through a cache: call
    /// it under `no_grad`.
    ///
    /// # Errors
    /// More tokens than the cache's limit, or not enough memory.
    pub fn forward_cached(&self, ids: &Tensor, cache: &mut Cache) -> Result<Tensor, LmError> {
        let tokens = ids.size()[1];
        cache.reserve(tokens as usize)?;
        let surroundings = cache.surroundings(&self.config, tokens);
        let mut stream = self.embed(ids);
        for layer in 0..self.layers() {
            stream = self.block(layer, &stream, &surroundings, Some(cache));
        }
        cache.advance(tokens);
        Ok(stream)
    }

    /// Scores of every next token, in the model's type; of a reward model its own scores.
    /// `[.., hidden]` to `[.., vocabulary]` or `[.., labels]`.
    pub fn logits(&self, stream: &Tensor) -> Tensor {
        let layout = self.weights.layout();
        let normed = self.norm(layout.norm, stream);
        let logits = normed.linear(self.weights.get(layout.head), None::<&Tensor>);
        match self.config.logit_cap {
            Some(cap) => (logits / cap).tanh() * cap,
            None => logits,
        }
    }

    /// Scores of every next token after each of `ids`, in f32. `[tokens, vocabulary]`.
    ///
    /// # Errors
    /// As [`Decoder::check`].
    pub fn logits_of(&self, ids: &[i64]) -> Result<Tensor, LmError> {
        self.check(ids)?;
        let batch = Batch::padded(&[ids], self.weights.device());
        Ok(no_grad(|| {
            let logits = self.logits(&self.forward(&batch));
            logits.squeeze_dim(0).to_kind(Kind::Float)
        }))
    }

    pub(crate) fn surroundings(&self, batch: &Batch) -> Surroundings {
        let kind = self.weights.kind();
        let mut masks: Vec<(Option<usize>, Mask)> = Vec::new();
        for plan in &self.config.layers {
            if !masks.iter().any(|(window, _)| *window == plan.window) {
                masks.push((plan.window, batch.mask(plan.window, kind)));
            }
        }
        Surroundings {
            masks,
            ..self.turned_texts(batch)
        }
    }

    /// As [`Decoder::surroundings`], without masks.
    pub(crate) fn turned_texts(&self, batch: &Batch) -> Surroundings {
        let kind = self.weights.kind();
        let turns = self.config.ropes.iter().map(|rope| {
            let (cosine, sine) = rope.angles(batch.positions(), batch.longest(), kind);
            Turn {
                cosine: cosine.unsqueeze(-2),
                sine: sine.unsqueeze(-2),
            }
        });
        Surroundings {
            turns: turns.collect(),
            masks: Vec::new(),
            dropout: None,
            trees: batch.trees().to_vec(),
        }
    }

    /// `[rows, tokens]` to `[rows, tokens, hidden]`.
    pub(crate) fn embed(&self, ids: &Tensor) -> Tensor {
        let weight = self.weights.get(self.weights.layout().embedding);
        // The reference gives the padding token's row no gradient.
        let padding = self.config.padding_id.filter(|id| *id < weight.size()[0]);
        let stream = Tensor::embedding(weight, ids, padding.unwrap_or(-1), false, false);
        match self.config.embedding_scale {
            None => stream,
            // The reference rounds the scale to the model's type first.
            Some(scale) => {
                let scale = Tensor::from(scale).to_kind(weight.kind());
                stream * scale.to_device(weight.device())
            }
        }
    }

    /// One layer. `[rows, tokens, hidden]` to the same.
    pub(crate) fn block(
        &self,
        layer: usize,
        stream: &Tensor,
        surroundings: &Surroundings,
        cache: Option<&mut Cache>,
    ) -> Tensor {
        let weights = &self.weights.layout().layers[layer];
        let normed = self.norm(weights.attention_norm, stream);
        let mut attended = self.attention(layer, &normed, surroundings, cache);
        if let Some(norm) = weights.attention_out_norm {
            attended = self.norm(norm, &attended);
        }
        let stream = stream + attended;
        let mut fed = self.feed_forward(
            weights,
            &self.norm(weights.feed_norm, &stream),
            surroundings,
        );
        if let Some(norm) = weights.feed_out_norm {
            fed = self.norm(norm, &fed);
        }
        stream + fed
    }

    /// `[.., hidden]` to the same.
    fn feed_forward(
        &self,
        weights: &LayerWeights,
        normed: &Tensor,
        surroundings: &Surroundings,
    ) -> Tensor {
        let both = self.affine(weights.gate_up, normed, surroundings);
        let width = self.config.intermediate as i64;
        let gate = both.narrow(-1, 0, width);
        let gate = match self.config.activation {
            Activation::Silu => gate.silu(),
            Activation::GeluTanh => gate.gelu("tanh"),
            Activation::Gelu => gate.gelu("none"),
        };
        let product = gate * both.narrow(-1, width, width);
        self.affine(weights.down, &product, surroundings)
    }

    fn affine(&self, affine: Affine, input: &Tensor, surroundings: &Surroundings) -> Tensor {
        if let Some(adapter) = self.acting() {
            return self.adapted_product(adapter, affine, input, surroundings.dropout);
        }
        let bias = affine.bias.map(|bias| self.weights.get(bias));
        input.linear(self.weights.get(affine.weight), bias)
    }

    /// Root-mean-square norm over the last dimension (Zhang and Sennrich 2019), in f32.
    pub(crate) fn norm(&self, weight: WeightIndex, input: &Tensor) -> Tensor {
        let weight = self.weights.get(weight);
        let kind = input.kind();
        let wide = input.to_kind(Kind::Float);
        let mean = wide.square().mean_dim(-1, true, None::<Kind>);
        let normed = &wide * (mean + self.config.norm_epsilon).rsqrt();
        if self.config.norm_offset {
            // Gemma multiplies before it rounds, the others after.
            let gain = weight.to_kind(Kind::Float) + 1.0;
            (normed * gain).to_kind(kind)
        } else {
            normed.to_kind(kind) * weight
        }
    }

    /// Queries and keys, turned. `[rows, tokens, heads, head_dim]` each.
    fn turned(
        &self,
        weights: &LayerWeights,
        turn: Option<&Turn>,
        heads: &Tensor,
    ) -> (Tensor, Tensor) {
        let (queries, keys) = (self.config.heads as i64, self.config.kv_heads as i64);
        let turned = |heads: Tensor| match turn {
            Some(turn) => rope::rotate(&heads, &turn.cosine, &turn.sine),
            None => heads,
        };
        match weights.query_key_norms {
            Some([query_norm, key_norm]) => (
                turned(self.norm(query_norm, &heads.narrow(-2, 0, queries))),
                turned(self.norm(key_norm, &heads.narrow(-2, queries, keys))),
            ),
            // Without norms between, both turn in one go.
            None => {
                let both = turned(heads.narrow(-2, 0, queries + keys));
                (both.narrow(-2, 0, queries), both.narrow(-2, queries, keys))
            }
        }
    }
}
