//! What is done to each row by itself, shared between threads.
//!
//! Sums and copies are here as well: after each of LibTorch's parallel loops its threads spin
//! for a while and take the cores from ours, 2 of 5 parts of a pass's time on two threads.

use nn::fused::matrix::on_threads;
use nn::fused::{Gate, backward, decoding};

use super::threads;

/// Numbers for which starting a thread pays.
const SHARED_FROM: usize = 1 << 16;

/// Rows of one thread, of `rows` of `width` numbers.
pub(super) fn share(rows: usize, width: usize) -> usize {
    let most = (rows * width / SHARED_FROM).max(1);
    rows.div_ceil(threads().min(most)).max(1)
}

/// `sum += values`.
pub(super) fn add(sum: &mut [f32], values: &[f32]) {
    let part = share(sum.len(), 1);
    on_threads(
        sum.chunks_mut(part).zip(values.chunks(part)),
        |(sum, values)| {
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum += value;
            }
        },
    );
}

/// The rows `places` of `source`, `width` wide, times `scale`, to `output`.
pub(super) fn gathered(
    source: &[f32],
    width: usize,
    places: &[i64],
    scale: f32,
    output: &mut [f32],
) {
    let part = share(places.len(), width);
    let parts = places.chunks(part).zip(output.chunks_mut(part * width));
    on_threads(parts, |(places, output)| {
        for (place, output) in places.iter().zip(output.chunks_exact_mut(width)) {
            let row = &source[*place as usize * width..][..width];
            for (output, value) in output.iter_mut().zip(row) {
                *output = scale * value;
            }
        }
    });
}

/// As [`decoding::rms_norm`].
pub(super) fn normed(input: &[f32], gain: &[f32], epsilon: f32, output: &mut [f32]) {
    let width = gain.len();
    let part = share(input.len() / width, width) * width;
    let parts = input.chunks(part).zip(output.chunks_mut(part));
    on_threads(parts, |(input, output)| {
        decoding::rms_norm(input, gain, epsilon, output);
    });
}

/// As [`backward::rms_norm_backward`].
pub(super) fn normed_backward(
    input: &[f32],
    gain: &[f32],
    epsilon: f32,
    behind: &[f32],
    before: &mut [f32],
    of_gain: &mut [f32],
) {
    let width = gain.len();
    let part = share(input.len() / width, width) * width;
    let mut sums = vec![0f32; input.len().div_ceil(part) * width];
    let parts = input.chunks(part).zip(behind.chunks(part));
    let parts = parts.zip(before.chunks_mut(part));
    let parts = parts.zip(sums.chunks_exact_mut(width));
    on_threads(parts, |(((input, behind), before), sums)| {
        backward::rms_norm_backward(input, gain, epsilon, behind, before, sums);
    });
    for sums in sums.chunks_exact(width) {
        for (sum, value) in of_gain.iter_mut().zip(sums) {
            *sum += value;
        }
    }
}

/// As [`decoding::gated`].
pub(super) fn gated(gate: Gate, both: &[f32], width: usize, output: &mut [f32]) {
    let part = share(output.len() / width, width) * width;
    let parts = both.chunks(2 * part).zip(output.chunks_mut(part));
    on_threads(parts, |(both, output)| {
        decoding::gated(gate, both, width, output);
    });
}

/// As [`backward::gated_backward`].
pub(super) fn gated_backward(
    gate: Gate,
    both: &[f32],
    width: usize,
    behind: &[f32],
    before: &mut [f32],
) {
    let part = share(behind.len() / width, width) * width;
    let parts = both.chunks(2 * part).zip(behind.chunks(part));
    let parts = parts.zip(before.chunks_mut(2 * part));
    on_threads(parts, |((both, behind), before)| {
        backward::gated_backward(gate, both, width, behind, before);
    });
}
