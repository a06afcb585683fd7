//! The cursor over tokens.

use super::turn::Turn;
use super::{Mode, State};
use crate::keys::Move;
use crate::model::Model;
use crate::theme::Role;

/// Below this probability a token counts as unlikely.
const UNLIKELY: f64 = 0.1;
/// Rows of a page.
const PAGE: isize = 10;

/// Into the view of tokens, at the last answer's first token; or out of it.
pub(super) fn toggle(model: &mut Model) {
    let state = &mut model.chat;
    if state.mode == Mode::Tokens {
        state.mode = Mode::Read;
        return;
    }
    let with_tokens = |turn: &Turn| !turn.tokens.is_empty();
    match state.turns.iter().rposition(with_tokens) {
        Some(at) => {
            state.mode = Mode::Tokens;
            if state.cursor.0 != at {
                state.cursor = (at, 0);
            }
            settle(state);
        }
        None => model.notify("no answer with tokens yet".to_owned(), Role::Warn),
    }
}

/// The cursor is on a token, or there is no view of tokens.
pub(super) fn settle(state: &mut State) {
    if state.mode != Mode::Tokens {
        return;
    }
    let tokens = |at: usize| state.turns.get(at).map_or(0, |turn| turn.tokens.len());
    let (turn, token) = state.cursor;
    match tokens(turn) {
        0 => match (0..state.turns.len()).rev().find(|at| tokens(*at) > 0) {
            Some(at) => state.cursor = (at, 0),
            None => state.mode = Mode::Read,
        },
        count => state.cursor = (turn, token.min(count - 1)),
    }
}

/// The token before or behind the cursor, across answers.
fn neighbour(
    state: &State,
    (turn, token): (usize, usize),
    forward: bool,
) -> Option<(usize, usize)> {
    let tokens = |at: usize| state.turns.get(at).map_or(0, |turn| turn.tokens.len());
    if forward {
        if token + 1 < tokens(turn) {
            return Some((turn, token + 1));
        }
        let next = (turn + 1..state.turns.len()).find(|at| tokens(*at) > 0)?;
        return Some((next, 0));
    }
    if token > 0 {
        return Some((turn, token - 1));
    }
    let before = (0..turn).rev().find(|at| tokens(*at) > 0)?;
    Some((before, tokens(before) - 1))
}

/// One token further or back.
pub(super) fn step(state: &mut State, forward: bool) {
    if state.mode == Mode::Tokens
        && let Some(next) = neighbour(state, state.cursor, forward)
    {
        state.cursor = next;
    }
}

/// To the next unlikely token; `false` where there is none.
pub(super) fn unlikely(state: &mut State, forward: bool) -> bool {
    if state.mode != Mode::Tokens {
        return true;
    }
    let mut at = state.cursor;
    while let Some(next) = neighbour(state, at, forward) {
        at = next;
        let token = &state.turns[at.0].tokens[at.1];
        if token
            .log_probability
            .is_none_or(|value| value < UNLIKELY.ln())
        {
            state.cursor = at;
            return true;
        }
    }
    false
}

/// The cursor over rows, at about the same place in them.
pub(super) fn moved(state: &mut State, by: Move) {
    let rows = match by {
        Move::Lines(rows) => rows,
        Move::Pages(pages) => pages.saturating_mul(PAGE),
        Move::Top | Move::Bottom => {
            let ends: Vec<usize> = (0..state.turns.len())
                .filter(|at| !state.turns[*at].tokens.is_empty())
                .collect();
            let end = match by {
                Move::Top => ends.first().map(|at| (*at, 0)),
                _ => ends
                    .last()
                    .map(|at| (*at, state.turns[*at].tokens.len() - 1)),
            };
            state.cursor = end.unwrap_or(state.cursor);
            return;
        }
    };
    for _ in 0..rows.unsigned_abs().min(10_000) {
        if !by_row(state, rows > 0) {
            return;
        }
    }
}

fn by_row(state: &mut State, down: bool) -> bool {
    let (at, token) = state.cursor;
    let Some(turn) = state.turns.get(at) else {
        return false;
    };
    let byte = turn.token_range(token).start;
    let row = turn.row_of(byte, false);
    let start = turn
        .row(row, false)
        .and_then(|row| row.1)
        .map_or(0, |row| row.start);
    let column = byte.saturating_sub(start);
    let next = if down {
        Some(row + 1)
    } else {
        row.checked_sub(1)
    };
    let target = next
        .and_then(|next| turn.row(next, false))
        .and_then(|row| row.1);
    if let Some(row) = target {
        let byte = (row.start + column).min(row.end.saturating_sub(1).max(row.start));
        if let Some(found) = turn.token_at(byte) {
            // An empty row lies in a token that may be the cursor's own.
            let found = match (found == token, down) {
                (false, _) => found,
                (true, true) => (token + 1).min(turn.tokens.len() - 1),
                (true, false) => token.saturating_sub(1),
            };
            let moved = found != token;
            state.cursor = (at, found);
            return moved;
        }
        return false;
    }
    let others = if down {
        (at + 1..state.turns.len()).find(|at| !state.turns[*at].tokens.is_empty())
    } else {
        (0..at).rev().find(|at| !state.turns[*at].tokens.is_empty())
    };
    match others {
        Some(other) => {
            let last = state.turns[other].tokens.len() - 1;
            state.cursor = (other, if down { 0 } else { last });
            true
        }
        None => false,
    }
}
