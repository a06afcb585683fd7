//! The list of curves: name, small curve, last value.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use tracking::series::Series;

use super::places::first_listed;
use super::shown_curve;
use crate::curve::points;
use crate::figures::number;
use crate::model::Model;
use crate::panes::Pane;
use crate::text_chart::spark;
use crate::theme::Role;
use crate::view::fit;

/// Cells of a small curve.
const SPARK: usize = 10;
/// Cells of everything but the name: signs, shape, value.
pub(super) const BESIDE_NAME: usize = 3 + 1 + SPARK + 9;

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect, names: &[&str]) {
    if area.height == 0 || area.width < 8 {
        return;
    }
    let shown = shown_curve(model).map(|(name, ..)| name);
    let visible = area.height as usize;
    let first = first_listed(model, names, visible);
    let (longest, width) = (longest(names), area.width as usize);
    let mut lines = Vec::new();
    for name in names.iter().skip(first).take(visible) {
        if let Some(series) = model.detail.history.series(name) {
            let chosen = shown == Some(*name);
            lines.push(line(model, name, series, chosen, (longest, width)));
        }
    }
    if names.is_empty() && !model.panes.chart.filter.is_empty() {
        let text = format!("no curve fits {}", model.panes.chart.filter);
        lines.push(Line::styled(text, model.theme.style(Role::Muted)));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// Cells of the longest name.
pub(super) fn longest(names: &[&str]) -> usize {
    let cells = |name: &&str| Span::raw(*name).width();
    names.iter().map(cells).max().unwrap_or(0)
}

fn line<'a>(
    model: &Model,
    name: &str,
    series: &Series,
    chosen: bool,
    (longest, width): (usize, usize),
) -> Line<'a> {
    let theme = model.theme;
    // A name that is cut says less than a shape that is left out.
    let spark_width = if width >= longest + BESIDE_NAME {
        SPARK
    } else {
        0
    };
    let name_width = width.saturating_sub(3 + 9 + spark_width + usize::from(spark_width > 0));
    let last = series.last().map(|point| point.value);
    let name_role = match (chosen, model.focus == Pane::Metrics) {
        (true, true) => Role::Selected,
        (true, false) => Role::Series(0),
        (false, _) => Role::Text,
    };
    let state = &model.panes.chart;
    let mark = if chosen { ">" } else { " " };
    let sign = match (state.pinned.contains(name), state.overlaid.contains(name)) {
        (true, _) if theme.unicode() => "▴",
        (true, _) => "^",
        (false, true) => "+",
        (false, false) => " ",
    };
    let mut spans = vec![
        Span::styled(format!("{mark}{sign} "), theme.style(Role::Series(0))),
        Span::styled(
            fit(name, name_width, theme.unicode()),
            theme.style(name_role),
        ),
    ];
    if spark_width > 0 {
        let drawn = spark(&points(series), spark_width, theme.unicode());
        let text = format!(" {drawn}");
        spans.push(Span::styled(text, theme.style(Role::Series(0))));
    }
    let finite = last.is_none_or(f64::is_finite);
    let role = if finite { Role::Strong } else { Role::Bad };
    let value = last.map_or_else(|| "-".to_owned(), number);
    spans.push(Span::styled(format!("{value:>9}"), theme.style(role)));
    Line::from(spans)
}
