//! `concord model fetch | list | inspect | preview`: the files of models, without their arithmetic.

use std::path::PathBuf;
use std::time::SystemTime;

use configs::env::Environment;
use hub::{
    AdapterFolder, Hub, HubError, HubSettings, HuggingFace, ModelFolder, ModelReference,
    cached_models,
};
use serde_json::{Value, json};

use crate::arguments::{Format, ModelArgument, ModelFiles, ThinkingMode};
use crate::failure::Failure;
use crate::output::{Table, print, print_json, tell};

mod fetching;
mod memory;
mod preview;

/// Runs the command.
pub(crate) fn model_files(command: &ModelFiles) -> Result<(), Failure> {
    match command {
        ModelFiles::Fetch {
            model,
            verify,
            format,
        } => fetch(model, *verify, format.format),
        ModelFiles::List(format) => list(format.format),
        ModelFiles::Memory(arguments) => memory::memory(&open(&arguments.model)?, arguments),
        ModelFiles::Inspect { model, format } => inspect(model, format.format),
        ModelFiles::Preview {
            model,
            file,
            record,
            generation_prompt,
            thinking,
            arguments,
            format,
        } => preview::preview(
            &open(model)?,
            &preview::Wanted {
                file,
                record: *record,
                generation_prompt: *generation_prompt,
                thinking: thinking.map(|mode| mode == ThinkingMode::On),
                arguments,
            },
            format.format,
        ),
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        if error.is_environment() {
            Failure::environment(error.to_string())
        } else {
            Failure::arguments(error.to_string())
        }
    }
}

/// The hub as the variables of the process say.
pub(crate) fn hub() -> HuggingFace {
    HuggingFace::new(HubSettings::from_environment(&Environment::process()))
}

/// The folder of a model that is here; none is fetched.
pub(crate) fn folder_of(model: &ModelArgument) -> Result<PathBuf, Failure> {
    Ok(match ModelReference::read(&model.model)? {
        ModelReference::Folder(folder) => folder,
        ModelReference::Name(name) => hub().locate(&name, &model.revision)?,
    })
}

/// A model that is here.
fn open(model: &ModelArgument) -> Result<ModelFolder, Failure> {
    Ok(ModelFolder::open(&folder_of(model)?)?)
}

fn fetch(model: &ModelArgument, verify: bool, format: Format) -> Result<(), Failure> {
    let mut damaged = Vec::new();
    let (folder, commit, transferred, stale) = match ModelReference::read(&model.model)? {
        // Nothing to fetch; it is checked as a fetched one is.
        ModelReference::Folder(folder) => (folder, None, 0, None),
        ModelReference::Name(name) => {
            let hub = hub();
            if verify {
                damaged = hub.verify(&name, &model.revision)?;
                for file in &damaged {
                    tell(&format!("{name}/{file} was damaged and is fetched again"));
                }
            }
            let mut bars = fetching::Bars::new();
            let fetched = hub.fetch(&name, &model.revision, &mut |event| bars.show(event))?;
            (
                fetched.folder,
                Some(fetched.commit),
                fetched.transferred,
                fetched.stale,
            )
        }
    };
    if let Some(reason) = &stale {
        tell(&format!("the cached model is used: {reason}"));
    }
    let weights = ModelFolder::open(&folder)?.weights()?;
    let mut table = Table::new(&[
        "model",
        "commit",
        "folder",
        "parameters",
        "bytes",
        "transferred_bytes",
        "replaced",
    ]);
    table.row(vec![
        json!(model.model),
        json!(commit),
        json!(folder),
        json!(weights.parameters()),
        json!(weights.bytes()),
        json!(transferred),
        json!(damaged),
    ]);
    match format {
        Format::Table => print(&folder.display().to_string()),
        Format::Json => print_json(&table.to_json()[0]),
        Format::Csv => table.print(format),
    }
}

