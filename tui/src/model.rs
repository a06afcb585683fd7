//! What the dashboard knows: plain data, no handles and no clock.

use std::collections::{BTreeMap, VecDeque};

use crate::figures::gauge_ratio;
use crate::keys::Pane;
use crate::series::Series;
pub use tracking::RunState;

use crate::theme::{Role, Surroundings, Theme};

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
    /// When it started, in Unix seconds; 0 when unknown.
    pub started: f64,
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
    pub step: f64,
    /// Mean return.
    pub mean: f64,
    /// Lower and upper end of the 95% interval.
    pub interval: (f64, f64),
    /// Episodes played.
    pub episodes: usize,
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
#[derive(Clone, Debug, Default)]
pub struct Detail {
    /// The run it belongs to.
    pub id: String,
    /// Every scalar by name.
    pub scalars: BTreeMap<String, Series>,
    /// Every evaluation, oldest first.
    pub evaluations: Vec<EvaluationPoint>,
    /// The final score of the best checkpoint.
    pub absolute: Option<EvaluationPoint>,
    /// The console's tail.
    pub log: VecDeque<String>,
    /// The last recorded episode.
    pub episode: Option<Episode>,
}

impl Detail {
    /// The scalar that the chart shows when none is chosen: the training return.
    #[must_use]
    pub fn main_scalar(&self) -> Option<&str> {
        let rank = |name: &str| {
            let last = name.rsplit('/').next().unwrap_or(name);
            let training = !name.contains("eval");
            match (last.contains("return"), training) {
                (true, true) => usize::from(last != "return" && last != "return_mean"),
                (true, false) => 2,
                _ => 3,
            }
        };
        self.scalars
            .keys()
            .map(String::as_str)
            .min_by_key(|name| rank(name))
            .filter(|name| rank(name) < 3)
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
    /// The chosen scalar; `None` is the return.
    pub scalar: Option<String>,
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
            detail: Detail::default(),
            pane: Pane::Runs,
            maximised: false,
            overlay: Overlay::None,
            scalar: None,
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

    /// The rows of the scalar list: the main scalar first, then by name.
    #[must_use]
    pub fn scalar_names(&self) -> Vec<&str> {
        let main = self.detail.main_scalar();
        let others = self
            .detail
            .scalars
            .keys()
            .map(String::as_str)
            .filter(|name| Some(*name) != main);
        main.into_iter().chain(others).collect()
    }

    /// The scalar that the chart shows.
    #[must_use]
    pub fn shown_scalar(&self) -> Option<&str> {
        match self.scalar.as_deref() {
            Some(name) if self.detail.scalars.contains_key(name) => Some(name),
            _ => self.detail.main_scalar(),
        }
    }

    /// Whether the chart shows returns, so that evaluation points belong in it.
    #[must_use]
    pub fn shows_return(&self) -> bool {
        match self.scalar.as_deref() {
            None => true,
            Some(name) => Some(name) == self.detail.main_scalar(),
        }
    }
}
