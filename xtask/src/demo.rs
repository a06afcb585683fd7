//! `cargo xtask demo`: the first thing a newcomer runs.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Error, Result};

use crate::{setup, workspace};

/// Builds Concord and becomes `concord train demo`, so that its keys, signals and exit code are
/// the demo's own. Arguments are passed on.
pub fn command(arguments: &[String]) -> Result<ExitCode> {
    setup::ensure()?;
    workspace::build_binaries()?;
    let program = workspace::built("concord");
    let mut demo = Command::new(&program);
    demo.current_dir(workspace::root()).args(["train", "demo"]);
    if !arguments
        .iter()
        .any(|argument| argument.starts_with("--ui"))
    {
        demo.args(["--ui", "auto"]);
    }
    let error = demo.args(arguments).exec();
    Err(Error::new(error).context(format!("starting {}", program.display())))
}
