//! The charts of the selected run: one large one or a page of small ones, and the list of
//! its curves.

use std::collections::BTreeSet;

use ratatui::Frame;
use ratatui::crossterm::event::KeyCode::{self, Char, Left, Right};
use ratatui::layout::{Position, Rect};

use crate::curve::axes::XAxis;
use crate::detail::group;
use crate::keys::{self, Binding, Move};
use crate::model::Model;
use crate::pattern::Pattern;
use crate::theme::Role;
use crate::update::{Cmd, MouseKind};
use crate::widgets::plot::{View, Window};

mod content;
mod drawing;
mod list;
mod looking;
mod places;

pub(crate) use content::progress;
pub use content::{plot, shown_curve, shows_return};
pub(crate) use drawing::{looks, wrapped};
pub(crate) use looking::{ZOOM, cursor_moved, cursor_toggled, pointed};

/// Weights of the moving average; the first is none.
pub const SMOOTHING: [f64; 4] = [0.0, 0.6, 0.9, 0.99];

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
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
    /// The whole curve.
    Fit,
    /// Read values out, or not.
    Readout,
    /// Keep the curve at the top of the list, or not.
    Pin,
    /// Draw the curve over the others, or not.
    Overlay,
    /// One large chart, or a page of small ones.
    Grid,
    /// The next page of charts.
    NextPage,
    /// The page before.
    PreviousPage,
}

impl Action {
    /// Whether it changes positions on the axis that is shown.
    fn is_at_positions(self) -> bool {
        matches!(
            self,
            Action::Window
                | Action::ZoomIn
                | Action::ZoomOut
                | Action::Left
                | Action::Right
                | Action::Fit
                | Action::Readout
        )
    }
}

const fn bind(
    keys: &'static [KeyCode],
    shown: &'static str,
    action: Action,
    help: &'static str,
) -> Binding {
    Binding::new(keys, shown, keys::Action::Chart(action), help)
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[
    bind(
        &[Char('e')],
        "e",
        Action::Smooth,
        "smooth: 0.6, 0.9, 0.99 of the past, none",
    )
    .footer("smooth"),
    bind(&[Char('m')], "m", Action::Grid, "many small charts, or one").footer("many"),
    bind(
        &[Char('t')],
        "t",
        Action::Axis,
        "x axis: environment steps, learner updates, time, tokens",
    )
    .footer("x axis"),
    bind(&[Char('L')], "L", Action::Log, "logarithmic y axis, or not").footer("log"),
    bind(
        &[Char('w')],
        "w",
        Action::Window,
        "window: whole, last 50, 20, 5 percent",
    )
    .footer("window"),
    bind(
        &[Char('.')],
        ".",
        Action::Readout,
        "read values out at a cursor, which h and l move",
    )
    .footer("read"),
    bind(&[Char('+'), Char('=')], "+", Action::ZoomIn, "zoom in"),
    bind(&[Char('-')], "-", Action::ZoomOut, "zoom out"),
    bind(
        &[Char('h'), Left],
        "h Left",
        Action::Left,
        "readout or window to the left",
    ),
    bind(
        &[Char('l'), Right],
        "l Right",
        Action::Right,
        "readout or window to the right",
    ),
    bind(&[Char('0')], "0", Action::Fit, "the whole curve again"),
    bind(
        &[Char('o')],
        "o",
        Action::Clip,
        "y axis without outliers (1 to 99 percent), or with them",
    ),
    bind(
        &[Char(' ')],
        "Space",
        Action::Overlay,
        "draw the curve over the selected ones, or no longer",
    ),
    bind(
        &[Char('p')],
        "p",
        Action::Pin,
        "keep the curve at the top of the list, or no longer",
    ),
    bind(
        &[Char(']')],
        "]",
        Action::NextPage,
        "next page of small charts",
    ),
    bind(
        &[Char('[')],
        "[",
        Action::PreviousPage,
        "page of small charts before",
    ),
];

/// What it remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The chosen curve; `None` is the return.
    pub curve: Option<String>,
    /// Position of the weight in [`SMOOTHING`].
    pub smoothing: usize,
    /// Shows only the curves that fit.
    pub filter: String,
    /// Curves at the top of the list.
    pub pinned: BTreeSet<String>,
    /// Curves drawn together with the chosen one.
    pub overlaid: BTreeSet<String>,
    /// The x axis; `None` is each curve's own.
    pub axis: Option<XAxis>,
    /// How the plot is looked at; its axis is that of its window and its readout.
    pub view: View,
    /// Many small charts.
    pub grid: bool,
    /// Where a drag began: the column, and the window there.
    drag: Option<(u16, [f64; 2])>,
}

impl State {
    pub(crate) fn run_changed(&mut self) {
        self.curve = None;
        self.overlaid.clear();
        self.drag = None;
        self.view.window = Window::Whole;
        self.view.cursor = None;
    }

