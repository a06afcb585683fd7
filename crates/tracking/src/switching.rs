//! What a run tells of its switch between independent and central policies: how large
//! the share of central calls was over training, what is left of their budget, and where
//! on the board they were made.

use std::path::Path;

use serde::Deserialize;

use crate::error::TrackingError;
use crate::history::History;
use crate::series::Series;

/// Curve: share of the decisions since the last point that were central calls.
pub const CALL_SHARE: &str = "mansa/cl_decision_fraction";
/// Curve: share of a call budget that is left.
pub const BUDGET_LEFT: &str = "mansa/budget_remaining";
/// Curve: share of central calls in greedy evaluations.
pub const EVALUATED_SHARE: &str = "evaluation/cl_decision_fraction";

/// Boards larger than this are another program's business.
const LARGEST_BOARD: usize = 200;
/// Files larger than this are no map of ours.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// The share of central calls over training.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SwitchTimeline {
    /// Ends of the windows, in environment steps, with the share of central calls in
    /// each.
    pub windows: Vec<(u64, f64)>,
    /// Share of all decisions so far that were central calls. Of a run whose curve was
    /// thinned it is an estimate from the points kept.
    pub running: Option<f64>,
    /// Whether [`Self::running`] is such an estimate.
    pub thinned: bool,
    /// Share of the call budget that is left; none without a budget.
    pub budget_left: Option<f64>,
    /// Share of central calls in the last greedy evaluation.
    pub evaluated: Option<f64>,
}

impl SwitchTimeline {
    /// Collects it from a run's events; none for a run without a switch.
    pub fn of(history: &History) -> Option<Self> {
        let last = |name: &str| Some(history.series(name)?.last()?.value);
        let series = history.series(CALL_SHARE)?;
        let mut timeline = Self::from_series(series);
        timeline.budget_left = last(BUDGET_LEFT).filter(|share| share.is_finite());
        timeline.evaluated = last(EVALUATED_SHARE).filter(|share| share.is_finite());
        Some(timeline)
    }

    fn from_series(series: &Series) -> Self {
        let points = series.points();
        let windows: Vec<(u64, f64)> = points
            .iter()
            .filter(|point| point.value.is_finite())
            .map(|point| (point.step, point.value.clamp(0.0, 1.0)))
            .collect();
        let mut timeline = Self {
            thinned: (points.len() as u64) < series.count(),
            windows,
            ..Self::default()
        };
        timeline.running = timeline.running_share();
        timeline
    }

    /// Each window weighs as many decisions as it has steps.
    fn running_share(&self) -> Option<f64> {
        let (mut calls, mut decisions, mut before) = (0.0, 0.0, 0);
        for (step, share) in &self.windows {
            let steps = step.saturating_sub(before) as f64;
            before = *step;
            calls += share * steps;
            decisions += steps;
        }
        (decisions > 0.0).then(|| calls / decisions)
    }

    /// The timeline in a number of cells that cover training evenly, up to `until` steps:
    /// the mean share in each, none where no window falls into it.
    pub fn cells(&self, count: usize, until: u64) -> Vec<Option<f64>> {
        let mut sums = vec![(0.0, 0.0); count];
        let until = until
            .max(self.windows.last().map_or(0, |window| window.0))
            .max(1);
        let mut before = 0_u64;
        for (step, share) in &self.windows {
            let (from, to) = (before.min(*step), *step);
            before = to;
            if count == 0 {
                break;
            }
            let place = |step: u64| u128::from(step) * count as u128;
            let first = (place(from) / u128::from(until)) as usize;
            let last = (place(to).div_ceil(u128::from(until)) as usize).clamp(1, count) - 1;
            // A window covers all cells from its beginning to its end.
            for sum in sums.iter_mut().take(last + 1).skip(first.min(last)) {
                let weight = (to - from).max(1) as f64;
                *sum = (sum.0 + share * weight, sum.1 + weight);
            }
        }
        let mean = |(sum, weight): &(f64, f64)| (*weight > 0.0).then(|| sum / weight);
        sums.iter().map(mean).collect()
    }
}

/// Decisions and the central calls among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Tally {
    /// Decisions.
    pub visits: u64,
    /// Those that were central calls.
    pub calls: u64,
}

impl Tally {
    /// Share of the decisions that were calls; none without decisions.
    pub fn share(&self) -> Option<f64> {
        (self.visits > 0).then(|| (self.calls as f64 / self.visits as f64).min(1.0))
    }
}

