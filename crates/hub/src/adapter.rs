//! A folder that `peft` wrote: an adapter, which is no model without its base.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::HubError;
use crate::folder::{Weights, read_object};

/// The file that makes a folder an adapter's.
const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// Kinds that `lm::adapters` runs.
const RUN: [&str; 3] = ["LORA", "MISS", "BONE"];

/// An adapter on the disk. Its weights stay where they are.
#[derive(Debug, Clone)]
pub struct AdapterFolder {
    path: PathBuf,
    config: Value,
}

impl AdapterFolder {
    /// Reads `adapter_config.json`; none where the folder has none, or is a model's as well.
    ///
    /// # Errors
    ///
    /// [`HubError::Broken`] for a file that is no JSON object.
    pub fn open(path: &Path) -> Result<Option<Self>, HubError> {
        if path.join(crate::selection::CONFIG).is_file() {
            return Ok(None);
        }
        let config = read_object(&path.join(CONFIG))?;
        Ok(config.map(|config| Self {
            path: path.to_path_buf(),
            config,
        }))
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `peft_type`, such as `LORA`.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.config["peft_type"].as_str()
    }

    /// The model it was made for: a folder, or a name of the hub.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        let base = self.config["base_model_name_or_path"].as_str();
        base.filter(|base| !base.is_empty())
    }

    /// A field of `adapter_config.json`.
    #[must_use]
    pub fn field(&self, name: &str) -> &Value {
        &self.config[name]
    }

    /// The headers of its weights, checked against the file's length.
    ///
    /// # Errors
    ///
    /// [`HubError::Unsupported`] for a pickle or nothing, [`HubError::Broken`] for a truncated or
    /// over-long file.
    pub fn weights(&self) -> Result<Weights, HubError> {
        let path = self.path.join(WEIGHTS);
        if path.is_file() {
            return Weights::of_file(&path);
        }
        let pickled = self.path.join("adapter_model.bin").is_file();
        let (why, advice) = if pickled {
            (
                "its weights are a pickle, which runs code when it is read",
                "load it with peft and save it with save_pretrained",
            )
        } else {
            ("it has no adapter_model.safetensors", "fetch it again")
        };
        Err(HubError::Unsupported {
            what: self.path.display().to_string(),
            why: why.to_owned(),
            advice: advice.to_owned(),
        })
    }

    /// Everything that is wrong, a sentence each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let kind = self.kind().unwrap_or("none");
        let unknown = (!RUN.contains(&kind)).then(|| {
            let why = format!(
                "its peft_type is {kind}, which is not run - allowed: {}",
                RUN.join(", ")
            );
            HubError::broken(&self.path.join(CONFIG), why)
        });
        let errors = unknown.into_iter().chain(self.weights().err());
        errors.map(|error| error.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_adapter_tells_its_base_and_what_is_wrong_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert!(AdapterFolder::open(path).unwrap().is_none());
        let write = |name: &str, bytes: &[u8]| fs::write(path.join(name), bytes).unwrap();
        write(
            CONFIG,
            br#"{"peft_type": "LORA", "base_model_name_or_path": "some/model", "r": 4}"#,
        );
        let adapter = AdapterFolder::open(path).unwrap().unwrap();
        assert_eq!(adapter.base(), Some("some/model"));
        assert_eq!(adapter.field("r"), 4);
        assert!(adapter.problems()[0].contains("no adapter_model.safetensors"));
        write("adapter_model.bin", b"");
        assert!(adapter.problems()[0].contains("a pickle"));
        let header = br#"{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(&[0; 24]);
        write(WEIGHTS, &bytes);
        assert!(adapter.problems().is_empty());
        assert_eq!(adapter.weights().unwrap().parameters(), 6);
        write(WEIGHTS, &bytes[..bytes.len() - 1]);
        assert!(adapter.problems()[0].contains("cut off"));
        write(CONFIG, br#"{"peft_type": "VERA"}"#);
        let other = AdapterFolder::open(path).unwrap().unwrap();
        assert!(other.problems()[0].contains("peft_type is VERA"));
        // A model's folder may hold an adapter beside its weights; it is a model.
        write("config.json", b"{}");
        assert!(AdapterFolder::open(path).unwrap().is_none());
    }
}
