//! The return chart with its evaluation points, and the list of scalars.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType, Paragraph};

use super::{first_row, fit, pane_block};
use crate::figures::{count, number};
use crate::keys::Pane;
use crate::model::{Model, is_alive};
use crate::series::{bounds, round_bounds};
use crate::theme::Role;

/// Width from which the scalars stand beside the chart.
const BESIDE: u16 = 88;
/// Evaluations whose intervals are drawn as bars.
const INTERVALS: usize = 60;
/// Weight of the moving average.
const SMOOTHING: f64 = 0.9;

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let smoothed = if model.smooth { "smoothed" } else { "" };
    let block = pane_block(model, Pane::Metrics, smoothed);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.width < 8 || inner.height < 2 {
        return;
    }
    if model.run().is_none()
        || (model.detail.scalars.is_empty() && model.detail.evaluations.is_empty())
    {
        let text = match model.run() {
            Some(run) if is_alive(run.state) => "Waiting for the first numbers.",
            Some(_) => "This run wrote no numbers.",
            None => "",
        };
        frame.render_widget(
            Paragraph::new(text).style(model.theme.style(Role::Muted)),
            inner,
        );
        return;
    }
    let names = model.scalar_names();
    let (plot, list) = if inner.width >= BESIDE {
        let width = (inner.width / 3).clamp(34, 54);
        let [plot, list] =
            Layout::horizontal([Constraint::Min(1), Constraint::Length(width)]).areas(inner);
        (plot, list)
    } else {
        let most = (inner.height / 3)
            .max(u16::from(inner.height >= 8))
            .min(names.len() as u16);
        let [plot, list] =
            Layout::vertical([Constraint::Min(1), Constraint::Length(most)]).areas(inner);
        (plot, list)
    };
    draw_plot(model, frame, plot);
    draw_scalars(model, frame, list, &names);
}

fn legend<'a>(model: &Model, name: Option<&str>, axis: &str) -> Line<'a> {
    let unicode = model.theme.unicode();
    let mut spans = vec![Span::raw(" ")];
    if let Some(name) = name {
        let mark = if unicode { "⠒⠒ " } else { "-- " };
        spans.push(Span::styled(
            format!("{mark}{name}"),
            model.theme.style(Role::Series(0)),
        ));
        if let Some(badge) = model
            .detail
            .scalars
            .get(name)
            .and_then(crate::series::Series::badge)
        {
            spans.push(Span::styled(
                format!("  {badge}"),
                model.theme.style(Role::Bad),
            ));
        }
    }
    if model.shows_return() && !model.detail.evaluations.is_empty() {
        spans.push(Span::styled(
            "  • evaluation, 95% interval",
            model.theme.style(Role::Series(1)),
        ));
    }
    if !axis.is_empty() {
        spans.push(Span::styled(
            format!("  over {}", axis.replace('_', " ")),
            model.theme.style(Role::Muted),
        ));
    }
    Line::from(spans)
}

