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
use crate::fused_pass::Kept;
use crate::trained::{Leaf, Section, Trained};

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
    /// Seed of the dropout of an adapter that has one; nothing is dropped without. Another
    /// one for every batch, from a stream of the run.
    pub dropout: Option<u64>,
}

impl Default for ScoreSettings {
    fn default() -> Self {
        Self {
            activations: Activations::Dropped,
            chunk: 512,
            dropout: None,
        }
    }
}

/// Scored tokens, with what their gradient needs.
pub struct Scored {
    log_probabilities: Tensor, // [scored], f32
    places: Tensor,            // [scored], into rows * tokens
    targets: Tensor,           // [scored]
    pass: Pass,
    settings: ScoreSettings,
}

/// A forward pass with what its gradient needs.
pub(crate) struct Pass {
    pub(crate) stream: Tensor, // [rows, tokens, hidden], after the last layer
    inputs: Vec<Tensor>,       // of each layer, when recomputed
    kept: Vec<Kept>,           // of each layer, when kept by hand-made kernels
    surroundings: Surroundings,
    activations: Activations,
}

impl Scored {
    /// The log-probability of each target, row by row; tokens without one are left out.
    /// `[scored]`, f32, no gradient.
    pub fn log_probabilities(&self) -> &Tensor {
        &self.log_probabilities
    }
}

/// A gradient laid out like what is trained, in f32, summed over as many batches as one likes.
#[derive(Debug)]
pub struct Gradient {
    flat: Tensor, // [scalars], f32
}

impl Gradient {
    /// Zero, for what is trained of `decoder`; empty when that is nothing.
    ///
    /// # Errors
    /// Not enough memory on the device.
    pub fn zeros(decoder: &Decoder) -> Result<Self, LmError> {
        let trained = decoder.trained_flat();
        let flat = Tensor::f_zeros(trained.size(), (Kind::Float, trained.device()))?;
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
        match nn::slices::of_f32_mut(&mut self.flat) {
            Some(values) => values.fill(0.0),
            None => {
                let _ = no_grad(|| self.flat.zero_());
            }
        }
    }

    pub(crate) fn add(&mut self, leaves: &[Leaf<'_>], parts: &[Tensor]) {
        no_grad(|| {
            for (leaf, part) in leaves.iter().zip(parts) {
                let place = self.flat.narrow(0, leaf.start, part.numel() as i64);
                let _ = place.view(&part.size()[..]).g_add_(part);
            }
        });
    }
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
        self.score_at(batch, &places, &targets, settings)
    }

    /// As [`Decoder::score`], where a place may be asked for several tokens: the
    /// log-probability of `targets` `[scored]` after the tokens at `places` `[scored]`, i64,
    /// into rows times tokens. [`Batch::branch_targets`] gives both.
    ///
    /// # Errors
    /// As [`Decoder::score`]; a place outside the batch.
    pub fn score_at(
        &self,
        batch: &Batch,
        places: &Tensor,
        targets: &Tensor,
        settings: ScoreSettings,
    ) -> Result<Scored, LmError> {
        let device = self.weights().device();
        let [places, targets] = [places, targets].map(|part| part.to_device(device));
        let within = |part: &Tensor, limit: usize| {
            part.min().int64_value(&[]) >= 0 && part.max().int64_value(&[]) < limit as i64
        };
        if targets.numel() == 0 || !within(&targets, self.config().vocabulary) {
            return Err(LmError::Input(format!(
                "targets - allowed: at least one, each below {}",
                self.config().vocabulary
            )));
        }
        if places.size() != targets.size() || !within(&places, batch.ids().numel()) {
            return Err(LmError::Input(format!(
                "places {:?} of {:?} targets - allowed: one each, below {}, the batch's tokens",
                places.size(),
                targets.size(),
                batch.ids().numel()
            )));
        }
        let pass = self.pass(batch, settings.activations, settings.dropout)?;
        let log_probabilities = no_grad(|| {
            if self.passes_fused() {
                let hidden = self.fused_hidden_at(&pass.stream, &places)?;
                return self.fused_log_probabilities(&hidden, &targets, settings.chunk);
            }
            let hidden = self.hidden_at(&pass.stream, &places);
            let chunks = chunks(targets.numel(), settings.chunk);
            let logs: Vec<Tensor> = chunks
                .map(|(start, count)| {
                    let targets = targets.narrow(0, start, count);
                    self.log_probability(&hidden.narrow(0, start, count), &targets)
                })
                .collect();
            Ok(Tensor::f_cat(&logs, 0)?)
        })?;
        Ok(Scored {
            log_probabilities,
            places,
            targets,
            pass,
            settings,
        })
    }

