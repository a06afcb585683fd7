//! TOML text to settings with the line and column of each.

use std::path::PathBuf;

use serde::Deserialize;
use toml::de::{DeTable, DeValue, ValueDeserializer};
use toml::{Spanned, Value};

use crate::nearest::nearest;
use crate::origin::Origin;
use crate::problem::Problem;
use crate::run::{Job, VERSION};
use crate::schema::{Entry, Schema};

/// What a text is called in messages and origins.
#[derive(Debug, Clone)]
pub(crate) enum Name {
    Preset(String),
    File(PathBuf),
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
        for error in &errors {
            let start = error.span().map_or(0, |span| span.start);
            document.readable = document.readable.min(line_start(text, start));
            problems.push(document.syntax(error));
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
                "job" => match read_job(&plain(value), origin) {
                    Ok(job) => document.job = Some(job),
                    Err(problem) => problems.push(problem),
                },
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
                key.get_ref().clone(),
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

    fn syntax(&self, error: &toml::de::Error) -> Problem {
        let start = error.span().map_or(0, |span| span.start);
        let line = self.text[line_start(self.text, start)..]
            .lines()
            .next()
            .unwrap_or("")
            .trim();
        let message = error.message().trim().replace('\n', ", ");
        Problem::error("", "not valid TOML")
            .value(line)
            .origin(self.place(start))
            .allowed(message)
            .hint("correct this line; text goes between quotes")
    }
}

/// Walks the parsed table with the field table at hand.
struct Reader<'a> {
    name: &'a Name,
    text: &'a str,
    readable: usize,
    schema: &'a Schema,
}

impl Reader<'_> {
    fn open(
        &self,
        path: String,
        byte: usize,
        value: Spanned<DeValue<'_>>,
        entries: &mut Vec<Entry>,
        problems: &mut Vec<Problem>,
    ) {
        if byte >= self.readable {
            return;
        }
        match value.into_inner() {
            DeValue::Table(table) if self.schema.is_section(&path) => {
                let mut inner: Vec<_> = table.into_iter().collect();
                inner.sort_by_key(|(key, _)| key.span().start);
                for (key, value) in inner {
                    let start = key.span().start;
                    let path = format!("{path}.{}", key.get_ref());
                    self.open(path, start, value, entries, problems);
                }
            }
            other => {
                let origin = place(self.name, self.text, byte);
                let value = plain(Spanned::new(0..0, other));
                self.schema.open(&path, value, &origin, entries, problems);
            }
        }
    }
}

fn place(name: &Name, text: &str, byte: usize) -> Origin {
    let before = &text[..byte.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before[line_start(text, byte)..].chars().count() + 1;
    match name.clone() {
        Name::Preset(name) => Origin::Preset { name, line, column },
        Name::File(path) => Origin::File { path, line, column },
    }
}

fn line_start(text: &str, byte: usize) -> usize {
    text[..byte.min(text.len())]
        .rfind('\n')
        .map_or(0, |newline| newline + 1)
}

/// Without spans. A number that no type can hold becomes its own text, which
/// then fails the check of its field.
fn plain(value: Spanned<DeValue<'_>>) -> Value {
    let text = match value.get_ref() {
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        _ => String::new(),
    };
    Value::deserialize(ValueDeserializer::from(value)).unwrap_or(Value::String(text))
}

fn check_version(value: &Value, origin: Origin) -> Option<Problem> {
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

fn read_job(value: &Value, origin: Origin) -> Result<Job, Problem> {
    let names = || Job::ALL.iter().map(|job| job.name());
    let found = value.as_str().and_then(Job::from_name);
    found.ok_or_else(|| {
        let close = value.as_str().and_then(|word| nearest(word, names()));
        let allowed = names().collect::<Vec<_>>().join(", ");
        Problem::error("job", "unknown job")
            .value(value)
            .origin(origin)
            .allowed(allowed)
            .hint(close.map_or("use one of these".to_owned(), |name| {
                format!("did you mean `{name}`?")
            }))
    })
}
