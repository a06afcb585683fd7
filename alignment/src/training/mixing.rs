//! What the gradients of BVPO's two halves are like, measured on a few examples while a training goes
//! on: their variance, their bias, and theorem 2's share of arXiv 2510.05095 from both.
//!
//! `mu`, the gradient with the traces summed out, is estimated from the traces that were sampled for
//! the same prompt: each response's answer is put behind each of them, and
//! `grad log pi(y|x) = sum_k w_k grad log pi(r_k, y|x)` with self-normalised weights
//! `w_k = pi(r_k, y|x) / pi_ref(r_k|x)`.

use lm::decoder::Decoder;
use lm::scoring::{Activations, Gradient, ScoreSettings};
use tch::{Device, Kind, Tensor};

use super::PassSettings;
use super::pass::{Passes, forward, pair_batch, tensor};
use crate::failure::FinetuneError;
use crate::losses::mixing::{Sketch, log_sum};
use crate::losses::preference::PreferenceLoss;
use crate::preparation::{Example, Pair, Sequence};

/// Sums that a gradient is projected on; inner products keep within 1.6 %.
const SKETCH: Sketch = Sketch {
    size: 4096,
    seed: 0x0b5e_55ed,
};

/// The answers of a pair behind all traces that were sampled for its prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Redraws {
    /// Prompt and trace with what closes it; the trace is learnt.
    pub traces: Vec<Sequence>,
    /// The same with the chosen response's answer; trace and answer are learnt.
    pub chosen: Vec<Sequence>,
    /// With the rejected response's answer.
    pub rejected: Vec<Sequence>,
    /// Log-probabilities of the three under the reference.
    reference: [Vec<f64>; 3],
}

impl Redraws {
    /// Puts two answers behind traces, all as ids.
    pub fn new(prompt: &[i64], traces: &[&[i64]], chosen: &[i64], rejected: &[i64]) -> Self {
        let behind = |answer: &[i64]| -> Vec<Sequence> {
            let each = traces.iter().map(|trace| [trace, answer].concat());
            each.map(|response| Sequence::new(prompt, &response))
                .collect()
        };
        Self {
            traces: behind(&[]),
            chosen: behind(chosen),
            rejected: behind(rejected),
            reference: Default::default(),
        }
    }

    fn sides(&self) -> [&[Sequence]; 2] {
        [&self.chosen, &self.rejected]
    }
}

/// An example that is measured. A half that is not trained may be missing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Probe {
    /// The pair with traces.
    pub trace: Option<Pair>,
    /// The pair without.
    pub empty: Option<Pair>,
    /// Other traces of the pair with traces; without them `mu` is taken to be its own gradient.
    pub redraws: Option<Redraws>,
}

impl Probe {
    /// An example with what else was sampled for it; `traced` tells what a pair alone is.
    pub fn new(example: &Example, redraws: Option<Redraws>, traced: bool) -> Self {
        let (trace, empty) = match example {
            Example::Lesson(_) => (None, None),
            Example::Pair(pair) if traced => (Some(pair), None),
            Example::Pair(pair) => (None, Some(pair)),
            Example::Both { trace, empty } => (Some(trace), Some(empty)),
        };
        Self {
            trace: trace.cloned(),
            empty: empty.cloned(),
            redraws,
        }
    }
}

/// Takes the log-probabilities of the reference from `decoder` as it is.
///
/// # Errors
/// What the model refuses.
pub fn refer(
    decoder: &Decoder,
    probes: &mut [Probe],
    settings: &PassSettings,
) -> Result<(), FinetuneError> {
    for probe in probes {
        for pair in probe.trace.iter_mut().chain(probe.empty.iter_mut()) {
            let texts = [&pair.chosen, &pair.rejected];
            let found = sums(decoder, &texts, settings)?;
            pair.reference = Some([found[0], found[1]]);
        }
        if let Some(redraws) = &mut probe.redraws {
            let of = |texts: &[Sequence]| {
                let texts: Vec<&Sequence> = texts.iter().collect();
                sums(decoder, &texts, settings)
            };
            redraws.reference = [
                of(&redraws.traces)?,
                of(&redraws.chosen)?,
                of(&redraws.rejected)?,
            ];
        }
    }
    Ok(())
}

