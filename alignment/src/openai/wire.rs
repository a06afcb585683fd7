//! What is sent and what comes back.

use dataset::Message;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request for answers to one conversation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ask {
    /// The turns so far.
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
    /// Sent to the template by the servers that know `chat_template_kwargs` (vLLM, SGLang, llama.cpp).
    pub enable_thinking: Option<bool>,
    /// Sampling settings that the server refuses may be left out.
    pub lenient: bool,
}

/// The answers to one [`Ask`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// As many as were wanted.
    pub choices: Vec<Choice>,
    /// Tokens of all requests that it took.
    pub usage: Usage,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// What was said.
    pub text: String,
    /// What was thought before, where the server keeps it apart.
    pub reasoning: Option<String>,
    /// Why it ended: `stop`, `length` and others.
    pub finish: Option<String>,
}

/// Tokens that were read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Usage {
    /// Read.
    #[serde(default)]
    pub prompt_tokens: u64,
    /// Written.
    #[serde(default)]
    pub completion_tokens: u64,
}

impl Usage {
    /// Adds another request's.
    pub fn add(&mut self, other: Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
    }
}

/// What a server was found not to take; kept for later requests.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Adaptation {
    /// `max_completion_tokens` instead of `max_tokens`.
    newer_limit: bool,
    no_temperature: bool,
    no_top_p: bool,
    no_seed: bool,
    /// One answer at a time.
    pub(super) single: bool,
}

impl Adaptation {
    /// What a refusal teaches beyond this; none where another try would end alike.
    pub(super) fn learned(mut self, refusal: &Refusal, lenient: bool) -> Option<Self> {
        let unsupported = matches!(
            refusal.code.as_deref(),
            Some("unsupported_parameter" | "unsupported_value")
        );
        let flag = match refusal.parameter.as_deref() {
            Some("max_tokens") if refusal.said.contains("max_completion_tokens") => {
                &mut self.newer_limit
            }
            Some("temperature") if unsupported && lenient => &mut self.no_temperature,
            Some("top_p") if unsupported && lenient => &mut self.no_top_p,
            Some("seed") if unsupported && lenient => &mut self.no_seed,
            _ => return None,
        };
        let known = std::mem::replace(flag, true);
        (!known).then_some(self)
    }

    /// The same, and one answer at a time.
    pub(super) fn singly(self) -> Self {
        Self {
            single: true,
            ..self
        }
    }

    /// Adds what another request learned.
    pub(super) fn merge(&mut self, other: Self) {
        self.newer_limit |= other.newer_limit;
        self.no_temperature |= other.no_temperature;
        self.no_top_p |= other.no_top_p;
        self.no_seed |= other.no_seed;
        self.single |= other.single;
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
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_template_kwargs: Option<Value>,
}

/// Servers differ in the widest seed they read; all read 31 bits.
const SEEDS: u64 = 1 << 31;

/// The body of the request for `count` answers after `given` ones.
pub(super) fn body(
    model: &str,
    ask: &Ask,
    count: usize,
    given: usize,
    adaptation: Adaptation,
) -> String {
    let limit = |wanted: bool| ask.max_tokens.filter(|_| wanted);
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
        top_k: ask.top_k,
        max_tokens: limit(!adaptation.newer_limit),
        max_completion_tokens: limit(adaptation.newer_limit),
        chat_template_kwargs: ask
            .enable_thinking
            .map(|thinking| serde_json::json!({ "enable_thinking": thinking })),
    };
    serde_json::to_string(&body).expect("texts and finite numbers are JSON")
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<WireChoice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct WireChoice {
    #[serde(default)]
    index: usize,
    message: WireMessage,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct WireMessage {
    content: Option<WireContent>,
    // vLLM and DeepSeek, and vLLM's newer name; some send both.
    reasoning_content: Option<String>,
    reasoning: Option<Value>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WireContent {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

/// Reads a completion; at least one answer is in it.
pub(super) fn read(text: &str) -> Result<Answer, String> {
    let completion: Completion = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut choices = completion.choices;
    if choices.is_empty() {
        return Err("`choices` is empty".to_owned());
    }
    choices.sort_by_key(|choice| choice.index);
    Ok(Answer {
        choices: choices.into_iter().map(Choice::from).collect(),
        usage: completion.usage.unwrap_or_default(),
    })
}

impl From<WireChoice> for Choice {
    fn from(choice: WireChoice) -> Self {
        let message = choice.message;
        let said = message.content.map(|content| match content {
            WireContent::Text(text) => text,
            WireContent::Parts(parts) => parts.into_iter().map(|part| part.text).collect(),
        });
        let thought = message
            .reasoning
            .and_then(|value| value.as_str().map(str::to_owned));
        Self {
            text: said.or(message.refusal).unwrap_or_default(),
            reasoning: message
                .reasoning_content
                .or(thought)
                .filter(|text| !text.is_empty()),
            finish: choice.finish_reason,
        }
    }
}

/// The longest part of a server's words that is repeated, in characters.
const LONGEST_WORDS: usize = 300;

/// What a refusal says.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    pub(super) said: String,
    pub(super) code: Option<String>,
    parameter: Option<String>,
}

impl Refusal {
    /// Reads the body of a refusal in any of the forms that servers have; `key` is struck out of it.
    pub(super) fn read(body: &str, key: Option<&str>) -> Self {
        let value: Value = serde_json::from_str(body).unwrap_or_default();
        let error = if value["error"].is_null() {
            &value
        } else {
            &value["error"]
        };
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        let said = text("message")
            .or_else(|| error.as_str().map(str::to_owned))
            .or_else(|| match &value["detail"] {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            })
            .unwrap_or_else(|| body.to_owned());
        Self {
            said: excerpt(&said, key),
            code: text("code"),
            parameter: text("param"),
        }
    }
}

/// The beginning of a server's words, on one line and without the key.
pub(super) fn excerpt(text: &str, key: Option<&str>) -> String {
    let mut words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(key) = key {
        words = words.replace(key, "[key]");
    }
    if words.is_empty() {
        return "without a word".to_owned();
    }
    match words.char_indices().nth(LONGEST_WORDS) {
        Some((end, _)) => format!("{:?}..", &words[..end]),
        None => format!("{words:?}"),
    }
}
