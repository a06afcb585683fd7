//! Shares between 0 and 1 in a table of cells, as text and as a picture. Every cell has its number
//! in it: nothing is told by shade alone.

use std::fmt::Write;

use super::canvas::{Area, Colour, Picture, text_width};

const PAPER: Colour = [250, 249, 246];
const INK: Colour = [38, 40, 48];
const FAINT: Colour = [110, 114, 126];
const FRAME: Colour = [190, 187, 176];
const NOTHING: Colour = [236, 234, 227];
const WHITE: Colour = [255, 255, 255];
/// From nothing to all: lightness falls all the way, so that it prints in grey.
const SCALE: [Colour; 5] = [
    [253, 246, 214],
    [247, 199, 119],
    [226, 119, 74],
    [150, 48, 88],
    [61, 15, 83],
];

const MARGIN: usize = 16;
/// Side of a table that cells are fitted into.
const TABLE: usize = 576;
/// Room for the numbers of rows and columns.
const AXIS: usize = 28;
/// Between two tables in one picture.
const GAP: usize = 20;

/// Shares in cells.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    /// What it shows.
    pub title: String,
    /// What rows are numbered by, from 0 at the top.
    pub row_title: String,
    /// What columns are numbered by, from 0 at the left.
    pub col_title: String,
    /// Number of columns.
    pub cols: usize,
    /// A share from 0 to 1 for each cell, row by row; nothing where there is none.
    pub cells: Vec<Option<f64>>,
    /// A line below.
    pub note: String,
}

impl HeatMap {
    fn rows(&self) -> usize {
        self.cells.len().div_ceil(self.cols.max(1))
    }

    /// The table in plain characters: percentages, a shade before each, a point where there is
    /// no share.
    ///
    /// ```text
    /// share of central calls in %
    /// column: cell
    /// row: cell
    ///        0    1    2
    ///   0    .    0  ░12
    ///   1  ▓67 █100    .
    /// ```
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!(
            "{}\ncolumns: {}\nrows: {}\n    ",
            self.title, self.col_title, self.row_title
        );
        for col in 0..self.cols {
            // Writing to a string cannot fail.
            let _ = write!(out, "{col:>5}");
        }
        for (row, cells) in self.cells.chunks(self.cols.max(1)).enumerate() {
            let _ = write!(out, "\n{row:>4}");
            for cell in cells {
                let shown = cell.map_or_else(
                    || ".".to_owned(),
                    |share| format!("{}{}", shade(share), percent(share)),
                );
                let _ = write!(out, "{shown:>5}");
            }
        }
        out.push('\n');
        if !self.note.is_empty() {
            out += &self.note;
            out.push('\n');
        }
        out
    }
}

/// Draws tables below each other in one picture.
#[must_use]
pub fn heat_maps(maps: &[HeatMap]) -> Picture {
    let layouts: Vec<Layout> = maps.iter().map(Layout::of).collect();
    let width = layouts.iter().map(|layout| layout.width).max().unwrap_or(1);
    let heights: usize = layouts.iter().map(|layout| layout.height).sum();
    let height = heights + GAP * maps.len().saturating_sub(1) + 2 * MARGIN;
    let mut picture = Picture::new(width + 2 * MARGIN, height, PAPER);
    let mut top = MARGIN;
    for (map, layout) in maps.iter().zip(&layouts) {
        draw(&mut picture, map, layout, top);
        top += layout.height + GAP;
    }
    picture
}

struct Layout {
    cell: usize,
    width: usize,
    height: usize,
}

/// Height of a line of text at scale 2 with the space below.
const LINE: usize = 7 * 2 + 8;

impl Layout {
    fn of(map: &HeatMap) -> Self {
        let (rows, cols) = (map.rows().max(1), map.cols.max(1));
        let cell = (TABLE / rows.max(cols)).clamp(24, 72);
        let columns = format!("columns: {}", map.col_title);
        let lines = format!("rows: {}", map.row_title);
        let texts = [&map.title, &columns, &lines, &map.note];
        let longest = texts.map(|text| text_width(text, 2)).into_iter().max();
        Self {
            cell,
            width: (AXIS + cols * cell).max(longest.unwrap_or(0)),
            height: 4 * LINE + AXIS + rows * cell + 8,
        }
    }
}

