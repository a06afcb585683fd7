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

/// Cells of the letters before the rows of the matrix.
const ROW_HEAD: usize = 3;
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
    let still = if sheet.name == "cross_play" {
        ROW_HEAD
    } else {
        0
    };
    let widest = rows.iter().map(Line::width).max().unwrap_or(0);
    if widest > area.width as usize {
        let hint = Span::styled("  h l: sideways", theme.style(Role::Key));
        if let Some(tabs) = lines.get_mut(2) {
            tabs.push_span(hint);
        }
    }
    let window = Window {
        still,
        past: right.min(widest.saturating_sub(area.width as usize)),
        width: area.width as usize,
        mark: if theme.unicode() { "…" } else { "~" },
    };
    // The heads of the columns stay.
    let kept: Vec<Line> = rows.drain(..rows.len().min(1)).collect();
    lines.extend(kept.iter().map(|line| window.of(line)));
    let down = down.min(rows.len().saturating_sub(1));
    let height = lines.len() + rows.len();
    lines.extend(rows.iter().skip(down).map(|line| window.of(line)));
    let text = match (sheet.name, legend(&shown.results)) {
        ("cross_play", Some(legend)) => format!("{legend}; {}", sheet.note),
        _ => sheet.note.clone(),
    };
    let note = Paragraph::new(printable(&text))
        .style(theme.style(Role::Muted))
        .wrap(Wrap { trim: true });
    let note_height = note_height(&text, area.width);
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

/// The part of long lines that is seen.
struct Window {
    /// Cells at the left that stay.
    still: usize,
    /// Cells behind them that are scrolled past.
    past: usize,
    /// Cells that are seen.
    width: usize,
    /// Stands where something is cut: half a number must not look like a whole one.
    mark: &'static str,
}

impl Window {
    fn of<'a>(&self, line: &Line<'_>) -> Line<'a> {
        let whole = line.width();
        let (mut at, mut used) = (0, 0);
        let mut spans: Vec<Span<'a>> = Vec::new();
        let cut_left = self.past > 0 && whole > self.still;
        let cut_right = whole.saturating_sub(self.past) > self.width;
        let mut marked = false;
        for span in &line.spans {
            let mut kept = String::new();
            for character in span.content.chars() {
                let width = Span::raw(character.to_string()).width();
                let here = at;
                at += width;
                if here >= self.still && here < self.still + self.past {
                    continue;
                }
                let over = used + width > self.width;
                let last = used + width == self.width && cut_right;
                if cut_left && !marked && here >= self.still {
                    marked = true;
                    kept.push_str(self.mark);
                    used += 1;
                } else if last {
                    kept.push_str(self.mark);
                    used = self.width;
                } else if !over {
                    kept.push(character);
                    used += width;
                }
            }
            spans.push(Span::styled(kept, span.style));
        }
        Line::from(spans).style(line.style)
    }
}

/// Lowest and highest mean of the matrix.
fn range(results: &Results) -> Option<(f64, f64)> {
    let cells = &results.cross_play.as_ref()?.cells;
    let known = cells.iter().flatten().flatten().map(|one| one.estimate);
    let (low, high) = known
        .filter(|mean| mean.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| {
            (low.min(mean), high.max(mean))
        });
    (low <= high).then_some((low, high))
}

fn legend(results: &Results) -> Option<String> {
    let (low, high) = range(results)?;
    Some(format!(
        "first digit: 0 for {}, 9 for {}",
        fixed(low),
        fixed(high)
    ))
}

/// From 0 for the lowest to 9 for the highest; one value only is in the middle.
fn level(mean: f64, (low, high): (f64, f64)) -> u8 {
    let share = (mean - low) / (high - low);
    if share.is_finite() {
        (share * 9.0).round().clamp(0.0, 9.0) as u8
    } else {
        5
    }
}

/// The matrix with a digit of heat in each cell: 0 for the lowest mean, 9 for the highest.
fn heat<'a>(results: &Results, theme: &Theme) -> Option<Vec<Line<'a>>> {
    let cells = &results.cross_play.as_ref()?.cells;
    let range = range(results)?;
    let sign = if theme.unicode() { "±" } else { "+-" };
    let shown = |cell: &Option<Interval>| match cell {
        Some(one) => {
            let (level, half) = (level(one.estimate, range), (one.high - one.low) / 2.0);
            let text = format!("{level} {}{sign}{}", fixed(one.estimate), fixed(half));
            (text, role_of(level))
        }
        None => ("-".to_owned(), Role::Muted),
    };
    let shown: Vec<Vec<(String, Role)>> = cells
        .iter()
        .map(|row| row.iter().map(shown).collect())
        .collect();
    let width = shown.iter().flatten().map(|(text, _)| cells_of(text)).max();
    let width = width.unwrap_or(1).max(2);
    let padded = |text: &str, role| {
        let space = " ".repeat(width.saturating_sub(cells_of(text)));
        Span::styled(format!("  {text}{space}"), theme.style(role))
    };
    let letters: Vec<&str> = results
        .policies
        .iter()
        .map(|one| one.letter.as_str())
        .collect();
    let mut head = vec![Span::raw(" ".repeat(ROW_HEAD))];
    head.extend(letters.iter().map(|letter| padded(letter, Role::Muted)));
    let mut lines = vec![Line::from(head)];
    for (letter, row) in letters.iter().zip(&shown) {
        let letter = format!("{letter:<ROW_HEAD$}");
        let mut spans = vec![Span::styled(letter, theme.style(Role::Muted))];
        spans.extend(row.iter().map(|(text, role)| padded(text, *role)));
        lines.push(Line::from(spans));
    }
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
        Kind::Sweep | Kind::Searches => {
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
        (Kind::Searches, _) => "share of right answers over what was spent",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str, still: usize, past: usize, width: usize) -> String {
        let window = Window {
            still,
            past,
            width,
            mark: "~",
        };
        window.of(&Line::raw(text.to_owned())).to_string()
    }

    #[test]
    fn a_cut_number_is_marked_on_both_sides() {
        assert_eq!(seen("0.125 0.875", 0, 0, 11), "0.125 0.875");
        assert_eq!(seen("0.125 0.875", 0, 0, 8), "0.125 0~");
        assert_eq!(seen("0.125 0.875", 0, 3, 8), "~5 0.875");
        assert_eq!(seen("A  0.125 0.875", 3, 2, 9), "A  ~25 0~");
        assert_eq!(seen("A  ", 3, 2, 9), "A  ");
        assert_eq!(seen("日本語", 0, 0, 4), "日~");
        for (past, width) in [(0, 0), (5, 1), (1, 2)] {
            assert!(seen("日本語 1.25", 2, past, width).chars().count() <= width.max(1));
        }
    }

    #[test]
    fn heat_has_ten_levels_and_a_middle_for_one_value() {
        let levels = [0.2, 0.24, 0.7, 0.99, 1.0].map(|mean| level(mean, (0.2, 1.0)));
        assert_eq!(levels, [0, 0, 6, 9, 9]);
        assert_eq!(level(0.5, (0.5, 0.5)), 5);
        assert_eq!(level(f64::NAN, (0.0, 1.0)), 5);
    }
}
