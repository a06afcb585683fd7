//! What `concord runs`, `show` and `compare` print, as plain data.

use serde::{Deserialize, Serialize};

use crate::clock::unix_seconds;
use crate::error::TrackingError;
use crate::event::encoding::{number, optional_number};
use crate::event::{Axis, EvaluationPurpose, Progress};
use crate::history::{ArtifactNote, Evaluation, History};
use crate::liveness::Liveness;
use crate::meta::Meta;
use crate::run_folder::RunFolder;
use crate::sink::SinkHealth;
use crate::statistics::{Bootstrap, Interval, mean, range};
use crate::status::{RunState, Status};

mod comparison;

pub use comparison::{ComparedGroup, ComparedPoint, Comparison, Improvement, compare};

/// One line of the list of runs; read from `meta.json` and `status.json` alone, so that
/// long runs cost no more than short ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// Folder name.
    pub id: String,
    /// Job kind.
    pub job: String,
    /// Algorithm.
    pub algorithm: String,
    /// Task.
    pub task: String,
    /// Seed.
    pub seed: u64,
    /// State after a look at the process.
    pub state: RunState,
    /// Seconds without a sign of life of a process that still runs; `None` when it
    /// reports in time.
    #[serde(with = "optional_number")]
    pub silent_secs: Option<f64>,
    /// Environment steps done.
    pub step: u64,
    /// Environment steps in all; 0 when open.
    pub total_steps: u64,
    /// Share done, 0 to 1.
    #[serde(with = "optional_number")]
    pub fraction: Option<f64>,
    /// Environment steps per second, lately.
    #[serde(with = "optional_number")]
    pub steps_per_second: Option<f64>,
    /// Seconds to go at that rate; only for a running one.
    #[serde(with = "optional_number")]
    pub remaining_secs: Option<f64>,
    /// Mean return of the last evaluation.
    #[serde(with = "optional_number")]
    pub last_evaluation: Option<f64>,
    /// Mean return of the best evaluation.
    #[serde(with = "optional_number")]
    pub best_evaluation: Option<f64>,
    /// Device.
    pub device: String,
    /// Seconds since the folder was made.
    #[serde(with = "number")]
    pub age_secs: f64,
    /// Exit code, when it ended.
    pub exit_code: Option<i32>,
    /// What the run says of itself, or what is wrong with its folder.
    pub message: String,
}

impl RunRow {
    /// The row of one run at `now` (seconds since 1970). A damaged folder gives a row
    /// that says so.
    pub fn read(run: &RunFolder, now: f64) -> Self {
        let mut problems = Vec::new();
        let mut note = |error: TrackingError| problems.push(error.to_string());
        let meta = run.meta().unwrap_or_else(|error| {
            note(error);
            Meta::default()
        });
        let status = run.status().unwrap_or_else(|error| {
            note(error);
            Status {
                state: RunState::Lost,
                ..Status::default()
            }
        });
        Self::from_parts(run, &meta, &status, &problems, now)
    }

    fn from_parts(
        run: &RunFolder,
        meta: &Meta,
        status: &Status,
        problems: &[String],
        now: f64,
    ) -> Self {
        let state = status.observed_state(now);
        let steps_per_second = status.steps_per_second.filter(|rate| rate.is_finite());
        let to_go = status.total_steps.saturating_sub(status.progress.step);
        let silent_secs = match status.liveness(now) {
            Liveness::Stalled { silent_secs } if !state.is_final() => Some(silent_secs),
            _ => None,
        };
        let message = if problems.is_empty() {
            status.message.clone()
        } else {
            problems.join("; ")
        };
        Self {
            id: run.id(),
            job: meta.job.clone(),
            algorithm: meta.algorithm.clone(),
            task: meta.task.clone(),
            seed: meta.seed,
            state,
            silent_secs,
            step: status.progress.step,
            total_steps: status.total_steps,
            fraction: status.fraction(),
            steps_per_second,
            remaining_secs: steps_per_second
                .filter(|rate| *rate > 0.0 && state == RunState::Running && status.total_steps > 0)
                .map(|rate| to_go as f64 / rate),
            last_evaluation: status.last_evaluation,
            best_evaluation: status.best_evaluation,
            device: if status.device.is_empty() {
                meta.device.clone()
            } else {
                status.device.clone()
            },
            age_secs: if meta.created > 0.0 {
                (now - meta.created).max(0.0)
            } else {
                f64::NAN
            },
            exit_code: status.exit_code,
            message,
        }
    }
}

/// The rows of all runs under `root`, newest first.
///
/// # Errors
/// `root` exists and cannot be listed.
pub fn rows(root: &std::path::Path) -> Result<Vec<RunRow>, TrackingError> {
    let now = unix_seconds();
    let mut rows: Vec<RunRow> = RunFolder::list(root)?
        .iter()
        .map(|run| RunRow::read(run, now))
        .collect();
    rows.reverse();
    Ok(rows)
}

/// One evaluation, summarised over its episodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRow {
    /// Why.
    pub purpose: EvaluationPurpose,
    /// When in training.
    #[serde(flatten)]
    pub progress: Progress,
    /// Episodes played.
    pub episodes: u64,
    /// Mean return.
    #[serde(with = "number")]
    pub mean: f64,
    /// Interquartile mean of the returns with its bootstrap interval over episodes. It
    /// tells how well this policy was measured, not how well the algorithm does: that
    /// takes several seeds, see [`compare`].
    pub interquartile_mean: Interval,
    /// Lowest return.
    #[serde(with = "number")]
    pub lowest: f64,
    /// Highest return.
    #[serde(with = "number")]
    pub highest: f64,
    /// Mean episode length.
    #[serde(with = "number")]
    pub mean_length: f64,
    /// Checkpoint that played; empty for the weights in memory.
    pub checkpoint: String,
}

