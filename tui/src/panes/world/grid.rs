//! The board in an area: centred, or scrolled to follow an agent.

use ratatui::text::{Line, Span};
use tracking::switching::CallMap;

use super::{Overlay, heat};
use crate::detail::{Piece, WorldFrame};
use crate::figures::printable;
use crate::theme::{Role, Theme};

/// A board as lines, and which part of it is shown where it does not fit.
pub(super) struct Board<'a> {
    pub(super) lines: Vec<Line<'a>>,
    pub(super) part: Option<String>,
}

/// Draws a frame into a width and height.
pub(super) fn board<'a>(
    frame: &WorldFrame,
    (overlay, map): (Overlay, Option<&CallMap>),
    agent: usize,
    (width, height): (usize, usize),
    theme: &Theme,
) -> Board<'a> {
    let columns = frame.rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = frame
        .rows
        .iter()
        .flatten()
        .map(|piece| cells(&piece.0))
        .max();
    let cell = cell.unwrap_or(1).max(1);
    let (row, col) = frame.agents.get(agent).copied().unwrap_or((0, 0));
    let rows = window(frame.rows.len(), height, row);
    let cols = if columns > 1 && columns * cell > width {
        window(columns, (width / cell).max(1), col)
    } else {
        (0, columns)
    };
    let scrolled = rows.1 < frame.rows.len() || cols.1 < columns;
    let left = width.saturating_sub(cols.1 * cell) / 2;
    let top = height.saturating_sub(rows.1) / 2;
    let mut lines = vec![Line::default(); top];
    for (index, pieces) in frame.rows.iter().enumerate().skip(rows.0).take(rows.1) {
        let mut spans = vec![Span::raw(" ".repeat(left))];
        for (column, piece) in pieces.iter().enumerate().skip(cols.0).take(cols.1) {
            let tally = map
                .filter(|map| index < map.rows && column < map.cols)
                .and_then(|map| map.cells.get(index * map.cols + column));
            let (text, role) = match (overlay, tally) {
                (Overlay::Calls, Some(tally)) if is_empty(piece) => {
                    (with_first(&piece.0, heat::digit(tally)), piece.1)
                }
                (Overlay::Plain, _) => (without_digits(&piece.0), piece.1),
                _ => piece.clone(),
            };
            let text = if theme.unicode() {
                printable(&text)
            } else {
                printable(&text.replace('·', "."))
            };
            spans.push(Span::styled(text, theme.style(role)));
        }
        lines.push(Line::from(spans));
    }
    let part = scrolled.then(|| {
        let letter = char::from(b'A' + (agent % 26) as u8);
        format!(
            "rows {}-{} of {}, columns {}-{} of {columns}, follows {letter}",
            rows.0,
            rows.0 + rows.1.saturating_sub(1),
            frame.rows.len(),
            cols.0,
            cols.0 + cols.1.saturating_sub(1),
        )
    });
    Board { lines, part }
}

/// Start and length of what is shown of `whole` in `room`, around a place.
fn window(whole: usize, room: usize, around: usize) -> (usize, usize) {
    if whole <= room {
        return (0, whole);
    }
    let start = around.saturating_sub(room / 2).min(whole - room);
    (start, room)
}

fn is_empty(piece: &Piece) -> bool {
    piece.0.trim_end() == "·"
}

fn with_first(text: &str, first: char) -> String {
    let mut out = String::from(first);
    out.extend(text.chars().skip(1));
    out
}

/// Levels away, the width stays.
fn without_digits(text: &str) -> String {
    let mut letter = false;
    text.chars()
        .map(|one| {
            if letter && one.is_ascii_digit() {
                return ' ';
            }
            letter |= one.is_alphabetic() || one == '*';
            one
        })
        .collect()
}

fn cells(text: &str) -> usize {
    Span::raw(text).width()
}

/// What a piece of the caption looks like.
pub(super) fn caption<'a>(text: &str, theme: &Theme) -> Line<'a> {
    let text = if theme.unicode() {
        printable(text)
    } else {
        printable(&text.replace('·', "-"))
    };
    Line::styled(text, theme.style(Role::Muted)).centered()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracking::switching::Tally;

    fn frame(rows: usize, cols: usize, agent: (usize, usize)) -> WorldFrame {
        let mut board = vec![vec![("·  ".to_owned(), Role::Muted); cols]; rows];
        board[agent.0][agent.1] = ("A2 ".to_owned(), Role::Series(1));
        WorldFrame {
            rows: board,
            agents: vec![agent],
            ..WorldFrame::default()
        }
    }

    fn drawn(frame: &WorldFrame, overlay: Overlay, size: (usize, usize)) -> (Vec<String>, bool) {
        let theme = Theme::new(crate::theme::Surroundings::default());
        let tally = Tally {
            visits: 10,
            calls: 4,
        };
        let map = CallMap {
            rows: 2,
            cols: 2,
            cells: vec![tally; 4],
            ..CallMap::default()
        };
        let board = board(frame, (overlay, Some(&map)), 0, size, &theme);
        let lines = board.lines.iter().map(|line| line.to_string());
        let lines = lines.map(|line| line.trim_end().to_owned()).collect();
        (lines, board.part.is_some())
    }

    #[test]
    fn a_large_board_follows_its_agent_to_every_corner() {
        for at in [(0, 0), (0, 59), (39, 0), (39, 59), (20, 30)] {
            let (lines, scrolled) = drawn(&frame(40, 60, at), Overlay::Levels, (30, 8));
            assert!(scrolled);
            assert_eq!(lines.len(), 8);
            assert!(lines.iter().any(|line| line.contains("A2")), "{at:?}");
        }
        let (lines, scrolled) = drawn(&frame(2, 2, (1, 0)), Overlay::Levels, (8, 2));
        assert_eq!(
            (lines, scrolled),
            (vec![" ·  ·".into(), " A2 ·".into()], false)
        );
    }

    #[test]
    fn overlays_change_cells_and_not_their_places() {
        let frame = frame(2, 2, (1, 0));
        let of = |overlay| drawn(&frame, overlay, (6, 2)).0;
        assert_eq!(of(Overlay::Calls), ["4  4", "A2 4"]);
        assert_eq!(of(Overlay::Plain), ["·  ·", "A  ·"]);
    }
}
