//! Following runs until they end: new events and the status go to observers, and
//! ctrl-c is passed on.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGKILL, SIGTERM};
use signal_hook::iterator::Signals;
use tracking::{Event, EventReader, ProcessIdentity, RunFolder, RunState, Status, unix_seconds};

use crate::failure::{BAD_ARGUMENTS, ENVIRONMENT, Failure, INTERRUPTED};
use crate::output::tell;
use crate::worker;

/// A worker that was told twice to leave.
const LEFT_AT_ONCE: u8 = 130;
const POLL: Duration = Duration::from_millis(100);
/// Bytes of the last words of a worker.
const FEW_LINES: u64 = 16 << 10;
/// Time in which whoever killed a worker writes so into its folder.
const KILLER: Duration = Duration::from_secs(2);
/// Time between the two signals that make a worker leave at once.
const SECOND_SIGNAL: Duration = Duration::from_millis(700);

/// Sees what happens in a run.
pub(crate) trait Observer {
    /// A new event.
    fn event(&mut self, event: &Event) -> Result<(), Failure>;
    /// The status as it is now; called about ten times a second.
    fn status(&mut self, status: &Status);
    /// A line for the user while progress is shown.
    fn say(&mut self, text: &str);
    /// The run ended; bars are taken away.
    fn end(&mut self);
}

/// What ctrl-c means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnInterrupt {
    /// Stop the runs.
    Stop,
    /// Leave them running.
    Detach,
}

/// How following a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It ended with this exit code.
    Code(u8),
    /// Its process was killed by this signal.
    Signal(i32),
    /// Its process is gone, and nobody saw how.
    Lost,
    /// It is still running, and we left.
    Detached,
}

impl Ending {
    /// The exit code for it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Ending::Code(code) => code,
            Ending::Signal(signal) => u8::try_from(128 + signal).unwrap_or(ENVIRONMENT),
            Ending::Lost => ENVIRONMENT,
            Ending::Detached => 0,
        }
    }

    pub(crate) fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Ending::Code(u8::try_from(code).unwrap_or(ENVIRONMENT)),
            (None, Some(signal)) => Ending::Signal(signal),
            (None, None) => Ending::Lost,
        }
    }
}

/// One run being followed.
pub(crate) struct Followed<'a> {
    pub(crate) run: RunFolder,
    /// The worker when it is this program's child.
    pub(crate) child: Option<Child>,
    events: EventReader,
    observer: Box<dyn Observer + 'a>,
    ending: Option<Ending>,
    /// Since when the process is gone and its folder does not say how it ended.
    gone: Option<Instant>,
}

impl<'a> Followed<'a> {
    /// Follows from the beginning of the log.
    pub(crate) fn new(
        run: RunFolder,
        child: Option<Child>,
        observer: Box<dyn Observer + 'a>,
    ) -> Self {
        let events = EventReader::open(&run.events());
        Followed {
            run,
            child,
            events,
            observer,
            ending: None,
            gone: None,
        }
    }

    /// Skips what is already in the log, so that a resumed run tells only what is new.
    pub(crate) fn only_new(mut self) -> Result<Self, Failure> {
        self.events.poll_into(&mut |_| {})?;
        Ok(self)
    }

    /// The worker, started after the end of the log was found.
    pub(crate) fn with_child(self, child: Child) -> Self {
        Followed {
            child: Some(child),
            ..self
        }
    }

    fn poll(&mut self) -> Result<Option<Ending>, Failure> {
        if self.ending.is_some() {
            return Ok(self.ending);
        }
        // Asked before the log is read, so that nothing of an ended run is missed.
        let ended = match &mut self.child {
            Some(child) => child
                .try_wait()
                .map_err(|error| Failure::environment(format!("cannot watch the worker: {error}")))?
                .map(Ending::of),
            None => outside_ending(&self.run),
        };
        let ended = ended.filter(|ending| self.is_settled(*ending));
        for event in self.events.poll()? {
            self.observer.event(&event)?;
        }
        if let Ok(status) = self.run.status() {
            self.observer.status(&status);
        }
        if ended.is_some() {
            self.observer.end();
            self.ending = ended;
        }
        Ok(ended)
    }

