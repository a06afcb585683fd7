//! Pieces that the launcher's views share.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Margin, Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};

use crate::figures::printable;
use crate::model::Model;
use crate::theme::Role;
use crate::view::{first_row, fit};

/// A list, and what is told about its chosen entry.
pub(super) struct Split {
    pub(super) list: Rect,
    pub(super) detail: Option<Rect>,
}

/// Side by side where there is width, else one above the other; the list alone where it is tight.
pub(super) fn split(area: Rect, share: u16) -> Split {
    if area.width >= 110 {
        let [list, detail] =
            Layout::horizontal([Constraint::Fill(100 - share), Constraint::Fill(share)])
                .areas(area);
        return Split {
            list,
            detail: Some(detail),
        };
    }
    if area.height >= 16 {
        let height = if area.height >= 28 { 10 } else { 6 };
        let [list, detail] =
            Layout::vertical([Constraint::Min(6), Constraint::Length(height)]).areas(area);
        return Split {
            list,
            detail: Some(detail),
        };
    }
    Split {
        list: area,
        detail: None,
    }
}

/// A box with a title; gives its inside.
pub(super) fn boxed(
    model: &Model,
    frame: &mut Frame,
    area: Rect,
    title: &str,
    focus: bool,
) -> Rect {
    let role = if focus { Role::Focus } else { Role::Muted };
    let width = (area.width as usize).saturating_sub(4);
    let title = fit(
        title,
        Span::raw(printable(title)).width().min(width),
        model.theme.unicode(),
    );
    let block = Block::bordered()
        .border_set(model.theme.border())
        .border_style(model.theme.style(role))
        .title(Span::styled(format!(" {title} "), model.theme.style(role)));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

/// As [`boxed`], over what was drawn before.
pub(super) fn window(model: &Model, frame: &mut Frame, area: Rect, title: &str) -> Rect {
    frame.render_widget(Clear, area);
    boxed(model, frame, area, title, true)
}

/// A line in the colours of the selection over a whole width.
pub(super) fn selected<'a>(model: &Model, mut line: Line<'a>, width: usize) -> Line<'a> {
    let missing = width.saturating_sub(line.width());
    line.push_span(Span::raw(" ".repeat(missing)));
    for span in &mut line.spans {
        span.style = Style::default();
    }
    line.patch_style(model.theme.style(Role::Selected))
}

/// The entry of a list in a box that is under a position.
pub(super) fn entry_at(list: Rect, at: Position, chosen: usize, count: usize) -> Option<usize> {
    let inner = list.inner(Margin::new(1, 1));
    if !inner.contains(at) {
        return None;
    }
    let first = first_row(chosen, count, inner.height as usize);
    let index = first + (at.y - inner.y) as usize;
    (index < count).then_some(index)
}

/// A text in lines of at most so many cells, broken at blanks where there are some.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let cells = |text: &str| Span::raw(text.to_owned()).width();
    let mut lines = vec![String::new()];
    for word in printable(text).split(' ') {
        let line = lines.last_mut().expect("there is always one");
        let gap = usize::from(!line.is_empty());
        if cells(line) + gap + cells(word) <= width {
            if gap > 0 {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(String::new());
        }
        for letter in word.chars() {
            let line = lines.last_mut().expect("there is always one");
            if !line.is_empty() && cells(line) + cells(&letter.to_string()) > width {
                lines.push(letter.to_string());
            } else {
                line.push(letter);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrapped("日本語", 4), ["日本", "語"]);
        assert_eq!(wrapped("", 0), [""]);
    }
}
