//! Keys and values of a generation, in memory that is taken ahead and grows when full.

mod prefix_tree;
mod rotations;

use std::rc::Rc;

use nn::slices;
use tch::{Kind, Tensor, no_grad};

use crate::LmError;
use crate::config::ModelConfig;
use crate::decoder::{Mask, Surroundings, Turn};

pub use prefix_tree::{Cut, Lease, Match, PrefixTree};
pub use rotations::Rotations;
pub(crate) use rotations::RowTurns;

/// Places that a cache has room for at the start, beyond those it is filled with.
const FIRST_ROOM: i64 = 256;

/// The keys and values of some texts.
///
/// Place `p` of every row is the same step; row `r` begins at place `starts[r]`, so that
/// texts of different lengths end together. A row that begins where the cache ends is free:
/// what is computed in it means nothing.
#[derive(Debug)]
pub struct Cache {
    keys: Vec<Tensor>,   // [rows, kv_heads, capacity, head_dim] per layer
    values: Vec<Tensor>, // the same
    rotations: Rc<Rotations>,
    length: i64,
    limit: i64,
    starts: Vec<i64>,
    long: Vec<bool>, // rows with the angles of long texts
    free: Vec<bool>,
    gaps: Option<Gaps>,
}

/// One layer's keys and values of some rows as slices, f32 on the CPU, with what placing the next
/// token needs to know.
pub(crate) struct CacheLayer<'a> {
    pub(crate) keys: &'a mut [f32], // [rows, kv_heads, capacity, head_dim]
    pub(crate) values: &'a mut [f32], // the same
    pub(crate) capacity: usize,
    /// The place of the next token.
    pub(crate) length: usize,
    pub(crate) starts: &'a [i64],
    pub(crate) window: Option<usize>,
    /// The angles of every row's next token, where the layer turns.
    pub(crate) turns: Option<RowTurns<'a>>,
}

/// What is only needed when the rows do not all begin at 0.
#[derive(Debug)]
struct Gaps {
    starts: Tensor, // [rows], i64
    mask: Tensor,   // [rows, 1, 1, capacity], added to scores
}

/// Keys and values of a piece of a text.
#[derive(Debug)]
pub struct Segment {
    layers: Vec<[Tensor; 2]>, // keys and values, [kv_heads, tokens, head_dim]
}

impl Cut for Segment {
    fn cut(self, at: usize) -> (Self, Self) {
        let mut front = Vec::with_capacity(self.layers.len());
        let mut back = Vec::with_capacity(self.layers.len());
        for layer in self.layers {
            let tokens = layer[0].size()[1];
            // Copies, so that either half can be let go by itself.
            let part = |from: i64, count: i64| {
                layer.each_ref().map(|all| {
                    let part = all.narrow(1, from, count);
                    part.contiguous().copy()
                })
            };
            front.push(part(0, at as i64));
            back.push(part(at as i64, tokens - at as i64));
        }
        (Self { layers: front }, Self { layers: back })
    }
}

impl Cache {
    /// An empty cache for rows that begin at `starts` and never pass `limit` places; `long`
    /// says which rows are texts beyond [`Rotations::switch_length`].
    ///
    /// # Errors
    /// Not enough memory on the device.
    pub fn new(
        config: &ModelConfig,
        rotations: &Rc<Rotations>,
        starts: Vec<i64>,
        long: Vec<bool>,
        limit: usize,
    ) -> Result<Self, LmError> {
        // No places yet: the first tokens tell how many are needed.
        let shape = [
            starts.len() as i64,
            config.kv_heads as i64,
            0,
            config.head_dim as i64,
        ];
        let empty = || -> Result<Vec<Tensor>, LmError> {
            let layers = config.layers.iter();
            let tensors = layers.map(|_| Tensor::f_empty(shape, rotations.options()));
            Ok(tensors.collect::<Result<_, _>>()?)
        };
        let mut cache = Self {
            keys: empty()?,
            values: empty()?,
            rotations: Rc::clone(rotations),
            length: 0,
            limit: limit as i64,
            free: vec![false; starts.len()],
            starts,
            long,
            gaps: None,
        };
        cache.mark_gaps();
        Ok(cache)
    }

