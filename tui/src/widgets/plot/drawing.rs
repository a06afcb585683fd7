//! A plot as cells of the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use super::canvas::{Canvas, Cell, Layer};
use super::{Curve, Frame, Plot};
use crate::curve::axes::between;
use crate::theme::{Role, Theme};

/// Cells from one sign of a series on its line to the next.
const SIGNS: usize = 14;

/// The sign of a series. There are as many signs as colours; beyond that many series they
/// are paired anew.
#[must_use]
pub fn glyph(series: usize, unicode: bool) -> &'static str {
    const SHAPES: [&str; 8] = ["●", "▲", "■", "◆", "○", "△", "□", "◇"];
    const ASCII: [&str; 8] = ["o", "x", "#", "+", "*", "@", "%", "&"];
    let signs = if unicode { SHAPES } else { ASCII };
    signs[(series + series / 8) % 8]
}

/// Where the parts of a plot are.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// The area of the curves.
    pub canvas: Rect,
    /// Limits and marks.
    pub frame: Frame,
}

impl Layout {
    /// The position under a column of the screen; `None` beside the curves.
    #[must_use]
    pub fn x_at(&self, column: u16) -> Option<f64> {
        let canvas = self.canvas;
        if column < canvas.left() || column >= canvas.right() {
            return None;
        }
        let share = (f64::from(column - canvas.left()) + 0.5) / f64::from(canvas.width);
        Some(self.frame.x[0] + (self.frame.x[1] - self.frame.x[0]) * share)
    }

    /// The column of a position; `None` outside the limits.
    #[must_use]
    pub fn column_of(&self, x: f64) -> Option<u16> {
        let [low, high] = self.frame.x;
        let share = (x - low) / (high - low);
        if !(0.0..=1.0).contains(&share) || self.canvas.width == 0 {
            return None;
        }
        let column = (share * f64::from(self.canvas.width)) as u16;
        Some(self.canvas.left() + column.min(self.canvas.width - 1))
    }
}

/// Where a plot puts its parts in an area; `None` when there is nothing to draw or no
/// room for it.
#[must_use]
pub fn layout(plot: &Plot, area: Rect) -> Option<Layout> {
    if area.width < 4 || area.height == 0 {
        return None;
    }
    let axis_rows = if area.height >= 4 { 2 } else { 0 };
    let height = area.height - axis_rows;
    let y_parts = match height {
        0..=3 => 1,
        4..=10 => 2,
        11..=24 => 5,
        _ => 8,
    };
    let x_parts = usize::from(area.width / 14).clamp(1, 10);
    let frame = plot.frame(x_parts, y_parts)?;
    let widest = frame
        .y_marks
        .iter()
        .map(|(_, label)| Span::raw(label.as_str()).width())
        .max()
        .unwrap_or(0) as u16;
    // Labels that leave no room for the curves are left out.
    let gutter = if widest < area.width / 2 {
        widest.max((area.width / 12).min(6)) + 1
    } else {
        0
    };
    let canvas = Rect {
        x: area.x + gutter,
        y: area.y,
        width: area.width - gutter,
        height,
    };
    Some(Layout { canvas, frame })
}

/// Draws a plot, its axes and its cursor. Where there is nothing to draw, nothing is.
pub fn draw(plot: &Plot, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let area = area.intersection(buffer.area);
    let Some(layout) = layout(plot, area) else {
        return;
    };
    draw_axes(&layout, theme, buffer, area);
    let canvas = painted(plot, &layout);
    let cursor = plot.view.cursor.and_then(|x| layout.column_of(x));
    for row in 0..layout.canvas.height {
        for column in 0..layout.canvas.width {
            let at = (layout.canvas.x + column, layout.canvas.y + row);
            let cell = canvas.cell(usize::from(column), usize::from(row));
            let Some(target) = buffer.cell_mut(at) else {
                continue;
            };
            let on_cursor = cursor == Some(at.0);
            if cell.layer == Layer::Empty {
                if on_cursor {
                    let line = if theme.unicode() { "│" } else { "|" };
                    target.set_symbol(line).set_style(theme.style(Role::Muted));
                }
                continue;
            }
            let mut style = cell_style(cell, theme);
            if on_cursor {
                style = style.add_modifier(Modifier::REVERSED);
            }
            target
                .set_symbol(&symbol(cell, theme.unicode()))
                .set_style(style);
        }
    }
}

fn cell_style(cell: Cell, theme: Theme) -> Style {
    let style = theme.style(Role::Series(cell.series));
    match cell.layer {
        Layer::Band | Layer::Raw => style.add_modifier(Modifier::DIM),
        Layer::Sign => style.add_modifier(Modifier::BOLD),
        _ => style,
    }
}

fn symbol(cell: Cell, unicode: bool) -> String {
    let text = match cell.layer {
        Layer::Sign => glyph(cell.series, unicode),
        _ if unicode => {
            let pattern = char::from_u32(0x2800 + u32::from(cell.dots));
            return pattern.unwrap_or(' ').to_string();
        }
        Layer::Band => ":",
        Layer::Raw => ".",
        Layer::Bar => "|",
        _ => glyph(cell.series, false),
    };
    text.to_owned()
}

