//! What the dashboard's launcher asks for: files, folders and plans.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use configs::draft::Draft;
use configs::env::Environment;
use configs::{Problem, RunConfig, presets};
use tracking::{RunFolder, TrackingError};
use tui::plan::{Earlier, Plan};
use tui::screens::launcher::requests::{
    Answer, Entry, FileStart, Folder, NotSaved, Request, Starts,
};

use crate::{plan, settings};

/// A file larger than this is no configuration.
const LARGEST: u64 = 4 << 20;
/// Runs offered to start from.
const RUNS: usize = 500;
/// Files of the working folder that are looked at.
const FILES: usize = 500;
/// Entries of a folder that are shown.
const ENTRIES: usize = 10_000;
/// Lines and bytes of a glance into a file.
const GLANCE: (usize, u64) = (12, 64 << 10);

/// Answers the launcher; keeps the speeds of earlier runs between plans.
#[derive(Default)]
pub(crate) struct Launcher(Mutex<Option<Vec<Earlier>>>);

impl Launcher {
    /// Carries out a request.
    pub(crate) fn carry_out(&self, root: &Path, request: Request) -> Answer {
        match request {
            Request::Starts => {
                // The next plan looks at the runs anew.
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Answer::Starts(Box::new(starts(root)))
            }
            Request::Text(path) => {
                let text = read(&path);
                Answer::Text(path, text)
            }
            Request::Plan {
                number,
                config_toml,
            } => Answer::Plan(number, self.plan(root, &config_toml).map(Box::new)),
            Request::Folder(path) => {
                let folder = list(&path);
                Answer::Folder(path, folder)
            }
            Request::Preview(path) => {
                let lines = glance(&path);
                Answer::Preview(path, lines)
            }
            Request::Save {
                path,
                text,
                replace,
            } => {
                let saved = save(&path, &text, replace);
                Answer::Saved(path, saved)
            }
        }
    }

    fn plan(&self, root: &Path, text: &str) -> Result<Plan, Vec<Problem>> {
        let RunConfig::Train(config) = RunConfig::from_toml("form", text)? else {
            let problem = Problem::error("job", "there is no plan for this job yet");
            return Err(vec![problem]);
        };
        if let Some(problem) = settings::id_problem(&config.environment.id) {
            return Err(vec![problem]);
        }
        let mut earlier = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = earlier.get_or_insert_with(|| plan::earlier(root));
        plan::of(&config, earlier).map_err(|error| vec![settings::option_problem(&error)])
    }
}

fn starts(root: &Path) -> Starts {
    let mut runs = RunFolder::list(root).unwrap_or_default();
    runs.sort_by_key(|run| std::cmp::Reverse(run.id()));
    Starts {
        files: files(Path::new(".")),
        runs: runs
            .iter()
            .take(RUNS)
            .map(|run| (run.id(), run.config()))
            .collect(),
        variables: settings::variables(),
        environments: environments(),
        devices: Vec::new(),
    }
}

/// Ids to choose from: those of the presets, and the environments that have one id only.
fn environments() -> Vec<String> {
    let of_preset = |preset: &presets::Preset| {
        let draft = Draft::preset(preset.name, &Environment::default()).ok()?;
        Some(draft.setting("environment.id")?.value)
    };
    let listed = envs::list().into_iter().map(|entry| entry.id);
    let mut ids: Vec<String> = presets::all()
        .iter()
        .filter_map(of_preset)
        .chain(listed.filter(|id| !id.contains(['{', '[', '('])))
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

/// The configurations in a folder: TOML files that say `version` and are no experiments.
fn files(folder: &Path) -> Vec<FileStart> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let is_toml = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "toml");
    let mut paths: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_toml)
        .map(|path| path.strip_prefix(".").map(Path::to_owned).unwrap_or(path))
        .take(FILES)
        .collect();
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| about(&path).map(|about| FileStart { path, about }))
        .collect()
}

