//! What a run came to: its last scores and what it wrote.

use std::collections::BTreeMap;
use std::path::Path;

use configs::Job;
use envs::Scene;
use serde_json::{Value, json};
use tracking::history::{ArtifactNote, Evaluation};
use tracking::measure::{self, Measure};
use tracking::statistics::{Bootstrap, Interval, interquartile_mean, mean};
use tracking::{History, Meta, RunFolder, RunState, Status, unix_seconds};
use tui::figures::{count, duration, number};

use crate::failure::Failure;
use crate::observers::Words;
use crate::output::{json_number, json_option, tell};
use crate::scene;

/// Columns that every terminal has.
const STRIP_WIDTH: usize = 76;

/// What was done of what is planned, in the words of the job.
pub(crate) fn amounts(words: Words, status: &Status) -> String {
    let (progress, total) = (status.progress, status.total_steps);
    if words == Words::Steps {
        return format!(
            "{} of {} steps, {} updates",
            count(progress.step as f64),
            count(total as f64),
            count(progress.updates as f64)
        );
    }
    let planned = match total {
        0 => String::new(),
        total => format!(" of {}", count(total as f64)),
    };
    let (done, unit) = match words {
        Words::Questions => (progress.step, "questions"),
        _ => (progress.updates, "updates"),
    };
    format!(
        "{}{planned} {unit}, {} tokens",
        count(done as f64),
        count(progress.tokens as f64)
    )
}

/// A run folder, read once.
pub(crate) struct RunResult {
    pub(crate) run: RunFolder,
    pub(crate) meta: Option<Meta>,
    pub(crate) status: Status,
    pub(crate) state: RunState,
    pub(crate) history: History,
}

/// Mean, interquartile mean and its 95% bootstrap interval over episodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Score {
    pub(crate) measure: Measure,
    pub(crate) step: u64,
    pub(crate) episodes: usize,
    pub(crate) mean: f64,
    pub(crate) interquartile_mean: f64,
    pub(crate) mean_interval: Interval,
    pub(crate) mean_length: f64,
}

impl Score {
    pub(crate) fn of(step: u64, returns: &[f64], lengths: &[u64]) -> Self {
        let bootstrap = Bootstrap::default();
        let table = [returns.to_vec()];
        Score {
            measure: Measure::Return,
            step,
            episodes: returns.len(),
            mean: mean(returns),
            interquartile_mean: interquartile_mean(returns),
            mean_interval: bootstrap.interval(&table, |drawn: &[Vec<f64>]| mean(&drawn[0])),
            mean_length: measure::mean_length(lengths, &BTreeMap::new()),
        }
    }

    pub(crate) fn of_evaluation(evaluation: &Evaluation) -> Self {
        Score {
            measure: evaluation.measure(),
            mean_length: measure::mean_length(&evaluation.lengths, &evaluation.extra),
            ..Score::of(
                evaluation.progress.step,
                &evaluation.returns,
                &evaluation.lengths,
            )
        }
    }

    pub(crate) fn to_json(self) -> Value {
        json!({
            "measure": self.measure.name(),
            "step": self.step,
            "episodes": self.episodes,
            "mean_return": json_number(self.mean),
            "interquartile_mean_return": json_number(self.interquartile_mean),
            "interval_low": json_number(self.mean_interval.low),
            "interval_high": json_number(self.mean_interval.high),
            "confidence": Bootstrap::default().confidence,
            "mean_length": json_number(self.mean_length),
        })
    }

    pub(crate) fn to_text(self) -> String {
        let length = number(self.mean_length);
        let of = self.measure.extent(self.episodes, &length);
        let interval = format!(
            "{}  95% interval [{}, {}]",
            number(self.mean),
            number(self.mean_interval.low),
            number(self.mean_interval.high)
        );
        match self.measure {
            Measure::Return => {
                format!("{interval}  IQM {}  {of}", number(self.interquartile_mean))
            }
            // Of shares that are mostly 0 or 1 the middle half says nothing.
            Measure::Accuracy | Measure::Answers | Measure::WinRate => {
                format!("{} {interval}  {of}", self.measure.name())
            }
            Measure::Unscored => format!("{}  {of}", self.measure.name()),
        }
    }
}

impl RunResult {
    /// Reads everything; a log that is missing is an empty one.
    pub(crate) fn read(run: RunFolder) -> Result<Self, Failure> {
        let status = run.status().unwrap_or_default();
        Ok(RunResult {
            state: status.observed_state(unix_seconds()),
            meta: run.meta().ok(),
            history: History::read(&run.events())?,
            status,
            run,
        })
    }

    /// The words of its job.
    pub(crate) fn words(&self) -> Words {
        Words::of_job(self.meta.as_ref().map_or("", |meta| meta.job.as_str()))
    }

    pub(crate) fn last_evaluation(&self) -> Option<Score> {
        self.history
            .interval_evaluations()
            .last()
            .map(Score::of_evaluation)
    }

    pub(crate) fn absolute(&self) -> Option<Score> {
        self.history.absolute_evaluation().map(Score::of_evaluation)
    }

    /// The final score: of the best checkpoint when it was played, else the last one.
    pub(crate) fn final_score(&self) -> Option<Score> {
        self.absolute().or_else(|| self.last_evaluation())
    }

