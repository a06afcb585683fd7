//! The screen as drawn.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

use super::State;
use super::content::{metric_names, plot};
use super::places::{Places, first_metric, places, sheet};
use crate::comparison::ComparedCurve;
use crate::figures::{number, printable};
use crate::model::Model;
use crate::panes::chart::{looks, wrapped};
use crate::theme::{Role, Theme};
use crate::view::fit;
use crate::widgets::plot::{self, Plot};

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let state = &model.compare;
    let places = places(state, area);
    if !places.curves.is_empty() {
        draw_curves(model, frame, &places);
    }
    if !places.table.is_empty() {
        draw_table(model, frame, places.table);
    }
    if let Some(prompt) = &state.export {
        let last = Rect {
            y: area.bottom().saturating_sub(1),
            height: area.height.min(1),
            ..area
        };
        prompt.draw(&model.theme, frame, last);
    }
}

fn draw_curves(model: &Model, frame: &mut Frame, places: &Places) {
    let state = &model.compare;
    let separator = if model.theme.unicode() { " · " } else { " - " };
    let plot = plot(model);
    let job = if state.of_searches { "search" } else { "" };
    let mut parts = vec![format!("over {}", plot.view.axis.title_of(job))];
    if state.request.fold {
        parts.push(state.request.centre.title().to_owned());
        parts.push("95% interval over seeds".to_owned());
    } else {
        parts.push("each run".to_owned());
    }
    let looks = looks(&plot.view, state.request.smooth, separator);
    if !looks.is_empty() {
        parts.push(looks);
    }
    let names = metric_names(state);
    let at = names.iter().position(|name| **name == state.request.metric);
    let place = at.map_or_else(String::new, |at| format!(" {}/{}", at + 1, names.len()));
    let title = Line::from(vec![
        Span::styled(
            format!(" {}", printable(&state.request.metric)),
            model.theme.style(Role::Focus),
        ),
        Span::styled(
            format!("{place}  {} ", parts.join(separator)),
            model.theme.style(Role::Muted),
        ),
    ]);
    frame.render_widget(
        bordered(model.theme, Role::Focus).title(title),
        places.curves,
    );
    if places.canvas.width < 4 {
        return;
    }
    frame.render_widget(legend(model, &plot, places), places.legend);
    if plot.curves.is_empty() {
        let text = if model.compared.is_empty() {
            "No runs are compared: mark some with Space in the run list, then press c."
        } else {
            "None of these runs has this metric over this axis yet."
        };
        let text = Paragraph::new(text).style(model.theme.style(Role::Muted));
        frame.render_widget(text, places.canvas);
    }
    plot::draw(&plot, model.theme, frame.buffer_mut(), places.canvas);
    draw_metrics(model, frame, places.metrics, &names);
}

fn bordered<'a>(theme: Theme, role: Role) -> Block<'a> {
    Block::bordered()
        .border_set(theme.border())
        .border_style(theme.style(role))
}

fn legend<'a>(model: &'a Model, plot: &'a Plot, places: &Places) -> Paragraph<'a> {
    let theme = model.theme;
    let mut items = Vec::new();
    if let Some(x) = plot.view.cursor {
        let text = format!("at {}", plot.view.axis.label(x));
        items.push(vec![Span::styled(text, theme.style(Role::Strong))]);
    }
    for compared in &model.compare.found.curves {
        let curve = &compared.curve;
        let sign = plot::glyph(curve.series, theme.unicode());
        let text = format!("{sign} {}", printable(&curve.name));
        let mut item = vec![Span::styled(text, theme.style(Role::Series(curve.series)))];
        if let Some(x) = plot.view.cursor {
            let text = format!(" {}", value_at(compared, x, plot.reach()));
            item.push(Span::styled(text, theme.style(Role::Strong)));
        }
        items.push(item);
    }
    let hidden = plot::layout(plot, places.canvas).map(|layout| layout.frame.hidden.label());
    let notes = model.compare.found.notes.iter().cloned();
    for note in hidden
        .into_iter()
        .filter(|text| !text.is_empty())
        .chain(notes)
    {
        items.push(vec![Span::styled(
            printable(&note),
            theme.style(Role::Warn),
        )]);
    }
    Paragraph::new(wrapped(items, places.legend.width as usize))
}

