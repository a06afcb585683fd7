//! Where the parts of the pane are; pure, for the view and for the mouse.

use ratatui::layout::{Constraint, Layout as Split, Position, Rect};

use super::content::plot;
use super::list::{BESIDE_NAME, longest};
use super::{curve_names, shown_curve};
use crate::model::Model;
use crate::panes::Pane;
use crate::view::{self, first_row};
use crate::widgets::plot::{self, Layout};

/// Width from which the curves stand beside the chart.
const BESIDE: u16 = 88;
/// The least that a small chart needs.
const SMALL: (u16, u16) = (32, 8);

/// The parts inside the border.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// What is drawn, and how to read it.
    pub(super) legend: Rect,
    /// The large chart; empty on a page of small ones.
    pub(super) plot: Rect,
    /// The list of curves; empty on a page of small ones.
    pub(super) list: Rect,
    /// The small charts, row by row.
    pub(super) grid: Vec<Rect>,
}

/// The area inside a border.
pub(super) fn inside(area: Rect) -> Rect {
    Rect {
        x: area.x.saturating_add(1),
        y: area.y.saturating_add(1),
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(2),
    }
}

pub(super) fn parts(model: &Model, inner: Rect) -> Parts {
    if model.panes.chart.grid {
        return grid(inner, curve_names(model).len());
    }
    let names = curve_names(model);
    let wanted = u16::try_from(longest(&names) + BESIDE_NAME).unwrap_or(u16::MAX);
    let names = names.len() as u16;
    let (chart, list) = if inner.width >= BESIDE {
        let width = wanted.clamp(34, 64).min(inner.width * 2 / 5);
        let [chart, list] =
            Split::horizontal([Constraint::Min(1), Constraint::Length(width)]).areas(inner);
        (chart, list)
    } else {
        let most = (inner.height / 3)
            .max(u16::from(inner.height >= 8))
            .min(names);
        let [chart, list] =
            Split::vertical([Constraint::Min(1), Constraint::Length(most)]).areas(inner);
        (chart, list)
    };
    let rows = legend_rows(model, chart.height);
    let [legend, plot] =
        Split::vertical([Constraint::Length(rows), Constraint::Min(0)]).areas(chart);
    Parts {
        legend,
        plot,
        list,
        grid: Vec::new(),
    }
}

/// A line, and more where several curves are drawn and there is room.
fn legend_rows(model: &Model, height: u16) -> u16 {
    let state = &model.panes.chart;
    let more = state.overlaid.len().div_ceil(2) as u16 + u16::from(state.view.cursor.is_some());
    if height < 10 {
        1
    } else {
        1 + more.min(height / 6)
    }
}

/// As many small charts as have room, taller ones where they are few.
fn grid(inner: Rect, charts: usize) -> Parts {
    let columns = (inner.width / SMALL.0).max(1);
    let wanted = charts.div_ceil(usize::from(columns)).max(1);
    let rows = (inner.height / SMALL.1)
        .max(1)
        .min(u16::try_from(wanted).unwrap_or(u16::MAX));
    let mut areas = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            let part = |length: u16, parts: u16, index: u16| {
                let at = |index: u16| u32::from(length) * u32::from(index) / u32::from(parts);
                (at(index) as u16, (at(index + 1) - at(index)) as u16)
            };
            let (x, width) = part(inner.width, columns, column);
            let (y, height) = part(inner.height, rows, row);
            let gap = u16::from(column + 1 < columns);
            areas.push(Rect {
                x: inner.x + x,
                y: inner.y + y,
                width: width.saturating_sub(gap),
                height,
            });
        }
    }
    Parts {
        grid: areas,
        ..Parts::default()
    }
}

/// The first curve on the page of the chosen one.
pub(super) fn page_start(model: &Model, size: usize) -> usize {
    let shown = shown_curve(model).map(|(name, ..)| name);
    let chosen = curve_names(model)
        .iter()
        .position(|name| Some(*name) == shown);
    chosen.unwrap_or(0) / size.max(1) * size.max(1)
}

/// The pane's area on the terminal, inside its border.
fn own_area(model: &Model) -> Option<Rect> {
    let areas = view::areas(model, model.size);
    let own = areas
        .panes
        .iter()
        .find(|(pane, _)| *pane == Pane::Metrics)?;
    Some(inside(own.1))
}

/// Charts on a page.
pub(super) fn page(model: &Model) -> usize {
    own_area(model).map_or(1, |inner| parts(model, inner).grid.len())
}

/// Where the large chart puts its parts on the terminal.
pub(super) fn layout(model: &Model) -> Option<Layout> {
    let inner = own_area(model)?;
    layout_in(model, parts(model, inner).plot)
}

/// Where the large chart puts its parts in an area.
pub(super) fn layout_in(model: &Model, area: Rect) -> Option<Layout> {
    plot::layout(&plot(model), area)
}

/// The curve whose row or small chart is at a place.
pub(super) fn curve_at(model: &Model, parts: &Parts, at: Position) -> Option<String> {
    let names = curve_names(model);
    let index = if parts.list.contains(at) {
        let visible = parts.list.height as usize;
        first_listed(model, &names, visible) + usize::from(at.y - parts.list.y)
    } else {
        let cell = parts.grid.iter().position(|area| area.contains(at))?;
        page_start(model, parts.grid.len()) + cell
    };
    names.get(index).map(|name| (*name).to_owned())
}

/// The first curve of the list that is visible.
pub(super) fn first_listed(model: &Model, names: &[&str], visible: usize) -> usize {
    let shown = shown_curve(model).map(|(name, ..)| name);
    let chosen = names.iter().position(|name| Some(*name) == shown);
    first_row(chosen.unwrap_or(0), names.len(), visible)
}
