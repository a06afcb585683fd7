//! Toy B for arXiv 2510.05095: DPO on a transformer whose traces can all be listed, so that the gradient
//! with the traces summed out, and bias and variance of its estimates, are exact.

use nn::random::RandomStream;
use tch::{Kind, Tensor, no_grad};

use super::trace_language::{
    ANSWERS, PROMPTS, TRACES, Text, Texts, answer_tokens, response_tokens,
};
use super::trace_model::{drawn, standard_normal};
use super::trace_transformer::{log_probabilities, random_parameters, scores};
use crate::AlignmentError;
use crate::losses::bvpo::mixed_loss;
use crate::losses::dpo::dpo_loss;
use crate::losses::log_ratios::{PairLogRatios, log_ratios};
use crate::losses::mixing::{Moments, log_sum};
use crate::oracles::aggregation::sigmoid;

/// Deviation of the weights, times the root of a matrix's columns; at 1 all traces are about as likely.
const SCALE: f64 = 1.5;
/// Answers in a pair: the preferred one and the other.
const SIDES: usize = 2;
const JOINT: usize = PROMPTS * SIDES * TRACES;
/// Log-probabilities that the toy is made of: those of each answer of a pair with each trace, then
/// those of each answer after the empty trace.
const TERMS: usize = JOINT + PROMPTS * SIDES;

/// The traces of each prompt's preferred and other answer.
pub type Traces = [(usize, usize); PROMPTS];

/// A reference, and for each prompt a preferred and another answer.
#[derive(Debug)]
pub struct TransformerToy {
    preference_strength: f64,
    /// `[prompts]` of (preferred, other).
    pairs: [[usize; SIDES]; PROMPTS],
    /// Whether the pairs without traces prefer the other answer.
    empty_swapped: bool,
    /// `[parameters]`.
    reference: Tensor,
    terms: Texts,
    /// `[TERMS]`.
    reference_log: Vec<f64>,
    /// `pi_ref(r|x, y)`, `[prompts * sides]` of `[traces]`.
    posteriors: Vec<Vec<f64>>,
}

/// All log-probabilities of a policy and the inner products of their gradients.
#[derive(Debug)]
pub struct Listed {
    /// `[TERMS]`.
    log: Vec<f64>,
    /// `[TERMS, parameters]`.
    gradients: Tensor,
    /// `[TERMS * TERMS]`.
    products: Vec<f64>,
}

impl Listed {
    /// `left . right` of two sums of gradients.
    fn product(&self, left: &[f64], right: &[f64]) -> f64 {
        let rows = self.products.chunks_exact(TERMS).zip(left);
        rows.filter(|(_, weight)| **weight != 0.0)
            .map(|(row, weight)| weight * dot(row, right))
            .sum()
    }

    /// The sum of gradients with these weights, `[parameters]`.
    ///
    /// # Errors
    /// LibTorch.
    pub fn gradient(&self, weights: &[f64]) -> Result<Vec<f64>, AlignmentError> {
        let weights = Tensor::f_from_slice(weights)?.f_unsqueeze(0)?;
        let sum = weights.f_matmul(&self.gradients)?.f_squeeze_dim(0)?;
        Ok(Vec::try_from(&sum)?)
    }
}

fn joint(prompt: usize, side: usize, trace: usize) -> usize {
    (prompt * SIDES + side) * TRACES + trace
}

fn empty(prompt: usize, side: usize) -> usize {
    JOINT + prompt * SIDES + side
}

