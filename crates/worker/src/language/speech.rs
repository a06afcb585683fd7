//! One conversation's answers: what is said again is not computed again.

use std::rc::Rc;

use lm::LmError;
use lm::decoder::Decoder;
use lm::generation::{
    Engine, EngineSettings, GenerationSettings, Remember, Request, Step, Verdict,
};
use lm::sampling::Sampling;

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
    /// The conversation's seed.
    pub seed: u64,
    /// Which of its answers this is; each has a random stream of its own.
    pub number: u64,
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
    engine: Engine<'a>,
    context: usize,
}

impl<'a> Speaker<'a> {
    /// A speaker without a past.
    ///
    /// # Errors
    /// Not enough memory.
    pub fn new(decoder: &'a Decoder) -> Result<Self, LmError> {
        let context = decoder.config().max_positions;
        let settings = EngineSettings {
            rows: 1,
            prefix_tokens: context,
            ..EngineSettings::default()
        };
        let engine = Engine::new(decoder, settings)?;
        Ok(Self { engine, context })
    }

    /// Tokens at the beginning of `text` that need not be computed.
    pub fn known(&self, text: &[i64]) -> usize {
        self.engine.known(text)
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
        heard: &mut Hear<'_, E>,
    ) -> Result<(), E> {
        let settings = GenerationSettings {
            sampling: manner.sampling,
            max_new_tokens: manner.max_new,
            stop_ids: manner.stop_ids.to_vec(),
            seed: manner.seed,
            log_probabilities: true,
            alternatives: ALTERNATIVES,
            remember: Remember::Whole,
            ..GenerationSettings::default()
        };
        self.engine.submit(Request {
            ids: prompt.to_vec(),
            settings: Rc::new(settings),
            stream: manner.number,
        })?;
        let context = self.context;
        let mut failure = None;
        let mut observe = |step: Step<'_>| {
            let spoken = Spoken {
                id: step.ids.last().copied().unwrap_or_default(),
                log_probability: step.log_probability.unwrap_or_default(),
                alternatives: step.alternatives.to_vec(),
            };
            let ending = if manner.stop_ids.contains(&spoken.id) {
                Some(Ending::StopId)
            } else if step.ids.len() >= manner.max_new {
                Some(Ending::MaxNewTokens)
            } else if prompt.len() + step.ids.len() >= context {
                Some(Ending::Context)
            } else {
                None
            };
            match heard(&spoken, ending) {
                Ok(true) => Verdict::Continue,
                Ok(false) => Verdict::Stop,
                Err(error) => {
                    failure = Some(error);
                    Verdict::Stop
                }
            }
        };
        while self.engine.step(&mut observe)? {}
        self.engine.finished();
        failure.map_or(Ok(()), Err)
    }
}
