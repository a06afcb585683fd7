//! Bias-variance optimised preference optimisation: Zhu et al. 2025, arXiv 2510.05095.

use crate::AlignmentError;
use crate::log_ratios::at_least_f32;
use tch::Tensor;

/// `L_c = alpha L_t + (1 - alpha) L_e`, eq. 2, a scalar; its gradient is the same mixture of the
/// two gradients.
///
/// `trace_loss` gives the loss of each pair whose responses hold a thinking trace, `empty_loss`
/// that of each pair without one, both `[pairs]`, of as many pairs as there are. Each is averaged
/// over its own pairs. `trace_share` is the paper's `alpha`, 0.5 in its experiments. At 1 and at 0
/// only one of the two is called, and the result is its mean, bit for bit.
///
/// # Errors
/// A share outside 0..=1; losses that are not `[pairs]` with a pair; what the two return; LibTorch.
pub fn mixed_loss(
    trace_share: f64,
    trace_loss: impl FnOnce() -> Result<Tensor, AlignmentError>,
    empty_loss: impl FnOnce() -> Result<Tensor, AlignmentError>,
) -> Result<Tensor, AlignmentError> {
    if !(0.0..=1.0).contains(&trace_share) {
        return Err(AlignmentError::Number {
            what: "trace_share",
            value: trace_share,
            allowed: "0 to 1",
        });
    }
    if trace_share == 1.0 {
        return mean("trace losses", &trace_loss()?);
    }
    if trace_share == 0.0 {
        return mean("empty-trace losses", &empty_loss()?);
    }
    let trace = mean("trace losses", &trace_loss()?)?;
    let empty = mean("empty-trace losses", &empty_loss()?)?;
    let rest = empty.f_mul_scalar(1.0 - trace_share)?;
    Ok(trace.f_mul_scalar(trace_share)?.f_add(&rest)?)
}

fn mean(what: &'static str, losses: &Tensor) -> Result<Tensor, AlignmentError> {
    if losses.dim() != 1 || losses.numel() == 0 {
        return Err(AlignmentError::Dimensions {
            what,
            shape: losses.size(),
            allowed: "[pairs], one or more",
        });
    }
    let losses = at_least_f32(losses)?;
    Ok(losses.f_mean(losses.kind())?)
}