impl TransformerToy {
    /// A reference and pairs by `seed`; with `empty_swapped` the pairs without traces contradict those
    /// with them.
    ///
    /// # Errors
    /// LibTorch.
    pub fn random(
        preference_strength: f64,
        empty_swapped: bool,
        seed: u64,
    ) -> Result<Self, AlignmentError> {
        let mut stream = RandomStream::new(seed, "transformer toy", 0);
        let reference = Tensor::f_from_slice(&random_parameters(SCALE, &mut stream))?;
        let pairs = [(); PROMPTS].map(|()| {
            let pair = stream.distinct(SIDES, ANSWERS);
            [pair[0], pair[1]]
        });
        let mut texts = Vec::with_capacity(TERMS);
        for (trace_scored, traces) in [(true, TRACES), (false, 1)] {
            for (prompt, pair) in pairs.iter().enumerate() {
                for answer in pair {
                    texts.extend((0..traces).map(|trace| Text {
                        prompt,
                        trace,
                        answer: *answer,
                        trace_scored,
                    }));
                }
            }
        }
        let terms = Texts::new(&texts)?;
        let reference_log = listed_log(&reference, &terms)?;
        let each = reference_log[..JOINT].chunks_exact(TRACES);
        Ok(Self {
            preference_strength,
            pairs,
            empty_swapped,
            posteriors: each.map(posterior).collect(),
            reference,
            terms,
            reference_log,
        })
    }

    /// `theta_ref`, `[parameters]`.
    pub fn reference(&self) -> &Tensor {
        &self.reference
    }

    /// The reference with a normal of deviation `drift` added to each parameter.
    ///
    /// # Errors
    /// LibTorch.
    pub fn drifted(&self, drift: f64, seed: u64) -> Result<Tensor, AlignmentError> {
        let mut stream = RandomStream::new(seed, "transformer drift", 0);
        let count = self.reference.numel();
        let moved: Vec<f64> = (0..count)
            .map(|_| drift * standard_normal(&mut stream))
            .collect();
        Ok(self.reference.f_add(&Tensor::f_from_slice(&moved)?)?)
    }

    /// Mean tokens of a preferred and another response with their traces, as the reference writes them,
    /// and of the same without: what one pair costs.
    pub fn pair_tokens(&self) -> (f64, f64) {
        let (mut with, mut without) = (0.0, 0.0);
        for (prompt, pair) in self.pairs.iter().enumerate() {
            for (side, answer) in pair.iter().enumerate() {
                let posterior = &self.posteriors[prompt * SIDES + side];
                let tokens = |trace| response_tokens(trace, *answer) as f64;
                with += (0..TRACES)
                    .map(|trace| posterior[trace] * tokens(trace))
                    .sum::<f64>();
                without += answer_tokens(*answer) as f64;
            }
        }
        (with / PROMPTS as f64, without / PROMPTS as f64)
    }

    /// Traces as a data set built by the reference holds them: from `pi_ref(r|x, y)`.
    pub fn drawn_traces(&self, stream: &mut RandomStream) -> Traces {
        std::array::from_fn(|prompt| {
            let mut trace = |side: usize| drawn(&self.posteriors[prompt * SIDES + side], stream);
            (trace(0), trace(1))
        })
    }

    /// All terms of a policy (`[parameters]`) and their gradients, by autograd.
    ///
    /// # Errors
    /// LibTorch.
    pub fn listed(&self, policy: &Tensor) -> Result<Listed, AlignmentError> {
        let (log, gradients) = scores(policy, &self.terms)?;
        let products = gradients.f_matmul(&gradients.f_transpose(0, 1)?)?;
        Ok(Listed {
            log: Vec::try_from(&log)?,
            products: Vec::try_from(&products.f_flatten(0, -1)?)?,
            gradients,
        })
    }

    /// The mean loss's slope in a prompt's difference of log-ratios.
    fn slope(&self, difference: f64) -> f64 {
        -self.preference_strength * sigmoid(-self.preference_strength * difference) / PROMPTS as f64
    }

    fn ratio(&self, listed: &Listed, term: usize) -> f64 {
        listed.log[term] - self.reference_log[term]
    }

    /// `log pi(y|x) - log pi_ref(y|x)` of the preferred answer less that of the other.
    fn marginal_difference(&self, log: &[f64], prompt: usize) -> f64 {
        let ratio = |side| {
            let part = joint(prompt, side, 0)..joint(prompt, side, 0) + TRACES;
            log_sum(&log[part.clone()]) - log_sum(&self.reference_log[part])
        };
        ratio(0) - ratio(1)
    }

