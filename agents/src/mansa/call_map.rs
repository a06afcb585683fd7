//! Where central calls fire: on the board, and by how near the agents are to what they collect
//! and to each other.
//!
//! Cooperation is needed where two agents stand at the same food. A switch that has learnt so
//! calls at small distances of both kinds, and a map of its calls shows it.

use std::io::Write;

use envs::render::{HeatMap, heat_maps, write_picture};
use envs::{EnvironmentError, Mark, MarkKind, Scene};
use serde::{Deserialize, Serialize};

use crate::rollout::Moment;

/// Decisions and the central calls among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Decisions.
    pub visits: u64,
    /// Those that were central calls.
    pub calls: u64,
}

impl Tally {
    fn count(&mut self, call: bool) {
        self.visits += 1;
        self.calls += u64::from(call);
    }

    /// Share of the decisions that were calls; none without decisions.
    pub fn share(&self) -> Option<f64> {
        (self.visits > 0).then(|| self.calls as f64 / self.visits as f64)
    }
}

/// Two maps of different boards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a scene of {}x{} cells does not go on a map of {}x{} - one map for each board",
    other[0], other[1], own[0], own[1]
)]
pub struct OtherBoard {
    /// Rows and columns of the map.
    pub own: [usize; 2],
    /// Rows and columns of what was added.
    pub other: [usize; 2],
}

/// Counts of decisions and central calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallMap {
    title: String,
    rows: usize,
    cols: usize,
    decisions: Tally,
    /// By cell: each decision counts once in the cell of each agent. `[rows, cols]`
    cells: Vec<Tally>,
    /// By distance of the nearest agent to the nearest food, and of the two nearest agents,
    /// in steps on the board. `[rows + cols - 1, rows + cols - 1]`
    distances: Vec<Tally>,
}

impl CallMap {
    /// An empty map; it takes the board of what is added first.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the decisions of all environments that are still in their episode.
    ///
    /// # Errors
    /// A board of another size than before.
    pub fn see(&mut self, moment: &Moment) -> Result<(), OtherBoard> {
        let decided = moment.calls.iter().zip(moment.running);
        for (index, (&call, _)) in decided.enumerate().filter(|(_, (_, running))| **running) {
            self.add(&moment.environment.scene(index), call == 1)?;
        }
        Ok(())
    }

    /// Adds the decision of one moment.
    ///
    /// # Errors
    /// A board of another size than before.
    pub fn add(&mut self, scene: &Scene, call: bool) -> Result<(), OtherBoard> {
        self.fit(&scene.title, [scene.rows, scene.cols])?;
        self.decisions.count(call);
        let of_kind = |kinds: &[MarkKind]| -> Vec<&Mark> {
            let marks = scene.marks.iter();
            marks.filter(|mark| kinds.contains(&mark.kind)).collect()
        };
        let agents = of_kind(&[MarkKind::Agent]);
        let foods = of_kind(&[MarkKind::Food, MarkKind::Goal]);
        for agent in &agents {
            if agent.row < self.rows && agent.col < self.cols {
                self.cells[agent.row * self.cols + agent.col].count(call);
            }
        }
        let to_food = agents
            .iter()
            .flat_map(|agent| foods.iter().map(move |food| distance(agent, food)));
        let between = agents
            .iter()
            .enumerate()
            .flat_map(|(index, one)| agents[..index].iter().map(move |two| distance(one, two)));
        if let (Some(to_food), Some(between)) = (to_food.min(), between.min()) {
            let side = self.side();
            if to_food < side && between < side {
                self.distances[to_food * side + between].count(call);
            }
        }
        Ok(())
    }

    /// Adds another map's counts.
    ///
    /// # Errors
    /// A map of another board.
    pub fn merge(&mut self, other: &Self) -> Result<(), OtherBoard> {
        if other.decisions.visits == 0 {
            return Ok(());
        }
        self.fit(&other.title, [other.rows, other.cols])?;
        let sum = |own: &mut Tally, other: &Tally| {
            own.visits += other.visits;
            own.calls += other.calls;
        };
        sum(&mut self.decisions, &other.decisions);
        let cells = self.cells.iter_mut().zip(&other.cells);
        let distances = self.distances.iter_mut().zip(&other.distances);
        cells
            .chain(distances)
            .for_each(|(own, other)| sum(own, other));
        Ok(())
    }

