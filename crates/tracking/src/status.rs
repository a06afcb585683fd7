//! `status.json`: where a run stands, replaced atomically.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic::{write_atomic, write_renamed};
use crate::clock::unix_seconds;
use crate::error::TrackingError;
use crate::event::Progress;
use crate::event::encoding::optional_number;
use crate::liveness::{Liveness, ProcessIdentity};
use crate::run_folder::RunFolder;
use crate::sink::SinkHealth;
use crate::tracker::Tracker;

/// Format version of `status.json`.
pub const STATUS_VERSION: u32 = 1;

/// The states of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// The folder exists, no worker yet.
    #[default]
    Queued,
    /// The worker loads.
    Starting,
    /// The worker trains.
    Running,
    /// Asked to pause; finishing the step.
    Pausing,
    /// Parked between steps.
    Paused,
    /// Asked to stop; finishing the step and writing a checkpoint.
    Stopping,
    /// Done (exit code 0).
    Finished,
    /// Ended by an error; `exit_code` and `message` say which.
    Failed,
    /// Ended early with a checkpoint (exit code 5); can be resumed.
    Interrupted,
    /// Ended by SIGKILL from us.
    Killed,
    /// The process vanished without a word.
    Lost,
}

impl RunState {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Killed => "killed",
            Self::Lost => "lost",
        }
    }

    /// The run has ended; a new worker would have to take it up.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Finished | Self::Failed | Self::Interrupted | Self::Killed | Self::Lost
        )
    }
}

impl std::fmt::Display for RunState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}

/// The whole of `status.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default)]
pub struct Status {
    /// [`STATUS_VERSION`] of the writer.
    pub version: u32,
    /// State as the worker last wrote it; see [`Status::observed_state`].
    pub state: RunState,
    /// Where the run is.
    #[serde(flatten)]
    pub progress: Progress,
    /// Steps the run will take in all; 0 when open.
    pub total_steps: u64,
    /// The writing process; `None` before a worker took the run.
    pub process: Option<ProcessIdentity>,
    /// When this was written, seconds since 1970.
    pub heartbeat: f64,
    /// When this worker started, seconds since 1970; 0 before.
    pub started: f64,
    /// Device in use.
    pub device: String,
    /// Environment steps per second, lately.
    #[serde(with = "optional_number")]
    pub steps_per_second: Option<f64>,
    /// Mean return of the last evaluation.
    #[serde(with = "optional_number")]
    pub last_evaluation: Option<f64>,
    /// Mean return of the best evaluation.
    #[serde(with = "optional_number")]
    pub best_evaluation: Option<f64>,
    /// Newest checkpoint, relative to the run folder.
    pub last_checkpoint: Option<String>,
    /// The process's exit code, when it ended.
    pub exit_code: Option<i32>,
    /// For people: the error, or what is being done.
    pub message: String,
    /// How the observers fare.
    pub sinks: SinkHealth,
}

impl Status {
    /// Reads `status.json`.
    ///
    /// # Errors
    /// Missing or malformed file.
    pub fn read(path: &Path) -> Result<Self, TrackingError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| TrackingError::io("read", path, source))?;
        serde_json::from_str(&text).map_err(|error| TrackingError::Malformed {
            what: "status",
            path: path.to_path_buf(),
            message: error.to_string(),
            hint: "a running worker will replace it; otherwise remove the file",
        })
    }

    /// Writes it, durably, as it is: no field is filled in. For states that must
    /// survive a power cut, and for programs other than the worker.
    ///
    /// # Errors
    /// Unwritable folder or full disk.
    pub fn write(&self, path: &Path) -> Result<(), TrackingError> {
        write_atomic(path, &self.bytes())
    }

    fn bytes(&self) -> Vec<u8> {
        let status = Self {
            version: STATUS_VERSION,
            ..self.clone()
        };
        let mut bytes =
            serde_json::to_vec_pretty(&status).expect("a struct of plain fields serialises");
        bytes.push(b'\n');
        bytes
    }

    /// Whether the process that wrote this still runs, at `now` in seconds since 1970.
    pub fn liveness(&self, now: f64) -> Liveness {
        match &self.process {
            None => Liveness::Unknown,
            Some(process) => process.liveness(self.heartbeat, now),
        }
    }

    /// The state after a look at the process: a run that claims to be at work and
    /// whose process is gone is `lost`.
    pub fn observed_state(&self, now: f64) -> RunState {
        let at_work = !self.state.is_final() && self.state != RunState::Queued;
        if at_work && matches!(self.liveness(now), Liveness::Dead | Liveness::Unknown) {
            RunState::Lost
        } else {
            self.state
        }
    }

    /// Share done, 0 to 1; `None` when the length is open.
    pub fn fraction(&self) -> Option<f64> {
        (self.total_steps > 0)
            .then(|| (self.progress.step as f64 / self.total_steps as f64).clamp(0.0, 1.0))
    }
}

