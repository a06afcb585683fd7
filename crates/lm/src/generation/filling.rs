//! The first pass over texts: what is cached is taken, the rest computed.

use std::rc::Rc;

use tch::{Kind, Tensor};

use super::engine::Engine;
use crate::LmError;
use crate::cache::Cache;

/// Fills the places before a text; any id of the vocabulary does.
const FILLER: i64 = 0;

/// Tokens whose logits exist at the same time, when those of a prompt are asked for.
const LOGITS_CHUNK: i64 = 256;

/// A text to be computed.
pub(super) struct Text<'t> {
    pub(super) ids: &'t [i64],
    /// Whether it has the angles of long texts.
    pub(super) long: bool,
}

/// Texts that were computed, a row each.
pub(super) struct Filled {
    pub(super) cache: Cache,
    /// The scores after each text. `[rows, vocabulary]`.
    pub(super) scores: Tensor,
    /// Tokens that were computed for each.
    pub(super) computed: Vec<usize>,
    /// Log-probabilities of the only text's tokens but the first, when asked for.
    pub(super) log_probabilities: Rc<[f32]>,
}

impl Engine<'_> {
    /// Computes texts side by side; with `log_probabilities`, a single one from its beginning.
    pub(super) fn fill(
        &mut self,
        texts: &[Text<'_>],
        log_probabilities: bool,
    ) -> Result<Filled, LmError> {
        let longest = texts.iter().map(|text| text.ids.len()).max().unwrap_or(0);
        let starts: Vec<usize> = texts.iter().map(|text| longest - text.ids.len()).collect();
        let rests = texts.iter().map(|text| {
            let kept = if log_probabilities {
                0
            } else {
                self.prefixes.matched(text.long, text.ids)
            };
            // The scores after the last token must be computed.
            text.ids.len() - kept.min(text.ids.len() - 1)
        });
        let rest = rests.max().unwrap_or(0);
        let mut cache = Cache::new(
            self.decoder.config(),
            &self.rotations,
            starts.iter().map(|start| *start as i64).collect(),
            texts.iter().map(|text| text.long).collect(),
            longest,
        )?;
        self.lay_beginnings(texts, longest - rest, &mut cache)?;
        let mut ids = Vec::with_capacity(texts.len() * rest);
        for text in texts {
            let gap = rest.saturating_sub(text.ids.len());
            ids.extend(std::iter::repeat_n(FILLER, gap));
            ids.extend_from_slice(&text.ids[text.ids.len() - (rest - gap)..]);
        }
        let device = self.decoder.weights().device();
        let ids = Tensor::from_slice(&ids).to_device(device);
        let ids = ids.view([texts.len() as i64, rest as i64]);
        let chunk = (self.settings.prefill_tokens / texts.len()).max(1);
        let mut last = Tensor::new();
        let mut logs = Vec::new();
        for from in (0..rest).step_by(chunk) {
            let count = chunk.min(rest - from);
            let part = ids.narrow(1, from as i64, count as i64);
            let stream = self.decoder.forward_cached(&part, &mut cache)?;
            if log_probabilities {
                let followed = (count as i64).min(rest as i64 - from as i64 - 1);
                let targets = ids.narrow(1, from as i64 + 1, followed);
                self.log_probabilities(&stream.narrow(1, 0, followed), &targets, &mut logs);
            }
            last = stream.narrow(1, count as i64 - 1, 1).squeeze_dim(1);
        }
        let computed = starts.iter().map(|start| rest.min(longest - start));
        Ok(Filled {
            scores: self.decoder.logits(&last),
            cache,
            computed: computed.collect(),
            log_probabilities: logs.into(),
        })
    }

    /// Puts what is cached of the texts into the first `places` places.
    fn lay_beginnings(
        &mut self,
        texts: &[Text<'_>],
        places: usize,
        cache: &mut Cache,
    ) -> Result<(), LmError> {
        if places == 0 {
            return Ok(());
        }
        cache.reserve(places)?;
        let longest = texts.iter().map(|text| text.ids.len()).max().unwrap_or(0);
        for (row, text) in texts.iter().enumerate() {
            let mut left = places.saturating_sub(longest - text.ids.len());
            let mut from = 0;
            let beginning = self.prefixes.find(text.long, text.ids);
            for (piece, tokens) in beginning.pieces {
                let tokens = tokens.min(left);
                if tokens > 0 {
                    cache.lay(row, from, piece, tokens);
                }
                from += tokens;
                left -= tokens;
            }
        }
        cache.advance(places as i64);
        Ok(())
    }

    /// `stream` `[1, tokens, hidden]`, `targets` `[1, tokens]`.
    fn log_probabilities(&self, stream: &Tensor, targets: &Tensor, logs: &mut Vec<f32>) {
        let tokens = targets.size()[1];
        for from in (0..tokens).step_by(LOGITS_CHUNK as usize) {
            let count = LOGITS_CHUNK.min(tokens - from);
            let scores = self.decoder.logits(&stream.narrow(1, from, count));
            let scores = scores.to_kind(Kind::Float);
            let targets = targets.narrow(1, from, count).unsqueeze(-1);
            let taken = scores.gather(-1, &targets, false).squeeze_dim(-1);
            let taken = taken - scores.logsumexp(-1, false);
            logs.extend(nn::parameters::flat_values(&taken.reshape([-1])));
        }
    }

    /// Keeps the first `tokens` tokens of a row's text for later requests.
    pub(super) fn remember(&mut self, long: bool, ids: &[i64], cache: &Cache, row: usize) {
        if self.prefixes.limit() > 0 {
            let tokens = ids.len();
            self.prefixes
                .insert(long, ids, |from| cache.lift(row, from, tokens - from));
        }
    }
}
