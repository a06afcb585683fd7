//! The best share of traces in BVPO's mixture: theorem 2 of arXiv 2510.05095 and an estimate of it.

use serde::{Deserialize, Serialize};

use crate::AlignmentError;

/// First and second moments of two estimates of a gradient `mu`, that of pairs with traces (`t`)
/// and that of pairs with empty ones (`e`). Units: squared gradient norms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// `tr Sigma_t`.
    pub trace_variance: f64,
    /// `tr Sigma_e`; 0 where only the draw of the traces is random.
    pub empty_variance: f64,
    /// `tr Sigma_te`.
    pub covariance: f64,
    /// `|b_t|^2`, with `b_t = E g_t - mu`.
    pub trace_bias: f64,
    /// `|b_e|^2`.
    pub empty_bias: f64,
    /// `b_t . b_e`.
    pub bias_product: f64,
}

impl Moments {
    /// `E |g_t - g_e|^2`, the denominator of the closed form.
    pub fn distance(&self) -> f64 {
        self.trace_variance + self.empty_variance - 2.0 * self.covariance
            + self.trace_bias
            + self.empty_bias
            - 2.0 * self.bias_product
    }

    /// Theorem 2 before clipping; 1/2 where the two estimates never differ, since every share is
    /// then the same.
    pub fn unclipped_share(&self) -> f64 {
        let distance = self.distance();
        if distance <= 0.0 {
            return 0.5;
        }
        (self.empty_variance - self.covariance + self.empty_bias - self.bias_product) / distance
    }

    /// Theorem 2: the share of traces in 0..=1 whose mixture is nearest to `mu`.
    pub fn best_share(&self) -> f64 {
        self.unclipped_share().clamp(0.0, 1.0)
    }

    /// `E |alpha g_t + (1 - alpha) g_e - mu|^2`.
    pub fn mean_square_error(&self, trace_share: f64) -> f64 {
        let (trace, empty) = (trace_share, 1.0 - trace_share);
        trace * trace * (self.trace_variance + self.trace_bias)
            + empty * empty * (self.empty_variance + self.empty_bias)
            + 2.0 * trace * empty * (self.covariance + self.bias_product)
    }
}

/// How the share of traces is set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mixing {
    /// The same share throughout, the paper's 0.5 by default.
    Fixed(f64),
    /// Theorem 2 of moments that are known (in the exact toys).
    ClosedForm(Moments),
    /// A running estimate from redrawn traces.
    Estimated(EstimatorSettings),
}

impl Default for Mixing {
    fn default() -> Self {
        Self::Fixed(0.5)
    }
}

/// Settings of the estimate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstimatorSettings {
    /// Share of the past that each observation keeps, 0 to below 1.
    pub decay: f64,
    /// Smallest share it may give.
    pub lowest: f64,
    /// Largest share it may give.
    pub highest: f64,
    /// Share before the first observation.
    pub initial: f64,
}

impl Default for EstimatorSettings {
    fn default() -> Self {
        Self {
            decay: 0.9,
            lowest: 0.1,
            highest: 0.9,
            initial: 0.5,
        }
    }
}

/// A running estimate of theorem 2's share from gradients, whole or in a [`Sketch`].
///
/// `alpha = E[(g_e - mu) . (g_e - g_t)] / E |g_t - g_e|^2`: numerator and denominator are averaged
/// apart, each over observations that decay, and divided last.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ShareEstimator {
    settings: EstimatorSettings,
    numerator: f64,
    denominator: f64,
}

