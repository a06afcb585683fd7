//! Files as rows, with what was found wrong.

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::error::DatasetError;
use crate::form::{Form, Kind};
use crate::interpret::{Flaw, read_preference, read_prompt, read_rated};
use crate::row::{Content, PreferenceRow, Prompt, RatedRow, Record};
use crate::source::{FileKind, Place, records};

/// How many problems are listed; all are counted.
pub const LISTED: usize = 20;

/// How many rows were what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// Rows of the file.
    pub rows: u64,
    /// Of these, without a prompt or without a completion.
    pub empty: u64,
    /// Whose prompt another row before them has; they are kept.
    pub duplicate_prompts: u64,
    /// Left out: the empty ones, and those with a score that is no number.
    pub dropped: u64,
    /// Responses that ended for their length.
    pub truncated: u64,
    /// Nothing to prefer: equal completions, or at least two scores and all equal; they are kept.
    pub ties: u64,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// No prompt; left out.
    EmptyPrompt,
    /// A completion without text; left out.
    NoCompletion,
    /// A score that is no finite number; left out.
    NotANumber,
    /// The prompt of an earlier row; kept.
    DuplicatePrompt,
    /// Nothing to prefer; kept.
    Tie,
}

impl ProblemKind {
    /// Whether the row is left out.
    #[must_use]
    pub fn drops(self) -> bool {
        !matches!(self, ProblemKind::DuplicatePrompt | ProblemKind::Tie)
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProblemKind::EmptyPrompt => "the prompt is empty",
            ProblemKind::NoCompletion => "a completion is empty",
            ProblemKind::NotANumber => "a score is no finite number",
            ProblemKind::DuplicatePrompt => "the prompt of an earlier row",
            ProblemKind::Tie => "nothing to prefer: the completions or their scores are equal",
        })
    }
}

/// A row that was left out or that should be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// Rows of one kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// Prompts, perhaps with answers.
    Prompts(Vec<Prompt>),
    /// Pairs.
    Preferences(Vec<PreferenceRow>),
    /// Several answers each.
    Rated(Vec<RatedRow>),
}

impl Rows {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Rows::Prompts(rows) => rows.len(),
            Rows::Preferences(rows) => rows.len(),
            Rows::Rated(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The file.
    pub path: PathBuf,
    /// How it is stored.
    pub file: FileKind,
    /// The form, never [`Form::Auto`].
    pub form: Form,
    /// What can be used.
    pub rows: Rows,
    /// How many were what.
    pub counts: Counts,
    /// The first [`LISTED`] problems.
    pub problems: Vec<Problem>,
}

impl Dataset {
    /// Refuses a file some of whose rows were left out.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Refused`] with the first of them.
    pub fn require_all(&self) -> Result<(), DatasetError> {
        if self.counts.dropped == 0 {
            return Ok(());
        }
        let listed: Vec<String> = self
            .problems
            .iter()
            .filter(|problem| problem.kind.drops())
            .map(|problem| format!("{}: {}", problem.place, problem.kind))
            .collect();
        Err(DatasetError::Refused {
            path: self.path.clone(),
            count: self.counts.dropped,
            listed: listed.join("; "),
        })
    }

    /// The prompts of rows of any kind.
    #[must_use]
    pub fn into_prompts(self) -> Vec<Prompt> {
        match self.rows {
            Rows::Prompts(rows) => rows,
            Rows::Preferences(rows) => rows.into_iter().map(|row| row.prompt).collect(),
            Rows::Rated(rows) => rows.into_iter().map(|row| row.prompt).collect(),
        }
    }

    /// The pairs.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Kind`] for rows of another kind.
    pub fn into_preferences(self) -> Result<Vec<PreferenceRow>, DatasetError> {
        match self.rows {
            Rows::Preferences(rows) => Ok(rows),
            _ => Err(DatasetError::Kind {
                path: self.path,
                form: self.form,
                wanted: "preference, sppo, ultrafeedback-binarized or sharegpt-ranking",
            }),
        }
    }