    /// All decisions.
    pub fn decisions(&self) -> Tally {
        self.decisions
    }

    /// Decisions with an agent in a cell; each agent counts.
    pub fn cell(&self, row: usize, col: usize) -> Tally {
        let inside = row < self.rows && col < self.cols;
        let tally = inside.then(|| self.cells[row * self.cols + col]);
        tally.unwrap_or_default()
    }

    /// Decisions with the nearest agent `to_food` steps from the nearest food and the two
    /// nearest agents `between` steps from each other.
    pub fn at_distances(&self, to_food: usize, between: usize) -> Tally {
        let side = self.side();
        let inside = to_food < side && between < side;
        let tally = inside.then(|| self.distances[to_food * side + between]);
        tally.unwrap_or_default()
    }

    /// Both maps for a terminal: shares of calls in percent.
    pub fn to_text(&self) -> String {
        self.maps().map(|map| map.text()).join("\n")
    }

    /// Both maps as one picture.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn to_png(&self, output: impl Write) -> Result<(), EnvironmentError> {
        write_picture(&heat_maps(&self.maps()), output)
    }

    /// Distances from 0 to one less than this fit on the board.
    fn side(&self) -> usize {
        (self.rows + self.cols).saturating_sub(1)
    }

    fn fit(&mut self, title: &str, board: [usize; 2]) -> Result<(), OtherBoard> {
        let own = [self.rows, self.cols];
        if self.decisions.visits > 0 && own != board {
            return Err(OtherBoard { own, other: board });
        }
        if self.decisions.visits == 0 {
            title.clone_into(&mut self.title);
            [self.rows, self.cols] = board;
            self.cells = vec![Tally::default(); self.rows * self.cols];
            self.distances = vec![Tally::default(); self.side() * self.side()];
        }
        Ok(())
    }

    fn maps(&self) -> [HeatMap; 2] {
        let Tally { visits, calls } = self.decisions;
        let shares = |tallies: &[Tally]| tallies.iter().map(Tally::share).collect();
        let board = HeatMap {
            title: format!("{}: central calls in % by cell", self.title),
            row_title: "row of an agent".to_owned(),
            col_title: "column of an agent".to_owned(),
            cols: self.cols,
            cells: shares(&self.cells),
            note: format!("{calls} calls in {visits} decisions"),
        };
        // Distances that never occurred at the far end say nothing.
        let side = self.side();
        let seen = |row: usize, col: usize| self.distances[row * side + col].visits > 0;
        let last_row = (0..side)
            .rev()
            .find(|&row| (0..side).any(|col| seen(row, col)));
        let last_col = (0..side)
            .rev()
            .find(|&col| (0..side).any(|row| seen(row, col)));
        let (rows, cols) = match (last_row, last_col) {
            (Some(row), Some(col)) => (row + 1, col + 1),
            _ => (0, 0),
        };
        let near = self.distances.chunks(side.max(1)).take(rows);
        let near: Vec<Tally> = near.flat_map(|row| row[..cols].iter().copied()).collect();
        let counted: u64 = near.iter().map(|tally| tally.visits).sum();
        let distances = HeatMap {
            title: "central calls in % by distance".to_owned(),
            row_title: "steps from food to the nearest agent".to_owned(),
            col_title: "steps between the two nearest agents".to_owned(),
            cols,
            cells: shares(&near),
            note: format!("{counted} decisions with food and two agents"),
        };
        [board, distances]
    }
}

