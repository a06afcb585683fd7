//! What is written: to the model, into the settings, as the name of a file.

use std::path::PathBuf;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::{Value, json};

use super::settings::{FIELDS, SYSTEM};
use super::turn::Who;
use super::{Mode, Popup, State, interrupted, moved, send, settings_orders};
use crate::host;
use crate::keys::Move;
use crate::model::Model;
use crate::screens::launcher::requests as files;
use crate::theme::Role;
use crate::update::Cmd;
use crate::widgets::input::Input;

/// A key while text is taken; `None` when it is not.
pub(crate) fn typed(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    match std::mem::take(&mut model.chat.popup) {
        Popup::None => {}
        Popup::Settings(at, input) => return Some(in_settings(model, at, input, key)),
        Popup::Save(input) => return Some(in_save(model, input, key)),
    }
    if key.code == KeyCode::Esc && model.chat.is_writing() {
        return interrupted(model);
    }
    if model.chat.mode != Mode::Write {
        return None;
    }
    match key.code {
        KeyCode::Esc => model.chat.mode = Mode::Read,
        KeyCode::PageUp => return Some(moved(model, Move::Pages(-1))),
        KeyCode::PageDown => return Some(moved(model, Move::Pages(1))),
        KeyCode::Enter
            if !key
                .modifiers
                .intersects(KeyModifiers::ALT | KeyModifiers::SHIFT) =>
        {
            return Some(send(model));
        }
        _ => {
            let state = &mut model.chat;
            if !state.editor.press(key) {
                match key.code {
                    KeyCode::Up => recall(state, true),
                    KeyCode::Down => recall(state, false),
                    // What does nothing in the text, such as C-z and C-l, does what it does anywhere.
                    _ => return None,
                }
            }
        }
    }
    Some(Vec::new())
}

/// A pasted text; whether it was taken.
pub(crate) fn pasted(model: &mut Model, text: &str) -> bool {
    match &mut model.chat.popup {
        Popup::Settings(_, Some(input)) | Popup::Save(input) => input.insert(text),
        Popup::None if model.chat.mode == Mode::Write => model.chat.editor.insert(text),
        _ => return false,
    }
    true
}

/// What was said before, in place of what is written.
fn recall(state: &mut State, back: bool) {
    let at = state
        .said
        .iter()
        .position(|said| said == state.editor.text());
    let to = match (at, back) {
        (None, true) if state.editor.text().is_empty() => state.said.len().checked_sub(1),
        (None, _) => None,
        (Some(at), true) => Some(at.saturating_sub(1)),
        (Some(at), false) => Some(at + 1),
    };
    if let Some(to) = to {
        let text = state.said.get(to).cloned().unwrap_or_default();
        state.editor.set(&text);
    }
}

fn in_settings(model: &mut Model, at: usize, input: Option<Input>, key: KeyEvent) -> Vec<Cmd> {
    let last = FIELDS.len() - 1;
    let state = &mut model.chat;
    let popup = match (input, key.code) {
        (Some(_), KeyCode::Esc) => Popup::Settings(at, None),
        (Some(input), KeyCode::Enter | KeyCode::Tab) => {
            if let Err(refused) = state.settings.set(at, input.text()) {
                state.popup = Popup::Settings(at, Some(input));
                model.notify(refused, Role::Bad);
                return Vec::new();
            }
            Popup::Settings((at + 1).min(last), None)
        }
        (Some(mut input), _) => {
            input.press(key);
            Popup::Settings(at, Some(input))
        }
        (None, KeyCode::Esc | KeyCode::Char('q' | 's')) => return settings_orders(state),
        (None, KeyCode::Enter) => Popup::Settings(at, Some(Input::new(state.settings.text(at)))),
        (None, KeyCode::Char('x') | KeyCode::Delete) => {
            // Nothing written is always allowed.
            let _ = state.settings.set(at, "");
            Popup::Settings(at, None)
        }
        (None, KeyCode::Down | KeyCode::Char('j') | KeyCode::Tab) => {
            Popup::Settings((at + 1).min(last), None)
        }
        (None, KeyCode::Up | KeyCode::Char('k') | KeyCode::BackTab) => {
            Popup::Settings(at.saturating_sub(1), None)
        }
        // A digit begins a value.
        (None, KeyCode::Char(digit @ ('0'..='9' | '.'))) => {
            let mut input = Input::default();
            input.insert(digit.encode_utf8(&mut [0; 4]));
            Popup::Settings(at, Some(input))
        }
        (None, _) => Popup::Settings(at, None),
    };
    state.popup = popup;
    Vec::new()
}

fn in_save(model: &mut Model, mut input: Input, key: KeyEvent) -> Vec<Cmd> {
    match key.code {
        KeyCode::Esc => Vec::new(),
        KeyCode::Enter => save(&model.chat, input.text().trim().into(), false),
        _ => {
            input.press(key);
            model.chat.popup = Popup::Save(input);
            Vec::new()
        }
    }
}

/// Writes the conversation to a file.
pub(super) fn save(state: &State, path: PathBuf, replace: bool) -> Vec<Cmd> {
    vec![Cmd::Ask(host::Request::Launcher(files::Request::Save {
        path,
        text: conversation(state),
        replace,
    }))]
}

/// The conversation in the form that `concord model preview` reads.
fn conversation(state: &State) -> String {
    let messages = messages(state);
    serde_json::to_string_pretty(&json!({ "messages": messages })).unwrap_or_default() + "\n"
}

/// What was said, as messages.
pub(super) fn messages(state: &State) -> Vec<Value> {
    let message = |role: &str, text: &str| json!({"role": role, "content": text});
    let mut messages: Vec<Value> = Vec::new();
    let system = state.settings.of(SYSTEM);
    if !system.is_empty() {
        messages.push(message("system", system));
    }
    for turn in &state.turns {
        match turn.who {
            Who::User => messages.push(message("user", &turn.raw)),
            // Of an answer that the worker took with it there may be nothing.
            Who::Model if turn.raw.is_empty() => {}
            Who::Model => messages.push(message("assistant", &turn.raw)),
            Who::Note | Who::Failure => {}
        }
    }
    messages
}
