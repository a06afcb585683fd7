//! The list of runs, kept up to date with few looks at the disk.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tracking::Liveness;
use tracking::event::line::Line;
use tracking::liveness::HEARTBEAT_LIMIT_SECS;
use tracking::run_folder::RUN_FOLDER_VERSION;
use tracking::status::STATUS_VERSION;
use tracking::{EventReader, Meta, ProcessIdentity, RunFolder, RunState, Status};

use crate::figures::duration;
use crate::run::RunSummary;

/// Runs that have ended are looked at on every so many scans only.
const ENDED_EVERY: u64 = 8;
/// A run that no worker took up is remarked on after this many seconds.
const WAITING_SECS: f64 = 60.0;
/// A worker that loads for longer is remarked on.
const LOADING_SECS: f64 = 120.0;
/// A heartbeat may be this far ahead: clocks differ a little.
const AHEAD_SECS: f64 = 5.0;

/// Share of comparisons won, of a fine-tuning.
const WIN_RATE: &str = "preference/win_rate";
/// Where a run has it, its score is this and not the win rate.
const ACCURACY: &str = "evaluation/accuracy";
/// Bytes of a log that are looked through for it.
const TAIL: u64 = 64 * 1024;

/// The runs under a folder, newest first.
#[derive(Debug)]
pub struct RunList {
    root: PathBuf,
    known: HashMap<OsString, Known>,
    scans: u64,
    runs: Vec<RunSummary>,
    /// The machine's name in a process's identity.
    here: String,
}

/// What is known of one run folder.
#[derive(Debug)]
struct Known {
    folder: RunFolder,
    meta: Result<Meta, String>,
    status: Result<Status, String>,
    /// Which `status.json` was read: it is replaced, so its inode changes, and clocks of
    /// file systems are coarse.
    written: Option<(u64, SystemTime, u64)>,
    archived: bool,
    beat: Beat,
    /// The scan that saw it last.
    seen: u64,
    summary: RunSummary,
}

/// The last heartbeat and when it was first seen here. Where two clocks disagree, a
/// heartbeat that changes is the sign of life.
#[derive(Debug, Clone, Copy, Default)]
struct Beat {
    heartbeat: f64,
    first_seen: f64,
    /// It was seen to change.
    beats: bool,
}

impl RunList {
    /// A list that knows nothing yet of a folder that need not exist.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        RunList {
            root: root.to_path_buf(),
            known: HashMap::new(),
            scans: 0,
            runs: Vec::new(),
            here: ProcessIdentity::current()
                .map(|process| process.machine)
                .unwrap_or_default(),
        }
    }

    /// Looks at the folder; `now` in Unix seconds. Tells whether anything changed, the
    /// first time always.
    pub fn scan(&mut self, now: f64) -> bool {
        self.scans += 1;
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let hidden = name.as_encoded_bytes().starts_with(b".");
            let file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if hidden || file {
                continue;
            }
            if let Some(known) = self.known.get_mut(&name) {
                known.seen = self.scans;
                // A lost one may be heard of again at any time.
                let state = known.summary.state;
                let ended = state.is_final() && state != RunState::Lost;
                if !ended || self.scans.is_multiple_of(ENDED_EVERY) {
                    known.look_again();
                }
            } else if let Ok(folder) = RunFolder::open(&entry.path()) {
                self.known.insert(name, Known::first(folder, self.scans));
            }
        }
        let scan = self.scans;
        self.known.retain(|_, known| known.seen == scan);
        let here = &self.here;
        let mut runs: Vec<RunSummary> = self
            .known
            .values_mut()
            .map(|known| {
                known.judge(now, here);
                known.summary.clone()
            })
            .collect();
        runs.sort_by(|left, right| right.id.cmp(&left.id));
        let changed = scan == 1 || runs != self.runs;
        self.runs = runs;
        changed
    }

    /// The runs with a worker on this machine, and its process number.
    #[must_use]
    pub fn workers(&self) -> Vec<(String, u32)> {
        let worker = |run: &RunSummary| Some((run.id.clone(), run.pid?));
        self.runs.iter().filter_map(worker).collect()
    }

    /// The runs as last seen, newest first.
    #[must_use]
    pub fn runs(&self) -> Vec<RunSummary> {
        self.runs.clone()
    }
}

