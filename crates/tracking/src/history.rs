//! What a run's events mean once resumes are taken into account.
//!
//! # The resume rule
//!
//! A run that was killed and continues from a checkpoint at position P has already
//! reported events beyond P. The log is append-only, so they stay; the event `resumed`
//! with position P marks them void:
//!
//! > An event that lies beyond the position of a later `resumed` is dropped.
//!
//! Scalars, texts and samples are compared on their own axis; stages by environment step
//! and update; evaluations, checkpoints and episodes by environment step; states,
//! warnings, hyper-parameters and endings are kept (an ending is history, but a run that resumed has not ended: [`History::finished`] is
//! the last one since the last resume). Where the run then reports a point at exactly P
//! again, it replaces the old one. An evaluation replaces an earlier one of the same
//! purpose and step.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::TrackingError;
use crate::event::line::Line;
use crate::event::{Axis, EvaluationPurpose, Event, EventKind, HyperParameter, Progress};
use crate::event_log::{EventReader, Polled};
use crate::samples::{Samples, Stages};
use crate::series::{Point, Series};
use crate::status::RunState;

mod bounds;
mod curves;
mod follower;

use curves::Curves;
pub use follower::{Follower, Progressed};

/// Whether an event lies beyond a position.
pub fn is_beyond(kind: &EventKind, position: &Progress) -> bool {
    match kind {
        EventKind::Scalar { axis, step, .. } | EventKind::Text { axis, step, .. } => {
            *step > position.on(*axis)
        }
        EventKind::Sample(sample) => sample.step > position.on(sample.axis),
        EventKind::Stage(stage) => {
            stage.progress.step > position.step || stage.progress.updates > position.updates
        }
        EventKind::Evaluation { progress, .. }
        | EventKind::Checkpoint { progress, .. }
        | EventKind::Episode { progress, .. } => progress.step > position.step,
        _ => false,
    }
}

/// The resumes of a run, for filtering its events one by one.
#[derive(Debug, Clone, Default)]
pub struct Boundaries {
    resumes: Vec<(u64, Progress)>,
}

impl Boundaries {
    /// Collects the resumes of an event log.
    ///
    /// # Errors
    /// The log exists and cannot be read.
    pub fn read(events: &Path) -> Result<Self, TrackingError> {
        let mut boundaries = Self::default();
        EventReader::open(events).poll_into(&mut |event| boundaries.note(&event))?;
        Ok(boundaries)
    }

    /// Takes one event into account.
    pub fn note(&mut self, event: &Event) {
        if let EventKind::Resumed { progress, .. } = &event.kind {
            self.resumes.push((event.sequence, *progress));
        }
    }

    /// Whether the event is still valid.
    pub fn keep(&self, event: &Event) -> bool {
        self.resumes.iter().all(|(sequence, position)| {
            *sequence < event.sequence || !is_beyond(&event.kind, position)
        })
    }
}

/// Scored episodes at one moment of training.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Why.
    pub purpose: EvaluationPurpose,
    /// When in training.
    pub progress: Progress,
    /// Wall-clock time, seconds since 1970.
    pub time: f64,
    /// Return of each episode.
    pub returns: Vec<f64>,
    /// Steps of each episode.
    pub lengths: Vec<u64>,
    /// Further numbers per episode.
    pub extra: BTreeMap<String, Vec<f64>>,
    /// Checkpoint that played; empty for the weights in memory.
    pub checkpoint: String,
}

impl Evaluation {
    /// What its returns are.
    #[must_use]
    pub fn measure(&self) -> crate::Measure {
        crate::Measure::of(&self.extra)
    }
}

/// A checkpoint or a recorded episode: a path and when it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// When in training.
    pub progress: Progress,
    /// Relative to the run folder.
    pub path: String,
    /// Best so far (checkpoints), or the return (episodes) otherwise.
    pub note: ArtifactNote,
}

/// What else is known of an [`Artifact`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ArtifactNote {
    /// A checkpoint.
    Checkpoint {
        /// Best by the evaluation at that time.
        best: bool,
    },
    /// A recorded episode.
    Episode {
        /// Its return.
        episode_return: f64,
        /// Its steps.
        length: u64,
    },
}

/// How and where a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// `finished`, `failed` or `interrupted`.
    pub outcome: RunState,
    /// Exit code.
    pub exit_code: i32,
    /// Where.
    pub progress: Progress,
    /// Why.
    pub message: String,
}

