//! `meta.json`: what a run was made from and on.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::atomic::write_atomic;
use crate::error::TrackingError;

/// Facts about a run that its configuration does not hold. No host or user name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Meta {
    /// Format version of the run folder.
    pub version: u32,
    /// The run's id (the folder's name when it was made).
    pub id: String,
    /// The name the user gave, before it was made into an id.
    pub name: String,
    /// Job kind (`train`, `finetune`, `search`, `eval`).
    pub job: String,
    /// Algorithm (`iql`), the `algorithm` level of marl-eval files.
    pub algorithm: String,
    /// Environment family (`lbf`), the `environment` level of marl-eval files.
    pub environment: String,
    /// Task within the family (`Foraging-8x8-2p-2f-coop-v3`).
    pub task: String,
    /// The run's seed.
    pub seed: u64,
    /// When the folder was made, seconds since 1970 UTC.
    pub created: f64,
    /// The command line that made it.
    pub command: Vec<String>,
    /// Versions of what took part (`concord`, `libtorch`, `cuda`).
    pub versions: BTreeMap<String, String>,
    /// Commit of the repository around the working folder, if any.
    pub git_commit: Option<String>,
    /// Device the run asked for, then the one it got (`cpu`, `cuda:0`).
    pub device: String,
    /// Threads for tensor operations; 0 while unknown.
    pub threads: u64,
    /// Processor model, from `/proc/cpuinfo`.
    pub processor: Option<String>,
    /// Logical cores this process may use.
    pub cores: u64,
    /// Anything else worth keeping.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
}

impl Meta {
    /// Reads `meta.json`.
    ///
    /// # Errors
    /// Missing or malformed file.
    pub fn read(path: &Path) -> Result<Self, TrackingError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TrackingError::io("read", path, source))?;
        serde_json::from_str(&text).map_err(|error| TrackingError::Malformed {
            what: "run description",
            path: path.to_path_buf(),
            message: error.to_string(),
            hint: "restore the file or remove the run folder",
        })
    }

    /// Writes `meta.json` atomically.
    ///
    /// # Errors
    /// Unwritable folder or full disk.
    pub fn write(&self, path: &Path) -> Result<(), TrackingError> {
        let mut bytes =
            serde_json::to_vec_pretty(self).expect("a struct of plain fields serialises");
        bytes.push(b'\n');
        write_atomic(path, &bytes)
    }
}

/// Model name of the first processor.
pub(crate) fn processor_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    text.lines()
        .find_map(|line| {
            line.strip_prefix("model name")?
                .trim_start()
                .strip_prefix(':')
        })
        .map(|name| name.trim().to_owned())
}
