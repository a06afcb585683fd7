//! Sizes of a fine-tuning's model and data, read from the files that are here.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use configs::Problem;
use configs::finetune::{
    ARITHMETIC, Activations as ActivationsSetting, AdapterKind, DataForm, FinetuneConfig,
    NumberKind, OptimiserKind, Source,
};
use hub::memory::{
    Activations, Adaptation, MemoryEstimate, ModelShape, Numbers, Rule, Task, Training, estimate,
};
use hub::{DEFAULT_REVISION, Hub, HubError, ModelFolder, ModelReference};
use tui::figures::count;
use tui::plan::{FinetuneSizes, Item, texts};

use crate::commands::model_files::hub;

/// A file larger than this is not counted: it takes longer than people wait.
pub(crate) const LARGEST: u64 = 256 << 20;

/// What a plan tells of a file's rows, kept until the file changes.
#[derive(Default)]
pub(crate) struct Counted(HashMap<(PathBuf, &'static str), Told>);

/// What a file was told to hold, and when.
type Told = (Stamp, Result<u64, String>);

/// What changes when a file does.
type Stamp = (u64, Option<SystemTime>);

impl Counted {
    /// Rows of a file that can be used, or what is wrong with it.
    fn rows(&mut self, path: &Path, form: DataForm, about: &Metadata) -> Result<u64, String> {
        let stamp = (about.len(), about.modified().ok());
        let key = (path.to_owned(), form.name());
        if let Some((known, rows)) = self.0.get(&key)
            && *known == stamp
        {
            return rows.clone();
        }
        let read = form
            .name()
            .parse()
            .and_then(|form| dataset::read(path, form));
        let rows = match read {
            Ok(read) => Ok(read.rows.len() as u64),
            Err(error) => Err(error.to_string()),
        };
        self.0.insert(key, (stamp, rows.clone()));
        rows
    }
}

/// Reads what the plan needs.
///
/// # Errors
/// A file of data that is there and cannot be used; one that is not there leaves amounts unknown.
pub(super) fn sizes(
    config: &FinetuneConfig,
    counted: &mut Counted,
) -> Result<FinetuneSizes, Vec<Problem>> {
    let mut sizes = FinetuneSizes {
        model: named(config),
        number_bytes: 4,
        ..FinetuneSizes::default()
    };
    let mut problems = Vec::new();
    let mut look = |path: &'static str, file: &Option<String>| match rows(
        file.as_deref(),
        config.data.form,
        counted,
    ) {
        Ok(told) => told,
        Err(message) => {
            problems.push(Problem::error(path, message));
            (None, String::new())
        }
    };
    (sizes.rows, sizes.counted) = look("data.path", &config.data.path);
    (sizes.held_out, _) = look("data.evaluation", &config.data.evaluation);
    if !problems.is_empty() {
        return Err(problems);
    }
    if let Err(error) = of_model(config, &mut sizes) {
        sizes.missing = error.to_string();
    }
    Ok(sizes)
}

fn named(config: &FinetuneConfig) -> String {
    let model = &config.model;
    let name = model.name.clone().or_else(|| model.create.clone());
    name.unwrap_or_default()
}

fn rows(
    path: Option<&str>,
    form: DataForm,
    counted: &mut Counted,
) -> Result<(Option<u64>, String), String> {
    let Some(path) = path else {
        return Ok((None, "data.path is not set".to_owned()));
    };
    if path == ARITHMETIC {
        return Ok((None, "made-up arithmetic, as many as wanted".to_owned()));
    }
    let file = Path::new(path);
    let about = match file.metadata() {
        Ok(about) if about.is_file() => about,
        Ok(_) => {
            return Err(format!(
                "{path} is no file - allowed: JSON lines, a JSON list, Parquet, or {ARITHMETIC}"
            ));
        }
        Err(error) => return Ok((None, format!("cannot read {path}: {error}"))),
    };
    if about.len() > LARGEST {
        return Ok((None, format!("{path} is too large to be counted here")));
    }
    let rows = counted.rows(file, form, &about)?;
    Ok((Some(rows), format!("of {} in {path}", count(rows as f64))))
}

/// The folder with the `config.json` of the model that is trained.
///
/// # Errors
/// A model that is not here, with the command that fetches it.
pub(crate) fn model_folder(config: &FinetuneConfig) -> Result<ModelFolder, HubError> {
    let path = match (&config.model.name, &config.model.create) {
        (Some(name), _) => located(name, config.model.revision.as_deref())?,
        (None, Some(file)) => {
            let parent = Path::new(file).parent().unwrap_or(Path::new(""));
            match parent.as_os_str().is_empty() {
                true => PathBuf::from("."),
                false => parent.to_owned(),
            }
        }
        (None, None) => PathBuf::new(),
    };
    ModelFolder::open(&path)
}

/// The folder that a setting names: one of this machine, or a cached model of the hub.
///
/// # Errors
/// A model that is not here, with the command that fetches it.
pub(crate) fn located(name: &str, revision: Option<&str>) -> Result<PathBuf, HubError> {
    match ModelReference::read(name)? {
        ModelReference::Folder(path) => Ok(path),
        ModelReference::Name(name) => hub().locate(&name, revision.unwrap_or(DEFAULT_REVISION)),
    }
}

fn of_model(config: &FinetuneConfig, sizes: &mut FinetuneSizes) -> Result<(), HubError> {
    let folder = model_folder(config)?;
    let shape = ModelShape::of(&folder)?;
    let parameters = shape.parameters();
    let rank = config.adapter.rank as u64;
    let adapts = config.adapter.kind != AdapterKind::None;
    let numbers = numbers(config, &folder);
    sizes.parameters = Some(parameters);
    sizes.number_bytes = match numbers {
        Numbers::F32 => 4,
        Numbers::Bf16 => 2,
    };
    sizes.trained = Some(match adapts {
        true => shape.adapter_numbers(rank),
        false => parameters,
    });
    let training = Task::Train(Training {
        adaptation: match adapts {
            true => Adaptation::Lora { rank },
            false => Adaptation::Full,
        },
        rule: match config.optimiser.kind {
            OptimiserKind::Adamw => Rule::AdamW,
            OptimiserKind::Rmsprop => Rule::RmsProp,
            OptimiserKind::Sgd => Rule::Sgd { momentum: false },
        },
        activations: match config.memory.activations {
            ActivationsSetting::Keep => Activations::Kept,
            ActivationsSetting::Recompute => Activations::Recomputed,
        },
    });
    let rows = config
        .optimiser
        .rows_per_pass
        .min(config.optimiser.rows_per_update) as u64;
    let rows = rows.saturating_mul(texts(config));
    let length = config.data.max_tokens as u64;
    let training = estimate(&folder, numbers, training, rows, length)?;
    let train_words = format!("{rows} texts of {length} tokens in a pass");
    sizes.memory = Some(with_generation(
        config,
        &folder,
        numbers,
        training,
        &train_words,
    )?);
    Ok(())
}

/// As a checkpoint has its numbers, where the settings leave it to it.
fn numbers(config: &FinetuneConfig, folder: &ModelFolder) -> Numbers {
    match config.model.dtype {
        NumberKind::F32 => Numbers::F32,
        NumberKind::Bf16 => Numbers::Bf16,
        NumberKind::Auto if config.model.name.is_none() => Numbers::F32,
        NumberKind::Auto => match folder.weights() {
            Ok(weights) if !weights.numbers.contains_key("F32") => Numbers::Bf16,
            _ => Numbers::F32,
        },
    }
}

/// The parts of the training, and what generating takes beyond them.
fn with_generation(
    config: &FinetuneConfig,
    folder: &ModelFolder,
    numbers: Numbers,
    training: MemoryEstimate,
    train_words: &str,
) -> Result<Vec<Item>, HubError> {
    let total = training.total();
    let mut items: Vec<Item> = training
        .items
        .into_iter()
        .map(|item| Item {
            name: item.name.to_owned(),
            bytes: item.bytes,
            from: match item.name {
                "activations" | "logits" | "backward" => train_words.to_owned(),
                _ => String::new(),
            },
        })
        .collect();
    let samples = config.iterates() && config.generation.kind == Source::Policy;
    if !samples && config.data.evaluation.is_none() {
        return Ok(items);
    }
    let generation = &config.generation;
    let new_tokens = generation.max_new_tokens as u64;
    let length = new_tokens.saturating_add(config.data.max_prompt_tokens as u64);
    let rows = (generation.batch_tokens as u64 / length.max(1)).max(1);
    let generating = estimate(folder, numbers, Task::Generate, rows, length)?;
    // The optimiser goes before the model generates, the program and the weights stay.
    if generating.total() > total {
        items.push(Item {
            name: "generating".to_owned(),
            bytes: generating.total() - total,
            from: format!("beyond training: {rows} texts of {length} tokens side by side"),
        });
    }
    Ok(items)
}
