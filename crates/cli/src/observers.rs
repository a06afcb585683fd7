//! The ways progress is shown without the dashboard.

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracking::{Event, EventKind, RunFolder, Status};
use tui::figures::{count, duration, number, printable};

use crate::failure::Failure;
use crate::follow::Observer;
use crate::output::tell;

/// A line appears at least this far apart when there are no bars.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Nothing but warnings and what the user asked.
pub(crate) struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &Event) -> Result<(), Failure> {
        Ok(())
    }
    fn status(&mut self, _: &Status) {}
    fn say(&mut self, text: &str) {
        tell(text);
    }
    fn end(&mut self) {}
}

/// Events on stdout.
pub(crate) struct JsonLines;

impl Observer for JsonLines {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", event.to_line())?;
        Ok(stdout.flush()?)
    }
    fn status(&mut self, _: &Status) {}
    fn say(&mut self, text: &str) {
        tell(text);
    }
    fn end(&mut self) {}
}

/// Lines for what matters most; the rest is in the dashboard and the log.
fn line(event: &Event) -> Option<String> {
    let worth = matches!(
        event.kind,
        EventKind::Evaluation { .. } | EventKind::Warning { .. } | EventKind::Resumed { .. }
    );
    worth.then(|| tui::source::describe(event)).flatten()
}

/// What a job counts and how it names its scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// Steps and returns.
    Steps,
    /// Updates and stages.
    Updates,
    /// Questions.
    Questions,
}

impl Words {
    /// Of a run; those of a training where it does not say.
    pub(crate) fn of(run: &RunFolder) -> Self {
        run.meta()
            .map_or(Self::Steps, |meta| Self::of_job(&meta.job))
    }

    /// Of a kind of job.
    pub(crate) fn of_job(job: &str) -> Self {
        match job {
            "finetune" => Self::Updates,
            "search" => Self::Questions,
            _ => Self::Steps,
        }
    }

    /// The stage that a run is in, as it tells it itself.
    fn stage(self, status: &Status) -> Option<&str> {
        let told = self != Self::Steps && !status.message.is_empty();
        told.then_some(status.message.as_str())
    }
}

fn rates(status: &Status, words: Words) -> String {
    let mut text = words.stage(status).map(printable).unwrap_or_default();
    if let Some(rate) = status
        .steps_per_second
        .filter(|rate| rate.is_finite() && *rate > 0.0)
    {
        text.push_str(&match words {
            // Often less than one.
            Words::Questions => format!("{} questions/s", number(rate)),
            _ => format!("{} steps/s", count(rate.round())),
        });
        let rest = status.total_steps.saturating_sub(status.progress.step);
        if rest > 0 && status.total_steps > 0 {
            text.push_str(&format!(", {} left", duration(rest as f64 / rate)));
        }
    }
    if let Some(value) = status.last_evaluation {
        let comma = if text.is_empty() { "" } else { ", " };
        let what = match words {
            Words::Steps => "evaluation",
            Words::Updates => "score",
            Words::Questions => "accuracy",
        };
        text.push_str(&format!("{comma}{what} {}", number(value)));
    }
    text
}

/// How far a run is; before its plan is known, the stage that it is in.
fn progress(status: &Status, words: Words) -> String {
    let rates = rates(status, words);
    let unit = match words {
        Words::Steps => "steps",
        Words::Updates | Words::Questions if status.total_steps == 0 => return rates,
        Words::Updates => "updates",
        Words::Questions => "questions",
    };
    let step = status.progress.step;
    let percent = 100.0 * step as f64 / status.total_steps.max(1) as f64;
    let comma = if rates.is_empty() { "" } else { ", " };
    format!(
        "{:>3.0}%  {} / {} {unit}{comma}{rates}",
        percent.floor(),
        count(step as f64),
        count(status.total_steps as f64)
    )
}

/// The bars of several runs on one terminal.
pub(crate) struct Bars {
    all: MultiProgress,
}

impl Bars {
    pub(crate) fn new() -> Self {
        Bars {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8)),
        }
    }

    /// The bar of one more run.
    pub(crate) fn bar(&self, label: &str, words: Words) -> Bar {
        let bar = self.all.add(ProgressBar::new(0));
        let style = ProgressStyle::with_template(
            "{prefix:.bold} {wide_bar:.cyan/blue} {percent:>3}%  {msg}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─");
        bar.set_style(style);
        bar.set_prefix(label.to_owned());
        bar.set_message("starting");
        Bar {
            all: self.all.clone(),
            bar,
            words,
        }
    }
}

/// A progress bar on stderr, with lines above it.
pub(crate) struct Bar {
    all: MultiProgress,
    bar: ProgressBar,
    words: Words,
}

impl Observer for Bar {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        if let Some(text) = line(event) {
            self.say(&text);
        }
        Ok(())
    }

    fn status(&mut self, status: &Status) {
        let total = status.total_steps.max(1);
        self.bar.set_length(total);
        self.bar.set_position(status.progress.step.min(total));
        let rates = rates(status, self.words);
        let shown = if rates.is_empty() {
            status.state.name().to_owned()
        } else {
            rates
        };
        self.bar.set_message(shown);
    }

    fn say(&mut self, text: &str) {
        // Without a terminal indicatif would drop the line.
        if self.all.is_hidden() {
            tell(text);
        } else {
            let _ = self.all.println(text);
        }
    }

    fn end(&mut self) {
        self.bar.finish_and_clear();
        self.all.remove(&self.bar);
    }
}

/// A line on stderr every few seconds and for every evaluation.
pub(crate) struct Lines {
    label: String,
    words: Words,
    last: Option<Instant>,
    last_said: Option<(u64, String)>,
}

impl Lines {
    pub(crate) fn new(label: &str, words: Words) -> Self {
        Lines {
            label: label.to_owned(),
            words,
            last: None,
            last_said: None,
        }
    }
}

impl Observer for Lines {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        if let Some(text) = line(event) {
            self.say(&text);
        }
        Ok(())
    }

    fn status(&mut self, status: &Status) {
        let step = status.progress.step;
        let stage = self.words.stage(status).unwrap_or_default();
        let due = self.last.is_none_or(|last| last.elapsed() >= LINE_EVERY);
        let said = |(last, said): &(u64, String)| *last == step && said == stage;
        if !due || self.last_said.as_ref().is_some_and(said) {
            return;
        }
        let text = progress(status, self.words);
        // Before its first stage a run has nothing to tell.
        if text.trim().is_empty() {
            return;
        }
        self.last = Some(Instant::now());
        self.last_said = Some((step, stage.to_owned()));
        self.say(&text);
    }

    fn say(&mut self, text: &str) {
        tell(&format!("{}  {text}", self.label));
    }

    fn end(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fine_tuning_tells_its_stage_and_its_updates() {
        let mut status = Status {
            message: "iteration 1 of 3: generate 120 of 2000 prompts".to_owned(),
            ..Status::default()
        };
        assert_eq!(progress(&status, Words::Updates), status.message);
        assert_eq!(progress(&status, Words::Steps), "  0%  0 / 0 steps");
        status.total_steps = 30;
        status.progress.step = 15;
        status.last_evaluation = Some(0.25);
        let expected =
            " 50%  15 / 30 updates, iteration 1 of 3: generate 120 of 2000 prompts, score 0.250";
        assert_eq!(progress(&status, Words::Updates), expected);
    }
}
