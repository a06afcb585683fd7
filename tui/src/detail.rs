//! What is known of one run beyond its summary.

use std::collections::VecDeque;
use std::sync::Arc;

use tracking::statistics::{Bootstrap, mean};
pub use tracking::{History, Level, LogLine, Measure};

use crate::theme::Role;
use crate::update::News;

/// Points kept of a curve's whole range, at most; of its latest points half as many are
/// kept in full besides.
pub const CURVE_POINTS: usize = 2_000;

/// What is shown first of a fine-tuning or a search, the first that there is.
const LANGUAGE_CURVES: [&str; 5] = [
    "search/accuracy",
    "evaluation/accuracy",
    "preference/win_rate",
    "finetune/reward_accuracy",
    "finetune/loss",
];

/// Lines kept for the log pane.
pub const LOG_LINES: usize = 5_000;

/// One evaluation: the mean return of its episodes with an interval, or for a language model the
/// mean score of its answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvaluationPoint {
    /// What was measured.
    pub measure: Measure,
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
    pub fn of(step: u64, returns: &[f64], measure: Measure) -> Self {
        // As the command line has it: one evaluation has one interval.
        let bootstrap = Bootstrap::default();
        let found = bootstrap.interval(&[returns.to_vec()], |drawn: &[Vec<f64>]| mean(&drawn[0]));
        EvaluationPoint {
            measure,
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
    /// Row and column of each agent; empty where the frame has none.
    pub agents: Vec<(usize, usize)>,
    /// The coming step is a central call of a switch.
    pub central: bool,
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
            ..WorldFrame::default()
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

/// What is known of the selected run beyond its summary. The source keeps it up to date
/// and hands over what changed as a whole: the screen only shows.
#[derive(Clone, Debug)]
pub struct Detail {
    /// The run it belongs to.
    pub id: String,
    /// Its valid events; curves thinned to bounded memory.
    pub history: Arc<History>,
    /// Its interval evaluations, scored.
    pub evaluations: Arc<Vec<EvaluationPoint>>,
    /// The final score of the best checkpoint.
    pub absolute: Option<EvaluationPoint>,
    /// What the events tell, and the console's tail.
    pub log: VecDeque<LogLine>,
    /// Lines that fell off the beginning of the log.
    pub forgotten: u64,
    /// How often the log began anew.
    pub generation: u64,
    /// The share of a long log that was read so far, `None` once it is whole. Until then
    /// curves are known by samples over their whole range.
    pub reading: Option<f64>,
    /// The last recorded episode.
    pub episode: Option<Episode>,
}

impl Detail {
    /// Nothing known of a run yet.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Detail {
            id: id.to_owned(),
            history: Arc::new(History::with_point_limit(CURVE_POINTS)),
            evaluations: Arc::default(),
            absolute: None,
            log: VecDeque::new(),
            forgotten: 0,
            generation: 0,
            reading: None,
            episode: None,
        }
    }

    /// Takes over what changed, except the episode.
    pub fn take(&mut self, news: News) {
        if let Some(history) = news.history {
            self.history = history;
            self.reading = news.reading;
        }
        if let Some(evaluations) = news.evaluations {
            self.evaluations = evaluations;
            self.absolute = news.absolute;
        }
        if news.anew {
            self.log.clear();
            self.forgotten = 0;
            self.generation += 1;
        }
        self.log.extend(news.log);
        let over = self.log.len().saturating_sub(LOG_LINES);
        self.log.drain(..over);
        self.forgotten += over as u64;
    }

    /// The curve that the chart shows when none is chosen: the training return, or what a
    /// fine-tuning wants to raise.
    #[must_use]
    pub fn main_curve(&self) -> Option<&str> {
        let there = |wanted: &&str| {
            let mut names = self.history.all_series();
            names.any(|(name, ..)| name == *wanted)
        };
        self.return_curve()
            .or_else(|| LANGUAGE_CURVES.into_iter().find(there))
    }

    fn return_curve(&self) -> Option<&str> {
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
