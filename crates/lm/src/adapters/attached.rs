//! A decoder with an adapter.

use tch::Tensor;

use super::layout::Module;
use super::{Adapter, Dropout};
use crate::LmError;
use crate::decoder::Decoder;
use crate::weights::{Affine, WeightIndex};

/// An adapter at work.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) adapter: Adapter,
    pub(crate) merged: Option<Merged>,
}

/// That the adapter has gone into the weights.
#[derive(Debug)]
pub(crate) struct Merged {
    /// What the touched weights were, on the CPU, when that was kept.
    pub(crate) originals: Option<Vec<(WeightIndex, Tensor)>>,
}

impl Decoder {
    /// Puts `adapter` to work. The weights are frozen from here on.
    ///
    /// # Errors
    /// An adapter of another model, on another device, or beside one that is there already.
    pub fn attach(&mut self, adapter: Adapter) -> Result<(), LmError> {
        if self.attached().is_some() {
            return Err(LmError::Input(
                "the model has an adapter - allowed: one at a time - merge or detach it first"
                    .to_owned(),
            ));
        }
        let fitting = Module::all(self.weights().layout());
        let modules = || adapter.layout().sites().map(|site| &site.module);
        if let Some(module) = modules().find(|module| !fitting.contains(module)) {
            return Err(LmError::Input(format!(
                "`{}` of the adapter, {} by {}, is not in this model - the adapter was made for another one",
                module.path,
                module.outputs(),
                module.shape[1]
            )));
        }
        let (ours, theirs) = (self.weights().device(), adapter.flat().device());
        if ours != theirs {
            return Err(LmError::Input(format!(
                "the adapter is on {theirs:?} - allowed: {ours:?}, where the model is"
            )));
        }
        self.weights_mut().freeze();
        *self.attached_mut() = Some(Attached {
            adapter,
            merged: None,
        });
        Ok(())
    }

    /// Takes the adapter off. What was merged stays merged.
    pub fn detach(&mut self) -> Option<Adapter> {
        let attached = self.attached_mut().take();
        attached.map(|attached| attached.adapter)
    }

    /// The adapter.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.attached().map(|attached| &attached.adapter)
    }

    /// The adapter, to be changed.
    pub fn adapter_mut(&mut self) -> Option<&mut Adapter> {
        let attached = self.attached_mut().as_mut();
        attached.map(|attached| &mut attached.adapter)
    }

    /// Whether there is an adapter that is not in the weights: a forward pass of the weights
    /// alone, such as one made ahead of time, would then be another model's.
    pub fn adapted(&self) -> bool {
        self.acting().is_some()
    }

    /// The adapter, when it is not in the weights.
    pub(crate) fn acting(&self) -> Option<&Adapter> {
        let attached = self.attached()?;
        attached.merged.is_none().then_some(&attached.adapter)
    }

    /// The product with a weight, `adapter` included. `input` `[.., inputs]` to `[.., outputs]`.
    pub(crate) fn adapted_product(
        &self,
        adapter: &Adapter,
        affine: Affine,
        input: &Tensor,
        dropout: Option<u64>,
    ) -> Tensor {
        let weight = self.weights().get(affine.weight);
        let bias = affine.bias.map(|bias| self.weights().get(bias));
        if let Some(changed) = adapter.changed(affine.weight, weight) {
            return input.linear(&changed, bias);
        }
        let dropout = dropout.filter(|_| adapter.dropout() > 0.0);
        let dropout = dropout.map(|seed| Dropout {
            seed,
            probability: adapter.dropout(),
        });
        let output = input.linear(weight, bias);
        let added = adapter.added(affine.weight, input, &output, dropout);
        added.unwrap_or(output)
    }
}
