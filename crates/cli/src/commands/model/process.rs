//! The worker of a model, from which JSON lines come as it works.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::os::unix::process::ExitStatusExt;

use crate::arguments::Global;
use crate::failure::{ENVIRONMENT, Failure};
use crate::worker;

/// Told twice to leave.
const LEFT_AT_ONCE: u8 = 130;

/// A running worker; dropped, it is ended.
pub(in crate::commands) struct Working {
    child: Child,
    path: PathBuf,
}

impl Working {
    /// Starts the worker apart from this terminal, so that it hears of ctrl-c from here alone.
    pub(in crate::commands) fn start(
        global: &Global,
        words: &[OsString],
        stdin: Stdio,
    ) -> Result<Self, Failure> {
        let path = worker::locate(global)?;
        let mut command = worker::command(&path);
        command
            .args(words)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let child = worker::in_own_session(&mut command)
            .spawn()
            .map_err(|error| {
                Failure::environment(format!(
                    "cannot start {}: {error} - build it with `cargo build`",
                    path.display()
                ))
            })?;
        Ok(Working { child, path })
    }

    pub(in crate::commands) fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    pub(in crate::commands) fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits for its end. Its own words were said on stderr already, unless it was killed.
    pub(in crate::commands) fn end(&mut self) -> Result<(), Failure> {
        let status = self.child.wait().map_err(|error| {
            Failure::environment(format!(
                "cannot wait for {}: {error} - look whether it still runs",
                self.path.display()
            ))
        })?;
        ended(status)
    }
}

fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // One that has gone needs no signal.
    let _ = pid.map(|pid| kill_process(pid, signal));
}

fn ended(status: ExitStatus) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    if let Some(signal) = status.signal() {
        return Err(Failure::environment(format!(
            "the model's process was ended by signal {signal} - when nobody did that, memory was short: free some, or try --dtype bf16 or a smaller model"
        )));
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Err(Failure::silent(code.unwrap_or(ENVIRONMENT)))
}

impl Drop for Working {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What a worker says, an event a line.
pub(in crate::commands) struct Events(Lines<BufReader<ChildStdout>>);

impl Events {
    pub(in crate::commands) fn of(stdout: ChildStdout) -> Self {
        Events(BufReader::new(stdout).lines())
    }
}

impl Iterator for Events {
    type Item = Result<Value, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        // A line that broke off belongs to a worker that was killed, of which its status tells.
        let line = self.0.next()?.ok()?;
        Some(serde_json::from_str(&line).map_err(|error| {
            Failure::environment(format!(
                "cannot read the worker's answer: {error} - `concord` and `concord-worker` may be of different versions - build both with `cargo build`"
            ))
        }))
    }
}

/// The first ctrl-c is passed on, so that what is finished is kept; the second one ends it.
pub(in crate::commands) struct Interruption {
    count: Arc<AtomicU32>,
}

impl Interruption {
    pub(in crate::commands) fn pass_on(worker: &Working) -> Result<Self, Failure> {
        let failed =
            |error: std::io::Error| Failure::environment(format!("cannot take signals: {error}"));
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
        let count = Arc::new(AtomicU32::new(0));
        let (counted, pid) = (Arc::clone(&count), worker.child.id());
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                for _ in signals.forever() {
                    let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
                    send(pid, if first { Signal::INT } else { Signal::KILL });
                }
            })
            .map_err(failed)?;
        Ok(Interruption { count })
    }

    /// The worker's end, knowing who ended it.
    pub(in crate::commands) fn judge(&self, end: Result<(), Failure>) -> Result<(), Failure> {
        match (end, self.count.load(Ordering::Relaxed)) {
            (Err(_), 2..) => Err(Failure::silent(LEFT_AT_ONCE)),
            (end, _) => end,
        }
    }
}
