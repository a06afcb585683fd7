//! Cosines and sines of every position, computed once for all caches of a generation.

use nn::slices;
use tch::{Device, Kind, Tensor};

use crate::config::ModelConfig;
use crate::decoder::Turn;

/// The angles of positions up to `reach`; for models whose frequencies change at a length,
/// those of short texts first, those of long ones behind.
#[derive(Debug)]
pub struct Rotations {
    tables: Vec<Turn>, // [reach, width] per rotation, or [2 * reach, width]
    reach: i64,
    switch: Option<usize>,
    options: (Kind, Device),
}

/// Angles of one rotation as slices, f32 on the CPU.
#[derive(Clone, Copy)]
pub(crate) struct RowTurns<'a> {
    cosine: &'a [f32], // the table
    sine: &'a [f32],
    width: usize,
    reach: usize,
    offset: usize, // of long texts
    long: &'a [bool],
}

impl<'a> RowTurns<'a> {
    /// Cosine and signed sine of a row's token at `position`. `[width]` each.
    pub(crate) fn at(&self, row: usize, position: usize) -> [&'a [f32]; 2] {
        // A row that is free may have gone on beyond all texts.
        let position = position.min(self.reach - 1);
        let position = position + if self.long[row] { self.offset } else { 0 };
        let of = |table: &'a [f32]| &table[position * self.width..][..self.width];
        [of(self.cosine), of(self.sine)]
    }
}

impl Rotations {
    /// The angles of texts of up to `reach` tokens, in the type and on the device of a model.
    pub fn new(config: &ModelConfig, reach: usize, options: (Kind, Device)) -> Self {
        let (kind, device) = options;
        let mut switches = config.ropes.iter().filter_map(|rope| rope.switch_length());
        let switch = switches.next();
        let places = Tensor::arange(reach as i64, (Kind::Int64, device));
        let tables = config.ropes.iter().map(|rope| {
            let table = |length| rope.angles(&places, length, kind);
            let Some(switch) = switch else {
                let (cosine, sine) = table(reach);
                return Turn { cosine, sine };
            };
            let (short, long) = (table(switch), table(switch + 1));
            Turn {
                cosine: Tensor::cat(&[short.0, long.0], 0),
                sine: Tensor::cat(&[short.1, long.1], 0),
            }
        });
        Self {
            tables: tables.collect(),
            reach: reach as i64,
            switch,
            options,
        }
    }

    /// The longest text that there are angles for.
    pub fn reach(&self) -> usize {
        self.reach as usize
    }

    /// The type and the device.
    pub fn options(&self) -> (Kind, Device) {
        self.options
    }

    /// The length beyond which a text has other angles, when there is one.
    pub fn switch_length(&self) -> Option<usize> {
        self.switch
    }

    /// Whether a text of that length has the angles of long ones.
    pub fn is_long(&self, length: usize) -> bool {
        self.switch.is_some_and(|switch| length > switch)
    }

    /// The angles of `tokens` positions from `from` on. `[tokens, 1, width]`.
    pub(crate) fn run(&self, from: i64, tokens: i64, long: bool) -> Vec<Turn> {
        let from = from + self.offset(long);
        let at = |table: &Tensor| table.narrow(0, from, tokens).unsqueeze(-2);
        self.each(at)
    }

    /// The angles of these `positions` `[rows, tokens]`, i64; `long` says which rows are long
    /// texts. `[rows, tokens, 1, width]`.
    pub(crate) fn gather(&self, positions: &Tensor, long: &[bool]) -> Vec<Turn> {
        let mut positions = positions.clamp(0, self.reach - 1);
        if long.iter().any(|long| *long) {
            let offsets: Vec<i64> = long.iter().map(|long| self.offset(*long)).collect();
            let offsets = Tensor::from_slice(&offsets).to_device(self.options.1);
            positions += offsets.unsqueeze(1);
        }
        let size = positions.size();
        let flat = positions.view([-1]);
        self.each(|table| {
            let shape = [size[0], size[1], 1, table.size()[1]];
            table.index_select(0, &flat).view(shape)
        })
    }

    /// Rotation `number` for kernels; `long` says which rows are long texts.
    pub(crate) fn rows<'a>(&'a self, number: usize, long: &'a [bool]) -> RowTurns<'a> {
        let table = &self.tables[number];
        RowTurns {
            cosine: slices::values(&table.cosine),
            sine: slices::values(&table.sine),
            width: table.cosine.size()[1] as usize,
            reach: self.reach as usize,
            offset: self.offset(true) as usize,
            long,
        }
    }

    fn offset(&self, long: bool) -> i64 {
        if long && self.switch.is_some() {
            self.reach
        } else {
            0
        }
    }

    fn each(&self, at: impl Fn(&Tensor) -> Tensor) -> Vec<Turn> {
        let turn = |table: &Turn| Turn {
            cosine: at(&table.cosine),
            sine: at(&table.sine),
        };
        self.tables.iter().map(turn).collect()
    }
}
