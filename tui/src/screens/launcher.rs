//! The launcher: presets, forms, plan, queue.

use std::path::PathBuf;

use configs::draft::Draft;
use configs::env::Environment;
use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};

use crate::host::{self, Answer};
use crate::keys::{Move, Scope};
use crate::model::{Confirmation, Model, Question};
use crate::screens::ScreenKind;
use crate::theme::Role;
use crate::update::{Cmd, MouseKind};
use crate::widgets::files::{Choosing, Files, Wanted};

mod data;
mod editing;
mod form;
mod form_view;
pub(crate) mod fuzzy;
mod keys;
mod look;
mod picker;
mod plan_view;
mod popup;
mod queue;
pub mod requests;
mod sheet;

use editing::{copy, in_form, mend, save, set};
pub(crate) use editing::{edited, picked};
pub use form::Form;
pub use keys::{Action, BINDINGS};
use popup::Popup;
use requests::{NotSaved, Request, Starts};

/// Keys that the footer names before those that hold everywhere.
const FIRST_KEYS: usize = 4;

/// What it shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// What a form can start from.
    #[default]
    Picker,
    /// The form.
    Form,
    /// The dry run.
    Plan,
    /// The runs that wait.
    Queue,
}

/// What it remembers.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Shows only what contains this.
    pub filter: String,
    view: View,
    before_queue: View,
    starts: Option<Starts>,
    chosen: usize,
    /// The filter that it was chosen with.
    chosen_with: String,
    form: Option<Form>,
    popup: Popup,
    queue: queue::Queue,
    scroll: usize,
}

impl State {
    /// What it shows.
    #[must_use]
    pub fn view(&self) -> View {
        self.view
    }

    /// The form, once something was chosen.
    #[must_use]
    pub fn form(&self) -> Option<&Form> {
        self.form.as_ref()
    }
}

fn ask(request: Request) -> Vec<Cmd> {
    vec![Cmd::Ask(host::Request::Launcher(request))]
}

/// The screen was opened.
pub(crate) fn opened(model: &mut Model) -> Vec<Cmd> {
    let state = &mut model.launcher;
    state.view = View::Picker;
    state.popup = Popup::None;
    state.filter.clear();
    state.chosen = 0;
    ask(Request::Starts)
}

