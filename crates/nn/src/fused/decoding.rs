//! One token of a language model: everything between the products.
//!
//! LibTorch calls a dozen operations for a norm, a rotation and an attention, and each costs
//! more than its arithmetic when there are only a few rows. These read and write plain slices.

use super::attend::{Attend, Past};
use super::dispatch;
use super::rowwise::{Capped, Gate, Gated, RmsNorm, RmsNormInPlace, SoftSum, SoftWeights, WEIGHTS};

/// Root-mean-square norm of every row: `input / sqrt(mean(input^2) + epsilon) * gain`.
///
/// `input` and `output` `[rows, width]`, `gain` `[width]`.
///
/// # Panics
/// When the lengths disagree.
pub fn rms_norm(input: &[f32], gain: &[f32], epsilon: f32, output: &mut [f32]) {
    assert_eq!(input.len(), output.len(), "a norm keeps the shape");
    assert!(input.len().is_multiple_of(gain.len()), "rows are whole");
    (dispatch::best().rms_norm)(&mut RmsNorm {
        input,
        gain,
        epsilon,
        output,
    });
}

/// As [`rms_norm`], of one row in its own place.
///
/// # Panics
/// When the lengths disagree.
pub fn rms_norm_in_place(row: &mut [f32], gain: &[f32], epsilon: f32) {
    assert_eq!(row.len(), gain.len(), "a gain for each value");
    (dispatch::best().rms_norm_in_place)(&mut RmsNormInPlace { row, gain, epsilon });
}

/// `gate(first half) * second half` of every row: `both` `[rows, 2 width]` to `output`
/// `[rows, width]`.
///
/// # Panics
/// When the lengths disagree.
pub fn gated(gate: Gate, both: &[f32], width: usize, output: &mut [f32]) {
    assert_eq!(both.len(), 2 * output.len(), "two inputs for each output");
    assert!(output.len().is_multiple_of(width), "rows are whole");
    (dispatch::best().gated)(&mut Gated {
        gate,
        both,
        width,
        output,
    });
}

/// `values = cap tanh(values / cap)`.
pub fn cap_softly(cap: f32, values: &mut [f32]) {
    (dispatch::best().capped)(&mut Capped { cap, values });
}

/// The largest of `values` and the sum of `exp(value - largest)`.
pub fn soft_sum(values: &[f32]) -> (f32, f32) {
    let mut task = SoftSum {
        values,
        best: 0.0,
        sum: 0.0,
    };
    (dispatch::best().soft_sum)(&mut task);
    (task.best, task.sum)
}

/// Weights that [`soft_weights`] adds up together.
pub const WEIGHTS_PER_SUM: usize = WEIGHTS;

/// `exp(value - best)` of each of `values` to `weights`, 0 where that is below `e^-87`, and
/// to `sums` those of every [`WEIGHTS_PER_SUM`]. No value is above `best`, which is finite.
///
/// # Panics
/// When the lengths disagree.
pub fn soft_weights(values: &[f32], best: f32, weights: &mut [f32], sums: &mut [f32]) {
    assert_eq!(values.len(), weights.len(), "a weight for each value");
    assert_eq!(sums.len(), values.len().div_ceil(WEIGHTS), "a sum each");
    (dispatch::best().soft_weights)(&mut SoftWeights {
        values,
        best,
        weights,
        sums,
    });
}

/// The place of the first of the largest `values`; none when one of them is no number, or
/// there are none.
pub fn first_of_largest(values: &[f32]) -> Option<usize> {
    // Sixteen at a time, which any vector width divides.
    let (blocks, rest) = values.as_chunks::<16>();
    let mut best = [f32::NEG_INFINITY; 16];
    let mut odd = [0u32; 16];
    for block in blocks {
        for lane in 0..16 {
            let value = block[lane];
            best[lane] = if value > best[lane] {
                value
            } else {
                best[lane]
            };
            odd[lane] |= u32::from(value.is_nan());
        }
    }
    let odd = odd.iter().any(|odd| *odd != 0) || rest.iter().any(|value| value.is_nan());
    let best = best.iter().chain(rest).copied();
    let best = best.fold(f32::NEG_INFINITY, f32::max);
    values
        .iter()
        .position(|value| *value == best)
        .filter(|_| !odd)
}

