//! A tabular policy `pi(r, y|x) = pi(r|x) pi(y|x, r)` over few traces `r` and answers `y`: toy A for
//! arXiv 2510.05095. Trace 0 is the empty one.

use nn::random::RandomStream;

use super::preference_game::softmax;
use crate::oracles::aggregation::sigmoid;

/// Sizes of the toy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Prompts, each with one pair of answers.
    pub prompts: usize,
    /// Traces of each prompt, the empty one included.
    pub traces: usize,
    /// Answers of each trace.
    pub answers: usize,
}

impl Sizes {
    /// Number of parameters: trace logits `[prompts, traces]`, then answer logits `[prompts, traces,
    /// answers]`.
    pub fn parameters(&self) -> usize {
        self.prompts * self.traces * (1 + self.answers)
    }

    fn answer_logits(&self, prompt: usize, trace: usize) -> usize {
        self.prompts * self.traces + (prompt * self.traces + trace) * self.answers
    }
}

/// Probabilities of one set of logits.
#[derive(Debug, Clone, PartialEq)]
pub struct TracePolicy {
    sizes: Sizes,
    /// `[prompts][traces]`.
    traces: Vec<Vec<f64>>,
    /// `[prompts][traces][answers]`.
    answers: Vec<Vec<Vec<f64>>>,
}

impl TracePolicy {
    /// The policy of `logits`, laid out as in [`Sizes::parameters`].
    ///
    /// # Panics
    /// On fewer logits than parameters.
    pub fn new(sizes: Sizes, logits: &[f64]) -> Self {
        let traces = |prompt: usize| softmax(&logits[prompt * sizes.traces..][..sizes.traces]);
        let answers = |prompt: usize, trace: usize| {
            softmax(&logits[sizes.answer_logits(prompt, trace)..][..sizes.answers])
        };
        Self {
            sizes,
            traces: (0..sizes.prompts).map(traces).collect(),
            answers: (0..sizes.prompts)
                .map(|prompt| {
                    (0..sizes.traces)
                        .map(|trace| answers(prompt, trace))
                        .collect()
                })
                .collect(),
        }
    }

    /// `pi(r|x)`, `[traces]`.
    pub fn traces(&self, prompt: usize) -> &[f64] {
        &self.traces[prompt]
    }

    /// `pi(y|x, r)`.
    pub fn answer(&self, prompt: usize, trace: usize, answer: usize) -> f64 {
        self.answers[prompt][trace][answer]
    }

    /// `pi(r, y|x)`.
    pub fn joint(&self, prompt: usize, trace: usize, answer: usize) -> f64 {
        self.traces[prompt][trace] * self.answers[prompt][trace][answer]
    }

    /// `pi(y|x)`, all traces enumerated.
    pub fn marginal(&self, prompt: usize, answer: usize) -> f64 {
        (0..self.sizes.traces)
            .map(|trace| self.joint(prompt, trace, answer))
            .sum()
    }

    /// `pi(r|x, y)`, `[traces]`.
    pub fn posterior(&self, prompt: usize, answer: usize) -> Vec<f64> {
        let total = self.marginal(prompt, answer);
        let each = (0..self.sizes.traces).map(|trace| self.joint(prompt, trace, answer) / total);
        each.collect()
    }

    /// Adds `scale * grad log pi(y|x, r)` to `gradient`.
    fn add_answer_gradient(&self, scale: f64, at: [usize; 3], gradient: &mut [f64]) {
        let [prompt, trace, answer] = at;
        let start = self.sizes.answer_logits(prompt, trace);
        for (place, share) in self.answers[prompt][trace].iter().enumerate() {
            gradient[start + place] += scale * (f64::from(place == answer) - share);
        }
    }

    /// Adds `scale * grad log pi(r, y|x)`.
    pub fn add_joint_gradient(&self, scale: f64, at: [usize; 3], gradient: &mut [f64]) {
        let [prompt, trace, _] = at;
        for (place, share) in self.traces[prompt].iter().enumerate() {
            gradient[prompt * self.sizes.traces + place] +=
                scale * (f64::from(place == trace) - share);
        }
        self.add_answer_gradient(scale, at, gradient);
    }
}

/// The toy: a policy, its reference, and for each prompt a preferred and another answer.
#[derive(Debug, Clone)]
pub struct TraceToy {
    /// Sizes.
    pub sizes: Sizes,
    /// DPO's `beta`.
    pub preference_strength: f64,
    /// `pi_theta`.
    pub policy: TracePolicy,
    /// `pi_ref`, from which the data set's traces are drawn.
    pub reference: TracePolicy,
    /// `[prompts]` of (preferred, other).
    pub pairs: Vec<(usize, usize)>,
}

