//! Curves in a window: from data to drawn cells, as plain data and pure functions.
//!
//! A [`Plot`] holds the curves and how they are looked at. [`Plot::frame`] decides the
//! limits and the marks, [`draw`] puts cells into a buffer, [`svg`] writes a picture.

use crate::curve::axes::XAxis;
use crate::curve::drawable;

mod canvas;
mod drawing;
mod frame;
mod picture;

pub use drawing::{Layout, draw, glyph, layout};
pub use frame::{Frame, Hidden};
pub use picture::svg;

/// A moment with an interval, such as one evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dot {
    /// Position.
    pub x: f64,
    /// Value.
    pub y: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
}

/// One curve of a plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// What it is.
    pub name: String,
    /// Its colour and marker.
    pub series: usize,
    /// (x, y), x ascending; what cannot be drawn breaks the line.
    pub points: Vec<(f64, f64)>,
    /// The values before smoothing, drawn faintly; empty when the points are those.
    pub raw: Vec<(f64, f64)>,
    /// (x, low, high) of a band around the line.
    pub band: Vec<(f64, f64, f64)>,
    /// Moments with intervals.
    pub dots: Vec<Dot>,
}

impl Curve {
    /// Every position, of all parts.
    fn xs(&self) -> impl Iterator<Item = f64> + '_ {
        let points = self.points.iter().chain(&self.raw).map(|point| point.0);
        let dots = self.dots.iter().map(|dot| dot.x);
        points
            .chain(self.band.iter().map(|part| part.0))
            .chain(dots)
    }

    /// Every (position, value), of all parts.
    fn values(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let points = self.points.iter().chain(&self.raw).copied();
        let band = self
            .band
            .iter()
            .flat_map(|(x, low, high)| [(*x, *low), (*x, *high)]);
        let dots = self
            .dots
            .iter()
            .flat_map(|dot| [dot.y, dot.low, dot.high].map(|y| (dot.x, y)));
        points.chain(band).chain(dots)
    }

    /// Every (position, value) that was measured.
    fn measured(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let line = if self.raw.is_empty() {
            &self.points
        } else {
            &self.raw
        };
        let dots = self.dots.iter().map(|dot| (dot.x, dot.y));
        line.iter().copied().chain(dots)
    }

    /// The value nearest to a position, with where it is: `None` further than `beyond`
    /// outside the curve's range, so that nothing is read where nothing was measured.
    #[must_use]
    pub fn read(&self, x: f64, beyond: f64) -> Option<(f64, f64)> {
        let dots: Vec<(f64, f64)> = self.dots.iter().map(|dot| (dot.x, dot.y)).collect();
        let points = if self.points.is_empty() {
            &dots
        } else {
            &self.points
        };
        let (first, last) = (points.first()?.0, points.last()?.0);
        if !(first - beyond..=last + beyond).contains(&x) {
            return None;
        }
        let after = points.partition_point(|point| point.0 < x);
        let right = points.get(after).copied();
        let left = after.checked_sub(1).and_then(|index| points.get(index));
        match (left.copied(), right) {
            (Some(left), Some(right)) if x - left.0 < right.0 - x => Some(left),
            (left, right) => right.or(left),
        }
    }
}

/// Which part of the x axis is shown.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Window {
    /// Everything.
    #[default]
    Whole,
    /// The last part, in percent; it follows a running job.
    Last(u8),
    /// From here to there, as zoomed or dragged.
    Span(f64, f64),
}

/// The smallest share of the whole that can be zoomed to.
const CLOSEST: f64 = 1e-4;

impl Window {
    /// The next of the fixed windows: whole, the last half, fifth, twentieth.
    #[must_use]
    pub fn next(self) -> Window {
        match self {
            Window::Whole => Window::Last(50),
            Window::Last(50) => Window::Last(20),
            Window::Last(20) => Window::Last(5),
            Window::Last(_) | Window::Span(..) => Window::Whole,
        }
    }

