//! One conversation's tokens: what is said again is not computed again.

use lm::LmError;
use lm::cache::Cache;
use lm::decoder::Decoder;
use lm::sampling::{Sampler, Sampling};
use nn::random::RandomStream;
use tch::{Kind, Tensor, no_grad};

/// Places that a conversation's cache is made for at first.
const FIRST_LIMIT: usize = 4096;

/// Other tokens that are told with each.
const ALTERNATIVES: usize = 5;

/// A token that was just chosen.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// Its id.
    pub id: i64,
    /// The model's own log-probability of it, before any filter or temperature.
    pub log_probability: f32,
    /// The most probable tokens with their log-probabilities, best first.
    pub alternatives: Vec<(i64, f32)>,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug)]
pub struct Manner<'a> {
    /// The choice of tokens.
    pub sampling: Sampling,
    /// New tokens, at most.
    pub max_new: usize,
    /// Ids that end the answer.
    pub stop_ids: &'a [i64],
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// One of the stop ids.
    StopId,
    /// As many tokens as were allowed.
    MaxNewTokens,
    /// No room for more.
    Context,
}

impl Ending {
    /// As the protocol says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::StopId => "stop_id",
            Self::MaxNewTokens => "max_new_tokens",
            Self::Context => "context",
        }
    }
}

/// Told of every token, with the reason why it is the last, if it is; false ends the answer.
pub type Hear<'a, E> = dyn FnMut(&Spoken, Option<Ending>) -> Result<bool, E> + 'a;

/// Writes answers, and keeps the keys and values of the text so far.
pub struct Speaker<'a> {
    decoder: &'a Decoder,
    kept: Option<Kept>,
}

struct Kept {
    cache: Cache,
    ids: Vec<i64>,
    limit: usize,
    /// Which rotations lie beyond the length at which their frequencies change.
    beyond: Vec<bool>,
}

impl<'a> Speaker<'a> {
    /// A speaker without a past.
    pub fn new(decoder: &'a Decoder) -> Self {
        Self {
            decoder,
            kept: None,
        }
    }

    /// Tokens at the beginning of `text` that need not be computed.
    pub fn known(&self, text: &[i64]) -> usize {
        let Some(kept) = &self.kept else { return 0 };
        if text.len() > kept.limit || kept.beyond != self.beyond(text.len()) {
            return 0;
        }
        let same = kept.ids.iter().zip(text).take_while(|(a, b)| a == b);
        // The last token is computed again for its scores.
        same.count().min(text.len().saturating_sub(1))
    }

    /// Continues `prompt` token by token.
    ///
    /// # Errors
    /// Ids the model does not know, not enough memory, scores that are no numbers, or what
    /// `heard` fails with.
    pub fn speak<E: From<LmError>>(
        &mut self,
        prompt: &[i64],
        manner: &Manner<'_>,
        stream: &mut RandomStream,
        heard: &mut Hear<'_, E>,
    ) -> Result<(), E> {
        manner.sampling.check()?;
        self.decoder.check(prompt)?;
        let mut sampler = Sampler::new(manner.sampling);
        let mut text = prompt.to_vec();
        loop {
            let scores = no_grad(|| self.scores(&text))?;
            let spoken = choose(
                &scores,
                &mut sampler,
                &text,
                stream,
                text.len() - prompt.len(),
            )?;
            text.push(spoken.id);
            let ending = if manner.stop_ids.contains(&spoken.id) {
                Some(Ending::StopId)
            } else if text.len() - prompt.len() >= manner.max_new {
                Some(Ending::MaxNewTokens)
            } else if text.len() >= self.decoder.config().max_positions {
                Some(Ending::Context)
            } else {
                None
            };
            if !heard(&spoken, ending)? || ending.is_some() {
                return Ok(());
            }
        }
    }

    /// Scores of what follows `text`, in f32. `[vocabulary]`.
    fn scores(&mut self, text: &[i64]) -> Result<Tensor, LmError> {
        let known = self.known(text);
        let weights = self.decoder.weights();
        let options = (weights.kind(), weights.device());
        // After a failure nothing is known.
        let mut kept = match self.kept.take().filter(|_| known > 0) {
            Some(kept) => kept,
            None => {
                let config = self.decoder.config();
                let limit = FIRST_LIMIT.max(2 * text.len()).min(config.max_positions);
                let limit = limit.max(text.len());
                Kept {
                    cache: Cache::new(config, vec![0], limit, text.len(), options)?,
                    ids: Vec::new(),
                    limit,
                    beyond: self.beyond(text.len()),
                }
            }
        };
        kept.cache.truncate(known);
        let new = Tensor::from_slice(&text[known..]).to_device(options.1);
        let states = self
            .decoder
            .forward_cached(&new.unsqueeze(0), &mut kept.cache)?;
        let last = states.narrow(1, states.size()[1] - 1, 1);
        let scores = self.decoder.logits(&last).to_kind(Kind::Float);
        kept.ids.truncate(known);
        kept.ids.extend_from_slice(&text[known..]);
        self.kept = Some(kept);
        Ok(scores.reshape([-1]))
    }

    fn beyond(&self, length: usize) -> Vec<bool> {
        let ropes = self.decoder.config().ropes.iter();
        let over = |rope: &lm::rope::Rope| rope.switch_length().is_some_and(|at| length > at);
        ropes.map(over).collect()
    }
}

fn choose(
    scores: &Tensor,
    sampler: &mut Sampler,
    text: &[i64],
    stream: &mut RandomStream,
    token: usize,
) -> Result<Spoken, LmError> {
    let logs = scores.log_softmax(-1, Kind::Float);
    let count = scores.size()[0].min(ALTERNATIVES as i64);
    let (best, ids) = logs.topk(count, -1, true, true);
    let best = nn::parameters::flat_values(&best);
    if best.iter().any(|log| log.is_nan()) {
        return Err(LmError::Input(format!(
            "the scores of token {} are no numbers - the weights are damaged, or too large for their type - fetch the model again with --verify, or try --dtype f32",
            token + 1
        )));
    }
    let alternatives = (0..count).map(|place| ids.int64_value(&[place]));
    let id = sampler.draw(&nn::parameters::flat_values(scores), text, stream);
    Ok(Spoken {
        id,
        log_probability: logs.double_value(&[id]) as f32,
        alternatives: alternatives.zip(best).collect(),
    })
}
