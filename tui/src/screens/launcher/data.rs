//! Picking a file of data: what is here, and of the chosen one the form, the counts and the first
//! rows as the model reads them.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use configs::finetune::ARITHMETIC;
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Clear, Paragraph};

use super::form::Form;
use super::look;
use super::popup::Popup;
use super::requests::{DataAsk, DataPreview, Folder, Request};
use super::{ask, set};
use crate::model::Model;
use crate::screens::models::pieces;
use crate::theme::Role;
use crate::update::Cmd;
use crate::view::centred;
use crate::widgets::files::{self, Choosing, Files, Wanted};

/// From this width on list and rows stand beside each other.
const BESIDE: u16 = 90;
/// Lines that a scroll moves.
const STEP: usize = 5;

/// A look for a file of data.
#[derive(Clone, Debug)]
pub struct Data {
    /// The setting that asked.
    setting: String,
    files: Files,
    /// The working folder: files below it keep short names.
    start: Option<PathBuf>,
    known: Option<(PathBuf, Result<DataPreview, String>)>,
    scroll: usize,
    /// The furthest scroll, as far as it was drawn last: only drawing knows how lines break.
    last: Cell<usize>,
}

/// Opens it for a setting.
pub(super) fn open(model: &mut Model, setting: String) -> Vec<Cmd> {
    let here = PathBuf::from(".");
    model.launcher.popup = Popup::Data(Box::new(Data {
        setting,
        files: Files::new(&here, Choosing::Data),
        start: None,
        known: None,
        scroll: 0,
        last: Cell::new(0),
    }));
    ask(Request::Folder(here))
}

/// A folder came.
pub(super) fn opened(model: &mut Model, path: &Path, folder: Result<Folder, String>) -> Vec<Cmd> {
    let Popup::Data(data) = &mut model.launcher.popup else {
        return Vec::new();
    };
    if data.start.is_none() {
        let there = folder.as_ref().ok();
        data.start = there.map(|folder| folder.path.clone());
    }
    let wanted = data.files.opened(path, folder);
    wish(model, wanted)
}

/// What a file holds came.
pub(super) fn known(model: &mut Model, path: PathBuf, known: Result<DataPreview, String>) {
    if let Popup::Data(data) = &mut model.launcher.popup {
        data.known = Some((path, known));
        data.scroll = 0;
    }
}

/// A key, Esc apart.
pub(super) fn typed(model: &mut Model, mut data: Box<Data>, key: KeyEvent) -> Vec<Cmd> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match (key.code, control) {
        (KeyCode::Char('d'), true) => {
            data.scroll = (data.scroll + STEP).min(data.last.get());
        }
        (KeyCode::Char('u'), true) => data.scroll = data.scroll.saturating_sub(STEP),
        _ => {
            let wanted = data.files.press(key);
            if let Wanted::Chosen(path) = wanted {
                let text = data.written(&path);
                return set(model, &data.setting, &text);
            }
            model.launcher.popup = Popup::Data(data);
            return wish(model, wanted);
        }
    }
    model.launcher.popup = Popup::Data(data);
    Vec::new()
}

impl Data {
    /// A path as the setting has it.
    fn written(&self, path: &Path) -> String {
        let start = self.start.as_deref().unwrap_or(Path::new(""));
        let short = path.strip_prefix(start).unwrap_or(path);
        short.display().to_string()
    }

    /// What is known of the chosen file.
    fn chosen(&self) -> Option<&Result<DataPreview, String>> {
        let path = self.files.chosen_file()?;
        let (known, preview) = self.known.as_ref()?;
        (*known == path).then_some(preview)
    }
}

fn wish(model: &Model, wanted: Wanted) -> Vec<Cmd> {
    match (wanted, &model.launcher.popup, &model.launcher.form) {
        (Wanted::Folder(path), ..) => ask(Request::Folder(path)),
        (Wanted::Preview(path), Popup::Data(data), Some(form)) => {
            ask(Request::Data(Box::new(asked(form, data, path))))
        }
        _ => Vec::new(),
    }
}

/// As the form would have it read.
fn asked(form: &Form, data: &Data, path: PathBuf) -> DataAsk {
    let value = |path: &str| {
        let setting = form.draft.setting(path);
        let set = setting.filter(|setting| setting.value != "none");
        set.map(|setting| setting.value).unwrap_or_default()
    };
    let own = value("model.tokenizer");
    DataAsk {
        path,
        held_out: data.setting == "data.evaluation",
        form: value("data.form"),
        revision: if own.is_empty() {
            value("model.revision")
        } else {
            String::new()
        },
        model: if own.is_empty() {
            value("model.name")
        } else {
            own
        },
        system: value("data.system"),
        thinking: value("data.thinking"),
        max_tokens: value("data.max_tokens"),
        algorithm: value("algorithm.kind"),
        iterations: value("iterations.count"),
    }
}

pub(super) fn draw(model: &Model, data: &Data, frame: &mut Frame, area: Rect) {
    let area = centred(area, 160, 50);
    let [list, rows] = if area.width >= BESIDE {
        Layout::horizontal([Constraint::Percentage(38), Constraint::Min(0)]).areas(area)
    } else {
        Layout::vertical([Constraint::Percentage(45), Constraint::Min(0)]).areas(area)
    };
    files::draw(&data.files, &model.theme, frame, list);
    frame.render_widget(Clear, rows);
    let chosen = data.files.chosen_file();
    let title = match &chosen {
        Some(path) if path == Path::new(ARITHMETIC) => "made-up problems".to_owned(),
        Some(path) => data.written(path),
        None => "rows".to_owned(),
    };
    let inner = look::boxed(model, frame, rows, &title, false);
    let width = inner.width as usize;
    let muted = |text: &str| {
        vec![Line::styled(
            text.to_owned(),
            model.theme.style(Role::Muted),
        )]
    };
    let lines = match (data.chosen(), chosen) {
        (Some(Ok(preview)), _) => lines(model, preview, width),
        (Some(Err(text)), _) => told(model, text, Role::Bad, width),
        (None, Some(_)) => muted("reading"),
        (None, None) => muted("a folder: Enter opens it"),
    };
    let last = lines.len().saturating_sub(inner.height as usize);
    data.last.set(last);
    let shown: Vec<Line> = lines.into_iter().skip(data.scroll.min(last)).collect();
    frame.render_widget(Paragraph::new(shown), inner);
}

fn told<'a>(model: &Model, text: &str, role: Role, width: usize) -> Vec<Line<'a>> {
    let style = model.theme.style(role);
    let lines = look::wrapped(text, width).into_iter();
    lines.map(|line| Line::styled(line, style)).collect()
}

fn lines<'a>(model: &Model, preview: &DataPreview, width: usize) -> Vec<Line<'a>> {
    let mut out = Vec::new();
    for fact in &preview.facts {
        out.extend(told(model, fact, Role::Text, width));
    }
    for problem in &preview.problems {
        out.extend(told(model, problem, Role::Warn, width));
    }
    for (what, row) in &preview.rows {
        out.push(Line::default());
        let counts = match row.tokens {
            (0, _) => String::new(),
            (all, learnt) => format!(": {all} tokens, bold: {learnt} learnt"),
        };
        out.extend(told(model, &format!("{what}{counts}"), Role::Focus, width));
        pieces(row, width, &model.theme, &mut out);
        for note in &row.notes {
            out.extend(told(model, note, Role::Warn, width));
        }
    }
    out.push(Line::default());
    out.extend(told(
        model,
        "Ctrl-d and Ctrl-u scroll the rows",
        Role::Muted,
        width,
    ));
    out
}
