//! A state as people and files write it, for the replay and reset doors.

use serde::{Deserialize, Serialize};

use super::game::{Game, NO_CELL, cell, col, row};
use super::rules::{ForagingRules, LONGEST_SIDE, MOST_FOODS, MOST_PLAYERS};
use crate::environment::StepFlags;
use crate::error::EnvironmentError;
use crate::numpy_random::Pcg64;
use crate::simulation::Simulation;

/// A player on the field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedPlayer {
    /// Row and column.
    pub pos: [usize; 2],
    /// Level.
    pub level: u16,
}

/// A food on the field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedFood {
    /// Row and column.
    pub pos: [usize; 2],
    /// Level, at least 1.
    pub level: u16,
}

/// The state of a game.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForagingState {
    /// Height of the field.
    pub rows: usize,
    /// Width of the field.
    pub cols: usize,
    /// The players by index. Two may share a cell.
    pub players: Vec<PlacedPlayer>,
    /// The foods that are left, in any order; written row by row.
    pub foods: Vec<PlacedFood>,
    /// Sum of the levels of all foods right after the start.
    pub food_spawned: u32,
    /// Steps played.
    pub step: u32,
}

/// A game of any size, for the doors that take states from outside.
#[derive(Debug, Clone)]
pub(crate) struct LooseGame {
    game: Game<MOST_PLAYERS, MOST_FOODS, false>,
    pub(crate) rules: ForagingRules,
}

impl LooseGame {
    pub(crate) fn new(rules: ForagingRules) -> Self {
        Self {
            game: Game::new(),
            rules,
        }
    }

    pub(crate) fn seed(&mut self, seed: u64) {
        self.game.random = Pcg64::seeded(seed);
    }

    pub(crate) fn reset(&mut self) {
        self.game.reset(&self.rules);
    }

    /// Puts a state into the game; field size and number of players follow the state.
    pub(crate) fn load(&mut self, state: &ForagingState) -> Result<(), EnvironmentError> {
        self.check(state)?;
        self.rules.rows = state.rows as u16;
        self.rules.cols = state.cols as u16;
        self.rules.players = state.players.len();
        let mut foods: Vec<_> = state
            .foods
            .iter()
            .map(|food| (place(food.pos), food.level))
            .collect();
        foods.sort_unstable();
        let game = &mut self.game;
        game.cells = [NO_CELL; MOST_PLAYERS];
        for (player, placed) in state.players.iter().enumerate() {
            game.cells[player] = place(placed.pos);
            game.levels[player] = placed.level;
        }
        game.food_cells = [NO_CELL; MOST_FOODS];
        game.food_levels = [0; MOST_FOODS];
        for (slot, &(food, level)) in foods.iter().enumerate() {
            game.food_cells[slot] = food;
            game.food_levels[slot] = level;
        }
        game.refresh_food();
        game.food_spawned = state.food_spawned;
        game.step = state.step;
        Ok(())
    }

    fn check(&self, state: &ForagingState) -> Result<(), EnvironmentError> {
        for (name, side) in [("rows", state.rows), ("cols", state.cols)] {
            if !(1..=LONGEST_SIDE).contains(&side) {
                return Err(wrong(
                    format!("{name}: {side} - allowed: 1 to {LONGEST_SIDE}"),
                    "use a smaller field",
                ));
            }
        }
        let (players, foods) = (state.players.len(), state.foods.len());
        if !(1..=MOST_PLAYERS).contains(&players) {
            return Err(wrong(
                format!("players: {players} - allowed: 1 to {MOST_PLAYERS}"),
                "give each player as {\"pos\":[row,col],\"level\":1}",
            ));
        }
        if foods > self.rules.food_slots {
            return Err(wrong(
                format!(
                    "foods: {foods} - allowed: 0 to {} (food slots)",
                    self.rules.food_slots
                ),
                "raise \"food_slots\" in the line, or name an id with more foods",
            ));
        }
        let placed = state.players.iter().map(|player| ("player", player.pos));
        for (name, [row, col]) in placed.chain(state.foods.iter().map(|food| ("food", food.pos))) {
            if row >= state.rows || col >= state.cols {
                return Err(wrong(
                    format!(
                        "position of a {name}: [{row},{col}] - allowed: rows 0 to {}, columns 0 to {}",
                        state.rows - 1,
                        state.cols - 1
                    ),
                    "positions are [row, column], counted from 0 at the top left",
                ));
            }
        }
        for (index, food) in state.foods.iter().enumerate() {
            if food.level == 0 {
                return Err(wrong(
                    format!("level of food {index}: 0 - allowed: 1 to {}", u16::MAX),
                    "leave out foods that were eaten",
                ));
            }
            if state.foods[..index]
                .iter()
                .any(|other| other.pos == food.pos)
            {
                return Err(wrong(
                    format!("two foods at {:?} - allowed: one food per cell", food.pos),
                    "remove one of them",
                ));
            }
        }
        if state.food_spawned == 0 && foods > 0 && self.rules.normalize_reward {
            return Err(wrong(
                "food_spawned: 0 with food on the field - allowed: 1 or more".to_owned(),
                "give the sum of all food levels at the start of the episode",
            ));
        }
        if state.step > u32::MAX / 2 {
            return Err(wrong(
                format!("step: {} - allowed: 0 to {}", state.step, u32::MAX / 2),
                "give the number of steps played",
            ));
        }
        Ok(())
    }

    /// The state as it is now.
    pub(crate) fn state(&self) -> ForagingState {
        let place = |cell: u16| [usize::from(row(cell)), usize::from(col(cell))];
        let game = &self.game;
        let players = game.cells[..self.rules.players].iter().zip(&game.levels);
        let foods = game
            .food_cells
            .iter()
            .zip(&game.food_levels)
            .filter(|&(&food, _)| food != NO_CELL);
        ForagingState {
            rows: usize::from(self.rules.rows),
            cols: usize::from(self.rules.cols),
            players: players
                .map(|(&at, &level)| PlacedPlayer {
                    pos: place(at),
                    level,
                })
                .collect(),
            foods: foods
                .map(|(&at, &level)| PlacedFood {
                    pos: place(at),
                    level,
                })
                .collect(),
            food_spawned: game.food_spawned,
            step: game.step,
        }
    }

    /// Plays a joint action of the right length with actions below 6.
    pub(crate) fn step(
        &mut self,
        actions: &[u8],
        rewards: &mut [f64],
    ) -> Result<StepFlags, EnvironmentError> {
        self.game.step(&self.rules, actions, rewards)
    }

    /// One list per agent.
    pub(crate) fn observations(&self) -> Vec<Vec<f32>> {
        let size = self.rules.observation_shape().iter().product::<usize>();
        let mut all = vec![0.0; size * self.rules.players];
        self.game.write_observations(&self.rules, &mut all);
        all.chunks_exact(size).map(<[f32]>::to_vec).collect()
    }
}

fn place([row, col]: [usize; 2]) -> u16 {
    cell(row as u16, col as u16)
}

fn wrong(problem: String, hint: &str) -> EnvironmentError {
    EnvironmentError::State {
        problem,
        hint: hint.to_owned(),
    }
}