/// The cells of all curves.
fn painted(plot: &Plot, layout: &Layout) -> Canvas {
    let (frame, area) = (&layout.frame, layout.canvas);
    let mut canvas = Canvas::new(area.width, area.height);
    for curve in &plot.curves {
        paint_band(&mut canvas, curve, frame, usize::from(area.width) * 2);
        paint_line(&mut canvas, &curve.raw, frame, Layer::Raw, curve.series);
    }
    for curve in &plot.curves {
        for dot in &curve.dots {
            let ends = (frame.place(dot.x, dot.low), frame.place(dot.x, dot.high));
            if let (Some(low), Some(high)) = ends {
                canvas.line(low, high, Layer::Bar, curve.series);
            }
        }
        paint_line(&mut canvas, &curve.points, frame, Layer::Line, curve.series);
    }
    let several = plot
        .curves
        .iter()
        .filter(|curve| !curve.points.is_empty())
        .count()
        > 1;
    for (index, curve) in plot.curves.iter().enumerate() {
        if several {
            paint_signs(&mut canvas, curve, layout, index);
        }
        for dot in &curve.dots {
            if let Some(place) = frame.place(dot.x, dot.y) {
                canvas.sign(place, curve.series);
            }
        }
    }
    canvas
}

fn paint_line(
    canvas: &mut Canvas,
    points: &[(f64, f64)],
    frame: &Frame,
    layer: Layer,
    series: usize,
) {
    let mut before = None;
    for &(x, y) in points {
        let place = frame.place(x, y);
        match (before, place) {
            (Some(from), Some(to)) => canvas.line(from, to, layer, series),
            (None, Some(alone)) => canvas.point(alone, layer, series),
            _ => {}
        }
        before = place;
    }
}

fn paint_band(canvas: &mut Canvas, curve: &Curve, frame: &Frame, columns: usize) {
    if curve.band.is_empty() || columns < 2 {
        return;
    }
    let end = |read: fn(&(f64, f64, f64)) -> f64| -> Vec<(f64, f64)> {
        curve.band.iter().map(|part| (part.0, read(part))).collect()
    };
    let (lows, highs) = (end(|part| part.1), end(|part| part.2));
    for column in 0..columns {
        let share = column as f64 / (columns - 1) as f64;
        let x = frame.x[0] + (frame.x[1] - frame.x[0]) * share;
        let ends = (between(&lows, x), between(&highs, x));
        let (Some(low), Some(high)) = ends else {
            continue;
        };
        // A band that reaches zero on a logarithmic axis reaches its lower border.
        let high = frame.place(x, high).map(|place| place.1);
        let low = frame.place(x, low).map_or(0.0, |place| place.1);
        if let Some(high) = high {
            canvas.column(column, low, high, curve.series);
        }
    }
}

/// Signs along a line, where its cell is, those of different curves side by side.
fn paint_signs(canvas: &mut Canvas, curve: &Curve, layout: &Layout, index: usize) {
    let first = (SIGNS / 2 + index * 5) % SIGNS;
    for column in (first..usize::from(layout.canvas.width)).step_by(SIGNS) {
        let x = layout.x_at(layout.canvas.x + column as u16);
        let place = x
            .and_then(|x| Some((x, between(&curve.points, x)?)))
            .and_then(|(x, y)| layout.frame.place(x, y));
        if let Some(place) = place {
            canvas.sign(place, curve.series);
        }
    }
}

fn draw_axes(layout: &Layout, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let canvas = layout.canvas;
    let style = theme.style(Role::Muted);
    let (side, tick, corner, bottom, below) = if theme.unicode() {
        ("│", "┤", "└", "─", "┬")
    } else {
        ("|", "+", "+", "-", "+")
    };
    let gutter = canvas.x > area.x;
    if gutter {
        for y in canvas.top()..canvas.bottom() {
            buffer.set_string(canvas.x - 1, y, side, style);
        }
        for (value, label) in &layout.frame.y_marks {
            let Some((_, share)) = layout.frame.place(layout.frame.x[0], *value) else {
                continue;
            };
            if !(-1e-9..=1.0 + 1e-9).contains(&share) || canvas.height == 0 {
                continue;
            }
            let row = ((1.0 - share) * f64::from(canvas.height - 1)).round() as u16;
            let width = Span::raw(label.as_str()).width() as u16;
            let x = (canvas.x - 1).saturating_sub(width).max(area.x);
            let room = usize::from(canvas.x - 1 - area.x);
            let y = canvas.y + row.min(canvas.height - 1);
            buffer.set_stringn(x, y, label, room, style);
            buffer.set_string(canvas.x - 1, y, tick, style);
        }
    }
    if canvas.bottom() + 1 >= area.bottom() {
        return;
    }
    if gutter {
        buffer.set_string(canvas.x - 1, canvas.bottom(), corner, style);
    }
    for x in canvas.left()..canvas.right() {
        buffer.set_string(x, canvas.bottom(), bottom, style);
    }
    let mut free = area.left();
    for (value, label) in &layout.frame.x_marks {
        let Some(column) = layout.column_of(*value) else {
            continue;
        };
        buffer.set_string(column, canvas.bottom(), below, style);
        let width = Span::raw(label.as_str()).width() as u16;
        let start = column
            .saturating_sub(width / 2)
            .min(area.right().saturating_sub(width));
        if start >= free && start + width <= area.right() {
            buffer.set_string(start, canvas.bottom() + 1, label, style);
            free = start + width + 1;
        }
    }
}
