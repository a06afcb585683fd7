//! Attention of one new token over the keys and values of its text.

use super::kernels::tile_rows;
use super::rowwise::{Capped, capped, soften};
use super::tile::{Tile, columns_times_columns, multiply_add, unrolled};

/// One key head and the query heads that share it.
pub(super) struct Attend<'a> {
    pub(super) queries: &'a [f32], // [group, width]
    pub(super) past: Past<'a>,
    pub(super) scores: &'a mut [f32], // [places, 2], scratch
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
    let width = past.width;
    // The queries stand side by side in every place.
    let scores = &mut scores[..past.keys.len() / width * QUERIES];
    if QUERIES == 1 {
        score::<FUSED, LANES, QUERIES, 4>(queries, past, scores);
    } else {
        score::<FUSED, LANES, QUERIES, 8>(queries, past, scores);
    }
    if let Some(cap) = past.cap {
        let values = &mut *scores;
        capped::<FUSED>(&mut Capped { cap, values });
    }
    let sums = soften::<FUSED, LANES, QUERIES>(scores);
    let mut at = 0;
    while at + 4 * LANES <= width {
        mean::<FUSED, LANES, QUERIES, 4>(past, scores, at, output);
        at += 4 * LANES;
    }
    while at + LANES <= width {
        mean::<FUSED, LANES, QUERIES, 1>(past, scores, at, output);
        at += LANES;
    }
    while at < width {
        mean::<FUSED, 1, QUERIES, 1>(past, scores, at, output);
        at += 1;
    }
    for (sum, output) in sums.iter().zip(output.chunks_exact_mut(width)) {
        for value in output {
            *value /= sum;
        }
    }
}

/// `scores [places, QUERIES] = scale * keys · queries`; `SUMS` is four keys' worth.
#[inline(always)]
fn score<const FUSED: bool, const LANES: usize, const QUERIES: usize, const SUMS: usize>(
    queries: &[f32],
    past: Past<'_>,
    scores: &mut [f32],
) {
    let width = past.width;
    let places = past.keys.len() / width;
    let queries = tile_rows::<2>((queries, width), 0, QUERIES, width);
    for (block, scores) in scores.chunks_mut(SUMS).enumerate() {
        let first = 4 * block;
        let keys = tile_rows::<4>((past.keys, width), first, (places - first).min(4), width);
        let mut sums = [[0f32; LANES]; SUMS];
        dots::<FUSED, LANES, SUMS>(&mut sums, queries, keys);
        let mut found = folded(&sums);
        for at in width / LANES * LANES..width {
            for (sum, found) in found.iter_mut().enumerate() {
                *found += queries[sum % QUERIES][at] * keys[sum / QUERIES][at];
            }
        }
        for (score, found) in scores.iter_mut().zip(found) {
            *score = past.scale * found;
        }
    }
}

/// Products of every key with every query, not yet added up over the lanes; key by key.
#[inline(always)]
fn dots<const FUSED: bool, const LANES: usize, const SUMS: usize>(
    tile: &mut [[f32; LANES]; SUMS],
    queries: [&[f32]; 2],
    keys: [&[f32]; 4],
) {
    let queries = queries.map(|query| query.as_chunks::<LANES>().0);
    let keys = keys.map(|key| &key.as_chunks::<LANES>().0[..queries[0].len()]);
    let second = &queries[1][..queries[0].len()];
    let queries = [queries[0], second];
    let mut sums = *tile;
    for k in 0..queries[0].len() {
        unrolled!(SUMS, |sum| {
            let (key, query) = (sum / (SUMS / 4), sum % (SUMS / 4));
            let (left, right) = (queries[query][k], keys[key][k]);
            for lane in 0..LANES {
                let sum = &mut sums[sum][lane];
                *sum = multiply_add::<FUSED>(left[lane], right[lane], *sum);
            }
        });
    }
    *tile = sums;
}

/// The sum of each vector.
#[inline(always)]
fn folded<const LANES: usize, const SUMS: usize>(sums: &[[f32; LANES]; SUMS]) -> [f32; SUMS] {
    // By halves in memory: adding up lane by lane would leave the vector registers.
    let mut halves = *sums;
    let mut width = LANES;
    while width > 4 {
        width /= 2;
        for sum in &mut halves {
            let (low, high) = sum.split_at_mut(width);
            for (low, high) in low.iter_mut().zip(high) {
                *low += *high;
            }
        }
    }
    let mut found = [0f32; SUMS];
    for (found, sum) in found.iter_mut().zip(&halves) {
        *found = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
    found
}

/// `output [QUERIES, width] = weightsᵀ [QUERIES, places] · values`, `VECTORS` vectors of each
/// row from `at` on.
#[inline(always)]
fn mean<const FUSED: bool, const LANES: usize, const QUERIES: usize, const VECTORS: usize>(
    past: Past<'_>,
    weights: &[f32],
    at: usize,
    output: &mut [f32],
) {
    let mut tile: Tile<QUERIES, VECTORS, LANES> = [[[0.0; LANES]; VECTORS]; QUERIES];
    columns_times_columns::<FUSED, QUERIES, VECTORS, LANES>(
        &mut tile,
        (weights, QUERIES),
        (&past.values[at..], past.width),
        weights.len() / QUERIES,
    );
    for (sums, output) in tile.iter().zip(output.chunks_exact_mut(past.width)) {
        output[at..][..VECTORS * LANES].copy_from_slice(sums.as_flattened());
    }
}
