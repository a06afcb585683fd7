//! Memory of one thread's passes, and the parts both kinds of network share.

use super::buffer::{Buffer, LINE, Source, pack_panels, pad, padded, stride};
use super::dispatch::{self, Kernels};
use super::kernels::{ColumnSums, Finish, Product, Start, TransposedProduct};
use super::{Affine, FusedBody};

/// Activations and scratch memory of [`FusedBody`]'s passes: grows only, is reused from
/// call to call, one per thread.
#[derive(Debug)]
pub struct Workspace {
    pub(super) kernels: &'static Kernels,
    pub(super) kept_rows: Option<usize>,
    pub(super) input: Layer,
    pub(super) middle: Layer,
    pub(super) hidden: Layer,
    pub(super) output: Layer,
    pub(super) features: Buffer,  // [rows, stride] after the first layer
    pub(super) states: Buffer,    // [rows, stride] after the middle
    pub(super) projected: Buffer, // [block, 3 padded] gates from the features
    pub(super) kept: Buffer,      // [rows, 4 padded] gates
    pub(super) features_gradient: Buffer,
    pub(super) states_gradient: Buffer,
    pub(super) gates_gradient: Buffer,
    pub(super) states_before: Buffer,
    pub(super) carry: Buffer,
    pub(super) stacked: Buffer,
}

/// Packed weights and gradient sums of one layer.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) weight: Buffer,
    pub(super) bias: Buffer,
    pub(super) weight_sum: Buffer,
    pub(super) bias_sum: Buffer,
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}

impl Workspace {
    /// Empty, with the best kernels of this machine.
    pub fn new() -> Self {
        Self::with_kernels(dispatch::best())
    }

    /// Empty, with the kernels of a named instruction set (see
    /// [`Workspace::instruction_set`]), for runs to be compared between machines; `None`
    /// where this machine lacks it.
    pub fn with_instruction_set(name: &str) -> Option<Self> {
        let mut tables = dispatch::available().into_iter();
        tables
            .find(|table| table.name == name)
            .map(Self::with_kernels)
    }

    pub(super) fn with_kernels(kernels: &'static Kernels) -> Self {
        Self {
            kernels,
            kept_rows: None,
            input: Layer::default(),
            middle: Layer::default(),
            hidden: Layer::default(),
            output: Layer::default(),
            features: Buffer::default(),
            states: Buffer::default(),
            projected: Buffer::default(),
            kept: Buffer::default(),
            features_gradient: Buffer::default(),
            states_gradient: Buffer::default(),
            gates_gradient: Buffer::default(),
            states_before: Buffer::default(),
            carry: Buffer::default(),
            stacked: Buffer::default(),
        }
    }

