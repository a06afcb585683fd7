//! Arguments of `concord search table`.

use clap::{Args, ValueEnum};

use super::FormatArgument;

/// Methods of search on made-up questions with a scripted policy and critic.
#[derive(Debug, Clone, Args)]
pub(crate) struct SearchTable {
    /// A preset or file with the made-up policy and critic
    #[arg(value_name = "PRESET|FILE", default_value = "bavt-scripted")]
    pub(crate) target: String,
    /// Which rows: methods, ablations of the paper's method, critics of other error rates
    #[arg(
        long,
        value_enum,
        value_name = "PART",
        value_delimiter = ',',
        default_value = "methods,ablations,critics"
    )]
    pub(crate) parts: Vec<TablePart>,
    /// Only these rows, by name; the paper's method is always among them
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) rows: Vec<String>,
    /// Questions for each seed
    #[arg(long, value_name = "N", default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) questions: u64,
    /// The first seed: other seeds, other questions
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// That many seeds, counting up from the first
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(crate) seeds: u64,
    /// Change a setting of every row, such as scripted.progress=4; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) sets: Vec<String>,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TablePart {
    /// Methods at the same budget
    Methods,
    /// The paper's method with something changed or left out
    Ablations,
    /// The paper's method with critics of other error rates
    Critics,
}
