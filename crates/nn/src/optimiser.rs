//! Adam, RMSprop and stochastic gradient descent on a flat parameter buffer, by the formulas of
//! `torch.optim`.
//!
//! [`Optimiser::step_over`] on the CPU is one pass over memory ([`crate::fused`]); elsewhere, and
//! always in [`Optimiser::step`], a step is some calls on the whole buffer.

mod flat;

use std::ops::Range;

use tch::{Device, Kind, Tensor, no_grad};

use crate::NnError;
use crate::arrays::{Array, Arrays};
use crate::fused::Rule;
use crate::parameters::{Parameters, flat_values};

pub use flat::gradient_norm;

/// The update rule with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptimiserKind {
    /// Kingma and Ba 2015, as `torch.optim.Adam`; with weight decay, `torch.optim.AdamW`
    /// (Loshchilov and Hutter 2019).
    Adam {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
    },
    /// Tieleman and Hinton 2012, as `torch.optim.RMSprop` (not centred, no momentum).
    RmsProp {
        /// Decay of the squared-gradient average.
        alpha: f64,
        /// Added to the root of the average.
        epsilon: f64,
    },
    /// As `torch.optim.SGD`, neither dampened nor Nesterov's.
    Sgd {
        /// Decay of the sum of gradients; 0 for none, which needs no state.
        momentum: f64,
    },
}

impl OptimiserKind {
    /// `torch.optim.AdamW`'s own constants.
    pub const ADAM: Self = Self::Adam {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
    };
    /// `torch.optim.RMSprop`'s own constants.
    pub const RMS_PROP: Self = Self::RmsProp {
        alpha: 0.99,
        epsilon: 1e-8,
    };

    /// Whether the first buffer of the state is used, and the second.
    fn buffers(self) -> (bool, bool) {
        match self {
            Self::Adam { .. } => (true, true),
            Self::RmsProp { .. } => (false, true),
            Self::Sgd { momentum } => (momentum != 0.0, false),
        }
    }

    /// The factors of step number `steps`, counted from one.
    fn rule(self, learning_rate: f64, steps: u64) -> Rule {
        match self {
            Self::Adam {
                beta1,
                beta2,
                epsilon,
            } => {
                let power = steps as f64;
                let correction1 = 1.0 - beta1.powf(power);
                let correction2 = 1.0 - beta2.powf(power);
                Rule::Adam {
                    gain: (1.0 - beta1) as f32,
                    beta2: beta2 as f32,
                    square_gain: (1.0 - beta2) as f32,
                    root: correction2.sqrt() as f32,
                    epsilon: epsilon as f32,
                    rate: (-learning_rate / correction1) as f32,
                }
            }
            Self::RmsProp { alpha, epsilon } => Rule::RmsProp {
                alpha: alpha as f32,
                square_gain: (1.0 - alpha) as f32,
                epsilon: epsilon as f32,
                rate: -learning_rate as f32,
            },
            Self::Sgd { momentum } => Rule::Sgd {
                momentum: momentum as f32,
                rate: -learning_rate as f32,
            },
        }
    }
}

/// What one step is taken with, beside the rule.
#[derive(Clone, Copy, Debug)]
pub struct StepSettings<'a> {
    /// Step size.
    pub learning_rate: f64,
    /// Multiplies the gradient first, to clip it.
    pub gradient_scale: f64,
    /// As the `weight_decay` of `torch.optim`: for Adam the weights shrink by
    /// `learning_rate * weight_decay` (AdamW), for the others it times the weights is added to
    /// the gradient.
    pub weight_decay: f64,
    /// The weights that decay: places in the flat buffer, in order.
    pub decayed: &'a [Range<usize>],
}

/// An optimiser and its state for one flat buffer.
#[derive(Debug)]
pub struct Optimiser {
    kind: OptimiserKind,
    learning_rate: f64,
    steps: u64,
    scalars: usize,
    device: Device,
    first: Option<Tensor>,  // [scalars], f32
    second: Option<Tensor>, // [scalars], f32
}

