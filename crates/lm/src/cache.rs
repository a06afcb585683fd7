//! Keys and values of a generation, in memory that is taken ahead and doubled when full.

use nn::slices;
use tch::{Device, Kind, Tensor, no_grad};

use crate::LmError;
use crate::config::ModelConfig;
use crate::decoder::{Mask, Surroundings, Turn};

/// Places that a cache has room for at the start, beyond those it is filled with.
const FIRST_ROOM: i64 = 256;

/// The keys and values of some texts, up to `limit` tokens each.
///
/// Place `p` of every row is the same step; row `r` begins at place `starts[r]`, so that
/// texts of different lengths end together.
#[derive(Debug)]
pub struct Cache {
    keys: Vec<Tensor>,   // [rows, kv_heads, capacity, head_dim] per layer
    values: Vec<Tensor>, // the same
    tables: Vec<Turn>,   // [limit, width] per rotation
    length: i64,
    limit: i64,
    starts: Vec<i64>,
    gaps: Option<Gaps>,
}

/// One layer's keys and values as slices, f32 on the CPU, with what placing the next token
/// needs to know.
pub(crate) struct CacheLayer<'a> {
    pub(crate) keys: &'a mut [f32], // [rows, kv_heads, capacity, head_dim]
    pub(crate) values: &'a mut [f32], // the same
    pub(crate) capacity: usize,
    /// The place of the next token.
    pub(crate) length: usize,
    pub(crate) starts: &'a [i64],
    pub(crate) window: Option<usize>,
    /// Cosine and signed sine of every position, `[limit, width]`, where the layer turns.
    pub(crate) turn: Option<[&'a [f32]; 2]>,
    pub(crate) limit: usize,
}

/// What is only needed when the rows do not all begin at 0.
#[derive(Debug)]
struct Gaps {
    starts: Tensor, // [rows], i64
    mask: Tensor,   // [rows, 1, 1, limit], added to scores
}

impl Cache {
    /// An empty cache for rows that begin at `starts` and never pass `limit` places;
    /// `longest` is the length of text that the rotations are made for.
    ///
    /// # Errors
    /// Not enough memory on the device.
    pub fn new(
        config: &ModelConfig,
        starts: Vec<i64>,
        limit: usize,
        longest: usize,
        options: (Kind, Device),
    ) -> Result<Self, LmError> {
        let (kind, device) = options;
        // No places yet: the first tokens tell how many are needed.
        let shape = [
            starts.len() as i64,
            config.kv_heads as i64,
            0,
            config.head_dim as i64,
        ];
        let empty = || -> Result<Vec<Tensor>, LmError> {
            let layers = config.layers.iter();
            let tensors = layers.map(|_| Tensor::f_empty(shape, options));
            Ok(tensors.collect::<Result<_, _>>()?)
        };
        let places = Tensor::arange(limit as i64, (Kind::Int64, device));
        let tables = config.ropes.iter().map(|rope| {
            let (cosine, sine) = rope.angles(&places, longest, kind);
            Turn { cosine, sine }
        });
        let mut cache = Self {
            keys: empty()?,
            values: empty()?,
            tables: tables.collect(),
            length: 0,
            limit: limit as i64,
            starts,
            gaps: None,
        };
        cache.mark_gaps(options);
        Ok(cache)
    }

    fn mark_gaps(&mut self, options: (Kind, Device)) {
        let (kind, device) = options;
        if self.starts.iter().all(|start| *start == 0) {
            self.gaps = None;
            return;
        }
        let starts = Tensor::from_slice(&self.starts).to_device(device);
        let places = Tensor::arange(self.limit, (Kind::Int64, device));
        let seen = places.unsqueeze(0).ge_tensor(&starts.unsqueeze(1));
        let seen = seen.unsqueeze(1).unsqueeze(1);
        if let Mask::Added { mask, .. } = Mask::added(&seen, 0, kind) {
            self.gaps = Some(Gaps { starts, mask });
        }
    }

    /// Tokens kept for each row, gaps included.
    pub fn length(&self) -> usize {
        self.length as usize
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len()
    }

