//! The curves of compared runs: one each, or a band over the seeds of a group.

use tracking::statistics::{Bootstrap, mean};
use tracking::{Axis, History, Progress};

use super::{BandPoint, EVALUATION, Group, Member, Request, band, groups};
use crate::curve::axes::{Axes, XAxis};
use crate::curve::smoothed;
use crate::model::EvaluationPoint;
use crate::widgets::plot::{Curve, Dot};

/// Evaluations of one run that are drawn with their intervals.
const INTERVALS: usize = 60;

/// The curve of a run or of a group, ready to draw and to export.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComparedCurve {
    /// What is drawn.
    pub curve: Curve,
    /// Seeds behind each point, for a band.
    pub band: Vec<BandPoint>,
    /// Runs behind it.
    pub runs: Vec<String>,
}

/// Everything that a comparison of curves shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Runs of one configuration.
    pub groups: Vec<Group>,
    /// A curve per group or per run.
    pub curves: Vec<ComparedCurve>,
    /// What the x axis counts.
    pub axis: XAxis,
    /// What is missing, and why.
    pub notes: Vec<String>,
}

/// The metrics that at least one run has: the evaluations first, then by name.
#[must_use]
pub fn metrics(members: &[Member<'_>]) -> Vec<String> {
    let mut names: Vec<String> = members
        .iter()
        .flat_map(|member| member.history.all_series())
        .map(|(name, ..)| name.to_owned())
        .collect();
    names.sort();
    names.dedup();
    let evaluated = |member: &Member<'_>| member.history.interval_evaluations().next().is_some();
    if members.iter().any(evaluated) {
        names.insert(0, EVALUATION.to_owned());
    }
    names
}

/// The points of a run's curve over an axis, and what to say of it.
///
/// # Errors
/// Why there is nothing to show: no such curve, or nothing that tells its positions.
pub fn history_curve(
    history: &History,
    axes: &Axes<'_>,
    metric: &str,
    axis: XAxis,
) -> Result<Vec<(f64, f64)>, String> {
    if metric == EVALUATION {
        let evaluations = history.interval_evaluations();
        let mut points: Vec<(f64, f64)> = evaluations
            .filter_map(|one| {
                let x = axes.position(&one.progress, one.time, axis)?;
                Some((x, mean(&one.returns)))
            })
            .collect();
        points.sort_by(|left, right| left.0.total_cmp(&right.0));
        return if points.is_empty() && history.interval_evaluations().next().is_some() {
            Err(no_axis(axis))
        } else if points.is_empty() {
            Err("no evaluation yet".to_owned())
        } else {
            Ok(points)
        };
    }
    let found = history.all_series().find(|(name, ..)| *name == metric);
    let Some((_, own, series)) = found else {
        return Err(format!("no curve {metric}"));
    };
    placed(&series.points(), own, axes, axis)
}

/// Points over an axis.
///
/// # Errors
/// None of them has a position there.
pub(crate) fn placed(
    points: &[tracking::series::Point],
    own: Axis,
    axes: &Axes<'_>,
    axis: XAxis,
) -> Result<Vec<(f64, f64)>, String> {
    let positions = axes.positions(points, own, axis);
    let placed: Vec<(f64, f64)> = points
        .iter()
        .zip(positions)
        .filter_map(|(point, x)| Some((x?, point.value)))
        .collect();
    if placed.is_empty() && !points.is_empty() {
        return Err(no_axis(axis));
    }
    Ok(placed)
}

fn no_axis(axis: XAxis) -> String {
    format!("nothing tells its {}", axis.title())
}

/// Lays the curves of runs over each other: one each, or a band per group of seeds.
#[must_use]
pub fn compare(members: &[Member<'_>], request: &Request) -> Comparison {
    let groups = groups(members);
    let axis = request.axis(members);
    let mut notes = Vec::new();
    let mut own: Vec<Option<Vec<(f64, f64)>>> = Vec::new();
    for member in members {
        let now = (member.progress != Progress::default()).then_some(member.progress);
        let axes = Axes::of(member.history, now);
        match history_curve(member.history, &axes, &request.metric, axis) {
            Ok(points) => own.push(Some(points)),
            Err(why) => {
                notes.push(format!("{}: {why}", member.id));
                own.push(None);
            }
        }
        notes.extend(missing_note(member, &request.metric));
    }
    let curves = if request.fold {
        folded(members, &groups, &own, request, axis, &mut notes)
    } else {
        single(members, &groups, &own, request, axis)
    };
    Comparison {
        groups,
        curves,
        axis,
        notes,
    }
}

fn missing_note(member: &Member<'_>, metric: &str) -> Option<String> {
    let series = member.history.series(metric)?;
    let badge = crate::curve::badge(series)?;
    Some(format!("{}: {badge}", member.id))
}

fn folded(
    members: &[Member<'_>],
    groups: &[Group],
    own: &[Option<Vec<(f64, f64)>>],
    request: &Request,
    axis: XAxis,
    notes: &mut Vec<String>,
) -> Vec<ComparedCurve> {
    let bootstrap = Bootstrap {
        resamples: request.resamples,
        ..Bootstrap::default()
    };
    let mut curves = Vec::new();
    for (series, group) in groups.iter().enumerate() {
        let with_points = || {
            let all = group.members.iter();
            all.filter_map(|index| Some((&members[*index], own[*index].as_ref()?)))
        };
        let seeds: Vec<Vec<(f64, f64)>> = with_points()
            .map(|(_, points)| smoothed(points, request.smooth))
            .collect();
        if seeds.is_empty() {
            continue;
        }
        let band = band(&seeds, request.centre, request.points, &bootstrap);
        let (name, total) = (&group.name, seeds.len());
        if let Some(x) = thinner_from(&band, total) {
            let x = axis.label(x);
            notes.push(format!("{name}: fewer than {total} seeds from {x} on"));
        }
        let different = super::seeds(with_points().map(|(member, _)| member));
        let runs = if total == different {
            String::new()
        } else {
            notes.push(format!(
                "{name}: {total} runs of {different} {}: equal seeds say nothing of the spread over seeds",
                if different == 1 { "seed" } else { "seeds" }
            ));
            format!("{total} runs, ")
        };
        let ends = band
            .iter()
            .filter(|point| point.interval.low.is_finite() && point.interval.high.is_finite());
        curves.push(ComparedCurve {
            curve: Curve {
                name: match different {
                    1 => format!("{name} ({runs}1 seed)"),
                    different => format!("{name} ({runs}{different} seeds)"),
                },
                series,
                points: band
                    .iter()
                    .map(|point| (point.x, point.interval.estimate))
                    .collect(),
                band: ends
                    .map(|point| (point.x, point.interval.low, point.interval.high))
                    .collect(),
                ..Curve::default()
            },
            runs: group
                .members
                .iter()
                .map(|index| members[*index].id.clone())
                .collect(),
            band,
        });
    }
    curves
}

/// Where some seeds end before the others; seeds that end within a hundredth of each other
/// end together.
fn thinner_from(band: &[BandPoint], seeds: usize) -> Option<f64> {
    let last_whole = band.iter().rposition(|point| point.seeds == seeds)?;
    let (first, last) = (band.first()?.x, band.last()?.x);
    let rest = last - band[last_whole].x;
    let next = band.get(last_whole + 1)?;
    (rest > (last - first) * 0.01).then_some(next.x)
}

fn single(
    members: &[Member<'_>],
    groups: &[Group],
    own: &[Option<Vec<(f64, f64)>>],
    request: &Request,
    axis: XAxis,
) -> Vec<ComparedCurve> {
    let order = groups.iter().flat_map(|group| &group.members);
    order
        .enumerate()
        .filter_map(|(series, index)| {
            let (member, points) = (&members[*index], own[*index].as_ref()?);
            let smooth = request.smooth > 0.0;
            Some(ComparedCurve {
                curve: Curve {
                    name: unfolded_name(members, member),
                    series,
                    raw: if smooth { points.clone() } else { Vec::new() },
                    points: smoothed(points, request.smooth),
                    dots: evaluation_dots(member, request, axis),
                    ..Curve::default()
                },
                band: Vec::new(),
                runs: vec![member.id.clone()],
            })
        })
        .collect()
}

/// The name, where it is the only one of its kind; else the id.
pub(crate) fn unfolded_name(members: &[Member<'_>], member: &Member<'_>) -> String {
    let alike = members.iter().filter(|other| other.name == member.name);
    if alike.count() == 1 {
        return member.name.clone();
    }
    let seeded = |one: &Member<'_>| one.seed.map(|seed| format!("{} seed {seed}", one.name));
    match seeded(member) {
        Some(name)
            if members
                .iter()
                .filter(|one| seeded(one).as_ref() == Some(&name))
                .count()
                == 1 =>
        {
            name
        }
        _ => member.id.clone(),
    }
}

fn evaluation_dots(member: &Member<'_>, request: &Request, axis: XAxis) -> Vec<Dot> {
    if request.metric != EVALUATION || request.smooth > 0.0 {
        return Vec::new();
    }
    let axes = Axes::of(member.history, None);
    let evaluations: Vec<_> = member.history.interval_evaluations().collect();
    if evaluations.len() > INTERVALS {
        return Vec::new();
    }
    evaluations
        .into_iter()
        .filter_map(|one| {
            let x = axes.position(&one.progress, one.time, axis)?;
            let point = EvaluationPoint::of(one.progress.step, &one.returns, one.measure());
            Some(Dot {
                x,
                y: point.mean,
                low: point.interval.0,
                high: point.interval.1,
            })
        })
        .collect()
}
