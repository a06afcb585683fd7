//! A report of the question, written by the program around.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind};

use crate::host::Request;
use crate::model::Model;
use crate::theme::Role;
use crate::update::Cmd;
use crate::widgets::input::Input;

/// Endings of the files, which tell the format.
const ENDINGS: [&str; 4] = ["html", "dot", "mmd", "json"];

/// A report that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportAsk {
    /// The run.
    pub run: String,
    /// The question by the name of its file.
    pub question: String,
    /// The file; its ending tells the format.
    pub path: String,
    /// Whether an existing file is replaced.
    pub replace: bool,
}

/// Asks for the path.
pub(super) fn open(model: &mut Model) {
    let question = model.panes.search.question.clone();
    if question.is_empty() {
        model.notify("there is no question to report".to_owned(), Role::Warn);
        return;
    }
    let run = model.selected.clone().unwrap_or_default();
    model.panes.search.report = Some(Input::new(&format!("{run}-{question}.html")));
}

pub(super) fn typed(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    let mut input = model.panes.search.report.clone()?;
    if key.kind == KeyEventKind::Release {
        return Some(Vec::new());
    }
    match key.code {
        KeyCode::Esc => model.panes.search.report = None,
        KeyCode::Enter => {
            model.panes.search.report = None;
            return Some(write(model, input.text()));
        }
        _ => {
            input.press(key);
            model.panes.search.report = Some(input);
        }
    }
    Some(Vec::new())
}

fn write(model: &mut Model, typed: &str) -> Vec<Cmd> {
    let typed = typed.trim();
    let (path, replace) = match typed.strip_suffix('!') {
        Some(path) => (path.trim_end(), true),
        None => (typed, false),
    };
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    if !ENDINGS.contains(&ending) {
        let text = format!(
            "cannot tell what to write to `{path}` - allowed endings: .html, .dot, .mmd, .json"
        );
        model.notify(text, Role::Bad);
        return Vec::new();
    }
    vec![Cmd::Ask(Request::SearchReport(ReportAsk {
        run: model.selected.clone().unwrap_or_default(),
        question: model.panes.search.question.clone(),
        path: path.to_owned(),
        replace,
    }))]
}