/// All valid events of a run, by kind. Feed it events in the order of the log, all at
/// once ([`History::read`]) or as they come ([`History::apply`]).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    curves: Curves,
    /// Memory is to stay bounded, however long the run.
    bounded: bool,
    /// Evaluations in order of training.
    pub evaluations: Vec<Evaluation>,
    /// Checkpoints in order of training; older ones may be gone from the disk.
    pub checkpoints: Vec<Artifact>,
    /// Recorded episodes in order of training.
    pub episodes: Vec<Artifact>,
    /// Latest text of each name, with its axis and step.
    pub texts: BTreeMap<String, (Axis, u64, String)>,
    /// Settings, as last reported.
    pub hyper_parameters: BTreeMap<String, HyperParameter>,
    /// Warnings as (time, source, message).
    pub warnings: Vec<(f64, String, String)>,
    /// States as (time, state).
    pub states: Vec<(f64, RunState)>,
    /// Positions from which the run was resumed.
    pub resumes: Vec<Progress>,
    /// Newest generated samples.
    pub samples: Samples,
    /// Stages of fine-tuning.
    pub stages: Stages,
    /// The ending since the last resume.
    pub finished: Option<Ending>,
    /// Events applied.
    pub events: u64,
    /// At least so many numbers are held of the evaluations' episodes.
    episode_numbers: usize,
}

impl History {
    /// An empty history whose curves keep all their points.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty history whose curves keep about `limit` points each, thinned as in
    /// [`Series::thinned`]: bounded memory for a dashboard that follows a long run. Of
    /// everything else the latest is kept, some thousands of each kind.
    pub fn with_point_limit(limit: usize) -> Self {
        Self {
            curves: Curves::thinned(limit),
            bounded: true,
            ..Self::default()
        }
    }

    /// Reads a whole event log.
    ///
    /// # Errors
    /// The log exists and cannot be read.
    pub fn read(events: &Path) -> Result<Self, TrackingError> {
        let mut history = Self::new();
        let mut reader = EventReader::open(events);
        while reader.poll_lines(u64::MAX, &mut |line| history.apply_line(line))? == Polled::Replaced
        {
            history = Self::new();
        }
        Ok(history)
    }

    /// The curve of a name; where one name was used on several axes, the first of them in
    /// the order of [`Axis`].
    pub fn series(&self, name: &str) -> Option<&Series> {
        self.curves.named(name)
    }

    /// All curves with their names and axes, by name.
    pub fn all_series(&self) -> impl Iterator<Item = (&str, Axis, &Series)> {
        self.curves.iter()
    }

    /// Points that a bounded history refused because the run has too many curves.
    pub fn refused_points(&self) -> u64 {
        self.curves.refused()
    }

    /// Evaluations during training, without the absolute one.
    pub fn interval_evaluations(&self) -> impl Iterator<Item = &Evaluation> {
        self.evaluations
            .iter()
            .filter(|one| one.purpose == EvaluationPurpose::Interval)
    }

    /// The absolute evaluation, the last one if there are several.
    pub fn absolute_evaluation(&self) -> Option<&Evaluation> {
        self.evaluations
            .iter()
            .rfind(|one| one.purpose == EvaluationPurpose::Absolute)
    }

    /// Takes the next line of the log.
    pub fn apply_line(&mut self, line: Line<'_>) {
        match line {
            Line::Scalar(scalar) => {
                self.events += 1;
                let point = Point {
                    step: scalar.step,
                    value: scalar.value,
                    time: scalar.time,
                };
                self.curves.push(scalar.name, scalar.axis, point);
            }
            Line::Other(event) => self.apply(*event),
        }
    }

    /// Takes the next event of the log.
    pub fn apply(&mut self, event: Event) {
        self.events += 1;
        let time = event.time;
        match event.kind {
            EventKind::Scalar {
                name,
                value,
                axis,
                step,
            } => {
                self.curves.push(&name, axis, Point { step, value, time });
            }
            EventKind::Text {
                name,
                text,
                axis,
                step,
            } => {
                self.texts.insert(name, (axis, step, text));
            }
            EventKind::Evaluation {
                purpose,
                progress,
                returns,
                lengths,
                extra,
                checkpoint,
            } => {
                self.evaluated(Evaluation {
                    purpose,
                    progress,
                    time,
                    returns,
                    lengths,
                    extra,
                    checkpoint,
                });
            }
            EventKind::Checkpoint {
                progress,
                path,
                best,
            } => {
                self.checkpoints.retain(|old| old.path != path);
                let note = ArtifactNote::Checkpoint { best };
                self.checkpoints.push(Artifact {
                    progress,
                    path,
                    note,
                });
            }
            EventKind::Episode {
                progress,
                path,
                episode_return,
                length,
            } => {
                self.episodes.retain(|old| old.path != path);
                let note = ArtifactNote::Episode {
                    episode_return,
                    length,
                };
                self.episodes.push(Artifact {
                    progress,
                    path,
                    note,
                });
            }
            EventKind::Hparams { values } => self.hyper_parameters = values,
            EventKind::Warning { source, message } => self.warnings.push((time, source, message)),
            EventKind::State { state, .. } => self.states.push((time, state)),
            EventKind::Resumed { progress, .. } => self.resume(progress),
            EventKind::Finished {
                outcome,
                exit_code,
                progress,
                message,
            } => {
                self.finished = Some(Ending {
                    outcome,
                    exit_code,
                    progress,
                    message,
                });
            }
            EventKind::Sample(sample) => self.samples.push(time, sample),
            EventKind::Stage(stage) => self.stages.apply(stage),
            EventKind::Unknown => {}
        }
        if self.bounded {
            self.keep_within_bounds();
        }
    }