    /// Whether the folder says how the run ended, or nobody will write it any more.
    fn is_settled(&mut self, ending: Ending) -> bool {
        let left_by_itself = self.child.is_some() && matches!(ending, Ending::Code(_));
        let told = || self.run.status().is_ok_and(|one| one.state.is_final());
        left_by_itself || told() || self.gone.get_or_insert_with(Instant::now).elapsed() > KILLER
    }
}

/// The ending of a run whose worker is not our child.
fn outside_ending(run: &RunFolder) -> Option<Ending> {
    let status = run.status().ok()?;
    let state = status.observed_state(unix_seconds());
    match state {
        RunState::Queued => None,
        RunState::Finished => Some(Ending::Code(0)),
        RunState::Interrupted => Some(Ending::Code(INTERRUPTED)),
        RunState::Killed => Some(Ending::Signal(SIGKILL)),
        _ if state.is_final() => {
            let code = status.exit_code.and_then(|code| u8::try_from(code).ok());
            Some(code.map_or(Ending::Lost, Ending::Code))
        }
        _ => None,
    }
}

/// Signals while runs are followed, and how far they went.
pub(crate) struct Interrupts {
    signals: Signals,
    meaning: OnInterrupt,
    count: usize,
    again_at: Option<Instant>,
}

impl Interrupts {
    /// Takes SIGINT, SIGTERM and SIGHUP from here on.
    pub(crate) fn new(meaning: OnInterrupt) -> Result<Self, Failure> {
        let signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
            .map_err(|error| Failure::environment(format!("cannot take signals: {error}")))?;
        Ok(Interrupts {
            signals,
            meaning,
            count: 0,
            again_at: None,
        })
    }

    /// Whether the user wants no further run to be started.
    pub(crate) fn stopping(&self) -> bool {
        self.count > 0
    }

    /// Whether a signal came.
    pub(crate) fn arrived(&mut self) -> bool {
        self.signals.pending().count() > 0
    }

    /// Passes signals on; true when the runs are to be left alone.
    fn pass_on(&mut self, followed: &mut [Followed<'_>]) -> bool {
        let arrived: Vec<i32> = self.signals.pending().collect();
        for signal in arrived {
            // The terminal is gone: the runs outlive it.
            if signal == SIGHUP || self.meaning == OnInterrupt::Detach {
                return true;
            }
            self.count += 1;
            for one in followed.iter_mut().filter(|one| one.ending.is_none()) {
                step(one, self.count);
            }
            if self.count == 2 {
                self.again_at = Some(Instant::now() + SECOND_SIGNAL);
            }
        }
        // A stop asked over the socket may not count as the worker's first signal.
        if self.again_at.is_some_and(|time| time <= Instant::now()) {
            self.again_at = None;
            for one in followed.iter_mut().filter(|one| one.ending.is_none()) {
                if let Err(failure) = worker::terminate(&one.run) {
                    one.observer.say(&failure.message);
                }
            }
        }
        false
    }
}

fn step(one: &mut Followed<'_>, count: usize) {
    let id = one.run.id();
    let done = match count {
        1 => match worker::ask_to_stop(&one.run) {
            Ok(_) => {
                one.observer.say(&format!("stopping {id}: it finishes its step and writes a checkpoint (ctrl-c again: leave without one)"));
                Ok(())
            }
            // Too early for socket and status: the child itself can still be told.
            Err(failure) => match one.child.as_ref() {
                Some(child) => {
                    one.observer.say(&format!("stopping {id}"));
                    signal_child(child, rustix::process::Signal::TERM)
                }
                None => Err(failure),
            },
        },
        2 => {
            one.observer.say(&format!(
                "leaving {id} without a checkpoint (ctrl-c again: kill it)"
            ));
            worker::terminate(&one.run)
        }
        _ => {
            one.observer.say(&format!("killing {id}"));
            match (worker::kill(&one.run), one.child.as_ref()) {
                (Ok(true), _) | (Ok(false), None) => Ok(()),
                (_, Some(child)) => signal_child(child, rustix::process::Signal::KILL),
                (Err(failure), None) => Err(failure),
            }
        }
    };
    if let Err(failure) = done {
        one.observer.say(&failure.message);
    }
}

fn signal_child(child: &Child, signal: rustix::process::Signal) -> Result<(), Failure> {
    ProcessIdentity::of(child.id()).map_or(Ok(()), |process| worker::signal(&process, signal))
}

/// Follows runs, starting the next as soon as one of at most `jobs` ended, until all
/// ended or the user detached. The endings are in the order of the starts.
pub(crate) fn follow<'a>(
    interrupts: &mut Interrupts,
    jobs: usize,
    mut next: impl FnMut() -> Result<Option<Followed<'a>>, Failure>,
) -> Result<Vec<(RunFolder, Ending)>, Failure> {
    let mut followed: Vec<Followed<'a>> = Vec::new();
    let mut exhausted = false;
    loop {
        let mut active = followed.iter().filter(|one| one.ending.is_none()).count();
        while active < jobs && !exhausted && !interrupts.stopping() {
            match next() {
                Ok(Some(one)) => {
                    followed.push(one);
                    active += 1;
                }
                Ok(None) => exhausted = true,
                Err(failure) if active == 0 => return Err(failure),
                Err(failure) => {
                    tell(&failure.message);
                    exhausted = true;
                }
            }
        }
        for one in &mut followed {
            one.poll()?;
        }
        let all_ended = followed.iter().all(|one| one.ending.is_some());
        let detached = interrupts.pass_on(&mut followed);
        if detached || (all_ended && (exhausted || interrupts.stopping())) {
            for one in followed.iter_mut().filter(|one| one.ending.is_none()) {
                one.observer.end();
            }
            return Ok(followed
                .into_iter()
                .map(|one| (one.run, one.ending.unwrap_or(Ending::Detached)))
                .collect());
        }
        if !all_ended {
            std::thread::sleep(POLL);
        }
    }
}

