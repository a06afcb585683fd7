//! The monotone mixing network on the CPU, forward and backward, block by block.
//!
//! The function is the one of QMIX (Rashid et al. 2018): layers of the state make the weights
//! that the agents' values are mixed by, see [`Mix`].

#[cfg(test)]
mod tests;

use super::buffer::{Buffer, LINE, Source, pack_panels, pad, padded, stride};
use super::dispatch::{self, Kernels};
use super::kernels::{ColumnSums, Finish, Product, Start, TransposedProduct};
use super::mix::{Mix, MixBackward};
use super::workspace::{Layer, add};
use super::{Affine, BLOCK, affine};
use crate::layers::Linear;
use crate::parameters::ParameterLayout;

/// The layers of a mixing network, all of the state or of a hidden layer of it.
#[derive(Clone, Copy, Debug)]
pub struct MixerLayers {
    /// Makes the weights of the agents' values, `[agents, embedding]`; a hidden layer with
    /// ReLU comes before it when there is one.
    pub first: (Option<Linear>, Linear),
    /// Makes the weights of the hidden units, `[embedding]`, likewise.
    pub last: (Option<Linear>, Linear),
    /// Makes the bias of the hidden units, `[embedding]`.
    pub bias: Linear,
    /// Makes the number that is added: a layer with ReLU, `[embedding]`, and one without.
    pub value: (Linear, Linear),
}

/// One mixing network: where its weights lie in the flat buffer of
/// [`crate::parameters::Parameters`].
#[derive(Clone, Debug)]
pub struct FusedMixer {
    agents: usize,
    embedding: usize,
    state: usize,
    first: Hypernetwork,
    last: Hypernetwork,
    bias: Dense,
    value: Dense,
    value_output: Affine,
}

#[derive(Clone, Debug)]
struct Hypernetwork {
    hidden: Option<Dense>,
    output: Dense,
}

#[derive(Clone, Debug)]
struct Dense {
    place: Affine,
    inputs: usize,
    outputs: usize,
}

/// Activations and scratch memory of [`FusedMixer`]'s passes: grows only, one per thread.
#[derive(Debug)]
pub struct MixerWorkspace {
    kernels: &'static Kernels,
    kept_rows: Option<usize>,
    first: HypernetworkMemory,
    last: HypernetworkMemory,
    bias: DenseMemory,
    value: DenseMemory,
    value_weight_sum: Vec<f32>,
    value_bias_sum: f32,
}

#[derive(Debug, Default)]
struct HypernetworkMemory {
    hidden: DenseMemory,
    output: DenseMemory,
}

/// Packed weights, outputs `[rows, stride]` and their gradient `[block, stride]`.
#[derive(Debug, Default)]
struct DenseMemory {
    layer: Layer,
    backward_weight: Buffer,
    output: Buffer,
    gradient: Buffer,
}

impl Default for MixerWorkspace {
    fn default() -> Self {
        Self::new()
    }
}

impl MixerWorkspace {
    /// Empty, with the best kernels of this machine.
    pub fn new() -> Self {
        Self::with_kernels(dispatch::best())
    }

    pub(super) fn with_kernels(kernels: &'static Kernels) -> Self {
        Self {
            kernels,
            kept_rows: None,
            first: HypernetworkMemory::default(),
            last: HypernetworkMemory::default(),
            bias: DenseMemory::default(),
            value: DenseMemory::default(),
            value_weight_sum: Vec::new(),
            value_bias_sum: 0.0,
        }
    }
}

impl FusedMixer {
    /// A network over layers that were declared in `layout`.
    ///
    /// # Panics
    /// When their sizes do not fit together.
    pub fn new(layout: &ParameterLayout, layers: &MixerLayers) -> Self {
        let (first, last) = (
            Hypernetwork::new(layout, layers.first),
            Hypernetwork::new(layout, layers.last),
        );
        let bias = Dense::new(layout, layers.bias);
        let (value, output) = (
            Dense::new(layout, layers.value.0),
            Dense::new(layout, layers.value.1),
        );
        let (embedding, state) = (bias.outputs, bias.inputs);
        let fits = first.inputs() == state
            && last.inputs() == state
            && first.output.outputs.is_multiple_of(embedding)
            && last.output.outputs == embedding
            && [value.inputs, value.outputs] == [state, embedding]
            && [output.inputs, output.outputs] == [embedding, 1];
        assert!(fits, "the layers fit together");
        Self {
            agents: first.output.outputs / embedding,
            embedding,
            state,
            first,
            last,
            bias,
            value,
            value_output: output.place,
        }
    }

