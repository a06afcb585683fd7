//! Gradient descent in toy B: the exact loss `L_m` along the way, under each share of traces.

use nn::random::RandomStream;
use tch::Tensor;

use super::transformer_toy::TransformerToy;
use crate::AlignmentError;

/// Where a descent's share of traces comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Share {
    /// The same at each step.
    Fixed(f64),
    /// Theorem 2's of the exact moments at each step.
    Best,
}

/// How far and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// Steps of plain gradient descent.
    pub count: usize,
    /// Steps between two points of the curve.
    pub interval: usize,
}

/// A point of a descent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Steps so far.
    pub step: usize,
    /// Exact `L_m`.
    pub loss: f64,
    /// The share of the step that follows; the last step's at the end.
    pub share: f64,
}

/// Descends from the reference on mixtures whose traces are drawn anew at each step.
///
/// `seed` gives the draws: descents of one seed see the same traces under every share.
///
/// # Errors
/// A share outside 0..=1; LibTorch.
pub fn descend(
    toy: &TransformerToy,
    share: Share,
    step_size: f64,
    steps: Steps,
    seed: u64,
) -> Result<Vec<Point>, AlignmentError> {
    let mut stream = RandomStream::new(seed, "descent", 0);
    let mut policy = toy.reference().shallow_clone();
    let mut points = Vec::new();
    let mut used = 0.5;
    for step in 0..=steps.count {
        if step < steps.count {
            used = match share {
                Share::Fixed(share) => share,
                Share::Best => toy.moments(&toy.listed(&policy)?).best_share(),
            };
        }
        if step % steps.interval.max(1) == 0 || step == steps.count {
            points.push(Point {
                step,
                loss: toy.marginal_loss(&policy)?,
                share: used,
            });
        }
        if step < steps.count {
            let traces = toy.drawn_traces(&mut stream);
            let gradient = toy.mixed_gradient(&policy, &traces, used)?;
            policy = policy.f_sub(&gradient.f_mul_scalar(step_size)?)?;
        }
    }
    Ok(points)
}

/// Descends from the reference on `L_m` itself, nothing drawn. Gives the policy after each of `counts`
/// steps, which rise.
///
/// # Errors
/// LibTorch.
pub fn descend_exactly(
    toy: &TransformerToy,
    step_size: f64,
    counts: &[usize],
) -> Result<Vec<Tensor>, AlignmentError> {
    let mut policy = toy.reference().shallow_clone();
    let mut found = Vec::new();
    let mut step = 0;
    for count in counts {
        while step < *count {
            let listed = toy.listed(&policy)?;
            let gradient = listed.gradient(&toy.marginal_weights(&listed))?;
            let gradient = Tensor::f_from_slice(&gradient)?;
            policy = policy.f_sub(&gradient.f_mul_scalar(step_size)?)?;
            step += 1;
        }
        found.push(policy.shallow_clone());
    }
    Ok(found)
}
