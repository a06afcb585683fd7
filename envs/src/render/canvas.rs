//! A picture and the few shapes drawn on it, with smooth edges.

use super::font;

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// A picture, line by line, three bytes (red, green, blue) per dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Dots in a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// `[height, width, 3]`.
    pub pixels: Vec<u8>,
}

/// Left, top, width and height in dots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub left: f32,
    pub top: f32,
    pub width: f32,
    pub height: f32,
}

impl Area {
    /// The same centre, `margin` less on each side.
    pub(super) fn inset(self, margin: f32) -> Self {
        Self {
            left: self.left + margin,
            top: self.top + margin,
            width: self.width - 2.0 * margin,
            height: self.height - 2.0 * margin,
        }
    }

    pub(super) fn centre(self) -> (f32, f32) {
        (self.left + self.width / 2.0, self.top + self.height / 2.0)
    }
}

impl Picture {
    pub(super) fn new(width: usize, height: usize, background: Colour) -> Self {
        Self {
            width,
            height,
            pixels: background.repeat(width * height),
        }
    }

    /// Mixes a colour into a dot. Coverage comes in eighths, so that a film has few colours.
    fn mix(&mut self, x: usize, y: usize, colour: Colour, coverage: f32) {
        if x >= self.width || y >= self.height || coverage <= 0.0 {
            return;
        }
        let coverage = (coverage.min(1.0) * 8.0).round() / 8.0;
        let dot = &mut self.pixels[3 * (y * self.width + x)..][..3];
        for (old, new) in dot.iter_mut().zip(colour) {
            *old = (f32::from(*old) * (1.0 - coverage) + f32::from(new) * coverage).round() as u8;
        }
    }

    /// A rectangle with rounded corners; with `radius` half its side, a disc.
    pub(super) fn rounded(&mut self, area: Area, radius: f32, colour: Colour) {
        let (centre_x, centre_y) = area.centre();
        let (half_x, half_y) = (area.width / 2.0 - radius, area.height / 2.0 - radius);
        let last = |end: f32, limit: usize| (end.ceil().max(0.0) as usize).min(limit);
        for y in area.top.floor().max(0.0) as usize..last(area.top + area.height, self.height) {
            for x in area.left.floor().max(0.0) as usize..last(area.left + area.width, self.width) {
                // Signed distance to the outline, half a dot of smoothing on each side.
                let across = ((x as f32 + 0.5 - centre_x).abs() - half_x).max(0.0);
                let down = ((y as f32 + 0.5 - centre_y).abs() - half_y).max(0.0);
                self.mix(x, y, colour, 0.5 + radius - across.hypot(down));
            }
        }
    }

    pub(super) fn rectangle(&mut self, area: Area, colour: Colour) {
        let (left, top) = (area.left.round() as usize, area.top.round() as usize);
        for y in top..top + area.height.round() as usize {
            for x in left..left + area.width.round() as usize {
                self.mix(x, y, colour, 1.0);
            }
        }
    }

    /// Writes text with its left top corner at a dot, every dot of the font `scale` dots wide.
    pub(super) fn write(&mut self, text: &str, left: f32, top: f32, scale: usize, colour: Colour) {
        let (left, top) = (
            left.round().max(0.0) as usize,
            top.round().max(0.0) as usize,
        );
        for (place, character) in text.chars().enumerate() {
            let start = left + place * (font::WIDTH + 1) * scale;
            for (line, bits) in font::glyph(character).into_iter().enumerate() {
                for column in (0..font::WIDTH).filter(|column| bits & (0x10 >> column) != 0) {
                    for dot in 0..scale * scale {
                        let x = start + column * scale + dot % scale;
                        self.mix(x, top + line * scale + dot / scale, colour, 1.0);
                    }
                }
            }
        }
    }

    /// Writes text in the middle of an area.
    pub(super) fn write_centred(&mut self, text: &str, area: Area, scale: usize, colour: Colour) {
        let (x, y) = area.centre();
        let (width, height) = (
            text_width(text, scale) as f32,
            (font::HEIGHT * scale) as f32,
        );
        self.write(text, x - width / 2.0, y - height / 2.0, scale, colour);
    }
}

/// Width of a text in dots.
pub(super) fn text_width(text: &str, scale: usize) -> usize {
    (text.chars().count() * (font::WIDTH + 1)).saturating_sub(1) * scale
}
