//! The run list: filter, sort, marks, and what is done to runs.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use ratatui::Frame;
use ratatui::crossterm::event::KeyCode::Char;
use ratatui::layout::{Position, Rect};

use crate::host::Request;
use crate::keys::{self, Binding, Move};
use crate::model::{Model, Question};
use crate::pattern::Pattern;
use crate::run::{RunState, RunSummary, is_alive, shown};
use crate::screens::{self, ScreenKind};
use crate::theme::Role;
use crate::update::{Cmd, MouseKind, select};
use crate::widgets::input::Input;

mod rows;

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Mark the selected run, or take the mark away.
    Mark,
    /// Take every mark away.
    Unmark,
    /// Stop with a checkpoint (asks).
    Stop,
    /// End the process (asks for the name).
    Kill,
    /// Park, or go on.
    Pause,
    /// Start again from the last checkpoint.
    Resume,
    /// Write a checkpoint now.
    Checkpoint,
    /// Hide from the list, or show again.
    Archive,
    /// Show archived runs too, or not.
    ShowArchived,
    /// Sort by the next column.
    Sort,
    /// Turn the order around.
    Reverse,
    /// Marked runs over each other.
    Compare,
    /// The settings in which the marked runs differ.
    Differences,
    /// Copy the run's name.
    Copy,
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[
    bind(&[Char(' ')], "Space", Action::Mark, "mark the run").footer("mark"),
    Binding::new(
        &[Char('n')],
        "n",
        keys::Action::Show(ScreenKind::Launcher),
        "launch a new run",
    )
    .footer("new"),
    bind(
        &[Char('p')],
        "p",
        Action::Pause,
        "park the run between steps, again to go on",
    )
    .footer("pause"),
    bind(
        &[Char('c')],
        "c",
        Action::Compare,
        "compare the marked runs",
    )
    .footer("compare"),
    bind(
        &[Char('X')],
        "X",
        Action::Kill,
        "end the process at once (asks for the run's name)",
    ),
    bind(
        &[Char('C')],
        "C",
        Action::Checkpoint,
        "write a checkpoint now",
    ),
    bind(
        &[Char('d')],
        "d",
        Action::Differences,
        "settings in which the marked runs differ",
    ),
    bind(
        &[Char('D')],
        "D",
        Action::Archive,
        "hide the run from the list, or show it again; nothing is deleted",
    ),
    bind(
        &[Char('A')],
        "A",
        Action::ShowArchived,
        "show archived runs too",
    ),
    bind(&[Char('s')], "s", Action::Sort, "sort by the next column"),
    bind(&[Char('S')], "S", Action::Reverse, "turn the order around"),
    bind(&[Char('y')], "y", Action::Copy, "copy the run's name"),
    bind(&[Char('u')], "u", Action::Unmark, "take every mark away"),
];

const fn bind(
    keys: &'static [ratatui::crossterm::event::KeyCode],
    shown: &'static str,
    action: Action,
    help: &'static str,
) -> Binding {
    Binding::new(keys, shown, keys::Action::Runs(action), help)
}

/// What the runs are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// When they were made, the newest first.
    #[default]
    Age,
    /// Alphabetically.
    Name,
    /// Those with a worker first.
    State,
    /// The furthest first.
    Progress,
    /// The best first.
    Return,
    /// The fastest first.
    Speed,
}

impl Sort {
    /// Every column.
    pub const ALL: [Sort; 6] = [
        Sort::Age,
        Sort::Name,
        Sort::State,
        Sort::Progress,
        Sort::Return,
        Sort::Speed,
    ];

    /// Its word in the command line and in the title.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Sort::Age => "age",
            Sort::Name => "name",
            Sort::State => "state",
            Sort::Progress => "progress",
            Sort::Return => "return",
            Sort::Speed => "speed",
        }
    }

    /// The column of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Sort> {
        Sort::ALL.into_iter().find(|sort| sort.name() == name)
    }

    fn next(self) -> Sort {
        let at = Sort::ALL.iter().position(|sort| *sort == self).unwrap_or(0);
        Sort::ALL[(at + 1) % Sort::ALL.len()]
    }
}

/// What it remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Shows only what fits.
    pub filter: String,
    /// The order.
    pub sort: Sort,
    /// The order is turned around.
    pub reversed: bool,
    /// Marked runs, by id.
    pub marked: BTreeSet<String>,
    /// Archived runs are listed too.
    pub archived: bool,
}

/// The runs that the list shows, in its order: indices into [`Model::runs`].
#[must_use]
pub fn visible(model: &Model) -> Vec<usize> {
    let state = &model.panes.runs;
    let pattern = Pattern::new(&state.filter);
    let mut rows: Vec<usize> = model
        .runs
        .iter()
        .enumerate()
        .filter(|(_, run)| state.archived || !run.archived)
        .filter(|(_, run)| pattern.is_empty() || pattern.matches(&searched(run)))
        .map(|(index, _)| index)
        .collect();
    let order = |left: &usize, right: &usize| {
        compare(state.sort, &model.runs[*left], &model.runs[*right]).then(left.cmp(right))
    };
    if state.sort != Sort::Age {
        rows.sort_by(order);
    }
    if state.reversed {
        rows.reverse();
    }
    rows
}

