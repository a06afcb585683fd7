//! Where the parts of the screen are; pure, for the view and for the mouse.

use ratatui::layout::{Constraint, Layout as Split, Position, Rect};
use ratatui::text::Span;

use super::content::metric_names;
use super::{Shown, State};
use crate::model::Model;
use crate::sheet::Sheet;
use crate::view::{self, first_row};
use crate::widgets::plot::{self, Layout, Plot};

/// Width from which the metrics are listed beside the curves.
const BESIDE: u16 = 100;

/// The parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// The border around curves and metrics.
    pub(super) curves: Rect,
    /// What is drawn, and what is missing.
    pub(super) legend: Rect,
    /// The plot.
    pub(super) canvas: Rect,
    /// The list of metrics.
    pub(super) metrics: Rect,
    /// The border around the table.
    pub(super) table: Rect,
}

fn inside(area: Rect) -> Rect {
    Rect {
        x: area.x.saturating_add(1),
        y: area.y.saturating_add(1),
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    }
}

pub(super) fn places(state: &State, area: Rect) -> Places {
    let mut places = Places::default();
    match state.shown {
        Shown::Curves => places.curves = area,
        Shown::Table => {
            places.table = area;
            return places;
        }
        Shown::Both => {
            let wanted = rows(state) as u16 + 4;
            let height = wanted.clamp(6, (area.height * 2 / 5).max(6));
            let [curves, table] =
                Split::vertical([Constraint::Min(1), Constraint::Length(height)]).areas(area);
            (places.curves, places.table) = (curves, table);
        }
    }
    let mut chart = inside(places.curves);
    if chart.width >= BESIDE {
        let [left, right] =
            Split::horizontal([Constraint::Min(1), Constraint::Length(32)]).areas(chart);
        (chart, places.metrics) = (left, right);
    }
    let rows = legend_rows(state, chart);
    let [legend, canvas] =
        Split::vertical([Constraint::Length(rows), Constraint::Min(0)]).areas(chart);
    (places.legend, places.canvas) = (legend, canvas);
    places
}

/// Enough for the names and the notes, as far as they leave the curves some room.
fn legend_rows(state: &State, chart: Rect) -> u16 {
    const VALUE: usize = 24;
    let cells = |text: &str| Span::raw(text).width();
    let value = if state.view.cursor.is_some() {
        VALUE
    } else {
        0
    };
    let curves = state.found.curves.iter();
    let names = curves.map(|one| cells(&one.curve.name) + 2 + value);
    let notes = state.found.notes.iter().map(|note| cells(note));
    let (mut rows, mut used) = (1, value / 2);
    for cells in names.chain(notes) {
        if used > 0 && used + 2 + cells > usize::from(chart.width) {
            rows += 1;
            used = 0;
        }
        used += cells + 2;
    }
    rows.clamp(1, (chart.height / 4).max(1))
}

/// The table that is shown.
pub(super) fn sheet(state: &State) -> Option<&Sheet> {
    let index = super::Table::ALL
        .iter()
        .position(|table| *table == state.table)?;
    state.sheets.get(index)
}

/// Rows of the table that is shown.
pub(super) fn rows(state: &State) -> usize {
    sheet(state).map_or(0, |sheet| sheet.rows.len())
}

/// How far the table can be moved aside.
pub(super) fn widest(state: &State) -> usize {
    let lines = sheet(state).map_or_else(Vec::new, Sheet::lines);
    let widths = lines.iter().map(|line| Span::raw(line.as_str()).width());
    widths.max().unwrap_or(0).saturating_sub(20)
}

/// Where the plot puts its parts on the terminal.
pub(super) fn layout(model: &Model, plot: &Plot) -> Option<Layout> {
    layout_in(model, plot, view::areas(model, model.size).body)
}

/// Where the plot puts its parts on a screen of this area.
pub(super) fn layout_in(model: &Model, plot: &Plot, area: Rect) -> Option<Layout> {
    plot::layout(plot, places(&model.compare, area).canvas)
}

/// The first metric of the list that is visible.
pub(super) fn first_metric(state: &State, names: &[&str], visible: usize) -> usize {
    let chosen = names.iter().position(|name| **name == state.request.metric);
    first_row(chosen.unwrap_or(0), names.len(), visible)
}

/// The metric under the pointer.
pub(super) fn metric_at(state: &State, places: &Places, at: Position) -> Option<String> {
    if !places.metrics.contains(at) {
        return None;
    }
    let names = metric_names(state);
    let first = first_metric(state, &names, places.metrics.height as usize);
    let index = first + usize::from(at.y - places.metrics.y);
    names.get(index).map(|name| (*name).to_owned())
}
