//! The recurrent network: blocks of steps forward, and back again.

use std::ops::Range;

use super::buffer::{Source, pack_gates, pack_panels, pad, padded, stack_gates, stride};
use super::gates::{GruGates, GruStep};
use super::kernels::{ColumnSums, Finish, Product, Start, TransposedProduct};
use super::workspace::{Workspace, add};
use super::{Affine, BLOCK, FusedBody};

/// Consecutive steps whose rows go through the products together.
struct StepBlock {
    steps: Range<usize>,
    rows: Range<usize>,
}

/// Cuts the steps into blocks of at most `BLOCK` rows, or one step.
fn step_blocks(sizes: &[usize]) -> Vec<StepBlock> {
    let mut blocks: Vec<StepBlock> = Vec::new();
    let mut row = 0;
    for (step, &size) in sizes.iter().enumerate() {
        let rows = row..row + size;
        row += size;
        match blocks.last_mut() {
            Some(last) if rows.end - last.rows.start <= BLOCK => {
                last.steps.end = step + 1;
                last.rows.end = rows.end;
            }
            _ => blocks.push(StepBlock {
                steps: step..step + 1,
                rows,
            }),
        }
    }
    blocks
}

fn largest(blocks: &[StepBlock]) -> usize {
    blocks
        .iter()
        .map(|block| block.rows.len())
        .max()
        .unwrap_or(0)
}

#[expect(
    clippy::too_many_arguments,
    reason = "the arguments of `FusedBody::forward`"
)]
pub(super) fn forward(
    body: &FusedBody,
    (of_input, of_hidden): (&Affine, &Affine),
    parameters: &[f32],
    input: &[f32],
    sizes: &[usize],
    workspace: &mut Workspace,
    output: &mut [f32],
    training: bool,
) {
    let (hidden, padded, stride_) = (body.hidden, padded(body.hidden), stride(body.hidden));
    let (gate_columns, kept_stride) = (stride(3 * padded), stride(4 * padded));
    let rows = input.len() / body.inputs;
    let kernels = workspace.kernels;
    pack(body, of_input, of_hidden, parameters, workspace);
    let blocks = step_blocks(sizes);
    let block_rows = largest(&blocks);
    let kept = if training { rows } else { block_rows };
    workspace.features.fit(kept * stride_);
    workspace.states.fit(rows * stride_);
    workspace.projected.fit(block_rows * gate_columns);
    if training {
        workspace.kept.fit(rows * kept_stride);
    }
    for block in blocks {
        let first = block.rows.start;
        let at = if training { first } else { 0 };
        let input = &input[first * body.inputs..block.rows.end * body.inputs];
        workspace.first_layer(body, input, at);
        (kernels.product)(&mut Product {
            left: (&workspace.features[at * stride_..], stride_),
            rows: block.rows.len(),
            depth: hidden,
            right: &workspace.middle.weight,
            columns: 3 * padded,
            start: Start::Bias(&workspace.middle.bias),
            finish: Finish::Nothing,
            out: (&mut workspace.projected, gate_columns),
        });
        let mut row = first;
        for step in block.steps.clone() {
            let size = sizes[step];
            let (before, out) = workspace.states.split_at_mut(row * stride_);
            let before = (step > 0).then(|| &before[(row - sizes[step.max(1) - 1]) * stride_..]);
            let kept = training.then(|| (&mut workspace.kept[row * kept_stride..], kept_stride));
            (kernels.gru_step)(&mut GruStep {
                projected: (
                    &workspace.projected[(row - first) * gate_columns..],
                    gate_columns,
                ),
                hidden: before,
                hidden_stride: stride_,
                weight: &workspace.hidden.weight,
                bias: &workspace.hidden.bias,
                rows: size,
                hidden_size: hidden,
                padded,
                out,
                kept,
            });
            row += size;
        }
        let output = &mut output[first * body.outputs..block.rows.end * body.outputs];
        workspace.last_layer(body, output, first);
    }
}