impl EvaluationRow {
    /// Summarises one evaluation.
    pub fn new(evaluation: &Evaluation) -> Self {
        let (lowest, highest) = range(&evaluation.returns);
        let bootstrap = Bootstrap {
            resamples: 500,
            ..Bootstrap::default()
        };
        Self {
            purpose: evaluation.purpose,
            progress: evaluation.progress,
            episodes: evaluation.returns.len() as u64,
            mean: mean(&evaluation.returns),
            interquartile_mean: bootstrap
                .interquartile_mean(std::slice::from_ref(&evaluation.returns)),
            lowest,
            highest,
            mean_length: crate::measure::mean_length(&evaluation.lengths, &evaluation.extra),
            checkpoint: evaluation.checkpoint.clone(),
        }
    }
}

/// One curve in brief.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurveRow {
    /// Name.
    pub name: String,
    /// What its steps count.
    pub axis: Axis,
    /// Points reported.
    pub points: u64,
    /// Step of the last point.
    pub last_step: u64,
    /// Value of the last point.
    #[serde(with = "number")]
    pub last: f64,
    /// Lowest value.
    #[serde(with = "number")]
    pub lowest: f64,
    /// Highest value.
    #[serde(with = "number")]
    pub highest: f64,
}

/// A checkpoint or recorded episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArtifactRow {
    /// Environment step.
    pub step: u64,
    /// Relative to the run folder.
    pub path: String,
    /// Still on the disk.
    pub exists: bool,
    /// The best checkpoint so far when it was written.
    pub best: bool,
    /// Return of a recorded episode.
    #[serde(with = "optional_number")]
    pub episode_return: Option<f64>,
}

/// A warning of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WarningRow {
    /// Seconds since 1970.
    pub time: f64,
    /// Who.
    pub source: String,
    /// What.
    pub message: String,
}

/// Everything `concord show` tells of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDetails {
    /// The line of the list.
    pub row: RunRow,
    /// The folder.
    pub path: String,
    /// `meta.json`.
    pub meta: Meta,
    /// Where it is, on every axis.
    pub progress: Progress,
    /// How its observers fare.
    pub sinks: SinkHealth,
    /// Evaluations, in order of training.
    pub evaluations: Vec<EvaluationRow>,
    /// Curves, by name.
    pub curves: Vec<CurveRow>,
    /// Checkpoints.
    pub checkpoints: Vec<ArtifactRow>,
    /// Recorded episodes.
    pub episodes: Vec<ArtifactRow>,
    /// Warnings.
    pub warnings: Vec<WarningRow>,
    /// Times it was resumed.
    pub resumes: u64,
    /// The last lines of `console.log`, when it ended badly.
    pub console_tail: Vec<String>,
}

/// Lines of the console shown for a run that ended badly.
const CONSOLE_LINES: usize = 20;

/// Reads everything about a run.
///
/// # Errors
/// Unreadable events. Damaged `meta.json` or `status.json` show in the row.
pub fn details(run: &RunFolder) -> Result<RunDetails, TrackingError> {
    let history = History::read(&run.events())?;
    let row = RunRow::read(run, unix_seconds());
    let status = run.status().unwrap_or_default();
    let ended_badly = row.state == RunState::Lost || row.exit_code.is_some_and(|code| code != 0);
    Ok(RunDetails {
        path: run.path().display().to_string(),
        meta: run.meta().unwrap_or_default(),
        progress: status.progress,
        sinks: status.sinks,
        evaluations: history.evaluations.iter().map(EvaluationRow::new).collect(),
        curves: curve_rows(&history),
        checkpoints: artifact_rows(run, &history.checkpoints),
        episodes: artifact_rows(run, &history.episodes),
        warnings: history
            .warnings
            .iter()
            .map(|(time, source, message)| WarningRow {
                time: *time,
                source: source.clone(),
                message: message.clone(),
            })
            .collect(),
        resumes: history.resumes.len() as u64,
        console_tail: if ended_badly {
            console_tail(run, CONSOLE_LINES)
        } else {
            Vec::new()
        },
        row,
    })
}

fn curve_rows(history: &History) -> Vec<CurveRow> {
    history
        .all_series()
        .filter_map(|(name, axis, series)| {
            let last = series.last()?;
            let values: Vec<f64> = series
                .points()
                .iter()
                .map(|point| point.value)
                .filter(|value| value.is_finite())
                .collect();
            let (lowest, highest) = range(&values);
            let name = name.to_owned();
            let points = series.count();
            Some(CurveRow {
                name,
                axis,
                points,
                last_step: last.step,
                last: last.value,
                lowest,
                highest,
            })
        })
        .collect()
}

fn artifact_rows(run: &RunFolder, artifacts: &[crate::history::Artifact]) -> Vec<ArtifactRow> {
    artifacts
        .iter()
        .map(|artifact| ArtifactRow {
            step: artifact.progress.step,
            path: artifact.path.clone(),
            exists: run.path().join(&artifact.path).exists(),
            best: matches!(artifact.note, ArtifactNote::Checkpoint { best: true }),
            episode_return: match artifact.note {
                ArtifactNote::Episode { episode_return, .. } => Some(episode_return),
                ArtifactNote::Checkpoint { .. } => None,
            },
        })
        .collect()
}

/// The last lines of `console.log`, read from its end; none when there is no such file.
pub fn console_tail(run: &RunFolder, lines: usize) -> Vec<String> {
    use std::io::{Read, Seek, SeekFrom};
    const LONGEST: u64 = 64 * 1024;
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(run.console_log())?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LONGEST)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}