    /// Mixed values `mixed` `[rows]` of the agents' `values` `[rows, agents]` in `states`
    /// `[rows, state]`, all row-major. `parameters` is the flat buffer. With `training`,
    /// `workspace` keeps what [`FusedMixer::backward`] needs.
    ///
    /// # Panics
    /// When the slices' lengths disagree.
    pub fn forward(
        &self,
        parameters: &[f32],
        values: &[f32],
        states: &[f32],
        workspace: &mut MixerWorkspace,
        mixed: &mut [f32],
        training: bool,
    ) {
        let rows = mixed.len();
        self.check_rows(values, states, rows);
        workspace.kept_rows = training.then_some(rows);
        let kernels = workspace.kernels;
        let kept = if training { rows } else { BLOCK.min(rows) };
        self.first
            .pack(parameters, kernels, &mut workspace.first, kept);
        self.last
            .pack(parameters, kernels, &mut workspace.last, kept);
        self.bias
            .pack(parameters, kernels, &mut workspace.bias, kept);
        self.value
            .pack(parameters, kernels, &mut workspace.value, kept);
        for (block, mixed) in mixed.chunks_mut(BLOCK).enumerate() {
            let (start, rows) = (block * BLOCK, mixed.len());
            let at = if training { start } else { 0 };
            let states = &states[start * self.state..][..rows * self.state];
            let (first, last) = (&mut workspace.first, &mut workspace.last);
            self.first.apply(kernels, first, states, at, rows);
            self.last.apply(kernels, last, states, at, rows);
            let input = (states, self.state);
            let (bias, value) = (&mut workspace.bias, &mut workspace.value);
            self.bias
                .apply(kernels, bias, input, at, rows, Finish::Nothing);
            self.value
                .apply(kernels, value, input, at, rows, Finish::Relu);
            let hidden = self.bias.stride();
            (kernels.mix)(&mut Mix {
                agents: self.agents,
                embedding: self.embedding,
                values: &values[start * self.agents..][..rows * self.agents],
                first: self.first.output.rows(&first.output, at),
                hidden: (&mut bias.output[at * hidden..], hidden),
                last: self.last.output.rows(&last.output, at),
                value: self.value.rows(value, at),
                value_weight: &parameters[self.value_output.weight.clone()],
                value_bias: parameters[self.value_output.bias.start],
                mixed,
            });
        }
    }

    /// Writes the gradient of a loss with respect to `values` into `values_gradient`
    /// `[rows, agents]` and adds that with respect to the weights to `gradient`, laid out like
    /// the flat buffer.
    ///
    /// `mixed_gradient` `[rows]` is the loss's gradient with respect to the mixed values; the
    /// other arguments are those of the last call of [`FusedMixer::forward`] on this
    /// `workspace`, which must have been one with `training`.
    ///
    /// # Panics
    /// As [`FusedMixer::forward`], and when no such call went before.
    #[expect(clippy::too_many_arguments, reason = "three inputs, three gradients")]
    pub fn backward(
        &self,
        parameters: &[f32],
        values: &[f32],
        states: &[f32],
        workspace: &mut MixerWorkspace,
        mixed_gradient: &[f32],
        values_gradient: &mut [f32],
        gradient: &mut [f32],
    ) {
        let rows = mixed_gradient.len();
        self.check_rows(values, states, rows);
        assert_eq!(values_gradient.len(), values.len(), "[rows, agents]");
        assert_eq!(
            workspace.kept_rows,
            Some(rows),
            "backward follows a forward pass in training over the same rows"
        );
        let kernels = workspace.kernels;
        self.first
            .start_backward(parameters, kernels, &mut workspace.first);
        self.last
            .start_backward(parameters, kernels, &mut workspace.last);
        self.bias.clear_sums(&mut workspace.bias, true);
        self.value.clear_sums(&mut workspace.value, true);
        workspace.value_weight_sum.clear();
        workspace.value_weight_sum.resize(self.embedding, 0.0);
        workspace.value_bias_sum = 0.0;
        for (block, mixed_gradient) in mixed_gradient.chunks(BLOCK).enumerate() {
            let (at, rows) = (block * BLOCK, mixed_gradient.len());
            let states = &states[at * self.state..][..rows * self.state];
            let of_values = at * self.agents..(at + rows) * self.agents;
            let (first, last) = (&mut workspace.first, &mut workspace.last);
            let (bias, value) = (&mut workspace.bias, &mut workspace.value);
            (kernels.mix_backward)(&mut MixBackward {
                agents: self.agents,
                embedding: self.embedding,
                mixed_gradient,
                values: &values[of_values.clone()],
                first: (
                    &first.output.output[at * self.first.output.stride()..],
                    self.first.output.stride(),
                ),
                hidden: (&bias.output[at * self.bias.stride()..], self.bias.stride()),
                last: (
                    &last.output.output[at * self.last.output.stride()..],
                    self.last.output.stride(),
                ),
                value: (
                    &value.output[at * self.value.stride()..],
                    self.value.stride(),
                ),
                value_weight: &parameters[self.value_output.weight.clone()],
                values_gradient: &mut values_gradient[of_values],
                first_gradient: &mut first.output.gradient,
                hidden_gradient: &mut bias.gradient,
                last_gradient: &mut last.output.gradient,
                value_gradient: &mut value.gradient,
                value_weight_sum: &mut workspace.value_weight_sum,
                value_bias_sum: &mut workspace.value_bias_sum,
            });
            self.first.backward(kernels, first, states, at, rows);
            self.last.backward(kernels, last, states, at, rows);
            self.bias.backward_of_state(kernels, bias, states, rows);
            self.value.backward_of_state(kernels, value, states, rows);
        }
        self.first.finish(&workspace.first, gradient);
        self.last.finish(&workspace.last, gradient);
        self.bias.finish_of_state(&workspace.bias, gradient);
        self.value.finish_of_state(&workspace.value, gradient);
        let output = &self.value_output;
        add(
            &mut gradient[output.weight.clone()],
            &workspace.value_weight_sum,
        );
        gradient[output.bias.start] += workspace.value_bias_sum;
    }