/// Packs all weights for a forward pass.
fn pack(
    body: &FusedBody,
    of_input: &Affine,
    of_hidden: &Affine,
    parameters: &[f32],
    workspace: &mut Workspace,
) {
    let (hidden, padded, lanes) = (body.hidden, padded(body.hidden), workspace.kernels.lanes);
    workspace.pack_outer_layers(body, parameters);
    let gates = [0, 1, 2];
    stack_gates(
        &parameters[of_input.weight.clone()],
        gates,
        hidden,
        &mut workspace.stacked,
    );
    let weight = Source::transposed(&workspace.stacked, 3 * padded, hidden);
    pack_panels(weight, 3 * padded, lanes, &mut workspace.middle.weight);
    let weight = &parameters[of_hidden.weight.clone()];
    pack_gates(weight, hidden, lanes, &mut workspace.hidden.weight);

    // r and z only see the sum of both biases; n's hidden bias stands inside its product.
    let hidden_bias = &parameters[of_hidden.bias.clone()];
    let bias = &mut workspace.middle.bias;
    stack_gates(&parameters[of_input.bias.clone()], gates, hidden, bias);
    add(&mut bias[..hidden], &hidden_bias[..hidden]);
    add(
        &mut bias[padded..padded + hidden],
        &hidden_bias[hidden..2 * hidden],
    );
    pad(
        &hidden_bias[2 * hidden..],
        padded,
        &mut workspace.hidden.bias,
    );
}

#[expect(
    clippy::too_many_arguments,
    reason = "the arguments of `FusedBody::backward`"
)]
pub(super) fn backward(
    body: &FusedBody,
    (of_input, of_hidden): (&Affine, &Affine),
    parameters: &[f32],
    input: &[f32],
    sizes: &[usize],
    workspace: &mut Workspace,
    output_gradient: &[f32],
    gradient: &mut [f32],
) {
    let (hidden, padded, stride_) = (body.hidden, padded(body.hidden), stride(body.hidden));
    let gate_stride = stride(4 * padded);
    let kernels = workspace.kernels;
    workspace.start_backward(body, parameters);
    // The gate gradients lie as (hidden part of n, r, z, n), so that those of the hidden
    // weights and those of the input weights are both contiguous.
    let weights = [
        (of_input, [0, 1, 2], &mut workspace.middle),
        (of_hidden, [2, 0, 1], &mut workspace.hidden),
    ];
    for (place, gates, layer) in weights {
        stack_gates(
            &parameters[place.weight.clone()],
            gates,
            hidden,
            &mut workspace.stacked,
        );
        let weight = Source::straight(&workspace.stacked, 3 * padded, hidden);
        pack_panels(weight, padded, kernels.lanes, &mut layer.weight);
        layer.weight_sum.zeros(3 * padded * stride_);
    }
    workspace.hidden.bias_sum.zeros(4 * padded);
    workspace.carry.zeros(sizes[0] * stride_);
    let blocks = step_blocks(sizes);
    let block_rows = largest(&blocks);
    workspace.states_gradient.fit(block_rows * stride_);
    workspace.states_before.fit(block_rows * stride_);
    workspace.features_gradient.fit(block_rows * stride_);
    workspace.gates_gradient.fit(block_rows * gate_stride);

    for block in blocks.iter().rev() {
        let (first, rows) = (block.rows.start, block.rows.len());
        let output_gradient = &output_gradient[first * body.outputs..block.rows.end * body.outputs];
        workspace.last_layer_backward(body, output_gradient, first, false);
        let mut end = block.rows.end;
        for step in block.steps.clone().rev() {
            let size = sizes[step];
            let row = end - size;
            end = row;
            backward_step(
                body,
                workspace,
                row - first..end - first + size,
                row,
                if step > 0 {
                    Some(sizes[step - 1])
                } else {
                    None
                },
            );
        }
        let features = &workspace.features[first * stride_..];
        let of_inputs = (&workspace.gates_gradient[padded..], gate_stride);
        (kernels.product)(&mut Product {
            left: of_inputs,
            rows,
            depth: 3 * padded,
            right: &workspace.middle.weight,
            columns: padded,
            start: Start::Zero,
            finish: Finish::ReluBackward(features),
            out: (&mut workspace.features_gradient, stride_),
        });
        (kernels.transposed_product)(&mut TransposedProduct {
            left: of_inputs,
            right: (features, stride_),
            rows,
            height: 3 * padded,
            columns: padded,
            sum: (&mut workspace.middle.weight_sum, stride_),
        });
        (kernels.transposed_product)(&mut TransposedProduct {
            left: (&workspace.gates_gradient, gate_stride),
            right: (&workspace.states_before, stride_),
            rows,
            height: 3 * padded,
            columns: padded,
            sum: (&mut workspace.hidden.weight_sum, stride_),
        });
        (kernels.column_sums)(&mut ColumnSums {
            values: (&workspace.gates_gradient, gate_stride),
            rows,
            columns: 4 * padded,
            sum: &mut workspace.hidden.bias_sum,
        });
        let input = &input[first * body.inputs..block.rows.end * body.inputs];
        workspace.first_layer_backward(body, input);
    }
    workspace.finish_backward(body, gradient);
    add_gates(
        body,
        of_input,
        [1, 2, 3],
        1,
        &workspace.middle.weight_sum,
        &workspace.hidden.bias_sum,
        gradient,
    );
    add_gates(
        body,
        of_hidden,
        [1, 2, 0],
        0,
        &workspace.hidden.weight_sum,
        &workspace.hidden.bias_sum,
        gradient,
    );
}

