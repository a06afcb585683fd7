//! What a training writes into its run folder: figures, status, checkpoints, episodes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use configs::train::{LoggingConfig, TrainConfig};
use envs::EnvironmentSpec;
use tch::Tensor;
use tracking::{
    AtomicFolder, Axis, EvaluationPurpose, EventKind, RunFolder, RunState, Status, StatusWriter,
    Tracker, write_atomic,
};

use crate::AgentsError;
use crate::checkpoint::{Counters, RunningState};
use crate::evaluation::{EvaluationReport, RecordedEpisode};
use crate::learner::{Learner, UpdateReport};
use crate::mansa::call_map::CallMap;
use crate::policy::Policy;
use crate::rollout::EpisodeBatch;

/// The episode of the last, absolute evaluation.
const BEST: &str = "best";
/// How long each moment of an animation stays.
const FRAME_MILLISECONDS: u16 = 300;

/// Writes an episode as an animated GIF.
///
/// # Errors
/// A full disk, missing permissions.
pub fn write_gif(path: &Path, episode: &RecordedEpisode) -> Result<(), AgentsError> {
    let mut bytes = Vec::new();
    envs::render::write_gif(&episode.scenes, FRAME_MILLISECONDS, &mut bytes)?;
    Ok(write_atomic(path, &bytes)?)
}

/// Writes an episode as one scene (JSON) per line.
///
/// # Errors
/// A full disk, missing permissions.
pub fn write_scenes(path: &Path, episode: &RecordedEpisode) -> Result<(), AgentsError> {
    let mut lines = Vec::new();
    for scene in &episode.scenes {
        serde_json::to_writer(&mut lines, scene).expect("a scene is plain data");
        lines.push(b'\n');
    }
    Ok(write_atomic(path, &lines)?)
}

/// Writes where central calls fired to `media/calls/`: the counts, a table as text, and for
/// the best policy a picture.
fn write_call_map(run: &RunFolder, name: &str, map: &CallMap) -> Result<(), AgentsError> {
    let folder = run.media().join("calls");
    std::fs::create_dir_all(&folder).map_err(|source| nn::NnError::File {
        path: folder.clone(),
        source,
    })?;
    let json = serde_json::to_vec(map).expect("a map is plain data");
    write_atomic(&folder.join(format!("{name}.json")), &json)?;
    write_atomic(
        &folder.join(format!("{name}.txt")),
        map.to_text().as_bytes(),
    )?;
    if name == BEST {
        let mut picture = Vec::new();
        map.to_png(&mut picture)?;
        write_atomic(&folder.join(format!("{name}.png")), &picture)?;
    }
    Ok(())
}

/// Sums between two reports.
#[derive(Debug, Default)]
pub struct TrainingFigures {
    updates: u64,
    sums: UpdateReport,
    more: BTreeMap<&'static str, (f64, u64)>,
    calls: u64,
    explored_calls: u64,
    explored: u64,
    decisions: u64,
    episodes: u64,
    returns: f64,
    steps: u64,
    staleness: u64,
    acting_seconds: f64,
    /// Seconds the learner waited for actors.
    pub waiting_seconds: f64,
    /// Seconds spent in updates.
    pub learning_seconds: f64,
}

impl TrainingFigures {
    /// Adds the episodes of a round.
    pub fn episodes(&mut self, batch: &EpisodeBatch, seconds: f64, staleness: u64) {
        self.episodes += batch.episodes as u64;
        self.returns += batch.returns.iter().sum::<f64>();
        self.steps += batch.steps();
        self.acting_seconds += seconds;
        self.staleness = self.staleness.max(staleness);
        if let Some(switch) = &batch.switch {
            self.decisions += batch.steps();
            self.calls += switch.call_count();
            for (&call, &explored) in switch.calls.iter().zip(&switch.explored) {
                self.explored += u64::from(explored);
                self.explored_calls += u64::from(call & explored);
            }
        }
    }

    /// Adds an update.
    pub fn update(&mut self, report: UpdateReport) {
        self.updates += 1;
        self.sums.loss += report.loss;
        self.sums.gradient_norm += report.gradient_norm;
        self.sums.mean_value += report.mean_value;
        self.sums.mean_target += report.mean_target;
        for (name, value) in report.more {
            let (sum, count) = self.more.entry(name).or_default();
            *sum += value;
            *count += 1;
        }
    }
}

