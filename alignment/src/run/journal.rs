//! Where a run writes how it fares, and hears what it is told.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;
use serde::{Deserialize, Serialize};
use tracking::samples::Stage;
use tracking::{
    Axis, ControlCommand, EvaluationPurpose, EventKind, Progress, RunFolder, RunState, Status,
    StatusWriter, Stopwatch, Tracker,
};

use super::evaluation::Scores;
use crate::training::mixing::Measurement;
use crate::training::{PairFigures, UpdateFigures};

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Updates over all iterations.
    pub updates: u64,
    /// Tokens that were generated or learnt from.
    pub tokens: u64,
    /// Seconds of work, those before a resume among them.
    pub seconds: f64,
}

/// What a run is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Go on.
    GoOn,
    /// Write a checkpoint and go on.
    Checkpoint,
    /// Write a checkpoint and end.
    Stop,
}

/// A stage of an iteration.
#[derive(Debug, Clone, Copy)]
pub struct StagePlace {
    /// Its name, a verb.
    pub name: &'static str,
    /// Its number, from 1.
    pub index: u32,
    /// Stages of an iteration.
    pub count: u32,
    /// The iteration, from 1.
    pub iteration: u32,
    /// Iterations planned.
    pub iterations: u32,
    /// What is counted.
    pub unit: &'static str,
}

/// Events, status and commands of a run.
pub struct Journal<'a> {
    /// The run's folder.
    pub folder: &'a RunFolder,
    tracker: Tracker,
    commands: Receiver<ControlCommand>,
    writer: StatusWriter,
    status: Status,
    /// How far the run is.
    pub counters: Counters,
    stopwatch: Stopwatch,
    last_status: Instant,
    last_stage: Option<Instant>,
    interval: Duration,
    /// Told to stop: it stays so, whatever is finished first.
    stopping: bool,
}

impl<'a> Journal<'a> {
    /// Opens the journal of a run; `device` and the pace of the status as told.
    pub fn new(
        folder: &'a RunFolder,
        tracker: Tracker,
        commands: Receiver<ControlCommand>,
        device: String,
        interval: Duration,
    ) -> Self {
        Self {
            folder,
            tracker,
            commands,
            writer: StatusWriter::new(folder),
            status: Status {
                device,
                ..Status::default()
            },
            counters: Counters::default(),
            stopwatch: Stopwatch::start(0.0),
            last_status: Instant::now(),
            last_stage: None,
            interval,
            stopping: false,
        }
    }

    /// Goes on from the counters of an earlier process, and with what its status told. Without a
    /// checkpoint its stages go on from their files, so the seconds that they took count all.
    pub fn resume(&mut self, mut counters: Counters, checkpoint: bool, from: &str) {
        // A status that does not read is told by whoever looks for it; the run needs none of it.
        let earlier = self.folder.status().unwrap_or_default();
        self.status.last_evaluation = earlier.last_evaluation;
        self.status.best_evaluation = earlier.best_evaluation;
        self.status.last_checkpoint = earlier.last_checkpoint;
        if !checkpoint {
            counters.seconds = counters.seconds.max(earlier.progress.seconds);
        }
        self.counters = counters;
        self.stopwatch = Stopwatch::start(counters.seconds);
        let progress = self.progress();
        self.tracker.event(EventKind::Resumed {
            progress,
            checkpoint: from.to_owned(),
        });
    }

    /// Where the run is now.
    pub fn progress(&mut self) -> Progress {
        self.counters.seconds = self.stopwatch.seconds();
        Progress {
            step: self.counters.updates,
            updates: self.counters.updates,
            tokens: self.counters.tokens,
            seconds: self.counters.seconds,
        }
    }

    /// How many updates are planned in all.
    pub fn plan(&mut self, updates: u64) {
        self.status.total_steps = updates;
    }

    /// The run entered a state; what it was doing stays told.
    pub fn state(&mut self, state: RunState) {
        let progress = self.progress();
        self.tracker.event(EventKind::State {
            state,
            progress,
            message: String::new(),
        });
        self.status.state = state;
        self.write_status(true);
    }

    /// Something that the user should know.
    pub fn warning(&self, source: &str, message: impl Into<String>) {
        self.tracker.warning(source, message);
    }

    /// A point of a curve over updates.
    pub fn scalar(&self, name: &str, value: f64) {
        self.tracker
            .scalar(name, value, Axis::LearnerUpdates, self.counters.updates);
    }

