//! Token ids of several texts, padded on the left or packed into one row.

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
}

#[derive(Debug)]
enum Pattern {
    /// All rows are full.
    Even,
    /// Row `r` begins at place `starts[r]`. `[rows]`, i64.
    Padded(Tensor),
    /// One row; place `p` belongs to text `texts[p]`. `[tokens]`, i64.
    Packed(Tensor),
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
        for text in texts {
            let gap = longest - text.len();
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
        }
    }

    /// All texts one after the other in one row; none sees another.
    ///
    /// # Panics
    /// When there are no tokens.
    pub fn packed(texts: &[&[i64]], device: Device) -> Self {
        let mut ids = Vec::new();
        let mut positions = Vec::new();
        let mut owners = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            ids.extend_from_slice(text);
            positions.extend(0..text.len() as i64);
            owners.extend(std::iter::repeat_n(number as i64, text.len()));
        }
        assert!(!ids.is_empty(), "a batch has at least one token");
        let row = |values: &[i64]| Tensor::from_slice(values).to_device(device);
        Self {
            ids: row(&ids).unsqueeze(0),
            positions: row(&positions).unsqueeze(0),
            longest: texts.iter().map(|ids| ids.len()).max().unwrap_or(0),
            pattern: if texts.len() == 1 {
                Pattern::Even
            } else {
                Pattern::Packed(row(&owners))
            },
        }
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

    /// Which tokens each token sees, under `window`.
    pub(crate) fn mask(&self, window: Option<usize>, kind: Kind) -> Mask {
        // A window that no text outgrows hides nothing.
        let window = window.filter(|window| *window < self.longest);
        if window.is_none() && matches!(self.pattern, Pattern::Even) {
            return Mask::Causal;
        }
        let tokens = self.ids.size()[1];
        let place = Tensor::arange(tokens, (Kind::Int64, self.ids.device()));
        let distance = place.unsqueeze(1) - place.unsqueeze(0); // query - key
        let mut seen = distance.ge(0);
        if let Some(window) = window {
            seen = seen.logical_and(&distance.lt(window as i64));
        }
        let seen = match &self.pattern {
            Pattern::Even => seen.unsqueeze(0),
            Pattern::Padded(starts) => {
                let real = place.unsqueeze(0).ge_tensor(&starts.unsqueeze(1)); // [rows, keys]
                seen.unsqueeze(0).logical_and(&real.unsqueeze(1))
            }
            Pattern::Packed(owners) => {
                let same = owners.unsqueeze(1).eq_tensor(&owners.unsqueeze(0));
                seen.logical_and(&same).unsqueeze(0)
            }
        };
        Mask::added(&seen.unsqueeze(1), 0, kind)
    }
}
