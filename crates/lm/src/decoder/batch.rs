//! Token ids of several texts, padded on the left or packed into one row.

use nn::fused::causal::Tree;
use tch::{Device, Kind, Tensor};

use super::Mask;

/// The id that fills gaps; it is never seen, so that any id of the vocabulary does.
const FILLER: i64 = 0;

/// Texts side by side.
#[derive(Debug)]
pub struct Batch {
    ids: Tensor,       // [rows, tokens], i64
    positions: Tensor, // [rows or 1, tokens], i64
    longest: usize,
    pattern: Pattern,
    trees: Vec<Tree>, // the texts, over all rows
}

#[derive(Debug)]
enum Pattern {
    /// All rows are full.
    Even,
    /// Row `r` begins at place `starts[r]`. `[rows]`, i64.
    Padded(Tensor),
    /// One row without padding, all the trees.
    Packed,
}

/// A beginning and texts that go on from it.
#[derive(Clone, Copy, Debug)]
pub struct Branched<'a> {
    /// What they have in common; at least one token.
    pub stem: &'a [i64],
    /// What follows it in each.
    pub branches: &'a [&'a [i64]],
}

impl Batch {
    /// A text per row, shorter ones padded on the left.
    ///
    /// # Panics
    /// When there are no texts.
    pub fn padded(texts: &[&[i64]], device: Device) -> Self {
        let longest = texts.iter().map(|ids| ids.len()).max();
        let longest = longest.expect("a batch has at least one text");
        let mut ids = Vec::with_capacity(texts.len() * longest);
        let mut starts = Vec::with_capacity(texts.len());
        let mut trees = Vec::with_capacity(texts.len());
        for text in texts {
            let gap = longest - text.len();
            trees.push(Tree {
                start: ids.len() + gap,
                stem: text.len(),
                branches: Vec::new(),
            });
            ids.extend(std::iter::repeat_n(FILLER, gap));
            ids.extend_from_slice(text);
            starts.push(gap as i64);
        }
        let shape = [texts.len() as i64, longest as i64];
        let places = Tensor::arange(longest as i64, (Kind::Int64, Device::Cpu)).unsqueeze(0);
        let even = starts.iter().all(|start| *start == 0);
        let starts = Tensor::from_slice(&starts);
        let positions = if even {
            places
        } else {
            (places - starts.unsqueeze(1)).clamp_min(0)
        };
        Self {
            ids: Tensor::from_slice(&ids).view(shape).to_device(device),
            positions: positions.to_device(device),
            longest,
            pattern: if even {
                Pattern::Even
            } else {
                Pattern::Padded(starts.to_device(device))
            },
            trees,
        }
    }

    /// All texts one after the other in one row; none sees another.
    ///
    /// # Panics
    /// When there are no tokens.
    pub fn packed(texts: &[&[i64]], device: Device) -> Self {
        let texts: Vec<Branched<'_>> = texts
            .iter()
            .map(|stem| Branched {
                stem,
                branches: &[],
            })
            .collect();
        Self::branched(&texts, device)
    }

    /// As [`Batch::packed`], of texts that share their beginnings: each branch sees its stem
    /// and itself, and goes on counting from the stem's end. A beginning is computed once,
    /// whatever the number of texts that have it.
    ///
    /// # Panics
    /// When there are no tokens, or an empty stem has branches.
    pub fn branched(texts: &[Branched<'_>], device: Device) -> Self {
        let mut ids = Vec::new();
        let mut positions = Vec::new();
        let mut longest = 0;
        let mut trees = Vec::with_capacity(texts.len());
        for Branched { stem, branches } in texts {
            assert!(
                branches.is_empty() || !stem.is_empty(),
                "a branch goes on from something"
            );
            trees.push(Tree {
                start: ids.len(),
                stem: stem.len(),
                branches: branches.iter().map(|branch| branch.len()).collect(),
            });
            ids.extend_from_slice(stem);
            positions.extend(0..stem.len() as i64);
            longest = longest.max(stem.len());
            for branch in *branches {
                ids.extend_from_slice(branch);
                let end = stem.len() + branch.len();
                positions.extend(stem.len() as i64..end as i64);
                longest = longest.max(end);
            }
        }
        assert!(!ids.is_empty(), "a batch has at least one token");
        let row = |values: &[i64]| Tensor::from_slice(values).to_device(device);
        let even = matches!(&trees[..], [only] if only.branches.is_empty());
        Self {
            ids: row(&ids).unsqueeze(0),
            positions: row(&positions).unsqueeze(0),
            longest,
            pattern: if even { Pattern::Even } else { Pattern::Packed },
            trees,
        }
    }

    /// Where the tokens of a [`Batch::branched`] batch are predicted, and which they are:
    /// branch by branch in their order, the first token of each at the end of its stem.
    pub fn branch_targets(texts: &[Branched<'_>]) -> (Vec<i64>, Vec<i64>) {
        let (mut places, mut targets) = (Vec::new(), Vec::new());
        let mut start = 0;
        for Branched { stem, branches } in texts {
            let fork = start + stem.len() as i64 - 1;
            start += stem.len() as i64;
            for branch in branches.iter().filter(|branch| !branch.is_empty()) {
                places.push(fork);
                places.extend(start..start + branch.len() as i64 - 1);
                targets.extend_from_slice(branch);
                start += branch.len() as i64;
            }
        }
        (places, targets)
    }

    /// `[rows, tokens]`, i64.
    pub fn ids(&self) -> &Tensor {
        &self.ids
    }

    /// Each token's place in its own text. `[rows or 1, tokens]`, i64.
    pub fn positions(&self) -> &Tensor {
        &self.positions
    }

    /// Tokens of the longest text.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The texts, by their places over all rows.
    pub(crate) fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// Which tokens each token sees, under `window`.
    pub(crate) fn mask(&self, window: Option<usize>, kind: Kind) -> Mask {
        // A window that no text outgrows hides nothing.
        let window = window.filter(|window| *window < self.longest);
        let starts = match &self.pattern {
            Pattern::Even if window.is_none() => return Mask::Causal,
            Pattern::Packed => {
                return Mask::texts(&self.trees, window, kind, self.ids.device());
            }
            Pattern::Even => None,
            Pattern::Padded(starts) => Some(starts),
        };
        let tokens = self.ids.size()[1];
        let place = Tensor::arange(tokens, (Kind::Int64, self.ids.device()));
        let distance = place.unsqueeze(1) - place.unsqueeze(0); // query - key
        let mut seen = distance.ge(0);
        if let Some(window) = window {
            seen = seen.logical_and(&distance.lt(window as i64));
        }
        let seen = match starts {
            None => seen.unsqueeze(0),
            Some(starts) => {
                let real = place.unsqueeze(0).ge_tensor(&starts.unsqueeze(1)); // [rows, keys]
                seen.unsqueeze(0).logical_and(&real.unsqueeze(1))
            }
        };
        Mask::added(&seen.unsqueeze(1), 0, kind)
    }
}
