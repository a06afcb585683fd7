//! The return chart with its evaluation points, and the list of curves.

use ratatui::Frame;
use ratatui::crossterm::event::KeyCode::Char;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Chart, Dataset, GraphType, Paragraph};
use tracking::Axis;
use tracking::series::Series;

use crate::curve::{badge, bounds, drawable, levels, marks, points, smoothed};
use crate::detail::group;
use crate::figures::{count, number};
use crate::keys::{self, Binding, Move};
use crate::model::{Model, is_alive};
use crate::panes::Pane;
use crate::theme::Role;
use crate::update::{Cmd, MouseKind};
use crate::view::{first_row, fit, pane_block};

/// Width from which the curves stand beside the chart.
const BESIDE: u16 = 88;
/// Evaluations whose intervals are drawn as bars.
const INTERVALS: usize = 60;
/// Weight of the moving average.
const SMOOTHING: f64 = 0.9;

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Smooth the curve, again for the raw values.
    Smooth,
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[Binding::new(
    &[Char('e')],
    "e",
    keys::Action::Chart(Action::Smooth),
    "smooth the curve, again for raw values",
)
.footer("smooth")];

/// What it remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The chosen curve; `None` is the return.
    pub curve: Option<String>,
    /// Whether the chart is smoothed.
    pub smooth: bool,
    /// Shows only the curves that fit.
    pub filter: String,
}

impl State {
    pub(crate) fn run_changed(&mut self) {
        self.curve = None;
    }
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    match action {
        Action::Smooth => model.panes.chart.smooth = !model.panes.chart.smooth,
    }
    Vec::new()
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    let names = curve_names(model);
    if !names.is_empty() {
        let shown = shown_curve(model).map(|(name, ..)| name);
        let index = names.iter().position(|name| Some(*name) == shown);
        let to = names[by.apply(index.unwrap_or(0), names.len())].to_owned();
        model.panes.chart.curve = Some(to);
    }
    Vec::new()
}

pub(crate) fn clicked(model: &mut Model, _at: Position, _area: Rect, kind: MouseKind) -> Vec<Cmd> {
    match kind {
        MouseKind::WheelUp => moved(model, Move::Lines(-1)),
        MouseKind::WheelDown => moved(model, Move::Lines(1)),
        MouseKind::Click | MouseKind::Drag => Vec::new(),
    }
}

/// The names of the curves: the main one first, then by group and name.
#[must_use]
pub fn curve_names(model: &Model) -> Vec<&str> {
    let main = model.detail.main_curve();
    let pattern = crate::pattern::Pattern::new(&model.panes.chart.filter);
    let mut names: Vec<&str> = model
        .detail
        .history
        .all_series()
        .map(|(name, ..)| name)
        .filter(|name| pattern.matches(name))
        .collect();
    names.dedup();
    names.sort_by_key(|name| (Some(*name) != main, group(name)));
    names
}

/// The curve that the chart shows, with its name and what its steps count.
#[must_use]
pub fn shown_curve(model: &Model) -> Option<(&str, Axis, &Series)> {
    let find = |wanted: &str| {
        model
            .detail
            .history
            .all_series()
            .find(|(name, ..)| *name == wanted)
    };
    let chosen = model.panes.chart.curve.as_deref().and_then(find);
    chosen.or_else(|| model.detail.main_curve().and_then(find))
}

/// Whether the chart shows returns, so that evaluation points belong in it.
#[must_use]
pub fn shows_return(model: &Model) -> bool {
    match model.panes.chart.curve.as_deref() {
        None => true,
        Some(name) => Some(name) == model.detail.main_curve(),
    }
}

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let smoothed = if model.panes.chart.smooth {
        "smoothed"
    } else {
        ""
    };
    let block = pane_block(model, Pane::Metrics, smoothed);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.width < 8 || inner.height < 2 {
        return;
    }
    if model.run().is_none() || curve_names(model).is_empty() && model.detail.evaluations.is_empty()
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
    let names = curve_names(model);
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
    draw_curves(model, frame, list, &names);
}

fn legend<'a>(model: &Model) -> Line<'a> {
    let unicode = model.theme.unicode();
    let mut spans = vec![Span::raw(" ")];
    let shown = shown_curve(model);
    if let Some((name, _, series)) = shown {
        let mark = if unicode { "⠒⠒ " } else { "-- " };
        spans.push(Span::styled(
            format!("{mark}{name}"),
            model.theme.style(Role::Series(0)),
        ));
        if let Some(badge) = badge(series) {
            spans.push(Span::styled(
                format!("  {badge}"),
                model.theme.style(Role::Bad),
            ));
        }
    }
    if shows_return(model) && !model.detail.evaluations.is_empty() {
        let text = "  • evaluation, 95% interval";
        spans.push(Span::styled(text, model.theme.style(Role::Series(1))));
    }
    let axis = shown.map_or(Axis::EnvSteps, |(_, axis, _)| axis);
    let text = format!("  over {}", axis.name().replace('_', " "));
    spans.push(Span::styled(text, model.theme.style(Role::Muted)));
    Line::from(spans)
}

/// What the plot shows, all finite.
struct Plotted {
    curve: Vec<(f64, f64)>,
    means: Vec<(f64, f64)>,
    intervals: Vec<[(f64, f64); 2]>,
}

