//! Layers of settings to one configuration.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::field::{Condition, Field, FieldKind};
use crate::origin::{Origin, Origins};
use crate::problem::Problem;
use crate::run::{Job, RunConfig};
use crate::schema::{Entry, Schema};

/// A configuration whose single values are right; contradictions are not looked
/// for yet.
pub(crate) struct Resolved {
    pub(crate) config: RunConfig,
    pub(crate) origins: Origins,
    /// Shared settings that do not exist for the chosen kinds and were left out.
    pub(crate) left_out: Vec<Problem>,
}

/// Merges entries, lowest layer first. Entries that fail the check of their field
/// are reported and skipped, so that the rest can still be looked at.
pub(crate) fn resolve(
    job: Job,
    schema: &Schema,
    entries: Vec<Entry>,
    problems: &mut Vec<Problem>,
) -> Option<Resolved> {
    let mut merged: BTreeMap<&'static str, Choice> = BTreeMap::new();
    for entry in entries {
        let Some(field) = schema.field(&entry.path) else {
            continue;
        };
        let cleared = field.optional && entry.value.as_str() == Some("none");
        let value = if cleared {
            None
        } else {
            match field.check(&entry.value) {
                Ok(value) => Some(value),
                Err(problem) => {
                    problems.push(problem.origin(entry.origin));
                    continue;
                }
            }
        };
        let origin = entry.origin;
        merged.insert(field.path, Choice { value, origin });
    }
    let tags = tags(job, schema, &merged);
    let mut left_out = Vec::new();
    drop_what_no_longer_applies(schema, &tags, &mut merged, &mut left_out);
    // What several runs share may be there for the others.
    let is_shared = |problem: &mut Problem| problem.origin.as_ref().is_some_and(Origin::is_shared);
    let shared: Vec<Problem> = left_out.extract_if(.., is_shared).collect();
    problems.append(&mut left_out);

    let mut table = Table::new();
    for (path, (word, _)) in &tags {
        insert(&mut table, path, Value::String(word.clone()));
    }
    for (path, choice) in &merged {
        if let Some(value) = &choice.value {
            insert(&mut table, path, value.clone());
        }
    }
    match job.deserialise(table) {
        Ok(config) => {
            let origins = origins(&config, &merged);
            Some(Resolved {
                config,
                origins,
                left_out: shared,
            })
        }
        Err(error) => {
            let message = error.message().trim().replace('\n', ", ");
            problems.push(
                Problem::error("", "settings do not fit together")
                    .value(message)
                    .hint("this is a fault of the field table; please report it"),
            );
            None
        }
    }
}

/// The last layer's word on a setting; no value means cleared.
struct Choice {
    value: Option<Value>,
    origin: Origin,
}

/// The word of every tag that exists, with the rank of the layer that chose it.
fn tags(
    job: Job,
    schema: &Schema,
    merged: &BTreeMap<&'static str, Choice>,
) -> BTreeMap<&'static str, (String, u8)> {
    let defaults = job.default_config().values();
    let mut tags = BTreeMap::new();
    for field in schema.fields() {
        let FieldKind::Variant { values } = field.kind else {
            continue;
        };
        if !applies(field, &tags) {
            continue;
        }
        let chosen = merged.get(field.path);
        let word = chosen
            .and_then(|choice| choice.value.as_ref())
            .or(defaults.get(field.path))
            .and_then(Value::as_str)
            .or(values.first().copied());
        let rank = chosen.map_or(0, |choice| choice.origin.rank());
        tags.extend(word.map(|word| (field.path, (word.to_owned(), rank))));
    }
    tags
}

fn applies(field: &Field, tags: &BTreeMap<&'static str, (String, u8)>) -> bool {
    field.exists(|path| tags.get(path).map(|(word, _)| word.as_str()))
}

/// The tag that decides that a field does not exist: its own, or the one that its own
/// tag depends on, and so on.
fn decisive(
    schema: &Schema,
    tags: &BTreeMap<&'static str, (String, u8)>,
    field: &Field,
) -> Option<Condition> {
    let condition = field.when?;
    if tags.contains_key(condition.path) {
        return Some(condition);
    }
    decisive(schema, tags, schema.field(condition.path)?)
}

/// A layer that changes a tag takes the place of what lower layers said about
/// the old kind; a setting of the wrong kind in the same layer or above is a
/// contradiction.
fn drop_what_no_longer_applies(
    schema: &Schema,
    tags: &BTreeMap<&'static str, (String, u8)>,
    merged: &mut BTreeMap<&'static str, Choice>,
    problems: &mut Vec<Problem>,
) {
    for field in schema.fields() {
        if applies(field, tags) {
            continue;
        }
        let Some(condition) = decisive(schema, tags, field) else {
            continue;
        };
        let Some(choice) = merged.remove(field.path) else {
            continue;
        };
        let Some((word, rank)) = tags.get(condition.path) else {
            continue;
        };
        if choice.origin.rank() >= *rank || choice.origin.is_shared() {
            problems.push(misplaced(field, condition, word, choice));
        }
    }
}

fn misplaced(field: &Field, condition: Condition, word: &str, choice: Choice) -> Problem {
    let Condition { path, one_of } = condition;
    let words = one_of.join(" or ");
    Problem::error(field.path, format!("does not exist while {path} = {word}"))
        .value(choice.value.unwrap_or_else(|| "none".into()))
        .origin(choice.origin)
        .allowed(format!("only with {path} = {words}"))
        .hint(format!("set {path} = {words}, or remove {}", field.path))
        .related(path)
}

fn origins(config: &RunConfig, merged: &BTreeMap<&'static str, Choice>) -> Origins {
    let values = config.values();
    let paths: BTreeSet<&str> = values
        .keys()
        .map(String::as_str)
        .chain(merged.keys().copied())
        .collect();
    let origin = |path: &str| {
        merged
            .get(path)
            .map_or(Origin::Default, |choice| choice.origin.clone())
    };
    Origins(
        paths
            .into_iter()
            .map(|path| (path.to_owned(), origin(path)))
            .collect(),
    )
}

fn insert(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
