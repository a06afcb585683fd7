//! What the launcher asks of the program around the dashboard.

use std::path::PathBuf;

use configs::Problem;
use configs::env::Environment;

use crate::plan::JobPlan;

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
    /// The file was written, or not.
    Saved(PathBuf, Result<(), NotSaved>),
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
