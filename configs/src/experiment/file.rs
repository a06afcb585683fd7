//! The text of an experiment's file, read into parts with the place of each.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::Value;
use toml::de::{DeTable, DeValue};

use crate::document::{Name, check_version, line_start, plain, syntax};
use crate::origin::{ExperimentPart, Origin};
use crate::problem::Problem;
use crate::run::VERSION;
use crate::schema::{Entry, Schema};

use super::section::{Located, Section, Source, duplicate, list, number, values, wrong};
use super::sweep::{SweepDraft, read_sweep};

/// The word in `job = "..."`.
pub(super) const JOB: &str = "experiment";
/// Seeds that an experiment may have.
const MOST_SEEDS: i64 = 1_000;

/// One of `[[tasks]]`.
#[derive(Debug, Clone)]
pub(super) struct TaskDraft {
    pub(super) name: String,
    pub(super) id: Located<String>,
    pub(super) set: Vec<Entry>,
}

/// One of `[[methods]]`.
#[derive(Debug, Clone)]
pub(super) struct MethodDraft {
    pub(super) name: String,
    pub(super) preset: Option<Located<String>>,
    pub(super) set: Vec<Entry>,
}

/// Everything the file says.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) preset: Option<Located<String>>,
    pub(super) seeds: Vec<u64>,
    pub(super) seeds_origin: Option<Origin>,
    /// None where the key is absent; empty where every entry was faulty.
    pub(super) tasks: Option<Vec<TaskDraft>>,
    pub(super) methods: Vec<MethodDraft>,
    pub(super) set: Vec<Entry>,
    pub(super) sweep: Option<SweepDraft>,
    pub(super) scalars: Vec<String>,
    pub(super) return_range: Option<(f64, f64)>,
    /// A syntax error hides part of the text.
    pub(super) broken: bool,
}

fn missing(path: &str, source: &Source<'_>, hint: impl Display) -> Problem {
    Problem::error(path, "missing")
        .origin(source.origin(0))
        .hint(hint.to_string())
}

/// Reads the whole text; every problem that can be seen without a configuration.
pub(super) fn read(path: &Path, text: &str, schema: &Schema, problems: &mut Vec<Problem>) -> Draft {
    let (table, errors) = DeTable::parse_recoverable(text);
    let name = Name::File(PathBuf::from(path));
    let mut readable = text.len() + 1;
    let mut last_line = None;
    for error in &errors {
        let start = line_start(text, error.span().map_or(0, |span| span.start));
        readable = readable.min(start);
        if last_line != Some(start) {
            problems.push(syntax(&name, text, error));
        }
        last_line = Some(start);
    }
    let source = Source {
        path,
        text,
        schema,
        readable,
    };
    let mut section = Section::new("", table.into_inner());
    section
        .items
        .retain(|(key, value)| key.span().start.max(value.span().end) < source.readable);
    let broken = !errors.is_empty();
    read_head(&mut section, &source, broken, problems);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut draft = Draft {
        broken,
        name: read_name(&mut section, &source, &stem, problems),
        preset: section.text(&source, "preset", problems),
        scalars: read_scalars(&mut section, &source, problems),
        return_range: read_range(&mut section, &source, problems),
        ..Draft::default()
    };
    read_seeds(&mut section, &source, &mut draft, problems);
    draft.tasks = read_tasks(&mut section, &source, problems);
    draft.methods = read_methods(&mut section, &source, broken, problems);
    if let Some((_, value)) = section.take("set") {
        draft.set = source.settings("set", ExperimentPart::Every, value, problems);
    }
    if let Some((byte, value)) = section.take("sweep") {
        draft.sweep = read_sweep(&source, byte, value, problems);
    }
    let known = [
        "version",
        "job",
        "name",
        "preset",
        "seeds",
        "tasks",
        "set",
        "methods",
        "sweep",
        "scalars",
        "return_range",
    ];
    section.finish(&source, &known, problems);
    draft
}

