//! A transformer of Llama's shape over the twelve tokens of [`super::trace_language`], in f64: small
//! enough for the gradient of every text's log-probability to be taken apart.

use tch::{Kind, Tensor};

use super::trace_language::{Texts, VOCABULARY};
use super::trace_model::standard_normal;
use crate::AlignmentError;
use nn::random::RandomStream;

const HIDDEN: usize = 8;
const HEADS: usize = 2;
const INNER: usize = 16;
const LAYERS: usize = 2;
const ROTARY_BASE: f64 = 10_000.0;
const NORM_FLOOR: f64 = 1e-6;

/// Matrices and vectors in their order in the flat buffer, rows and columns; a vector has one row.
fn shapes() -> Vec<[usize; 2]> {
    let mut shapes = vec![[VOCABULARY, HIDDEN]];
    for _ in 0..LAYERS {
        shapes.push([1, HIDDEN]);
        shapes.extend([[HIDDEN, HIDDEN]; 4]);
        shapes.push([1, HIDDEN]);
        shapes.extend([[INNER, HIDDEN], [INNER, HIDDEN], [HIDDEN, INNER]]);
    }
    shapes.extend([[1, HIDDEN], [VOCABULARY, HIDDEN]]);
    shapes
}

/// Number of parameters.
pub fn parameter_count() -> usize {
    shapes().iter().map(|[rows, columns]| rows * columns).sum()
}

/// Norms of 1, embeddings from a standard normal, matrices from normals of deviation
/// `scale / sqrt(columns)`: `[parameters]`, f64.
pub fn random_parameters(scale: f64, stream: &mut RandomStream) -> Vec<f64> {
    let mut parameters = Vec::with_capacity(parameter_count());
    for (place, [rows, columns]) in shapes().into_iter().enumerate() {
        let deviation = if place == 0 {
            1.0
        } else {
            scale / (columns as f64).sqrt()
        };
        for _ in 0..rows * columns {
            parameters.push(if rows == 1 {
                1.0
            } else {
                deviation * standard_normal(stream)
            });
        }
    }
    parameters
}

/// Hands out the weights of a buffer in order, each `[sets, rows, columns]`.
struct Weights<'a> {
    buffer: &'a Tensor,
    next: i64,
}

impl Weights<'_> {
    fn take(&mut self, rows: usize, columns: usize) -> Result<Tensor, AlignmentError> {
        let count = (rows * columns) as i64;
        let part = self.buffer.f_narrow(1, self.next, count)?;
        self.next += count;
        Ok(part.f_view([-1, rows as i64, columns as i64].as_slice())?)
    }

    /// `inputs W^T`: `[texts, tokens, columns]` to `[texts, tokens, rows]`.
    fn linear(
        &mut self,
        inputs: &Tensor,
        rows: usize,
        columns: usize,
    ) -> Result<Tensor, AlignmentError> {
        let weight = self.take(rows, columns)?;
        Ok(inputs.f_matmul(&weight.f_transpose(1, 2)?)?)
    }

    fn norm(&mut self, inputs: &Tensor) -> Result<Tensor, AlignmentError> {
        let square = inputs.f_square()?;
        let mean = square.f_mean_dim([-1_i64].as_slice(), true, Kind::Double)?;
        let scaled = inputs.f_mul(&mean.f_add_scalar(NORM_FLOOR)?.f_rsqrt()?)?;
        Ok(scaled.f_mul(&self.take(1, HIDDEN)?)?)
    }
}

/// Log-probability of what is scored of each text, `[texts]`, with the graph of `parameters`:
/// `[1, parameters]` for all texts, or `[texts, parameters]`, a set for each.
///
/// # Errors
/// LibTorch, which also refuses sets that are neither one nor as many as the texts.
pub fn log_probabilities(parameters: &Tensor, texts: &Texts) -> Result<Tensor, AlignmentError> {
    let mut weights = Weights {
        buffer: parameters,
        next: 0,
    };
    let embedding = weights.take(VOCABULARY, HIDDEN)?;
    let mut stream = texts.read.f_matmul(&embedding)?; // [texts, tokens, hidden]
    let rotation = Rotation::new(stream.size()[1])?;
    for _ in 0..LAYERS {
        let normed = weights.norm(&stream)?;
        let mixed = attention(&mut weights, &normed, &rotation)?;
        stream = stream.f_add(&mixed)?;
        let normed = weights.norm(&stream)?;
        let gate = weights.linear(&normed, INNER, HIDDEN)?.f_silu()?;
        let inner = gate.f_mul(&weights.linear(&normed, INNER, HIDDEN)?)?;
        stream = stream.f_add(&weights.linear(&inner, HIDDEN, INNER)?)?;
    }
    let normed = weights.norm(&stream)?;
    let logits = weights.linear(&normed, VOCABULARY, HIDDEN)?;
    let logits = logits.f_masked_fill(&texts.forbidden, f64::NEG_INFINITY)?;
    let each = logits.f_log_softmax(-1, Kind::Double)?;
    let each = each.f_gather(-1, &texts.next, false)?.f_squeeze_dim(-1)?; // [texts, tokens]
    let scored = each.f_masked_fill(&texts.unscored, 0.0)?;
    Ok(scored.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Double)?)
}

