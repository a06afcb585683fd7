//! A line that asks where something is to be written.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use super::input::Input;
use crate::theme::{Role, Theme};

/// A path that is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPrompt {
    input: Input,
    /// Endings that tell what is written, without their points.
    endings: &'static [&'static str],
}

/// A file that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its path.
    pub path: String,
    /// Whether it is replaced where it exists.
    pub replace: bool,
}

impl Target {
    fn read(typed: &str) -> Self {
        let typed = typed.trim();
        let (path, replace) = match typed.strip_suffix('!') {
            Some(path) => (path.trim_end(), true),
            None => (typed, false),
        };
        Target {
            path: path.to_owned(),
            replace,
        }
    }

    /// The ending of the path, without its point; empty where it has none.
    #[must_use]
    pub fn ending(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, ending)| ending)
    }

    /// What is said of a path whose ending is none of these.
    #[must_use]
    pub fn refusal(&self, endings: &[&str]) -> String {
        format!(
            "cannot tell what to write to `{}` - allowed endings: .{}",
            self.path,
            endings.join(", .")
        )
    }
}

impl PathPrompt {
    /// A prompt that offers a path.
    #[must_use]
    pub fn new(suggested: &str, endings: &'static [&'static str]) -> Self {
        PathPrompt {
            input: Input::new(suggested),
            endings,
        }
    }

    /// Draws it into a row, with what may be typed behind it.
    pub fn draw(&self, theme: &Theme, frame: &mut Frame, row: Rect) {
        if row.is_empty() {
            return;
        }
        // The path has all the room that it needs; what is behind it goes first.
        let mut line = Line::styled(" write to ", theme.style(Role::Key));
        let room = usize::from(row.width).saturating_sub(line.width());
        line.extend(self.input.line(room, theme).spans);
        let tail = format!(
            "  .{}; ! at the end replaces a file ",
            self.endings.join(" .")
        );
        line.push_span(Span::styled(tail, theme.style(Role::Muted)));
        frame.render_widget(Clear, row);
        frame.render_widget(line, row);
    }
}

/// Passes a key to a prompt. None where none is open; otherwise the file that Enter chose. Enter
/// and Esc close the prompt.
pub fn typed(prompt: &mut Option<PathPrompt>, key: KeyEvent) -> Option<Option<Target>> {
    let open = prompt.as_mut()?;
    if key.kind == KeyEventKind::Release {
        return Some(None);
    }
    match key.code {
        KeyCode::Esc => *prompt = None,
        KeyCode::Enter => {
            let chosen = Target::read(open.input.text());
            *prompt = None;
            return Some(Some(chosen));
        }
        _ => {
            open.input.press(key);
        }
    }
    Some(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_typed_and_chosen() {
        let press = |prompt: &mut Option<PathPrompt>, code| typed(prompt, KeyEvent::from(code));
        assert_eq!(press(&mut None, KeyCode::Enter), None);
        let mut prompt = Some(PathPrompt::new("a.csv", &["csv", "md"]));
        assert_eq!(press(&mut prompt, KeyCode::Char('!')), Some(None));
        let chosen = press(&mut prompt, KeyCode::Enter);
        let chosen = chosen.flatten().expect("a file");
        assert_eq!((chosen.path.as_str(), chosen.ending()), ("a.csv", "csv"));
        assert!(chosen.replace && prompt.is_none());
        let refusal = chosen.refusal(&["txt", "md"]);
        assert!(refusal.ends_with("allowed endings: .txt, .md"), "{refusal}");
        let mut prompt = Some(PathPrompt::new("a", &["csv"]));
        assert_eq!(press(&mut prompt, KeyCode::Esc), Some(None));
        assert!(prompt.is_none());
    }
}
