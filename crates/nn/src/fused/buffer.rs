//! Memory that grows only, and the packing of weights into it.

use std::ops::{Deref, DerefMut};

/// Floats per cache line; the padding of every hidden size.
pub(super) const LINE: usize = 16;

/// The next multiple of a cache line.
pub(super) fn padded(size: usize) -> usize {
    size.next_multiple_of(LINE)
}

/// Row stride for `size` columns: an odd number of cache lines, so that the rows of a
/// block fall into different sets of the cache instead of a few.
pub(super) fn stride(size: usize) -> usize {
    (size.div_ceil(LINE) | 1) * LINE
}

/// Floats that start on a cache line; `fit` grows it and never shrinks it.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    data: Vec<f32>,
    start: usize,
    len: usize,
}

impl Buffer {
    /// Makes the buffer `len` long; its contents are unspecified.
    pub(super) fn fit(&mut self, len: usize) -> &mut [f32] {
        if self.data.len() < len + LINE {
            self.data = vec![0.0; len + LINE];
            self.start = self.data.as_ptr().align_offset(LINE * 4).min(LINE);
        }
        self.len = len;
        self
    }

    /// Makes the buffer `len` zeros.
    pub(super) fn zeros(&mut self, len: usize) -> &mut [f32] {
        let values = self.fit(len);
        values.fill(0.0);
        values
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[self.start..self.start + self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..self.start + self.len]
    }
}

/// A matrix `[depth, columns]` to be packed, read as `values[k * depth_step + n * column_step]`.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) values: &'a [f32],
    pub(super) depth: usize,
    pub(super) columns: usize,
    pub(super) depth_step: usize,
    pub(super) column_step: usize,
}

impl<'a> Source<'a> {
    /// The transpose of a row-major `weight` `[columns, depth]`.
    pub(super) fn transposed(weight: &'a [f32], columns: usize, depth: usize) -> Self {
        Self {
            values: weight,
            depth,
            columns,
            depth_step: 1,
            column_step: depth,
        }
    }

    /// A row-major `weight` `[depth, columns]` as it lies.
    pub(super) fn straight(weight: &'a [f32], depth: usize, columns: usize) -> Self {
        Self {
            values: weight,
            depth,
            columns,
            depth_step: columns,
            column_step: 1,
        }
    }

    /// Fills `out` `[depth, width]` with the columns from `first` on; zeros past the last.
    fn panel(&self, first: usize, width: usize, out: &mut [f32]) {
        let count = self.columns.saturating_sub(first).min(width);
        for (k, row) in out.chunks_exact_mut(width).enumerate() {
            let start = k * self.depth_step + first * self.column_step;
            let (filled, rest) = row.split_at_mut(count);
            rest.fill(0.0);
            if count == 0 {
                continue;
            }
            let values = &self.values[start..];
            if self.column_step == 1 {
                filled.copy_from_slice(&values[..count]);
            } else {
                for (value, &from) in filled
                    .iter_mut()
                    .zip(values.iter().step_by(self.column_step))
                {
                    *value = from;
                }
            }
        }
    }
}

/// Packs for [`super::kernels::Product`]: panels of two vectors, the last of one where the
/// count is odd, each `[depth, width]`; `columns` in all, those past the source's are 0.
pub(super) fn pack_panels(source: Source<'_>, columns: usize, lanes: usize, out: &mut Buffer) {
    let mut rest = out.fit(columns * source.depth);
    let mut first = 0;
    while first < columns {
        let width = (2 * lanes).min(columns - first);
        let (panel, after) = rest.split_at_mut(width * source.depth);
        source.panel(first, width, panel);
        rest = after;
        first += width;
    }
}

/// Copies `values` and pads them with zeros to `len`.
pub(super) fn pad(values: &[f32], len: usize, out: &mut Buffer) {
    let (filled, rest) = out.fit(len).split_at_mut(values.len());
    filled.copy_from_slice(values);
    rest.fill(0.0);
}

/// Packs a row-major `weight` `[3 hidden, depth]` for [`super::gates::GruStep`]:
/// per vector of hidden units `[depth, 3, lanes]`, the gates side by side.
pub(super) fn pack_gates(weight: &[f32], hidden: usize, lanes: usize, out: &mut Buffer) {
    let depth = hidden;
    let out = out.fit(padded(hidden) * 3 * depth);
    for (vector, panel) in out.chunks_exact_mut(3 * lanes * depth).enumerate() {
        let first = vector * lanes;
        let count = hidden.saturating_sub(first).min(lanes);
        for (k, row) in panel.chunks_exact_mut(3 * lanes).enumerate() {
            for (gate, values) in row.chunks_exact_mut(lanes).enumerate() {
                for (lane, value) in values.iter_mut().enumerate() {
                    *value = if lane < count {
                        weight[(gate * hidden + first + lane) * depth + k]
                    } else {
                        0.0
                    };
                }
            }
        }
    }
}

/// Stacks three blocks of a gate-major matrix `[3 hidden, columns]`, in the order of
/// `gates`, each padded with zero rows to whole cache lines: `[3 padded, columns]`.
pub(super) fn stack_gates(weight: &[f32], gates: [usize; 3], hidden: usize, out: &mut Buffer) {
    let columns = weight.len() / (3 * hidden);
    let block = hidden * columns;
    let out = out.fit(3 * padded(hidden) * columns);
    for (to, gate) in out.chunks_exact_mut(padded(hidden) * columns).zip(gates) {
        let (values, rest) = to.split_at_mut(block);
        values.copy_from_slice(&weight[gate * block..(gate + 1) * block]);
        rest.fill(0.0);
    }
}
