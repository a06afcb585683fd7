//! The map of central calls in characters: a number and a shade in every cell.

use ratatui::text::{Line, Span};
use tracking::switching::{CallMap, Tally};

use crate::figures::count;
use crate::theme::{Role, Theme};
use crate::view::fit;

/// Columns of a cell with its percentage, and of one with a digit only.
const WIDE: usize = 5;
const NARROW: usize = 2;
/// Columns of the row numbers.
const NUMBERS: usize = 4;

fn shade(share: f64, unicode: bool) -> char {
    let level = match share {
        ..0.05 => return ' ',
        ..0.25 => 0,
        ..0.5 => 1,
        ..0.75 => 2,
        _ => 3,
    };
    let marks = if unicode { "░▒▓█" } else { ".:*#" };
    marks.chars().nth(level).unwrap_or('#')
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share.clamp(0.0, 1.0);
    if percent > 0.0 && percent < 0.95 {
        format!(".{:.0}", 10.0 * percent)
    } else {
        format!("{percent:.0}")
    }
}

/// The tenth of a share as a digit; a point where there is none.
pub(super) fn digit(tally: &Tally) -> char {
    match tally.share() {
        None => '.',
        Some(share) => {
            let tenth = (share * 10.0) as u32;
            char::from_digit(tenth.min(9), 10).unwrap_or('9')
        }
    }
}

/// The map, by cell or by distance, in a width and height.
pub(super) fn lines<'a>(
    name: &str,
    map: &CallMap,
    by_distance: bool,
    (width, height): (usize, usize),
    theme: &Theme,
) -> Vec<Line<'a>> {
    let by_distance = by_distance && !map.distances.is_empty();
    let (cols, cells, title, legend) = if by_distance {
        (
            map.side(),
            &map.distances,
            "central calls in % by distance",
            "rows: steps to food, columns: between agents",
        )
    } else {
        (
            map.cols,
            &map.cells,
            "central calls in % by cell",
            "rows and columns of an agent",
        )
    };
    let unicode = theme.unicode();
    let muted = |text: &str| Line::styled(fit(text, width, unicode), theme.style(Role::Muted));
    let title = format!(
        "{title}, {name}: {} of {}",
        count(map.decisions.calls as f64),
        count(map.decisions.visits as f64)
    );
    let mut out = vec![Line::styled(
        fit(&title, width, unicode),
        theme.style(Role::Strong),
    )];
    let cell = if NUMBERS + cols * WIDE <= width {
        WIDE
    } else {
        NARROW
    };
    let shown_cols = (width.saturating_sub(NUMBERS) / cell).min(cols);
    let mut heading = " ".repeat(NUMBERS);
    for col in 0..shown_cols {
        let number = if cell == WIDE { col } else { col % 10 };
        heading.push_str(&format!("{number:>cell$}"));
    }
    out.push(muted(&heading));
    let room = height.saturating_sub(3);
    let rows = cells.chunks(cols.max(1));
    let row_count = rows.len();
    for (row, tallies) in rows.take(room).enumerate() {
        let mut spans = vec![Span::styled(
            format!("{row:>NUMBERS$}"),
            theme.style(Role::Muted),
        )];
        for tally in &tallies[..shown_cols.min(tallies.len())] {
            let share = tally.share();
            let text = match (share, cell) {
                (_, NARROW) => format!(" {}", digit(tally)),
                (None, _) => format!("{:>WIDE$}", "."),
                (Some(share), _) => {
                    let text = format!("{}{}", shade(share, unicode), percent(share));
                    format!("{text:>WIDE$}")
                }
            };
            let role = match share {
                None => Role::Muted,
                Some(share) if share >= 0.5 => Role::Strong,
                Some(_) => Role::Text,
            };
            spans.push(Span::styled(text, theme.style(role)));
        }
        out.push(Line::from(spans));
    }
    let cut = row_count > room || shown_cols < cols;
    let legend = match (cell, cut) {
        (NARROW, _) => format!("{legend}; digits are tenths"),
        (_, true) => format!("{legend}; enlarge to see all of {row_count} x {cols}"),
        _ => legend.to_owned(),
    };
    out.push(muted(&legend));
    out.truncate(height);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> CallMap {
        let tally = |visits, calls| Tally { visits, calls };
        CallMap {
            title: "x".into(),
            rows: 2,
            cols: 2,
            decisions: tally(1_200, 30),
            cells: vec![tally(0, 0), tally(10, 0), tally(300, 1), tally(10, 9)],
            distances: Vec::new(),
        }
    }

    fn drawn(width: usize, height: usize, unicode: bool) -> Vec<String> {
        let theme = Theme::new(crate::theme::Surroundings {
            unicode,
            ..Default::default()
        });
        lines("best", &map(), true, (width, height), &theme)
            .iter()
            .map(|line| line.to_string().trim_end().to_owned())
            .collect()
    }

    #[test]
    fn every_cell_has_a_number_and_a_shade() {
        assert_eq!(
            drawn(50, 9, true),
            [
                "central calls in % by cell, best: 30 of 1.2k",
                "        0    1",
                "   0    .    0",
                "   1   .3  █90",
                "rows and columns of an agent",
            ]
        );
        assert!(drawn(50, 9, false)[3].ends_with("#90"));
    }

    #[test]
    fn narrow_cells_hold_tenths_and_nothing_leaves_the_area() {
        let narrow = drawn(9, 9, true);
        assert_eq!(narrow[2..4], ["   0 . 0", "   1 0 9"]);
        for width in 0..30 {
            for height in 0..7 {
                let lines = drawn(width, height, true);
                assert!(lines.len() <= height);
                let _ = lines;
            }
        }
    }
}
