//! What lies over the launcher's views and takes the keys: a value being typed, a list to choose
//! from, a file to be found, a text to be read.

use configs::draft::Setting;
use configs::{FieldKind, Problem};
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::data::{self, Data};
use super::fuzzy::ranked;
use super::look;
use super::sheet;
use crate::figures::printable;
use crate::keys::Move;
use crate::model::Model;
use crate::theme::Role;
use crate::update::Cmd;
use crate::view::{centred, first_row, fit};
use crate::widgets::files::{self, Files};
use crate::widgets::input::Input;

/// What lies over a view.
#[derive(Clone, Debug, Default)]
pub enum Popup {
    /// Nothing.
    #[default]
    None,
    /// A value of the focused setting, typed in its row.
    Value(Value),
    /// A list of words for a setting.
    Choice(Choice),
    /// The path of a file to be written.
    Save(Input),
    /// The last look before a start.
    Sheet(sheet::Sheet),
    /// A text to be read.
    Text(Text),
    /// A file to be found.
    Files(Files),
    /// A file to be found for a setting.
    File(String, Files),
    /// A file of data to be found, with its first rows.
    Data(Box<Data>),
    /// A text that is no TOML.
    Mend(Mend),
}

/// A value being typed.
#[derive(Clone, Debug)]
pub struct Value {
    /// The setting.
    pub(super) path: String,
    /// What was typed.
    pub(super) input: Input,
    /// Whether the next letter takes the place of the whole value.
    pub(super) fresh: bool,
}

impl Value {
    /// The value as it is: a letter replaces it, any other key edits it.
    pub(super) fn of(path: String, text: &str) -> Self {
        Self {
            path,
            input: Input::new(text),
            fresh: true,
        }
    }

    fn press(&mut self, key: KeyEvent) {
        let letter =
            matches!(key.code, KeyCode::Char(_) if !key.modifiers.contains(KeyModifiers::CONTROL));
        if std::mem::take(&mut self.fresh) && (letter || key.code == KeyCode::Backspace) {
            self.input.set("");
        }
        self.input.press(key);
    }

    /// What is wrong with what was typed so far.
    pub(super) fn complaint(&self, setting: &Setting) -> Option<String> {
        let problem = setting.field.read(self.input.text()).err()?;
        Some(format!(
            "{} - allowed: {}",
            problem.message, problem.allowed
        ))
    }
}

/// A list of words for a setting.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The setting.
    pub(super) path: String,
    /// The words.
    pub(super) words: Vec<String>,
    /// Whether other words may be typed.
    pub(super) open: bool,
    /// What was typed to find one.
    pub(super) input: Input,
    /// The chosen one among those that fit.
    pub(super) at: usize,
}

impl Choice {
    fn fitting(&self) -> Vec<String> {
        ranked(self.input.text(), self.words.clone(), String::clone)
    }
}

/// A text to be read.
#[derive(Clone, Debug, Default)]
pub struct Text {
    pub(super) title: String,
    pub(super) lines: Vec<(String, Role)>,
    pub(super) scroll: usize,
}

/// A text that is no TOML, with what is wrong.
#[derive(Clone, Debug, Default)]
pub struct Mend {
    /// What the text is called.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) problems: Vec<Problem>,
    /// Whether it is the text of the form; else a form would start from it.
    pub(super) of_form: bool,
}

/// A key while something lies over the view; `None` when nothing does.
pub(super) fn typed(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    if matches!(model.launcher.popup, Popup::None) {
        return first_digit(model, key);
    }
    if key.kind == KeyEventKind::Release {
        return Some(Vec::new());
    }
    let popup = std::mem::take(&mut model.launcher.popup);
    if key.code == KeyCode::Esc {
        return Some(Vec::new());
    }
    Some(match popup {
        Popup::None => Vec::new(),
        Popup::Value(value) => in_value(model, value, key),
        Popup::Choice(choice) => in_choice(model, choice, key),
        Popup::Save(mut input) => {
            if key.code == KeyCode::Enter {
                super::save(model, input.text().trim().into(), false)
            } else {
                input.press(key);
                model.launcher.popup = Popup::Save(input);
                Vec::new()
            }
        }
        Popup::Sheet(sheet) => sheet::typed(model, sheet, key),
        Popup::Text(text) => in_text(model, text, key),
        Popup::Files(files) => in_files(model, files, key),
        Popup::File(setting, files) => in_file(model, setting, files, key),
        Popup::Data(looked) => data::typed(model, looked, key),
        Popup::Mend(mend) => match key.code {
            KeyCode::Char('e') | KeyCode::Enter => {
                let text = mend.text.clone();
                model.launcher.popup = Popup::Mend(mend);
                vec![Cmd::Edit {
                    text,
                    ending: "toml",
                }]
            }
            _ => {
                model.launcher.popup = Popup::Mend(mend);
                Vec::new()
            }
        },
    })
}