    fn check_rows(&self, values: &[f32], states: &[f32], rows: usize) {
        assert_eq!(values.len(), rows * self.agents, "[rows, agents]");
        assert_eq!(states.len(), rows * self.state, "[rows, state]");
    }
}

impl Hypernetwork {
    fn new(layout: &ParameterLayout, (hidden, output): (Option<Linear>, Linear)) -> Self {
        let hidden = hidden.map(|hidden| Dense::new(layout, hidden));
        let output = Dense::new(layout, output);
        if let Some(hidden) = &hidden {
            assert_eq!(hidden.outputs, output.inputs, "the layers fit together");
        }
        Self { hidden, output }
    }

    fn inputs(&self) -> usize {
        self.hidden.as_ref().unwrap_or(&self.output).inputs
    }

    fn pack(
        &self,
        parameters: &[f32],
        kernels: &Kernels,
        memory: &mut HypernetworkMemory,
        rows: usize,
    ) {
        if let Some(hidden) = &self.hidden {
            hidden.pack(parameters, kernels, &mut memory.hidden, rows);
        }
        self.output
            .pack(parameters, kernels, &mut memory.output, rows);
    }

    fn apply(
        &self,
        kernels: &Kernels,
        memory: &mut HypernetworkMemory,
        states: &[f32],
        at: usize,
        rows: usize,
    ) {
        let HypernetworkMemory { hidden, output } = memory;
        let input = match &self.hidden {
            None => (states, self.output.inputs),
            Some(layer) => {
                let states = (states, layer.inputs);
                layer.apply(kernels, hidden, states, at, rows, Finish::Relu);
                layer.rows(hidden, at)
            }
        };
        self.output
            .apply(kernels, output, input, at, rows, Finish::Nothing);
    }

    fn start_backward(
        &self,
        parameters: &[f32],
        kernels: &Kernels,
        memory: &mut HypernetworkMemory,
    ) {
        let Some(hidden) = &self.hidden else {
            self.output.clear_sums(&mut memory.output, true);
            return;
        };
        hidden.clear_sums(&mut memory.hidden, true);
        self.output.clear_sums(&mut memory.output, false);
        let weight = &parameters[self.output.place.weight.clone()];
        let weight = Source::straight(weight, self.output.outputs, self.output.inputs);
        let columns = padded(self.output.inputs);
        let packed = &mut memory.output.backward_weight;
        pack_panels(weight, columns, kernels.lanes, packed);
    }

    fn backward(
        &self,
        kernels: &Kernels,
        memory: &mut HypernetworkMemory,
        states: &[f32],
        at: usize,
        rows: usize,
    ) {
        let HypernetworkMemory { hidden, output } = memory;
        let Some(layer) = &self.hidden else {
            self.output.backward_of_state(kernels, output, states, rows);
            return;
        };
        let features = (&hidden.output[at * layer.stride()..], layer.stride());
        let gradient = (&output.gradient[..], self.output.stride());
        (kernels.transposed_product)(&mut TransposedProduct {
            left: gradient,
            right: features,
            rows,
            height: self.output.outputs,
            columns: padded(self.output.inputs),
            sum: (&mut output.layer.weight_sum, features.1),
        });
        (kernels.column_sums)(&mut ColumnSums {
            values: gradient,
            rows,
            columns: padded(self.output.outputs),
            sum: &mut output.layer.bias_sum,
        });
        (kernels.product)(&mut Product {
            left: gradient,
            rows,
            depth: self.output.outputs,
            right: &output.backward_weight,
            columns: padded(self.output.inputs),
            start: Start::Zero,
            finish: Finish::ReluBackward(features.0),
            out: (&mut hidden.gradient, features.1),
        });
        layer.backward_of_state(kernels, hidden, states, rows);
    }

