//! Line and bar plots as PNG, drawn without fonts or libraries of the system.
//!
//! The letters are the bitmap fonts of `embedded-graphics`, so that a plot looks the same
//! on a laptop and on a server without any font.

use tracking::statistics::Interval;
use tui::curve::{bounds, marks};
use tui::figures::{count, number};

mod canvas;

use canvas::{Align, Canvas, Colour, GLYPH_HEIGHT, GLYPH_WIDTH};

const WIDTH: usize = 1200;
const HEIGHT: usize = 720;
const INK: Colour = [40, 40, 40];
const GRID: Colour = [225, 225, 225];
/// Letters of a legend's entry.
const LONGEST_LABEL: usize = 34;

/// Okabe-Ito without its yellow, which is too light on white.
const PALETTE: [Colour; 8] = [
    [0, 114, 178],
    [230, 159, 0],
    [0, 158, 115],
    [213, 94, 0],
    [204, 121, 167],
    [86, 180, 233],
    [110, 80, 20],
    [120, 120, 120],
];

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// A line with a band between the ends of its intervals.
    Band,
    /// Dots with bars over their intervals, joined by a line.
    Marks,
    /// Dots with bars alone.
    Dots,
}

/// One series of a figure.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) label: String,
    /// (x, value with interval), x ascending.
    pub(crate) points: Vec<(f64, Interval)>,
    pub(crate) style: Style,
}

/// A figure of one or more series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figure {
    pub(crate) title: String,
    pub(crate) x_label: String,
    pub(crate) y_label: String,
    pub(crate) series: Vec<Series>,
    /// Names of positions on the x axis; numbers without.
    pub(crate) x_names: Vec<(f64, String)>,
}

/// Where data lies on the canvas.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: [f64; 2],
    y: [f64; 2],
}

impl Frame {
    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |value: f64, [low, high]: [f64; 2]| (value - low) / (high - low);
        (
            self.left + share(x, self.x) * (self.right - self.left),
            self.bottom - share(y, self.y) * (self.bottom - self.top),
        )
    }
}

fn colour(index: usize) -> Colour {
    PALETTE[index % PALETTE.len()]
}

/// Beyond the palette, lines of the same colour are dashed.
fn dash(index: usize) -> f64 {
    (index / PALETTE.len()) as f64 * 8.0
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LONGEST_LABEL {
        return label.to_owned();
    }
    let cut: String = label.chars().take(LONGEST_LABEL - 3).collect();
    format!("{cut}...")
}

