//! A mixer's values for whole batches and their gradient: hand-made kernels on the CPU
//! ([`nn::fused`]), LibTorch's autograd elsewhere; the counterpart of
//! [`crate::network_pass`].
//!
//! With kernels the mixed values are a tensor of their own. A loss is differentiated by them
//! first, then [`MixerPass::backward`] gives the gradient of the agents' values.

use std::sync::Arc;

use nn::fused::{FusedMixer, MixerWorkspace, Workspace};
use nn::parameters::{Parameters, flat_values};
use tch::{Device, Tensor, no_grad};

use crate::mixing::Mixer;

/// Computes one mixer's values and gradients for one shard of a learner.
pub struct MixerPass {
    mixer: Arc<Mixer>,
    fused: Option<FusedPass>,
}

struct FusedPass {
    mixer: FusedMixer,
    training: MixerWorkspace,
    constant: MixerWorkspace,
    weights: Vec<f32>, // [scalars], of the last differentiable pass, as the next two
    values: Vec<f32>,  // [transitions, agents]
    states: Vec<f32>,  // [transitions, state]
}

impl MixerPass {
    /// Kernels for a mixer with weights, where [`crate::network_pass::NetworkPass`] has them.
    pub fn new(mixer: &Arc<Mixer>, parameters: &Parameters) -> Self {
        let vectorised = Workspace::new().instruction_set() != "baseline";
        let fused = match &**mixer {
            Mixer::Monotone(mixer) if parameters.flat().device() == Device::Cpu && vectorised => {
                Some(FusedPass {
                    mixer: mixer.fused(parameters.layout()),
                    training: MixerWorkspace::new(),
                    constant: MixerWorkspace::new(),
                    weights: Vec::new(),
                    values: Vec::new(),
                    states: Vec::new(),
                })
            }
            _ => None,
        };
        Self {
            mixer: Arc::clone(mixer),
            fused,
        }
    }

    /// Autograd on any device.
    pub fn autograd(mixer: &Arc<Mixer>) -> Self {
        Self {
            mixer: Arc::clone(mixer),
            fused: None,
        }
    }

    /// Whether [`MixerPass::backward`] must be called.
    pub fn is_fused(&self) -> bool {
        self.fused.is_some()
    }

    /// Mixed values that a loss can be differentiated by, as [`Mixer::forward`].
    pub fn differentiable(
        &mut self,
        parameters: &Parameters,
        chosen: &Tensor,
        states: &Tensor,
    ) -> Tensor {
        let Some(fused) = &mut self.fused else {
            return self.mixer.forward(parameters, chosen, states);
        };
        fused.weights = flat_values(parameters.flat());
        fused.values = host(chosen);
        fused.states = host(states);
        let mut mixed = vec![0.0; states.size()[0] as usize];
        let workspace = &mut fused.training;
        fused.mixer.forward(
            &fused.weights,
            &fused.values,
            &fused.states,
            workspace,
            &mut mixed,
            true,
        );
        Tensor::from_slice(&mixed)
            .view([-1, 1])
            .set_requires_grad(true)
    }

    /// Mixed values without gradient, as [`Mixer::forward`]; it leaves what
    /// [`MixerPass::differentiable`] keeps alone.
    pub fn constant(
        &mut self,
        parameters: &Parameters,
        chosen: &Tensor,
        states: &Tensor,
    ) -> Tensor {
        let Some(fused) = &mut self.fused else {
            return no_grad(|| self.mixer.forward(parameters, chosen, states));
        };
        let weights = flat_values(parameters.flat());
        let mut mixed = vec![0.0; states.size()[0] as usize];
        let (values, states) = (host(chosen), host(states));
        let workspace = &mut fused.constant;
        fused
            .mixer
            .forward(&weights, &values, &states, workspace, &mut mixed, false);
        Tensor::from_slice(&mixed).view([-1, 1])
    }

    /// The gradient of the agents' values of the last [`MixerPass::differentiable`] pass from
    /// that of its mixed values; the gradient of the mixer's weights is added to `gradient`,
    /// laid out like the flat buffer. Nothing where the pass was autograd's.
    /// `[transitions, 1]` to `[transitions, agents]`
    pub fn backward(&mut self, mixed_gradient: &Tensor, gradient: &mut [f32]) -> Option<Tensor> {
        let fused = self.fused.as_mut()?;
        let mixed_gradient = host(mixed_gradient);
        let mut of_values = vec![0.0; fused.values.len()];
        fused.mixer.backward(
            &fused.weights,
            &fused.values,
            &fused.states,
            &mut fused.training,
            &mixed_gradient,
            &mut of_values,
            gradient,
        );
        let rows = mixed_gradient.len() as i64;
        Some(Tensor::from_slice(&of_values).view([rows, -1]))
    }
}

/// A tensor's values, row-major.
fn host(tensor: &Tensor) -> Vec<f32> {
    flat_values(&tensor.detach().reshape([-1]))
}