impl Optimiser {
    /// A fresh optimiser for `parameters`.
    ///
    /// # Panics
    /// Not enough memory on the device.
    pub fn new(kind: OptimiserKind, learning_rate: f64, parameters: &Parameters) -> Self {
        Self::over(kind, learning_rate, parameters.flat())
            .expect("the state of a small network fits beside it")
    }

    /// A fresh optimiser for weights of the size of `flat` `[scalars]`.
    ///
    /// # Errors
    /// Not enough memory on the device.
    pub fn over(kind: OptimiserKind, learning_rate: f64, flat: &Tensor) -> Result<Self, NnError> {
        let zeros = |wanted: bool| {
            let options = (Kind::Float, flat.device());
            let size = [flat.numel() as i64];
            wanted.then(|| Tensor::f_zeros(size, options)).transpose()
        };
        let (first, second) = kind.buffers();
        Ok(Self {
            kind,
            learning_rate,
            steps: 0,
            scalars: flat.numel(),
            device: flat.device(),
            first: zeros(first)?,
            second: zeros(second)?,
        })
    }

    /// Numbers that a step changes.
    pub fn scalars(&self) -> usize {
        self.scalars
    }

    /// Number of steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step along `-gradient` by LibTorch's calls, whose bits recorded trainings rest on.
    /// `[scalars]`, f32.
    pub fn step(&mut self, parameters: &mut Parameters, gradient: &Tensor) {
        let settings = StepSettings {
            learning_rate: self.learning_rate,
            gradient_scale: 1.0,
            weight_decay: 0.0,
            decayed: &[],
        };
        self.steps += 1;
        no_grad(|| self.by_calls(parameters.flat_mut(), gradient, &settings));
    }

    /// One step on `values` along `-gradient`, which is set to zero; `rounded` takes a copy of
    /// the new values. All `[scalars]`: f32, but for `rounded`, which may be of another type.
    ///
    /// # Panics
    /// When the sizes are not those of the state.
    pub fn step_over(
        &mut self,
        values: &mut Tensor,
        gradient: &mut Tensor,
        mut rounded: Option<&mut Tensor>,
        settings: &StepSettings<'_>,
    ) {
        for tensor in [&*values, &*gradient].into_iter().chain(rounded.as_deref()) {
            assert_eq!(
                tensor.numel(),
                self.scalars,
                "the state is of these weights"
            );
        }
        self.steps += 1;
        if self
            .by_kernels(values, gradient, rounded.as_deref_mut(), settings)
            .is_some()
        {
            return;
        }
        no_grad(|| {
            self.by_calls(values, gradient, settings);
            let _ = gradient.zero_();
            if let Some(rounded) = rounded {
                rounded.copy_(values);
            }
        });
    }

    /// The state by name, for a checkpoint.
    pub fn to_arrays(&self, prefix: &str) -> Arrays {
        let mut arrays = Arrays::new();
        for (name, buffer) in [("first", &self.first), ("second", &self.second)] {
            if let Some(buffer) = buffer {
                let array = Array::from_f32(vec![self.scalars], &flat_values(buffer));
                arrays.insert(format!("{prefix}{name}"), array);
            }
        }
        arrays.insert(
            format!("{prefix}steps"),
            Array::from_u64(vec![1], &[self.steps]),
        );
        arrays
    }

    /// Reads the state back.
    ///
    /// # Errors
    /// A missing name or another size.
    pub fn load_arrays(&mut self, arrays: &Arrays, prefix: &str) -> Result<(), NnError> {
        let read = |name: &str, wanted: bool| -> Result<Option<Tensor>, NnError> {
            if !wanted {
                return Ok(None);
            }
            let values = arrays.f32(&format!("{prefix}{name}"), &[self.scalars])?;
            Ok(Some(Tensor::from_slice(&values).to_device(self.device)))
        };
        let (first, second) = self.kind.buffers();
        let buffers = (read("first", first)?, read("second", second)?);
        let steps = arrays.u64(&format!("{prefix}steps"), &[1])?;
        (self.first, self.second) = buffers;
        self.steps = steps[0];
        Ok(())
    }
}