    /// The rows of several answers.
    ///
    /// # Errors
    ///
    /// [`DatasetError::Kind`] for rows of another kind.
    pub fn into_rated(self) -> Result<Vec<RatedRow>, DatasetError> {
        match self.rows {
            Rows::Rated(rows) => Ok(rows),
            _ => Err(DatasetError::Kind {
                path: self.path,
                form: self.form,
                wanted: "rated or ultrafeedback",
            }),
        }
    }
}

/// Reads a file of JSON lines, a JSON list or Parquet.
///
/// # Errors
///
/// [`DatasetError`] for a file that cannot be read, has no rows, misses a column or has a value of another
/// kind, with its line.
pub fn read(path: &Path, form: Form) -> Result<Dataset, DatasetError> {
    let mut records = records(path)?;
    let file = records.kind();
    let (first, form) = match records.next() {
        None => {
            return Err(DatasetError::Empty {
                path: path.to_owned(),
            });
        }
        Some(first) => {
            let first = first?;
            let form = match form {
                Form::Auto => Form::detect(&names(&first.1)),
                form => Some(form),
            };
            let form = form.ok_or_else(|| DatasetError::NoForm {
                path: path.to_owned(),
                there: columns(&first.1),
            })?;
            (first, form)
        }
    };
    let mut found = Found {
        path,
        form,
        counts: Counts::default(),
        problems: Vec::new(),
        prompts: HashSet::new(),
    };
    let all = std::iter::once(Ok(first)).chain(records);
    let rows = match form.kind() {
        Some(Kind::Preferences) => Rows::Preferences(found.collect(all, read_preference)?),
        Some(Kind::Rated) => Rows::Rated(found.collect(all, read_rated)?),
        Some(Kind::Prompts) | None => Rows::Prompts(found.collect(all, read_prompt)?),
    };
    Ok(Dataset {
        path: path.to_owned(),
        file,
        form,
        rows,
        counts: found.counts,
        problems: found.problems,
    })
}

fn names(record: &Record) -> Vec<&str> {
    record.keys().map(String::as_str).collect()
}

fn columns(record: &Record) -> String {
    names(record).join(", ")
}

/// What is counted over a file.
struct Found<'a> {
    path: &'a Path,
    form: Form,
    counts: Counts,
    problems: Vec<Problem>,
    /// Hashes: two prompts in a million rows that share one are not to be expected, and they are only counted.
    prompts: HashSet<u64>,
}

impl Found<'_> {
    fn collect<R: Counted>(
        &mut self,
        records: impl Iterator<Item = Result<(Place, Record), DatasetError>>,
        interpret: impl Fn(Form, Record, usize) -> Result<R, Flaw>,
    ) -> Result<Vec<R>, DatasetError> {
        let mut rows = Vec::new();
        for (index, record) in records.enumerate() {
            let (place, record) = record?;
            self.counts.rows += 1;
            // Taken apart below; the names are for the sentence.
            let there = columns(&record);
            match interpret(self.form, record, index + 1) {
                Ok(row) => {
                    self.look_at(&row, place);
                    rows.push(row);
                }
                Err(Flaw::Useless(kind)) => self.note(place, kind),
                Err(Flaw::Wrong(why)) => {
                    return Err(DatasetError::Row {
                        path: self.path.to_owned(),
                        place,
                        why,
                    });
                }
                Err(Flaw::Missing(missing)) => {
                    return Err(DatasetError::Column {
                        path: self.path.to_owned(),
                        place,
                        form: self.form,
                        missing,
                        there,
                    });
                }
            }
        }
        Ok(rows)
    }

    fn look_at(&mut self, row: &impl Counted, place: Place) {
        let mut hasher = DefaultHasher::new();
        match &row.prompt().content {
            Content::Text(text) => text.hash(&mut hasher),
            Content::Messages(messages) => {
                for message in messages {
                    (&message.role, &message.content).hash(&mut hasher);
                }
            }
        }
        if !self.prompts.insert(hasher.finish()) {
            self.note(place, ProblemKind::DuplicatePrompt);
        }
        if row.is_tie() {
            self.note(place, ProblemKind::Tie);
        }
        self.counts.truncated += row.truncated();
    }

    fn note(&mut self, place: Place, kind: ProblemKind) {
        self.counts.dropped += u64::from(kind.drops());
        match kind {
            ProblemKind::EmptyPrompt | ProblemKind::NoCompletion => self.counts.empty += 1,
            ProblemKind::DuplicatePrompt => self.counts.duplicate_prompts += 1,
            ProblemKind::Tie => self.counts.ties += 1,
            ProblemKind::NotANumber => {}
        }
        if self.problems.len() < LISTED {
            self.problems.push(Problem { place, kind });
        }
    }
}

/// What is counted of a row.
trait Counted {
    fn prompt(&self) -> &Prompt;
    fn is_tie(&self) -> bool {
        false
    }
    fn truncated(&self) -> u64 {
        0
    }
}

impl Counted for Prompt {
    fn prompt(&self) -> &Prompt {
        self
    }
}

impl Counted for PreferenceRow {
    fn prompt(&self) -> &Prompt {
        &self.prompt
    }
    fn is_tie(&self) -> bool {
        self.chosen == self.rejected
    }
}

impl Counted for RatedRow {
    fn prompt(&self) -> &Prompt {
        &self.prompt
    }
    fn is_tie(&self) -> bool {
        self.scores.as_ref().is_some_and(|scores| {
            scores.len() > 1 && scores.windows(2).all(|pair| pair[0] == pair[1])
        })
    }
    fn truncated(&self) -> u64 {
        let cut = |finish: &str| finish == "length" || finish == "max_new_tokens";
        let cut = |one: &&crate::row::Response| one.finish.as_deref().is_some_and(cut);
        self.responses.iter().filter(cut).count() as u64
    }
}
