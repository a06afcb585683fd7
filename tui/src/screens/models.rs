//! Models that are here, and how more come: the cache of the hub, folders that the user added,
//! downloads. It is also the picker of settings that ask for a model.

use std::path::{Path, PathBuf};

use crate::host;
use crate::keys::Move;
use crate::model::Model;
use crate::screens::launcher::requests as files_requests;
use crate::screens::{ScreenKind, chat, launcher};
use crate::theme::Role;
use crate::update::Cmd;
use crate::widgets::files::{self, Choosing, Files};
use crate::widgets::input::Input;

mod answers;
mod details;
pub mod downloads;
mod drawing;
mod keys;
pub mod list;
pub mod requests;
mod typing;

pub(crate) use answers::answered;
pub(crate) use details::pieces;
use downloads::Downloads;
pub(crate) use drawing::{clicked, draw, footer};
pub use keys::{Action, BINDINGS};
use list::{Sort, visible};
use requests::{Inspected, List, Listed, Request};
pub(crate) use typing::{pasted, typed};

/// A part of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// The list.
    #[default]
    List,
    /// What is known of the chosen model.
    Details,
    /// Downloads of this session.
    Downloads,
}

impl Part {
    const ALL: [Part; 3] = [Part::List, Part::Details, Part::Downloads];

    fn step(self, by: usize) -> Part {
        let at = Part::ALL.iter().position(|part| *part == self);
        Part::ALL[(at.unwrap_or(0) + by) % Part::ALL.len()]
    }
}

/// What is typed.
#[derive(Clone, Debug, Default)]
pub enum Popup {
    /// Nothing.
    #[default]
    None,
    /// The name of a model to fetch.
    Fetch(Input),
    /// The name of a model, to remove its snapshot.
    Remove(Box<Listed>, Input),
    /// A folder to be found.
    Files(Box<Files>),
}

/// What it remembers.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Shows only what contains this.
    pub filter: String,
    /// The part with the focus.
    pub part: Part,
    /// What is here, once it was read.
    pub list: Option<List>,
    /// Why it cannot be listed.
    pub problem: Option<String>,
    /// The folder of the chosen model.
    pub chosen: Option<PathBuf>,
    /// The order.
    pub sort: Sort,
    /// The other way around.
    pub reversed: bool,
    /// What is typed.
    pub popup: Popup,
    /// All that is known of a model.
    pub inspected: Option<(PathBuf, Result<Box<Inspected>, String>)>,
    /// The folder that is being looked into.
    asked: Option<PathBuf>,
    /// Whether a sample conversation is shown in place of the facts.
    pub preview: bool,
    /// Lines of the details that are scrolled past.
    pub scroll: usize,
    /// Downloads of this session.
    pub downloads: Downloads,
    /// The chosen download.
    pub chosen_download: usize,
    /// The setting of the launcher's form that asked for a model.
    pub wanted_by: Option<String>,
}

impl State {
    /// The chosen model.
    #[must_use]
    pub fn chosen(&self) -> Option<&Listed> {
        let rows = visible(self);
        let at = |folder: &PathBuf| rows.iter().find(|one| one.folder == *folder);
        let chosen = self.chosen.as_ref().and_then(at);
        chosen.or(rows.first()).copied()
    }

    fn place(&self) -> usize {
        let folder = self.chosen().map(|one| one.folder.clone());
        let rows = visible(self);
        rows.iter()
            .position(|one| Some(&one.folder) == folder.as_ref())
            .unwrap_or(0)
    }

    /// All that is known of the chosen model, once it was read.
    #[must_use]
    pub fn details(&self) -> Option<&Result<Box<Inspected>, String>> {
        let (folder, details) = self.inspected.as_ref()?;
        (Some(folder) == self.chosen().map(|one| &one.folder)).then_some(details)
    }
}

fn ask(request: Request) -> Cmd {
    Cmd::Ask(host::Request::Models(request))
}

/// The screen was opened.
pub(crate) fn opened(model: &mut Model) -> Vec<Cmd> {
    let state = &mut model.models;
    state.wanted_by = None;
    state.popup = Popup::None;
    state.part = Part::List;
    state.filter.clear();
    vec![ask(Request::List)]
}

