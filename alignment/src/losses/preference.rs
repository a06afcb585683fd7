//! The preference losses by name: from sums of log-probabilities to each pair's loss, its metrics
//! and its gradient.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::AlignmentError;
use crate::losses::dpo::dpo_loss;
use crate::losses::ipo::ipo_loss;
use crate::losses::log_ratios::{PairLogRatios, log_ratios, same_shape};
use crate::losses::reference_free::{divided_by_lengths, sft_loss, simpo_loss};
use crate::losses::sppo::{Target, sppo_loss, sppo_pair_loss};

/// Which of SPPO's losses, by what they regress on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SppoForm {
    /// Eq. 4.6 and 4.7, the mean over the two kept responses, on each one's win rate against all
    /// K samples; also the released code's `sppo`.
    #[default]
    Paper,
    /// Eq. 4.12, the sum of the two squares, on the probability that the chosen beats the rejected.
    Pair,
    /// Half of [`SppoForm::Pair`]: the released code's `sppo_single`.
    Single,
    /// [`SppoForm::Pair`] with that probability set to 1: TRL's `sppo_hard`.
    Hard,
}

/// A preference loss with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum PreferenceLoss {
    /// Self-play preference optimisation.
    Sppo {
        /// What the log-ratios are regressed on.
        form: SppoForm,
        /// The paper's `eta`; the released code's and TRL's `beta` is one over it.
        step_size: f64,
        /// The paper's `log Z / eta`, 1/2 there.
        baseline_c: f64,
    },
    /// Direct preference optimisation.
    Dpo {
        /// The paper's `beta`.
        preference_strength: f64,
        /// Share of labels taken to be the wrong way round, 0 to below 1/2.
        label_smoothing: f64,
    },
    /// Identity preference optimisation.
    Ipo {
        /// The paper's `tau`, TRL's `beta`.
        regularisation: f64,
        /// Divides each log-ratio by its response's length, as TRL does; the paper does not.
        per_token: bool,
    },
    /// SimPO, without a reference.
    Simpo {
        /// The paper's `beta`.
        preference_strength: f64,
        /// The paper's `gamma`.
        target_margin: f64,
        /// As in DPO.
        label_smoothing: f64,
    },
    /// Cross-entropy of the chosen responses, a mean over their tokens.
    Sft,
}

/// What a loss is computed from. Every tensor is `[pairs]`; log-probabilities are sums over the
/// tokens of the response with its end token.
#[derive(Debug)]
pub struct PairBatch {
    /// Log-probabilities under the policy, natural logarithm.
    pub policy: PairLogRatios,
    /// The same under the frozen reference; not needed by SimPO and SFT.
    pub reference: Option<PairLogRatios>,
    /// Lengths in tokens; needed by SimPO, SFT and IPO per token.
    pub tokens: Option<PairLogRatios>,
    /// Needed by SPPO, save its hard form.
    pub wins: Option<Wins>,
}

/// What the oracle said of the pairs, `[pairs]` each.
#[derive(Debug)]
pub enum Wins {
    /// Win rates of chosen and rejected against all K samples of their prompt.
    Rates(PairLogRatios),
    /// `P(chosen > rejected)`.
    Pair(Tensor),
}

/// Numbers of each pair beside the loss, `[pairs]` each, without gradient.
#[derive(Debug)]
pub struct PairMetrics {
    /// `d_w`: log-ratio of the chosen response; without a reference its log-probability.
    pub chosen_log_ratio: Tensor,
    /// `d_l`, of the rejected one.
    pub rejected_log_ratio: Tensor,
    /// `beta d_w`: what the loss takes for the reward (with `beta` one over SPPO's step size; per
    /// token where the loss is).
    pub chosen_reward: Tensor,
    /// `beta d_l`.
    pub rejected_reward: Tensor,
    /// SPPO's `eta (p_w - c)`; none elsewhere.
    pub chosen_target: Option<Tensor>,
    /// SPPO's `eta (p_l - c)`.
    pub rejected_target: Option<Tensor>,
}

/// A loss with its metrics.
#[derive(Debug)]
pub struct Evaluated {
    /// `[pairs]`, with the policy's graph.
    pub losses: Tensor,
    /// Of the same pairs.
    pub metrics: PairMetrics,
}

/// The mean loss over the pairs and its gradient with respect to the policy's sums.
#[derive(Debug)]
pub struct LossGradient {
    /// `[pairs]`, without graph.
    pub losses: Tensor,
    /// `d mean / d log pi(y_w|x)`, `[pairs]`.
    pub chosen: Tensor,
    /// `d mean / d log pi(y_l|x)`, `[pairs]`; zeros under SFT.
    pub rejected: Tensor,
    /// Of the same pairs.
    pub metrics: PairMetrics,
}

