//! Pixels: lines with smooth edges, bands, discs, letters, PNG.

use embedded_graphics::Drawable;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_10X20;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::text::{Baseline, Text};

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// Pixels from one letter to the next.
pub(super) const GLYPH_WIDTH: usize = 10;
/// Pixels of a line of letters.
pub(super) const GLYPH_HEIGHT: usize = 20;

/// Where a text stands relative to its position; its middle is at the position's height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

pub(super) struct Canvas {
    width: usize,
    height: usize,
    /// Row by row, three bytes each.
    pixels: Vec<u8>,
}

impl Canvas {
    /// A white canvas.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Canvas {
            width,
            height,
            pixels: vec![255; width * height * 3],
        }
    }

    fn blend(&mut self, x: i64, y: i64, colour: Colour, share: f64) {
        let inside = |value: i64, end: usize| usize::try_from(value).ok().filter(|at| *at < end);
        let (Some(x), Some(y)) = (inside(x, self.width), inside(y, self.height)) else {
            return;
        };
        let start = (y * self.width + x) * 3;
        for (old, new) in self.pixels[start..start + 3].iter_mut().zip(colour) {
            let mixed = f64::from(*old) * (1.0 - share) + f64::from(new) * share;
            *old = mixed.round() as u8;
        }
    }

    /// A straight line of a width, its edges smooth: a pixel is covered by its distance
    /// to the line.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), width: f64, colour: Colour) {
        if ![from.0, from.1, to.0, to.1]
            .iter()
            .all(|end| end.is_finite())
        {
            return;
        }
        let half = width / 2.0;
        let reach = half + 1.0;
        let span = |a: f64, b: f64, end: usize| {
            let low = (a.min(b) - reach).floor().max(0.0);
            let high = (a.max(b) + reach).ceil().min(end as f64);
            low as i64..high as i64
        };
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy).max(1e-9);
        for y in span(from.1, to.1, self.height) {
            for x in span(from.0, to.0, self.width) {
                let (px, py) = (x as f64 + 0.5 - from.0, y as f64 + 0.5 - from.1);
                let along = (px * dx + py * dy) / length;
                let across = (px * dy - py * dx).abs() / length;
                // Flat ends: a bar of a chart ends at its value.
                let beyond = (-along).max(along - length);
                let share = (half + 0.5 - across).min(1.0).min(0.5 - beyond + 0.5);
                if share > 0.0 {
                    self.blend(x, y, colour, share.min(1.0));
                }
            }
        }
    }

    /// Lines from point to point; with `dash` above zero, pieces of that length and gaps
    /// between them.
    pub(super) fn path(&mut self, points: &[(f64, f64)], width: f64, dash: f64, colour: Colour) {
        let mut walked = 0.0;
        for pair in points.windows(2) {
            let [from, to] = [pair[0], pair[1]];
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if dash <= 0.0 || !length.is_finite() {
                self.line(from, to, width, colour);
                self.disc(to, width / 2.0, colour);
                continue;
            }
            let at = |distance: f64| {
                let share = distance / length.max(1e-9);
                (
                    from.0 + (to.0 - from.0) * share,
                    from.1 + (to.1 - from.1) * share,
                )
            };
            let mut start = 0.0;
            while start < length {
                let phase = (walked + start) % (2.0 * dash);
                let end = length.min(start + dash - phase % dash);
                if phase < dash {
                    self.line(at(start), at(end), width, colour);
                }
                start = end.max(start + 1e-3);
            }
            walked += length;
        }
    }

    /// A filled circle.
    pub(super) fn disc(&mut self, centre: (f64, f64), radius: f64, colour: Colour) {
        if !centre.0.is_finite() || !centre.1.is_finite() {
            return;
        }
        let reach = radius + 1.0;
        let span = |at: f64| (at - reach).floor() as i64..=(at + reach).ceil() as i64;
        for y in span(centre.1) {
            for x in span(centre.0) {
                let away = (x as f64 + 0.5 - centre.0).hypot(y as f64 + 0.5 - centre.1);
                let share = (radius + 0.5 - away).clamp(0.0, 1.0);
                if share > 0.0 {
                    self.blend(x, y, colour, share);
                }
            }
        }
    }

    /// The area between two curves given as (x, upper y, lower y), x ascending.
    pub(super) fn band(&mut self, ends: &[(f64, f64, f64)], colour: Colour, share: f64) {
        for pair in ends.windows(2) {
            let [(left, ..), (right, ..)] = [pair[0], pair[1]];
            for x in left.round() as i64..right.round() as i64 {
                let part = ((x as f64 + 0.5 - left) / (right - left).max(1e-9)).clamp(0.0, 1.0);
                let between = |from: f64, to: f64| from + (to - from) * part;
                let top = between(pair[0].1, pair[1].1);
                let bottom = between(pair[0].2, pair[1].2);
                for y in top.floor() as i64..bottom.ceil() as i64 {
                    let covered = (bottom.min(y as f64 + 1.0) - top.max(y as f64)).clamp(0.0, 1.0);
                    self.blend(x, y, colour, covered * share);
                }
            }
        }
    }

    /// A line of text.
    pub(super) fn text(&mut self, at: (f64, f64), text: &str, align: Align, colour: Colour) {
        let stencil = Stencil::of(text);
        let left = match align {
            Align::Left => at.0,
            Align::Centre => at.0 - stencil.width as f64 / 2.0,
            Align::Right => at.0 - stencil.width as f64,
        };
        let (left, top) = (
            left.round() as i64,
            at.1.round() as i64 - GLYPH_HEIGHT as i64 / 2,
        );
        for (x, y) in stencil.points {
            self.blend(left + i64::from(x), top + i64::from(y), colour, 1.0);
        }
    }

    /// A line of text that reads from bottom to top, centred.
    pub(super) fn text_upwards(&mut self, at: (f64, f64), text: &str, colour: Colour) {
        let stencil = Stencil::of(text);
        let left = at.0.round() as i64 - GLYPH_HEIGHT as i64 / 2;
        let bottom = at.1.round() as i64 + stencil.width as i64 / 2;
        for (x, y) in stencil.points {
            self.blend(left + i64::from(y), bottom - i64::from(x), colour, 1.0);
        }
    }

    /// The bytes of a PNG file.
    pub(super) fn to_png(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&self.pixels))
            .expect("a vector takes every byte, and the size is that of the pixels");
        bytes
    }
}

/// The pixels of a text.
struct Stencil {
    width: usize,
    points: Vec<(i32, i32)>,
}

impl Stencil {
    fn of(text: &str) -> Self {
        let mut stencil = Stencil {
            width: text.chars().count() * GLYPH_WIDTH,
            points: Vec::new(),
        };
        let style = MonoTextStyle::new(&FONT_10X20, BinaryColor::On);
        let drawn = Text::with_baseline(text, Point::zero(), style, Baseline::Top);
        let Ok(_) = drawn.draw(&mut stencil);
        stencil
    }
}

impl OriginDimensions for Stencil {
    fn size(&self) -> Size {
        Size::new(self.width as u32, GLYPH_HEIGHT as u32)
    }
}

impl DrawTarget for Stencil {
    type Color = BinaryColor;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Self::Error> {
        let on = pixels
            .into_iter()
            .filter(|pixel| pixel.1 == BinaryColor::On);
        self.points.extend(on.map(|Pixel(at, _)| (at.x, at.y)));
        Ok(())
    }
}