/// Scales `gradient` in place so that its Euclidean norm is at most `limit`; returns
/// the norm before scaling. The rule of `torch.nn.utils.clip_grad_norm_`:
/// `gradient *= min(1, limit / (norm + 1e-6))`.
pub fn clip_gradient(gradient: &mut Tensor, limit: Option<f64>) -> f64 {
    no_grad(|| {
        let norm = gradient.norm().to_kind(Kind::Double).double_value(&[]);
        if let Some(limit) = limit {
            let scale = limit / (norm + 1e-6);
            if scale < 1.0 {
                let _ = gradient.g_mul_scalar_(scale);
            }
        }
        norm
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tch::Device;

    use super::*;
    use crate::parameters::{Initialisation, ParameterLayout};

    fn parameters() -> Parameters {
        let mut layout = ParameterLayout::new();
        layout.declare("w", &[3], Initialisation::Constant(1.0));
        let mut stream = crate::random::RandomStream::new(0, "initialisation", 0);
        Parameters::initialised(&Arc::new(layout), Device::Cpu, true, &mut stream)
    }

    fn run(kind: OptimiserKind) -> Vec<f32> {
        let mut parameters = parameters();
        let mut optimiser = Optimiser::new(kind, 0.1, &parameters);
        for gradient in [[1.0f32, -2.0, 0.5], [0.5, 1.0, 0.0], [-3.0, 0.25, 0.125]] {
            optimiser.step(&mut parameters, &Tensor::from_slice(&gradient));
        }
        flat_values(parameters.flat())
    }

    fn assert_close(actual: &[f32], expected: &[f32]) {
        for (a, e) in actual.iter().zip(expected) {
            assert!((a - e).abs() < 1e-6, "{actual:?} against {expected:?}");
        }
    }

    // Expected values: torch 2.11.0, `torch.optim.Adam(lr=0.1)` and
    // `torch.optim.RMSprop(lr=0.1, alpha=0.99, eps=1e-5)` on the same gradients.
    #[test]
    fn adam_matches_torch() {
        let kind = OptimiserKind::Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        };
        assert_close(&run(kind), &ADAM);
    }

    #[test]
    fn rmsprop_matches_torch() {
        let kind = OptimiserKind::RmsProp {
            alpha: 0.99,
            epsilon: 1e-5,
        };
        assert_close(&run(kind), &RMSPROP);
    }

    const ADAM: [f32; 3] = [0.841_504_4, 1.139_989_7, 0.767_239_87];
    const RMSPROP: [f32; 3] = [0.489_165_8, 1.438_854_2, -0.244_591_45];

    #[test]
    fn a_restored_optimiser_continues() {
        let kind = OptimiserKind::Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        };
        let mut left = parameters();
        let mut optimiser = Optimiser::new(kind, 0.1, &left);
        optimiser.step(&mut left, &Tensor::from_slice(&[1f32, 2.0, 3.0]));
        let mut right = parameters();
        right.track(&left, 1.0);
        let mut restored = Optimiser::new(kind, 0.1, &right);
        restored
            .load_arrays(&optimiser.to_arrays("adam."), "adam.")
            .unwrap();
        let gradient = Tensor::from_slice(&[-1f32, 0.5, 0.25]);
        optimiser.step(&mut left, &gradient);
        restored.step(&mut right, &gradient);
        assert_eq!(flat_values(left.flat()), flat_values(right.flat()));
        assert_eq!(restored.steps(), 2);
    }

    #[test]
    fn clipping_keeps_direction_and_reports_the_norm() {
        let mut gradient = Tensor::from_slice(&[3f32, 4.0]);
        assert!((clip_gradient(&mut gradient, Some(1.0)) - 5.0).abs() < 1e-6);
        assert_close(&flat_values(&gradient), &[0.6, 0.8]);
        assert!((clip_gradient(&mut gradient, None) - 1.0).abs() < 1e-5);
    }
}
