//! Layers over [`Parameters`]: they hold indices, never tensors.

use tch::Tensor;

use crate::parameters::{Initialisation, ParameterIndex, ParameterLayout, Parameters};

/// `y = x W^T + b`, drawn as `torch.nn.Linear` draws: uniform in `±1/sqrt(inputs)`.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    pub(crate) weight: ParameterIndex, // [outputs, inputs]
    pub(crate) bias: ParameterIndex,   // [outputs]
}

impl Linear {
    /// Declares the weights `{name}.weight` and `{name}.bias`.
    pub fn declare(layout: &mut ParameterLayout, name: &str, inputs: i64, outputs: i64) -> Self {
        let initialisation = Initialisation::Uniform(1.0 / (inputs as f32).sqrt());
        Self {
            weight: layout.declare(format!("{name}.weight"), &[outputs, inputs], initialisation),
            bias: layout.declare(format!("{name}.bias"), &[outputs], initialisation),
        }
    }

    /// `[.., inputs]` to `[.., outputs]`.
    pub fn forward(&self, parameters: &Parameters, input: &Tensor) -> Tensor {
        input.linear(parameters.get(self.weight), Some(parameters.get(self.bias)))
    }
}

/// A gated recurrent unit over whole sequences (Cho et al. 2014, in the form of
/// `torch.nn.GRU`/`GRUCell`), drawn uniform in `±1/sqrt(hidden)`.
#[derive(Clone, Copy, Debug)]
pub struct Gru {
    pub(crate) input_weight: ParameterIndex, // [3 hidden, inputs]
    pub(crate) hidden_weight: ParameterIndex, // [3 hidden, hidden]
    pub(crate) input_bias: ParameterIndex,   // [3 hidden]
    pub(crate) hidden_bias: ParameterIndex,  // [3 hidden]
}

impl Gru {
    /// Declares the four weights under `{name}.`, with the names of `torch.nn.GRUCell`.
    pub fn declare(layout: &mut ParameterLayout, name: &str, inputs: i64, hidden: i64) -> Self {
        let initialisation = Initialisation::Uniform(1.0 / (hidden as f32).sqrt());
        let mut weight = |suffix: &str, shape: &[i64]| {
            layout.declare(format!("{name}.{suffix}"), shape, initialisation)
        };
        Self {
            input_weight: weight("weight_ih", &[3 * hidden, inputs]),
            hidden_weight: weight("weight_hh", &[3 * hidden, hidden]),
            input_bias: weight("bias_ih", &[3 * hidden]),
            hidden_bias: weight("bias_hh", &[3 * hidden]),
        }
    }

    /// Runs whole sequences of different lengths in one call.
    ///
    /// The rows of `input` `[rows, inputs]` are time-major: `sizes[t]` `[time]` i64 (CPU)
    /// sequences take part in step `t`, longest first, so that `sizes` never grows.
    /// `hidden` `[sizes[0], hidden]`; returns the outputs `[rows, hidden]` and each
    /// sequence's last hidden state `[sizes[0], hidden]`.
    pub fn forward(
        &self,
        parameters: &Parameters,
        input: &Tensor,
        sizes: &Tensor,
        hidden: &Tensor,
    ) -> (Tensor, Tensor) {
        let weights = [
            parameters.get(self.input_weight),
            parameters.get(self.hidden_weight),
            parameters.get(self.input_bias),
            parameters.get(self.hidden_bias),
        ];
        let hidden = hidden.unsqueeze(0);
        let (output, last) =
            Tensor::gru_data(input, sizes, &hidden, &weights, true, 1, 0.0, false, false);
        (output, last.squeeze_dim(0))
    }
}
