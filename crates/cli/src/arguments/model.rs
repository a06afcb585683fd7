//! `concord model`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Adapter, CreateModel, FormatArgument, Merge, ModelFiles, ScoreTexts};

/// A language model. It is the first argument, or `--model`, which leaves the first argument to
/// what comes after it.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelChoice {
    /// The model, instead of the first argument
    #[arg(long, value_name = "NAME|DIR")]
    pub(crate) model: Option<String>,
    /// A branch, tag or commit of the model
    #[arg(long, value_name = "REVISION", default_value = hub::DEFAULT_REVISION)]
    pub(crate) revision: String,
}

/// A language model and how it is run.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelArguments {
    #[command(flatten)]
    pub(crate) choice: ModelChoice,
    /// An adapter's folder as peft writes it (LoRA, MiSS, Bone); it was made for this model
    #[arg(long, value_name = "DIR")]
    pub(crate) adapter: Option<PathBuf>,
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
    /// Continue a prompt, or answer it where the model has a chat template
    Generate(Box<Generate>),
    /// Talk with a model
    Chat(Box<Chat>),
    /// Load a model and write it as a new folder that transformers reads
    Save(Save),
    /// Write a model that was never trained as a new folder, which transformers loads
    Create(CreateModel),
    /// Put an adapter into the weights: a folder that transformers loads without peft
    Merge(Merge),
    /// Write the folder of an adapter for a model: a fresh one, or another one written anew
    Adapter(Box<Adapter>),
    /// Score texts, or candidates against each other, with a reward model
    Score(ScoreTexts),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Logits {
    /// A model of the cache as OWNER/NAME, or a folder in the form of transformers
    #[arg(value_name = "NAME|DIR")]
    pub(crate) first: Option<String>,
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Token ids, separated by commas
    #[arg(
        long,
        value_name = "IDS",
        value_delimiter = ',',
        required_unless_present = "text"
    )]
    pub(crate) ids: Vec<i64>,
    /// A text instead of ids
    #[arg(long, value_name = "TEXT", conflicts_with = "ids")]
    pub(crate) text: Option<String>,
    /// The safetensors file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Save {
    /// A model of the cache as OWNER/NAME, or a folder in the form of transformers
    #[arg(value_name = "NAME|DIR")]
    pub(crate) first: Option<String>,
    /// The folder to write; it must not be there
    #[arg(value_name = "OUT")]
    pub(crate) second: Option<String>,
    #[command(flatten)]
    pub(crate) choice: ModelChoice,
    /// The folder to write, instead of the second argument
    #[arg(long, value_name = "OUT")]
    pub(crate) out: Option<String>,
    /// Type of the weights: f32, bf16 or f16 [default: that of the files]
    #[arg(long, value_name = "TYPE", value_parser = ["f32", "bf16", "f16"])]
    pub(crate) dtype: Option<String>,
    /// Largest file of weights, such as 500MB or 5GB
    #[arg(long, value_name = "SIZE", default_value = "5GB")]
    pub(crate) shard_size: String,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

/// How tokens are chosen; what is left out is taken from the model's generation_config.json.
#[derive(Debug, Clone, Args)]
pub(crate) struct Choosing {
    /// Take the best token always
    #[arg(long)]
    pub(crate) greedy: bool,
    /// Divides the scores
    #[arg(long, value_name = "T", conflicts_with = "greedy")]
    pub(crate) temperature: Option<f64>,
    /// Only that many best tokens; 0 for all
    #[arg(long, value_name = "N")]
    pub(crate) top_k: Option<u64>,
    /// Only the best tokens that reach this sum of probabilities
    #[arg(long, value_name = "P")]
    pub(crate) top_p: Option<f64>,
    /// Only tokens at least this part as probable as the best
    #[arg(long, value_name = "P")]
    pub(crate) min_p: Option<f64>,
    /// Above 1: tokens that were there become less likely
    #[arg(long, value_name = "X")]
    pub(crate) repetition_penalty: Option<f64>,
    /// Seed of every sequence's stream
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// A text that ends an answer and is not part of it; may be repeated
    #[arg(long = "stop", value_name = "TEXT")]
    pub(crate) stops: Vec<String>,
    /// Leave special tokens in the text
    #[arg(long)]
    pub(crate) show_special: bool,
}

/// How text becomes a prompt.
#[derive(Debug, Clone, Args)]
pub(crate) struct Prompting {
    /// Continue plain text, without the chat template
    #[arg(long)]
    pub(crate) raw: bool,
    /// The system message
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// An argument of the template, such as enable_thinking=false; may be repeated
    #[arg(long = "template", alias = "template-set", value_name = "NAME=JSON")]
    pub(crate) template: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Generate {
    /// A model of the cache as OWNER/NAME, or a folder in the form of transformers
    #[arg(value_name = "NAME|DIR")]
    pub(crate) first: Option<String>,
    /// The prompt
    #[arg(value_name = "PROMPT")]
    pub(crate) second: Option<String>,
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    /// Prompts or conversations as JSON lines, answered as JSON lines; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "prompts")]
    pub(crate) prompt_file: Option<PathBuf>,
    /// Token ids of a prompt, separated by commas; may be repeated
    #[arg(long = "prompt-ids", value_name = "IDS", conflicts_with_all = ["stops", "raw", "system", "chat", "template"])]
    pub(crate) prompts: Vec<String>,
    /// Insist on the chat template; it is used where there is one anyway
    #[arg(long, conflicts_with = "raw")]
    pub(crate) chat: bool,
    #[command(flatten)]
    pub(crate) prompting: Prompting,
    /// New tokens, at most
    #[arg(long = "max-new", value_name = "N", default_value_t = 256)]
    pub(crate) max_new: u64,
    /// Go on after the ids that end a text
    #[arg(long)]
    pub(crate) ignore_eos: bool,
    /// Continuations of each prompt
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) samples: u64,
    #[command(flatten)]
    pub(crate) choosing: Choosing,
    /// Answer with the log-probability of every token
    #[arg(long)]
    pub(crate) log_probabilities: bool,
    /// Write text as it comes; a terminal gets it so anyway. As JSON, a line for every token
    #[arg(long)]
    pub(crate) stream: bool,
    #[command(flatten)]
    pub(crate) format: FormatArgument,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Chat {
    /// A model of the cache as OWNER/NAME, or a folder in the form of transformers
    #[arg(value_name = "NAME|DIR")]
    pub(crate) first: Option<String>,
    #[command(flatten)]
    pub(crate) model: ModelArguments,
    #[command(flatten)]
    pub(crate) prompting: Prompting,
    /// Go on with a saved conversation
    #[arg(long = "continue", value_name = "FILE")]
    pub(crate) saved: Option<PathBuf>,
    /// Tokens of an answer, at most
    #[arg(long = "max-new", value_name = "N", default_value_t = 1024)]
    pub(crate) max_new: u64,
    #[command(flatten)]
    pub(crate) choosing: Choosing,
}
