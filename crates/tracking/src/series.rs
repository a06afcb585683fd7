//! Curves, whole or thinned to bounded memory.

use std::collections::VecDeque;

/// One point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Position on the curve's axis.
    pub step: u64,
    /// May be non-finite.
    pub value: f64,
    /// Wall-clock time, seconds since 1970.
    pub time: f64,
}

/// Values of a curve that are not finite.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Missing {
    /// How many there were.
    pub count: u64,
    /// The last of them.
    pub last: Option<Point>,
}

/// A curve in the order in which it was reported.
///
/// A thinned curve keeps the lowest and the highest point of each group of
/// neighbouring points, so that spikes stay visible; the groups double whenever the
/// limit is reached, so that memory is bounded and density even. Its latest points are
/// kept in full besides ([`Series::recent`]).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    points: Vec<Point>,
    limit: Option<usize>,
    /// Points per group of a thinned curve; 0 and 1 mean all.
    group: usize,
    pending: Extremes,
    pending_count: usize,
    /// The latest points of a thinned curve, at most half the limit.
    recent: VecDeque<Point>,
    count: u64,
    last: Option<Point>,
    missing: Missing,
    /// Step of a resume, until the first point after it came.
    resumed_at: Option<u64>,
}

impl Series {
    /// An empty curve that keeps every point.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty curve that keeps at most about `limit` points (at least 8).
    pub fn thinned(limit: usize) -> Self {
        Self {
            limit: Some(limit.max(8)),
            ..Self::default()
        }
    }

    /// Appends a point.
    pub fn push(&mut self, point: Point) {
        if let Some(step) = self.resumed_at.take()
            && point.step <= step
        {
            self.cut(|kept| kept.step < point.step);
        }
        self.count += 1;
        self.last = Some(point);
        if !point.value.is_finite() {
            self.missing.count += 1;
            self.missing.last = Some(point);
        }
        let Some(limit) = self.limit else {
            self.points.push(point);
            return;
        };
        if self.recent.len() >= limit / 2 {
            self.recent.pop_front();
        }
        self.recent.push_back(point);
        if self.group <= 1 {
            self.points.push(point);
        } else {
            self.pending.take(point);
            self.pending_count += 1;
            if self.pending_count >= self.group {
                self.settle();
            }
        }
        if self.points.len() > limit {
            self.compact();
        }
    }

    fn settle(&mut self) {
        self.points.extend(self.pending.points());
        self.pending = Extremes::default();
        self.pending_count = 0;
    }

    /// Drops the points beyond a step: the run went back to it. The first point to come
    /// at that step or before replaces what is there.
    pub fn resume_at(&mut self, step: u64) {
        self.cut(|point| point.step <= step);
        self.resumed_at = Some(step);
    }

    fn cut(&mut self, keep: impl Fn(&Point) -> bool) {
        self.settle();
        // The last point of a thinned curve may be no extreme and yet the last one valid.
        if let Some(last) = self.last
            && self.points.last() != Some(&last)
        {
            self.points.push(last);
        }
        let before = self.points.len();
        self.points.retain(&keep);
        self.recent.retain(keep);
        let missing = |point: &&Point| !point.value.is_finite();
        self.missing = Missing {
            count: self.points.iter().filter(missing).count() as u64,
            last: self.points.iter().rfind(missing).copied(),
        };
        self.count = self
            .count
            .saturating_sub((before - self.points.len()) as u64);
        self.last = self.points.last().copied();
    }

    fn compact(&mut self) {
        let mut compacted = Vec::with_capacity(self.points.len() / 2 + 2);
        for group in self.points.chunks(4) {
            let mut extremes = Extremes::default();
            for point in group {
                extremes.take(*point);
            }
            compacted.extend(extremes.points());
        }
        self.points = compacted;
        self.group = if self.group <= 1 { 4 } else { self.group * 2 };
    }

    /// The points kept, in order; the last one reported is always among them.
    pub fn points(&self) -> Vec<Point> {
        let mut points = self.points.clone();
        points.extend(self.pending.points());
        if let Some(last) = self.last
            && points.last() != Some(&last)
        {
            points.push(last);
        }
        points
    }

    /// The latest points of a thinned curve, none left out: about half its limit. A
    /// curve that keeps all its points has none apart.
    pub fn recent(&self) -> &VecDeque<Point> {
        &self.recent
    }

    /// Lowers the limit of a thinned curve (to at least 8).
    pub fn lower_limit(&mut self, limit: usize) {
        let limit = limit.max(8);
        if self.limit.is_none_or(|old| old <= limit) {
            return;
        }
        self.limit = Some(limit);
        while self.points.len() > limit {
            self.compact();
        }
        self.recent
            .drain(..self.recent.len().saturating_sub(limit / 2));
        self.points.shrink_to_fit();
        self.recent.shrink_to_fit();
    }

    /// The points kept, the latest of them none left out: evenly thinned before
    /// [`Series::recent`], whole from there on.
    pub fn detailed(&self) -> Vec<Point> {
        let mut points = self.points();
        if self.group <= 1 {
            return points;
        }
        if let Some(first) = self.recent.front() {
            points.retain(|point| point.step < first.step);
            points.extend(&self.recent);
        }
        points
    }

