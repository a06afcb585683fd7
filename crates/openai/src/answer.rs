//! What comes back.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// The answers to one [`crate::Ask`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// As many as were wanted.
    pub choices: Vec<Choice>,
    /// Tokens of all requests that it took, as far as the server told them.
    pub usage: Usage,
    /// Requests whose usage the server did not tell, or not in numbers.
    pub untold_usages: u32,
    /// From the first request to the last answer, pauses included.
    pub took: Duration,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    /// What was said.
    pub text: String,
    /// What was thought before, where the server keeps it apart.
    pub reasoning: Option<String>,
    /// Functions that are to be called.
    pub calls: Vec<Call>,
    /// Why it ended: `stop`, `length`, `tool_calls` and others.
    pub finish: Option<String>,
    /// Its tokens, where their log-probabilities were asked for and told.
    pub tokens: Vec<Token>,
}

/// A function that is to be called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Call {
    /// What its result is to be named; empty at some servers.
    pub id: String,
    /// The function.
    pub name: String,
    /// Its arguments as the model wrote them: meant to be a JSON object.
    pub arguments: String,
}

/// A token of an answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Token {
    /// What it says.
    #[serde(rename = "token")]
    pub text: String,
    /// The model's own log-probability of it.
    #[serde(rename = "logprob")]
    pub log_probability: f64,
    /// The best tokens in its place, best first.
    #[serde(rename = "top_logprobs", default)]
    pub alternatives: Vec<Alternative>,
}

/// A token that could have stood in the place of another.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Alternative {
    /// What it says.
    #[serde(rename = "token")]
    pub text: String,
    /// The model's own log-probability of it.
    #[serde(rename = "logprob")]
    pub log_probability: f64,
}

/// Tokens that were read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Read.
    pub prompt_tokens: u64,
    /// Written, reasoning included.
    pub completion_tokens: u64,
    /// Part of what was written: reasoning.
    pub reasoning_tokens: u64,
    /// Part of what was read: the server had computed it before.
    pub cached_tokens: u64,
}

impl Usage {
    /// Adds another request's.
    pub fn add(&mut self, other: Self) {
        let sum = |mine: &mut u64, others: u64| *mine = mine.saturating_add(others);
        sum(&mut self.prompt_tokens, other.prompt_tokens);
        sum(&mut self.completion_tokens, other.completion_tokens);
        sum(&mut self.reasoning_tokens, other.reasoning_tokens);
        sum(&mut self.cached_tokens, other.cached_tokens);
    }

    /// The usage in a reply or in the last piece of one, OpenAI's or llama.cpp's `timings`; none where both
    /// counts are not there as whole numbers.
    pub(crate) fn told(reply: &Value) -> Option<Self> {
        let usage = &reply["usage"];
        let timings = &reply["timings"];
        if let (Some(prompt), Some(completion)) = (
            usage["prompt_tokens"].as_u64(),
            usage["completion_tokens"].as_u64(),
        ) {
            let reasoning = &usage["completion_tokens_details"]["reasoning_tokens"];
            // DeepSeek has a name of its own, and so has llama.cpp.
            let cached = usage["prompt_tokens_details"]["cached_tokens"]
                .as_u64()
                .or_else(|| usage["prompt_cache_hit_tokens"].as_u64())
                .or_else(|| timings["cache_n"].as_u64());
            return Some(Self {
                prompt_tokens: prompt,
                completion_tokens: completion,
                reasoning_tokens: reasoning.as_u64().unwrap_or(0).min(completion),
                cached_tokens: cached.unwrap_or(0).min(prompt),
            });
        }
        let computed = timings["prompt_n"].as_u64()?;
        let cached = timings["cache_n"].as_u64().unwrap_or(0);
        Some(Self {
            prompt_tokens: computed.saturating_add(cached),
            completion_tokens: timings["predicted_n"].as_u64()?,
            reasoning_tokens: 0,
            cached_tokens: cached,
        })
    }
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<WireChoice>,
}

#[derive(Deserialize)]
struct WireChoice {
    #[serde(default)]
    index: usize,
    message: WireMessage,
    finish_reason: Option<String>,
    logprobs: Option<WireTokens>,
}

#[derive(Deserialize)]
pub(crate) struct WireTokens {
    pub(crate) content: Option<Vec<Token>>,
}

#[derive(Deserialize)]
pub(crate) struct WireMessage {
    pub(crate) content: Option<WireContent>,
    // vLLM and DeepSeek, and vLLM's newer name; some send both.
    pub(crate) reasoning_content: Option<String>,
    pub(crate) reasoning: Option<Value>,
    pub(crate) refusal: Option<String>,
    pub(crate) tool_calls: Option<Vec<WireCall>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum WireContent {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
pub(crate) struct Part {
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
pub(crate) struct WireCall {
    pub(crate) index: Option<usize>,
    pub(crate) id: Option<String>,
    pub(crate) function: Option<WireFunction>,
}

#[derive(Deserialize)]
pub(crate) struct WireFunction {
    pub(crate) name: Option<String>,
    // A text by OpenAI's form; an object at Ollama's older versions.
    pub(crate) arguments: Option<Value>,
}

/// Reads a completion; at least one answer is in it.
pub(crate) fn read(text: &str) -> Result<Answer, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let usage = Usage::told(&value);
    let completion: Completion =
        serde_json::from_value(value).map_err(|error| error.to_string())?;
    let mut choices = completion.choices;
    if choices.is_empty() {
        return Err("`choices` is empty".to_owned());
    }
    choices.sort_by_key(|choice| choice.index);
    Ok(Answer {
        choices: choices.into_iter().map(Choice::from).collect(),
        usage: usage.unwrap_or_default(),
        untold_usages: u32::from(usage.is_none()),
        took: Duration::ZERO,
    })
}

impl WireContent {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().map(|part| part.text).collect(),
        }
    }
}

impl WireMessage {
    /// What was thought, under whichever name.
    pub(crate) fn thought(&mut self) -> Option<String> {
        let other = self.reasoning.take();
        let other = other.and_then(|value| value.as_str().map(str::to_owned));
        let thought = self.reasoning_content.take().or(other);
        thought.filter(|text| !text.is_empty())
    }
}

impl WireFunction {
    /// The arguments, or a piece of them.
    pub(crate) fn written(&self) -> String {
        match &self.arguments {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

impl From<WireCall> for Call {
    fn from(call: WireCall) -> Self {
        let arguments = call.function.as_ref().map(WireFunction::written);
        Self {
            id: call.id.unwrap_or_default(),
            name: call.function.and_then(|one| one.name).unwrap_or_default(),
            arguments: arguments.unwrap_or_default(),
        }
    }
}

impl From<WireChoice> for Choice {
    fn from(choice: WireChoice) -> Self {
        let mut message = choice.message;
        let reasoning = message.thought();
        let said = message.content.map(WireContent::text);
        let calls = message.tool_calls.unwrap_or_default();
        let tokens = choice.logprobs.and_then(|tokens| tokens.content);
        Self {
            text: said.or(message.refusal).unwrap_or_default(),
            reasoning,
            calls: calls.into_iter().map(Call::from).collect(),
            finish: choice.finish_reason,
            tokens: tokens.unwrap_or_default(),
        }
    }
}
