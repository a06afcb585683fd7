//! What comes back from the program around the screen.

use super::requests::{Answer, Failed, List, Request};
use super::{ask, look};
use crate::host;
use crate::model::Model;
use crate::theme::Role;
use crate::update::Cmd;

/// What came of a request of this screen.
pub(crate) fn answered(model: &mut Model, answer: host::Answer) -> Vec<Cmd> {
    let host::Answer::Models(answer) = answer else {
        return Vec::new();
    };
    match answer {
        Answer::List(list) => take_list(model, list),
        Answer::Inspected(folder, details) => {
            let state = &mut model.models;
            if state.asked.as_ref() == Some(&folder) {
                state.asked = None;
            }
            state.inspected = Some((folder, details));
            // Another one may be chosen by now.
            look(model)
        }
        Answer::Step(id, step) => {
            let now = model.now;
            model.models.downloads.step(id, step, now);
            Vec::new()
        }
        Answer::Ended(id, outcome) => ended(model, id, &outcome),
        Answer::Removed(outcome) => {
            match outcome {
                Ok(text) => model.notify(text, Role::Ok),
                Err(text) => model.notify(text, Role::Bad),
            }
            model.models.inspected = None;
            vec![ask(Request::List)]
        }
    }
}

fn take_list(model: &mut Model, list: Result<List, String>) -> Vec<Cmd> {
    let state = &mut model.models;
    match list {
        Ok(list) => {
            state.problem = None;
            state.list = Some(list);
        }
        Err(problem) => {
            state.problem = Some(problem.clone());
            model.notify(problem, Role::Bad);
        }
    }
    look(model)
}

fn ended(model: &mut Model, id: u64, outcome: &Result<String, Failed>) -> Vec<Cmd> {
    let Some(name) = model.models.downloads.ended(id, outcome) else {
        return Vec::new();
    };
    match outcome {
        Ok(note) if note.is_empty() => model.notify(format!("{name} is here"), Role::Ok),
        Ok(note) => model.notify(format!("{name} is here: {note}"), Role::Warn),
        Err(Failed::Stopped) => {
            model.notify(
                format!("{name} was stopped; what has arrived is kept"),
                Role::Warn,
            );
        }
        Err(Failed::Refused(why)) => model.notify(why.clone(), Role::Bad),
    }
    model.models.inspected = None;
    let next = model.models.downloads.next();
    let mut commands = vec![ask(Request::List)];
    commands.extend(next.map(ask));
    commands
}
