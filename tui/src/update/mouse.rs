//! What the mouse does: the focus, the wheel, and what the panes make of it.

use ratatui::layout::Position;

use crate::model::{Model, Overlay};
use crate::panes;
use crate::screens::{self, ScreenKind};
use crate::update::Cmd;

/// What the mouse did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MouseKind {
    /// The left button went down.
    Click,
    /// The pointer moved with the left button down.
    Drag,
    /// The wheel, away from the user.
    WheelUp,
    /// The wheel, towards the user.
    WheelDown,
}

pub(super) fn moved(model: &mut Model, kind: MouseKind, column: u16, row: u16) -> Vec<Cmd> {
    if let Overlay::Help(scroll, search) = &model.overlay {
        model.overlay = match kind {
            MouseKind::WheelUp => Overlay::Help(scroll.saturating_sub(3), search.clone()),
            MouseKind::WheelDown => Overlay::Help(scroll.saturating_add(3), search.clone()),
            MouseKind::Click => Overlay::None,
            MouseKind::Drag => return Vec::new(),
        };
        return Vec::new();
    }
    // A question is answered by keys: a stray click must not stop a run.
    if model.overlay != Overlay::None || model.prompt.is_some() {
        return Vec::new();
    }
    let at = Position::new(column, row);
    let areas = super::areas(model);
    if model.screen != ScreenKind::Dashboard {
        return screens::clicked(model, at, areas.body, kind);
    }
    let Some((pane, area)) = areas.panes.into_iter().find(|(_, area)| area.contains(at)) else {
        return Vec::new();
    };
    if kind == MouseKind::Click {
        model.focus = pane;
    }
    let before = std::mem::replace(&mut model.focus, pane);
    let commands = panes::clicked(model, pane, at, area, kind);
    if kind != MouseKind::Click && model.focus == pane {
        model.focus = before;
    }
    commands
}