    fn mark_gaps(&mut self) {
        let same = self.long.iter().all(|long| *long == self.long[0]);
        if same && self.starts.iter().all(|start| *start == 0) {
            self.gaps = None;
            return;
        }
        let (kind, device) = self.rotations.options();
        let starts = Tensor::from_slice(&self.starts).to_device(device);
        let places = Tensor::arange(self.capacity(), (Kind::Int64, device));
        let seen = places.unsqueeze(0).ge_tensor(&starts.unsqueeze(1));
        let seen = seen.unsqueeze(1).unsqueeze(1);
        if let Mask::Added { mask, .. } = Mask::added(&seen, 0, kind) {
            self.gaps = Some(Gaps { starts, mask });
        }
    }

    fn capacity(&self) -> i64 {
        self.keys[0].size()[2]
    }

    /// Tokens kept for each row, gaps included.
    pub fn length(&self) -> usize {
        self.length as usize
    }

    /// Number of rows, free ones included.
    pub fn rows(&self) -> usize {
        self.starts.len()
    }

    /// Tokens that there is memory for, over all rows.
    pub fn places(&self) -> usize {
        self.rows() * self.capacity() as usize
    }

    /// Tokens kept for one row.
    pub fn tokens(&self, row: usize) -> usize {
        (self.length - self.starts[row]) as usize
    }

