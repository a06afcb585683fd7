//! This program, for a process of its own.

use std::path::Path;
use std::process::Command;

/// The command to be given its words, for runs in the folder `root` with this worker, where one is named.
///
/// # Errors
/// The system does not tell where the program is.
pub(crate) fn command(root: &Path, worker: Option<&Path>) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--run-dir").arg(root);
    if let Some(worker) = worker {
        command.arg("--worker").arg(worker);
    }
    Ok(command)
}
