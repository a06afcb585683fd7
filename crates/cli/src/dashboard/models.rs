//! The models of this machine for the dashboard: the hub's cache, folders that the user added,
//! downloads.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use hub::{
    Conversation, DEFAULT_REVISION, DownloadEvent, Hub, HubError, ModelFolder, ModelKind,
    ModelName, ModelReference, RenderOptions, Stop, Summary, cached_models, remove_cached,
};
use serde_json::{Value, json};
use tui::plan::bytes;
use tui::screens::models::requests::{
    Answer, Failed, Inspected, List, Listed, Preview, Request, Step,
};

use crate::commands::model_files::{facts, hub};
use crate::failure::Failure;
use crate::surroundings::configuration;

/// The file with the folders that the user added, a line each.
const FOLDERS: &str = "model-folders";

/// Downloads that can be stopped, by their numbers; none for one that was stopped before it began.
#[derive(Default)]
pub(crate) struct Models(Mutex<HashMap<u64, Option<Stop>>>);

impl Models {
    /// Carries out a request.
    pub(super) fn carry_out(&self, request: Request, tell: &dyn Fn(Answer)) -> Answer {
        match request {
            Request::List => Answer::List(Ok(list())),
            Request::Inspect(folder) => {
                let known = inspect(&folder).map(Box::new);
                Answer::Inspected(folder, known)
            }
            Request::Fetch { id, name } => {
                let outcome = self.fetch(id, &name, &|step| tell(Answer::Step(id, step)));
                self.stops().remove(&id);
                let outcome = outcome.map_err(|error| match error {
                    HubError::Cancelled => Failed::Stopped,
                    other => Failed::Refused(other.to_string()),
                });
                Answer::Ended(id, outcome)
            }
            Request::Cancel(id) => {
                if let Some(stop) = self.stops().entry(id).or_insert(None) {
                    stop.stop();
                }
                Answer::Step(id, Step::Stopping)
            }
            Request::Remove { name, commit } => {
                let removed = ModelName::new(&name)
                    .and_then(|model| remove_cached(&hub().settings().cache, &model, &commit));
                Answer::Removed(match removed {
                    Ok(freed) => Ok(format!("{name} is removed: {} are free", bytes(freed))),
                    Err(error) => Err(error.to_string()),
                })
            }
            Request::Add(folder) => Answer::List(change(&folder, true).map(|()| list())),
            Request::Forget(folder) => Answer::List(change(&folder, false).map(|()| list())),
        }
    }

