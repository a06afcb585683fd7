//! Policies that play against themselves, each update solved exactly over all responses.

use super::preference_game::{PreferenceGame, softmax};
use crate::oracles::aggregation::sigmoid;

/// What stands in for `log Z` in SPPO's regression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Normaliser {
    /// The exact `log Z` of each step: the minimiser is the multiplicative-weights step.
    Exact,
    /// `eta` times this constant, the paper's with 1/2.
    Baseline(f64),
}

/// One rule by which the next policy follows from the last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Update {
    /// `pi_{t+1}(y)` proportional to `pi_t(y) exp(eta P(y > pi_t))`, eq. 3.3.
    MultiplicativeWeights {
        /// `eta`.
        step_size: f64,
    },
    /// The minimiser over all policies of eq. 4.6's squared error under `pi_t`.
    Regression {
        /// `eta`.
        step_size: f64,
        /// What is taken for `log Z`.
        normaliser: Normaliser,
    },
    /// The minimiser of DPO's loss on infinitely many labelled pairs drawn from `pi_t`, with `pi_t` as
    /// the reference: `pi_t(y) exp(r(y) / beta)` with the Bradley-Terry rewards `r` of the labels.
    Dpo {
        /// `beta`.
        preference_strength: f64,
    },
}

impl Update {
    /// The logits of the next policy, from those of the last, `[K]`.
    pub fn next(&self, game: &PreferenceGame, logits: &[f64]) -> Vec<f64> {
        let policy = softmax(logits);
        match *self {
            Self::MultiplicativeWeights { step_size } => {
                let gains = game.win_rates(&policy);
                moved(logits, &gains, step_size)
            }
            Self::Regression {
                step_size,
                normaliser,
            } => {
                let targets = regression_targets(game, &policy, step_size, normaliser);
                let probabilities = regression_minimiser(&policy, &targets);
                probabilities.iter().map(|share| share.ln()).collect()
            }
            Self::Dpo {
                preference_strength,
            } => {
                let rewards = bradley_terry_fit(game, &policy);
                moved(logits, &rewards, 1.0 / preference_strength)
            }
        }
    }
}

fn moved(logits: &[f64], gains: &[f64], step_size: f64) -> Vec<f64> {
    let sums = logits
        .iter()
        .zip(gains)
        .map(|(logit, gain)| logit + step_size * gain);
    let sums: Vec<f64> = sums.collect();
    // Only differences count; without this they would grow past what f64 resolves.
    let largest = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    sums.into_iter().map(|sum| sum - largest).collect()
}

/// What a run of updates came to.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfPlay {
    /// The mean of all policies played, `[K]`.
    pub average: Vec<f64>,
    /// The last policy that was played, `[K]`.
    pub last: Vec<f64>,
}

/// Plays `rounds` policies from `start` (`[K]`, above 0), each the update of the one before.
pub fn play(game: &PreferenceGame, update: Update, start: &[f64], rounds: usize) -> SelfPlay {
    let mut logits: Vec<f64> = start.iter().map(|share| share.ln()).collect();
    let mut average = vec![0.0; start.len()];
    let mut last = start.to_vec();
    for round in 0..rounds {
        if round > 0 {
            logits = update.next(game, &logits);
        }
        last = softmax(&logits);
        for (mean, share) in average.iter_mut().zip(&last) {
            *mean += share / rounds as f64;
        }
    }
    SelfPlay { average, last }
}

/// `eta P(y > pi) - log Z` of each response, `[K]`.
pub fn regression_targets(
    game: &PreferenceGame,
    policy: &[f64],
    step_size: f64,
    normaliser: Normaliser,
) -> Vec<f64> {
    let rates = game.win_rates(policy);
    let log_partition = match normaliser {
        Normaliser::Exact => log_partition(policy, &rates, step_size),
        Normaliser::Baseline(share) => step_size * share,
    };
    rates
        .iter()
        .map(|rate| step_size * rate - log_partition)
        .collect()
}

/// `log sum_y pi(y) exp(eta P(y > pi))`.
pub fn log_partition(policy: &[f64], win_rates: &[f64], step_size: f64) -> f64 {
    let terms = policy.iter().zip(win_rates);
    terms
        .map(|(share, rate)| share * (step_size * rate).exp())
        .sum::<f64>()
        .ln()
}

