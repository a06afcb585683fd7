//! A resolved configuration: complete, checked, of one job.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use toml::{Table, Value};

use crate::field::Field;
use crate::finetune::FinetuneConfig;
use crate::load::{LoadRequest, load_text};
use crate::problem::Problem;
use crate::search::SearchConfig;
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
    /// Language models from demonstrations and preferences.
    Finetune,
    /// Budget-aware tree search over questions.
    Search,
}

impl Job {
    /// Every job.
    pub const ALL: &'static [Job] = &[Job::Train, Job::Finetune, Job::Search];

    /// The word in `job = "..."`, also the command that runs it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Finetune => "finetune",
            Self::Search => "search",
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
            Self::Finetune => FinetuneConfig::fields(),
            Self::Search => SearchConfig::fields(),
        }
    }

    /// The job with every setting at its default.
    #[must_use]
    pub fn default_config(self) -> RunConfig {
        match self {
            Self::Train => RunConfig::Train(TrainConfig::default()),
            Self::Finetune => RunConfig::Finetune(FinetuneConfig::default()),
            Self::Search => RunConfig::Search(SearchConfig::default()),
        }
    }

    /// Builds the config from a table without `version` and `job`.
    pub(crate) fn deserialise(self, table: Table) -> Result<RunConfig, toml::de::Error> {
        match self {
            Self::Train => Value::Table(table).try_into().map(RunConfig::Train),
            Self::Finetune => Value::Table(table).try_into().map(RunConfig::Finetune),
            Self::Search => Value::Table(table).try_into().map(RunConfig::Search),
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
    /// `job = "finetune"`.
    Finetune(FinetuneConfig),
    /// `job = "search"`.
    Search(SearchConfig),
}

impl RunConfig {
    /// Which job it is.
    #[must_use]
    pub fn job(&self) -> Job {
        match self {
            Self::Train(_) => Job::Train,
            Self::Finetune(_) => Job::Finetune,
            Self::Search(_) => Job::Search,
        }
    }

    /// The seed every random stream of the run derives from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        match self {
            Self::Train(config) => config.seed,
            Self::Finetune(config) => config.seed,
            Self::Search(config) => config.seed,
        }
    }

    /// The same configuration with another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        match &mut self {
            Self::Train(config) => config.seed = seed,
            Self::Finetune(config) => config.seed = seed,
            Self::Search(config) => config.seed = seed,
        }
        self
    }

    /// The whole configuration as TOML, in the order of the structs; reading it
    /// back gives the same value. Absent optional settings are left out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let settings = match self {
            Self::Train(config) => toml::to_string(config),
            Self::Finetune(config) => toml::to_string(config),
            Self::Search(config) => toml::to_string(config),
        }
        .expect("the structs hold only what TOML can say");
        let mut document: toml_edit::DocumentMut =
            settings.parse().expect("a serialised table parses");
        for path in self.superfluous() {
            remove(document.as_table_mut(), &path);
        }
        format!("version = {VERSION}\njob = \"{}\"\n{document}", self.job())
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
        let mut table = self.whole_table();
        for path in self.superfluous() {
            remove_value(&mut table, &path);
        }
        table
    }

    /// The settings by dotted path, in alphabetical order.
    #[must_use]
    pub fn values(&self) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        flatten("", self.to_table(), &mut values);
        values
    }

    /// Everything the structs hold, whether it exists for the chosen kinds or not.
    fn whole_table(&self) -> Table {
        match self {
            Self::Train(config) => Table::try_from(config),
            Self::Finetune(config) => Table::try_from(config),
            Self::Search(config) => Table::try_from(config),
        }
        .expect("the structs hold only what TOML can say")
    }

    /// Paths that the structs hold but that do not exist for the chosen kinds.
    fn superfluous(&self) -> Vec<String> {
        let mut values = BTreeMap::new();
        flatten("", self.whole_table(), &mut values);
        let mut missing = Vec::new();
        for field in self.job().fields() {
            // A tag comes before the fields that it decides on.
            let exists = field.exists(|path| values.get(path).and_then(Value::as_str));
            if !exists && values.remove(field.path).is_some() {
                missing.push(field.path.to_owned());
            }
        }
        missing
    }
}

/// Removes the setting at a dotted path, and the sections that it leaves empty.
fn remove(table: &mut dyn toml_edit::TableLike, path: &str) {
    match path.split_once('.') {
        None => {
            table.remove(path);
        }
        Some((section, rest)) => {
            let Some(inner) = table
                .get_mut(section)
                .and_then(toml_edit::Item::as_table_like_mut)
            else {
                return;
            };
            remove(inner, rest);
            if inner.is_empty() {
                table.remove(section);
            }
        }
    }
}

/// As [`remove`].
fn remove_value(table: &mut Table, path: &str) {
    match path.split_once('.') {
        None => {
            table.remove(path);
        }
        Some((section, rest)) => {
            let Some(Value::Table(inner)) = table.get_mut(section) else {
                return;
            };
            remove_value(inner, rest);
            if inner.is_empty() {
                table.remove(section);
            }
        }
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