/// Turns the first dimensions of `head` by a rotary position: pair `(a, b)` by
/// angle `t` to `(a cos t - b sin t, b cos t + a sin t)`.
///
/// `cosine` and `sine` `[turned]`, the first half of the sine negative; `head` is at least
/// that long, and pairs are `(d, d + turned / 2)`.
pub fn turn(head: &mut [f32], cosine: &[f32], sine: &[f32]) {
    let half = cosine.len() / 2;
    let (low, high) = head.split_at_mut(half);
    let (cosines, sines) = (cosine.split_at(half), sine.split_at(half));
    for at in 0..half {
        let (a, b) = (low[at], high[at]);
        low[at] = a * cosines.0[at] + b * sines.0[at];
        high[at] = b * cosines.1[at] + a * sines.1[at];
    }
}

/// Backward through [`turn`]: the gradient of `head` from that of the turned one, in place.
pub fn turn_back(head: &mut [f32], cosine: &[f32], sine: &[f32]) {
    let half = cosine.len() / 2;
    let (low, high) = head.split_at_mut(half);
    let (cosines, sines) = (cosine.split_at(half), sine.split_at(half));
    for at in 0..half {
        let (a, b) = (low[at], high[at]);
        low[at] = a * cosines.0[at] + b * sines.1[at];
        high[at] = b * cosines.1[at] + a * sines.0[at];
    }
}

/// Attention of one token of one text, to the places it sees.
#[derive(Clone, Copy, Debug)]
pub struct TokenAttention {
    /// Query heads that share a key head.
    pub group: usize,
    /// Width of a head.
    pub width: usize,
    /// Multiplies the scores.
    pub scale: f32,
    /// Caps the scores: `cap tanh(score / cap)`.
    pub cap: Option<f32>,
}