/// Steps from one cell to another: agents move up, down, left and right.
fn distance(one: &Mark, two: &Mark) -> usize {
    one.row.abs_diff(two.row) + one.col.abs_diff(two.col)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(agents: &[[usize; 2]], foods: &[[usize; 2]]) -> Scene {
        let mark = |kind| {
            move |&[row, col]: &[usize; 2]| Mark {
                row,
                col,
                kind,
                label: String::new(),
                level: None,
            }
        };
        let agents = agents.iter().map(mark(MarkKind::Agent));
        let foods = foods.iter().map(mark(MarkKind::Food));
        Scene {
            rows: 3,
            cols: 4,
            marks: agents.chain(foods).collect(),
            ..Scene::empty("Foraging-3x4-2p-1f-v3")
        }
    }

    /// Two agents side by side at a food, called; far apart, not; no food left.
    fn map() -> CallMap {
        let mut map = CallMap::new();
        let near = scene(&[[0, 0], [0, 2]], &[[0, 1], [2, 3]]);
        map.add(&near, true).unwrap();
        map.add(&near, true).unwrap();
        map.add(&near, false).unwrap();
        let far = scene(&[[0, 0], [2, 3]], &[[1, 1]]);
        map.add(&far, false).unwrap();
        map.add(&scene(&[[0, 0], [1, 0]], &[]), false).unwrap();
        map
    }

    #[test]
    fn decisions_are_counted_by_cell_and_by_distance() {
        let map = map();
        let tally = |visits, calls| Tally { visits, calls };
        assert_eq!(map.decisions(), tally(5, 2));
        assert_eq!(map.cell(0, 0), tally(5, 2));
        assert_eq!(map.cell(0, 2), tally(3, 2));
        assert_eq!(map.cell(2, 3), tally(1, 0));
        assert_eq!(map.cell(1, 1), tally(0, 0)); // a food, no agent
        assert_eq!(map.at_distances(1, 2), tally(3, 2));
        assert_eq!(map.at_distances(2, 5), tally(1, 0));
        assert_eq!(map.at_distances(0, 1), tally(0, 0)); // nothing left to collect
        assert_eq!(map.cell(9, 9), tally(0, 0));
    }

    #[test]
    fn the_text_has_every_share_as_a_number() {
        let text = map().to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("Foraging-3x4-2p-1f-v3"), "{text}");
        assert_eq!(lines[4], "   0  ▒40    .  ▓67    .");
        assert_eq!(lines[5], "   1    0    .    .    .");
        assert_eq!(lines[6], "   2    .    .    .    0");
        assert_eq!(lines[7], "2 calls in 5 decisions");
        // Distances of the food 0 to 2, of the agents 0 to 5.
        assert_eq!(lines[13], "   0    .    .    .    .    .    .");
        assert_eq!(lines[14], "   1    .    .  ▓67    .    .    .");
        assert_eq!(lines[15], "   2    .    .    .    .    .    0");
        assert_eq!(lines[16], "4 decisions with food and two agents");
    }

    #[test]
    fn maps_add_up_and_survive_the_disk() {
        let text = serde_json::to_string(&map()).unwrap();
        let read: CallMap = serde_json::from_str(&text).unwrap();
        assert_eq!(read, map());
        let mut sum = CallMap::new();
        sum.merge(&CallMap::new()).unwrap();
        sum.merge(&read).unwrap();
        assert_eq!(sum, read);
        sum.merge(&read).unwrap();
        assert_eq!(
            sum.at_distances(1, 2),
            Tally {
                visits: 6,
                calls: 4
            }
        );
    }

    #[test]
    fn another_board_is_refused() {
        let mut map = map();
        let before = map.clone();
        let mut other = scene(&[[0, 0]], &[]);
        other.rows = 5;
        let message = map.add(&other, true).unwrap_err().to_string();
        assert!(
            message.contains("5x4") && message.contains("3x4"),
            "{message}"
        );
        assert_eq!(map, before);
    }

    #[test]
    fn a_picture_is_written_even_of_nothing() {
        for map in [map(), CallMap::new()] {
            let mut bytes = Vec::new();
            map.to_png(&mut bytes).unwrap();
            assert_eq!(bytes[1..4], *b"PNG");
        }
    }
}
