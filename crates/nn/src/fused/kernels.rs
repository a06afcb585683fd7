//! The operations, generic over the vector width; [`super::dispatch`] makes them concrete.
//!
//! `LANES` is the vector width in floats, `ROWS` (8 or 4) the height of a full tile:
//! with two or three vectors across, the tile and one panel row fill the register file.

use super::tile::{Tile, columns_times_columns, row_times_panels, rows_times_panel};

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

/// `sum [columns] += ` the column sums of `values [rows, columns]`.
pub(super) struct ColumnSums<'a> {
    pub(super) values: (&'a [f32], usize),
    pub(super) rows: usize,
    pub(super) columns: usize, // a multiple of the lanes
    pub(super) sum: &'a mut [f32],
}

#[inline(always)]
pub(super) fn vector<const LANES: usize>(values: &[f32]) -> &[f32; LANES] {
    values.first_chunk().expect("a vector lies inside its row")
}

#[inline(always)]
pub(super) fn vector_mut<const LANES: usize>(values: &mut [f32]) -> &mut [f32; LANES] {
    values
        .first_chunk_mut()
        .expect("a vector lies inside its row")
}

/// Rows of a left matrix; a tile that hangs over the edge repeats the last row.
#[inline(always)]
pub(super) fn tile_rows<const ROWS: usize>(
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
    let plain = matches!(task.finish, Finish::Nothing);
    let mut column = match task.rows {
        1 if plain => few_rows::<FUSED, LANES, 4, 4>(task),
        2 if plain => few_rows::<FUSED, LANES, 4, 2>(task),
        _ => 0,
    };
    while column + 2 * LANES <= columns {
        product_panel::<FUSED, LANES, ROWS, 2>(task, column);
        column += 2 * LANES;
    }
    if column < columns {
        product_panel::<FUSED, LANES, ROWS, 1>(task, column);
    }
}

/// One or two rows: `PANELS` panels at a time, as far as they go; returns the next column.
#[inline(always)]
fn few_rows<const FUSED: bool, const LANES: usize, const SUMS: usize, const PANELS: usize>(
    task: &mut Product<'_>,
) -> usize {
    let width = 2 * LANES;
    let panel_len = width * task.depth;
    let rows = tile_rows::<2>(task.left, 0, task.rows, task.depth);
    let (out, stride) = (&mut *task.out.0, task.out.1);
    let mut column = 0;
    while column + PANELS * width <= task.columns {
        let mut panels: [&[[[f32; LANES]; 2]]; PANELS] = [&[]; PANELS];
        for (index, panel) in panels.iter_mut().enumerate() {
            let values = &task.right[column * task.depth + index * panel_len..][..panel_len];
            *panel = values.as_chunks::<LANES>().0.as_chunks::<2>().0;
        }
        let mut tile: Tile<SUMS, 2, LANES> = [[[0.0; LANES]; 2]; SUMS];
        let place = |sum: usize| {
            let (panel, row) = (sum * PANELS / SUMS, sum % (SUMS / PANELS));
            (row, column + panel * width)
        };
        for (sum, values) in tile.iter_mut().enumerate() {
            let (row, column) = place(sum);
            let start = match task.start {
                Start::Zero => continue,
                Start::Bias(bias) => &bias[column..],
                Start::Output => &out[row * stride + column..],
            };
            values.as_flattened_mut().copy_from_slice(&start[..width]);
        }
        row_times_panels::<FUSED, SUMS, PANELS, 2, LANES>(&mut tile, rows, panels);
        for (sum, values) in tile.iter().enumerate() {
            let (row, column) = place(sum);
            out[row * stride + column..][..width].copy_from_slice(values.as_flattened());
        }
        column += PANELS * width;
    }
    column
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
