//! The model of a run: opened from the settings, generated with, saved.

use std::path::Path;

use configs::finetune::{AdapterConfig, AdapterKind, FinetuneConfig, NumberKind};
use lm::adapters::{Adapter, AdapterSettings, Form, Keep};
use lm::config::ModelConfig;
use lm::decoder::Decoder;
use lm::save::{SHARD_BYTES, SaveOptions, save};
use lm::weights::{WeightLayout, Weights};
use tch::{Device, Kind};

use super::journal::Counters;
use crate::failure::FinetuneError;
use crate::text_model::{TextModel, TextParts, locate};

/// Which weights a run begins or goes on with.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// Those of the settings.
    Settings,
    /// Those that an iteration left: a folder of [`keep`].
    Iteration(&'a Path),
}

/// Opens the model to be trained.
///
/// # Errors
/// A model that is not there or damaged; an adapter that does not fit; not enough memory.
pub fn open(
    config: &FinetuneConfig,
    start: Start<'_>,
    device: Device,
) -> Result<TextModel, FinetuneError> {
    let adapts = config.adapter.kind != AdapterKind::None;
    let kind = match config.model.dtype {
        NumberKind::Auto => None,
        NumberKind::F32 => Some(Kind::Float),
        NumberKind::Bf16 => Some(Kind::BFloat16),
    };
    let named = match (&config.model.name, &config.model.create) {
        (Some(name), _) => Some(locate(name, config.model.revision.as_deref())?),
        (None, _) => None,
    };
    let tokenizer = match &config.model.tokenizer {
        Some(tokenizer) => locate(tokenizer, None)?,
        None => named.clone().ok_or_else(|| {
            FinetuneError::Settings(
                "model.tokenizer: not set - allowed: the folder of a tokenizer, with model.create"
                    .to_owned(),
            )
        })?,
    };
    let parts = TextParts::open(&tokenizer)?;
    let mut decoder = match (start, &named) {
        (Start::Iteration(folder), _) if !adapts => Decoder::load(folder, kind, device, true)?,
        (_, Some(folder)) => Decoder::load(folder, kind, device, !adapts)?,
        (_, None) => created(config, kind, device)?,
    };
    if adapts {
        let adapter = match start {
            Start::Iteration(folder) => Adapter::load(folder, decoder.config(), device, true)?,
            Start::Settings => Adapter::create(
                &adapter_settings(&config.adapter),
                decoder.config(),
                device,
                config.seed,
            )?,
        };
        decoder.attach(adapter)?;
    }
    parts.with(decoder)
}

/// Random weights for a `config.json`.
fn created(
    config: &FinetuneConfig,
    kind: Option<Kind>,
    device: Device,
) -> Result<Decoder, FinetuneError> {
    let path = Path::new(config.model.create.as_deref().unwrap_or_default());
    let folder = path.parent().unwrap_or(Path::new("."));
    if path.file_name().is_none_or(|name| name != "config.json") {
        return Err(FinetuneError::Settings(format!(
            "model.create: {} - allowed: a file called config.json",
            path.display()
        )));
    }
    let model = ModelConfig::read(folder)?;
    let kind = kind.unwrap_or(Kind::Float);
    let weights = Weights::random(WeightLayout::of(&model), &model, kind, device, config.seed)?;
    Ok(Decoder::new(model, weights.into_trainable()))
}

fn adapter_settings(config: &AdapterConfig) -> AdapterSettings {
    let rank = config.rank;
    AdapterSettings {
        form: match config.kind {
            AdapterKind::None | AdapterKind::Lora => Form::Lora {
                rank,
                alpha: config.alpha,
                rank_stabilised: config.rank_stabilised,
            },
            AdapterKind::Miss => Form::Miss { rank, mini: None },
            AdapterKind::MissMini => Form::Miss {
                rank,
                mini: Some(rank),
            },
            AdapterKind::Bat => Form::Bat { rank },
        },
        targets: config
            .targets
            .split(',')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect(),
        excluded_layers: Vec::new(),
        dropout: config.dropout,
    }
}

/// Does something with the model as it speaks: an adapter is merged for as long, and every bit
/// is as before afterwards.
///
/// # Errors
/// Those of `work`, and of merging.
pub fn speaking<T>(
    model: &mut TextModel,
    work: impl FnOnce(&TextModel) -> Result<T, FinetuneError>,
) -> Result<T, FinetuneError> {
    let adapts = model.decoder.adapter().is_some();
    if adapts {
        model.decoder.merge_adapter(Keep::Originals)?;
    }
    let result = work(model);
    if adapts {
        model.decoder.unmerge_adapter()?;
    }
    result
}

/// How far the run was when an iteration was done.
const COUNTERS: &str = "counters.json";

/// Writes what an iteration trained into its folder: a model's folder, or peft's of an adapter, and
/// before it how far the run was.
///
/// # Errors
/// A full disk, missing permissions; nothing stays behind then.
pub fn keep(
    model: &TextModel,
    config: &FinetuneConfig,
    folder: &Path,
    counters: Counters,
) -> Result<(), FinetuneError> {
    let target = folder.join("model");
    if target.exists() {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(&counters).expect("counters are plain data");
    tracking::write_atomic(&folder.join(COUNTERS), &text)?;
    clear_unfinished(&target);
    match model.decoder.adapter() {
        Some(adapter) => {
            let base = config.model.name.as_deref().unwrap_or_default();
            adapter.save(&target, base)?;
        }
        None => write_whole(model, &target)?,
    }
    Ok(())
}

/// How far the run was after the iteration of this folder; at its beginning where there is none.
///
/// # Errors
/// A file that does not read.
pub fn kept_counters(folder: &Path) -> Result<Counters, FinetuneError> {
    let path = folder.join(COUNTERS);
    if !path.exists() {
        return Ok(Counters::default());
    }
    let text = std::fs::read_to_string(&path).map_err(FinetuneError::file("read", &path))?;
    serde_json::from_str(&text).map_err(|error| {
        FinetuneError::damaged(&path, format!("does not read ({error}) - start a new run"))
    })
}

/// Writes a folder that `transformers` loads, an adapter merged into it.
///
/// # Errors
/// As [`keep`].
pub fn write_merged(model: &mut TextModel, target: &Path) -> Result<(), FinetuneError> {
    if target.exists() {
        return Ok(());
    }
    clear_unfinished(target);
    speaking(model, |model| write_whole(model, target))
}

/// Removes what a process left that was killed while it wrote `target`: as large as a model. The
/// run's lock is held, so nobody else writes it.
fn clear_unfinished(target: &Path) {
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
        return;
    };
    let begin = format!(".{}.unfinished-", name.to_string_lossy());
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&begin) {
            // One that cannot be removed costs space and nothing else.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn write_whole(model: &TextModel, target: &Path) -> Result<(), FinetuneError> {
    let options = SaveOptions {
        kind: model.decoder.weights().kind(),
        shard_bytes: SHARD_BYTES,
        carried_from: Some(model.folder.path()),
    };
    Ok(save(&model.decoder, target, &options)?)
}
