//! Runs over each other: curves, bands over seeds, results, and what differs.

use std::collections::BTreeMap;

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};
use tracking::search_log::Outcome;

use crate::comparison::{Comparison, Request};
use crate::keys::Move;
use crate::look::Look;
use crate::model::Model;
use crate::panes::chart::{SMOOTHING, ZOOM, cursor_moved, cursor_toggled, pointed};
use crate::screens::{self, ScreenKind};
use crate::sheet::Sheet;
use crate::theme::Role;
use crate::update::{Cmd, MouseKind};
use crate::widgets::path_prompt::{self, PathPrompt};
use crate::widgets::plot::{Plot, View, Window};

mod content;
mod drawing;
mod export;
mod keys;
mod places;

pub(crate) use content::{changed, tick};
pub use content::{metric_names, plot};
pub use keys::BINDINGS;

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Fold seeds into bands, or show each run.
    Fold,
    /// Mean or interquartile mean over seeds.
    Centre,
    /// Smooth by the next factor.
    Smooth,
    /// The next of the fixed windows.
    Window,
    /// A logarithmic y axis, or not.
    Log,
    /// Leave outliers out of the y axis, or not.
    Clip,
    /// The next x axis.
    Axis,
    /// Closer, around the readout.
    ZoomIn,
    /// Further away.
    ZoomOut,
    /// To the left: the readout, else the window.
    Left,
    /// To the right.
    Right,
    /// The whole curves.
    Fit,
    /// Read values out, or not.
    Readout,
    /// The next table.
    NextTable,
    /// The table of differing settings, or that of results.
    Differences,
    /// Curves and table, curves alone, table alone.
    Enlarge,
    /// Move the table to the left.
    TableLeft,
    /// Move the table to the right.
    TableRight,
    /// Write what is shown to a file.
    Export,
}

/// The tables of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Table {
    /// What searches came to.
    Searches,
    /// Questions on which searches differ.
    Questions,
    /// Scores, steps, time.
    #[default]
    Results,
    /// Settings that differ.
    Settings,
    /// Probability that one configuration beats another.
    Improvement,
}

impl Table {
    /// All of them.
    pub const ALL: [Table; 5] = [
        Table::Searches,
        Table::Questions,
        Table::Results,
        Table::Settings,
        Table::Improvement,
    ];

    fn title(self) -> &'static str {
        match self {
            Table::Searches => "Searches",
            Table::Questions => "Questions that differ",
            Table::Results => "Results",
            Table::Settings => "Settings that differ",
            Table::Improvement => "Improvement",
        }
    }
}

/// Which parts fill the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// Curves and table.
    #[default]
    Both,
    /// Curves alone.
    Curves,
    /// Table alone.
    Table,
}

/// What it remembers.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Shows only metrics that fit.
    pub filter: String,
    /// The chosen metric; `None` for the evaluations, else the first.
    pub metric: Option<String>,
    /// What is compared, and how.
    pub request: Request,
    /// Position of the weight in [`SMOOTHING`].
    pub smoothing: usize,
    /// How the plot is looked at; its axis is that of its window and its readout.
    pub view: View,
    /// The table that is shown.
    pub table: Table,
    /// Which parts fill the screen.
    pub shown: Shown,
    /// Lines and columns that the table is scrolled by.
    pub scroll: (usize, usize),
    /// The curves, as computed last.
    pub found: Comparison,
    /// The tables in the order of [`Table::ALL`].
    pub sheets: Vec<Sheet>,
    /// Whether all compared runs search.
    pub of_searches: bool,
    /// What the compared runs of searches came to, by run.
    pub searched: BTreeMap<String, Vec<Outcome>>,
    /// Every metric that a run has.
    pub metrics: Vec<String>,
    /// The path that is typed for an export.
    pub export: Option<PathPrompt>,
    drag: Option<(u16, [f64; 2])>,
    stale: bool,
    computed: f64,
}

impl State {
    /// The tables that there are: those of searches for searches only.
    #[must_use]
    pub fn tables(&self) -> &'static [Table] {
        let from = if self.of_searches { 0 } else { 2 };
        &ALL_TABLES[from..]
    }
}

/// What is to be read of the searches that are compared.
pub(crate) fn look(model: &Model) -> Look {
    match content::are_searches(model) {
        true => Look::Searches {
            runs: model.compared.keys().cloned().collect(),
        },
        false => Look::Nothing,
    }
}

/// What the searches of a compared run came to was read.
pub(crate) fn seen(model: &mut Model, run: &str, outcomes: &[Outcome]) {
    if model.compared.contains_key(run) && content::are_searches(model) {
        model
            .compare
            .searched
            .insert(run.to_owned(), outcomes.to_vec());
        changed(model);
    }
}

static ALL_TABLES: [Table; 5] = Table::ALL;

/// The screen was opened: the marked runs, or the seeds of the selected one.
pub(crate) fn opened(model: &mut Model) -> Vec<Cmd> {
    content::choose(model);
    let state = &mut model.compare;
    state.view.window = Window::Whole;
    state.view.cursor = None;
    state.scroll = (0, 0);
    state.export = None;
    let searches = content::are_searches(model);
    let state = &mut model.compare;
    state.of_searches = searches;
    let of_searches = matches!(state.table, Table::Searches | Table::Questions);
    if searches && state.table == Table::Results {
        state.table = Table::Searches;
    } else if !searches && of_searches {
        state.table = Table::Results;
    }
    content::compute(model);
    if model.compared.is_empty() {
        let text = "mark runs with Space in the run list to compare them".to_owned();
        model.notify(text, Role::Warn);
    }
    vec![model.watch()]
}

