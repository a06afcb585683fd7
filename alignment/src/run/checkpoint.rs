//! Checkpoints in the middle of a training: what it needs to go on bit for bit.
//!
//! `ckpt/step-N/` holds `training.safetensors` (trained values, optimiser, masters) and
//! `state.json`; it is whole or absent.

use std::fs;
use std::path::{Path, PathBuf};

use lm::decoder::Decoder;
use lm::training::Trainer;
use nn::arrays::{Array, Arrays};
use nn::parameters::flat_values;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use tracking::{AtomicFolder, RunFolder};

use super::journal::Counters;
use crate::failure::FinetuneError;
use crate::losses::mixing::ShareEstimator;

const VERSION: u32 = 1;
const ARRAYS: &str = "training.safetensors";
const STATE: &str = "state.json";
const VALUES: &str = "values";
const TRAINER: &str = "trainer.";

/// Where a training is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Position {
    version: u32,
    /// The iteration, from 1.
    pub iteration: usize,
    /// Updates taken in this iteration.
    pub updates: u64,
    /// Of the whole run.
    pub counters: Counters,
    /// BVPO's estimate of its share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<ShareEstimator>,
    /// Updates that the learning rate is laid out for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<u64>,
}

impl Position {
    /// Where a training is.
    pub fn new(
        iteration: usize,
        updates: u64,
        counters: Counters,
        share: Option<ShareEstimator>,
        schedule: u64,
    ) -> Self {
        Self {
            version: VERSION,
            iteration,
            updates,
            counters,
            share,
            schedule: Some(schedule),
        }
    }
}

/// Writes a checkpoint and removes the oldest beyond `keep`; its path in the run folder comes back.
///
/// # Errors
/// A full disk; nothing half-written stays.
pub fn write(
    run: &RunFolder,
    decoder: &Decoder,
    trainer: &Trainer,
    position: &Position,
    keep: usize,
) -> Result<String, FinetuneError> {
    let name = format!("step-{}", position.counters.updates);
    let folder = AtomicFolder::create(&run.checkpoints_folder(), &name)?;
    let mut arrays = trainer.to_arrays(TRAINER);
    let values = flat_values(&decoder.trained_flat().to_kind(Kind::Float));
    arrays.insert(VALUES, Array::from_f32(vec![values.len()], &values));
    arrays.write(&folder.path().join(ARRAYS))?;
    let text = serde_json::to_vec_pretty(position).expect("a position is plain data");
    let path = folder.path().join(STATE);
    fs::write(&path, text).map_err(FinetuneError::file("write", &path))?;
    folder.commit()?;
    let mut all = run.checkpoints();
    all.sort_by_key(|(step, _)| *step);
    for (_, old) in all.iter().rev().skip(keep) {
        // One that cannot be removed costs space and nothing else.
        let _ = fs::remove_dir_all(old);
    }
    Ok(format!("ckpt/{name}"))
}

/// The newest checkpoint and where it is; none where none was written.
///
/// # Errors
/// A checkpoint that does not read.
pub fn newest(run: &RunFolder) -> Result<Option<(PathBuf, Position)>, FinetuneError> {
    tracking::atomic::recover_folders(&run.checkpoints_folder())?;
    let newest = run.checkpoints().into_iter().max_by_key(|(step, _)| *step);
    let Some((_, path)) = newest else {
        return Ok(None);
    };
    let file = path.join(STATE);
    let text = fs::read_to_string(&file).map_err(FinetuneError::file("read", &file))?;
    let position: Position = serde_json::from_str(&text).map_err(|error| {
        FinetuneError::damaged(
            &file,
            format!("does not read ({error}) - remove this checkpoint, and the run goes on from the one before or from the last finished stage"),
        )
    })?;
    if position.version != VERSION {
        return Err(FinetuneError::damaged(
            &file,
            format!(
                "is of version {} - allowed: {VERSION}; resume it with the program that wrote it",
                position.version
            ),
        ));
    }
    Ok(Some((path, position)))
}

/// Puts a checkpoint into a decoder and a trainer that were made as for its beginning.
///
/// # Errors
/// Arrays that are missing or of another size.
pub fn restore(
    folder: &Path,
    decoder: &mut Decoder,
    trainer: &mut Trainer,
) -> Result<(), FinetuneError> {
    let arrays = Arrays::read(&folder.join(ARRAYS))?;
    let trained = decoder.trained_flat_mut();
    let values = arrays.f32(VALUES, &[trained.numel()])?;
    let values = Tensor::from_slice(&values);
    tch::no_grad(|| trained.f_copy_(&values)).map_err(crate::AlignmentError::from)?;
    trainer.load_arrays(decoder, &arrays, TRAINER)?;
    Ok(())
}
