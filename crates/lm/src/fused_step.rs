//! One token for each of a few rows, on the CPU in f32, in hand-made kernels.
//!
//! LibTorch calls about forty operations per layer for a token; for a few rows that takes
//! longer than reading the weights, which is the floor. [`FusedStep`] packs the weights once
//! and then only reads them: no tensor is made and no memory taken per token. A row's numbers
//! are the same bits whatever rows run beside it.

use nn::fused::PackedLinear;
use nn::fused::decoding::{TokenAttention, cap_softly, gated, rms_norm, rms_norm_in_place, turn};
use nn::fused::matrix::on_threads;
use nn::slices;
use tch::{Device, Kind};

use crate::LmError;
use crate::cache::{Cache, CacheLayer};
use crate::config::ModelConfig;
use crate::decoder::Decoder;
use crate::fused_pass::threads;
use crate::weights::{Affine, LayerWeights, WeightIndex, Weights};

/// Rows that are worth it: beyond, LibTorch's products reach the same speed.
pub const ROWS: std::ops::RangeInclusive<usize> = 1..=64;

/// A larger model would take too much memory a second time.
const MOST_SCALARS: usize = 500_000_000;

/// A thread for fewer rows would read all weights for too little work.
const LEAST_ROWS: usize = 8;

/// Packed weights and all memory of a step.
#[derive(Debug)]
pub struct FusedStep {
    layers: Vec<Layer>,
    norm: Vec<f32>, // [hidden]
    head: PackedLinear,
    memories: Vec<Memory>, // of each thread
    logits: Vec<f32>,      // [rows, vocabulary]
}

#[derive(Debug)]
struct Layer {
    attention_norm: Vec<f32>, // [hidden]
    query_key_value: PackedLinear,
    query_key_norms: Option<[Vec<f32>; 2]>, // [head_dim]
    output: PackedLinear,
    attention_out_norm: Option<Vec<f32>>,
    feed_norm: Vec<f32>,
    gate_up: PackedLinear,
    down: PackedLinear,
    feed_out_norm: Option<Vec<f32>>,
}

/// What a step writes to; it grows with the rows and the places, never shrinks.
#[derive(Debug, Default)]
struct Memory {
    stream: Vec<f32>,   // [rows, hidden]
    normed: Vec<f32>,   // [rows, hidden]
    heads: Vec<f32>,    // [rows, heads + 2 kv_heads, head_dim]
    attended: Vec<f32>, // [rows, heads, head_dim]
    added: Vec<f32>,    // [rows, hidden]
    both: Vec<f32>,     // [rows, 2 intermediate]
    product: Vec<f32>,  // [rows, intermediate]
    scores: Vec<f32>,   // [2, places]
}

impl Memory {
    fn fit(&mut self, config: &ModelConfig, rows: usize, places: usize) {
        let heads = config.heads * config.head_dim;
        let keys = config.kv_heads * config.head_dim;
        self.stream.resize(rows * config.hidden, 0.0);
        self.normed.resize(rows * config.hidden, 0.0);
        self.heads.resize(rows * (heads + 2 * keys), 0.0);
        self.attended.resize(rows * heads, 0.0);
        self.added.resize(rows * config.hidden, 0.0);
        self.both.resize(rows * 2 * config.intermediate, 0.0);
        self.product.resize(rows * config.intermediate, 0.0);
        if self.scores.len() < 2 * places {
            self.scores.resize(4 * places, 0.0);
        }
    }
}

impl FusedStep {
    /// Packs the weights of `decoder`; none for a model that is not f32 on the CPU, or so
    /// large that a second copy is too much, or with an adapter beside its weights. It knows nothing of later changes of the weights.
    pub fn new(decoder: &Decoder) -> Option<Self> {
        let (config, weights) = (decoder.config(), decoder.weights());
        let layout = weights.layout();
        let fits = weights.kind() == Kind::Float
            && weights.device() == Device::Cpu
            && layout.scalars() <= MOST_SCALARS
            && !decoder.adapted();
        if !fits {
            return None;
        }
        let pack = Pack { config, weights };
        let head = Affine {
            weight: layout.head,
            bias: None,
        };
        Some(Self {
            layers: layout
                .layers
                .iter()
                .map(|layer| pack.layer(layer))
                .collect(),
            norm: pack.gain(layout.norm),
            head: pack.linear(head),
            memories: Vec::new(),
            logits: Vec::new(),
        })
    }