/// Writes into a run folder; a training without one reports to nobody.
pub struct Reporter<'a> {
    run: Option<&'a RunFolder>,
    tracker: Tracker,
    status_writer: Option<StatusWriter>,
    status: Status,
    last_figures: Instant,
    updates_reported: u64,
    last_status: Instant,
}

impl<'a> Reporter<'a> {
    /// Reports into `run` through `tracker`; `device` and `total_steps` go into the status.
    pub fn new(run: &'a RunFolder, tracker: Tracker, device: String, total_steps: u64) -> Self {
        let status = Status {
            device,
            total_steps,
            ..Status::default()
        };
        Self {
            status,
            ..Self::build(Some(run), tracker, Some(StatusWriter::new(run)))
        }
    }

    /// Reports to nobody, for tests and benchmarks.
    pub fn silent() -> Self {
        Self::build(None, Tracker::silent(), None)
    }

    fn build(
        run: Option<&'a RunFolder>,
        tracker: Tracker,
        status_writer: Option<StatusWriter>,
    ) -> Self {
        Self {
            run,
            tracker,
            status_writer,
            status: Status::default(),
            last_figures: Instant::now(),
            updates_reported: 0,
            last_status: Instant::now(),
        }
    }

    /// The run entered a state.
    pub fn state(&mut self, state: RunState, counters: &Counters, message: &str) {
        let message = message.to_owned();
        self.tracker.event(EventKind::State {
            state,
            progress: counters.progress,
            message: message.clone(),
        });
        self.status.state = state;
        self.status.message = message;
        self.write_status(counters, true);
    }

    /// Time that the run was parked, which counts for no rate.
    pub fn leave_out(&mut self, parked: Duration) {
        self.last_figures += parked;
    }

    /// Tells that the run is alive.
    pub fn heartbeat(&mut self, counters: &Counters) {
        self.write_status(counters, false);
    }

    /// After each round: status now and then, figures every `interval_updates`.
    pub fn round(
        &mut self,
        figures: &mut TrainingFigures,
        counters: &Counters,
        epsilon: f64,
        logging: &LoggingConfig,
    ) {
        let updates = counters.progress.updates;
        let enough = updates >= self.updates_reported + logging.interval_updates;
        let late = self.last_figures.elapsed().as_secs_f64() >= logging.interval_secs;
        if enough || (late && figures.updates == 0) {
            self.figures(figures, counters, epsilon);
            self.updates_reported = updates;
        }
        if self.last_status.elapsed().as_secs_f64() >= logging.interval_secs {
            self.write_status(counters, false);
        }
    }

    fn figures(&mut self, figures: &mut TrainingFigures, counters: &Counters, epsilon: f64) {
        let figures = std::mem::take(figures);
        let seconds = self.last_figures.elapsed().as_secs_f64().max(1e-9);
        self.last_figures = Instant::now();
        let rate = figures.steps as f64 / seconds;
        self.status.steps_per_second = Some(rate);
        let step = counters.progress.step;
        let scalar =
            |name: &str, value: f64| self.tracker.scalar(name, value, Axis::EnvSteps, step);
        if figures.updates > 0 {
            let mean = |sum: f64| sum / figures.updates as f64;
            scalar("train/loss", mean(figures.sums.loss));
            scalar("train/gradient_norm", mean(figures.sums.gradient_norm));
            scalar("train/mean_value", mean(figures.sums.mean_value));
            scalar("train/mean_target", mean(figures.sums.mean_target));
        }
        for (name, (sum, count)) in &figures.more {
            scalar(name, sum / *count as f64);
        }
        if figures.decisions > 0 {
            let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
            let (calls, decisions) = (figures.calls, figures.decisions);
            scalar("mansa/cl_decision_fraction", share(calls, decisions));
            scalar(
                "mansa/cl_exploration_fraction",
                share(figures.explored_calls, decisions),
            );
            if decisions > figures.explored {
                let chosen = share(calls - figures.explored_calls, decisions - figures.explored);
                scalar("mansa/cl_decision_fraction_chosen", chosen);
            }
        }
        if let Some(budget) = &counters.budget {
            scalar(
                "mansa/budget_remaining",
                f64::from(budget.remaining_share()),
            );
        }
        if figures.episodes > 0 {
            let mean = |sum: f64| sum / figures.episodes as f64;
            scalar("train/return", mean(figures.returns));
            scalar("train/episode_length", mean(figures.steps as f64));
        }
        scalar("train/epsilon", epsilon);
        scalar("runtime/env_steps_per_second", rate);
        scalar(
            "runtime/updates_per_second",
            figures.updates as f64 / seconds,
        );
        scalar(
            "runtime/updates_per_episode",
            figures.updates as f64 / figures.episodes.max(1) as f64,
        );
        scalar("runtime/staleness_updates", figures.staleness as f64);
        scalar("runtime/acting_share", figures.acting_seconds / seconds);
        scalar("runtime/learning_share", figures.learning_seconds / seconds);
        scalar("runtime/waiting_share", figures.waiting_seconds / seconds);
    }