impl ShareEstimator {
    /// An estimator that has seen nothing.
    ///
    /// # Errors
    /// A decay outside 0..1; limits outside 0..=1 or in the wrong order.
    pub fn new(settings: EstimatorSettings) -> Result<Self, AlignmentError> {
        let refuse = |what, value, allowed| {
            Err(AlignmentError::Number {
                what,
                value,
                allowed,
            })
        };
        if !(0.0..1.0).contains(&settings.decay) {
            return refuse("decay", settings.decay, "0 to below 1");
        }
        for (what, value) in [
            ("lowest", settings.lowest),
            ("highest", settings.highest),
            ("initial", settings.initial),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return refuse(what, value, "0 to 1");
            }
        }
        if settings.lowest > settings.highest {
            return refuse("lowest", settings.lowest, "at most `highest`");
        }
        Ok(Self {
            settings,
            numerator: 0.0,
            denominator: 0.0,
        })
    }

    /// Takes in one batch: `redraws` are its trace gradients, each from traces drawn anew (one or
    /// more), `empty` the empty-trace gradient and `mean` an estimate of `mu` that is independent
    /// of the redraws, such as [`importance_mean`]. All of one length.
    ///
    /// # Errors
    /// No redraw, lengths that differ, a number that is not finite; the estimate is then as before.
    pub fn observe(
        &mut self,
        redraws: &[Vec<f64>],
        empty: &[f64],
        mean: &[f64],
    ) -> Result<(), AlignmentError> {
        let count = redraws.len() as f64;
        let (mut numerator, mut denominator) = (0.0, 0.0);
        if redraws.is_empty() || mean.len() != empty.len() {
            return Err(lengths(mean.len(), empty.len()));
        }
        for redraw in redraws {
            if redraw.len() != empty.len() {
                return Err(lengths(redraw.len(), empty.len()));
            }
            for ((trace, empty), mean) in redraw.iter().zip(empty).zip(mean) {
                numerator += (empty - mean) * (empty - trace) / count;
                denominator += (trace - empty) * (trace - empty) / count;
            }
        }
        self.observe_products(numerator, denominator)
    }

    /// Takes in one batch's `E[(g_e - mu) . (g_e - g_t)]` and `E |g_t - g_e|^2`.
    ///
    /// # Errors
    /// A number that is not finite; the estimate is then as before.
    pub fn observe_products(
        &mut self,
        numerator: f64,
        denominator: f64,
    ) -> Result<(), AlignmentError> {
        if !numerator.is_finite() || !denominator.is_finite() {
            return Err(AlignmentError::Number {
                what: "product of gradients",
                value: numerator,
                allowed: "a finite number",
            });
        }
        let (old, new) = (self.settings.decay, 1.0 - self.settings.decay);
        self.numerator = old * self.numerator + new * numerator;
        self.denominator = old * self.denominator + new * denominator;
        Ok(())
    }

    /// The estimate before clipping; none before anything was seen that differed.
    pub fn unclipped(&self) -> Option<f64> {
        (self.denominator > 0.0).then(|| self.numerator / self.denominator)
    }

    /// The share to mix with.
    pub fn share(&self) -> f64 {
        let EstimatorSettings {
            lowest,
            highest,
            initial,
            ..
        } = self.settings;
        self.unclipped().unwrap_or(initial).clamp(lowest, highest)
    }
}

/// Self-normalised importance estimate of a mean: `sum_k w_k g_k / sum_k w_k`, with
/// `w = exp(log_weights)`. For `mu`, gradients of K traces drawn from `q(r)` and
/// `log pi(r, y|x) - log q(r)`, since `pi(r|x, y)` is proportional to `pi(r, y|x)`.
///
/// # Errors
/// No gradient, lengths that differ, weights that are all zero or not a number.
pub fn importance_mean(
    gradients: &[Vec<f64>],
    log_weights: &[f64],
) -> Result<Vec<f64>, AlignmentError> {
    let Some(first) = gradients
        .first()
        .filter(|_| gradients.len() == log_weights.len())
    else {
        return Err(lengths(gradients.len(), log_weights.len()));
    };
    let largest = log_weights
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_weights
        .iter()
        .map(|log| (log - largest).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    if !total.is_finite() || total <= 0.0 {
        return Err(AlignmentError::Number {
            what: "sum of importance weights",
            value: total,
            allowed: "a finite number above 0",
        });
    }
    let mut mean = vec![0.0; first.len()];
    for (gradient, weight) in gradients.iter().zip(&weights) {
        if gradient.len() != mean.len() {
            return Err(lengths(gradient.len(), mean.len()));
        }
        for (sum, number) in mean.iter_mut().zip(gradient) {
            *sum += weight / total * number;
        }
    }
    Ok(mean)
}

/// `log sum_k exp(log_k)`, without overflow.
pub(crate) fn log_sum(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
    largest + sum.ln()
}

fn lengths(left: usize, right: usize) -> AlignmentError {
    AlignmentError::Shape {
        what: "gradients of one batch",
        left: vec![left as i64],
        right: vec![right as i64],
    }
}

/// A random projection that needs no matrix: each parameter is added, with a random sign, to one
/// of `size` sums (count sketch). Inner products are kept in expectation, with a relative error of
/// about `1 / sqrt(size)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch {
    /// Number of sums.
    pub size: usize,
    /// Two sketches are comparable where size and seed are the same.
    pub seed: u64,
}

impl Sketch {
    /// `[parameters]` to `[size]`.
    pub fn of(&self, gradient: impl IntoIterator<Item = f64>) -> Vec<f64> {
        let mut sums = vec![0.0; self.size];
        if sums.is_empty() {
            return sums;
        }
        for (index, number) in gradient.into_iter().enumerate() {
            let word = scrambled(self.seed ^ scrambled(index as u64));
            let place = (word >> 1) as usize % self.size;
            sums[place] += if word & 1 == 0 { number } else { -number };
        }
        sums
    }
}

/// The finaliser of SplitMix64: a bijection whose output bits all depend on all input bits.
fn scrambled(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