    /// Weight of the moving average.
    #[must_use]
    pub fn weight(&self) -> f64 {
        SMOOTHING[self.smoothing % SMOOTHING.len()]
    }
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    if action.is_at_positions() {
        model.panes.chart.view = content::view(model);
    }
    let state = &mut model.panes.chart;
    match action {
        Action::Smooth => state.smoothing = (state.smoothing + 1) % SMOOTHING.len(),
        Action::Window => state.view.window = state.view.window.next(),
        Action::Log => state.view.log = !state.view.log,
        Action::Clip => state.view.clip = !state.view.clip,
        Action::Axis => next_axis(model),
        Action::Fit => state.view.window = Window::Whole,
        Action::Grid => state.grid = !state.grid,
        Action::ZoomIn => zoom(model, 1.0 / ZOOM),
        Action::ZoomOut => zoom(model, ZOOM),
        Action::Left => sideways(model, -1),
        Action::Right => sideways(model, 1),
        Action::Readout => {
            let plot = plot(model);
            cursor_toggled(&plot, &mut model.panes.chart.view);
        }
        Action::Pin => toggle(model, |state| &mut state.pinned),
        Action::Overlay => toggle(model, |state| &mut state.overlaid),
        Action::NextPage => return page(model, true),
        Action::PreviousPage => return page(model, false),
    }
    Vec::new()
}

fn next_axis(model: &mut Model) {
    let axis = content::view(model).axis.next();
    model.panes.chart.axis = Some(axis);
    if plot(model).extent().is_none() && !curve_names(model).is_empty() {
        let text = format!("nothing tells the {} of this curve", axis.title());
        model.notify(text, Role::Warn);
    }
}

fn zoom(model: &mut Model, factor: f64) {
    if let Some(extent) = plot(model).extent() {
        let view = &mut model.panes.chart.view;
        view.window = view.window.zoomed(extent, view.cursor, factor);
    }
}

fn sideways(model: &mut Model, by: i32) {
    let (plot, layout) = (plot(model), places::layout(model));
    cursor_moved(&plot, layout.as_ref(), &mut model.panes.chart.view, by);
}

fn toggle(model: &mut Model, set: fn(&mut State) -> &mut BTreeSet<String>) {
    let Some(name) = shown_curve(model).map(|(name, ..)| name.to_owned()) else {
        return;
    };
    let set = set(&mut model.panes.chart);
    if !set.remove(&name) {
        set.insert(name);
    }
}

fn page(model: &mut Model, forward: bool) -> Vec<Cmd> {
    let size = places::page(model).max(1) as isize;
    moved(model, Move::Lines(if forward { size } else { -size }))
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    let names = curve_names(model);
    if !names.is_empty() {
        let shown = shown_curve(model).map(|(name, ..)| name);
        let to = match names.iter().position(|name| Some(*name) == shown) {
            Some(index) => by.apply(index, names.len()),
            None if by == Move::Bottom => names.len() - 1,
            None => 0,
        };
        model.panes.chart.curve = Some(names[to].to_owned());
    }
    Vec::new()
}

pub(crate) fn clicked(model: &mut Model, at: Position, area: Rect, kind: MouseKind) -> Vec<Cmd> {
    let parts = places::parts(model, places::inside(area));
    let state = &model.panes.chart;
    if !state.grid
        && let (true, Some(layout)) = (
            parts.plot.contains(at) || state.drag.is_some() && kind == MouseKind::Drag,
            places::layout_in(model, parts.plot),
        )
    {
        let plot = plot(model);
        model.panes.chart.view = plot.view;
        let state = &mut model.panes.chart;
        pointed(&plot, &layout, &mut state.view, &mut state.drag, at.x, kind);
        return Vec::new();
    }
    match kind {
        MouseKind::WheelUp => moved(model, Move::Lines(-1)),
        MouseKind::WheelDown => moved(model, Move::Lines(1)),
        MouseKind::Drag => Vec::new(),
        MouseKind::Click => {
            model.panes.chart.drag = None;
            if let Some(name) = places::curve_at(model, &parts, at) {
                model.panes.chart.curve = Some(name);
            }
            Vec::new()
        }
    }
}

/// The names of the curves: pinned ones first, then the main one, then by group and name.
#[must_use]
pub fn curve_names(model: &Model) -> Vec<&str> {
    let main = model.detail.main_curve();
    let state = &model.panes.chart;
    let pattern = Pattern::new(&state.filter);
    let mut names: Vec<&str> = model
        .detail
        .history
        .all_series()
        .map(|(name, ..)| name)
        .filter(|name| pattern.matches(name))
        .collect();
    names.dedup();
    names.sort_by_key(|name| {
        let pinned = state.pinned.contains(*name);
        (!pinned, Some(*name) != main, group(name))
    });
    names
}

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    drawing::draw(model, frame, area);
}
