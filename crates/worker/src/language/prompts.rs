//! Prompts of the command line and of files, as ids.

use std::io::Read;
use std::path::Path;

use hub::{Conversation, OrderedJson, RenderOptions};
use serde_json::{Map, Value};

use super::{TextModel, wide};
use crate::exit::{BAD_CONFIG, Failure};

/// How a text becomes a prompt.
pub struct Reading {
    /// Through the chat template.
    pub chat: bool,
    /// What the conversation begins with.
    pub system: Option<String>,
    /// Arguments of the template.
    pub arguments: Map<String, Value>,
}

/// A prompt as the model reads it.
#[derive(Debug)]
pub struct Prompt {
    /// The `id` of its record.
    pub id: Option<Value>,
    /// Its tokens.
    pub ids: Vec<i64>,
    /// Its text, template included; none where ids were given.
    pub text: Option<String>,
}

/// One record of a file.
#[derive(Debug)]
enum Record {
    Text(String),
    Conversation(Conversation),
}

impl Prompt {
    /// A prompt of the command line.
    pub fn of_text(model: &TextModel, reading: &Reading, text: &str) -> Result<Self, Failure> {
        Self::read(
            model,
            reading,
            "the prompt",
            Record::Text(text.to_owned()),
            None,
        )
    }

    /// Ids, separated by commas.
    pub fn of_ids(text: &str) -> Result<Self, Failure> {
        let ids = text.split(',').map(|id| {
            id.trim().parse::<i64>().map_err(|_| {
                let message = format!(
                    "--prompt-ids {text}: `{id}` - allowed: whole numbers separated by commas"
                );
                Failure::new(BAD_CONFIG, message)
            })
        });
        Ok(Self {
            id: None,
            ids: ids.collect::<Result<_, _>>()?,
            text: None,
        })
    }

    /// All records of a file of JSON lines, or of stdin for `-`.
    pub fn of_file(
        model: &TextModel,
        reading: &Reading,
        file: &Path,
    ) -> Result<Vec<Self>, Failure> {
        const ALLOWED: &str =
            r#"JSON lines in UTF-8 such as {"prompt": ".."} or {"messages": [..]}"#;
        let mut prompts = Vec::new();
        for line in lines_of(file, ALLOWED)? {
            let (value, name) = (line.value, line.name);
            let id = value.get("id").map(|id| serde_json::json!(id));
            let record = record(&value, &name)?.ok_or_else(|| {
                let message = format!("{name} has no prompt and no messages - allowed: {ALLOWED}");
                Failure::new(BAD_CONFIG, message)
            })?;
            prompts.push(Self::read(model, reading, &name, record, id)?);
        }
        Ok(prompts)
    }

    fn read(
        model: &TextModel,
        reading: &Reading,
        name: &str,
        record: Record,
        id: Option<Value>,
    ) -> Result<Self, Failure> {
        let conversation = match record {
            Record::Text(text) if !reading.chat => {
                let ids = wide(&model.tokenizer.encode(&text, true)?);
                return Self::checked(model, name, ids, text, id);
            }
            Record::Text(text) => {
                let mut messages = Vec::new();
                messages.extend(reading.system_message());
                messages.push(OrderedJson::message("user", &text));
                Conversation::new(messages)
            }
            Record::Conversation(mut conversation) => {
                let first = conversation.messages.first();
                let has = first.is_some_and(|message| message["role"].as_str() == Some("system"));
                let system = reading.system_message().filter(|_| !has);
                conversation.messages.splice(0..0, system);
                conversation
            }
        };
        let options = RenderOptions {
            arguments: reading.arguments.clone(),
            ..RenderOptions::default()
        };
        let named = |error: hub::HubError| Failure::from(error).about(name);
        let rendered = conversation
            .prompt(model.chat_template()?, &options)
            .map_err(named)?;
        let tokens = rendered.tokens(&model.tokenizer).map_err(named)?;
        let ids = tokens.iter().map(|(id, _, _)| i64::from(*id)).collect();
        Self::checked(model, name, ids, rendered.text, id)
    }

    fn checked(
        model: &TextModel,
        name: &str,
        ids: Vec<i64>,
        text: String,
        id: Option<Value>,
    ) -> Result<Self, Failure> {
        model
            .decoder
            .check(&ids)
            .map_err(|error| Failure::from(error).about(name))?;
        Ok(Self {
            id,
            ids,
            text: Some(text),
        })
    }
}

impl Reading {
    fn system_message(&self) -> Option<OrderedJson> {
        let system = self.system.as_deref()?;
        Some(OrderedJson::message("system", system))
    }
}

/// One object of a file of JSON lines.
pub struct Line {
    /// Its number, counted from one.
    pub number: usize,
    /// What it is called in messages.
    pub name: String,
    /// What it holds.
    pub value: OrderedJson,
}

/// All lines of a file, or of stdin for `-`, but the empty ones; `allowed` ends messages.
pub fn lines_of(file: &Path, allowed: &str) -> Result<Vec<Line>, Failure> {
    let refuse = |why: String| Failure::new(BAD_CONFIG, format!("{why} - allowed: {allowed}"));
    let shown = if file == Path::new("-") {
        "stdin".to_owned()
    } else {
        file.display().to_string()
    };
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(file).map(|content| bytes = content)
    };
    read.map_err(|error| refuse(format!("cannot read {shown}: {error}")))?;
    let mut lines = Vec::new();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let name = format!("{shown}, line {}", number + 1);
        let text = std::str::from_utf8(line).map_err(|_| refuse(format!("{name} is no UTF-8")))?;
        if text.trim().is_empty() {
            continue;
        }
        let value: OrderedJson = serde_json::from_str(text)
            .map_err(|error| refuse(format!("{name} is no JSON ({error})")))?;
        lines.push(Line {
            number: number + 1,
            name,
            value,
        });
    }
    if lines.is_empty() {
        return Err(refuse(format!("{shown} has no lines")));
    }
    Ok(lines)
}

/// A text, a list of messages, or an object with one of them as `prompt` or `messages`.
fn record(value: &OrderedJson, name: &str) -> Result<Option<Record>, Failure> {
    let given = value.get("prompt").unwrap_or(value);
    if let Some(text) = given.as_str() {
        return Ok(Some(Record::Text(text.to_owned())));
    }
    let messages = if value.get("messages").is_some() {
        value
    } else {
        given
    };
    if messages.as_array().is_some() || messages.get("messages").is_some() {
        let conversation = Conversation::read(messages, name)?;
        return Ok(Some(Record::Conversation(conversation)));
    }
    Ok(None)
}
