//! What a language model does to each row between its products.

use super::activation::{exponential, sigmoid, tanh};

/// `output = input / sqrt(mean(input^2) + epsilon) * gain`, row by row.
pub(super) struct RmsNorm<'a> {
    pub(super) input: &'a [f32], // [rows, width]
    pub(super) gain: &'a [f32],  // [width]
    pub(super) epsilon: f32,
    pub(super) output: &'a mut [f32], // [rows, width]
}

/// The same of one row in its own place.
pub(super) struct RmsNormInPlace<'a> {
    pub(super) row: &'a mut [f32],
    pub(super) gain: &'a [f32],
    pub(super) epsilon: f32,
}

/// The activation of a gated feed-forward layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// `x sigmoid(x)`.
    Silu,
    /// The Gaussian error linear unit in its tanh form.
    GeluTanh,
    /// The exact Gaussian error linear unit.
    Gelu,
}

/// `output = gate(first half) * second half`, row by row.
pub(super) struct Gated<'a> {
    pub(super) gate: Gate,
    pub(super) both: &'a [f32], // [rows, 2 width]
    pub(super) width: usize,
    pub(super) output: &'a mut [f32], // [rows, width]
}

/// `values = cap tanh(values / cap)`.
pub(super) struct Capped<'a> {
    pub(super) cap: f32,
    pub(super) values: &'a mut [f32],
}

/// `best`: the largest of `values`, `sum`: that of `exp(values - best)`.
pub(super) struct SoftSum<'a> {
    pub(super) values: &'a [f32],
    pub(super) best: f32,
    pub(super) sum: f32,
}

/// `weights`: `exp(value - best)` of each of `values`, 0 where that is below `e^-87`;
/// `sums`: those of [`WEIGHTS`] weights each.
pub(super) struct SoftWeights<'a> {
    pub(super) values: &'a [f32],
    pub(super) best: f32,
    pub(super) weights: &'a mut [f32],
    pub(super) sums: &'a mut [f32],
}

/// `values`: their softmax, in place.
pub(super) struct SoftRow<'a> {
    pub(super) values: &'a mut [f32],
}

/// Weights in one sum.
pub(super) const WEIGHTS: usize = 256;

/// Adds up a vector by halves.
#[inline(always)]
pub(super) fn lane_sum<const LANES: usize>(mut vector: [f32; LANES]) -> f32 {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            vector[lane] += vector[lane + width];
        }
    }
    vector[0]
}

/// Sum of `term` over all values, in four vectors at a time.
#[inline(always)]
pub(super) fn sum_of<const LANES: usize>(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [[0f32; LANES]; 4];
    let (blocks, rest) = values.as_chunks::<LANES>();
    let (blocks, single) = blocks.as_chunks::<4>();
    for block in blocks {
        for (sum, vector) in sums.iter_mut().zip(block) {
            for lane in 0..LANES {
                sum[lane] += term(vector[lane]);
            }
        }
    }
    for vector in single {
        for lane in 0..LANES {
            sums[0][lane] += term(vector[lane]);
        }
    }
    let mut total = [0f32; LANES];
    for lane in 0..LANES {
        total[lane] = (sums[0][lane] + sums[1][lane]) + (sums[2][lane] + sums[3][lane]);
    }
    let rest: f32 = rest.iter().map(|value| term(*value)).sum();
    lane_sum(total) + rest
}

/// The largest of all values; not-a-number is passed over.
#[inline(always)]
pub(super) fn largest<const LANES: usize>(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut best = [[f32::NEG_INFINITY; LANES]; 4];
    let (blocks, rest) = values.as_chunks::<LANES>();
    let (blocks, single) = blocks.as_chunks::<4>();
    for block in blocks {
        for (best, vector) in best.iter_mut().zip(block) {
            for lane in 0..LANES {
                best[lane] = larger(best[lane], vector[lane]);
            }
        }
    }
    let all = best.as_flattened().iter();
    let all = all.chain(single.as_flattened()).chain(rest);
    all.fold(f32::NEG_INFINITY, |best, value| larger(best, *value))
}

#[inline(always)]
pub(super) fn rms_norm<const LANES: usize>(task: &mut RmsNorm<'_>) {
    let width = task.gain.len();
    let rows = task.input.chunks_exact(width);
    for (input, output) in rows.zip(task.output.chunks_exact_mut(width)) {
        let scale = inverse_root::<LANES>(input, task.epsilon);
        for ((output, value), gain) in output.iter_mut().zip(input).zip(task.gain) {
            *output = value * scale * gain;
        }
    }
}

#[inline(always)]
pub(super) fn rms_norm_in_place<const LANES: usize>(task: &mut RmsNormInPlace<'_>) {
    let scale = inverse_root::<LANES>(task.row, task.epsilon);
    for (value, gain) in task.row.iter_mut().zip(task.gain) {
        *value = *value * scale * gain;
    }
}

/// `1 / sqrt(mean(row^2) + epsilon)`.
#[inline(always)]
pub(super) fn inverse_root<const LANES: usize>(row: &[f32], epsilon: f32) -> f32 {
    let mean = sum_of::<LANES>(row, |value| value * value) / row.len() as f32;
    1.0 / (mean + epsilon).sqrt()
}

