//! Where a run of searches writes how it fares, and hears what it is told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use search::machine::Counters;
use tracking::measure::ACCURACY;
use tracking::search_log::Outcome;
use tracking::statistics::mean;
use tracking::{
    Axis, ControlCommand, EvaluationPurpose, EventKind, Progress, RunFolder, RunState, Status,
    StatusWriter, Stopwatch, Tracker,
};

use super::orders::Orders;

/// What a run is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Go on.
    GoOn,
    /// End; all logs are written already.
    Stop,
}

/// What is spent, as logs and curves name it.
const RESOURCES: [&str; 5] = ["tokens", "tool_calls", "model_calls", "seconds", "dollars"];

/// Events, status and commands of a run.
pub struct Journal {
    tracker: Tracker,
    orders: Orders,
    writer: StatusWriter,
    status: Status,
    /// Questions that are finished, by this process or an earlier one, in any order.
    finished: Vec<Outcome>,
    /// Of these, how many this process searched.
    searched: u64,
    stopwatch: Stopwatch,
    before: f64, // seconds of earlier processes
    last_status: Instant,
    interval: Duration,
    batches: Batches,
    /// What this process's searches counted, in sum.
    counted: Counted,
    stopping: bool,
}

/// How full the model's batches were, over time.
#[derive(Debug, Clone, Copy, Default)]
struct Batches {
    full: Duration,
    all: Duration,
}

/// Sums of searches' own counts.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    judgements: u64,
    unread_judgements: u64,
    failed_judgements: u64,
    prompt_tokens: u64,
    cached_tokens: u64,
}

impl Journal {
    /// Opens the journal of a run over so many questions.
    pub fn new(
        folder: &RunFolder,
        tracker: Tracker,
        orders: Orders,
        device: String,
        interval: Duration,
        questions: u64,
    ) -> Self {
        Self {
            tracker,
            orders,
            writer: StatusWriter::new(folder),
            status: Status {
                device,
                total_steps: questions,
                ..Status::default()
            },
            finished: Vec::new(),
            searched: 0,
            stopwatch: Stopwatch::start(0.0),
            before: 0.0,
            last_status: Instant::now(),
            interval,
            batches: Batches::default(),
            counted: Counted::default(),
            stopping: false,
        }
    }

    /// Goes on after an earlier process, which finished these and worked for so long.
    pub fn resume(&mut self, finished: Vec<Outcome>, seconds: f64) {
        self.finished = finished;
        self.status.last_evaluation = self.accuracy();
        self.status.best_evaluation = self.status.last_evaluation;
        self.before = seconds;
        self.stopwatch = Stopwatch::start(seconds);
        let progress = self.progress();
        self.tracker.event(EventKind::Resumed {
            progress,
            checkpoint: "search".to_owned(),
        });
    }

    /// Where the run is now.
    fn progress(&self) -> Progress {
        let done = self.finished.len() as u64;
        Progress {
            step: done,
            updates: done,
            tokens: self.sum(|line| line.spent_of("tokens")) as u64,
            seconds: self.stopwatch.seconds(),
        }
    }

    fn sum(&self, of: impl Fn(&Outcome) -> f64) -> f64 {
        self.finished.iter().map(of).sum()
    }

    /// The run entered a state.
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

    /// The model served a batch for so long; `full` when there was a job for every place.
    pub fn batch(&mut self, took: Duration, full: bool) {
        self.batches.all += took;
        if full {
            self.batches.full += took;
        }
    }

    /// A question is finished.
    pub fn finished(&mut self, line: Outcome, counters: Counters) {
        self.finished.push(line);
        let counted = &mut self.counted;
        counted.judgements += u64::from(counters.judgements);
        counted.unread_judgements += u64::from(counters.critic_parse_failures);
        counted.failed_judgements += u64::from(counters.failed_judgements);
        counted.prompt_tokens += counters.prompt_tokens;
        counted.cached_tokens += counters.cached_tokens;
        self.searched += 1;
        for (name, value) in self.figures() {
            let done = self.finished.len() as u64;
            self.tracker
                .scalar(&format!("search/{name}"), value, Axis::EnvSteps, done);
        }
        let accuracy = self.accuracy();
        self.status.last_evaluation = accuracy;
        self.status.best_evaluation = accuracy;
        let seconds = self.stopwatch.seconds() - self.before;
        self.status.steps_per_second = Some(self.searched as f64 / seconds);
        self.write_status(false);
    }

    fn accuracy(&self) -> Option<f64> {
        let judged: Vec<f64> = self.finished.iter().filter_map(correct).collect();
        (!judged.is_empty()).then(|| mean(&judged))
    }

