//! The worker process: found, started apart from this terminal, asked to stop.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use std::os::unix::process::CommandExt;
use tracking::{
    ControlClient, ControlCommand, Liveness, ProcessIdentity, RunFolder, RunState, Status,
    TrackingError, queue, unix_seconds,
};

use crate::arguments::Global;
use crate::failure::Failure;

/// The worker's file name.
const NAME: &str = "concord-worker";
/// The variable that names the worker's executable.
pub(crate) const VARIABLE: &str = "CONCORD_WORKER";
/// How long another program may hold a run's lock for a few words.
const MOMENT: Duration = Duration::from_secs(1);
/// Turns for which a waiting thread of LibTorch spins before it sleeps.
const SPINS: &str = "1000";
/// How long a worker may take to answer on its socket.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a worker may take to load LibTorch and listen.
const STARTING: Duration = Duration::from_secs(20);
/// How long a killed process may take to be gone.
const DYING: Duration = Duration::from_secs(5);

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

/// The worker program as a command.
///
/// The threads of LibTorch (OpenMP) wait for work by spinning, for milliseconds unless told otherwise, and hold the cores
/// that hand-made kernels and other programs would use: with two threads on two cores an iteration of fine-tuning took
/// 1.4 s, and takes 1.1 s. What the user has set stays.
pub(crate) fn command(worker: &Path) -> Command {
    let mut command = Command::new(worker);
    let is_set = |name| std::env::var_os(name).is_some();
    if !is_set("GOMP_SPINCOUNT") && !is_set("OMP_WAIT_POLICY") {
        command.env("GOMP_SPINCOUNT", SPINS);
    }
    command
}

/// Starts the worker of a run in a session of its own, so that neither ctrl-c nor the end
/// of this terminal reaches it. Its output goes to the run's console log. The run is
/// `starting` from here on, and out of the queue.
///
/// # Errors
/// Another process writes the run, the log cannot be written or the program cannot be
/// started.
pub(crate) fn spawn(worker: &Path, run: &RunFolder, resume: bool) -> Result<Child, Failure> {
    // Held until the status names the worker: two dashboards cannot both start it, and
    // the worker's own first words come after these.
    // The scheduler holds it for a moment when it writes why a run waits.
    let _lock = run.lock_within(MOMENT)?;
    let before = run.status()?;
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
    let mut command = command(worker);
    command.arg("run").arg("--run-dir").arg(run.path());
    if resume {
        command.arg("--resume");
    }
    command
        .args(["--ui", "none"])
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(errors);
    let child = in_own_session(&mut command).spawn().map_err(|error| {
        Failure::environment(format!("cannot start {}: {error} - build it with `cargo build`, or name it with CONCORD_WORKER", worker.display()))
    })?;
    let now = unix_seconds();
    let starting = Status {
        state: RunState::Starting,
        process: ProcessIdentity::of(child.id()),
        heartbeat: now,
        started: now,
        exit_code: None,
        message: String::new(),
        ..before
    };
    // On a full disk the worker finds its own words; a stale ticket is seen to be stale.
    let _ = starting.write(&run.status_file());
    let _ = queue::leave_line(run);
    Ok(child)
}

/// Gives a program to be started a session of its own: no terminal, and no signals meant
/// for this one's group.
#[expect(unsafe_code, reason = "std cannot start a session yet")]
pub(crate) fn in_own_session(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec the closure makes one system call, which may be made
    // there, and allocates nothing.
    unsafe { command.pre_exec(|| Ok(rustix::process::setsid().map(drop)?)) }
}

/// How a worker was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Over its control socket.
    Socket,
    /// With SIGTERM, since the socket did not answer.
    Signal,
}

/// Sends a command over the socket; a worker that is starting gets the time to listen.
///
/// # Errors
/// Nobody answers, or the worker refuses.
pub(crate) fn ask(run: &RunFolder, command: ControlCommand) -> Result<(), Failure> {
    let asked = Instant::now();
    loop {
        match ControlClient::send(run, command, ANSWER) {
            Ok(_) => return Ok(()),
            Err(TrackingError::Unreachable { .. })
                if state(run) == RunState::Starting && asked.elapsed() < STARTING =>
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Asks a run's worker to finish its step, write a checkpoint and leave.
///
/// # Errors
/// Neither the socket nor the process can be reached.
pub(crate) fn ask_to_stop(run: &RunFolder) -> Result<Asked, Failure> {
    let failure = match ask(run, ControlCommand::Stop) {
        Ok(()) => return Ok(Asked::Socket),
        Err(failure) => failure,
    };
    match living(run)? {
        Some(process) => signal(&process, Signal::TERM).map(|()| Asked::Signal),
        None => Err(failure),
    }
}

/// Sends SIGTERM: the second one makes a worker leave without a checkpoint.
pub(crate) fn terminate(run: &RunFolder) -> Result<(), Failure> {
    living(run)?.map_or(Ok(()), |process| signal(&process, Signal::TERM))
}

/// Ends a run's process at once and writes that into its folder; false when it has none.
///
/// # Errors
/// The process is another user's or another machine's, or does not go.
pub(crate) fn kill(run: &RunFolder) -> Result<bool, Failure> {
    let Some(process) = living(run)? else {
        return Ok(false);
    };
    signal(&process, Signal::KILL)?;
    let asked = Instant::now();
    while ProcessIdentity::of(process.pid).as_ref() == Some(&process) {
        if asked.elapsed() > DYING {
            return Err(Failure::environment(format!(
                "process {} of {} does not go - the system is busy with it, as with a disk that does not answer - try again later",
                process.pid,
                run.id()
            )));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _lock = run.lock_within(DYING)?;
    let status = run.status()?;
    if !status.state.is_final() {
        Status {
            state: RunState::Killed,
            exit_code: Some(128 + Signal::KILL.as_raw()),
            message: "killed on request".to_owned(),
            ..status
        }
        .write(&run.status_file())?;
    }
    Ok(true)
}

/// The process of a run that is still there, known by its number and start time.
///
/// # Errors
/// It is there, and on another machine.
fn living(run: &RunFolder) -> Result<Option<ProcessIdentity>, Failure> {
    let Ok(status) = run.status() else {
        return Ok(None);
    };
    match (status.liveness(unix_seconds()), status.process) {
        (Liveness::Alive | Liveness::Stalled { .. }, Some(process)) if process.is_here() => {
            Ok(Some(process))
        }
        (Liveness::Alive | Liveness::Stalled { .. }, Some(process)) => {
            Err(Failure::environment(format!(
                "{} runs as process {} in another machine or container - signals do not reach it - do this there",
                run.id(),
                process.pid
            )))
        }
        _ => Ok(None),
    }
}

/// Signals a process, and never another one that got its number.
pub(crate) fn signal(process: &ProcessIdentity, signal: Signal) -> Result<(), Failure> {
    let known = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
    let Some(target) = known else { return Ok(()) };
    let sent = match pidfd_open(target, PidfdFlags::empty()) {
        // The descriptor stays with the process it was opened for: look whose it is, then use it.
        Ok(_) if ProcessIdentity::of(process.pid).as_ref() != Some(process) => Ok(()),
        Ok(descriptor) => pidfd_send_signal(&descriptor, signal),
        Err(Errno::SRCH) => Ok(()),
        // A kernel before 5.3, or a sandbox that does not know the call.
        Err(_) => kill_process(target, signal),
    };
    match sent {
        // It left on its own in between.
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(Failure::environment(format!(
            "cannot signal process {}: {error} - stop it as the user who started it",
            process.pid
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
