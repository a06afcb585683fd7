//! Adam and RMSprop on a flat parameter buffer, bit-compatible in form with `torch.optim`.

use tch::{Kind, Tensor, no_grad};

use crate::NnError;
use crate::arrays::{Array, Arrays};
use crate::parameters::{Parameters, flat_values};

/// The update rule with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptimiserKind {
    /// Kingma and Ba 2015, as `torch.optim.Adam` (no weight decay, no amsgrad).
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
}

/// An optimiser and its state for one flat buffer.
#[derive(Debug)]
pub struct Optimiser {
    kind: OptimiserKind,
    learning_rate: f64,
    steps: u64,
    first: Tensor,  // [scalars], f32; unused by RMSprop
    second: Tensor, // [scalars], f32
}

impl Optimiser {
    /// A fresh optimiser for `parameters`.
    pub fn new(kind: OptimiserKind, learning_rate: f64, parameters: &Parameters) -> Self {
        let zeros = || parameters.flat().zeros_like();
        Self {
            kind,
            learning_rate,
            steps: 0,
            first: zeros(),
            second: zeros(),
        }
    }

    /// Number of steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step along `-gradient`. `[scalars]`, f32.
    pub fn step(&mut self, parameters: &mut Parameters, gradient: &Tensor) {
        self.steps += 1;
        no_grad(|| match self.kind {
            OptimiserKind::Adam {
                beta1,
                beta2,
                epsilon,
            } => {
                let power = self.steps as f64;
                let correction1 = 1.0 - beta1.powf(power);
                let correction2 = 1.0 - beta2.powf(power);
                let _ = self.first.lerp_(gradient, 1.0 - beta1);
                let _ = self.second.g_mul_scalar_(beta2);
                let _ = self.second.addcmul_(&(gradient * (1.0 - beta2)), gradient);
                let mut denominator = self.second.sqrt();
                let _ = denominator
                    .g_div_scalar_(correction2.sqrt())
                    .g_add_scalar_(epsilon);
                let _ = denominator.reciprocal_().g_mul_(&self.first);
                let _ = denominator.g_mul_scalar_(-self.learning_rate / correction1);
                let _ = parameters.flat_mut().g_add_(&denominator);
            }
            OptimiserKind::RmsProp { alpha, epsilon } => {
                let _ = self.second.g_mul_scalar_(alpha);
                let _ = self.second.addcmul_(&(gradient * (1.0 - alpha)), gradient);
                let mut denominator = self.second.sqrt();
                let _ = denominator.g_add_scalar_(epsilon);
                let step = gradient / denominator * -self.learning_rate;
                let _ = parameters.flat_mut().g_add_(&step);
            }
        });
    }

    /// The state by name, for a checkpoint.
    pub fn to_arrays(&self, prefix: &str) -> Arrays {
        let mut arrays = Arrays::new();
        let scalars = self.first.numel();
        for (name, tensor) in [("first", &self.first), ("second", &self.second)] {
            let values = flat_values(tensor);
            arrays.insert(
                format!("{prefix}{name}"),
                Array::from_f32(vec![scalars], &values),
            );
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
        let scalars = self.first.numel();
        let device = self.first.device();
        let first = arrays.f32(&format!("{prefix}first"), &[scalars])?;
        let second = arrays.f32(&format!("{prefix}second"), &[scalars])?;
        let steps = arrays.u64(&format!("{prefix}steps"), &[1])?;
        self.first = Tensor::from_slice(&first).to_device(device);
        self.second = Tensor::from_slice(&second).to_device(device);
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