#[inline(always)]
pub(super) fn gated<const FUSED: bool>(task: &mut Gated<'_>) {
    let width = task.width;
    let rows = task.both.chunks_exact(2 * width);
    for (both, output) in rows.zip(task.output.chunks_exact_mut(width)) {
        let (gates, ups) = both.split_at(width);
        let places = output.iter_mut().zip(gates).zip(ups);
        match task.gate {
            Gate::Silu => {
                for ((output, gate), up) in places {
                    *output = gate * sigmoid::<FUSED>(*gate) * up;
                }
            }
            Gate::GeluTanh => {
                for ((output, gate), up) in places {
                    *output = gelu_tanh::<FUSED>(*gate) * up;
                }
            }
            Gate::Gelu => {
                for ((output, gate), up) in places {
                    *output = gelu::<FUSED>(*gate) * up;
                }
            }
        }
    }
}

#[inline(always)]
fn gelu_tanh<const FUSED: bool>(x: f32) -> f32 {
    const SLOPE: f32 = 0.797_884_6; // sqrt(2 / pi)
    let inner = SLOPE * (x + 0.044_715 * x * x * x);
    0.5 * x * (1.0 + tanh::<FUSED>(inner))
}

#[inline(always)]
fn gelu<const FUSED: bool>(x: f32) -> f32 {
    x * normal_part::<FUSED>(x)
}

/// The part of a normal distribution below `x`, by the error function to 1.5e-7 (Abramowitz
/// and Stegun 1964, 7.1.26).
#[inline(always)]
pub(super) fn normal_part<const FUSED: bool>(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let mut sum = 1.061_405_4f32;
    for coefficient in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        sum = sum * t + coefficient;
    }
    let tail = 0.5 * sum * t * exponential::<FUSED>((-z * z).max(-87.0));
    if x < 0.0 { tail } else { 1.0 - tail }
}

#[inline(always)]
pub(super) fn capped<const FUSED: bool>(task: &mut Capped<'_>) {
    let cap = task.cap;
    for value in task.values.iter_mut() {
        *value = cap * tanh::<FUSED>(*value / cap);
    }
}

#[inline(always)]
pub(super) fn soft_sum<const FUSED: bool, const LANES: usize>(task: &mut SoftSum<'_>) {
    let best = largest::<LANES>(task.values);
    task.best = best;
    task.sum = sum_of::<LANES>(task.values, |value| {
        exponential::<FUSED>((value - best).clamp(-87.0, 0.0))
    });
}

#[inline(always)]
pub(super) fn soft_weights<const FUSED: bool, const LANES: usize>(task: &mut SoftWeights<'_>) {
    let best = task.best;
    for (weight, value) in task.weights.iter_mut().zip(task.values) {
        let below = value - best;
        let power = exponential::<FUSED>(below.clamp(-87.0, 0.0));
        *weight = if below >= -87.0 { power } else { 0.0 };
    }
    for (sum, weights) in task.sums.iter_mut().zip(task.weights.chunks(WEIGHTS)) {
        *sum = sum_of::<LANES>(weights, |weight| weight);
    }
}

#[inline(always)]
pub(super) fn soft_row<const FUSED: bool, const LANES: usize>(task: &mut SoftRow<'_>) {
    let best = largest::<LANES>(task.values);
    for value in task.values.iter_mut() {
        *value = exponential::<FUSED>((*value - best).clamp(-87.0, 0.0));
    }
    let share = 1.0 / sum_of::<LANES>(task.values, |value| value);
    for value in task.values.iter_mut() {
        *value *= share;
    }
}

/// Replaces `scores` `[places, ROWS]` by `exp(score - largest of its column)`; returns the
/// sum of each column. `ROWS` divides `LANES`.
#[inline(always)]
pub(super) fn soften<const FUSED: bool, const LANES: usize, const ROWS: usize>(
    scores: &mut [f32],
) -> [f32; ROWS] {
    let mut best = [f32::NEG_INFINITY; LANES];
    for_lanes(scores, &mut best, |score, best| {
        *best = if *score > *best { *score } else { *best };
    });
    let best = by_column::<LANES, ROWS>(best, |a, b| if b > a { b } else { a });
    let mut lanes = [0f32; LANES];
    for (lane, value) in lanes.iter_mut().enumerate() {
        *value = best[lane % ROWS];
    }
    let mut sums = [0f32; LANES];
    for_lanes(scores, &mut lanes, |score, best| {
        *score = exponential::<FUSED>((*score - *best).max(-87.0));
    });
    for_lanes(scores, &mut sums, |score, sum| *sum += *score);
    by_column::<LANES, ROWS>(sums, |a, b| a + b)
}

/// Runs `step` on every value with the state of its lane.
#[inline(always)]
fn for_lanes<const LANES: usize>(
    values: &mut [f32],
    state: &mut [f32; LANES],
    step: impl Fn(&mut f32, &mut f32),
) {
    let (blocks, rest) = values.as_chunks_mut::<LANES>();
    let mut lanes = *state;
    for block in blocks {
        for lane in 0..LANES {
            step(&mut block[lane], &mut lanes[lane]);
        }
    }
    for (value, lane) in rest.iter_mut().zip(&mut lanes) {
        step(value, lane);
    }
    *state = lanes;
}

/// Joins the lanes of each column.
#[inline(always)]
fn by_column<const LANES: usize, const COLUMNS: usize>(
    lanes: [f32; LANES],
    join: impl Fn(f32, f32) -> f32,
) -> [f32; COLUMNS] {
    let mut columns = [0f32; COLUMNS];
    for (column, value) in columns.iter_mut().enumerate() {
        let lanes = lanes.iter().skip(column).step_by(COLUMNS).copied();
        *value = lanes.reduce(&join).unwrap_or(0.0);
    }
    columns
}
