//! A state as people and files write it, for the replay and reset doors.

use serde::{Deserialize, Serialize};

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
    /// The players by index.
    pub players: Vec<PlacedPlayer>,
    /// The foods that are left, row by row.
    pub foods: Vec<PlacedFood>,
    /// Sum of the levels of all foods right after the start.
    pub food_spawned: u32,
    /// Steps played.
    pub step: u32,
}
