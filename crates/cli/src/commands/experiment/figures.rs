//! The report's plots and the curves for the terminal.

use tracking::report::{Cell, CurvePoint, Report, Variant};
use tracking::statistics::Interval;
use tui::text_chart::{NamedCurve, text_chart};

use crate::plot::{Figure, Series, Style, bars};
use crate::surroundings;

/// Values of a swept setting that get evenly spaced names; more are placed by their size.
const MOST_NAMES: usize = 12;

/// File names and contents of all plots.
pub(super) fn plots(report: &Report) -> Vec<(String, Vec<u8>)> {
    let mut plots = Vec::new();
    let mut add = |name: String, figure: &Figure| {
        if !figure.is_empty() {
            plots.push((format!("{name}.png"), figure.to_png()));
        }
    };
    for task in &report.tasks {
        add(
            format!("return-{}", slug(task)),
            &curves(report, task, None),
        );
        for measure in report.measure_names() {
            let name = format!("{}-{}", slug(measure), slug(task));
            add(name, &curves(report, task, Some(measure)));
        }
        for axis in report.axes() {
            let last = axis.rsplit('.').next().unwrap_or_default();
            let name = |what: &str| format!("sweep-{}-{what}-{}", slug(last), slug(task));
            add(name("return"), &sweep(report, task, &axis, None));
            for measure in report.measure_names() {
                add(
                    name(&slug(measure)),
                    &sweep(report, task, &axis, Some(measure)),
                );
            }
        }
    }
    add("performance_profile".to_owned(), &profiles(report));
    let rows: Vec<(String, Interval)> = report
        .overall
        .aggregates
        .iter()
        .map(|one| (report.variants[one.variant].name(), one.interquartile_mean))
        .collect();
    if !rows.is_empty() {
        let title = format!("{}: IQM of normalised returns, 95% interval", report.name);
        let drawn = bars(&title, "interquartile mean over all tasks and seeds", &rows);
        plots.push(("iqm.png".to_owned(), drawn));
    }
    plots
}

/// Letters that any file system takes.
fn slug(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
            '.' | '_' => letter,
            _ => '-',
        })
        .collect()
}

fn cells<'a>(report: &'a Report, task: &str) -> impl Iterator<Item = &'a Cell> {
    let task = task.to_owned();
    report.cells.iter().filter(move |cell| cell.task == task)
}

/// The return, or a measure, over environment steps.
fn curves(report: &Report, task: &str, measure: Option<&str>) -> Figure {
    let series = cells(report, task).filter_map(|cell| {
        let curve: &[CurvePoint] = match measure {
            None => &cell.curve,
            Some(name) => &cell.measure(name)?.curve,
        };
        (!curve.is_empty()).then(|| Series {
            label: report.variants[cell.variant].name(),
            points: curve
                .iter()
                .map(|point| (point.step as f64, point.mean))
                .collect(),
            style: Style::Band,
        })
    });
    Figure {
        title: format!("{task}: mean over seeds, 95% interval"),
        x_label: "environment steps".to_owned(),
        y_label: measure.unwrap_or("return").to_owned(),
        series: series.collect(),
        x_names: Vec::new(),
    }
}

/// What a cell came to: the interquartile mean of its returns, or a measure of its last
/// evaluation of all.
fn outcome(cell: &Cell, measure: Option<&str>) -> Option<Interval> {
    let Some(name) = measure else {
        return Some(cell.interquartile_mean);
    };
    let measure = cell.measure(name)?;
    let over = measure.absolute.as_ref().or(measure.last.as_ref())?;
    Some(over.mean)
}

/// A variant's value on an axis, and the name of the line it belongs to.
fn on_axis<'a>(variant: &'a Variant, axis: &str) -> Option<(&'a str, String)> {
    let (_, value) = variant.point.iter().find(|(path, _)| path == axis)?;
    let rest = variant.point.iter().filter(|(path, _)| path != axis);
    let rest: Vec<String> = rest
        .map(|(path, value)| {
            let name = path.rsplit('.').next().unwrap_or_default();
            format!("{name}={value}")
        })
        .collect();
    let name = format!("{} {}", variant.method, rest.join(" "));
    Some((value, name.trim_end().to_owned()))
}

