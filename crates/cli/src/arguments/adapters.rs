//! Arguments of `concord model` where it is about adapters.

use std::path::PathBuf;

use clap::Args;

use super::FormatArgument;

#[derive(Debug, Clone, Args)]
pub(crate) struct Merge {
    /// The model that the adapter was made for, of the cache or a folder
    #[arg(long, value_name = "NAME|DIR")]
    pub(crate) model: String,
    /// The adapter's folder as peft writes it (LoRA, MiSS, Bone)
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: PathBuf,
    /// The folder to write; it must not be there
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Type of the weights: f32, bf16 or f16 [default: that of the files]
    #[arg(long, value_name = "TYPE", value_parser = ["f32", "bf16", "f16"])]
    pub(crate) dtype: Option<String>,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Adapter {
    /// The model it is for, of the cache or a folder; only its config.json is read
    #[arg(long, value_name = "NAME|DIR")]
    pub(crate) model: String,
    /// The folder to write; it must not be there
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// An adapter to write anew, in place of a fresh one
    #[arg(long, value_name = "DIR", conflicts_with_all = ["form", "rank", "alpha", "rank_stabilised", "mini", "targets", "excluded_layers", "dropout", "seed"])]
    pub(crate) from: Option<PathBuf>,
    /// What it does to a weight: lora, miss or bat
    #[arg(long, value_name = "FORM", value_parser = ["lora", "miss", "bat"], default_value = "lora")]
    pub(crate) form: String,
    /// The rank
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(crate) rank: u64,
    /// Of LoRA: its change is multiplied by this over the rank [default: twice the rank]
    #[arg(long, value_name = "X")]
    pub(crate) alpha: Option<f64>,
    /// Of LoRA: over the square root of the rank (rsLoRA)
    #[arg(long)]
    pub(crate) rank_stabilised: bool,
    /// Of MiSS: columns of its matrix, which is repeated along the outputs
    #[arg(long, value_name = "N")]
    pub(crate) mini: Option<u64>,
    /// Modules as the model's files name them, such as q_proj,v_proj
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "all-linear"
    )]
    pub(crate) targets: Vec<String>,
    /// Layers that stay as they are, counted from 0
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub(crate) excluded_layers: Vec<u64>,
    /// Probability with which an input of the adapter is dropped in training
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub(crate) dropout: f64,
    /// Seed of the numbers that are drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// The model's name in the file [default: that of --from, or the model's folder]
    #[arg(long, value_name = "NAME")]
    pub(crate) base: Option<String>,
    /// MiSS and BAT as the BONE of peft up to 0.18
    #[arg(long)]
    pub(crate) bone: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}
