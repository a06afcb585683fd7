//! Tables of an experiment's file, key by key, with the place of each.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;

use toml::Spanned;
use toml::Value;
use toml::de::{DeTable, DeValue};

use crate::document::{Name, Reader, place, plain};
use crate::nearest::nearest;
use crate::origin::{ExperimentPart, Origin};
use crate::problem::Problem;
use crate::schema::{Entry, Schema};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
}

/// A table of the file: keys are taken out one by one, and what is left is unknown.
pub(super) struct Section<'text> {
    path: &'static str,
    pub(super) items: Vec<(Spanned<Cow<'text, str>>, Spanned<DeValue<'text>>)>,
}

/// What the readers of all parts share.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) schema: &'a Schema,
    /// Bytes before this one are trusted; a syntax error spoils the rest.
    pub(super) readable: usize,
}

impl Source<'_> {
    pub(super) fn origin(&self, byte: usize) -> Origin {
        self.part(ExperimentPart::Every, byte)
    }

    pub(super) fn part(&self, part: ExperimentPart, byte: usize) -> Origin {
        let name = Name::Experiment(self.path.to_path_buf(), part);
        place(&name, self.text, byte)
    }

    /// Settings of a part: `"a.b" = 1`, `a.b = 1` and `a = { b = 1 }` all mean the same.
    pub(super) fn settings(
        &self,
        path: &str,
        part: ExperimentPart,
        value: Spanned<DeValue<'_>>,
        problems: &mut Vec<Problem>,
    ) -> Vec<Entry> {
        let start = value.span().start;
        let name = Name::Experiment(self.path.to_path_buf(), part);
        let mut entries = Vec::new();
        let DeValue::Table(table) = value.into_inner() else {
            problems.push(
                Problem::error(path, "not a table of settings")
                    .origin(self.origin(start))
                    .allowed("{ \"section.setting\" = value }")
                    .hint("write the settings of a configuration in braces"),
            );
            return entries;
        };
        let reader = Reader {
            name: &name,
            text: self.text,
            readable: self.readable,
            schema: self.schema,
        };
        let mut items: Vec<_> = table.into_iter().collect();
        items.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in items {
            let (start, key) = (key.span().start, key.into_inner());
            reader.open(&key, start, value, &mut entries, problems);
        }
        entries.retain(|entry| match self.fault(entry) {
            Some(problem) => {
                problems.push(problem.origin(entry.origin.clone()));
                false
            }
            None => true,
        });
        entries
    }
}

impl Source<'_> {
    /// What is wrong with a setting by itself.
    pub(super) fn fault(&self, entry: &Entry) -> Option<Problem> {
        if let Some(hint) = reserved(&entry.path) {
            let problem = Problem::error(&entry.path, "does not belong among the settings");
            return Some(problem.value(&entry.value).hint(hint));
        }
        let field = self.schema.field(&entry.path)?;
        let cleared = field.optional && entry.value.as_str() == Some("none");
        if cleared {
            return None;
        }
        field.check(&entry.value).err().map(|problem| *problem)
    }
}

/// Settings that the experiment itself decides.
pub(super) fn reserved(path: &str) -> Option<&'static str> {
    match path {
        "seed" => Some("list the seeds in `seeds` at the top of the file"),
        "environment.id" => Some("list the maps in `tasks`"),
        _ => None,
    }
}

impl<'text> Section<'text> {
    pub(super) fn new(path: &'static str, table: DeTable<'text>) -> Self {
        let mut items: Vec<_> = table.into_iter().collect();
        items.sort_by_key(|(key, _)| key.span().start);
        Section { path, items }
    }

