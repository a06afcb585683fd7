//! What is sent.

use dataset::Message;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::adaptation::Adaptation;

/// A request for answers to one conversation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ask {
    /// The turns so far; `tool_calls` and `tool_call_id` stand in [`Message::extra`].
    pub messages: Vec<Message>,
    /// Answers that are wanted; servers that give fewer at a time are asked again.
    pub choices: usize,
    /// Of sampling; the n-th answer that is asked for one by one takes `seed + n`.
    pub seed: Option<u64>,
    /// Of sampling.
    pub temperature: Option<f64>,
    /// Of sampling.
    pub top_p: Option<f64>,
    /// Most tokens that are sampled from; no part of OpenAI's form, so only sent where it is set.
    pub top_k: Option<u64>,
    /// Tokens after which an answer is cut.
    pub max_tokens: Option<usize>,
    /// Texts that end an answer and are no part of it; at most four by OpenAI's form.
    pub stop: Vec<String>,
    /// Functions that the model may call.
    pub tools: Vec<Tool>,
    /// Whether it has to; only sent with tools.
    pub tool_choice: ToolChoice,
    /// How many of the best tokens in each place are told with their log-probabilities, 0 to 20.
    pub top_log_probabilities: Option<u64>,
    /// Asks for a JSON object, as far as the server can hold the model to it.
    pub json_object: bool,
    /// Asks for the answer piece by piece. The pieces are put together all the same.
    pub stream: bool,
    /// Sent to the template by the servers that know `chat_template_kwargs` (vLLM, SGLang, llama.cpp).
    pub enable_thinking: Option<bool>,
    /// Sampling settings that the server refuses may be left out.
    pub lenient: bool,
    /// Further fields of the body, for one kind of server ([`crate::Dialect::fields`]).
    pub extra: Map<String, Value>,
}

/// A function that the model may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Its arguments, a JSON schema of an object.
    pub parameters: Value,
}

/// Whether the model has to call a function.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// It must not.
    Never,
    /// It has to call one.
    Required,
    /// It has to call this one.
    Named(String),
}

impl ToolChoice {
    fn sent(&self) -> Value {
        match self {
            Self::Auto => json!("auto"),
            Self::Never => json!("none"),
            Self::Required => json!("required"),
            Self::Named(name) => json!({"type": "function", "function": {"name": name}}),
        }
    }
}

impl Tool {
    fn sent(&self) -> Value {
        json!({
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": self.parameters,
            }
        })
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: &'a [Message],
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<usize>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_template_kwargs: Option<Value>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

/// Servers differ in the widest seed they read; all read 31 bits.
const SEEDS: u64 = 1 << 31;

/// The body of the request for `count` answers after `given` ones.
pub(crate) fn body(
    model: &str,
    ask: &Ask,
    count: usize,
    given: usize,
    adaptation: Adaptation,
) -> String {
    let limit = |wanted: bool| ask.max_tokens.filter(|_| wanted);
    let logs = ask
        .top_log_probabilities
        .filter(|_| !adaptation.no_log_probabilities);
    let json_object = ask.json_object && !adaptation.no_response_format;
    let usage = ask.stream && !adaptation.no_stream_options;
    let body = Body {
        model,
        messages: &ask.messages,
        n: (count > 1).then_some(count),
        seed: ask
            .seed
            .filter(|_| !adaptation.no_seed)
            .map(|seed| seed.wrapping_add(given as u64) % SEEDS),
        temperature: ask.temperature.filter(|_| !adaptation.no_temperature),
        top_p: ask.top_p.filter(|_| !adaptation.no_top_p),
        top_k: ask.top_k.filter(|_| !adaptation.no_top_k),
        max_tokens: limit(!adaptation.newer_limit),
        max_completion_tokens: limit(adaptation.newer_limit),
        stop: &ask.stop,
        tools: ask.tools.iter().map(Tool::sent).collect(),
        tool_choice: (!ask.tools.is_empty()).then(|| ask.tool_choice.sent()),
        logprobs: logs.map(|_| true),
        top_logprobs: logs,
        response_format: json_object.then(|| json!({"type": "json_object"})),
        stream: ask.stream.then_some(true),
        stream_options: usage.then(|| json!({"include_usage": true})),
        chat_template_kwargs: ask
            .enable_thinking
            .map(|thinking| json!({ "enable_thinking": thinking })),
        extra: &ask.extra,
    };
    serde_json::to_string(&body).expect("texts and finite numbers are JSON")
}
