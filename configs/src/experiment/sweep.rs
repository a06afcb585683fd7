//! `[sweep]`: points of a grid, or drawn at random, over settings.

use toml::Spanned;
use toml::Value;
use toml::de::{DeTable, DeValue};

use crate::field::FieldKind;
use crate::origin::{ExperimentPart, Origin};
use crate::problem::Problem;
use crate::schema::Entry;

use super::section::{Located, Section, Source, duplicate, reserved, values, wrong};

/// Points that a sweep may have.
pub(super) const MOST_POINTS: u64 = 10_000;

/// The whole section.
#[derive(Debug, Clone)]
pub(super) struct SweepDraft {
    pub(super) axes: Vec<AxisDraft>,
    /// None: a grid.
    pub(super) random: Option<Random>,
    pub(super) origin: Origin,
}

/// How random points are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Random {
    pub(super) samples: u64,
    pub(super) seed: u64,
}

/// One of `[[sweep.axes]]`.
#[derive(Debug, Clone)]
pub(super) struct AxisDraft {
    pub(super) path: String,
    pub(super) origin: Origin,
    pub(super) range: AxisRange,
}

/// Where an axis takes its values from.
#[derive(Debug, Clone)]
pub(super) enum AxisRange {
    /// From a list; a random sweep draws each with the same chance.
    Values(Vec<Value>),
    /// Evenly between two numbers, both included.
    Between {
        low: f64,
        high: f64,
        /// Evenly in the logarithm.
        logarithmic: bool,
        /// Whole numbers only.
        whole: bool,
    },
}

/// One combination of values, in the order of the axes.
pub(super) type Point = Vec<Value>;

/// Reads the section.
pub(super) fn read_sweep(
    source: &Source<'_>,
    byte: usize,
    value: Spanned<DeValue<'_>>,
    problems: &mut Vec<Problem>,
) -> Option<SweepDraft> {
    let origin = source.origin(byte);
    let DeValue::Table(table) = value.into_inner() else {
        problems.push(
            Problem::error("sweep", "not a table")
                .origin(origin)
                .hint("write [sweep] with a kind and [[sweep.axes]] below"),
        );
        return None;
    };
    let mut section = Section::new("sweep", table);
    let random = read_kind(source, &mut section, &origin, problems);
    let drawn = matches!(random, Some(Some(_)));
    let axes = read_axes(source, &mut section, drawn, &origin, problems);
    section.finish(source, &["kind", "samples", "seed", "axes"], problems);
    Some(SweepDraft {
        axes,
        random: random?,
        origin,
    })
}

/// The outer option is none where the kind is wrong.
#[expect(clippy::option_option, reason = "a faulty kind is neither")]
fn read_kind(
    source: &Source<'_>,
    section: &mut Section<'_>,
    origin: &Origin,
    problems: &mut Vec<Problem>,
) -> Option<Option<Random>> {
    let kind = section.text(source, "kind", problems);
    let samples = section.whole(source, "samples", 1..=MOST_POINTS as i64, problems);
    let seed = section.whole(source, "seed", 0..=i64::MAX, problems);
    let word = kind.as_ref().map_or("grid", |kind| kind.value.as_str());
    match (word, samples) {
        ("grid", None) => Some(None),
        ("grid", Some(samples)) => {
            problems.push(
                Problem::error("sweep.samples", "a grid takes every combination")
                    .value(samples)
                    .origin(origin.clone())
                    .allowed("only with sweep.kind = random")
                    .hint("remove it, or write kind = \"random\""),
            );
            None
        }
        ("random", Some(samples)) => Some(Some(Random {
            samples,
            seed: seed.unwrap_or(1),
        })),
        ("random", None) => {
            problems.push(
                Problem::error("sweep.samples", "missing")
                    .origin(origin.clone())
                    .allowed(format!("a whole number from 1 to {MOST_POINTS}"))
                    .hint("write how many points are drawn: samples = 20"),
            );
            None
        }
        (other, _) => {
            let origin = kind.as_ref().map_or(origin, |kind| &kind.origin).clone();
            let value = Value::String(other.to_owned());
            problems.push(wrong("sweep.kind", &value, origin, "grid, random"));
            None
        }
    }
}

