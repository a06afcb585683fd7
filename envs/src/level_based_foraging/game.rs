//! One copy of the game: its memory and its step.
//!
//! A cell is one `u16`, row in the high byte and column in the low one, so that a move is one
//! addition, "inside the grid" two comparisons, and the order of the numbers is row-major order.
//! Foods stand in that order; a free slot holds [`NO_CELL`], which is next to no cell, so loops run
//! over all slots without asking how many are used. There is no grid: with a handful of foods,
//! comparing against all of them costs less than the memory of a field per copy.

use super::rules::{ForagingRules, MOST_FOODS, MOST_PLAYERS};
use super::{ForagingId, observe, spawn};
use crate::environment::{Diagnostics, StepFlags};
use crate::error::EnvironmentError;
use crate::numpy_random::Pcg64;
use crate::options::{EnvironmentOptions, TimeLimitKind};
use crate::scene::{Mark, MarkKind, Scene, agent_letter};
use crate::simulation::{Blueprint, Simulation, StreamSeed, UseBlueprint};
use crate::snapshot::{Decoder, Encoder};

/// The cell of nothing: after all cells in order, and next to none (0xffff would be west of 0).
pub(crate) const NO_CELL: u16 = 0xfdfd;
const NORTH: u16 = 0xff00;
const SOUTH: u16 = 0x0100;
const WEST: u16 = 0xffff;
const EAST: u16 = 0x0001;
/// What each action adds to a cell; the last two entries make the length a power of two.
const MOVES: [u16; 8] = [0, NORTH, SOUTH, WEST, EAST, 0, 0, 0];
const LOAD: u8 = 5;
/// A food slot without food, as observations show it.
pub(super) const NO_FOOD: [f32; 3] = [-1.0, -1.0, 0.0];

/// A copy with room for `P` players and `F` foods. When `FIXED`, exactly `P` play on `F` slots, and
/// the compiler unrolls every loop over them.
#[derive(Debug, Clone)]
pub(crate) struct Game<const P: usize, const F: usize, const FIXED: bool> {
    pub(super) random: Pcg64,
    /// [`NO_CELL`] before the first start.
    pub(super) cells: [u16; P],
    pub(super) levels: [u16; P],
    pub(super) food_cells: [u16; F],
    pub(super) food_levels: [u16; F],
    /// The foods as an agent that sees everything observes them; changes only with the foods.
    pub(super) food_view: [[f32; 3]; F],
    pub(super) food_spawned: u32,
    pub(super) food_count: u32,
    pub(super) step: u32,
    pub(super) starts_with_missing_food: u32,
    pub(super) resets: u64,
}

pub(super) fn row(cell: u16) -> u16 {
    cell >> 8
}

pub(super) fn col(cell: u16) -> u16 {
    cell & 0xff
}

pub(super) fn cell(row: u16, col: u16) -> u16 {
    (row << 8) | col
}

fn adjacent(cell: u16, food: u16) -> bool {
    let offset = food.wrapping_sub(cell);
    (offset == NORTH) | (offset == SOUTH) | (offset == WEST) | (offset == EAST)
}

impl<const P: usize, const F: usize, const FIXED: bool> Game<P, F, FIXED> {
    pub(super) fn new() -> Self {
        Self {
            random: Pcg64::seeded(0),
            cells: [NO_CELL; P],
            levels: [0; P],
            food_cells: [NO_CELL; F],
            food_levels: [0; F],
            food_view: [NO_FOOD; F],
            food_spawned: 0,
            food_count: 0,
            step: 0,
            starts_with_missing_food: 0,
            resets: 0,
        }
    }

    pub(super) fn players(rules: &ForagingRules) -> usize {
        if FIXED { P } else { rules.players.min(P) }
    }

    pub(super) fn slots(rules: &ForagingRules) -> usize {
        if FIXED { F } else { rules.food_slots.min(F) }
    }

    /// Brings `food_view` and `food_count` in line with the cells and levels, which must be in
    /// order.
    pub(super) fn refresh_food(&mut self) {
        self.food_count = 0;
        for ((view, &cell), &level) in self
            .food_view
            .iter_mut()
            .zip(&self.food_cells)
            .zip(&self.food_levels)
        {
            *view = if cell == NO_CELL {
                NO_FOOD
            } else {
                self.food_count += 1;
                [f32::from(row(cell)), f32::from(col(cell)), f32::from(level)]
            };
        }
    }

    fn food_at(&self, slots: usize, cell: u16) -> bool {
        self.food_cells[..slots]
            .iter()
            .fold(false, |found, &food| found | (food == cell))
    }

    pub(super) fn walkable(&self, rules: &ForagingRules, slots: usize, cell: u16) -> bool {
        (row(cell) < rules.rows) & (col(cell) < rules.cols) & !self.food_at(slots, cell)
    }

