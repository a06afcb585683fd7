//! Environment variables; the only place in the workspace that reads them.
//!
//! A setting is spelt `CONCORD_` + the path in capitals with each dot as two
//! underscores: `CONCORD_SEED`, `CONCORD_REPLAY__BATCH_EPISODES`,
//! `CONCORD_ALGORITHM__TARGET_UPDATE__RATE`. Values are read as those of
//! `--set`; an empty value counts as not set. The variables of
//! [`PROCESS_VARIABLES`] are no settings and are left alone. Any other
//! `CONCORD_*` variable is a problem, since it is most likely misspelt.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::nearest::nearest;
use crate::origin::Origin;
use crate::problem::Problem;
use crate::run::Job;
use crate::schema::{Entry, Schema};
use crate::set::read_value;

/// What every variable of Concord begins with.
pub const PREFIX: &str = "CONCORD_";

/// Variables of the programs themselves, with what they do.
pub const PROCESS_VARIABLES: &[(&str, &str)] = &[
    (
        "CONCORD_RUNS_DIR",
        "Folder that holds the run folders; `runs` when absent.",
    ),
    (
        "CONCORD_UI",
        "How `concord` shows a run: auto, tui, plain, json or none.",
    ),
];

/// A copy of the process's variables, or one made by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The variables of this process; bytes that are no UTF-8 are replaced.
    #[must_use]
    pub fn process() -> Self {
        Self::from_pairs(std::env::vars_os().map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        }))
    }

    /// Variables given one by one; for tests and embedding.
    #[must_use]
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self {
            variables: pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }

    /// The value of a variable; empty counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The settings among the variables. One that belongs to another job only is
    /// left alone.
    pub(crate) fn entries(&self, schema: &Schema, problems: &mut Vec<Problem>) -> Vec<Entry> {
        let mut entries = Vec::new();
        for name in self.variables.keys() {
            let (Some(rest), Some(value)) = (name.strip_prefix(PREFIX), self.get(name)) else {
                continue;
            };
            if PROCESS_VARIABLES.iter().any(|(known, _)| known == name) {
                continue;
            }
            let path = rest.to_ascii_lowercase().replace("__", ".");
            let known = schema.field(&path).is_some() || schema.is_section(&path);
            if !known {
                if !known_elsewhere(&path) {
                    problems.push(unknown(name, schema));
                }
                continue;
            }
            let origin = Origin::Environment {
                variable: name.clone(),
            };
            match read_value(value, schema.field(&path)) {
                Ok(value) => schema.open(&path, value, &origin, &mut entries, problems),
                Err(message) => problems.push(
                    Problem::error(path, "value cannot be read")
                        .value(value)
                        .origin(origin)
                        .allowed(message)
                        .hint(format!("give {name} a TOML value or unset it")),
                ),
            }
        }
        entries
    }
}

/// A variable of this process; absent, empty or not UTF-8 gives none.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A path in a variable of this process; absent or empty gives none.
#[must_use]
pub fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// The variable that sets a path.
#[must_use]
pub fn variable_name(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

fn known_elsewhere(path: &str) -> bool {
    let mut schemas = Job::ALL.iter().map(|job| Schema::of(*job));
    schemas.any(|schema| schema.field(path).is_some() || schema.is_section(path))
}

fn unknown(name: &str, schema: &Schema) -> Problem {
    let settings: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| variable_name(field.path))
        .collect();
    let process = PROCESS_VARIABLES.iter().map(|(known, _)| *known);
    let close = nearest_variable(name, settings.iter().map(String::as_str).chain(process));
    let hint = close.map_or_else(
        || format!("unset {name}"),
        |known| format!("did you mean `{known}`? Else unset {name}"),
    );
    Problem::error("", "unknown environment variable")
        .value(name)
        .allowed("CONCORD_SECTION__FIELD with the name of a setting")
        .hint(hint)
}

/// The shared prefix is left out, else short names would all look alike.
fn nearest_variable<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let strip = |name: &'a str| name.strip_prefix(PREFIX).unwrap_or(name);
    let word = name.strip_prefix(PREFIX).unwrap_or(name);
    let close = nearest(word, candidates.clone().map(strip))?;
    candidates.into_iter().find(|known| strip(known) == close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_read_and_empty_counts_as_absent() {
        let process = Environment::process();
        let path_variable = variable("PATH").expect("cargo sets PATH for tests");
        assert_eq!(process.get("PATH"), Some(path_variable.as_str()));
        assert_eq!(path("PATH"), Some(PathBuf::from(path_variable)));
        assert_eq!(variable("CONCORD_ABSENT_IN_TESTS"), None);
        let made = Environment::from_pairs([("CONCORD_UI", "")]);
        assert_eq!(made.get("CONCORD_UI"), None);
    }

    #[test]
    fn a_path_and_its_variable_name_each_other() {
        let name = variable_name("algorithm.target_update.rate");
        assert_eq!(name, "CONCORD_ALGORITHM__TARGET_UPDATE__RATE");
        for job in Job::ALL {
            let schema = Schema::of(*job);
            let pairs = schema.fields().iter().map(|f| (variable_name(f.path), "1"));
            let mut problems = Vec::new();
            let entries = Environment::from_pairs(pairs).entries(&schema, &mut problems);
            assert_eq!(problems, vec![]);
            assert_eq!(entries.len(), schema.fields().len());
        }
    }
}
