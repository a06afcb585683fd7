//! The tree of a search.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Paragraph, Wrap};

use crate::keys::{Binding, Move};
use crate::model::Model;
use crate::panes::Pane;
use crate::theme::Role;
use crate::update::Cmd;
use crate::view::pane_block;

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[];

/// What it remembers.
#[derive(Clone, Debug, Default)]
pub struct State {}

impl State {
    pub(crate) fn run_changed(&mut self) {
        *self = State::default();
    }
}

pub(crate) fn act(_model: &mut Model, action: Action) -> Vec<Cmd> {
    match action {}
}

pub(crate) fn moved(_model: &mut Model, _by: Move) -> Vec<Cmd> {
    Vec::new()
}

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let block = pane_block(model, Pane::Search, "");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let hint = Paragraph::new("This run recorded no search.")
        .style(model.theme.style(Role::Muted))
        .wrap(Wrap { trim: true });
    frame.render_widget(hint, inner);
}