impl PreferenceLoss {
    /// SPPO as its paper trains: `eta` 1000, baseline 1/2, K-sample win rates.
    pub fn sppo() -> Self {
        let Target {
            step_size,
            baseline,
        } = Target::default();
        Self::Sppo {
            form: SppoForm::Paper,
            step_size,
            baseline_c: baseline,
        }
    }

    /// Whether log-probabilities of a reference are needed.
    pub fn needs_reference(&self) -> bool {
        !matches!(self, Self::Simpo { .. } | Self::Sft)
    }

    /// The loss of each pair with its metrics. Gradients reach the policy alone.
    ///
    /// # Errors
    /// A part of the batch that this loss needs and that is missing; shapes that differ; settings
    /// outside their range; LibTorch.
    pub fn evaluate(&self, batch: &PairBatch) -> Result<Evaluated, AlignmentError> {
        same_shape(
            "log-probabilities of chosen and rejected",
            &batch.policy.chosen,
            &batch.policy.rejected,
        )?;
        let ratios = match (&batch.reference, self.needs_reference()) {
            (Some(reference), true) => PairLogRatios {
                chosen: log_ratios(&batch.policy.chosen, &reference.chosen)?,
                rejected: log_ratios(&batch.policy.rejected, &reference.rejected)?,
            },
            (None, true) => return Err(missing("log-probabilities of the reference")),
            (_, false) => copied(&batch.policy),
        };
        let tokens = || {
            batch
                .tokens
                .as_ref()
                .ok_or_else(|| missing("lengths in tokens"))
        };
        let (losses, rewarded, strength, targets) = match *self {
            Self::Sppo {
                form,
                step_size,
                baseline_c,
            } => {
                let target = Target {
                    step_size,
                    baseline: baseline_c,
                };
                let (losses, targets) = sppo(form, target, &ratios, batch.wins.as_ref())?;
                (losses, copied(&ratios), 1.0 / step_size, Some(targets))
            }
            Self::Dpo {
                preference_strength,
                label_smoothing,
            } => {
                let losses = dpo_loss(&ratios, preference_strength, label_smoothing)?;
                (losses, copied(&ratios), preference_strength, None)
            }
            Self::Ipo {
                regularisation,
                per_token,
            } => {
                let rewarded = if per_token {
                    let tokens = tokens()?;
                    divided_by_lengths(&ratios, &tokens.chosen, &tokens.rejected)?
                } else {
                    copied(&ratios)
                };
                let losses = ipo_loss(&rewarded, regularisation)?;
                (losses, rewarded, regularisation, None)
            }
            Self::Simpo {
                preference_strength,
                target_margin,
                label_smoothing,
            } => {
                let tokens = tokens()?;
                let means = divided_by_lengths(&ratios, &tokens.chosen, &tokens.rejected)?;
                let losses =
                    simpo_loss(&means, preference_strength, target_margin, label_smoothing)?;
                (losses, means, preference_strength, None)
            }
            Self::Sft => {
                let losses = sft_loss(&ratios.chosen, &tokens()?.chosen)?;
                (losses, copied(&ratios), 1.0, None)
            }
        };
        let (chosen_target, rejected_target) =
            targets.map(|pair| (pair.chosen, pair.rejected)).unzip();
        Ok(Evaluated {
            losses,
            metrics: PairMetrics {
                chosen_log_ratio: ratios.chosen.f_detach()?,
                rejected_log_ratio: ratios.rejected.f_detach()?,
                chosen_reward: rewarded.chosen.f_detach()?.f_mul_scalar(strength)?,
                rejected_reward: rewarded.rejected.f_detach()?.f_mul_scalar(strength)?,
                chosen_target,
                rejected_target,
            },
        })
    }

    /// The mean loss's gradient with respect to the policy's sums of log-probabilities, by autograd
    /// on these alone: whatever graph the sums carry is left untouched, and a caller hands the
    /// result to the model's own backward pass.
    ///
    /// # Errors
    /// As [`PreferenceLoss::evaluate`]; no pair at all.
    pub fn gradient(&self, batch: &PairBatch) -> Result<LossGradient, AlignmentError> {
        let leaf = |tensor: &Tensor| -> Result<Tensor, AlignmentError> {
            Ok(tensor.f_detach()?.f_set_requires_grad(true)?)
        };
        let policy = PairLogRatios {
            chosen: leaf(&batch.policy.chosen)?,
            rejected: leaf(&batch.policy.rejected)?,
        };
        if policy.chosen.dim() != 1 || policy.chosen.numel() == 0 {
            return Err(AlignmentError::Dimensions {
                what: "log-probabilities of the policy",
                shape: policy.chosen.size(),
                allowed: "[pairs], one or more",
            });
        }
        let on_leaves = PairBatch {
            policy: copied(&policy),
            reference: batch.reference.as_ref().map(copied),
            tokens: batch.tokens.as_ref().map(copied),
            wins: batch.wins.as_ref().map(|wins| match wins {
                Wins::Rates(rates) => Wins::Rates(copied(rates)),
                Wins::Pair(pair) => Wins::Pair(pair.shallow_clone()),
            }),
        };
        let Evaluated { losses, metrics } = tch::with_grad(|| self.evaluate(&on_leaves))?;
        losses.f_mean(losses.kind())?.f_backward()?;
        let gradient = |leaf: &Tensor| -> Result<Tensor, AlignmentError> {
            let gradient = leaf.grad();
            if gradient.defined() {
                Ok(gradient)
            } else {
                Ok(leaf.f_zeros_like()?.f_detach()?)
            }
        };
        Ok(LossGradient {
            losses: losses.f_detach()?,
            chosen: gradient(&policy.chosen)?,
            rejected: gradient(&policy.rejected)?,
            metrics,
        })
    }
}

