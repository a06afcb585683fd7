//! Utilities of whole batches and their gradient: hand-made kernels on the CPU
//! ([`nn::fused`]), LibTorch's autograd elsewhere.
//!
//! Both give the utilities as a tensor that a loss is built on with LibTorch's
//! operations; only the way from the weights to the utilities and back differs. A loss
//! and everything above it is therefore written once.

use std::sync::Arc;

use nn::fused::{FusedBody, Workspace};
use nn::parameters::{Parameters, flat_values};
use tch::{Device, Tensor, no_grad};

use crate::AgentsError;
use crate::network::UtilityNetwork;
use crate::replay::HostBatch;

/// Computes utilities for one shard of a learner.
pub struct Utilities {
    network: Arc<UtilityNetwork>,
    device: Device,
    fused: Option<Vec<FusedUtilities>>, // one per body
}

struct FusedUtilities {
    body: FusedBody,
    online: Workspace,
    target: Workspace,
    weights: Vec<f32>, // [scalars], of the last differentiable pass
    input: Vec<f32>,   // [rows, inputs]
    sizes: Vec<usize>,
}

impl Utilities {
    /// Kernels when the weights lie on a CPU with AVX2 or AVX-512, autograd otherwise: the
    /// kernels' portable form is slower than LibTorch.
    pub fn new(network: &Arc<UtilityNetwork>, parameters: &Parameters) -> Self {
        let device = parameters.flat().device();
        let vectorised = Workspace::new().instruction_set() != "baseline";
        let fused = (device == Device::Cpu && vectorised).then(|| {
            let bodies = network.fused_bodies(parameters.layout());
            bodies.into_iter().map(FusedUtilities::new).collect()
        });
        Self {
            network: Arc::clone(network),
            device,
            fused,
        }
    }

    /// Autograd on any device.
    pub fn autograd(network: &Arc<UtilityNetwork>, device: Device) -> Self {
        Self {
            network: Arc::clone(network),
            device,
            fused: None,
        }
    }

    /// Utilities that a loss can be differentiated by. `[rows, agents, actions]`
    pub fn differentiable(&mut self, parameters: &Parameters, batch: &HostBatch) -> Tensor {
        match &mut self.fused {
            None => self.network_pass(parameters, batch),
            Some(bodies) => {
                let weights = flat_values(parameters.flat());
                let inputs = self.network.host_inputs(batch);
                for (fused, (input, sizes)) in bodies.iter_mut().zip(inputs) {
                    fused.weights.clone_from(&weights);
                    (fused.input, fused.sizes) = (input, sizes);
                }
                let outputs: Vec<_> = bodies.iter_mut().map(FusedUtilities::forward).collect();
                self.network.utilities_of(&outputs).set_requires_grad(true)
            }
        }
    }

    /// Utilities by other weights of the same batch, without gradient; call it after
    /// [`Utilities::differentiable`]. `[rows, agents, actions]`
    pub fn constant(&mut self, parameters: &Parameters, batch: &HostBatch) -> Tensor {
        match &mut self.fused {
            None => no_grad(|| self.network_pass(parameters, batch)),
            Some(bodies) => {
                let weights = flat_values(parameters.flat());
                let outputs: Vec<_> = bodies
                    .iter_mut()
                    .map(|fused| fused.forward_with(&weights))
                    .collect();
                self.network.utilities_of(&outputs)
            }
        }
    }

    /// Gradient of `loss` with respect to the weights behind `utilities`, which the last
    /// call of [`Utilities::differentiable`] gave. `[scalars]`
    ///
    /// # Errors
    /// LibTorch's.
    pub fn gradient(
        &mut self,
        parameters: &Parameters,
        loss: &Tensor,
        utilities: &Tensor,
    ) -> Result<Tensor, AgentsError> {
        let Some(bodies) = &mut self.fused else {
            return Ok(parameters.gradient(loss)?);
        };
        let gradients = Tensor::f_run_backward(&[loss], &[utilities], false, false)
            .map_err(nn::NnError::from)?;
        let mut flat = vec![0.0; parameters.layout().scalars()];
        let of_bodies = self.network.per_body(&gradients[0]);
        for (fused, gradient) in bodies.iter_mut().zip(of_bodies) {
            fused.backward(&gradient, &mut flat);
        }
        Ok(Tensor::from_slice(&flat))
    }

