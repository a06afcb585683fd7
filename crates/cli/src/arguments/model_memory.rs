//! Arguments of `concord model memory`.

use clap::{Args, ValueEnum};

use super::{FormatArgument, ModelArgument};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MemoryTask {
    /// Train all weights
    Full,
    /// Train a LoRA adapter beside every product
    Lora,
    /// Continue texts
    Generate,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ModelMemory {
    #[command(flatten)]
    pub(crate) model: ModelArgument,
    /// What is done with the model
    #[arg(long, value_enum, default_value_t = MemoryTask::Full)]
    pub(crate) task: MemoryTask,
    /// Texts of a batch; packed texts are one row of them all
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) rows: u64,
    /// Tokens of the longest text, prompt and answer
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) length: u64,
    /// Type that the model computes in
    #[arg(long, value_name = "TYPE", default_value = "bf16", value_parser = ["f32", "bf16"])]
    pub(crate) dtype: String,
    /// Update rule of a training
    #[arg(long, value_name = "NAME", default_value = "adamw", value_parser = ["adamw", "rmsprop", "sgd"])]
    pub(crate) optimiser: String,
    /// Keep all activations of a training instead of the input of each layer
    #[arg(long)]
    pub(crate) keep_activations: bool,
    /// Rank of a LoRA adapter
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub(crate) rank: u64,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}
