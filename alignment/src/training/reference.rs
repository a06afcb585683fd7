//! Log-probabilities of the frozen reference, computed once: the same numbers as with a second
//! model beside the trained one, in half the memory.

use std::ops::ControlFlow;

use lm::decoder::Decoder;
use lm::scoring::{Activations, ScoreSettings};

use super::pass::forward;
use super::{PassSettings, layout};
use crate::failure::FinetuneError;
use crate::preparation::{Example, Sequence};

/// Fills [`crate::preparation::Pair::reference`] of every example with the log-probabilities under
/// `decoder` as it is. `told` hears how many of the pairs are done and may end it; the answer says
/// whether it came to its end.
///
/// # Errors
/// What the model refuses.
pub fn reference_log_probabilities(
    decoder: &Decoder,
    examples: &mut [Example],
    settings: &PassSettings,
    told: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<bool, FinetuneError> {
    let mut pairs: Vec<_> = examples.iter_mut().flat_map(Example::pairs_mut).collect();
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.chosen.ids.len().max(pair.rejected.ids.len())));
    let scoring = ScoreSettings {
        activations: Activations::Dropped,
        chunk: settings.logit_chunk,
        dropout: None,
    };
    let mut done = 0;
    for pairs in pairs.chunks_mut(settings.rows) {
        let chosen = pairs.iter().map(|pair| &pair.chosen);
        let texts: Vec<&Sequence> = chosen
            .chain(pairs.iter().map(|pair| &pair.rejected))
            .collect();
        let halves = layout::halves(pairs.len());
        let sums = forward(decoder, &texts, &halves, scoring, settings.pack)?.sums;
        let sums: Vec<f64> =
            Vec::try_from(sums.to_device(tch::Device::Cpu)).map_err(crate::AlignmentError::from)?;
        let count = pairs.len();
        for (number, pair) in pairs.iter_mut().enumerate() {
            pair.reference = Some([sums[number], sums[count + number]]);
        }
        done += count;
        if told(done).is_break() {
            return Ok(false);
        }
    }
    Ok(true)
}
