//! What the dashboard knows: plain data, no handles and no clock.

use std::collections::VecDeque;

use crate::figures::gauge_ratio;
use crate::keys::Pane;
use tracking::History;
pub use tracking::RunState;
use tracking::history::Evaluation;
use tracking::series::Series;
use tracking::statistics::{Bootstrap, mean};

use crate::theme::{Role, Surroundings, Theme};

/// Points of a curve kept while a run is followed.
const CURVE_POINTS: usize = 1_000;
/// Enough for an interval that is drawn a few cells high.
const RESAMPLES: usize = 500;

/// Console lines kept for the log pane.
pub const LOG_LINES: usize = 2_000;

/// The word of a state and its symbols: with Unicode, and in ASCII.
#[must_use]
pub fn shown(state: RunState) -> (&'static str, &'static str, &'static str) {
    match state {
        RunState::Queued => ("queued", "·", "."),
        RunState::Starting => ("starting", "◌", "o"),
        RunState::Running => ("running", "●", "*"),
        RunState::Pausing => ("pausing", "‖", "="),
        RunState::Paused => ("paused", "‖", "="),
        RunState::Stopping => ("stopping", "◌", "o"),
        RunState::Finished => ("done", "✓", "+"),
        RunState::Failed => ("failed", "✗", "x"),
        RunState::Interrupted => ("stopped", "■", "#"),
        RunState::Killed => ("killed", "✗", "x"),
        RunState::Lost => ("lost", "?", "?"),
    }
}

/// The role of a state in the theme.
#[must_use]
pub fn role(state: RunState) -> Role {
    match state {
        RunState::Running => Role::Ok,
        RunState::Finished => Role::Series(0),
        RunState::Failed | RunState::Killed => Role::Bad,
        RunState::Lost => Role::Warn,
        RunState::Queued | RunState::Interrupted => Role::Muted,
        RunState::Starting | RunState::Pausing | RunState::Paused | RunState::Stopping => {
            Role::Series(1)
        }
    }
}

/// Whether a worker process stands behind a state.
#[must_use]
pub fn is_alive(state: RunState) -> bool {
    !state.is_final() && state != RunState::Queued
}

/// One row of the run list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSummary {
    /// The folder's name.
    pub id: String,
    /// Its state.
    pub state: RunState,
    /// Steps done.
    pub step: f64,
    /// Steps planned; 0 when unknown.
    pub total_steps: f64,
    /// Learner updates done.
    pub updates: f64,
    /// Mean return of the last evaluation.
    pub last_return: Option<f64>,
    /// Environment steps per second, as the worker measured it.
    pub steps_per_second: Option<f64>,
    /// When it was last heard of, in Unix seconds.
    pub heard: f64,
    /// Seconds of training.
    pub seconds: f64,
    /// The last message of the worker, or its error.
    pub message: String,
    /// The worker's exit code once it left.
    pub exit_code: Option<i32>,
}

impl RunSummary {
    /// Progress in 0..=1, `None` while the total is unknown.
    #[must_use]
    pub fn progress(&self) -> Option<f64> {
        if self.state == RunState::Finished {
            return Some(1.0);
        }
        (self.total_steps > 0.0).then(|| gauge_ratio(self.step / self.total_steps))
    }
}

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
fn group(name: &str) -> usize {
    match name.split('/').next() {
        Some("train" | "learner") => 0,
        Some("evaluation") => 1,
        Some("absolute") => 2,
        Some("runtime") => 4,
        _ => 3,
    }
}

/// A question that must be answered before anything is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Stop this run?
    Stop(String),
    /// Leave the dashboard while the run that it was opened for goes on?
    Leave(String),
}

/// What lies over the panes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The help, scrolled by some lines.
    Help(usize),
    /// A question.
    Ask(Question),
}

/// A line of news in the footer.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The text.
    pub text: String,
    /// Good, warning or bad.
    pub role: Role,
    /// When it disappears, in Unix seconds.
    pub until: f64,
}

