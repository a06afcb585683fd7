//! What a run learns from: prompts, preferences, demonstrations, of files or made up.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use configs::finetune::{ARITHMETIC, DataConfig, Thinking};
use dataset::arithmetic::{self, Split};
use dataset::{Content, Message, PreferenceRow, Prompt, Rows};
use serde::{Deserialize, Serialize};

use crate::failure::FinetuneError;

/// A prompt as the stages pass it on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptRow {
    /// Unique in the run.
    pub id: String,
    /// What is asked.
    pub prompt: Content,
    /// The right answer, for verifiers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// Something to imitate.
#[derive(Debug, Clone, PartialEq)]
pub struct Demonstration {
    /// The conversation, an answer last.
    pub messages: Vec<Message>,
    /// Whether the answer has a trace; none leaves it to the chat template.
    pub thinking: Option<bool>,
}

/// Rows, and what was noticed while they were read.
#[derive(Debug)]
pub struct Read<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Sentences for the user.
    pub notes: Vec<String>,
}

fn read(path: &str, data: &DataConfig) -> Result<(dataset::Dataset, Vec<String>), FinetuneError> {
    let read = dataset::read(Path::new(path), data.form.name().parse()?)?;
    let mut notes = Vec::new();
    if read.counts.dropped > 0 || !read.problems.is_empty() {
        let listed: Vec<String> = read
            .problems
            .iter()
            .take(3)
            .map(|problem| format!("{}: {}", problem.place, problem.kind))
            .collect();
        notes.push(format!(
            "{path}: {} rows were left out, {} have the prompt of an earlier row; {}",
            read.counts.dropped,
            read.counts.duplicate_prompts,
            listed.join("; ")
        ));
    }
    Ok((read, notes))
}

fn made_up_prompts(count: usize, held_out: bool, seed: u64) -> Vec<Prompt> {
    let split = if held_out {
        Split::HeldOut
    } else {
        Split::Train
    };
    arithmetic::prompts(split, count, seed)
}

/// Prompts for generation: those of the data, or of its held-out file.
///
/// # Errors
/// A file that cannot be read, no rows.
pub fn prompts(
    path: &str,
    data: &DataConfig,
    wanted: Option<u64>,
    held_out: bool,
    seed: u64,
) -> Result<Read<PromptRow>, FinetuneError> {
    let limit = wanted.map_or(usize::MAX, |rows| {
        usize::try_from(rows).unwrap_or(usize::MAX)
    });
    let (mut rows, notes): (Vec<Prompt>, _) = if path == ARITHMETIC {
        if limit == usize::MAX {
            return Err(FinetuneError::Settings(
                "data.rows: not set - allowed: a number of made-up problems, with data.path = arithmetic".to_owned(),
            ));
        }
        (made_up_prompts(limit, held_out, seed), Vec::new())
    } else {
        let (read, notes) = read(path, data)?;
        (read.into_prompts(), notes)
    };
    rows.truncate(limit);
    let mut seen = HashSet::new();
    let mut unique = |id: String| {
        let mut name = id.clone();
        let mut number = 2;
        while !seen.insert(name.clone()) {
            name = format!("{id}#{number}");
            number += 1;
        }
        name
    };
    let rows = rows
        .into_iter()
        .map(|row| PromptRow {
            id: unique(row.id),
            prompt: without_answer(row.content),
            answer: row.answer,
        })
        .collect();
    Ok(Read { rows, notes })
}

/// A conversation that ends with an answer asks for that answer anew.
fn without_answer(content: Content) -> Content {
    match content {
        Content::Messages(mut messages) => {
            while messages.len() > 1 && messages.last().is_some_and(|last| last.role == "assistant")
            {
                messages.pop();
            }
            Content::Messages(messages)
        }
        text => text,
    }
}

