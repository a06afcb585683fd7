//! The log on the screen: filled from the bottom up.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use tracking::{Level, LogLine};

use super::State;
use crate::log::{role, sign, spoken, time_of_day};
use crate::model::Model;
use crate::panes::Pane;
use crate::theme::{Role, Theme};
use crate::view::{fit, pane_block};

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let block = pane_block(model, Pane::Logs, &heading(model));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.width < 4 || inner.height == 0 {
        return;
    }
    let state = &model.panes.logs;
    if state.chosen.shown.is_empty() {
        let hint = Paragraph::new(empty(model)).style(model.theme.style(Role::Muted));
        frame.render_widget(hint, inner);
        return;
    }
    frame.render_widget(Paragraph::new(rows(model, inner)), inner);
}

fn empty(model: &Model) -> &'static str {
    if model.run().is_none() {
        ""
    } else if model.detail.log.is_empty() {
        "The worker has said nothing."
    } else {
        "No line fits: l level, T target, / filter."
    }
}

/// What narrows the log down, and how far from its end it is.
fn heading(model: &Model) -> String {
    let state = &model.panes.logs;
    let mut parts = Vec::new();
    if state.level > Level::default() {
        let or_worse = if state.level == Level::Error {
            ""
        } else {
            " or worse"
        };
        parts.push(format!("{}{or_worse}", state.level.name()));
    } else if state.level == Level::Info {
        parts.extend(hidden_debug(model));
    }
    if !state.target.is_empty() {
        parts.push(format!("target {}", state.target));
    }
    if !state.filter.is_empty() {
        parts.push(format!("/{}: {}", state.filter, state.chosen.found.len()));
    }
    let back = state.lines_back();
    if back > 0 {
        parts.push(format!("{back} lines back, f follows"));
    }
    parts.join(", ")
}

fn hidden_debug(model: &Model) -> Option<String> {
    let hidden = model
        .detail
        .log
        .iter()
        .filter(|line| line.level == Level::Debug)
        .count();
    (hidden > 0).then(|| format!("{hidden} of debug hidden"))
}

/// As many rows as fit, the last shown line at the bottom.
fn rows<'a>(model: &Model, area: Rect) -> Vec<Line<'a>> {
    let state = &model.panes.logs;
    let detail = &model.detail;
    let (width, height) = (area.width as usize, area.height as usize);
    let mut rows: Vec<Line> = Vec::new();
    for number in state.chosen.shown.range(..state.below()).rev() {
        let Some(index) = number.checked_sub(detail.forgotten) else {
            break;
        };
        let Some(line) = detail.log.get(index as usize) else {
            continue;
        };
        let found = state.context
            && !state.filter.is_empty()
            && state.chosen.found.binary_search(number).is_ok();
        let mut part = row(state, line, found, width, &model.theme);
        part.reverse();
        rows.extend(part);
        if rows.len() >= height {
            break;
        }
    }
    rows.truncate(height);
    rows.reverse();
    rows
}

/// One line of the log in one or more rows.
fn row<'a>(
    state: &State,
    line: &LogLine,
    found: bool,
    width: usize,
    theme: &Theme,
) -> Vec<Line<'a>> {
    let mut style = theme.style(role(line.level));
    if found {
        style = style.add_modifier(Modifier::UNDERLINED | Modifier::BOLD);
    }
    let mut before = format!("{} ", sign(line.level));
    if state.times {
        let time = line.time.map_or_else(String::new, time_of_day);
        before.push_str(&format!("{time:<10}"));
    }
    let text = crate::figures::printable(&spoken(line));
    let room = width.saturating_sub(before.len());
    if room == 0 {
        return vec![Line::styled(fit(&text, width, theme.unicode()), style)];
    }
    let pieces = if state.wrap {
        wrapped(&text, room)
    } else {
        vec![fit(&text, room, theme.unicode())]
    };
    pieces
        .into_iter()
        .enumerate()
        .map(|(index, piece)| {
            let head = if index == 0 {
                before.clone()
            } else {
                " ".repeat(before.len())
            };
            Line::from(vec![
                Span::styled(head, theme.style(role(line.level))),
                Span::styled(piece, style),
            ])
        })
        .collect()
}

/// A text in pieces of at most so many cells, broken at spaces where there are some.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let cells = |text: &str| Span::raw(text.to_owned()).width();
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let long = cells(word.trim_end());
        if used > 0 && used + long > width {
            pieces.push(String::new());
            used = 0;
        }
        if long <= width {
            used += cells(word);
            push(&mut pieces, word);
            continue;
        }
        for letter in word.chars() {
            let letter = letter.to_string();
            let wide = cells(&letter);
            if used > 0 && used + wide > width {
                pieces.push(String::new());
                used = 0;
            }
            used += wide;
            push(&mut pieces, &letter);
        }
    }
    pieces
}

fn push(pieces: &mut [String], text: &str) {
    if let Some(last) = pieces.last_mut() {
        last.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_at_spaces_and_breaks_words_that_are_too_long() {
        assert_eq!(wrapped("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrapped("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrapped("日本語", 4), ["日本", "語"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