    fn network_pass(&self, parameters: &Parameters, batch: &HostBatch) -> Tensor {
        let inputs = self.network.batch_inputs(batch, self.device);
        let mut state = self.network.initial_state(batch.sizes[0], self.device);
        self.network
            .forward(parameters, &inputs, &batch.sizes, &mut state)
    }
}

impl FusedUtilities {
    fn new(body: FusedBody) -> Self {
        Self {
            body,
            online: Workspace::new(),
            target: Workspace::new(),
            weights: Vec::new(),
            input: Vec::new(),
            sizes: Vec::new(),
        }
    }

    fn forward(&mut self) -> Vec<f32> {
        let mut output = vec![0.0; self.output_len()];
        self.body.forward(
            &self.weights,
            &self.input,
            &self.sizes,
            &mut self.online,
            &mut output,
            true,
        );
        output
    }

    fn forward_with(&mut self, weights: &[f32]) -> Vec<f32> {
        let mut output = vec![0.0; self.output_len()];
        self.body.forward(
            weights,
            &self.input,
            &self.sizes,
            &mut self.target,
            &mut output,
            false,
        );
        output
    }

    fn backward(&mut self, output_gradient: &[f32], gradient: &mut [f32]) {
        self.body.backward(
            &self.weights,
            &self.input,
            &self.sizes,
            &mut self.online,
            output_gradient,
            gradient,
        );
    }

    fn output_len(&self) -> usize {
        self.sizes.iter().sum::<usize>() * self.body.outputs()
    }
}

#[cfg(test)]
mod tests {
    use configs::train::{NetworkConfig, NetworkKind};
    use nn::parameters::ParameterLayout;
    use nn::random::RandomStream;
    use tch::Kind;

    use super::*;

    /// Three episodes of 4, 2 and 2 observations of 2 agents with 12 numbers.
    fn batch() -> HostBatch {
        let mut stream = RandomStream::new(5, "test", 0);
        HostBatch {
            sizes: vec![3, 3, 1, 1],
            observations: (0..8 * 2 * 12).map(|_| 8.0 * stream.uniform()).collect(),
            last_actions: (0..8 * 2)
                .map(|row| if row < 6 { -1 } else { row % 6 })
                .collect(),
            ..HostBatch::default()
        }
    }

    #[test]
    fn kernels_equal_autograd() {
        let options = envs::EnvironmentOptions::default();
        let environment = envs::make("Foraging-8x8-2p-2f-v3", &options).unwrap();
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
                let network = UtilityNetwork::declare(&mut layout, &config, environment.spec());
                let (network, layout) = (Arc::new(network), Arc::new(layout));
                let mut stream = RandomStream::new(1, "initialisation", 0);
                let weights = Parameters::initialised(&layout, Device::Cpu, true, &mut stream);
                let run = |mut utilities: Utilities| {
                    let values = utilities.differentiable(&weights, &batch());
                    let constant = utilities.constant(&weights, &batch());
                    let loss = (&values * &values).sum(Kind::Float);
                    let gradient = utilities.gradient(&weights, &loss, &values).unwrap();
                    (values.detach(), constant, gradient)
                };
                let kernels = run(Utilities::new(&network, &weights));
                let autograd = run(Utilities::autograd(&network, Device::Cpu));
                for (left, right) in [
                    (&kernels.0, &autograd.0),
                    (&kernels.1, &autograd.1),
                    (&kernels.2, &autograd.2),
                ] {
                    let scale = right.abs().max().double_value(&[]).max(1.0);
                    let difference = (left - right).abs().max().double_value(&[]);
                    assert!(difference < 1e-5 * scale, "{config:?}: {difference}");
                }
            }
        }
    }
}
