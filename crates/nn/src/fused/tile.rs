//! Register tiles: the inner loops of every product, written so that LLVM keeps a whole
//! tile in vector registers.
//!
//! The rows of a tile are unrolled by a macro: left as a loop, LLVM vectorises across the
//! rows with gathers, or keeps the tile in memory. Measured on AVX-512: 240 of 256 GFLOP/s.

/// `ROWS` rows of `VECTORS` vectors of `LANES` accumulators.
pub(super) type Tile<const ROWS: usize, const VECTORS: usize, const LANES: usize> =
    [[[f32; LANES]; VECTORS]; ROWS];

/// `a * b + c`, in one rounding where the machine has the instruction. Without it,
/// `mul_add` would call a function of the C library.
#[inline(always)]
pub(super) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Runs the body once for each row of a tile, unrolled; at most eight rows.
macro_rules! unrolled {
    ($rows:ident, |$row:ident| $body:block) => {{
        unrolled!(@ $rows, $row, $body, 0 1 2 3 4 5 6 7);
    }};
    (@ $rows:ident, $row:ident, $body:block, $($index:literal)*) => {
        $(
            if $index < $rows {
                let $row: usize = $index;
                $body
            }
        )*
    };
}
pub(super) use unrolled;

#[inline(always)]
fn accumulate<const FUSED: bool, const VECTORS: usize, const LANES: usize>(
    row: &mut [[f32; LANES]; VECTORS],
    left: f32,
    right: &[[f32; LANES]; VECTORS],
) {
    for vector in 0..VECTORS {
        for lane in 0..LANES {
            row[vector][lane] = multiply_add::<FUSED>(left, right[vector][lane], row[vector][lane]);
        }
    }
}

/// `tile[i] += sum over k of left[i][k] * right[k]`: rows of the left matrix lie
/// contiguous in `k`, the right one is packed.
#[inline(always)]
pub(super) fn rows_times_panel<
    const FUSED: bool,
    const ROWS: usize,
    const VECTORS: usize,
    const LANES: usize,
>(
    tile: &mut Tile<ROWS, VECTORS, LANES>,
    left: &[&[f32]; ROWS],
    right: &[[[f32; LANES]; VECTORS]],
) {
    let depth = right.len();
    let mut rows = *left;
    for row in &mut rows {
        *row = &row[..depth];
    }
    let mut sums = *tile;
    for k in 0..depth {
        unrolled!(ROWS, |row| {
            accumulate::<FUSED, VECTORS, LANES>(&mut sums[row], rows[row][k], &right[k]);
        });
    }
    *tile = sums;
}

/// `tile[i] += sum over k of left[k][i] * right[k]`: both matrices lie row-major with the
/// summed index outside; `left` and `right` start at the tile's first column.
#[inline(always)]
pub(super) fn columns_times_columns<
    const FUSED: bool,
    const ROWS: usize,
    const VECTORS: usize,
    const LANES: usize,
>(
    tile: &mut Tile<ROWS, VECTORS, LANES>,
    left: (&[f32], usize),
    right: (&[f32], usize),
    depth: usize,
) {
    let mut sums = *tile;
    let pairs = left.0.chunks(left.1).zip(right.0.chunks(right.1));
    for (left, right) in pairs.take(depth) {
        let left: &[f32; ROWS] = left.first_chunk().expect("a tile lies inside its matrix");
        let right: &[[f32; LANES]; VECTORS] = right
            .as_chunks()
            .0
            .first_chunk()
            .expect("a tile lies inside its matrix");
        unrolled!(ROWS, |row| {
            accumulate::<FUSED, VECTORS, LANES>(&mut sums[row], left[row], right);
        });
    }
    *tile = sums;
}

/// One row of the left matrix, or two, times several panels side by side:
/// `tile[panel * ROWS + row] += sum over k of left[row][k] * right[panel][k]`, in the order
/// of [`rows_times_panel`], so that a row's sums do not depend on how many rows there are.
///
/// A single row has too few sums to hide the latency of an addition in one panel; several
/// panels also keep several streams of memory under way.
#[inline(always)]
pub(super) fn row_times_panels<
    const FUSED: bool,
    const SUMS: usize,
    const PANELS: usize,
    const VECTORS: usize,
    const LANES: usize,
>(
    tile: &mut Tile<SUMS, VECTORS, LANES>,
    left: [&[f32]; 2],
    right: [&[[[f32; LANES]; VECTORS]]; PANELS],
) {
    let depth = right[0].len();
    let left = left.map(|row| &row[..depth]);
    let right = right.map(|panel| &panel[..depth]);
    let rows = SUMS / PANELS;
    let mut sums = *tile;
    for k in 0..depth {
        unrolled!(SUMS, |sum| {
            let (panel, row) = (sum / rows, sum % rows);
            accumulate::<FUSED, VECTORS, LANES>(&mut sums[sum], left[row][k], &right[panel][k]);
        });
    }
    *tile = sums;
}
