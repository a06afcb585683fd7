//! A scene as a picture.

use super::canvas::{Area, Colour, Picture, text_width};
use super::font;
use crate::scene::{Mark, MarkKind, Scene};

const PAPER: Colour = [250, 249, 246];
const INK: Colour = [38, 40, 48];
const FAINT: Colour = [110, 114, 126];
const FIELD: Colour = [236, 234, 227];
const FIELD_ALTERNATE: Colour = [229, 227, 219];
const FRAME: Colour = [190, 187, 176];
const WHITE: Colour = [255, 255, 255];
const FOOD: Colour = [196, 58, 49];
const LEAF: Colour = [74, 128, 61];
const GOAL: Colour = [74, 128, 61];
const CHOSEN: Colour = [0, 96, 156];
/// Dark enough for white letters, and apart from each other for most kinds of colour blindness.
const AGENTS: [Colour; 6] = [
    [0, 96, 156],
    [150, 84, 0],
    [0, 112, 84],
    [140, 62, 118],
    [70, 70, 80],
    [60, 80, 170],
];

const MARGIN: usize = 16;
/// Side of a board that cells are fitted into.
const BOARD: usize = 576;

/// Draws a scene: the id and the step above, the board, the note below. Scenes of one size of board
/// and equally long texts give pictures of one size; see [`super::write_gif`].
#[must_use]
pub fn frame(scene: &Scene) -> Picture {
    let (rows, cols) = (scene.rows.max(1), scene.cols.max(1));
    let cell = (BOARD / rows.max(cols)).clamp(16, 72);
    let width = (cols * cell + 2 * MARGIN).max(320);
    let room = width - 2 * MARGIN;
    let steps = format!("step {} of {}", scene.step, scene.step_limit);
    let title_scale = if text_width(&scene.title, 2) <= room {
        2
    } else {
        1
    };
    let top = MARGIN + 7 * title_scale + 8 + 7 * 2 + 12;
    let bottom = top + rows * cell + 12;
    // The line of the note is always kept free, so that all frames of a film are of one size.
    let height = bottom + 7 * 2 + MARGIN;
    let mut picture = Picture::new(width, height, PAPER);
    let left = ((width - cols * cell) / 2) as f32;
    let margin = MARGIN as f32;
    picture.write(
        &fitted(&scene.title, room, title_scale),
        margin,
        margin,
        title_scale,
        INK,
    );
    picture.write(
        &steps,
        margin,
        (MARGIN + 7 * title_scale + 8) as f32,
        2,
        FAINT,
    );
    progress(
        &mut picture,
        scene,
        width,
        MARGIN + 7 * title_scale + 8,
        text_width(&steps, 2),
    );
    let note_scale = if text_width(&scene.note, 2) <= room {
        2
    } else {
        1
    };
    picture.write(
        &fitted(&scene.note, room, note_scale),
        margin,
        bottom as f32,
        note_scale,
        INK,
    );

    let board = Area {
        left,
        top: top as f32,
        width: (cols * cell) as f32,
        height: (rows * cell) as f32,
    };
    picture.rounded(board.inset(-3.0), 5.0, FRAME);
    for row in 0..rows {
        for col in 0..cols {
            let colour = if (row + col) % 2 == 0 {
                FIELD
            } else {
                FIELD_ALTERNATE
            };
            picture.rectangle(area_of(left, top, cell, row, col), colour);
        }
    }
    for mark in scene
        .marks
        .iter()
        .filter(|mark| mark.kind != MarkKind::Agent)
    {
        draw(
            &mut picture,
            mark,
            area_of(left, top, cell, mark.row, mark.col),
            0,
        );
    }
    let agents: Vec<&Mark> = scene
        .marks
        .iter()
        .filter(|mark| mark.kind == MarkKind::Agent)
        .collect();
    for (index, agent) in agents.iter().enumerate() {
        let together = |other: &&&Mark| (other.row, other.col) == (agent.row, agent.col);
        let count = agents.iter().filter(together).count();
        let place = agents[..index].iter().filter(together).count();
        let area = area_of(left, top, cell, agent.row, agent.col);
        draw(&mut picture, agent, share(area, count, place), index);
    }
    picture
}