/// Demonstrations: conversations that end with an answer, preferred answers, or the best rated.
///
/// # Errors
/// A file that cannot be read, rows without an answer.
pub fn demonstrations(
    path: &str,
    data: &DataConfig,
    seed: u64,
) -> Result<Read<Demonstration>, FinetuneError> {
    let limit = data.rows.map_or(usize::MAX, |rows| {
        usize::try_from(rows).unwrap_or(usize::MAX)
    });
    if path == ARITHMETIC {
        if limit == usize::MAX {
            return Err(FinetuneError::Settings(
                "data.rows: not set - allowed: a number of made-up demonstrations, with data.path = arithmetic".to_owned(),
            ));
        }
        return Ok(Read {
            rows: arithmetic::demonstrations(limit, seed)
                .into_iter()
                .map(|one| Demonstration {
                    messages: one.messages,
                    thinking: Some(one.thinking),
                })
                .collect(),
            notes: Vec::new(),
        });
    }
    let (read, notes) = read(path, data)?;
    let thinking = asked(data.thinking);
    let flag = |prompt: &Prompt| prompt.thinking().or(thinking);
    let answered = |prompt: &Prompt, answer: &Content| {
        let mut messages = prompt.content.messages("user");
        messages.extend(answer.messages("assistant"));
        messages
    };
    let mut rows: Vec<Demonstration> = match read.rows {
        Rows::Prompts(rows) => rows
            .iter()
            .map(|row| Demonstration {
                messages: row.content.messages("user"),
                thinking: flag(row),
            })
            .collect(),
        Rows::Preferences(rows) => rows
            .iter()
            .map(|row| Demonstration {
                messages: answered(&row.prompt, &row.chosen),
                thinking: flag(&row.prompt),
            })
            .collect(),
        Rows::Rated(rows) => rows
            .iter()
            .filter_map(|row| {
                let text = Content::Text(row.responses[row.best()?].text.clone());
                Some(Demonstration {
                    messages: answered(&row.prompt, &text),
                    thinking: flag(&row.prompt),
                })
            })
            .collect(),
    };
    rows.truncate(limit);
    Ok(Read { rows, notes })
}

/// A preference with the mode it was made in.
#[derive(Debug, Clone, PartialEq)]
pub struct Preference {
    /// The row.
    pub row: PreferenceRow,
    /// Whether its answers have traces.
    pub thinking: Option<bool>,
}

/// Preferences of a file.
///
/// # Errors
/// A file that cannot be read or holds no preferences.
pub fn preferences(path: &str, data: &DataConfig) -> Result<Read<Preference>, FinetuneError> {
    if path == ARITHMETIC {
        return Err(FinetuneError::Settings(
            "data.path: arithmetic has problems and no preferences - allowed: a file of preferences with iterations.count = 0; or set iterations.count to 1 or more, and the policy's own answers are compared".to_owned(),
        ));
    }
    let (read, notes) = read(path, data)?;
    let thinking = asked(data.thinking);
    let mut rows: Vec<Preference> = read
        .into_preferences()?
        .into_iter()
        .map(|row| Preference {
            thinking: row.prompt.thinking().or(thinking),
            row,
        })
        .collect();
    if let Some(limit) = data.rows {
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    Ok(Read { rows, notes })
}

/// Preferences of both modes by their prompt, for BVPO: `(with trace, without)`; and how many had
/// no partner.
pub fn partners(rows: Vec<Preference>) -> (Vec<(Preference, Preference)>, usize) {
    let mut waiting: HashMap<String, Preference> = HashMap::new();
    let mut partners = Vec::new();
    let all = rows.len();
    for row in rows {
        let key = serde_json::to_string(&row.row.prompt.content).unwrap_or_default();
        match waiting.remove(&key) {
            Some(other) if other.thinking == Some(true) && row.thinking == Some(false) => {
                partners.push((other, row));
            }
            Some(other) if other.thinking == Some(false) && row.thinking == Some(true) => {
                partners.push((row, other));
            }
            _ => {
                waiting.insert(key, row);
            }
        }
    }
    let alone = all - 2 * partners.len();
    (partners, alone)
}

/// The mode that a setting asks for.
pub fn asked(thinking: Thinking) -> Option<bool> {
    match thinking {
        Thinking::Auto => None,
        Thinking::On => Some(true),
        Thinking::Off => Some(false),
    }
}
