//! Updates of a model from demonstrations and preferences: the one loop of every objective.
//!
//! An update is a gradient accumulated over passes and one step of the optimiser. Rows of an
//! update go through the model sorted by length, which changes no sum and spares padding.

mod layout;
pub mod mixing;
mod order;
mod pass;
mod reference;

use lm::decoder::Decoder;
use lm::scoring::{Activations, Gradient};
use lm::training::Trainer;

pub use order::Order;
pub use reference::reference_log_probabilities;

use crate::failure::FinetuneError;
use crate::losses::preference::PreferenceLoss;
use crate::preparation::{Example, Pair, Sequence};
use pass::{Half, Passes};

/// What is minimised.
#[derive(Debug, Clone, PartialEq)]
pub enum Objective {
    /// Cross-entropy of demonstrations, a mean over the tokens of an update.
    Imitation,
    /// A preference loss, a mean over the pairs of an update.
    Preference(PreferenceLoss),
    /// BVPO, arXiv 2510.05095, eq. 2: `alpha L_t + (1 - alpha) L_e`, each a mean over its pairs.
    Mixture {
        /// The loss of both halves.
        base: PreferenceLoss,
        /// `alpha`, between 0 and 1; at the ends use [`Objective::Preference`] of that half.
        trace_share: f64,
    },
}

impl Objective {
    /// The preference loss, where there is one.
    pub fn loss(&self) -> Option<&PreferenceLoss> {
        match self {
            Self::Imitation => None,
            Self::Preference(loss) | Self::Mixture { base: loss, .. } => Some(loss),
        }
    }

    /// Whether log-probabilities of a reference are needed.
    pub fn needs_reference(&self) -> bool {
        self.loss().is_some_and(PreferenceLoss::needs_reference)
    }
}

/// How examples go through the model.
#[derive(Debug, Clone, Copy)]
pub struct PassSettings {
    /// Examples that go through the model at once.
    pub rows: usize,
    /// What is kept for the gradient.
    pub activations: Activations,
    /// Tokens whose logits exist at the same time.
    pub logit_chunk: usize,
    /// Whether texts share a row without padding, and the texts of a pair what both begin with.
    pub pack: bool,
    /// Seed of an adapter's dropout.
    pub seed: u64,
}

/// Means over the pairs of a half of an update.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PairFigures {
    /// The loss.
    pub loss: f64,
    /// Log-probability of the chosen response, a sum in nats.
    pub chosen_log_prob: f64,
    /// Of the rejected one.
    pub rejected_log_prob: f64,
    /// `d_w`, nats.
    pub chosen_log_ratio: f64,
    /// `d_l`, nats.
    pub rejected_log_ratio: f64,
    /// `beta d_w`.
    pub chosen_reward: f64,
    /// `beta d_l`.
    pub rejected_reward: f64,
    /// Share of pairs with a positive margin.
    pub reward_accuracy: f64,
    /// SPPO's target of the chosen response.
    pub chosen_target: Option<f64>,
    /// Of the rejected one.
    pub rejected_target: Option<f64>,
    /// Log-ratio of reference to policy per token, over both responses: an estimate of the
    /// divergence from the reference.
    pub kl: f64,
    /// Tokens of the chosen response.
    pub chosen_length: f64,
    /// Tokens of the rejected one.
    pub rejected_length: f64,
}

/// What an update was like.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct UpdateFigures {
    /// The objective.
    pub loss: f64,
    /// Of preferences; with BVPO those with traces.
    pub pairs: Option<PairFigures>,
    /// BVPO's pairs without traces.
    pub empty: Option<PairFigures>,
    /// Norm of the whole gradient before clipping.
    pub gradient_norm: f64,
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// Tokens that went through the model, padding apart.
    pub tokens: u64,
}

/// Takes one update with `rows` of the examples.
///
/// # Errors
/// [`FinetuneError::Diverged`] where loss or gradient is not finite, the weights as before; what
/// LibTorch, the loss or the model refuse.
pub fn update(
    decoder: &mut Decoder,
    trainer: &mut Trainer,
    gradient: &mut Gradient,
    rows: &[&Example],
    objective: &Objective,
    settings: &PassSettings,
) -> Result<UpdateFigures, FinetuneError> {
    let mut figures = accumulate(
        decoder,
        gradient,
        rows,
        objective,
        settings,
        trainer.steps(),
    )?;
    if !figures.loss.is_finite() {
        gradient.clear();
        return Err(FinetuneError::Diverged {
            update: trainer.steps(),
            what: format!("the loss is {}", figures.loss),
        });
    }
    let step = trainer
        .step(decoder, gradient)
        .map_err(|error| match error {
            lm::LmError::Input(what) => FinetuneError::Diverged {
                update: trainer.steps(),
                what,
            },
            other => other.into(),
        })?;
    figures.gradient_norm = step.gradient_norm;
    figures.learning_rate = step.learning_rate;
    Ok(figures)
}

/// Adds the gradient of the objective over `rows` to `gradient`; `number` tells apart the draws
/// of dropout.
///
/// # Errors
/// What LibTorch, the loss or the model refuse.
pub fn accumulate(
    decoder: &Decoder,
    gradient: &mut Gradient,
    rows: &[&Example],
    objective: &Objective,
    settings: &PassSettings,
    number: u64,
) -> Result<UpdateFigures, FinetuneError> {
    let mut passes = Passes::new(decoder, settings, number);
    let mut figures = UpdateFigures::default();
    match objective {
        Objective::Imitation => {
            let lessons: Vec<&Sequence> = rows
                .iter()
                .filter_map(|row| match row {
                    Example::Lesson(sequence) => Some(sequence),
                    _ => None,
                })
                .collect();
            figures.loss = passes.imitate(lessons, gradient)?;
        }
        Objective::Preference(loss) => {
            let pairs: Vec<&Pair> = rows.iter().flat_map(|row| row.pairs()).collect();
            let half = passes.prefer(pairs, loss, 1.0, gradient)?;
            figures.loss = half.loss;
            figures.pairs = Some(half);
        }
        Objective::Mixture { base, trace_share } => {
            let of =
                |half: Half| -> Vec<&Pair> { rows.iter().filter_map(|row| half.of(row)).collect() };
            let trace = passes.prefer(of(Half::Trace), base, *trace_share, gradient)?;
            let empty = passes.prefer(of(Half::Empty), base, 1.0 - trace_share, gradient)?;
            figures.loss = trace_share * trace.loss + (1.0 - trace_share) * empty.loss;
            figures.pairs = Some(trace);
            figures.empty = Some(empty);
        }
    }
    figures.tokens = passes.tokens;
    Ok(figures)
}
