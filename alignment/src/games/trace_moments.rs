//! Bias and variance of the toy's gradients.

use nn::random::RandomStream;

use super::trace_model::{TraceToy, drawn};
use crate::losses::mixing::Moments;
use crate::oracles::aggregation::sigmoid;

/// What enumeration gives of a toy.
#[derive(Debug, Clone)]
pub struct Exact {
    /// The moments of `g_t` and `g_e`.
    pub moments: Moments,
    /// `mu`, `[parameters]`.
    pub mean: Vec<f64>,
    /// `E g_t`, `[parameters]`.
    pub trace: Vec<f64>,
    /// `g_e`, `[parameters]`.
    pub empty: Vec<f64>,
}

/// All `traces^2` pairs of each prompt enumerated, with the traces drawn as a data set built by the
/// reference holds them: `pi_ref(r|x, y)`.
pub fn exact(toy: &TraceToy) -> Exact {
    let mean = toy.marginal_gradient();
    let empty = toy.empty_gradient();
    let mut trace = vec![0.0; mean.len()];
    let mut second = 0.0;
    // Prompts draw apart and touch other parameters: their variances add.
    for prompt in 0..toy.sizes.prompts {
        let mut expected = vec![0.0; mean.len()];
        for_each_pair(toy, prompt, |share, traces| {
            let mut gradient = vec![0.0; mean.len()];
            toy.add_trace_gradient(1.0, prompt, traces, &mut gradient);
            second += share * dot(&gradient, &gradient);
            add(share, &gradient, &mut expected);
        });
        second -= dot(&expected, &expected);
        add(1.0, &expected, &mut trace);
    }
    let trace_bias = difference(&trace, &mean);
    let empty_bias = difference(&empty, &mean);
    Exact {
        moments: Moments {
            trace_variance: second,
            empty_variance: 0.0,
            covariance: 0.0,
            trace_bias: dot(&trace_bias, &trace_bias),
            empty_bias: dot(&empty_bias, &empty_bias),
            bias_product: dot(&trace_bias, &empty_bias),
        },
        mean,
        trace,
        empty,
    }
}

fn for_each_pair(toy: &TraceToy, prompt: usize, mut see: impl FnMut(f64, (usize, usize))) {
    let (chosen, rejected) = toy.pairs[prompt];
    let rejected = toy.reference.posterior(prompt, rejected);
    for (first, share) in toy.reference.posterior(prompt, chosen).iter().enumerate() {
        for (second, other) in rejected.iter().enumerate() {
            see(share * other, (first, second));
        }
    }
}

/// One draw of `g_t`: a trace from the reference's posterior for each of the two answers.
pub fn drawn_trace_gradient(toy: &TraceToy, stream: &mut RandomStream) -> Vec<f64> {
    let mut gradient = vec![0.0; toy.sizes.parameters()];
    for (prompt, (chosen, rejected)) in toy.pairs.iter().copied().enumerate() {
        let first = drawn(&toy.reference.posterior(prompt, chosen), stream);
        let second = drawn(&toy.reference.posterior(prompt, rejected), stream);
        toy.add_trace_gradient(1.0, prompt, (first, second), &mut gradient);
    }
    gradient
}

/// An estimate of `mu` from `count` traces drawn from `pi_ref(r|x)` for each answer, with
/// self-normalised weights `pi(r, y|x) / pi_ref(r|x)`: what can be computed where traces cannot be
/// enumerated.
pub fn importance_gradient(toy: &TraceToy, count: usize, stream: &mut RandomStream) -> Vec<f64> {
    let mut gradient = vec![0.0; toy.sizes.parameters()];
    for (prompt, (chosen, rejected)) in toy.pairs.iter().copied().enumerate() {
        let mut parts = Vec::new();
        let mut difference = 0.0;
        for (answer, sign) in [(chosen, 1.0), (rejected, -1.0)] {
            let (mut policy, mut reference) = (0.0, 0.0);
            let mut part = vec![0.0; gradient.len()];
            for _ in 0..count {
                let trace = drawn(toy.reference.traces(prompt), stream);
                let weight =
                    toy.policy.joint(prompt, trace, answer) / toy.reference.traces(prompt)[trace];
                policy += weight;
                reference += toy.reference.answer(prompt, trace, answer);
                toy.policy
                    .add_joint_gradient(weight, [prompt, trace, answer], &mut part);
            }
            difference += sign * (policy / reference).ln();
            parts.push((sign / policy, part));
        }
        let strength = toy.preference_strength;
        let slope = -strength * sigmoid(-strength * difference) / toy.sizes.prompts as f64;
        for (scale, part) in parts {
            add(slope * scale, &part, &mut gradient);
        }
    }
    gradient
}

/// Sampled moments of `alpha g_t + (1 - alpha) g_e` for each share of `shares`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampled {
    /// `alpha`.
    pub share: f64,
    /// Trace of the sample covariance.
    pub variance: f64,
    /// Mean squared distance from `mu`.
    pub mean_square_error: f64,
}

/// `draws` mixtures of each share, all from the same draws of traces.
pub fn sampled(toy: &TraceToy, shares: &[f64], draws: usize, seed: u64) -> Vec<Sampled> {
    let exact = exact(toy);
    let mut stream = RandomStream::new(seed, "trace draws", 0);
    let mut sums = vec![(vec![0.0; exact.mean.len()], 0.0, 0.0); shares.len()];
    for _ in 0..draws {
        let trace = drawn_trace_gradient(toy, &mut stream);
        for (share, (sum, squares, errors)) in shares.iter().zip(&mut sums) {
            let mut mixture = vec![0.0; trace.len()];
            add(*share, &trace, &mut mixture);
            add(1.0 - share, &exact.empty, &mut mixture);
            let error = difference(&mixture, &exact.mean);
            *squares += dot(&mixture, &mixture);
            *errors += dot(&error, &error);
            add(1.0, &mixture, sum);
        }
    }
    let count = draws as f64;
    shares
        .iter()
        .zip(sums)
        .map(|(share, (sum, squares, errors))| Sampled {
            share: *share,
            variance: (squares - dot(&sum, &sum) / count) / (count - 1.0),
            mean_square_error: errors / count,
        })
        .collect()
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter()
        .zip(right)
        .map(|(left, right)| left * right)
        .sum()
}

fn add(scale: f64, part: &[f64], sum: &mut [f64]) {
    for (sum, part) in sum.iter_mut().zip(part) {
        *sum += scale * part;
    }
}

fn difference(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter()
        .zip(right)
        .map(|(left, right)| left - right)
        .collect()
}
