//! The field table of one job, indexed: which paths exist, which are sections,
//! and what was probably meant by one that does not exist.

use std::collections::{BTreeMap, BTreeSet};

use toml::Value;

use crate::field::{Field, FieldKind};
use crate::nearest::nearest;
use crate::origin::Origin;
use crate::problem::Problem;
use crate::run::Job;

/// A setting that a layer names.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// The field table of one job.
pub(crate) struct Schema {
    fields: Vec<&'static Field>,
    by_path: BTreeMap<&'static str, &'static Field>,
    sections: BTreeSet<&'static str>,
}

impl Schema {
    pub(crate) fn of(job: Job) -> Self {
        let fields = job.fields();
        let by_path = fields.iter().map(|field| (field.path, *field)).collect();
        let sections = fields
            .iter()
            .flat_map(|field| {
                field
                    .path
                    .match_indices('.')
                    .map(|(dot, _)| &field.path[..dot])
            })
            .collect();
        Self {
            fields,
            by_path,
            sections,
        }
    }

    pub(crate) fn fields(&self) -> &[&'static Field] {
        &self.fields
    }

    pub(crate) fn field(&self, path: &str) -> Option<&'static Field> {
        self.by_path.get(path).copied()
    }

    pub(crate) fn is_section(&self, path: &str) -> bool {
        self.sections.contains(path)
    }

    /// True for the name of a setting or section, on whatever level.
    pub(crate) fn knows(&self, path: &str) -> bool {
        self.field(path).is_some() || self.is_section(path)
    }

    /// Turns what a layer wrote at `path` into settings: tables are opened up,
    /// and a word in place of a tagged table means that kind.
    pub(crate) fn open(
        &self,
        path: &str,
        value: Value,
        origin: &Origin,
        entries: &mut Vec<Entry>,
        problems: &mut Vec<Problem>,
    ) {
        let entry = |path: String, value| Entry {
            path,
            value,
            origin: origin.clone(),
        };
        if self.field(path).is_some() {
            entries.push(entry(path.to_owned(), value));
            return;
        }
        if !self.is_section(path) {
            problems.push(self.unknown(path, origin));
            return;
        }
        match value {
            Value::Table(table) => {
                for (key, value) in table {
                    self.open(&format!("{path}.{key}"), value, origin, entries, problems);
                }
            }
            word => {
                let tag = format!("{path}.kind");
                match self.field(&tag).map(|field| field.kind) {
                    Some(FieldKind::Variant { .. }) if word.is_str() => {
                        entries.push(entry(tag, word));
                    }
                    _ => problems.push(
                        Problem::error(path, "a section, not a setting")
                            .value(word)
                            .origin(origin.clone())
                            .allowed(format!("a table with {}", self.names_in(path).join(", ")))
                            .hint(format!("set one of these, such as {}", self.example(path))),
                    ),
                }
            }
        }
    }

    /// The problem of a path that does not exist.
    pub(crate) fn unknown(&self, path: &str, origin: &Origin) -> Problem {
        let section = path.rsplit_once('.').map_or("", |(section, _)| section);
        let known_section = section.is_empty() || self.is_section(section);
        let parent = |known: &&str| *known == section && self.is_section(known);
        let everywhere = self
            .by_path
            .keys()
            .chain(&self.sections)
            .copied()
            .filter(|known| !parent(known));
        let close = if let Some(name) = self.renamed(path) {
            Some(name)
        } else if known_section {
            let inside = everywhere
                .clone()
                .filter(|known| known.rsplit_once('.').map_or("", |(head, _)| head) == section);
            nearest_in_section(path, inside).or_else(|| nearest(path, everywhere))
        } else {
            nearest(path, everywhere)
        };
        let problem = Problem::error(path, "unknown setting").origin(origin.clone());
        match close {
            Some(name) => problem.hint(format!("did you mean `{name}`?")),
            None if known_section => problem
                .allowed(self.names_in(section).join(", "))
                .hint("use one of these or remove it"),
            None => problem
                .allowed(self.names_in("").join(", "))
                .hint("use one of these sections or remove it"),
        }
    }

    /// The setting that another package knows by this name.
    fn renamed(&self, path: &str) -> Option<&'static str> {
        let name = path.rsplit_once('.').map_or(path, |(_, name)| name);
        self.fields
            .iter()
            .find(|field| field.aliases.contains(&name))
            .map(|field| field.path)
    }

    /// Settings and sections directly inside a section, in the order of the table.
    fn names_in(&self, section: &str) -> Vec<&'static str> {
        let mut names = Vec::new();
        for field in &self.fields {
            let inside = if section.is_empty() {
                Some(field.path)
            } else {
                field
                    .path
                    .strip_prefix(section)
                    .and_then(|rest| rest.strip_prefix('.'))
            };
            let name = inside.map(|rest| rest.split('.').next().unwrap_or(rest));
            if let Some(name) = name.filter(|name| !names.contains(name)) {
                names.push(name);
            }
        }
        names
    }

    fn example(&self, section: &str) -> &'static str {
        self.fields
            .iter()
            .map(|field| field.path)
            .find(|path| path.starts_with(section))
            .unwrap_or("seed")
    }
}

/// Inside one section only the last part is compared, else a long section name
/// would make everything look alike.
fn nearest_in_section<'a>(
    path: &str,
    candidates: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let tail = |path: &'a str| path.rsplit_once('.').map_or(path, |(_, tail)| tail);
    let word = path.rsplit_once('.').map_or(path, |(_, tail)| tail);
    let close = nearest(word, candidates.clone().map(tail))?;
    candidates.into_iter().find(|known| tail(known) == close)
}
