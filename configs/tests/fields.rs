//! The field table against the structs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use configs::{Field, FieldKind, Job, LoadRequest, RunConfig, load};
use toml::Value;

/// A value that the field accepts and that is not likely to be its default.
fn example(field: &Field) -> String {
    match field.path {
        path if path.ends_with(".url") => return "http://localhost:8000/v1".to_owned(),
        "optimiser.schedule_epochs" => return "2".to_owned(),
        "budget.tokens" => return "2000".to_owned(),
        _ => {}
    }
    match field.kind {
        FieldKind::Boolean => "true".to_owned(),
        FieldKind::Integer { min, .. } => min.max(1).to_string(),
        FieldKind::Number { max, .. } => (max / 2.0).min(0.5).to_string(),
        FieldKind::Text | FieldKind::Model | FieldKind::Data => "text".to_owned(),
        FieldKind::Choice { values } | FieldKind::Variant { values } => values[0].to_owned(),
        FieldKind::Device => "cpu".to_owned(),
    }
}

fn with(job: Job, sets: Vec<String>) -> RunConfig {
    let request = LoadRequest {
        job: Some(job),
        sets,
        ..LoadRequest::default()
    };
    match load(&request) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems:?}"),
    }
}

/// One configuration for each word of each tag, with every optional setting
/// present.
fn every_shape(job: Job) -> Vec<RunConfig> {
    let fields = job.fields();
    let mut defaults = BTreeMap::new();
    for (path, value) in job.default_config().values() {
        let tag = fields.iter().find(|field| field.path == path);
        if tag.is_some_and(|field| matches!(field.kind, FieldKind::Variant { .. })) {
            defaults.insert(path, value.as_str().unwrap().to_owned());
        }
    }
    // A checkpoint and a new model exclude each other.
    let mut shapes = vec![shape(job, &fields, &defaults, &[], "model.create")];
    if job == Job::Finetune {
        shapes.push(shape(job, &fields, &defaults, &[], "model.name"));
    }
    for &field in &fields {
        if let FieldKind::Variant { values } = field.kind {
            for word in values {
                let mut chosen = vec![(field.path, *word)];
                let mut inner = field;
                while let Some(condition) = inner.when {
                    chosen.push((condition.path, condition.one_of.last().unwrap()));
                    inner = fields.iter().find(|f| f.path == condition.path).unwrap();
                }
                shapes.push(shape(job, &fields, &defaults, &chosen, "model.create"));
            }
        }
    }
    shapes
}

/// The default with the `chosen` tags and every optional setting that exists with them, save one.
fn shape(
    job: Job,
    fields: &[&Field],
    defaults: &BTreeMap<String, String>,
    chosen: &[(&str, &str)],
    without: &str,
) -> RunConfig {
    let mut tags = defaults.clone();
    tags.extend(
        chosen
            .iter()
            .map(|(tag, word)| ((*tag).to_owned(), (*word).to_owned())),
    );
    let mut sets: Vec<String> = chosen
        .iter()
        .map(|(tag, word)| format!("{tag}={word}"))
        .collect();
    for field in fields
        .iter()
        .filter(|field| field.optional && field.path != without)
    {
        let mut conditions = std::iter::successors(field.when, |condition| {
            fields
                .iter()
                .find(|tag| tag.path == condition.path)
                .unwrap()
                .when
        });
        let exists = conditions.all(|condition| {
            let word = tags.get(condition.path);
            word.is_some_and(|word| condition.one_of.contains(&word.as_str()))
        });
        if exists {
            sets.push(format!("{}={}", field.path, example(field)));
        }
    }
    with(job, sets)
}

