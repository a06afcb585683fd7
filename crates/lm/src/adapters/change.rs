//! The arithmetic of each form: in the forward pass, and as a change of the weight.

use tch::{Kind, Tensor};

use super::layout::{Group, Site};
use super::{Adapter, Dropout, Form};
use crate::weights::WeightIndex;

impl Adapter {
    /// The weight `index` as BAT changes it, `[outputs, inputs]`; none for the other forms,
    /// which add to the output.
    pub(crate) fn changed(&self, index: WeightIndex, weight: &Tensor) -> Option<Tensor> {
        let (group, leaves) = self.on(index)?;
        if !matches!(self.form(), Form::Bat { .. }) {
            return None;
        }
        let mut pieces = Vec::new();
        let mut row = 0;
        for (site, block) in group.sites.iter().zip(leaves) {
            let rows = &site.module.rows;
            if rows.start > row {
                pieces.push(weight.narrow(0, row, rows.start - row));
            }
            let own = weight.narrow(0, rows.start, rows.end - rows.start);
            pieces.push(&own + of_blocks(&own, &block.to_kind(weight.kind())));
            row = rows.end;
        }
        let rows = weight.size()[0];
        if rows > row {
            pieces.push(weight.narrow(0, row, rows - row));
        }
        Some(match pieces.as_slice() {
            [only] => only.shallow_clone(),
            _ => Tensor::cat(&pieces, 0),
        })
    }

    /// `output`, the product of `input` with the weight `index`, with this adapter's part
    /// added. `[.., inputs]` and `[.., outputs]`.
    pub(crate) fn added(
        &self,
        index: WeightIndex,
        input: &Tensor,
        output: &Tensor,
        dropout: Option<Dropout>,
    ) -> Option<Tensor> {
        let (group, leaves) = self.on(index)?;
        let (shape, kind) = (output.size(), output.kind());
        let input = input.reshape([-1, *input.size().last()?]);
        let leaves: Vec<Tensor> = leaves.iter().map(|leaf| leaf.to_kind(kind)).collect();
        // Few columns wide, and the matrix that takes them to the outputs: one product then
        // adds the parts of all modules.
        let (narrow, wide) = match self.form() {
            Form::Lora { rank, .. } => {
                let (down, ups) = leaves.split_first()?;
                let narrow = match dropout {
                    None => input.linear(down, None::<&Tensor>),
                    Some(dropout) => side_by_side(group, |number, site| {
                        let down = down.narrow(0, (number * rank) as i64, rank as i64);
                        let input = dropout.apply(&input, stream(site));
                        input.linear(&down, None::<&Tensor>)
                    }),
                };
                let ups: Vec<Tensor> = ups.iter().map(Tensor::tr).collect();
                (narrow * self.form().scale(), diagonal(group, &ups))
            }
            Form::Miss { rank, mini } => {
                let blocks = group.sites.iter().zip(&leaves).map(|(site, block)| {
                    let times = mini.map_or(1, |mini| site.module.outputs() / mini as i64);
                    block.repeat([1, times])
                });
                let blocks: Vec<Tensor> = blocks.collect();
                match dropout {
                    // The sums are the same for every module.
                    None => (folded(&input, rank as i64), row(group, &blocks)),
                    Some(dropout) => {
                        let narrow = side_by_side(group, |_, site| {
                            folded(&dropout.apply(&input, stream(site)), rank as i64)
                        });
                        (narrow, diagonal(group, &blocks))
                    }
                }
            }
            Form::Bat { .. } => return None,
        };
        let flat = output.reshape([-1, *shape.last()?]);
        Some(flat.addmm(&narrow, &wide).view(&shape[..]))
    }
}

impl Site {
    /// What the adapter adds to `weight`, the rows of this module, in the type of `weight`;
    /// `flat` is the adapter's buffer. `[outputs, inputs]`.
    pub(crate) fn change(&self, form: Form, flat: &Tensor, weight: &Tensor) -> Tensor {
        let tensor = |at: usize| self.tensors[at].1.of(flat).to_kind(weight.kind());
        match form {
            Form::Lora { .. } => tensor(1).matmul(&tensor(0)) * form.scale(),
            Form::Miss { rank, mini } => {
                let (outputs, inputs) = (self.module.outputs(), self.module.shape[1]);
                let times = mini.map_or(1, |mini| outputs / mini as i64);
                let block = tensor(0).repeat([1, times]).tr(); // [outputs, rank]
                let copies = (inputs + rank as i64 - 1) / rank as i64;
                block.repeat([1, copies]).narrow(1, 0, inputs)
            }
            Form::Bat { .. } => of_blocks(weight, &tensor(0)),
        }
    }

