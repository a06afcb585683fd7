//! TOML text to settings with the line and column of each.

use std::path::PathBuf;

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Value};

use crate::nearest::nearest;
use crate::origin::{ExperimentPart, Origin};
use crate::problem::Problem;
use crate::run::{Job, VERSION};
use crate::schema::{Entry, Schema};

/// What a text is called in messages and origins.
#[derive(Debug, Clone)]
pub(crate) enum Name {
    Preset(String),
    File(PathBuf),
    /// A part of an experiment's file.
    Experiment(PathBuf, ExperimentPart),
}

/// A parsed text.
pub(crate) struct Document<'text> {
    name: Name,
    text: &'text str,
    /// Settings before this byte are trusted; a syntax error spoils the rest.
    readable: usize,
    settings: Vec<(Spanned<String>, Spanned<DeValue<'text>>)>,
    pub(crate) job: Option<Job>,
}

impl<'text> Document<'text> {
    /// Parses the text and its head, `version` and `job`.
    pub(crate) fn parse(name: Name, text: &'text str, problems: &mut Vec<Problem>) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut document = Self {
            name,
            text,
            readable: text.len() + 1,
            settings: Vec::new(),
            job: None,
        };
        let mut last_line = None;
        for error in &errors {
            let start = line_start(text, error.span().map_or(0, |span| span.start));
            document.readable = document.readable.min(start);
            // The parser stumbles on over the rest of a line; its first complaint tells.
            if last_line != Some(start) {
                problems.push(syntax(&document.name, text, error));
            }
            last_line = Some(start);
        }
        let mut version_seen = false;
        for (key, value) in table.into_inner() {
            let span = key.span();
            if span.start >= document.readable {
                continue;
            }
            let origin = document.place(span.start);
            match key.get_ref().as_ref() {
                "version" => {
                    version_seen = true;
                    problems.extend(check_version(&plain(value), origin));
                }
                "job" => {
                    let (job, problem) = read_job(&plain(value), origin);
                    document.job = job;
                    problems.extend(problem);
                }
                _ => {
                    let name = Spanned::new(span, key.into_inner().into_owned());
                    document.settings.push((name, value));
                }
            }
        }
        document
            .settings
            .sort_by_key(|(key, value)| key.span().start.min(value.span().start));
        if !version_seen && errors.is_empty() {
            problems.push(
                Problem::error("version", "version of the format is missing")
                    .origin(document.place(0))
                    .allowed(format!("version = {VERSION}"))
                    .hint(format!("write `version = {VERSION}` on the first line")),
            );
        }
        document
    }

    /// True when a syntax error hides part of the text.
    pub(crate) fn is_broken(&self) -> bool {
        self.readable <= self.text.len()
    }

    /// The settings, against the field table.
    pub(crate) fn entries(self, schema: &Schema, problems: &mut Vec<Problem>) -> Vec<Entry> {
        let mut entries = Vec::new();
        let reader = Reader {
            name: &self.name,
            text: self.text,
            readable: self.readable,
            schema,
        };
        for (key, value) in self.settings {
            reader.open(
                key.get_ref(),
                key.span().start,
                value,
                &mut entries,
                problems,
            );
        }
        entries
    }

    fn place(&self, byte: usize) -> Origin {
        place(&self.name, self.text, byte)
    }
}

/// A syntax error in a text.
pub(crate) fn syntax(name: &Name, text: &str, error: &toml::de::Error) -> Problem {
    let start = error.span().map_or(0, |span| span.start);
    let line = text[line_start(text, start)..]
        .lines()
        .next()
        .unwrap_or("")
        .trim();
    let message = error.message().trim().replace('\n', ", ");
    Problem::error("", format!("not valid TOML ({message})"))
        .value(line)
        .origin(place(name, text, start))
        .hint(missing_quotes(line).unwrap_or("correct this line".to_owned()))
}

/// The commonest slip: text without quotes.
fn missing_quotes(line: &str) -> Option<String> {
    let (key, word) = line.split_once('=')?;
    let (key, word) = (key.trim(), word.trim());
    let is_text = word.starts_with(|letter: char| letter.is_alphabetic()) && !word.contains('"');
    is_text.then(|| format!("text goes between quotes: {key} = \"{word}\""))
}

/// Walks the parsed table with the field table at hand.
pub(crate) struct Reader<'a> {
    pub(crate) name: &'a Name,
    pub(crate) text: &'a str,
    /// Settings before this byte are trusted.
    pub(crate) readable: usize,
    pub(crate) schema: &'a Schema,
}

impl Reader<'_> {
    pub(crate) fn open(
        &self,
        path: &str,
        byte: usize,
        value: Spanned<DeValue<'_>>,
        entries: &mut Vec<Entry>,
        problems: &mut Vec<Problem>,
    ) {
        if byte >= self.readable {
            return;
        }
        match value.into_inner() {
            DeValue::Table(table) if self.schema.is_section(path) => {
                let mut inner: Vec<_> = table.into_iter().collect();
                inner.sort_by_key(|(key, _)| key.span().start);
                for (key, value) in inner {
                    let start = key.span().start;
                    let path = format!("{path}.{}", key.get_ref());
                    self.open(&path, start, value, entries, problems);
                }
            }
            other => {
                let origin = place(self.name, self.text, byte);
                let value = plain(Spanned::new(0..0, other));
                self.schema.open(path, value, &origin, entries, problems);
            }
        }
    }
}

pub(crate) fn place(name: &Name, text: &str, byte: usize) -> Origin {
    let before = &text[..byte.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before[line_start(text, byte)..].chars().count() + 1;
    match name.clone() {
        Name::Preset(name) => Origin::Preset { name, line, column },
        Name::File(path) => Origin::File { path, line, column },
        Name::Experiment(path, part) => Origin::Experiment {
            path,
            line,
            column,
            part,
        },
    }
}

pub(crate) fn line_start(text: &str, byte: usize) -> usize {
    text[..byte.min(text.len())]
        .rfind('\n')
        .map_or(0, |newline| newline + 1)
}

/// Without spans. A number that no type can hold becomes its own text, which
/// then fails the check of its field.
pub(crate) fn plain(value: Spanned<DeValue<'_>>) -> Value {
    let text = match value.get_ref() {
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        _ => String::new(),
    };
    Value::deserialize(ValueDeserializer::from(value)).unwrap_or(Value::String(text))
}

pub(crate) fn check_version(value: &Value, origin: Origin) -> Option<Problem> {
    let problem = Problem::error("version", "unknown version of the format")
        .value(value)
        .origin(origin)
        .allowed(VERSION.to_string());
    match value {
        Value::Integer(VERSION) => None,
        Value::Integer(version) if *version > VERSION => {
            Some(problem.hint("the file is from a newer Concord; update this one"))
        }
        _ => Some(problem.hint(format!("write `version = {VERSION}`"))),
    }
}

/// An unknown word comes back with the job that was probably meant, so that the
/// rest of the file can still be looked at.
fn read_job(value: &Value, origin: Origin) -> (Option<Job>, Option<Problem>) {
    let names = || Job::ALL.iter().map(|job| job.name());
    if let Some(job) = value.as_str().and_then(Job::from_name) {
        return (Some(job), None);
    }
    let close = value.as_str().and_then(|word| nearest(word, names()));
    let hint = close.map_or("use one of these".to_owned(), |name| {
        format!("did you mean `{name}`?")
    });
    let problem = Problem::error("job", "unknown job")
        .value(value)
        .origin(origin)
        .allowed(names().collect::<Vec<_>>().join(", "))
        .hint(hint);
    (close.and_then(Job::from_name), Some(problem))
}