fn searched(run: &RunSummary) -> String {
    let (word, ..) = shown(run.state);
    format!(
        "{}\n{word}\n{}\n{}\n{}\n{}",
        run.id, run.job, run.algorithm, run.task, run.device
    )
}

fn compare(sort: Sort, left: &RunSummary, right: &RunSummary) -> Ordering {
    let high_first = |of: &dyn Fn(&RunSummary) -> Option<f64>| {
        let value = |run| of(run).filter(|value| !value.is_nan());
        let key = |run| value(run).unwrap_or(f64::NEG_INFINITY);
        key(right).total_cmp(&key(left))
    };
    match sort {
        Sort::Age => Ordering::Equal,
        Sort::Name => left.id.cmp(&right.id),
        Sort::State => rank(left.state).cmp(&rank(right.state)),
        Sort::Progress => high_first(&RunSummary::progress),
        Sort::Return => high_first(&|run| run.win_rate.or(run.last_return)),
        Sort::Speed => high_first(&|run| run.steps_per_second.filter(|_| is_alive(run.state))),
    }
}

fn rank(state: RunState) -> u8 {
    match state {
        RunState::Running | RunState::Starting => 0,
        RunState::Pausing | RunState::Paused | RunState::Stopping => 1,
        RunState::Queued => 2,
        RunState::Failed | RunState::Lost | RunState::Killed => 3,
        RunState::Interrupted => 4,
        RunState::Finished => 5,
    }
}

/// The first run of the list.
pub(crate) fn first(model: &Model) -> Option<String> {
    let index = *visible(model).first()?;
    Some(model.runs[index].id.clone())
}

/// Whether a text names a run well enough to end its process: the whole id, or its last
/// part behind a dash.
pub(crate) fn names(id: &str, text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && (id == text || id.rsplit('-').next() == Some(text))
}

/// The runs that an action is for: the marked ones, else the selected one.
#[must_use]
pub fn chosen(model: &Model) -> Vec<String> {
    let marked = &model.panes.runs.marked;
    if marked.is_empty() {
        return model.run().map(|run| run.id.clone()).into_iter().collect();
    }
    model
        .runs
        .iter()
        .filter(|run| marked.contains(&run.id))
        .map(|run| run.id.clone())
        .collect()
}

/// Marks every run that fits a filter.
pub(crate) fn mark_matching(model: &mut Model, filter: &str) -> Vec<Cmd> {
    let pattern = Pattern::new(filter);
    let fitting = visible(model)
        .into_iter()
        .map(|index| &model.runs[index])
        .filter(|run| pattern.matches(&searched(run)))
        .map(|run| run.id.clone())
        .collect();
    model.panes.runs.marked = fitting;
    let count = model.panes.runs.marked.len();
    model.notify(format!("{count} runs marked"), Role::Ok);
    Vec::new()
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    match action {
        Action::Sort => model.panes.runs.sort = model.panes.runs.sort.next(),
        Action::Reverse => model.panes.runs.reversed = !model.panes.runs.reversed,
        Action::ShowArchived => model.panes.runs.archived = !model.panes.runs.archived,
        Action::Unmark => model.panes.runs.marked.clear(),
        Action::Mark => return mark(model),
        Action::Compare => return screens::open(model, ScreenKind::Compare),
        Action::Differences => return screens::compare::open_differences(model),
        Action::Stop => stop(model),
        Action::Kill => kill(model),
        Action::Pause => return on_alive(model, "pause", pause),
        Action::Checkpoint => {
            return on_alive(model, "write a checkpoint of", |run| {
                Request::Checkpoint(run.id.clone())
            });
        }
        Action::Resume => return resume(model),
        Action::Archive => return archive(model),
        Action::Copy => return copy(model),
    }
    Vec::new()
}

fn mark(model: &mut Model) -> Vec<Cmd> {
    let Some(id) = model.run().map(|run| run.id.clone()) else {
        return Vec::new();
    };
    let marked = &mut model.panes.runs.marked;
    if !marked.remove(&id) {
        marked.insert(id);
    }
    moved(model, Move::Lines(1))
}

fn copy(model: &mut Model) -> Vec<Cmd> {
    let ids = chosen(model);
    if ids.is_empty() {
        return Vec::new();
    }
    let text = ids.join(" ");
    model.notify(format!("copied: {text}"), Role::Ok);
    vec![Cmd::Copy(text)]
}

fn state_of(model: &Model, id: &str) -> Option<RunState> {
    model
        .runs
        .iter()
        .find(|run| run.id == id)
        .map(|run| run.state)
}

