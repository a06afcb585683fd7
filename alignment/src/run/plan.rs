//! How a run is laid out: its iterations, their folders and prompts.

use std::path::{Path, PathBuf};

use configs::finetune::{Algorithm, BaseLoss, FinetuneConfig, SppoForm};

use super::data::PromptRow;
use crate::failure::FinetuneError;
use crate::text_model::TextModel;

/// Iterations; one where the data has its own pairs or demonstrations.
pub fn iterations(config: &FinetuneConfig) -> usize {
    if config.iterates() {
        config.iterations.count
    } else {
        1
    }
}

/// What an iteration makes lies here.
pub fn iteration_folder(run: &Path, iteration: usize) -> PathBuf {
    run.join("iterations").join(iteration.to_string())
}

/// The first iteration whose model is not there.
pub fn first_iteration(config: &FinetuneConfig, run: &Path) -> usize {
    if !config.iterates() {
        return if run.join("model").exists() { 2 } else { 1 };
    }
    let trained = (1..=config.iterations.count)
        .rev()
        .find(|iteration| iteration_folder(run, *iteration).join("model").exists());
    trained.unwrap_or(0) + 1
}

/// The prompts of an iteration: as many as the settings say, or an even share.
pub fn prompts_of<'p>(
    config: &FinetuneConfig,
    prompts: &'p [PromptRow],
    iteration: usize,
) -> &'p [PromptRow] {
    let each = each(config, prompts.len());
    let first = ((iteration - 1) * each).min(prompts.len());
    &prompts[first..(first + each).min(prompts.len())]
}

fn each(config: &FinetuneConfig, prompts: usize) -> usize {
    let even = prompts / config.iterations.count.max(1);
    config
        .iterations
        .prompts
        .map_or(even, |each| usize::try_from(each).unwrap_or(usize::MAX))
}

pub fn check_prompts(config: &FinetuneConfig, prompts: &[PromptRow]) -> Result<(), FinetuneError> {
    if !config.iterates() {
        return Ok(());
    }
    let (count, each) = (config.iterations.count, each(config, prompts.len()));
    if each == 0 || each.saturating_mul(count) > prompts.len() {
        return Err(FinetuneError::Settings(format!(
            "{}: {} prompts for {count} iterations of {} - allowed: one for each iteration at least, none used twice; lower iterations.count or iterations.prompts, or give more prompts",
            config.data.path.as_deref().unwrap_or_default(),
            prompts.len(),
            each.max(1),
        )));
    }
    Ok(())
}

/// Refuses turns for a model that cannot read them, before the first prompt is answered.
pub fn check_turns<'p>(
    model: &TextModel,
    mut prompts: impl Iterator<Item = &'p PromptRow>,
) -> Result<(), FinetuneError> {
    let turns = prompts.find(|row| matches!(row.prompt, dataset::Content::Messages(_)));
    match turns {
        Some(row) if model.template.is_none() => Err(FinetuneError::Settings(format!(
            "prompt {}: {}",
            row.id,
            model
                .chat_template()
                .map_or_else(|error| error.to_string(), |_| String::new())
        ))),
        _ => Ok(()),
    }
}

/// Whether the loss is a form of SPPO that regresses on win rates.
pub fn needs_wins(config: &FinetuneConfig) -> bool {
    let sppo = match config.algorithm.kind {
        Algorithm::Sppo => true,
        Algorithm::Bvpo => config.algorithm.base == BaseLoss::Sppo,
        _ => false,
    };
    sppo && config.algorithm.form != SppoForm::Hard
}
