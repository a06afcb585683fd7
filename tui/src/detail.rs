//! What is known of one run beyond its summary.

use std::collections::VecDeque;

use tracking::History;
use tracking::history::Evaluation;
use tracking::statistics::{Bootstrap, mean};

use crate::theme::Role;

/// Points of a curve kept while a run is followed.
const CURVE_POINTS: usize = 1_000;
/// Enough for an interval that is drawn a few cells high.
const RESAMPLES: usize = 500;

/// Console lines kept for the log pane.
pub const LOG_LINES: usize = 2_000;

/// One evaluation: the mean return of its episodes with an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvaluationPoint {
    /// Environment steps at the time.
    pub step: u64,
    /// Mean return.
    pub mean: f64,
    /// Lower and upper end of the 95% bootstrap interval.
    pub interval: (f64, f64),
    /// Episodes played.
    pub episodes: usize,
}

impl EvaluationPoint {
    /// Scores episodes by their returns.
    #[must_use]
    pub fn of(step: u64, returns: &[f64]) -> Self {
        let bootstrap = Bootstrap {
            resamples: RESAMPLES,
            ..Bootstrap::default()
        };
        let found = bootstrap.interval(&[returns.to_vec()], |drawn: &[Vec<f64>]| mean(&drawn[0]));
        EvaluationPoint {
            step,
            mean: found.estimate,
            interval: (found.low, found.high),
            episodes: returns.len(),
        }
    }
}

/// A piece of text with a role.
pub type Piece = (String, Role);

/// One frame of the grid world, ready to draw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorldFrame {
    /// Rows of text, each a list of pieces.
    pub rows: Vec<Vec<Piece>>,
    /// A line below the grid: step, return, actions.
    pub caption: String,
}

impl WorldFrame {
    /// A frame of plain text.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        let rows = text
            .lines()
            .map(|line| vec![(crate::figures::printable(line), Role::Text)])
            .collect();
        WorldFrame {
            rows,
            caption: String::new(),
        }
    }
}

/// A recorded episode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Episode {
    /// What it is: the file's name or the step of its evaluation.
    pub label: String,
    /// The frames in order.
    pub frames: Vec<WorldFrame>,
}

/// What is known of the selected run beyond its summary.
#[derive(Clone, Debug)]
pub struct Detail {
    /// The run it belongs to.
    pub id: String,
    /// Its valid events; curves thinned to bounded memory.
    pub history: History,
    /// Its interval evaluations, scored.
    pub evaluations: Vec<EvaluationPoint>,
    /// The final score of the best checkpoint.
    pub absolute: Option<EvaluationPoint>,
    /// The console's tail, and what the events tell.
    pub log: VecDeque<String>,
    /// The last recorded episode.
    pub episode: Option<Episode>,
}

impl Detail {
    /// Nothing known of a run yet.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Detail {
            id: id.to_owned(),
            history: History::with_point_limit(CURVE_POINTS),
            evaluations: Vec::new(),
            absolute: None,
            log: VecDeque::new(),
            episode: None,
        }
    }

    /// Scores what the history holds and was not scored yet.
    pub(crate) fn score(&mut self) {
        let known = std::mem::take(&mut self.evaluations);
        let point = |evaluation: &Evaluation| {
            let (step, episodes) = (evaluation.progress.step, evaluation.returns.len());
            let same = |point: &&EvaluationPoint| point.step == step && point.episodes == episodes;
            // A run that resumed may play the same evaluation again, with the same result.
            known
                .iter()
                .find(same)
                .copied()
                .unwrap_or_else(|| EvaluationPoint::of(step, &evaluation.returns))
        };
        self.evaluations = self.history.interval_evaluations().map(point).collect();
        self.absolute = self.history.absolute_evaluation().map(point_of_absolute);
    }

    /// The curve that the chart shows when none is chosen: the training return.
    #[must_use]
    pub fn main_curve(&self) -> Option<&str> {
        let rank = |name: &str| match (name.contains("return"), group(name)) {
            (false, _) => usize::MAX,
            (true, group) => group,
        };
        self.history
            .all_series()
            .map(|(name, ..)| name)
            .min_by_key(|name| rank(name))
            .filter(|name| rank(name) < usize::MAX)
    }
}

fn point_of_absolute(evaluation: &Evaluation) -> EvaluationPoint {
    EvaluationPoint::of(evaluation.progress.step, &evaluation.returns)
}

/// The order of the groups in the list of curves: what is learned before how fast.
pub(crate) fn group(name: &str) -> usize {
    match name.split('/').next() {
        Some("train" | "learner") => 0,
        Some("evaluation") => 1,
        Some("absolute") => 2,
        Some("runtime") => 4,
        _ => 3,
    }
}
