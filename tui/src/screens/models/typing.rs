//! What is typed on the screen.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind};

use super::requests::Request;
use super::{Popup, ask, confirms, fetch, wanted};
use crate::model::Model;
use crate::theme::Role;
use crate::update::Cmd;

/// A key while something is typed; `None` when nothing is.
pub(crate) fn typed(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    if matches!(model.models.popup, Popup::None) {
        return None;
    }
    if key.kind == KeyEventKind::Release {
        return Some(Vec::new());
    }
    let popup = std::mem::take(&mut model.models.popup);
    if key.code == KeyCode::Esc {
        return Some(Vec::new());
    }
    Some(match popup {
        Popup::None => Vec::new(),
        Popup::Fetch(input) if key.code == KeyCode::Enter => {
            let name = input.text().trim().to_owned();
            if name.is_empty() {
                return Some(Vec::new());
            }
            fetch(model, &name)
        }
        Popup::Fetch(mut input) => {
            input.press(key);
            model.models.popup = Popup::Fetch(input);
            Vec::new()
        }
        Popup::Remove(one, input) if key.code == KeyCode::Enter => {
            if confirms(&one, input.text()) {
                model.notify(format!("removing {}", one.name), Role::Warn);
                return Some(vec![ask(Request::Remove {
                    name: one.name,
                    commit: one.commit,
                })]);
            }
            model.models.popup = Popup::Remove(one, input);
            Vec::new()
        }
        Popup::Remove(one, mut input) => {
            input.press(key);
            model.models.popup = Popup::Remove(one, input);
            Vec::new()
        }
        Popup::Files(mut files) => {
            let next = files.press(key);
            model.models.popup = Popup::Files(files);
            wanted(model, next)
        }
    })
}

/// A pasted text while something is typed.
pub(crate) fn pasted(model: &mut Model, text: &str) -> bool {
    match &mut model.models.popup {
        Popup::Fetch(input) | Popup::Remove(_, input) => {
            input.insert(text.trim());
            true
        }
        Popup::None | Popup::Files(_) => false,
    }
}