fn draw_plot(model: &Model, frame: &mut Frame, area: Rect) {
    let name = model.shown_scalar();
    let series = name.and_then(|name| model.detail.scalars.get(name));
    let points = match series {
        Some(series) if model.smooth => series.smoothed(SMOOTHING),
        Some(series) => series.points().to_vec(),
        None => Vec::new(),
    };
    let evaluations: &[_] = if model.shows_return() {
        &model.detail.evaluations
    } else {
        &[]
    };
    let axis = series.map_or("env_steps", crate::series::Series::axis);
    let [top, area] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    frame.render_widget(legend(model, name, axis), top);
    if area.height < 3 || area.width < 12 {
        return;
    }
    let means: Vec<(f64, f64)> = evaluations
        .iter()
        .filter(|point| point.mean.is_finite() && point.step.is_finite())
        .map(|point| (point.step, point.mean))
        .collect();
    let bars: Vec<[(f64, f64); 2]> = evaluations
        .iter()
        .skip(evaluations.len().saturating_sub(INTERVALS))
        .filter(|point| point.interval.0.is_finite() && point.interval.1 > point.interval.0)
        .map(|point| {
            [
                (point.step, point.interval.0),
                (point.step, point.interval.1),
            ]
        })
        .collect();
    let all = || points.iter().chain(&means).chain(bars.iter().flatten());
    let x_bounds = bounds(all().map(|point| point.0).chain(std::iter::once(0.0)));
    let [low, high] = bounds(all().map(|point| point.1));
    let low = if low >= 0.0 && low < high * 0.6 {
        0.0
    } else {
        low
    };
    let (y_bounds, y_parts) = round_bounds([low, high], if area.height >= 12 { 5 } else { 2 });
    let marker = if model.theme.unicode() {
        Marker::Braille
    } else {
        Marker::Dot
    };

    let mut datasets = vec![
        Dataset::default()
            .marker(marker)
            .graph_type(if points.len() > 1 {
                GraphType::Line
            } else {
                GraphType::Scatter
            })
            .style(model.theme.style(Role::Series(0)))
            .data(&points),
    ];
    for bar in &bars {
        datasets.push(
            Dataset::default()
                .marker(marker)
                .graph_type(GraphType::Line)
                .style(model.theme.style(Role::Series(1)))
                .data(bar),
        );
    }
    datasets.push(
        Dataset::default()
            .marker(Marker::Dot)
            .graph_type(GraphType::Scatter)
            .style(model.theme.style(Role::Series(1)))
            .data(&means),
    );
    let labels = |[low, high]: [f64; 2], parts: usize, show: fn(f64) -> String| -> Vec<String> {
        (0..=parts)
            .map(|part| show(low + (high - low) * part as f64 / parts as f64))
            .collect()
    };
    let x_parts = if area.width >= 60 { 4 } else { 2 };
    let chart = Chart::new(datasets)
        .legend_position(None)
        .x_axis(
            Axis::default()
                .bounds(x_bounds)
                .labels(labels(x_bounds, x_parts, |value| count(value.round())))
                .style(model.theme.style(Role::Muted)),
        )
        .y_axis(
            Axis::default()
                .bounds(y_bounds)
                .labels(labels(y_bounds, y_parts, |value| {
                    format!("{:>6}", number(value))
                }))
                .style(model.theme.style(Role::Muted)),
        );
    frame.render_widget(chart, area);
}

fn draw_scalars(model: &Model, frame: &mut Frame, area: Rect, names: &[&str]) {
    if area.height == 0 || area.width < 8 {
        return;
    }
    const LEVELS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let unicode = model.theme.unicode();
    let shown = model.shown_scalar();
    let chosen = names.iter().position(|name| Some(*name) == shown);
    let visible = area.height as usize;
    let first = first_row(chosen.unwrap_or(0), names.len(), visible);
    let spark = if unicode && area.width >= 32 { 10 } else { 0 };
    let name_width = (area.width as usize).saturating_sub(2 + 9 + spark + usize::from(spark > 0));
    let mut lines = Vec::new();
    for (index, name) in names.iter().enumerate().skip(first).take(visible) {
        let Some(series) = model.detail.scalars.get(*name) else {
            continue;
        };
        let is_chosen = chosen == Some(index);
        let value = series
            .last()
            .map_or_else(|| "-".to_owned(), |(_, value)| number(value));
        let role = match series.last() {
            Some((_, value)) if !value.is_finite() => Role::Bad,
            _ => Role::Strong,
        };
        let name_role = match (is_chosen, model.pane == Pane::Metrics) {
            (true, true) => Role::Selected,
            (true, false) => Role::Series(0),
            (false, _) => Role::Text,
        };
        let mark = if is_chosen { ">" } else { " " };
        let mut spans = vec![
            Span::styled(format!("{mark} "), model.theme.style(Role::Series(0))),
            Span::styled(fit(name, name_width, unicode), model.theme.style(name_role)),
        ];
        if spark > 0 {
            let levels = series.levels(spark);
            let drawn: String = levels.iter().map(|level| LEVELS[(*level).min(7)]).collect();
            spans.push(Span::styled(
                format!(" {}", fit(&drawn, spark, true)),
                model.theme.style(Role::Series(0)),
            ));
        }
        spans.push(Span::styled(format!("{value:>9}"), model.theme.style(role)));
        lines.push(Line::from(spans));
    }
    frame.render_widget(Paragraph::new(lines), area);
}
