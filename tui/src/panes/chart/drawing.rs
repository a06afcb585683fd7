//! The pane on the screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::content::{EVALUATION, axes, plot, small_plot};
use super::{curve_names, list, places, shown_curve};
use crate::curve::axes::{Axes, XAxis};
use crate::curve::badge;
use crate::figures::{gauge_ratio, number};
use crate::model::{Model, is_alive};
use crate::panes::Pane;
use crate::theme::Role;
use crate::view::{fit, pane_block};
use crate::widgets::plot::{self, Plot, View};

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let state = &model.panes.chart;
    let names = curve_names(model);
    let separator = if model.theme.unicode() { " · " } else { " - " };
    let mut more = looks(&state.view, state.weight(), separator);
    if let Some(share) = model.detail.reading {
        let share = gauge_ratio(share) * 100.0;
        more = format!("reading {share:.0}% {more}");
    }
    if state.grid {
        let size = places::parts(model, places::inside(area)).grid.len().max(1);
        let (page, pages) = (
            places::page_start(model, size) / size + 1,
            names.len().div_ceil(size),
        );
        let axis = state.axis.map_or("its own axis", XAxis::title);
        more = format!("over {axis} {more}");
        if pages > 1 {
            more = format!("page {page} of {pages} [ ] {more}");
        }
    }
    let block = pane_block(model, Pane::Metrics, more.trim_end());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.width < 8 || inner.height < 2 {
        return;
    }
    if let Some(text) = nothing(model) {
        let text = Paragraph::new(text).style(model.theme.style(Role::Muted));
        frame.render_widget(text, inner);
        return;
    }
    let parts = places::parts(model, inner);
    if state.grid {
        draw_grid(model, frame, &parts.grid, &names);
        return;
    }
    let plot = plot(model);
    draw_legend(model, frame, parts.legend, &plot, parts.plot);
    if parts.plot.height >= 3 && parts.plot.width >= 12 {
        plot::draw(&plot, model.theme, frame.buffer_mut(), parts.plot);
    }
    list::draw(model, frame, parts.list, &names);
}

fn nothing(model: &Model) -> Option<&'static str> {
    let empty = model.detail.history.all_series().next().is_none();
    if model.run().is_some() && !(empty && model.detail.evaluations.is_empty()) {
        return None;
    }
    Some(match model.run() {
        Some(run) if is_alive(run.state) => "Waiting for the first numbers.",
        Some(_) => "This run wrote no numbers.",
        None => "",
    })
}

/// How a plot is looked at, in words.
pub(crate) fn looks(view: &View, weight: f64, separator: &str) -> String {
    let mut parts = Vec::new();
    if weight > 0.0 {
        parts.push(format!("smoothed {weight}"));
    }
    let window = view.window.label();
    if !window.is_empty() {
        parts.push(window);
    }
    if view.log {
        parts.push("log".to_owned());
    }
    if view.clip {
        parts.push("1..99%".to_owned());
    }
    parts.join(separator)
}

/// A name with its sign, its value at the cursor, and what is wrong with it; then what is
/// not drawn. Wrapped into the rows there are.
fn draw_legend(model: &Model, frame: &mut Frame, area: Rect, plot: &Plot, canvas: Rect) {
    let theme = model.theme;
    let mut items: Vec<Vec<Span>> = Vec::new();
    if let Some(x) = plot.view.cursor {
        let text = format!("at {}", plot.view.axis.label(x));
        items.push(vec![Span::styled(text, theme.style(Role::Strong))]);
    }
    let readout = plot.readout();
    for (index, curve) in plot.curves.iter().enumerate() {
        let sign = plot::glyph(curve.series, theme.unicode());
        let style = theme.style(Role::Series(curve.series));
        let mut item = vec![Span::styled(format!("{sign} {}", curve.name), style)];
        if let Some((_, value)) = readout.get(index) {
            let text = value.map_or_else(|| " -".to_owned(), |(_, y)| format!(" {}", number(y)));
            item.push(Span::styled(text, theme.style(Role::Strong)));
        }
        if curve.name != EVALUATION
            && let Some(badge) = model.detail.history.series(&curve.name).and_then(badge)
        {
            item.push(Span::styled(format!(" {badge}"), theme.style(Role::Bad)));
        }
        items.push(item);
    }
    items.extend(notes(model, plot, canvas));
    frame.render_widget(Paragraph::new(wrapped(items, area.width as usize)), area);
}

