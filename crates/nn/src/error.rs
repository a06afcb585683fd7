//! What can go wrong in the LibTorch layer.

use std::path::PathBuf;

/// Errors of the LibTorch layer; every message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NnError {
    /// The asked device is not there.
    #[error(
        "device `{device}`: {reason} - use `--device cpu`, or `concord doctor` to see what is missing"
    )]
    Device {
        /// The device as the user wrote it.
        device: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// LibTorch reported an error.
    #[error("LibTorch: {0}")]
    Tensor(#[from] tch::TchError),
    /// A file could not be read or written.
    #[error("{}: {source} - check the path, the permissions and the free disk space", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file of arrays does not hold what it should.
    #[error("{}: {problem}", path.display())]
    Arrays {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
}