    fn write_status(&mut self, counters: &Counters, durable: bool) {
        self.last_status = Instant::now();
        self.status.progress = counters.progress;
        self.status.best_evaluation = counters.best.map(|(best, _)| best);
        self.status.sinks = self.tracker.health();
        if let Some(writer) = &mut self.status_writer {
            writer.write_or_warn(&self.status, &self.tracker, durable);
        }
    }

    /// Episodes were scored.
    pub fn evaluation(
        &mut self,
        purpose: EvaluationPurpose,
        report: &EvaluationReport,
        counters: &Counters,
    ) {
        let checkpoint = match purpose {
            EvaluationPurpose::Absolute if counters.best.is_some() => "ckpt/best".to_owned(),
            _ => String::new(),
        };
        self.tracker.event(EventKind::Evaluation {
            purpose,
            progress: counters.progress,
            returns: report.returns.clone(),
            lengths: report.lengths.clone(),
            extra: if report.calls.is_empty() {
                BTreeMap::new()
            } else {
                let calls = report.calls.iter().map(|&calls| calls as f64).collect();
                BTreeMap::from([("cl_calls".to_owned(), calls)])
            },
            checkpoint,
        });
        if let (Some(fraction), EvaluationPurpose::Interval) = (report.call_fraction(), purpose) {
            self.evaluation_scalar("cl_decision_fraction", fraction, counters);
        }
        if purpose == EvaluationPurpose::Interval {
            self.status.last_evaluation = Some(report.mean_return());
        }
        if let Some(episode) = &report.recorded {
            let name = match purpose {
                EvaluationPurpose::Interval => format!("step-{}", counters.progress.step),
                EvaluationPurpose::Absolute => BEST.to_owned(),
            };
            self.episode(&name, episode, counters);
        }
        if let (Some(run), Some(map)) = (self.run, &report.call_map) {
            let name = match purpose {
                EvaluationPurpose::Interval => format!("step-{}", counters.progress.step),
                EvaluationPurpose::Absolute => BEST.to_owned(),
            };
            if let Err(problem) = write_call_map(run, &name, map) {
                self.tracker
                    .warning("call map", format!("{problem} - training goes on"));
            }
        }
        self.write_status(counters, true);
    }

    /// A further figure of an evaluation.
    pub fn evaluation_scalar(&self, name: &str, value: f64, counters: &Counters) {
        let (name, step) = (format!("evaluation/{name}"), counters.progress.step);
        self.tracker.scalar(&name, value, Axis::EnvSteps, step);
    }

    /// Stores a recorded episode as scenes, and as a GIF when it is the best policy's.
    fn episode(&self, name: &str, episode: &RecordedEpisode, counters: &Counters) {
        let Some(run) = self.run else { return };
        if let Err(problem) = self.try_episode(run, name, episode, counters) {
            self.tracker
                .warning("episode", format!("{problem} - training goes on"));
        }
    }

    fn try_episode(
        &self,
        run: &RunFolder,
        name: &str,
        episode: &RecordedEpisode,
        counters: &Counters,
    ) -> Result<(), AgentsError> {
        let folder = run.media().join("episodes");
        std::fs::create_dir_all(&folder).map_err(|source| nn::NnError::File {
            path: folder.clone(),
            source,
        })?;
        write_scenes(&folder.join(format!("{name}.jsonl")), episode)?;
        if name == BEST {
            write_gif(&run.media().join(format!("{name}.gif")), episode)?;
        }
        self.tracker.event(EventKind::Episode {
            progress: counters.progress,
            path: format!("media/episodes/{name}.jsonl"),
            episode_return: episode.episode_return,
            length: episode.scenes.len().saturating_sub(1) as u64,
        });
        Ok(())
    }