    /// Seconds of training.
    pub(crate) fn seconds(&self) -> f64 {
        let spent = self.status.progress.seconds;
        if spent > 0.0 {
            spent
        } else {
            (self.status.heartbeat - self.status.started).max(0.0)
        }
    }

    /// Paths that exist, with what they are.
    pub(crate) fn written(&self) -> Vec<(&'static str, String)> {
        let folder = self.run.path();
        let mut written = vec![("run folder", folder.display().to_string())];
        let model = folder.join("model");
        if model.is_dir() {
            written.push(("model", model.display().to_string()));
        }
        let best = folder.join("ckpt/best");
        if best.is_dir() {
            written.push(("best policy", best.display().to_string()));
        }
        if let Some((_, path)) = self.run.checkpoints().last() {
            written.push(("checkpoint", path.display().to_string()));
        }
        for (what, path) in [
            ("episode", self.newest("jsonl")),
            ("animation", self.newest("gif")),
        ] {
            if let Some(path) = path {
                written.push((what, path));
            }
        }
        let tensorboard = self.run.tensorboard();
        if std::fs::read_dir(&tensorboard).is_ok_and(|mut entries| entries.next().is_some()) {
            written.push(("TensorBoard", tensorboard.display().to_string()));
        }
        written
    }

    fn episode(&self) -> Option<Vec<Scene>> {
        scene::read_episode(Path::new(&self.newest("jsonl")?))
    }

    /// The last recorded episode as a line of pictures.
    pub(crate) fn strip(&self) -> Option<String> {
        let episode = self.episode()?;
        let heading = match self.history.episodes.last().map(|artifact| artifact.note) {
            Some(ArtifactNote::Episode {
                episode_return,
                length,
            }) => {
                format!(
                    "recorded episode: return {} in {length} steps",
                    number(episode_return)
                )
            }
            _ => "recorded episode".to_owned(),
        };
        Some(format!(
            "{heading}\n{}",
            scene::strip(&episode, STRIP_WIDTH)
        ))
    }

    /// Makes an animation of the last recorded episode of an ended run, unless there is
    /// one as new as that. An animation is an extra: a failure is told and no more.
    pub(crate) fn animate(&self) {
        let time = |path: Option<String>| {
            std::fs::metadata(path?)
                .and_then(|meta| meta.modified())
                .ok()
        };
        if !self.state.is_final() || time(self.newest("gif")) >= time(self.newest("jsonl")) {
            return;
        }
        let Some(episode) = self.episode() else {
            return;
        };
        if let Err(failure) = scene::write_gif(&episode, &self.run.media().join("episode.gif")) {
            tell(&format!("warning: {}", failure.message));
        }
    }

    fn newest(&self, kind: &str) -> Option<String> {
        let media = self.run.media();
        [media.join("episodes"), media]
            .iter()
            .filter_map(|folder| std::fs::read_dir(folder).ok())
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == kind))
            .max_by_key(|path| {
                std::fs::metadata(path)
                    .and_then(|meta| meta.modified())
                    .ok()
            })
            .map(|path| path.display().to_string())
    }

    pub(crate) fn to_json(&self) -> Value {
        let written: serde_json::Map<String, Value> = self
            .written()
            .into_iter()
            .map(|(what, path)| (what.replace(' ', "_").to_lowercase(), Value::String(path)))
            .collect();
        json!({
            "id": self.run.id(),
            "state": self.state.name(),
            "exit_code": self.status.exit_code,
            "message": self.status.message,
            "step": self.status.progress.step,
            "total_steps": self.status.total_steps,
            "updates": self.status.progress.updates,
            "seconds": json_number(self.seconds()),
            "seed": self.meta.as_ref().map(|meta| meta.seed),
            "last_evaluation": self.last_evaluation().map(Score::to_json),
            "best_evaluation": json_option(self.status.best_evaluation),
            "absolute": self.absolute().map(Score::to_json),
            "written": written,
        })
    }

    pub(crate) fn to_text(&self) -> String {
        let (word, ..) = tui::model::shown(self.state);
        let mut lines = vec![
            ("run", format!("{}  {word}", self.run.id())),
            (
                match self.words() {
                    Words::Questions => "searched",
                    _ => "trained",
                },
                format!(
                    "{}, {}",
                    amounts(self.words(), &self.status),
                    duration(self.seconds())
                ),
            ),
        ];
        if let Some(score) = self.last_evaluation() {
            lines.push(("evaluation", score.to_text()));
        }
        if let Some(score) = self.absolute() {
            let what = match score.measure {
                Measure::Return => "best",
                Measure::Answers => "questions",
                _ => "final model",
            };
            lines.push((what, score.to_text()));
        }
        lines.extend(self.written());
        let ended_early = matches!(
            self.state,
            RunState::Interrupted | RunState::Killed | RunState::Lost
        );
        // A fine-tuning goes on from its finished stages too, and a search from its logs.
        let of_stages = (self.meta.as_ref())
            .is_some_and(|meta| meta.job == Job::Finetune.name() || meta.job == Job::Search.name());
        if ended_early && (of_stages || !self.run.checkpoints().is_empty()) {
            lines.push(("continue", format!("concord resume {}", self.run.id())));
        }
        let mut text = String::new();
        for (what, value) in lines {
            text.push_str(&format!("{what:<12} {value}\n"));
        }
        text
    }
}
