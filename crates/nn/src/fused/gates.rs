//! The operations of a gated recurrent unit, generic over the vector width like those of
//! [`super::kernels`].

use super::activation::{sigmoid, tanh};
use super::kernels::{tile_rows, vector, vector_mut};
use super::tile::{Tile, multiply_add, rows_times_panel};

/// One step of a gated recurrent unit for `rows` sequences.
pub(super) struct GruStep<'a> {
    pub(super) projected: (&'a [f32], usize), // [rows, 3, padded]: r, z, n with biases
    pub(super) hidden: Option<&'a [f32]>,     // [rows, hidden], none at the first step
    pub(super) hidden_stride: usize,          // of `hidden` and `out`
    pub(super) weight: &'a [f32],             // packed by `pack_gates`
    pub(super) bias: &'a [f32],               // hidden bias of n, [padded]
    pub(super) rows: usize,
    pub(super) hidden_size: usize,
    pub(super) padded: usize,
    pub(super) out: &'a mut [f32],
    pub(super) kept: Option<(&'a mut [f32], usize)>, // [rows, 4, padded]: r, z, n, hidden part of n
}

/// Backward through the gates of one step.
pub(super) struct GruGates<'a> {
    pub(super) rows: usize,
    pub(super) padded: usize,
    pub(super) output_gradient: &'a [f32], // [rows, padded]
    pub(super) carry: &'a mut [f32],       // [rows, padded], gradient from the next step
    pub(super) hidden: Option<&'a [f32]>,  // [rows, padded], state before the step
    pub(super) hidden_stride: usize,       // of the three above and of `hidden_copy`
    pub(super) hidden_copy: &'a mut [f32], // receives `hidden`
    pub(super) kept: &'a [f32],            // as in `GruStep`
    pub(super) gradient: &'a mut [f32],    // [rows, 4, padded]: hidden part of n, r, z, n
    pub(super) gate_stride: usize,         // of the two above
}

#[inline(always)]
pub(super) fn gru_step<const FUSED: bool, const LANES: usize, const ROWS: usize>(
    task: &mut GruStep<'_>,
) {
    let panel = 3 * LANES * task.hidden_size;
    for unit in (0..task.padded).step_by(LANES) {
        let weight = &task.weight[unit / LANES * panel..][..panel];
        let weight = weight.as_chunks::<LANES>().0.as_chunks::<3>().0;
        let mut row = 0;
        while row < task.rows {
            let count = task.rows - row;
            if count > 4 && ROWS > 4 {
                gru_tile::<FUSED, LANES, ROWS>(task, weight, unit, row, count.min(ROWS));
                row += ROWS;
            } else {
                gru_tile::<FUSED, LANES, 4>(task, weight, unit, row, count.min(4));
                row += 4;
            }
        }
    }
}

#[inline(always)]
fn gru_tile<const FUSED: bool, const LANES: usize, const ROWS: usize>(
    task: &mut GruStep<'_>,
    weight: &[[[f32; LANES]; 3]],
    unit: usize,
    first: usize,
    count: usize,
) {
    let bias: &[f32; LANES] = vector(&task.bias[unit..]);
    let mut tile: Tile<ROWS, 3, LANES> = [[[0.0; LANES], [0.0; LANES], *bias]; ROWS];
    if let Some(hidden) = task.hidden {
        let left = (hidden, task.hidden_stride);
        let rows = tile_rows::<ROWS>(left, first, count, task.hidden_size);
        rows_times_panel::<FUSED, ROWS, 3, LANES>(&mut tile, &rows, weight);
    }
    for (index, sums) in tile.iter().enumerate().take(count) {
        let row = first + index;
        let projected = &task.projected.0[row * task.projected.1 + unit..];
        let in_r: &[f32; LANES] = vector(projected);
        let in_z: &[f32; LANES] = vector(&projected[task.padded..]);
        let in_n: &[f32; LANES] = vector(&projected[2 * task.padded..]);
        let before = match task.hidden {
            Some(hidden) => *vector(&hidden[row * task.hidden_stride + unit..]),
            None => [0.0; LANES],
        };
        let (mut r, mut z, mut n, mut out) =
            ([0.0; LANES], [0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            r[lane] = sigmoid::<FUSED>(in_r[lane] + sums[0][lane]);
            z[lane] = sigmoid::<FUSED>(in_z[lane] + sums[1][lane]);
            n[lane] = tanh::<FUSED>(multiply_add::<FUSED>(r[lane], sums[2][lane], in_n[lane]));
            out[lane] = multiply_add::<FUSED>(z[lane], before[lane] - n[lane], n[lane]);
        }
        *vector_mut(&mut task.out[row * task.hidden_stride + unit..]) = out;
        if let Some((kept, stride)) = &mut task.kept {
            let kept = &mut kept[row * *stride + unit..];
            for (gate, values) in [r, z, n, sums[2]].iter().enumerate() {
                *vector_mut(&mut kept[gate * task.padded..]) = *values;
            }
        }
    }
}

#[inline(always)]
pub(super) fn gru_gates<const LANES: usize>(task: &mut GruGates<'_>) {
    for row in 0..task.rows {
        let (place, gates) = (row * task.hidden_stride, row * task.gate_stride);
        for unit in (0..task.padded).step_by(LANES) {
            let kept = &task.kept[gates + unit..];
            let r: &[f32; LANES] = vector(kept);
            let z: &[f32; LANES] = vector(&kept[task.padded..]);
            let n: &[f32; LANES] = vector(&kept[2 * task.padded..]);
            let hidden_n: &[f32; LANES] = vector(&kept[3 * task.padded..]);
            let output: &[f32; LANES] = vector(&task.output_gradient[place + unit..]);
            let carry: &mut [f32; LANES] = vector_mut(&mut task.carry[place + unit..]);
            let before = match task.hidden {
                Some(hidden) => *vector(&hidden[place + unit..]),
                None => [0.0; LANES],
            };
            let mut out = [[0.0; LANES]; 4];
            for lane in 0..LANES {
                let total = carry[lane] + output[lane];
                let of_n = total * (1.0 - z[lane]) * (1.0 - n[lane] * n[lane]);
                out[0][lane] = of_n * r[lane];
                out[1][lane] = of_n * hidden_n[lane] * (r[lane] * (1.0 - r[lane]));
                out[2][lane] = total * (before[lane] - n[lane]) * (z[lane] * (1.0 - z[lane]));
                out[3][lane] = of_n;
                carry[lane] = total * z[lane];
            }
            for (gate, values) in out.iter().enumerate() {
                *vector_mut(&mut task.gradient[gates + gate * task.padded + unit..]) = *values;
            }
            *vector_mut(&mut task.hidden_copy[place + unit..]) = before;
        }
    }
}