    /// The values that are not finite, thinned away or not (what is left of them after a
    /// resume).
    pub fn missing(&self) -> Missing {
        self.missing
    }

    /// The last point reported.
    pub fn last(&self) -> Option<Point> {
        self.last
    }

    /// Points reported (an estimate for a thinned curve after a resume).
    pub fn count(&self) -> u64 {
        self.count
    }

    /// No point was reported.
    pub fn is_empty(&self) -> bool {
        self.last.is_none()
    }
}

/// The lowest and the highest of some points, in their order; the first and the last
/// where all are equal. A non-finite value counts as higher than every finite one: a
/// curve must not hide it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Extremes {
    first: Option<Point>,
    second: Option<Point>,
}

impl Extremes {
    fn points(&self) -> impl Iterator<Item = Point> {
        self.first.into_iter().chain(self.second)
    }

    fn take(&mut self, point: Point) {
        let (Some(first), Some(second)) = (self.first, self.second) else {
            let free = if self.first.is_none() {
                &mut self.first
            } else {
                &mut self.second
            };
            *free = Some(point);
            return;
        };
        let (one, two, three) = (rank(&first), rank(&second), rank(&point));
        // Which of the three are lowest and highest; the earlier one where they tie.
        let lowest = if three < one.min(two) {
            2
        } else {
            usize::from(two < one)
        };
        let highest = if three > one.max(two) {
            2
        } else {
            usize::from(two > one)
        };
        match (lowest.min(highest), lowest.max(highest)) {
            (0, 0) | (0, 2) => self.second = Some(point),
            (1, _) => {
                self.first = self.second;
                self.second = Some(point);
            }
            _ => {}
        }
    }
}

fn rank(point: &Point) -> f64 {
    if point.value.is_finite() {
        point.value
    } else {
        f64::INFINITY
    }
}

/// A curve's points for a plot of limited width: at most about `limit` points, extremes
/// kept, last point kept.
pub fn thin(points: &[Point], limit: usize) -> Vec<Point> {
    if points.len() <= limit {
        return points.to_vec();
    }
    let mut series = Series::thinned(limit);
    for point in points {
        series.push(*point);
    }
    series.points()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: u64, value: f64) -> Point {
        Point {
            step,
            value,
            time: 0.0,
        }
    }

    #[test]
    fn a_thinned_curve_is_bounded_even_and_keeps_spikes_and_ends() {
        let mut series = Series::thinned(100);
        let mut most = 0;
        for step in 0..100_000_u64 {
            let value = match step {
                31_415 => 1000.0,
                77_777 => -1000.0,
                _ => (step as f64 * 0.001).sin(),
            };
            series.push(point(step, value));
            most = most.max(series.points().len());
        }
        let points = series.points();
        assert!(most <= 104, "{most} points");
        assert!(points.len() > 40, "{} points", points.len());
        assert!(
            points.contains(&point(31_415, 1000.0)) && points.contains(&point(77_777, -1000.0))
        );
        assert_eq!(points.last().unwrap().step, 99_999);
        assert!(points.windows(2).all(|pair| pair[0].step < pair[1].step));
        let widest = points
            .windows(2)
            .map(|pair| pair[1].step - pair[0].step)
            .max()
            .unwrap();
        assert!(widest < 8192, "a hole of {widest} steps");
        assert_eq!(series.count(), 100_000);
    }

    #[test]
    fn a_short_curve_is_kept_whole_and_a_nan_is_not_hidden() {
        let points: Vec<Point> = (0..50).map(|step| point(step, step as f64)).collect();
        assert_eq!(thin(&points, 50), points);
        let mut with_nan: Vec<Point> = (0..1000).map(|step| point(step, 0.0)).collect();
        with_nan[500].value = f64::NAN;
        assert!(thin(&with_nan, 20).iter().any(|point| point.value.is_nan()));
    }

    #[test]
    fn recent_points_are_all_there_and_missing_values_are_counted() {
        let mut series = Series::thinned(100);
        for step in 0..10_000 {
            let value = if step % 1000 == 7 { f64::NAN } else { 1.0 };
            series.push(point(step, value));
        }
        let detailed = series.detailed();
        let latest = &detailed[detailed.len() - 50..];
        assert!((latest[0].step, latest[49].step) == (9_950, 9_999));
        assert!(detailed.windows(2).all(|pair| pair[0].step < pair[1].step));
        assert!(detailed[0].step < 500 && detailed.len() <= 154);
        assert_eq!(series.missing().count, 10);
        assert_eq!(series.missing().last.unwrap().step, 9_007);
        series.resume_at(8_000);
        assert!(series.detailed().iter().all(|kept| kept.step <= 8_000));
        assert_eq!(series.missing().last.unwrap().step, 7_007);
    }

    #[test]
    fn a_resume_cuts_a_thinned_curve_too() {
        let mut series = Series::thinned(10);
        for step in 0..1000 {
            series.push(point(step, step as f64));
        }
        series.resume_at(400);
        assert!(series.points().iter().all(|point| point.step <= 400));
        series.push(point(400, -1.0));
        series.push(point(401, -2.0));
        let points = series.points();
        assert_eq!(points.iter().filter(|point| point.step >= 400).count(), 2);
        assert_eq!(series.last(), Some(point(401, -2.0)));
    }
}
