//! Fine-tuning: stages, metrics and samples.

use ratatui::crossterm::event::KeyCode::{self, Char};
use tracking::Sample;

use crate::keys::{self, Binding, Move};
use crate::model::Model;
use crate::update::{Cmd, MouseKind};

mod draw;
pub mod metrics;
mod responses;

pub(crate) use draw::draw;
pub use responses::figures;

/// Lines that a page scrolls by.
const PAGE: usize = 10;

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Stay on the newest sample, or stop.
    Follow,
    /// Wrap long lines, or cut them.
    Wrap,
    /// Mark unlikely tokens.
    Tokens,
    /// Chosen and rejected side by side, or all responses below each other.
    SideBySide,
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[
    bind(
        &[Char('f')],
        "f",
        Action::Follow,
        "follow the newest sample",
    )
    .footer("follow"),
    bind(
        &[Char('d')],
        "d",
        Action::SideBySide,
        "chosen and rejected side by side",
    )
    .footer("pair"),
    bind(&[Char('t')], "t", Action::Tokens, "mark unlikely tokens").footer("tokens"),
    bind(
        &[Char('w')],
        "w",
        Action::Wrap,
        "wrap long lines, or cut them",
    )
    .footer("wrap"),
];

const fn bind(
    keys: &'static [KeyCode],
    shown: &'static str,
    action: Action,
    help: &'static str,
) -> Binding {
    Binding::new(keys, shown, keys::Action::Text(action), help)
}

/// What it remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The sample looked at, counted from the run's first; none follows the newest.
    pub at: Option<u64>,
    /// Long lines are cut instead of wrapped.
    pub cut: bool,
    /// Unlikely tokens are marked.
    pub tokens: bool,
    /// Chosen and rejected stand side by side.
    pub side_by_side: bool,
    /// First line of the sample that is shown.
    pub from: usize,
}

impl State {
    pub(crate) fn run_changed(&mut self) {
        (self.at, self.from) = (None, 0);
    }
}

/// The index of the sample looked at among those kept, and the sample.
#[must_use]
pub fn shown(model: &Model) -> Option<(usize, &Sample)> {
    let samples = &model.detail.history.samples;
    let last = samples.len().checked_sub(1)?;
    let oldest = samples.seen().saturating_sub(samples.len() as u64);
    // A sample that was dropped meanwhile gives way to the oldest one kept.
    let index = model.panes.text.at.map_or(last, |at| {
        usize::try_from(at.saturating_sub(oldest)).map_or(last, |index| index.min(last))
    });
    Some((index, samples.get(index)?))
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    match action {
        Action::Follow => match model.panes.text.at {
            Some(_) => (model.panes.text.at, model.panes.text.from) = (None, 0),
            None => stay(model, |index, _| index),
        },
        Action::Wrap => model.panes.text.cut = !model.panes.text.cut,
        Action::Tokens => model.panes.text.tokens = !model.panes.text.tokens,
        Action::SideBySide => {
            model.panes.text.side_by_side = !model.panes.text.side_by_side;
            model.panes.text.from = 0;
        }
    }
    Vec::new()
}

/// Goes to a sample by its index among those kept.
fn stay(model: &mut Model, to: impl Fn(usize, usize) -> usize) {
    let samples = &model.detail.history.samples;
    let oldest = samples.seen().saturating_sub(samples.len() as u64);
    let count = samples.len();
    if let Some((index, _)) = shown(model) {
        model.panes.text.at = Some(oldest + to(index, count) as u64);
        model.panes.text.from = 0;
    }
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    let from = &mut model.panes.text.from;
    match by {
        Move::Pages(by) if by > 0 => *from = from.saturating_add(PAGE),
        Move::Pages(_) => *from = from.saturating_sub(PAGE),
        by => stay(model, |index, count| by.apply(index, count)),
    }
    Vec::new()
}

/// The wheel scrolls in the sample.
pub(crate) fn clicked(model: &mut Model, kind: MouseKind) -> Vec<Cmd> {
    let from = &mut model.panes.text.from;
    match kind {
        MouseKind::WheelUp => *from = from.saturating_sub(3),
        MouseKind::WheelDown => *from = from.saturating_add(3),
        MouseKind::Click | MouseKind::Drag => {}
    }
    Vec::new()
}