    fn finish(&self, memory: &HypernetworkMemory, gradient: &mut [f32]) {
        let Some(hidden) = &self.hidden else {
            self.output.finish_of_state(&memory.output, gradient);
            return;
        };
        hidden.finish_of_state(&memory.hidden, gradient);
        let (layer, place) = (&memory.output.layer, &self.output.place);
        layer.add_sums(place, self.output.inputs, gradient);
    }
}

impl Dense {
    fn new(layout: &ParameterLayout, linear: Linear) -> Self {
        let (place, [outputs, inputs]) = affine(layout, linear.weight, linear.bias);
        Self {
            place,
            inputs,
            outputs,
        }
    }

    fn stride(&self) -> usize {
        stride(self.outputs)
    }

    /// The outputs from row `at` on, with their stride.
    fn rows<'a>(&self, memory: &'a DenseMemory, at: usize) -> (&'a [f32], usize) {
        (&memory.output[at * self.stride()..], self.stride())
    }

    /// Packs the weights for a forward pass and makes room for outputs.
    fn pack(&self, parameters: &[f32], kernels: &Kernels, memory: &mut DenseMemory, rows: usize) {
        let weight = &parameters[self.place.weight.clone()];
        let weight = Source::transposed(weight, self.outputs, self.inputs);
        let columns = padded(self.outputs);
        pack_panels(weight, columns, kernels.lanes, &mut memory.layer.weight);
        let bias = &parameters[self.place.bias.clone()];
        pad(bias, columns, &mut memory.layer.bias);
        memory.output.fit(rows * self.stride());
    }

    /// Outputs of `rows` rows of input, from row `at` on.
    fn apply(
        &self,
        kernels: &Kernels,
        memory: &mut DenseMemory,
        input: (&[f32], usize),
        at: usize,
        rows: usize,
        finish: Finish<'_>,
    ) {
        (kernels.product)(&mut Product {
            left: input,
            rows,
            depth: self.inputs,
            right: &memory.layer.weight,
            columns: padded(self.outputs),
            start: Start::Bias(&memory.layer.bias),
            finish,
            out: (&mut memory.output[at * self.stride()..], self.stride()),
        });
    }

    /// Clears the sums of a backward pass and makes room for gradients. The sums of a layer of
    /// the state are `[inputs, stride]`, so that the few inputs need no padding; others
    /// `[outputs, stride]`.
    fn clear_sums(&self, memory: &mut DenseMemory, of_state: bool) {
        let sums = if of_state {
            self.inputs * self.stride()
        } else {
            self.outputs * stride(self.inputs)
        };
        memory.layer.weight_sum.zeros(sums);
        memory.layer.bias_sum.zeros(padded(self.outputs));
        memory.gradient.zeros(BLOCK * self.stride());
    }

    fn backward_of_state(
        &self,
        kernels: &Kernels,
        memory: &mut DenseMemory,
        states: &[f32],
        rows: usize,
    ) {
        let gradient = (&memory.gradient[..], self.stride());
        (kernels.transposed_product)(&mut TransposedProduct {
            left: (states, self.inputs),
            right: gradient,
            rows,
            height: self.inputs,
            columns: padded(self.outputs),
            sum: (&mut memory.layer.weight_sum, self.stride()),
        });
        (kernels.column_sums)(&mut ColumnSums {
            values: gradient,
            rows,
            columns: padded(self.outputs),
            sum: &mut memory.layer.bias_sum,
        });
    }

    fn finish_of_state(&self, memory: &DenseMemory, gradient: &mut [f32]) {
        let weight = &mut gradient[self.place.weight.clone()];
        for (output, row) in weight.chunks_exact_mut(self.inputs).enumerate() {
            let column = memory.layer.weight_sum[output..]
                .iter()
                .step_by(self.stride());
            row.iter_mut()
                .zip(column)
                .for_each(|(to, from)| *to += from);
        }
        add(
            &mut gradient[self.place.bias.clone()],
            &memory.layer.bias_sum,
        );
    }
}

const _: () = assert!(BLOCK.is_multiple_of(LINE), "blocks start on cache lines");
