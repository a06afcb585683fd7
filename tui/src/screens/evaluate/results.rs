//! Tables and plots of one evaluation.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use tracking::evaluation::{Kind, Results};
use tracking::statistics::Interval;

use super::Shown;
use crate::figures::printable;
use crate::sheet::evaluation::{played, title};
use crate::sheet::fixed;
use crate::theme::{Role, Theme};
use crate::widgets::plot::{self, Curve, Dot, Plot};

/// Lines that a plot needs to be worth them.
const PLOT_HEIGHT: u16 = 10;

pub(super) fn draw(shown: &Shown, theme: &Theme, frame: &mut Frame, area: Rect) {
    let Some(sheet) = shown.sheets.get(shown.table) else {
        let hint = Paragraph::new("Nothing is played yet.").style(theme.style(Role::Muted));
        frame.render_widget(hint, area);
        return;
    };
    let mut lines = head(shown, theme);
    let matrix = (sheet.name == "cross_play")
        .then(|| heat(&shown.results, theme))
        .flatten();
    let mut rows = matrix.unwrap_or_else(|| {
        let text = sheet.lines();
        let mut lines: Vec<Line> = Vec::new();
        for (index, text) in text.into_iter().enumerate() {
            let role = if index == 0 { Role::Muted } else { Role::Text };
            lines.push(Line::styled(text, theme.style(role)));
        }
        lines
    });
    let (down, right) = shown.scroll;
    // The heads of the columns stay.
    let kept: Vec<Line> = if rows.is_empty() {
        Vec::new()
    } else {
        vec![rows.remove(0)]
    };
    lines.extend(kept.iter().map(|line| past(line, right)));
    let down = down.min(rows.len().saturating_sub(1));
    let height = lines.len() + rows.len();
    lines.extend(rows.iter().skip(down).map(|line| past(line, right)));
    let note = Paragraph::new(printable(&sheet.note))
        .style(theme.style(Role::Muted))
        .wrap(Wrap { trim: true });
    let note_height = note_height(&sheet.note, area.width);
    let curves = curves(&shown.results);
    let wanted = (height as u16).min(area.height.saturating_sub(note_height));
    let rest = area.height.saturating_sub(wanted + note_height);
    let plots = !curves.is_empty() && rest >= PLOT_HEIGHT;
    let [table, below, chart] = Layout::vertical([
        Constraint::Length(wanted),
        Constraint::Length(note_height),
        Constraint::Min(0),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(lines), table);
    frame.render_widget(note, below);
    if plots {
        draw_plot(shown, curves, theme, frame, chart);
    }
}

/// What was played, and the names of the tables with the shown one marked.
fn head<'a>(shown: &Shown, theme: &Theme) -> Vec<Line<'a>> {
    let results = &shown.results;
    let mut tabs = Line::default();
    for (index, sheet) in shown.sheets.iter().enumerate() {
        let name = sheet.name.replace('_', " ");
        let (text, role) = if index == shown.table {
            (format!("[{name}]"), Role::Focus)
        } else {
            (format!(" {name} "), Role::Muted)
        };
        tabs.push_span(Span::styled(text, theme.style(role)));
    }
    let missing = results.missing.len();
    let mut words = played(results);
    if missing > 0 {
        words = format!("{} of {} games missing; {words}", missing, results.units);
    }
    let role = if missing > 0 { Role::Warn } else { Role::Muted };
    vec![
        Line::styled(printable(&title(results)), theme.style(Role::Strong)),
        Line::styled(printable(&words), theme.style(role)),
        tabs,
        Line::default(),
    ]
}

fn note_height(note: &str, width: u16) -> u16 {
    let cells = Span::raw(note.to_owned()).width();
    // Words that do not fit move to the next line, so a little more than the cells say.
    let lines = cells.div_ceil((width.max(10) as usize) * 9 / 10);
    u16::try_from(lines).unwrap_or(1).min(4)
}

/// The line without its first cells.
fn past<'a>(line: &Line<'_>, cells: usize) -> Line<'a> {
    let mut left = cells;
    let mut spans: Vec<Span<'a>> = Vec::new();
    for span in &line.spans {
        let mut kept = String::new();
        for character in span.content.chars() {
            let width = Span::raw(character.to_string()).width();
            if left == 0 {
                kept.push(character);
            } else {
                left = left.saturating_sub(width);
            }
        }
        spans.push(Span::styled(kept, span.style));
    }
    Line::from(spans).style(line.style)
}