/// The value nearest to a position, with its interval where there is one.
fn value_at(compared: &ComparedCurve, x: f64, reach: f64) -> String {
    let Some((at, value)) = compared.curve.read(x, reach) else {
        return "-".to_owned();
    };
    let band = compared.band.iter().find(|point| point.x == at);
    match band.map(|point| point.interval) {
        Some(one) if one.low.is_finite() && one.high.is_finite() => {
            format!(
                "{} [{}, {}]",
                number(value),
                number(one.low),
                number(one.high)
            )
        }
        _ => number(value),
    }
}

fn draw_metrics(model: &Model, frame: &mut Frame, area: Rect, names: &[&str]) {
    if area.width < 4 || area.height == 0 {
        return;
    }
    let (state, theme) = (&model.compare, model.theme);
    let visible = area.height as usize;
    let first = first_metric(state, names, visible);
    let width = (area.width as usize).saturating_sub(3);
    let mut lines: Vec<Line> = Vec::new();
    for name in names.iter().skip(first).take(visible) {
        let chosen = **name == state.request.metric;
        let (mark, role) = if chosen {
            ("> ", Role::Selected)
        } else {
            ("  ", Role::Text)
        };
        lines.push(Line::from(vec![
            Span::styled(format!(" {mark}"), theme.style(Role::Series(0))),
            Span::styled(fit(name, width, theme.unicode()), theme.style(role)),
        ]));
    }
    if names.is_empty() && !state.filter.is_empty() {
        let text = format!(" no metric fits {}", printable(&state.filter));
        lines.push(Line::styled(text, theme.style(Role::Muted)));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_table(model: &Model, frame: &mut Frame, area: Rect) {
    let (state, theme) = (&model.compare, model.theme);
    let mut title = Vec::new();
    for table in state.tables().iter().copied() {
        let chosen = table == state.table;
        let role = if chosen { Role::Focus } else { Role::Muted };
        let text = if chosen {
            format!(" [{}] ", table.title())
        } else {
            format!("  {}  ", table.title())
        };
        title.push(Span::styled(text, theme.style(role)));
    }
    let block = bordered(theme, Role::Muted).title(Line::from(title));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if let Some(sheet) = sheet(state) {
        let note = u16::from(inner.height > 3);
        let lines = table_lines(
            state,
            &sheet.lines(),
            inner.height.saturating_sub(note),
            theme,
        );
        frame.render_widget(Paragraph::new(lines), inner);
        if note > 0 {
            let row = Rect {
                y: inner.bottom() - 1,
                height: 1,
                ..inner
            };
            let text = fit(&sheet.note, inner.width as usize, theme.unicode());
            frame.render_widget(Line::styled(text, theme.style(Role::Muted)), row);
        }
    }
}

fn table_lines<'a>(state: &State, lines: &[String], height: u16, theme: Theme) -> Vec<Line<'a>> {
    let Some((heads, rows)) = lines.split_first() else {
        return Vec::new();
    };
    let visible = (height as usize).saturating_sub(1);
    let first = state.scroll.0.min(rows.len().saturating_sub(visible));
    let aside = |text: &String| -> String { format!(" {}", cut_left(text, state.scroll.1)) };
    let mut drawn = vec![Line::styled(aside(heads), theme.style(Role::Muted))];
    let shown = rows.iter().skip(first).take(visible);
    drawn.extend(shown.map(|row| Line::raw(aside(row))));
    drawn
}

/// A text without its first cells.
fn cut_left(text: &str, cells: usize) -> String {
    let mut left = cells;
    let mut characters = text.chars();
    while left > 0 {
        let Some(character) = characters.next() else {
            return String::new();
        };
        let width = Span::raw(character.to_string()).width();
        if width > left {
            // Half a wide character is a space, so that columns stay in line.
            return format!("{}{}", " ".repeat(width - left), characters.as_str());
        }
        left -= width;
    }
    characters.as_str().to_owned()
}
