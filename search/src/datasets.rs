//! Questions from files: HotpotQA, 2WikiMultihopQA, MuSiQue, Bamboogle, and plain ones, with the documents that come
//! with them.
//!
//! | format | file | told by |
//! |---|---|---|
//! | [`Format::Hotpotqa`] | a JSON list, or JSON lines; `_id`, `question`, `answer`, `context` of titles and sentences | `context` |
//! | [`Format::TwoWiki`] | the same with `evidences`; other names of answers in `id_aliases.json` | `evidences`, `answer_id` |
//! | [`Format::Musique`] | JSON lines; `answer_aliases`, `paragraphs` | `paragraphs` |
//! | [`Format::Bamboogle`] | CSV or TSV with a header, JSON, JSON lines; `Question`, `Answer` | `Question`, `golden_answers`, a table |
//! | [`Format::Plain`] | JSON lines; `question`, `answer` or `answers`, perhaps `id` | all else |
//!
//! The documents of a file are those of all its questions together, each once: closed-corpus retrieval.

mod questions;
mod rows;
mod tables;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::metrics::Variant;
use crate::tools::collection::Passage;

/// How a file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// HotpotQA, distractor or fullwiki.
    Hotpotqa,
    /// 2WikiMultihopQA.
    TwoWiki,
    /// MuSiQue. Rows that are marked as not answerable are left out.
    Musique,
    /// Bamboogle, in any of its forms.
    Bamboogle,
    /// A question and its answers, nothing else.
    Plain,
}

impl Format {
    /// The rules of its own script.
    pub fn metric(self) -> Variant {
        match self {
            Self::Hotpotqa | Self::TwoWiki => Variant::Hotpot,
            Self::Musique | Self::Bamboogle | Self::Plain => Variant::Squad,
        }
    }
}

/// A question with its right answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataQuestion {
    /// Its identity in the file; its number where it has none. No two are equal.
    pub id: String,
    /// As asked.
    pub text: String,
    /// Every right answer, the preferred one first; none where the file has none.
    pub answers: Vec<String>,
    /// `bridge`, `comparison`, `2hop`, .. where the file tells.
    pub kind: Option<String>,
    /// Titles of the documents that hold the evidence, where the file tells.
    pub supporting: Vec<String>,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSet {
    /// How it is laid out.
    pub format: Format,
    /// In the order of the file.
    pub questions: Vec<DataQuestion>,
    /// The documents of all questions, each once, in the order of the file.
    pub passages: Vec<Passage>,
    /// Rows left out since they are marked as not answerable.
    pub left_out: usize,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It cannot be read.
    #[error("cannot read {}: {source} - check the path and its permissions", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is wrong.
    #[error("{}, line {line}: {what} - {remedy}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Counted from one; where the row begins.
        line: usize,
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// There is no row.
    #[error("{} has no row - one question a line is wanted, or the benchmark's own file", path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
    },
}

/// A row, and the line that it begins in.
struct Row {
    line: usize,
    value: Value,
}

/// What is wrong with a row, before it is known where.
struct Wrong {
    what: String,
    remedy: String,
}

impl Wrong {
    fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    fn at(self, path: &Path, line: usize) -> DataError {
        DataError::Line {
            path: path.to_owned(),
            line,
            what: self.what,
            remedy: self.remedy,
        }
    }
}

/// Reads questions. The first row tells the format where none is given; `aliases` is 2WikiMultihopQA's
/// `id_aliases.json`.
///
/// # Errors
/// [`DataError`]: the first line that is wrong ends the reading.
pub fn read(
    path: &Path,
    format: Option<Format>,
    aliases: Option<&Path>,
) -> Result<DataSet, DataError> {
    let (rows, table) = rows_of(path)?;
    let first = rows.first().ok_or_else(|| DataError::Empty {
        path: path.to_owned(),
    })?;
    let format = format.unwrap_or_else(|| questions::format_of(&first.value, table));
    let aliases = aliases.map_or(Ok(HashMap::new()), read_aliases)?;
    let mut set = DataSet {
        format,
        questions: Vec::new(),
        passages: Vec::new(),
        left_out: 0,
    };
    let (mut ids, mut titles) = (HashSet::new(), HashSet::new());
    for (number, row) in (1..).zip(&rows) {
        let read = questions::question(format, &row.value, number, &aliases);
        let Some((question, passages)) = read.map_err(|wrong| wrong.at(path, row.line))? else {
            set.left_out += 1;
            continue;
        };
        if !ids.insert(question.id.clone()) {
            let wrong = Wrong::new(
                format!("the id `{}` is there twice", question.id),
                "give each question its own",
            );
            return Err(wrong.at(path, row.line));
        }
        set.questions.push(question);
        let new = |passage: &Passage| titles.insert((passage.title.clone(), passage.text.clone()));
        set.passages.extend(passages.into_iter().filter(new));
    }
    Ok(set)
}

/// Reads documents: JSON lines or a JSON list of `title` and `text`, the title may be absent.
///
/// # Errors
/// [`DataError`].
pub fn read_passages(path: &Path) -> Result<Vec<Passage>, DataError> {
    let (rows, _) = rows_of(path)?;
    let passage = |row: &Row| {
        let text = questions::text(&row.value, &["text", "paragraph_text", "contents"]);
        let text = text.ok_or_else(|| {
            let wrong = Wrong::new("no `text`", "write {\"title\": \"..\", \"text\": \"..\"}");
            wrong.at(path, row.line)
        })?;
        let title = questions::text(&row.value, &["title"]).unwrap_or_default();
        Ok(Passage { title, text })
    };
    rows.iter().map(passage).collect()
}

/// Other names by identity of the answer, demonyms among them, as `2wikimultihop_evaluate_v1.1.py` takes them.
fn read_aliases(path: &Path) -> Result<HashMap<String, Vec<String>>, DataError> {
    let (rows, _) = rows_of(path)?;
    let mut aliases = HashMap::new();
    for row in rows {
        let id = questions::text(&row.value, &["Q_id"]).ok_or_else(|| {
            let wrong = Wrong::new("no `Q_id`", "give id_aliases.json of 2WikiMultihopQA");
            wrong.at(path, row.line)
        })?;
        let names = ["aliases", "demonyms"].map(|list| questions::texts(&row.value, list));
        aliases.insert(id, names.concat());
    }
    Ok(aliases)
}

/// The rows of a file, and whether it was a table.
fn rows_of(path: &Path) -> Result<(Vec<Row>, bool), DataError> {
    let failed = |source| DataError::Read {
        path: path.to_owned(),
        source,
    };
    let text = fs::read_to_string(path).map_err(failed)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let named = path.extension().and_then(|ending| ending.to_str());
    let separator = match named.unwrap_or_default().to_lowercase().as_str() {
        "csv" => Some(','),
        "tsv" => Some('\t'),
        _ => None,
    };
    let rows = match separator {
        Some(separator) => tables::rows(text, separator),
        None => rows::rows(text),
    };
    let rows = rows.map_err(|(line, wrong)| wrong.at(path, line))?;
    Ok((rows, separator.is_some()))
}