    /// The scores of every next token, `[rows, vocabulary]`, after one more token of each row
    /// of `cache`, which keeps its keys and values.
    ///
    /// `decoder` is the one that was packed.
    ///
    /// # Errors
    /// Another number of ids than the cache has rows, an id outside the vocabulary, more
    /// tokens than the cache's limit, not enough memory.
    pub fn scores(
        &mut self,
        decoder: &Decoder,
        ids: &[i64],
        cache: &mut Cache,
    ) -> Result<&mut [f32], LmError> {
        let config = decoder.config();
        if ids.len() != cache.rows() {
            return Err(LmError::Input(format!(
                "{} tokens for {} rows of a cache - allowed: one for each",
                ids.len(),
                cache.rows()
            )));
        }
        cache.reserve(1)?;
        let threads = threads().min(ids.len() / LEAST_ROWS).max(1);
        let rows = ids.len().div_ceil(threads);
        let places = cache.length() + 1;
        self.memories.resize_with(threads, Memory::default);
        for (memory, ids) in self.memories.iter_mut().zip(ids.chunks(rows)) {
            memory.fit(config, ids.len(), places);
            embed(decoder, ids, &mut memory.stream)?;
        }
        self.logits.resize(ids.len() * config.vocabulary, 0.0);
        let logits = self.logits.chunks_mut(rows * config.vocabulary);
        let parts = self.memories.iter_mut().zip(cache.parts(config, rows));
        let (layers, norm, head) = (&self.layers, &self.norm, &self.head);
        on_threads(parts.zip(logits), |((memory, places), logits)| {
            let rows = logits.len() / config.vocabulary;
            for (layer, place) in layers.iter().zip(places) {
                layer.attention(config, place, memory);
                layer.feed_forward(config, memory);
            }
            let epsilon = config.norm_epsilon as f32;
            rms_norm(&memory.stream, norm, epsilon, &mut memory.normed);
            head.forward(&memory.normed, rows, logits);
            if let Some(cap) = config.logit_cap {
                cap_softly(cap as f32, logits);
            }
        });
        cache.advance(1);
        Ok(&mut self.logits)
    }
}

/// `stream` `[rows, hidden]` from the embedding.
fn embed(decoder: &Decoder, ids: &[i64], stream: &mut [f32]) -> Result<(), LmError> {
    let (config, weights) = (decoder.config(), decoder.weights());
    let table = slices::values(weights.get(weights.layout().embedding));
    let width = config.hidden;
    for (id, row) in ids.iter().zip(stream.chunks_exact_mut(width)) {
        let known = usize::try_from(*id)
            .ok()
            .filter(|id| *id < config.vocabulary);
        let Some(id) = known else {
            return Err(LmError::Input(format!(
                "token id {id} - allowed: 0 to {}",
                config.vocabulary - 1
            )));
        };
        row.copy_from_slice(&table[id * width..][..width]);
    }
    if let Some(scale) = config.embedding_scale {
        stream.iter_mut().for_each(|value| *value *= scale as f32);
    }
    Ok(())
}

impl Layer {
    fn attention(&self, config: &ModelConfig, place: CacheLayer<'_>, memory: &mut Memory) {
        let epsilon = config.norm_epsilon as f32;
        let CacheLayer {
            keys,
            values,
            capacity,
            length,
            starts,
            window,
            turns,
        } = place;
        let (rows, width) = (starts.len(), config.head_dim);
        rms_norm(
            &memory.stream,
            &self.attention_norm,
            epsilon,
            &mut memory.normed,
        );
        self.query_key_value
            .forward(&memory.normed, rows, &mut memory.heads);
        let attention = TokenAttention {
            group: config.heads / config.kv_heads,
            width,
            scale: config.attention_scale as f32,
            cap: config.attention_cap.map(|cap| cap as f32),
        };
        let all = (config.heads + 2 * config.kv_heads) * width;
        let heads = memory.heads.chunks_exact_mut(all);
        let attended = memory.attended.chunks_exact_mut(config.heads * width);
        let kept = config.kv_heads * capacity * width;
        let kept = keys
            .chunks_exact_mut(kept)
            .zip(values.chunks_exact_mut(kept));
        for (row, ((heads, attended), ((keys, values), start))) in
            heads.zip(attended).zip(kept.zip(starts)).enumerate()
        {
            let start = *start as usize;
            let turn = turns.map(|turns| turns.at(row, length - start));
            self.place_heads(config, heads, turn);
            let (queries, new) = heads.split_at(config.heads * width);
            let (new_keys, new_values) = new.split_at(config.kv_heads * width);
            let from = window.map_or(0, |window| (length + 1).saturating_sub(window));
            let seen = start.max(from)..length + 1;
            for head in 0..config.kv_heads {
                let new = head * width..(head + 1) * width;
                let place = |place: usize| (head * capacity + place) * width;
                keys[place(length)..][..width].copy_from_slice(&new_keys[new.clone()]);
                values[place(length)..][..width].copy_from_slice(&new_values[new]);
                let seen = place(seen.start)..place(seen.end);
                let group = head * attention.group * width..(head + 1) * attention.group * width;
                attention.attend(
                    &queries[group.clone()],
                    &keys[seen.clone()],
                    &values[seen],
                    &mut memory.scores,
                    &mut attended[group],
                );
            }
        }
        self.output
            .forward(&memory.attended, rows, &mut memory.added);
        add(memory, self.attention_out_norm.as_deref(), epsilon);
    }