fn read_axes(
    source: &Source<'_>,
    section: &mut Section<'_>,
    drawn: bool,
    origin: &Origin,
    problems: &mut Vec<Problem>,
) -> Vec<AxisDraft> {
    let hint = "write [[sweep.axes]] with a path and values";
    let items = match section.take("axes") {
        Some((_, value)) => match value.into_inner() {
            DeValue::Array(items) if !items.is_empty() => items.into_iter().collect(),
            _ => Vec::new(),
        },
        None => Vec::new(),
    };
    if items.is_empty() {
        let problem = Problem::error("sweep.axes", "none").origin(origin.clone());
        problems.push(problem.hint(hint));
    }
    let mut axes: Vec<AxisDraft> = Vec::new();
    for item in items {
        let byte = item.span().start;
        let DeValue::Table(table) = item.into_inner() else {
            let problem = Problem::error("sweep.axes", "not a table").origin(source.origin(byte));
            problems.push(problem.hint(hint));
            continue;
        };
        let Some(axis) = read_axis(source, byte, table, drawn, problems) else {
            continue;
        };
        if axes.iter().any(|known| known.path == axis.path) {
            problems.push(duplicate("sweep.axes.path", &axis.path, axis.origin));
        } else {
            axes.push(axis);
        }
    }
    axes
}

fn read_axis(
    source: &Source<'_>,
    byte: usize,
    table: DeTable<'_>,
    drawn: bool,
    problems: &mut Vec<Problem>,
) -> Option<AxisDraft> {
    let mut section = Section::new("sweep.axes", table);
    let path = section.text(source, "path", problems);
    let list = section.take("values");
    let low = section.number(source, "min", problems);
    let high = section.number(source, "max", problems);
    let scale = section.text(source, "scale", problems);
    let known = ["path", "values", "min", "max", "scale"];
    section.finish(source, &known, problems);
    let Some(path) = path else {
        problems.push(
            Problem::error("sweep.axes.path", "missing")
                .origin(source.origin(byte))
                .hint("name the setting: path = \"algorithm.learning_rate\""),
        );
        return None;
    };
    let mut origin = path.origin;
    if let Origin::Experiment { part, .. } = &mut origin {
        *part = ExperimentPart::Sweep;
    }
    let path = path.value;
    if let Some(hint) = reserved(&path) {
        problems.push(
            Problem::error("sweep.axes.path", "cannot be swept")
                .value(&path)
                .origin(origin)
                .hint(hint),
        );
        return None;
    }
    if !source.schema.knows(&path) {
        problems.push(source.schema.unknown(&path, &origin));
        return None;
    }
    let range = match (list, low, high) {
        (Some((byte, value)), None, None) => {
            let values = values(source, "sweep.axes.values", byte, value, problems);
            let values = good_values(source, &path, values, problems);
            AxisRange::Values(values)
        }
        (None, Some(low), Some(high)) if drawn => {
            let logarithmic = read_scale(scale, problems)?;
            between(source, &path, &low, &high, logarithmic, problems)?
        }
        (None, Some(_), Some(_)) => {
            problems.push(
                Problem::error("sweep.axes", "a grid needs the values themselves")
                    .value(&path)
                    .origin(origin)
                    .allowed("values = [...]; min and max only with sweep.kind = random")
                    .hint("list the values, or write kind = \"random\" with samples"),
            );
            return None;
        }
        _ => {
            problems.push(
                Problem::error("sweep.axes", "no values to take")
                    .value(&path)
                    .origin(origin)
                    .allowed("either values = [...], or min and max together")
                    .hint("write one of the two"),
            );
            return None;
        }
    };
    Some(AxisDraft {
        path,
        origin,
        range,
    })
}

