//! The losses of proximal policy optimisation, on tensors.
//!
//! ```text
//! ratio    = pi(a | o) / pi_old(a | o)
//! L_policy = - sum w (min(ratio A, clip(ratio, 1 - c, 1 + c) A) + beta H(pi)) / sum w
//! L_value  =   sum w (V - G)^2 / sum w
//! ```
//!
//! over transitions and agents; `w` weighs transitions, so that a learner can be given a part
//! of what was played. Clipping and entropy: Schulman et al. 2017, equations 7 and 9, in the
//! form of EPyMARL `learners/ppo_learner.py`; clipped values: the PPO code of OpenAI's
//! baselines, as in Yu et al. 2022.

use tch::{Kind, Tensor};

/// Below every other logit, but finite: a forbidden action has probability 0 and no gradient.
const FORBIDDEN: f64 = -1e10;

/// What the policy's loss is computed from.
#[derive(Debug)]
pub struct PolicyTerms<'a> {
    /// Logits with gradient. `[transitions, agents, actions]`
    pub logits: &'a Tensor,
    /// True where an action must not be taken. `[transitions, agents, actions]`
    pub forbidden: Option<&'a Tensor>,
    /// The actions taken. `[transitions, agents]`, i64
    pub actions: &'a Tensor,
    /// Logarithms of the probabilities they were taken with; the current ones when absent.
    /// `[transitions, agents]`
    pub old_log_probabilities: Option<&'a Tensor>,
    /// `[transitions, agents]`
    pub advantages: &'a Tensor,
    /// Weight of each transition. `[transitions, 1]`
    pub weights: &'a Tensor,
}

/// The policy's loss and what is told of it.
#[derive(Debug)]
pub struct PolicyLoss {
    /// The part of the loss of these transitions. Scalar, with gradient.
    pub loss: Tensor,
    /// Logarithms of the probabilities of the actions taken. `[transitions, agents]`
    pub log_probabilities: Tensor,
    /// The part of the mean entropy of these transitions.
    pub entropy: f64,
    /// The part of the share of ratios outside the clip range.
    pub clipped: f64,
}

/// The clipped objective with entropy; `terms` is the sum of the weights of all transitions of
/// the whole batch times its agents.
pub fn policy_loss(
    batch: &PolicyTerms,
    clip_range: f64,
    entropy_coefficient: f64,
    terms: f64,
) -> PolicyLoss {
    let all = log_probabilities(batch.logits, batch.forbidden);
    let taken = all
        .gather(-1, &batch.actions.unsqueeze(-1), false)
        .squeeze_dim(-1);
    let old = batch
        .old_log_probabilities
        .map_or_else(|| taken.detach(), Tensor::shallow_clone);
    let ratio = (&taken - old).exp();
    let clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range);
    let objective = (&ratio * batch.advantages).minimum(&(&clipped * batch.advantages));
    let entropy = -(all.exp() * &all).sum_dim_intlist(-1, false, Kind::Float);
    let share = |values: Tensor| (values * batch.weights).sum(Kind::Float) / terms;
    let loss = -share(&objective + &entropy * entropy_coefficient);
    let outside = (ratio.detach() - 1.0)
        .abs()
        .gt(clip_range)
        .to_kind(Kind::Float);
    PolicyLoss {
        loss,
        log_probabilities: taken.detach(),
        entropy: share(entropy.detach()).double_value(&[]),
        clipped: share(outside).double_value(&[]),
    }
}

/// Logarithms of the probabilities of all actions; far below zero for forbidden ones.
/// `[transitions, agents, actions]`
pub fn log_probabilities(logits: &Tensor, forbidden: Option<&Tensor>) -> Tensor {
    match forbidden {
        None => logits.log_softmax(-1, Kind::Float),
        Some(forbidden) => logits
            .masked_fill(forbidden, FORBIDDEN)
            .log_softmax(-1, Kind::Float),
    }
}

/// Squared errors of the critic; `values` (with gradient) and `returns`
/// `[transitions, agents]`, `weights` `[transitions, 1]`, `terms` as in [`policy_loss`].
///
/// With `clip`, a range and the values before the update `[transitions, agents]`, the larger of
/// the errors of the value and of the value kept within the range of the old one counts.
pub fn value_loss(
    values: &Tensor,
    returns: &Tensor,
    clip: Option<(f64, &Tensor)>,
    weights: &Tensor,
    terms: f64,
) -> Tensor {
    let mut errors = (values - returns).square();
    if let Some((range, old)) = clip {
        let kept = old + (values - old).clamp(-range, range);
        errors = errors.maximum(&(kept - returns).square());
    }
    (errors * weights).sum(Kind::Float) / terms
}

#[cfg(test)]
mod tests {
    use nn::parameters::flat_values;

    use super::*;

    fn close(actual: &Tensor, expected: &[f64]) {
        let actual = flat_values(&actual.reshape([-1]));
        assert_eq!(actual.len(), expected.len());
        for (left, right) in actual.iter().zip(expected) {
            assert!(
                (f64::from(*left) - right).abs() < 1e-6,
                "{actual:?} {expected:?}"
            );
        }
    }