fn tick(value: f64) -> String {
    let text = number(value);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn is_drawable(interval: &Interval) -> bool {
    tui::curve::drawable(interval.estimate)
}

impl Figure {
    /// True where there is nothing to draw.
    pub(crate) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.points.is_empty())
    }

    /// The figure as the bytes of a PNG file.
    pub(crate) fn to_png(&self) -> Vec<u8> {
        let mut canvas = Canvas::new(WIDTH, HEIGHT);
        let frame = self.frame();
        self.draw_axes(&mut canvas, &frame);
        for (index, series) in self.series.iter().enumerate() {
            draw_spread(&mut canvas, &frame, series, colour(index));
        }
        for (index, series) in self.series.iter().enumerate() {
            draw_line(&mut canvas, &frame, series, index);
        }
        self.draw_legend(&mut canvas, &frame);
        canvas.to_png()
    }

    fn frame(&self) -> Frame {
        let points = || {
            self.series
                .iter()
                .flat_map(|series| &series.points)
                .filter(|(_, value)| is_drawable(value))
        };
        let ends = points()
            .flat_map(|(_, value)| [value.estimate, value.low, value.high])
            .filter(|end| tui::curve::drawable(*end));
        let [low, high] = bounds(ends);
        let low = if low >= 0.0 && low < high * 0.6 {
            0.0
        } else {
            low
        };
        let y = marks([low, high], 5);
        let mut x = bounds(points().map(|(x, _)| *x));
        if !self.x_names.is_empty() {
            x = bounds(self.x_names.iter().map(|(x, _)| *x));
            let margin = (x[1] - x[0]) * 0.05;
            x = [x[0] - margin, x[1] + margin];
        }
        let longest = self
            .series
            .iter()
            .map(|series| shortened(&series.label).chars().count())
            .max()
            .unwrap_or(0);
        let legend = if self.series.len() > 1 {
            (longest * GLYPH_WIDTH + 60) as f64
        } else {
            20.0
        };
        Frame {
            left: 110.0,
            right: WIDTH as f64 - legend,
            top: 60.0,
            bottom: HEIGHT as f64 - 80.0,
            x,
            y: [y[0], y[y.len() - 1]],
        }
    }

    fn draw_axes(&self, canvas: &mut Canvas, frame: &Frame) {
        let middle = f64::midpoint(frame.left, frame.right);
        canvas.text((middle, 24.0), &self.title, Align::Centre, INK);
        canvas.text(
            (middle, HEIGHT as f64 - 22.0),
            &self.x_label,
            Align::Centre,
            INK,
        );
        let height = f64::midpoint(frame.top, frame.bottom);
        canvas.text_upwards((20.0, height), &self.y_label, INK);
        for mark in marks(frame.y, 5) {
            let (_, y) = frame.place(frame.x[0], mark);
            canvas.line((frame.left, y), (frame.right, y), 1.0, GRID);
            canvas.text((frame.left - 10.0, y), &tick(mark), Align::Right, INK);
        }
        let names = if self.x_names.is_empty() {
            let inside = |mark: &f64| *mark >= frame.x[0] && *mark <= frame.x[1];
            let ticks = marks(frame.x, 6).into_iter().filter(inside);
            ticks
                .map(|mark| {
                    let wide = mark.abs() >= 1000.0;
                    (mark, if wide { count(mark) } else { tick(mark) })
                })
                .collect()
        } else {
            self.x_names.clone()
        };
        // Names that would touch each other are left out.
        let mut free_from = f64::NEG_INFINITY;
        for (mark, name) in names {
            let (x, _) = frame.place(mark, frame.y[0]);
            canvas.line((x, frame.top), (x, frame.bottom), 1.0, GRID);
            let half = (name.chars().count() * GLYPH_WIDTH) as f64 / 2.0;
            if x - half > free_from {
                canvas.text((x, frame.bottom + 22.0), &name, Align::Centre, INK);
                free_from = x + half + 8.0;
            }
        }
        canvas.line(
            (frame.left, frame.bottom),
            (frame.right, frame.bottom),
            1.5,
            INK,
        );
        canvas.line(
            (frame.left, frame.top),
            (frame.left, frame.bottom),
            1.5,
            INK,
        );
    }

    fn draw_legend(&self, canvas: &mut Canvas, frame: &Frame) {
        if self.series.len() < 2 {
            return;
        }
        let rows = ((frame.bottom - frame.top) as usize / (GLYPH_HEIGHT + 4)).max(2);
        let left = frame.right + 14.0;
        for (index, series) in self.series.iter().enumerate() {
            let y = frame.top + 10.0 + (index * (GLYPH_HEIGHT + 4)) as f64;
            if index + 1 == rows && self.series.len() > rows {
                let rest = self.series.len() - index;
                canvas.text((left, y), &format!("and {rest} more"), Align::Left, INK);
                return;
            }
            if series.style == Style::Dots {
                canvas.disc((left + 14.0, y), 5.0, colour(index));
            } else {
                let ends = [(left, y), (left + 28.0, y)];
                canvas.path(&ends, 3.0, dash(index), colour(index));
            }
            let label = shortened(&series.label);
            canvas.text((left + 36.0, y), &label, Align::Left, INK);
        }
    }
}

/// The intervals of a series, under all lines.
fn draw_spread(canvas: &mut Canvas, frame: &Frame, series: &Series, colour: Colour) {
    let whole = |value: &Interval| {
        is_drawable(value) && tui::curve::drawable(value.low) && tui::curve::drawable(value.high)
    };
    let ends: Vec<(f64, f64, f64)> = series
        .points
        .iter()
        .filter(|(_, value)| whole(value))
        .map(|(x, value)| {
            let (at, low) = frame.place(*x, value.low);
            (at, frame.place(*x, value.high).1, low)
        })
        .collect();
    if series.style == Style::Band {
        canvas.band(&ends, colour, 0.18);
        return;
    }
    for (x, high, low) in ends {
        canvas.line((x, high), (x, low), 2.0, colour);
        for y in [high, low] {
            canvas.line((x - 5.0, y), (x + 5.0, y), 2.0, colour);
        }
    }
}

fn draw_line(canvas: &mut Canvas, frame: &Frame, series: &Series, index: usize) {
    let points: Vec<(f64, f64)> = series
        .points
        .iter()
        .filter(|(_, value)| is_drawable(value))
        .map(|(x, value)| frame.place(*x, value.estimate))
        .collect();
    if series.style != Style::Dots {
        canvas.path(&points, 2.5, dash(index), colour(index));
    }
    if series.style != Style::Band || points.len() == 1 {
        for point in points {
            canvas.disc(point, 5.0, colour(index));
        }
    }
}

