//! A training pass on the CPU in f32, without autograd but for attention with capped scores.
//!
//! The products take most of a pass, and LibTorch's run at half of what a core with AVX-512
//! can do; autograd adds a temporary and an addition for every gradient. Here the layers'
//! products, norms and gates are hand-made kernels, forward and backward, and gradients are
//! added where they belong. What is kept of a layer is the input of each of its parts.

mod attention;
mod head;
mod rows;

use nn::fused::Gate;
use nn::fused::matrix::{PackedMatrix, add_outer};
use nn::slices::{values, values_mut};
use tch::{Device, Kind, Tensor, no_grad};

use crate::LmError;
use crate::config::{Activation, ModelConfig};
use crate::decoder::{Batch, Decoder, Surroundings};
use crate::trained::Trained;
use crate::weights::{Affine, WeightIndex};

/// What the backward pass of a layer needs. `[tokens, ..]` each, but for the heads.
pub(crate) struct Kept {
    stream: Tensor,                // [tokens, hidden], before the layer
    heads: Tensor,                 // [rows, tokens, heads + 2 kv_heads, head_dim]
    attended: Tensor, // [rows, tokens, heads * head_dim]; with caps a graph over `heads`
    attention_out: Option<Tensor>, // [tokens, hidden], before its norm
    middle: Tensor,   // [tokens, hidden], after the attention
    both: Tensor,     // [tokens, 2 intermediate]
    feed_out: Option<Tensor>, // [tokens, hidden], before its norm
}

impl ModelConfig {
    pub(crate) fn gate(&self) -> Gate {
        match self.activation {
            Activation::Silu => Gate::Silu,
            Activation::GeluTanh => Gate::GeluTanh,
            Activation::Gelu => Gate::Gelu,
        }
    }
}

fn empty(shape: &[i64]) -> Result<Tensor, LmError> {
    Ok(Tensor::f_empty(shape, (Kind::Float, Device::Cpu))?)
}

fn zeros(shape: &[i64]) -> Result<Tensor, LmError> {
    let mut zeros = empty(shape)?;
    values_mut(&mut zeros).fill(0.0);
    Ok(zeros)
}

fn integers(tensor: &Tensor) -> Vec<i64> {
    let mut numbers = vec![0; tensor.numel()];
    tensor.copy_data(&mut numbers, tensor.numel());
    numbers
}

pub(crate) fn threads() -> usize {
    tch::get_num_threads().max(1) as usize
}

impl Decoder {
    /// Whether passes go through this module.
    pub(crate) fn passes_fused(&self) -> bool {
        let weights = self.weights();
        weights.kind() == Kind::Float
            && weights.device() == Device::Cpu
            && !self.adapted()
            && self.trained() != Trained::Adapters
    }

    /// What a norm multiplies by. `[width]`
    pub(crate) fn gain(&self, index: WeightIndex) -> Vec<f32> {
        let offset = if self.config().norm_offset { 1.0 } else { 0.0 };
        let weight = values(self.weights().get(index));
        weight.iter().map(|weight| weight + offset).collect()
    }

    /// As [`Decoder::embed`]. `[rows * tokens, hidden]`.
    pub(crate) fn fused_embed(&self, batch: &Batch) -> Result<Tensor, LmError> {
        let config = self.config();
        let ids = integers(batch.ids());
        let mut stream = empty(&[ids.len() as i64, config.hidden as i64])?;
        let weight = values(self.weights().get(self.weights().layout().embedding));
        let known = weight.len() / config.hidden;
        if let Some(id) = ids.iter().find(|id| **id < 0 || **id >= known as i64) {
            return Err(LmError::Input(format!(
                "token id {id} - allowed: 0 to {} - the ids are of another model's tokenizer",
                known - 1
            )));
        }
        let scale = config.embedding_scale.unwrap_or(1.0) as f32;
        rows::gathered(weight, config.hidden, &ids, scale, values_mut(&mut stream));
        Ok(stream)
    }

    /// As [`Decoder::hidden_at`]. `[scored, hidden]`.
    pub(crate) fn fused_hidden_at(
        &self,
        stream: &Tensor,
        places: &Tensor,
    ) -> Result<Tensor, LmError> {
        let (places, width) = (integers(places), self.config().hidden);
        let mut hidden = empty(&[places.len() as i64, width as i64])?;
        rows::gathered(values(stream), width, &places, 1.0, values_mut(&mut hidden));
        Ok(hidden)
    }

