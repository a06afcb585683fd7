//! One step of an optimiser in one pass over memory, and the squares of a gradient.
//!
//! The order of operations is that of `torch.optim`. The bits are not: the square root that
//! LibTorch takes of a whole tensor is off by a bit in one of five numbers, this one in none.

use super::tile::multiply_add;

/// Numbers that go through all operations together, so that they stay in the first cache.
const BLOCK: usize = 1024;

/// What an optimiser does with one gradient, all factors of the step worked out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    /// `first`: mean of gradients; `second`: mean of squares.
    Adam {
        /// `1 - beta1`
        gain: f32,
        beta2: f32,
        /// `1 - beta2`
        square_gain: f32,
        /// Root of the second correction.
        root: f32,
        epsilon: f32,
        /// `-learning rate / first correction`
        rate: f32,
    },
    /// `second`: mean of squares.
    RmsProp {
        alpha: f32,
        /// `1 - alpha`
        square_gain: f32,
        epsilon: f32,
        /// `-learning rate`
        rate: f32,
    },
    /// `first`: decayed sum of gradients; none without momentum.
    Sgd { momentum: f32, rate: f32 },
}

/// One step on some weights; all slices are of one length, or empty where not needed.
#[derive(Debug)]
pub(crate) struct Update<'a> {
    pub(crate) rule: Rule,
    /// Multiplies the gradient first (clipping).
    pub(crate) scale: f32,
    /// Multiplies the weights first (decoupled decay); 1 for none.
    pub(crate) shrink: f32,
    /// Times the weights is added to the gradient (decay as a penalty); 0 for none.
    pub(crate) penalty: f32,
    pub(crate) values: &'a mut [f32],
    /// Read, and set to 0 for the next sum.
    pub(crate) gradient: &'a mut [f32],
    pub(crate) first: &'a mut [f32],
    pub(crate) second: &'a mut [f32],
    /// The new weights rounded to bf16.
    pub(crate) rounded: &'a mut [u16],
}

/// The sum of the squares of `values`, in f64.
pub(super) struct Squares<'a> {
    pub(super) values: &'a [f32],
    pub(super) sum: f64,
}

/// The upper half of `value`, rounded to nearest, ties to even.
#[inline(always)]
pub(crate) fn to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7FFF + ((bits >> 16) & 1));
    if value.is_nan() {
        0x7FC0
    } else {
        (rounded >> 16) as u16
    }
}

#[inline(always)]
pub(super) fn update<const FUSED: bool>(task: &mut Update<'_>) {
    let mut slope = [0f32; BLOCK];
    for start in (0..task.values.len()).step_by(BLOCK) {
        let end = (start + BLOCK).min(task.values.len());
        let values = &mut task.values[start..end];
        let slope = &mut slope[..values.len()];
        slope.copy_from_slice(&task.gradient[start..end]);
        task.gradient[start..end].fill(0.0);
        if task.scale != 1.0 {
            for slope in slope.iter_mut() {
                *slope *= task.scale;
            }
        }
        if task.shrink != 1.0 {
            for value in values.iter_mut() {
                *value *= task.shrink;
            }
        }
        if task.penalty != 0.0 {
            for (slope, value) in slope.iter_mut().zip(values.iter()) {
                *slope = multiply_add::<FUSED>(task.penalty, *value, *slope);
            }
        }
        match task.rule {
            Rule::Adam { .. } => {
                let (first, second) = (&mut task.first[start..end], &mut task.second[start..end]);
                adam::<FUSED>(task.rule, values, slope, first, second);
            }
            Rule::RmsProp { .. } => {
                rms_prop::<FUSED>(task.rule, values, slope, &mut task.second[start..end]);
            }
            Rule::Sgd { momentum, rate } => {
                if momentum != 0.0 {
                    let first = &mut task.first[start..end];
                    for (sum, slope) in first.iter_mut().zip(slope.iter_mut()) {
                        *sum = *sum * momentum + *slope;
                        *slope = *sum;
                    }
                }
                for (value, slope) in values.iter_mut().zip(slope.iter()) {
                    *value = multiply_add::<FUSED>(rate, *slope, *value);
                }
            }
        }
        if !task.rounded.is_empty() {
            for (rounded, value) in task.rounded[start..end].iter_mut().zip(values.iter()) {
                *rounded = to_bf16(*value);
            }
        }
    }
}

