//! What the launcher asks of the program around the dashboard.

use std::path::PathBuf;

use configs::Problem;
use configs::env::Environment;

use crate::plan::JobPlan;
use crate::screens::models::requests::Preview;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// What a form can start from; answered by [`Answer::Starts`].
    Starts,
    /// The text of a file; answered by [`Answer::Text`].
    Text(PathBuf),
    /// The plan of a configuration; answered by [`Answer::Plan`].
    Plan {
        /// Comes back with the answer, since answers may be late.
        number: u64,
        /// The whole configuration.
        config_toml: String,
    },
    /// What is in a folder; answered by [`Answer::Folder`].
    Folder(PathBuf),
    /// A glance into a file or a model's folder; answered by [`Answer::Preview`].
    Preview(PathBuf),
    /// The first rows of a file of data; answered by [`Answer::Data`].
    Data(Box<DataAsk>),
    /// Write a configuration to a file; answered by [`Answer::Saved`].
    Save {
        /// The file.
        path: PathBuf,
        /// What is written.
        text: String,
        /// Whether an existing file is replaced.
        replace: bool,
    },
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// What a form can start from.
    Starts(Box<Starts>),
    /// The text of a file, or why it cannot be read.
    Text(PathBuf, Result<String, String>),
    /// The plan, or what stands against it.
    Plan(u64, Result<Box<JobPlan>, Vec<Problem>>),
    /// What is in a folder, or why it cannot be read.
    Folder(PathBuf, Result<Folder, String>),
    /// Lines that tell what a file or a folder is.
    Preview(PathBuf, Vec<String>),
    /// The first rows of a file of data, or why it cannot be used.
    Data(PathBuf, Box<Result<DataPreview, String>>),
    /// The file was written, or not.
    Saved(PathBuf, Result<(), NotSaved>),
}

/// Which data is to be shown, and how a form would have it read. Words are those of the settings;
/// empty where a setting is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataAsk {
    /// The file, or [`configs::finetune::ARITHMETIC`].
    pub path: PathBuf,
    /// Whether it is held out: prompts and no answers are read.
    pub held_out: bool,
    /// `data.form`.
    pub form: String,
    /// The model or folder whose tokenizer and template are used.
    pub model: String,
    /// Its revision.
    pub revision: String,
    /// `data.system`.
    pub system: String,
    /// `data.thinking`.
    pub thinking: String,
    /// `data.max_tokens`.
    pub max_tokens: String,
    /// `algorithm.kind`.
    pub algorithm: String,
    /// `iterations.count`.
    pub iterations: String,
}

/// What a file of data holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataPreview {
    /// Form, counts, the tokenizer: a sentence each.
    pub facts: Vec<String>,
    /// What should be looked at, a sentence each.
    pub problems: Vec<String>,
    /// The first rows as the model reads them: what each is, and its text.
    pub rows: Vec<(String, Preview)>,
}

/// Why a file was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSaved {
    /// It exists, and was not to be replaced.
    Exists,
    /// In words, with what to do.
    Failed(String),
}

/// What a form can start from, beside the presets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Starts {
    /// Configurations in the working folder.
    pub files: Vec<FileStart>,
    /// Runs, newest first: the id and the file of its configuration.
    pub runs: Vec<(String, PathBuf)>,
    /// The variables of the process.
    pub variables: Environment,
    /// Ids of the environments that can be trained in.
    pub environments: Vec<String>,
    /// Devices of this machine, such as `cuda:0`.
    pub devices: Vec<String>,
}

/// A configuration in the working folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileStart {
    /// The file.
    pub path: PathBuf,
    /// Its comment, or what is wrong with it.
    pub about: String,
}

/// What is in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    /// Its full path.
    pub path: PathBuf,
    /// What is in it: folders first, each by name.
    pub entries: Vec<Entry>,
}

/// Something in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Its size in bytes.
    pub size: u64,
}