    /// Means over the questions that are finished.
    fn figures(&self) -> Vec<(&'static str, f64)> {
        let count = self.finished.len() as f64;
        let f1: Vec<f64> = self.finished.iter().filter_map(Outcome::f1).collect();
        let mut figures = Vec::new();
        if let Some(accuracy) = self.accuracy() {
            figures.push(("accuracy", accuracy));
        }
        if !f1.is_empty() {
            figures.push(("f1", mean(&f1)));
        }
        for name in RESOURCES {
            // Logs leave out what was not spent, and calls that nobody limits.
            let spent = self.sum(|line| line.spent_of(name));
            if spent > 0.0 {
                figures.push((name, spent / count));
            }
        }
        for (name, value) in [
            ("nodes", self.sum(|line| line.nodes as f64)),
            ("backstop_rate", self.sum(|line| share(line.backstop))),
            ("answered", self.sum(|line| share(line.answer.is_some()))),
        ] {
            figures.push((name, value / count));
        }
        figures.push(("violations", self.sum(|line| line.violations() as f64)));
        let unread = self.counted.unread_judgements as f64;
        figures.push(("critic_parse_failures", unread));
        if self.counted.prompt_tokens > 0 {
            let cached = self.counted.cached_tokens as f64;
            figures.push(("cached_share", cached / self.counted.prompt_tokens as f64));
        }
        if !self.batches.all.is_zero() {
            let full = self.batches.full.as_secs_f64() / self.batches.all.as_secs_f64();
            figures.push(("full_batch_share", full));
        }
        figures
    }

    /// All questions are finished: what they came to, one by one.
    pub fn evaluation(&mut self) {
        self.warn_of_critic();
        let judged: Vec<(f64, Outcome)> = self
            .finished
            .iter()
            .filter_map(|line| Some((correct(line)?, line.clone())))
            .collect();
        if judged.is_empty() {
            return;
        }
        let of = |value: &dyn Fn(&Outcome) -> f64| -> Vec<f64> {
            judged.iter().map(|(_, line)| value(line)).collect()
        };
        let returns: Vec<f64> = judged.iter().map(|(correct, _)| *correct).collect();
        let extra = BTreeMap::from([
            (ACCURACY.to_owned(), returns.clone()),
            ("f1".to_owned(), of(&|line| line.f1().unwrap_or(f64::NAN))),
            ("backstop".to_owned(), of(&|line| share(line.backstop))),
            (
                "violations".to_owned(),
                of(&|line| line.violations() as f64),
            ),
            (
                "tool_calls".to_owned(),
                of(&|line| line.spent_of("tool_calls")),
            ),
            ("nodes".to_owned(), of(&|line| line.nodes as f64)),
        ]);
        let lengths = judged
            .iter()
            .map(|(_, line)| line.spent_of("tokens") as u64);
        let event = EventKind::Evaluation {
            purpose: EvaluationPurpose::Absolute,
            progress: self.progress(),
            returns,
            lengths: lengths.collect(),
            extra,
            checkpoint: String::new(),
        };
        self.tracker.event(event);
        self.write_status(true);
    }

    /// Says so where half of the judgements came to nothing.
    fn warn_of_critic(&self) {
        let Counted {
            judgements: all,
            unread_judgements: unread,
            failed_judgements: failed,
            ..
        } = self.counted;
        if all > 0 && 2 * unread >= all {
            self.warning(
                "critic",
                format!(
                    "{unread} of {all} judgements could not be read and counted as no gain - set critic.constrained = true if it is not, raise critic.max_tokens, or take a model that follows instructions"
                ),
            );
        }
        if all > 0 && 2 * failed >= all {
            self.warning(
                "critic",
                format!(
                    "{failed} of {all} judgements failed and counted as no gain - the logs of the searches say why"
                ),
            );
        }
    }

    /// What the run is told to do; waits while it is told to pause.
    pub fn order(&mut self) -> Order {
        if !self.stopping {
            self.stopping = self.told_to_stop();
        }
        match self.stopping {
            true => Order::Stop,
            false => Order::GoOn,
        }
    }

    fn told_to_stop(&mut self) -> bool {
        while let Some(command) = self.orders.next() {
            match command {
                ControlCommand::Stop => return true,
                ControlCommand::Pause if self.wait_for_resume() => return true,
                // The logs are the checkpoint, and they are always written.
                _ => {}
            }
        }
        if self.last_status.elapsed() >= self.interval {
            self.write_status(false);
        }
        false
    }

    /// Holds until told to go on; true when told to stop.
    fn wait_for_resume(&mut self) -> bool {
        self.stopwatch.pause();
        self.state(RunState::Paused);
        let stop = loop {
            match self.orders.wait(self.interval) {
                Ok(ControlCommand::Resume) => break false,
                Ok(ControlCommand::Stop) => break true,
                Ok(_) => {}
                Err(error) if error.is_disconnected() => break true,
                Err(_) => self.write_status(false),
            }
        };
        self.stopwatch.go_on();
        self.state(RunState::Running);
        stop
    }

    fn write_status(&mut self, durable: bool) {
        self.last_status = Instant::now();
        self.status.progress = self.progress();
        self.status.sinks = self.tracker.health();
        self.writer
            .write_or_warn(&self.status, &self.tracker, durable);
    }
}

fn correct(line: &Outcome) -> Option<f64> {
    line.verdict().map(share)
}

fn share(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}