/// The policy that minimises `sum_y pi(y) (log p(y)/pi(y) - target(y))^2` over all `p`, `[K]`.
///
/// Newton's method on the condition of the optimum: with `d = log p/pi` and a multiplier for
/// `sum p = 1`, `d_y - target_y = m e^{d_y}` for one number `m`.
pub fn regression_minimiser(policy: &[f64], targets: &[f64]) -> Vec<f64> {
    // For given m each d solves d - m e^d = target; the sum of pi e^d grows with m.
    let ratios = |multiplier: f64| -> Vec<f64> {
        let each = targets.iter().map(|target| {
            // Between 0 and 1/m the left side is monotone: d - m e^d has slope 1 - m e^d.
            let mut ratio = if multiplier > 0.0 {
                target.min(-multiplier.ln() - 1e-3)
            } else {
                *target
            };
            for _ in 0..200 {
                let weight = multiplier * ratio.exp();
                let step = (ratio - weight - target) / (1.0 - weight);
                ratio -= step.clamp(-1.0, 1.0);
                if step.abs() < 1e-15 {
                    break;
                }
            }
            ratio
        });
        each.collect()
    };
    let total = |ratios: &[f64]| -> f64 {
        let terms = policy.iter().zip(ratios);
        terms.map(|(share, ratio)| share * ratio.exp()).sum()
    };
    // Largest multiplier for which every equation has a solution: m e^{target + 1} <= 1.
    let highest = targets.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut low, mut high) = (-1.0, (-highest - 1.0).exp() * (1.0 - 1e-9));
    while total(&ratios(low)) > 1.0 {
        low *= 2.0;
    }
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if total(&ratios(middle)) > 1.0 {
            high = middle;
        } else {
            low = middle;
        }
    }
    let ratios = ratios(f64::midpoint(low, high));
    let sum = total(&ratios);
    let shares = policy.iter().zip(&ratios);
    shares
        .map(|(share, ratio)| share * ratio.exp() / sum)
        .collect()
}

/// Bradley-Terry rewards `[K]`, of mean 0, that fit the labels of pairs drawn from `policy` twice: the
/// maximum-likelihood fit, in which each response's expected win rate is its true one.
pub fn bradley_terry_fit(game: &PreferenceGame, policy: &[f64]) -> Vec<f64> {
    let responses = game.responses();
    let rates = game.win_rates(policy);
    let mut rewards = vec![0.0; responses];
    for _ in 0..100 {
        let mut slope = vec![vec![0.0; responses]; responses];
        let mut excess = vec![0.0; responses];
        for first in 0..responses {
            excess[first] = -rates[first];
            for second in 0..responses {
                let win = sigmoid(rewards[first] - rewards[second]);
                excess[first] += policy[second] * win;
                let change = policy[second] * win * (1.0 - win);
                slope[first][first] += change;
                slope[first][second] -= change;
            }
            // The rewards' level is free: this pins it without moving a solution of mean 0.
            for change in &mut slope[first] {
                *change += 1.0 / responses as f64;
            }
            excess[first] += rewards.iter().sum::<f64>() / responses as f64;
        }
        let step = solved(slope, excess);
        let longest = step
            .iter()
            .fold(0.0_f64, |most, change| most.max(change.abs()));
        // Far from the fit the logistic is flat, and a whole step would overshoot.
        let scale = if longest > 1.0 { 1.0 / longest } else { 1.0 };
        for (reward, change) in rewards.iter_mut().zip(&step) {
            *reward -= scale * change;
        }
        if longest < 1e-13 {
            break;
        }
    }
    rewards
}

/// Gaussian elimination with row pivots.
fn solved(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let size = right.len();
    for column in 0..size {
        let pivot = (column..size)
            .max_by(|a, b| {
                matrix[*a][column]
                    .abs()
                    .total_cmp(&matrix[*b][column].abs())
            })
            .unwrap_or(column);
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        let (above, below) = matrix.split_at_mut(column + 1);
        let pivot = &above[column];
        for (row, entries) in below.iter_mut().enumerate() {
            let factor = entries[column] / pivot[column];
            for (entry, above) in entries.iter_mut().zip(pivot).skip(column) {
                *entry -= factor * above;
            }
            right[column + 1 + row] -= factor * right[column];
        }
    }
    for row in (0..size).rev() {
        for place in row + 1..size {
            right[row] -= matrix[row][place] * right[place];
        }
        right[row] /= matrix[row][row];
    }
    right
}
