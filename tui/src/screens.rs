//! The screens: the dashboard, and what fills the whole terminal beside it. Adding one is
//! a module, a variant of [`ScreenKind`] and an arm wherever the compiler asks.

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};

use crate::host::Answer;
use crate::keys::{Binding, Move};
use crate::model::Model;
use crate::update::{Cmd, MouseKind};

pub mod chat;
pub mod compare;
pub mod evaluate;
pub mod launcher;
pub mod models;

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
    /// Models that are here, and downloads.
    Models,
    /// A conversation with a model.
    Chat,
}

impl ScreenKind {
    /// All screens.
    pub const ALL: [ScreenKind; 6] = [
        ScreenKind::Dashboard,
        ScreenKind::Launcher,
        ScreenKind::Compare,
        ScreenKind::Evaluate,
        ScreenKind::Models,
        ScreenKind::Chat,
    ];

    /// The heading of the screen.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            ScreenKind::Dashboard => "Dashboard",
            ScreenKind::Launcher => "Launch",
            ScreenKind::Compare => "Compare",
            ScreenKind::Evaluate => "Evaluate",
            ScreenKind::Models => "Models",
            ScreenKind::Chat => "Chat",
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
            ScreenKind::Models => models::BINDINGS,
            ScreenKind::Chat => chat::BINDINGS,
        }
    }
}

/// Goes to a screen, which may ask for what it shows.
pub(crate) fn open(model: &mut Model, screen: ScreenKind) -> Vec<Cmd> {
    let before = model.screen;
    // The worker of a chat ends with its screen.
    let mut commands = match before {
        ScreenKind::Chat => chat::closed(model),
        _ => Vec::new(),
    };
    model.screen = screen;
    commands.extend(match screen {
        ScreenKind::Dashboard => Vec::new(),
        ScreenKind::Launcher => launcher::opened(model),
        ScreenKind::Compare => compare::opened(model),
        ScreenKind::Evaluate => evaluate::opened(model),
        ScreenKind::Models => models::opened(model),
        ScreenKind::Chat => chat::opened(model),
    });
    if before == ScreenKind::Compare && screen != before {
        model.compared.clear();
        commands.push(model.watch());
    }
    commands
}

/// Leaves the screen: one level up, or for the dashboard; a conversation that is not saved is asked
/// about.
pub(crate) fn leave(model: &mut Model, up: bool) -> Vec<Cmd> {
    let to = match model.screen {
        ScreenKind::Chat if up => chat::parent(model),
        _ => ScreenKind::Dashboard,
    };
    if model.screen == ScreenKind::Chat && chat::holds(model, to) {
        return Vec::new();
    }
    open(model, to)
}

/// Ctrl-c where the screen has something to interrupt; `None` where it has not.
pub(crate) fn interrupted(model: &mut Model) -> Option<Vec<Cmd>> {
    match model.screen {
        ScreenKind::Chat => chat::interrupted(model),
        _ => None,
    }
}

/// A pasted text as a whole; `false` where it is to come letter by letter.
pub(crate) fn pasted(model: &mut Model, text: &str) -> bool {
    match model.screen {
        ScreenKind::Models => models::pasted(model, text),
        ScreenKind::Chat => chat::pasted(model, text),
        _ => false,
    }
}

/// Draws the screen that is no dashboard.
pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    match model.screen {
        ScreenKind::Dashboard => {}
        ScreenKind::Launcher => launcher::draw(model, frame, area),
        ScreenKind::Compare => compare::draw(model, frame, area),
        ScreenKind::Evaluate => evaluate::draw(model, frame, area),
        ScreenKind::Models => models::draw(model, frame, area),
        ScreenKind::Chat => chat::draw(model, frame, area),
    }
}

/// Moves on the screen.
pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    match model.screen {
        ScreenKind::Dashboard => crate::panes::moved(model, by),
        ScreenKind::Launcher => launcher::moved(model, by),
        ScreenKind::Compare => compare::moved(model, by),
        ScreenKind::Evaluate => evaluate::moved(model, by),
        ScreenKind::Models => models::moved(model, by),
        ScreenKind::Chat => chat::moved(model, by),
    }
}

/// Gives a key to the screen while it takes text; `None` when it does not.
pub(crate) fn typed(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    match model.screen {
        ScreenKind::Dashboard => crate::panes::typed(model, key),
        ScreenKind::Launcher => launcher::typed(model, key),
        ScreenKind::Compare => compare::typed(model, key),
        ScreenKind::Evaluate => evaluate::typed(model, key),
        ScreenKind::Models => models::typed(model, key),
        ScreenKind::Chat => chat::typed(model, key),
    }
}

/// One level back on the screen; `false` when it is at its first level.
pub(crate) fn back(model: &mut Model) -> bool {
    match model.screen {
        ScreenKind::Dashboard => false,
        ScreenKind::Launcher => launcher::back(model),
        ScreenKind::Compare => compare::back(model),
        ScreenKind::Evaluate => evaluate::back(model),
        ScreenKind::Models => models::back(model),
        ScreenKind::Chat => chat::back(model),
    }
}

/// The mouse on a screen that is no dashboard.
pub(crate) fn clicked(model: &mut Model, at: Position, area: Rect, kind: MouseKind) -> Vec<Cmd> {
    match (model.screen, kind) {
        (ScreenKind::Launcher, _) => launcher::clicked(model, at, area, kind),
        (ScreenKind::Compare, _) => compare::clicked(model, at, area, kind),
        (ScreenKind::Evaluate, _) => evaluate::clicked(model, at, area, kind),
        (ScreenKind::Models, _) => models::clicked(model, at, area, kind),
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
        ScreenKind::Models => Some(&mut model.models.filter),
        ScreenKind::Evaluate | ScreenKind::Chat => None,
    }
}

/// The keys and words of the footer, the innermost scope first.
pub(crate) fn footer(model: &Model) -> Vec<(String, &'static str)> {
    match model.screen {
        ScreenKind::Launcher => launcher::footer(model),
        ScreenKind::Models => models::footer(model),
        ScreenKind::Chat => chat::footer(model),
        screen => crate::keys::footer(screen, model.focus, &model.preferences),
    }
}

/// Gives the answer to a request to the screen that asked.
pub(crate) fn answered(model: &mut Model, answer: Answer) -> Vec<Cmd> {
    match answer {
        Answer::Said(_) | Answer::Measured { .. } => Vec::new(),
        // What is read from and written to disks is the launcher's, whoever asked.
        Answer::Launcher(launcher::requests::Answer::Saved(path, outcome))
            if model.screen == ScreenKind::Chat =>
        {
            chat::saved(model, path, outcome)
        }
        Answer::Launcher(answer) if model.screen == ScreenKind::Models => {
            models::files_read(model, answer)
        }
        Answer::Launched(_) | Answer::Queue(_) | Answer::Launcher(_) => {
            launcher::answered(model, answer)
        }
        Answer::Evaluation(_) => evaluate::answered(model, answer),
        Answer::Models(_) => models::answered(model, answer),
        Answer::Chat(_) => chat::answered(model, answer),
    }
}
