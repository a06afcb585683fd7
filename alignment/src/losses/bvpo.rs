//! Bias-variance optimised preference optimisation: Zhu et al. 2025, arXiv 2510.05095.

use crate::AlignmentError;
use crate::losses::log_ratios::at_least_f32;
use crate::losses::preference::{LossGradient, PairBatch, PreferenceLoss};
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
    check_share(trace_share)?;
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

/// The gradients of `L_c` for any base loss, each with respect to the sums of its own pairs.
#[derive(Debug)]
pub struct MixedGradient {
    /// `alpha L_t` part; none at `alpha = 0`.
    pub trace: Option<LossGradient>,
    /// `(1 - alpha) L_e` part; none at `alpha = 1`.
    pub empty: Option<LossGradient>,
}

/// [`mixed_loss`] over a base loss by name, with metrics and gradients of both halves apart.
///
/// The gradients are already multiplied by `trace_share` and by one less it; the losses and metrics
/// are those of each half alone. At 1 and at 0 only one half is asked for, and its gradient is the
/// base loss's, bit for bit.
///
/// # Errors
/// A share outside 0..=1; what the two return; as [`PreferenceLoss::gradient`].
pub fn mixed_gradient(
    base: &PreferenceLoss,
    trace_share: f64,
    trace: impl FnOnce() -> Result<PairBatch, AlignmentError>,
    empty: impl FnOnce() -> Result<PairBatch, AlignmentError>,
) -> Result<MixedGradient, AlignmentError> {
    check_share(trace_share)?;
    let half = |batch: PairBatch, share: f64| -> Result<LossGradient, AlignmentError> {
        let mut half = base.gradient(&batch)?;
        if share != 1.0 {
            half.chosen = half.chosen.f_mul_scalar(share)?;
            half.rejected = half.rejected.f_mul_scalar(share)?;
        }
        Ok(half)
    };
    Ok(MixedGradient {
        trace: if trace_share == 0.0 {
            None
        } else {
            Some(half(trace()?, trace_share)?)
        },
        empty: if trace_share == 1.0 {
            None
        } else {
            Some(half(empty()?, 1.0 - trace_share)?)
        },
    })
}

fn check_share(trace_share: f64) -> Result<(), AlignmentError> {
    if (0.0..=1.0).contains(&trace_share) {
        Ok(())
    } else {
        Err(AlignmentError::Number {
            what: "trace_share",
            value: trace_share,
            allowed: "0 to 1",
        })
    }
}
