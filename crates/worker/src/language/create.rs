//! `concord-worker create`: a model that was never trained, as a folder.

use std::path::{Path, PathBuf};

use clap::Args;
use hub::ModelTokenizer;
use lm::config::ModelConfig;
use lm::decoder::Decoder;
use lm::save::{SHARD_BYTES, SaveOptions, save};
use lm::weights::{WeightLayout, Weights};
use serde_json::json;
use tch::{Device, Kind};

use super::Dtype;
use crate::exit::{BAD_CONFIG, DONE, Failure, answer, warn};

/// Shapes that have a name: those that figures are told of.
const SHAPES: [(&str, &str); 2] = [
    ("llama-5m", include_str!("create/llama-5m.json")),
    ("smollm2-135m", include_str!("create/smollm2-135m.json")),
];

/// A new model with random weights.
#[derive(Args)]
pub struct CreateArguments {
    /// A config.json, a folder that has one, or the name of a shape.
    #[arg(long)]
    config: String,
    /// The folder to write; it must not be there.
    #[arg(long)]
    out: PathBuf,
    /// The seed of the weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The type of the weights; that of the config, or f32.
    #[arg(long, value_enum)]
    dtype: Option<Dtype>,
    /// A folder whose tokenizer, template and generation settings are carried over.
    #[arg(long)]
    tokenizer: Option<PathBuf>,
}

/// Writes the folder and answers with one JSON object.
pub fn create(arguments: &CreateArguments) -> Result<u8, Failure> {
    nn::runtime::prepare(1);
    let config = config_of(&arguments.config)?;
    for warning in &config.warnings {
        warn(warning);
    }
    let kind = match (arguments.dtype, config.dtype.as_deref()) {
        (Some(dtype), _) => dtype.kind(),
        (None, Some("bfloat16")) => Kind::BFloat16,
        (None, Some("float16")) => Kind::Half,
        (None, _) => Kind::Float,
    };
    if let Some(folder) = &arguments.tokenizer {
        check_tokenizer(folder, config.vocabulary)?;
    }
    let layout = WeightLayout::of(&config);
    let weights = Weights::random(layout, &config, kind, Device::Cpu, arguments.seed)?;
    let decoder = Decoder::new(config, weights);
    let options = SaveOptions {
        kind,
        shard_bytes: SHARD_BYTES,
        carried_from: arguments.tokenizer.as_deref(),
    };
    save(&decoder, &arguments.out, &options)?;
    answer(
        &json!({
            "out": arguments.out,
            "family": decoder.config().family.to_string(),
            "parameters": decoder.config().scalars(),
            "dtype": Dtype::name(kind),
            "seed": arguments.seed,
        })
        .to_string(),
    );
    Ok(DONE)
}

/// A description from a file, a folder or by name; a file of that name comes first.
fn config_of(given: &str) -> Result<ModelConfig, Failure> {
    let path = Path::new(given);
    if path.is_dir() {
        return Ok(ModelConfig::read(path)?);
    }
    if path.is_file() {
        let text = std::fs::read_to_string(path).map_err(|source| lm::LmError::File {
            path: path.to_path_buf(),
            source,
        })?;
        return Ok(ModelConfig::parse(path, &text)?);
    }
    match SHAPES.iter().find(|(name, _)| *name == given) {
        Some((_, text)) => Ok(ModelConfig::parse(path, text)?),
        None => Err(Failure::new(
            BAD_CONFIG,
            format!(
                "{given} - allowed: a config.json, a folder that has one, or one of the shapes {}",
                SHAPES.map(|(name, _)| name).join(", ")
            ),
        )),
    }
}

/// The tokenizer must have a row of the embedding for each of its ids.
fn check_tokenizer(folder: &Path, vocabulary: usize) -> Result<(), Failure> {
    let highest = ModelTokenizer::load(folder, &[].into())?.highest_id();
    if (highest as usize) < vocabulary {
        return Ok(());
    }
    Err(Failure::new(
        BAD_CONFIG,
        format!(
            "the tokenizer of {} has ids to {highest}, but config.json has vocab_size {vocabulary} - allowed: at least {} - raise vocab_size, or name another tokenizer",
            folder.display(),
            highest + 1
        ),
    ))
}
