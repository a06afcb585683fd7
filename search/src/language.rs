//! Jobs served by a language model and tools.
//!
//! [`LanguageBackend`] puts jobs to a [`CompletionModel`] in the words of a
//! [`PromptStyle`](crate::dialogue::PromptStyle), and tools' jobs to a [`Toolbox`].

mod backend;

pub use backend::{LanguageBackend, Manner};

use crate::dialogue::{Prompt, ToolCall, ToolDescription};
use crate::job::Usage;

/// A prompt to be continued once.
#[derive(Clone, Debug, PartialEq)]
pub struct CompletionRequest {
    /// What the model reads.
    pub prompt: Prompt,
    /// Most tokens of the reply, reasoning included.
    pub max_tokens: u64,
    /// How the reply is drawn.
    pub sampling: Sampling,
    /// The same seed draws the same reply, where the model can do that.
    pub seed: u64,
    /// The replies that are weighed against each other; a model that cannot weigh them writes
    /// freely instead. Empty asks for a reply.
    pub choices: Vec<String>,
}

/// How tokens are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the scores; 0 takes the best token.
    pub temperature: f64,
    /// Keeps the fewest best tokens of this probability together; 1 keeps all.
    pub top_p: f64,
    /// Keeps that many best tokens; 0 keeps all.
    pub top_k: u64,
}

/// Why a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// By itself, at a stop text or with a call.
    Stop,
    /// At its limit of tokens, or where the model has no room for more.
    Length,
}

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// What was said, without reasoning that the model keeps apart, and without a stop text.
    pub text: String,
    /// The tool that was called by the server's own protocol.
    pub call: Option<ToolCall>,
    /// Why it ended.
    pub finish: Finish,
    /// What it cost. Money is left to the caller.
    pub usage: Usage,
    /// The log-probability of each of the choices, in their order; none where the reply was
    /// written freely.
    pub choice_log_probabilities: Option<Vec<f64>>,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{why}")]
pub struct ModelError {
    /// What failed, and what to do.
    pub why: String,
    /// Every other request would fail alike: the search should end.
    pub fatal: bool,
    /// What was spent all the same; a reply that never came may have been written.
    pub usage: Usage,
}

/// A language model, wherever it runs.
pub trait CompletionModel {
    /// A reply or an error for each request, in their order. Requests are served side by side
    /// where that is faster. Always returns, and never later than the model's own time limit.
    fn complete(&mut self, requests: &[CompletionRequest]) -> Vec<Result<Completion, ModelError>>;

    /// Tokens of a text, for replies whose server does not say; an estimate where the model's
    /// tokenizer is not at hand.
    fn count(&self, text: &str) -> u64 {
        estimated_tokens(text)
    }

    /// What a user should know of how requests are served, each told once.
    fn notes(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// Four bytes to a token, rounded up: usual for English, too few for other scripts.
pub fn estimated_tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}

/// What a tool gave back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// What it found, or why it did not work.
    pub text: String,
    /// It did not work.
    pub failed: bool,
    /// What the call cost, in units of the tool budget.
    pub units: u64,
}

/// The tools of a search. Calls may come from several threads at a time.
pub trait Toolbox: Sync {
    /// What a model is told of them.
    fn descriptions(&self) -> Vec<ToolDescription>;

    /// Calls one. Always returns, and never later than its own time limit.
    fn call(&self, tool: &str, input: &str) -> Observation;
}
