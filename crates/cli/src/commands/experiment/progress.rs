//! How an experiment shows what it does.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tracking::statistics::mean;
use tracking::{Event, EventKind, RunFolder, RunState, Status};
use tui::figures::{count, duration, number};

use super::plan::{Plan, Planned, Standing};
use crate::arguments::Ui;
use crate::failure::Failure;
use crate::follow::Observer;
use crate::observers::{Bar, Bars, Words};
use crate::output::{json_option, tell};
use crate::surroundings::has_bars;
use crate::worker;

/// A line about the whole appears at least this far apart when there are no bars.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// The whole experiment.
pub(super) struct Board {
    ui: Ui,
    bars: Option<(Bars, RefCell<Bar>)>,
    /// Steps done of every run.
    steps: Vec<u64>,
    rates: Vec<f64>,
    total_steps: u64,
    runs: usize,
    ended: usize,
    last_line: Instant,
}

impl Board {
    pub(super) fn new(plan: &Plan<'_>, ui: Ui) -> Self {
        let bars = (ui == Ui::Plain && has_bars()).then(|| {
            let bars = Bars::new();
            let whole = RefCell::new(bars.bar(&plan.experiment.name, Words::Steps));
            (bars, whole)
        });
        Board {
            ui,
            bars,
            steps: plan.runs.iter().map(Planned::step).collect(),
            rates: vec![0.0; plan.runs.len()],
            total_steps: plan.runs.iter().map(Planned::total_steps).sum(),
            runs: plan.runs.len(),
            ended: plan.count(Standing::is_finished),
            last_line: Instant::now(),
        }
    }

    fn say(&self, text: &str) {
        match (&self.bars, self.ui) {
            (_, Ui::None | Ui::Json) => {}
            (Some((_, whole)), _) => whole.borrow_mut().say(text),
            (None, _) => tell(text),
        }
    }

    /// The whole as if it were one run.
    fn whole(&self) -> Status {
        let mut status = Status {
            total_steps: self.total_steps,
            steps_per_second: Some(self.rates.iter().sum()),
            ..Status::default()
        };
        status.progress.step = self.steps.iter().sum();
        status
    }

    fn refresh(&mut self) {
        let status = self.whole();
        if let Some((_, whole)) = &self.bars {
            whole.borrow_mut().status(&status);
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let (done, rate) = (status.progress.step, status.steps_per_second.unwrap_or(0.0));
            let left = self.total_steps.saturating_sub(done) as f64 / rate;
            let speed = if rate > 0.0 {
                format!(", {} steps/s, {} left", count(rate.round()), duration(left))
            } else {
                String::new()
            };
            self.say(&format!(
                "[{}/{}] {} / {} steps{speed}",
                self.ended,
                self.runs,
                count(done as f64),
                count(self.total_steps as f64),
            ));
        }
    }

    /// Takes the bars away.
    pub(super) fn end(&self) {
        if let Some((_, whole)) = &self.bars {
            whole.borrow_mut().end();
        }
    }
}

/// One run of the experiment.
pub(super) struct RunObserver {
    board: Rc<RefCell<Board>>,
    index: usize,
    run: RunFolder,
    label: String,
    /// What JSON lines say of the run.
    marks: Value,
    bar: Option<Bar>,
}

impl RunObserver {
    pub(super) fn new(
        board: Rc<RefCell<Board>>,
        index: usize,
        one: &Planned<'_>,
        run: &RunFolder,
    ) -> Self {
        let point = one.run.point.label();
        let label = format!("{} {} {point}", one.run.method, one.run.task);
        let label = format!("{} s{}", label.trim_end(), one.run.seed);
        let verb = match one.standing {
            Standing::Running => "following",
            Standing::Interrupted | Standing::Failed { .. } => "resuming",
            _ => "starting",
        };
        let bar = {
            let board = board.borrow();
            if board.bars.is_none() {
                board.say(&format!("{verb} {label}: {}", run.path().display()));
            }
            board
                .bars
                .as_ref()
                .map(|(bars, _)| bars.bar(&label, Words::Steps))
        };
        let marks = json!({
            "run": run.id(),
            "folder": run.path(),
            "method": one.run.method,
            "task": one.run.task,
            "point": point,
            "seed": one.run.seed,
        });
        let observer = RunObserver {
            board,
            index,
            run: run.clone(),
            label,
            marks,
            bar,
        };
        observer.json(verb, None, None);
        observer
    }

    /// A line of JSON on stdout; a reader that left does not stop the runs.
    fn json(&self, what: &str, step: Option<u64>, score: Option<f64>) {
        let board = self.board.borrow();
        if board.ui != Ui::Json {
            return;
        }
        let mut line = self.marks.clone();
        line["event"] = json!(what);
        line["step"] = json!(step);
        line["return"] = json_option(score);
        line["ended"] = json!(board.ended);
        line["runs"] = json!(board.runs);
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
    }
}

impl Observer for RunObserver {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        match &event.kind {
            EventKind::Evaluation {
                returns, progress, ..
            } => self.json("evaluation", Some(progress.step), Some(mean(returns))),
            EventKind::Warning { source, message } => {
                self.say(&format!("warning from {source}: {message}"));
            }
            _ => {}
        }
        Ok(())
    }

    fn status(&mut self, status: &Status) {
        if let Some(bar) = &mut self.bar {
            bar.status(status);
        }
        let mut board = self.board.borrow_mut();
        board.steps[self.index] = status.progress.step;
        let rate = status.steps_per_second.filter(|rate| rate.is_finite());
        board.rates[self.index] = rate.unwrap_or(0.0);
        board.refresh();
    }

    fn say(&mut self, text: &str) {
        let board = self.board.borrow();
        board.say(&format!("{}: {text}", self.label));
    }

    fn end(&mut self) {
        if let Some(bar) = &mut self.bar {
            bar.end();
        }
        let state = worker::state(&self.run);
        let status = self.run.status().unwrap_or_default();
        {
            let mut board = self.board.borrow_mut();
            board.rates[self.index] = 0.0;
            if matches!(state, RunState::Finished | RunState::Failed) {
                board.ended += 1;
            }
            let score = status.last_evaluation.map_or_else(String::new, |value| {
                format!(", last evaluation {}", number(value))
            });
            board.say(&format!(
                "[{}/{}] {}: {state} at {} steps{score}",
                board.ended,
                board.runs,
                self.label,
                count(status.progress.step as f64)
            ));
        }
        self.json(
            state.name(),
            Some(status.progress.step),
            status.last_evaluation,
        );
    }
}
