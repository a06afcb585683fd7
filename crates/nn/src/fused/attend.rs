//! Attention of one new token over the keys and values of its text.

use super::kernels::vector;
use super::rowwise::{Capped, capped, lane_sum, soften};
use super::tile::multiply_add;

/// One key head and the query heads that share it.
pub(super) struct Attend<'a> {
    pub(super) queries: &'a [f32], // [group, width]
    pub(super) past: Past<'a>,
    pub(super) scores: &'a mut [f32], // [2, places], scratch
    pub(super) output: &'a mut [f32], // [group, width]
}

/// What is attended to, and how.
#[derive(Clone, Copy)]
pub(super) struct Past<'a> {
    pub(super) keys: &'a [f32],   // [places, width]
    pub(super) values: &'a [f32], // [places, width]
    pub(super) width: usize,
    pub(super) scale: f32,
    pub(super) cap: Option<f32>,
}

#[inline(always)]
pub(super) fn attend<const FUSED: bool, const LANES: usize>(task: &mut Attend<'_>) {
    let (past, width) = (task.past, task.past.width);
    // Two queries at a time: each key is loaded once for both.
    let pairs = task.queries.chunks(2 * width);
    for (queries, output) in pairs.zip(task.output.chunks_mut(2 * width)) {
        if queries.len() == width {
            attend_to::<FUSED, LANES, 1>(queries, past, task.scores, output);
        } else {
            attend_to::<FUSED, LANES, 2>(queries, past, task.scores, output);
        }
    }
}

#[inline(always)]
fn attend_to<const FUSED: bool, const LANES: usize, const QUERIES: usize>(
    queries: &[f32],
    past: Past<'_>,
    scores: &mut [f32],
    output: &mut [f32],
) {
    let places = past.keys.len() / past.width;
    let mut weights = [0f32; QUERIES];
    score::<FUSED, LANES, QUERIES>(queries, past, scores);
    for (weight, scores) in weights.iter_mut().zip(scores.chunks_exact_mut(places)) {
        for score in scores.iter_mut() {
            *score *= past.scale;
        }
        if let Some(cap) = past.cap {
            capped::<FUSED>(&mut Capped {
                cap,
                values: scores,
            });
        }
        *weight = 1.0 / soften::<FUSED, LANES>(scores);
    }
    mean::<FUSED, LANES, QUERIES>(past, scores, output);
    for (weight, output) in weights.iter().zip(output.chunks_exact_mut(past.width)) {
        for value in output {
            *value *= weight;
        }
    }
}

/// `scores [QUERIES, places] = queries · keys`.
#[inline(always)]
fn score<const FUSED: bool, const LANES: usize, const QUERIES: usize>(
    queries: &[f32],
    past: Past<'_>,
    scores: &mut [f32],
) {
    let places = past.keys.len() / past.width;
    let blocks = past.keys.chunks_exact(4 * past.width);
    let rest = blocks.remainder();
    let mut place = 0;
    for keys in blocks {
        let found = products::<FUSED, LANES, QUERIES, 4>(queries, keys, past.width);
        for (query, found) in found.iter().enumerate() {
            scores[query * places + place..][..4].copy_from_slice(found);
        }
        place += 4;
    }
    for key in rest.chunks_exact(past.width) {
        let found = products::<FUSED, LANES, QUERIES, 1>(queries, key, past.width);
        for (query, [found]) in found.iter().enumerate() {
            scores[query * places + place] = *found;
        }
        place += 1;
    }
}

/// Every query times every key.
#[inline(always)]
fn products<const FUSED: bool, const LANES: usize, const QUERIES: usize, const KEYS: usize>(
    queries: &[f32],
    keys: &[f32],
    width: usize,
) -> [[f32; KEYS]; QUERIES] {
    let mut sums = [[[0f32; LANES]; KEYS]; QUERIES];
    let whole = width / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        for key in 0..KEYS {
            let right: &[f32; LANES] = vector(&keys[key * width + at..]);
            for query in 0..QUERIES {
                let left: &[f32; LANES] = vector(&queries[query * width + at..]);
                for lane in 0..LANES {
                    let sum = &mut sums[query][key][lane];
                    *sum = multiply_add::<FUSED>(left[lane], right[lane], *sum);
                }
            }
        }
    }
    let mut found = [[0f32; KEYS]; QUERIES];
    for query in 0..QUERIES {
        for key in 0..KEYS {
            let mut sum = lane_sum(sums[query][key]);
            for at in whole..width {
                sum += queries[query * width + at] * keys[key * width + at];
            }
            found[query][key] = sum;
        }
    }
    found
}

/// `output [QUERIES, width] = weights [QUERIES, places] · values`.
#[inline(always)]
fn mean<const FUSED: bool, const LANES: usize, const QUERIES: usize>(
    past: Past<'_>,
    weights: &[f32],
    output: &mut [f32],
) {
    let mut at = 0;
    while at + 4 * LANES <= past.width {
        mean_part::<FUSED, LANES, QUERIES, 4>(past, weights, at, output);
        at += 4 * LANES;
    }
    while at + LANES <= past.width {
        mean_part::<FUSED, LANES, QUERIES, 1>(past, weights, at, output);
        at += LANES;
    }
    while at < past.width {
        mean_part::<FUSED, 1, QUERIES, 1>(past, weights, at, output);
        at += 1;
    }
}

#[inline(always)]
fn mean_part<const FUSED: bool, const LANES: usize, const QUERIES: usize, const VECTORS: usize>(
    past: Past<'_>,
    weights: &[f32],
    at: usize,
    output: &mut [f32],
) {
    let places = past.values.len() / past.width;
    let mut sums = [[[0f32; LANES]; VECTORS]; QUERIES];
    for (place, value) in past.values.chunks_exact(past.width).enumerate() {
        for query in 0..QUERIES {
            let weight = weights[query * places + place];
            for part in 0..VECTORS {
                let value: &[f32; LANES] = vector(&value[at + part * LANES..]);
                for lane in 0..LANES {
                    let sum = &mut sums[query][part][lane];
                    *sum = multiply_add::<FUSED>(weight, value[lane], *sum);
                }
            }
        }
    }
    for (sums, output) in sums.iter().zip(output.chunks_exact_mut(past.width)) {
        output[at..][..VECTORS * LANES].copy_from_slice(sums.as_flattened());
    }
}
