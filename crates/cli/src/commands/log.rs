//! `concord show RUN --log N`: the log as the dashboard's pane shows it.

use clap::ValueEnum;
use serde_json::{Value, json};
use tracking::{Level, LogLine, RunFolder};
use tui::log::{Choice, time_of_day};
use tui::pattern::Pattern;

use crate::arguments::{Format, LogChoice};
use crate::failure::Failure;
use crate::output::{Table, json_option};

/// Lines shown where the number is left open.
const LINES: usize = 20;

/// The levels by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelName {
    /// Everything
    Debug,
    /// Information and worse
    Info,
    /// Warnings and errors
    Warning,
    /// Errors only
    Error,
}

impl From<LevelName> for Level {
    fn from(name: LevelName) -> Self {
        match name {
            LevelName::Debug => Level::Debug,
            LevelName::Info => Level::Info,
            LevelName::Warning => Level::Warning,
            LevelName::Error => Level::Error,
        }
    }
}

/// Prints the latest lines of a run's log that fit.
pub(crate) fn log(
    run: &RunFolder,
    lines: usize,
    wanted: &LogChoice,
    format: Format,
) -> Result<(), Failure> {
    let choice = Choice {
        level: wanted.level.map_or_else(Level::default, Level::from),
        target: wanted.target.clone().unwrap_or_default(),
        pattern: Pattern::new(wanted.matching.as_deref().unwrap_or_default()),
    };
    let most = if lines == 0 { LINES } else { lines };
    let all = tui::source::log_of(run)?;
    let fitting: Vec<&LogLine> = all.iter().filter(|line| choice.fits(line)).collect();
    let first = fitting.len().saturating_sub(most);
    let mut table = Table::new(&["level", "time", "target", "text"]);
    for line in &fitting[first..] {
        let time = match format {
            Format::Table => line
                .time
                .map_or(Value::Null, |time| json!(time_of_day(time))),
            Format::Json | Format::Csv => json_option(line.time),
        };
        table.row(vec![
            json!(line.level.name()),
            time,
            json!(line.target),
            json!(line.text),
        ]);
    }
    if table.is_empty() && format == Format::Table {
        crate::output::tell(&nothing(&all, &choice));
        return Ok(());
    }
    table.print(format)
}

/// Why nothing is shown, and what there is.
fn nothing(all: &[LogLine], choice: &Choice) -> String {
    if all.is_empty() {
        return "the run has said nothing".to_owned();
    }
    let targets = tui::log::targets(all.iter());
    if !choice.target.is_empty() && !targets.contains(&choice.target.as_str()) {
        return format!(
            "no such target: {} - this run has: {}",
            choice.target,
            targets.join(", ")
        );
    }
    format!("none of {} lines fits", all.len())
}
