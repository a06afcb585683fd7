//! The monotone mixing of values, row by row: products of vectors with weights that differ in
//! every row, generic over the vector width like the operations of [`super::kernels`].

use super::activation::elu;
use super::tile::multiply_add;

/// `mixed = elu(values |first| + hidden) |last| + value · value_weight + value_bias`, per row.
pub(super) struct Mix<'a> {
    pub(super) agents: usize,
    pub(super) embedding: usize,
    pub(super) values: &'a [f32],              // [rows, agents]
    pub(super) first: (&'a [f32], usize),      // [rows, agents, embedding], row stride
    pub(super) hidden: (&'a mut [f32], usize), // [rows, embedding]: bias in, activation out
    pub(super) last: (&'a [f32], usize),       // [rows, embedding]
    pub(super) value: (&'a [f32], usize),      // [rows, embedding], after its ReLU
    pub(super) value_weight: &'a [f32],        // [embedding]
    pub(super) value_bias: f32,
    pub(super) mixed: &'a mut [f32], // [rows]
}

/// Backward through [`Mix`]; gradients are written, but those of the value's weights added.
pub(super) struct MixBackward<'a> {
    pub(super) agents: usize,
    pub(super) embedding: usize,
    pub(super) mixed_gradient: &'a [f32], // [rows]
    pub(super) values: &'a [f32],         // as in `Mix`, as the next four
    pub(super) first: (&'a [f32], usize),
    pub(super) hidden: (&'a [f32], usize), // activation
    pub(super) last: (&'a [f32], usize),
    pub(super) value: (&'a [f32], usize),
    pub(super) value_weight: &'a [f32],
    pub(super) values_gradient: &'a mut [f32], // [rows, agents]
    pub(super) first_gradient: &'a mut [f32],  // strides as above
    pub(super) hidden_gradient: &'a mut [f32], // before the activation
    pub(super) last_gradient: &'a mut [f32],
    pub(super) value_gradient: &'a mut [f32], // before its ReLU
    pub(super) value_weight_sum: &'a mut [f32], // [embedding]
    pub(super) value_bias_sum: &'a mut f32,
}

/// `sum of a[i] b[i]`, with as many partial sums as lanes.
#[inline(always)]
fn dot<const FUSED: bool, const LANES: usize>(a: &[f32], b: impl Fn(usize) -> f32) -> f32 {
    let mut sums = [0f32; LANES];
    let whole = a.len() / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum = multiply_add::<FUSED>(a[start + lane], b(start + lane), *sum);
        }
    }
    let rest = (whole..a.len()).map(|index| a[index] * b(index));
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}

/// `gradient` with the sign of `weight`: backward through its absolute value.
#[inline(always)]
fn signed(gradient: f32, weight: f32) -> f32 {
    if weight > 0.0 {
        gradient
    } else if weight < 0.0 {
        -gradient
    } else {
        weight * 0.0 // 0, or not a number
    }
}

#[inline(always)]
pub(super) fn mix<const FUSED: bool, const LANES: usize>(task: &mut Mix<'_>) {
    let (agents, size) = (task.agents, task.embedding);
    let rows = task.values.chunks_exact(agents).zip(task.mixed.iter_mut());
    for (row, (values, mixed)) in rows.enumerate() {
        let first = &task.first.0[row * task.first.1..][..agents * size];
        let hidden = &mut task.hidden.0[row * task.hidden.1..][..size];
        let last = &task.last.0[row * task.last.1..][..size];
        let value = &task.value.0[row * task.value.1..][..size];
        for (&q, weights) in values.iter().zip(first.chunks_exact(size)) {
            for (sum, weight) in hidden.iter_mut().zip(weights) {
                *sum = multiply_add::<FUSED>(q, weight.abs(), *sum);
            }
        }
        for unit in hidden.iter_mut() {
            *unit = elu::<FUSED>(*unit);
        }
        let weight = &task.value_weight[..size];
        let bias = task.value_bias + dot::<FUSED, LANES>(value, |index| weight[index]);
        *mixed = bias + dot::<FUSED, LANES>(hidden, |index| last[index].abs());
    }
}

#[inline(always)]
pub(super) fn mix_backward<const FUSED: bool, const LANES: usize>(task: &mut MixBackward<'_>) {
    let (agents, size) = (task.agents, task.embedding);
    for (row, &gradient) in task.mixed_gradient.iter().enumerate() {
        let values = &task.values[row * agents..][..agents];
        let values_gradient = &mut task.values_gradient[row * agents..][..agents];
        let at = row * task.first.1;
        let first = &task.first.0[at..][..agents * size];
        let first_gradient = &mut task.first_gradient[at..][..agents * size];
        let at = row * task.hidden.1;
        let hidden = &task.hidden.0[at..][..size];
        let hidden_gradient = &mut task.hidden_gradient[at..][..size];
        let at = row * task.last.1;
        let last = &task.last.0[at..][..size];
        let last_gradient = &mut task.last_gradient[at..][..size];
        for unit in 0..size {
            last_gradient[unit] = signed(gradient * hidden[unit], last[unit]);
            let slope = if hidden[unit] > 0.0 {
                1.0
            } else {
                hidden[unit] + 1.0
            };
            hidden_gradient[unit] = gradient * last[unit].abs() * slope;
        }
        for agent in 0..agents {
            let weights = &first[agent * size..][..size];
            let to = &mut first_gradient[agent * size..][..size];
            for unit in 0..size {
                to[unit] = signed(hidden_gradient[unit] * values[agent], weights[unit]);
            }
            values_gradient[agent] =
                dot::<FUSED, LANES>(hidden_gradient, |unit| weights[unit].abs());
        }
        let at = row * task.value.1;
        let value = &task.value.0[at..][..size];
        let value_gradient = &mut task.value_gradient[at..][..size];
        let (weight, sum) = (
            &task.value_weight[..size],
            &mut task.value_weight_sum[..size],
        );
        for unit in 0..size {
            sum[unit] = multiply_add::<FUSED>(gradient, value[unit], sum[unit]);
            value_gradient[unit] = if value[unit] <= 0.0 {
                0.0
            } else {
                gradient * weight[unit]
            };
        }
        *task.value_bias_sum += gradient;
    }
}