fn draw(picture: &mut Picture, map: &HeatMap, layout: &Layout, top: usize) {
    let left = MARGIN as f32;
    let lines = [
        (map.title.clone(), INK),
        (format!("columns: {}", map.col_title), FAINT),
        (format!("rows: {}", map.row_title), FAINT),
    ];
    for (index, (line, colour)) in lines.iter().enumerate() {
        picture.write(line, left, (top + index * LINE) as f32, 2, *colour);
    }
    let cell = layout.cell as f32;
    let table_top = (top + 3 * LINE + AXIS) as f32;
    let table_left = left + AXIS as f32;
    let area = |row: usize, col: usize| Area {
        left: table_left + col as f32 * cell,
        top: table_top + row as f32 * cell,
        width: cell,
        height: cell,
    };
    let rows = map.rows();
    for col in 0..map.cols {
        let above = Area {
            top: table_top - AXIS as f32,
            height: AXIS as f32,
            ..area(0, col)
        };
        picture.write_centred(&col.to_string(), above, 1, FAINT);
    }
    for row in 0..rows {
        let beside = Area {
            left,
            width: AXIS as f32,
            ..area(row, 0)
        };
        picture.write_centred(&row.to_string(), beside, 1, FAINT);
    }
    let table = Area {
        width: map.cols as f32 * cell,
        height: rows as f32 * cell,
        ..area(0, 0)
    };
    picture.rectangle(table.inset(-2.0), FRAME);
    for (index, share) in map.cells.iter().enumerate() {
        let place = area(index / map.cols.max(1), index % map.cols.max(1));
        let inner = place.inset(1.0);
        let Some(share) = *share else {
            picture.rectangle(inner, NOTHING);
            picture.write_centred(".", inner, 1, FAINT);
            continue;
        };
        let colour = colour(share);
        picture.rectangle(inner, colour);
        let ink = if light(colour) { INK } else { WHITE };
        let label = percent(share);
        let scale = if text_width(&label, 2) + 4 <= layout.cell {
            2
        } else {
            1
        };
        picture.write_centred(&label, inner, scale, ink);
    }
    let below = table_top + rows as f32 * cell + 8.0;
    picture.write(&map.note, left, below, 2, INK);
}

/// Percent without the sign: whole numbers, a decimal below one percent.
fn percent(share: f64) -> String {
    let percent = 100.0 * share.clamp(0.0, 1.0);
    if percent > 0.0 && percent < 0.95 {
        let tenths = (10.0 * percent).round();
        format!(".{tenths}")
    } else {
        format!("{percent:.0}")
    }
}

fn shade(share: f64) -> &'static str {
    match share {
        ..0.05 => "",
        ..0.25 => "░",
        ..0.5 => "▒",
        ..0.75 => "▓",
        _ => "█",
    }
}

fn colour(share: f64) -> Colour {
    let steps = SCALE.len() - 1;
    let place = share.clamp(0.0, 1.0) * steps as f64;
    let below = (place as usize).min(steps - 1);
    let part = place - below as f64;
    std::array::from_fn(|channel| {
        let (from, to) = (SCALE[below][channel], SCALE[below + 1][channel]);
        (f64::from(from) * (1.0 - part) + f64::from(to) * part).round() as u8
    })
}

/// Whether dark letters are readable on a colour (relative luminance as sums of its channels).
fn light(colour: Colour) -> bool {
    let [red, green, blue] = colour.map(f64::from);
    0.299 * red + 0.587 * green + 0.114 * blue > 140.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> HeatMap {
        HeatMap {
            title: "calls in %".to_owned(),
            row_title: "row".to_owned(),
            col_title: "column".to_owned(),
            cols: 3,
            cells: vec![
                None,
                Some(0.0),
                Some(0.124),
                Some(0.67),
                Some(1.0),
                Some(0.004),
            ],
            note: "6 decisions".to_owned(),
        }
    }

    #[test]
    fn text_has_a_shade_and_a_number_in_every_cell() {
        let expected = "calls in %\ncolumns: column\nrows: row\n        0    1    2\n   \
                        0    .    0  ░12\n   1  ▓67 █100   .4\n6 decisions\n";
        assert_eq!(map().text(), expected);
    }

    #[test]
    fn a_darker_cell_is_a_larger_share_and_its_number_can_be_read() {
        let luminance = |share: f64| -> f64 {
            let [red, green, blue] = colour(share).map(f64::from);
            0.299 * red + 0.587 * green + 0.114 * blue
        };
        for step in 0..20 {
            let share = f64::from(step) / 20.0;
            assert!(luminance(share + 0.05) < luminance(share), "{share}");
            let ink = if light(colour(share)) { 40.0 } else { 255.0 };
            assert!((luminance(share) - ink).abs() > 90.0, "{share}");
        }
    }

    #[test]
    fn cells_are_coloured_where_they_lie() {
        let picture = heat_maps(&[map()]);
        let cell = 72;
        let dot = |row: usize, col: usize| {
            // The upper left corner of a cell, away from its number.
            let x = MARGIN + AXIS + col * cell + 4;
            let y = MARGIN + 3 * LINE + AXIS + row * cell + 4;
            let start = 3 * (y * picture.width + x);
            picture.pixels[start..start + 3].to_vec()
        };
        assert_eq!(dot(0, 0), NOTHING);
        assert_eq!(dot(0, 1), SCALE[0]);
        assert_eq!(dot(1, 1), SCALE[4]);
        assert_eq!(dot(1, 0), colour(0.67));
    }

    #[test]
    fn two_tables_stand_below_each_other() {
        let (one, two) = (heat_maps(&[map()]), heat_maps(&[map(), map()]));
        assert_eq!(one.width, two.width);
        assert_eq!(two.height, 2 * one.height - 2 * MARGIN + GAP);
        let bytes = 3 * (MARGIN + 4) * one.width;
        assert_eq!(one.pixels[..bytes], two.pixels[..bytes]);
    }
}