fn notes<'a>(model: &Model, plot: &Plot, canvas: Rect) -> Vec<Vec<Span<'a>>> {
    let style = |role| model.theme.style(role);
    let mut items = Vec::new();
    let axis = plot.view.axis;
    if let Some((name, ..)) = shown_curve(model)
        && !plot.curves.iter().any(|curve| curve.name == name)
    {
        let text = format!("nothing tells the {} of {name}", axis.title());
        items.push(vec![Span::styled(text, style(Role::Warn))]);
    }
    let hidden = plot::layout(plot, canvas).map(|layout| layout.frame.hidden.label());
    if let Some(text) = hidden.filter(|text| !text.is_empty()) {
        items.push(vec![Span::styled(text, style(Role::Warn))]);
    }
    let job = model.run().map_or("", |run| run.job.as_str());
    let text = format!("over {}", axis.title_of(job));
    items.push(vec![Span::styled(text, style(Role::Muted))]);
    items
}

/// Items in lines of a width, two spaces between them.
pub(crate) fn wrapped(items: Vec<Vec<Span<'_>>>, width: usize) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut line: Vec<Span> = Vec::new();
    let mut used = 0;
    for item in items {
        let cells: usize = item.iter().map(Span::width).sum();
        if used > 0 && used + 2 + cells > width {
            lines.push(Line::from(std::mem::take(&mut line)));
            used = 0;
        }
        let gap = if used > 0 { 2 } else { 1 };
        line.push(Span::raw(" ".repeat(gap)));
        line.extend(item);
        used += gap + cells;
    }
    lines.push(Line::from(line));
    lines
}

fn draw_grid(model: &Model, frame: &mut Frame, areas: &[Rect], names: &[&str]) {
    let first = places::page_start(model, areas.len());
    let shown = shown_curve(model).map(|(name, ..)| name);
    let axes = axes(model);
    for (name, area) in names.iter().skip(first).zip(areas) {
        draw_small(model, frame, *area, &axes, name, shown == Some(*name));
    }
}

fn draw_small(
    model: &Model,
    frame: &mut Frame,
    area: Rect,
    axes: &Axes<'_>,
    name: &str,
    chosen: bool,
) {
    if area.height < 2 || area.width < 8 {
        return;
    }
    let theme = model.theme;
    let series = model.detail.history.series(name);
    let plot = small_plot(model, axes, name);
    let at_cursor = plot.readout().first().and_then(|(_, value)| *value);
    let value = match (plot.view.cursor, at_cursor) {
        (None, _) => series
            .and_then(|series| series.last())
            .map(|point| point.value),
        (Some(_), read) => read.map(|(_, y)| y),
    };
    let bad = series.and_then(badge);
    let value = match (&bad, value) {
        (Some(badge), _) => badge.clone(),
        (None, Some(value)) => number(value),
        (None, None) => "-".to_owned(),
    };
    let role = if bad.is_some() {
        Role::Bad
    } else {
        Role::Strong
    };
    let room = (area.width as usize).saturating_sub(Span::raw(value.as_str()).width() + 3);
    let name_role = if chosen { Role::Focus } else { Role::Text };
    let title = Line::from(vec![
        Span::styled(if chosen { "> " } else { "  " }, theme.style(Role::Focus)),
        Span::styled(fit(name, room, theme.unicode()), theme.style(name_role)),
        Span::styled(format!(" {value}"), theme.style(role)),
    ]);
    let row = Rect { height: 1, ..area };
    frame.render_widget(title, row);
    let below = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    if plot.curves.is_empty() {
        let text = format!("nothing tells its {}", plot.view.axis.title());
        let text = Paragraph::new(text).style(theme.style(Role::Muted));
        frame.render_widget(text, below);
    }
    plot::draw(&plot, theme, frame.buffer_mut(), below);
}
