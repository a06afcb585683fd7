//! What the worker says, and what became of the file of a conversation.

use std::path::PathBuf;

use super::protocol::{Event, Order};
use super::requests::Answer;
use super::turn::{Turn, Who};
use super::{Stand, State, Undo, drawing, order, settings_orders, typing};
use crate::host;
use crate::model::{Confirmation, Model, Question};
use crate::screens::launcher::requests::NotSaved;
use crate::theme::Role;
use crate::update::Cmd;

/// What came of a request of this screen.
pub(crate) fn answered(model: &mut Model, answer: host::Answer) -> Vec<Cmd> {
    let host::Answer::Chat(answer) = answer else {
        return Vec::new();
    };
    match answer {
        // Of a worker that was left.
        Answer::Heard(id, _) | Answer::Ended(id, _) if id != model.chat.id => Vec::new(),
        Answer::Heard(_, event) => heard(model, event),
        Answer::Ended(_, outcome) => {
            let state = &mut model.chat;
            if matches!(state.stand, Stand::Closed) {
                return Vec::new();
            }
            state.writing = None;
            if matches!(state.stand, Stand::Ended(_)) {
                return Vec::new();
            }
            let why = outcome.err().unwrap_or_else(|| "it ended".to_owned());
            state.stand = Stand::Ended(why);
            Vec::new()
        }
    }
}

fn heard(model: &mut Model, event: Event) -> Vec<Cmd> {
    let now = model.now;
    let width = drawing::text_width(model);
    let state = &mut model.chat;
    let rows_before = if state.up > 0 { state.rows() } else { 0 };
    if let Some(writing) = &mut state.writing {
        writing.heard = now;
    }
    match event {
        Event::Ready(ready) => {
            state.stand = Stand::Ready(ready);
            return brief(state);
        }
        Event::Begin(begin) => {
            if let Some(at) = state.last_answer()
                && state.is_writing()
                && begin.thinking
            {
                state.turns[at].begin_thinking();
            }
        }
        Event::Token(token) => {
            let Some(writing) = &mut state.writing else {
                return Vec::new();
            };
            writing.first.get_or_insert(now);
            if let Some(at) = state.last_answer() {
                state.turns[at].push(token);
            }
        }
        Event::Done(done) => {
            state.writing = None;
            if let Some(at) = state.last_answer() {
                let turn = &mut state.turns[at];
                // What was held back for a stop string belongs to no token.
                if let Some(rest) = done.text.strip_prefix(turn.raw.as_str()) {
                    let rest = rest.to_owned();
                    turn.append(&rest);
                }
                turn.done = Some(done);
            }
        }
        Event::Error { message } => {
            if let Some(writing) = state.writing.take() {
                undo(state, writing.undo);
            }
            state.turns.push(Turn::new(Who::Failure, &message, width));
        }
        // The answer to the panel's own words.
        Event::Note {
            settings: Some(_), ..
        } => {}
        Event::Note { message, .. } if state.turns.is_empty() => state.notes.push(message),
        Event::Note { message, .. } => {
            // Beside the answer that is being written, not in it.
            let at = match (&state.writing, state.last_answer()) {
                (Some(_), Some(at)) => at,
                _ => state.turns.len(),
            };
            state
                .turns
                .insert(at, Turn::new(Who::Note, &message, width));
        }
        Event::Unknown => {}
    }
    super::tokens::settle(state);
    if state.up > 0 {
        // What is read stays where it is.
        state.up += state.rows().saturating_sub(rows_before);
    }
    Vec::new()
}

/// What a worker that was just started is told: the settings, and what was said before with another.
fn brief(state: &State) -> Vec<Cmd> {
    let mut commands = Vec::new();
    // Words that were written while it was loading are on their way to it already.
    if !state.turns.is_empty() && !state.is_writing() {
        commands.push(order(state, Order::Messages(typing::messages(state))));
    }
    // The defaults need no words.
    if state.settings != super::Settings::default() {
        commands.extend(settings_orders(state));
    }
    commands
}

/// There is no answer: the worker's conversation is as it was, and so is the one on the screen.
fn undo(state: &mut State, undo: Undo) {
    let Some(at) = state.last_answer() else {
        return;
    };
    state.turns.remove(at);
    match undo {
        Undo::Said(text) => {
            let said = state.turns.iter().rposition(|turn| turn.who == Who::User);
            if let Some(said) = said {
                state.turns.remove(said);
            }
            if state.editor.text().is_empty() {
                state.editor.set(&text);
            }
        }
        Undo::Answered(before) => state.turns.insert(at, *before),
    }
}

/// The file of the conversation was written, or not.
pub(crate) fn saved(model: &mut Model, path: PathBuf, outcome: Result<(), NotSaved>) -> Vec<Cmd> {
    match outcome {
        Ok(()) => {
            model.chat.unsaved = false;
            model.notify(format!("wrote {}", path.display()), Role::Ok);
        }
        Err(NotSaved::Exists) => {
            let lines = vec![path.display().to_string()];
            let commands = typing::save(&model.chat, path, true);
            model.ask(Question::Confirm(Confirmation {
                title: "Replace this file?".to_owned(),
                lines,
                yes: "replace it".to_owned(),
                commands,
                action: None,
            }));
        }
        Err(NotSaved::Failed(text)) => model.notify(text, Role::Bad),
    }
    Vec::new()
}