    fn normed(&self, index: WeightIndex, input: &Tensor) -> Result<Tensor, LmError> {
        let mut output = empty(&input.size())?;
        let epsilon = self.config().norm_epsilon as f32;
        rows::normed(
            values(input),
            &self.gain(index),
            epsilon,
            values_mut(&mut output),
        );
        Ok(output)
    }

    /// `input` to `[tokens, outputs]`.
    fn multiplied(&self, affine: Affine, input: &Tensor) -> Result<Tensor, LmError> {
        let weight = self.weights().get(affine.weight);
        let shape = shape_of(weight);
        let tokens = input.numel() / shape[1];
        let mut output = empty(&[tokens as i64, shape[0] as i64])?;
        let bias = affine.bias.map(|bias| values(self.weights().get(bias)));
        let packed = PackedMatrix::forward(values(weight), shape);
        packed.multiply(values(input), bias, values_mut(&mut output), threads());
        Ok(output)
    }

    fn gated(&self, both: &Tensor) -> Result<Tensor, LmError> {
        let width = self.config().intermediate;
        let mut product = empty(&[both.size()[0], width as i64])?;
        let gate = self.config().gate();
        rows::gated(gate, values(both), width, values_mut(&mut product));
        Ok(product)
    }

    /// `stream + output`, which is normed first where the family has such a norm; returns
    /// what the norm's gradient needs.
    fn joined(
        &self,
        stream: &Tensor,
        output: Tensor,
        norm: Option<WeightIndex>,
    ) -> Result<(Tensor, Option<Tensor>), LmError> {
        let (mut sum, needed) = match norm {
            Some(norm) => (self.normed(norm, &output)?, Some(output)),
            None => (output, None),
        };
        rows::add(values_mut(&mut sum), values(stream));
        Ok((sum, needed))
    }

    /// One layer: `stream` `[tokens, hidden]` of `rows` texts to the same. With `keeps`, a
    /// graph of the attention is kept for the gradient.
    pub(crate) fn fused_block(
        &self,
        layer: usize,
        stream: Tensor,
        rows: i64,
        surroundings: &Surroundings,
        keeps: bool,
    ) -> Result<(Tensor, Kept), LmError> {
        let config = self.config();
        let weights = &self.weights().layout().layers[layer];
        let tokens = stream.size()[0] / rows;
        let normed = self.normed(weights.attention_norm, &stream)?;
        let heads = self.multiplied(weights.query_key_value, &normed)?;
        let all = (config.heads + 2 * config.kv_heads) as i64;
        let heads = heads.view([rows, tokens, all, config.head_dim as i64]);
        let (heads, attended) = self.fused_attention(layer, heads, surroundings, keeps)?;
        no_grad(|| {
            let output = self.multiplied(weights.output, &attended.detach())?;
            let (middle, attention_out) =
                self.joined(&stream, output, weights.attention_out_norm)?;
            let normed = self.normed(weights.feed_norm, &middle)?;
            let both = self.multiplied(weights.gate_up, &normed)?;
            let output = self.multiplied(weights.down, &self.gated(&both)?)?;
            let (next, feed_out) = self.joined(&middle, output, weights.feed_out_norm)?;
            let kept = Kept {
                stream,
                heads,
                attended,
                attention_out,
                middle,
                both,
                feed_out,
            };
            Ok((next, kept))
        })
    }

