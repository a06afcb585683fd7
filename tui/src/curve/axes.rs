//! One curve over another axis: environment steps, learner updates, tokens or time.
//!
//! A point knows its step on the curve's own axis and when it was reported. Everything
//! else is read from moments at which the run told its whole progress (evaluations, its
//! status), and where there are none, from the times of curves on the wanted axis. A
//! point beyond what is known that way has no position: nothing is extrapolated.

use tracking::series::Point;
use tracking::{Axis, History, Progress};

/// What the x axis of a plot counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum XAxis {
    /// Environment steps.
    #[default]
    Steps,
    /// Updates of the learner.
    Updates,
    /// Wall-clock seconds since the run began.
    Time,
    /// Tokens processed.
    Tokens,
}

impl XAxis {
    /// All of them, in the order of the key that changes it.
    pub const ALL: [XAxis; 4] = [XAxis::Steps, XAxis::Updates, XAxis::Time, XAxis::Tokens];

    /// The one on which a curve was reported.
    #[must_use]
    pub fn of(own: Axis) -> XAxis {
        match own {
            Axis::EnvSteps => XAxis::Steps,
            Axis::LearnerUpdates => XAxis::Updates,
            Axis::Tokens => XAxis::Tokens,
            Axis::Seconds => XAxis::Time,
        }
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> XAxis {
        let index = XAxis::ALL.iter().position(|axis| *axis == self);
        XAxis::ALL[(index.unwrap_or(0) + 1) % XAxis::ALL.len()]
    }

    /// In words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            XAxis::Steps => "environment steps",
            XAxis::Updates => "learner updates",
            XAxis::Time => "time",
            XAxis::Tokens => "tokens",
        }
    }

    /// In words, for runs of a job: what a search counts are questions.
    #[must_use]
    pub fn title_of(self, job: &str) -> &'static str {
        match (self, job) {
            (XAxis::Steps, "search") => "questions",
            _ => self.title(),
        }
    }

    /// The word of the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            XAxis::Steps => "step",
            XAxis::Updates => "updates",
            XAxis::Time => "time",
            XAxis::Tokens => "tokens",
        }
    }

    /// A position in words: `12.5k`, or a length of time.
    #[must_use]
    pub fn label(self, x: f64) -> String {
        match self {
            XAxis::Time => crate::figures::duration(x),
            _ => crate::figures::count(x.round()),
        }
    }

    fn counted(self) -> Option<Axis> {
        match self {
            XAxis::Steps => Some(Axis::EnvSteps),
            XAxis::Updates => Some(Axis::LearnerUpdates),
            XAxis::Tokens => Some(Axis::Tokens),
            XAxis::Time => None,
        }
    }
}

/// Positions of one run's points on every axis.
#[derive(Clone, Debug)]
pub struct Axes<'a> {
    history: &'a History,
    start: f64,
    progress: Vec<Progress>,
}

impl<'a> Axes<'a> {
    /// What a history tells, and where the run is by its status.
    #[must_use]
    pub fn of(history: &'a History, now: Option<Progress>) -> Self {
        let states = history.states.iter().map(|(time, _)| *time);
        let evaluations = history.evaluations.iter().map(|one| one.time);
        let mut start = states.chain(evaluations).fold(f64::INFINITY, f64::min);
        for (.., series) in history.all_series() {
            // A run's clock may have been set back: any of its points may be the earliest.
            let times = series.points().into_iter().map(|point| point.time);
            start = times.fold(start, f64::min);
        }
        let mut progress: Vec<Progress> =
            history.evaluations.iter().map(|one| one.progress).collect();
        progress.extend(&history.resumes);
        progress.extend(now);
        progress.sort_by_key(|moment| moment.step);
        Axes {
            history,
            start: if start.is_finite() { start } else { 0.0 },
            progress,
        }
    }

    /// The positions of points whose steps count `own`: ascending, `None` where nothing
    /// tells, and all `None` where the run has no such axis.
    #[must_use]
    pub fn positions(&self, points: &[Point], own: Axis, wanted: XAxis) -> Vec<Option<f64>> {
        let Some(target) = wanted.counted() else {
            // A clock that was set back must not bend a curve back.
            let mut latest = 0.0_f64;
            return points
                .iter()
                .map(|point| {
                    latest = latest.max(point.time - self.start);
                    latest.is_finite().then_some(latest)
                })
                .collect();
        };
        if target == own {
            return points.iter().map(|point| Some(point.step as f64)).collect();
        }
        let pairs = self.pairs(own, target);
        if pairs.len() >= 2 {
            return points
                .iter()
                .map(|point| between(&pairs, point.step as f64))
                .collect();
        }
        let timed = self.timed(target);
        points
            .iter()
            .map(|point| between(&timed, point.time))
            .collect()
    }

    /// The position of a moment of known progress.
    #[must_use]
    pub fn position(&self, progress: &Progress, time: f64, wanted: XAxis) -> Option<f64> {
        match wanted.counted() {
            None => Some((time - self.start).max(0.0)),
            Some(Axis::EnvSteps) => Some(progress.step as f64),
            Some(axis) => {
                let known = self.progress.iter().any(|moment| moment.on(axis) > 0);
                known.then(|| progress.on(axis) as f64)
            }
        }
    }

