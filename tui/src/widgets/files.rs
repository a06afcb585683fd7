//! Looking for a file or a folder: what is in a folder, found by a few letters, with a glance at
//! the chosen entry. It reads nothing by itself; [`Wanted`] says what it needs.

use std::path::{Path, PathBuf};

use configs::finetune::ARITHMETIC;
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use crate::figures::printable;
use crate::keys::Move;
use crate::plan::bytes;
use crate::screens::launcher::fuzzy::ranked;
use crate::screens::launcher::requests::{Entry, Folder};
use crate::theme::{Role, Theme};
use crate::view::{first_row, fit};
use crate::widgets::input::Input;

/// What may be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choosing {
    /// A file with one of these endings; any file without one.
    #[default]
    Configuration,
    /// A folder that holds a model, or a file.
    Model,
    /// A file of rows, or made-up problems.
    Data,
    /// A file of questions or documents.
    Questions,
}

/// Endings of files of rows.
const ROWS: [&str; 5] = [".jsonl", ".ndjson", ".json", ".parquet", ".pq"];

/// Endings of files of questions and documents.
const QUESTIONS: [&str; 6] = [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt"];

/// A look for a file.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// What may be chosen.
    pub choosing: Choosing,
    /// The folder that is looked into.
    path: PathBuf,
    /// What is in it, once it came; or why it cannot be read.
    folder: Option<Result<Folder, String>>,
    typed: Input,
    at: usize,
    hidden: bool,
    glance: Option<(PathBuf, Vec<String>)>,
}

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing.
    Nothing,
    /// The contents of a folder.
    Folder(PathBuf),
    /// A glance into a file.
    Preview(PathBuf),
    /// This one was chosen.
    Chosen(PathBuf),
}

impl Files {
    /// A look into a folder, which is to be asked for.
    #[must_use]
    pub fn new(path: &Path, choosing: Choosing) -> Self {
        Files {
            choosing,
            path: path.to_owned(),
            ..Files::default()
        }
    }

    /// The folder came.
    pub fn opened(&mut self, path: &Path, folder: Result<Folder, String>) -> Wanted {
        if path != self.path {
            return Wanted::Nothing;
        }
        if let Ok(folder) = &folder {
            self.path.clone_from(&folder.path);
        }
        self.folder = Some(folder);
        self.at = 0;
        self.glance_wanted()
    }

    /// A glance came.
    pub fn glanced(&mut self, path: &Path, lines: Vec<String>) {
        self.glance = Some((path.to_owned(), lines));
    }

    fn entries(&self) -> Vec<Entry> {
        let Some(Ok(folder)) = &self.folder else {
            return Vec::new();
        };
        let fits = |entry: &&Entry| {
            let shown = self.hidden || !entry.name.starts_with('.');
            let kind = match self.choosing {
                Choosing::Configuration => entry.is_folder || entry.name.ends_with(".toml"),
                Choosing::Model => true,
                Choosing::Data => {
                    entry.is_folder || ROWS.iter().any(|ending| entry.name.ends_with(ending))
                }
                Choosing::Questions => {
                    let known = |ending: &&str| entry.name.ends_with(*ending);
                    entry.is_folder || QUESTIONS.iter().any(known)
                }
            };
            shown && kind
        };
        let made_up = (self.choosing == Choosing::Data).then(|| Entry {
            name: ARITHMETIC.to_owned(),
            ..Entry::default()
        });
        let files = folder.entries.iter().filter(fits).cloned();
        let entries: Vec<Entry> = made_up.into_iter().chain(files).collect();
        ranked(self.typed.text(), entries, |entry| entry.name.clone())
    }

    fn chosen(&self) -> Option<Entry> {
        self.entries().get(self.at).cloned()
    }

    /// The path of an entry; made-up problems are no file.
    fn path_of(&self, entry: &Entry) -> PathBuf {
        if self.choosing == Choosing::Data && !entry.is_folder && entry.name == ARITHMETIC {
            PathBuf::from(ARITHMETIC)
        } else {
            self.path.join(&entry.name)
        }
    }

    /// The path of what is chosen, if that is no folder.
    #[must_use]
    pub fn chosen_file(&self) -> Option<PathBuf> {
        let entry = self.chosen().filter(|entry| !entry.is_folder)?;
        Some(self.path_of(&entry))
    }