/// The footer's keys: those that do something in this view.
pub(crate) fn footer(model: &Model) -> Vec<(String, &'static str)> {
    if !matches!(model.launcher.popup, Popup::None) {
        return Vec::new();
    }
    let scope = Scope::On(ScreenKind::Launcher);
    let mut own: Vec<(String, &'static str)> = Vec::new();
    for row in BINDINGS.iter().filter(|row| !row.control) {
        let keys::Any::Launcher(action) = row.action else {
            continue;
        };
        if let Some(word) = keys::word(action, model.launcher.view) {
            let shown = model.preferences.shown(scope, row);
            own.push((shown.split(' ').next().unwrap_or(&shown).to_owned(), word));
        }
    }
    // Help stays on show where there is no room for all.
    let global = crate::keys::footer(ScreenKind::Launcher, model.focus, &model.preferences);
    let at = own.len().min(FIRST_KEYS);
    own.splice(at..at, global);
    own
}

/// The variables of the process, as the program around told them.
fn variables(model: &Model) -> Environment {
    let starts = model.launcher.starts.as_ref();
    starts.map_or_else(Environment::default, |starts| starts.variables.clone())
}

fn show(model: &mut Model, view: View) {
    model.launcher.view = view;
    model.launcher.filter.clear();
    model.launcher.scroll = 0;
}

/// Goes to the form that is there.
fn show_form(model: &mut Model) {
    show(model, View::Form);
    if let Some(form) = &mut model.launcher.form {
        form.focus_first("");
    }
}

/// A form over a draft takes the place of the one before.
fn open_form(model: &mut Model, draft: Draft) -> Vec<Cmd> {
    // Numbers go on, so that late answers for the form before are not taken for this one's.
    let asked = model.launcher.form.as_ref().map_or(0, |form| form.asked);
    let mut form = Form::new(draft);
    form.asked = asked;
    model.launcher.form = Some(form);
    show_form(model);
    changed(model)
}

/// The draft changed: the plan is worked out anew.
fn changed(model: &mut Model) -> Vec<Cmd> {
    let filter = model.launcher.filter.clone();
    let Some(form) = &mut model.launcher.form else {
        return Vec::new();
    };
    form.asked += 1;
    form.focus_first(&filter);
    match form.draft.ready() {
        Some(config) => ask(Request::Plan {
            number: form.asked,
            config_toml: config.to_toml(),
        }),
        None => Vec::new(),
    }
}

/// Looks for a file in the working folder.
fn browse(model: &mut Model) -> Vec<Cmd> {
    let path = PathBuf::from(".");
    model.launcher.popup = Popup::Files(Files::new(&path, Choosing::Configuration));
    ask(Request::Folder(path))
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    match (action, model.launcher.view) {
        (Action::Queue, _) => return open_queue(model),
        (Action::Choose, View::Picker) => return picker::choose(model),
        (Action::Browse, View::Picker) => return browse(model),
        (Action::Lift, View::Queue) => return queue::shift(&model.launcher.queue, true),
        (Action::Lower, View::Queue) => return queue::shift(&model.launcher.queue, false),
        (Action::Remove, View::Queue) => return queue::remove(model),
        (Action::Start, View::Form | View::Plan) => return sheet::open(model),
        (Action::Copy, View::Form | View::Plan) => return copy(model),
        (Action::Plan, View::Form) => show(model, View::Plan),
        (Action::Plan, View::Plan) => show_form(model),
        (action, View::Form) => return in_form(model, action),
        _ => {}
    }
    Vec::new()
}

fn open_queue(model: &mut Model) -> Vec<Cmd> {
    if model.launcher.view == View::Queue {
        let before = model.launcher.before_queue;
        show(model, before);
        return Vec::new();
    }
    model.launcher.before_queue = model.launcher.view;
    show(model, View::Queue);
    vec![Cmd::Ask(host::Request::Queue)]
}

/// The runs were read again: the queue may have moved on.
pub(crate) fn runs_changed(model: &Model) -> Vec<Cmd> {
    if model.screen == ScreenKind::Launcher && model.launcher.view == View::Queue {
        return vec![Cmd::Ask(host::Request::Queue)];
    }
    Vec::new()
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    match model.launcher.view {
        View::Picker => {
            let count = picker::entries(&model.launcher).len();
            let at = by.apply(picker::chosen(&model.launcher, count), count);
            picker::set_chosen(&mut model.launcher, at);
        }
        View::Form => {
            let State { filter, form, .. } = &mut model.launcher;
            if let Some(form) = form {
                form.moved(by, filter);
            }
        }
        View::Plan => plan_view::moved(model, by),
        View::Queue => queue::moved(&mut model.launcher.queue, by),
    }
    Vec::new()
}

pub(crate) fn typed(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    popup::typed(model, key)
}

/// One level back; `false` at the first level.
pub(crate) fn back(model: &mut Model) -> bool {
    if !model.launcher.filter.is_empty() {
        let filter = std::mem::take(&mut model.launcher.filter);
        if let Some(form) = &mut model.launcher.form {
            // What was found keeps the focus.
            form.focus_first(&filter);
        }
        return true;
    }
    match model.launcher.view {
        View::Picker => return false,
        View::Form => show(model, View::Picker),
        View::Plan => show_form(model),
        View::Queue => {
            let before = model.launcher.before_queue;
            show(model, before);
        }
    }
    true
}

pub(crate) fn clicked(model: &mut Model, at: Position, area: Rect, kind: MouseKind) -> Vec<Cmd> {
    match kind {
        MouseKind::WheelUp => return wheel(model, -3),
        MouseKind::WheelDown => return wheel(model, 3),
        MouseKind::Click if matches!(model.launcher.popup, Popup::None) => {}
        MouseKind::Click | MouseKind::Drag => return Vec::new(),
    }
    // A click chooses, a second one on the same entry opens.
    let again = match model.launcher.view {
        View::Picker => picker::clicked(model, at, area),
        View::Form => form_view::clicked(model, at, area),
        View::Plan | View::Queue => return Vec::new(),
    };
    if again {
        return act(model, Action::Choose);
    }
    Vec::new()
}

fn wheel(model: &mut Model, lines: isize) -> Vec<Cmd> {
    if matches!(model.launcher.popup, Popup::None) {
        return moved(model, Move::Lines(lines));
    }
    Vec::new()
}

/// What the program around answers.
pub(crate) fn answered(model: &mut Model, answer: Answer) -> Vec<Cmd> {
    match answer {
        // A started run becomes the selected one.
        Answer::Launched(Ok(id)) => {
            model.notify(format!("{id} is on its way"), Role::Ok);
            model.screen = ScreenKind::Dashboard;
            model.wanted = Some(id);
            Vec::new()
        }
        Answer::Launched(Err(text)) => {
            model.notify(text, Role::Bad);
            Vec::new()
        }
        Answer::Queue(entries) => {
            queue::answered(&mut model.launcher.queue, entries);
            Vec::new()
        }
        Answer::Launcher(answer) => told(model, answer),
        _ => Vec::new(),
    }
}

fn told(model: &mut Model, answer: requests::Answer) -> Vec<Cmd> {
    use requests::Answer as Told;
    match answer {
        Told::Starts(starts) => model.launcher.starts = Some(*starts),
        Told::Text(path, Ok(text)) => {
            return match Draft::file(&path, &text, &variables(model)) {
                Ok(draft) => open_form(model, draft),
                Err(problems) => mend(model, &path.display().to_string(), &text, problems),
            };
        }
        Told::Text(_, Err(text)) => model.notify(text, Role::Bad),
        Told::Plan(number, plan) => {
            if let Some(form) = &mut model.launcher.form
                && number == form.asked
            {
                form.planned = Some((number, plan));
            }
        }
        Told::Folder(path, folder) if matches!(model.launcher.popup, Popup::Data(_)) => {
            return data::opened(model, &path, folder);
        }
        Told::Data(path, known) => data::known(model, path, *known),
        Told::Folder(path, folder) => {
            if let Popup::Files(files) | Popup::File(_, files) = &mut model.launcher.popup
                && let Wanted::Preview(path) = files.opened(&path, folder)
            {
                return ask(Request::Preview(path));
            }
        }
        Told::Preview(path, lines) => {
            if let Popup::Files(files) | Popup::File(_, files) = &mut model.launcher.popup {
                files.glanced(&path, lines);
            }
        }
        Told::Saved(path, Ok(())) => {
            if let Some(form) = &mut model.launcher.form {
                form.draft.saved(&path);
            }
            model.notify(format!("wrote {}", path.display()), Role::Ok);
            let mut commands = changed(model);
            commands.extend(ask(Request::Starts));
            return commands;
        }
        Told::Saved(path, Err(NotSaved::Exists)) => {
            let shown = path.display().to_string();
            let commands = save(model, path, true);
            model.ask(Question::Confirm(Confirmation {
                title: "Replace this file?".to_owned(),
                lines: vec![shown],
                yes: "replace it".to_owned(),
                commands,
                action: None,
            }));
        }
        Told::Saved(_, Err(NotSaved::Failed(text))) => model.notify(text, Role::Bad),
    }
    Vec::new()
}

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    match model.launcher.view {
        View::Picker => picker::draw(model, frame, area),
        View::Form => form_view::draw(model, frame, area),
        View::Plan => plan_view::draw(model, frame, area),
        View::Queue => queue::draw(model, frame, area),
    }
    popup::draw(model, frame, area);
}
