//! The ways progress is shown without the dashboard.

use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracking::{Event, EventKind, Status};
use tui::figures::{count, duration, number};

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

fn rates(status: &Status) -> String {
    let mut text = String::new();
    if let Some(rate) = status
        .steps_per_second
        .filter(|rate| rate.is_finite() && *rate > 0.0)
    {
        text.push_str(&format!("{} steps/s", count(rate.round())));
        let rest = status.total_steps.saturating_sub(status.progress.step);
        if rest > 0 && status.total_steps > 0 {
            text.push_str(&format!(", {} left", duration(rest as f64 / rate)));
        }
    }
    if let Some(value) = status.last_evaluation {
        let comma = if text.is_empty() { "" } else { ", " };
        text.push_str(&format!("{comma}evaluation {}", number(value)));
    }
    text
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
    pub(crate) fn bar(&self, label: &str) -> Bar {
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
        }
    }
}

/// A progress bar on stderr, with lines above it.
pub(crate) struct Bar {
    all: MultiProgress,
    bar: ProgressBar,
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
        let rates = rates(status);
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
    last: Option<Instant>,
    last_step: Option<u64>,
}

impl Lines {
    pub(crate) fn new(label: &str) -> Self {
        Lines {
            label: label.to_owned(),
            last: None,
            last_step: None,
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
        let due = self.last.is_none_or(|last| last.elapsed() >= LINE_EVERY);
        if !due || self.last_step == Some(step) {
            return;
        }
        self.last = Some(Instant::now());
        self.last_step = Some(step);
        let percent = 100.0 * step as f64 / status.total_steps.max(1) as f64;
        let rates = rates(status);
        let comma = if rates.is_empty() { "" } else { ", " };
        self.say(&format!(
            "{:>3.0}%  {} / {} steps{comma}{rates}",
            percent.floor(),
            count(step as f64),
            count(status.total_steps as f64)
        ));
    }

    fn say(&mut self, text: &str) {
        tell(&format!("{}  {text}", self.label));
    }

    fn end(&mut self) {}
}
