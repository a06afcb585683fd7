//! Utility networks on the CPU, forward and backward, in hand-made kernels.
//!
//! LibTorch's products of small matrices run far below a core's peak, and autograd's
//! bookkeeping costs as much as the arithmetic. [`FusedBody`] computes the same functions as
//! [`crate::layers`] over plain slices: a linear layer with ReLU, a linear layer with ReLU or
//! a gated recurrent unit from a zero state, a linear layer. Each call runs on the calling
//! thread; shard a batch to use more. The same input gives the same bits on the same machine.

mod activation;
mod attend;
pub mod backward;
mod buffer;
pub mod causal;
pub mod decoding;
mod dispatch;
mod feed_forward;
mod gates;
mod gru;
mod kernels;
pub mod matrix;
mod mix;
mod mixer;
mod packed;
mod rowwise;
mod rowwise_backward;
#[cfg(test)]
mod tests;
mod tile;
mod update;
mod workspace;

use std::ops::Range;

use crate::layers::{Gru, Linear};
use crate::parameters::{ParameterIndex, ParameterLayout};

pub use mixer::{FusedMixer, MixerLayers, MixerWorkspace};
pub use packed::PackedLinear;
pub use rowwise::Gate;
pub(crate) use update::{Rule, Update};
pub use workspace::Workspace;

/// Rows that go through all layers together, so that their activations stay in cache.
const BLOCK: usize = 128;

/// One step of an optimiser by the best kernels of this machine.
pub(crate) fn update(task: &mut Update<'_>) {
    (dispatch::best().update)(task);
}

/// The sum of the squares of `values`.
pub(crate) fn squares(values: &[f32]) -> f64 {
    let mut task = update::Squares { values, sum: 0.0 };
    (dispatch::best().squares)(&mut task);
    task.sum
}

/// One utility network: where its weights lie in the flat buffer of
/// [`crate::parameters::Parameters`].
#[derive(Clone, Debug)]
pub struct FusedBody {
    inputs: usize,
    hidden: usize,
    outputs: usize,
    input: Affine,
    middle: Middle,
    output: Affine,
}

#[derive(Clone, Debug)]
struct Affine {
    weight: Range<usize>, // [outputs, inputs]
    bias: Range<usize>,
}

#[derive(Clone, Debug)]
enum Middle {
    FeedForward(Affine),
    Gru { input: Affine, hidden: Affine }, // gates r, z, n
}

impl FusedBody {
    /// Linear, ReLU, linear, ReLU, linear.
    ///
    /// # Panics
    /// When the layers were not declared in `layout` with sizes that fit together.
    pub fn feed_forward(
        layout: &ParameterLayout,
        input: Linear,
        middle: Linear,
        output: Linear,
    ) -> Self {
        let (affine, [outputs, inputs]) = affine(layout, middle.weight, middle.bias);
        let body = Self::new(layout, input, Middle::FeedForward(affine), output);
        assert_eq!(
            [outputs, inputs],
            [body.hidden; 2],
            "the layers fit together"
        );
        body
    }

    /// Linear, ReLU, gated recurrent unit, linear.
    ///
    /// # Panics
    /// As [`FusedBody::feed_forward`].
    pub fn gru(layout: &ParameterLayout, input: Linear, middle: Gru, output: Linear) -> Self {
        let (of_input, input_shape) = affine(layout, middle.input_weight, middle.input_bias);
        let (of_hidden, hidden_shape) = affine(layout, middle.hidden_weight, middle.hidden_bias);
        let middle = Middle::Gru {
            input: of_input,
            hidden: of_hidden,
        };
        let body = Self::new(layout, input, middle, output);
        let shape = [3 * body.hidden, body.hidden];
        assert_eq!(
            [input_shape, hidden_shape],
            [shape; 2],
            "the layers fit together"
        );
        body
    }

    fn new(layout: &ParameterLayout, input: Linear, middle: Middle, output: Linear) -> Self {
        let (input, [hidden, inputs]) = affine(layout, input.weight, input.bias);
        let (output, [outputs, last]) = affine(layout, output.weight, output.bias);
        assert_eq!(hidden, last, "the layers fit together");
        Self {
            inputs,
            hidden,
            outputs,
            input,
            middle,
            output,
        }
    }