    /// (time, step) of all curves on an axis.
    fn timed(&self, target: Axis) -> Vec<(f64, f64)> {
        let on_target = self
            .history
            .all_series()
            .filter(|(_, axis, _)| *axis == target);
        let mut pairs: Vec<(f64, f64)> = on_target
            .flat_map(|(.., series)| series.points())
            .map(|point| (point.time, point.step as f64))
            .collect();
        ascending(&mut pairs);
        pairs
    }

    /// (own, target) of the moments of known progress; none where the target stays at 0.
    fn pairs(&self, own: Axis, target: Axis) -> Vec<(f64, f64)> {
        let mut pairs: Vec<(f64, f64)> = self
            .progress
            .iter()
            .map(|moment| (moment.on(own) as f64, moment.on(target) as f64))
            .collect();
        ascending(&mut pairs);
        if pairs.last().is_none_or(|(_, last)| *last <= 0.0) {
            pairs.clear();
        }
        pairs
    }
}

/// Sorts by the first number and never lets the second one fall.
fn ascending(pairs: &mut Vec<(f64, f64)>) {
    pairs.retain(|(first, second)| first.is_finite() && second.is_finite());
    pairs.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.total_cmp(&right.1)));
    let mut highest = f64::NEG_INFINITY;
    for pair in pairs.iter_mut() {
        highest = highest.max(pair.1);
        pair.1 = highest;
    }
    pairs.dedup();
}

/// Linear interpolation inside the range of ascending pairs, `None` outside.
#[must_use]
pub fn between(pairs: &[(f64, f64)], at: f64) -> Option<f64> {
    let after = pairs.partition_point(|(first, _)| *first < at);
    let (right, high) = *pairs.get(after)?;
    if right == at {
        return Some(high);
    }
    let (left, low) = *pairs.get(after.checked_sub(1)?)?;
    Some(low + (high - low) * ((at - left) / (right - left)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tracking::{EvaluationPurpose, Event, EventKind};

    fn apply(history: &mut History, time: f64, kind: EventKind) {
        history.apply(Event {
            version: 1,
            sequence: history.events,
            time,
            kind,
        });
    }

    fn scalar(history: &mut History, name: &str, axis: Axis, step: u64, time: f64) {
        let kind = EventKind::Scalar {
            name: name.to_owned(),
            value: 1.0,
            axis,
            step,
        };
        apply(history, time, kind);
    }

    fn evaluated(history: &mut History, step: u64, updates: u64, time: f64) {
        let kind = EventKind::Evaluation {
            purpose: EvaluationPurpose::Interval,
            progress: Progress {
                step,
                updates,
                ..Progress::default()
            },
            returns: vec![1.0],
            lengths: vec![1],
            extra: BTreeMap::new(),
            checkpoint: String::new(),
        };
        apply(history, time, kind);
    }

    fn positions(history: &History, name: &str, wanted: XAxis) -> Vec<Option<f64>> {
        let (_, axis, series) = history
            .all_series()
            .find(|(found, ..)| *found == name)
            .expect("the curve");
        Axes::of(history, None).positions(&series.points(), axis, wanted)
    }

    #[test]
    fn steps_become_updates_between_moments_of_known_progress() {
        let mut history = History::new();
        evaluated(&mut history, 0, 0, 100.0);
        for step in [0, 50, 100, 150, 250] {
            scalar(&mut history, "r", Axis::EnvSteps, step, 100.0 + step as f64);
        }
        evaluated(&mut history, 100, 10, 200.0);
        evaluated(&mut history, 200, 50, 300.0);
        // 50 lies half way to 10 updates, 150 half way from 10 to 50, 250 beyond.
        let expected = [Some(0.0), Some(5.0), Some(10.0), Some(30.0), None];
        assert_eq!(positions(&history, "r", XAxis::Updates), expected);
        let seconds = [0.0, 50.0, 100.0, 150.0, 250.0].map(Some);
        assert_eq!(positions(&history, "r", XAxis::Time), seconds);
        assert_eq!(positions(&history, "r", XAxis::Tokens), [None; 5]);
    }

    #[test]
    fn without_known_progress_the_times_of_other_curves_tell() {
        let mut history = History::new();
        for tick in 0..5 {
            scalar(
                &mut history,
                "loss",
                Axis::LearnerUpdates,
                tick * 2,
                tick as f64,
            );
        }
        scalar(&mut history, "r", Axis::EnvSteps, 7, 1.5);
        scalar(&mut history, "r", Axis::EnvSteps, 9, 99.0);
        assert_eq!(positions(&history, "r", XAxis::Updates), [Some(3.0), None]);
    }

    #[test]
    fn a_clock_that_is_set_back_never_bends_a_curve_back() {
        let mut history = History::new();
        for (step, time) in [(1, 50.0), (2, 60.0), (3, 10.0), (4, 70.0)] {
            scalar(&mut history, "r", Axis::EnvSteps, step, time);
        }
        let found = positions(&history, "r", XAxis::Time);
        assert_eq!(found, [40.0, 50.0, 50.0, 60.0].map(Some));
    }
}
