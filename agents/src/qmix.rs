//! The monotone mixing network of QMIX (Rashid et al. 2018, section 4 and figure 2), as in
//! EPyMARL's `modules/mixers/qmix.py`.
//!
//! With the state `s` of all agents' observations, the agents' values `q = (Q_1, .., Q_n)` as
//! a row, and weights made from the state by hypernetworks:
//!
//! ```text
//! h     = elu(q |W1(s)| + b1(s))        W1(s): [agents, embedding]    b1(s): [embedding]
//! Q_tot = h |wf(s)| + V(s)              wf(s): [embedding, 1]         V(s): a number
//! ```
//!
//! `b1` is linear in the state, `V` a linear layer with ReLU and another; `W1` and `wf` are
//! linear, or two layers with a ReLU between. As no weight that a value passes is negative
//! and ELU grows, `dQ_tot / dQ_i >= 0`.

use nn::fused::{FusedMixer, MixerLayers};
use nn::layers::Linear;
use nn::parameters::{ParameterLayout, Parameters};
use tch::Tensor;

/// Sizes of a [`MonotoneMixer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixerShape {
    /// Agents whose values are mixed.
    pub agents: usize,
    /// Numbers in a state.
    pub state: usize,
    /// Units of the mixing network's hidden layer.
    pub embedding_size: usize,
    /// Layers of the hypernetworks that make its weights: 1 or 2.
    pub hypernet_layers: usize,
    /// Hidden units of these hypernetworks when they have two layers.
    pub hypernet_size: usize,
}

/// A mixing network's description; the weights live in a [`Parameters`].
#[derive(Clone, Copy, Debug)]
pub struct MonotoneMixer {
    shape: MixerShape,
    first_weight: Hypernetwork,
    last_weight: Hypernetwork,
    first_bias: Linear,
    last_bias: Hypernetwork,
}

/// One linear layer, or a hidden layer with ReLU before it.
#[derive(Clone, Copy, Debug)]
struct Hypernetwork {
    hidden: Option<Linear>,
    output: Linear,
}

impl MonotoneMixer {
    /// Declares the weights in `layout` under `{prefix}.`, with EPyMARL's names.
    pub fn declare(layout: &mut ParameterLayout, prefix: &str, shape: &MixerShape) -> Self {
        let (embedding, agents) = (shape.embedding_size, shape.agents);
        let hidden = (shape.hypernet_layers > 1).then_some(shape.hypernet_size);
        let mut network = |name: &str, hidden: Option<usize>, outputs: usize| {
            Hypernetwork::declare(
                layout,
                &format!("{prefix}.{name}"),
                [shape.state, outputs],
                hidden,
            )
        };
        Self {
            shape: *shape,
            first_weight: network("hyper_w_1", hidden, agents * embedding),
            last_weight: network("hyper_w_final", hidden, embedding),
            first_bias: network("hyper_b_1", None, embedding).output,
            last_bias: network("V", Some(embedding), 1),
        }
    }

    /// The mixer for the hand-made kernels, with weights declared in `layout`.
    pub fn fused(&self, layout: &ParameterLayout) -> FusedMixer {
        let pair = |network: &Hypernetwork| (network.hidden, network.output);
        let value = self.last_bias.hidden.expect("V has two layers");
        let layers = MixerLayers {
            first: pair(&self.first_weight),
            last: pair(&self.last_weight),
            bias: self.first_bias,
            value: (value, self.last_bias.output),
        };
        FusedMixer::new(layout, &layers)
    }

    /// `Q_tot` of the agents' values. `chosen` `[transitions, agents]`, `states`
    /// `[transitions, state]`; `[transitions, 1]`.
    pub fn forward(&self, parameters: &Parameters, chosen: &Tensor, states: &Tensor) -> Tensor {
        let (agents, embedding) = (self.shape.agents as i64, self.shape.embedding_size as i64);
        let first_weight = self.first_weight.forward(parameters, states).abs();
        let first_bias = self.first_bias.forward(parameters, states);
        // Products of matrices per transition are slow in LibTorch when they are this small.
        let weighed = first_weight.view([-1, agents, embedding]) * chosen.unsqueeze(-1);
        let summed = weighed.sum_dim_intlist([1i64].as_slice(), false, tch::Kind::Float);
        let hidden = (summed + first_bias).elu();
        let last_weight = self.last_weight.forward(parameters, states).abs();
        let mixed =
            (hidden * last_weight).sum_dim_intlist([-1i64].as_slice(), true, tch::Kind::Float);
        mixed + self.last_bias.forward(parameters, states)
    }
}