/// Log-probabilities of texts, without gradient.
fn sums(
    decoder: &Decoder,
    texts: &[&Sequence],
    settings: &PassSettings,
) -> Result<Vec<f64>, FinetuneError> {
    let scoring = ScoreSettings {
        activations: Activations::Dropped,
        chunk: settings.logit_chunk,
        dropout: None,
    };
    let mut all = Vec::with_capacity(texts.len());
    for texts in texts.chunks(settings.rows.max(1)) {
        let found = forward(decoder, texts, &[], scoring, settings.pack)?.sums;
        let found = found.f_to_device(Device::Cpu).map_err(tensor)?;
        all.extend(Vec::<f64>::try_from(&found).map_err(tensor)?);
    }
    Ok(all)
}

/// What was measured, for the gradient of an update. Units: squared norms.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measurement {
    /// `tr Sigma_t`: over prompts, responses and traces.
    pub trace_variance: Option<f64>,
    /// `tr Sigma_e`.
    pub empty_variance: Option<f64>,
    /// Of the mixture with the share in use.
    pub mixed_variance: Option<f64>,
    /// `|b_t|^2`, without bias itself and so at times below 0.
    pub trace_bias: Option<f64>,
    /// `|b_e|^2`.
    pub empty_bias: Option<f64>,
    /// Numerator and denominator of theorem 2's share.
    pub products: Option<(f64, f64)>,
    /// `1 / sum w_k^2`: how many traces share the weight of an answer, a mean over answers.
    pub effective_traces: Option<f64>,
}

/// Measures the gradients of both halves for updates of `rows_per_update` examples.
///
/// `trace_share` is the share in use. Fewer than two probes tell nothing.
///
/// # Errors
/// What LibTorch, the loss or the model refuse.
pub fn measure(
    decoder: &Decoder,
    probes: &[Probe],
    base: &PreferenceLoss,
    trace_share: f64,
    rows_per_update: usize,
    settings: &PassSettings,
) -> Result<Measurement, FinetuneError> {
    let mut passes = Passes::new(decoder, settings, u64::MAX);
    let mut gradient = Gradient::zeros(decoder)?;
    let mut of_pair = |pair: &Pair| -> Result<Vec<f64>, FinetuneError> {
        gradient.clear();
        passes.prefer(vec![pair], base, 1.0, &mut gradient)?;
        sketch(&gradient)
    };
    let (mut traces, mut empties) = (Vec::new(), Vec::new());
    for probe in probes {
        traces.extend(probe.trace.as_ref().map(&mut of_pair).transpose()?);
        empties.extend(probe.empty.as_ref().map(&mut of_pair).transpose()?);
    }
    let rows = rows_per_update.max(1) as f64;
    let spread = |gradients: &[Vec<f64>]| {
        (gradients.len() > 1).then(|| {
            let products = Products::of(gradients, gradients);
            (products.same - products.others) / rows
        })
    };
    let mut measured = Measurement {
        trace_variance: spread(&traces),
        empty_variance: spread(&empties),
        ..Measurement::default()
    };
    if traces.len() != empties.len() || traces.len() < 2 {
        return Ok(measured);
    }
    let mixed = combined(trace_share, &traces, 1.0 - trace_share, &empties);
    measured.mixed_variance = spread(&mixed);
    let mut means = Vec::new();
    let (mut effective, mut answers) = (0.0, 0.0);
    for (probe, own) in probes.iter().zip(&traces) {
        let (Some(pair), Some(redraws)) = (&probe.trace, &probe.redraws) else {
            means.push(own.clone());
            continue;
        };
        gradient.clear();
        let shares = marginal(&mut passes, pair, redraws, base, &mut gradient)?;
        effective += shares.iter().sum::<f64>();
        answers += shares.len() as f64;
        means.push(sketch(&gradient)?);
    }
    measured.effective_traces = (answers > 0.0).then(|| effective / answers);
    // Examples are independent, so that products of two different ones have no bias.
    let apart = combined(1.0, &empties, -1.0, &traces);
    let trace_bias = combined(1.0, &traces, -1.0, &means);
    let empty_bias = combined(1.0, &empties, -1.0, &means);
    measured.trace_bias = Some(Products::of(&trace_bias, &trace_bias).others);
    measured.empty_bias = Some(Products::of(&empty_bias, &empty_bias).others);
    let distance = Products::of(&apart, &apart);
    let own = Products::of(&empties, &apart).same - Products::of(&means, &apart).others;
    let others = Products::of(&empty_bias, &apart).others;
    measured.products = Some((
        own / rows + (1.0 - 1.0 / rows) * others,
        distance.same / rows + (1.0 - 1.0 / rows) * distance.others,
    ));
    Ok(measured)
}

