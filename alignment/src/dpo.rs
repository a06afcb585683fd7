//! Direct preference optimisation: Rafailov et al. 2023, arXiv 2305.18290, eq. 7.

use crate::AlignmentError;
use crate::log_ratios::{PairLogRatios, positive};
use tch::Tensor;

/// `-log sigmoid(beta * (d_w - d_l))` of each pair, `[pairs]`.
///
/// `preference_strength` is the paper's `beta`, usually 0.01 to 0.5. A pair whose two responses
/// are as likely as under the reference costs `log 2`. Finite for each finite margin.
///
/// # Errors
/// Shapes that differ; a strength that is not above 0; LibTorch.
pub fn dpo_loss(
    log_ratios: &PairLogRatios,
    preference_strength: f64,
) -> Result<Tensor, AlignmentError> {
    positive("preference_strength", preference_strength)?;
    let margin = log_ratios.difference()?.f_mul_scalar(preference_strength)?; // [pairs]
    Ok(margin.f_log_sigmoid()?.f_neg()?)
}
