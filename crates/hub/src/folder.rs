//! A folder in the form of `transformers`: what is in it, and what keeps it from being used.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{HubError, io_error};
use crate::selection;
use crate::template::ChatTemplate;
use crate::tokenizer::ModelTokenizer;

mod weights;

pub use weights::{WeightFile, Weights};

/// A model on the disk. Its small files are read; its weights stay where they are.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    path: PathBuf,
    config: Value,
    generation: Value,
    names: Vec<String>,
}

impl ModelFolder {
    /// Reads `config.json` and `generation_config.json`.
    ///
    /// # Errors
    ///
    /// [`HubError::NoFolder`], [`HubError::Unsupported`] without a config, [`HubError::Broken`] for one
    /// that is no JSON object.
    pub fn open(path: &Path) -> Result<Self, HubError> {
        if !path.is_dir() {
            return Err(HubError::NoFolder {
                path: path.to_path_buf(),
            });
        }
        let mut names: Vec<String> = fs::read_dir(path)
            .map_err(io_error("cannot read", path))?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort_unstable();
        let config =
            read_object(&path.join(selection::CONFIG))?.ok_or_else(|| HubError::Unsupported {
                what: path.display().to_string(),
                why: "it has no config.json".to_owned(),
                advice: "allowed: a folder in the form of transformers".to_owned(),
            })?;
        let generation = read_object(&path.join("generation_config.json"))?.unwrap_or(Value::Null);
        Ok(ModelFolder {
            path: path.to_path_buf(),
            config,
            generation,
            names,
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.json`.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// `generation_config.json`; null without one.
    #[must_use]
    pub fn generation_config(&self) -> &Value {
        &self.generation
    }

    /// A field of the config, or of the text part of a config of several parts.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        let config = &self.config;
        [config.get(name), config["text_config"].get(name)]
            .into_iter()
            .flatten()
            .find(|value| !value.is_null())
    }

    /// `model_type`, such as `llama`.
    #[must_use]
    pub fn family(&self) -> Option<&str> {
        self.config["model_type"].as_str()
    }

    /// What the model is for, by its first architecture: `language model`, `reward model, 1 label`,
    /// `PairRM`, `encoder`.
    #[must_use]
    pub fn purpose(&self) -> String {
        let class = self.config["architectures"][0].as_str().unwrap_or_default();
        if class == "DebertaV2PairRM" {
            return "PairRM".to_owned();
        }
        if class.ends_with("ForSequenceClassification") {
            let named = self.field("id2label").and_then(Value::as_object);
            let count = self.field("num_labels").and_then(Value::as_u64);
            let labels = named.map(|names| names.len() as u64).or(count).unwrap_or(2);
            let ending = if labels == 1 { "" } else { "s" };
            return format!("reward model, {labels} label{ending}");
        }
        if self.family() == Some("deberta-v2") {
            return "encoder".to_owned();
        }
        "language model".to_owned()
    }

    /// Longest sequence the positions are made for, tokens.
    #[must_use]
    pub fn context_tokens(&self) -> Option<u64> {
        self.field("max_position_embeddings")?.as_u64()
    }

    /// Rows of the embedding.
    #[must_use]
    pub fn vocabulary(&self) -> Option<u64> {
        self.field("vocab_size")?.as_u64()
    }

    /// Ids that end a text by the two configs; the tokenizer may know another.
    #[must_use]
    pub fn end_ids(&self) -> BTreeSet<u32> {
        [
            &self.config["eos_token_id"],
            &self.generation["eos_token_id"],
        ]
        .into_iter()
        .chain([&self.config["text_config"]["eos_token_id"]])
        .flat_map(ids)
        .collect()
    }

    /// The weights' headers, checked against the files' lengths.
    ///
    /// # Errors
    ///
    /// [`HubError::Unsupported`] for a pickle or another form, [`HubError::Broken`] for a missing shard
    /// or a truncated or over-long file.
    pub fn weights(&self) -> Result<Weights, HubError> {
        weights::read(&self.path, &self.names())
    }

    /// The tokenizer, with the ends of text of all three places that name one.
    ///
    /// # Errors
    ///
    /// [`HubError::Unsupported`] without a `tokenizer.json`, [`HubError::Broken`] where it cannot be
    /// read or has ids that the model has no row for.
    pub fn tokenizer(&self) -> Result<ModelTokenizer, HubError> {
        selection::check_tokenizer(&self.path.display().to_string(), &self.names())?;
        let tokenizer = ModelTokenizer::load(&self.path, &self.end_ids())?;
        if let Some(rows) = self.vocabulary()
            && u64::from(tokenizer.highest_id()) >= rows
        {
            return Err(HubError::broken(
                &self.path.join(selection::TOKENIZER),
                format!(
                    "its highest id is {}, but config.json has vocab_size {rows}, which allows ids \
                     to {}",
                    tokenizer.highest_id(),
                    rows.saturating_sub(1)
                ),
            ));
        }
        Ok(tokenizer)
    }

    /// The chat template; none where the model has none.
    ///
    /// # Errors
    ///
    /// [`HubError::Template`] where it cannot be compiled.
    pub fn template(&self) -> Result<Option<ChatTemplate>, HubError> {
        ChatTemplate::load(&self.path)
    }

    /// Everything that is wrong, a sentence each; empty where all of it can be used.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut note = |error: Option<HubError>| problems.extend(error.map(|e| e.to_string()));
        if self.family().is_none() {
            note(Some(HubError::broken(
                &self.path.join(selection::CONFIG),
                "it names no model_type",
            )));
        }
        note(self.weights().err());
        note(self.tokenizer().err());
        note(self.template().err());
        problems
    }

    fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }
}

/// One id or a list of them.
fn ids(value: &Value) -> Vec<u32> {
    let one = |value: &Value| u32::try_from(value.as_u64()?).ok();
    match value {
        Value::Array(values) => values.iter().filter_map(one).collect(),
        value => one(value).into_iter().collect(),
    }
}

/// A JSON object in a file; none where there is no file.
pub(crate) fn read_object(path: &Path) -> Result<Option<Value>, HubError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io_error("cannot read", path))?,
    };
    // Some configs of the hub begin with a byte order mark.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let value: Value = serde_json::from_slice(text)
        .map_err(|error| HubError::broken(path, format!("it is no JSON ({error})")))?;
    if value.is_object() {
        Ok(Some(value))
    } else {
        Err(HubError::broken(path, "it is no JSON object"))
    }
}
