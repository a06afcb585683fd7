//! The feed-forward network, block by block.

use super::buffer::{Source, pack_panels, pad, padded, stride};
use super::kernels::{ColumnSums, Finish, Product, Start, TransposedProduct};
use super::workspace::Workspace;
use super::{Affine, BLOCK, FusedBody};

pub(super) fn forward(
    body: &FusedBody,
    middle: &Affine,
    parameters: &[f32],
    input: &[f32],
    workspace: &mut Workspace,
    output: &mut [f32],
    training: bool,
) {
    let (hidden, columns, stride) = (body.hidden, padded(body.hidden), stride(body.hidden));
    let rows = input.len() / body.inputs;
    let kernels = workspace.kernels;
    workspace.pack_outer_layers(body, parameters);
    let weight = Source::transposed(&parameters[middle.weight.clone()], hidden, hidden);
    pack_panels(weight, columns, kernels.lanes, &mut workspace.middle.weight);
    let bias = &parameters[middle.bias.clone()];
    pad(bias, columns, &mut workspace.middle.bias);

    let kept = if training { rows } else { BLOCK };
    workspace.features.fit(kept * stride);
    workspace.states.fit(kept * stride);
    let blocks = input.chunks(BLOCK * body.inputs);
    let outputs = output.chunks_mut(BLOCK * body.outputs);
    for (block, (input, output)) in blocks.zip(outputs).enumerate() {
        let at = if training { block * BLOCK } else { 0 };
        workspace.first_layer(body, input, at);
        (kernels.product)(&mut Product {
            left: (&workspace.features[at * stride..], stride),
            rows: input.len() / body.inputs,
            depth: hidden,
            right: &workspace.middle.weight,
            columns,
            start: Start::Bias(&workspace.middle.bias),
            finish: Finish::Relu,
            out: (&mut workspace.states[at * stride..], stride),
        });
        workspace.last_layer(body, output, at);
    }
}

pub(super) fn backward(
    body: &FusedBody,
    middle: &Affine,
    parameters: &[f32],
    input: &[f32],
    workspace: &mut Workspace,
    output_gradient: &[f32],
    gradient: &mut [f32],
) {
    let (hidden, columns, stride) = (body.hidden, padded(body.hidden), stride(body.hidden));
    let kernels = workspace.kernels;
    workspace.start_backward(body, parameters);
    let weight = Source::straight(&parameters[middle.weight.clone()], hidden, hidden);
    pack_panels(weight, columns, kernels.lanes, &mut workspace.middle.weight);
    workspace.middle.weight_sum.zeros(columns * stride);
    workspace.middle.bias_sum.zeros(columns);
    workspace.states_gradient.fit(BLOCK * stride);
    workspace.features_gradient.fit(BLOCK * stride);

    let blocks = input.chunks(BLOCK * body.inputs);
    let gradients = output_gradient.chunks(BLOCK * body.outputs);
    for (block, (input, output_gradient)) in blocks.zip(gradients).enumerate() {
        let (at, rows) = (block * BLOCK, input.len() / body.inputs);
        workspace.last_layer_backward(body, output_gradient, at, true);
        let features = &workspace.features[at * stride..];
        (kernels.transposed_product)(&mut TransposedProduct {
            left: (&workspace.states_gradient, stride),
            right: (features, stride),
            rows,
            height: columns,
            columns,
            sum: (&mut workspace.middle.weight_sum, stride),
        });
        (kernels.column_sums)(&mut ColumnSums {
            values: (&workspace.states_gradient, stride),
            rows,
            columns,
            sum: &mut workspace.middle.bias_sum,
        });
        (kernels.product)(&mut Product {
            left: (&workspace.states_gradient, stride),
            rows,
            depth: hidden,
            right: &workspace.middle.weight,
            columns,
            start: Start::Zero,
            finish: Finish::ReluBackward(features),
            out: (&mut workspace.features_gradient, stride),
        });
        workspace.first_layer_backward(body, input);
    }
    workspace.middle.add_sums(middle, hidden, gradient);
    workspace.finish_backward(body, gradient);
}
