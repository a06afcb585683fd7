//! What comes back from the program around the screen.

use tracking::evaluation::{EvaluationState, Kind, Results};

use super::requests::{Answer, Request};
use super::{Listed, Part, Shown, ask};
use crate::host;
use crate::model::Model;
use crate::sheet::evaluation as tables;
use crate::theme::Role;
use crate::update::Cmd;

/// What came of a request of this screen.
pub(crate) fn answered(model: &mut Model, answer: host::Answer) -> Vec<Cmd> {
    let host::Answer::Evaluation(answer) = answer else {
        return Vec::new();
    };
    match answer {
        Answer::List(listed) => take_list(model, listed),
        Answer::Read(id, read) => {
            take_results(model, id, read.map(|results| *results));
            Vec::new()
        }
        Answer::Progress { id, done, units } => {
            let state = &mut model.evaluate;
            let known = state.listed.iter_mut().find(|one| one.id == id);
            match known {
                Some(one) => {
                    (one.done, one.units) = (done, units);
                    one.state = EvaluationState::Running;
                    Vec::new()
                }
                None => {
                    state.chosen = Some(id);
                    state.looked = model.now;
                    vec![ask(Request::List)]
                }
            }
        }
        Answer::Done { id, outcome } => {
            let (text, role) = match outcome {
                Ok(text) => (text, Role::Ok),
                Err(text) => (text, Role::Bad),
            };
            model.notify(text, role);
            let mut commands = vec![ask(Request::List)];
            if let Some(id) = id {
                let state = &mut model.evaluate;
                let shown = state.shown.as_ref().is_none_or(|shown| shown.id == id);
                if shown || state.chosen.as_ref() == Some(&id) {
                    state.chosen = Some(id.clone());
                    commands.push(ask(Request::Read(id)));
                }
            }
            commands
        }
    }
}

fn take_list(model: &mut Model, listed: Result<Vec<Listed>, String>) -> Vec<Cmd> {
    let state = &mut model.evaluate;
    state.loaded = true;
    match listed {
        Ok(listed) => {
            state.problem = None;
            state.listed = listed;
            if state.chosen().is_none() {
                state.chosen = state.listed.first().map(|one| one.id.clone());
            }
        }
        Err(problem) => state.problem = Some(problem),
    }
    Vec::new()
}

fn take_results(model: &mut Model, id: String, read: Result<Results, String>) {
    let state = &mut model.evaluate;
    match read {
        Ok(results) => {
            let before = state.shown.take().filter(|shown| shown.id == id);
            let sheets = tables::sheets(&results);
            let table = before.as_ref().map_or(0, |shown| shown.table);
            state.problem = None;
            if results.kind == Kind::Searches {
                state.part = Part::Tables;
            }
            state.shown = Some(Shown {
                id,
                table: table.min(sheets.len().saturating_sub(1)),
                scroll: before.map_or((0, 0), |shown| shown.scroll),
                results,
                sheets,
            });
        }
        Err(problem) => {
            state.shown = None;
            state.problem = Some(problem.clone());
            model.notify(problem, Role::Bad);
        }
    }
}
