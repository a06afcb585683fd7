//! The `--set` arguments that turn one configuration into another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use toml::Value;

use crate::field::{Field, FieldKind};
use crate::load::{LoadRequest, look_at};
use crate::run::RunConfig;

/// The arguments that lead from `base` to `config`, tags before what depends on them. `plain`
/// is the base without the variables of this process: what they change is written out, so that
/// the command holds without them too.
pub(super) fn changes(
    config: &RunConfig,
    base: &RunConfig,
    plain: Option<&RunConfig>,
) -> Vec<String> {
    let wanted = config.values();
    let word = |path: &str| wanted.get(path).and_then(Value::as_str);
    let fields: Vec<&Field> = config
        .job()
        .fields()
        .into_iter()
        .filter(|field| field.exists(word))
        .collect();
    let mut changed: BTreeSet<&str> = BTreeSet::new();
    for start in [Some(base), plain].into_iter().flatten() {
        let values = start.values();
        let tags = fields.iter().filter(|field| {
            let is_tag = matches!(field.kind, FieldKind::Variant { .. });
            is_tag && values.get(field.path) != wanted.get(field.path)
        });
        let tags: Vec<&str> = tags.map(|field| field.path).collect();
        let moved = with_tags(start, &tags, &wanted).unwrap_or(values);
        changed.extend(tags);
        let rest = fields.iter().map(|field| field.path);
        changed.extend(rest.filter(|path| moved.get(*path) != wanted.get(*path)));
    }
    fields
        .into_iter()
        .filter(|field| changed.contains(field.path))
        .flat_map(|field| argument(field, wanted.get(field.path)))
        .collect()
}

/// What a configuration becomes when only its tags are set: other kinds come with defaults.
fn with_tags(
    start: &RunConfig,
    tags: &[&str],
    wanted: &BTreeMap<String, Value>,
) -> Option<BTreeMap<String, Value>> {
    let set = |path: &&str| Some(format!("{path}={}", wanted.get(*path)?));
    let request = LoadRequest {
        sets: tags.iter().filter_map(set).collect(),
        ..LoadRequest::default()
    };
    let (resolved, _) = look_at(Path::new("start"), &start.to_toml(), &request);
    Some(resolved?.config.values())
}

fn argument(field: &Field, value: Option<&Value>) -> Vec<String> {
    let written = value.map_or_else(|| "none".to_owned(), |value| written(field, value));
    match field.path {
        "seed" => vec!["--seed".to_owned(), written],
        path => vec!["--set".to_owned(), format!("{path}={written}")],
    }
}

/// A value as `--set` reads it back.
fn written(field: &Field, value: &Value) -> String {
    match value {
        Value::String(text) => {
            let quoted = text.starts_with(['[', '{', '"', '\''])
                || text.trim() != text
                || text == "none"
                || !field.kind.is_text();
            if quoted {
                value.to_string()
            } else {
                text.clone()
            }
        }
        Value::Float(number) => format!("{number:?}"),
        other => other.to_string(),
    }
}

/// Quotes an argument for a shell where it needs it.
#[must_use]
pub fn quoted(argument: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_@%+=:,./-".contains(letter);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}