    pub(super) fn can_load(&self, slots: usize, from: u16) -> bool {
        self.food_cells[..slots]
            .iter()
            .fold(false, |found, &food| found | adjacent(from, food))
    }

    /// The slot that an agent at `from` loads: north before south, west, east. In natural states no
    /// cell touches two foods; injected states may.
    fn loaded_slot(&self, slots: usize, from: u16) -> Option<usize> {
        [NORTH, SOUTH, WEST, EAST].into_iter().find_map(|offset| {
            let cell = from.wrapping_add(offset);
            self.food_cells[..slots]
                .iter()
                .position(|&food| food == cell)
        })
    }

    fn advance(&mut self, rules: &ForagingRules, actions: &[u8], rewards: &mut [f64]) -> StepFlags {
        let players = Self::players(rules);
        let slots = Self::slots(rules);
        let (actions, rewards) = (&actions[..players], &mut rewards[..players]);
        self.step += 1;
        rewards.fill(0.0);
        let mut loaders = 0_u32;
        let mut targets = [0_u16; P];
        for player in 0..players {
            let here = self.cells[player];
            let action = actions[player];
            let target = here.wrapping_add(MOVES[usize::from(action & 7)]);
            targets[player] = if self.walkable(rules, slots, target) {
                target
            } else {
                here
            };
            if action == LOAD && self.can_load(slots, here) {
                loaders |= 1 << player;
            }
        }
        // Q2: one pass over the targets, never re-checked. A cell wanted by one is granted, so
        // neighbours may swap, and a player may enter a cell whose owner's own move then fails.
        let before = self.cells;
        for player in 0..players {
            let mut alone = true;
            for other in 0..players {
                alone &= (other == player) | (targets[other] != targets[player]);
            }
            self.cells[player] = if alone {
                targets[player]
            } else {
                before[player]
            };
        }
        if loaders != 0 {
            self.load(rules, loaders, rewards);
        }
        let limit = self.step >= rules.step_limit;
        let finished = self.food_count == 0;
        match rules.limit_as {
            TimeLimitKind::Termination => StepFlags {
                terminated: finished | limit,
                truncated: false,
            },
            TimeLimitKind::Truncation => StepFlags {
                terminated: finished,
                truncated: limit & !finished,
            },
        }
    }

    /// Q7: the reference takes loaders in the order of a Python set; here the lowest index leads.
    /// The order matters only where a cell touches two foods.
    #[inline(never)]
    fn load(&mut self, rules: &ForagingRules, mut loaders: u32, rewards: &mut [f64]) {
        let players = Self::players(rules);
        let slots = Self::slots(rules);
        let mut taken = false;
        while loaders != 0 {
            let leader = loaders.trailing_zeros() as usize;
            loaders &= loaders - 1;
            let Some(slot) = self.loaded_slot(slots, self.cells[leader]) else {
                continue;
            };
            let food = self.food_cells[slot];
            let mut group = 1_u32 << leader;
            for player in 0..players {
                if loaders & (1 << player) != 0 && adjacent(self.cells[player], food) {
                    group |= 1 << player;
                }
            }
            loaders &= !group;
            let members = || (0..players).filter(|player| group & (1 << player) != 0);
            let strength = members()
                .map(|player| u64::from(self.levels[player]))
                .sum::<u64>();
            let level = u64::from(self.food_levels[slot]);
            for player in members() {
                if strength < level {
                    rewards[player] -= rules.penalty;
                    continue;
                }
                // Q5: integer products first, one division of doubles; the penalty stays raw.
                rewards[player] = (u64::from(self.levels[player]) * level) as f64;
                if rules.normalize_reward {
                    rewards[player] /= (strength * u64::from(self.food_spawned)) as f64;
                }
            }
            if strength >= level {
                self.food_cells[slot] = NO_CELL;
                taken = true;
            }
        }
        if taken {
            self.close_gaps();
        }
    }

    /// Moves the foods that are left to the front, in their order.
    fn close_gaps(&mut self) {
        let mut end = 0;
        for slot in 0..F {
            if self.food_cells[slot] != NO_CELL {
                self.food_cells[end] = self.food_cells[slot];
                self.food_levels[end] = self.food_levels[slot];
                end += 1;
            }
        }
        self.food_cells[end..].fill(NO_CELL);
        self.food_levels[end..].fill(0);
        self.refresh_food();
    }
}

impl<const P: usize, const F: usize, const FIXED: bool> Simulation for Game<P, F, FIXED> {
    type Rules = ForagingRules;

    fn seed(&mut self, seed: StreamSeed) {
        self.random = Pcg64::new(&seed.sequence());
    }

    fn reset(&mut self, rules: &ForagingRules) {
        spawn::reset(self, rules);
    }

