//! Identity preference optimisation: Azar et al. 2023, arXiv 2310.12036, eq. 17.

use crate::AlignmentError;
use crate::losses::log_ratios::{PairLogRatios, positive};
use tch::Tensor;

/// `((d_w - d_l) - 1 / (2 tau))^2` of each pair, `[pairs]`.
///
/// `regularisation` is the paper's `tau`, TRL's `beta`. The paper's log-ratios are sums over the
/// tokens; TRL divides each by the length of its response first (`divided_by_lengths`).
///
/// # Errors
/// Shapes that differ; a regularisation that is not above 0; LibTorch.
pub fn ipo_loss(log_ratios: &PairLogRatios, regularisation: f64) -> Result<Tensor, AlignmentError> {
    positive("regularisation", regularisation)?;
    Ok(log_ratios
        .difference()?
        .f_sub_scalar(0.5 / regularisation)?
        .f_square()?)
}
