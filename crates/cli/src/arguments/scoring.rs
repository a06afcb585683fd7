//! Arguments of `concord model score`.

use clap::Args;

use super::{FormatArgument, ModelArguments};

#[derive(Debug, Clone, Args)]
pub(crate) struct ScoreTexts {
    /// A model of the cache as OWNER/NAME, or a folder in the form of transformers
    #[arg(value_name = "NAME|DIR")]
    pub(crate) first: Option<String>,
    /// JSON lines with text, messages, prompt and response, or prompt and candidates [default: stdin]
    #[arg(value_name = "FILE")]
    pub(crate) second: Option<String>,
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Only a model that compares two candidates (PairRM) will do
    #[arg(long)]
    pub(crate) pair: bool,
    /// Tokens that are computed together, at most [default: 8192]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_tokens: Option<u64>,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}
