//! Rows as files.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::Value;

use crate::columns;
use crate::error::DatasetError;
use crate::row::{Content, PreferenceRow, Prompt, RatedRow, Record};
use crate::source::FileKind;

/// A row that can be written.
pub trait WriteRow {
    /// Its columns, such that [`crate::read`] gives the same row.
    ///
    /// # Errors
    ///
    /// A sentence on a number that is not finite.
    fn record(&self) -> Result<Record, String>;
}

/// Writes rows as JSON lines, a JSON list or Parquet (zstd). The file is put in place when it is whole.
///
/// # Errors
///
/// [`DatasetError::Unwritable`], [`DatasetError::Write`].
pub fn write_rows<R: WriteRow>(
    path: &Path,
    kind: FileKind,
    rows: &[R],
) -> Result<(), DatasetError> {
    let records = rows
        .iter()
        .enumerate()
        .map(|(index, row)| {
            row.record().map_err(|why| DatasetError::Unwritable {
                row: index + 1,
                why,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    write_records(path, kind, &records)
}

/// Writes columns as they are.
///
/// # Errors
///
/// As [`write_rows`].
pub fn write_records(path: &Path, kind: FileKind, records: &[Record]) -> Result<(), DatasetError> {
    let failed = |why: String| DatasetError::Write {
        path: path.to_owned(),
        why,
    };
    // A reader never sees half a file, also after a kill.
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let file = File::create(part).map_err(|error| failed(error.to_string()))?;
    let written = write_to(BufWriter::new(&file), kind, records).and_then(|()| {
        file.sync_all()
            .and_then(|()| std::fs::rename(part, path))
            .map_err(|error| (None, error.to_string()))
    });
    written.map_err(|(row, why)| {
        // What is left of it is of no use; the reason for it is told.
        let _ = std::fs::remove_file(part);
        match row {
            Some(row) => DatasetError::Unwritable { row: row + 1, why },
            None => failed(why),
        }
    })
}

fn write_to(
    mut out: impl Write + Send,
    kind: FileKind,
    records: &[Record],
) -> Result<(), (Option<usize>, String)> {
    let io = |error: std::io::Error| (None, error.to_string());
    match kind {
        FileKind::Parquet => columns::write(records, &mut out)?,
        FileKind::JsonList => {
            serde_json::to_writer_pretty(&mut out, records).map_err(|error| io(error.into()))?;
        }
        FileKind::JsonLines => {
            for record in records {
                serde_json::to_writer(&mut out, record).map_err(|error| io(error.into()))?;
                out.write_all(b"\n").map_err(io)?;
            }
        }
    }
    out.flush().map_err(io)
}

fn number(name: &str, value: f64) -> Result<Value, String> {
    serde_json::Number::from_f64(value)
        .map(Value::Number)
        .ok_or_else(|| format!("`{name}` is {value} - allowed: a finite number"))
}

fn numbers(name: &str, values: &[f64]) -> Result<Value, String> {
    values.iter().map(|value| number(name, *value)).collect()
}

fn json(value: &impl serde::Serialize) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|error| error.to_string())
}

fn put_prompt(record: &mut Record, prompt: &Prompt) -> Result<(), String> {
    record.insert("id".to_owned(), Value::String(prompt.id.clone()));
    record.insert("prompt".to_owned(), json(&prompt.content)?);
    if let Some(answer) = &prompt.answer {
        record.insert("answer".to_owned(), Value::String(answer.clone()));
    }
    Ok(())
}

impl WriteRow for Prompt {
    fn record(&self) -> Result<Record, String> {
        let mut record = self.extra.clone();
        put_prompt(&mut record, self)?;
        Ok(record)
    }
}

/// Writes the columns of a pair's probabilities, where there are some.
fn put_probabilities(record: &mut Record, row: &PreferenceRow) -> Result<(), String> {
    for (name, value) in [
        ("chosen_probs", row.chosen_wins),
        ("chosen_probs_win", row.chosen_win_rate),
        ("chosen_probs_lose", row.rejected_win_rate),
    ] {
        if let Some(value) = value {
            record.insert(name.to_owned(), number(name, value)?);
        }
    }
    Ok(())
}

impl WriteRow for PreferenceRow {
    fn record(&self) -> Result<Record, String> {
        let mut record = self.prompt.extra.clone();
        put_prompt(&mut record, &self.prompt)?;
        record.insert("chosen".to_owned(), json(&self.chosen)?);
        record.insert("rejected".to_owned(), json(&self.rejected)?);
        put_probabilities(&mut record, self)?;
        Ok(record)
    }
}

/// The columns of SPPO's released data and no other: whole conversations and the three probabilities. A text
/// becomes a turn.
///
/// # Errors
///
/// A sentence on a number that is not finite.
pub fn sppo_record(row: &PreferenceRow) -> Result<Record, String> {
    let whole = |answer: &Content| {
        let mut turns = row.prompt.content.messages("user");
        turns.extend(answer.messages("assistant"));
        json(&turns)
    };
    let mut record = Record::new();
    record.insert("chosen".to_owned(), whole(&row.chosen)?);
    record.insert("rejected".to_owned(), whole(&row.rejected)?);
    put_probabilities(&mut record, row)?;
    Ok(record)
}

impl WriteRow for RatedRow {
    fn record(&self) -> Result<Record, String> {
        let mut record = self.prompt.extra.clone();
        put_prompt(&mut record, &self.prompt)?;
        record.insert("responses".to_owned(), json(&self.responses)?);
        if let Some(scores) = &self.scores {
            record.insert("scores".to_owned(), numbers("scores", scores)?);
        }
        for (name, matrix) in [
            ("win_matrix", &self.win_matrix),
            ("raw_logits", &self.raw_logits),
        ] {
            if let Some(matrix) = matrix {
                let rows = matrix.iter().map(|row| numbers(name, row));
                record.insert(name.to_owned(), rows.collect::<Result<_, _>>()?);
            }
        }
        Ok(record)
    }
}
