//! Pictures as files.

use std::collections::HashMap;
use std::io::Write;

use super::board::frame;
use super::canvas::Picture;
use crate::error::EnvironmentError;
use crate::scene::Scene;

fn image<E: std::fmt::Display>(problem: E) -> EnvironmentError {
    EnvironmentError::Image {
        problem: format!("{problem}"),
    }
}

/// Writes one scene as a PNG.
///
/// # Errors
/// Output that cannot be written.
pub fn write_png(scene: &Scene, output: impl Write) -> Result<(), EnvironmentError> {
    write_picture(&frame(scene), output)
}

/// Writes a picture as a PNG.
///
/// # Errors
/// Output that cannot be written.
pub fn write_picture(picture: &Picture, output: impl Write) -> Result<(), EnvironmentError> {
    let mut encoder = png::Encoder::new(output, picture.width as u32, picture.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(image)?;
    writer.write_image_data(&picture.pixels).map_err(image)?;
    writer.finish().map_err(image)
}

/// Writes the scenes of an episode as an endless film, each shown for `frame_milliseconds` and the
/// last for four times as long.
///
/// # Errors
/// No scene, boards of different sizes, or output that cannot be written.
pub fn write_gif(
    scenes: &[Scene],
    frame_milliseconds: u16,
    output: impl Write,
) -> Result<(), EnvironmentError> {
    let pictures: Vec<_> = scenes.iter().map(frame).collect();
    let Some(first) = pictures.first() else {
        return Err(image("no scene to film"));
    };
    let (width, height) = (first.width, first.height);
    if pictures
        .iter()
        .any(|picture| (picture.width, picture.height) != (width, height))
    {
        return Err(image("the scenes have boards of different sizes"));
    }
    let size = |side: usize| u16::try_from(side).map_err(image);
    let (wide, high) = (size(width)?, size(height)?);
    let mut palette = Palette {
        bytes: vec![0; 3],
        known: HashMap::new(),
    };
    let frames: Vec<Vec<u8>> = pictures
        .iter()
        .map(|picture| {
            picture
                .pixels
                .chunks_exact(3)
                .map(|dot| palette.index([dot[0], dot[1], dot[2]]))
                .collect()
        })
        .collect();
    let mut encoder = gif::Encoder::new(output, wide, high, &palette.bytes).map_err(image)?;
    encoder.set_repeat(gif::Repeat::Infinite).map_err(image)?;
    let delay = (frame_milliseconds / 10).max(2);
    let last = frames.len() - 1;
    for (index, dots) in frames.iter().enumerate() {
        // Dots that did not change stay; a film of a board is mostly board, and the runs of the
        // transparent index pack well.
        let dots: Vec<u8> = match index.checked_sub(1).map(|before| &frames[before]) {
            None => dots.clone(),
            Some(before) => {
                let pairs = before.iter().zip(dots);
                pairs
                    .map(|(old, &new)| if *old == new { TRANSPARENT } else { new })
                    .collect()
            }
        };
        let mut frame = gif::Frame::from_indexed_pixels(wide, high, dots, Some(TRANSPARENT));
        frame.dispose = gif::DisposalMethod::Keep;
        frame.delay = if index == last {
            delay.saturating_mul(4)
        } else {
            delay
        };
        encoder.write_frame(&frame).map_err(image)?;
    }
    Ok(())
}

/// The index that shows the frame before.
const TRANSPARENT: u8 = 0;

/// The colours of a film, after the transparent one; the nearest once all 255 are given away.
struct Palette {
    bytes: Vec<u8>,
    known: HashMap<[u8; 3], u8>,
}

impl Palette {
    fn index(&mut self, colour: [u8; 3]) -> u8 {
        if let Some(&index) = self.known.get(&colour) {
            return index;
        }
        let count = self.bytes.len() / 3;
        let index = if count < 256 {
            self.bytes.extend(colour);
            count as u8
        } else {
            let distance = |entry: &[u8]| -> u32 {
                entry
                    .iter()
                    .zip(colour)
                    .map(|(&one, other)| u32::from(one.abs_diff(other)).pow(2))
                    .sum()
            };
            let nearest = self
                .bytes
                .chunks_exact(3)
                .enumerate()
                .skip(1)
                .min_by_key(|(_, entry)| distance(entry));
            nearest.map_or(0, |(index, _)| index as u8)
        };
        self.known.insert(colour, index);
        index
    }
}