    /// The tracker, for what has no method here.
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// How far a stage is; told at its begin and end, and now and then between.
    pub fn stage(&mut self, place: &StagePlace, done: u64, total: u64) {
        let now = Instant::now();
        let due = self
            .last_stage
            .is_none_or(|last| now.duration_since(last) >= self.interval);
        if !due && done != 0 && done != total {
            return;
        }
        self.last_stage = Some(now);
        let progress = self.progress();
        self.tracker.event(EventKind::Stage(Stage {
            iteration: place.iteration,
            iterations: place.iterations,
            name: place.name.to_owned(),
            index: place.index,
            count: place.count,
            done,
            total,
            unit: place.unit.to_owned(),
            progress,
        }));
        self.status.message = format!(
            "iteration {} of {}: {} {done} of {total} {}",
            place.iteration, place.iterations, place.name, place.unit
        );
        self.write_status(false);
    }

    /// What the run is told to do; waits while it is told to pause.
    pub fn order(&mut self) -> Order {
        let order = if self.stopping {
            Order::Stop
        } else {
            self.next_order()
        };
        self.stopping = order == Order::Stop;
        order
    }

    fn next_order(&mut self) -> Order {
        let mut order = Order::GoOn;
        while let Ok(command) = self.commands.try_recv() {
            match command {
                ControlCommand::Stop => return Order::Stop,
                ControlCommand::CheckpointNow => order = Order::Checkpoint,
                ControlCommand::Pause => match self.wait_for_resume() {
                    Order::Stop => return Order::Stop,
                    Order::Checkpoint => order = Order::Checkpoint,
                    Order::GoOn => {}
                },
                ControlCommand::Resume | ControlCommand::Ping => {}
            }
        }
        if self.last_status.elapsed() >= self.interval {
            self.write_status(false);
        }
        order
    }

