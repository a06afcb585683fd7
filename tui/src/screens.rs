//! The screens: the dashboard, and what fills the whole terminal beside it. Adding one is
//! a module, a variant of [`ScreenKind`] and an arm wherever the compiler asks.

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};

use crate::host::Answer;
use crate::keys::{Binding, Move};
use crate::model::Model;
use crate::update::{Cmd, MouseKind};

pub mod compare;
pub mod evaluate;
pub mod launcher;

/// What fills the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScreenKind {
    /// The panes over the runs.
    #[default]
    Dashboard,
    /// Presets, forms and the queue.
    Launcher,
    /// Runs over each other.
    Compare,
    /// Scores, tournaments, sweeps.
    Evaluate,
}

impl ScreenKind {
    /// All screens.
    pub const ALL: [ScreenKind; 4] = [
        ScreenKind::Dashboard,
        ScreenKind::Launcher,
        ScreenKind::Compare,
        ScreenKind::Evaluate,
    ];

    /// The heading of the screen.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            ScreenKind::Dashboard => "Dashboard",
            ScreenKind::Launcher => "Launch",
            ScreenKind::Compare => "Compare",
            ScreenKind::Evaluate => "Evaluate",
        }
    }

    /// Its rows of the key table; the dashboard's are in the scopes of its panes.
    #[must_use]
    pub fn bindings(self) -> &'static [Binding] {
        match self {
            ScreenKind::Dashboard => &[],
            ScreenKind::Launcher => launcher::BINDINGS,
            ScreenKind::Compare => compare::BINDINGS,
            ScreenKind::Evaluate => evaluate::BINDINGS,
        }
    }
}

/// Goes to a screen, which may ask for what it shows.
pub(crate) fn open(model: &mut Model, screen: ScreenKind) -> Vec<Cmd> {
    let before = std::mem::replace(&mut model.screen, screen);
    let mut commands = match screen {
        ScreenKind::Dashboard => Vec::new(),
        ScreenKind::Launcher => launcher::opened(model),
        ScreenKind::Compare => compare::opened(model),
        ScreenKind::Evaluate => evaluate::opened(model),
    };
    if before == ScreenKind::Compare && screen != before {
        model.compared.clear();
        commands.push(model.watch());
    }
    commands
}

/// Draws the screen that is no dashboard.
pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    match model.screen {
        ScreenKind::Dashboard => {}
        ScreenKind::Launcher => launcher::draw(model, frame, area),
        ScreenKind::Compare => compare::draw(model, frame, area),
        ScreenKind::Evaluate => evaluate::draw(model, frame, area),
    }
}

/// Moves on the screen.
pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    match model.screen {
        ScreenKind::Dashboard => crate::panes::moved(model, by),
        ScreenKind::Launcher => launcher::moved(model, by),
        ScreenKind::Compare => compare::moved(model, by),
        ScreenKind::Evaluate => evaluate::moved(model, by),
    }
}

/// Gives a key to the screen while it takes text; `None` when it does not.
pub(crate) fn typed(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    match model.screen {
        ScreenKind::Dashboard => crate::panes::typed(model, key),
        ScreenKind::Launcher => launcher::typed(model, key),
        ScreenKind::Compare => compare::typed(model, key),
        ScreenKind::Evaluate => evaluate::typed(model, key),
    }
}

/// One level back on the screen; `false` when it is at its first level.
pub(crate) fn back(model: &mut Model) -> bool {
    match model.screen {
        ScreenKind::Dashboard => false,
        ScreenKind::Launcher => launcher::back(model),
        ScreenKind::Compare => compare::back(model),
        ScreenKind::Evaluate => evaluate::back(model),
    }
}

/// The mouse on a screen that is no dashboard.
pub(crate) fn clicked(model: &mut Model, at: Position, area: Rect, kind: MouseKind) -> Vec<Cmd> {
    match (model.screen, kind) {
        (ScreenKind::Launcher, _) => launcher::clicked(model, at, area, kind),
        (ScreenKind::Compare, _) => compare::clicked(model, at, area, kind),
        (ScreenKind::Evaluate, _) => evaluate::clicked(model, at, area, kind),
        (_, MouseKind::WheelUp) => moved(model, Move::Lines(-3)),
        (_, MouseKind::WheelDown) => moved(model, Move::Lines(3)),
        _ => Vec::new(),
    }
}

/// The filter of the screen, where it has one.
pub(crate) fn filter(model: &mut Model) -> Option<&mut String> {
    match model.screen {
        ScreenKind::Dashboard => {
            let pane = model.focus;
            crate::panes::filter(model, pane)
        }
        ScreenKind::Launcher => Some(&mut model.launcher.filter),
        ScreenKind::Compare => Some(&mut model.compare.filter),
        ScreenKind::Evaluate => None,
    }
}

/// The keys and words of the footer, the innermost scope first.
pub(crate) fn footer(model: &Model) -> Vec<(String, &'static str)> {
    match model.screen {
        ScreenKind::Launcher => launcher::footer(model),
        screen => crate::keys::footer(screen, model.focus, &model.preferences),
    }
}

/// Gives the answer to a request to the screen that asked.
pub(crate) fn answered(model: &mut Model, answer: Answer) -> Vec<Cmd> {
    match answer {
        Answer::Said(_) => Vec::new(),
        Answer::Launched(_) | Answer::Queue(_) | Answer::Launcher(_) => {
            launcher::answered(model, answer)
        }
        Answer::Evaluation(_) => evaluate::answered(model, answer),
    }
}
