//! A moment of an episode, described for rendering: text, PNG, GIF and the dashboard read the same
//! value.

use serde::{Deserialize, Serialize};

/// What a mark on the board is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// An agent.
    Agent,
    /// Something to collect.
    Food,
    /// A place to reach.
    Goal,
    /// A cell with a label, such as an entry of a payoff table.
    Cell,
    /// The cell chosen last.
    Chosen,
}

/// Something on the board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Row, from 0 at the top.
    pub row: usize,
    /// Column, from 0 at the left.
    pub col: usize,
    /// What it is.
    pub kind: MarkKind,
    /// Its name: a letter for agents, a payoff for cells, empty for food.
    pub label: String,
    /// Its level, where it has one.
    pub level: Option<u32>,
}

/// A board with marks, and what to write beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// The environment's id.
    pub title: String,
    /// Height of the board in cells.
    pub rows: usize,
    /// Width of the board in cells.
    pub cols: usize,
    /// What lies on it, drawn in order.
    pub marks: Vec<Mark>,
    /// Steps played in this episode.
    pub step: usize,
    /// Steps after which the episode ends.
    pub step_limit: usize,
    /// A line under the board; recorders write rewards and the like here.
    pub note: String,
}

/// The letter of an agent: A to Z, then a to z, then `?`.
#[must_use]
pub fn agent_letter(index: usize) -> char {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    letters.get(index).map_or('?', |&letter| char::from(letter))
}

impl Scene {
    /// A board of no cells.
    #[must_use]
    pub fn empty(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            rows: 0,
            cols: 0,
            marks: Vec::new(),
            step: 0,
            step_limit: 0,
            note: String::new(),
        }
    }
}