impl Plotted {
    fn of(model: &Model) -> Self {
        let curve = shown_curve(model)
            .map(|(_, _, series)| points(series))
            .unwrap_or_default();
        let evaluations: &[_] = if shows_return(model) {
            &model.detail.evaluations
        } else {
            &[]
        };
        let finite = evaluations.iter().filter(|point| drawable(point.mean));
        Plotted {
            curve: if model.panes.chart.smooth {
                smoothed(&curve, SMOOTHING)
            } else {
                curve
            },
            means: finite
                .map(|point| (point.step as f64, point.mean))
                .collect(),
            intervals: evaluations
                .iter()
                .skip(evaluations.len().saturating_sub(INTERVALS))
                .filter(|point| drawable(point.interval.0) && drawable(point.interval.1))
                .map(|point| {
                    let step = point.step as f64;
                    [(step, point.interval.0), (step, point.interval.1)]
                })
                .collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.curve
            .iter()
            .chain(&self.means)
            .chain(self.intervals.iter().flatten())
    }
}

fn draw_plot(model: &Model, frame: &mut Frame, area: Rect) {
    let [top, area] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    frame.render_widget(legend(model), top);
    if area.height < 3 || area.width < 12 {
        return;
    }
    let plotted = Plotted::of(model);
    let x_bounds = bounds(
        plotted
            .all()
            .map(|point| point.0)
            .chain(std::iter::once(0.0)),
    );
    let [low, high] = bounds(plotted.all().map(|point| point.1));
    let low = if low >= 0.0 && low < high * 0.6 {
        0.0
    } else {
        low
    };
    let y_marks = marks([low, high], if area.height >= 12 { 5 } else { 2 });
    let y_bounds = [y_marks[0], y_marks[y_marks.len() - 1]];
    let marker = if model.theme.unicode() {
        Marker::Braille
    } else {
        Marker::Dot
    };
    let line = |role: Role| {
        let graph = Dataset::default()
            .marker(marker)
            .graph_type(GraphType::Line);
        graph.style(model.theme.style(role))
    };
    let mut datasets = vec![line(Role::Series(0)).data(&plotted.curve)];
    for interval in &plotted.intervals {
        datasets.push(line(Role::Series(1)).data(interval));
    }
    let dots = Dataset::default()
        .marker(Marker::Dot)
        .graph_type(GraphType::Scatter);
    datasets.push(
        dots.style(model.theme.style(Role::Series(1)))
            .data(&plotted.means),
    );

    let x_parts = if area.width >= 60 { 4 } else { 2 };
    let x_labels = (0..=x_parts).map(|part| {
        let share = f64::from(part) / f64::from(x_parts);
        count((x_bounds[0] + (x_bounds[1] - x_bounds[0]) * share).round())
    });
    let y_labels = y_marks
        .iter()
        .map(|mark| format!("{:>6}", axis_label(*mark)));
    let axis = |bounds: [f64; 2], labels: Vec<String>| {
        ratatui::widgets::Axis::default()
            .bounds(bounds)
            .labels(labels)
            .style(model.theme.style(Role::Muted))
    };
    let chart = Chart::new(datasets)
        .legend_position(None)
        .x_axis(axis(x_bounds, x_labels.collect()))
        .y_axis(axis(y_bounds, y_labels.collect()));
    frame.render_widget(chart, area);
}

/// A round number without the zeros that would only pad it.
fn axis_label(value: f64) -> String {
    let text = number(value);
    if text.contains('.') && !text.contains('e') && text.ends_with('0') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

fn draw_curves(model: &Model, frame: &mut Frame, area: Rect, names: &[&str]) {
    if area.height == 0 || area.width < 8 {
        return;
    }
    let shown = shown_curve(model).map(|(name, ..)| name);
    let chosen = names.iter().position(|name| Some(*name) == shown);
    let visible = area.height as usize;
    let first = first_row(chosen.unwrap_or(0), names.len(), visible);
    let mut lines = Vec::new();
    for (index, name) in names.iter().enumerate().skip(first).take(visible) {
        if let Some(series) = model.detail.history.series(name) {
            lines.push(curve_line(
                model,
                name,
                series,
                chosen == Some(index),
                area.width as usize,
            ));
        }
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn curve_line<'a>(
    model: &Model,
    name: &str,
    series: &Series,
    chosen: bool,
    width: usize,
) -> Line<'a> {
    const LEVELS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let unicode = model.theme.unicode();
    let spark = if unicode && width >= 32 { 10 } else { 0 };
    let name_width = width.saturating_sub(2 + 9 + spark + usize::from(spark > 0));
    let last = series.last().map(|point| point.value);
    let name_role = match (chosen, model.focus == Pane::Metrics) {
        (true, true) => Role::Selected,
        (true, false) => Role::Series(0),
        (false, _) => Role::Text,
    };
    let mark = if chosen { ">" } else { " " };
    let mut spans = vec![
        Span::styled(format!("{mark} "), model.theme.style(Role::Series(0))),
        Span::styled(fit(name, name_width, unicode), model.theme.style(name_role)),
    ];
    if spark > 0 {
        let drawn: String = levels(&points(series), spark)
            .iter()
            .map(|level| LEVELS[(*level).min(7)])
            .collect();
        let text = format!(" {}", fit(&drawn, spark, true));
        spans.push(Span::styled(text, model.theme.style(Role::Series(0))));
    }
    let finite = last.is_none_or(f64::is_finite);
    let role = if finite { Role::Strong } else { Role::Bad };
    let value = last.map_or_else(|| "-".to_owned(), number);
    spans.push(Span::styled(format!("{value:>9}"), model.theme.style(role)));
    Line::from(spans)
}
