//! One network of a switch that is learnt: its weights, its passes and its optimiser.

use std::sync::Arc;

use configs::train::TrainConfig;
use nn::arrays::Arrays;
use nn::optimiser::{Optimiser, clip_gradient};
use nn::parameters::{ParameterLayout, Parameters};
use nn::random::RandomStream;
use tch::{Device, Tensor};

use crate::AgentsError;
use crate::network::{AgentNetwork, NetworkRows, NetworkShape};
use crate::network_pass::NetworkPass;
use crate::q_learning::optimiser_kind;
use crate::team::{SwitchInputs, switch_layers, switch_network};

/// A network with everything that learning it takes.
pub(crate) struct LearntNetwork {
    online: Parameters,
    pass: NetworkPass,
    optimiser: Optimiser,
    gradient_clip: Option<f64>,
}

impl LearntNetwork {
    /// The network that actors decide by: two outputs.
    pub(crate) fn acting(
        config: &TrainConfig,
        inputs: SwitchInputs,
        stream: &mut RandomStream,
        device: Device,
    ) -> Self {
        let mut layout = ParameterLayout::new();
        let network = switch_network(&mut layout, &config.algorithm.switch, inputs);
        Self::new(network, layout, config, stream, device)
    }

    /// A network beside it, such as a critic, of the same layers and with `outputs` outputs.
    pub(crate) fn beside(
        config: &TrainConfig,
        inputs: SwitchInputs,
        outputs: usize,
        stream: &mut RandomStream,
        device: Device,
    ) -> Self {
        let mut layout = ParameterLayout::new();
        let shape = NetworkShape {
            agents: 1,
            features: inputs.size(),
            common_features: true,
            actions: 2,
            outputs,
        };
        let layers = switch_layers(&config.algorithm.switch);
        let network = AgentNetwork::declare(&mut layout, "critic", shape, &layers);
        Self::new(network, layout, config, stream, device)
    }

    fn new(
        network: AgentNetwork,
        layout: ParameterLayout,
        config: &TrainConfig,
        stream: &mut RandomStream,
        device: Device,
    ) -> Self {
        let layout = Arc::new(layout);
        let online = Parameters::initialised(&layout, device, true, stream);
        let algorithm = &config.algorithm;
        let kind = optimiser_kind(algorithm.optimizer);
        Self {
            pass: NetworkPass::new(&Arc::new(network), &online, Vec::new()),
            optimiser: Optimiser::new(kind, algorithm.switch.learning_rate, &online),
            gradient_clip: (algorithm.gradient_clip > 0.0).then_some(algorithm.gradient_clip),
            online,
        }
    }

    /// The weights.
    pub(crate) fn weights(&self) -> &Parameters {
        &self.online
    }

    /// A copy of the weights, to follow them.
    pub(crate) fn target(&self) -> Parameters {
        let online = &self.online;
        let mut target = Parameters::zeros(online.layout(), online.flat().device(), false);
        target.track(online, 1.0);
        target
    }

    /// Outputs to build a loss on. `[rows, outputs]`
    pub(crate) fn differentiable(&mut self, rows: &NetworkRows) -> Outputs {
        let raw = self.pass.differentiable(&self.online, rows);
        Outputs {
            values: raw.squeeze_dim(1),
            raw,
        }
    }

    /// Outputs without gradient. `[rows, outputs]`
    pub(crate) fn constant(&mut self, rows: &NetworkRows) -> Tensor {
        self.pass.constant(&self.online, rows).squeeze_dim(1)
    }

    /// Outputs by other weights, without gradient. `[rows, outputs]`
    pub(crate) fn constant_by(&mut self, weights: &Parameters, rows: &NetworkRows) -> Tensor {
        self.pass.constant(weights, rows).squeeze_dim(1)
    }

    /// One step down the loss, which is built on the last [`LearntNetwork::differentiable`].
    /// Gives the norm of the gradient before clipping.
    pub(crate) fn step(
        &mut self,
        loss: &Tensor,
        outputs: &Outputs,
        update: u64,
    ) -> Result<f64, AgentsError> {
        let mut gradient = self.pass.gradient(&self.online, loss, &outputs.raw)?;
        let norm = clip_gradient(&mut gradient, self.gradient_clip);
        let loss = loss.double_value(&[]);
        for (quantity, value) in [("switch loss", loss), ("switch gradient norm", norm)] {
            if !value.is_finite() {
                return Err(AgentsError::Diverged {
                    quantity,
                    value,
                    update,
                    episodes: Vec::new(),
                    last_checkpoint: String::new(),
                });
            }
        }
        self.optimiser.step(&mut self.online, &gradient);
        Ok(norm)
    }

    /// Weights and optimiser by name.
    pub(crate) fn to_arrays(&self, prefix: &str) -> Arrays {
        let mut arrays = self.online.to_arrays(&format!("{prefix}online."));
        arrays.extend(self.optimiser.to_arrays(&format!("{prefix}optimiser.")));
        arrays
    }

    /// Takes up what [`LearntNetwork::to_arrays`] gave.
    pub(crate) fn load_arrays(&mut self, arrays: &Arrays, prefix: &str) -> Result<(), AgentsError> {
        self.online
            .load_arrays(arrays, &format!("{prefix}online."))?;
        self.optimiser
            .load_arrays(arrays, &format!("{prefix}optimiser."))?;
        Ok(())
    }
}

/// Outputs that a loss is built on.
pub(crate) struct Outputs {
    /// `[rows, outputs]`
    pub(crate) values: Tensor,
    raw: Tensor, // [rows, 1, outputs], the leaf of the gradient
}