    fn evaluated(&mut self, new: Evaluation) {
        // Looked for from the end: a run evaluates at ever later steps.
        let same =
            |old: &Evaluation| old.purpose == new.purpose && old.progress.step == new.progress.step;
        let earlier =
            |old: &&Evaluation| old.purpose == new.purpose && old.progress.step < new.progress.step;
        let newest = self.evaluations.last();
        if !newest.is_none_or(|old| earlier(&old)) {
            self.evaluations.retain(|old| !same(old));
        }
        self.evaluations.push(new);
        if self.bounded {
            self.thin_episodes();
        }
    }

    fn resume(&mut self, position: Progress) {
        self.curves.resume_at(&position);
        self.evaluations
            .retain(|one| one.progress.step <= position.step);
        self.checkpoints
            .retain(|one| one.progress.step <= position.step);
        self.episodes
            .retain(|one| one.progress.step <= position.step);
        self.samples.resume(&position);
        self.stages.resume(&position);
        self.resumes.push(position);
        self.finished = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(
        history: &mut History,
        boundaries: &mut Boundaries,
        kinds: Vec<EventKind>,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        for kind in kinds {
            let event = Event {
                version: 1,
                sequence: history.events,
                time: 1.0,
                kind,
            };
            boundaries.note(&event);
            history.apply(event.clone());
            events.push(event);
        }
        events
    }

    fn scalar(name: &str, axis: Axis, step: u64, value: f64) -> EventKind {
        EventKind::Scalar {
            name: name.into(),
            value,
            axis,
            step,
        }
    }

    fn evaluation(step: u64, score: f64) -> EventKind {
        EventKind::Evaluation {
            purpose: EvaluationPurpose::Interval,
            progress: Progress {
                step,
                ..Progress::default()
            },
            returns: vec![score],
            lengths: vec![1],
            extra: BTreeMap::new(),
            checkpoint: String::new(),
        }
    }

    fn values(history: &History, name: &str) -> Vec<(u64, f64)> {
        history
            .series(name)
            .unwrap()
            .points()
            .iter()
            .map(|point| (point.step, point.value))
            .collect()
    }

    #[test]
    fn a_resume_voids_what_lies_beyond_it_on_each_axis() {
        let (mut history, mut boundaries) = (History::new(), Boundaries::default());
        let position = Progress {
            step: 200,
            updates: 20,
            ..Progress::default()
        };
        let events = apply(
            &mut history,
            &mut boundaries,
            vec![
                scalar("r", Axis::EnvSteps, 100, 1.0),
                scalar("r", Axis::EnvSteps, 200, 2.0),
                scalar("r", Axis::EnvSteps, 300, 3.0),
                scalar("loss", Axis::LearnerUpdates, 20, 4.0),
                scalar("loss", Axis::LearnerUpdates, 21, 5.0),
                evaluation(200, 0.5),
                evaluation(300, 0.9),
                EventKind::Finished {
                    outcome: RunState::Interrupted,
                    exit_code: 5,
                    progress: position,
                    message: String::new(),
                },
                EventKind::Resumed {
                    progress: position,
                    checkpoint: "ckpt/step-200".into(),
                },
                scalar("r", Axis::EnvSteps, 200, 2.5),
                scalar("r", Axis::EnvSteps, 200, 2.6),
                scalar("r", Axis::EnvSteps, 300, 3.5),
                evaluation(200, 0.6),
            ],
        );
        assert_eq!(
            values(&history, "r"),
            [(100, 1.0), (200, 2.5), (200, 2.6), (300, 3.5)]
        );
        assert_eq!(values(&history, "loss"), [(20, 4.0)]);
        let evaluations: Vec<_> = history
            .evaluations
            .iter()
            .map(|one| (one.progress.step, one.returns[0]))
            .collect();
        assert_eq!(evaluations, [(200, 0.6)]);
        assert_eq!((history.resumes.len(), history.finished.clone()), (1, None));

        let kept: Vec<u64> = events
            .iter()
            .filter(|event| boundaries.keep(event))
            .map(|event| event.sequence)
            .collect();
        assert_eq!(kept, [0, 1, 3, 5, 7, 8, 9, 10, 11, 12]);
    }

    #[test]
    fn one_name_on_two_axes_is_two_curves() {
        let (mut history, mut boundaries) = (History::new(), Boundaries::default());
        let kinds = vec![
            scalar("a", Axis::Seconds, 1, 1.0),
            scalar("a", Axis::EnvSteps, 50, 2.0),
            scalar("ab", Axis::EnvSteps, 60, 3.0),
        ];
        apply(&mut history, &mut boundaries, kinds);
        assert_eq!(values(&history, "a"), [(50, 2.0)]);
        assert_eq!(history.all_series().count(), 3);
        assert!(history.series("b").is_none() && history.series("").is_none());
    }
}
