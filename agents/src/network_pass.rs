//! A network's outputs for whole batches and their gradient: hand-made kernels on the CPU
//! ([`nn::fused`]), LibTorch's autograd elsewhere.
//!
//! Both give the outputs as a tensor that a loss is built on with LibTorch's
//! operations; only the way from the weights to the outputs and back differs. A loss
//! and everything above it is therefore written once.

use std::sync::Arc;

use nn::fused::{FusedBody, Workspace};
use nn::parameters::{ParameterIndex, Parameters, flat_values};
use tch::{Device, Tensor, no_grad};

use crate::AgentsError;
use crate::network::{AgentNetwork, NetworkRows};

/// Computes one network's outputs and gradients for one shard of a learner.
pub struct NetworkPass {
    network: Arc<AgentNetwork>,
    others: Vec<ParameterIndex>,
    fused: Option<FusedPass>,
}

struct FusedPass {
    bodies: Vec<FusedBody>, // one per body, as everything below
    training: Vec<Workspace>,
    constant: Vec<Workspace>,
    weights: Vec<f32>,     // [scalars], of the last differentiable pass
    inputs: Vec<Vec<f32>>, // [rows, inputs], of the last differentiable pass
    sizes: Vec<usize>,
    other_inputs: Vec<Vec<f32>>,
}

impl NetworkPass {
    /// Kernels when the weights lie on a CPU with AVX2 or AVX-512, autograd otherwise: the
    /// kernels' portable form is slower than LibTorch. `others` are the weights of the same
    /// [`Parameters`] that lie outside the network, such as a mixer's.
    pub fn new(
        network: &Arc<AgentNetwork>,
        parameters: &Parameters,
        others: Vec<ParameterIndex>,
    ) -> Self {
        let vectorised = Workspace::new().instruction_set() != "baseline";
        let fused = (parameters.flat().device() == Device::Cpu && vectorised)
            .then(|| FusedPass::new(network.fused_bodies(parameters.layout())));
        Self {
            network: Arc::clone(network),
            others,
            fused,
        }
    }

    /// Autograd on any device.
    pub fn autograd(network: &Arc<AgentNetwork>) -> Self {
        Self {
            network: Arc::clone(network),
            others: Vec::new(),
            fused: None,
        }
    }

    /// Outputs that a loss can be differentiated by. `[rows, agents, outputs]`
    pub fn differentiable(&mut self, parameters: &Parameters, rows: &NetworkRows) -> Tensor {
        match &mut self.fused {
            None => network_pass(&self.network, parameters, rows),
            Some(fused) => {
                fused.weights = flat_values(parameters.flat());
                self.network.host_inputs(rows, &mut fused.inputs);
                fused.sizes = self.network.body_sizes(rows.sizes);
                let outputs = fused.forward_training();
                self.network.outputs_of(&outputs).set_requires_grad(true)
            }
        }
    }

    /// Outputs by any weights for any rows, without gradient; it leaves what
    /// [`NetworkPass::differentiable`] keeps for the gradient alone.
    /// `[rows, agents, outputs]`
    pub fn constant(&mut self, parameters: &Parameters, rows: &NetworkRows) -> Tensor {
        match &mut self.fused {
            None => no_grad(|| network_pass(&self.network, parameters, rows)),
            Some(fused) => {
                self.network.host_inputs(rows, &mut fused.other_inputs);
                let sizes = self.network.body_sizes(rows.sizes);
                let weights = flat_values(parameters.flat());
                let inputs = std::mem::take(&mut fused.other_inputs);
                let outputs = fused.forward_constant(&weights, &inputs, &sizes);
                fused.other_inputs = inputs;
                self.network.outputs_of(&outputs)
            }
        }
    }

    /// As [`NetworkPass::constant`] for the rows of the last call of
    /// [`NetworkPass::differentiable`], which must be given again.
    pub fn constant_again(&mut self, parameters: &Parameters, rows: &NetworkRows) -> Tensor {
        match &mut self.fused {
            None => no_grad(|| network_pass(&self.network, parameters, rows)),
            Some(fused) => {
                let weights = flat_values(parameters.flat());
                let (inputs, sizes) = (
                    std::mem::take(&mut fused.inputs),
                    std::mem::take(&mut fused.sizes),
                );
                let outputs = fused.forward_constant(&weights, &inputs, &sizes);
                (fused.inputs, fused.sizes) = (inputs, sizes);
                self.network.outputs_of(&outputs)
            }
        }
    }

    /// Gradient of `loss` with respect to all weights, those outside the network included.
    /// `outputs` are what the last call of [`NetworkPass::differentiable`] gave. `[scalars]`
    ///
    /// # Errors
    /// LibTorch's.
    pub fn gradient(
        &mut self,
        parameters: &Parameters,
        loss: &Tensor,
        outputs: &Tensor,
    ) -> Result<Tensor, AgentsError> {
        let Some(fused) = &mut self.fused else {
            return Ok(parameters.gradient(loss)?);
        };
        let mut leaves = vec![outputs];
        leaves.extend(self.others.iter().map(|&other| parameters.get(other)));
        let gradients =
            Tensor::f_run_backward(&[loss], &leaves, false, false).map_err(nn::NnError::from)?;
        let mut flat = vec![0.0; parameters.layout().scalars()];
        fused.backward(&self.network.per_body(&gradients[0]), &mut flat);
        for (&other, gradient) in self.others.iter().zip(&gradients[1..]) {
            let start = parameters.layout().offset(other);
            let count = gradient.numel();
            gradient
                .contiguous()
                .copy_data(&mut flat[start..start + count], count);
        }
        Ok(Tensor::from_slice(&flat))
    }
}

