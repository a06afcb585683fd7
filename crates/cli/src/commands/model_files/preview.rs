//! `concord model preview`: what a model reads of a conversation or a pair.

use std::io::Read;
use std::path::Path;

use hub::{
    Conversation, ENABLE_THINKING, HubError, ModelFolder, ModelTokenizer, OrderedJson,
    PreferencePair, RenderOptions, RenderedConversation, ThinkMarks,
};
use serde_json::{Map, Value, json};

use crate::arguments::Format;
use crate::failure::Failure;
use crate::output::{Table, print, print_json};

/// What is to be shown.
pub(super) struct Wanted<'a> {
    pub(super) file: &'a Path,
    pub(super) record: u64,
    pub(super) generation_prompt: bool,
    /// Whether a trace of thinking is asked for; none leaves it to the template.
    pub(super) thinking: Option<bool>,
    pub(super) arguments: &'a [String],
}

/// Runs the command.
pub(super) fn preview(
    folder: &ModelFolder,
    wanted: &Wanted<'_>,
    format: Format,
) -> Result<(), Failure> {
    let record = record(wanted.file, wanted.record)?;
    let what = format!("{}, record {}", wanted.file.display(), wanted.record);
    let tokenizer = folder.tokenizer()?;
    let template = folder.template()?;
    let mut options = RenderOptions {
        generation_prompt: wanted.generation_prompt,
        arguments: arguments(wanted.arguments)?,
        ..RenderOptions::default()
    };
    if let Some(thinking) = wanted.thinking {
        let name = ENABLE_THINKING.to_owned();
        options.arguments.insert(name, thinking.into());
    }
    let mut parts = Vec::new();
    if PreferencePair::is_pair(&record) {
        let pair = PreferencePair::read(&record, &what)?;
        let rendered = pair.render(template.as_ref(), tokenizer.special(), &options)?;
        parts.push(("chosen", rendered.chosen));
        parts.push(("rejected", rendered.rejected));
    } else {
        let conversation = Conversation::read(&record, &what)?;
        let template = template.ok_or_else(|| HubError::Template {
            why: "is missing: the model has none - name one that was made for conversations"
                .to_owned(),
        })?;
        let rendered = if wanted.generation_prompt {
            conversation.prompt(&template, &options)?
        } else {
            conversation.render(&template, &options)?
        };
        parts.push(("conversation", rendered));
    }
    if wanted.thinking == Some(false) {
        let marks = ThinkMarks::default();
        for (_, rendered) in &mut parts {
            *rendered = rendered.clone().without_trace(&marks);
        }
    }
    show(&parts, &tokenizer, format)
}

fn show(
    parts: &[(&str, RenderedConversation)],
    tokenizer: &ModelTokenizer,
    format: Format,
) -> Result<(), Failure> {
    let mut table = Table::new(&["part", "index", "id", "learnt", "token", "text"]);
    let mut documents = Vec::new();
    let mut heads = String::new();
    for (part, rendered) in parts {
        let tokens = rendered.learnt_tokens(tokenizer)?;
        let learnt = tokens.iter().filter(|(_, _, learnt)| *learnt).count();
        for (index, (id, range, learnt)) in tokens.iter().enumerate() {
            // A token of a part of a character has no text of its own.
            let text = rendered.text.get(range.clone()).unwrap_or_default();
            table.row(vec![
                json!(part),
                json!(index),
                json!(id),
                json!(learnt),
                json!(tokenizer.token(*id)),
                json!(format!("{text:?}")),
            ]);
        }
        heads.push_str(&format!(
            "{part}: {} tokens, {learnt} learnt\n{}\n",
            tokens.len(),
            rendered.text
        ));
        for note in &rendered.notes {
            heads.push_str(&format!("note: {note}\n"));
        }
        heads.push('\n');
        let mask: Vec<u8> = tokens.iter().map(|token| u8::from(token.2)).collect();
        let ids: Vec<u32> = tokens.iter().map(|token| token.0).collect();
        documents.push(json!({
            "part": part,
            "text": rendered.text,
            "ids": ids,
            "mask": mask,
            "notes": rendered.notes,
        }));
    }
    match format {
        Format::Table => print(&(heads + &table.to_text())),
        Format::Csv => print(&table.to_csv()),
        Format::Json => print_json(&documents),
    }
}

/// One record of a JSON file: of a list of records, of lines, or the file itself.
fn record(file: &Path, number: u64) -> Result<OrderedJson, Failure> {
    let name = file.display();
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|error| {
        Failure::arguments(format!(
            "cannot read {name}: {error} - allowed: a file of JSON or JSON lines, or - for stdin"
        ))
    })?;
    let records: Vec<OrderedJson> = match serde_json::from_str(&text) {
        // A list of messages is one record; a list of anything else holds them.
        Ok(OrderedJson::Array(values))
            if values.iter().all(|value| value.get("role").is_none()) =>
        {
            values
        }
        Ok(value) => vec![value],
        Err(_) => lines(&text, &name.to_string())?,
    };
    let count = records.len();
    usize::try_from(number - 1)
        .ok()
        .and_then(|index| records.into_iter().nth(index))
        .ok_or_else(|| {
            Failure::arguments(format!(
                "{name} has no record {number} - allowed: 1 to {count}"
            ))
        })
}

fn lines(text: &str, name: &str) -> Result<Vec<OrderedJson>, Failure> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| {
                Failure::arguments(format!(
                    "{name}, line {}: no JSON ({error}) - allowed: one JSON value, or one on each \
                     line",
                    index + 1
                ))
            })
        })
        .collect()
}

/// `NAME=JSON`; what is no JSON is a text.
fn arguments(given: &[String]) -> Result<Map<String, Value>, Failure> {
    given
        .iter()
        .map(|text| {
            let (name, value) = text.split_once('=').ok_or_else(|| {
                Failure::arguments(format!(
                    "--template-set {text} - allowed: NAME=JSON such as enable_thinking=false"
                ))
            })?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            Ok((name.to_owned(), value))
        })
        .collect()
}
