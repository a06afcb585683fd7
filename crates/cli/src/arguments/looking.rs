//! Logs and the machine.

use clap::Args;

use super::FormatArgument;
use crate::commands::log::LevelName;

/// Which lines of a log are wanted; any of these prints the log alone.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogChoice {
    /// Print the log alone: lines of at least this level
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(crate) level: Option<LevelName>,
    /// Print the log alone: lines of this target
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// Print the log alone: lines that match, ! inverts
    #[arg(long = "match", value_name = "REGEX")]
    pub(crate) matching: Option<String>,
}

impl LogChoice {
    /// Whether the log alone is asked for.
    pub(crate) fn is_some(&self) -> bool {
        self.level.is_some() || self.target.is_some() || self.matching.is_some()
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct MachineLook {
    /// Seconds between the two looks that rates are measured between
    #[arg(long, value_name = "S", default_value_t = 0.5)]
    pub(crate) seconds: f64,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}
