//! An adapter put into the weights, and taken out again.

use tch::{Device, Kind, Tensor, no_grad};

use super::attached::Merged;
use crate::LmError;
use crate::decoder::Decoder;
use crate::weights::WeightIndex;

/// What is kept of the weights that a merge changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// A copy in main memory: taking the adapter out restores every bit.
    Originals,
    /// Nothing: taking the adapter out computes the weights from the merged ones.
    Nothing,
}

impl Decoder {
    /// Adds the adapter's change to the weights. Each new weight is computed in f64 and
    /// rounded once. The adapter stays attached, at rest: it takes no gradient until
    /// [`Decoder::unmerge_adapter`].
    ///
    /// # Errors
    /// No adapter, one that is merged already, or LibTorch's own.
    pub fn merge_adapter(&mut self, keep: Keep) -> Result<(), LmError> {
        if self.adapter().is_none() {
            return Err(nothing_to("merge", "attached and not yet merged"));
        }
        if !self.adapted() {
            return Err(nothing_to("merge again", "attached and not yet merged"));
        }
        let mut originals = Vec::new();
        if keep == Keep::Originals {
            let weights = self.weights();
            for index in self.touched() {
                let weight = weights.get(index);
                let copy = match weight.device() {
                    Device::Cpu => weight.copy(),
                    _ => weight.f_to_device(Device::Cpu)?,
                };
                originals.push((index, copy));
            }
        }
        self.rewrite(|site, form, flat, weight| weight + site.change(form, flat, weight))?;
        if let Some(attached) = self.attached_mut() {
            attached.merged = Some(Merged {
                originals: (keep == Keep::Originals).then_some(originals),
            });
        }
        Ok(())
    }

    /// Takes a merged adapter out of the weights. Where the originals were kept, every bit is
    /// as before. Else the weights are computed back in f64 and rounded once: LoRA and MiSS
    /// come within half a unit in the last place of the merged and of the original weight;
    /// BAT is off by that times the condition of `I + D`.
    ///
    /// # Errors
    /// No merged adapter, or LibTorch's own.
    pub fn unmerge_adapter(&mut self) -> Result<(), LmError> {
        let merged = self.attached_mut().as_mut();
        let Some(merged) = merged.and_then(|attached| attached.merged.take()) else {
            return Err(nothing_to("take out of the weights", "merged"));
        };
        match merged.originals {
            Some(originals) => {
                for (index, original) in originals {
                    let weight = self.weights().get(index);
                    no_grad(|| weight.shallow_clone().f_copy_(&original))?;
                }
                Ok(())
            }
            None => self.rewrite(|site, form, flat, weight| site.undone(form, flat, weight)),
        }
    }

    fn touched(&self) -> Vec<WeightIndex> {
        let groups = self.adapter().map(|adapter| &adapter.layout().groups);
        let groups = groups.into_iter().flatten();
        groups.map(|group| group.weight).collect()
    }

    /// Replaces the rows of every adapted module by what `new` makes of them, in f64.
    fn rewrite(
        &mut self,
        new: impl Fn(&super::layout::Site, super::Form, &Tensor, &Tensor) -> Tensor,
    ) -> Result<(), LmError> {
        let Some(adapter) = self.adapter() else {
            return Ok(());
        };
        no_grad(|| {
            for site in adapter.layout().sites() {
                let rows = &site.module.rows;
                let weight = self.weights().get(site.module.weight);
                let mut place = weight.narrow(0, rows.start, rows.end - rows.start);
                let wide = place.f_to_kind(Kind::Double)?;
                place.f_copy_(&new(site, adapter.form(), adapter.flat(), &wide))?;
            }
            Ok(())
        })
    }
}

fn nothing_to(what: &str, allowed: &str) -> LmError {
    LmError::Input(format!(
        "there is no adapter to {what} - allowed: one that is {allowed}"
    ))
}