/// Playback of the recorded episode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Playback {
    /// The frame shown.
    pub frame: usize,
    /// Whether it is frozen.
    pub frozen: bool,
    /// When the frame was put on, in Unix seconds.
    pub since: f64,
}

/// Everything the screen is drawn from.
#[derive(Clone, Debug)]
pub struct Model {
    /// The clock, in Unix seconds; set by messages only.
    pub now: f64,
    /// Roles to styles.
    pub theme: Theme,
    /// The folder that holds the runs, as shown.
    pub root: String,
    /// Whether the run list was read at least once.
    pub loaded: bool,
    /// The runs, newest first.
    pub runs: Vec<RunSummary>,
    /// The selected run's id.
    pub selected: Option<String>,
    /// The run that this dashboard was opened for.
    pub foreground: Option<String>,
    /// What is known of the selected run.
    pub detail: Detail,
    /// The focused pane.
    pub pane: Pane,
    /// Whether the focused pane fills the screen.
    pub maximised: bool,
    /// What lies over the panes.
    pub overlay: Overlay,
    /// The chosen curve; `None` is the return.
    pub curve: Option<String>,
    /// Whether the chart is smoothed.
    pub smooth: bool,
    /// Playback of the episode.
    pub playback: Playback,
    /// Lines between the end of the log and the last one shown.
    pub log_back: usize,
    /// News in the footer.
    pub notice: Option<Notice>,
    /// When Ctrl-c was last pressed.
    pub interrupted: Option<f64>,
    /// Set when the dashboard is to be left.
    pub leave: Option<Leave>,
}

/// Why the dashboard was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leave {
    /// A key.
    Asked,
    /// A signal such as SIGTERM.
    Signal(i32),
    /// A thread died; its report.
    Broken(String),
}

impl Model {
    /// An empty dashboard over a folder of runs.
    #[must_use]
    pub fn new(root: &str, surroundings: Surroundings, now: f64) -> Self {
        Model {
            now,
            theme: Theme::new(surroundings),
            root: root.to_owned(),
            loaded: false,
            runs: Vec::new(),
            selected: None,
            foreground: None,
            detail: Detail::new(""),
            pane: Pane::Runs,
            maximised: false,
            overlay: Overlay::None,
            curve: None,
            smooth: false,
            playback: Playback::default(),
            log_back: 0,
            notice: None,
            interrupted: None,
            leave: None,
        }
    }

    /// The selected run's summary.
    #[must_use]
    pub fn run(&self) -> Option<&RunSummary> {
        let id = self.selected.as_deref()?;
        self.runs.iter().find(|run| run.id == id)
    }

    /// The position of the selected run in the list.
    #[must_use]
    pub fn run_index(&self) -> Option<usize> {
        let id = self.selected.as_deref()?;
        self.runs.iter().position(|run| run.id == id)
    }

    /// The names of the curves: the main one first, then by group and name.
    #[must_use]
    pub fn curve_names(&self) -> Vec<&str> {
        let main = self.detail.main_curve();
        let mut names: Vec<&str> = self
            .detail
            .history
            .all_series()
            .map(|(name, ..)| name)
            .collect();
        names.dedup();
        names.sort_by_key(|name| (Some(*name) != main, group(name)));
        names
    }

    /// The curve that the chart shows, with its name and what its steps count.
    #[must_use]
    pub fn shown_curve(&self) -> Option<(&str, tracking::Axis, &Series)> {
        let find = |wanted: &str| {
            self.detail
                .history
                .all_series()
                .find(|(name, ..)| *name == wanted)
        };
        let chosen = self.curve.as_deref().and_then(find);
        chosen.or_else(|| self.detail.main_curve().and_then(find))
    }

    /// Whether the chart shows returns, so that evaluation points belong in it.
    #[must_use]
    pub fn shows_return(&self) -> bool {
        match self.curve.as_deref() {
            None => true,
            Some(name) => Some(name) == self.detail.main_curve(),
        }
    }
}
