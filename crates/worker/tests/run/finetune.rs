//! Whole fine-tuning runs of a tiny model, as the worker does them.

mod bad_data;
mod bad_input;
mod interruption;
mod offline;
mod whole;

use std::fs;
use std::path::{Path, PathBuf};

use configs::{Job, LoadRequest, load};
use serde_json::{Value, json};
use testkit::chat_model::ChatModel;
use tracking::EventKind;

use crate::folder::{TestRun, outcome};

/// Two iterations of a dozen prompts each.
const PROMPTS: usize = 24;

const SETTINGS: &str = r#"
version = 1
job = "finetune"
[data]
max_prompt_tokens = 64
max_tokens = 96
[generation]
responses = 4
max_new_tokens = 8
batch_tokens = 96
[oracle]
kind = "synthetic"
game = "longer"
[iterations]
count = 2
[optimiser]
learning_rate = 1e-3
rows_per_update = 4
rows_per_pass = 4
[evaluation]
prompts = 5
responses = 1
[checkpoint]
every_updates = 1
keep_last = 100
[logging]
tensorboard = false
interval_secs = 0.001
[runtime]
device = "cpu"
threads = 1
"#;

/// A model and its data.
pub struct Place {
    root: tempfile::TempDir,
}

impl Place {
    /// With a model that says whatever random weights say, and prompts for it.
    pub fn new() -> Self {
        Self::with(&ChatModel::default())
    }

    pub fn with(model: &ChatModel) -> Self {
        let root = tempfile::tempdir().unwrap();
        model.write(&root.path().join("model")).unwrap();
        fs::write(root.path().join("settings.toml"), SETTINGS).unwrap();
        let place = Self { root };
        let prompt = |number: usize| json!({"prompt": format!("tell me of {number}")});
        place.write("prompts.jsonl", (0..PROMPTS).map(prompt));
        place.write("held-out.jsonl", (100..110).map(prompt));
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A file of JSON lines.
    pub fn write(&self, name: &str, rows: impl IntoIterator<Item = Value>) -> PathBuf {
        let lines: String = rows.into_iter().map(|row| format!("{row}\n")).collect();
        let path = self.path(name);
        fs::write(&path, lines).unwrap();
        path
    }

    /// A run with some settings changed (`path=value`).
    pub fn run(&self, sets: &[&str]) -> TestRun {
        self.run_of("prompts.jsonl", sets)
    }

    /// A run on one of the files of this place.
    pub fn run_of(&self, data: &str, sets: &[&str]) -> TestRun {
        let own = [
            ("model.name", "model"),
            ("data.path", data),
            ("data.evaluation", "held-out.jsonl"),
        ];
        let own = own.map(|(name, file)| format!("{name}={}", self.path(file).display()));
        let sets = own
            .into_iter()
            .chain(sets.iter().map(|set| (*set).to_owned()));
        let request = LoadRequest {
            job: Some(Job::Finetune),
            file: Some(self.path("settings.toml")),
            sets: sets.collect(),
            ..LoadRequest::default()
        };
        TestRun::of(load(&request).unwrap().config.to_toml())
    }
}

/// Runs it to its end.
pub fn finished(run: TestRun) -> TestRun {
    assert_eq!(outcome(&run.run()), (0, String::new()));
    run
}

/// JSON lines of a file in the run folder.
pub fn lines(run: &TestRun, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(run.folder.path().join(name)).unwrap();
    let line = |line: &str| serde_json::from_str(line).unwrap();
    text.lines().map(line).collect()
}

/// What the run warned of.
pub fn warnings(run: &TestRun) -> Vec<String> {
    let message = |event: tracking::Event| match event.kind {
        EventKind::Warning { message, .. } => Some(message),
        _ => None,
    };
    run.events().into_iter().filter_map(message).collect()
}

/// Whether anything was sampled.
pub fn generated(run: &TestRun) -> bool {
    let has = |name: &str| run.folder.path().join("iterations/1").join(name).exists();
    has("responses.jsonl") || has("responses.jsonl.part")
}

/// Files of a folder and below, by their path in it.
pub fn tree(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(here) = open.pop() {
        for entry in fs::read_dir(&here).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap();
                names.push(name.to_str().unwrap().to_owned());
            }
        }
    }
    names.sort();
    names
}