/// Backward through one step: gate gradients, and `carry` for the step before.
///
/// `place` are the step's rows in the block, `row` its first row in all; `before` is the
/// size of the step before.
fn backward_step(
    body: &FusedBody,
    workspace: &mut Workspace,
    place: Range<usize>,
    row: usize,
    before: Option<usize>,
) {
    let (padded, stride_) = (padded(body.hidden), stride(body.hidden));
    let gate_stride = stride(4 * padded);
    let kernels = workspace.kernels;
    let size = place.len();
    let gates = place.start * gate_stride;
    (kernels.gru_gates)(&mut GruGates {
        rows: size,
        padded,
        output_gradient: &workspace.states_gradient[place.start * stride_..],
        carry: &mut workspace.carry,
        hidden: before.map(|before| &workspace.states[(row - before) * stride_..]),
        hidden_stride: stride_,
        hidden_copy: &mut workspace.states_before[place.start * stride_..],
        kept: &workspace.kept[row * gate_stride..],
        gradient: &mut workspace.gates_gradient[gates..],
        gate_stride,
    });
    if before.is_some() {
        (kernels.product)(&mut Product {
            left: (&workspace.gates_gradient[gates..], gate_stride),
            rows: size,
            depth: 3 * padded,
            right: &workspace.hidden.weight,
            columns: padded,
            start: Start::Output,
            finish: Finish::Nothing,
            out: (&mut workspace.carry, stride_),
        });
    }
}

/// Adds the sums of one of the two gate layers to the flat gradient.
///
/// `blocks` are the places of r, z, n in the gate gradients, of which the weight sums
/// `[3 padded, stride]` start at block `first`; `bias_sums` `[4 padded]`.
fn add_gates(
    body: &FusedBody,
    place: &Affine,
    blocks: [usize; 3],
    first: usize,
    weight_sums: &[f32],
    bias_sums: &[f32],
    gradient: &mut [f32],
) {
    let (hidden, padded, stride_) = (body.hidden, padded(body.hidden), stride(body.hidden));
    let bias = gradient[place.bias.clone()].chunks_exact_mut(hidden);
    for (bias, block) in bias.zip(blocks) {
        add(bias, &bias_sums[block * padded..]);
    }
    let weight = gradient[place.weight.clone()].chunks_exact_mut(hidden * hidden);
    for (weight, block) in weight.zip(blocks) {
        let sums = weight_sums[(block - first) * padded * stride_..].chunks(stride_);
        for (row, sums) in weight.chunks_exact_mut(hidden).zip(sums) {
            add(row, sums);
        }
    }
}