    fn stops(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Option<Stop>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fetch(&self, id: u64, text: &str, tell: &dyn Fn(Step)) -> Result<String, HubError> {
        let (name, revision) = text.rsplit_once('@').unwrap_or((text, DEFAULT_REVISION));
        let name = match ModelReference::read(name)? {
            ModelReference::Name(name) => name,
            ModelReference::Folder(_) => {
                return Ok("a folder of this machine needs no fetching; o lists it".to_owned());
            }
        };
        let hub = hub();
        if self.stops().insert(id, Some(hub.stop())).is_some() {
            return Err(HubError::Cancelled);
        }
        let fetched = hub.fetch(&name, revision, &mut |event| {
            tell(step(event));
            ControlFlow::Continue(())
        })?;
        Ok(match fetched.stale {
            Some(reason) => format!("the cached model is used: {reason}"),
            None => String::new(),
        })
    }
}

fn step(event: &DownloadEvent) -> Step {
    match event.clone() {
        DownloadEvent::Planned {
            files,
            bytes,
            present,
        } => Step::Planned {
            files,
            bytes,
            present,
        },
        DownloadEvent::Started { file, bytes, from } => Step::Started { file, bytes, from },
        DownloadEvent::Advanced { file, done, bytes } => Step::Advanced { file, done, bytes },
        DownloadEvent::Retrying { file, reason, .. } => Step::Retrying { file, reason },
        DownloadEvent::Finished { file, bytes, .. } => Step::Finished { file, bytes },
    }
}

fn listed(name: String, folder: PathBuf, summary: Summary) -> Listed {
    let modified = summary
        .modified
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Listed {
        name,
        folder,
        kind: summary.kind.word().to_owned(),
        family: summary.family,
        parameters: summary.parameters,
        bytes: summary.bytes,
        template: summary.template,
        modified: modified.map_or(0.0, |time| time.as_secs_f64()),
        problem: summary.problem,
        ..Listed::default()
    }
}

fn list() -> List {
    let hub = hub();
    let settings = hub.settings();
    let cached = cached_models(&settings.cache)
        .into_iter()
        .map(|entry| Listed {
            commit: entry.commit,
            revisions: entry.revisions,
            ..listed(entry.name.to_string(), entry.folder, entry.summary)
        });
    let added = folders().into_iter().map(|folder| {
        let summary = Summary::of(&folder);
        listed(folder.display().to_string(), folder, summary)
    });
    List {
        cache: settings.cache.display().to_string(),
        offline: settings.offline,
        models: cached.chain(added).collect(),
    }
}

/// Folders that the user added.
fn folders() -> Vec<PathBuf> {
    let file = configuration().map(|folder| folder.join(FOLDERS));
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    let lines = text.as_deref().unwrap_or_default().lines();
    lines
        .filter(|line| !line.trim().is_empty())
        .map(PathBuf::from)
        .collect()
}

/// Adds a folder, or takes it away.
fn change(folder: &Path, add: bool) -> Result<(), String> {
    let place = configuration().ok_or("there is no folder for configuration: set HOME")?;
    // Whatever folder the dashboard is opened in next time.
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
    let mut all = folders();
    all.retain(|known| *known != folder);
    if add {
        all.push(folder);
    }
    all.sort();
    let lines: String = all
        .iter()
        .map(|folder| format!("{}\n", folder.display()))
        .collect();
    let failed = |error: &dyn std::fmt::Display| {
        format!(
            "cannot write {}: {error} - check the disk and its permissions",
            place.join(FOLDERS).display()
        )
    };
    std::fs::create_dir_all(&place).map_err(|error| failed(&error))?;
    tracking::write_atomic(&place.join(FOLDERS), lines.as_bytes()).map_err(|error| failed(&error))
}

/// A few lines on a folder, where it is a model's.
pub(crate) fn glance(folder: &Path) -> Vec<String> {
    if !folder.join("config.json").is_file() && !folder.join("adapter_config.json").is_file() {
        return Vec::new();
    }
    let summary = Summary::of(folder);
    let family = summary.family.unwrap_or_else(|| "unknown".to_owned());
    let mut lines = vec![match summary.kind {
        ModelKind::Adapter => format!("adapter of {family}"),
        kind => format!("{} model: {family}", kind.word()),
    }];
    let parameters = summary.parameters.map(|all| all as f64);
    lines.extend(parameters.map(|all| format!("parameters: {}", tui::figures::count(all))));
    lines.push(format!("files: {}", bytes(summary.bytes)));
    if summary.template {
        lines.push("chat template: yes".to_owned());
    }
    lines.extend(summary.problem);
    lines
}

fn inspect(folder: &Path) -> Result<Inspected, String> {
    let files = files(folder);
    let model = match ModelFolder::open(folder) {
        Ok(model) => model,
        // An adapter has no config.json.
        Err(error) => {
            let adapter = std::fs::read_to_string(folder.join("adapter_config.json"))
                .ok()
                .and_then(|text| serde_json::from_str::<Value>(&text).ok());
            let Some(Value::Object(adapter)) = adapter else {
                return Err(error.to_string());
            };
            let facts = adapter
                .into_iter()
                .map(|(name, value)| (name, shown(&value)));
            return Ok(Inspected {
                facts: facts.filter(|(_, value)| value != "-").collect(),
                files,
                problems: Vec::new(),
                preview: Err("an adapter has the template of the model that it changes".to_owned()),
            });
        }
    };
    let mut facts = facts(&model);
    // Where it lies is long, and its name stands above.
    facts.sort_by_key(|(name, _)| *name == "folder");
    let facts = facts.into_iter();
    Ok(Inspected {
        facts: facts
            .map(|(name, value)| (name.to_owned(), shown(&value)))
            .filter(|(_, value)| value != "-")
            .collect(),
        files,
        problems: model.problems(),
        preview: preview(&model).map_err(|failure| failure.message),
    })
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(values) => values
            .iter()
            .map(|(name, value)| format!("{name} {}", shown(value)))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}

fn files(folder: &Path) -> Vec<(String, u64)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<(String, u64)> = entries
        .filter_map(|entry| {
            let data = std::fs::metadata(entry.path()).ok()?;
            let name = entry.file_name().to_string_lossy().into_owned();
            data.is_file().then_some((name, data.len()))
        })
        .collect();
    files.sort();
    files
}

/// A sample conversation as the model reads it.
fn preview(model: &ModelFolder) -> Result<Preview, Failure> {
    let template = model.template()?.ok_or_else(|| {
        Failure::arguments("it has no chat template: it continues plain text".to_owned())
    })?;
    let messages = [
        ("user", "What is two and two?"),
        ("assistant", "Four."),
        ("user", "And three more?"),
        ("assistant", "Seven."),
    ];
    let messages = messages.map(|(role, content)| json!({"role": role, "content": content}));
    let messages = serde_json::from_value(json!(messages))
        .map_err(|error| Failure::arguments(error.to_string()))?;
    let conversation = Conversation::new(messages);
    let rendered = conversation.render(&template, &RenderOptions::default())?;
    let tokens = match model.tokenizer() {
        Ok(tokenizer) => {
            let tokens = rendered.tokens(&tokenizer)?;
            let learnt = tokens.iter().filter(|(_, _, learnt)| *learnt).count();
            (tokens.len(), learnt)
        }
        Err(_) => (0, 0),
    };
    let mut pieces = Vec::new();
    let mut at = 0;
    for answer in &rendered.answers {
        pieces.push((rendered.text[at..answer.range.start].to_owned(), false));
        pieces.push((rendered.text[answer.range.clone()].to_owned(), true));
        at = answer.range.end;
    }
    pieces.push((rendered.text[at..].to_owned(), false));
    Ok(Preview {
        pieces,
        tokens,
        notes: rendered.notes,
    })
}