#[test]
fn the_table_lists_every_setting_and_no_other() {
    for job in Job::ALL {
        let table: BTreeMap<&str, &Field> = job.fields().into_iter().map(|f| (f.path, f)).collect();
        let mut seen = BTreeSet::new();
        for config in every_shape(*job) {
            let values = config.values();
            for (path, value) in &values {
                let field = table
                    .get(path.as_str())
                    .unwrap_or_else(|| panic!("{path} is missing from the field table"));
                assert_eq!(field.check(value).as_ref(), Ok(value), "{path}");
            }
            let alternatives = ["model.name", "model.create"];
            for field in table.values() {
                if alternatives.contains(&field.path) {
                    continue;
                }
                let exists = field.when.is_none_or(|condition| {
                    let word = values.get(condition.path).and_then(Value::as_str);
                    word.is_some_and(|word| condition.one_of.contains(&word))
                });
                assert_eq!(exists, values.contains_key(field.path), "{}", field.path);
            }
            seen.extend(values.into_keys());
        }
        let surplus: Vec<&&str> = table.keys().filter(|path| !seen.contains(**path)).collect();
        assert!(surplus.is_empty(), "in the table only: {surplus:?}");
        assert_eq!(table.len(), job.fields().len(), "a path is listed twice");
    }
}

#[test]
fn every_default_is_within_its_own_range() {
    for job in Job::ALL {
        let problems = configs::validate(&job.default_config());
        let paths: Vec<&str> = problems.iter().map(|problem| &*problem.path).collect();
        // What nobody can choose for the user.
        let needed: &[&str] = match job {
            Job::Train => &[],
            Job::Finetune => &["model.name", "data.path"],
            Job::Search => &["model.name", "budget.tokens"],
        };
        assert_eq!(paths, needed);
    }
}

/// The help of a form and the documentation of a struct are one sentence, kept
/// equal.
#[test]
fn help_is_the_documentation_of_the_struct() {
    for job in Job::ALL {
        compare_with_the_documentation(*job);
    }
}

fn compare_with_the_documentation(job: Job) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut compared = 0;
    for field in job.fields() {
        if matches!(field.kind, FieldKind::Variant { .. }) {
            continue;
        }
        let file = match field.path.split_once('.') {
            None => source.join(format!("{job}.rs")),
            Some((section, rest)) => {
                let folder = source.join(job.name());
                let inner = rest
                    .split_once('.')
                    .map(|(inner, _)| folder.join(format!("{inner}.rs")));
                inner
                    .filter(|file| file.exists())
                    .unwrap_or_else(|| folder.join(format!("{section}.rs")))
            }
        };
        let text = std::fs::read_to_string(&file).unwrap();
        let name = field.path.rsplit('.').next().unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let declared = lines
            .iter()
            .position(|line| line.starts_with(&format!("pub {name}: ")))
            .unwrap_or_else(|| panic!("{name} is not in {}", file.display()));
        let doc: Vec<&str> = lines[..declared]
            .iter()
            .rev()
            .skip_while(|line| line.starts_with("#["))
            .map_while(|line| line.strip_prefix("///"))
            .map(str::trim)
            .collect();
        let doc: Vec<&str> = doc.into_iter().rev().collect();
        assert_eq!(doc.join(" "), field.help, "{}", field.path);
        assert!(field.help.ends_with('.') && !field.label.is_empty());
        compared += 1;
    }
    let fields = job.fields();
    let tags = fields
        .iter()
        .filter(|field| matches!(field.kind, FieldKind::Variant { .. }));
    assert_eq!(compared, fields.len() - tags.count());
}

#[test]
fn the_table_serialises_for_the_form() {
    let fields = serde_json::to_value(Job::Train.fields()).unwrap();
    let rate = fields
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["path"] == "algorithm.target_update.rate")
        .unwrap();
    assert_eq!(rate["kind"]["type"], "number");
    assert_eq!(rate["kind"]["min_excluded"], true);
    assert_eq!(rate["when"]["one_of"][0], "soft");
}

#[test]
fn a_form_reads_what_was_typed() {
    let fields = Job::Train.fields();
    let read = |path: &str, text: &str| {
        let field = fields.iter().find(|field| field.path == path).unwrap();
        field.read(text).map_err(|problem| problem.to_string())
    };
    assert_eq!(
        read("total_steps", " 2e6 "),
        Ok(Some(Value::Integer(2_000_000)))
    );
    assert_eq!(read("environment.sight", "none"), Ok(None));
    assert_eq!(
        read("environment.id", "12"),
        Ok(Some(Value::String("12".to_owned())))
    );
    let refused = "replay.batch_episodes: wrong type: \"[1,\" - allowed: a whole number from 1 to \
                   1000000 - change replay.batch_episodes";
    assert_eq!(
        read("replay.batch_episodes", "[1,"),
        Err(refused.to_owned())
    );
}
