//! Logistic function and hyperbolic tangent from one polynomial exponential, without
//! branches, so that they vectorise.

use super::tile::multiply_add;

/// `e^x` for `|x| <= 87`, relative error below 2e-7 (Cephes' `expf` polynomial).
#[inline(always)]
pub(super) fn exponential<const FUSED: bool>(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = multiply_add::<FUSED>(x, std::f32::consts::LOG2_E, ROUND);
    let power = shifted - ROUND;
    // ln 2 in two parts, the first short enough for an exact product.
    let rest = multiply_add::<FUSED>(power, -0.693_359_4, x);
    let rest = multiply_add::<FUSED>(power, 2.121_944_4e-4, rest);
    let mut sum = 1.987_569_1e-4;
    for coefficient in [
        1.398_2e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        sum = multiply_add::<FUSED>(sum, rest, coefficient);
    }
    let fraction = multiply_add::<FUSED>(sum, rest * rest, rest + 1.0);
    // 2^power: its bits moved into the exponent.
    let scale = (shifted.to_bits() << 23).wrapping_add(1f32.to_bits());
    fraction * f32::from_bits(scale)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(super) fn sigmoid<const FUSED: bool>(x: f32) -> f32 {
    1.0 / (1.0 + exponential::<FUSED>((-x).clamp(-87.0, 87.0)))
}

/// `tanh x`, as `(1 - e^-2x) / (1 + e^-2x)`.
#[inline(always)]
pub(super) fn tanh<const FUSED: bool>(x: f32) -> f32 {
    let decayed = exponential::<FUSED>((-2.0 * x).clamp(-87.0, 87.0));
    (1.0 - decayed) / (1.0 + decayed)
}

/// `x` above 0, else `e^x - 1`.
#[inline(always)]
pub(super) fn elu<const FUSED: bool>(x: f32) -> f32 {
    let below = exponential::<FUSED>(x.clamp(-87.0, 0.0)) - 1.0;
    if x > 0.0 { x } else { below }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest_error(function: fn(f32) -> f32, exact: fn(f64) -> f64) -> f64 {
        let grid = (-400_000..=400_000).map(|step| step as f32 * 1e-4);
        let far = [
            -1e30f32, -500.0, -88.0, -1e-20, 0.0, 1e-20, 88.0, 500.0, 1e30,
        ];
        grid.chain(far)
            .map(|x| (f64::from(function(x)) - exact(f64::from(x))).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn sigmoid_and_tanh_are_exact_to_2e_7() {
        let exact_sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        for (function, exact) in [
            (
                sigmoid::<true> as fn(f32) -> f32,
                exact_sigmoid as fn(f64) -> f64,
            ),
            (sigmoid::<false>, exact_sigmoid),
            (tanh::<true>, f64::tanh),
            (tanh::<false>, f64::tanh),
        ] {
            let error = largest_error(function, exact);
            assert!(error <= 2e-7, "{error}");
        }
    }

    #[test]
    fn not_a_number_stays_one() {
        assert!(sigmoid::<true>(f32::NAN).is_nan() && tanh::<true>(f32::NAN).is_nan());
    }
}
