//! The operations, generic over the vector width; [`super::dispatch`] makes them concrete.
//!
//! `LANES` is the vector width in floats, `ROWS` (8 or 4) the height of a full tile:
//! with two or three vectors across, the tile and one panel row fill the register file.

use super::activation::{sigmoid, tanh};
use super::tile::{Tile, columns_times_columns, multiply_add, rows_times_panel};

/// What a product starts from.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    Zero,
    /// Added to each row. `[columns rounded up to vectors]`
    Bias(&'a [f32]),
    /// The output's own values.
    Output,
}

/// What is done to a product before it is stored.
#[derive(Clone, Copy)]
pub(super) enum Finish<'a> {
    Nothing,
    Relu,
    /// Backward through a ReLU whose outputs lie here, with the stride of the output.
    ReluBackward(&'a [f32]),
}

/// `out [rows, columns] = finish(start + left [rows, depth] · right [depth, columns])`.
pub(super) struct Product<'a> {
    pub(super) left: (&'a [f32], usize), // values, row stride
    pub(super) rows: usize,
    pub(super) depth: usize,
    pub(super) right: &'a [f32], // packed by `pack_panels`
    pub(super) columns: usize,
    pub(super) start: Start<'a>,
    pub(super) finish: Finish<'a>,
    pub(super) out: (&'a mut [f32], usize),
}

/// `sum [height, columns] += left [rows, height]ᵀ · right [rows, columns]`.
pub(super) struct TransposedProduct<'a> {
    pub(super) left: (&'a [f32], usize),
    pub(super) right: (&'a [f32], usize),
    pub(super) rows: usize,
    pub(super) height: usize,
    pub(super) columns: usize, // a multiple of the lanes
    pub(super) sum: (&'a mut [f32], usize),
}

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

/// `sum [columns] += ` the column sums of `values [rows, columns]`.
pub(super) struct ColumnSums<'a> {
    pub(super) values: (&'a [f32], usize),
    pub(super) rows: usize,
    pub(super) columns: usize, // a multiple of the lanes
    pub(super) sum: &'a mut [f32],
}

#[inline(always)]
fn vector<const LANES: usize>(values: &[f32]) -> &[f32; LANES] {
    values.first_chunk().expect("a vector lies inside its row")
}

#[inline(always)]
fn vector_mut<const LANES: usize>(values: &mut [f32]) -> &mut [f32; LANES] {
    values
        .first_chunk_mut()
        .expect("a vector lies inside its row")
}

/// Rows of a left matrix; a tile that hangs over the edge repeats the last row.
#[inline(always)]
fn tile_rows<const ROWS: usize>(
    (values, stride): (&[f32], usize),
    first: usize,
    count: usize,
    depth: usize,
) -> [&[f32]; ROWS] {
    let mut rows: [&[f32]; ROWS] = [&[]; ROWS];
    for (index, row) in rows.iter_mut().enumerate() {
        *row = &values[(first + index.min(count - 1)) * stride..][..depth];
    }
    rows
}

#[inline(always)]
pub(super) fn product<const FUSED: bool, const LANES: usize, const ROWS: usize>(
    task: &mut Product<'_>,
) {
    let columns = task.columns.next_multiple_of(LANES);
    let mut column = 0;
    while column + 2 * LANES <= columns {
        product_panel::<FUSED, LANES, ROWS, 2>(task, column);
        column += 2 * LANES;
    }
    if column < columns {
        product_panel::<FUSED, LANES, ROWS, 1>(task, column);
    }
}

#[inline(always)]
fn product_panel<const FUSED: bool, const LANES: usize, const ROWS: usize, const VECTORS: usize>(
    task: &mut Product<'_>,
    column: usize,
) {
    let panel = &task.right[column * task.depth..][..VECTORS * LANES * task.depth];
    let panel = panel.as_chunks::<LANES>().0.as_chunks::<VECTORS>().0;
    let mut row = 0;
    while row < task.rows {
        let count = task.rows - row;
        if count > 4 && ROWS > 4 {
            product_tile::<FUSED, LANES, ROWS, VECTORS>(task, panel, column, row, count.min(ROWS));
            row += ROWS;
        } else {
            product_tile::<FUSED, LANES, 4, VECTORS>(task, panel, column, row, count.min(4));
            row += 4;
        }
    }
}

#[inline(always)]
fn product_tile<const FUSED: bool, const LANES: usize, const ROWS: usize, const VECTORS: usize>(
    task: &mut Product<'_>,
    panel: &[[[f32; LANES]; VECTORS]],
    column: usize,
    first: usize,
    count: usize,
) {
    let rows = tile_rows::<ROWS>(task.left, first, count, task.depth);
    let (out, stride) = (&mut *task.out.0, task.out.1);
    let mut tile: Tile<ROWS, VECTORS, LANES> = [[[0.0; LANES]; VECTORS]; ROWS];
    // Plain loops over a count unknown to the compiler: unrolled, they would let LLVM mix
    // their vectors with those of the sums, lane by lane.
    let start: &[f32] = match task.start {
        Start::Zero => &[],
        Start::Bias(bias) => &bias[column..],
        Start::Output => &out[first * stride + column..],
    };
    if !start.is_empty() {
        let step = if matches!(task.start, Start::Bias(_)) {
            0
        } else {
            stride
        };
        for (row, values) in tile.iter_mut().enumerate().take(count) {
            let start: &[[f32; LANES]; VECTORS] = start[row * step..]
                .as_chunks()
                .0
                .first_chunk()
                .expect("a start is padded to whole vectors");
            *values = *start;
        }
    }
    rows_times_panel::<FUSED, ROWS, VECTORS, LANES>(&mut tile, &rows, panel);
    let width = VECTORS * LANES;
    let columns = (task.columns - column).min(width);
    // What hangs over falls on padding, or on the row that is stored next.
    let hangs_over_safely = columns == width || column == 0 || column + width <= stride;
    for (row, values) in tile.iter_mut().enumerate().take(count) {
        let place = (first + row) * stride + column;
        match task.finish {
            Finish::Nothing => {}
            Finish::Relu => {
                for vector in values.iter_mut() {
                    let mut clipped = *vector;
                    for value in &mut clipped {
                        *value = if *value < 0.0 { 0.0 } else { *value };
                    }
                    *vector = clipped;
                }
            }
            Finish::ReluBackward(outputs) => {
                let outputs: &[[f32; LANES]] = outputs[place..].as_chunks().0;
                for (vector, output) in values.iter_mut().zip(outputs) {
                    let (mut passed, output) = (*vector, *output);
                    for lane in 0..LANES {
                        passed[lane] = if output[lane] <= 0.0 {
                            0.0
                        } else {
                            passed[lane]
                        };
                    }
                    *vector = passed;
                }
            }
        }
        let out = &mut out[place..];
        if hangs_over_safely && out.len() >= width {
            let out: &mut [[f32; LANES]] = out.as_chunks_mut().0;
            for (out, values) in out.iter_mut().zip(values) {
                *out = *values;
            }
        } else {
            out[..columns].copy_from_slice(&values.as_flattened()[..columns]);
        }
    }
}

#[inline(always)]
pub(super) fn transposed_product<const FUSED: bool, const LANES: usize, const ROWS: usize>(
    task: &mut TransposedProduct<'_>,
) {
    let mut column = 0;
    while column + 2 * LANES <= task.columns {
        transposed_panel::<FUSED, LANES, ROWS, 2>(task, column);
        column += 2 * LANES;
    }
    if column < task.columns {
        transposed_panel::<FUSED, LANES, ROWS, 1>(task, column);
    }
}

#[inline(always)]
fn transposed_panel<
    const FUSED: bool,
    const LANES: usize,
    const ROWS: usize,
    const VECTORS: usize,
>(
    task: &mut TransposedProduct<'_>,
    column: usize,
) {
    let mut row = 0;
    while row + ROWS <= task.height {
        transposed_tile::<FUSED, LANES, ROWS, VECTORS>(task, column, row);
        row += ROWS;
    }
    if ROWS > 4 && row + 4 <= task.height {
        transposed_tile::<FUSED, LANES, 4, VECTORS>(task, column, row);
        row += 4;
    }
    if row + 2 <= task.height {
        transposed_tile::<FUSED, LANES, 2, VECTORS>(task, column, row);
        row += 2;
    }
    if row < task.height {
        transposed_tile::<FUSED, LANES, 1, VECTORS>(task, column, row);
    }
}

#[inline(always)]
fn transposed_tile<
    const FUSED: bool,
    const LANES: usize,
    const ROWS: usize,
    const VECTORS: usize,
>(
    task: &mut TransposedProduct<'_>,
    column: usize,
    first: usize,
) {
    let (sum, stride) = (&mut *task.sum.0, task.sum.1);
    let mut tile: Tile<ROWS, VECTORS, LANES> = [[[0.0; LANES]; VECTORS]; ROWS];
    for (row, values) in tile.iter_mut().enumerate() {
        let sum: &[[f32; LANES]] = sum[(first + row) * stride + column..].as_chunks().0;
        values.copy_from_slice(&sum[..VECTORS]);
    }
    columns_times_columns::<FUSED, ROWS, VECTORS, LANES>(
        &mut tile,
        (&task.left.0[first..], task.left.1),
        (&task.right.0[column..], task.right.1),
        task.rows,
    );
    for (row, values) in tile.iter().enumerate() {
        let sum: &mut [[f32; LANES]] = sum[(first + row) * stride + column..].as_chunks_mut().0;
        sum[..VECTORS].copy_from_slice(values);
    }
}

#[inline(always)]
pub(super) fn column_sums<const LANES: usize>(task: &mut ColumnSums<'_>) {
    let (values, stride) = task.values;
    let values = &values[..task.rows * stride];
    for column in (0..task.columns).step_by(LANES) {
        // Four sums at a time hide the addition's latency.
        let mut sums = [[0f32; LANES]; 4];
        for block in values[column..]
            .chunks(4 * stride)
            .take(task.rows.div_ceil(4))
        {
            let mut rows = block.chunks(stride);
            for sum in &mut sums {
                if let Some(values) = rows.next() {
                    let values: &[f32; LANES] = vector(values);
                    for lane in 0..LANES {
                        sum[lane] += values[lane];
                    }
                }
            }
        }
        let out: &mut [f32; LANES] = vector_mut(&mut task.sum[column..]);
        for lane in 0..LANES {
            out[lane] += (sums[0][lane] + sums[1][lane]) + (sums[2][lane] + sums[3][lane]);
        }
    }
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