    /// The folder that is looked into.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn glance_wanted(&self) -> Wanted {
        match self.chosen() {
            Some(entry) if !entry.is_folder || self.choosing == Choosing::Model => {
                Wanted::Preview(self.path_of(&entry))
            }
            _ => Wanted::Nothing,
        }
    }

    fn go(&mut self, path: PathBuf) -> Wanted {
        self.path.clone_from(&path);
        self.folder = None;
        self.typed.set("");
        self.at = 0;
        Wanted::Folder(path)
    }

    fn up(&mut self) -> Wanted {
        match self.path.parent().map(Path::to_owned) {
            Some(parent) if !parent.as_os_str().is_empty() => self.go(parent),
            _ => Wanted::Nothing,
        }
    }

    /// A key; Esc is the caller's.
    pub fn press(&mut self, key: KeyEvent) -> Wanted {
        let count = self.entries().len();
        let by = match key.code {
            KeyCode::Up => Move::Lines(-1),
            KeyCode::Down => Move::Lines(1),
            KeyCode::PageUp => Move::Pages(-1),
            KeyCode::PageDown => Move::Pages(1),
            KeyCode::Left => return self.up(),
            KeyCode::Backspace if self.typed.text().is_empty() => return self.up(),
            KeyCode::Tab => {
                self.hidden = !self.hidden;
                self.at = 0;
                return self.glance_wanted();
            }
            KeyCode::Enter | KeyCode::Right => return self.enter(key.code == KeyCode::Enter),
            _ => {
                if self.typed.press(key) {
                    self.at = 0;
                }
                return self.glance_wanted();
            }
        };
        self.at = by.apply(self.at, count);
        self.glance_wanted()
    }

    fn enter(&mut self, choose: bool) -> Wanted {
        // A path may also be typed or pasted.
        let typed = self.typed.text().trim();
        if typed.contains('/') {
            let path = self.path.join(typed);
            return if typed.ends_with('/') {
                self.go(path)
            } else {
                Wanted::Chosen(path)
            };
        }
        match self.chosen() {
            Some(entry) if entry.is_folder => {
                let path = self.path.join(&entry.name);
                let is_model = self
                    .glance
                    .as_ref()
                    .is_some_and(|(known, lines)| *known == path && !lines.is_empty());
                if choose && self.choosing == Choosing::Model && is_model {
                    return Wanted::Chosen(path);
                }
                self.go(path)
            }
            Some(entry) if choose => Wanted::Chosen(self.path_of(&entry)),
            _ => Wanted::Nothing,
        }
    }
}

/// Draws it over what was there.
pub fn draw(files: &Files, theme: &Theme, frame: &mut Frame, area: Rect) {
    frame.render_widget(Clear, area);
    let room = (area.width as usize).saturating_sub(4);
    let title = printable(&files.path.display().to_string());
    // Of a long path the end tells more.
    let skip = title.chars().count().saturating_sub(room);
    let title: String = title.chars().skip(skip).collect();
    let block = Block::bordered()
        .border_set(theme.border())
        .border_style(theme.style(Role::Focus))
        .title(Span::styled(format!(" {title} "), theme.style(Role::Focus)));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let glance_height = match files.choosing {
        Choosing::Data => 0,
        _ if inner.height >= 14 => 7,
        _ => 0,
    };
    let [line, list, glance, hint] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(glance_height),
        Constraint::Length(1),
    ])
    .areas(inner);
    let mut typed = Line::styled("> ", theme.style(Role::Key));
    typed.extend(
        files
            .typed
            .line((line.width as usize).saturating_sub(2), theme)
            .spans,
    );
    frame.render_widget(typed, line);
    draw_list(files, theme, frame, list);
    if let (Some((path, lines)), Some(entry)) = (&files.glance, files.chosen())
        && *path == files.path.join(entry.name)
    {
        let lines: Vec<Line> = lines
            .iter()
            .map(|line| Line::from(printable(line)))
            .collect();
        frame.render_widget(
            Paragraph::new(lines).style(theme.style(Role::Muted)),
            glance,
        );
    }
    let text = "type to find, Enter opens, Left goes up, Tab shows hidden ones, Esc leaves";
    frame.render_widget(
        Line::styled(
            fit(text, hint.width as usize, theme.unicode()),
            theme.style(Role::Muted),
        ),
        hint,
    );
}

