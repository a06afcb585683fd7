//! The three kinds of rows.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Columns and values of a row as they stand in the file.
pub type Record = Map<String, Value>;

/// A turn of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool`.
    pub role: String,
    /// What was said.
    pub content: String,
    /// What else the file has of it, such as `tool_calls`.
    #[serde(flatten)]
    pub extra: Record,
}

impl Message {
    /// A turn without anything else.
    #[must_use]
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Message {
            role: role.into(),
            content: content.into(),
            extra: Record::new(),
        }
    }
}

/// A prompt or a completion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Text without a chat template.
    Text(String),
    /// Turns of a conversation.
    Messages(Vec<Message>),
}

impl Content {
    /// Whether nothing but white space is in it.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        match self {
            Content::Text(text) => text.trim().is_empty(),
            Content::Messages(messages) => messages.iter().all(|message| {
                message.content.trim().is_empty() && !message.extra.contains_key("tool_calls")
            }),
        }
    }

    /// Its length in characters, roles not counted.
    #[must_use]
    pub fn characters(&self) -> usize {
        match self {
            Content::Text(text) => text.chars().count(),
            Content::Messages(messages) => messages
                .iter()
                .map(|message| message.content.chars().count())
                .sum(),
        }
    }

    /// The text, or the last turn's.
    #[must_use]
    pub fn last_text(&self) -> &str {
        match self {
            Content::Text(text) => text,
            Content::Messages(messages) => messages
                .last()
                .map_or("", |message| message.content.as_str()),
        }
    }

    /// As turns; a text is one turn of `role`.
    #[must_use]
    pub fn messages(&self, role: &str) -> Vec<Message> {
        match self {
            Content::Text(text) => vec![Message::new(role, text)],
            Content::Messages(messages) => messages.clone(),
        }
    }
}

/// Something to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// The file's own id, or the number of the row.
    pub id: String,
    /// What is asked.
    pub content: Content,
    /// The right answer, for verifiers.
    pub answer: Option<String>,
    /// Columns that have no meaning here.
    pub extra: Record,
}

impl Prompt {
    /// Whether the row says that its answer has a thinking trace: by itself, or as an argument of the
    /// chat template as `transformers` and TRL have it.
    #[must_use]
    pub fn thinking(&self) -> Option<bool> {
        let argument = self.extra.get("chat_template_kwargs");
        let argument = argument.and_then(|arguments| arguments.get("enable_thinking"));
        let flag = self.extra.get("thinking").or(argument);
        flag.and_then(Value::as_bool)
    }
}

/// A prompt with the completion that was preferred and the one that was not.
#[derive(Debug, Clone, PartialEq)]
pub struct PreferenceRow {
    /// What is asked; columns without a meaning are in its `extra`.
    pub prompt: Prompt,
    /// The preferred one, without the prompt.
    pub chosen: Content,
    /// The other one.
    pub rejected: Content,
    /// How likely `chosen` beats `rejected`.
    pub chosen_wins: Option<f64>,
    /// How likely `chosen` beats an answer of the policy.
    pub chosen_win_rate: Option<f64>,
    /// How likely `rejected` does.
    pub rejected_win_rate: Option<f64>,
}

/// One answer of several.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Response {
    /// The answer, without its trace.
    pub text: String,
    /// What was thought before it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace: Option<String>,
    /// Its length in tokens.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tokens: Option<u64>,
    /// Why it ended; `length` where it was cut.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finish: Option<String>,
    /// What else the file has of it.
    #[serde(flatten)]
    pub extra: Record,
}

/// A prompt with several answers and what was thought of them.
#[derive(Debug, Clone, PartialEq)]
pub struct RatedRow {
    /// What is asked; columns without a meaning are in its `extra`.
    pub prompt: Prompt,
    /// The K answers.
    pub responses: Vec<Response>,
    /// A score of each.
    pub scores: Option<Vec<f64>>,
    /// `[i][j]`: how likely answer i beats answer j, `[K][K]`.
    pub win_matrix: Option<Vec<Vec<f64>>>,
    /// What the oracle said before it was a probability, `[K][K]`.
    pub raw_logits: Option<Vec<Vec<f64>>>,
}

impl RatedRow {
    /// The place of the answer with the highest score, the first of those that are equal; none
    /// without answers.
    #[must_use]
    pub fn best(&self) -> Option<usize> {
        let scores = self.scores.as_deref().unwrap_or_default();
        let score = |at: usize| scores.get(at).copied().unwrap_or(0.0);
        (0..self.responses.len())
            .max_by(|left, right| score(*left).total_cmp(&score(*right)).then(right.cmp(left)))
    }
}