    fn inside(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The value of a key and where the key stands.
    pub(super) fn take(&mut self, key: &str) -> Option<(usize, Spanned<DeValue<'text>>)> {
        let index = self
            .items
            .iter()
            .position(|(name, _)| name.get_ref() == key)?;
        let (name, value) = self.items.remove(index);
        Some((name.span().start, value))
    }

    /// A text that is not empty.
    pub(super) fn text(
        &mut self,
        source: &Source<'_>,
        key: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Located<String>> {
        let (byte, value) = self.take(key)?;
        let origin = source.origin(byte);
        match plain(value) {
            Value::String(text) if !text.trim().is_empty() => Some(Located {
                value: text,
                origin,
            }),
            other => {
                problems.push(wrong(
                    &self.inside(key),
                    &other,
                    origin,
                    "text that is not empty",
                ));
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn whole(
        &mut self,
        source: &Source<'_>,
        key: &str,
        bounds: std::ops::RangeInclusive<i64>,
        problems: &mut Vec<Problem>,
    ) -> Option<u64> {
        let (byte, value) = self.take(key)?;
        match plain(value) {
            Value::Integer(number) if bounds.contains(&number) => u64::try_from(number).ok(),
            other => {
                let allowed = format!("a whole number from {} to {}", bounds.start(), bounds.end());
                problems.push(wrong(
                    &self.inside(key),
                    &other,
                    source.origin(byte),
                    &allowed,
                ));
                None
            }
        }
    }

    /// A finite number.
    pub(super) fn number(
        &mut self,
        source: &Source<'_>,
        key: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Located<f64>> {
        let (byte, value) = self.take(key)?;
        let origin = source.origin(byte);
        let value = plain(value);
        match number(&value) {
            Some(value) => Some(Located { value, origin }),
            None => {
                problems.push(wrong(&self.inside(key), &value, origin, "a finite number"));
                None
            }
        }
    }

    /// Reports every key that was not taken.
    pub(super) fn finish(
        self,
        source: &Source<'_>,
        known: &[&'static str],
        problems: &mut Vec<Problem>,
    ) {
        for (key, _) in &self.items {
            let name = key.get_ref().as_ref();
            let hint = if self.path.is_empty() && source.schema.knows(name) {
                format!("settings of the runs go under [set]: \"{name}\" = ...")
            } else {
                nearest(name, known.iter().copied()).map_or_else(
                    || "remove it".to_owned(),
                    |close| format!("did you mean `{close}`?"),
                )
            };
            problems.push(
                Problem::error(self.inside(name), "unknown key of an experiment")
                    .origin(source.origin(key.span().start))
                    .allowed(known.join(", "))
                    .hint(hint),
            );
        }
    }
}

pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) if number.is_finite() => Some(*number),
        _ => None,
    }
}

pub(super) fn wrong(path: &str, value: &Value, origin: Origin, allowed: &str) -> Problem {
    Problem::error(path, "wrong value")
        .value(value)
        .origin(origin)
        .allowed(allowed)
        .hint(format!("change {path}"))
}

/// A list of values with their places; a problem where it is none or empty.
pub(super) fn list<'text>(
    source: &Source<'_>,
    path: &str,
    byte: usize,
    value: Spanned<DeValue<'text>>,
    allowed: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(usize, Spanned<DeValue<'text>>)> {
    let empty = match value.into_inner() {
        DeValue::Array(items) => {
            let items: Vec<_> = items
                .into_iter()
                .map(|item| (item.span().start, item))
                .collect();
            if !items.is_empty() {
                return items;
            }
            "an empty list"
        }
        _ => "not a list",
    };
    problems.push(
        Problem::error(path, empty)
            .origin(source.origin(byte))
            .allowed(allowed)
            .hint(format!("list at least one, or remove {path}")),
    );
    Vec::new()
}

pub(super) fn values<'text>(
    source: &Source<'_>,
    path: &str,
    byte: usize,
    value: Spanned<DeValue<'text>>,
    problems: &mut Vec<Problem>,
) -> Vec<(usize, Value)> {
    list(source, path, byte, value, "a list of values", problems)
        .into_iter()
        .map(|(byte, item)| (byte, plain(item)))
        .collect()
}

pub(super) fn duplicate(path: &str, value: &impl Display, origin: Origin) -> Problem {
    Problem::error(path, "named twice")
        .value(value)
        .origin(origin)
        .hint("name it once; every run is made from another combination")
}
