//! Where each value of a resolved configuration came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The layer that decided a value; in order of precedence, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "layer", rename_all = "snake_case")]
pub enum Origin {
    /// The `Default` of the struct.
    Default,
    /// A built-in preset.
    Preset {
        /// Name of the preset.
        name: String,
        /// Line in the preset, from 1.
        line: usize,
        /// Column in the preset, in characters from 1.
        column: usize,
    },
    /// A file of the user.
    File {
        /// The path as it was given.
        path: PathBuf,
        /// Line in the file, from 1.
        line: usize,
        /// Column in the file, in characters from 1.
        column: usize,
    },
    /// A `CONCORD_*` variable.
    Environment {
        /// Name of the variable.
        variable: String,
    },
    /// A part of an experiment's file.
    Experiment {
        /// The path as it was given.
        path: PathBuf,
        /// Line in the file, from 1.
        line: usize,
        /// Column in the file, in characters from 1.
        column: usize,
        /// Which part, and so for which runs.
        part: ExperimentPart,
    },
    /// A `--set path=value` argument.
    Set {
        /// The argument as it was given.
        argument: String,
    },
}

/// The parts of an experiment's file that hold settings; the later wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExperimentPart {
    /// For every run.
    Every,
    /// For the runs of one task.
    Task,
    /// For the runs of one method.
    Method,
    /// For the runs of one point of the sweep.
    Sweep,
}

impl Origin {
    /// True for settings that several methods share: one that does not exist for some of
    /// them is left out there.
    #[must_use]
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Experiment { part, .. } if *part != ExperimentPart::Method)
    }

    /// Position in the order of precedence; a higher layer wins.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::Preset { .. } => 1,
            Self::File { .. } => 2,
            Self::Environment { .. } => 3,
            Self::Experiment { part, .. } => 4 + *part as u8,
            Self::Set { .. } => 8,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::Preset { name, line, column } => {
                write!(formatter, "preset {name}, line {line}, column {column}")
            }
            Self::File { path, line, column }
            | Self::Experiment {
                path, line, column, ..
            } => {
                write!(formatter, "{}:{line}:{column}", path.display())
            }
            Self::Environment { variable } => write!(formatter, "environment {variable}"),
            Self::Set { argument } => write!(formatter, "--set {argument:.200}"),
        }
    }
}

/// The origin of every value, by dotted path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origins(pub BTreeMap<String, Origin>);

impl Origins {
    /// The origin of a setting; a path that no layer named is a default.
    #[must_use]
    pub fn get(&self, path: &str) -> &Origin {
        self.0.get(path).unwrap_or(&Origin::Default)
    }

    /// The contents of `origin.json`: one object per setting, such as
    /// `"seed": {"layer": "set", "argument": "seed=3"}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("origins hold only strings and numbers")
    }

    /// Reads `origin.json` back.
    ///
    /// # Errors
    /// The parser's message when the text is not such a file.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}