/// A digit on a number begins a new one.
fn first_digit(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    let plain = key.kind != KeyEventKind::Release && key.modifiers.is_empty();
    let KeyCode::Char(digit @ ('0'..='9' | '.')) = key.code else {
        return None;
    };
    if !plain || model.launcher.view != super::View::Form {
        return None;
    }
    let filter = model.launcher.filter.clone();
    let form = model.launcher.form.as_mut()?;
    form.focus_first(&filter);
    let setting = form.setting()?;
    let is_number = matches!(
        setting.field.kind,
        FieldKind::Integer { .. } | FieldKind::Number { .. }
    );
    if !is_number {
        return None;
    }
    let mut value = Value::of(setting.field.path.to_owned(), "");
    value.press(KeyEvent::from(KeyCode::Char(digit)));
    model.launcher.popup = Popup::Value(value);
    Some(Vec::new())
}

fn in_value(model: &mut Model, mut value: Value, key: KeyEvent) -> Vec<Cmd> {
    match key.code {
        KeyCode::Enter | KeyCode::Tab | KeyCode::Down | KeyCode::Up => {
            let text = value.input.text().to_owned();
            let commands = super::set(model, &value.path, &text);
            let by = match key.code {
                KeyCode::Up => Some(-1),
                KeyCode::Down | KeyCode::Tab => Some(1),
                _ => None,
            };
            if let Some(by) = by {
                super::moved(model, Move::Lines(by));
            }
            commands
        }
        _ => {
            value.press(key);
            model.launcher.popup = Popup::Value(value);
            Vec::new()
        }
    }
}

fn in_choice(model: &mut Model, mut choice: Choice, key: KeyEvent) -> Vec<Cmd> {
    let fitting = choice.fitting();
    match key.code {
        KeyCode::Enter => {
            let typed = choice.input.text().trim();
            let exact = fitting.iter().any(|word| word == typed);
            let word = if choice.open
                && !typed.is_empty()
                && !exact
                && choice.at == 0
                && fitting.is_empty()
            {
                Some(typed.to_owned())
            } else {
                fitting.get(choice.at).cloned()
            };
            match word {
                Some(word) => return super::set(model, &choice.path, &word),
                None => model.launcher.popup = Popup::Choice(choice),
            }
            return Vec::new();
        }
        KeyCode::Up => choice.at = choice.at.saturating_sub(1),
        KeyCode::Down => choice.at = (choice.at + 1).min(fitting.len().saturating_sub(1)),
        KeyCode::Tab => {
            // The chosen word into the line, to be changed there.
            if let Some(word) = fitting.get(choice.at) {
                choice.input.set(word);
                choice.at = 0;
            }
        }
        _ => {
            if choice.input.press(key) {
                choice.at = 0;
            }
        }
    }
    model.launcher.popup = Popup::Choice(choice);
    Vec::new()
}

fn in_text(model: &mut Model, mut text: Text, key: KeyEvent) -> Vec<Cmd> {
    let last = text.lines.len().saturating_sub(1);
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let by = match (key.code, control) {
        (KeyCode::Down | KeyCode::Char('j'), _) => Move::Lines(1),
        (KeyCode::Up | KeyCode::Char('k'), _) => Move::Lines(-1),
        (KeyCode::PageDown | KeyCode::Char(' '), _) | (KeyCode::Char('d'), true) => Move::Pages(1),
        (KeyCode::PageUp, _) | (KeyCode::Char('u'), true) => Move::Pages(-1),
        (KeyCode::Char('g') | KeyCode::Home, _) => Move::Top,
        (KeyCode::Char('G') | KeyCode::End, _) => Move::Bottom,
        _ => return Vec::new(),
    };
    text.scroll = by.apply(text.scroll, last + 1);
    model.launcher.popup = Popup::Text(text);
    Vec::new()
}

fn in_files(model: &mut Model, mut files: Files, key: KeyEvent) -> Vec<Cmd> {
    let wanted = files.press(key);
    let commands = match wanted {
        files::Wanted::Nothing => Vec::new(),
        files::Wanted::Folder(path) => super::ask(super::Request::Folder(path)),
        files::Wanted::Preview(path) => super::ask(super::Request::Preview(path)),
        files::Wanted::Chosen(path) => return super::ask(super::Request::Text(path)),
    };
    model.launcher.popup = Popup::Files(files);
    commands
}