/// Where an evaluation made its central calls, as `media/calls/<name>.json` holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct CallMap {
    /// The environment.
    #[serde(default)]
    pub title: String,
    /// Height of the board.
    pub rows: usize,
    /// Width of the board.
    pub cols: usize,
    /// All decisions.
    pub decisions: Tally,
    /// By cell, row by row: each decision counts once in the cell of each agent.
    pub cells: Vec<Tally>,
    /// By distance of the nearest agent to the nearest food (rows) and of the two nearest
    /// agents (columns); empty where the board has none.
    #[serde(default)]
    pub distances: Vec<Tally>,
}

impl CallMap {
    /// Reads a map.
    ///
    /// # Errors
    /// The file is missing, unreadable, larger than a map is, or no map.
    pub fn read(path: &Path) -> Result<Self, TrackingError> {
        let failed = |source| TrackingError::io("read the map of calls", path, source);
        let length = std::fs::metadata(path).map_err(failed)?.len();
        if length > LARGEST_FILE {
            let message = format!("{length} bytes, at most {LARGEST_FILE} allowed");
            return Err(malformed(path, message));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let map: Self =
            serde_json::from_str(&text).map_err(|error| malformed(path, error.to_string()))?;
        map.checked().map_err(|problem| malformed(path, problem))
    }

    fn checked(mut self) -> Result<Self, String> {
        if self.rows.max(self.cols) > LARGEST_BOARD || self.rows * self.cols != self.cells.len() {
            return Err(format!(
                "a board of {} x {} with {} cells",
                self.rows,
                self.cols,
                self.cells.len()
            ));
        }
        let side = self.side();
        if self.distances.len() != side * side {
            self.distances.clear();
        }
        Ok(self)
    }

    /// Rows and columns of [`Self::distances`].
    pub fn side(&self) -> usize {
        (self.rows + self.cols).saturating_sub(1)
    }
}

fn malformed(path: &Path, message: String) -> TrackingError {
    TrackingError::Malformed {
        what: "the map of calls",
        path: path.to_path_buf(),
        message,
        hint: "runs with a switch write it with each recorded evaluation",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Axis, Event, EventKind};

    fn history(points: &[(&str, u64, f64)]) -> History {
        let mut history = History::new();
        for (name, step, value) in points {
            history.apply(Event {
                version: 1,
                sequence: 0,
                time: 0.0,
                kind: EventKind::Scalar {
                    name: (*name).to_owned(),
                    value: *value,
                    axis: Axis::EnvSteps,
                    step: *step,
                },
            });
        }
        history
    }

    #[test]
    fn the_running_share_weighs_windows_by_their_steps() {
        let timeline = SwitchTimeline::of(&history(&[
            (CALL_SHARE, 100, 0.5),
            (CALL_SHARE, 400, 0.1),
            (CALL_SHARE, 400, f64::NAN),
            (BUDGET_LEFT, 400, 0.25),
        ]))
        .unwrap();
        // 50 calls in 100 decisions and 30 in 300.
        assert!((timeline.running.unwrap() - 0.2).abs() < 1e-12);
        assert_eq!(timeline.budget_left, Some(0.25));
        assert_eq!((timeline.evaluated, timeline.thinned), (None, false));
        assert_eq!(
            SwitchTimeline::of(&history(&[("train/return", 1, 1.0)])),
            None
        );
    }

    #[test]
    fn cells_cover_training_evenly_and_leave_out_what_is_to_come() {
        let timeline = SwitchTimeline {
            windows: vec![(100, 0.5), (200, 0.1)],
            ..SwitchTimeline::default()
        };
        let cells = timeline.cells(4, 400);
        assert_eq!(cells, [Some(0.5), Some(0.1), None, None]);
        assert_eq!(timeline.cells(1, 0), [Some(0.3)]);
        assert_eq!(timeline.cells(0, 400), []);
        assert_eq!(timeline.cells(400, 200)[199..201], [Some(0.5), Some(0.1)]);
    }

    #[test]
    fn maps_that_do_not_fit_their_board_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.json");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            CallMap::read(&path)
        };
        let map = read(
            r#"{"title":"x","rows":1,"cols":2,"decisions":{"visits":4,"calls":1},"cells":[{"visits":4,"calls":1},{"visits":0,"calls":0}],"distances":[]}"#,
        )
        .unwrap();
        assert_eq!(map.cells[0].share(), Some(0.25));
        assert_eq!((map.cells[1].share(), map.side()), (None, 2));
        let wrong = read(r#"{"rows":9,"cols":2,"decisions":{"visits":4,"calls":1},"cells":[]}"#);
        let told = wrong.unwrap_err().to_string();
        assert!(told.contains("a board of 9 x 2 with 0 cells"), "{told}");
        assert!(read("nonsense").is_err());
    }
}