/// How far the episode is, as a bar right of the step.
fn progress(picture: &mut Picture, scene: &Scene, width: usize, top: usize, text: usize) {
    let left = (MARGIN + text + 16) as f32;
    let room = (width - MARGIN) as f32 - left;
    let done = scene.step as f32 / scene.step_limit.max(1) as f32;
    let bar = Area {
        left,
        top: top as f32 + 4.0,
        width: room,
        height: 6.0,
    };
    picture.rounded(bar, 3.0, FIELD_ALTERNATE);
    if scene.step > 0 {
        picture.rounded(
            Area {
                width: (room * done.min(1.0)).max(6.0),
                ..bar
            },
            3.0,
            FAINT,
        );
    }
}

fn area_of(left: f32, top: usize, cell: usize, row: usize, col: usize) -> Area {
    Area {
        left: left + (col * cell) as f32,
        top: (top + row * cell) as f32,
        width: cell as f32,
        height: cell as f32,
    }
}

/// The part of a cell that one of `count` agents gets: all of it, or a place in a square of parts.
fn share(area: Area, count: usize, place: usize) -> Area {
    let side = (1..).find(|side| side * side >= count).unwrap_or(1);
    let (width, height) = (area.width / side as f32, area.height / side as f32);
    Area {
        left: area.left + (place % side) as f32 * width,
        top: area.top + (place / side) as f32 * height,
        width,
        height,
    }
}

fn draw(picture: &mut Picture, mark: &Mark, area: Area, index: usize) {
    let level = mark
        .level
        .map(|level| level.to_string())
        .unwrap_or_default();
    let side = area.width;
    match mark.kind {
        MarkKind::Agent => {
            let body = area.inset(side * 0.09);
            picture.rounded(body, side * 0.2, AGENTS[index % AGENTS.len()]);
            let name = format!("{}{level}", mark.label);
            picture.write_centred(&name, body, scale(&name, body.width * 0.86), WHITE);
        }
        MarkKind::Food => {
            let body = area.inset(side * 0.14);
            let body = Area {
                top: body.top + side * 0.05,
                ..body
            };
            let (x, _) = body.centre();
            let leaf = Area {
                left: x,
                top: body.top - side * 0.1,
                width: side * 0.22,
                height: side * 0.13,
            };
            picture.rounded(leaf, side * 0.06, LEAF);
            picture.rounded(body, body.width / 2.0, FOOD);
            // One digit may be larger than one of two letters.
            let room = if level.len() == 1 { 1.1 } else { 0.7 };
            picture.write_centred(&level, body, scale(&level, body.width * room), WHITE);
        }
        MarkKind::Goal => {
            let body = area.inset(side * 0.14);
            picture.rounded(body, body.width / 2.0, GOAL);
            picture.rounded(body.inset(side * 0.1), body.width / 2.0 - side * 0.1, FIELD);
            picture.write_centred(&level, body, scale(&level, body.width * 0.5), INK);
        }
        MarkKind::Cell | MarkKind::Chosen => {
            let chosen = mark.kind == MarkKind::Chosen;
            picture.rounded(area.inset(3.0), 6.0, if chosen { CHOSEN } else { PAPER });
            // One size for all entries of a table, as wide as five characters.
            let size = scale("00000", area.width * 0.9).min(scale(&mark.label, area.width * 0.9));
            picture.write_centred(&mark.label, area, size, if chosen { WHITE } else { INK });
        }
    }
}

/// The largest scale at which a text, or two letters, fits a width.
fn scale(text: &str, room: f32) -> usize {
    let letters = text.chars().count().max(2);
    let dots = letters * (font::WIDTH + 1) - 1;
    ((room / dots as f32) as usize).max(1)
}

/// Cuts a text that is too long for its line.
fn fitted(text: &str, room: usize, scale: usize) -> String {
    let most = room / ((font::WIDTH + 1) * scale);
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars()
        .take(most.saturating_sub(3))
        .chain("...".chars())
        .collect()
}
