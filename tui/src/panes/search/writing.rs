//! A report of the question, written by the program around.

use ratatui::crossterm::event::KeyEvent;

use crate::host::Request;
use crate::model::Model;
use crate::theme::Role;
use crate::update::Cmd;
use crate::widgets::path_prompt::{self, PathPrompt, Target};

/// Endings of the files, which tell the format.
const ENDINGS: &[&str] = &["html", "dot", "mmd", "json"];

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
    let suggested = format!("{run}-{question}.html");
    model.panes.search.report = Some(PathPrompt::new(&suggested, ENDINGS));
}

pub(super) fn typed(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    let chosen = path_prompt::typed(&mut model.panes.search.report, key)?;
    Some(chosen.map_or_else(Vec::new, |target| write(model, target)))
}

fn write(model: &mut Model, target: Target) -> Vec<Cmd> {
    if !ENDINGS.contains(&target.ending()) {
        model.notify(target.refusal(ENDINGS), Role::Bad);
        return Vec::new();
    }
    vec![Cmd::Ask(Request::SearchReport(ReportAsk {
        run: model.selected.clone().unwrap_or_default(),
        question: model.panes.search.question.clone(),
        path: target.path,
        replace: target.replace,
    }))]
}
