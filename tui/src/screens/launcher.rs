//! The launcher: presets, forms, plan, queue.

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::Paragraph;

use crate::host::Answer;
use crate::keys::{Binding, Move};
use crate::model::Model;
use crate::theme::Role;
use crate::update::{Cmd, MouseKind};

pub mod requests;

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[];

/// What it remembers.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Shows only what contains this.
    pub filter: String,
}

/// The screen was opened.
pub(crate) fn opened(_model: &mut Model) -> Vec<Cmd> {
    Vec::new()
}

/// The editor was closed.
pub(crate) fn edited(model: &mut Model, result: Result<String, String>) -> Vec<Cmd> {
    if let Err(text) = result {
        model.notify(text, Role::Bad);
    }
    Vec::new()
}

pub(crate) fn act(_model: &mut Model, action: Action) -> Vec<Cmd> {
    match action {}
}

pub(crate) fn moved(_model: &mut Model, _by: Move) -> Vec<Cmd> {
    Vec::new()
}

pub(crate) fn typed(_model: &mut Model, _key: KeyEvent) -> Option<Vec<Cmd>> {
    None
}

/// One level back; `false` at the first level.
pub(crate) fn back(_model: &mut Model) -> bool {
    false
}

pub(crate) fn clicked(
    _model: &mut Model,
    _at: Position,
    _area: Rect,
    _kind: MouseKind,
) -> Vec<Cmd> {
    Vec::new()
}

/// What the Host answers: a started run becomes the selected one.
pub(crate) fn answered(model: &mut Model, answer: Answer) -> Vec<Cmd> {
    match answer {
        Answer::Launched(Ok(id)) => {
            model.screen = crate::screens::ScreenKind::Dashboard;
            model.wanted = Some(id);
        }
        Answer::Launched(Err(text)) => model.notify(text, Role::Bad),
        _ => {}
    }
    Vec::new()
}

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let hint = Paragraph::new("Nothing here.").style(model.theme.style(Role::Muted));
    frame.render_widget(hint, area);
}