fn stop(model: &mut Model) {
    let chosen = chosen(model);
    let stoppable = |id: &String| {
        state_of(model, id).is_some_and(|state| is_alive(state) || state == RunState::Queued)
    };
    let ids: Vec<String> = chosen.iter().filter(|id| stoppable(id)).cloned().collect();
    if !ids.is_empty() {
        return model.ask(Question::Stop(ids));
    }
    match chosen.first() {
        None => model.notify("no run is selected".to_owned(), Role::Warn),
        Some(id) => {
            let (word, ..) = shown(state_of(model, id).unwrap_or_default());
            let text = format!("{id} is {word}: nothing to stop");
            model.notify(text, Role::Warn);
        }
    }
}

/// Asks runs to stop, after the question was answered.
pub(crate) fn stopping(model: &mut Model, ids: Vec<String>) -> Vec<Cmd> {
    let who = match ids.as_slice() {
        [id] => format!("asking {id} to stop: it finishes its step and writes a checkpoint"),
        several => format!("asking {} runs to stop with a checkpoint", several.len()),
    };
    model.notify(who, Role::Warn);
    ids.into_iter()
        .map(|id| Cmd::Ask(Request::Stop(id)))
        .collect()
}

fn kill(model: &mut Model) {
    let Some(run) = model.run() else {
        return model.notify("no run is selected".to_owned(), Role::Warn);
    };
    let (id, (word, ..)) = (run.id.clone(), shown(run.state));
    if is_alive(run.state) {
        model.ask(Question::Kill(id, Input::default()));
    } else {
        let text = format!("{id} is {word}: it has no process");
        model.notify(text, Role::Warn);
    }
}

fn pause(run: &RunSummary) -> Request {
    match run.state {
        RunState::Paused | RunState::Pausing => Request::Unpause(run.id.clone()),
        _ => Request::Pause(run.id.clone()),
    }
}

/// A request for every chosen run that has a worker.
fn on_alive(model: &mut Model, verb: &str, request: impl Fn(&RunSummary) -> Request) -> Vec<Cmd> {
    let ids = chosen(model);
    let requests: Vec<Cmd> = model
        .runs
        .iter()
        .filter(|run| ids.contains(&run.id) && is_alive(run.state))
        .map(|run| Cmd::Ask(request(run)))
        .collect();
    if requests.is_empty() {
        let text = match ids.first() {
            None => "no run is selected".to_owned(),
            Some(id) => format!("cannot {verb} {id}: no worker has it"),
        };
        model.notify(text, Role::Warn);
    }
    requests
}

fn resume(model: &mut Model) -> Vec<Cmd> {
    let ids = chosen(model);
    if ids.is_empty() {
        model.notify("no run is selected".to_owned(), Role::Warn);
        return Vec::new();
    }
    let mut commands = Vec::new();
    let mut refused = None;
    for id in ids {
        let state = state_of(model, &id).unwrap_or_default();
        let (word, ..) = shown(state);
        match state {
            RunState::Paused | RunState::Pausing => {
                commands.push(Cmd::Ask(Request::Unpause(id)));
            }
            RunState::Finished => refused = Some(format!("{id} is {word}: nothing to resume")),
            _ if is_alive(state) => refused = Some(format!("{id} is {word}: nothing to resume")),
            _ => {
                let text = format!("starting {id} again from its last checkpoint");
                model.notify(text, Role::Ok);
                commands.push(Cmd::Ask(Request::Resume(id)));
            }
        }
    }
    if let (true, Some(text)) = (commands.is_empty(), refused) {
        model.notify(text, Role::Warn);
    }
    commands
}

fn archive(model: &mut Model) -> Vec<Cmd> {
    let ids = chosen(model);
    let of = |id: &String| model.runs.iter().find(|run| run.id == *id);
    if let Some(run) = ids.iter().filter_map(of).find(|run| is_alive(run.state)) {
        let (word, ..) = shown(run.state);
        let text = format!("{} is {word}: stop it before it is archived", run.id);
        model.notify(text, Role::Warn);
        return Vec::new();
    }
    if ids.is_empty() {
        return Vec::new();
    }
    let undo = ids.iter().filter_map(of).all(|run| run.archived);
    vec![Cmd::Ask(Request::Archive { ids, undo })]
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    let rows = visible(model);
    let at = rows
        .iter()
        .position(|index| Some(&model.runs[*index].id) == model.selected.as_ref());
    let Some(index) = rows.get(match at {
        Some(at) => by.apply(at, rows.len()),
        None => 0,
    }) else {
        return Vec::new();
    };
    let id = model.runs[*index].id.clone();
    select(model, id)
}

pub(crate) fn clicked(model: &mut Model, at: Position, area: Rect, kind: MouseKind) -> Vec<Cmd> {
    match kind {
        MouseKind::WheelUp => moved(model, Move::Lines(-1)),
        MouseKind::WheelDown => moved(model, Move::Lines(1)),
        MouseKind::Drag => Vec::new(),
        MouseKind::Click => match rows::at(model, at, area) {
            Some(id) => select(model, id),
            None => Vec::new(),
        },
    }
}

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    rows::draw(model, frame, area);
}
