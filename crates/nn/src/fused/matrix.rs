//! Products of large matrices on the CPU, for training: forward, with respect to the input,
//! and with respect to the weight, which adds to a gradient in place.
//!
//! LibTorch's product on an AMD processor is a kernel of half the vector width; these run at
//! twice its rate there. Each call splits its rows over `threads` threads of its own.

use super::buffer::{Buffer, LINE, Source, pack_panels, pad, stride};
use super::dispatch;
use super::kernels::{Finish, Product, Start, TransposedProduct};

/// Floats of a block of rows that stay in a core's second cache.
const BLOCK_FLOATS: usize = 128 << 10;

/// Rows whose outer products are summed before the sum goes back to memory, and columns of
/// the left side that are summed at the same time.
const OUTER: usize = 256;

/// A matrix that was packed to be multiplied by from the right.
#[derive(Debug)]
pub struct PackedMatrix {
    panels: Buffer,
    depth: usize,
    columns: usize,
}

impl PackedMatrix {
    /// For `x Wᵀ`, the forward pass of a `weight` `[outputs, inputs]`, row-major.
    ///
    /// # Panics
    /// When the lengths disagree.
    pub fn forward(weight: &[f32], [outputs, inputs]: [usize; 2]) -> Self {
        assert_eq!(weight.len(), outputs * inputs, "the weight has its shape");
        Self::of(Source::transposed(weight, outputs, inputs))
    }

    /// For `y W`, the gradient of the input of a `weight` `[outputs, inputs]`, row-major.
    ///
    /// # Panics
    /// When the lengths disagree.
    pub fn backward(weight: &[f32], [outputs, inputs]: [usize; 2]) -> Self {
        assert_eq!(weight.len(), outputs * inputs, "the weight has its shape");
        Self::of(Source::straight(weight, outputs, inputs))
    }

    fn of(source: Source<'_>) -> Self {
        let mut panels = Buffer::default();
        let columns = source.columns.next_multiple_of(LINE);
        pack_panels(source, columns, dispatch::best().lanes, &mut panels);
        Self {
            panels,
            depth: source.depth,
            columns: source.columns,
        }
    }

    /// `output` `[rows, columns] = input` `[rows, depth]` times the matrix, plus `bias`
    /// `[columns]`.
    ///
    /// # Panics
    /// When the lengths disagree.
    pub fn multiply(
        &self,
        input: &[f32],
        bias: Option<&[f32]>,
        output: &mut [f32],
        threads: usize,
    ) {
        let (depth, columns) = (self.depth, self.columns);
        let rows = output.len() / columns;
        assert_eq!(output.len(), rows * columns, "whole rows of the output");
        assert_eq!(input.len(), rows * depth, "an input for each output");
        let mut padded_bias = Buffer::default();
        if let Some(bias) = bias {
            assert_eq!(bias.len(), columns, "the bias has its shape");
            pad(bias, columns.next_multiple_of(LINE), &mut padded_bias);
        }
        let start = match bias {
            Some(_) => Start::Bias(&padded_bias),
            None => Start::Zero,
        };
        let share = rows.div_ceil(threads.max(1)).next_multiple_of(8);
        let block = (BLOCK_FLOATS / depth).next_multiple_of(8).max(8);
        let parts = input.chunks(share * depth);
        let parts = parts.zip(output.chunks_mut(share * columns));
        on_threads(parts, |(input, output)| {
            let blocks = input.chunks(block * depth);
            for (input, output) in blocks.zip(output.chunks_mut(block * columns)) {
                (dispatch::best().product)(&mut Product {
                    left: (input, depth),
                    rows: input.len() / depth,
                    depth,
                    right: &self.panels,
                    columns,
                    start,
                    finish: Finish::Nothing,
                    out: (output, columns),
                });
            }
        });
    }
}

/// `sum += leftᵀ right`: `left` `[rows, height]`, `right` `[rows, width]`, `sum`
/// `[height, width]`; the gradient of a weight is that of its output times its input.
///
/// # Panics
/// When the lengths disagree.
pub fn add_outer(left: &[f32], right: &[f32], rows: usize, sum: &mut [f32], threads: usize) {
    if rows == 0 {
        return;
    }
    let (height, width) = (left.len() / rows, right.len() / rows);
    assert_eq!(left.len(), rows * height, "whole rows on the left");
    assert_eq!(right.len(), rows * width, "whole rows on the right");
    assert_eq!(sum.len(), height * width, "a sum for each pair");
    // Each thread sums some of the rows of `sum`, over all rows of both sides.
    let share = height.div_ceil(threads.max(1)).next_multiple_of(8);
    let parts = sum.chunks_mut(share * width).enumerate();
    on_threads(parts, |(part, sum)| {
        let own = part * share..height.min((part + 1) * share);
        outer_part((left, own, height), (right, width), sum);
    });
}