fn in_file(model: &mut Model, setting: String, mut files: Files, key: KeyEvent) -> Vec<Cmd> {
    let commands = match files.press(key) {
        files::Wanted::Nothing => Vec::new(),
        files::Wanted::Folder(path) => super::ask(super::Request::Folder(path)),
        files::Wanted::Preview(path) => super::ask(super::Request::Preview(path)),
        files::Wanted::Chosen(path) => {
            return super::set(model, &setting, &path.display().to_string());
        }
    };
    model.launcher.popup = Popup::File(setting, files);
    commands
}

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    match &model.launcher.popup {
        Popup::None | Popup::Value(_) => {}
        Popup::Choice(choice) => draw_choice(model, frame, area, choice),
        Popup::Save(input) => {
            let inner = look::window(
                model,
                frame,
                centred(area, 64, 5),
                "write the form to a file",
            );
            let [line, _, hint] = rows(inner);
            frame.render_widget(input.line(line.width as usize, &model.theme), line);
            let text = "Enter writes it, Esc does not; a file that exists is asked about";
            frame.render_widget(Line::styled(text, model.theme.style(Role::Muted)), hint);
        }
        Popup::Sheet(sheet) => sheet::draw(model, frame, area, *sheet),
        Popup::Text(text) => draw_text(model, frame, area, text),
        Popup::Files(files) | Popup::File(_, files) => {
            files::draw(files, &model.theme, frame, centred(area, 110, 34));
        }
        Popup::Data(looked) => data::draw(model, looked, frame, area),
        Popup::Mend(mend) => draw_mend(model, frame, area, mend),
    }
}

fn rows(area: Rect) -> [Rect; 3] {
    Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area)
}

fn draw_choice(model: &Model, frame: &mut Frame, area: Rect, choice: &Choice) {
    let fitting = choice.fitting();
    let height = u16::try_from(choice.words.len()).unwrap_or(20).min(20) + 4;
    let inner = look::window(model, frame, centred(area, 64, height), &choice.path);
    let [line, list, hint] = rows(inner);
    let mut typed = Line::styled("> ", model.theme.style(Role::Key));
    typed.extend(
        choice
            .input
            .line((line.width as usize).saturating_sub(2), &model.theme)
            .spans,
    );
    frame.render_widget(typed, line);
    let visible = list.height as usize;
    let first = first_row(choice.at, fitting.len(), visible);
    let width = list.width as usize;
    let lines = fitting
        .iter()
        .enumerate()
        .skip(first)
        .take(visible)
        .map(|(index, word)| {
            let line = Line::raw(fit(&format!("  {word}"), width, model.theme.unicode()));
            if index == choice.at {
                look::selected(model, line, width)
            } else {
                line
            }
        });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), list);
    let text = match (fitting.is_empty(), choice.open) {
        (true, true) => "Enter takes what you typed",
        (true, false) => "nothing fits",
        (false, true) => "type to find or to write another; Tab edits, Enter takes",
        (false, false) => "type to find, Enter takes",
    };
    frame.render_widget(Line::styled(text, model.theme.style(Role::Muted)), hint);
}

fn draw_text(model: &Model, frame: &mut Frame, area: Rect, text: &Text) {
    let height = u16::try_from(text.lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(3);
    let inner = look::window(model, frame, centred(area, 100, height), &text.title);
    let [first, list, hint] = rows(inner);
    let body = first.union(list);
    let visible = body.height as usize;
    let from = text.scroll.min(text.lines.len().saturating_sub(visible));
    let lines: Vec<Line> = text
        .lines
        .iter()
        .skip(from)
        .map(|(line, role)| Line::styled(printable(line), model.theme.style(*role)))
        .collect();
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), body);
    let more = if text.lines.len() > visible {
        "j k move, "
    } else {
        ""
    };
    let text = format!("{more}any other key closes");
    frame.render_widget(Line::styled(text, model.theme.style(Role::Muted)), hint);
}

fn draw_mend(model: &Model, frame: &mut Frame, area: Rect, mend: &Mend) {
    let height = u16::try_from(mend.problems.len() * 3)
        .unwrap_or(20)
        .clamp(3, 20)
        + 4;
    let title = format!("{} is no TOML", mend.name);
    let inner = look::window(model, frame, centred(area, 90, height), &title);
    let [first, list, hint] = rows(inner);
    let lines: Vec<Line> = mend
        .problems
        .iter()
        .map(|problem| {
            Line::styled(
                printable(&problem.to_string()),
                model.theme.style(Role::Bad),
            )
        })
        .collect();
    frame.render_widget(
        Paragraph::new(lines).wrap(Wrap { trim: true }),
        first.union(list),
    );
    let what = if mend.of_form {
        "drops it and keeps the form as it was"
    } else {
        "leaves it"
    };
    let text = Line::from(vec![
        Span::styled("e", model.theme.style(Role::Key)),
        Span::styled(" mends it in your editor  ", model.theme.style(Role::Muted)),
        Span::styled("Esc", model.theme.style(Role::Key)),
        Span::styled(format!(" {what}"), model.theme.style(Role::Muted)),
    ]);
    frame.render_widget(text, hint);
}
