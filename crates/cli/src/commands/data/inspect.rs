//! `concord data inspect`: what a file holds and what is wrong with it.

use dataset::{Dataset, FileKind, read};
use serde_json::{Value, json};

use super::super::model_files::folder_of;
use super::lengths::{Lengths, Reader, lengths};
use crate::arguments::{DataFile, Format, ModelArgument};
use crate::failure::Failure;
use crate::output::{Table, print, print_json};

/// Runs the command.
pub(super) fn inspect(
    data: &DataFile,
    tokenizer: Option<&str>,
    revision: &str,
    format: Format,
) -> Result<(), Failure> {
    let reader = tokenizer.map(|model| reader(model, revision)).transpose()?;
    let read = read(&data.file, data.form)?;
    let lengths = lengths(&read.rows, reader.as_ref())?;
    match format {
        Format::Json => print_json(&document(&read, &lengths)),
        Format::Csv => {
            let mut table = Table::new(&["what", "value"]);
            for (name, value) in facts(&read) {
                table.row(vec![json!(name), value]);
            }
            for one in &lengths {
                for (name, value) in MEASURES.iter().zip(one.values()) {
                    table.row(vec![
                        json!(format!("{}_{}_{name}", one.part, one.unit)),
                        value,
                    ]);
                }
            }
            table.print(Format::Csv)
        }
        Format::Table => print(&text(&read, &lengths)),
    }
}

const MEASURES: [&str; 7] = ["count", "least", "half", "p90", "p99", "most", "mean"];

fn reader(model: &str, revision: &str) -> Result<Reader, Failure> {
    let folder = folder_of(&ModelArgument {
        model: model.to_owned(),
        revision: revision.to_owned(),
    })?;
    let folder = hub::ModelFolder::open(&folder)?;
    Ok(Reader {
        tokenizer: folder.tokenizer()?,
        template: folder.template()?,
    })
}

fn facts(read: &Dataset) -> Vec<(&'static str, Value)> {
    let stored = match read.file {
        FileKind::JsonLines => "JSON lines",
        FileKind::JsonList => "a JSON list",
        FileKind::Parquet => "Parquet",
    };
    let counts = read.counts;
    vec![
        ("file", json!(read.path)),
        ("stored", json!(stored)),
        ("form", json!(read.form.name())),
        ("rows", json!(counts.rows)),
        ("usable", json!(read.rows.len())),
        ("dropped", json!(counts.dropped)),
        ("empty", json!(counts.empty)),
        ("duplicate_prompts", json!(counts.duplicate_prompts)),
        ("ties", json!(counts.ties)),
        ("truncated", json!(counts.truncated)),
    ]
}

fn length_table(lengths: &[Lengths]) -> Table {
    let mut table = Table::new(&[
        "part", "unit", "count", "least", "half", "p90", "p99", "most", "mean",
    ]);
    for one in lengths {
        let mut row = vec![json!(one.part), json!(one.unit)];
        row.extend(one.values());
        table.row(row);
    }
    table
}

fn document(read: &Dataset, lengths: &[Lengths]) -> Value {
    let mut object: serde_json::Map<String, Value> = facts(read)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let problems: Vec<Value> = read
        .problems
        .iter()
        .map(|problem| {
            json!({
                "place": problem.place.to_string(),
                "problem": problem.kind.to_string(),
                "dropped": problem.kind.drops(),
            })
        })
        .collect();
    object.insert("problems".to_owned(), Value::Array(problems));
    object.insert("lengths".to_owned(), length_table(lengths).to_json());
    Value::Object(object)
}

fn text(read: &Dataset, lengths: &[Lengths]) -> String {
    let mut table = Table::new(&["what", "value"]);
    for (name, value) in facts(read) {
        table.row(vec![json!(name.replace('_', " ")), value]);
    }
    let mut text = table.to_text();
    if !lengths.is_empty() {
        text.push('\n');
        text.push_str(&length_table(lengths).to_text());
    }
    if !read.problems.is_empty() {
        let mut table = Table::new(&["where", "problem", "kept"]);
        for problem in &read.problems {
            table.row(vec![
                json!(problem.place.to_string()),
                json!(problem.kind.to_string()),
                json!(!problem.kind.drops()),
            ]);
        }
        text.push('\n');
        text.push_str(&table.to_text());
        let counts = read.counts;
        let all = counts.dropped + counts.duplicate_prompts + counts.ties;
        let more = all.saturating_sub(read.problems.len() as u64);
        if more > 0 {
            text.push_str(&format!("and {more} more\n"));
        }
    }
    text
}