fn network_pass(network: &AgentNetwork, parameters: &Parameters, rows: &NetworkRows) -> Tensor {
    let device = parameters.flat().device();
    let first = rows.sizes.first().copied().unwrap_or(0);
    let mut state = network.initial_state(first, device);
    network.forward(parameters, rows, &mut state)
}

impl FusedPass {
    fn new(bodies: Vec<FusedBody>) -> Self {
        let workspaces = || bodies.iter().map(|_| Workspace::new()).collect();
        Self {
            training: workspaces(),
            constant: workspaces(),
            bodies,
            weights: Vec::new(),
            inputs: Vec::new(),
            sizes: Vec::new(),
            other_inputs: Vec::new(),
        }
    }

    fn forward_training(&mut self) -> Vec<Vec<f32>> {
        let rows: usize = self.sizes.iter().sum();
        let bodies = self.bodies.iter().zip(&mut self.training).zip(&self.inputs);
        bodies
            .map(|((body, workspace), input)| {
                let mut output = vec![0.0; rows * body.outputs()];
                let (weights, sizes) = (&self.weights, &self.sizes);
                body.forward(weights, input, sizes, workspace, &mut output, true);
                output
            })
            .collect()
    }

    fn forward_constant(
        &mut self,
        weights: &[f32],
        inputs: &[Vec<f32>],
        sizes: &[usize],
    ) -> Vec<Vec<f32>> {
        let rows: usize = sizes.iter().sum();
        let bodies = self.bodies.iter().zip(&mut self.constant).zip(inputs);
        bodies
            .map(|((body, workspace), input)| {
                let mut output = vec![0.0; rows * body.outputs()];
                body.forward(weights, input, sizes, workspace, &mut output, false);
                output
            })
            .collect()
    }

    fn backward(&mut self, output_gradients: &[Vec<f32>], flat: &mut [f32]) {
        let bodies = self.bodies.iter().zip(&mut self.training);
        for (((body, workspace), input), gradient) in bodies.zip(&self.inputs).zip(output_gradients)
        {
            let (weights, sizes) = (&self.weights, &self.sizes);
            body.backward(weights, input, sizes, workspace, gradient, flat);
        }
    }
}

#[cfg(test)]
mod tests {
    use configs::train::{NetworkConfig, NetworkKind};
    use nn::parameters::{Initialisation, ParameterLayout};
    use nn::random::RandomStream;
    use tch::Kind;

    use super::*;
    use crate::network::NetworkShape;

    #[test]
    fn kernels_equal_autograd() {
        let mut stream = RandomStream::new(5, "test", 0);
        // Three episodes of 4, 2 and 2 observations of 2 agents with 12 numbers.
        let features: Vec<f32> = (0..8 * 2 * 12).map(|_| 8.0 * stream.uniform()).collect();
        let last_actions: Vec<i64> = (0..8 * 2)
            .map(|row| if row < 6 { -1 } else { row % 6 })
            .collect();
        let rows = NetworkRows {
            features: &features,
            last_actions: &last_actions,
            sizes: &[3, 3, 1, 1],
        };
        let shape = NetworkShape {
            agents: 2,
            features: 12,
            common_features: false,
            actions: 6,
            outputs: 6,
        };
        for kind in [NetworkKind::Gru, NetworkKind::FeedForward] {
            for (share_parameters, last_action) in [(true, false), (false, true)] {
                let config = NetworkConfig {
                    kind,
                    share_parameters,
                    last_action,
                    hidden_size: 24,
                    ..Default::default()
                };
                let mut layout = ParameterLayout::new();
                let network = AgentNetwork::declare(&mut layout, "agent", shape, &config);
                let scale = layout.declare("scale", &[2, 1], Initialisation::Uniform(1.0));
                let (network, layout) = (Arc::new(network), Arc::new(layout));
                let mut stream = RandomStream::new(1, "initialisation", 0);
                let weights = Parameters::initialised(&layout, Device::Cpu, true, &mut stream);
                let run = |mut pass: NetworkPass| {
                    let values = pass.differentiable(&weights, &rows);
                    let constant = pass.constant(&weights, &rows);
                    let again = pass.constant_again(&weights, &rows);
                    let scaled = &values * weights.get(scale);
                    let loss = (&scaled * &scaled).sum(Kind::Float);
                    let gradient = pass.gradient(&weights, &loss, &values).unwrap();
                    [values.detach(), constant, again, gradient]
                };
                let kernels = run(NetworkPass::new(&network, &weights, vec![scale]));
                let autograd = run(NetworkPass::autograd(&network));
                for (left, right) in kernels.iter().zip(&autograd) {
                    let scale = right.abs().max().double_value(&[]).max(1.0);
                    let difference = (left - right).abs().max().double_value(&[]);
                    assert!(difference < 1e-5 * scale, "{config:?}: {difference}");
                }
            }
        }
    }
}