fn read_head(
    section: &mut Section<'_>,
    source: &Source<'_>,
    broken: bool,
    problems: &mut Vec<Problem>,
) {
    match section.take("version") {
        Some((byte, value)) => problems.extend(check_version(&plain(value), source.origin(byte))),
        None if broken => {}
        None => problems.push(missing(
            "version",
            source,
            format!("write `version = {VERSION}` on the first line"),
        )),
    }
    let job = section.text(source, "job", problems);
    if let Some(job) = job.filter(|job| job.value != JOB) {
        problems.push(
            Problem::error("job", "this file is no experiment")
                .value(&job.value)
                .origin(job.origin)
                .allowed(JOB)
                .hint(format!(
                    "write `job = \"{JOB}\"`, or run the file with `concord {}`",
                    job.value
                )),
        );
    }
}

fn read_name(
    section: &mut Section<'_>,
    source: &Source<'_>,
    stem: &str,
    problems: &mut Vec<Problem>,
) -> String {
    let fits = |name: &str| {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        !name.is_empty() && !name.starts_with('.') && name.len() <= 64 && name.chars().all(plain)
    };
    let allowed = "at most 64 letters, digits, `-`, `_` and `.`, since a folder is named so";
    match section.text(source, "name", problems) {
        Some(name) if fits(&name.value) => name.value,
        Some(name) => {
            let value = Value::String(name.value);
            problems.push(wrong("name", &value, name.origin, allowed));
            String::new()
        }
        None if fits(stem) => stem.to_owned(),
        None => {
            problems.push(missing("name", source, "write `name = \"...\"`").allowed(allowed));
            String::new()
        }
    }
}

fn read_scalars(
    section: &mut Section<'_>,
    source: &Source<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let Some((byte, value)) = section.take("scalars") else {
        return Vec::new();
    };
    let mut names = Vec::new();
    for (byte, value) in values(source, "scalars", byte, value, problems) {
        match value {
            Value::String(name) if names.contains(&name) => {
                problems.push(duplicate("scalars", &name, source.origin(byte)));
            }
            Value::String(name) if !name.is_empty() => names.push(name),
            other => problems.push(wrong(
                "scalars",
                &other,
                source.origin(byte),
                "names of curves, such as \"train/loss\"",
            )),
        }
    }
    names
}

fn read_range(
    section: &mut Section<'_>,
    source: &Source<'_>,
    problems: &mut Vec<Problem>,
) -> Option<(f64, f64)> {
    let (byte, value) = section.take("return_range")?;
    let value = plain(value);
    let ends: Option<Vec<f64>> = value
        .as_array()
        .map(|items| items.iter().filter_map(number).collect());
    match ends.as_deref() {
        Some([low, high]) if low < high => Some((*low, *high)),
        _ => {
            let allowed = "the lowest and the highest return of every task, such as [0, 1]";
            problems.push(wrong("return_range", &value, source.origin(byte), allowed));
            None
        }
    }
}

fn read_seeds(
    section: &mut Section<'_>,
    source: &Source<'_>,
    draft: &mut Draft,
    problems: &mut Vec<Problem>,
) {
    const ALLOWED: &str = "a number of seeds, or a list such as [1, 2, 3]";
    let Some((byte, value)) = section.take("seeds") else {
        if !draft.broken {
            let hint = "write `seeds = 5` for the seeds 1 to 5, or list them";
            problems.push(missing("seeds", source, hint).allowed(ALLOWED));
        }
        return;
    };
    let origin = source.origin(byte);
    draft.seeds_origin = Some(origin.clone());
    if let DeValue::Array(_) = value.get_ref() {
        for (byte, value) in values(source, "seeds", byte, value, problems) {
            match value.as_integer().and_then(|seed| u64::try_from(seed).ok()) {
                Some(seed) if draft.seeds.contains(&seed) => {
                    problems.push(duplicate("seeds", &seed, source.origin(byte)));
                }
                Some(seed) => draft.seeds.push(seed),
                None => problems.push(wrong("seeds", &value, source.origin(byte), ALLOWED)),
            }
        }
        return;
    }
    match plain(value) {
        Value::Integer(count @ 1..=MOST_SEEDS) => {
            draft.seeds = (1..=count as u64).collect();
        }
        other => problems.push(wrong("seeds", &other, origin, ALLOWED)),
    }
}

