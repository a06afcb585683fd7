//! All weights of a model in one flat buffer.
//!
//! An optimiser step, a gradient norm, a copy to a target network or a snapshot for
//! an actor is then one LibTorch call on one tensor instead of one per layer; for the
//! small networks of multi-agent learning those calls, not the arithmetic, are the cost.

use std::sync::Arc;

use tch::{Device, Kind, Tensor, no_grad};

use crate::NnError;
use crate::arrays::{Array, Arrays};
use crate::random::RandomStream;

/// Handle of one weight inside [`Parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterIndex(usize);

/// How a weight is drawn at the start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initialisation {
    /// Uniform in `[-bound, bound]`.
    Uniform(f32),
    /// All equal.
    Constant(f32),
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    shape: Vec<i64>,
    offset: i64,
    initialisation: Initialisation,
}

impl Entry {
    fn numel(&self) -> i64 {
        self.shape.iter().product()
    }
}

/// Names, shapes and places of all weights; built once, then shared.
#[derive(Clone, Debug, Default)]
pub struct ParameterLayout {
    entries: Vec<Entry>,
    total: i64,
}

impl ParameterLayout {
    /// An empty layout.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a weight; `name` is its key in checkpoints, such as `agent.input.weight`.
    pub fn declare(
        &mut self,
        name: impl Into<String>,
        shape: &[i64],
        initialisation: Initialisation,
    ) -> ParameterIndex {
        let entry = Entry {
            name: name.into(),
            shape: shape.to_vec(),
            offset: self.total,
            initialisation,
        };
        self.total += entry.numel();
        self.entries.push(entry);
        ParameterIndex(self.entries.len() - 1)
    }

    /// Place of a weight in the flat buffer and its shape.
    pub(crate) fn place(&self, index: ParameterIndex) -> (usize, &[i64]) {
        let entry = &self.entries[index.0];
        (entry.offset as usize, &entry.shape)
    }

    /// Where a weight starts in the flat buffer.
    pub fn offset(&self, index: ParameterIndex) -> usize {
        self.entries[index.0].offset as usize
    }

    /// Handles of the weights that were declared after the first `count`.
    pub fn since(&self, count: usize) -> Vec<ParameterIndex> {
        (count..self.entries.len()).map(ParameterIndex).collect()
    }

    /// Number of weights.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is declared yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of scalars in all weights.
    pub fn scalars(&self) -> usize {
        self.total as usize
    }
}

/// One set of values for a [`ParameterLayout`]: online weights, target weights, a snapshot.
#[derive(Debug)]
pub struct Parameters {
    layout: Arc<ParameterLayout>,
    flat: Tensor, // [scalars], f32
    views: Vec<Tensor>,
}

impl Parameters {
    /// All zeros, on `device`. With `trainable`, the views are leaves that require gradients.
    pub fn zeros(layout: &Arc<ParameterLayout>, device: Device, trainable: bool) -> Self {
        let flat = Tensor::zeros([layout.total], (Kind::Float, device));
        Self::over(layout, flat, trainable)
    }

    /// Drawn from `stream` in the order of declaration.
    pub fn initialised(
        layout: &Arc<ParameterLayout>,
        device: Device,
        trainable: bool,
        stream: &mut RandomStream,
    ) -> Self {
        let mut values = Vec::with_capacity(layout.scalars());
        for entry in &layout.entries {
            for _ in 0..entry.numel() {
                values.push(match entry.initialisation {
                    Initialisation::Uniform(bound) => (2.0 * stream.uniform() - 1.0) * bound,
                    Initialisation::Constant(value) => value,
                });
            }
        }
        Self::over(
            layout,
            Tensor::from_slice(&values).to_device(device),
            trainable,
        )
    }

    fn over(layout: &Arc<ParameterLayout>, flat: Tensor, trainable: bool) -> Self {
        let views = layout
            .entries
            .iter()
            .map(|entry| {
                let view = flat
                    .narrow(0, entry.offset, entry.numel())
                    .view(&entry.shape[..]);
                view.detach().set_requires_grad(trainable)
            })
            .collect();
        Self {
            layout: Arc::clone(layout),
            flat,
            views,
        }
    }

    /// A second handle to the same memory, for another thread.
    ///
    /// Reads may happen at the same time; the owner must not write while a share reads.
    pub fn share(&self) -> Self {
        Self {
            layout: Arc::clone(&self.layout),
            flat: self.flat.shallow_clone(),
            views: self.views.iter().map(Tensor::shallow_clone).collect(),
        }
    }

    /// The weight declared as `index`.
    pub fn get(&self, index: ParameterIndex) -> &Tensor {
        &self.views[index.0]
    }

    /// The flat buffer. `[scalars]`, f32.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// The flat buffer, for an optimiser to write into. `[scalars]`, f32.
    pub fn flat_mut(&mut self) -> &mut Tensor {
        &mut self.flat
    }

    /// The layout these values belong to.
    pub fn layout(&self) -> &Arc<ParameterLayout> {
        &self.layout
    }

