//! `concord model`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{FormatArgument, ModelFiles};

/// A language model and how it is run.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelArguments {
    /// A model's folder: config.json and safetensors
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Type of the weights: f32 or bf16 [default: that of the files]
    #[arg(long, value_name = "TYPE", value_parser = ["f32", "bf16"])]
    pub(crate) dtype: Option<String>,
    /// Where the tensors live: auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(crate) device: String,
    /// Threads of the tensor library [default: 1 for small models, else all]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<u64>,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Model {
    #[command(flatten)]
    Files(ModelFiles),
    /// Write the scores of every next token as safetensors: logits [len, vocab] in f32, and ids
    Logits(Logits),
    /// Continue prompts
    Generate(Generate),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Logits {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Token ids, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',', required = true)]
    pub(crate) ids: Vec<i64>,
    /// The safetensors file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Token ids of a prompt, separated by commas; may be repeated
    #[arg(long = "prompt-ids", value_name = "IDS", required = true)]
    pub(crate) prompts: Vec<String>,
    /// New tokens, at most
    #[arg(long = "max-new", value_name = "N", default_value_t = 256)]
    pub(crate) max_new: u64,
    /// Take the best token always
    #[arg(long)]
    pub(crate) greedy: bool,
    /// Go on after the ids that end a text
    #[arg(long)]
    pub(crate) ignore_eos: bool,
    /// Continuations of each prompt
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) samples: u64,
    /// Divides the scores
    #[arg(
        long,
        value_name = "T",
        default_value_t = 1.0,
        conflicts_with = "greedy"
    )]
    pub(crate) temperature: f64,
    /// Only that many best tokens; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) top_k: u64,
    /// Only the best tokens that reach this sum of probabilities
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    pub(crate) top_p: f64,
    /// Only tokens at least this part as probable as the best
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub(crate) min_p: f64,
    /// Above 1: tokens that were there become less likely
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(crate) repetition_penalty: f64,
    /// Seed of every sequence's stream
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Answer with the log-probability of every token
    #[arg(long)]
    pub(crate) log_probabilities: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}
