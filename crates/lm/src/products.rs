//! The products of a generation with weights packed ahead, for a few rows on the CPU.

use nn::fused::PackedLinear;
use nn::parameters::flat_values;
use tch::{Device, Kind, Tensor};

use crate::weights::{Affine, WeightIndex, Weights};

/// From one row on LibTorch's own product of a vector is as fast as memory; above these rows
/// its packing no longer matters.
pub(crate) const ROWS: std::ops::RangeInclusive<usize> = 2..=32;

/// A larger model would take too much memory a second time.
const MOST_SCALARS: usize = 500_000_000;

/// Every product of a model.
#[derive(Debug)]
pub(crate) struct Products {
    packed: Vec<(WeightIndex, PackedLinear)>,
}

impl Products {
    /// Packs the weights, where that helps: f32 on the CPU.
    pub(crate) fn pack(weights: &Weights) -> Option<Self> {
        let layout = weights.layout();
        let fits = weights.kind() == Kind::Float
            && weights.device() == Device::Cpu
            && layout.scalars() <= MOST_SCALARS;
        if !fits {
            return None;
        }
        let mut affines: Vec<Affine> = layout
            .layers
            .iter()
            .flat_map(|layer| {
                [
                    layer.query_key_value,
                    layer.output,
                    layer.gate_up,
                    layer.down,
                ]
            })
            .collect();
        affines.push(Affine {
            weight: layout.head,
            bias: None,
        });
        let packed = affines.iter().map(|affine| {
            let weight = weights.get(affine.weight);
            let shape = [weight.size()[0] as usize, weight.size()[1] as usize];
            let bias = affine.bias.map(|bias| flat_values(weights.get(bias)));
            let values = flat_values(&weight.reshape([-1]));
            let packed = PackedLinear::new(&values, bias.as_deref(), shape);
            (affine.weight, packed)
        });
        Some(Self {
            packed: packed.collect(),
        })
    }

    /// `[.., inputs]` to `[.., outputs]`.
    pub(crate) fn multiply(&self, weight: WeightIndex, input: &Tensor) -> Option<Tensor> {
        let (_, packed) = self.packed.iter().find(|(index, _)| *index == weight)?;
        let mut shape = input.size();
        let values = flat_values(&input.reshape([-1]));
        let rows = values.len() / packed.inputs();
        let mut output = vec![0f32; rows * packed.outputs()];
        packed.forward(&values, rows, &mut output);
        *shape.last_mut()? = packed.outputs() as i64;
        Some(Tensor::from_slice(&output).view(&shape[..]))
    }
}
