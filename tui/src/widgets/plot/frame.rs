//! Limits, marks and labels of a plot.

use super::{Curve, Plot};
use crate::curve::axes::XAxis;
use crate::curve::{bounds, drawable, marks};
use crate::figures::{count, duration, number};

/// What is not drawn, and has to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Hidden {
    /// Values at or below zero on a logarithmic axis.
    pub non_positive: usize,
    /// Values outside the clipped y range.
    pub outside: usize,
}

impl Hidden {
    /// In words; nothing when all is drawn.
    #[must_use]
    pub fn label(self) -> String {
        let mut parts = Vec::new();
        let values = |count: usize| if count == 1 { "value" } else { "values" };
        if self.non_positive > 0 {
            let (count, word) = (self.non_positive, values(self.non_positive));
            parts.push(format!("{count} {word} <= 0 not drawn"));
        }
        if self.outside > 0 {
            let (count, word) = (self.outside, values(self.outside));
            parts.push(format!("{count} {word} outside 1..99%"));
        }
        parts.join(", ")
    }
}

/// The limits of a plot: where a point lies between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Limits of x.
    pub x: [f64; 2],
    /// Limits of y; of its decimal logarithm on a logarithmic axis.
    pub y: [f64; 2],
    /// Whether the y axis is logarithmic.
    pub log: bool,
    /// (value, label) of the marks on the x axis, ascending.
    pub x_marks: Vec<(f64, String)>,
    /// (value, label) of the marks on the y axis, ascending.
    pub y_marks: Vec<(f64, String)>,
    /// What is not drawn.
    pub hidden: Hidden,
}

impl Frame {
    /// Where a point lies, (0, 0) at the lower left, (1, 1) at the upper right; `None`
    /// for what has no place at all. Points outside the limits lie outside 0..=1.
    #[must_use]
    pub fn place(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let y = if self.log {
            (y > 0.0).then(|| y.log10())?
        } else {
            y
        };
        if !drawable(x) || !drawable(y) {
            return None;
        }
        let share = |value: f64, [low, high]: [f64; 2]| (value - low) / (high - low);
        let placed = (share(x, self.x), share(y, self.y));
        (placed.0.is_finite() && placed.1.is_finite()).then_some(placed)
    }
}

impl Plot {
    /// The limits, with about so many marks on each axis; `None` when there is nothing
    /// to draw.
    #[must_use]
    pub fn frame(&self, x_parts: usize, y_parts: usize) -> Option<Frame> {
        let x = self.view.window.range(self.extent()?);
        let inside = |at: f64| x[0] <= at && at <= x[1];
        let values = || self.curves.iter().flat_map(Curve::values);
        let mut ys: Vec<f64> = values()
            .filter(|(at, y)| inside(*at) && drawable(*y))
            .map(|(_, y)| y)
            .collect();
        if ys.is_empty() {
            // A window between two points still shows the line from one to the other.
            ys = values().map(|(_, y)| y).filter(|y| drawable(*y)).collect();
        }
        if self.view.log {
            ys.retain(|y| *y > 0.0);
        }
        let limits = if self.view.clip {
            percentiles(&mut ys)
        } else {
            bounds(ys.into_iter())
        };
        let hidden = self.hidden(x, limits);
        let (y, y_marks) = if self.view.log {
            logarithmic(limits, y_parts)
        } else {
            linear(limits, y_parts)
        };
        Some(Frame {
            x,
            y,
            log: self.view.log,
            x_marks: x_marks(x, x_parts, self.view.axis),
            y_marks,
            hidden,
        })
    }
}

impl Plot {
    /// Counts what was measured and is not drawn; a smoothed value is not a measured one.
    fn hidden(&self, x: [f64; 2], y: [f64; 2]) -> Hidden {
        let measured = self.curves.iter().flat_map(Curve::measured);
        let mut hidden = Hidden::default();
        for (at, value) in measured {
            if at < x[0] || at > x[1] || !drawable(value) {
                continue;
            }
            if self.view.log && value <= 0.0 {
                hidden.non_positive += 1;
            } else if self.view.clip && (value < y[0] || value > y[1]) {
                hidden.outside += 1;
            }
        }
        hidden
    }
}

/// The first and the 99th percentile, with a minimum span.
fn percentiles(values: &mut [f64]) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (share * values.len().saturating_sub(1) as f64).round() as usize;
        values.get(index).copied()
    };
    bounds([at(0.01), at(0.99)].into_iter().flatten())
}