impl Known {
    fn first(folder: RunFolder, seen: u64) -> Self {
        let meta = folder.meta().map_err(|error| error.to_string());
        let mut known = Known {
            summary: described(&folder, meta.as_ref().ok()),
            meta,
            status: Ok(Status::default()),
            written: None,
            archived: false,
            beat: Beat::default(),
            seen,
            folder,
        };
        known.look_again();
        known
    }

    /// Reads what changed on the disk.
    fn look_again(&mut self) {
        self.archived = self.folder.path().join("archived").exists();
        let file = self.folder.status_file();
        let written = fs::metadata(&file)
            .ok()
            .and_then(|meta| Some((meta.ino(), meta.modified().ok()?, meta.len())));
        if written.is_some() && written == self.written {
            return;
        }
        self.written = written;
        self.status = read_status(&file);
        if self.summary.job == "finetune" {
            let latest = latest_win_rate(&self.folder.events());
            self.summary.win_rate = latest.or(self.summary.win_rate);
        }
        // A resume with other settings rewrites what describes the run.
        if self.meta.is_err() {
            self.meta = self.folder.meta().map_err(|error| error.to_string());
            self.summary = described(&self.folder, self.meta.as_ref().ok());
        }
    }

    /// What the files say at this moment.
    fn judge(&mut self, now: f64, machine: &str) {
        let broken = Status::default();
        let status = self.status.as_ref().unwrap_or(&broken);
        self.beat.hear(status.heartbeat, now);
        let liveness = match status.liveness(now) {
            _ if is_elsewhere(status, machine) => self.beat.liveness(now),
            other => other,
        };
        let at_work = !status.state.is_final() && status.state != RunState::Queued;
        let gone = matches!(liveness, Liveness::Dead | Liveness::Unknown);
        let state = if at_work && gone {
            RunState::Lost
        } else {
            status.state
        };
        let here = status.process.as_ref().filter(|_| at_work && !gone);
        let pid = here
            .filter(|_| !is_elsewhere(status, machine))
            .map(|process| process.pid);
        let trouble = self.trouble(state, liveness, now);
        let summary = &mut self.summary;
        summary.state = state;
        summary.step = status.progress.step as f64;
        summary.total_steps = status.total_steps as f64;
        summary.updates = status.progress.updates as f64;
        summary.tokens = status.progress.tokens as f64;
        summary.seconds = status.progress.seconds;
        summary.last_return = status.last_evaluation;
        summary.best_return = status.best_evaluation;
        summary.steps_per_second = status.steps_per_second;
        // A clock that was put back must not make an age negative.
        summary.heard = status.heartbeat.min(now);
        summary.exit_code = status.exit_code;
        summary.archived = self.archived;
        summary.message.clone_from(&status.message);
        if !status.device.is_empty() {
            summary.device.clone_from(&status.device);
        }
        summary.waits_for = match state {
            RunState::Queued => status.message.clone(),
            _ => String::new(),
        };
        summary.pid = pid;
        summary.trouble = trouble;
    }