/// Cosines and sines of rotary positions, `[tokens, width of a head]`, and what may not be seen.
struct Rotation {
    cosines: Tensor,
    sines: Tensor,
    /// `[tokens, tokens]`, bool.
    future: Tensor,
}

impl Rotation {
    fn new(tokens: i64) -> Result<Self, AlignmentError> {
        let half = HIDDEN / HEADS / 2;
        let angles: Vec<f64> = (0..tokens)
            .flat_map(|token| {
                (0..2 * half).map(move |place| {
                    let power = (place % half) as f64 / half as f64;
                    token as f64 * ROTARY_BASE.powf(-power)
                })
            })
            .collect();
        let angles = Tensor::f_from_slice(&angles)?.f_view([tokens, -1].as_slice())?;
        let future: Vec<bool> = (0..tokens)
            .flat_map(|token| (0..tokens).map(move |other| other > token))
            .collect();
        Ok(Self {
            cosines: angles.f_cos()?,
            sines: angles.f_sin()?,
            future: Tensor::f_from_slice(&future)?.f_view([tokens, tokens].as_slice())?,
        })
    }

    fn turned(&self, heads: &Tensor) -> Result<Tensor, AlignmentError> {
        let halves = heads.f_chunk(2, -1)?;
        let swapped = Tensor::f_cat(&[&halves[1].f_neg()?, &halves[0]], -1)?;
        Ok(heads
            .f_mul(&self.cosines)?
            .f_add(&swapped.f_mul(&self.sines)?)?)
    }
}

fn attention(
    weights: &mut Weights<'_>,
    normed: &Tensor,
    rotation: &Rotation,
) -> Result<Tensor, AlignmentError> {
    let (texts, tokens) = (normed.size()[0], normed.size()[1]);
    let width = (HIDDEN / HEADS) as i64;
    let mut heads = || -> Result<Tensor, AlignmentError> {
        let flat = weights.linear(normed, HIDDEN, HIDDEN)?;
        let split = flat.f_view([texts, tokens, HEADS as i64, width].as_slice())?;
        Ok(split.f_transpose(1, 2)?) // [texts, heads, tokens, width]
    };
    let queries = rotation.turned(&heads()?)?;
    let keys = rotation.turned(&heads()?)?;
    let values = heads()?;
    let products = queries.f_matmul(&keys.f_transpose(2, 3)?)?;
    let products = products.f_div_scalar((width as f64).sqrt())?;
    let products = products.f_masked_fill(&rotation.future, f64::NEG_INFINITY)?;
    let seen = products.f_softmax(-1, Kind::Double)?.f_matmul(&values)?;
    let joined = seen
        .f_transpose(1, 2)?
        .f_reshape([texts, tokens, HIDDEN as i64].as_slice())?;
    weights.linear(&joined, HIDDEN, HIDDEN)
}

/// Log-probabilities `[texts]` and the gradient of each, `[texts, parameters]`, by one backward pass
/// over as many copies of `parameters` (`[parameters]`) as there are texts.
///
/// # Errors
/// LibTorch.
pub fn scores(parameters: &Tensor, texts: &Texts) -> Result<(Tensor, Tensor), AlignmentError> {
    let count = texts.next.size()[0];
    let copies = parameters
        .f_detach()?
        .f_unsqueeze(0)?
        .f_repeat([count, 1].as_slice())?
        .f_set_requires_grad(true)?;
    let each = tch::with_grad(|| log_probabilities(&copies, texts))?;
    each.f_sum(Kind::Double)?.f_backward()?;
    Ok((each.f_detach()?, copies.grad()))
}
