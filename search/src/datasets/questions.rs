//! What the fields of a row mean.

use std::collections::HashMap;

use serde_json::Value;

use super::{DataQuestion, Format, Wrong};
use crate::tools::collection::Passage;

/// A question with its documents; none where the row is marked as not answerable.
type Read = Option<(DataQuestion, Vec<Passage>)>;

/// The format that a first row tells.
pub(super) fn format_of(row: &Value, table: bool) -> Format {
    let has = |name: &str| row.get(name).is_some();
    if has("paragraphs") {
        Format::Musique
    } else if has("context") && (has("evidences") || has("answer_id")) {
        Format::TwoWiki
    } else if has("context") {
        Format::Hotpotqa
    } else if table || has("Question") || has("golden_answers") {
        Format::Bamboogle
    } else {
        Format::Plain
    }
}

/// Reads the `number`th row.
pub(super) fn question(
    format: Format,
    row: &Value,
    number: usize,
    aliases: &HashMap<String, Vec<String>>,
) -> Result<Read, Wrong> {
    let asked = text(row, &["question", "Question", "problem"]);
    let asked = asked
        .filter(|asked| !asked.trim().is_empty())
        .ok_or_else(|| {
            Wrong::new(
                "no `question`, or an empty one",
                "give each row a question as text",
            )
        })?;
    let id = text(row, &["_id", "id", "question_id"]).unwrap_or_else(|| format!("q{number}"));
    let mut question = DataQuestion {
        id,
        text: asked,
        answers: answers(row),
        kind: text(row, &["type"]),
        supporting: Vec::new(),
    };
    let passages = match format {
        Format::Hotpotqa | Format::TwoWiki => {
            if let Some(id) = text(row, &["answer_id"]) {
                add(
                    &mut question.answers,
                    aliases.get(&id).cloned().unwrap_or_default(),
                );
            }
            question.supporting = supporting_facts(row);
            context(row)?
        }
        Format::Musique => {
            if row.get("answerable") == Some(&Value::Bool(false)) {
                return Ok(None);
            }
            add(&mut question.answers, texts(row, "answer_aliases"));
            // Such as `2hop__482757_12019`.
            let hops = question
                .id
                .split_once("__")
                .map(|(hops, _)| hops.to_owned());
            question.kind = question.kind.or(hops);
            let (passages, supporting) = paragraphs(row)?;
            question.supporting = supporting;
            passages
        }
        Format::Bamboogle | Format::Plain => Vec::new(),
    };
    if format != Format::Plain && question.answers.is_empty() {
        let remedy = "give each row an answer as text, or a list of them";
        return Err(Wrong::new("no `answer`", remedy));
    }
    Ok(Some((question, passages)))
}

/// The first of these fields, numbers as text.
pub(super) fn text(row: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match row.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// A list of texts; empty where there is none.
pub(super) fn texts(row: &Value, name: &str) -> Vec<String> {
    let list = row.get(name).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// `answer` or `answers`, one or several; a list may stand in a table's field as JSON.
fn answers(row: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["answer", "Answer", "answers", "golden_answers"] {
        match row.get(name) {
            Some(Value::String(text)) => match serde_json::from_str::<Vec<String>>(text) {
                Ok(list) => add(&mut found, list),
                Err(_) if text.trim().is_empty() => {}
                Err(_) => add(&mut found, vec![text.clone()]),
            },
            Some(Value::Number(number)) => add(&mut found, vec![number.to_string()]),
            Some(Value::Bool(truth)) => {
                let word = if *truth { "yes" } else { "no" };
                add(&mut found, vec![word.to_owned()]);
            }
            _ => add(&mut found, texts(row, name)),
        }
    }
    found
}

fn add(answers: &mut Vec<String>, more: Vec<String>) {
    for answer in more {
        if !answers.contains(&answer) {
            answers.push(answer);
        }
    }
}

/// `[[title, sentence number], ..]`, or columns `title` and `sent_id`.
fn supporting_facts(row: &Value) -> Vec<String> {
    let Some(facts) = row.get("supporting_facts") else {
        return Vec::new();
    };
    let mut titles = texts(facts, "title");
    for fact in facts.as_array().into_iter().flatten() {
        titles.extend(fact.get(0).and_then(Value::as_str).map(str::to_owned));
    }
    let mut once = Vec::new();
    add(&mut once, titles);
    once
}

/// `[[title, [sentence, ..]], ..]`, or columns `title` and `sentences`.
fn context(row: &Value) -> Result<Vec<Passage>, Wrong> {
    let wrong = || {
        let remedy = "give [[title, [sentence, ..]], ..] as the benchmark's own file does";
        Wrong::new("`context` is no list of titles with sentences", remedy)
    };
    let passage = |title: &Value, sentences: &Value| {
        let title = title.as_str().ok_or_else(wrong)?.to_owned();
        let sentences = sentences.as_array().ok_or_else(wrong)?;
        // Each sentence but the first begins with its space in the files, not in all of them.
        let said: Vec<&str> = sentences
            .iter()
            .filter_map(Value::as_str)
            .map(str::trim)
            .collect();
        let text = said.join(" ");
        Ok(Passage { title, text })
    };
    let context = row.get("context").ok_or_else(wrong)?;
    if let (Some(titles), Some(sentences)) = (context.get("title"), context.get("sentences")) {
        let titles = titles.as_array().ok_or_else(wrong)?;
        let sentences = sentences.as_array().ok_or_else(wrong)?;
        let pairs = titles.iter().zip(sentences);
        return pairs
            .map(|(title, sentences)| passage(title, sentences))
            .collect();
    }
    let pairs = context.as_array().ok_or_else(wrong)?;
    let pair = |pair: &Value| match (pair.get(0), pair.get(1)) {
        (Some(title), Some(sentences)) => passage(title, sentences),
        _ => Err(wrong()),
    };
    pairs.iter().map(pair).collect()
}

/// MuSiQue's documents, and the titles of those that hold the evidence.
fn paragraphs(row: &Value) -> Result<(Vec<Passage>, Vec<String>), Wrong> {
    let wrong = || {
        let remedy = "give objects with `title`, `paragraph_text` and `is_supporting`";
        Wrong::new("`paragraphs` is no list of titled texts", remedy)
    };
    let list = row
        .get("paragraphs")
        .and_then(Value::as_array)
        .ok_or_else(wrong)?;
    let (mut passages, mut supporting) = (Vec::new(), Vec::new());
    for paragraph in list {
        let title = text(paragraph, &["title"]).ok_or_else(wrong)?;
        let text = text(paragraph, &["paragraph_text"]).ok_or_else(wrong)?;
        if paragraph.get("is_supporting") == Some(&Value::Bool(true)) {
            add(&mut supporting, vec![title.clone()]);
        }
        passages.push(Passage { title, text });
    }
    Ok((passages, supporting))
}
