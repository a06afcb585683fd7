//! The worker process: found, started apart from this terminal, asked to stop.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::CommandExt;
use tracking::{ControlClient, ControlCommand, Liveness, RunFolder, RunState, unix_seconds};

use crate::arguments::Global;
use crate::failure::Failure;

/// The worker's file name.
const NAME: &str = "concord-worker";
/// The variable that names the worker's executable.
pub(crate) const VARIABLE: &str = "CONCORD_WORKER";
/// How long a worker may take to answer on its socket.
const ANSWER: Duration = Duration::from_secs(2);

/// The worker's executable: the flag, `CONCORD_WORKER`, or the one beside this program.
///
/// # Errors
/// There is none; the message says how to get it.
pub(crate) fn locate(global: &Global) -> Result<PathBuf, Failure> {
    let named = global
        .worker
        .clone()
        .or_else(|| configs::env::path(VARIABLE));
    let path = match named {
        Some(path) => path,
        None => std::env::current_exe()
            .map_err(|error| Failure::environment(format!("cannot find this program's folder: {error} - name the worker with CONCORD_WORKER")))?
            .with_file_name(NAME),
    };
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::environment(format!(
        "cannot find {NAME}: {} - it runs the jobs - build it with `cargo build`, or name it with CONCORD_WORKER",
        path.display()
    )))
}

/// Starts the worker of a run in a process group of its own, so that neither ctrl-c
/// nor the end of this terminal reaches it. Its output goes to the run's console log.
///
/// # Errors
/// The log cannot be written or the program cannot be started.
pub(crate) fn spawn(worker: &Path, run: &RunFolder, resume: bool) -> Result<Child, Failure> {
    let log = run.console_log();
    let failed = |error: std::io::Error| {
        Failure::environment(format!(
            "cannot write {}: {error} - free disk space, or choose another folder with --run-dir",
            log.display()
        ))
    };
    let out = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .map_err(failed)?;
    let errors = out.try_clone().map_err(failed)?;
    let mut command = Command::new(worker);
    command.arg("run").arg("--run-dir").arg(run.path());
    if resume {
        command.arg("--resume");
    }
    command
        .args(["--ui", "none"])
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(|error| {
            Failure::environment(format!("cannot start {}: {error} - build it with `cargo build`, or name it with CONCORD_WORKER", worker.display()))
        })
}

/// How a worker was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Over its control socket.
    Socket,
    /// With SIGTERM, since the socket did not answer.
    Signal,
}

/// Asks a run's worker to finish its step, write a checkpoint and leave.
///
/// # Errors
/// Neither the socket nor the process can be reached.
pub(crate) fn ask_to_stop(run: &RunFolder) -> Result<Asked, Failure> {
    match ControlClient::send(run, ControlCommand::Stop, ANSWER) {
        Ok(_) => Ok(Asked::Socket),
        Err(error) => match pid(run) {
            Some(pid) => signal(pid, Signal::TERM).map(|()| Asked::Signal),
            None => Err(error.into()),
        },
    }
}

/// Sends SIGTERM: the second one makes a worker leave without a checkpoint.
pub(crate) fn terminate(run: &RunFolder) -> Result<(), Failure> {
    pid(run).map_or(Ok(()), |pid| signal(pid, Signal::TERM))
}

/// Sends SIGKILL.
pub(crate) fn kill(run: &RunFolder) -> Result<(), Failure> {
    pid(run).map_or(Ok(()), |pid| signal(pid, Signal::KILL))
}

/// The process of a run that is still there, known by its number and start time.
fn pid(run: &RunFolder) -> Option<u32> {
    let status = run.status().ok()?;
    match status.liveness(unix_seconds()) {
        Liveness::Alive | Liveness::Stalled { .. } => status.process.map(|process| process.pid),
        Liveness::Dead | Liveness::Unknown => None,
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) -> Result<(), Failure> {
    let known = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let Some(target) = known else { return Ok(()) };
    match kill_process(target, signal) {
        // It left on its own in between.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(Failure::environment(format!(
            "cannot signal process {pid}: {error} - stop it as the user who started it"
        ))),
    }
}

/// The state of a run as seen from outside.
pub(crate) fn state(run: &RunFolder) -> RunState {
    run.status()
        .unwrap_or_default()
        .observed_state(unix_seconds())
}

/// The last lines of a run's console.
pub(crate) fn console_tail(run: &RunFolder, lines: usize) -> Vec<String> {
    let text = std::fs::read(run.console_log()).unwrap_or_default();
    let start = text.len().saturating_sub(256 * 1024);
    let text = String::from_utf8_lossy(&text[start..]);
    let all: Vec<&str> = text.lines().collect();
    let first = all.len().saturating_sub(lines);
    all[first..]
        .iter()
        .map(|line| tui::figures::printable(line))
        .collect()
}