/// Mean inner products of two lists of as many gradients.
struct Products {
    /// Of those in the same place.
    same: f64,
    /// Of those in different places.
    others: f64,
}

impl Products {
    fn of(left: &[Vec<f64>], right: &[Vec<f64>]) -> Self {
        let dot = |left: &[f64], right: &[f64]| -> f64 {
            left.iter().zip(right).map(|(a, b)| a * b).sum()
        };
        let total = |gradients: &[Vec<f64>]| -> Vec<f64> {
            let width = gradients.first().map_or(0, Vec::len);
            (0..width)
                .map(|place| gradients.iter().map(|one| one[place]).sum())
                .collect()
        };
        let same: f64 = left.iter().zip(right).map(|(a, b)| dot(a, b)).sum();
        let all = dot(&total(left), &total(right));
        let count = left.len() as f64;
        Self {
            same: same / count,
            others: (all - same) / (count * (count - 1.0)),
        }
    }
}

fn combined(first: f64, left: &[Vec<f64>], second: f64, right: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let one = |(left, right): (&Vec<f64>, &Vec<f64>)| {
        let each = left.iter().zip(right);
        each.map(|(a, b)| first * a + second * b).collect()
    };
    left.iter().zip(right).map(one).collect()
}

fn sketch(gradient: &Gradient) -> Result<Vec<f64>, FinetuneError> {
    let flat = gradient.flat().f_to_device(Device::Cpu).map_err(tensor)?;
    let numbers = Vec::<f32>::try_from(&flat).map_err(tensor)?;
    Ok(SKETCH.of(numbers.into_iter().map(f64::from)))
}

/// Adds the gradient of the loss on `log pi(y|x)`, the traces summed out; the effective number of
/// traces of each answer comes back.
fn marginal(
    passes: &mut Passes<'_>,
    pair: &Pair,
    redraws: &Redraws,
    base: &PreferenceLoss,
    gradient: &mut Gradient,
) -> Result<[f64; 2], FinetuneError> {
    let [traces, references @ ..] = &redraws.reference;
    let mut logs = [0.0; 2];
    let mut reference = [0.0; 2];
    let mut weights = [Vec::new(), Vec::new()];
    for (side, texts) in redraws.sides().into_iter().enumerate() {
        let texts: Vec<&Sequence> = texts.iter().collect();
        let policy = passes.sums(&texts)?;
        let ratios = |sums: &[f64]| -> Vec<f64> {
            sums.iter()
                .zip(traces)
                .map(|(sum, trace)| sum - trace)
                .collect()
        };
        let policy = ratios(&policy);
        logs[side] = log_sum(&policy);
        reference[side] = log_sum(&ratios(&references[side]));
        weights[side] = policy.iter().map(|log| (log - logs[side]).exp()).collect();
    }
    let marginal = Pair {
        reference: Some(reference),
        ..pair.clone()
    };
    let sums = Tensor::f_from_slice(&logs).map_err(tensor)?;
    let of_loss = base.gradient(&pair_batch(&[&marginal], &sums, base))?;
    for ((texts, weights), slope) in redraws
        .sides()
        .into_iter()
        .zip(&weights)
        .zip([&of_loss.chosen, &of_loss.rejected])
    {
        let slope = f64::try_from(slope.f_sum(Kind::Double).map_err(tensor)?).map_err(tensor)?;
        let derivative: Vec<f64> = weights.iter().map(|weight| slope * weight).collect();
        let texts: Vec<&Sequence> = texts.iter().collect();
        passes.add(&texts, &derivative, gradient)?;
    }
    Ok(weights.map(|weights| 1.0 / weights.iter().map(|weight| weight * weight).sum::<f64>()))
}

impl Passes<'_> {
    fn sums(&self, texts: &[&Sequence]) -> Result<Vec<f64>, FinetuneError> {
        sums(self.decoder, texts, self.settings)
    }

    /// Adds the gradient of `sum_i derivative_i log pi(text_i)`.
    fn add(
        &mut self,
        texts: &[&Sequence],
        derivative: &[f64],
        gradient: &mut Gradient,
    ) -> Result<(), FinetuneError> {
        let rows = self.settings.rows.max(1);
        for (texts, derivative) in texts.chunks(rows).zip(derivative.chunks(rows)) {
            let forward = self.forward(texts, &[])?;
            let derivative = Tensor::f_from_slice(derivative).map_err(tensor)?;
            self.backward(forward, &derivative, gradient)?;
        }
        Ok(())
    }
}
