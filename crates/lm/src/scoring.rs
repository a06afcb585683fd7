//! Log-probabilities of given tokens and their gradients, without the full logits.
//!
//! A vocabulary of 150,000 times a few thousand tokens in f32 is gigabytes, so logits only
//! exist for a chunk of tokens at a time. A loss is a function of the log-probabilities
//! alone: [`Decoder::score`] gives them, the caller derives its loss with respect to them,
//! and [`Decoder::accumulate`] carries that derivative back through the model. Any loss of
//! preference learning fits, and none of them needs to know how the memory is spared.

use tch::{Kind, Tensor, no_grad};

use crate::LmError;
use crate::decoder::{Batch, Decoder, Surroundings};
use crate::weights::{LayerWeights, WeightIndex, WeightLayout};

/// What is kept of the forward pass for the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activations {
    /// Nothing: no gradient will be asked for.
    Dropped,
    /// Every intermediate value; the fastest.
    Kept,
    /// The input of every layer; the rest is computed a second time (Chen et al. 2016).
    Recomputed,
}

/// How a batch is scored.
#[derive(Clone, Copy, Debug)]
pub struct ScoreSettings {
    /// What is kept for the gradient.
    pub activations: Activations,
    /// Tokens whose logits exist at the same time.
    pub chunk: usize,
}

impl Default for ScoreSettings {
    fn default() -> Self {
        Self {
            activations: Activations::Dropped,
            chunk: 512,
        }
    }
}

/// Scored tokens, with what their gradient needs.
pub struct Scored {
    log_probabilities: Tensor, // [scored], f32
    places: Tensor,            // [scored], into rows * tokens
    targets: Tensor,           // [scored]
    inputs: Vec<Tensor>,       // of each layer, when recomputed
    stream: Tensor,            // [rows, tokens, hidden], after the last layer
    surroundings: Surroundings,
    settings: ScoreSettings,
}

impl Scored {
    /// The log-probability of each target, row by row; tokens without one are left out.
    /// `[scored]`, f32, no gradient.
    pub fn log_probabilities(&self) -> &Tensor {
        &self.log_probabilities
    }
}

/// A gradient laid out like the weights, in f32, summed over as many batches as one likes.
#[derive(Debug)]
pub struct Gradient {
    flat: Tensor, // [scalars], f32
}

impl Gradient {
    /// Zero, for the weights of `decoder`.
    ///
    /// # Errors
    /// Not enough memory on the device.
    pub fn zeros(decoder: &Decoder) -> Result<Self, LmError> {
        let weights = decoder.weights();
        let scalars = weights.layout().scalars() as i64;
        let flat = Tensor::f_zeros([scalars], (Kind::Float, weights.device()))?;
        Ok(Self { flat })
    }

    /// `[scalars]`, f32; gaps between weights are 0.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// For clipping and optimisers. `[scalars]`, f32.
    pub fn flat_mut(&mut self) -> &mut Tensor {
        &mut self.flat
    }

    /// Back to zero.
    pub fn clear(&mut self) {
        let _ = no_grad(|| self.flat.zero_());
    }

    fn add(&mut self, layout: &WeightLayout, indices: &[WeightIndex], parts: &[Tensor]) {
        no_grad(|| {
            for (index, part) in indices.iter().zip(parts) {
                let mut place = layout.place(&self.flat, *index);
                let _ = place.g_add_(part);
            }
        });
    }
}

/// The weights of one layer.
fn of_layer(layer: &LayerWeights) -> Vec<WeightIndex> {
    let affines = [
        layer.query_key_value,
        layer.output,
        layer.gate_up,
        layer.down,
    ];
    let mut all = vec![layer.attention_norm, layer.feed_norm];
    all.extend(affines.iter().map(|affine| affine.weight));
    all.extend(affines.iter().filter_map(|affine| affine.bias));
    all.extend(layer.query_key_norms.into_iter().flatten());
    all.extend(layer.attention_out_norm);
    all.extend(layer.feed_out_norm);
    all
}

impl Decoder {
    /// Scores `targets` `[rows, tokens]`, i64: at each place the token whose probability is
    /// asked for, usually the next one, and a negative number where none is.
    ///
    /// # Errors
    /// Another shape than the batch, ids outside the vocabulary, no target at all,
    /// LibTorch's own.
    pub fn score(
        &self,
        batch: &Batch,
        targets: &Tensor,
        settings: ScoreSettings,
    ) -> Result<Scored, LmError> {
        if targets.size() != batch.ids().size() {
            return Err(LmError::Input(format!(
                "targets {:?} - allowed: the batch's {:?}",
                targets.size(),
                batch.ids().size()
            )));
        }
        let targets = targets.to_device(self.weights().device()).view([-1]);
        let places = targets.ge(0).nonzero().squeeze_dim(1);
        let targets = targets.index_select(0, &places);
        if targets.numel() == 0 || targets.max().int64_value(&[]) >= self.config().vocabulary as i64
        {
            return Err(LmError::Input(format!(
                "targets - allowed: at least one, each below {}",
                self.config().vocabulary
            )));
        }
        let surroundings = self.surroundings(batch);
        let mut inputs = Vec::new();
        let mut pass = || {
            let mut stream = self.embed(batch.ids());
            for layer in 0..self.layers() {
                if settings.activations == Activations::Recomputed {
                    inputs.push(stream.shallow_clone());
                }
                stream = self.block(layer, &stream, &surroundings, None);
            }
            stream
        };
        let stream = match settings.activations {
            Activations::Kept => pass(),
            _ => no_grad(pass),
        };
        let log_probabilities = no_grad(|| {
            let hidden = self.hidden_at(&stream, &places);
            let chunks = chunks(targets.numel(), settings.chunk);
            let logs: Vec<Tensor> = chunks
                .map(|(start, count)| {
                    let targets = targets.narrow(0, start, count);
                    self.log_probability(&hidden.narrow(0, start, count), &targets)
                })
                .collect();
            Tensor::f_cat(&logs, 0)
        })?;
        Ok(Scored {
            log_probabilities,
            places,
            targets,
            inputs,
            stream,
            surroundings,
            settings,
        })
    }