/// The matrix with a digit of heat in each cell: 0 for the lowest mean, 9 for the highest.
fn heat<'a>(results: &Results, theme: &Theme) -> Option<Vec<Line<'a>>> {
    let cells = &results.cross_play.as_ref()?.cells;
    let known = cells.iter().flatten().flatten().map(|one| one.estimate);
    let (low, high) = known.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| {
        (low.min(mean), high.max(mean))
    });
    let level = |mean: f64| {
        let share = (mean - low) / (high - low);
        // One value only, or none that is finite: the middle.
        if share.is_finite() {
            (share * 9.0).round().clamp(0.0, 9.0) as u8
        } else {
            5
        }
    };
    let text = |one: Interval| {
        let half = (one.high - one.low) / 2.0;
        let sign = if theme.unicode() { "±" } else { "+-" };
        format!(
            "{} {}{sign}{}",
            level(one.estimate),
            fixed(one.estimate),
            fixed(half)
        )
    };
    let letters: Vec<&str> = results
        .policies
        .iter()
        .map(|one| one.letter.as_str())
        .collect();
    let shown: Vec<Vec<(String, Role)>> = cells
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| match cell {
                    Some(one) => (text(*one), role_of(level(one.estimate))),
                    None => ("-".to_owned(), Role::Muted),
                })
                .collect()
        })
        .collect();
    let width = shown.iter().flatten().map(|(text, _)| cells_of(text)).max();
    let width = width.unwrap_or(1).max(2);
    let mut head = vec![Span::raw("   ")];
    for letter in &letters {
        head.push(Span::styled(
            format!("  {letter:<width$}"),
            theme.style(Role::Muted),
        ));
    }
    let mut lines = vec![Line::from(head)];
    for (letter, row) in letters.iter().zip(shown) {
        let mut spans = vec![Span::styled(
            format!("{letter:<3}"),
            theme.style(Role::Muted),
        )];
        for (text, role) in row {
            let space = " ".repeat(width.saturating_sub(cells_of(&text)));
            spans.push(Span::styled(format!("  {text}{space}"), theme.style(role)));
        }
        lines.push(Line::from(spans));
    }
    let legend = format!("first digit: 0 for {}, 9 for {}", fixed(low), fixed(high));
    lines.push(Line::styled(legend, theme.style(Role::Muted)));
    Some(lines)
}

fn cells_of(text: &str) -> usize {
    Span::raw(text.to_owned()).width()
}

fn role_of(level: u8) -> Role {
    match level {
        0..=2 => Role::Bad,
        3..=6 => Role::Text,
        _ => Role::Ok,
    }
}

/// Scores over steps of training for every run with several checkpoints, or over what a
/// sweep spent for every policy.
fn curves(results: &Results) -> Vec<Curve> {
    let dot = |x: f64, score: Interval| Dot {
        x,
        y: score.estimate,
        low: score.low,
        high: score.high,
    };
    let mut curves: Vec<Curve> = Vec::new();
    let mut add = |name: &str, dot: Dot| {
        let at = curves.iter().position(|curve| curve.name == name);
        let at = at.unwrap_or_else(|| {
            curves.push(Curve {
                name: name.to_owned(),
                series: curves.len(),
                ..Curve::default()
            });
            curves.len() - 1
        });
        curves[at].points.push((dot.x, dot.y));
        curves[at].dots.push(dot);
    };
    match results.kind {
        Kind::Scores => {
            for row in &results.scores {
                if let Some(policy) = results.policies.get(row.policy) {
                    add(&policy.run, dot(policy.step as f64, row.mean));
                }
            }
        }
        Kind::Sweep => {
            for row in &results.sweep {
                let policy = row.policy.and_then(|policy| results.policies.get(policy));
                let name = policy.map_or("", |policy| policy.name.as_str());
                let x = row.spent.map(|spent| spent.estimate);
                if let Some(x) = x.or_else(|| row.value.parse().ok()) {
                    add(name, dot(x, row.score));
                }
            }
        }
        Kind::Tournament => {}
    }
    for curve in &mut curves {
        curve
            .points
            .sort_by(|left, right| left.0.total_cmp(&right.0));
        curve.dots.sort_by(|left, right| left.x.total_cmp(&right.x));
    }
    curves.retain(|curve| curve.points.len() > 1);
    curves
}

fn draw_plot(shown: &Shown, curves: Vec<Curve>, theme: &Theme, frame: &mut Frame, area: Rect) {
    let [line, chart] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let spent = shown.results.sweep.iter().any(|row| row.spent.is_some());
    let across = match (shown.results.kind, spent) {
        (Kind::Sweep, true) => "mean return over the share of central calls",
        (Kind::Sweep, false) => "mean return over the value",
        _ => "mean return over steps of training",
    };
    let mut legend = Line::styled(across, theme.style(Role::Strong));
    for curve in &curves {
        let glyph = plot::glyph(curve.series, theme.unicode());
        legend.push_span(Span::styled(
            format!("  {glyph} {}", printable(&curve.name)),
            theme.style(Role::Series(curve.series)),
        ));
    }
    frame.render_widget(legend, line);
    let plot = Plot {
        curves,
        ..Plot::default()
    };
    if plot::layout(&plot, chart).is_some() {
        plot::draw(&plot, *theme, frame.buffer_mut(), chart);
    }
}