/// The values that the setting takes, without those that stand there twice.
fn good_values(
    source: &Source<'_>,
    path: &str,
    values: Vec<(usize, Value)>,
    problems: &mut Vec<Problem>,
) -> Vec<Value> {
    let mut good: Vec<Value> = Vec::new();
    for (byte, value) in values {
        let origin = source.part(ExperimentPart::Sweep, byte);
        let mut entries = Vec::new();
        let before = problems.len();
        let (schema, value_before) = (source.schema, value.clone());
        schema.open(path, value, &origin, &mut entries, problems);
        for entry in &mut entries {
            match source.fault(entry) {
                Some(problem) => problems.push(problem.origin(origin.clone())),
                // The form that the run holds: 1 becomes 1.0 where a number is wanted.
                None => {
                    if let Some(Ok(value)) =
                        schema.field(&entry.path).map(|f| f.check(&entry.value))
                    {
                        entry.value = value;
                    }
                }
            }
        }
        let value = match entries.as_slice() {
            [one] if one.path == path => one.value.clone(),
            _ => value_before,
        };
        if good.contains(&value) {
            problems.push(duplicate("sweep.axes.values", &value, origin));
        } else if problems.len() == before {
            good.push(value);
        }
    }
    good
}

fn read_scale(scale: Option<Located<String>>, problems: &mut Vec<Problem>) -> Option<bool> {
    match scale {
        None => Some(false),
        Some(scale) => match scale.value.as_str() {
            "linear" => Some(false),
            "log" => Some(true),
            _ => {
                let value = Value::String(scale.value);
                problems.push(wrong(
                    "sweep.axes.scale",
                    &value,
                    scale.origin,
                    "linear, log",
                ));
                None
            }
        },
    }
}

fn between(
    source: &Source<'_>,
    path: &str,
    low: &Located<f64>,
    high: &Located<f64>,
    logarithmic: bool,
    problems: &mut Vec<Problem>,
) -> Option<AxisRange> {
    let field = source.schema.field(path);
    let whole = match field.map(|field| field.kind) {
        Some(FieldKind::Integer { .. }) => true,
        Some(FieldKind::Number { .. }) => false,
        _ => {
            problems.push(
                Problem::error("sweep.axes", "only numbers lie between two others")
                    .value(path)
                    .origin(low.origin.clone())
                    .allowed("min and max for settings that are numbers")
                    .hint("list the values"),
            );
            return None;
        }
    };
    let before = problems.len();
    if low.value >= high.value {
        problems.push(
            Problem::error("sweep.axes.max", "not above the minimum")
                .value(high.value)
                .origin(high.origin.clone())
                .allowed(format!("a number above {}", low.value))
                .hint("swap the two, or change one"),
        );
    }
    if logarithmic && low.value <= 0.0 {
        problems.push(
            Problem::error("sweep.axes.min", "a logarithm needs numbers above 0")
                .value(low.value)
                .origin(low.origin.clone())
                .allowed("a number above 0 with scale = log")
                .hint("raise it, or write scale = \"linear\""),
        );
    }
    for end in [low, high] {
        let value = if whole {
            Value::Integer(end.value.round() as i64)
        } else {
            Value::Float(end.value)
        };
        if let Some(Err(problem)) = field.map(|field| field.check(&value)) {
            problems.push(problem.origin(end.origin.clone()));
        }
    }
    (problems.len() == before).then_some(AxisRange::Between {
        low: low.value,
        high: high.value,
        logarithmic,
        whole,
    })
}

impl SweepDraft {
    /// How many points there are before equal ones are taken together.
    pub(super) fn count(&self) -> u64 {
        match self.random {
            Some(random) => random.samples,
            None => self
                .axes
                .iter()
                .map(|axis| match &axis.range {
                    AxisRange::Values(values) => values.len() as u64,
                    AxisRange::Between { .. } => 0,
                })
                .fold(1, u64::saturating_mul),
        }
    }

    /// All points: of a grid the last axis fastest; of a random sweep in the order of the
    /// draws, the same for the same seed whatever the number of samples.
    pub(super) fn points(&self) -> Vec<Point> {
        match self.random {
            None => self.grid(),
            Some(random) => {
                let mut stream = Stream(random.seed);
                let mut points: Vec<Point> = Vec::new();
                for _ in 0..random.samples {
                    let point = self.axes.iter().map(|axis| stream.draw(&axis.range));
                    let point = point.collect();
                    if !points.contains(&point) {
                        points.push(point);
                    }
                }
                points
            }
        }
    }

    fn grid(&self) -> Vec<Point> {
        let mut points: Vec<Point> = vec![Vec::new()];
        for axis in &self.axes {
            let AxisRange::Values(values) = &axis.range else {
                return Vec::new();
            };
            points = points
                .iter()
                .flat_map(|point| {
                    values.iter().map(move |value| {
                        let mut longer = point.clone();
                        longer.push(value.clone());
                        longer
                    })
                })
                .collect();
        }
        points
    }

