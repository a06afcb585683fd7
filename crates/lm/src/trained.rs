//! What of a decoder is trained: its weights, an adapter, or nothing.
//!
//! Whatever it is lies in one flat buffer, and a gradient has that buffer's layout, so that
//! an optimiser never asks which of the two it steps.

use tch::Tensor;

use crate::decoder::Decoder;
use crate::weights::{LayerWeights, WeightIndex};

/// What of a decoder is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trained {
    /// Every weight.
    Weights,
    /// The adapter; the weights are frozen.
    Adapters,
    /// Nothing: gradients are refused.
    Nothing,
}

/// A part of a decoder that one step of the backward pass deals with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Section {
    Embedding,
    Layer(usize),
    /// The last norm and the product behind it.
    Head,
}

/// A tensor that takes a gradient, and where in the flat buffer it lies.
pub(crate) struct Leaf<'a> {
    pub(crate) tensor: &'a Tensor,
    pub(crate) start: i64, // scalars
}

impl Decoder {
    /// What of this decoder is trained.
    pub fn trained(&self) -> Trained {
        match self.adapter() {
            Some(adapter) if adapter.trainable() => Trained::Adapters,
            None if self.weights().trainable() => Trained::Weights,
            _ => Trained::Nothing,
        }
    }

    /// The flat buffer of what is trained, empty when that is nothing. `[scalars]`, in the
    /// model's type for weights, in f32 for an adapter.
    pub fn trained_flat(&self) -> &Tensor {
        match self.trained() {
            Trained::Weights => self.weights().flat(),
            Trained::Adapters | Trained::Nothing => self.beside_weights(),
        }
    }

    /// As [`Decoder::trained_flat`], for an optimiser to write into.
    pub fn trained_flat_mut(&mut self) -> &mut Tensor {
        match self.trained() {
            Trained::Weights => self.weights_mut().flat_mut(),
            Trained::Adapters | Trained::Nothing => self.beside_weights_mut(),
        }
    }

    /// What is trained in `section`.
    pub(crate) fn leaves(&self, section: Section) -> Vec<Leaf<'_>> {
        let layout = self.weights().layout();
        let indices = match (self.trained(), section) {
            (Trained::Nothing, _) => Vec::new(),
            (Trained::Adapters, section) => return self.adapter_leaves(section),
            (Trained::Weights, Section::Embedding) => vec![layout.embedding],
            (Trained::Weights, Section::Layer(layer)) => of_layer(&layout.layers[layer]),
            (Trained::Weights, Section::Head) => vec![layout.norm, layout.head],
        };
        let leaf = |index| self.leaf(index);
        indices.into_iter().map(leaf).collect()
    }

    /// A weight and its place in the flat buffer.
    pub(crate) fn leaf(&self, index: WeightIndex) -> Leaf<'_> {
        Leaf {
            tensor: self.weights().get(index),
            start: self.weights().layout().start(index),
        }
    }

    fn adapter_leaves(&self, section: Section) -> Vec<Leaf<'_>> {
        let (Section::Layer(layer), Some(adapter)) = (section, self.adapter()) else {
            return Vec::new();
        };
        let leaves = adapter.of_layer(layer);
        leaves
            .map(|(tensor, start)| Leaf { tensor, start })
            .collect()
    }
}

/// The weights of one layer.
fn of_layer(layer: &LayerWeights) -> Vec<WeightIndex> {
    let affines = [
        layer.query_key_value,
        layer.output,
        layer.gate_up,
        layer.down,
    ];
    let mut all = vec![layer.attention_norm, layer.feed_norm];
    all.extend(affines.iter().map(|affine| affine.weight));
    all.extend(affines.iter().filter_map(|affine| affine.bias));
    all.extend(layer.query_key_norms.into_iter().flatten());
    all.extend(layer.attention_out_norm);
    all.extend(layer.feed_out_norm);
    all
}
