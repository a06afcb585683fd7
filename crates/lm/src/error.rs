//! What can go wrong with a language model.

use std::path::PathBuf;

/// Errors of the language-model layer; every message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LmError {
    /// A `config.json` that does not describe a model we run.
    #[error("{}: {problem}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Weights that are damaged, missing or of another model.
    #[error("{}: {problem}", path.display())]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source} - check the path, the permissions and the free disk space", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Ids or settings that the model cannot take.
    #[error("{0}")]
    Input(String),
    /// The LibTorch layer.
    #[error(transparent)]
    Network(#[from] nn::NnError),
    /// LibTorch reported an error.
    #[error("LibTorch: {0}")]
    Tensor(#[from] tch::TchError),
}
