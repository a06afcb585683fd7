//! Direct preference optimisation: Rafailov et al. 2023, arXiv 2305.18290, eq. 7.

use crate::AlignmentError;
use crate::losses::log_ratios::{PairLogRatios, positive};
use tch::Tensor;

/// `-log sigmoid(beta * (d_w - d_l))` of each pair, `[pairs]`.
///
/// `preference_strength` is the paper's `beta`, usually 0.01 to 0.5. A pair whose two responses
/// are as likely as under the reference costs `log 2`. Finite for each finite margin.
///
/// `label_smoothing`, 0 to below 1/2, is the share of pairs taken to be labelled the wrong way
/// round (conservative DPO): that share of the loss is the one of the swapped pair.
///
/// # Errors
/// Shapes that differ; a strength that is not above 0, a smoothing outside 0..0.5; LibTorch.
pub fn dpo_loss(
    log_ratios: &PairLogRatios,
    preference_strength: f64,
    label_smoothing: f64,
) -> Result<Tensor, AlignmentError> {
    positive("preference_strength", preference_strength)?;
    let margin = log_ratios.difference()?.f_mul_scalar(preference_strength)?; // [pairs]
    smoothed_logistic(&margin, label_smoothing)
}

/// `-(1 - s) log sigmoid(m) - s log sigmoid(-m)` of each margin; at `s = 0` the first term alone.
pub(crate) fn smoothed_logistic(
    margin: &Tensor,
    label_smoothing: f64,
) -> Result<Tensor, AlignmentError> {
    if !(0.0..0.5).contains(&label_smoothing) {
        return Err(AlignmentError::Number {
            what: "label_smoothing",
            value: label_smoothing,
            allowed: "0 to below 0.5",
        });
    }
    let agreed = margin.f_log_sigmoid()?.f_neg()?;
    if label_smoothing == 0.0 {
        return Ok(agreed);
    }
    let swapped = margin.f_neg()?.f_log_sigmoid()?.f_neg()?;
    Ok(agreed
        .f_mul_scalar(1.0 - label_smoothing)?
        .f_add(&swapped.f_mul_scalar(label_smoothing)?)?)
}
