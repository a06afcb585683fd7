//! Drawing a fine-tuning: stages on top, metrics below them, then the sample.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use tracking::Stage;
use tracking::samples::StageState;

use super::{metrics, responses, shown};
use crate::figures::{count, printable};
use crate::model::Model;
use crate::panes::Pane;
use crate::theme::{Role, Theme};
use crate::view::{fit, pane_block};
use crate::widgets::{gauge, prose};

/// Width of the names of metrics.
const LABEL: usize = 17;
/// A column of metrics is at least this wide.
const METRIC_WIDTH: u16 = 52;

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let block = pane_block(model, Pane::Text, &title(model));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.is_empty() {
        return;
    }
    let history = &model.detail.history;
    let metrics = metrics::reported(history);
    if history.stages.is_empty() && history.samples.is_empty() && metrics.is_empty() {
        let text = "This run recorded no samples. A fine-tuning shows its stages, its metrics and what the model answers here.";
        let hint = Paragraph::new(text)
            .style(model.theme.style(Role::Muted))
            .wrap(Wrap { trim: true });
        frame.render_widget(hint, inner);
        return;
    }
    let stages_height = match (history.stages.is_empty(), inner.height) {
        (true, _) | (_, 0..4) => 0,
        (_, 4..9) => 1,
        _ => 2,
    };
    let columns = (inner.width / METRIC_WIDTH).max(1);
    let wanted = (metrics.len() as u16).div_ceil(columns);
    let metrics_height = wanted.min(inner.height.saturating_sub(stages_height) / 3);
    let rule = u16::from(inner.height >= 9);
    let [stages_area, metrics_area, rule_area, sample_area] = Layout::vertical([
        Constraint::Length(stages_height),
        Constraint::Length(metrics_height),
        Constraint::Length(rule),
        Constraint::Min(0),
    ])
    .areas(inner);
    frame.render_widget(Paragraph::new(stages(model, stages_area)), stages_area);
    let lines = metric_lines(&metrics, columns, metrics_area, &model.theme);
    frame.render_widget(Paragraph::new(lines), metrics_area);
    draw_rule(model, frame, rule_area);
    draw_sample(model, frame, sample_area);
}

fn title(model: &Model) -> String {
    let samples = &model.detail.history.samples;
    let Some((index, sample)) = shown(model) else {
        return String::new();
    };
    let oldest = samples.seen().saturating_sub(samples.len() as u64);
    let mut text = format!(
        "sample {} of {}, step {}",
        oldest + index as u64 + 1,
        samples.seen(),
        count(sample.step as f64)
    );
    if sample.iteration > 0 {
        text.push_str(&format!(", iteration {}", sample.iteration));
    }
    if model.panes.text.at.is_none() {
        text.push_str(" following");
    }
    text
}

fn draw_rule(model: &Model, frame: &mut Frame, area: Rect) {
    let mark = if model.theme.unicode() { "─" } else { "-" };
    let line = Line::styled(
        mark.repeat(usize::from(area.width)),
        model.theme.style(Role::Muted),
    );
    frame.render_widget(line, area);
}

/// The stages of the current iteration in a line, and the current one as a gauge.
fn stages<'a>(model: &Model, area: Rect) -> Vec<Line<'a>> {
    let (stages, theme) = (&model.detail.history.stages, &model.theme);
    let Some(current) = stages.current() else {
        return Vec::new();
    };
    let mut spans = vec![Span::styled(
        format!("iteration {}/{} ", current.iteration, stages.iterations()),
        theme.style(Role::Strong),
    )];
    for (state, stage) in stages.of(current.iteration) {
        let (mark, role) = match (state, theme.unicode()) {
            (StageState::Done, true) => ("✓", Role::Ok),
            (StageState::Done, false) => ("+", Role::Ok),
            (StageState::Current, true) => ("▶", Role::Focus),
            (StageState::Current, false) => (">", Role::Focus),
            (StageState::Planned, true) => ("·", Role::Muted),
            (StageState::Planned, false) => (".", Role::Muted),
        };
        let text = format!(" {mark} {}", printable(&stage.name));
        spans.push(Span::styled(text, theme.style(role)));
    }
    let mut lines = vec![Line::from(spans)];
    if area.height > 1 {
        lines.push(stage_gauge(current, usize::from(area.width), theme));
    }
    lines
}

fn stage_gauge<'a>(stage: &Stage, width: usize, theme: &Theme) -> Line<'a> {
    let (done, total) = (stage.done as f64, stage.total as f64);
    let unit = printable(&stage.unit);
    let (share, words) = if stage.total == 0 {
        (0.0, format!("{} {unit}", count(done)))
    } else {
        let share = done / total;
        let percent = (share.min(1.0) * 100.0).floor();
        let words = format!("{percent:>3.0}% {} of {} {unit}", count(done), count(total));
        (share, words)
    };
    let name = (stage.name.as_str(), LABEL);
    gauge::line(name, share, Role::Focus, &words, width, theme)
}

fn metric_lines<'a>(
    metrics: &[metrics::Reported],
    columns: u16,
    area: Rect,
    theme: &Theme,
) -> Vec<Line<'a>> {
    let rows = usize::from(area.height);
    let column = usize::from(area.width / columns);
    (0..rows)
        .map(|row| {
            let mut spans = Vec::new();
            for place in 0..usize::from(columns) {
                // Down the first column, then down the next one.
                if let Some(metric) = metrics.get(place * rows + row) {
                    spans.extend(metric_spans(metric, column, theme));
                }
            }
            Line::from(spans)
        })
        .collect()
}

fn metric_spans<'a>(metric: &metrics::Reported, width: usize, theme: &Theme) -> Vec<Span<'a>> {
    let label = fit(metric.metric.label, LABEL.min(width), theme.unicode());
    let value = metric.value();
    let room = width.saturating_sub(LABEL + 1);
    // Values stand below each other; one with an interval is wider than others.
    let value_width = prose::cells(&value).max(9).min(room);
    let value = fit(&value, value_width, theme.unicode());
    let spark_width = room.saturating_sub(value_width + 2).min(40);
    let spark = metrics::sparkline(&metric.points, spark_width, theme.unicode());
    let pad = room.saturating_sub(value_width + 1 + prose::cells(&spark));
    vec![
        Span::styled(label, theme.style(Role::Muted)),
        Span::raw(" "),
        Span::styled(value, theme.style(Role::Strong)),
        Span::raw(" "),
        Span::styled(spark, theme.style(Role::Series(0))),
        Span::raw(" ".repeat(pad)),
    ]
}

fn draw_sample(model: &Model, frame: &mut Frame, area: Rect) {
    if area.is_empty() {
        return;
    }
    let (state, theme) = (&model.panes.text, &model.theme);
    let Some((_, sample)) = shown(model) else {
        let hint = Line::styled("no sample yet", theme.style(Role::Muted));
        frame.render_widget(hint, area);
        return;
    };
    let lines = responses::lines(sample, state, usize::from(area.width), theme);
    let height = usize::from(area.height);
    let from = state.from.min(lines.len().saturating_sub(height));
    let left = lines.len() - from;
    let mut visible: Vec<Line> = lines.into_iter().skip(from).take(height).collect();
    if left > height
        && let Some(last) = visible.last_mut()
    {
        let text = format!("{} more lines, PgDn", left - height + 1);
        *last = Line::styled(text, theme.style(Role::Muted)).right_aligned();
    }
    frame.render_widget(Paragraph::new(visible), area);
}
