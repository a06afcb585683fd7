//! What a folder holds, told from its small files: for lists to pick from.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;

use crate::folder::{ModelFolder, read_object};
use crate::template::ChatTemplate;

/// The file that makes a folder an adapter of peft.
const ADAPTER: &str = "adapter_config.json";

/// What a model is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ModelKind {
    /// Writes text.
    #[default]
    Language,
    /// Scores text.
    Reward,
    /// Changes another model.
    Adapter,
    /// Something else, such as an encoder without a head.
    Other,
}

impl ModelKind {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ModelKind::Language => "language",
            ModelKind::Reward => "reward",
            ModelKind::Adapter => "adapter",
            ModelKind::Other => "other",
        }
    }

    /// Told by the architecture's name; a config without one is taken for a language model.
    fn of(config: &Value) -> ModelKind {
        let Some(architecture) = config["architectures"][0].as_str() else {
            return ModelKind::Language;
        };
        if architecture.ends_with("ForSequenceClassification") || architecture.contains("Reward") {
            ModelKind::Reward
        } else if architecture.ends_with("ForCausalLM")
            || architecture.ends_with("ForConditionalGeneration")
        {
            ModelKind::Language
        } else {
            ModelKind::Other
        }
    }
}

/// A model's folder at a glance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// What it is for.
    pub kind: ModelKind,
    /// `model_type` of its config; of an adapter the model that it changes.
    pub family: Option<String>,
    /// Parameters, counted from the weights' headers.
    pub parameters: Option<u64>,
    /// Bytes of its files.
    pub bytes: u64,
    /// Last change of its files.
    pub modified: Option<SystemTime>,
    /// Whether it has a chat template that can be compiled.
    pub template: bool,
    /// What keeps it from being used.
    pub problem: Option<String>,
}

impl Summary {
    /// Reads a folder. What is wrong with it is part of what is told.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let (bytes, modified) = size(folder);
        let mut summary = Summary {
            bytes,
            modified,
            ..Summary::default()
        };
        match ModelFolder::open(folder) {
            Ok(model) => summary.take(&model),
            Err(error) => match read_object(&folder.join(ADAPTER)) {
                Ok(Some(adapter)) => {
                    summary.kind = ModelKind::Adapter;
                    summary.family = adapter["base_model_name_or_path"]
                        .as_str()
                        .map(str::to_owned);
                }
                Err(broken) => summary.problem = Some(broken.to_string()),
                Ok(None) => summary.problem = Some(error.to_string()),
            },
        }
        summary
    }

    fn take(&mut self, model: &ModelFolder) {
        self.kind = ModelKind::of(model.config());
        self.family = model.family().map(str::to_owned);
        let weights = model.weights();
        self.parameters = weights.as_ref().ok().map(|weights| weights.parameters());
        self.template = matches!(ChatTemplate::load(model.path()), Ok(Some(_)));
        self.problem = weights.err().map(|error| error.to_string());
    }
}

/// Bytes and newest change of the files, links followed.
fn size(folder: &Path) -> (u64, Option<SystemTime>) {
    let mut bytes = 0;
    let mut newest = None;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(data) = fs::metadata(entry.path()) else {
            continue;
        };
        if data.is_dir() {
            let (inner, changed) = size(&entry.path());
            bytes += inner;
            newest = newest.max(changed);
        } else {
            bytes += data.len();
            newest = newest.max(data.modified().ok());
        }
    }
    (bytes, newest)
}
