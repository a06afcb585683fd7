//! Arguments of `concord data`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use dataset::Form;

use super::FormatArgument;

/// A file and how its columns are meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataFile {
    /// JSON lines, a JSON list or Parquet
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What the columns mean: auto, preference, sppo, ultrafeedback-binarized, sharegpt-ranking, ultrafeedback, rated, problems or prompts
    #[arg(long, value_name = "FORM", default_value = "auto")]
    pub(crate) form: Form,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Data {
    /// What a file holds: its form, what is wrong with which rows, how long they are
    Inspect {
        #[command(flatten)]
        data: DataFile,
        /// Count tokens too, as this model reads them: OWNER/NAME of the cache, or a folder
        #[arg(long, value_name = "NAME|DIR")]
        tokenizer: Option<String>,
        /// A branch, tag or commit of that model
        #[arg(long, value_name = "REVISION", default_value = hub::DEFAULT_REVISION)]
        revision: String,
        #[command(flatten)]
        format: FormatArgument,
    },
    /// The first rows as training reads them
    Head {
        #[command(flatten)]
        data: DataFile,
        /// How many rows
        #[arg(short = 'n', long = "rows", value_name = "N", default_value_t = 3)]
        rows: usize,
        #[command(flatten)]
        format: FormatArgument,
    },
    /// Write made-up rows to a file
    Create(CreateData),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CreateData {
    /// What is made up
    #[arg(value_name = "WHAT", value_enum)]
    pub(crate) what: MadeUp,
    /// How many rows
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) rows: u64,
    /// What a row is
    #[arg(long, value_enum, value_name = "KIND", default_value_t = MadeUpKind::Prompts)]
    pub(crate) kind: MadeUpKind,
    /// Which side of the problems: no problem is on both
    #[arg(long, value_enum, value_name = "SPLIT", default_value_t = MadeUpSplit::Train)]
    pub(crate) split: MadeUpSplit,
    /// Which problems
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The file to write, .jsonl, .json or .parquet; it must not be there
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MadeUp {
    /// Sums, differences, products, two steps, and short stories with numbers
    Arithmetic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MadeUpKind {
    /// A user turn and the right answer
    Prompts,
    /// Question, steps and answer as texts
    Problems,
    /// A user turn and an assistant turn, half of them with a trace; 1 in 10 is wrong on purpose
    Demonstrations,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MadeUpSplit {
    /// Nine tenths, to learn from
    Train,
    /// One tenth, never learnt from
    HeldOut,
}
