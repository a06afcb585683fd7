//! Which node to expand: BAVT, eq. 4 and 5, `P(n_i) = V(n_i)^(1/r) / sum_j V(n_j)^(1/r)`, where
//! `r` is [`Ledger::fraction_left`](crate::ledger::Ledger::fraction_left).
//!
//! With the whole budget left nodes are drawn in proportion to their value; as it shrinks the
//! draw turns into a choice of the best. The exponent is one over the fraction and not the
//! fraction, which would flatten the draw instead.

use crate::SearchError;

/// The largest exponent where a run names none: only a guard, since a search that answers at a
/// fifth of its tokens never exceeds 5 on their account.
pub const LARGEST_EXPONENT: f64 = 50.0;

/// The smallest value a critic gives, 1 on its scale of 1 to 10.
pub const SMALLEST_VALUE: f64 = 0.1;

/// `1 / r`, at most `largest`; `largest` when nothing is left. BAVT, eq. 5.
///
/// # Errors
/// [`SearchError::Fraction`] unless `fraction_left` is in 0..=1, [`SearchError::Exponent`] unless
/// `largest` is finite and at least 1.
pub fn exponent(fraction_left: f64, largest: f64) -> Result<f64, SearchError> {
    check_exponent(largest)?;
    if !(0.0..=1.0).contains(&fraction_left) {
        return Err(SearchError::Fraction {
            fraction: fraction_left,
        });
    }
    // 1/0 is infinite, and so is 1/r for the smallest numbers: both meet the cap.
    Ok((1.0 / fraction_left).min(largest))
}

/// The probability of each candidate, `[candidates]`, summing to 1 up to rounding.
///
/// Values below [`SMALLEST_VALUE`], zero and negative ones included, count as that: the paper's
/// values never are, and a power of them has no meaning. Works on logarithms, with the largest
/// taken out, so that no power overflows and the best candidate's weight is exactly 1.
///
/// # Errors
/// [`SearchError::NoCandidates`], [`SearchError::Value`] for a value that is not finite,
/// [`SearchError::Exponent`] unless `exponent` is finite and at least 1.
pub fn probabilities(values: &[f64], exponent: f64) -> Result<Vec<f64>, SearchError> {
    check_exponent(exponent)?;
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        return Err(SearchError::Value {
            index,
            value: values[index],
        });
    }
    let best = values
        .iter()
        .copied()
        .reduce(f64::max)
        .ok_or(SearchError::NoCandidates)?
        .max(SMALLEST_VALUE)
        .ln();
    let weights: Vec<f64> = values
        .iter()
        .map(|value| (exponent * (value.max(SMALLEST_VALUE).ln() - best)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    Ok(weights.into_iter().map(|weight| weight / sum).collect())
}

/// The candidate that a random number in 0..1 falls on, by the running sum of `probabilities`.
/// A candidate of probability 0 is never drawn.
///
/// # Errors
/// [`SearchError::Uniform`]; [`SearchError::NoCandidates`] when no probability is positive.
pub fn draw(probabilities: &[f64], uniform: f64) -> Result<usize, SearchError> {
    if !(0.0..1.0).contains(&uniform) {
        return Err(SearchError::Uniform { uniform });
    }
    let mut sum = 0.0;
    let mut last = None;
    for (index, probability) in probabilities.iter().enumerate() {
        if *probability > 0.0 {
            sum += probability;
            last = Some(index);
            if uniform < sum {
                break;
            }
        }
    }
    // The sum may round to below 1 and to below `uniform`: the last candidate takes the rest.
    last.ok_or(SearchError::NoCandidates)
}

fn check_exponent(exponent: f64) -> Result<(), SearchError> {
    if exponent.is_finite() && exponent >= 1.0 {
        Ok(())
    } else {
        Err(SearchError::Exponent { exponent })
    }
}