    /// The instruction set of the kernels: `avx512`, `avx2` or `baseline`.
    pub fn instruction_set(&self) -> &'static str {
        self.kernels.name
    }

    /// Packs the first and the last layer for a forward pass.
    pub(super) fn pack_outer_layers(&mut self, body: &FusedBody, parameters: &[f32]) {
        let (lanes, hidden) = (self.kernels.lanes, body.hidden);
        let weight =
            Source::transposed(&parameters[body.input.weight.clone()], hidden, body.inputs);
        pack_panels(weight, padded(hidden), lanes, &mut self.input.weight);
        let bias = &parameters[body.input.bias.clone()];
        pad(bias, padded(hidden), &mut self.input.bias);

        let columns = body.outputs.next_multiple_of(lanes);
        let weight = Source::transposed(
            &parameters[body.output.weight.clone()],
            body.outputs,
            hidden,
        );
        pack_panels(weight, columns, lanes, &mut self.output.weight);
        pad(
            &parameters[body.output.bias.clone()],
            columns,
            &mut self.output.bias,
        );
    }

    /// Packs the last layer for a backward pass and clears the outer layers' sums.
    pub(super) fn start_backward(&mut self, body: &FusedBody, parameters: &[f32]) {
        let weight = &parameters[body.output.weight.clone()];
        let weight = Source::straight(weight, body.outputs, body.hidden);
        let (lanes, columns) = (self.kernels.lanes, padded(body.hidden));
        pack_panels(weight, columns, lanes, &mut self.output.weight);
        let stride = stride(body.hidden);
        self.input.weight_sum.zeros(body.inputs * stride);
        self.input.bias_sum.zeros(columns);
        self.output.weight_sum.zeros(body.outputs * stride);
        self.output.bias_sum.zeros(body.outputs);
    }

    /// `features[at..] = relu(linear(input))` for the rows of `input`.
    pub(super) fn first_layer(&mut self, body: &FusedBody, input: &[f32], at: usize) {
        let stride = stride(body.hidden);
        (self.kernels.product)(&mut Product {
            left: (input, body.inputs),
            rows: input.len() / body.inputs,
            depth: body.inputs,
            right: &self.input.weight,
            columns: padded(body.hidden),
            start: Start::Bias(&self.input.bias),
            finish: Finish::Relu,
            out: (&mut self.features[at * stride..], stride),
        });
    }

    /// `output = linear(states[at..])` for the rows of `output`.
    pub(super) fn last_layer(&mut self, body: &FusedBody, output: &mut [f32], at: usize) {
        let stride = stride(body.hidden);
        (self.kernels.product)(&mut Product {
            left: (&self.states[at * stride..], stride),
            rows: output.len() / body.outputs,
            depth: body.hidden,
            right: &self.output.weight,
            columns: body.outputs,
            start: Start::Bias(&self.output.bias),
            finish: Finish::Nothing,
            out: (output, body.outputs),
        });
    }

    /// Backward through the last layer: fills `states_gradient` for the block of
    /// `output_gradient`, whose states start at row `at`.
    pub(super) fn last_layer_backward(
        &mut self,
        body: &FusedBody,
        output_gradient: &[f32],
        at: usize,
        through_relu: bool,
    ) {
        let (stride, columns) = (stride(body.hidden), padded(body.hidden));
        let rows = output_gradient.len() / body.outputs;
        let states = &self.states[at * stride..];
        (self.kernels.product)(&mut Product {
            left: (output_gradient, body.outputs),
            rows,
            depth: body.outputs,
            right: &self.output.weight,
            columns,
            start: Start::Zero,
            finish: if through_relu {
                Finish::ReluBackward(states)
            } else {
                Finish::Nothing
            },
            out: (&mut self.states_gradient, stride),
        });
        (self.kernels.transposed_product)(&mut TransposedProduct {
            left: (output_gradient, body.outputs),
            right: (states, stride),
            rows,
            height: body.outputs,
            columns,
            sum: (&mut self.output.weight_sum, stride),
        });
        for row in output_gradient.chunks_exact(body.outputs) {
            for (sum, value) in self.output.bias_sum.iter_mut().zip(row) {
                *sum += value;
            }
        }
    }

    /// Sums of the first layer from `features_gradient` of the block of `input`.
    pub(super) fn first_layer_backward(&mut self, body: &FusedBody, input: &[f32]) {
        let (stride, columns) = (stride(body.hidden), padded(body.hidden));
        let rows = input.len() / body.inputs;
        // Transposed, [inputs, hidden], so that the few inputs need no padding.
        (self.kernels.transposed_product)(&mut TransposedProduct {
            left: (input, body.inputs),
            right: (&self.features_gradient, stride),
            rows,
            height: body.inputs,
            columns,
            sum: (&mut self.input.weight_sum, stride),
        });
        (self.kernels.column_sums)(&mut ColumnSums {
            values: (&self.features_gradient, stride),
            rows,
            columns,
            sum: &mut self.input.bias_sum,
        });
    }

    /// Adds the outer layers' sums to the flat gradient.
    pub(super) fn finish_backward(&self, body: &FusedBody, gradient: &mut [f32]) {
        let stride = stride(body.hidden);
        let weight = &mut gradient[body.input.weight.clone()];
        for (hidden, row) in weight.chunks_exact_mut(body.inputs).enumerate() {
            let column = self.input.weight_sum[hidden..].iter().step_by(stride);
            row.iter_mut()
                .zip(column)
                .for_each(|(to, from)| *to += from);
        }
        add(&mut gradient[body.input.bias.clone()], &self.input.bias_sum);
        self.output.add_sums(&body.output, body.hidden, gradient);
    }
}

impl Layer {
    /// Adds the sums `[rows, stride]` of a layer with `columns` inputs.
    pub(super) fn add_sums(&self, place: &Affine, columns: usize, gradient: &mut [f32]) {
        let rows = gradient[place.weight.clone()].chunks_exact_mut(columns);
        for (row, sums) in rows.zip(self.weight_sum.chunks(stride(columns))) {
            add(row, sums);
        }
        add(&mut gradient[place.bias.clone()], &self.bias_sum);
    }
}

/// `to += from`, as far as the shorter goes.
pub(super) fn add(to: &mut [f32], from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

const _: () = assert!(
    LINE.is_multiple_of(16),
    "padding holds whole vectors of every level"
);