fn list(format: Format) -> Result<(), Failure> {
    let hub = hub();
    let cache = &hub.settings().cache;
    let mut table = Table::new(&[
        "model",
        "revisions",
        "kind",
        "family",
        "parameters",
        "bytes",
        "size",
        "chat_template",
        "age_secs",
        "commit",
        "folder",
        "problem",
    ])
    .hide(&["bytes", "parameters", "age_secs", "commit", "folder"]);
    for entry in cached_models(cache) {
        let summary = entry.summary;
        let age = summary
            .modified
            .and_then(|time| SystemTime::now().duration_since(time).ok())
            .map(|age| age.as_secs());
        table.row(vec![
            json!(entry.name.as_str()),
            json!(entry.revisions),
            json!(summary.kind.word()),
            json!(summary.family),
            json!(summary.parameters),
            json!(summary.bytes),
            json!(fetching::size(summary.bytes)),
            json!(summary.template),
            json!(age),
            json!(entry.commit),
            json!(entry.folder),
            json!(summary.problem),
        ]);
    }
    if table.is_empty() && format == Format::Table {
        return print(&format!(
            "no models in {} - fetch one: concord model fetch OWNER/NAME",
            cache.display()
        ));
    }
    table.print(format)
}

/// The facts as names and values; what is wrong goes to the exit code.
fn inspect(model: &ModelArgument, format: Format) -> Result<(), Failure> {
    let place = folder_of(model)?;
    if let Some(adapter) = AdapterFolder::open(&place)? {
        let facts = super::adapters::facts(&adapter);
        return show_facts(facts, &adapter.problems(), format);
    }
    let folder = ModelFolder::open(&place)?;
    show_facts(facts(&folder), &folder.problems(), format)
}

fn show_facts(
    facts: Vec<(&'static str, Value)>,
    problems: &[String],
    format: Format,
) -> Result<(), Failure> {
    match format {
        Format::Json => {
            let mut object: serde_json::Map<String, Value> = facts
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            object.insert("problems".to_owned(), json!(problems));
            print_json(&object)?;
        }
        Format::Table | Format::Csv => {
            let mut table = Table::new(&["what", "value"]);
            for (name, value) in facts {
                table.row(vec![json!(name), value]);
            }
            for problem in problems {
                table.row(vec![json!("problem"), json!(problem)]);
            }
            table.print(format)?;
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Failure::arguments(problems.join("\n")))
    }
}

/// What is known of a folder, as names and values.
pub(crate) fn facts(folder: &ModelFolder) -> Vec<(&'static str, Value)> {
    let field = |name: &str| folder.field(name).cloned().unwrap_or_default();
    let path: PathBuf = folder.path().to_path_buf();
    let mut facts = vec![
        ("folder", json!(path)),
        ("family", json!(folder.family())),
        ("purpose", json!(folder.purpose())),
        ("architectures", folder.config()["architectures"].clone()),
        ("layers", field("num_hidden_layers")),
        ("hidden", field("hidden_size")),
        ("heads", field("num_attention_heads")),
        ("key_value_heads", field("num_key_value_heads")),
        ("vocabulary", json!(folder.vocabulary())),
        ("context_tokens", json!(folder.context_tokens())),
        ("tied_embeddings", field("tie_word_embeddings")),
    ];
    if let Ok(weights) = folder.weights() {
        let types: Vec<&String> = weights.numbers.keys().collect();
        facts.extend([
            ("parameters", json!(weights.parameters())),
            ("types", json!(types)),
            ("weight_files", json!(weights.files.len())),
            ("tensors", json!(weights.tensors())),
            ("weight_bytes", json!(weights.bytes())),
        ]);
    }
    if let Ok(tokenizer) = folder.tokenizer() {
        let special: serde_json::Map<String, Value> = tokenizer
            .special()
            .iter()
            .map(|(role, text)| (role.to_owned(), json!(text)))
            .collect();
        facts.extend([
            ("tokens", json!(tokenizer.size())),
            ("special", Value::Object(special)),
            ("end_ids", json!(tokenizer.end_ids())),
            ("pad_id", json!(tokenizer.pad_id())),
        ]);
    }
    let template = folder.template().ok().flatten().is_some();
    facts.push(("chat_template", json!(template)));
    facts
}