    /// The cache with only these rows, in this order; a row may be named more than once:
    /// samples of one prompt are copies of the row that was filled once.
    ///
    /// # Panics
    /// When a row is not there.
    #[must_use]
    pub fn select(self, rows: &[usize]) -> Self {
        let options = (self.keys[0].kind(), self.keys[0].device());
        let chosen: Vec<i64> = rows.iter().map(|row| *row as i64).collect();
        let index = Tensor::from_slice(&chosen).to_device(options.1);
        // Only the places in use are copied.
        let copied = |tensors: &[Tensor]| -> Vec<Tensor> {
            let copy = |tensor: &Tensor| {
                let mut shape = tensor.size();
                shape[0] = chosen.len() as i64;
                let copy = Tensor::empty(&shape[..], options);
                let used = tensor.narrow(2, 0, self.length).index_select(0, &index);
                copy.narrow(2, 0, self.length).copy_(&used);
                copy
            };
            no_grad(|| tensors.iter().map(copy).collect())
        };
        let mut cache = Self {
            keys: copied(&self.keys),
            values: copied(&self.values),
            starts: rows.iter().map(|row| self.starts[*row]).collect(),
            gaps: None,
            ..self
        };
        cache.mark_gaps(options);
        cache
    }

    /// Forgets all places from `length` on, as when a conversation goes on otherwise.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length as i64);
    }

    /// Makes room for `tokens` more in each row.
    ///
    /// # Errors
    /// More than the limit, or not enough memory on the device.
    pub fn reserve(&mut self, tokens: usize) -> Result<(), LmError> {
        let needed = self.length + tokens as i64;
        let capacity = self.keys[0].size()[2];
        if needed <= capacity {
            return Ok(());
        }
        if needed > self.limit {
            return Err(LmError::Input(format!(
                "{needed} tokens in a cache - allowed: {} - ask for fewer new tokens",
                self.limit
            )));
        }
        let capacity = (needed + FIRST_ROOM).max(2 * capacity).min(self.limit);
        let options = (self.keys[0].kind(), self.keys[0].device());
        let length = self.length;
        for tensor in self.keys.iter_mut().chain(&mut self.values) {
            let mut shape = tensor.size();
            shape[2] = capacity;
            let larger = Tensor::f_empty(&shape[..], options)?;
            no_grad(|| {
                larger
                    .narrow(2, 0, length)
                    .copy_(&tensor.narrow(2, 0, length));
            });
            *tensor = larger;
        }
        Ok(())
    }

    /// Layer `number`, for kernels.
    ///
    /// # Panics
    /// When the cache is not f32 on the CPU.
    pub(crate) fn layer(&mut self, config: &ModelConfig, number: usize) -> CacheLayer<'_> {
        let plan = config.layers[number];
        let turn = plan.rope.map(|rope| {
            let table = &self.tables[rope];
            [slices::values(&table.cosine), slices::values(&table.sine)]
        });
        CacheLayer {
            capacity: self.keys[number].size()[2] as usize,
            keys: slices::values_mut(&mut self.keys[number]),
            values: slices::values_mut(&mut self.values[number]),
            length: self.length as usize,
            starts: &self.starts,
            window: plan.window,
            turn,
            limit: self.limit as usize,
        }
    }

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
        }
    }

    fn turns(&self, tokens: i64) -> Vec<Turn> {
        let Some(gaps) = &self.gaps else {
            let at = |table: &Tensor| table.narrow(0, self.length, tokens).unsqueeze(-2);
            let tables = self.tables.iter();
            return tables
                .map(|table| Turn {
                    cosine: at(&table.cosine),
                    sine: at(&table.sine),
                })
                .collect();
        };
        let end = self.length + tokens;
        let places = Tensor::arange_start(self.length, end, (Kind::Int64, gaps.starts.device()));
        let positions = places.unsqueeze(0) - gaps.starts.unsqueeze(1);
        let positions = positions.clamp_min(0).view([-1]);
        let at = |table: &Tensor| {
            let width = table.size()[1];
            let shape = [self.starts.len() as i64, tokens, 1, width];
            table.index_select(0, &positions).view(shape)
        };
        let tables = self.tables.iter();
        tables
            .map(|table| Turn {
                cosine: at(&table.cosine),
                sine: at(&table.sine),
            })
            .collect()
    }

    fn mask(&self, window: Option<usize>, tokens: i64) -> Mask {
        let end = self.length + tokens;
        let window = window.map(|window| window as i64);
        if tokens == 1 {
            let from = window.map_or(0, |window| (end - window).max(0));
            return match &self.gaps {
                None => Mask::All { from },
                Some(gaps) => Mask::Added {
                    from,
                    mask: gaps.mask.narrow(3, from, end - from),
                },
            };
        }
        let window = window.filter(|window| *window < end);
        if self.length == 0 && window.is_none() && self.gaps.is_none() {
            return Mask::Causal;
        }
        let (kind, device) = (self.keys[0].kind(), self.keys[0].device());
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