    /// Number of utilities per row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Utilities `output` `[rows, outputs]` of `input` `[rows, inputs]`, both row-major.
    ///
    /// `parameters` is the flat buffer. The rows are time-major: `sizes[t]` sequences take
    /// part in step `t`, longest first, so that `sizes` never grows; they sum to the rows.
    /// A feed-forward body only reads the sum. With `training`, `workspace` keeps what
    /// [`FusedBody::backward`] needs.
    ///
    /// # Panics
    /// When the slices' lengths disagree with `sizes`, or `sizes` grows.
    pub fn forward(
        &self,
        parameters: &[f32],
        input: &[f32],
        sizes: &[usize],
        workspace: &mut Workspace,
        output: &mut [f32],
        training: bool,
    ) {
        let rows = self.checked_rows(input, sizes, output);
        workspace.kept_rows = training.then_some(rows);
        if rows == 0 {
            return;
        }
        match &self.middle {
            Middle::FeedForward(middle) => {
                feed_forward::forward(self, middle, parameters, input, workspace, output, training);
            }
            Middle::Gru {
                input: of_input,
                hidden,
            } => {
                let weights = (of_input, hidden);
                gru::forward(
                    self, weights, parameters, input, sizes, workspace, output, training,
                );
            }
        }
    }

    /// Adds the gradient of a loss to `gradient`, laid out like the flat buffer.
    ///
    /// `output_gradient` `[rows, outputs]` is the loss's gradient with respect to the
    /// utilities; the other arguments are those of the last call of [`FusedBody::forward`]
    /// on this `workspace`, which must have been one with `training`.
    ///
    /// # Panics
    /// As [`FusedBody::forward`], and when no such call went before.
    pub fn backward(
        &self,
        parameters: &[f32],
        input: &[f32],
        sizes: &[usize],
        workspace: &mut Workspace,
        output_gradient: &[f32],
        gradient: &mut [f32],
    ) {
        let rows = self.checked_rows(input, sizes, output_gradient);
        assert_eq!(
            workspace.kept_rows,
            Some(rows),
            "backward follows a forward pass in training over the same rows"
        );
        if rows == 0 {
            return;
        }
        match &self.middle {
            Middle::FeedForward(middle) => {
                feed_forward::backward(
                    self,
                    middle,
                    parameters,
                    input,
                    workspace,
                    output_gradient,
                    gradient,
                );
            }
            Middle::Gru {
                input: of_input,
                hidden,
            } => {
                let weights = (of_input, hidden);
                gru::backward(
                    self,
                    weights,
                    parameters,
                    input,
                    sizes,
                    workspace,
                    output_gradient,
                    gradient,
                );
            }
        }
    }

    /// Floating-point operations of the products, `(forward, backward)`, for `rows` rows; a
    /// multiply-add counts as two. The gradient of the input is not computed.
    pub fn operations(&self, rows: usize) -> (usize, usize) {
        let (inputs, hidden, outputs) = (self.inputs, self.hidden, self.outputs);
        let middle = match self.middle {
            Middle::FeedForward(_) => hidden * hidden,
            Middle::Gru { .. } => 6 * hidden * hidden,
        };
        let weights = inputs * hidden + middle + hidden * outputs;
        (
            2 * rows * weights,
            2 * rows * (2 * weights - inputs * hidden),
        )
    }

    fn checked_rows(&self, input: &[f32], sizes: &[usize], output: &[f32]) -> usize {
        let rows = sizes.iter().sum();
        assert_eq!(input.len(), rows * self.inputs, "input is [rows, inputs]");
        assert_eq!(
            output.len(),
            rows * self.outputs,
            "output is [rows, outputs]"
        );
        assert!(
            sizes.windows(2).all(|pair| pair[0] >= pair[1]),
            "sequences are sorted longest first"
        );
        rows
    }
}

fn affine(
    layout: &ParameterLayout,
    weight: ParameterIndex,
    bias: ParameterIndex,
) -> (Affine, [usize; 2]) {
    let (weight_start, shape) = layout.place(weight);
    let (bias_start, _) = layout.place(bias);
    let [outputs, inputs] = [shape[0] as usize, shape[1] as usize];
    let affine = Affine {
        weight: weight_start..weight_start + outputs * inputs,
        bias: bias_start..bias_start + outputs,
    };
    (affine, [outputs, inputs])
}
