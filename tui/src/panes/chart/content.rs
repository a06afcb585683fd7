//! What the chart shows: curves of the selected run over the chosen axis.

use tracking::series::Series;
use tracking::{Axis, Progress};

use super::curve_names;
use crate::curve::axes::{Axes, XAxis};
use crate::curve::smoothed;
use crate::model::{EvaluationPoint, Model};
use crate::run::RunSummary;
use crate::widgets::plot::{Curve, Dot, Plot, View, Window};

/// Evaluations whose intervals are drawn as bars; earlier ones are left out.
const INTERVALS: usize = 60;
/// The name of the evaluations in legend and readout.
pub(super) const EVALUATION: &str = "evaluation, 95% interval";

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
    chosen
        .or_else(|| model.detail.main_curve().and_then(find))
        .or_else(|| curve_names(model).first().copied().and_then(find))
}

/// Whether the chart shows returns, so that evaluation points belong in it.
#[must_use]
pub fn shows_return(model: &Model) -> bool {
    let main = model.detail.main_curve();
    // The loss of a fine-tuning is no score.
    let scored = main.is_none_or(|name| !name.starts_with("finetune/"));
    scored
        && match model.panes.chart.curve.as_deref() {
            None => true,
            Some(name) => Some(name) == main,
        }
}

/// Where a run is, as its status tells it.
pub(crate) fn progress(run: &RunSummary) -> Progress {
    Progress {
        step: run.step.max(0.0) as u64,
        updates: run.updates.max(0.0) as u64,
        tokens: run.tokens.max(0.0) as u64,
        seconds: run.seconds,
    }
}

/// How the plot is looked at: over the chosen axis, else over the curve's own.
pub(super) fn view(model: &Model) -> View {
    let own = shown_curve(model).map(|(_, own, _)| own);
    view_over(model, own)
}

fn view_over(model: &Model, own: Option<Axis>) -> View {
    let state = &model.panes.chart;
    let axis = state.axis.or(own.map(XAxis::of)).unwrap_or_default();
    // A window and a readout on another axis mean nothing on this one.
    state.view.over(axis)
}

/// The selected run's positions on every axis.
pub(super) fn axes(model: &Model) -> Axes<'_> {
    Axes::of(&model.detail.history, model.run().map(progress))
}

/// The names of the curves drawn together: the chosen one first.
pub(super) fn drawn_names(model: &Model) -> Vec<&str> {
    let chosen = shown_curve(model).map(|(name, ..)| name);
    let overlaid = &model.panes.chart.overlaid;
    let others = curve_names(model)
        .into_iter()
        .filter(|name| overlaid.contains(*name) && Some(*name) != chosen);
    chosen.into_iter().chain(others).collect()
}

/// The plot of the chosen curve, with what is drawn over it.
#[must_use]
pub fn plot(model: &Model) -> Plot {
    let (axes, view) = (axes(model), view(model));
    let mut curves = Vec::new();
    for (index, name) in drawn_names(model).into_iter().enumerate() {
        // The second series belongs to the evaluations.
        let series = if index == 0 { 0 } else { index + 1 };
        curves.extend(curve(model, &axes, &view, name, series));
    }
    if shows_return(model) {
        let dots = evaluations(model, &axes, view.axis);
        if !dots.is_empty() {
            curves.push(Curve {
                name: EVALUATION.to_owned(),
                series: 1,
                dots,
                ..Curve::default()
            });
        }
    }
    Plot { curves, view }
}

/// The plot of one curve alone, for a page of small ones.
pub(super) fn small_plot(model: &Model, axes: &Axes<'_>, name: &str) -> Plot {
    let mut all = model.detail.history.all_series();
    let own = all
        .find(|(found, ..)| *found == name)
        .map(|(_, own, _)| own);
    let view = view_over(model, own);
    Plot {
        curves: curve(model, axes, &view, name, 0).into_iter().collect(),
        view,
    }
}

/// One curve over the chosen axis; `None` where nothing tells its positions there.
fn curve(model: &Model, axes: &Axes<'_>, view: &View, name: &str, index: usize) -> Option<Curve> {
    let mut all = model.detail.history.all_series();
    let (_, own, series) = all.find(|(found, ..)| *found == name)?;
    // A part of the curve is shown with every point that is still known.
    let points = if view.window == Window::Whole {
        series.points()
    } else {
        series.detailed()
    };
    let placed: Vec<(f64, f64)> = axes
        .positions(&points, own, view.axis)
        .into_iter()
        .zip(&points)
        .filter_map(|(x, point)| Some((x?, point.value)))
        .collect();
    if placed.is_empty() {
        return None;
    }
    let weight = model.panes.chart.weight();
    Some(Curve {
        name: name.to_owned(),
        series: index,
        points: smoothed(&placed, weight),
        raw: if weight > 0.0 { placed } else { Vec::new() },
        ..Curve::default()
    })
}

fn evaluations(model: &Model, axes: &Axes<'_>, axis: XAxis) -> Vec<Dot> {
    let points = &model.detail.evaluations;
    let latest = points.iter().skip(points.len().saturating_sub(INTERVALS));
    latest
        .filter_map(|point| {
            Some(Dot {
                x: position(model, axes, point, axis)?,
                y: point.mean,
                low: point.interval.0,
                high: point.interval.1,
            })
        })
        .collect()
}

fn position(model: &Model, axes: &Axes<'_>, point: &EvaluationPoint, axis: XAxis) -> Option<f64> {
    if axis == XAxis::Steps {
        return Some(point.step as f64);
    }
    let evaluations = &model.detail.history.evaluations;
    let found = evaluations
        .iter()
        .rev()
        .find(|one| one.progress.step == point.step)?;
    axes.position(&found.progress, found.time, axis)
}