    /// The layers, with as much kept as `activations` says.
    pub(crate) fn pass(
        &self,
        batch: &Batch,
        activations: Activations,
        dropout: Option<u64>,
    ) -> Result<Pass, LmError> {
        if self.passes_fused() {
            let surroundings = self.fused_surroundings(batch);
            return self.fused_pass(batch, activations, surroundings);
        }
        let surroundings = Surroundings {
            dropout,
            ..self.surroundings(batch)
        };
        let mut inputs = Vec::new();
        let mut pass = || {
            let mut stream = self.embed(batch.ids());
            for layer in 0..self.layers() {
                if activations == Activations::Recomputed {
                    inputs.push(stream.shallow_clone());
                }
                stream = self.block(layer, &stream, &surroundings, None);
            }
            stream
        };
        let stream = match activations {
            Activations::Kept => pass(),
            _ => no_grad(pass),
        };
        Ok(Pass {
            stream,
            inputs,
            kept: Vec::new(),
            surroundings,
            activations,
        })
    }

    fn fused_pass(
        &self,
        batch: &Batch,
        activations: Activations,
        surroundings: Surroundings,
    ) -> Result<Pass, LmError> {
        let (rows, hidden) = (batch.ids().size()[0], self.config().hidden as i64);
        let mut stream = self.fused_embed(batch)?;
        let (mut inputs, mut all_kept) = (Vec::new(), Vec::new());
        for layer in 0..self.layers() {
            if activations == Activations::Recomputed {
                inputs.push(stream.shallow_clone());
            }
            let keeps = activations == Activations::Kept;
            let (next, kept) = self.fused_block(layer, stream, rows, &surroundings, keeps)?;
            if keeps {
                all_kept.push(kept);
            }
            stream = next;
        }
        Ok(Pass {
            stream: stream.view([rows, -1, hidden]),
            inputs,
            kept: all_kept,
            surroundings,
            activations,
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
        self.check_gradient(&scored.pass, gradient)?;
        let behind = self.head_gradient(&scored, derivative, gradient)?;
        self.accumulate_layers(batch, scored.pass, behind, gradient)
    }

    /// Says whether a gradient can be had, and `gradient` has room for it.
    pub(crate) fn check_gradient(&self, pass: &Pass, gradient: &Gradient) -> Result<(), LmError> {
        if pass.activations == Activations::Dropped
            || self.trained() == Trained::Nothing
            || gradient.flat.size() != self.trained_flat().size()
        {
            return Err(LmError::Input(
                "a gradient was asked for - allowed: of trainable weights or a trainable adapter, into a gradient made for them, with activations kept or recomputed".to_owned(),
            ));
        }
        if self.trained() == Trained::Adapters && !self.adapted() {
            return Err(LmError::Input(
                "a gradient of an adapter that is merged into the weights - allowed: of one that is not; unmerge it first".to_owned(),
            ));
        }
        Ok(())
    }

    /// Adds the gradient of the layers and the embedding, given `behind`, that of the stream
    /// after the last layer. `[rows, tokens, hidden]`.
    pub(crate) fn accumulate_layers(
        &self,
        batch: &Batch,
        pass: Pass,
        mut behind: Tensor,
        gradient: &mut Gradient,
    ) -> Result<(), LmError> {
        if self.passes_fused() {
            return self.accumulate_fused(batch, pass, &behind, gradient);
        }
        if pass.activations == Activations::Kept {
            let mut leaves = self.leaves(Section::Embedding);
            leaves.extend((0..self.layers()).flat_map(|layer| self.leaves(Section::Layer(layer))));
            let (_, parts) = pulled(&pass.stream, &behind, None, &leaves)?;
            gradient.add(&leaves, &parts);
            return Ok(());
        }
        let embedding = self.leaves(Section::Embedding);
        // Below the lowest leaf there is nothing to find.
        let lowest = (0..self.layers())
            .find(|layer| !embedding.is_empty() || !self.leaves(Section::Layer(*layer)).is_empty());
        for (layer, input) in pass.inputs.into_iter().enumerate().rev() {
            if lowest.is_none_or(|lowest| layer < lowest) {
                return Ok(());
            }
            let input = input.detach().set_requires_grad(true);
            let output = self.block(layer, &input, &pass.surroundings, None);
            let leaves = self.leaves(Section::Layer(layer));
            let (before, parts) = pulled(&output, &behind, Some(&input), &leaves)?;
            gradient.add(&leaves, &parts);
            behind = before.unwrap_or(behind);
        }
        let leaves = embedding;
        let (_, parts) = pulled(&self.embed(batch.ids()), &behind, None, &leaves)?;
        gradient.add(&leaves, &parts);
        Ok(())
    }

    fn accumulate_fused(
        &self,
        batch: &Batch,
        mut pass: Pass,
        behind: &Tensor,
        gradient: &mut Gradient,
    ) -> Result<(), LmError> {
        let rows = batch.ids().size()[0];
        let mut behind = behind.view([-1, self.config().hidden as i64]);
        for layer in (0..self.layers()).rev() {
            let kept = match pass.kept.pop() {
                Some(kept) => kept,
                None => {
                    let input = pass.inputs.swap_remove(layer);
                    let surroundings = &pass.surroundings;
                    self.fused_block(layer, input, rows, surroundings, true)?.1
                }
            };
            let surroundings = &pass.surroundings;
            self.fused_block_backward(layer, &kept, surroundings, &mut behind, &mut gradient.flat)?;
        }
        self.embedding_backward(batch, &behind, &mut gradient.flat);
        Ok(())
    }

    /// `[rows, tokens, hidden]` to `[scored, hidden]`.
    pub(crate) fn hidden_at(&self, stream: &Tensor, places: &Tensor) -> Tensor {
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
        let leaves = self.leaves(Section::Head);
        if self.passes_fused() {
            let hidden = self.fused_hidden_at(&scored.pass.stream, &scored.places)?;
            let (targets, chunk) = (&scored.targets, scored.settings.chunk);
            let derivative = derivative.to_kind(Kind::Float).contiguous();
            let flat = &mut gradient.flat;
            let of_hidden = self.fused_head_backward(&hidden, targets, &derivative, chunk, flat)?;
            return self.fused_spread(&scored.pass.stream, &scored.places, &of_hidden);
        }
        let hidden = no_grad(|| self.hidden_at(&scored.pass.stream, &scored.places));
        let mut parts_of_hidden = Vec::new();
        for (start, count) in chunks(scored.targets.numel(), scored.settings.chunk) {
            let leaf = hidden.narrow(0, start, count).detach();
            let leaf = leaf.set_requires_grad(true);
            let logs = self.log_probability(&leaf, &scored.targets.narrow(0, start, count));
            let derivative = derivative.narrow(0, start, count);
            let (before, parts) = pulled(&logs, &derivative, Some(&leaf), &leaves)?;
            gradient.add(&leaves, &parts);
            parts_of_hidden.extend(before);
        }
        let of_hidden = no_grad(|| Tensor::f_cat(&parts_of_hidden, 0))?;
        self.spread(&scored.pass.stream, &scored.places, &of_hidden)
    }

    /// The gradient of `stream` `[rows, tokens, hidden]`, given that of the `places`
    /// `[scored]` of which something was asked, once or more often. `[scored, hidden]`.
    pub(crate) fn spread(
        &self,
        stream: &Tensor,
        places: &Tensor,
        of_hidden: &Tensor,
    ) -> Result<Tensor, LmError> {
        Ok(no_grad(|| -> Result<Tensor, tch::TchError> {
            let behind = Tensor::f_zeros_like(stream)?;
            let width = self.config().hidden as i64;
            let mut rows = behind.view([-1, width]);
            let _ = rows.f_index_add_(0, places, of_hidden)?;
            Ok(behind)
        })?)
    }
}

/// The product of `behind` with the derivatives of `output`, with respect to `input` and to
/// the leaves.
pub(crate) fn pulled(
    output: &Tensor,
    behind: &Tensor,
    input: Option<&Tensor>,
    leaves: &[Leaf<'_>],
) -> Result<(Option<Tensor>, Vec<Tensor>), LmError> {
    let mut sought: Vec<&Tensor> = input.into_iter().collect();
    sought.extend(leaves.iter().map(|leaf| leaf.tensor));
    if sought.is_empty() {
        return Ok((None, Vec::new()));
    }
    let product = (output * behind).sum(Kind::Float);
    let mut parts = Tensor::f_run_backward(&[product], &sought, false, false)?;
    let before = input.map(|_| parts.remove(0));
    Ok((before, parts))
}

/// Starts and lengths that cover `count` in steps of `chunk`.
fn chunks(count: usize, chunk: usize) -> impl Iterator<Item = (i64, i64)> {
    let chunk = chunk.max(1);
    let starts = (0..count).step_by(chunk);
    starts.map(move |start| (start as i64, chunk.min(count - start) as i64))
}