/// Opens the screen at the settings in which the runs differ.
pub(crate) fn open_differences(model: &mut Model) -> Vec<Cmd> {
    model.compare.table = Table::Settings;
    screens::open(model, ScreenKind::Compare)
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    let state = &mut model.compare;
    match action {
        Action::Fold => {
            state.request.fold = !state.request.fold;
            content::compute(model);
        }
        Action::Centre => {
            state.request.centre = state.request.centre.other();
            content::compute(model);
        }
        Action::Smooth => {
            state.smoothing = (state.smoothing + 1) % SMOOTHING.len();
            state.request.smooth = SMOOTHING[state.smoothing];
            content::compute_curves(model);
        }
        Action::Axis => next_axis(model),
        Action::Log => state.view.log = !state.view.log,
        Action::Clip => state.view.clip = !state.view.clip,
        Action::NextTable => turn(state, 1),
        Action::Differences => {
            let first = state.tables()[0];
            state.table = match state.table {
                Table::Settings => first,
                _ => Table::Settings,
            };
            state.scroll = (0, 0);
        }
        Action::Enlarge => {
            state.shown = match state.shown {
                Shown::Both => Shown::Curves,
                Shown::Curves => Shown::Table,
                Shown::Table => Shown::Both,
            };
        }
        Action::TableLeft => state.scroll.1 = state.scroll.1.saturating_sub(8),
        Action::TableRight => state.scroll.1 = (state.scroll.1 + 8).min(places::widest(state)),
        Action::Export => state.export = Some(export::prompt()),
        _ => turn_view(model, action),
    }
    Vec::new()
}

fn turn(state: &mut State, by: usize) {
    let tables = state.tables();
    let at = tables.iter().position(|table| *table == state.table);
    let next = tables[(at.unwrap_or(0) + by) % tables.len()];
    state.table = next;
    state.scroll = (0, 0);
}

fn next_axis(model: &mut Model) {
    let axis = model.compare.found.axis.next();
    model.compare.request.axis = Some(axis);
    content::compute_curves(model);
    if model.compare.found.curves.is_empty() && !model.compared.is_empty() {
        let text = format!("nothing tells the {} of these runs", axis.title());
        model.notify(text, Role::Warn);
    }
}

/// What changes positions on the axis that is shown.
fn turn_view(model: &mut Model, action: Action) {
    let plot = content::plot(model);
    let mut view = plot.view;
    match action {
        Action::Window => view.window = view.window.next(),
        Action::Fit => view.window = Window::Whole,
        Action::ZoomIn => zoom(&plot, &mut view, 1.0 / ZOOM),
        Action::ZoomOut => zoom(&plot, &mut view, ZOOM),
        Action::Left | Action::Right => {
            let layout = places::layout(model, &plot);
            let by = if action == Action::Left { -1 } else { 1 };
            cursor_moved(&plot, layout.as_ref(), &mut view, by);
        }
        Action::Readout => cursor_toggled(&plot, &mut view),
        _ => {}
    }
    model.compare.view = view;
}

fn zoom(plot: &Plot, view: &mut View, factor: f64) {
    if let Some(extent) = plot.extent() {
        view.window = view.window.zoomed(extent, view.cursor, factor);
    }
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    let state = &mut model.compare;
    if let (Move::Pages(_), _) | (_, Shown::Table) = (by, state.shown) {
        state.scroll.0 = by.apply(state.scroll.0, places::rows(state));
        return Vec::new();
    }
    let names = content::metric_names(state);
    if names.is_empty() {
        return Vec::new();
    }
    let at = names.iter().position(|name| **name == state.request.metric);
    let to = match at {
        Some(index) => by.apply(index, names.len()),
        None if by == Move::Bottom => names.len() - 1,
        None => 0,
    };
    let name = names[to].to_owned();
    choose_metric(model, name);
    Vec::new()
}

fn choose_metric(model: &mut Model, name: String) {
    model.compare.metric = Some(name);
    content::compute_curves(model);
}

pub(crate) fn typed(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    let chosen = path_prompt::typed(&mut model.compare.export, key)?;
    Some(chosen.map_or_else(Vec::new, |target| export::write(model, target)))
}

/// One level back; `false` at the first level.
pub(crate) fn back(model: &mut Model) -> bool {
    if model.compare.shown == Shown::Both {
        return false;
    }
    model.compare.shown = Shown::Both;
    true
}

pub(crate) fn clicked(model: &mut Model, at: Position, area: Rect, kind: MouseKind) -> Vec<Cmd> {
    let places = places::places(&model.compare, area);
    let dragged = model.compare.drag.is_some() && kind == MouseKind::Drag;
    if places.canvas.contains(at) || dragged {
        let plot = content::plot(model);
        if let Some(layout) = places::layout_in(model, &plot, area) {
            let state = &mut model.compare;
            state.view = plot.view;
            pointed(&plot, &layout, &mut state.view, &mut state.drag, at.x, kind);
        }
        return Vec::new();
    }
    let by = match kind {
        MouseKind::WheelUp => -1,
        MouseKind::WheelDown => 1,
        MouseKind::Drag => return Vec::new(),
        MouseKind::Click => {
            model.compare.drag = None;
            if let Some(name) = places::metric_at(&model.compare, &places, at) {
                choose_metric(model, name);
            } else if places.table.contains(at) && at.y == places.table.y {
                turn(&mut model.compare, 1);
            }
            return Vec::new();
        }
    };
    if places.table.contains(at) {
        let state = &mut model.compare;
        state.scroll.0 = Move::Lines(by).apply(state.scroll.0, places::rows(state));
        return Vec::new();
    }
    moved(model, Move::Lines(by))
}

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    drawing::draw(model, frame, area);
}
