//! What the screen of models asks of the program around the dashboard.

use std::path::PathBuf;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Every model of the cache and of the added folders; answered by [`Answer::List`].
    List,
    /// All that is known of a folder; answered by [`Answer::Inspected`].
    Inspect(PathBuf),
    /// Fetch a model; answered by [`Answer::Step`] on the way and [`Answer::Ended`].
    Fetch {
        /// Comes back with the answers.
        id: u64,
        /// `OWNER/NAME` or `OWNER/NAME@REVISION`.
        name: String,
    },
    /// Stop a download; what has arrived is kept.
    Cancel(u64),
    /// Remove a snapshot from the cache; answered by [`Answer::Removed`].
    Remove {
        /// The model.
        name: String,
        /// The snapshot's commit.
        commit: String,
    },
    /// List a folder from now on; answered by [`Answer::List`].
    Add(PathBuf),
    /// List a folder no longer; nothing in it is touched. Answered by [`Answer::List`].
    Forget(PathBuf),
}

impl Request {
    /// Whether it takes longer than a moment.
    #[must_use]
    pub fn is_long(&self) -> bool {
        !matches!(self, Request::Cancel(_))
    }
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Every model, or why they cannot be listed.
    List(Result<List, String>),
    /// All that is known of a folder, or why it cannot be read.
    Inspected(PathBuf, Result<Box<Inspected>, String>),
    /// A step of a download.
    Step(u64, Step),
    /// A download ended: what there is to say, or why it failed.
    Ended(u64, Result<String, Failed>),
    /// A snapshot is gone, in words, or why not.
    Removed(Result<String, String>),
}

/// Why a download did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The user stopped it.
    Stopped,
    /// Something else, with what to do.
    Refused(String),
}

/// Models that are here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List {
    /// The folder of the cache.
    pub cache: String,
    /// Whether downloads are switched off.
    pub offline: bool,
    /// The models, by name.
    pub models: Vec<Listed>,
}

/// A model in the list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// `OWNER/NAME`, or the folder.
    pub name: String,
    /// The snapshot's commit; empty for a folder outside the cache.
    pub commit: String,
    /// Revisions that lead to it, such as main.
    pub revisions: Vec<String>,
    /// Where its files lie.
    pub folder: PathBuf,
    /// What it is for: language, reward, adapter, other.
    pub kind: String,
    /// Its family, or the model that an adapter changes.
    pub family: Option<String>,
    /// Its parameters, where they could be counted.
    pub parameters: Option<u64>,
    /// Bytes of its files.
    pub bytes: u64,
    /// Whether it has a chat template.
    pub template: bool,
    /// Last change, in Unix seconds; zero where it is not known.
    pub modified: f64,
    /// What keeps it from being used.
    pub problem: Option<String>,
}

impl Listed {
    /// Whether it lies outside the cache.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.commit.is_empty()
    }
}

/// All that is known of a model's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspected {
    /// What `concord model inspect` says: names and values.
    pub facts: Vec<(String, String)>,
    /// Its files with their bytes.
    pub files: Vec<(String, u64)>,
    /// Everything that is wrong, a sentence each.
    pub problems: Vec<String>,
    /// A sample conversation in its template, or why there is none.
    pub preview: Result<Preview, String>,
}

/// A conversation as the model reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preview {
    /// Pieces of the text; true for what the model learns to write.
    pub pieces: Vec<(String, bool)>,
    /// Tokens of the text, and of the learnt part.
    pub tokens: (usize, usize),
    /// What could not be done exactly, a sentence each.
    pub notes: Vec<String>,
}

/// A step of a download.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The whole plan.
    Planned {
        /// Files that are needed.
        files: usize,
        /// Their bytes.
        bytes: u64,
        /// Bytes of them that are here already.
        present: u64,
    },
    /// A file begins, or begins again, at a byte.
    Started {
        /// The file.
        file: String,
        /// Its bytes.
        bytes: u64,
        /// Where it goes on.
        from: u64,
    },
    /// So many bytes of a file are here.
    Advanced {
        /// The file.
        file: String,
        /// Bytes that are here.
        done: u64,
        /// Its bytes.
        bytes: u64,
    },
    /// An attempt failed and another follows.
    Retrying {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// It was asked to stop.
    Stopping,
    /// A file is complete.
    Finished {
        /// The file.
        file: String,
        /// Its bytes.
        bytes: u64,
    },
}
