//! Arguments of curves, and of `concord compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tui::comparison::EVALUATION;
use tui::curve::axes::XAxis;

use super::FormatArgument;

/// How curves are shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct CurveLooks {
    /// What the x axis counts [default: as the curve was reported]
    #[arg(long, value_enum, value_name = "AXIS", requires = "curves")]
    pub(crate) axis: Option<Axis>,
    /// Weight of the past in the moving average, 0 for none
    #[arg(long, value_name = "W", default_value_t = 0.0, requires = "curves")]
    pub(crate) smooth: f64,
    /// Points of a curve at most, in csv and json; and of a band
    #[arg(long, value_name = "N", default_value_t = 100, requires = "curves")]
    pub(crate) points: usize,
    /// A logarithmic y axis
    #[arg(long, requires = "curves")]
    pub(crate) log_y: bool,
    /// Also write the picture as SVG
    #[arg(long, value_name = "FILE", requires = "curves")]
    pub(crate) svg: Option<PathBuf>,
}

/// What an x axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Axis {
    /// Environment steps
    Step,
    /// Updates of the learner
    Updates,
    /// Wall-clock time since the run began
    Time,
    /// Tokens
    Tokens,
}

impl From<Axis> for XAxis {
    fn from(axis: Axis) -> Self {
        match axis {
            Axis::Step => XAxis::Steps,
            Axis::Updates => XAxis::Updates,
            Axis::Time => XAxis::Time,
            Axis::Tokens => XAxis::Tokens,
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Compare {
    /// Runs: ids, parts of ids that may fit several runs, or paths
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<String>,
    /// Show a curve instead of the tables: its name or a part of it, or nothing for the
    /// evaluations
    #[arg(long, value_name = "METRIC", num_args = 0..=1, default_missing_value = EVALUATION)]
    pub(crate) curves: Option<String>,
    #[command(flatten)]
    pub(crate) looks: CurveLooks,
    /// Every run by itself instead of the seeds of a configuration together
    #[arg(long, requires = "curves")]
    pub(crate) apart: bool,
    /// The mean over seeds instead of the interquartile mean
    #[arg(long)]
    pub(crate) mean: bool,
    /// Only the settings that differ
    #[arg(long, conflicts_with = "curves")]
    pub(crate) diff: bool,
    /// Also write the JSON file that the marl-eval tools read
    #[arg(long, value_name = "FILE")]
    pub(crate) marl_eval: Option<PathBuf>,
    /// Also write every scored episode as CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) episodes: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}
