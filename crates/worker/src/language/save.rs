//! `concord-worker save`: a model's folder, loaded and written anew.

use std::path::PathBuf;

use clap::Args;
use lm::decoder::Decoder;
use lm::save::{SHARD_BYTES, SaveOptions, save};
use serde_json::json;
use tch::{Device, Kind};

use super::{AdapterPlace, Dtype, adapt};
use crate::exit::{DONE, Failure, answer};

/// A new folder of a model.
#[derive(Args)]
pub struct SaveArguments {
    /// A model's folder: config.json and safetensors.
    #[arg(long)]
    model: PathBuf,
    /// An adapter's folder, as peft writes it: it goes into the weights.
    #[arg(long)]
    adapter: Option<PathBuf>,
    /// The folder to write; it must not be there.
    #[arg(long)]
    out: PathBuf,
    /// The type of the weights; that of the files when left out.
    #[arg(long, value_enum)]
    dtype: Option<Dtype>,
    /// Bytes of weights in one file, at most.
    #[arg(long, default_value_t = SHARD_BYTES)]
    shard_bytes: usize,
}

/// Writes the folder and answers with one JSON object.
pub fn save_folder(arguments: &SaveArguments) -> Result<u8, Failure> {
    nn::runtime::prepare(1);
    // An adapter is added before the weights are rounded, never after.
    let wider = (arguments.dtype == Some(Dtype::F32)).then_some(Kind::Float);
    let mut decoder = Decoder::load(&arguments.model, wider, Device::Cpu, false)?;
    if let Some(folder) = &arguments.adapter {
        adapt(&mut decoder, folder, AdapterPlace::Merged)?;
    }
    let kind = arguments
        .dtype
        .map_or(decoder.weights().kind(), Dtype::kind);
    let options = SaveOptions {
        kind,
        shard_bytes: arguments.shard_bytes,
        carried_from: Some(&arguments.model),
    };
    save(&decoder, &arguments.out, &options)?;
    let files = std::fs::read_dir(&arguments.out).into_iter().flatten();
    let mut names: Vec<String> = files
        .flatten()
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    answer(
        &json!({
            "out": arguments.out,
            "dtype": Dtype::name(kind),
            "parameters": decoder.config().scalars(),
            "files": names,
        })
        .to_string(),
    );
    Ok(DONE)
}