    /// Writes the policy with the best evaluation to `ckpt/best`.
    ///
    /// # Errors
    /// When it cannot be written twice in a row.
    pub fn best_policy(
        &mut self,
        config: &TrainConfig,
        spec: &EnvironmentSpec,
        weights: &Tensor,
        counters: &Counters,
    ) -> Result<(), AgentsError> {
        let Some(run) = self.run else { return Ok(()) };
        let step = counters.progress.step;
        self.twice("the best policy", || {
            let folder = AtomicFolder::create(&run.checkpoints_folder(), "best")?;
            Policy::write(folder.path(), config, spec, weights, step)?;
            folder.commit()?;
            Ok(())
        })?;
        self.tracker.event(EventKind::Checkpoint {
            progress: counters.progress,
            path: "ckpt/best".to_owned(),
            best: true,
        });
        Ok(())
    }

    /// The best policy so far, when there is a run folder that holds one.
    ///
    /// # Errors
    /// A damaged policy.
    pub fn read_best_policy(&self) -> Result<Option<Policy>, AgentsError> {
        let folder = self.run.map(|run| run.checkpoints_folder().join("best"));
        folder
            .filter(|folder| folder.exists())
            .map(|folder| Policy::read(&folder))
            .transpose()
    }

    /// Writes a checkpoint and removes old ones.
    ///
    /// # Errors
    /// When it cannot be written twice in a row.
    pub fn checkpoint(
        &mut self,
        config: &TrainConfig,
        spec: &EnvironmentSpec,
        learner: &dyn Learner,
        state: &RunningState,
    ) -> Result<(), AgentsError> {
        let Some(run) = self.run else { return Ok(()) };
        let step = state.counters.progress.step;
        let name = format!("step-{step}");
        // Events up to the checkpoint must not be lost while the checkpoint stays.
        self.tracker.flush();
        self.twice("the checkpoint", || {
            let policy = |folder: &Path| {
                Policy::write(folder, config, spec, &learner.acting_weights(), step)
            };
            crate::checkpoint::write(&run.checkpoints_folder(), &name, learner, state, policy)?;
            Ok(())
        })?;
        let path = format!("ckpt/{name}");
        self.status.last_checkpoint = Some(path.clone());
        self.tracker.event(EventKind::Checkpoint {
            progress: state.counters.progress,
            path,
            best: false,
        });
        self.write_status(&state.counters, true);
        crate::checkpoint::prune(&run.checkpoints(), config.checkpoint.keep_last)
    }

    /// A checkpoint that fails once may succeed the second time (an NFS hiccup, a disk just
    /// freed); one that fails twice stops the run.
    fn twice(
        &self,
        what: &str,
        mut write: impl FnMut() -> Result<(), AgentsError>,
    ) -> Result<(), AgentsError> {
        write().or_else(|error| {
            self.tracker.warning(
                "checkpoint",
                format!("{what} failed, trying once more: {error}"),
            );
            write()
        })
    }

    /// Adds to a divergence where the last good checkpoint lies.
    pub fn locate(&self, error: AgentsError) -> AgentsError {
        match error {
            AgentsError::Diverged {
                quantity,
                value,
                update,
                episodes,
                ..
            } => {
                let last_checkpoint = match &self.status.last_checkpoint {
                    Some(path) => format!("the last good checkpoint is {path}"),
                    None => "there is no checkpoint yet".to_owned(),
                };
                AgentsError::Diverged {
                    quantity,
                    value,
                    update,
                    episodes,
                    last_checkpoint,
                }
            }
            other => other,
        }
    }

    /// The run continues from a checkpoint, named within the run folder.
    pub fn resumed(&mut self, checkpoint: &str, counters: &Counters) {
        self.status.last_checkpoint = Some(checkpoint.to_owned());
        self.tracker.event(EventKind::Resumed {
            progress: counters.progress,
            checkpoint: checkpoint.to_owned(),
        });
    }

    /// Where the run folder is.
    pub fn folder(&self) -> Option<PathBuf> {
        self.run.map(|run| run.path().to_path_buf())
    }
}
