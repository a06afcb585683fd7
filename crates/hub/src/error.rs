//! What can go wrong between a model's name and its text.

use std::io;
use std::path::{Path, PathBuf};

use crate::name::ModelName;

/// A failure with what to do about it: what failed: value - allowed - what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// Neither a name of the hub nor a folder.
    #[error(
        "no model name: `{name}` - allowed: OWNER/NAME of letters, digits, `-`, `_` and `.`, or a folder that exists"
    )]
    BadName {
        /// What was written.
        name: String,
    },
    /// A revision that is no branch, tag or commit.
    #[error("no revision: `{revision}` - allowed: a branch, tag or commit such as main")]
    BadRevision {
        /// What was written.
        revision: String,
    },
    /// A path that leads to no folder.
    #[error("no model folder: {} - allowed: a folder with config.json, or OWNER/NAME", path.display())]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// The server has no such model, or hides it.
    #[error("{endpoint} has no model {name}, or it is private - check the spelling{}", token_advice(*with_token, "read access to it"))]
    UnknownModel {
        /// The model.
        name: ModelName,
        /// The server.
        endpoint: String,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// The model exists, the revision does not.
    #[error(
        "{name} has no revision `{revision}` - allowed: one of its branches, tags or commits; main is the default"
    )]
    UnknownRevision {
        /// The model.
        name: ModelName,
        /// The revision.
        revision: String,
    },
    /// A file that was listed is gone.
    #[error("{name} lost its file {file} while it was fetched - fetch it again")]
    UnknownFile {
        /// The model.
        name: ModelName,
        /// The file.
        file: String,
    },
    /// Its terms have to be accepted first.
    #[error("{name} is gated - accept its terms at {endpoint}/{name}{}", token_advice(*with_token, "of the account that accepted them"))]
    Gated {
        /// The model.
        name: ModelName,
        /// The server.
        endpoint: String,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// The token does not open the model, or none was sent.
    #[error("{endpoint} refuses {name} (HTTP {status}){}", token_advice(*with_token, "that may read it"))]
    Unauthorised {
        /// The model.
        name: ModelName,
        /// The server.
        endpoint: String,
        /// 401 or 403.
        status: u16,
        /// Whether a token was sent.
        with_token: bool,
    },
    /// Too many requests.
    #[error("{endpoint} asks for fewer requests (HTTP 429) - try again {}; with a token in HF_TOKEN the limit is higher", after(*retry_secs))]
    RateLimited {
        /// The server.
        endpoint: String,
        /// Seconds to wait, where the server said so.
        retry_secs: Option<u64>,
    },
    /// The server failed.
    #[error(
        "{endpoint} failed: HTTP {status} for {what} - try again later; what is already here is kept"
    )]
    Server {
        /// The server.
        endpoint: String,
        /// The status.
        status: u16,
        /// What was asked for.
        what: String,
    },
    /// No answer could be read.
    #[error(
        "{endpoint} sent an answer that cannot be read: {why} - check that HF_ENDPOINT names a Hugging Face hub"
    )]
    BadAnswer {
        /// The server.
        endpoint: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection.
    #[error(
        "{endpoint} cannot be reached: {why} - check the network, a proxy in HTTPS_PROXY, and HF_ENDPOINT; models that are cached work without: HF_HUB_OFFLINE=1"
    )]
    Unreachable {
        /// The server.
        endpoint: String,
        /// The connection's own words.
        why: String,
    },
    /// Silence for too long.
    #[error(
        "{endpoint} sent nothing for {secs} s while fetching {what} - fetch again: it goes on where it stopped"
    )]
    Stalled {
        /// The server.
        endpoint: String,
        /// What was asked for.
        what: String,
        /// The longest allowed silence, seconds.
        secs: f64,
    },
    /// The connection broke again and again.
    #[error(
        "{what} was cut off {attempts} times: {why} - fetch again: it goes on at {have} of {size} bytes"
    )]
    Cut {
        /// The file.
        what: String,
        /// Attempts in a row without progress.
        attempts: u32,
        /// The connection's own words.
        why: String,
        /// Bytes here.
        have: u64,
        /// Bytes of the file.
        size: u64,
    },
    /// The bytes are not those that were promised.
    #[error(
        "{what} arrived damaged: {why}; it was removed - fetch again, and check a proxy or mirror that stands between"
    )]
    Damaged {
        /// The file.
        what: String,
        /// Sizes or hashes.
        why: String,
    },
    /// The user stopped it.
    #[error("stopped; what has arrived is kept and fetching again goes on from there")]
    Cancelled,
    /// Another process fetches the same file.
    #[error("{what} is being fetched by another process - wait for it, or remove {} if there is none", lock.display())]
    Busy {
        /// The file.
        what: String,
        /// The lock.
        lock: PathBuf,
    },
    /// The disk is too small.
    #[error("{name} needs {needed} bytes more, {} has {free} free - free some, or set HF_HUB_CACHE to another disk", cache.display())]
    DiskFull {
        /// The model.
        name: ModelName,
        /// Bytes to come.
        needed: u64,
        /// Bytes free.
        free: u64,
        /// The cache.
        cache: PathBuf,
    },
    /// Reading or writing failed.
    #[error("{what} {}: {source} - check the disk and its permissions", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Not in the cache, or not all of it.
    #[error("{name}@{revision} is not in the cache {}: {missing}{} - {}", cache.display(), no_folder(name), how_to_get(name, *offline))]
    NotCached {
        /// The model.
        name: ModelName,
        /// The revision.
        revision: String,
        /// What is missing.
        missing: String,
        /// Where it was sought.
        cache: PathBuf,
        /// Whether requests are switched off.
        offline: bool,
    },
    /// A form that is not read.
    #[error("{what} cannot be used: {why} - {advice}")]
    Unsupported {
        /// The model or folder.
        what: String,
        /// The form it has.
        why: String,
        /// What to do.
        advice: String,
    },
    /// A file that contradicts itself or another one.
    #[error("{} is damaged: {why} - fetch or save it again", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The contradiction.
        why: String,
    },
    /// A template that cannot be compiled, raises or does not end.
    #[error("the chat template {why}")]
    Template {
        /// What it did, and what to do.
        why: String,
    },
    /// Messages or pairs that do not fit.
    #[error("{what}: {why}")]
    Conversation {
        /// Where.
        what: String,
        /// What is wrong, what is allowed.
        why: String,
    },
    /// The tokenizer refused.
    #[error("the tokenizer failed: {why}")]
    Tokenizer {
        /// Its words.
        why: String,
    },
}

