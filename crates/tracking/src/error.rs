//! The crate's one error type.

use std::path::{Path, PathBuf};

/// What can go wrong with a run folder and what is in it.
///
/// Messages have the form: what failed: value - allowed - what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrackingError {
    /// An operating system call failed on a path.
    #[error("cannot {action}: {} - {source}{}", path.display(), remedy(source))]
    Io {
        /// What was tried, as an infinitive (`write`, `create the run folder`).
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A path is not a run folder.
    #[error("not a run folder: {} - a run folder holds config.toml and meta.json - list them with `concord runs`", path.display())]
    NotARunFolder {
        /// The path given.
        path: PathBuf,
    },
    /// No run has this name.
    #[error(
        "no such run: {name} - {} - list them with `concord runs`",
        nearest_text(nearest, root)
    )]
    UnknownRun {
        /// The id, prefix or path given.
        name: String,
        /// Where it was searched.
        root: PathBuf,
        /// The most similar ids, best first.
        nearest: Vec<String>,
    },
    /// A prefix fits several runs.
    #[error("ambiguous run: {name} - it fits {} - write more of the id", matches.join(", "))]
    AmbiguousRun {
        /// The prefix given.
        name: String,
        /// All ids that it fits.
        matches: Vec<String>,
    },
    /// Another process holds the folder's lock.
    #[error("run folder in use by pid {}: {} - one process may write a run - stop it with `concord stop`, or start another run", pid_text(*pid), path.display())]
    InUse {
        /// The run folder.
        path: PathBuf,
        /// The holder, when it wrote its number.
        pid: Option<u32>,
    },
    /// A file of the run folder does not parse.
    #[error("cannot read {what}: {} - {message} - {hint}", path.display())]
    Malformed {
        /// Which kind of file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the parser said.
        message: String,
        /// What to do.
        hint: &'static str,
    },
    /// Nobody answers on the control socket.
    #[error("cannot reach the run: {} - {message} - the run may have ended; see `concord show`", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// The run answered that it will not do this.
    #[error("the run refused the command: {message}")]
    Refused {
        /// Its reason.
        message: String,
    },
    /// Data that an export or a statistic cannot use.
    #[error("{what}: {value} - {allowed} - {hint}")]
    Unusable {
        /// What failed.
        what: &'static str,
        /// The value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
        /// What to do.
        hint: &'static str,
    },
}

impl TrackingError {
    pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }
}

fn remedy(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            " - free disk space, or choose another disk with --run-dir"
        }
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            " - choose a writable folder with --run-dir"
        }
        _ => "",
    }
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map_or_else(|| "(unknown)".to_owned(), |pid| pid.to_string())
}

fn nearest_text(nearest: &[String], root: &Path) -> String {
    if nearest.is_empty() {
        format!("{} holds no runs", root.display())
    } else {
        format!("did you mean {}", nearest.join(", "))
    }
}