/// Opens it for a setting of the launcher's form; what is chosen becomes the setting's value.
pub(crate) fn pick(model: &mut Model, setting: String, value: &str) -> Vec<Cmd> {
    model.screen = ScreenKind::Models;
    let mut commands = opened(model);
    let state = &mut model.models;
    let is_it = |one: &&Listed| one.name == value || one.folder == Path::new(value);
    let known = state.list.iter().flat_map(|list| &list.models).find(is_it);
    let known = known.map(|one| one.folder.clone());
    state.chosen = known.or(state.chosen.take());
    state.wanted_by = Some(setting);
    commands.extend(look(model));
    commands
}

/// Reads the chosen model, unless that is done or under way; one at a time, since readers of large
/// tokenizers take a moment.
fn look(model: &mut Model) -> Vec<Cmd> {
    let state = &mut model.models;
    if state.asked.is_some() || state.details().is_some() {
        return Vec::new();
    }
    let Some(folder) = state.chosen().map(|one| one.folder.clone()) else {
        return Vec::new();
    };
    state.asked = Some(folder.clone());
    vec![ask(Request::Inspect(folder))]
}

fn choose(model: &mut Model, at: usize) -> Vec<Cmd> {
    let state = &mut model.models;
    let folder = visible(state).get(at).map(|one| one.folder.clone());
    if folder != state.chosen {
        state.scroll = 0;
    }
    state.chosen = folder;
    look(model)
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    let lines = details::count(model);
    let state = &mut model.models;
    match state.part {
        Part::List => {
            let at = by.apply(state.place(), visible(state).len());
            return choose(model, at);
        }
        Part::Details => state.scroll = by.apply(state.scroll, lines),
        Part::Downloads => {
            let count = state.downloads.list.len();
            state.chosen_download = by.apply(state.chosen_download, count);
        }
    }
    Vec::new()
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    let state = &mut model.models;
    match action {
        Action::Choose => return take(model),
        Action::NextPart => state.part = state.part.step(1),
        Action::PreviousPart => state.part = state.part.step(Part::ALL.len() - 1),
        Action::Fetch => state.popup = Popup::Fetch(Input::default()),
        Action::Cancel => return cancel(model),
        Action::Continue => return go_on(model),
        Action::Browse => {
            let path = PathBuf::from(".");
            state.popup = Popup::Files(Box::new(Files::new(&path, Choosing::Model)));
            return read_files(files_requests::Request::Folder(path));
        }
        Action::Remove => return remove(model),
        Action::Preview => {
            state.preview = !state.preview;
            state.scroll = 0;
            // It is to be seen, on small terminals as well.
            if state.part == Part::Downloads || !drawing::shows(model, Part::Details) {
                model.models.part = Part::Details;
            }
        }
        Action::Sort => {
            state.sort = state.sort.next();
            return look(model);
        }
        Action::Reverse => {
            state.reversed = !state.reversed;
            return look(model);
        }
        Action::Copy => {
            if let Some(one) = state.chosen() {
                let name = one.name.clone();
                model.notify(format!("copied {name}"), Role::Ok);
                return vec![Cmd::Copy(name)];
            }
        }
        Action::Reload => {
            state.inspected = None;
            state.asked = None;
            return vec![ask(Request::List)];
        }
    }
    Vec::new()
}

/// A setting gets the chosen model; without a setting a chat begins.
fn take(model: &mut Model) -> Vec<Cmd> {
    if model.models.part == Part::Downloads {
        return Vec::new();
    }
    let Some(one) = model.models.chosen().cloned() else {
        return Vec::new();
    };
    if let Some(setting) = model.models.wanted_by.take() {
        // A name is worth more than a folder of this machine, where it leads to the same files.
        let value = if one.revisions.iter().any(|revision| revision == "main") {
            one.name
        } else {
            one.folder.display().to_string()
        };
        return launcher::picked(model, &setting, &value);
    }
    if let Some(problem) = one.problem {
        model.notify(problem, Role::Bad);
        return Vec::new();
    }
    if one.kind != "language" {
        let text = format!("{} writes no text: it is of kind {}", one.name, one.kind);
        model.notify(text, Role::Warn);
        return Vec::new();
    }
    chat::begin(model, &one.name, &one.folder.display().to_string())
}

