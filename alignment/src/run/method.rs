//! From the settings of the algorithm to what is minimised.

use configs::finetune::{
    Activations as ActivationsSetting, Algorithm, AlgorithmConfig, BaseLoss, Decay as DecaySetting,
    FinetuneConfig, MixingKind, OptimiserKind as OptimiserSetting, SppoForm as FormSetting,
};
use lm::scoring::Activations;
use lm::training::{Decay, OptimiserKind, RateSchedule, TrainerSettings, WarmUp};

use super::data;
use crate::AlignmentError;
use crate::losses::mixing::{EstimatorSettings, ShareEstimator};
use crate::losses::preference::{PreferenceLoss, SppoForm};
use crate::training::{Objective, PassSettings};

/// What the updates minimise.
pub fn objective(config: &AlgorithmConfig) -> Objective {
    let share = config.trace_share;
    match config.kind {
        Algorithm::Sft => Objective::Imitation,
        Algorithm::Dpo => Objective::Preference(loss(config, BaseLoss::Dpo)),
        Algorithm::Ipo => Objective::Preference(loss(config, BaseLoss::Ipo)),
        Algorithm::Simpo => Objective::Preference(loss(config, BaseLoss::Simpo)),
        Algorithm::Sppo => Objective::Preference(loss(config, BaseLoss::Sppo)),
        // At its ends the mixture is the base loss on one half, and the other is no work at all.
        Algorithm::Bvpo if !config.mixes() => Objective::Preference(loss(config, config.base)),
        Algorithm::Bvpo => Objective::Mixture {
            base: loss(config, config.base),
            trace_share: share,
        },
    }
}

fn loss(config: &AlgorithmConfig, base: BaseLoss) -> PreferenceLoss {
    match base {
        BaseLoss::Dpo => PreferenceLoss::Dpo {
            preference_strength: config.preference_strength,
            label_smoothing: config.label_smoothing,
        },
        BaseLoss::Ipo => PreferenceLoss::Ipo {
            regularisation: config.regularisation,
            per_token: config.per_token,
        },
        BaseLoss::Simpo => PreferenceLoss::Simpo {
            preference_strength: config.preference_strength,
            target_margin: config.target_margin,
            label_smoothing: config.label_smoothing,
        },
        BaseLoss::Sppo => PreferenceLoss::Sppo {
            form: match config.form {
                FormSetting::Paper => SppoForm::Paper,
                FormSetting::Pair => SppoForm::Pair,
                FormSetting::Single => SppoForm::Single,
                FormSetting::Hard => SppoForm::Hard,
            },
            step_size: config.step_size,
            baseline_c: config.baseline_c,
        },
    }
}

/// The modes in which prompts are answered: one that the data says, or BVPO's two.
pub fn modes(config: &FinetuneConfig) -> Vec<Option<bool>> {
    match config.algorithm.kind {
        Algorithm::Bvpo if config.algorithm.mixes() => vec![Some(true), Some(false)],
        Algorithm::Bvpo => vec![Some(config.algorithm.trace_share == 1.0)],
        _ => vec![data::asked(config.data.thinking)],
    }
}

/// The estimate of BVPO's share, where it is estimated; it begins with the fixed one.
///
/// # Errors
/// A share outside 0..=1.
pub fn estimator(config: &AlgorithmConfig) -> Result<Option<ShareEstimator>, AlignmentError> {
    let estimated = config.kind == Algorithm::Bvpo && config.mixing == MixingKind::Estimated;
    let settings = EstimatorSettings {
        initial: config.trace_share,
        ..EstimatorSettings::default()
    };
    estimated.then(|| ShareEstimator::new(settings)).transpose()
}

/// The modes that are evaluated: BVPO in both, whatever it learns from.
pub fn evaluated_modes(config: &FinetuneConfig) -> Vec<Option<bool>> {
    if config.algorithm.kind == Algorithm::Bvpo {
        return vec![Some(true), Some(false)];
    }
    modes(config)
}

/// How examples go through the model.
pub fn pass_settings(config: &FinetuneConfig) -> PassSettings {
    PassSettings {
        rows: config.optimiser.rows_per_pass,
        activations: match config.memory.activations {
            ActivationsSetting::Keep => Activations::Kept,
            ActivationsSetting::Recompute => Activations::Recomputed,
        },
        logit_chunk: config.memory.logit_chunk,
        pack: config.memory.pack,
        seed: config.seed,
    }
}

/// The optimiser for a schedule of so many updates.
pub fn trainer_settings(config: &FinetuneConfig, schedule_updates: u64) -> TrainerSettings {
    let optimiser = &config.optimiser;
    TrainerSettings {
        optimiser: match optimiser.kind {
            OptimiserSetting::Adamw => OptimiserKind::ADAM,
            OptimiserSetting::Rmsprop => OptimiserKind::RMS_PROP,
            OptimiserSetting::Sgd => OptimiserKind::Sgd { momentum: 0.0 },
        },
        learning_rate: optimiser.learning_rate,
        schedule: RateSchedule {
            decay: match optimiser.decay {
                DecaySetting::Linear => Decay::Linear,
                DecaySetting::Cosine => Decay::Cosine,
                DecaySetting::Constant => Decay::Constant,
            },
            warm_up: WarmUp::Ratio(optimiser.warm_up_ratio),
            total_steps: schedule_updates,
        },
        weight_decay: optimiser.weight_decay,
        decay_norms_and_biases: false,
        max_gradient_norm: (optimiser.max_gradient_norm > 0.0)
            .then_some(optimiser.max_gradient_norm),
    }
}