/// Whether the disk of a run has no room for a few lines.
fn disk_is_full(run: &RunFolder) -> bool {
    let disk = rustix::fs::statvfs(run.path());
    disk.is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < FEW_LINES)
}

/// Tells why a run ended as it did when that was not its aim: the exit code or
/// signal, and the last lines of its console.
pub(crate) fn explain(run: &RunFolder, ending: Ending) {
    let id = run.id();
    let lines = worker::console_tail(run, 20);
    let reason = reason(&run.status().unwrap_or_default(), &lines);
    let why = match ending {
        Ending::Detached | Ending::Code(0 | INTERRUPTED | LEFT_AT_ONCE) => return,
        Ending::Lost if reason.is_none() => {
            format!("{id} is lost: its process is gone without a word")
        }
        Ending::Lost => format!("{id} is lost"),
        Ending::Code(code) => format!("{id} failed with exit code {code}"),
        Ending::Signal(signal) => format!("{id} was killed by signal {signal}"),
    };
    let message = reason.unwrap_or_default();
    let colon = if message.is_empty() { "" } else { ": " };
    tell(&format!("{why}{colon}{message}"));
    if lines.is_empty() && disk_is_full(run) {
        // The worker's own words had no room either.
        tell(&format!(
            "the disk of {} is full - free space, then `concord resume {id}`",
            run.path().display()
        ));
    } else if lines.is_empty() {
        tell(&format!(
            "its console says nothing: {}",
            run.console_log().display()
        ));
    } else {
        tell(&format!("last lines of {}:", run.console_log().display()));
        for line in lines {
            tell(&format!("  {line}"));
        }
    }
    // What was wrong with settings or data is wrong after a resume too.
    if !run.checkpoints().is_empty() && ending != Ending::Code(BAD_ARGUMENTS) {
        tell(&format!(
            "continue from its last checkpoint with: concord resume {id}"
        ));
    }
}

/// Why a run ended, by its status. One that could not be written, as on a full disk, still tells
/// the last stage: the console knows better.
fn reason(status: &Status, console: &[String]) -> Option<String> {
    if status.state.is_final() {
        return Some(status.message.clone());
    }
    let told = console
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix("error: "));
    told.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stage_is_no_reason() {
        let stage = Status {
            state: RunState::Running,
            message: "iteration 1 of 3: generate 5 of 9 prompts".to_owned(),
            ..Status::default()
        };
        let console = ["note: a".to_owned(), "error: no space left".to_owned()];
        assert_eq!(reason(&stage, &console).as_deref(), Some("no space left"));
        assert_eq!(reason(&stage, &console[..1]), None);
        let failed = Status {
            state: RunState::Failed,
            message: "nothing to learn from".to_owned(),
            ..Status::default()
        };
        assert_eq!(
            reason(&failed, &console).as_deref(),
            Some("nothing to learn from")
        );
    }
}