    /// Norms and turns the queries and keys of one row, `heads` `[heads + 2 kv_heads, head_dim]`.
    fn place_heads(&self, config: &ModelConfig, heads: &mut [f32], turned: Option<[&[f32]; 2]>) {
        let epsilon = config.norm_epsilon as f32;
        let heads = heads.chunks_exact_mut(config.head_dim);
        for (number, head) in heads.take(config.heads + config.kv_heads).enumerate() {
            if let Some(norms) = &self.query_key_norms {
                let gain = &norms[usize::from(number >= config.heads)];
                rms_norm_in_place(head, gain, epsilon);
            }
            if let Some([cosine, sine]) = turned {
                turn(head, cosine, sine);
            }
        }
    }

    fn feed_forward(&self, config: &ModelConfig, memory: &mut Memory) {
        let epsilon = config.norm_epsilon as f32;
        let rows = memory.stream.len() / config.hidden;
        rms_norm(&memory.stream, &self.feed_norm, epsilon, &mut memory.normed);
        self.gate_up.forward(&memory.normed, rows, &mut memory.both);
        let gate = config.gate();
        gated(gate, &memory.both, config.intermediate, &mut memory.product);
        self.down.forward(&memory.product, rows, &mut memory.added);
        add(memory, self.feed_out_norm.as_deref(), epsilon);
    }
}

/// `stream += added`, which is normed first where the family has such a norm.
fn add(memory: &mut Memory, norm: Option<&[f32]>, epsilon: f32) {
    let added = match norm {
        Some(gain) => {
            rms_norm(&memory.added, gain, epsilon, &mut memory.normed);
            &memory.normed
        }
        None => &memory.added,
    };
    for (value, added) in memory.stream.iter_mut().zip(added) {
        *value += *added;
    }
}

/// Copies weights into the form of a step.
struct Pack<'a> {
    config: &'a ModelConfig,
    weights: &'a Weights,
}

impl Pack<'_> {
    fn layer(&self, layer: &LayerWeights) -> Layer {
        Layer {
            attention_norm: self.gain(layer.attention_norm),
            query_key_value: self.linear(layer.query_key_value),
            query_key_norms: layer
                .query_key_norms
                .map(|norms| norms.map(|norm| self.gain(norm))),
            output: self.linear(layer.output),
            attention_out_norm: layer.attention_out_norm.map(|norm| self.gain(norm)),
            feed_norm: self.gain(layer.feed_norm),
            gate_up: self.linear(layer.gate_up),
            down: self.linear(layer.down),
            feed_out_norm: layer.feed_out_norm.map(|norm| self.gain(norm)),
        }
    }

    /// What a norm multiplies by.
    fn gain(&self, index: WeightIndex) -> Vec<f32> {
        let offset = if self.config.norm_offset { 1.0 } else { 0.0 };
        let weight = slices::values(self.weights.get(index));
        weight.iter().map(|weight| weight + offset).collect()
    }

    fn linear(&self, affine: Affine) -> PackedLinear {
        let weight = self.weights.get(affine.weight);
        let shape = [weight.size()[0] as usize, weight.size()[1] as usize];
        let bias = affine
            .bias
            .map(|bias| slices::values(self.weights.get(bias)));
        PackedLinear::new(slices::values(weight), bias, shape)
    }
}