    /// What is not as it should be, in words for the user; empty when all is well.
    fn trouble(&self, state: RunState, liveness: Liveness, now: f64) -> String {
        let (status, meta) = match (&self.status, &self.meta) {
            (Err(error), _) | (_, Err(error)) => return error.clone(),
            (Ok(status), Ok(meta)) => (status, meta),
        };
        let layout = (meta.version, RUN_FOLDER_VERSION);
        let format = (status.version, STATUS_VERSION);
        for (what, (theirs, ours)) in [("layout", layout), ("status", format)] {
            if theirs > ours {
                return format!(
                    "written by a newer version ({what} {theirs}, this one knows {ours}): \
                     some of it may be missing here - update concord"
                );
            }
        }
        let since = |moment: f64| duration((now - moment).max(0.0));
        let ahead = status.heartbeat - now;
        let waited = now - meta.created;
        match (state, liveness) {
            (RunState::Queued, _)
                if status.process.is_none()
                    && status.message.is_empty()
                    && meta.created > 0.0
                    && waited > WAITING_SECS =>
            {
                format!(
                    "no worker took it up for {} - r starts it",
                    since(meta.created)
                )
            }
            (RunState::Starting, Liveness::Alive | Liveness::Stalled { .. })
                if status.started > 0.0 && now - status.started > LOADING_SECS =>
            {
                format!(
                    "loading for {} - the console may tell why, X ends it",
                    since(status.started)
                )
            }
            (state, Liveness::Stalled { silent_secs }) if !state.is_final() => {
                format!(
                    "no word from its worker for {} - it may hang, X ends it",
                    duration(silent_secs)
                )
            }
            (state, _) if !state.is_final() && ahead > AHEAD_SECS => format!(
                "its heartbeat is {} ahead of this machine's clock",
                duration(ahead)
            ),
            _ => String::new(),
        }
    }
}

/// The last win rate among the latest lines of a log; the status does not tell it.
fn latest_win_rate(events: &Path) -> Option<f64> {
    let length = fs::metadata(events).ok()?.len();
    let mut reader = EventReader::open_at(events, length.saturating_sub(TAIL));
    let (mut latest, mut accuracy) = (None, false);
    let mut take = |line: Line<'_>| {
        if let Line::Scalar(scalar) = line {
            accuracy |= scalar.name == ACCURACY;
            if scalar.name == WIN_RATE {
                latest = Some(scalar.value);
            }
        }
    };
    reader.poll_lines(u64::MAX, &mut take).ok()?;
    // Accuracy before win rate, as everywhere else; the status has it.
    latest.filter(|_| !accuracy)
}

fn is_elsewhere(status: &Status, here: &str) -> bool {
    status
        .process
        .as_ref()
        .is_some_and(|process| process.machine != here)
}

impl Beat {
    fn hear(&mut self, heartbeat: f64, now: f64) {
        if heartbeat != self.heartbeat {
            self.beats = self.heartbeat > 0.0;
            self.heartbeat = heartbeat;
            self.first_seen = now;
        }
        // This machine's own clock was put back.
        self.first_seen = self.first_seen.min(now);
    }

    /// Whether a process on another machine lives, by its heartbeat alone.
    fn liveness(&self, now: f64) -> Liveness {
        let age = now - self.heartbeat;
        let seen = now - self.first_seen;
        // From the future, or known to beat by another clock: what was seen here counts.
        let silent = if self.beats || age < 0.0 { seen } else { age };
        if silent > HEARTBEAT_LIMIT_SECS {
            Liveness::Dead
        } else {
            Liveness::Alive
        }
    }
}

fn described(folder: &RunFolder, meta: Option<&Meta>) -> RunSummary {
    let mut summary = RunSummary {
        id: folder.id(),
        ..RunSummary::default()
    };
    if let Some(meta) = meta {
        summary.job.clone_from(&meta.job);
        summary.algorithm.clone_from(&meta.algorithm);
        summary.task.clone_from(&meta.task);
        summary.device.clone_from(&meta.device);
        summary.seed = meta.seed;
        summary.created = meta.created;
    }
    summary
}

/// Reads a status, also one of a newer version: a state that is unknown here is guessed
/// from the process.
fn read_status(file: &Path) -> Result<Status, String> {
    let error = match Status::read(file) {
        Ok(status) => return Ok(status),
        Err(error) => error.to_string(),
    };
    let newer = || -> Option<Status> {
        let mut value: serde_json::Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        if value.get("version")?.as_u64()? <= u64::from(STATUS_VERSION) {
            return None;
        }
        *value.get_mut("state")? = "running".into();
        serde_json::from_value(value).ok()
    };
    newer().ok_or(error)
}

#[cfg(test)]
mod tests;
