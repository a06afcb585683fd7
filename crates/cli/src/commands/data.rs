//! `concord data`: files of prompts, preferences and scored answers, and made-up ones.

use std::path::Path;

use dataset::arithmetic::{Problem, Split, demonstrations, problems, prompts};
use dataset::{Content, FileKind, Rows, write_rows};
use serde_json::{Value, json};

use crate::arguments::{CreateData, Data, Format, MadeUp, MadeUpKind, MadeUpSplit};
use crate::failure::Failure;
use crate::output::{Table, print, print_json};

mod head;
mod inspect;
mod lengths;

/// Runs the command.
pub(crate) fn data(command: &Data) -> Result<(), Failure> {
    match command {
        Data::Inspect {
            data,
            tokenizer,
            revision,
            format,
        } => inspect::inspect(data, tokenizer.as_deref(), revision, format.format),
        Data::Head { data, rows, format } => head::head(data, *rows, format.format),
        Data::Create(arguments) => create(arguments),
    }
}

/// A part of a row, and its content in that row.
type Part<'a> = (&'static str, &'a Content);

/// Calls for every part of every row; what is no [`Content`] is made one.
fn each_part(rows: &Rows, mut see: impl FnMut(usize, Part<'_>)) {
    match rows {
        Rows::Prompts(rows) => {
            for (index, row) in rows.iter().enumerate() {
                match answered(&row.content) {
                    Some((asked, answer)) => {
                        see(index, ("prompt", &asked));
                        see(index, ("answer", &answer));
                    }
                    None => see(index, ("prompt", &row.content)),
                }
            }
        }
        Rows::Preferences(rows) => {
            for (index, row) in rows.iter().enumerate() {
                see(index, ("prompt", &row.prompt.content));
                see(index, ("chosen", &row.chosen));
                see(index, ("rejected", &row.rejected));
            }
        }
        Rows::Rated(rows) => {
            for (index, row) in rows.iter().enumerate() {
                see(index, ("prompt", &row.prompt.content));
                for response in &row.responses {
                    if let Some(trace) = &response.trace {
                        see(index, ("trace", &Content::Text(trace.clone())));
                    }
                    see(index, ("response", &Content::Text(response.text.clone())));
                }
            }
        }
    }
}

/// A conversation that ends with an answer, in two.
fn answered(content: &Content) -> Option<(Content, Content)> {
    let Content::Messages(messages) = content else {
        return None;
    };
    let (last, before) = messages.split_last()?;
    (last.role == "assistant" && !before.is_empty()).then(|| {
        (
            Content::Messages(before.to_vec()),
            Content::Messages(vec![last.clone()]),
        )
    })
}

fn file_kind(path: &Path) -> Result<FileKind, Failure> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl") => Ok(FileKind::JsonLines),
        Some("json") => Ok(FileKind::JsonList),
        Some("parquet") => Ok(FileKind::Parquet),
        _ => Err(Failure::arguments(format!(
            "-o {} - allowed: a name that ends with .jsonl, .json or .parquet",
            path.display()
        ))),
    }
}

fn create(arguments: &CreateData) -> Result<(), Failure> {
    let CreateData {
        what: MadeUp::Arithmetic,
        rows,
        kind,
        split,
        seed,
        out,
        format,
    } = arguments;
    let file = file_kind(out)?;
    if out.exists() {
        return Err(Failure::arguments(format!(
            "{} is there already - name another file, or remove it",
            out.display()
        )));
    }
    let split = match split {
        MadeUpSplit::Train => Split::Train,
        MadeUpSplit::HeldOut => Split::HeldOut,
    };
    let count = usize::try_from(*rows)
        .map_err(|_| Failure::arguments(format!("--rows {rows} - allowed: fewer")))?;
    let name = match kind {
        MadeUpKind::Prompts => {
            write_rows(out, file, &prompts(split, count, *seed))?;
            "prompts"
        }
        MadeUpKind::Problems => {
            let rows: Vec<Problem> = problems(split, *seed).take(count).collect();
            write_rows(out, file, &rows)?;
            "problems"
        }
        MadeUpKind::Demonstrations if split == Split::HeldOut => {
            return Err(Failure::arguments(
                "--kind demonstrations --split held-out - allowed: --split train; what is held out is not learnt from",
            ));
        }
        MadeUpKind::Demonstrations => {
            write_rows(out, file, &demonstrations(count, *seed))?;
            "demonstrations"
        }
    };
    let facts: [(&'static str, Value); 5] = [
        ("file", json!(out)),
        ("kind", json!(name)),
        ("rows", json!(rows)),
        ("split", json!(split.name())),
        ("seed", json!(seed)),
    ];
    match format.format {
        Format::Table => print(&format!(
            "{rows} {name} ({}, seed {seed}) written to {}",
            split.name(),
            out.display()
        )),
        Format::Json => {
            let facts = facts.map(|(name, value)| (name.to_owned(), value));
            print_json(&Value::Object(facts.into_iter().collect()))
        }
        Format::Csv => {
            let mut table = Table::new(&facts.each_ref().map(|fact| fact.0));
            table.row(facts.map(|fact| fact.1).to_vec());
            table.print(Format::Csv)
        }
    }
}
