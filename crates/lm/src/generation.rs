//! Continuations of prompts, many at a time.
//!
//! An [`Engine`] holds a queue of requests and a batch of rows. When a row ends, the next
//! request joins the running batch at once, so that the batch stays full; samples of one
//! prompt compute it once, and prompts with a common beginning share it through a
//! [`PrefixTree`](crate::cache::PrefixTree). [`generate`] is the same loop for a list of
//! prompts.
//!
//! Every sequence draws from a stream of its own, made from the seed, the prompt's number
//! and the sample's number: its text does not depend on what runs beside it, but for the
//! last bits of a sum that a batch of another size may round differently.
//!
//! Preference learning asks for K answers to many prompts:
//!
//! ```no_run
//! # fn main() -> Result<(), lm::LmError> {
//! # let decoder = lm::decoder::Decoder::load("model".as_ref(), None, tch::Device::Cpu, false)?;
//! use lm::generation::{GenerationSettings, Verdict, generate};
//! use lm::sampling::Sampling;
//!
//! let prompts: Vec<&[i64]> = vec![&[1, 5, 9], &[1, 7]];
//! let settings = GenerationSettings {
//!     sampling: Sampling::PLAIN,
//!     samples: 5,
//!     stop_ids: vec![2],
//!     ..GenerationSettings::default()
//! };
//! let answers = generate(&decoder, &prompts, &settings, &mut |_| Verdict::Continue)?;
//! assert_eq!(answers.len(), 10);
//! # Ok(())
//! # }
//! ```
//!
//! A tree search asks as it goes; children of a node find its text computed, and the critic
//! weighs a few answers:
//!
//! ```no_run
//! # fn main() -> Result<(), lm::LmError> {
//! # let decoder = lm::decoder::Decoder::load("model".as_ref(), None, tch::Device::Cpu, false)?;
//! use std::rc::Rc;
//! use lm::generation::*;
//!
//! let mut engine = Engine::new(&decoder, EngineSettings {
//!     prefix_tokens: 100_000,
//!     budget: Some(Budget { tokens: 4000, charge: Charge::New }),
//!     ..EngineSettings::default()
//! })?;
//! let settings = Rc::new(GenerationSettings {
//!     remember: Remember::Whole,
//!     ..GenerationSettings::default()
//! });
//! let node = vec![1, 5, 9];
//! engine.submit(Request { ids: node.clone(), settings, stream: 0 })?;
//! while engine.step(&mut |_| Verdict::Continue)? {}
//! let child = [node, engine.finished().remove(0).ids].concat();
//! let scores = probabilities(&engine.score_choices(&child, &[&[20], &[21], &[21, 22]])?);
//! let value: f64 = scores.iter().zip([1.0, 2.0, 3.0]).map(|(chance, value)| chance * value).sum();
//! # Ok(())
//! # }
//! ```

mod choices;
mod choosing;
mod engine;
mod filling;
mod row;

use std::rc::Rc;

use crate::LmError;
use crate::decoder::Decoder;
use crate::sampling::Sampling;

pub use choices::probabilities;
pub use engine::{Budget, Charge, Engine, EngineSettings, Statistics};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct GenerationSettings {
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// New tokens per sequence, at most.
    pub max_new_tokens: usize,
    /// Stop ids are not chosen before this many new tokens.
    pub min_new_tokens: usize,
    /// Continuations of each prompt.
    pub samples: usize,
    /// Ids that end a sequence; they are its last token.
    pub stop_ids: Vec<i64>,
    /// The seed of all streams.
    pub seed: u64,
    /// Whether the log-probability of every token is kept.
    pub log_probabilities: bool,
    /// How many of the best tokens are kept with their log-probabilities at every step.
    pub alternatives: usize,
    /// Whether the log-probabilities of the prompt's own tokens are computed. Nothing of
    /// such a prompt is taken from cached beginnings.
    pub prompt_log_probabilities: bool,
    /// Added to the scores of these ids first of all; minus infinity forbids one.
    pub bias: Vec<(i64, f32)>,
    /// Ids from this one on are not chosen: a model may have more rows than its tokenizer
    /// has tokens.
    pub vocabulary: Option<usize>,
    /// What becomes of a prompt that leaves no room.
    pub long_prompt: LongPrompt,
    /// What later requests may begin with, where the engine keeps beginnings.
    pub remember: Remember,
}