    /// Adds to `gradient` that of a loss whose derivative with respect to each of
    /// [`Scored::log_probabilities`] is `derivative` `[scored]`, f32.
    ///
    /// # Errors
    /// Activations were dropped, the weights do not require gradients, LibTorch's own.
    pub fn accumulate(
        &self,
        batch: &Batch,
        scored: Scored,
        derivative: &Tensor,
        gradient: &mut Gradient,
    ) -> Result<(), LmError> {
        if scored.settings.activations == Activations::Dropped
            || !self.weights().all().iter().all(Tensor::requires_grad)
        {
            return Err(LmError::Input(
                "a gradient was asked for - allowed: of trainable weights, with activations kept or recomputed".to_owned(),
            ));
        }
        let mut behind = self.head_gradient(&scored, derivative, gradient)?;
        let layout = self.weights().layout();
        if scored.settings.activations == Activations::Kept {
            let mut indices = vec![layout.embedding];
            indices.extend(layout.layers.iter().flat_map(of_layer));
            let (_, parts) = self.pulled(&scored.stream, &behind, None, &indices)?;
            gradient.add(layout, &indices, &parts);
            return Ok(());
        }
        for (layer, input) in scored.inputs.into_iter().enumerate().rev() {
            let input = input.detach().set_requires_grad(true);
            let output = self.block(layer, &input, &scored.surroundings, None);
            let indices = of_layer(&layout.layers[layer]);
            let (before, parts) = self.pulled(&output, &behind, Some(&input), &indices)?;
            gradient.add(layout, &indices, &parts);
            behind = before.unwrap_or(behind);
        }
        let indices = [layout.embedding];
        let (_, parts) = self.pulled(&self.embed(batch.ids()), &behind, None, &indices)?;
        gradient.add(layout, &indices, &parts);
        Ok(())
    }

    /// `[rows, tokens, hidden]` to `[scored, hidden]`.
    fn hidden_at(&self, stream: &Tensor, places: &Tensor) -> Tensor {
        let hidden = self.config().hidden as i64;
        stream.view([-1, hidden]).index_select(0, places)
    }

    /// `hidden` `[tokens, hidden]` to the targets' log-probabilities `[tokens]`, f32.
    fn log_probability(&self, hidden: &Tensor, targets: &Tensor) -> Tensor {
        let logits = self.logits(hidden).to_kind(Kind::Float);
        let taken = logits.gather(-1, &targets.unsqueeze(-1), false);
        taken.squeeze_dim(-1) - logits.logsumexp(-1, false)
    }

    /// Adds the gradient of the last norm and the head; returns that of the stream.
    fn head_gradient(
        &self,
        scored: &Scored,
        derivative: &Tensor,
        gradient: &mut Gradient,
    ) -> Result<Tensor, LmError> {
        let layout = self.weights().layout();
        let indices = [layout.norm, layout.head];
        let hidden = no_grad(|| self.hidden_at(&scored.stream, &scored.places));
        let mut parts_of_hidden = Vec::new();
        for (start, count) in chunks(scored.targets.numel(), scored.settings.chunk) {
            let leaf = hidden.narrow(0, start, count).detach();
            let leaf = leaf.set_requires_grad(true);
            let logs = self.log_probability(&leaf, &scored.targets.narrow(0, start, count));
            let derivative = derivative.narrow(0, start, count);
            let (before, parts) = self.pulled(&logs, &derivative, Some(&leaf), &indices)?;
            gradient.add(layout, &indices, &parts);
            parts_of_hidden.extend(before);
        }
        Ok(no_grad(|| -> Result<Tensor, tch::TchError> {
            let behind = Tensor::f_zeros_like(&scored.stream)?;
            let width = self.config().hidden as i64;
            let of_hidden = Tensor::f_cat(&parts_of_hidden, 0)?;
            let mut rows = behind.view([-1, width]);
            let _ = rows.f_index_copy_(0, &scored.places, &of_hidden)?;
            Ok(behind)
        })?)
    }

    /// The product of `behind` with the derivatives of `output`, with respect to `input`
    /// and to the weights.
    fn pulled(
        &self,
        output: &Tensor,
        behind: &Tensor,
        input: Option<&Tensor>,
        indices: &[WeightIndex],
    ) -> Result<(Option<Tensor>, Vec<Tensor>), LmError> {
        let product = (output * behind).sum(Kind::Float);
        let mut leaves: Vec<&Tensor> = input.into_iter().collect();
        leaves.extend(indices.iter().map(|index| self.weights().get(*index)));
        let mut parts = Tensor::f_run_backward(&[product], &leaves, false, false)?;
        let before = input.map(|_| parts.remove(0));
        Ok((before, parts))
    }
}

/// Starts and lengths that cover `count` in steps of `chunk`.
fn chunks(count: usize, chunk: usize) -> impl Iterator<Item = (i64, i64)> {
    let chunk = chunk.max(1);
    let starts = (0..count).step_by(chunk);
    starts.map(move |start| (start as i64, chunk.min(count - start) as i64))
}