    /// From here on no row passes `limit` places.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit as i64;
    }

    /// From here on angles are taken from these, which reach further.
    pub fn set_rotations(&mut self, rotations: &Rc<Rotations>) {
        self.rotations = Rc::clone(rotations);
    }

    /// The cache with only these rows, in this order; a row may be named more than once:
    /// samples of one prompt are copies of the row that was filled once.
    ///
    /// # Errors
    /// Not enough memory on the device.
    ///
    /// # Panics
    /// When a row is not there.
    pub fn select(&mut self, rows: &[usize]) -> Result<(), LmError> {
        let length = self.length - self.first(rows);
        self.arrange(rows, 0, length, length)
    }

    /// Adds `count` free rows behind the others.
    ///
    /// # Errors
    /// Not enough memory on the device.
    pub fn add_rows(&mut self, count: usize) -> Result<(), LmError> {
        self.restart_free();
        let all: Vec<usize> = (0..self.rows()).collect();
        let length = self.length - self.first(&all);
        let capacity = self.capacity().min(self.limit).max(length);
        self.arrange(&all, count, length, capacity)
    }

    /// Ends the texts of these rows, which are free then.
    pub fn free(&mut self, rows: &[usize]) {
        for row in rows {
            self.free[*row] = true;
            self.long[*row] = false;
        }
        self.restart_free();
        self.mark_gaps();
    }

    fn restart_free(&mut self) {
        for (start, free) in self.starts.iter_mut().zip(&self.free) {
            if *free {
                *start = self.length;
            }
        }
    }

    /// Puts texts of another cache, given as `(row, row of source)`, into rows of this one.
    ///
    /// # Errors
    /// A text longer than the limit, or not enough memory on the device.
    pub fn join(&mut self, rows: &[(usize, usize)], source: &Self) -> Result<(), LmError> {
        let longest = rows.iter().map(|(_, from)| source.tokens(*from) as i64);
        let longest = longest.max().unwrap_or(0);
        if longest > self.length {
            for (row, _) in rows {
                self.starts[*row] = self.length;
            }
            let all: Vec<usize> = (0..self.rows()).collect();
            self.arrange(&all, 0, longest, longest)?;
        }
        for (row, from) in rows {
            let tokens = source.tokens(*from) as i64;
            for (ours, theirs) in self.tensors().zip(source.tensors()) {
                let place = ours.get(*row as i64);
                let text = theirs.get(*from as i64);
                let text = text.narrow(1, source.starts[*from], tokens);
                no_grad(|| place.narrow(1, self.length - tokens, tokens).copy_(&text));
            }
            self.starts[*row] = self.length - tokens;
            self.long[*row] = source.long[*from];
            self.free[*row] = false;
        }
        self.mark_gaps();
        Ok(())
    }

    /// A copy of `tokens` tokens of a row's text, from its token `from` on.
    pub fn lift(&self, row: usize, from: usize, tokens: usize) -> Segment {
        let place = self.starts[row] + from as i64;
        let part = |all: &Tensor| all.get(row as i64).narrow(1, place, tokens as i64).copy();
        let layers = self.keys.iter().zip(&self.values);
        Segment {
            layers: layers
                .map(|(keys, values)| no_grad(|| [part(keys), part(values)]))
                .collect(),
        }
    }

    /// Puts the first `tokens` tokens of a piece into a row, as its text from token `from` on.
    /// Room must have been [reserved](Self::reserve).
    pub fn lay(&mut self, row: usize, from: usize, segment: &Segment, tokens: usize) {
        let place = self.starts[row] + from as i64;
        let tokens = tokens as i64;
        let put = |all: &Tensor, part: &Tensor| {
            let mut place = all.get(row as i64).narrow(1, place, tokens);
            no_grad(|| place.copy_(&part.narrow(1, 0, tokens)));
        };
        let layers = self.keys.iter().zip(&self.values);
        for ((keys, values), [new_keys, new_values]) in layers.zip(&segment.layers) {
            put(keys, new_keys);
            put(values, new_values);
        }
    }

    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.keys.iter().chain(&self.values)
    }

    /// The first place that any of `rows` uses.
    fn first(&self, rows: &[usize]) -> i64 {
        let starts = rows.iter().map(|row| self.starts[*row]);
        starts.min().unwrap_or(self.length)
    }

    /// Makes room for `tokens` more in each row; places before all texts are given up first.
    ///
    /// # Errors
    /// More than the limit, or not enough memory on the device.
    pub fn reserve(&mut self, tokens: usize) -> Result<(), LmError> {
        let tokens = tokens as i64;
        if self.length + tokens <= self.capacity() {
            return Ok(());
        }
        self.restart_free();
        let all: Vec<usize> = (0..self.rows()).collect();
        let length = self.length - self.first(&all);
        let needed = length + tokens;
        if needed > self.limit {
            return Err(LmError::Input(format!(
                "{needed} tokens in a cache - allowed: {} - ask for fewer new tokens",
                self.limit
            )));
        }
        let capacity = (needed + FIRST_ROOM).max(needed + needed / 2);
        self.arrange(&all, 0, length, capacity.min(self.limit))
    }

    /// The rows `kept` and `more` free ones, `length` places long in memory for `capacity`.
    fn arrange(
        &mut self,
        kept: &[usize],
        more: usize,
        length: i64,
        capacity: i64,
    ) -> Result<(), LmError> {
        let from = self.first(kept).max(self.length - length);
        let used = self.length - from;
        let options = self.rotations.options();
        let in_order = kept.iter().copied().eq(0..self.rows());
        let index: Vec<i64> = kept.iter().map(|row| *row as i64).collect();
        let index = Tensor::from_slice(&index).to_device(options.1);
        for tensor in self.keys.iter_mut().chain(&mut self.values) {
            let mut shape = tensor.size();
            shape[0] = (kept.len() + more) as i64;
            shape[2] = capacity;
            // Zeros: a free row's places must not hold what is no number.
            let arranged = Tensor::f_zeros(&shape[..], options)?;
            no_grad(|| {
                let texts = tensor.narrow(2, from, used);
                let mut place = arranged.narrow(0, 0, kept.len() as i64);
                place = place.narrow(2, length - used, used);
                if in_order {
                    place.copy_(&texts);
                } else {
                    place.copy_(&texts.index_select(0, &index));
                }
            });
            *tensor = arranged;
        }
        let shift = length - self.length;
        let starts = kept.iter().map(|row| self.starts[*row] + shift);
        let free = std::iter::repeat_n(length, more);
        self.starts = starts.chain(free).collect();
        let long = kept.iter().map(|row| self.long[*row]);
        self.long = long.chain(std::iter::repeat_n(false, more)).collect();
        let free = kept.iter().map(|row| self.free[*row]);
        self.free = free.chain(std::iter::repeat_n(true, more)).collect();
        self.length = length;
        self.mark_gaps();
        Ok(())
    }

    /// Every layer's keys and values for so many rows at a time: parts that may be worked on side
    /// by side.
    ///
    /// # Panics
    /// When the cache is not f32 on the CPU, or `rows` is 0.
    pub(crate) fn parts(&mut self, config: &ModelConfig, rows: usize) -> Vec<Vec<CacheLayer<'_>>> {
        let all = self.starts.len();
        let mut parts: Vec<Vec<CacheLayer<'_>>> = Vec::new();
        parts.resize_with(all.div_ceil(rows), Vec::new);
        let places = self.keys.iter_mut().zip(&mut self.values);
        for (plan, (keys, values)) in config.layers.iter().zip(places) {
            let capacity = keys.size()[2] as usize;
            let share = keys.numel() / all * rows;
            let keys = slices::values_mut(keys).chunks_mut(share);
            let values = slices::values_mut(values).chunks_mut(share);
            let of_rows = self.starts.chunks(rows).zip(self.long.chunks(rows));
            let shared = keys.zip(values).zip(of_rows);
            for (part, ((keys, values), (starts, long))) in parts.iter_mut().zip(shared) {
                part.push(CacheLayer {
                    capacity,
                    keys,
                    values,
                    length: self.length as usize,
                    starts,
                    window: plan.window,
                    turns: plan.rope.map(|rope| self.rotations.rows(rope, long)),
                });
            }
        }
        parts
    }

    /// Says that the next `tokens` places hold keys and values.
    pub(crate) fn advance(&mut self, tokens: i64) {
        self.length += tokens;
    }

    /// Keeps `keys` and `values` `[rows, kv_heads, tokens, head_dim]` of the tokens at hand;
    /// returns all from place `from` on.
    pub(crate) fn extend(
        &mut self,
        layer: usize,
        keys: &Tensor,
        values: &Tensor,
        from: i64,
    ) -> (Tensor, Tensor) {
        let tokens = keys.size()[2];
        let (length, end) = (self.length, self.length + tokens);
        let kept = |all: &Tensor, new: &Tensor| {
            all.narrow(2, length, tokens).copy_(new);
            all.narrow(2, from, end - from)
        };
        (
            kept(&self.keys[layer], keys),
            kept(&self.values[layer], values),
        )
    }

    /// What the layers need to know about the next `tokens` tokens of each row.
    pub(crate) fn surroundings(&self, config: &ModelConfig, tokens: i64) -> Surroundings {
        let mut masks: Vec<(Option<usize>, Mask)> = Vec::new();
        for plan in &config.layers {
            if !masks.iter().any(|(window, _)| *window == plan.window) {
                masks.push((plan.window, self.mask(plan.window, tokens)));
            }
        }
        Surroundings {
            turns: self.turns(tokens),
            masks,
            dropout: None,
            trees: Vec::new(),
        }
    }

    /// The angles of the next `tokens` tokens of each row. `[rows or 1, tokens, 1, width]`.
    pub(crate) fn turns(&self, tokens: i64) -> Vec<Turn> {
        let Some(gaps) = &self.gaps else {
            return self.rotations.run(self.length, tokens, self.long[0]);
        };
        let end = self.length + tokens;
        let places = Tensor::arange_start(self.length, end, (Kind::Int64, gaps.starts.device()));
        let positions = places.unsqueeze(0) - gaps.starts.unsqueeze(1);
        self.rotations.gather(&positions, &self.long)
    }

    fn mask(&self, window: Option<usize>, tokens: i64) -> Mask {
        let end = self.length + tokens;
        let window = window.map(|window| window as i64);
        if tokens == 1 {
            let from = window.map_or(0, |window| (end - window).max(0));
            return match &self.gaps {
                None => Mask::All { from },
                Some(gaps) => {
                    // No row has anything before its first place.
                    let first = self.starts.iter().copied().min().unwrap_or(0);
                    let from = from.max(first.min(self.length));
                    Mask::Added {
                        from,
                        mask: gaps.mask.narrow(3, from, end - from),
                    }
                }
            };
        }
        let window = window.filter(|window| *window < end);
        if self.length == 0 && window.is_none() && self.gaps.is_none() {
            return Mask::Causal;
        }
        let (kind, device) = self.rotations.options();
        let queries = Tensor::arange_start(self.length, end, (Kind::Int64, device));
        let keys = Tensor::arange(end, (Kind::Int64, device));
        let distance = queries.unsqueeze(1) - keys.unsqueeze(0);
        let mut seen = distance.ge(0);
        if let Some(window) = window {
            seen = seen.logical_and(&distance.lt(window));
        }
        let seen = match &self.gaps {
            None => seen.unsqueeze(0),
            Some(gaps) => {
                let real = keys.unsqueeze(0).ge_tensor(&gaps.starts.unsqueeze(1));
                seen.unsqueeze(0).logical_and(&real.unsqueeze(1))
            }
        };
        Mask::added(&seen.unsqueeze(1), 0, kind)
    }
}
