//! What can go wrong in a fine-tuning.

use std::path::{Path, PathBuf};

use crate::AlignmentError;
use crate::oracles::OracleError;
use openai::ServerError;

/// Errors of fine-tuning, each a sentence with what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinetuneError {
    /// Settings that do not go with the model, the data or each other.
    #[error("{0}")]
    Settings(String),
    /// Rows that cannot be used.
    #[error(transparent)]
    Data(#[from] dataset::DatasetError),
    /// A model's folder, tokenizer or chat template.
    #[error(transparent)]
    Hub(#[from] hub::HubError),
    /// The model itself.
    #[error(transparent)]
    Model(#[from] lm::LmError),
    /// A loss.
    #[error(transparent)]
    Loss(#[from] AlignmentError),
    /// An oracle.
    #[error(transparent)]
    Oracle(OracleError),
    /// The run folder.
    #[error(transparent)]
    Tracking(#[from] tracking::TrackingError),
    /// Arrays of a checkpoint.
    #[error(transparent)]
    Arrays(#[from] nn::NnError),
    /// A file of the run that cannot be read or written.
    #[error("cannot {action} {}: {source} - check the folder and the disk", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of the run that does not hold what it should.
    #[error("{}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A server that does not answer as it should.
    #[error("{0}")]
    Server(String),
    /// A loss or a gradient that is not finite.
    #[error(
        "diverged at update {update}: {what} - the weights are as before this update; lower optimiser.learning_rate, or resume from the last checkpoint"
    )]
    Diverged {
        /// Updates taken before.
        update: u64,
        /// What was not finite.
        what: String,
    },
}

impl From<OracleError> for FinetuneError {
    /// A server's fault stays one, whoever asked it; its settings stay settings.
    fn from(error: OracleError) -> Self {
        match error {
            OracleError::Server(error) => error.into(),
            other => Self::Oracle(other),
        }
    }
}

impl From<ServerError> for FinetuneError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Settings { .. } => Self::Settings(error.to_string()),
            other => Self::Server(other.to_string()),
        }
    }
}

impl FinetuneError {
    /// A file that cannot be used for `action`.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    /// A file that holds something else than it should.
    pub fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_path_buf(),
            problem: problem.into(),
        }
    }
}
