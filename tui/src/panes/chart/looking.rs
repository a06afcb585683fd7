//! How keys and the mouse change the way a plot is looked at; the chart pane and the
//! compare screen share it.

use crate::update::MouseKind;
use crate::widgets::plot::{Layout, Plot, View, Window};

/// Factor of one step of zooming.
pub(crate) const ZOOM: f64 = 1.5;
/// Share of the window by which a key pans it.
const PAN: f64 = 0.1;

/// Puts the cursor at the end of the window, or takes it away.
pub(crate) fn cursor_toggled(plot: &Plot, view: &mut View) {
    view.cursor = match (view.cursor, plot.extent()) {
        (None, Some(extent)) => Some(view.window.range(extent)[1]),
        _ => None,
    };
}

/// Moves the cursor by columns, the window following it; without a cursor, the window.
pub(crate) fn cursor_moved(plot: &Plot, layout: Option<&Layout>, view: &mut View, by: i32) {
    let Some(extent) = plot.extent() else {
        return;
    };
    let Some(cursor) = view.cursor else {
        view.window = view.window.panned(extent, PAN * f64::from(by));
        return;
    };
    let [low, high] = view.window.range(extent);
    let columns = layout.map_or(100, |layout| layout.canvas.width).max(1);
    let moved = cursor + (high - low) / f64::from(columns) * f64::from(by);
    let moved = moved.clamp(extent[0], extent[1]);
    view.cursor = Some(moved);
    if moved < low || moved > high {
        view.window = view.window.panned(extent, PAN * f64::from(by));
    }
}

/// The wheel zooms at the pointer, a click puts the cursor there, a drag pans.
pub(crate) fn pointed(
    plot: &Plot,
    layout: &Layout,
    view: &mut View,
    drag: &mut Option<(u16, [f64; 2])>,
    column: u16,
    kind: MouseKind,
) {
    let Some(extent) = plot.extent() else {
        return;
    };
    let under = layout.x_at(column);
    match kind {
        MouseKind::WheelUp => view.window = view.window.zoomed(extent, under, 1.0 / ZOOM),
        MouseKind::WheelDown => view.window = view.window.zoomed(extent, under, ZOOM),
        MouseKind::Click => {
            view.cursor = under;
            *drag = under.map(|_| (column, layout.frame.x));
        }
        MouseKind::Drag => {
            let Some((from, [low, high])) = *drag else {
                return;
            };
            if view.window == Window::Whole || layout.canvas.width == 0 {
                return;
            }
            let columns = f64::from(from) - f64::from(column);
            let share = columns / f64::from(layout.canvas.width);
            view.window = Window::Span(low, high).panned(extent, share);
        }
    }
}