#[inline(always)]
fn adam<const FUSED: bool>(
    rule: Rule,
    values: &mut [f32],
    slope: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let Rule::Adam {
        gain,
        beta2,
        square_gain,
        root,
        epsilon,
        rate,
    } = rule
    else {
        return;
    };
    let moments = first.iter_mut().zip(second);
    for ((value, slope), (first, second)) in values.iter_mut().zip(slope).zip(moments) {
        *first = multiply_add::<FUSED>(gain, slope - *first, *first);
        *second = multiply_add::<FUSED>(slope * square_gain, *slope, *second * beta2);
        let denominator = second.sqrt() / root + epsilon;
        *value += 1.0 / denominator * *first * rate;
    }
}

#[inline(always)]
fn rms_prop<const FUSED: bool>(rule: Rule, values: &mut [f32], slope: &[f32], second: &mut [f32]) {
    let Rule::RmsProp {
        alpha,
        square_gain,
        epsilon,
        rate,
    } = rule
    else {
        return;
    };
    for ((value, slope), second) in values.iter_mut().zip(slope).zip(second) {
        *second = multiply_add::<FUSED>(slope * square_gain, *slope, *second * alpha);
        *value += slope / (second.sqrt() + epsilon) * rate;
    }
}

#[inline(always)]
pub(super) fn squares<const LANES: usize>(task: &mut Squares<'_>) {
    let (vectors, rest) = task.values.as_chunks::<LANES>();
    let mut sums = [0f64; LANES];
    for vector in vectors {
        for (sum, value) in sums.iter_mut().zip(vector) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    let rest = rest.iter().map(|value| f64::from(*value).powi(2));
    task.sum = sums.iter().sum::<f64>() + rest.sum::<f64>();
}

#[cfg(test)]
mod tests {
    use super::super::dispatch;
    use super::*;
    use crate::random::RandomStream;

    fn drawn(count: usize, index: u64) -> Vec<f32> {
        let mut stream = RandomStream::new(3, "update", index);
        (0..count).map(|_| stream.uniform() - 0.5).collect()
    }

    #[test]
    fn all_instruction_sets_agree() {
        let rules = [
            Rule::Adam {
                gain: 0.1,
                beta2: 0.999,
                square_gain: 0.001,
                root: 0.5,
                epsilon: 1e-8,
                rate: -1e-2,
            },
            Rule::RmsProp {
                alpha: 0.99,
                square_gain: 0.01,
                epsilon: 1e-8,
                rate: -1e-2,
            },
            Rule::Sgd {
                momentum: 0.9,
                rate: -1e-2,
            },
        ];
        const COUNT: usize = 2 * BLOCK + 37;
        for rule in rules {
            let run = |kernels: &dispatch::Kernels| {
                let [mut values, mut gradient, mut first] = [0, 1, 2].map(|at| drawn(COUNT, at));
                let mut second: Vec<f32> =
                    drawn(COUNT, 3).iter().map(|value| value.abs()).collect();
                let mut rounded = vec![0u16; COUNT];
                (kernels.update)(&mut Update {
                    rule,
                    scale: 0.5,
                    shrink: 0.99,
                    penalty: 0.1,
                    values: &mut values,
                    gradient: &mut gradient,
                    first: &mut first,
                    second: &mut second,
                    rounded: &mut rounded,
                });
                assert!(gradient.iter().all(|value| *value == 0.0));
                for (rounded, value) in rounded.iter().zip(&values) {
                    let back = f32::from_bits(u32::from(*rounded) << 16);
                    assert!((back - value).abs() <= value.abs() / 256.0);
                }
                values
            };
            let tables = dispatch::available();
            let expected = run(tables[tables.len() - 1]);
            for kernels in &tables {
                for (ours, wanted) in run(kernels).iter().zip(&expected) {
                    assert!(
                        (ours - wanted).abs() <= 1e-6,
                        "{}: {ours} for {wanted}",
                        kernels.name
                    );
                }
            }
        }
    }

    #[test]
    fn rounding_is_to_the_nearest_even() {
        for (value, wanted) in [
            (1.0, 0x3F80),
            (1.003_906_2, 0x3F80),
            (1.011_718_8, 0x3F82),
            (-0.0, 0x8000),
        ] {
            assert_eq!(to_bf16(value), wanted, "{value}");
        }
        assert_eq!(to_bf16(f32::NAN), 0x7FC0);
        assert_eq!(to_bf16(f32::MAX), 0x7F80);
    }
}