/// The columns `own` of `left`, which is `height` wide, against all of `right`.
fn outer_part(
    (left, own, height): (&[f32], std::ops::Range<usize>, usize),
    (right, width): (&[f32], usize),
    sum: &mut [f32],
) {
    let kernels = dispatch::best();
    let panel = 2 * kernels.lanes;
    let (mut of_left, mut of_right) = (Buffer::default(), Buffer::default());
    let mut edge = Buffer::default();
    let blocks = left.chunks(OUTER * height).zip(right.chunks(OUTER * width));
    for (left, right) in blocks {
        let rows = right.len() / width;
        let source = Source::straight(right, rows, width);
        pack_panels(
            source,
            width.next_multiple_of(panel),
            kernels.lanes,
            &mut of_right,
        );
        for first in own.clone().step_by(OUTER) {
            let count = OUTER.min(own.end - first);
            // Rows that do not all fall into the same few sets of a cache.
            let stride = stride(count);
            let copies = of_left.fit(rows * stride).chunks_exact_mut(stride);
            for (copy, row) in copies.zip(left.chunks_exact(height)) {
                copy[..count].copy_from_slice(&row[first..first + count]);
            }
            for (number, packed) in of_right.chunks_exact(rows * panel).enumerate() {
                let column = number * panel;
                let from = (first - own.start) * width + column;
                let whole = column + panel <= width;
                let place = if whole {
                    (&mut sum[from..], width)
                } else {
                    (edge.zeros(count * panel), panel)
                };
                (kernels.transposed_product)(&mut TransposedProduct {
                    left: (&of_left, stride),
                    right: (packed, panel),
                    rows,
                    height: count,
                    columns: panel,
                    sum: place,
                });
                if !whole {
                    let rows = sum[(first - own.start) * width..].chunks_mut(width);
                    for (row, added) in rows.zip(edge.chunks_exact(panel)) {
                        for (value, added) in row[column..].iter_mut().zip(added) {
                            *value += added;
                        }
                    }
                }
            }
        }
    }
}

/// Runs `work` on every part, each on a thread of its own, the first on the caller's.
pub fn on_threads<Part: Send>(parts: impl Iterator<Item = Part>, work: impl Fn(Part) + Sync) {
    let mut parts = parts.collect::<Vec<_>>().into_iter();
    let Some(first) = parts.next() else {
        return;
    };
    std::thread::scope(|scope| {
        for part in parts {
            let work = &work;
            scope.spawn(move || work(part));
        }
        work(first);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::flat_values;
    use crate::random::RandomStream;
    use tch::Tensor;

    #[test]
    fn products_are_libtorch_s_on_any_number_of_threads() {
        let mut stream = RandomStream::new(1, "matrix", 0);
        let mut drawn =
            |count: usize| -> Vec<f32> { (0..count).map(|_| stream.uniform() - 0.5).collect() };
        for [rows, inputs, outputs] in [[1, 5, 3], [70, 64, 131], [300, 33, 300], [531, 48, 32]] {
            let (weight, bias) = (drawn(outputs * inputs), drawn(outputs));
            let (input, gradient) = (drawn(rows * inputs), drawn(rows * outputs));
            let tensor =
                |values: &[f32], width: usize| Tensor::from_slice(values).view([-1, width as i64]);
            let forward = PackedMatrix::forward(&weight, [outputs, inputs]);
            let backward = PackedMatrix::backward(&weight, [outputs, inputs]);
            let (x, dy) = (tensor(&input, inputs), tensor(&gradient, outputs));
            let w = tensor(&weight, inputs);
            for threads in [1, 2, 3] {
                let near = |ours: &[f32], theirs: &Tensor| {
                    let theirs = flat_values(&theirs.reshape([-1]));
                    let off = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs());
                    let off = off.fold(0.0, f32::max);
                    assert!(off < 2e-5, "{rows} {inputs} {outputs} {threads}: {off}");
                };
                let mut output = vec![f32::NAN; rows * outputs];
                forward.multiply(&input, Some(&bias), &mut output, threads);
                near(&output, &x.linear(&w, Some(Tensor::from_slice(&bias))));
                let mut back = vec![f32::NAN; rows * inputs];
                backward.multiply(&gradient, None, &mut back, threads);
                near(&back, &dy.matmul(&w));
                let mut sum = weight.clone();
                add_outer(&gradient, &input, rows, &mut sum, threads);
                near(&sum, &(&w + dy.tr().matmul(&x)));
            }
        }
    }
}
