//! Language models: ids or text in, ids, text or scores out.

pub mod adapter;
pub mod assess;
pub mod chat;
pub mod create;
pub mod generate;
pub mod logits;
mod prompts;
pub mod rewards;
mod sampling;
pub mod save;
mod speech;

use std::path::{Path, PathBuf};

use alignment::text_model::{TextModel, TextParts, wide};
use clap::{Args, ValueEnum};
use lm::adapters::{Adapter, Keep};
use lm::config::ModelConfig;
use lm::decoder::Decoder;
use serde_json::{Map, Value, json};
use tch::{Device, Kind};

use crate::exit::{BAD_CONFIG, Failure, warn};

/// Which model, and how it is run.
#[derive(Args, Clone)]
pub struct ModelArguments {
    /// A model's folder: config.json and safetensors.
    #[arg(long)]
    model: PathBuf,
    /// An adapter's folder, as peft writes it.
    #[arg(long)]
    adapter: Option<PathBuf>,
    /// The type of the weights; that of the files when left out.
    #[arg(long, value_enum)]
    dtype: Option<Dtype>,
    /// auto, cpu or cuda:N.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Threads inside one operation; one for small models, else all processors.
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Dtype {
    F32,
    Bf16,
    F16,
}

impl Dtype {
    fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
            Self::F16 => Kind::Half,
        }
    }

    fn name(kind: Kind) -> &'static str {
        match kind {
            Kind::BFloat16 => "bf16",
            Kind::Half => "f16",
            _ => "f32",
        }
    }
}

/// Where an adapter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdapterPlace {
    /// Beside the weights, as it is trained.
    Beside,
    /// Into the weights, which is faster from the second token on.
    Merged,
}

impl ModelArguments {
    fn load(&self, place: AdapterPlace) -> Result<Decoder, Failure> {
        let config = ModelConfig::read(&self.model)?;
        let device = self.place(config.scalars())?;
        let kind = self.dtype.map(Dtype::kind);
        let mut decoder = Decoder::load(&self.model, kind, device, false)?;
        for warning in &decoder.config().warnings {
            warn(warning);
        }
        if let Some(folder) = &self.adapter {
            adapt(&mut decoder, folder, place)?;
        }
        Ok(decoder)
    }

    /// Readies LibTorch for a model of so many parameters; says where its tensors live.
    fn place(&self, scalars: usize) -> Result<Device, Failure> {
        nn::runtime::prepare(self.threads.unwrap_or_else(|| threads_for(scalars)));
        Ok(nn::runtime::resolve_device(&self.device)?)
    }

    /// The model with what it takes to read and write text.
    fn load_with_text(&self, place: AdapterPlace) -> Result<TextModel, Failure> {
        // The small files first: what is wrong with them is told before the weights are read.
        let parts = TextParts::open(&self.model)?;
        Ok(parts.with(self.load(place)?)?)
    }
}

pub(crate) fn adapt(
    decoder: &mut Decoder,
    folder: &Path,
    place: AdapterPlace,
) -> Result<(), Failure> {
    let device = decoder.weights().device();
    let adapter = Adapter::load(folder, decoder.config(), device, false)?;
    decoder.attach(adapter)?;
    if place == AdapterPlace::Merged {
        decoder.merge_adapter(Keep::Nothing)?;
    }
    Ok(())
}

/// Below that many parameters, handing work to another thread takes longer than the work.
const SHARED_FROM: usize = 50_000_000;

fn threads_for(scalars: usize) -> usize {
    if scalars < SHARED_FROM {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Arguments of a chat template: `NAME=JSON`; what is no JSON is a text.
fn template_arguments(given: &[String]) -> Result<Map<String, Value>, Failure> {
    let read = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            let message =
                format!("--template {text} - allowed: NAME=JSON such as enable_thinking=false");
            Failure::new(BAD_CONFIG, message)
        })?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        Ok((name.to_owned(), value))
    };
    given.iter().map(read).collect()
}
