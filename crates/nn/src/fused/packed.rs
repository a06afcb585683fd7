//! One linear layer whose weights were packed ahead, for batches of a few rows.
//!
//! LibTorch's product packs the weights anew on each call. For the eight rows of a small
//! batch that costs more than the arithmetic; a generation multiplies by the same weights
//! for every token.

use super::buffer::{Buffer, LINE, Source, pack_panels, pad};
use super::dispatch::{self, Kernels};
use super::kernels::{Finish, Product, Start};

/// `y = x W^T + b` with `W` packed.
#[derive(Debug)]
pub struct PackedLinear {
    weight: Buffer,
    bias: Option<Buffer>,
    inputs: usize,
    outputs: usize,
    kernels: &'static Kernels,
}

impl PackedLinear {
    /// Packs `weight` `[outputs, inputs]`, row-major, and `bias` `[outputs]`.
    ///
    /// # Panics
    /// When the lengths disagree.
    pub fn new(weight: &[f32], bias: Option<&[f32]>, [outputs, inputs]: [usize; 2]) -> Self {
        assert_eq!(weight.len(), outputs * inputs, "the weight has its shape");
        let kernels = dispatch::best();
        let columns = outputs.next_multiple_of(LINE);
        let mut packed = Buffer::default();
        let source = Source::transposed(weight, outputs, inputs);
        pack_panels(source, columns, kernels.lanes, &mut packed);
        let bias = bias.map(|bias| {
            assert_eq!(bias.len(), outputs, "the bias has its shape");
            let mut padded = Buffer::default();
            pad(bias, columns, &mut padded);
            padded
        });
        Self {
            weight: packed,
            bias,
            inputs,
            outputs,
            kernels,
        }
    }

    /// Width of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Width of the output.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// `input` `[rows, inputs]` to `output` `[rows, outputs]`, both row-major.
    ///
    /// # Panics
    /// When the lengths disagree.
    pub fn forward(&self, input: &[f32], rows: usize, output: &mut [f32]) {
        assert_eq!(input.len(), rows * self.inputs, "the input has its shape");
        assert_eq!(
            output.len(),
            rows * self.outputs,
            "the output has its shape"
        );
        (self.kernels.product)(&mut Product {
            left: (input, self.inputs),
            rows,
            depth: self.inputs,
            right: &self.weight,
            columns: self.outputs,
            start: match &self.bias {
                Some(bias) => Start::Bias(bias),
                None => Start::Zero,
            },
            finish: Finish::Nothing,
            out: (output, self.outputs),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::RandomStream;

    #[test]
    fn rows_are_those_of_a_plain_product() {
        let mut stream = RandomStream::new(1, "packed", 0);
        let mut drawn =
            |count: usize| -> Vec<f32> { (0..count).map(|_| stream.uniform() - 0.5).collect() };
        for (rows, inputs, outputs) in [
            (1, 5, 3),
            (1, 24, 300),
            (2, 64, 131),
            (8, 33, 48),
            (11, 16, 100),
        ] {
            let (weight, bias) = (drawn(outputs * inputs), drawn(outputs));
            let input = drawn(rows * inputs);
            for bias in [None, Some(bias.as_slice())] {
                let packed = PackedLinear::new(&weight, bias, [outputs, inputs]);
                let mut output = vec![f32::NAN; rows * outputs];
                packed.forward(&input, rows, &mut output);
                for (at, value) in output.iter().enumerate() {
                    let (row, column) = (at / outputs, at % outputs);
                    let left = &input[row * inputs..][..inputs];
                    let right = &weight[column * inputs..][..inputs];
                    let sum: f32 = left.iter().zip(right).map(|(a, b)| a * b).sum();
                    let wanted = sum + bias.map_or(0.0, |bias| bias[column]);
                    assert!((value - wanted).abs() < 1e-5, "{value} against {wanted}");
                }
            }
        }
    }

    #[test]
    fn a_row_s_bits_do_not_depend_on_the_rows_beside_it() {
        let mut stream = RandomStream::new(2, "packed", 0);
        let mut drawn =
            |count: usize| -> Vec<f32> { (0..count).map(|_| stream.uniform() - 0.5).collect() };
        let (inputs, outputs) = (48, 331);
        let (weight, bias) = (drawn(outputs * inputs), drawn(outputs));
        let input = drawn(9 * inputs);
        let packed = PackedLinear::new(&weight, Some(&bias), [outputs, inputs]);
        let run = |rows: std::ops::Range<usize>| {
            let mut output = vec![f32::NAN; rows.len() * outputs];
            let input = &input[rows.start * inputs..rows.end * inputs];
            packed.forward(input, rows.len(), &mut output);
            output
        };
        let together = run(0..9);
        for count in [1, 2, 3, 5, 8] {
            assert_eq!(run(0..count), together[..count * outputs], "{count} rows");
        }
    }
}
