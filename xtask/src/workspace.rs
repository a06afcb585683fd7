//! Where the workspace is, and how its tools are started.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result};

/// The workspace's root folder.
pub fn root() -> PathBuf {
    // cargo names the folder at run time, which still holds after the checkout was moved.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.ends_with("xtask"))
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    package
        .parent()
        .map(Path::to_path_buf)
        .expect("the package `xtask` lies in the workspace's root")
}

/// cargo in the workspace's root, with the environment that the user's shell would give it.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // `cargo run` describes the package `xtask` to us in these; the inner cargo must not see them.
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// The folder that cargo builds into.
pub fn target_folder() -> PathBuf {
    let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    root().join(folder)
}

/// The path of an executable that the development profile built.
pub fn built(name: &str) -> PathBuf {
    target_folder().join("debug").join(name)
}

/// Whether `program argument..` starts and succeeds; its output is not shown.
pub fn answers(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether the cargo plug-in `cargo NAME` is installed.
pub fn has_plugin(name: &str) -> bool {
    answers("cargo", &[name, "--version"])
}

/// Builds `concord` and `concord-worker`, with cargo's own progress display.
pub fn build_binaries() -> Result<()> {
    let status = cargo()
        .args(["build", "--bin", "concord", "--bin", "concord-worker"])
        .status()
        .context("starting cargo build")?;
    anyhow::ensure!(
        status.success(),
        "concord was not built: see cargo's messages above"
    );
    Ok(())
}

/// A child's exit status as our own, a death by signal as the shell counts it.
pub fn exit_code(status: ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt;
    let number = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    ExitCode::from(u8::try_from(number).unwrap_or(1))
}