    /// Weights of `mu`, the gradient of `L_m`: `grad log pi(y|x) = sum_r pi(r|x, y) grad log pi(r, y|x)`.
    pub fn marginal_weights(&self, listed: &Listed) -> Vec<f64> {
        let mut weights = vec![0.0; TERMS];
        for prompt in 0..PROMPTS {
            let slope = self.slope(self.marginal_difference(&listed.log, prompt));
            for (side, sign) in [(0, 1.0), (1, -1.0)] {
                let start = joint(prompt, side, 0);
                let posterior = posterior(&listed.log[start..][..TRACES]);
                for (trace, share) in posterior.iter().enumerate() {
                    weights[start + trace] = sign * slope * share;
                }
            }
        }
        weights
    }

    fn trace_slope(&self, listed: &Listed, prompt: usize, traces: (usize, usize)) -> f64 {
        let ratio = |side, trace| self.ratio(listed, joint(prompt, side, trace));
        self.slope(ratio(0, traces.0) - ratio(1, traces.1))
    }

    /// Weights of `g_t` for these traces.
    pub fn trace_weights(&self, listed: &Listed, traces: &Traces) -> Vec<f64> {
        let mut weights = vec![0.0; TERMS];
        for (prompt, pair) in traces.iter().enumerate() {
            let slope = self.trace_slope(listed, prompt, *pair);
            weights[joint(prompt, 0, pair.0)] = slope;
            weights[joint(prompt, 1, pair.1)] = -slope;
        }
        weights
    }

    /// Weights of `g_e`.
    pub fn empty_weights(&self, listed: &Listed) -> Vec<f64> {
        let mut weights = vec![0.0; TERMS];
        let (chosen, rejected) = self.empty_sides();
        for prompt in 0..PROMPTS {
            let [chosen, rejected] = [empty(prompt, chosen), empty(prompt, rejected)];
            let slope = self.slope(self.ratio(listed, chosen) - self.ratio(listed, rejected));
            weights[chosen] = slope;
            weights[rejected] = -slope;
        }
        weights
    }

    fn empty_sides(&self) -> (usize, usize) {
        if self.empty_swapped { (1, 0) } else { (0, 1) }
    }

    /// Bias and variance of `g_t` and `g_e` where the draw of the traces alone is random, all pairs of
    /// traces listed.
    pub fn moments(&self, listed: &Listed) -> Moments {
        let mean = self.marginal_weights(listed);
        let mut expected = vec![0.0; TERMS];
        let mut variance = 0.0;
        // Prompts draw apart: their variances add although they share parameters.
        for prompt in 0..PROMPTS {
            let mut of_prompt = vec![0.0; TERMS];
            let square = |left: usize, right: usize| listed.products[left * TERMS + right];
            for first in 0..TRACES {
                for second in 0..TRACES {
                    let share = self.posteriors[prompt * SIDES][first]
                        * self.posteriors[prompt * SIDES + 1][second];
                    let slope = self.trace_slope(listed, prompt, (first, second));
                    let [chosen, rejected] = [joint(prompt, 0, first), joint(prompt, 1, second)];
                    of_prompt[chosen] += share * slope;
                    of_prompt[rejected] -= share * slope;
                    let distance = square(chosen, chosen) + square(rejected, rejected)
                        - 2.0 * square(chosen, rejected);
                    variance += share * slope * slope * distance;
                }
            }
            variance -= listed.product(&of_prompt, &of_prompt);
            add(1.0, &of_prompt, &mut expected);
        }
        let mut trace_bias = expected;
        add(-1.0, &mean, &mut trace_bias);
        let mut empty_bias = self.empty_weights(listed);
        add(-1.0, &mean, &mut empty_bias);
        Moments {
            trace_variance: variance,
            empty_variance: 0.0,
            covariance: 0.0,
            trace_bias: listed.product(&trace_bias, &trace_bias),
            empty_bias: listed.product(&empty_bias, &empty_bias),
            bias_product: listed.product(&trace_bias, &empty_bias),
        }
    }

