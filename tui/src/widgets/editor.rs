//! A text of several lines that is being edited.

use std::ops::Range;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::text::{Line, Span};

use crate::theme::{Role, Theme};
use crate::widgets::prose::cells;
use crate::widgets::rows;

/// Longer texts are refused, in bytes.
const LONGEST: usize = 1 << 20;

/// A text with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Editor {
    text: String,
    /// Byte of the cursor.
    cursor: usize,
}

impl Editor {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the text; the cursor goes behind it.
    pub fn set(&mut self, text: &str) {
        text.clone_into(&mut self.text);
        self.cursor = self.text.len();
    }

    /// Puts a text where the cursor is; of the control characters only line feeds stay.
    pub fn insert(&mut self, text: &str) {
        let kept: String = text
            .replace("\r\n", "\n")
            .replace('\r', "\n")
            .replace('\t', "    ")
            .chars()
            .filter(|character| *character == '\n' || !character.is_control())
            .collect();
        if self.text.len() + kept.len() <= LONGEST {
            self.text.insert_str(self.cursor, &kept);
            self.cursor += kept.len();
        }
    }

    /// Edits by a key; `false` when the key edits nothing, as the arrows at the ends of the text.
    pub fn press(&mut self, key: KeyEvent) -> bool {
        if key.kind == KeyEventKind::Release {
            return false;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match (key.code, control) {
            // What terminals send for a line feed: Alt with Enter, or Ctrl-j.
            (KeyCode::Enter, _) if alt || key.modifiers.contains(KeyModifiers::SHIFT) => {
                self.insert("\n");
            }
            (KeyCode::Char('j'), true) => self.insert("\n"),
            (KeyCode::Char('a'), true) | (KeyCode::Home, _) => self.cursor = self.line_start(),
            (KeyCode::Char('e'), true) | (KeyCode::End, _) => self.cursor = self.line_end(),
            (KeyCode::Char('u'), true) => self.remove(self.line_start()..self.cursor),
            (KeyCode::Char('k'), true) => self.remove(self.cursor..self.line_end()),
            (KeyCode::Char('w'), true) => self.remove(self.word_start()..self.cursor),
            (KeyCode::Char(_), true) => return false,
            (KeyCode::Char(character), false) if !alt => {
                self.insert(character.encode_utf8(&mut [0; 4]));
            }
            (KeyCode::Left, _) => self.cursor = self.before(),
            (KeyCode::Right, _) => self.cursor = self.after(),
            (KeyCode::Backspace, _) => self.remove(self.before()..self.cursor),
            (KeyCode::Delete, _) => self.remove(self.cursor..self.after()),
            (KeyCode::Up, _) => return self.vertical(true),
            (KeyCode::Down, _) => return self.vertical(false),
            _ => return false,
        }
        true
    }

    /// The text in lines of a width, the cursor shown by reversed colours; at most so many, so that
    /// the cursor is among them.
    #[must_use]
    pub fn lines<'a>(&self, width: usize, most: usize, theme: &Theme) -> Vec<Line<'a>> {
        // A cell is kept for a cursor behind the last character.
        let all = self.rows(width);
        let place = all
            .iter()
            .rposition(|row| row.start <= self.cursor)
            .unwrap_or(0);
        let first = (place + 1).saturating_sub(most.max(1));
        let cursor = theme.style(Role::Selected);
        all.iter()
            .enumerate()
            .skip(first)
            .take(most)
            .map(|(index, row)| {
                let text = &self.text[row.clone()];
                if index != place {
                    return Line::raw(text.to_owned());
                }
                let at = self.cursor.min(row.end) - row.start;
                let under = text[at..].chars().next();
                let behind = at + under.map_or(0, char::len_utf8);
                Line::from(vec![
                    Span::raw(text[..at].to_owned()),
                    Span::styled(under.map_or_else(|| " ".to_owned(), String::from), cursor),
                    Span::raw(text[behind..].to_owned()),
                ])
            })
            .collect()
    }

    /// Lines that the text takes at a width.
    #[must_use]
    pub fn height(&self, width: usize) -> usize {
        self.rows(width).len()
    }

    fn rows(&self, width: usize) -> Vec<Range<usize>> {
        let mut all = Vec::new();
        let width = width.saturating_sub(1).max(2);
        rows::extend(&self.text, 0..self.text.len(), width, &mut all);
        all
    }

    fn remove(&mut self, range: Range<usize>) {
        self.cursor = range.start;
        self.text.drain(range);
    }

    fn before(&self) -> usize {
        let last = self.text[..self.cursor].chars().next_back();
        self.cursor - last.map_or(0, char::len_utf8)
    }

    fn after(&self) -> usize {
        let next = self.text[self.cursor..].chars().next();
        self.cursor + next.map_or(0, char::len_utf8)
    }

    fn line_start(&self) -> usize {
        self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        let rest = self.text[self.cursor..].find('\n');
        rest.map_or(self.text.len(), |at| self.cursor + at)
    }

    fn word_start(&self) -> usize {
        let before = &self.text[..self.cursor];
        let trimmed = before.trim_end();
        let gap = trimmed.rfind(char::is_whitespace);
        gap.map_or(0, |at| {
            at + trimmed[at..].chars().next().map_or(0, char::len_utf8)
        })
    }

    /// To the line above or below, at the same cell; `false` where there is none.
    fn vertical(&mut self, up: bool) -> bool {
        let start = self.line_start();
        let column = cells(&self.text[start..self.cursor]);
        let (from, to) = if up {
            let Some(end) = start.checked_sub(1) else {
                return false;
            };
            let from = self.text[..end].rfind('\n').map_or(0, |at| at + 1);
            (from, end)
        } else {
            let end = self.line_end();
            if end == self.text.len() {
                return false;
            }
            let rest = self.text[end + 1..].find('\n');
            let to = rest.map_or(self.text.len(), |at| end + 1 + at);
            (end + 1, to)
        };
        let line = &self.text[from..to];
        self.cursor = from + crate::widgets::prose::cut(line, column).len();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::Surroundings;

    fn press(editor: &mut Editor, code: KeyCode, modifiers: KeyModifiers) -> bool {
        editor.press(KeyEvent::new(code, modifiers))
    }

    fn plain(editor: &mut Editor, code: KeyCode) -> bool {
        press(editor, code, KeyModifiers::NONE)
    }

    #[test]
    fn lines_begin_with_what_terminals_send_and_enter_alone_is_not_taken() {
        let mut editor = Editor::default();
        editor.insert("a");
        assert!(!plain(&mut editor, KeyCode::Enter));
        assert!(press(&mut editor, KeyCode::Enter, KeyModifiers::ALT));
        editor.insert("b");
        assert!(press(
            &mut editor,
            KeyCode::Char('j'),
            KeyModifiers::CONTROL
        ));
        editor.insert("c\r\nd\te\u{1b}[2J");
        assert_eq!(editor.text(), "a\nb\nc\nd    e[2J");
    }

    #[test]
    fn the_cursor_moves_over_lines_and_characters() {
        let mut editor = Editor::default();
        editor.set("日本語\nab\nlonger");
        assert!(plain(&mut editor, KeyCode::Up));
        plain(&mut editor, KeyCode::Backspace);
        assert_eq!(editor.text(), "日本語\na\nlonger");
        assert!(plain(&mut editor, KeyCode::Up));
        plain(&mut editor, KeyCode::Delete);
        assert_eq!(editor.text(), "本語\na\nlonger");
        assert!(!plain(&mut editor, KeyCode::Up), "there is no line above");
        assert!(plain(&mut editor, KeyCode::Down));
        plain(&mut editor, KeyCode::End);
        plain(&mut editor, KeyCode::Right);
        press(&mut editor, KeyCode::Char('k'), KeyModifiers::CONTROL);
        assert_eq!(editor.text(), "本語\na\n");
        editor.set("one two  ");
        press(&mut editor, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(editor.text(), "one ");
    }

    #[test]
    fn the_cursor_is_on_show_at_any_size() {
        let theme = Theme::new(Surroundings::default());
        let mut editor = Editor::default();
        editor.set("ab 日本語 xyz\n\nend of it");
        for _ in 0..20 {
            for width in 0..14 {
                for most in 0..5 {
                    let lines = editor.lines(width, most, &theme);
                    assert!(lines.len() <= most);
                    let reversed = theme.style(Role::Selected);
                    let shown = lines
                        .iter()
                        .flat_map(|line| &line.spans)
                        .filter(|span| span.style == reversed)
                        .count();
                    assert_eq!(shown, usize::from(most > 0), "{width} {most}");
                }
            }
            plain(&mut editor, KeyCode::Left);
        }
    }
}