/// What a configuration says about itself, or what is wrong; none for another kind of file.
fn about(path: &Path) -> Option<String> {
    let text = match read(path) {
        Ok(text) => text,
        Err(message) => return Some(message),
    };
    let says = |key: &str| text.lines().any(|line| line.trim_start().starts_with(key));
    if !says("version") || says("[experiment") || says("[[") || says("[package") {
        return None;
    }
    match Draft::file(path, &text, &Environment::default()) {
        Err(problems) => problems.first().map(ToString::to_string),
        Ok(draft) => {
            let wrong = draft
                .problems()
                .into_iter()
                .find(|problem| problem.is_error());
            if let Some(problem) = wrong {
                return Some(problem.to_string());
            }
            let comment: Vec<&str> = text
                .lines()
                .map_while(|line| line.strip_prefix('#'))
                .map(str::trim)
                .collect();
            Some(comment.join(" "))
        }
    }
}

fn read(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| {
        let shown = path.display();
        format!("cannot read {shown}: {error} - name a TOML file in UTF-8 that you may read")
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let kind = file.metadata().map_err(failed)?;
    if !kind.is_file() || kind.len() > LARGEST {
        return Err(format!(
            "cannot read {}: no file of at most {LARGEST} bytes - name a TOML file",
            path.display()
        ));
    }
    let mut text = String::new();
    file.take(LARGEST)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

fn list(path: &Path) -> Result<Folder, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let path = path.canonicalize().map_err(failed)?;
    let mut entries: Vec<Entry> = std::fs::read_dir(&path)
        .map_err(failed)?
        .flatten()
        .take(ENTRIES)
        .map(|entry| {
            // Links count as what they lead to.
            let about = std::fs::metadata(entry.path());
            Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                is_folder: about.as_ref().is_ok_and(std::fs::Metadata::is_dir),
                size: about.map_or(0, |about| about.len()),
            }
        })
        .collect();
    entries.sort_by(|one, other| {
        let key = |entry: &Entry| (!entry.is_folder, entry.name.to_lowercase());
        key(one).cmp(&key(other))
    });
    Ok(Folder { path, entries })
}

/// A model's folder tells its type and size, a file its first lines.
fn glance(path: &Path) -> Vec<String> {
    if path.is_dir() {
        return model(path).unwrap_or_default();
    }
    let Ok(file) = std::fs::File::open(path) else {
        return vec!["cannot be read".to_owned()];
    };
    let mut bytes = Vec::new();
    if file.take(GLANCE.1).read_to_end(&mut bytes).is_err() || bytes.contains(&0) {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let line = |line: &str| line.chars().take(400).collect();
    text.lines().take(GLANCE.0).map(line).collect()
}

/// What `config.json` and the weights of a model's folder tell.
fn model(folder: &Path) -> Option<Vec<String>> {
    let text = read(&folder.join("config.json")).ok()?;
    let config: serde_json::Value = serde_json::from_str(&text).ok()?;
    let mut lines = Vec::new();
    for (key, name) in [
        ("model_type", "model"),
        ("hidden_size", "hidden size"),
        ("num_hidden_layers", "layers"),
        ("vocab_size", "vocabulary"),
        ("torch_dtype", "numbers"),
    ] {
        if let Some(value) = config.get(key) {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            lines.push(format!("{name}: {value}"));
        }
    }
    let weights: u64 = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .ends_with(".safetensors")
        })
        .filter_map(|entry| Some(entry.metadata().ok()?.len()))
        .sum();
    lines.push(format!("weights: {}", tui::plan::bytes(weights)));
    Some(lines)
}

/// Writes a file whole or not at all.
fn save(path: &Path, text: &str, replace: bool) -> Result<(), NotSaved> {
    if path.as_os_str().is_empty() {
        return Err(NotSaved::Failed(
            "no file named - write a path such as mine.toml".to_owned(),
        ));
    }
    if !replace && path.exists() {
        return Err(NotSaved::Exists);
    }
    tracking::write_atomic(path, text.as_bytes()).map_err(|error| {
        NotSaved::Failed(match error {
            TrackingError::Io { source, .. } => format!(
                "cannot write {}: {source} - free disk space, or name a file in a folder that \
                 exists and that you may write to",
                path.display()
            ),
            other => other.to_string(),
        })
    })
}
