//! Cells of dots: eight to a cell in Braille, one in ASCII.

/// What lies over what in a cell; the higher one is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Layer {
    #[default]
    Empty,
    /// The area between the ends of a band.
    Band,
    /// Values before smoothing.
    Raw,
    /// The bar of an interval.
    Bar,
    /// A curve.
    Line,
    /// The sign of a series.
    Sign,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    pub(super) layer: Layer,
    /// Dots as in Braille patterns.
    pub(super) dots: u8,
    pub(super) series: usize,
}

/// A rectangle of cells; (0, 0) of a place is its lower left, (1, 1) its upper right.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    cells: Vec<Cell>,
}

/// Bits of the dots of a Braille pattern, by row and column.
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

impl Canvas {
    pub(super) fn new(width: u16, height: u16) -> Self {
        let (width, height) = (usize::from(width), usize::from(height));
        Canvas {
            width,
            height,
            cells: vec![Cell::default(); width * height],
        }
    }

    pub(super) fn cell(&self, column: usize, row: usize) -> Cell {
        self.cells[row * self.width + column]
    }

    fn dot(&mut self, x: usize, y: usize, layer: Layer, series: usize) {
        let (column, row) = (x / 2, y / 4);
        if column >= self.width || row >= self.height {
            return;
        }
        let cell = &mut self.cells[row * self.width + column];
        if layer < cell.layer {
            return;
        }
        if layer > cell.layer {
            *cell = Cell {
                layer,
                dots: 0,
                series,
            };
        }
        cell.dots |= BITS[y % 4][x % 2];
        cell.series = series;
    }

    /// The dot of a place; `None` outside.
    fn at(&self, (x, y): (f64, f64)) -> Option<(usize, usize)> {
        let inside = |share: f64| (0.0..=1.0).contains(&share);
        if !inside(x) || !inside(y) || self.cells.is_empty() {
            return None;
        }
        let to = |share: f64, dots: usize| (share * (dots - 1) as f64).round() as usize;
        Some((to(x, self.width * 2), to(1.0 - y, self.height * 4)))
    }

    /// One dot at a place.
    pub(super) fn point(&mut self, place: (f64, f64), layer: Layer, series: usize) {
        if let Some((x, y)) = self.at(place) {
            self.dot(x, y, layer, series);
        }
    }

    /// The sign of a series in the cell of a place.
    pub(super) fn sign(&mut self, place: (f64, f64), series: usize) {
        self.point(place, Layer::Sign, series);
    }

    /// A straight line between two places, cut at the border.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), layer: Layer, series: usize) {
        let Some((from, to)) = cut(from, to) else {
            return;
        };
        let (Some(from), Some(to)) = (self.at(from), self.at(to)) else {
            return;
        };
        let (dx, dy) = (to.0.abs_diff(from.0), to.1.abs_diff(from.1));
        let steps = dx.max(dy);
        let slope = |from: usize, to: usize| (to as f64 - from as f64) / steps.max(1) as f64;
        let (across, down) = (slope(from.0, to.0), slope(from.1, to.1));
        for step in 0..=steps {
            let at = |from: usize, slope: f64| (from as f64 + slope * step as f64 + 0.5) as usize;
            self.dot(at(from.0, across), at(from.1, down), layer, series);
        }
    }

    /// A band, sparsely dotted, at one column of dots; heights as shares.
    pub(super) fn column(&mut self, x: usize, low: f64, high: f64, series: usize) {
        let dots = self.height * 4;
        if dots == 0 {
            return;
        }
        let row = |share: f64| ((1.0 - share.clamp(0.0, 1.0)) * (dots - 1) as f64).round() as usize;
        if high < 0.0 || low > 1.0 {
            return;
        }
        for y in row(high)..=row(low) {
            if (x + 2 * y + series).is_multiple_of(4) {
                self.dot(x, y, Layer::Band, series);
            }
        }
    }
}

/// The part of a line inside the unit square (Liang and Barsky 1984).
fn cut(from: (f64, f64), to: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    if ![from.0, from.1, dx, dy].iter().all(|part| part.is_finite()) {
        return None;
    }
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    for (slope, room) in [
        (-dx, from.0),
        (dx, 1.0 - from.0),
        (-dy, from.1),
        (dy, 1.0 - from.1),
    ] {
        if slope == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if slope < 0.0 {
            enter = enter.max(room / slope);
        } else {
            leave = leave.min(room / slope);
        }
    }
    if enter > leave {
        return None;
    }
    let at = |share: f64| {
        let place = |from: f64, by: f64| (from + by * share).clamp(0.0, 1.0);
        (place(from.0, dx), place(from.1, dy))
    };
    Some((at(enter), at(leave)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_the_border() {
        assert_eq!(cut((-1.0, 0.5), (2.0, 0.5)), Some(((0.0, 0.5), (1.0, 0.5))));
        assert_eq!(cut((-1.0, -1.0), (-0.5, 2.0)), None);
        assert_eq!(cut((0.2, 0.2), (0.2, 0.2)), Some(((0.2, 0.2), (0.2, 0.2))));
        assert_eq!(cut((f64::NAN, 0.0), (1.0, 1.0)), None);
    }

    #[test]
    fn the_higher_layer_wins_a_cell_and_dots_of_one_layer_join() {
        let mut canvas = Canvas::new(1, 1);
        canvas.point((0.0, 0.0), Layer::Raw, 0);
        canvas.point((0.0, 1.0), Layer::Line, 1);
        canvas.point((1.0, 1.0), Layer::Line, 2);
        canvas.point((1.0, 0.0), Layer::Band, 3);
        let cell = canvas.cell(0, 0);
        assert_eq!((cell.layer, cell.dots, cell.series), (Layer::Line, 0x09, 2));
    }
}
