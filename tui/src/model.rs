//! What the dashboard knows: plain data, no handles and no clock.

use std::collections::BTreeMap;

pub use crate::detail::{Detail, Episode, EvaluationPoint, LOG_LINES, Piece, WorldFrame};
use crate::keys::Action;
use crate::panes::{Pane, States};
use crate::preferences::Preferences;
pub use crate::run::{RunSummary, is_alive, role, shown};
use crate::screens::{ScreenKind, chat, compare, evaluate, launcher, models};
use crate::theme::{Role, Surroundings, Theme};
use crate::update::Cmd;
use crate::widgets::input::Input;
pub use tracking::RunState;

/// A question that must be answered before anything is lost.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Stop these runs?
    Stop(Vec<String>),
    /// End this run's process? Its name must be typed.
    Kill(String, Input),
    /// Leave the dashboard while the run that it was opened for goes on?
    Leave(String),
    /// Leave the dashboard while these models are being fetched?
    Downloads(Vec<String>),
    /// Anything else: what happens on yes is told by whoever asks.
    Confirm(Confirmation),
}

/// A question with its words and its effects.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirmation {
    /// The heading, such as `Replace this file?`.
    pub title: String,
    /// What it is about.
    pub lines: Vec<String>,
    /// What yes does, in a word.
    pub yes: String,
    /// Effects of yes.
    pub commands: Vec<Cmd>,
    /// An action carried out on yes, before the effects.
    pub action: Option<Action>,
}

/// What lies over the screen.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The help, scrolled by some lines, with what is searched in it.
    Help(usize, String),
    /// A question.
    Ask(Question),
}

/// The line that is being typed at the bottom.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// What it is for.
    pub purpose: Purpose,
    /// What was typed.
    pub input: Input,
}

/// What a prompt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A command.
    Command,
    /// The filter of what has the focus, applied while it is typed.
    Filter,
    /// What the help is searched for.
    HelpSearch,
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

/// Everything the screen is drawn from.
#[derive(Clone, Debug)]
pub struct Model {
    /// The clock, in Unix seconds; set by messages only.
    pub now: f64,
    /// Roles to styles.
    pub theme: Theme,
    /// What the user prefers.
    pub preferences: Preferences,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The folder that holds the runs, as shown.
    pub root: String,
    /// Whether the run list was read at least once.
    pub loaded: bool,
    /// All runs, newest first.
    pub runs: Vec<RunSummary>,
    /// The selected run's id.
    pub selected: Option<String>,
    /// A run to be selected as soon as the list has it.
    pub wanted: Option<String>,
    /// The run that this dashboard was opened for.
    pub foreground: Option<String>,
    /// What is known of the selected run.
    pub detail: Detail,
    /// What is known of the runs that are compared.
    pub compared: BTreeMap<String, Detail>,
    /// What fills the terminal.
    pub screen: ScreenKind,
    /// The focused pane of the dashboard.
    pub focus: Pane,
    /// The pane for the kind of job, when another than the run's own is looked at.
    pub job_pane: Option<Pane>,
    /// Whether the focused pane fills the screen.
    pub maximised: bool,
    /// What each pane remembers.
    pub panes: States,
    /// The launcher.
    pub launcher: launcher::State,
    /// The comparison.
    pub compare: compare::State,
    /// The evaluations.
    pub evaluate: evaluate::State,
    /// The models and downloads.
    pub models: models::State,
    /// The chat.
    pub chat: chat::State,
    /// What lies over the screen.
    pub overlay: Overlay,
    /// The line being typed.
    pub prompt: Option<Prompt>,
    /// Commands typed before, oldest first.
    pub typed_before: Vec<String>,
    /// News in the footer.
    pub notice: Option<Notice>,
    /// When Ctrl-c was last pressed.
    pub interrupted: Option<f64>,
    /// Set when the dashboard is to be left.
    pub leave: Option<Leave>,
}

impl Model {
    /// An empty dashboard over a folder of runs.
    #[must_use]
    pub fn new(root: &str, surroundings: Surroundings, now: f64) -> Self {
        Model {
            now,
            theme: Theme::new(surroundings),
            preferences: Preferences::default(),
            size: (80, 24),
            root: root.to_owned(),
            loaded: false,
            runs: Vec::new(),
            selected: None,
            wanted: None,
            foreground: None,
            detail: Detail::new(""),
            compared: BTreeMap::new(),
            screen: ScreenKind::default(),
            focus: Pane::Runs,
            job_pane: None,
            maximised: false,
            panes: States::default(),
            launcher: launcher::State::default(),
            compare: compare::State::default(),
            evaluate: evaluate::State::default(),
            models: models::State::default(),
            chat: chat::State::default(),
            overlay: Overlay::None,
            prompt: None,
            typed_before: Vec::new(),
            notice: None,
            interrupted: None,
            leave: None,
        }
    }

    /// Takes over what the user prefers.
    #[must_use]
    pub fn with_preferences(mut self, preferences: Preferences) -> Self {
        self.theme = self.theme.with_palette(preferences.palette);
        self.preferences = preferences;
        self
    }

    /// The selected run's summary.
    #[must_use]
    pub fn run(&self) -> Option<&RunSummary> {
        let id = self.selected.as_deref()?;
        self.runs.iter().find(|run| run.id == id)
    }

    /// The pane that shows what is particular to the selected run's job.
    #[must_use]
    pub fn shown_job_pane(&self) -> Pane {
        let own = self.run().map_or("", |run| run.job.as_str());
        self.job_pane.unwrap_or_else(|| Pane::of_job(own))
    }

    /// The panes that are on the dashboard now, in the order of `Tab`.
    #[must_use]
    pub fn shown_panes(&self) -> Vec<Pane> {
        let job = self.shown_job_pane();
        Pane::ALL
            .into_iter()
            .filter(|pane| !pane.is_of_job() || *pane == job)
            .collect()
    }

    /// Tells something in the footer for a while.
    pub fn notify(&mut self, text: String, role: Role) {
        let seconds = if role == Role::Bad { 15.0 } else { 6.0 };
        self.notice = Some(Notice {
            text,
            role,
            until: self.now + seconds,
        });
    }

    /// Asks a question.
    pub fn ask(&mut self, question: Question) {
        self.overlay = Overlay::Ask(question);
    }

    /// The effect that makes the source read what is shown now.
    #[must_use]
    pub fn watch(&self) -> Cmd {
        Cmd::Watch {
            selected: self.selected.clone(),
            compared: self.compared.keys().cloned().collect(),
        }
    }
}
