//! One thing that is wrong with a configuration, and how it is worded.

use std::fmt;

use serde::Serialize;

use crate::origin::Origin;

/// Whether a problem stops the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The run would work, though hardly as meant.
    Warning,
    /// The run cannot start.
    Error,
}

/// What failed, the value, what is allowed, what to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// Whether it stops the run.
    pub severity: Severity,
    /// The setting, as a dotted path; empty when the problem is not about one.
    pub path: String,
    /// What failed.
    pub message: String,
    /// The offending value as TOML, empty where there is none.
    pub value: String,
    /// What is allowed, empty where the message says all.
    pub allowed: String,
    /// What to do.
    pub hint: String,
    /// Where the value came from, with line and column for a file.
    pub origin: Option<Origin>,
    /// Other settings that the problem depends on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<String>,
}

impl Problem {
    /// An error about `path`.
    #[must_use]
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            path: path.into(),
            message: message.into(),
            value: String::new(),
            allowed: String::new(),
            hint: String::new(),
            origin: None,
            related: Vec::new(),
        }
    }

    /// A warning about `path`.
    #[must_use]
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(path, message)
        }
    }

    /// Adds the offending value; anything that prints. Long ones are cut.
    #[must_use]
    pub fn value(mut self, value: impl fmt::Display) -> Self {
        const LONGEST: usize = 200;
        self.value = value.to_string();
        if let Some((end, _)) = self.value.char_indices().nth(LONGEST) {
            self.value.truncate(end);
            self.value.push_str("...");
        }
        self
    }

    /// Says what is allowed.
    #[must_use]
    pub fn allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = allowed.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Says where the value came from.
    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Names another setting that takes part in the contradiction.
    #[must_use]
    pub fn related(mut self, path: impl Into<String>) -> Self {
        self.related.push(path.into());
        self
    }

    /// True when the run cannot start.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.severity == Severity::Warning {
            formatter.write_str("warning: ")?;
        }
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)?;
        if !self.value.is_empty() {
            write!(formatter, ": {}", self.value)?;
        }
        if let Some(origin) = &self.origin {
            write!(formatter, " ({origin})")?;
        }
        if !self.allowed.is_empty() {
            write!(formatter, " - allowed: {}", self.allowed)?;
        }
        if !self.hint.is_empty() {
            write!(formatter, " - {}", self.hint)?;
        }
        Ok(())
    }
}