    /// `L_m`: DPO's mean loss with the traces summed out.
    ///
    /// # Errors
    /// LibTorch.
    pub fn marginal_loss(&self, policy: &Tensor) -> Result<f64, AlignmentError> {
        let log = listed_log(policy, &self.terms)?;
        let each = (0..PROMPTS).map(|prompt| {
            let margin = self.preference_strength * self.marginal_difference(&log, prompt);
            (-margin).max(0.0) + (-margin.abs()).exp().ln_1p()
        });
        Ok(each.sum::<f64>() / PROMPTS as f64)
    }

    /// The gradient of [`mixed_loss`] over DPO for these traces, `[parameters]`, by autograd through the
    /// loss that a run trains with.
    ///
    /// # Errors
    /// A share outside 0..=1; LibTorch.
    pub fn mixed_gradient(
        &self,
        policy: &Tensor,
        traces: &Traces,
        trace_share: f64,
    ) -> Result<Tensor, AlignmentError> {
        let leaf = policy.f_detach()?.f_set_requires_grad(true)?;
        let trace = || {
            let terms = |side: usize| {
                move |prompt: usize| {
                    let (chosen, rejected) = traces[prompt];
                    let trace = [chosen, rejected][side];
                    (joint(prompt, side, trace), side, trace, true)
                }
            };
            self.pair_losses(&leaf, terms(0), terms(1))
        };
        let sides = self.empty_sides();
        let empty = || {
            let terms = |side: usize| move |prompt: usize| (empty(prompt, side), side, 0, false);
            self.pair_losses(&leaf, terms(sides.0), terms(sides.1))
        };
        tch::with_grad(|| mixed_loss(trace_share, trace, empty))?.f_backward()?;
        Ok(leaf.grad())
    }

    /// DPO's loss of each prompt, `[prompts]`. A term is its place, side, trace, and whether that is
    /// scored.
    fn pair_losses(
        &self,
        policy: &Tensor,
        chosen: impl Fn(usize) -> (usize, usize, usize, bool),
        rejected: impl Fn(usize) -> (usize, usize, usize, bool),
    ) -> Result<Tensor, AlignmentError> {
        let (mut texts, mut reference) = (Vec::new(), Vec::new());
        let terms = (0..PROMPTS).map(|prompt| (prompt, chosen(prompt)));
        for (prompt, term) in terms.chain((0..PROMPTS).map(|prompt| (prompt, rejected(prompt)))) {
            let (place, side, trace, trace_scored) = term;
            texts.push(Text {
                prompt,
                trace,
                answer: self.pairs[prompt][side],
                trace_scored,
            });
            reference.push(self.reference_log[place]);
        }
        let policy = log_probabilities(&policy.f_unsqueeze(0)?, &Texts::new(&texts)?)?;
        let ratios = log_ratios(&policy, &Tensor::f_from_slice(&reference)?)?;
        let ratios = PairLogRatios {
            chosen: ratios.f_narrow(0, 0, PROMPTS as i64)?,
            rejected: ratios.f_narrow(0, PROMPTS as i64, PROMPTS as i64)?,
        };
        dpo_loss(&ratios, self.preference_strength, 0.0)
    }
}

fn listed_log(policy: &Tensor, terms: &Texts) -> Result<Vec<f64>, AlignmentError> {
    let log = no_grad(|| log_probabilities(&policy.f_unsqueeze(0)?, terms))?;
    Ok(Vec::try_from(&log.f_to_kind(Kind::Double)?)?)
}

/// Probabilities in proportion to `exp log`.
fn posterior(log: &[f64]) -> Vec<f64> {
    let total = log_sum(log);
    log.iter().map(|log| (log - total).exp()).collect()
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
