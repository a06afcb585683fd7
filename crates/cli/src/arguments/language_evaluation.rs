//! Arguments of what scores language models.

use std::path::PathBuf;

use clap::Args;

/// How a language model is evaluated.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Language models")]
pub(crate) struct LanguageEvaluation {
    /// Accuracy on the problems of this file, or on made-up ones: arithmetic
    #[arg(long, value_name = "FILE|arithmetic", conflicts_with_all = ["against", "export"])]
    pub(crate) problems: Option<String>,
    /// Win rate against this model, model folder or run, on --prompts by --oracle
    #[arg(
        long,
        value_name = "NAME|DIR|RUN",
        requires = "prompts",
        conflicts_with = "export"
    )]
    pub(crate) against: Option<String>,
    /// Prompts of the comparison: JSON lines, a JSON list, Parquet, or arithmetic
    #[arg(long, value_name = "FILE|arithmetic", requires = "against")]
    pub(crate) prompts: Option<String>,
    /// Who says which answer is better [default: the run's, else verifier]
    #[arg(long, value_name = "KIND", requires = "against",
        value_parser = ["verifier", "reward_model", "pair_model", "judge", "scores_file", "synthetic"])]
    pub(crate) oracle: Option<String>,
    /// Its reward model or PairRM, or the judge's name at its server
    #[arg(long, value_name = "NAME|DIR", requires = "oracle")]
    pub(crate) oracle_model: Option<String>,
    /// How an answer is compared with the right one [default: the run's, else numeric]
    #[arg(long, value_name = "HOW", value_parser = ["numeric", "exact", "boxed"])]
    pub(crate) verifier: Option<String>,
    /// Write the answer file of this tool to --output
    #[arg(long, value_name = "TOOL", requires_all = ["questions", "output"],
        value_parser = ["alpaca-eval", "arena-hard", "arena-hard-2024", "mt-bench"])]
    pub(crate) export: Option<String>,
    /// The tool's own question file
    #[arg(long, value_name = "FILE", requires = "export")]
    pub(crate) questions: Option<PathBuf>,
    /// Keep every answer in this file: JSON lines, or what the tool reads
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The model's name in the tool's tables [default: that of its file or folder]
    #[arg(long, value_name = "NAME", requires = "export")]
    pub(crate) name: Option<String>,
    /// Answers to each prompt [default: the run's evaluation.responses, else 1]
    #[arg(long, value_name = "K")]
    pub(crate) samples: Option<u64>,
    /// Whether thinking traces are asked for [default: the run's data.thinking, else as the chat template does]
    #[arg(long, value_name = "WHICH", value_parser = ["on", "off", "both"])]
    pub(crate) thinking: Option<String>,
    /// Only so many prompts, from the first; 500 of made-up ones when left out
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// Take the best token always, as one answer to each problem is made anyway
    #[arg(long)]
    pub(crate) greedy: bool,
    /// Divides the scores of tokens [default: the run's, else that of generation_config.json, else 1]
    #[arg(long, value_name = "T", conflicts_with = "greedy")]
    pub(crate) temperature: Option<f64>,
    /// Only the best tokens that reach this sum of probabilities
    #[arg(long, value_name = "P")]
    pub(crate) top_p: Option<f64>,
    /// Only that many best tokens; 0 for all
    #[arg(long, value_name = "N")]
    pub(crate) top_k: Option<u64>,
    /// New tokens of an answer, at most [default: the run's, else 1024, or what the tool generates]
    #[arg(long = "max-new", value_name = "N")]
    pub(crate) max_new: Option<u64>,
    /// A setting of fine-tuning's data, generation or oracle; may be repeated
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) sets: Vec<String>,
    /// An adapter's folder as peft writes it; it was made for this model
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: Option<PathBuf>,
    /// A branch, tag or commit of the model
    #[arg(long, value_name = "REVISION", default_value = hub::DEFAULT_REVISION)]
    pub(crate) revision: String,
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

impl LanguageEvaluation {
    /// Whether a language model is to be evaluated.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.problems.is_some() || self.against.is_some() || self.export.is_some()
    }
}
