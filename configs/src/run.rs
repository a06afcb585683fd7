//! A resolved configuration: complete, checked, of one job.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use toml::{Table, Value};

use crate::field::Field;
use crate::load::{LoadRequest, load_text};
use crate::problem::Problem;
use crate::train::TrainConfig;

/// Version of the format; files name it as `version = 1`.
pub const VERSION: i64 = 1;

/// The kinds of job. Adding one means: a struct with its own field table, a
/// variant here and in [`RunConfig`], and an arm wherever the compiler asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Multi-agent reinforcement learning.
    Train,
}

impl Job {
    /// Every job.
    pub const ALL: &'static [Job] = &[Job::Train];

    /// The word in `job = "..."`, also the command that runs it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
        }
    }

    /// The job of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|job| job.name() == name)
    }

    /// The job's field table, in the order of its structs.
    #[must_use]
    pub fn fields(self) -> Vec<&'static Field> {
        match self {
            Self::Train => TrainConfig::fields(),
        }
    }

    /// The job with every setting at its default.
    #[must_use]
    pub fn default_config(self) -> RunConfig {
        match self {
            Self::Train => RunConfig::Train(TrainConfig::default()),
        }
    }

    /// Builds the config from a table without `version` and `job`.
    pub(crate) fn deserialise(self, table: Table) -> Result<RunConfig, toml::de::Error> {
        match self {
            Self::Train => Value::Table(table).try_into().map(RunConfig::Train),
        }
    }
}

impl fmt::Display for Job {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Everything one run needs to know.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RunConfig {
    /// `job = "train"`.
    Train(TrainConfig),
}

impl RunConfig {
    /// Which job it is.
    #[must_use]
    pub fn job(&self) -> Job {
        match self {
            Self::Train(_) => Job::Train,
        }
    }

    /// The seed every random stream of the run derives from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        match self {
            Self::Train(config) => config.seed,
        }
    }

    /// The whole configuration as TOML, in the order of the structs; reading it
    /// back gives the same value. Absent optional settings are left out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let settings = match self {
            Self::Train(config) => toml::to_string(config),
        }
        .expect("the structs hold only what TOML can say");
        format!("version = {VERSION}\njob = \"{}\"\n{settings}", self.job())
    }

    /// Reads a configuration back, such as the `config.toml` of a run folder.
    /// `name` is the file's name for messages.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        load_text(name, text, &LoadRequest::default()).map(|loaded| loaded.config)
    }

    /// The settings as a nested table, without `version` and `job`.
    #[must_use]
    pub fn to_table(&self) -> Table {
        match self {
            Self::Train(config) => Table::try_from(config),
        }
        .expect("the structs hold only what TOML can say")
    }

    /// The settings by dotted path, in alphabetical order.
    #[must_use]
    pub fn values(&self) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        flatten("", self.to_table(), &mut values);
        values
    }
}

fn flatten(prefix: &str, table: Table, values: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            Value::Table(inner) => flatten(&path, inner, values),
            other => {
                values.insert(path, other);
            }
        }
    }
}