    /// Backward through a layer: `behind` `[tokens, hidden]` is the gradient of its output
    /// and becomes that of its input; those of the weights are added to `flat`.
    pub(crate) fn fused_block_backward(
        &self,
        layer: usize,
        kept: &Kept,
        surroundings: &Surroundings,
        behind: &mut Tensor,
        flat: &mut Tensor,
    ) -> Result<(), LmError> {
        let config = self.config();
        let weights = &self.weights().layout().layers[layer];
        let through_norm = Back { decoder: self };

        let of_output =
            through_norm.out(weights.feed_out_norm, kept.feed_out.as_ref(), behind, flat)?;
        let product = self.gated(&kept.both)?;
        let of_product = through_norm.affine(weights.down, &product, &of_output, flat)?;
        let mut of_both = empty(&kept.both.size())?;
        rows::gated_backward(
            config.gate(),
            values(&kept.both),
            config.intermediate,
            values(&of_product),
            values_mut(&mut of_both),
        );
        let normed = self.normed(weights.feed_norm, &kept.middle)?;
        let of_normed = through_norm.affine(weights.gate_up, &normed, &of_both, flat)?;
        through_norm.norm(weights.feed_norm, &kept.middle, &of_normed, behind, flat);

        let out = kept.attention_out.as_ref();
        let of_output = through_norm.out(weights.attention_out_norm, out, behind, flat)?;
        let attended = kept.attended.detach();
        let of_attended = through_norm.affine(weights.output, &attended, &of_output, flat)?;
        let of_heads =
            self.fused_attention_backward(layer, kept, &of_attended, surroundings, flat)?;
        let normed = self.normed(weights.attention_norm, &kept.stream)?;
        let of_normed = through_norm.affine(weights.query_key_value, &normed, &of_heads, flat)?;
        through_norm.norm(
            weights.attention_norm,
            &kept.stream,
            &of_normed,
            behind,
            flat,
        );
        Ok(())
    }

    /// Adds the gradient of the embedding, given that of the stream, `[tokens, hidden]`.
    pub(crate) fn embedding_backward(&self, batch: &Batch, behind: &Tensor, flat: &mut Tensor) {
        let config = self.config();
        let ids = integers(batch.ids());
        let start = self.leaf(self.weights().layout().embedding).start as usize;
        let scale = config.embedding_scale.unwrap_or(1.0) as f32;
        let flat = values_mut(flat);
        let rows = values(behind).chunks_exact(config.hidden);
        for (id, row) in ids.into_iter().zip(rows) {
            // As in the reference, padding learns nothing.
            if config.padding_id == Some(id) {
                continue;
            }
            let place = &mut flat[start + id as usize * config.hidden..][..config.hidden];
            for (sum, value) in place.iter_mut().zip(row) {
                *sum += scale * value;
            }
        }
    }
}

/// Backward through the parts of a layer.
struct Back<'a> {
    decoder: &'a Decoder,
}

impl Back<'_> {
    /// Adds the gradient of a norm's input to `before` and that of its weight to `flat`.
    fn norm(
        &self,
        index: WeightIndex,
        input: &Tensor,
        behind: &Tensor,
        before: &mut Tensor,
        flat: &mut Tensor,
    ) {
        let gain = self.decoder.gain(index);
        let start = self.decoder.leaf(index).start as usize;
        rows::normed_backward(
            values(input),
            &gain,
            self.decoder.config().norm_epsilon as f32,
            values(behind),
            values_mut(before),
            &mut values_mut(flat)[start..start + gain.len()],
        );
    }

    /// Through the norm that some families have behind a part of a layer.
    fn out(
        &self,
        norm: Option<WeightIndex>,
        output: Option<&Tensor>,
        behind: &Tensor,
        flat: &mut Tensor,
    ) -> Result<Tensor, LmError> {
        let (Some(norm), Some(output)) = (norm, output) else {
            return Ok(behind.shallow_clone());
        };
        let mut before = zeros(&output.size())?;
        self.norm(norm, output, behind, &mut before, flat);
        Ok(before)
    }

    /// The gradient of a product's input; those of its weight and bias are added to `flat`.
    fn affine(
        &self,
        affine: Affine,
        input: &Tensor,
        behind: &Tensor,
        flat: &mut Tensor,
    ) -> Result<Tensor, LmError> {
        let leaf = self.decoder.leaf(affine.weight);
        let shape = shape_of(leaf.tensor);
        let tokens = behind.numel() / shape[0];
        let mut before = empty(&[tokens as i64, shape[1] as i64])?;
        let packed = PackedMatrix::backward(values(leaf.tensor), shape);
        packed.multiply(values(behind), None, values_mut(&mut before), threads());
        let flat = values_mut(flat);
        let place = &mut flat[leaf.start as usize..][..shape[0] * shape[1]];
        add_outer(values(behind), values(input), tokens, place, threads());
        if let Some(bias) = affine.bias {
            let start = self.decoder.leaf(bias).start as usize;
            let sums = &mut flat[start..start + shape[0]];
            for row in values(behind).chunks_exact(shape[0]) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        }
        Ok(before)
    }
}

pub(crate) fn shape_of(weight: &Tensor) -> [usize; 2] {
    let size = weight.size();
    [size[0] as usize, size[1] as usize]
}