    /// In words; nothing for the whole.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Window::Whole => String::new(),
            Window::Last(percent) => format!("last {percent}%"),
            Window::Span(..) => "zoomed".to_owned(),
        }
    }

    /// The limits within the extent of the data, with a width above zero.
    #[must_use]
    pub fn range(self, extent: [f64; 2]) -> [f64; 2] {
        let [low, high] = extent;
        match self {
            Window::Whole => crate::curve::bounds([low, high].into_iter()),
            Window::Last(percent) => {
                let share = f64::from(percent.clamp(1, 100)) / 100.0;
                crate::curve::bounds([high - (high - low) * share, high].into_iter())
            }
            Window::Span(from, to) if drawable(from) && drawable(to) && from < to => [from, to],
            Window::Span(..) => Window::Whole.range(extent),
        }
    }

    /// Scaled by a factor (below 1 zooms in), a position keeping its place; the middle
    /// without one.
    #[must_use]
    pub fn zoomed(self, extent: [f64; 2], around: Option<f64>, factor: f64) -> Window {
        let [low, high] = self.range(extent);
        let whole = Window::Whole.range(extent);
        let around = around
            .filter(|x| (low..=high).contains(x))
            .unwrap_or_else(|| f64::midpoint(low, high));
        let most = whole[1] - whole[0];
        let width = ((high - low) * factor).max(most * CLOSEST);
        if width >= most || !drawable(width) {
            return Window::Whole;
        }
        let from = around - (around - low) / (high - low) * width;
        Window::Span(from, from + width).inside(whole)
    }

    /// Moved by a share of its width, never beyond the data.
    #[must_use]
    pub fn panned(self, extent: [f64; 2], share: f64) -> Window {
        let [low, high] = self.range(extent);
        let by = (high - low) * share;
        if self == Window::Whole || !drawable(by) {
            return self;
        }
        Window::Span(low + by, high + by).inside(Window::Whole.range(extent))
    }

    fn inside(self, [low, high]: [f64; 2]) -> Window {
        let Window::Span(from, to) = self else {
            return self;
        };
        let width = to - from;
        let from = from.min(high - width).max(low);
        Window::Span(from, from + width)
    }
}

/// How a plot is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct View {
    /// The part of the x axis.
    pub window: Window,
    /// A logarithmic y axis.
    pub log: bool,
    /// The y axis from the first to the last percentile, against outliers.
    pub clip: bool,
    /// Where values are read out.
    pub cursor: Option<f64>,
    /// What the x axis counts.
    pub axis: XAxis,
}

impl View {
    /// The same over an axis; where that is another one, what was at positions on the old
    /// one is left out.
    #[must_use]
    pub fn over(mut self, axis: XAxis) -> View {
        if self.axis != axis {
            self.axis = axis;
            self.cursor = None;
            if matches!(self.window, Window::Span(..)) {
                self.window = Window::Whole;
            }
        }
        self
    }
}

/// Curves and how they are looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// The curves, later ones on top.
    pub curves: Vec<Curve>,
    /// How they are looked at.
    pub view: View,
}

impl Plot {
    /// The lowest and highest position of all curves; `None` when there is nothing. A
    /// count begins at zero unless that would squeeze the data.
    #[must_use]
    pub fn extent(&self) -> Option<[f64; 2]> {
        let xs = self.curves.iter().flat_map(Curve::xs);
        let (low, high) = xs
            .filter(|x| drawable(*x))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
                (low.min(x), high.max(x))
            });
        let from = if low > 0.0 && low < high * 0.2 {
            0.0
        } else {
            low
        };
        (low <= high).then_some([from, high])
    }

    /// How far beyond its end a curve is still read: about a column of the screen.
    #[must_use]
    pub fn reach(&self) -> f64 {
        let range = self.extent().map(|extent| self.view.window.range(extent));
        range.map_or(0.0, |[low, high]| (high - low) / 100.0)
    }

    /// The values of every curve at the cursor.
    #[must_use]
    pub fn readout(&self) -> Vec<(&Curve, Option<(f64, f64)>)> {
        let Some(x) = self.view.cursor else {
            return Vec::new();
        };
        let reach = self.reach();
        self.curves
            .iter()
            .map(|curve| (curve, curve.read(x, reach)))
            .collect()
    }
}

#[cfg(test)]
mod tests;
