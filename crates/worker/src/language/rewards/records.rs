//! What is to be scored, out of a file of JSON lines.

use std::path::Path;

use hub::{ChatTemplate, Conversation, HubError, ModelTokenizer, OrderedJson, RenderOptions};
use serde_json::{Value, json};

use super::super::prompts::{Line, lines_of};
use super::super::wide;
use crate::exit::{BAD_CONFIG, Failure};

const ALLOWED: &str = "JSON lines in UTF-8 such as {\"text\": \"..\"}, {\"messages\": [..]}, {\"prompt\": \"..\", \"response\": \"..\"} or {\"prompt\": \"..\", \"candidates\": [\"..\", \"..\"]}";

/// One line.
pub(super) struct Record {
    /// What it is called in messages.
    pub(super) name: String,
    /// Its number, counted from one.
    pub(super) line: usize,
    /// Its `id`.
    pub(super) id: Option<Value>,
    /// What it asks for.
    pub(super) asked: Asked,
}

/// What a line asks for.
pub(super) enum Asked {
    /// A text as it stands.
    Text(String),
    /// A conversation, through the model's template.
    Conversation(Conversation),
    /// An answer to a text or to messages.
    Response {
        prompt: OrderedJson,
        response: String,
    },
    /// Several answers, each against each other.
    Candidates {
        prompt: OrderedJson,
        candidates: Vec<String>,
    },
}

impl Record {
    /// All lines of a file, or of stdin for `-`.
    pub(super) fn of_file(file: &Path) -> Result<Vec<Self>, Failure> {
        let read = |line: Line| {
            Ok(Self {
                asked: asked(&line.value, &line.name)?,
                id: line.value.get("id").map(|id| json!(id)),
                name: line.name,
                line: line.number,
            })
        };
        lines_of(file, ALLOWED)?.into_iter().map(read).collect()
    }
}

fn asked(value: &OrderedJson, name: &str) -> Result<Asked, Failure> {
    let refuse =
        |why: &str| Failure::new(BAD_CONFIG, format!("{name}: {why} - allowed: {ALLOWED}"));
    let text = |key: &str| value.get(key).and_then(OrderedJson::as_str);
    if let Some(text) = text("text") {
        return Ok(Asked::Text(text.to_owned()));
    }
    if value.get("messages").is_some() {
        return Ok(Asked::Conversation(Conversation::read(value, name)?));
    }
    let prompt = value
        .get("prompt")
        .filter(|prompt| prompt.as_str().is_some() || prompt.as_array().is_some())
        .ok_or_else(|| refuse("neither a text, nor messages, nor a prompt"))?
        .clone();
    if let Some(list) = value.get("candidates") {
        let texts = list.as_array().unwrap_or_default().iter();
        let candidates: Option<Vec<String>> =
            texts.map(|item| item.as_str().map(str::to_owned)).collect();
        let candidates = candidates.unwrap_or_default();
        if candidates.len() < 2 {
            return Err(refuse("`candidates` that are not two texts or more"));
        }
        return Ok(Asked::Candidates { prompt, candidates });
    }
    match text("response") {
        Some(response) => Ok(Asked::Response {
            prompt,
            response: response.to_owned(),
        }),
        None => Err(refuse("a prompt without `response` or `candidates`")),
    }
}

/// A prompt, text or messages, and the answer to it.
pub(super) fn conversation(prompt: &OrderedJson, response: &str) -> Result<Conversation, Failure> {
    let mut conversation = match prompt.as_str() {
        Some(text) => Conversation::new(vec![OrderedJson::message("user", text)]),
        None => Conversation::read(prompt, "prompt")?,
    };
    conversation
        .messages
        .push(OrderedJson::message("assistant", response));
    Ok(conversation)
}

/// The ids of a conversation that is over, as `apply_chat_template` gives them.
pub(super) fn rendered(
    conversation: &Conversation,
    template: Option<&ChatTemplate>,
    tokenizer: &ModelTokenizer,
) -> Result<Vec<i64>, Failure> {
    let template = template.ok_or_else(|| HubError::Template {
        why: "is missing: the model has none - give {\"text\": \"..\"} with the text as the model is to read it".to_owned(),
    })?;
    let options = RenderOptions {
        generation_prompt: false,
        tools: conversation.tools.clone(),
        documents: conversation.documents.clone(),
        arguments: conversation.arguments.clone(),
        ..RenderOptions::default()
    };
    let text = template.render(&conversation.messages, &options)?;
    let tokens = tokenizer.encode_rendered(&text)?;
    Ok(wide(&tokens.iter().map(|(id, _)| *id).collect::<Vec<_>>()))
}
