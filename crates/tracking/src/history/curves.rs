//! The curves of a run, found by name and axis.

use crate::event::{Axis, Progress};
use crate::series::{Point, Series};

/// Points kept of all thinned curves together; more curves get fewer each.
const ALL_POINTS: usize = 400_000;
/// A thinned curve gets at least so many points.
const FEWEST_POINTS: usize = 64;
/// Thinned curves kept; a run that invents names without end fills no memory.
const MOST_CURVES: usize = 2_000;

/// Curves in the order of name and axis.
#[derive(Debug, Clone, Default)]
pub(super) struct Curves {
    list: Vec<Curve>,
    limit: Option<usize>,
    refused: u64,
    /// The curve of the last point.
    last: usize,
}

#[derive(Debug, Clone)]
struct Curve {
    name: String,
    axis: Axis,
    series: Series,
    /// The curve that was reported after this one the last time. A worker reports its
    /// curves in the same order again and again, so this is nearly always right.
    next: usize,
}

/// The guesses count for nothing: they only make the search short.
impl PartialEq for Curves {
    fn eq(&self, other: &Self) -> bool {
        self.limit == other.limit && self.refused == other.refused && self.iter().eq(other.iter())
    }
}

impl Curves {
    pub(super) fn thinned(limit: usize) -> Self {
        Self {
            limit: Some(limit),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, name: &str, axis: Axis, point: Point) {
        let is_it = |curve: &Curve| curve.axis == axis && curve.name == name;
        let guess = self.list.get(self.last).map_or(0, |curve| curve.next);
        let at = if self.list.get(guess).is_some_and(is_it) {
            guess
        } else {
            match self.place(name, axis) {
                Ok(at) => at,
                Err(_) if self.limit.is_some() && self.list.len() >= MOST_CURVES => {
                    self.refused += 1;
                    return;
                }
                Err(at) => self.insert(at, name, axis),
            }
        };
        if let Some(before) = self.list.get_mut(self.last) {
            before.next = at;
        }
        self.last = at;
        self.list[at].series.push(point);
    }

    fn place(&self, name: &str, axis: Axis) -> Result<usize, usize> {
        self.list
            .binary_search_by(|curve| (curve.name.as_str(), curve.axis).cmp(&(name, axis)))
    }

    fn insert(&mut self, at: usize, name: &str, axis: Axis) -> usize {
        let most = ALL_POINTS / (self.list.len() + 1);
        let limit = self.limit.map(|limit| limit.min(most).max(FEWEST_POINTS));
        if let Some(limit) = limit {
            for curve in &mut self.list {
                curve.series.lower_limit(limit);
            }
        }
        let curve = Curve {
            name: name.to_owned(),
            axis,
            series: limit.map_or_else(Series::new, Series::thinned),
            next: at,
        };
        self.list.insert(at, curve);
        at
    }

    /// The curve of a name; on the first of its axes where it has several.
    pub(super) fn named(&self, name: &str) -> Option<&Series> {
        let at = match self.place(name, Axis::EnvSteps) {
            Ok(at) | Err(at) => at,
        };
        let curve = self.list.get(at)?;
        (curve.name == name).then_some(&curve.series)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Axis, &Series)> {
        self.list
            .iter()
            .map(|curve| (curve.name.as_str(), curve.axis, &curve.series))
    }

    pub(super) fn resume_at(&mut self, position: &Progress) {
        for curve in &mut self.list {
            curve.series.resume_at(position.on(curve.axis));
        }
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// A point of a curve of which only samples are known. Where the run went back, a
    /// resume lies between two samples.
    pub(super) fn push_sample(&mut self, name: &str, axis: Axis, point: Point) {
        if let Ok(at) = self.place(name, axis)
            && let Some(last) = self.list[at].series.last()
            && point.step < last.step
        {
            self.list[at].series.resume_at(point.step);
        }
        self.push(name, axis, point);
    }
}