    #[inline]
    fn step(
        &mut self,
        rules: &ForagingRules,
        actions: &[u8],
        rewards: &mut [f64],
    ) -> Result<StepFlags, EnvironmentError> {
        Ok(self.advance(rules, actions, rewards))
    }

    #[inline]
    fn write_observations(&self, rules: &ForagingRules, out: &mut [f32]) {
        observe::write(self, rules, out);
    }

    fn write_action_mask(&self, rules: &ForagingRules, out: &mut [u8]) {
        let slots = Self::slots(rules);
        for (mask, &here) in out.chunks_exact_mut(6).zip(&self.cells) {
            mask[0] = 1;
            for (allowed, offset) in mask[1..5].iter_mut().zip([NORTH, SOUTH, WEST, EAST]) {
                *allowed = u8::from(self.walkable(rules, slots, here.wrapping_add(offset)));
            }
            mask[5] = u8::from(self.can_load(slots, here));
        }
    }

    fn encode(&self, encoder: &mut Encoder) {
        self.random.encode(encoder);
        for (&cell, &level) in self.cells.iter().zip(&self.levels) {
            encoder.u16(cell);
            encoder.u16(level);
        }
        for (&cell, &level) in self.food_cells.iter().zip(&self.food_levels) {
            encoder.u16(cell);
            encoder.u16(level);
        }
        encoder.u32(self.food_spawned);
        encoder.u32(self.step);
        encoder.u32(self.starts_with_missing_food);
        encoder.u64(self.resets);
    }

    fn decode(
        &mut self,
        _rules: &ForagingRules,
        decoder: &mut Decoder<'_>,
    ) -> Result<(), EnvironmentError> {
        let mut game = Self::new();
        game.random = Pcg64::decode(decoder)?;
        for (cell, level) in game.cells.iter_mut().zip(&mut game.levels) {
            *cell = decoder.u16()?;
            *level = decoder.u16()?;
        }
        for (cell, level) in game.food_cells.iter_mut().zip(&mut game.food_levels) {
            *cell = decoder.u16()?;
            *level = decoder.u16()?;
        }
        game.food_spawned = decoder.u32()?;
        game.step = decoder.u32()?;
        game.starts_with_missing_food = decoder.u32()?;
        game.resets = decoder.u64()?;
        game.refresh_food();
        *self = game;
        Ok(())
    }

    fn scene(&self, rules: &ForagingRules) -> Scene {
        let place = |cell: u16, kind: MarkKind, label: String, level: u16| Mark {
            row: usize::from(row(cell)),
            col: usize::from(col(cell)),
            kind,
            label,
            level: Some(u32::from(level)),
        };
        let foods = self.food_cells.iter().zip(&self.food_levels);
        let agents = self.cells[..Self::players(rules)]
            .iter()
            .zip(&self.levels)
            .enumerate();
        Scene {
            title: rules.title.clone(),
            rows: usize::from(rules.rows),
            cols: usize::from(rules.cols),
            marks: foods
                .filter(|&(&cell, _)| cell != NO_CELL)
                .map(|(&cell, &level)| place(cell, MarkKind::Food, String::new(), level))
                .chain(agents.filter(|&(_, (&cell, _))| cell != NO_CELL).map(
                    |(index, (&cell, &level))| {
                        place(
                            cell,
                            MarkKind::Agent,
                            agent_letter(index).to_string(),
                            level,
                        )
                    },
                ))
                .collect(),
            step: self.step as usize,
            step_limit: rules.step_limit as usize,
            note: String::new(),
        }
    }

    fn diagnostics(&self) -> Diagnostics {
        Diagnostics {
            resets: self.resets,
            starts_with_missing_food: u64::from(self.starts_with_missing_food),
        }
    }
}

/// Builds a task with the game of its size: an unrolled one for the common sizes.
pub(crate) fn blueprint<U: UseBlueprint>(
    id: &ForagingId,
    options: &EnvironmentOptions,
    user: U,
) -> Result<U::Output, EnvironmentError> {
    let rules = ForagingRules::new(id, options)?;
    macro_rules! sizes {
        ($($players:literal: $($slots:literal)*;)*) => {
            match (rules.players, rules.food_slots) {
                $($(($players, $slots) => Ok(with::<_, $players, $slots, true>(rules, options, user)),)*)*
                _ => Ok(with::<_, MOST_PLAYERS, MOST_FOODS, false>(rules, options, user)),
            }
        };
    }
    sizes! {
        2: 1 2 3 4 5;
        3: 1 2 3 4 5;
        4: 1 2 3 4 5;
    }
}

fn with<U: UseBlueprint, const P: usize, const F: usize, const FIXED: bool>(
    rules: ForagingRules,
    options: &EnvironmentOptions,
    user: U,
) -> U::Output {
    user.apply(Blueprint {
        spec: rules.spec(),
        prototype: Game::<P, F, FIXED>::new(),
        common_reward: options.common_reward,
        rules,
    })
}