/// That a name is no folder either, which a relative path in another folder would be.
fn no_folder(name: &ModelName) -> String {
    if Path::new(name.as_str()).is_dir() {
        return String::new();
    }
    let here = std::env::current_dir().map(|here| here.display().to_string());
    format!(
        ", and there is no such folder in {}",
        here.unwrap_or_else(|_| "this folder".to_owned())
    )
}

/// The models of this repository are no models of the hub.
fn how_to_get(name: &ModelName, offline: bool) -> String {
    if let Some(folder) = name.as_str().strip_prefix("assets/") {
        return format!(
            "it is a folder of Concord's repository: start from there, or give its whole path, as in --set model.name=/PATH/assets/{folder}"
        );
    }
    let once = if offline {
        " once HF_HUB_OFFLINE is unset"
    } else {
        ""
    };
    format!("fetch it with `concord model fetch {name}`{once}, or name a folder by its path")
}

impl HubError {
    /// Whether the surroundings are at fault (network, disk, a model that is not here), not what was
    /// asked for.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        !matches!(
            self,
            HubError::BadName { .. }
                | HubError::BadRevision { .. }
                | HubError::NoFolder { .. }
                | HubError::Unsupported { .. }
                | HubError::Template { .. }
                | HubError::Conversation { .. }
                | HubError::Tokenizer { .. }
        )
    }

    /// Whether the server could not be talked to, so that the cache may stand in.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            HubError::Unreachable { .. }
                | HubError::Stalled { .. }
                | HubError::Server { .. }
                | HubError::RateLimited { .. }
        )
    }

    pub(crate) fn broken(path: &Path, why: impl Into<String>) -> Self {
        HubError::Broken {
            path: path.to_path_buf(),
            why: why.into(),
        }
    }
}

/// For `map_err` on file operations.
pub(crate) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HubError {
    let path = path.to_path_buf();
    move |source| HubError::Io { what, path, source }
}

fn token_advice(with_token: bool, whose: &str) -> String {
    if with_token {
        format!("; the token in use needs to be one {whose}")
    } else {
        format!("; set HF_TOKEN to a token {whose}")
    }
}

fn after(secs: Option<u64>) -> String {
    secs.map_or_else(
        || "in a few minutes".to_owned(),
        |secs| format!("in {secs} s"),
    )
}