/// Writes the status of this process's run.
#[derive(Debug, Clone)]
pub struct StatusWriter {
    path: PathBuf,
    process: Option<ProcessIdentity>,
    started: f64,
    warned: bool,
}

impl StatusWriter {
    /// A writer that signs as this process, started now.
    pub fn new(run: &RunFolder) -> Self {
        Self {
            path: run.status_file(),
            process: ProcessIdentity::current(),
            started: unix_seconds(),
            warned: false,
        }
    }

    /// As [`StatusWriter::write`], for a run that goes on without it: the first failure is told, the others not.
    pub fn write_or_warn(&mut self, status: &Status, tracker: &Tracker, durable: bool) {
        if let Err(error) = self.write(status, durable)
            && !self.warned
        {
            self.warned = true;
            tracker.warning("status", format!("{error} - the run goes on"));
        }
    }

    /// Fills in version, process, start and heartbeat, and replaces the file. State
    /// changes are made durable, heartbeats (`durable` false) only atomic. The caller
    /// decides how often; a second or two apart is plenty.
    ///
    /// # Errors
    /// Unwritable folder or full disk; the old file stays.
    pub fn write(&self, status: &Status, durable: bool) -> Result<(), TrackingError> {
        let signed = Status {
            process: self.process.clone(),
            started: self.started,
            heartbeat: unix_seconds(),
            ..status.clone()
        };
        let bytes = signed.bytes();
        if durable {
            write_atomic(&self.path, &bytes)
        } else {
            write_renamed(&self.path, &bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_folder::NewRun;

    #[test]
    fn a_status_survives_and_is_signed() {
        let root = tempfile::tempdir().unwrap();
        let run = RunFolder::create(
            root.path(),
            &NewRun {
                total_steps: 200,
                ..NewRun::default()
            },
        )
        .unwrap();
        let queued = run.status().unwrap();
        assert_eq!((queued.state, queued.total_steps), (RunState::Queued, 200));
        assert_eq!(queued.observed_state(1e12), RunState::Queued);

        let mut status = Status {
            state: RunState::Running,
            ..queued
        };
        status.progress.step = 50;
        status.last_evaluation = Some(f64::NAN);
        StatusWriter::new(&run).write(&status, true).unwrap();
        let read = run.status().unwrap();
        let now = unix_seconds();
        assert_eq!(read.version, STATUS_VERSION);
        assert_eq!(read.process.as_ref().unwrap().pid, std::process::id());
        assert!(now - read.heartbeat < 5.0 && read.heartbeat <= now);
        assert_eq!(read.fraction(), Some(0.25));
        assert!(read.last_evaluation.unwrap().is_nan());
        assert_eq!(read.observed_state(now), RunState::Running);
    }

    #[test]
    fn a_run_whose_process_is_gone_is_lost_unless_it_had_ended() {
        let mut process = ProcessIdentity::current().unwrap();
        process.start_time += 1;
        for (state, seen) in [
            (RunState::Running, RunState::Lost),
            (RunState::Paused, RunState::Lost),
            (RunState::Queued, RunState::Queued),
            (RunState::Finished, RunState::Finished),
            (RunState::Interrupted, RunState::Interrupted),
        ] {
            let status = Status {
                state,
                process: Some(process.clone()),
                ..Status::default()
            };
            assert_eq!(status.observed_state(1.0), seen);
        }
    }

    #[test]
    fn a_broken_file_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.json");
        std::fs::write(&path, "{\"state\":\"dancing\"}").unwrap();
        let message = Status::read(&path).unwrap_err().to_string();
        assert!(
            message.contains("status.json") && message.contains("dancing"),
            "{message}"
        );
    }
}
