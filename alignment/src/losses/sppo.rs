//! Self-play preference optimisation: Wu et al. 2024, arXiv 2405.00675.
//!
//! Multiplicative weights moves the policy by `log(pi_{t+1} / pi_t)(y) = eta P(y > pi_t) - log Z`;
//! SPPO regresses the log-ratio of each response on that, with `log Z = eta * baseline`. The
//! reference of the log-ratios is the previous iterate, the policy that wrote the responses.

use crate::AlignmentError;
use crate::losses::log_ratios::{PairLogRatios, at_least_f32, positive, same_shape};
use tch::Tensor;

/// What a win rate asks of a log-ratio: `eta * (win rate - baseline)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// The paper's `eta`, one over the released code's `beta`.
    pub step_size: f64,
    /// `log Z / eta`: 1/2 for preferences like the toss of a coin, towards 1 for a strict order.
    pub baseline: f64,
}

impl Default for Target {
    /// The paper's: `eta` 1000, baseline 1/2.
    fn default() -> Self {
        Self {
            step_size: 1000.0,
            baseline: 0.5,
        }
    }
}

impl Target {
    /// `eta (p - c)` of each win rate, without gradient.
    pub(crate) fn of(self, win_rates: &Tensor) -> Result<Tensor, AlignmentError> {
        Ok(at_least_f32(&win_rates.f_detach()?)?
            .f_sub_scalar(self.baseline)?
            .f_mul_scalar(self.step_size)?)
    }

    /// The squared distance of log-ratios from what win rates ask for, elementwise. No gradient
    /// reaches the win rates.
    fn squared_residuals(
        self,
        log_ratios: &Tensor,
        win_rates: &Tensor,
    ) -> Result<Tensor, AlignmentError> {
        positive("step_size", self.step_size)?;
        if !(0.0..=1.0).contains(&self.baseline) {
            return Err(AlignmentError::Number {
                what: "baseline",
                value: self.baseline,
                allowed: "0 to 1",
            });
        }
        same_shape("log-ratios and win rates", log_ratios, win_rates)?;
        let targets = self.of(win_rates)?;
        Ok(at_least_f32(log_ratios)?.f_sub(&targets)?.f_square()?)
    }
}

/// Mean probability of each response to beat one of the same policy's responses:
/// `[prompts, responses, responses]` to `[prompts, responses]`, the paper's `P(y > pi_t)`.
///
/// Row `i`, column `k` of `preferences` is `P(y_i > y_k)`. The response itself is among its
/// opponents and counts 1/2, as in paper and released code.
///
/// # Errors
/// A shape that is not `[prompts, responses, responses]` with a response; probabilities with
/// `P(i > k) + P(k > i)` more than 1e-4 from 1 (so also a diagonal that is not 1/2), outside 0..=1
/// by more than that, or not a number; LibTorch.
pub fn win_rates(preferences: &Tensor) -> Result<Tensor, AlignmentError> {
    let shape = preferences.size();
    if !matches!(shape[..], [_, rows, columns] if rows == columns && rows > 0) {
        return Err(AlignmentError::Dimensions {
            what: "preferences",
            shape,
            allowed: "[prompts, responses, responses]",
        });
    }
    let preferences = at_least_f32(preferences)?;
    let excess = preferences
        .f_add(&preferences.f_transpose(1, 2)?)?
        .f_sub_scalar(1.0)?
        .f_abs()?;
    refuse_beyond(&excess, "distance of P(i > k) + P(k > i) from 1")?;
    let outside = preferences.f_sub_scalar(0.5)?.f_abs()?.f_sub_scalar(0.5)?;
    refuse_beyond(&outside, "distance of a preference from 0 to 1")?;
    let kind = preferences.kind();
    Ok(preferences.f_mean_dim([2_i64].as_slice(), false, kind)?) // [prompts, responses]
}

fn refuse_beyond(distances: &Tensor, what: &'static str) -> Result<(), AlignmentError> {
    if distances.numel() == 0 {
        return Ok(());
    }
    let value = f64::try_from(distances.f_max()?)?;
    // NaN fails the comparison too.
    if value <= 1e-4 {
        Ok(())
    } else {
        Err(AlignmentError::Number {
            what,
            value,
            allowed: "at most 0.0001; average an oracle's two orders",
        })
    }
}

/// `(d(y) - eta (P(y > pi_t) - baseline))^2` of each response, eq. 4.6 and 4.7; any shape, the
/// same for both.
///
/// The paper's loss is the mean of it over the responses that are trained on. For winner and loser
/// of pairs that mean equals the released code's `sppo`, half the sum of the two squares.
///
/// The range of the win rates is for [`win_rates`] to check, once per data set: a check here would
/// wait for the device at each update.
///
/// # Errors
/// Shapes that differ; a step size that is not above 0, a baseline outside 0..=1; LibTorch.
pub fn sppo_loss(
    log_ratios: &Tensor,
    win_rates: &Tensor,
    target: Target,
) -> Result<Tensor, AlignmentError> {
    target.squared_residuals(log_ratios, win_rates)
}

/// The sum of the two squares of each pair, `[pairs]`, eq. 4.12: the win rates are those of the two
/// responses against each other, `P(w > l)` (`chosen_wins`, `[pairs]`) and one less that.
///
/// With `chosen_wins` of 1 this is TRL's `sppo_hard`; half of it is the released code's
/// `sppo_single`.
///
/// # Errors
/// As [`sppo_loss`].
pub fn sppo_pair_loss(
    log_ratios: &PairLogRatios,
    chosen_wins: &Tensor,
    target: Target,
) -> Result<Tensor, AlignmentError> {
    let rejected_wins = at_least_f32(chosen_wins)?.f_rsub_scalar(1.0)?; // [pairs]
    let chosen = target.squared_residuals(&log_ratios.chosen, chosen_wins)?;
    let rejected = target.squared_residuals(&log_ratios.rejected, &rejected_wins)?;
    Ok(chosen.f_add(&rejected)?)
}
