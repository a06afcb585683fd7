//! The derivatives of [`super::rowwise`].

use super::activation::{exponential, sigmoid, tanh};
use super::rowwise::{Gate, inverse_root, lane_sum, largest, sum_of};

/// Backward through a norm; adds to both gradients.
pub(super) struct RmsNormBackward<'a> {
    pub(super) input: &'a [f32], // [rows, width]
    pub(super) gain: &'a [f32],  // [width]
    pub(super) epsilon: f32,
    pub(super) output_gradient: &'a [f32],    // [rows, width]
    pub(super) input_gradient: &'a mut [f32], // [rows, width]
    pub(super) gain_gradient: &'a mut [f32],  // [width]
}

/// Backward through a gate.
pub(super) struct GatedBackward<'a> {
    pub(super) gate: Gate,
    pub(super) both: &'a [f32], // [rows, 2 width]
    pub(super) width: usize,
    pub(super) output_gradient: &'a [f32],   // [rows, width]
    pub(super) both_gradient: &'a mut [f32], // [rows, 2 width]
}

/// Replaces the scores of a token by `weight` times the gradient of the log-probability of
/// `target` with respect to them.
pub(super) struct SoftGradient<'a> {
    pub(super) scores: &'a mut [f32],
    pub(super) target: usize,
    pub(super) weight: f32,
    /// The scores had been capped; the gradient is that of the scores before.
    pub(super) cap: Option<f32>,
}

/// Backward through a softmax whose values are `weights`, in place.
pub(super) struct SoftRowBackward<'a> {
    pub(super) weights: &'a [f32],
    pub(super) gradient: &'a mut [f32],
}

#[inline(always)]
pub(super) fn soft_row_backward<const LANES: usize>(task: &mut SoftRowBackward<'_>) {
    let mut sums = [0f32; LANES];
    let (weights, rest_weights) = task.weights.as_chunks::<LANES>();
    let (gradient, rest_gradient) = task.gradient.as_chunks::<LANES>();
    for (weights, gradient) in weights.iter().zip(gradient) {
        for lane in 0..LANES {
            sums[lane] += weights[lane] * gradient[lane];
        }
    }
    let rest = rest_weights.iter().zip(rest_gradient);
    let along = lane_sum(sums) + rest.map(|(a, b)| a * b).sum::<f32>();
    for (gradient, weight) in task.gradient.iter_mut().zip(task.weights) {
        *gradient = weight * (*gradient - along);
    }
}

#[inline(always)]
pub(super) fn rms_norm_backward<const LANES: usize>(task: &mut RmsNormBackward<'_>) {
    let width = task.gain.len();
    let rows = task.input.chunks_exact(width);
    let gradients = task.output_gradient.chunks_exact(width);
    let gradients = gradients.zip(task.input_gradient.chunks_exact_mut(width));
    for (input, (behind, before)) in rows.zip(gradients) {
        let scale = inverse_root::<LANES>(input, task.epsilon);
        let along = product_sum::<LANES>(input, behind, task.gain);
        let pull = scale * scale * scale * along / width as f32;
        let places = before.iter_mut().zip(input).zip(behind).zip(task.gain);
        for (((before, input), behind), gain) in places {
            *before += scale * gain * behind - pull * input;
        }
        let places = task.gain_gradient.iter_mut().zip(input).zip(behind);
        for ((sum, input), behind) in places {
            *sum += behind * (input * scale);
        }
    }
}

/// Sum of `a b c`.
#[inline(always)]
fn product_sum<const LANES: usize>(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
    let mut sums = [0f32; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    let (c, c_rest) = c.as_chunks::<LANES>();
    for ((a, b), c) in a.iter().zip(b).zip(c) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane] * c[lane];
        }
    }
    let rest = a_rest.iter().zip(b_rest).zip(c_rest);
    let rest: f32 = rest.map(|((a, b), c)| a * b * c).sum();
    lane_sum(sums) + rest
}