fn draw_list(files: &Files, theme: &Theme, frame: &mut Frame, area: Rect) {
    let told = |text: &str, role: Role| {
        Paragraph::new(printable(text))
            .style(theme.style(role))
            .wrap(Wrap { trim: true })
    };
    let entries = files.entries();
    match &files.folder {
        None => frame.render_widget(told("reading", Role::Muted), area),
        Some(Err(text)) => frame.render_widget(told(text, Role::Bad), area),
        Some(Ok(_)) if entries.is_empty() => {
            frame.render_widget(told("nothing here fits", Role::Muted), area);
        }
        Some(Ok(_)) => {
            let visible = area.height as usize;
            let width = area.width as usize;
            let first = first_row(files.at, entries.len(), visible);
            let lines =
                entries
                    .iter()
                    .enumerate()
                    .skip(first)
                    .take(visible)
                    .map(|(index, entry)| {
                        let name = if entry.is_folder {
                            format!("{}/", entry.name)
                        } else {
                            entry.name.clone()
                        };
                        let made_up = files.choosing == Choosing::Data && entry.name == ARITHMETIC;
                        let size = if made_up {
                            "made up".to_owned()
                        } else if entry.is_folder {
                            String::new()
                        } else {
                            bytes(entry.size)
                        };
                        let name_width = width.saturating_sub(12);
                        let text =
                            format!(" {}{size:>10} ", fit(&name, name_width, theme.unicode()));
                        let style = match (index == files.at, entry.is_folder) {
                            (true, _) => theme.style(Role::Selected),
                            (_, true) => theme.style(Role::Strong),
                            _ => Style::default(),
                        };
                        Line::styled(text, style)
                    });
            frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> Folder {
        let entry = |name: &str, is_folder: bool| Entry {
            name: name.to_owned(),
            is_folder,
            size: 2_048,
        };
        Folder {
            path: PathBuf::from("/srv/me"),
            entries: vec![
                entry("models", true),
                entry(".cache", true),
                entry("mine.toml", false),
                entry("notes.txt", false),
            ],
        }
    }

    fn press(files: &mut Files, code: KeyCode) -> Wanted {
        files.press(KeyEvent::from(code))
    }

    #[test]
    fn it_finds_enters_and_goes_up() {
        let mut files = Files::new(Path::new("."), Choosing::Configuration);
        assert_eq!(
            files.opened(Path::new("/else"), Ok(folder())),
            Wanted::Nothing
        );
        files.opened(Path::new("."), Ok(folder()));
        let names = |files: &Files| -> Vec<String> {
            files
                .entries()
                .into_iter()
                .map(|entry| entry.name)
                .collect()
        };
        assert_eq!(names(&files), ["models", "mine.toml"]);
        press(&mut files, KeyCode::Tab);
        assert_eq!(names(&files), ["models", ".cache", "mine.toml"]);
        press(&mut files, KeyCode::Char('m'));
        press(&mut files, KeyCode::Char('i'));
        assert_eq!(
            press(&mut files, KeyCode::Enter),
            Wanted::Chosen("/srv/me/mine.toml".into())
        );
        press(&mut files, KeyCode::Backspace);
        press(&mut files, KeyCode::Backspace);
        assert_eq!(
            press(&mut files, KeyCode::Right),
            Wanted::Folder("/srv/me/models".into())
        );
        let refused = Err("cannot read it".to_owned());
        files.opened(Path::new("/srv/me/models"), refused);
        assert_eq!(press(&mut files, KeyCode::Enter), Wanted::Nothing);
        assert_eq!(
            press(&mut files, KeyCode::Left),
            Wanted::Folder("/srv/me".into())
        );
        assert_eq!(
            press(&mut files, KeyCode::Left),
            Wanted::Folder("/srv".into())
        );
        assert_eq!(press(&mut files, KeyCode::Left), Wanted::Folder("/".into()));
        assert_eq!(press(&mut files, KeyCode::Left), Wanted::Nothing);
    }

    #[test]
    fn a_folder_that_holds_a_model_is_chosen_and_another_is_entered() {
        let mut files = Files::new(Path::new("."), Choosing::Model);
        let wanted = files.opened(Path::new("."), Ok(folder()));
        assert_eq!(wanted, Wanted::Preview("/srv/me/models".into()));
        files.glanced(Path::new("/srv/me/models"), vec!["model: qwen2".to_owned()]);
        assert_eq!(
            press(&mut files, KeyCode::Enter),
            Wanted::Chosen("/srv/me/models".into())
        );
        files.glanced(Path::new("/srv/me/models"), Vec::new());
        assert_eq!(
            press(&mut files, KeyCode::Enter),
            Wanted::Folder("/srv/me/models".into())
        );
    }
}
