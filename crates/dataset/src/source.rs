//! The rows of a file as they stand, one after the other.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::columns::ParquetRecords;
use crate::error::DatasetError;
use crate::row::Record;

/// How rows are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// One JSON object on each line.
    JsonLines,
    /// One JSON list of objects.
    JsonList,
    /// Columns.
    Parquet,
}

/// Where a row stands, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A line.
    Line(usize),
    /// A row of a file without lines.
    Row(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(number) => write!(f, "line {number}"),
            Place::Row(number) => write!(f, "row {number}"),
        }
    }
}

/// The rows of a file; only a JSON list is held in memory.
pub struct Records {
    path: PathBuf,
    kind: FileKind,
    lines: Lines,
}

enum Lines {
    Json(BufReader<File>, usize),
    List(std::vec::IntoIter<Value>, usize),
    Parquet(Box<ParquetRecords>, usize),
}

/// Opens a file; what it holds tells its kind, not its name.
///
/// # Errors
///
/// [`DatasetError::Open`], [`DatasetError::Parquet`], [`DatasetError::Row`].
pub fn records(path: &Path) -> Result<Records, DatasetError> {
    let open = |source| DatasetError::Open {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(open)?;
    let mut head = Vec::new();
    file.by_ref()
        .take(4096)
        .read_to_end(&mut head)
        .map_err(open)?;
    file.seek(SeekFrom::Start(0)).map_err(open)?;
    let (kind, lines) = if head.starts_with(b"PAR1") {
        let rows = ParquetRecords::open(file, path)?;
        (FileKind::Parquet, Lines::Parquet(Box::new(rows), 0))
    } else if head.trim_ascii_start().starts_with(b"[") {
        let values: Vec<Value> =
            serde_json::from_reader(BufReader::new(file)).map_err(|error| DatasetError::Row {
                path: path.to_owned(),
                place: Place::Line(error.line()),
                why: no_json(&error.to_string()),
            })?;
        (FileKind::JsonList, Lines::List(values.into_iter(), 0))
    } else {
        (FileKind::JsonLines, Lines::Json(BufReader::new(file), 0))
    };
    Ok(Records {
        path: path.to_owned(),
        kind,
        lines,
    })
}

fn no_json(error: &str) -> String {
    format!(
        "no JSON ({error}) - allowed: one object, whose numbers are finite; NaN and Infinity are not JSON"
    )
}

impl Records {
    /// How the rows are stored.
    #[must_use]
    pub fn kind(&self) -> FileKind {
        self.kind
    }

    fn object(&self, value: Value, place: Place) -> Result<(Place, Record), DatasetError> {
        match value {
            Value::Object(record) => Ok((place, record)),
            other => Err(DatasetError::Row {
                path: self.path.clone(),
                place,
                why: format!("a row is {other:.40} - allowed: a JSON object"),
            }),
        }
    }

    fn next_line(&mut self) -> Option<Result<(Place, Record), DatasetError>> {
        let Lines::Json(reader, number) = &mut self.lines else {
            return None;
        };
        loop {
            let mut line = Vec::new();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(source) => {
                    return Some(Err(DatasetError::Open {
                        path: self.path.clone(),
                        source,
                    }));
                }
            }
            *number += 1;
            let place = Place::Line(*number);
            // Editors of one system put a mark in front of the first line.
            let text = line
                .strip_prefix(b"\xef\xbb\xbf")
                .unwrap_or(&line)
                .trim_ascii();
            if text.is_empty() {
                continue;
            }
            return Some(match serde_json::from_slice(text) {
                Ok(value) => self.object(value, place),
                Err(error) => Err(DatasetError::Row {
                    path: self.path.clone(),
                    place,
                    why: no_json(&error.to_string()),
                }),
            });
        }
    }
}

impl Iterator for Records {
    type Item = Result<(Place, Record), DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.lines {
            Lines::Json(..) => self.next_line(),
            Lines::List(values, number) => {
                let value = values.next()?;
                *number += 1;
                let place = Place::Row(*number);
                Some(self.object(value, place))
            }
            Lines::Parquet(rows, number) => {
                let row = rows.next()?;
                *number += 1;
                let place = Place::Row(*number);
                Some(
                    row.map(|record| (place, record))
                        .map_err(|why| DatasetError::Parquet {
                            path: self.path.clone(),
                            why: format!("{place}: {why}"),
                        }),
                )
            }
        }
    }
}