    /// What `merged`, the rows of this module after [`Site::change`] was added, were before.
    pub(crate) fn undone(&self, form: Form, flat: &Tensor, merged: &Tensor) -> Tensor {
        match form {
            // W' = W (I + D) + D in every block.
            Form::Bat { rank } => {
                let block = self.tensors[0].1.of(flat).to_kind(merged.kind());
                let groups = block.size()[0];
                let (inputs, rank) = (self.module.shape[1], rank as i64);
                let blocks = merged.reshape([groups, rank, inputs / rank, rank]);
                let apart = blocks - block.unsqueeze(2);
                let apart = apart.reshape([groups, inputs, rank]);
                let identity = Tensor::eye(rank, (merged.kind(), merged.device()));
                let before = Tensor::linalg_solve(&(identity + block), &apart, false);
                before.reshape(merged.size())
            }
            _ => merged - self.change(form, flat, merged),
        }
    }
}

/// `W D + D` of every block. `weight` `[outputs, inputs]`, `block` `[outputs / r, r, r]`.
fn of_blocks(weight: &Tensor, block: &Tensor) -> Tensor {
    let (groups, rank) = (block.size()[0], block.size()[1]);
    let inputs = weight.size()[1];
    // Rows of an output block, each cut along the inputs, all meet the same D.
    let rows = weight.reshape([groups, inputs, rank]);
    let product = rows.matmul(block).view([groups, rank, inputs / rank, rank]);
    (product + block.unsqueeze(2)).view([groups * rank, inputs])
}

/// The sum of the blocks of `rank` inputs, the last one filled up with zeros.
/// `[tokens, inputs]` to `[tokens, rank]`.
fn folded(input: &Tensor, rank: i64) -> Tensor {
    let (tokens, inputs) = (input.size()[0], input.size()[1]);
    let gap = (rank - inputs % rank) % rank;
    let input = if gap == 0 {
        input.shallow_clone()
    } else {
        input.constant_pad_nd([0, gap])
    };
    let blocks = input.view([tokens, (inputs + gap) / rank, rank]);
    blocks.sum_dim_intlist(1, false, None::<Kind>)
}

/// What tells the masks of the modules apart.
fn stream(site: &Site) -> u64 {
    let (weight, row) = (site.module.weight.number(), site.module.rows.start);
    ((weight as u64) << 32) | row as u64
}

fn side_by_side(group: &Group, mut narrow: impl FnMut(usize, &Site) -> Tensor) -> Tensor {
    let sites = group.sites.iter().enumerate();
    let pieces = sites.map(|(number, site)| narrow(number, site));
    Tensor::cat(&pieces.collect::<Vec<Tensor>>(), 1)
}

/// Each piece `[rank, outputs of its module]` over the module's own outputs, one below the
/// other. `[rank * modules, outputs]`.
fn diagonal(group: &Group, pieces: &[Tensor]) -> Tensor {
    let [outputs, _] = group.sites[0].module.shape;
    let padded = group.sites.iter().zip(pieces).map(|(site, piece)| {
        let rows = &site.module.rows;
        if rows.start == 0 && rows.end == outputs {
            return piece.shallow_clone();
        }
        piece.constant_pad_nd([rows.start, outputs - rows.end])
    });
    match padded.collect::<Vec<Tensor>>().as_slice() {
        [only] => only.shallow_clone(),
        several => Tensor::cat(several, 0),
    }
}

/// Each piece over its module's own outputs, side by side. `[rank, outputs]`.
fn row(group: &Group, pieces: &[Tensor]) -> Tensor {
    let [outputs, _] = group.sites[0].module.shape;
    let starts = group.sites.iter().map(|site| site.module.rows.start);
    let nexts = starts.skip(1).chain([outputs]);
    let mut before = group.sites[0].module.rows.start;
    let padded = group
        .sites
        .iter()
        .zip(nexts)
        .zip(pieces)
        .map(|((site, next), piece)| {
            let gaps = [before, next - site.module.rows.end];
            before = 0;
            if gaps == [0, 0] {
                piece.shallow_clone()
            } else {
                piece.constant_pad_nd(gaps)
            }
        });
    match padded.collect::<Vec<Tensor>>().as_slice() {
        [only] => only.shallow_clone(),
        several => Tensor::cat(several, 1),
    }
}