fn linear([low, high]: [f64; 2], parts: usize) -> ([f64; 2], Vec<(f64, String)>) {
    let low = if low >= 0.0 && low < high * 0.6 {
        0.0
    } else {
        low
    };
    let marks = marks([low, high], parts);
    let limits = [marks[0], marks[marks.len() - 1]];
    (limits, labelled(marks, plain))
}

/// Marks at powers of ten, or at 1, 2 and 5 where the values span less than a decade.
fn logarithmic(limits: [f64; 2], parts: usize) -> ([f64; 2], Vec<(f64, String)>) {
    let [low, high] = limits.map(|limit| if limit > 0.0 { limit.log10() } else { -1.0 });
    let (low, high) = if low < high {
        (low, high)
    } else {
        (low, low + 1.0)
    };
    let steps: Vec<f64> = (low.floor() as i32..=high.ceil() as i32)
        .flat_map(|power| [1.0, 2.0, 5.0].map(|factor| f64::from(power) + f64::log10(factor)))
        .collect();
    let from = steps.iter().rposition(|step| *step <= low + 1e-9);
    let to = steps.iter().position(|step| *step >= high - 1e-9);
    let (from, to) = (
        from.map_or(low, |index| steps[index]),
        to.map_or(high, |index| steps[index]),
    );
    let to = if to > from { to } else { from + 1.0 };
    let parts = parts.max(1) as f64;
    let inside = |step: &&f64| (from - 1e-9..=to + 1e-9).contains(*step);
    let fine: Vec<f64> = steps.iter().filter(inside).copied().collect();
    let mut marks: Vec<f64> = if fine.len() as f64 <= parts + 1.0 {
        fine
    } else {
        let apart = ((to - from) / parts).ceil().max(1.0);
        let first = (from - 1e-9).ceil();
        (0..)
            .map(|index| first + f64::from(index) * apart)
            .take_while(|power| *power <= to + 1e-9)
            .take(100)
            .collect()
    };
    if marks.len() < 2 {
        marks = vec![from, to];
    }
    let values = marks.iter().map(|power| 10_f64.powf(*power)).collect();
    ([from, to], labelled(values, plain))
}

fn x_marks([low, high]: [f64; 2], parts: usize, axis: XAxis) -> Vec<(f64, String)> {
    let candidates = if axis == XAxis::Time {
        time_marks([low, high], parts)
    } else {
        marks([low, high], parts)
    };
    let inside: Vec<f64> = candidates
        .into_iter()
        .filter(|mark| (low..=high).contains(mark))
        .collect();
    let label: fn(f64) -> String = if axis == XAxis::Time { duration } else { count };
    labelled(inside, label)
}

/// Marks at whole seconds, minutes, hours or days.
fn time_marks([low, high]: [f64; 2], parts: usize) -> Vec<f64> {
    const STEPS: [f64; 17] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0,
        7_200.0, 21_600.0, 43_200.0, 86_400.0,
    ];
    let raw = (high - low) / parts.max(1) as f64;
    match STEPS.into_iter().find(|step| *step >= raw) {
        Some(step) if raw >= 0.5 => {
            let first = (low / step).ceil();
            (0..100)
                .map(|index| (first + f64::from(index)) * step)
                .take_while(|mark| *mark <= high)
                .collect()
        }
        _ => marks([low, high], parts),
    }
}

/// Labels that tell the marks apart, with as many digits as that needs.
fn labelled(marks: Vec<f64>, short: fn(f64) -> String) -> Vec<(f64, String)> {
    let labels = |format: &dyn Fn(f64) -> String| -> Option<Vec<String>> {
        let labels: Vec<String> = marks.iter().map(|mark| format(*mark)).collect();
        let differ = labels.windows(2).all(|pair| pair[0] != pair[1]);
        differ.then_some(labels)
    };
    let found = labels(&short)
        .or_else(|| (0..=12).find_map(|digits| labels(&|mark| format!("{mark:.digits$}"))));
    let found = found.unwrap_or_else(|| marks.iter().map(|mark| short(*mark)).collect());
    marks.into_iter().zip(found).collect()
}

/// A round number without the zeros that would only pad it.
fn plain(value: f64) -> String {
    let text = number(value).replace(".00e", "e");
    if text.contains('.') && !text.contains('e') && text.ends_with('0') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}
