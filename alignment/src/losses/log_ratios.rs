//! From token log-probabilities to the log-ratio of policy and reference,
//! `d(y) = log pi_theta(y|x) - log pi_ref(y|x)`.

use crate::AlignmentError;
use tch::{Kind, Tensor};

/// Log-ratios of preferred and other responses to the same prompts.
#[derive(Debug)]
pub struct PairLogRatios {
    /// Of the preferred responses, `[pairs]`.
    pub chosen: Tensor,
    /// Of the others, `[pairs]`.
    pub rejected: Tensor,
}

impl PairLogRatios {
    /// `d_w - d_l`, `[pairs]`.
    pub(crate) fn difference(&self) -> Result<Tensor, AlignmentError> {
        same_shape(
            "log-ratios of chosen and rejected",
            &self.chosen,
            &self.rejected,
        )?;
        Ok(at_least_f32(&self.chosen)?.f_sub(&at_least_f32(&self.rejected)?)?)
    }
}

/// Sums token log-probabilities over the completion: `[batch, tokens]` to `[batch]`.
///
/// `completion` (bool, `[batch, tokens]`) marks the tokens of the response with its end token, not
/// those of prompt and padding; what they hold, infinities included, reaches neither sum nor
/// gradient. A sum, never a mean: the losses here are defined on the whole sequence.
///
/// # Errors
/// Shapes that differ or are not `[batch, tokens]`; a mask that is not boolean; LibTorch.
pub fn sequence_log_probabilities(
    token_log_probabilities: &Tensor,
    completion: &Tensor,
) -> Result<Tensor, AlignmentError> {
    same_shape(
        "token log-probabilities and completion mask",
        token_log_probabilities,
        completion,
    )?;
    if completion.dim() != 2 {
        return Err(AlignmentError::Dimensions {
            what: "completion mask",
            shape: completion.size(),
            allowed: "[batch, tokens]",
        });
    }
    if completion.kind() != Kind::Bool {
        return Err(AlignmentError::Kind {
            what: "completion mask",
            kind: completion.kind(),
            allowed: "bool, true for tokens of the completion",
        });
    }
    let completed =
        at_least_f32(token_log_probabilities)?.f_masked_fill(&completion.f_logical_not()?, 0.0)?; // [batch, tokens]
    let kind = completed.kind();
    Ok(completed.f_sum_dim_intlist([1_i64].as_slice(), false, kind)?) // [batch]
}

/// `d`: sequence log-probabilities of the policy less those of the reference, both `[batch]`.
/// No gradient reaches the reference.
///
/// # Errors
/// Shapes that differ; LibTorch.
pub fn log_ratios(policy: &Tensor, reference: &Tensor) -> Result<Tensor, AlignmentError> {
    same_shape(
        "log-probabilities of policy and reference",
        policy,
        reference,
    )?;
    Ok(at_least_f32(policy)?.f_sub(&at_least_f32(&reference.f_detach()?)?)?)
}

/// Broadcasting `[pairs]` against `[pairs, 1]` would give a plausible and wrong loss.
pub(crate) fn same_shape(
    what: &'static str,
    left: &Tensor,
    right: &Tensor,
) -> Result<(), AlignmentError> {
    if left.size() == right.size() {
        Ok(())
    } else {
        Err(AlignmentError::Shape {
            what,
            left: left.size(),
            right: right.size(),
        })
    }
}

pub(crate) fn at_least_f32(tensor: &Tensor) -> Result<Tensor, AlignmentError> {
    Ok(match tensor.kind() {
        Kind::Float | Kind::Double => tensor.shallow_clone(),
        _ => tensor.f_to_kind(Kind::Float)?,
    })
}

/// A number that is finite and above zero.
pub(crate) fn positive(what: &'static str, value: f64) -> Result<(), AlignmentError> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(AlignmentError::Number {
            what,
            value,
            allowed: "a finite number above 0",
        })
    }
}
