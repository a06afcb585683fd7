//! Losses without a reference policy: SimPO (Meng et al. 2024, arXiv 2405.14734, eq. 6) and
//! supervised fine-tuning on the chosen responses.

use crate::AlignmentError;
use crate::losses::dpo::smoothed_logistic;
use crate::losses::log_ratios::{PairLogRatios, at_least_f32, positive, same_shape};
use tch::Tensor;

/// `-log sigmoid(beta (m_w - m_l) - gamma)` of each pair, `[pairs]`, with `m` the mean
/// log-probability per token: `means` holds these in place of log-ratios.
///
/// `target_margin` is the paper's `gamma`, in units of the reward `beta m`.
///
/// # Errors
/// Shapes that differ; a `preference_strength` (`beta`) that is not above 0, a margin that is not
/// finite, a smoothing outside 0..0.5; LibTorch.
pub fn simpo_loss(
    means: &PairLogRatios,
    preference_strength: f64,
    target_margin: f64,
    label_smoothing: f64,
) -> Result<Tensor, AlignmentError> {
    positive("preference_strength", preference_strength)?;
    if !target_margin.is_finite() {
        return Err(AlignmentError::Number {
            what: "target_margin",
            value: target_margin,
            allowed: "a finite number",
        });
    }
    let margin = means
        .difference()?
        .f_mul_scalar(preference_strength)?
        .f_sub_scalar(target_margin)?;
    smoothed_logistic(&margin, label_smoothing)
}

/// `-log pi(y_w|x)` of each pair, `[pairs]`, so scaled that the mean over the pairs is the mean
/// over their tokens: times `pairs / (tokens of all chosen responses)`.
///
/// # Errors
/// Shapes that differ or are not `[pairs]` with a pair; no token at all; LibTorch.
pub fn sft_loss(chosen: &Tensor, chosen_tokens: &Tensor) -> Result<Tensor, AlignmentError> {
    same_shape("log-probabilities and lengths", chosen, chosen_tokens)?;
    let chosen = at_least_f32(chosen)?;
    let tokens = chosen_tokens.f_to_kind(chosen.kind())?;
    let share = tokens.f_mean(tokens.kind())?;
    let mean_tokens = f64::try_from(&share)?;
    positive("mean tokens of the chosen responses", mean_tokens)?;
    Ok(chosen.f_neg()?.f_div(&share)?)
}

/// Sums divided by the lengths of their responses, `[pairs]` each, at least one token each.
///
/// # Errors
/// Shapes that differ; a response without a token; LibTorch.
pub fn divided_by_lengths(
    sums: &PairLogRatios,
    chosen_tokens: &Tensor,
    rejected_tokens: &Tensor,
) -> Result<PairLogRatios, AlignmentError> {
    Ok(PairLogRatios {
        chosen: per_token(&sums.chosen, chosen_tokens)?,
        rejected: per_token(&sums.rejected, rejected_tokens)?,
    })
}

fn per_token(sums: &Tensor, tokens: &Tensor) -> Result<Tensor, AlignmentError> {
    same_shape("log-probabilities and lengths", sums, tokens)?;
    let sums = at_least_f32(sums)?;
    let tokens = tokens.f_to_kind(sums.kind())?;
    if tokens.numel() > 0 {
        positive("tokens of a response", f64::try_from(tokens.f_min()?)?)?;
    }
    Ok(sums.f_div(&tokens)?)
}
