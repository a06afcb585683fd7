//! Arguments of `concord model` where it is about files.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{FormatArgument, ModelMemory};

/// A model that a user names.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelArgument {
    /// A model of the hub as OWNER/NAME, or a folder in the form of transformers
    #[arg(value_name = "NAME|DIR")]
    pub(crate) model: String,
    /// A branch, tag or commit of the model
    #[arg(long, value_name = "REVISION", default_value = hub::DEFAULT_REVISION)]
    pub(crate) revision: String,
}

/// Whether a trace of thinking is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ThinkingMode {
    /// The template is asked for one
    On,
    /// The prompt ends with an empty one
    Off,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ModelFiles {
    /// Bring a model into the cache: only the files that are needed, each one proved
    Fetch {
        #[command(flatten)]
        model: ModelArgument,
        /// Read what is cached again and replace what is damaged
        #[arg(long)]
        verify: bool,
        #[command(flatten)]
        format: FormatArgument,
    },
    /// The models of the local cache with size and family
    List(FormatArgument),
    /// What a model is, and everything that keeps it from being used
    Inspect {
        #[command(flatten)]
        model: ModelArgument,
        #[command(flatten)]
        format: FormatArgument,
    },
    /// What training or generating would take in memory, from config.json alone
    Memory(ModelMemory),
    /// The exact text, tokens and loss mask of a conversation or a preference pair
    Preview {
        #[command(flatten)]
        model: ModelArgument,
        /// JSON or JSON lines: messages, {"messages": ..} or {"prompt", "chosen", "rejected"}
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Which of the file's records, counted from one
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        record: u64,
        /// End with what begins an answer, as for generation
        #[arg(long)]
        generation_prompt: bool,
        /// As a training with this data.thinking reads it: on asks the template for a trace, off
        /// ends the prompt with an empty one [default: as the chat template does]
        #[arg(long, value_enum, value_name = "WHICH")]
        thinking: Option<ThinkingMode>,
        /// An argument of the template, such as enable_thinking=false; may be repeated
        #[arg(long = "template-set", alias = "template", value_name = "NAME=JSON")]
        arguments: Vec<String>,
        #[command(flatten)]
        format: FormatArgument,
    },
}
