//! The last norm and the head: log-probabilities of targets and their gradient, a chunk of
//! tokens at a time.

use nn::fused::backward::soft_gradient;
use nn::fused::decoding::{cap_softly, soft_sum};
use nn::fused::matrix::{PackedMatrix, add_outer, on_threads};
use nn::slices::{values, values_mut};
use tch::Tensor;

use super::{empty, integers, rows, shape_of, threads, zeros};
use crate::LmError;
use crate::decoder::Decoder;

/// The head packed for a few chunks, and the memory of one.
struct Head<'a> {
    decoder: &'a Decoder,
    packed: PackedMatrix,
    gain: Vec<f32>,
    normed: Tensor, // [chunk, hidden]
    scores: Tensor, // [chunk, vocabulary]
}

impl<'a> Head<'a> {
    fn new(decoder: &'a Decoder, chunk: usize) -> Result<Self, LmError> {
        let layout = decoder.weights().layout();
        let head = decoder.weights().get(layout.head);
        let shape = shape_of(head);
        Ok(Self {
            decoder,
            packed: PackedMatrix::forward(values(head), shape),
            gain: decoder.gain(layout.norm),
            normed: empty(&[chunk as i64, shape[1] as i64])?,
            scores: empty(&[chunk as i64, shape[0] as i64])?,
        })
    }

    /// The scores of `hidden` `[tokens, hidden]`, and the normed rows they were made of.
    fn scores(&mut self, hidden: &[f32]) -> (&mut [f32], &[f32]) {
        let config = self.decoder.config();
        let vocabulary = self.scores.size()[1] as usize;
        let normed = &mut values_mut(&mut self.normed)[..hidden.len()];
        rows::normed(hidden, &self.gain, config.norm_epsilon as f32, normed);
        let count = hidden.len() / self.gain.len();
        let scores = &mut values_mut(&mut self.scores)[..count * vocabulary];
        self.packed.multiply(normed, None, scores, threads());
        if let Some(cap) = config.logit_cap {
            cap_softly(cap as f32, scores);
        }
        (scores, normed)
    }
}

impl Decoder {
    /// The log-probability of each of `targets`, after `hidden` `[scored, hidden]`, in chunks
    /// of so many tokens. `[scored]`.
    pub(crate) fn fused_log_probabilities(
        &self,
        hidden: &Tensor,
        targets: &Tensor,
        chunk: usize,
    ) -> Result<Tensor, LmError> {
        let chunk = chunk.clamp(1, targets.numel());
        let width = self.config().hidden;
        let mut head = Head::new(self, chunk)?;
        let mut logs = vec![0f32; targets.numel()];
        let targets = integers(targets);
        let chunks = values(hidden).chunks(chunk * width);
        let asked = targets.chunks(chunk).zip(logs.chunks_mut(chunk));
        for (hidden, (targets, logs)) in chunks.zip(asked) {
            let (scores, _) = head.scores(hidden);
            let vocabulary = scores.len() / targets.len();
            let share = rows::share(targets.len(), vocabulary);
            let parts = scores.chunks(share * vocabulary);
            let parts = parts.zip(targets.chunks(share)).zip(logs.chunks_mut(share));
            on_threads(parts, |((scores, targets), logs)| {
                let rows = scores.chunks_exact(vocabulary);
                for ((scores, target), log) in rows.zip(targets).zip(logs) {
                    let (best, sum) = soft_sum(scores);
                    *log = (scores[*target as usize] - best) - sum.ln();
                }
            });
        }
        Ok(Tensor::from_slice(&logs))
    }

    /// Adds the gradient of the last norm and the head to `flat`; returns that of `hidden`.
    /// `derivative` `[scored]` is the loss's, of each log-probability.
    pub(crate) fn fused_head_backward(
        &self,
        hidden: &Tensor,
        targets: &Tensor,
        derivative: &Tensor,
        chunk: usize,
        flat: &mut Tensor,
    ) -> Result<Tensor, LmError> {
        let chunk = chunk.clamp(1, targets.numel());
        let layout = self.weights().layout();
        let (of_norm, of_head) = (self.leaf(layout.norm), self.leaf(layout.head));
        let shape = shape_of(of_head.tensor);
        let width = shape[1];
        let back = PackedMatrix::backward(values(of_head.tensor), shape);
        let mut head = Head::new(self, chunk)?;
        let mut before = zeros(&hidden.size())?;
        let mut of_normed = empty(&[chunk as i64, width as i64])?;
        let cap = self.config().logit_cap.map(|cap| cap as f32);
        let (targets, weights) = (integers(targets), values(derivative));
        let chunks = values(hidden).chunks(chunk * width);
        let chunks = chunks.zip(values_mut(&mut before).chunks_mut(chunk * width));
        let asked = targets.chunks(chunk).zip(weights.chunks(chunk));
        for ((hidden, before), (targets, weights)) in chunks.zip(asked) {
            let (scores, normed) = head.scores(hidden);
            let share = rows::share(targets.len(), shape[0]);
            let parts = scores.chunks_mut(share * shape[0]);
            let parts = parts.zip(targets.chunks(share)).zip(weights.chunks(share));
            on_threads(parts, |((scores, targets), weights)| {
                let rows = scores.chunks_exact_mut(shape[0]);
                for ((row, target), weight) in rows.zip(targets).zip(weights) {
                    soft_gradient(row, *target as usize, *weight, cap);
                }
            });
            let of_normed = &mut values_mut(&mut of_normed)[..hidden.len()];
            back.multiply(scores, None, of_normed, threads());
            let flat = values_mut(flat);
            let place = &mut flat[of_head.start as usize..][..shape[0] * width];
            add_outer(scores, normed, targets.len(), place, threads());
            let place = &mut flat[of_norm.start as usize..][..width];
            let epsilon = self.config().norm_epsilon as f32;
            rows::normed_backward(hidden, &head.gain, epsilon, of_normed, before, place);
        }
        Ok(before)
    }

    /// As [`Decoder::spread`].
    pub(crate) fn fused_spread(
        &self,
        stream: &Tensor,
        places: &Tensor,
        of_hidden: &Tensor,
    ) -> Result<Tensor, LmError> {
        let mut behind = zeros(&stream.size())?;
        let width = self.config().hidden;
        let rows = values(of_hidden).chunks_exact(width);
        let behind_values = values_mut(&mut behind);
        for (place, row) in integers(places).into_iter().zip(rows) {
            let sums = &mut behind_values[place as usize * width..][..width];
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
        Ok(behind)
    }
}
