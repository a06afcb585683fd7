//! A line of text that is being edited.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::text::{Line, Span};

use crate::theme::{Role, Theme};

/// Longer texts are refused: no setting and no path needs them.
const LONGEST: usize = 4_096;

/// A text with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    text: String,
    /// Position of the cursor, in characters.
    cursor: usize,
}

impl Input {
    /// A text with the cursor behind it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Input {
            text: text.to_owned(),
            cursor: text.chars().count(),
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the text; the cursor goes behind it.
    pub fn set(&mut self, text: &str) {
        *self = Input::new(text);
    }

    /// Puts a text where the cursor is; control characters are left out.
    pub fn insert(&mut self, text: &str) {
        for character in text.chars().filter(|character| !character.is_control()) {
            if self.text.len() >= LONGEST {
                return;
            }
            let at = self.byte(self.cursor);
            self.text.insert(at, character);
            self.cursor += 1;
        }
    }

    /// Edits by a key; `false` when the key edits nothing.
    pub fn press(&mut self, key: KeyEvent) -> bool {
        if key.kind == KeyEventKind::Release {
            return false;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, control) {
            (KeyCode::Char('a'), true) | (KeyCode::Home, _) => self.cursor = 0,
            (KeyCode::Char('e'), true) | (KeyCode::End, _) => self.cursor = self.length(),
            (KeyCode::Char('u'), true) => {
                self.text.drain(..self.byte(self.cursor));
                self.cursor = 0;
            }
            (KeyCode::Char('k'), true) => self.text.truncate(self.byte(self.cursor)),
            (KeyCode::Char('w'), true) => self.remove_word(),
            (KeyCode::Char(_), true) => return false,
            (KeyCode::Char(character), false) if !key.modifiers.contains(KeyModifiers::ALT) => {
                self.insert(character.encode_utf8(&mut [0; 4]));
            }
            (KeyCode::Left, _) => self.cursor = self.cursor.saturating_sub(1),
            (KeyCode::Right, _) => self.cursor = (self.cursor + 1).min(self.length()),
            (KeyCode::Backspace, _) if self.cursor > 0 => {
                self.cursor -= 1;
                let at = self.byte(self.cursor);
                self.text.remove(at);
            }
            (KeyCode::Delete, _) if self.cursor < self.length() => {
                let at = self.byte(self.cursor);
                self.text.remove(at);
            }
            (KeyCode::Backspace | KeyCode::Delete, _) => {}
            _ => return false,
        }
        true
    }

    /// The text in a width of cells, the cursor shown by reversed colours; scrolled so
    /// that the cursor is visible.
    #[must_use]
    pub fn line<'a>(&self, width: usize, theme: &Theme) -> Line<'a> {
        let cells = |text: &str| Span::raw(text.to_owned()).width();
        let shown: Vec<char> = self.text.chars().collect();
        let under = shown
            .get(self.cursor)
            .map_or_else(|| " ".to_owned(), char::to_string);
        let mut first = 0;
        let until_cursor: String = shown[..self.cursor].iter().collect();
        let mut room = cells(&until_cursor) + cells(&under);
        while room > width.max(1) && first < self.cursor {
            room -= cells(&shown[first].to_string());
            first += 1;
        }
        let before: String = shown[first..self.cursor].iter().collect();
        let mut after = String::new();
        let mut used = cells(&before) + cells(&under);
        for character in shown.iter().skip(self.cursor + 1) {
            used += cells(&character.to_string());
            if used > width {
                break;
            }
            after.push(*character);
        }
        Line::from(vec![
            Span::raw(before),
            Span::styled(under, theme.style(Role::Selected)),
            Span::raw(after),
        ])
    }

    fn remove_word(&mut self) {
        let before: Vec<char> = self.text.chars().take(self.cursor).collect();
        let end = before
            .iter()
            .rposition(|character| !character.is_whitespace())
            .map_or(0, |at| at + 1);
        let start = before[..end]
            .iter()
            .rposition(|character| character.is_whitespace())
            .map_or(0, |at| at + 1);
        self.text.drain(self.byte(start)..self.byte(self.cursor));
        self.cursor = start;
    }

    fn length(&self) -> usize {
        self.text.chars().count()
    }

    fn byte(&self, index: usize) -> usize {
        self.text
            .char_indices()
            .nth(index)
            .map_or(self.text.len(), |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::Surroundings;

    fn press(input: &mut Input, code: KeyCode) -> bool {
        input.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn text_is_edited_by_characters_not_bytes() {
        let mut input = Input::new("日本");
        press(&mut input, KeyCode::Left);
        press(&mut input, KeyCode::Char('é'));
        assert_eq!(input.text(), "日é本");
        press(&mut input, KeyCode::Backspace);
        press(&mut input, KeyCode::Delete);
        assert_eq!(input.text(), "日");
        assert!(!press(&mut input, KeyCode::Enter));
    }

    #[test]
    fn control_keys_move_and_cut() {
        let control = |input: &mut Input, letter| {
            input.press(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))
        };
        let mut input = Input::new("set replay.size  12");
        control(&mut input, 'w');
        assert_eq!(input.text(), "set replay.size  ");
        control(&mut input, 'w');
        assert_eq!(input.text(), "set ");
        control(&mut input, 'u');
        assert_eq!(input.text(), "");
        assert!(!control(&mut input, 'x'));
        input.insert("a\u{1b}b\n");
        assert_eq!(input.text(), "ab");
    }

    #[test]
    fn the_cursor_stays_visible_in_any_width() {
        let theme = Theme::new(Surroundings::default());
        for width in 0..12 {
            for back in 0..8 {
                let mut input = Input::new("ab日本語xyz");
                for _ in 0..back {
                    press(&mut input, KeyCode::Left);
                }
                let line = input.line(width, &theme);
                assert!(line.width() <= width.max(2), "{width} {back} {line:?}");
            }
        }
    }
}