/// The download that a key is about: the chosen one in its part, else the one under way.
fn meant(model: &Model) -> Option<usize> {
    let state = &model.models;
    if state.part == Part::Downloads {
        let count = state.downloads.list.len();
        return (count > 0).then(|| state.chosen_download.min(count - 1));
    }
    let running = state.downloads.running()?.id;
    state
        .downloads
        .list
        .iter()
        .position(|one| one.id == running)
}

fn cancel(model: &mut Model) -> Vec<Cmd> {
    let Some(at) = meant(model) else {
        model.notify("nothing is being fetched".to_owned(), Role::Warn);
        return Vec::new();
    };
    let cancelled = model.models.downloads.cancel(at);
    cancelled.map(ask).into_iter().collect()
}

fn go_on(model: &mut Model) -> Vec<Cmd> {
    let state = &model.models;
    let broken_off = |at: usize| {
        let one = state.downloads.list.get(at)?;
        (!one.is_open()).then(|| one.name.clone())
    };
    let name = match state.part {
        Part::Downloads => meant(model).and_then(broken_off),
        Part::List | Part::Details => state
            .chosen()
            .filter(|one| one.problem.is_some() && !one.is_folder())
            .map(name_with_revision),
    };
    match name {
        Some(name) => fetch(model, &name),
        None => {
            let text = "nothing to go on with here: f fetches a model by its name";
            model.notify(text.to_owned(), Role::Warn);
            Vec::new()
        }
    }
}

fn name_with_revision(one: &Listed) -> String {
    match one.revisions.first() {
        Some(revision) if revision != "main" => format!("{}@{revision}", one.name),
        // A fetch that broke off has written no revision down yet.
        _ => one.name.clone(),
    }
}

/// Puts a model into the queue of downloads.
pub(crate) fn fetch(model: &mut Model, name: &str) -> Vec<Cmd> {
    let state = &mut model.models;
    let began = state.downloads.add(name);
    state.chosen_download = state
        .downloads
        .list
        .iter()
        .position(|one| one.name == name)
        .unwrap_or(0);
    if began.is_none() {
        model.notify(format!("{name} waits for its turn"), Role::Muted);
    }
    began.map(ask).into_iter().collect()
}

fn remove(model: &mut Model) -> Vec<Cmd> {
    let Some(one) = model.models.chosen().cloned() else {
        return Vec::new();
    };
    if one.is_folder() {
        model.notify(
            format!("{} is off the list; its files are untouched", one.name),
            Role::Ok,
        );
        return vec![ask(Request::Forget(one.folder))];
    }
    model.models.popup = Popup::Remove(Box::new(one), Input::default());
    Vec::new()
}

fn read_files(request: files_requests::Request) -> Vec<Cmd> {
    vec![Cmd::Ask(host::Request::Launcher(request))]
}

/// What the look for a folder wants next.
fn wanted(model: &mut Model, wanted: files::Wanted) -> Vec<Cmd> {
    match wanted {
        files::Wanted::Nothing => Vec::new(),
        files::Wanted::Folder(path) => read_files(files_requests::Request::Folder(path)),
        files::Wanted::Preview(path) => read_files(files_requests::Request::Preview(path)),
        files::Wanted::Chosen(path) => {
            model.models.popup = Popup::None;
            model.models.chosen = Some(path.clone());
            vec![ask(Request::Add(path))]
        }
    }
}

/// What is in a folder, or a glance at one, came for the look for a folder.
pub(crate) fn files_read(model: &mut Model, answer: files_requests::Answer) -> Vec<Cmd> {
    let Popup::Files(files) = &mut model.models.popup else {
        return Vec::new();
    };
    match answer {
        files_requests::Answer::Folder(path, folder) => {
            let next = files.opened(&path, folder);
            wanted(model, next)
        }
        files_requests::Answer::Preview(path, lines) => {
            files.glanced(&path, lines);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// One level back; `false` at the first level.
pub(crate) fn back(model: &mut Model) -> bool {
    let state = &mut model.models;
    if !state.filter.is_empty() {
        state.filter.clear();
        return true;
    }
    if state.part != Part::List {
        state.part = Part::List;
        return true;
    }
    if state.wanted_by.take().is_some() {
        model.screen = ScreenKind::Launcher;
        return true;
    }
    false
}

/// The name that must be typed to remove a model: all of it, or its last part.
fn confirms(one: &Listed, text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && (one.name == text || one.name.rsplit('/').next() == Some(text))
}
