//! Arguments of `concord model create`.

use std::path::PathBuf;

use clap::Args;

use super::FormatArgument;

#[derive(Debug, Clone, Args)]
pub(crate) struct CreateModel {
    /// A config.json, a folder that has one, or a shape: llama-5m, smollm2-135m
    #[arg(value_name = "CONFIG")]
    pub(crate) config: String,
    /// The folder to write; it must not be there
    #[arg(value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Seed of the weights
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Type of the weights: f32, bf16 or f16 [default: that of the config, else f32]
    #[arg(long, value_name = "TYPE", value_parser = ["f32", "bf16", "f16"])]
    pub(crate) dtype: Option<String>,
    /// A folder whose tokenizer, chat template and generation settings are carried over
    #[arg(long, value_name = "DIR")]
    pub(crate) tokenizer: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}
