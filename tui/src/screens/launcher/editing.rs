//! What is done to the form: values, the text in an editor, the file.

use std::path::PathBuf;

use configs::draft::Draft;
use configs::{FieldKind, Problem};

use super::form::Form;
use super::keys::Action;
use super::popup::{Choice, Mend, Popup, Text, Value};
use super::requests::Request;
use super::{ask, changed, open_form, variables};
use crate::model::Model;
use crate::theme::Role;
use crate::update::Cmd;
use crate::widgets::files::{Choosing, Files};
use crate::widgets::input::Input;

/// Settings that name a file of questions or documents.
const FILES: [&str; 3] = ["questions.path", "questions.documents", "questions.aliases"];

/// Sets a value of the form.
pub(super) fn set(model: &mut Model, path: &str, text: &str) -> Vec<Cmd> {
    let Some(form) = &mut model.launcher.form else {
        return Vec::new();
    };
    let before = form.draft.setting(path).map(|setting| setting.value);
    if before.as_deref() == Some(text) {
        return Vec::new();
    }
    form.draft.set(path, text);
    changed(model)
}

/// A model was picked for a setting of the form.
pub(crate) fn picked(model: &mut Model, path: &str, value: &str) -> Vec<Cmd> {
    model.screen = crate::screens::ScreenKind::Launcher;
    set(model, path, value)
}

pub(super) fn in_form(model: &mut Model, action: Action) -> Vec<Cmd> {
    let filter = model.launcher.filter.clone();
    let Some(form) = &mut model.launcher.form else {
        return Vec::new();
    };
    form.focus_first(&filter);
    let focus = form.focus.clone();
    match action {
        Action::Choose => return edit_value(model),
        Action::Toggle | Action::Step(_) | Action::Scale(_) => {
            let next = match action {
                Action::Scale(up) => form.draft.scaled(&focus, up),
                Action::Step(up) => form.draft.stepped(&focus, up),
                _ => form.draft.stepped(&focus, true),
            };
            return match next {
                Some(next) => set(model, &focus, &next),
                None => Vec::new(),
            };
        }
        Action::Advanced => {
            form.advanced = !form.advanced;
            form.focus_first(&filter);
        }
        Action::Undo => {
            if form.draft.undo() {
                return changed(model);
            }
            model.notify("nothing to take back".to_owned(), Role::Muted);
        }
        Action::Remove => {
            if form.setting().is_some_and(|setting| setting.changed) {
                form.draft.reset(&focus);
                return changed(model);
            }
            model.notify("this setting is as it was".to_owned(), Role::Muted);
        }
        Action::NextProblem(forward) if form.next_problem(&filter, forward) => {}
        Action::NextProblem(_) => model.notify("there is no problem".to_owned(), Role::Ok),
        Action::Differences => model.launcher.popup = differences(form),
        Action::Edit => {
            let text = form.draft.text();
            return vec![Cmd::Edit {
                text,
                ending: "toml",
            }];
        }
        Action::Save => {
            let name = form.draft.target().name();
            let name = format!("{}.toml", name.trim_end_matches(".toml"));
            model.launcher.popup = Popup::Save(Input::new(&name));
        }
        _ => {}
    }
    Vec::new()
}