/// SPPO's losses with the targets they regress on, `eta (p - c)`.
fn sppo(
    form: SppoForm,
    target: Target,
    ratios: &PairLogRatios,
    wins: Option<&Wins>,
) -> Result<(Tensor, PairLogRatios), AlignmentError> {
    let one = ratios.chosen.f_ones_like()?.f_detach()?;
    let (losses, rates) = match (form, wins) {
        (SppoForm::Paper, Some(Wins::Rates(rates))) => {
            let chosen = sppo_loss(&ratios.chosen, &rates.chosen, target)?;
            let rejected = sppo_loss(&ratios.rejected, &rates.rejected, target)?;
            let mean = chosen.f_add(&rejected)?.f_mul_scalar(0.5)?;
            (mean, copied(rates))
        }
        (SppoForm::Paper, _) => return Err(missing("win rates against all samples")),
        (SppoForm::Hard, _) => (sppo_pair_loss(ratios, &one, target)?, complement(&one)?),
        (SppoForm::Pair | SppoForm::Single, Some(Wins::Pair(pair))) => {
            let sum = sppo_pair_loss(ratios, pair, target)?;
            let losses = if form == SppoForm::Single {
                sum.f_mul_scalar(0.5)?
            } else {
                sum
            };
            (losses, complement(pair)?)
        }
        (SppoForm::Pair | SppoForm::Single, _) => {
            return Err(missing("probabilities that the chosen beats the rejected"));
        }
    };
    let targets = PairLogRatios {
        chosen: target.of(&rates.chosen)?,
        rejected: target.of(&rates.rejected)?,
    };
    Ok((losses, targets))
}

fn complement(chosen_wins: &Tensor) -> Result<PairLogRatios, AlignmentError> {
    Ok(PairLogRatios {
        chosen: chosen_wins.shallow_clone(),
        rejected: chosen_wins.f_rsub_scalar(1.0)?,
    })
}

fn copied(pair: &PairLogRatios) -> PairLogRatios {
    PairLogRatios {
        chosen: pair.chosen.shallow_clone(),
        rejected: pair.rejected.shallow_clone(),
    }
}

fn missing(what: &'static str) -> AlignmentError {
    AlignmentError::Missing { what }
}

/// Means over the pairs of a batch, as the curves of a run are called.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MetricMeans {
    /// Mean `d_w`, in nats.
    pub chosen_log_ratio: f64,
    /// Mean `d_l`, in nats.
    pub rejected_log_ratio: f64,
    /// Mean `beta d_w`.
    pub chosen_reward: f64,
    /// Mean `beta d_l`.
    pub rejected_reward: f64,
    /// Mean difference of the two rewards.
    pub reward_margin: f64,
    /// Share of pairs whose chosen reward is the larger, 0 to 1.
    pub reward_accuracy: f64,
    /// Mean target of the chosen, SPPO only.
    pub chosen_target: Option<f64>,
    /// Mean target of the rejected, SPPO only.
    pub rejected_target: Option<f64>,
}

impl PairMetrics {
    /// Means over the pairs; waits for the device.
    ///
    /// # Errors
    /// LibTorch.
    pub fn means(&self) -> Result<MetricMeans, AlignmentError> {
        let mean = |tensor: &Tensor| -> Result<f64, AlignmentError> {
            Ok(f64::try_from(tensor.f_mean(Kind::Double)?)?)
        };
        let margin = self.chosen_reward.f_sub(&self.rejected_reward)?;
        let right = margin.f_gt(0.0)?.f_to_kind(Kind::Double)?;
        Ok(MetricMeans {
            chosen_log_ratio: mean(&self.chosen_log_ratio)?,
            rejected_log_ratio: mean(&self.rejected_log_ratio)?,
            chosen_reward: mean(&self.chosen_reward)?,
            rejected_reward: mean(&self.rejected_reward)?,
            reward_margin: mean(&margin)?,
            reward_accuracy: mean(&right)?,
            chosen_target: self.chosen_target.as_ref().map(mean).transpose()?,
            rejected_target: self.rejected_target.as_ref().map(mean).transpose()?,
        })
    }
}