#[inline(always)]
pub(super) fn gated_backward<const FUSED: bool, const LANES: usize>(task: &mut GatedBackward<'_>) {
    match task.gate {
        Gate::Silu => through_gate::<LANES>(task, |x| {
            let open = sigmoid::<FUSED>(x);
            (x * open, open * (1.0 + x * (1.0 - open)))
        }),
        Gate::GeluTanh => through_gate::<LANES>(task, |x| {
            const SLOPE: f32 = 0.797_884_6; // sqrt(2 / pi)
            let bent = tanh::<FUSED>(SLOPE * (x + 0.044_715 * x * x * x));
            let inner = SLOPE * (1.0 + 3.0 * 0.044_715 * x * x);
            let half = 0.5 * (1.0 + bent);
            (x * half, half + 0.5 * x * (1.0 - bent * bent) * inner)
        }),
        Gate::Gelu => through_gate::<LANES>(task, |x| {
            const DENSITY: f32 = 0.398_942_3; // 1 / sqrt(2 pi)
            let part = super::rowwise::normal_part::<FUSED>(x);
            let density = DENSITY * exponential::<FUSED>((-0.5 * x * x).max(-87.0));
            (x * part, part + x * density)
        }),
    }
}

/// `value` gives the gate's output and its derivative.
#[inline(always)]
fn through_gate<const LANES: usize>(
    task: &mut GatedBackward<'_>,
    value: impl Fn(f32) -> (f32, f32),
) {
    let width = task.width;
    let rows = task.both.chunks_exact(2 * width);
    let gradients = task.output_gradient.chunks_exact(width);
    let gradients = gradients.zip(task.both_gradient.chunks_exact_mut(2 * width));
    for (both, (behind, before)) in rows.zip(gradients) {
        let (gates, ups) = both.split_at(width);
        let (of_gates, of_ups) = before.split_at_mut(width);
        // In whole vectors that are loaded before anything is stored: LLVM does not vectorise
        // over five slices that it cannot tell apart.
        let whole = width / LANES * LANES;
        gate_vectors::<LANES>(
            [&gates[..whole], &ups[..whole], &behind[..whole]],
            [&mut of_gates[..whole], &mut of_ups[..whole]],
            &value,
        );
        gate_vectors::<1>(
            [&gates[whole..], &ups[whole..], &behind[whole..]],
            [&mut of_gates[whole..], &mut of_ups[whole..]],
            &value,
        );
    }
}

#[inline(always)]
fn gate_vectors<const LANES: usize>(
    [gates, ups, behind]: [&[f32]; 3],
    [of_gates, of_ups]: [&mut [f32]; 2],
    value: &impl Fn(f32) -> (f32, f32),
) {
    let inputs = gates.as_chunks::<LANES>().0.iter();
    let inputs = inputs.zip(ups.as_chunks::<LANES>().0);
    let inputs = inputs.zip(behind.as_chunks::<LANES>().0);
    let outputs = of_gates.as_chunks_mut::<LANES>().0.iter_mut();
    let outputs = outputs.zip(of_ups.as_chunks_mut::<LANES>().0);
    for (((gate, up), behind), (of_gate, of_up)) in inputs.zip(outputs) {
        let (gate, up, behind) = (*gate, *up, *behind);
        let (mut left, mut right) = ([0f32; LANES], [0f32; LANES]);
        for lane in 0..LANES {
            let (open, slope) = value(gate[lane]);
            left[lane] = behind[lane] * up[lane] * slope;
            right[lane] = behind[lane] * open;
        }
        (*of_gate, *of_up) = (left, right);
    }
}

#[inline(always)]
pub(super) fn soft_gradient<const FUSED: bool, const LANES: usize>(task: &mut SoftGradient<'_>) {
    let best = largest::<LANES>(task.scores);
    let shifted = |score: f32| exponential::<FUSED>((score - best).clamp(-87.0, 0.0));
    let share = task.weight / sum_of::<LANES>(task.scores, shifted);
    let slope = |score: f32| {
        task.cap
            .map_or(1.0, |cap| 1.0 - (score / cap) * (score / cap))
    };
    let chosen = task.scores[task.target];
    let of_chosen = (task.weight - share * shifted(chosen)) * slope(chosen);
    match task.cap {
        None => {
            for score in task.scores.iter_mut() {
                *score = -share * shifted(*score);
            }
        }
        Some(_) => {
            for score in task.scores.iter_mut() {
                *score = -share * shifted(*score) * slope(*score);
            }
        }
    }
    task.scores[task.target] = of_chosen;
}
