//! From gradients to weights: clipping, learning rates, optimisers, f32 masters.
//!
//! ```no_run
//! # use lm::decoder::{Batch, Decoder};
//! # use lm::scoring::{Activations, Gradient, ScoreSettings};
//! # use lm::training::{Trainer, TrainerSettings};
//! # fn train(decoder: &mut Decoder, batches: &[(Batch, tch::Tensor)]) -> Result<(), lm::LmError> {
//! let mut trainer = Trainer::new(decoder, TrainerSettings::default())?;
//! let mut gradient = Gradient::zeros(decoder)?;
//! let settings = ScoreSettings { activations: Activations::Recomputed, ..ScoreSettings::default() };
//! let targets: usize = batches.iter().map(|(_, targets)| lm::training::count(targets)).sum();
//! for (batch, next) in batches {
//!     let scored = decoder.score(batch, next, settings)?;
//!     // The mean negative log-likelihood over all micro-batches.
//!     let derivative = scored.log_probabilities().full_like(-1.0 / targets as f64);
//!     decoder.accumulate(batch, scored, &derivative, &mut gradient)?;
//! }
//! let step = trainer.step(decoder, &mut gradient)?;
//! println!("norm {}, learning rate {}", step.gradient_norm, step.learning_rate);
//! # Ok(()) }
//! ```

use std::ops::Range;

use nn::arrays::{Array, Arrays};
use nn::optimiser::{Optimiser, StepSettings, gradient_norm};
use nn::parameters::flat_values;
use tch::{Kind, Tensor, no_grad};

use crate::LmError;
use crate::decoder::Decoder;
use crate::scoring::Gradient;
use crate::trained::Trained;

pub use nn::optimiser::OptimiserKind;
pub use nn::schedule::{Decay, RateSchedule, WarmUp};

/// How a model is trained, step by step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainerSettings {
    /// The update rule.
    pub optimiser: OptimiserKind,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Its factor at each step.
    pub schedule: RateSchedule,
    /// As in `torch.optim`: decoupled for Adam, a penalty for the others; 0 for none.
    pub weight_decay: f64,
    /// Whether norms and biases decay as well.
    pub decay_norms_and_biases: bool,
    /// Longer gradients are shortened to this Euclidean norm.
    pub max_gradient_norm: Option<f64>,
}

impl Default for TrainerSettings {
    /// The defaults of `transformers.TrainingArguments`, but for the schedule: constant,
    /// since the steps are not known here.
    fn default() -> Self {
        Self {
            optimiser: OptimiserKind::ADAM,
            learning_rate: 5e-5,
            schedule: RateSchedule::CONSTANT,
            weight_decay: 0.0,
            decay_norms_and_biases: false,
            max_gradient_norm: Some(1.0),
        }
    }
}

/// What one step was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Steps taken, this one included.
    pub number: u64,
    /// The Euclidean norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// The learning rate it was taken with.
    pub learning_rate: f64,
}

/// Optimiser, schedule and masters of what a decoder trains: its weights or an adapter.
///
/// Where the trained values are not f32, their masters here are: an update that is smaller
/// than the spacing of bf16 is kept until it shows.
#[derive(Debug)]
pub struct Trainer {
    settings: TrainerSettings,
    optimiser: Optimiser,
    masters: Option<Tensor>, // [scalars], f32
    decayed: Vec<Range<usize>>,
}