    /// Gradient of the scalar `loss`, laid out like the flat buffer. `[scalars]`, f32.
    ///
    /// # Errors
    /// LibTorch's own, e.g. when some weight did not take part in `loss`.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor, NnError> {
        let gradients = Tensor::f_run_backward(&[loss], &self.views, false, false)?;
        let flat: Vec<Tensor> = gradients
            .iter()
            .map(|gradient| gradient.reshape([-1]))
            .collect();
        Ok(Tensor::f_cat(&flat, 0)?)
    }

    /// Copies all values from a flat buffer of the same layout.
    pub fn copy_from_flat(&mut self, source: &Tensor) {
        no_grad(|| self.flat.copy_(source));
    }

    /// Moves towards `source`: `self += rate * (source - self)`; rate 1 copies.
    pub fn track(&mut self, source: &Parameters, rate: f64) {
        no_grad(|| {
            if rate >= 1.0 {
                self.flat.copy_(&source.flat);
            } else {
                let _ = self.flat.lerp_(&source.flat, rate);
            }
        });
    }

    /// A copy of the flat buffer on the CPU. `[scalars]`, f32.
    pub fn snapshot(&self) -> Tensor {
        no_grad(|| {
            let on_cpu = self.flat.to_device(Device::Cpu);
            if self.flat.device() == Device::Cpu {
                on_cpu.copy()
            } else {
                on_cpu
            }
        })
    }

    /// All weights by name, for a checkpoint; each name is prefixed with `prefix`.
    pub fn to_arrays(&self, prefix: &str) -> Arrays {
        let values = flat_values(&self.flat);
        let mut arrays = Arrays::new();
        for entry in &self.layout.entries {
            let (start, end) = (
                entry.offset as usize,
                (entry.offset + entry.numel()) as usize,
            );
            let shape = entry.shape.iter().map(|&size| size as usize).collect();
            arrays.insert(
                format!("{prefix}{}", entry.name),
                Array::from_f32(shape, &values[start..end]),
            );
        }
        arrays
    }

    /// Reads all weights back; names carry `prefix`, shapes must match.
    ///
    /// # Errors
    /// A missing name or another shape, named with both shapes.
    pub fn load_arrays(&mut self, arrays: &Arrays, prefix: &str) -> Result<(), NnError> {
        let mut values = Vec::with_capacity(self.layout.scalars());
        for entry in &self.layout.entries {
            let shape: Vec<usize> = entry.shape.iter().map(|&size| size as usize).collect();
            values.extend(arrays.f32(&format!("{prefix}{}", entry.name), &shape)?);
        }
        self.copy_from_flat(&Tensor::from_slice(&values).to_device(self.flat.device()));
        Ok(())
    }
}

/// The values of a one-dimensional f32 tensor on any device.
pub fn flat_values(tensor: &Tensor) -> Vec<f32> {
    let on_cpu = tensor.to_device(Device::Cpu);
    let mut values = vec![0f32; on_cpu.numel()];
    on_cpu.copy_data(&mut values, on_cpu.numel());
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Arc<ParameterLayout> {
        let mut layout = ParameterLayout::new();
        layout.declare("a.weight", &[2, 3], Initialisation::Uniform(0.5));
        layout.declare("a.bias", &[2], Initialisation::Constant(0.25));
        Arc::new(layout)
    }

    #[test]
    fn views_share_the_flat_buffer() {
        let mut stream = RandomStream::new(1, "initialisation", 0);
        let mut parameters = Parameters::initialised(&layout(), Device::Cpu, true, &mut stream);
        let bias = parameters.get(ParameterIndex(1)).double_value(&[1]);
        assert_eq!(bias, 0.25);
        let ones = Tensor::ones([8], (Kind::Float, Device::Cpu));
        parameters.copy_from_flat(&ones);
        assert_eq!(parameters.get(ParameterIndex(0)).double_value(&[1, 2]), 1.0);
    }

    #[test]
    fn gradient_has_the_layout_of_the_flat_buffer() {
        let mut stream = RandomStream::new(1, "initialisation", 0);
        let parameters = Parameters::initialised(&layout(), Device::Cpu, true, &mut stream);
        let weight = parameters.get(ParameterIndex(0));
        let bias = parameters.get(ParameterIndex(1));
        let loss = weight.sum(Kind::Float) * 2.0 + bias.sum(Kind::Float) * 3.0;
        let gradient = flat_values(&parameters.gradient(&loss).unwrap());
        assert_eq!(gradient, vec![2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0]);
    }

    #[test]
    fn another_shape_is_refused_with_both_shapes() {
        let mut stream = RandomStream::new(1, "initialisation", 0);
        let parameters = Parameters::initialised(&layout(), Device::Cpu, false, &mut stream);
        let arrays = parameters.to_arrays("online.");
        let mut other = ParameterLayout::new();
        other.declare("a.weight", &[4, 3], Initialisation::Constant(0.0));
        let mut other = Parameters::zeros(&Arc::new(other), Device::Cpu, false);
        let message = other
            .load_arrays(&arrays, "online.")
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("[2, 3]") && message.contains("[4, 3]"),
            "{message}"
        );
    }

    #[test]
    fn tracking_moves_by_the_rate() {
        let mut a = Parameters::zeros(&layout(), Device::Cpu, false);
        let mut b = Parameters::zeros(&layout(), Device::Cpu, false);
        b.copy_from_flat(&Tensor::ones([8], (Kind::Float, Device::Cpu)));
        a.track(&b, 0.25);
        assert_eq!(flat_values(a.flat()), vec![0.25; 8]);
        a.track(&b, 1.0);
        assert_eq!(flat_values(a.flat()), vec![1.0; 8]);
    }
}
