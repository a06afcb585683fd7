//! How large a budget suffices: BAVT, theorem 1, and the exact count that it bounds.
//!
//! The theorem counts *advances*: selections of the node that goes on along an oracle path, each
//! of which raises the value by at least `gain`. Where each selection advances with probability at
//! least `p_min`, the number of advances in `M` steps is at least that of `M` coin tosses, so
//!
//! ```text
//! K = ceil((threshold - start) / gain)
//! M >= (K + sqrt(2 K ln(1/epsilon)) + 2 ln(1/epsilon)) / p_min
//! ```
//!
//! steps reach a terminal with probability at least `1 - epsilon`. What that does not say: a
//! terminal is an answer of enough value, not a right answer; and `p_min` must be known. From the
//! smallest value and the largest exponent alone it is at least `0.1^5 / N` with `N` candidates,
//! which no budget in use can meet. Back-propagation can lower values on the path, so `K` counts
//! the critic's own.

use crate::SearchError;
use crate::resource::{Amounts, Limits, Resource};

/// Differences of values below this are rounding, so that 0.7 / 0.1 are 7 advances and not 8.
const ROUNDING: f64 = 1e-9;

/// `K`: the advances from `start` to `threshold`, each at least `gain`.
///
/// # Errors
/// [`SearchError::Theorem`] unless the values are finite and `gain` is positive.
pub fn advances(start: f64, threshold: f64, gain: f64) -> Result<u64, SearchError> {
    for (what, value) in [("start value", start), ("threshold", threshold)] {
        check(what, value, value.is_finite(), "finite numbers")?;
    }
    let fits = gain.is_finite() && gain > 0.0;
    check("gain of an advance", gain, fits, "positive numbers")?;
    // A negative count, of a start above the threshold, becomes 0.
    Ok(((threshold - start) / gain - ROUNDING).ceil() as u64)
}

/// Steps that suffice for `advances` advances with probability `1 - epsilon`: theorem 1, rounded
/// up. Correct, and up to three times the smallest number, which is [`min_steps_exact`].
///
/// # Errors
/// [`SearchError::Theorem`] unless `p_min` is in (0, 1] and `epsilon` in (0, 1).
pub fn min_steps_bound(p_min: f64, advances: u64, epsilon: f64) -> Result<u64, SearchError> {
    check_probabilities(p_min, epsilon)?;
    if advances == 0 {
        return Ok(0);
    }
    let (k, l) = (advances as f64, -epsilon.ln());
    Ok(((k + (2.0 * k * l).sqrt() + 2.0 * l) / p_min).ceil() as u64)
}

/// The fewest steps in which `advances` advances come with probability `1 - epsilon`, when each
/// step advances with probability `p_min`, independently.
///
/// # Errors
/// As [`min_steps_bound`].
pub fn min_steps_exact(p_min: f64, advances: u64, epsilon: f64) -> Result<u64, SearchError> {
    let mut enough = min_steps_bound(p_min, advances, epsilon)?;
    if advances == 0 {
        return Ok(0);
    }
    // The bound suffices, one step less than the advances never does; in between the chance of
    // failure falls with each step.
    let mut short = advances - 1;
    while enough - short > 1 {
        let middle = short + (enough - short) / 2;
        if probability_of_fewer(advances, middle, p_min)? <= epsilon {
            enough = middle;
        } else {
            short = middle;
        }
    }
    Ok(enough)
}

/// `P(X < successes)` of a binomial variable `X` of `trials` trials that each succeed with
/// probability `p`.
///
/// # Errors
/// [`SearchError::Theorem`] unless `p` is in 0..=1.
pub fn probability_of_fewer(successes: u64, trials: u64, p: f64) -> Result<f64, SearchError> {
    let fits = (0.0..=1.0).contains(&p);
    check("probability of a success", p, fits, "0 to 1")?;
    if successes > trials || p == 0.0 {
        return Ok(if successes == 0 { 0.0 } else { 1.0 });
    }
    if p == 1.0 {
        return Ok(0.0);
    }
    // Logarithms: (1 - p)^trials alone may be below the smallest number.
    let mut term = trials as f64 * (-p).ln_1p();
    let odds = p.ln() - (-p).ln_1p();
    let mut sum = 0.0;
    for count in 0..successes {
        sum += term.exp();
        term += ((trials - count) as f64).ln() - ((count + 1) as f64).ln() + odds;
    }
    Ok(sum.min(1.0))
}

/// `M`: the steps that a budget allows when no step costs more than `most`, by the resource that
/// allows the fewest; none when no limited resource is charged.
pub fn steps_within(limits: Limits, most: Amounts) -> Option<u64> {
    Resource::ALL
        .into_iter()
        .filter_map(|resource| limits.get(resource)?.checked_div(most.get(resource)))
        .min()
}

/// A budget that suffices for `steps` steps of at most `most` each, resource by resource;
/// [`u64::MAX`] where it is larger than that.
pub fn sufficient_budget(steps: u64, most: Amounts) -> Amounts {
    most.zip(Amounts::default(), |cost, _| cost.saturating_mul(steps))
}

fn check_probabilities(p_min: f64, epsilon: f64) -> Result<(), SearchError> {
    let fits = p_min > 0.0 && p_min <= 1.0;
    check(
        "probability of an advance",
        p_min,
        fits,
        "numbers above 0, up to 1",
    )?;
    let fits = epsilon > 0.0 && epsilon < 1.0;
    check("epsilon", epsilon, fits, "numbers between 0 and 1")
}

fn check(
    what: &'static str,
    value: f64,
    fits: bool,
    allowed: &'static str,
) -> Result<(), SearchError> {
    if fits {
        return Ok(());
    }
    Err(SearchError::Theorem {
        what,
        value,
        allowed,
    })
}