impl Default for GenerationSettings {
    fn default() -> Self {
        Self {
            sampling: Sampling::GREEDY,
            max_new_tokens: 256,
            min_new_tokens: 0,
            samples: 1,
            stop_ids: Vec::new(),
            seed: 0,
            log_probabilities: false,
            alternatives: 0,
            prompt_log_probabilities: false,
            bias: Vec::new(),
            vocabulary: None,
            long_prompt: LongPrompt::Refuse,
            remember: Remember::Prompt,
        }
    }
}

/// What becomes of a prompt that is longer than the model's context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongPrompt {
    /// It is an error.
    Refuse,
    /// Only its last tokens are used, so that `max_new_tokens` have room, at least one.
    DropFront,
}

/// What is kept of a sequence for later requests that begin with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remember {
    /// Nothing.
    Nothing,
    /// Its prompt.
    Prompt,
    /// Its prompt and its new tokens: the next turn of a chat, the children of a search node.
    Whole,
}

/// A prompt to be continued.
#[derive(Clone, Debug)]
pub struct Request {
    /// The prompt.
    pub ids: Vec<i64>,
    /// What is asked for.
    pub settings: Rc<GenerationSettings>,
    /// The number of the first sample's random stream; the others follow. Two sequences of
    /// one seed and one number draw alike.
    pub stream: u64,
}

/// Why a sequence ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// One of the stop ids.
    StopId,
    /// The observer found a stop string.
    StopString,
    /// The observer said so.
    Observer,
    /// As many new tokens as were asked for.
    MaxNewTokens,
    /// The model has no room for more.
    Context,
    /// The engine's budget is spent.
    Budget,
    /// [`Engine::cancel`].
    Cancelled,
}

/// A continuation of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Continuation {
    /// Which prompt it continues: its place in the list, or the number that
    /// [`Engine::submit`] gave.
    pub prompt: usize,
    /// Which of its samples it is.
    pub sample: usize,
    /// The new tokens.
    pub ids: Vec<i64>,
    /// The model's own log-probability of each, before any filter, bias or temperature;
    /// empty unless asked for.
    pub log_probabilities: Vec<f32>,
    /// For each new token the best ones, best first, as `(id, log-probability)`; empty unless
    /// asked for.
    pub alternatives: Vec<Vec<(i64, f32)>>,
    /// Log-probabilities of the prompt's tokens but the first; empty unless asked for.
    pub prompt_log_probabilities: Vec<f32>,
    /// Tokens of the prompt, after what was dropped.
    pub prompt_tokens: usize,
    /// Those of them that were not computed for this request.
    pub cached_tokens: usize,
    /// Why it ended.
    pub finish: Finish,
}

/// A token that was just chosen.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Which prompt is continued.
    pub prompt: usize,
    /// Which of its samples.
    pub sample: usize,
    /// All new tokens of the sequence, the newest last.
    pub ids: &'a [i64],
    /// The newest token's log-probability, when asked for.
    pub log_probability: Option<f32>,
    /// The best tokens in its place, best first, as many as were asked for.
    pub alternatives: &'a [(i64, f32)],
}

/// What becomes of a sequence after a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Continue,
    /// It ends here.
    Stop,
    /// It ends at a stop string, with its first `keep` new tokens: those that have text
    /// before the stop string. The others and their log-probabilities are dropped.
    StopString {
        /// New tokens that remain.
        keep: usize,
    },
}

/// Continues every prompt; the answer has `samples` entries for each, in order.
///
/// `observe` is called with every token, and may end a sequence. An [`Engine`] of its own
/// runs them; make one where rows, memory or budget matter.
///
/// # Errors
/// Ids the model does not know, a prompt longer than its context, settings out of range,
/// not enough memory.
pub fn generate(
    decoder: &Decoder,
    prompts: &[&[i64]],
    settings: &GenerationSettings,
    observe: &mut dyn FnMut(Step<'_>) -> Verdict,
) -> Result<Vec<Continuation>, LmError> {
    Engine::new(decoder, EngineSettings::default())?.run(prompts, settings, observe)
}
