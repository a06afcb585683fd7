//! The hub as the rest of the workspace sees it.

use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::error::HubError;
use crate::integrity::Expected;
use crate::name::ModelName;

/// A file of a model on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Path inside the model, with slashes.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// What identifies its content; the name of its blob in the cache.
    pub etag: String,
}

impl RemoteFile {
    /// What the content has to be.
    pub(crate) fn expected(&self) -> Expected {
        Expected::of_etag(&self.etag, self.bytes)
    }
}

/// What the server holds for one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The commit that the revision stands for.
    pub commit: String,
    /// The files that are needed, in the order in which they are fetched: weights behind the small
    /// ones, `config.json` last, so that its presence says that the rest is there.
    pub files: Vec<RemoteFile>,
}

/// A step of a download.
#[derive(Debug, Clone, PartialEq)]
pub enum DownloadEvent {
    /// The whole plan.
    Planned {
        /// Files of the model that are needed.
        files: usize,
        /// Their bytes.
        bytes: u64,
        /// Bytes of them that are already here.
        present: u64,
    },
    /// A file begins, or begins again.
    Started {
        /// The file.
        file: String,
        /// Its size in bytes.
        bytes: u64,
        /// Where it goes on, in bytes.
        from: u64,
    },
    /// More of a file has arrived.
    Advanced {
        /// The file.
        file: String,
        /// Bytes of it that are here.
        done: u64,
        /// Its size in bytes.
        bytes: u64,
    },
    /// An attempt failed and another follows.
    Retrying {
        /// The file.
        file: String,
        /// Why.
        reason: String,
        /// Seconds until then.
        pause_secs: f64,
    },
    /// A file is complete and its content proved.
    Finished {
        /// The file.
        file: String,
        /// Its size in bytes.
        bytes: u64,
        /// It was here already.
        cached: bool,
    },
}

/// Told of every step; `Break` stops the download.
pub type Watch<'a> = &'a mut dyn FnMut(&DownloadEvent) -> ControlFlow<()>;

/// A model in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The folder with its files.
    pub folder: PathBuf,
    /// The commit.
    pub commit: String,
    /// Bytes that came over the network.
    pub transferred: u64,
    /// Why the cache stands in for the server, where it does.
    pub stale: Option<String>,
}

/// A place from which models come.
pub trait Hub {
    /// The needed files of a revision.
    ///
    /// # Errors
    ///
    /// The server's refusal, or a model in a form that is not read.
    fn list(&self, name: &ModelName, revision: &str) -> Result<Listing, HubError>;

    /// Brings a model into the cache, all of it, each file proved.
    ///
    /// # Errors
    ///
    /// As [`Hub::list`], and whatever stopped the transfer.
    fn fetch(
        &self,
        name: &ModelName,
        revision: &str,
        watch: Watch<'_>,
    ) -> Result<Fetched, HubError>;

    /// The folder of a model that is completely cached; sends no request.
    ///
    /// # Errors
    ///
    /// [`HubError::NotCached`] with what is missing.
    fn locate(&self, name: &ModelName, revision: &str) -> Result<PathBuf, HubError>;
}