impl Trainer {
    /// A fresh trainer of what `decoder` trains.
    ///
    /// # Errors
    /// The decoder trains nothing; settings that are not numbers of their range; not enough
    /// memory on the device.
    pub fn new(decoder: &Decoder, settings: TrainerSettings) -> Result<Self, LmError> {
        settings.check()?;
        let flat = decoder.trained_flat();
        let whole = 0..flat.numel();
        let decayed = match decoder.trained() {
            Trained::Nothing => {
                return Err(LmError::Input(
                    "a trainer for a frozen model - allowed: a model that was loaded to be trained, or one with an adapter".to_owned(),
                ));
            }
            Trained::Weights if !settings.decay_norms_and_biases => {
                decoder.weights().layout().matrices()
            }
            _ => vec![whole],
        };
        let masters = (flat.kind() != Kind::Float).then(|| no_grad(|| flat.f_to_kind(Kind::Float)));
        Ok(Self {
            settings,
            optimiser: Optimiser::over(settings.optimiser, settings.learning_rate, flat)?,
            masters: masters.transpose()?,
            decayed,
        })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &TrainerSettings {
        &self.settings
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.optimiser.steps()
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.settings.learning_rate * self.settings.schedule.factor(self.steps())
    }

    /// One step of what `decoder` trains along `-gradient`, which is zero afterwards.
    ///
    /// # Errors
    /// A gradient that is not of this decoder, or that holds a number that is not finite: then
    /// weights, state and gradient are as they were.
    pub fn step(
        &mut self,
        decoder: &mut Decoder,
        gradient: &mut Gradient,
    ) -> Result<Step, LmError> {
        let trained = decoder.trained_flat_mut();
        self.check_size("the gradient", gradient.flat())?;
        self.check_size("the model", trained)?;
        let gradient_norm = gradient_norm(gradient.flat());
        if !gradient_norm.is_finite() {
            return Err(LmError::Input(format!(
                "the gradient of step {} has the norm {gradient_norm} - allowed: a finite number - the weights are as before; lower the learning rate, clip, or look at the batch",
                self.steps() + 1
            )));
        }
        let learning_rate = self.learning_rate();
        let limit = self.settings.max_gradient_norm;
        let settings = StepSettings {
            learning_rate,
            // The rule of `torch.nn.utils.clip_grad_norm_`.
            gradient_scale: limit.map_or(1.0, |limit| (limit / (gradient_norm + 1e-6)).min(1.0)),
            weight_decay: self.settings.weight_decay,
            decayed: &self.decayed,
        };
        let (values, rounded) = match &mut self.masters {
            Some(masters) => (masters, Some(trained)),
            None => (trained, None),
        };
        self.optimiser
            .step_over(values, gradient.flat_mut(), rounded, &settings);
        Ok(Step {
            number: self.steps(),
            gradient_norm,
            learning_rate,
        })
    }

    /// Everything that continuing needs beside the trained values themselves, under names that
    /// begin with `prefix`. Masters are among it: values of a bf16 model come from them.
    pub fn to_arrays(&self, prefix: &str) -> Arrays {
        let mut arrays = self.optimiser.to_arrays(&format!("{prefix}optimiser."));
        if let Some(masters) = &self.masters {
            let values = flat_values(masters);
            let array = Array::from_f32(vec![values.len()], &values);
            arrays.insert(format!("{prefix}masters"), array);
        }
        arrays
    }

    /// Continues from what [`Trainer::to_arrays`] gave; `decoder` holds the values of that time,
    /// or with masters gets them.
    ///
    /// # Errors
    /// A missing name or another size; nothing has changed then.
    pub fn load_arrays(
        &mut self,
        decoder: &mut Decoder,
        arrays: &Arrays,
        prefix: &str,
    ) -> Result<(), LmError> {
        let trained = decoder.trained_flat_mut();
        self.check_size("the model", trained)?;
        let masters = match &self.masters {
            Some(masters) => {
                let values = arrays.f32(&format!("{prefix}masters"), &[masters.numel()])?;
                Some(Tensor::from_slice(&values).to_device(masters.device()))
            }
            None => None,
        };
        self.optimiser
            .load_arrays(arrays, &format!("{prefix}optimiser."))?;
        if let Some(masters) = masters {
            no_grad(|| trained.f_copy_(&masters))?;
            self.masters = Some(masters);
        }
        Ok(())
    }

    fn check_size(&self, what: &str, flat: &Tensor) -> Result<(), LmError> {
        let wanted = self.optimiser.scalars();
        if flat.numel() == wanted {
            return Ok(());
        }
        Err(LmError::Input(format!(
            "{what} has {} trained numbers - allowed: {wanted}, those the trainer was made for",
            flat.numel()
        )))
    }
}

impl TrainerSettings {
    fn check(&self) -> Result<(), LmError> {
        let limit = self.max_gradient_norm;
        let problems = [
            (
                !(self.learning_rate.is_finite() && self.learning_rate >= 0.0),
                format!("learning rate {} - allowed: 0 or more", self.learning_rate),
            ),
            (
                !(self.weight_decay.is_finite() && self.weight_decay >= 0.0),
                format!("weight decay {} - allowed: 0 or more", self.weight_decay),
            ),
            (
                limit.is_some_and(|limit| !(limit.is_finite() && limit > 0.0)),
                format!(
                    "greatest gradient norm {} - allowed: above 0, or none",
                    limit.unwrap_or_default()
                ),
            ),
        ];
        match problems.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, problem)) => Err(LmError::Input(problem)),
            None => Ok(()),
        }
    }
}

/// How many of `targets` are asked for: those that are not negative.
pub fn count(targets: &Tensor) -> usize {
    let asked = no_grad(|| targets.ge(0).sum(Kind::Int64));
    asked.int64_value(&[]) as usize
}