impl Hypernetwork {
    fn declare(
        layout: &mut ParameterLayout,
        name: &str,
        [inputs, outputs]: [usize; 2],
        hidden: Option<usize>,
    ) -> Self {
        let (inputs, outputs) = (inputs as i64, outputs as i64);
        let Some(hidden) = hidden.map(|size| size as i64) else {
            return Self {
                hidden: None,
                output: Linear::declare(layout, name, inputs, outputs),
            };
        };
        Self {
            hidden: Some(Linear::declare(
                layout,
                &format!("{name}.0"),
                inputs,
                hidden,
            )),
            output: Linear::declare(layout, &format!("{name}.2"), hidden, outputs),
        }
    }

    fn forward(&self, parameters: &Parameters, states: &Tensor) -> Tensor {
        match self.hidden {
            None => self.output.forward(parameters, states),
            Some(hidden) => {
                let features = hidden.forward(parameters, states).relu();
                self.output.forward(parameters, &features)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nn::parameters::flat_values;
    use nn::random::RandomStream;
    use proptest::prelude::*;
    use tch::{Device, Kind};

    use super::*;

    fn mixer(shape: &MixerShape, seed: u64) -> (MonotoneMixer, Parameters) {
        let mut layout = ParameterLayout::new();
        let mixer = MonotoneMixer::declare(&mut layout, "mixer", shape);
        let mut stream = RandomStream::new(seed, "initialisation", 0);
        let layout = Arc::new(layout);
        let parameters = Parameters::initialised(&layout, Device::Cpu, true, &mut stream);
        (mixer, parameters)
    }

    fn random(seed: u64, shape: [i64; 2], scale: f32) -> Tensor {
        let mut stream = RandomStream::new(seed, "test", 0);
        let values: Vec<f32> = (0..shape[0] * shape[1])
            .map(|_| scale * (2.0 * stream.uniform() - 1.0))
            .collect();
        Tensor::from_slice(&values).view(shape)
    }

    proptest! {
        #[test]
        fn more_of_an_agents_value_is_never_less_of_the_teams(
            seed in 0u64..1000,
            agents in 1usize..5,
            hypernet_layers in 1usize..3,
            scale in 0.1f32..20.0,
        ) {
            let shape = MixerShape {
                agents,
                state: 7,
                embedding_size: 8,
                hypernet_layers,
                hypernet_size: 5,
            };
            let (mixer, parameters) = mixer(&shape, seed);
            let chosen = random(seed, [16, agents as i64], scale).set_requires_grad(true);
            let states = random(seed + 1, [16, 7], scale);
            let mixed = mixer.forward(&parameters, &chosen, &states).sum(Kind::Float);
            let gradient = Tensor::run_backward(&[mixed], &[chosen], false, false);
            let gradient = flat_values(&gradient[0].reshape([-1]));
            prop_assert!(gradient.iter().all(|&slope| slope >= 0.0), "{gradient:?}");
            prop_assert!(gradient.iter().any(|&slope| slope > 0.0));
        }
    }

    #[test]
    fn the_mixing_grows_through_weights_that_depend_on_the_state() {
        let shape = MixerShape {
            agents: 2,
            state: 3,
            embedding_size: 4,
            hypernet_layers: 2,
            hypernet_size: 6,
        };
        let (mixer, parameters) = mixer(&shape, 3);
        let slope = |states: Tensor| {
            let chosen = Tensor::ones([1, 2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let mixed = mixer
                .forward(&parameters, &chosen, &states)
                .sum(Kind::Float);
            let gradient = Tensor::run_backward(&[mixed], &[chosen], false, false);
            gradient[0].double_value(&[0, 0])
        };
        let [one, other] = [[1.0f32, 2.0, 3.0], [-3.0, 0.5, 2.0]].map(|s| Tensor::from_slice(&s));
        let (one, other) = (slope(one.view([1, 3])), slope(other.view([1, 3])));
        assert!((one - other).abs() > 1e-3, "{one} {other}");
    }
}