    /// The settings of a point.
    pub(super) fn entries(&self, source: &crate::schema::Schema, point: &Point) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (axis, value) in self.axes.iter().zip(point) {
            // Paths and values were checked when they were read.
            let mut known = Vec::new();
            source.open(
                &axis.path,
                value.clone(),
                &axis.origin,
                &mut entries,
                &mut known,
            );
        }
        entries
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): a few lines that never change, so that a seed
/// always means the same points.
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in [0, 1).
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn draw(&mut self, range: &AxisRange) -> Value {
        let share = self.share();
        match range {
            AxisRange::Values(values) => {
                let index = (share * values.len() as f64) as usize;
                values.get(index).cloned().unwrap_or(Value::Boolean(false))
            }
            AxisRange::Between {
                low,
                high,
                whole: true,
                logarithmic,
            } => {
                // Every whole number gets an equal part of the line.
                let drawn = scaled(low - 0.5, high + 0.5, share, *logarithmic);
                Value::Integer(drawn.round().clamp(low.ceil(), high.floor()) as i64)
            }
            AxisRange::Between {
                low,
                high,
                logarithmic,
                ..
            } => {
                let drawn = scaled(*low, *high, share, *logarithmic);
                Value::Float(shortened(drawn).clamp(*low, *high))
            }
        }
    }
}

fn scaled(low: f64, high: f64, share: f64, logarithmic: bool) -> f64 {
    if logarithmic {
        let (low, high) = (low.max(f64::MIN_POSITIVE).ln(), high.ln());
        (low + (high - low) * share).exp()
    } else {
        low + (high - low) * share
    }
}

/// Four digits are enough for a draw, and can be read and typed again.
fn shortened(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(range: AxisRange) -> AxisDraft {
        AxisDraft {
            path: "x".to_owned(),
            origin: Origin::Default,
            range,
        }
    }

    fn sweep(random: Option<Random>, axes: Vec<AxisRange>) -> SweepDraft {
        SweepDraft {
            axes: axes.into_iter().map(axis).collect(),
            random,
            origin: Origin::Default,
        }
    }

    #[test]
    fn a_grid_takes_every_combination_last_axis_fastest() {
        let values = |numbers: &[i64]| {
            AxisRange::Values(numbers.iter().copied().map(Value::Integer).collect())
        };
        let grid = sweep(None, vec![values(&[1, 2]), values(&[7, 8, 9])]);
        assert_eq!(grid.count(), 6);
        let points: Vec<Vec<i64>> = grid
            .points()
            .iter()
            .map(|point| point.iter().filter_map(Value::as_integer).collect())
            .collect();
        assert_eq!(
            points,
            [[1, 7], [1, 8], [1, 9], [2, 7], [2, 8], [2, 9]].map(Vec::from)
        );
    }

    #[test]
    fn draws_are_seeded_within_range_and_a_longer_sweep_begins_with_the_shorter() {
        let axes = || {
            vec![
                AxisRange::Between {
                    low: 1e-5,
                    high: 1e-1,
                    logarithmic: true,
                    whole: false,
                },
                AxisRange::Between {
                    low: 1.0,
                    high: 4.0,
                    logarithmic: false,
                    whole: true,
                },
            ]
        };
        let points = |samples, seed| sweep(Some(Random { samples, seed }), axes()).points();
        let (twenty, many) = (points(20, 3), points(400, 3));
        assert_eq!(twenty[..], many[..20]);
        assert_ne!(twenty, points(20, 4));
        let logs: Vec<f64> = many.iter().filter_map(|p| p[0].as_float()).collect();
        assert!(logs.iter().all(|value| (1e-5..=1e-1).contains(value)));
        // Evenly in the logarithm: half of the draws lie below the geometric middle 1e-3.
        let below = logs.iter().filter(|value| **value < 1e-3).count();
        assert!((160..=240).contains(&below), "{below}");
        for whole in 1..=4 {
            let hits = many
                .iter()
                .filter(|p| p[1] == Value::Integer(whole))
                .count();
            assert!((60..=140).contains(&hits), "{whole}: {hits}");
        }
    }
}