impl TraceToy {
    /// Reference logits from a standard normal, the policy's `drift` standard normals away.
    pub fn random(sizes: Sizes, preference_strength: f64, drift: f64, seed: u64) -> Self {
        let mut stream = RandomStream::new(seed, "trace toy", 0);
        let count = sizes.parameters();
        let reference: Vec<f64> = (0..count).map(|_| standard_normal(&mut stream)).collect();
        let moved = reference
            .iter()
            .map(|logit| logit + drift * standard_normal(&mut stream));
        let policy: Vec<f64> = moved.collect();
        let pairs = (0..sizes.prompts).map(|_| {
            let pair = stream.distinct(2, sizes.answers);
            (pair[0], pair[1])
        });
        Self {
            pairs: pairs.collect(),
            sizes,
            preference_strength,
            policy: TracePolicy::new(sizes, &policy),
            reference: TracePolicy::new(sizes, &reference),
        }
    }

    /// `-beta sigmoid(-margin) / prompts`: the mean loss's slope in a prompt's difference of
    /// log-ratios.
    fn slope(&self, difference: f64) -> f64 {
        -self.preference_strength * sigmoid(-self.preference_strength * difference)
            / self.sizes.prompts as f64
    }

    /// `mu`: the gradient of DPO's mean loss with exact marginals, `[parameters]`.
    pub fn marginal_gradient(&self) -> Vec<f64> {
        let mut gradient = vec![0.0; self.sizes.parameters()];
        for (prompt, (chosen, rejected)) in self.pairs.iter().copied().enumerate() {
            let ratio = |answer| {
                (self.policy.marginal(prompt, answer) / self.reference.marginal(prompt, answer))
                    .ln()
            };
            let slope = self.slope(ratio(chosen) - ratio(rejected));
            for (answer, sign) in [(chosen, 1.0), (rejected, -1.0)] {
                for (trace, share) in self.policy.posterior(prompt, answer).iter().enumerate() {
                    let at = [prompt, trace, answer];
                    self.policy
                        .add_joint_gradient(sign * slope * share, at, &mut gradient);
                }
            }
        }
        gradient
    }

    /// Adds one prompt's part of `g_t` for these two traces, times `scale`.
    pub fn add_trace_gradient(
        &self,
        scale: f64,
        prompt: usize,
        traces: (usize, usize),
        gradient: &mut [f64],
    ) {
        let (chosen, rejected) = self.pairs[prompt];
        let ratio = |trace, answer| {
            (self.policy.joint(prompt, trace, answer) / self.reference.joint(prompt, trace, answer))
                .ln()
        };
        let slope = scale * self.slope(ratio(traces.0, chosen) - ratio(traces.1, rejected));
        self.policy
            .add_joint_gradient(slope, [prompt, traces.0, chosen], gradient);
        self.policy
            .add_joint_gradient(-slope, [prompt, traces.1, rejected], gradient);
    }

    /// `g_e`: DPO on the answers given the empty trace, `[parameters]`; nothing in it is random.
    pub fn empty_gradient(&self) -> Vec<f64> {
        let mut gradient = vec![0.0; self.sizes.parameters()];
        for (prompt, (chosen, rejected)) in self.pairs.iter().copied().enumerate() {
            let ratio = |answer| {
                (self.policy.answer(prompt, 0, answer) / self.reference.answer(prompt, 0, answer))
                    .ln()
            };
            let slope = self.slope(ratio(chosen) - ratio(rejected));
            self.policy
                .add_answer_gradient(slope, [prompt, 0, chosen], &mut gradient);
            self.policy
                .add_answer_gradient(-slope, [prompt, 0, rejected], &mut gradient);
        }
        gradient
    }
}

/// Box and Muller's, from two uniform words of 53 bits.
pub(super) fn standard_normal(stream: &mut RandomStream) -> f64 {
    let mut uniform = || ((stream.word() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    let (first, second) = (uniform(), uniform());
    (-2.0 * first.ln()).sqrt() * (std::f64::consts::TAU * second).cos()
}

/// A place drawn by `shares`, which sum to 1.
pub(super) fn drawn(shares: &[f64], stream: &mut RandomStream) -> usize {
    let mut left = (stream.word() >> 11) as f64 / (1_u64 << 53) as f64;
    for (place, share) in shares.iter().enumerate() {
        left -= share;
        if left < 0.0 {
            return place;
        }
    }
    shares.len() - 1
}