/// An outcome over the values of a swept setting; methods without it are level lines.
fn sweep(report: &Report, task: &str, axis: &str, measure: Option<&str>) -> Figure {
    let scale = Scale::new(report, task, axis);
    let drawn_at_random = !scale.evenly;
    let mut series: Vec<Series> = Vec::new();
    for cell in cells(report, task) {
        let Some(value) = outcome(cell, measure) else {
            continue;
        };
        let variant = &report.variants[cell.variant];
        let (label, points) = match on_axis(variant, axis) {
            Some((at, name)) => {
                let Some(at) = scale.place(at) else { continue };
                let name = if drawn_at_random {
                    variant.method.clone()
                } else {
                    name
                };
                (name, vec![(at, value)])
            }
            None => {
                let [low, high] = scale.ends();
                (variant.name(), vec![(low, value), (high, value)])
            }
        };
        match series.iter_mut().find(|known| known.label == label) {
            Some(known) => known.points.extend(points),
            None => series.push(Series {
                label,
                style: match (points.len(), drawn_at_random) {
                    (2, _) => Style::Band,
                    (_, true) => Style::Dots,
                    (_, false) => Style::Marks,
                },
                points,
            }),
        }
    }
    for one in &mut series {
        one.points.sort_by(|left, right| left.0.total_cmp(&right.0));
    }
    Figure {
        title: format!("{task}: 95% interval over seeds"),
        x_label: axis.to_owned(),
        y_label: measure.map_or("return (absolute IQM)".to_owned(), str::to_owned),
        series,
        x_names: scale.names,
    }
}

/// Where the values of a swept setting lie.
struct Scale {
    /// Values in order, few enough to be evenly spaced.
    values: Vec<String>,
    evenly: bool,
    logarithmic: bool,
    names: Vec<(f64, String)>,
}

impl Scale {
    fn new(report: &Report, task: &str, axis: &str) -> Self {
        let mut values: Vec<String> = Vec::new();
        for cell in cells(report, task) {
            if let Some((value, _)) = on_axis(&report.variants[cell.variant], axis)
                && !values.iter().any(|known| known == value)
            {
                values.push(value.to_owned());
            }
        }
        let numbers: Option<Vec<f64>> = values.iter().map(|value| value.parse().ok()).collect();
        if numbers.is_some() {
            let number = |value: &String| value.parse::<f64>().unwrap_or(f64::NAN);
            values.sort_by(|left, right| number(left).total_cmp(&number(right)));
        }
        let evenly = values.len() <= MOST_NAMES || numbers.is_none();
        let low = numbers
            .iter()
            .flatten()
            .copied()
            .fold(f64::INFINITY, f64::min);
        let high = numbers.iter().flatten().copied().fold(0.0, f64::max);
        let logarithmic = !evenly && low > 0.0 && high / low > 50.0;
        let names = if evenly {
            let named = values.iter().enumerate();
            named
                .map(|(at, value)| (at as f64, value.clone()))
                .collect()
        } else if logarithmic {
            let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
            powers
                .map(|power| (f64::from(power), format!("1e{power}")))
                .collect()
        } else {
            Vec::new()
        };
        Scale {
            values,
            evenly,
            logarithmic,
            names,
        }
    }

    fn place(&self, value: &str) -> Option<f64> {
        if self.evenly {
            let at = self.values.iter().position(|known| known == value)?;
            return Some(at as f64);
        }
        let number: f64 = value.parse().ok()?;
        Some(if self.logarithmic {
            number.log10()
        } else {
            number
        })
    }

    fn ends(&self) -> [f64; 2] {
        let place = |value: Option<&String>| value.and_then(|value| self.place(value));
        [
            place(self.values.first()).unwrap_or(0.0),
            place(self.values.last()).unwrap_or(1.0),
        ]
    }
}

fn profiles(report: &Report) -> Figure {
    let series = report.overall.profiles.iter().map(|profile| Series {
        label: report.variants[profile.variant].name(),
        points: profile.points.clone(),
        style: Style::Band,
    });
    Figure {
        title: format!("{}: performance profiles, 95% interval", report.name),
        x_label: "normalised return".to_owned(),
        y_label: "share of runs above".to_owned(),
        series: series.collect(),
        x_names: Vec::new(),
    }
}

/// The return of every task over the steps, as text.
pub(super) fn terminal(report: &Report) -> String {
    let mut text = String::new();
    for task in &report.tasks {
        let named: Vec<NamedCurve> = cells(report, task)
            .map(|cell| NamedCurve {
                name: report.variants[cell.variant].name(),
                points: cell
                    .curve
                    .iter()
                    .map(|point| (point.step as f64, point.mean.estimate))
                    .collect(),
            })
            .collect();
        if named.is_empty() {
            continue;
        }
        let title = format!("{task}: return over environment steps");
        text.push_str(&text_chart(
            &title,
            &named,
            76,
            14,
            surroundings::of_stdout(),
        ));
        text.push('\n');
    }
    text
}