    /// As [`Journal::order`], for work that can only be broken off.
    pub fn go_on(&mut self) -> ControlFlow<()> {
        if self.order() == Order::Stop {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn wait_for_resume(&mut self) -> Order {
        self.stopwatch.pause();
        self.state(RunState::Paused);
        // A checkpoint that is asked for meanwhile is written as soon as the work goes on.
        let mut asked = Order::GoOn;
        let order = loop {
            match self.commands.recv_timeout(self.interval) {
                Ok(ControlCommand::Resume) => break asked,
                Ok(ControlCommand::CheckpointNow) => asked = Order::Checkpoint,
                Ok(ControlCommand::Stop) => break Order::Stop,
                Ok(_) => {}
                Err(error) if error.is_disconnected() => break Order::Stop,
                Err(_) => self.write_status(false),
            }
        };
        self.stopwatch.go_on();
        self.state(RunState::Running);
        order
    }

    fn write_status(&mut self, durable: bool) {
        self.last_status = Instant::now();
        self.status.progress = self.progress();
        self.status.sinks = self.tracker.health();
        self.writer
            .write_or_warn(&self.status, &self.tracker, durable);
    }

    /// The figures of an update, as `docs/terminal-formats.md` names them.
    pub fn update(&mut self, figures: &UpdateFigures, tokens_per_second: f64, epoch: f64) {
        self.scalar("finetune/loss", figures.loss);
        self.scalar("finetune/gradient_norm", figures.gradient_norm);
        self.scalar("finetune/learning_rate", figures.learning_rate);
        self.scalar("finetune/epoch", epoch);
        self.scalar("runtime/tokens_per_second", tokens_per_second);
        if let Some(pairs) = &figures.pairs {
            self.pairs(pairs);
        }
        if let (Some(trace), Some(empty)) = (&figures.pairs, &figures.empty) {
            let margin = |half: &PairFigures| half.chosen_reward - half.rejected_reward;
            self.scalar("finetune/trace_margin", margin(trace));
            self.scalar("finetune/answer_margin", margin(empty));
            self.scalar("finetune/trace_accuracy", trace.reward_accuracy);
            self.scalar("finetune/answer_accuracy", empty.reward_accuracy);
        }
    }

    /// What BVPO's gradients are like.
    pub fn measurement(&self, measured: &Measurement) {
        for (name, value) in [
            ("trace_gradient_variance", measured.trace_variance),
            ("empty_gradient_variance", measured.empty_variance),
            ("mixed_gradient_variance", measured.mixed_variance),
            ("trace_gradient_bias", measured.trace_bias),
            ("empty_gradient_bias", measured.empty_bias),
            ("effective_traces", measured.effective_traces),
            (
                "best_trace_share",
                measured.products.map(|(above, below)| above / below),
            ),
        ] {
            if let Some(value) = value.filter(|value| value.is_finite()) {
                self.scalar(&format!("bvpo/{name}"), value);
            }
        }
    }

    fn pairs(&self, pairs: &PairFigures) {
        let margin = pairs.chosen_reward - pairs.rejected_reward;
        for (name, value) in [
            ("reward_margin", margin),
            ("reward_accuracy", pairs.reward_accuracy),
            ("chosen_log_prob", pairs.chosen_log_prob),
            ("rejected_log_prob", pairs.rejected_log_prob),
            ("chosen_log_ratio", pairs.chosen_log_ratio),
            ("rejected_log_ratio", pairs.rejected_log_ratio),
            ("chosen_reward", pairs.chosen_reward),
            ("rejected_reward", pairs.rejected_reward),
            ("kl", pairs.kl),
            ("chosen_length", pairs.chosen_length),
            ("rejected_length", pairs.rejected_length),
        ] {
            self.scalar(&format!("finetune/{name}"), value);
        }
        let targets = pairs.chosen_target.zip(pairs.rejected_target);
        if let Some((chosen, rejected)) = targets {
            self.scalar("finetune/chosen_target", chosen);
            self.scalar("finetune/rejected_target", rejected);
        }
    }

    /// Held-out prompts were answered and scored.
    pub fn evaluation(&mut self, scores: &Scores, purpose: EvaluationPurpose, checkpoint: &str) {
        let progress = self.progress();
        self.tracker.event(EventKind::Evaluation {
            purpose,
            progress,
            returns: scores.returns.clone(),
            lengths: scores.lengths.clone(),
            extra: scores.extra.clone(),
            checkpoint: checkpoint.to_owned(),
        });
        let mean = tracking::statistics::mean(&scores.returns);
        self.status.last_evaluation = Some(mean);
        let best = self.status.best_evaluation.unwrap_or(f64::NEG_INFINITY);
        self.status.best_evaluation = Some(best.max(mean));
        if purpose == EvaluationPurpose::Interval {
            for (name, value) in &scores.curves {
                self.scalar(name, *value);
            }
        }
        self.write_status(true);
    }

    /// A checkpoint is on disk.
    pub fn checkpoint(&mut self, path: String) {
        self.status.last_checkpoint = Some(path.clone());
        let progress = self.progress();
        self.tracker.event(EventKind::Checkpoint {
            progress,
            path,
            best: false,
        });
        self.write_status(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::{Sender, unbounded};
    use tracking::{NewRun, SinkOptions, TrackerThread};

    fn journal<'a>(
        folder: &'a RunFolder,
        tracker: &Tracker,
    ) -> (Sender<ControlCommand>, Journal<'a>) {
        let (sender, commands) = unbounded();
        let pace = Duration::from_millis(1);
        let journal = Journal::new(folder, tracker.clone(), commands, "cpu".to_owned(), pace);
        (sender, journal)
    }

    #[test]
    fn a_resume_keeps_scores_and_spent_time_and_a_pause_is_no_work() {
        let root = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(root.path(), &NewRun::default()).unwrap();
        let (tracker, sinks) = TrackerThread::start(&folder, SinkOptions::default()).unwrap();
        let (sender, mut first) = journal(&folder, &tracker);
        first.stopwatch = Stopwatch::start(100.0);
        let scores = |value: f64| Scores {
            returns: vec![value],
            ..Scores::default()
        };
        first.evaluation(&scores(0.8), EvaluationPurpose::Interval, "");
        first.evaluation(&scores(0.5), EvaluationPurpose::Interval, "");
        let place = StagePlace {
            name: "generate",
            index: 1,
            count: 6,
            iteration: 1,
            iterations: 3,
            unit: "prompts",
        };
        first.stage(&place, 0, 8);
        sender.send(ControlCommand::Pause).unwrap();
        let place_of_status = folder.clone();
        let resume = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(400));
            let status = place_of_status.status().unwrap();
            assert!(status.progress.seconds < 100.3, "time of a pause is told");
            sender.send(ControlCommand::Resume).unwrap();
        });
        let waited = Instant::now();
        assert_eq!(first.order(), Order::GoOn);
        assert!(waited.elapsed() >= Duration::from_millis(300));
        resume.join().unwrap();
        let status = folder.status().unwrap();
        assert!(
            status.progress.seconds < 100.3,
            "{}",
            status.progress.seconds
        );
        assert_eq!(status.message, "iteration 1 of 3: generate 0 of 8 prompts");

        let (_sender, mut second) = journal(&folder, &tracker);
        second.resume(Counters::default(), false, "the start");
        assert!(second.progress().seconds >= 100.0);
        second.state(RunState::Running);
        let status = folder.status().unwrap();
        assert_eq!(status.last_evaluation, Some(0.5));
        assert_eq!(status.best_evaluation, Some(0.8));
        // A checkpoint knows its own time.
        let (_sender, mut third) = journal(&folder, &tracker);
        third.resume(Counters::default(), true, "ckpt/step-1");
        assert!(third.progress().seconds < 100.0);
        drop((first, second, third, tracker));
        sinks.close();
    }
}