/// Enter on a setting: a switch is turned, words are chosen from a list, the rest is typed.
pub(super) fn edit_value(model: &mut Model) -> Vec<Cmd> {
    let starts = model.launcher.starts.clone().unwrap_or_default();
    let Some(form) = &model.launcher.form else {
        return Vec::new();
    };
    let Some(setting) = form.setting() else {
        return Vec::new();
    };
    let path = setting.field.path.to_owned();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let (mut list, open): (Vec<String>, bool) = match setting.field.kind {
        FieldKind::Boolean if setting.field.optional => (words(&["true", "false"]), false),
        FieldKind::Boolean => return in_form(model, Action::Toggle),
        FieldKind::Choice { values } | FieldKind::Variant { values } => (words(values), false),
        FieldKind::Device => {
            let mut list: Vec<String> = words(&["auto", "cpu", "cuda"]);
            list.extend(starts.devices);
            (list, true)
        }
        FieldKind::Text if path == "environment.id" && !starts.environments.is_empty() => {
            (starts.environments, true)
        }
        FieldKind::Model => {
            let value = setting.value.clone();
            return crate::screens::models::pick(model, path, &value);
        }
        FieldKind::Data => return super::data::open(model, path),
        FieldKind::Text if FILES.contains(&path.as_str()) => {
            let here = PathBuf::from(".");
            let files = Files::new(&here, Choosing::Questions);
            model.launcher.popup = Popup::File(path, files);
            return ask(Request::Folder(here));
        }
        FieldKind::Integer { .. } | FieldKind::Number { .. } | FieldKind::Text => {
            let text = if setting.value == "none" {
                ""
            } else {
                &setting.value
            };
            model.launcher.popup = Popup::Value(Value::of(path, text));
            return Vec::new();
        }
    };
    if setting.field.optional {
        list.push("none".to_owned());
    }
    let at = list
        .iter()
        .position(|word| *word == setting.value)
        .unwrap_or(0);
    model.launcher.popup = Popup::Choice(Choice {
        path,
        words: list,
        open,
        input: Input::default(),
        at,
    });
    Vec::new()
}

fn differences(form: &Form) -> Popup {
    let differences = form.draft.differences();
    let mut lines: Vec<(String, Role)> = differences
        .iter()
        .map(|difference| (difference.to_string(), Role::Text))
        .collect();
    if lines.is_empty() {
        lines.push(("every value is as at the start".to_owned(), Role::Muted));
    }
    Popup::Text(Text {
        title: format!("changed against {}", form.source()),
        lines,
        scroll: 0,
    })
}

pub(super) fn copy(model: &mut Model) -> Vec<Cmd> {
    let command = model
        .launcher
        .form
        .as_ref()
        .and_then(|form| form.command(&model.root));
    match command {
        Some(command) => {
            model.notify("copied the command".to_owned(), Role::Ok);
            vec![Cmd::Copy(command)]
        }
        None => {
            let text = "there is no command yet: mend the problems, or save the form with w";
            model.notify(text.to_owned(), Role::Warn);
            Vec::new()
        }
    }
}

/// Writes the form to a file.
pub(super) fn save(model: &mut Model, path: PathBuf, replace: bool) -> Vec<Cmd> {
    let Some(form) = &model.launcher.form else {
        return Vec::new();
    };
    ask(Request::Save {
        path,
        text: form.draft.text(),
        replace,
    })
}

/// A text is no TOML.
pub(super) fn mend(model: &mut Model, name: &str, text: &str, problems: Vec<Problem>) -> Vec<Cmd> {
    model.launcher.popup = Popup::Mend(Mend {
        name: name.to_owned(),
        text: text.to_owned(),
        problems,
        of_form: false,
    });
    Vec::new()
}

/// The editor was closed.
pub(crate) fn edited(model: &mut Model, result: Result<String, String>) -> Vec<Cmd> {
    let text = match result {
        Ok(text) => text,
        Err(text) => {
            model.notify(text, Role::Bad);
            return Vec::new();
        }
    };
    let popup = std::mem::take(&mut model.launcher.popup);
    if let Popup::Mend(mend) = &popup
        && !mend.of_form
    {
        return match Draft::unsaved(&mend.name, &text, &variables(model)) {
            Ok(draft) => open_form(model, draft),
            Err(problems) => self::mend(model, &mend.name, &text, problems),
        };
    }
    let Some(form) = &mut model.launcher.form else {
        return Vec::new();
    };
    match form.draft.replace(&text) {
        Ok(()) => {
            let errors = form.errors();
            if errors > 0 {
                let text = format!("{errors} problem(s) in what came back; n goes to the next");
                model.notify(text, Role::Warn);
            }
            changed(model)
        }
        Err(problems) => {
            model.launcher.popup = Popup::Mend(Mend {
                name: "the text".to_owned(),
                text,
                problems,
                of_form: true,
            });
            Vec::new()
        }
    }
}