impl TokenAttention {
    /// `queries` `[group, width]` over `keys` and `values` `[places, width]` to `output`
    /// `[group, width]`; `scores` is scratch of `2 * places` at least.
    ///
    /// # Panics
    /// When the lengths disagree.
    pub fn attend(
        &self,
        queries: &[f32],
        keys: &[f32],
        values: &[f32],
        scores: &mut [f32],
        output: &mut [f32],
    ) {
        let width = self.width;
        assert_eq!(queries.len(), self.group * width, "a group of queries");
        assert_eq!(output.len(), queries.len(), "an output for each query");
        assert_eq!(keys.len(), values.len(), "a value for each key");
        assert!(
            !keys.is_empty() && keys.len().is_multiple_of(width),
            "whole keys"
        );
        (dispatch::best().attend)(&mut Attend {
            queries,
            past: Past {
                keys,
                values,
                width,
                scale: self.scale,
                cap: self.cap,
            },
            scores: &mut scores[..2 * keys.len() / width],
            output,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::flat_values;
    use crate::random::RandomStream;
    use tch::{Kind, Tensor};

    fn drawn(stream: &mut RandomStream, count: usize) -> Vec<f32> {
        (0..count).map(|_| 4.0 * (stream.uniform() - 0.5)).collect()
    }

    fn near(ours: &[f32], theirs: &Tensor, what: &str) {
        let theirs = flat_values(&theirs.reshape([-1]).to_kind(Kind::Float));
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!(
                (ours - theirs).abs() < 5e-6,
                "{what}: {ours} against {theirs}"
            );
        }
    }

    #[test]
    fn norms_are_libtorch_s() {
        let mut stream = RandomStream::new(1, "norm", 0);
        for width in [3, 24, 64, 131] {
            let (input, gain) = (drawn(&mut stream, 5 * width), drawn(&mut stream, width));
            let mut output = vec![f32::NAN; input.len()];
            rms_norm(&input, &gain, 1e-5, &mut output);
            let input = Tensor::from_slice(&input).view([5, width as i64]);
            let mean = input.square().mean_dim(-1, true, Kind::Float);
            let wanted = &input * (mean + 1e-5).rsqrt() * Tensor::from_slice(&gain);
            near(&output, &wanted, "norm");
            let row = &mut output[..width];
            row.copy_from_slice(&flat_values(&input.get(0)));
            rms_norm_in_place(row, &gain, 1e-5);
            near(row, &wanted.get(0), "norm in place");
        }
    }

    #[test]
    fn gates_are_libtorch_s() {
        let mut stream = RandomStream::new(2, "gates", 0);
        for (gate, width) in [(Gate::Silu, 37), (Gate::GeluTanh, 16), (Gate::Gelu, 50)] {
            let both = drawn(&mut stream, 3 * 2 * width);
            let mut output = vec![f32::NAN; 3 * width];
            gated(gate, &both, width, &mut output);
            let both = Tensor::from_slice(&both).view([3, 2 * width as i64]);
            let parts = both.chunk(2, -1);
            let opened = match gate {
                Gate::Silu => parts[0].silu(),
                Gate::GeluTanh => parts[0].gelu("tanh"),
                Gate::Gelu => parts[0].gelu("none"),
            };
            near(&output, &(opened * &parts[1]), "gate");
        }
    }

    #[test]
    fn attention_is_libtorch_s() {
        let mut stream = RandomStream::new(3, "attention", 0);
        for (group, width, places, cap) in [
            (1, 64, 1, None),
            (2, 64, 37, None),
            (3, 24, 18, Some(2.0)),
            (4, 96, 131, None),
            (5, 16, 7, Some(50.0)),
        ] {
            let queries = drawn(&mut stream, group * width);
            let (keys, values) = (
                drawn(&mut stream, places * width),
                drawn(&mut stream, places * width),
            );
            let attention = TokenAttention {
                group,
                width,
                scale: 0.125,
                cap,
            };
            let mut output = vec![f32::NAN; group * width];
            let mut scores = vec![f32::NAN; 2 * places];
            attention.attend(&queries, &keys, &values, &mut scores, &mut output);
            let matrix = |values: &[f32]| Tensor::from_slice(values).view([-1, width as i64]);
            let mut wanted = matrix(&queries).matmul(&matrix(&keys).tr()) * 0.125;
            if let Some(cap) = cap {
                wanted = (wanted / f64::from(cap)).tanh() * f64::from(cap);
            }
            let wanted = wanted.softmax(-1, Kind::Float).matmul(&matrix(&values));
            near(&output, &wanted, "attention");
        }
    }

    #[test]
    fn the_first_of_the_largest_is_found() {
        let mut stream = RandomStream::new(5, "largest", 0);
        for count in [1, 15, 16, 130, 4099] {
            let mut values = drawn(&mut stream, count);
            values[count / 2] = 9.0;
            values[count - 1] = 9.0;
            assert_eq!(first_of_largest(&values), Some(count / 2));
            values[count / 3] = f32::NAN;
            assert_eq!(first_of_largest(&values), None);
        }
        assert_eq!(first_of_largest(&[f32::NEG_INFINITY; 20]), Some(0));
        assert_eq!(first_of_largest(&[]), None);
    }

    #[test]
    fn the_soft_sum_and_the_cap_are_libtorch_s() {
        let mut stream = RandomStream::new(4, "scores", 0);
        for count in [1, 5, 64, 4097] {
            let mut values = drawn(&mut stream, count);
            let (best, sum) = soft_sum(&values);
            let wanted = Tensor::from_slice(&values);
            let logarithm = f64::from(best) + f64::from(sum).ln();
            let off = (logarithm - wanted.logsumexp(0, false).double_value(&[])).abs();
            assert!(off < 2e-6 * logarithm.abs().max(1.0), "{count}: {off}");
            let mut weights = vec![f32::NAN; count];
            let mut sums = vec![f32::NAN; count.div_ceil(WEIGHTS_PER_SUM)];
            soft_weights(&values, best, &mut weights, &mut sums);
            near(&weights, &(&wanted - f64::from(best)).exp(), "weights");
            let off = (sums.iter().sum::<f32>() - sum).abs() / sum;
            assert!(off < 2e-6, "{count}: {off}");
            cap_softly(1.5, &mut values);
            near(&values, &((wanted / 1.5).tanh() * 1.5), "cap");
        }
    }
}