/// Horizontal bars with their intervals.
pub(crate) fn bars(title: &str, x_label: &str, rows: &[(String, Interval)]) -> Vec<u8> {
    const ROW: f64 = 40.0;
    let longest = rows
        .iter()
        .map(|(label, _)| shortened(label).chars().count())
        .max()
        .unwrap_or(0);
    let left = (longest * GLYPH_WIDTH + 30) as f64;
    let top = 60.0;
    let bottom = top + ROW * rows.len() as f64;
    let mut canvas = Canvas::new(WIDTH, (bottom + 80.0) as usize);
    let ends = rows
        .iter()
        .flat_map(|(_, value)| [value.estimate, value.low, value.high])
        .filter(|end| tui::curve::drawable(*end));
    let [low, high] = bounds(ends.chain([0.0]));
    let ticks = marks([low, high], 5);
    let frame = Frame {
        left,
        right: WIDTH as f64 - 30.0,
        top,
        bottom,
        x: [ticks[0], ticks[ticks.len() - 1]],
        y: [0.0, 1.0],
    };
    let middle = f64::midpoint(frame.left, frame.right);
    canvas.text((middle, 24.0), title, Align::Centre, INK);
    canvas.text((middle, bottom + 54.0), x_label, Align::Centre, INK);
    for mark in ticks {
        let (x, _) = frame.place(mark, 0.0);
        canvas.line((x, top), (x, bottom), 1.0, GRID);
        canvas.text((x, bottom + 20.0), &tick(mark), Align::Centre, INK);
    }
    let (zero, _) = frame.place(0.0, 0.0);
    for (index, (label, value)) in rows.iter().enumerate() {
        let y = top + ROW * (index as f64 + 0.5);
        canvas.text((left - 12.0, y), &shortened(label), Align::Right, INK);
        if !is_drawable(value) {
            continue;
        }
        let place = |value: f64| frame.place(value, 0.0).0;
        let end = place(value.estimate);
        canvas.line((zero, y), (end, y), ROW * 0.6, colour(index));
        let (from, to) = (place(value.low), place(value.high));
        if from.is_finite() && to.is_finite() {
            canvas.line((from, y), (to, y), 2.5, INK);
            for x in [from, to] {
                canvas.line((x, y - 7.0), (x, y + 7.0), 2.5, INK);
            }
        }
    }
    canvas.line((zero, top), (zero, bottom), 1.5, INK);
    canvas.to_png()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(value: f64) -> Interval {
        Interval {
            estimate: value,
            low: value - 0.1,
            high: value + 0.1,
        }
    }

    fn figure(values: &[f64]) -> Figure {
        let points = values.iter().enumerate();
        Figure {
            title: "return".to_owned(),
            x_label: "steps".to_owned(),
            y_label: "return".to_owned(),
            series: vec![Series {
                label: "A".to_owned(),
                points: points.map(|(x, y)| (x as f64, exact(*y))).collect(),
                style: Style::Band,
            }],
            x_names: Vec::new(),
        }
    }

    /// Width, height and pixels of a PNG.
    fn read(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
            .read_info()
            .expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut pixels).expect("a frame");
        (info.width, info.height, pixels)
    }

    #[test]
    fn a_line_is_drawn_where_its_values_lie() {
        let (width, height, pixels) = read(&figure(&[0.0, 0.0, 1.0]).to_png());
        assert_eq!((width as usize, height as usize), (WIDTH, HEIGHT));
        let [red, green, blue] = colour(0);
        let is_line = |index: usize| pixels[index * 3..index * 3 + 3] == [red, green, blue];
        let rows = |column: usize| -> Vec<usize> {
            (0..HEIGHT)
                .filter(|row| is_line(row * WIDTH + column))
                .collect()
        };
        // Flat over the first half, risen at the end.
        let (early, late) = (rows(300), rows(1150));
        assert!(!early.is_empty() && !late.is_empty());
        assert_eq!(rows(200), rows(500));
        assert!(late[0] + 300 < early[0], "{late:?} {early:?}");
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        for values in [&[][..], &[f64::NAN], &[f64::INFINITY, 1.0], &[1e300]] {
            assert_eq!(read(&figure(values).to_png()).0, WIDTH as u32);
        }
        assert!(figure(&[]).is_empty());
        let rows = [
            ("A".to_owned(), exact(0.5)),
            ("B".to_owned(), exact(f64::NAN)),
        ];
        assert_eq!(read(&bars("t", "x", &rows)).1, 60 + 80 + 80);
    }
}
