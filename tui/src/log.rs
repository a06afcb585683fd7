//! Which lines of a run's log are wanted, and how one is written. The screen and
//! `concord show --log` choose by the same rule.

use std::collections::BTreeSet;

use tracking::{Level, LogLine};

use crate::pattern::Pattern;
use crate::theme::Role;

/// Targets whose lines say by themselves what they are about.
const UNSPOKEN: [&str; 4] = [
    tracking::console::CONSOLE,
    "run",
    "evaluation",
    "checkpoint",
];

/// What of a log is wanted.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Lines at least this grave.
    pub level: Level,
    /// Lines of this target only; empty for all.
    pub target: String,
    /// What a line must match.
    pub pattern: Pattern,
}

impl Choice {
    /// Whether level and target are right.
    #[must_use]
    pub fn concerns(&self, line: &LogLine) -> bool {
        line.level >= self.level && (self.target.is_empty() || line.target == self.target)
    }

    /// Whether the pattern is found in a line, its target included.
    #[must_use]
    pub fn matches(&self, line: &LogLine) -> bool {
        self.pattern.is_empty() || self.pattern.matches(&spoken(line))
    }

    /// Whether the line is wanted.
    #[must_use]
    pub fn fits(&self, line: &LogLine) -> bool {
        self.concerns(line) && self.matches(line)
    }
}

/// Who says what, where that is not plain.
#[must_use]
pub fn spoken(line: &LogLine) -> String {
    if UNSPOKEN.contains(&line.target.as_str()) {
        line.text.clone()
    } else {
        format!("{}: {}", line.target, line.text)
    }
}

/// The letter of a level; information needs none.
#[must_use]
pub fn sign(level: Level) -> &'static str {
    match level {
        Level::Error => "E",
        Level::Warning => "W",
        Level::Info => " ",
        Level::Debug => "D",
    }
}

/// The role of a level in the theme.
#[must_use]
pub fn role(level: Level) -> Role {
    match level {
        Level::Error => Role::Bad,
        Level::Warning => Role::Warn,
        Level::Info => Role::Text,
        Level::Debug => Role::Muted,
    }
}

/// `13:35:02Z`, the time of day in UTC.
#[must_use]
pub fn time_of_day(unix_seconds: f64) -> String {
    let of_day = (unix_seconds.max(0.0) as u64) % 86_400;
    format!(
        "{:02}:{:02}:{:02}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// The targets of some lines, by name.
#[must_use]
pub fn targets<'a>(lines: impl Iterator<Item = &'a LogLine>) -> Vec<&'a str> {
    let names: BTreeSet<&str> = lines.map(|line| line.target.as_str()).collect();
    names.into_iter().collect()
}