fn read_tasks(
    section: &mut Section<'_>,
    source: &Source<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Vec<TaskDraft>> {
    let (byte, value) = section.take("tasks")?;
    let allowed = "ids of environments, or tables with id, name and set";
    let mut tasks: Vec<TaskDraft> = Vec::new();
    for (byte, item) in list(source, "tasks", byte, value, allowed, problems) {
        let origin = source.part(ExperimentPart::Task, byte);
        let task = match item.into_inner() {
            DeValue::Table(table) => read_task(source, byte, table, problems),
            DeValue::String(id) if !id.trim().is_empty() => Some(TaskDraft {
                name: id.clone().into_owned(),
                id: Located {
                    value: id.into_owned(),
                    origin: origin.clone(),
                },
                set: Vec::new(),
            }),
            other => {
                let value = plain(Spanned::new(0..0, other));
                problems.push(wrong("tasks", &value, origin.clone(), allowed));
                None
            }
        };
        let Some(task) = task else { continue };
        if tasks.iter().any(|known| known.name == task.name) {
            let problem = duplicate("tasks", &task.name, origin);
            problems.push(problem.hint("name it once, or give each its own `name`"));
        } else {
            tasks.push(task);
        }
    }
    Some(tasks)
}

fn read_task(
    source: &Source<'_>,
    byte: usize,
    table: DeTable<'_>,
    problems: &mut Vec<Problem>,
) -> Option<TaskDraft> {
    let mut section = Section::new("tasks", table);
    let id = section.text(source, "id", problems);
    let name = section.text(source, "name", problems);
    let set = section.take("set").map_or_else(Vec::new, |(_, value)| {
        source.settings("tasks.set", ExperimentPart::Task, value, problems)
    });
    let no_id = id.is_none();
    section.finish(source, &["id", "name", "set"], problems);
    if no_id {
        problems.push(
            Problem::error("tasks.id", "missing")
                .origin(source.origin(byte))
                .hint("write `id = \"...\"`; `concord env list` tells the environments"),
        );
    }
    let mut id = id?;
    let name = name.map_or_else(|| id.value.clone(), |name| name.value);
    if let Origin::Experiment { part, .. } = &mut id.origin {
        *part = ExperimentPart::Task;
    }
    Some(TaskDraft { name, id, set })
}

fn read_methods(
    section: &mut Section<'_>,
    source: &Source<'_>,
    broken: bool,
    problems: &mut Vec<Problem>,
) -> Vec<MethodDraft> {
    let Some((byte, value)) = section.take("methods") else {
        if !broken {
            let hint = "write at least one `[[methods]]` with a `name`";
            problems.push(missing("methods", source, hint));
        }
        return Vec::new();
    };
    let allowed = "tables [[methods]] with name, preset and set";
    let mut methods: Vec<MethodDraft> = Vec::new();
    for (byte, item) in list(source, "methods", byte, value, allowed, problems) {
        let origin = source.origin(byte);
        let DeValue::Table(table) = item.into_inner() else {
            problems.push(
                Problem::error("methods", "not a table")
                    .origin(origin)
                    .allowed(allowed)
                    .hint("write [[methods]] and its name below"),
            );
            continue;
        };
        let mut inner = Section::new("methods", table);
        let has_name = inner.items.iter().any(|(key, _)| key.get_ref() == "name");
        let name = inner.text(source, "name", problems);
        let preset = inner.text(source, "preset", problems);
        let set = inner.take("set").map_or_else(Vec::new, |(_, value)| {
            source.settings("methods.set", ExperimentPart::Method, value, problems)
        });
        inner.finish(source, &["name", "preset", "set"], problems);
        match name {
            Some(name) if methods.iter().any(|known| known.name == name.value) => {
                problems.push(duplicate("methods.name", &name.value, name.origin));
            }
            Some(name) => methods.push(MethodDraft {
                name: name.value,
                preset,
                set,
            }),
            None if has_name => {}
            None => problems.push(
                Problem::error("methods.name", "missing")
                    .origin(origin)
                    .hint("write `name = \"...\"`; tables and plots show it"),
            ),
        }
    }
    methods
}