    fn pairs(values: &[f32; 4]) -> Tensor {
        Tensor::from_slice(values).view([2, 2])
    }

    fn gradient(loss: &Tensor, of: &Tensor) -> Tensor {
        Tensor::run_backward(&[loss], &[of], false, false).remove(0)
    }

    // Expected values: torch 2.11.0 in double precision, with EPyMARL's formulas (softmax of
    // logits with -1e10 for forbidden actions, log(pi + 1e-10), clamp, min).
    #[test]
    fn the_policy_loss_and_its_gradient_equal_pytorch() {
        let logits = [
            0.5f32, -1.0, 0.25, 1.0, 2.0, -0.5, 0.0, 0.75, -0.25, 0.3, 0.1, 0.2,
        ];
        let logits = Tensor::from_slice(&logits)
            .view([2, 2, 3])
            .set_requires_grad(true);
        let forbidden = Tensor::zeros([2, 2, 3], (Kind::Bool, tch::Device::Cpu));
        let _ = forbidden.get(0).get(1).narrow(0, 1, 1).fill_(1);
        let _ = forbidden.get(1).get(1).narrow(0, 0, 1).fill_(1);
        let loss = policy_loss(
            &PolicyTerms {
                logits: &logits,
                forbidden: Some(&forbidden),
                actions: &Tensor::from_slice(&[0i64, 2, 1, 1]).view([2, 2]),
                old_log_probabilities: Some(&pairs(&[-0.9, -1.2, -0.2, -0.75])),
                advantages: &pairs(&[1.5, -0.5, 2.0, 0.75]),
                weights: &Tensor::from_slice(&[1f32, 0.5]).view([2, 1]),
            },
            0.2,
            0.1,
            3.0,
        );
        close(&loss.loss.detach(), &[-0.889_631_97]);
        close(
            &loss.log_probabilities,
            &[-0.694_112_19, -1.701_413_28, -0.609_899_25, -0.744_396_66],
        );
        assert!(
            (loss.entropy - 0.760_238_84).abs() < 1e-6,
            "{}",
            loss.entropy
        );
        // Ratios 1.23, 0.61, 0.66 and 1.01 with weights 1, 1, 0.5 and 0.5.
        assert!((loss.clipped - 2.5 / 3.0).abs() < 1e-6, "{}", loss.clipped);
        let expected = [
            0.004_403_12,
            -0.004_590_40,
            0.000_187_28,
            0.007_457_32,
            0.0,
            -0.007_457_32,
            0.055_259_35,
            -0.097_462_42,
            0.042_203_08,
            0.0,
            -0.066_406_76,
            0.066_406_76,
        ];
        close(&gradient(&loss.loss, &logits), &expected);
    }

    #[test]
    fn without_old_probabilities_every_ratio_is_one() {
        let logits = Tensor::from_slice(&[0.5f32, -1.0, 2.0, 0.0])
            .view([1, 2, 2])
            .set_requires_grad(true);
        let loss = policy_loss(
            &PolicyTerms {
                logits: &logits,
                forbidden: None,
                actions: &Tensor::from_slice(&[0i64, 1]).view([1, 2]),
                old_log_probabilities: None,
                advantages: &Tensor::from_slice(&[3f32, -1.0]).view([1, 2]),
                weights: &Tensor::ones([1, 1], (Kind::Float, tch::Device::Cpu)),
            },
            0.2,
            0.0,
            2.0,
        );
        close(&loss.loss.detach(), &[-1.0]);
        assert_eq!(loss.clipped, 0.0);
        // -A (1 - pi) / 2 for the action taken: pi(0) = 0.817574, pi(1) = 0.119203.
        close(
            &gradient(&loss.loss, &logits),
            &[-0.273_638_28, 0.273_638_28, -0.440_398_54, 0.440_398_54],
        );
    }

    // Expected values: torch 2.11.0. The range keeps back the first two values, whose errors are
    // then the larger ones and have no gradient.
    #[test]
    fn the_value_loss_and_its_gradient_equal_pytorch() {
        let values = pairs(&[0.5, 1.0, -0.25, 2.0]).set_requires_grad(true);
        let returns = pairs(&[1.0, 0.0, 0.5, 1.5]);
        let old = pairs(&[0.1, 1.3, -0.3, 1.0]);
        let weights = Tensor::from_slice(&[1f32, 0.5]).view([2, 1]);
        let plain = value_loss(&values, &returns, None, &weights, 3.0);
        close(&plain.detach(), &[0.552_083_33]);
        close(
            &gradient(&plain, &values),
            &[-1.0 / 3.0, 2.0 / 3.0, -0.25, 1.0 / 6.0],
        );
        let clipped = value_loss(&values, &returns, Some((0.2, &old)), &weights, 3.0);
        close(&clipped.detach(), &[0.702_083_33]);
        close(&gradient(&clipped, &values), &[0.0, 0.0, -0.25, 1.0 / 6.0]);
    }
}
