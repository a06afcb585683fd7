//! The reducer: messages change the model and ask for effects. It does no input or
//! output, and reads the clock from the messages.

use std::sync::Arc;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use signal_hook::consts::SIGCONT;
use tracking::{History, LogLine};

use crate::commands;
use crate::detail::{Detail, Episode, EvaluationPoint};
use crate::host::{Answer, Request};
use crate::keys::{self, Action, Move};
use crate::look::Seen;
use crate::machine::Snapshot;
use crate::model::{Confirmation, Leave, Model, Overlay, Prompt, Purpose, Question};
use crate::panes::{self, Pane};
use crate::run::{RunSummary, is_alive, role, shown};
use crate::screens::{self, ScreenKind};
use crate::theme::Role;
use crate::view;
use crate::widgets::input::Input;

mod mouse;

pub use mouse::MouseKind;

/// Seconds within which a second Ctrl-c leaves at once.
const SECOND_INTERRUPT_SECONDS: f64 = 2.0;
/// Lines by which the help scrolls.
const HELP_PAGE: usize = 10;

/// What happened.
#[derive(Clone, Debug)]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse did something at a column and row.
    Mouse(MouseKind, u16, u16),
    /// A text was pasted.
    Paste(String),
    /// Time passed; Unix seconds.
    Tick(f64),
    /// The terminal has this many columns and rows.
    Resized(u16, u16),
    /// The run list was read again.
    Runs(Vec<RunSummary>),
    /// News of one run.
    News(News),
    /// A look at the machine.
    Machine(Arc<Snapshot>),
    /// Something that a job pane looks at was read.
    Seen(Seen),
    /// What came of a request.
    Answer(Answer),
    /// The editor was closed: the text, or why there is none.
    Edited(Result<String, String>),
    /// A signal arrived.
    Signal(i32),
    /// A thread of the dashboard died.
    ThreadDied(String),
}

/// What changed of one run since the last time.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// The run.
    pub id: String,
    /// Its valid events, where they changed.
    pub history: Option<Arc<History>>,
    /// Its interval evaluations, scored, where they changed.
    pub evaluations: Option<Arc<Vec<EvaluationPoint>>>,
    /// The final score of the best checkpoint; counts where `evaluations` are given.
    pub absolute: Option<EvaluationPoint>,
    /// The share of a long log that was read; counts where a history is given, and `None`
    /// says that it is whole.
    pub reading: Option<f64>,
    /// The log begins anew with these lines.
    pub anew: bool,
    /// New lines of the log.
    pub log: Vec<LogLine>,
    /// A newer recorded episode.
    pub episode: Option<Episode>,
}

/// An effect for the outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Cmd {
    /// Read these runs: the selected one whole, the others for their curves.
    Watch {
        /// The selected run.
        selected: Option<String>,
        /// Runs that are compared.
        compared: Vec<String>,
    },
    /// Ask the program around the dashboard for something.
    Ask(Request),
    /// Put a text into the terminal's clipboard (OSC 52).
    Copy(String),
    /// Open a text in the user's editor; the ending of its file is given.
    Edit {
        /// The text.
        text: String,
        /// The ending, such as `toml`.
        ending: &'static str,
    },
    /// Let the mouse be heard, or leave it to the terminal for selecting text.
    Mouse(bool),
    /// Clear the terminal before the next drawing.
    Clear,
    /// Give the terminal back and stop the process until it is continued.
    Suspend,
}

/// Applies one message.
pub fn update(model: &mut Model, message: Msg) -> Vec<Cmd> {
    let commands = apply(model, message);
    panes::logs::settle(model);
    screens::chat::settle(model);
    commands
}

fn apply(model: &mut Model, message: Msg) -> Vec<Cmd> {
    match message {
        Msg::Key(key) => return pressed(model, key),
        Msg::Mouse(kind, column, row) => return mouse::moved(model, kind, column, row),
        Msg::Paste(text) => return pasted(model, &text),
        Msg::Tick(now) => {
            tick(model, now);
            return screens::evaluate::tick(model);
        }
        Msg::Resized(columns, rows) => model.size = (columns, rows),
        Msg::Runs(runs) => {
            let mut commands = runs_read(model, runs);
            commands.extend(screens::launcher::runs_changed(model));
            return commands;
        }
        Msg::News(news) => news_read(model, news),
        Msg::Machine(snapshot) => model.panes.machine.look(snapshot),
        Msg::Seen(seen) => panes::seen(model, seen),
        Msg::Answer(Answer::Said(Ok(text))) => model.notify(text, Role::Ok),
        Msg::Answer(Answer::Said(Err(text))) => model.notify(text, Role::Bad),
        Msg::Answer(Answer::Measured { id, outcome }) => {
            screens::evaluate::measured(model, &id, outcome);
        }
        Msg::Answer(answer) => return screens::answered(model, answer),
        Msg::Edited(result) => return screens::launcher::edited(model, result),
        // Continued after a stop from outside: the screen may hold anything.
        Msg::Signal(SIGCONT) => return vec![Cmd::Clear],
        Msg::Signal(signal) => model.leave = Some(Leave::Signal(signal)),
        Msg::ThreadDied(report) => model.leave = Some(Leave::Broken(report)),
    }
    Vec::new()
}

fn tick(model: &mut Model, now: f64) {
    model.now = now;
    let over = |until: f64| until < now;
    if model
        .notice
        .as_ref()
        .is_some_and(|notice| over(notice.until))
    {
        model.notice = None;
    }
    panes::world::tick(model);
    panes::search::tick(model);
    screens::compare::tick(model);
}

fn runs_read(model: &mut Model, runs: Vec<RunSummary>) -> Vec<Cmd> {
    let before = model.run().map(|run| run.state);
    model.runs = runs;
    model.loaded = true;
    if let (Some(before), Some(run)) = (before, model.run())
        && is_alive(before)
        && !is_alive(run.state)
    {
        let (word, ..) = shown(run.state);
        let text = if run.message.is_empty() {
            format!("{} {word}", run.id)
        } else {
            format!("{} {word}: {}", run.id, run.message)
        };
        let role = role(run.state);
        model.notify(text, role);
    }
    let runs = &model.runs;
    model
        .panes
        .runs
        .marked
        .retain(|id| runs.iter().any(|run| run.id == *id));
    let known = |id: &String| model.runs.iter().any(|run| run.id == *id);
    if let Some(id) = model.wanted.take_if(|id| known(id)) {
        return select(model, id);
    }
    if model.selected.as_ref() == Some(&model.detail.id) && !known(&model.detail.id) {
        // Its worker may not have made its folder yet; one that was read was there.
        let was_there = model.detail.history.events > 0 || before.is_some();
        if was_there {
            let text = format!("the folder of {} was removed", model.detail.id);
            model.notify(text, Role::Warn);
        }
    }
    let known = |id: &String| model.runs.iter().any(|run| run.id == *id);
    let gone = model.run().is_none_or(|run| run.id != model.detail.id);
    let wanted = model
        .selected
        .clone()
        .filter(known)
        .or_else(|| model.foreground.clone().filter(known));
    match wanted.or_else(|| panes::runs::first(model)) {
        Some(id) if gone => select(model, id),
        None => {
            model.selected = model.foreground.clone();
            Vec::new()
        }
        Some(_) => Vec::new(),
    }
}

/// Selects a run; the source reads it from its beginning.
pub(crate) fn select(model: &mut Model, id: String) -> Vec<Cmd> {
    if model.selected.as_deref() == Some(id.as_str()) && model.detail.id == id {
        return Vec::new();
    }
    model.detail = Detail::new(&id);
    model.panes.run_changed(model.now);
    model.job_pane = None;
    model.selected = Some(id);
    if !model.shown_panes().contains(&model.focus) {
        model.focus = model.shown_job_pane();
    }
    vec![model.watch()]
}

fn news_read(model: &mut Model, mut news: News) {
    let episode = news.episode.take();
    if let Some(detail) = model.compared.get_mut(&news.id) {
        detail.take(News {
            log: Vec::new(),
            ..news.clone()
        });
        screens::compare::changed(model);
    }
    if news.id != model.detail.id {
        return;
    }
    model.detail.take(news);
    if let Some(episode) = episode {
        model.detail.episode = Some(episode);
        panes::world::episode_changed(model);
    }
}

fn pressed(model: &mut Model, key: KeyEvent) -> Vec<Cmd> {
    let action = keys::action(key, model.screen, model.focus, &model.preferences);
    if action == Some(Action::Interrupt) {
        return interrupted(model);
    }
    if action == Some(Action::Suspend) {
        return vec![Cmd::Suspend];
    }
    if model.prompt.is_some() {
        return commands::pressed(model, key);
    }
    match model.overlay.clone() {
        Overlay::Ask(question) => return answer(model, question, key),
        Overlay::Help(scroll, search) => {
            in_help(model, action, scroll, &search);
            return Vec::new();
        }
        Overlay::None => {}
    }
    if let Some(commands) = screens::typed(model, key) {
        return commands;
    }
    action.map_or_else(Vec::new, |action| act(model, action))
}

fn interrupted(model: &mut Model) -> Vec<Cmd> {
    let again = model
        .interrupted
        .is_some_and(|before| model.now - before <= SECOND_INTERRUPT_SECONDS);
    model.interrupted = Some(model.now);
    if !again
        && model.overlay == Overlay::None
        && let Some(commands) = screens::interrupted(model)
    {
        // The answer alone was meant: a second one is no leaving yet.
        model.interrupted = None;
        return commands;
    }
    if again {
        model.leave = Some(Leave::Asked);
        return Vec::new();
    }
    model.prompt = None;
    quit(model)
}

fn pasted(model: &mut Model, text: &str) -> Vec<Cmd> {
    if let Some(prompt) = &mut model.prompt {
        prompt.input.insert(text);
        commands::changed(model);
        return Vec::new();
    }
    // Elsewhere a paste counts only where text is taken: never as commands.
    let mut commands = Vec::new();
    if model.overlay == Overlay::None && !screens::pasted(model, text) {
        for character in text.chars().filter(|character| !character.is_control()) {
            let key = KeyEvent::from(KeyCode::Char(character));
            match screens::typed(model, key) {
                Some(more) => commands.extend(more),
                None => break,
            }
        }
    }
    commands
}

fn in_help(model: &mut Model, action: Option<Action>, scroll: usize, search: &str) {
    let Some(action) = action else { return };
    let to = |scroll: usize| Overlay::Help(scroll, search.to_owned());
    model.overlay = match action {
        Action::Move(Move::Lines(by)) => to(scroll.saturating_add_signed(by)),
        Action::Move(Move::Pages(by)) if by > 0 => to(scroll.saturating_add(HELP_PAGE)),
        Action::Move(Move::Pages(_) | Move::Top) => to(0),
        Action::Move(Move::Bottom) => to(usize::MAX / 2),
        Action::Filter => {
            model.prompt = Some(Prompt {
                purpose: Purpose::HelpSearch,
                input: Input::new(search),
            });
            return;
        }
        _ => Overlay::None,
    };
}

fn answer(model: &mut Model, question: Question, key: KeyEvent) -> Vec<Cmd> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    if let Question::Kill(id, mut input) = question {
        return answer_kill(model, id, &mut input, key);
    }
    model.overlay = Overlay::None;
    let yes = matches!(key.code, KeyCode::Enter | KeyCode::Char('y'));
    match question {
        Question::Stop(ids) if yes => panes::runs::stopping(model, ids),
        Question::Leave(_) | Question::Downloads(_) if yes => {
            model.leave = Some(Leave::Asked);
            Vec::new()
        }
        Question::Leave(id) if key.code == KeyCode::Char('x') => {
            panes::runs::stopping(model, vec![id])
        }
        Question::Confirm(Confirmation {
            commands, action, ..
        }) if yes => {
            let mut all = action.map_or_else(Vec::new, |action| act(model, action));
            all.extend(commands);
            all
        }
        _ => Vec::new(),
    }
}

/// Ending a process loses work: the run's name, or the end of it, must be typed.
fn answer_kill(model: &mut Model, id: String, input: &mut Input, key: KeyEvent) -> Vec<Cmd> {
    match key.code {
        KeyCode::Esc => model.overlay = Overlay::None,
        KeyCode::Enter if panes::runs::names(&id, input.text()) => {
            model.overlay = Overlay::None;
            model.notify(format!("ending the process of {id}"), Role::Warn);
            return vec![Cmd::Ask(Request::Kill(id))];
        }
        _ => {
            input.press(key);
            model.ask(Question::Kill(id, input.clone()));
        }
    }
    Vec::new()
}

/// Carries out an action.
pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    match action {
        Action::Quit | Action::Interrupt => return quit(model),
        Action::Suspend => return vec![Cmd::Suspend],
        Action::Help => model.overlay = Overlay::Help(0, String::new()),
        Action::Redraw => return vec![Cmd::Clear],
        Action::Command => commands::open(model, Purpose::Command),
        Action::Filter => commands::open(model, Purpose::Filter),
        Action::Move(by) => return screens::moved(model, by),
        Action::Back => return back(model),
        Action::NextPane => step_pane(model, true),
        Action::PreviousPane => step_pane(model, false),
        Action::Focus(pane) => focus(model, pane),
        Action::Open => model.maximised = true,
        Action::Maximise => model.maximised = !model.maximised,
        Action::Show(screen) => return screens::open(model, screen),
        Action::Runs(action) => return panes::runs::act(model, action),
        Action::Chart(action) => return panes::chart::act(model, action),
        Action::World(action) => return panes::world::act(model, action),
        Action::Text(action) => return panes::text::act(model, action),
        Action::Search(action) => return panes::search::act(model, action),
        Action::Logs(action) => return panes::logs::act(model, action),
        Action::Machine(action) => return panes::machine::act(model, action),
        Action::Launcher(action) => return screens::launcher::act(model, action),
        Action::Compare(action) => return screens::compare::act(model, action),
        Action::Evaluate(action) => return screens::evaluate::act(model, action),
        Action::Models(action) => return screens::models::act(model, action),
        Action::Chat(action) => return screens::chat::act(model, action),
    }
    Vec::new()
}

/// Gives a pane the focus; one for another kind of job takes the place of the run's own.
pub(crate) fn focus(model: &mut Model, pane: Pane) {
    if pane.is_of_job() {
        model.job_pane = Some(pane);
    }
    model.focus = pane;
}

fn step_pane(model: &mut Model, forward: bool) {
    let panes = model.shown_panes();
    let at = panes
        .iter()
        .position(|pane| *pane == model.focus)
        .unwrap_or(0);
    let by = if forward { 1 } else { panes.len() - 1 };
    model.focus = panes[(at + by) % panes.len()];
}

fn back(model: &mut Model) -> Vec<Cmd> {
    if screens::back(model) {
        return Vec::new();
    }
    if let Some(filter) = screens::filter(model)
        && !filter.is_empty()
    {
        filter.clear();
        return Vec::new();
    }
    if model.screen != ScreenKind::Dashboard {
        return screens::leave(model, true);
    }
    if model.maximised {
        model.maximised = false;
    } else {
        model.focus = Pane::Runs;
    }
    Vec::new()
}

/// Leaves the dashboard, or a screen for the dashboard.
pub(crate) fn quit(model: &mut Model) -> Vec<Cmd> {
    if model.screen != ScreenKind::Dashboard {
        return screens::leave(model, false);
    }
    let open = model.models.downloads.open();
    let fetched: Vec<String> = open.map(|one| one.name.clone()).collect();
    if !fetched.is_empty() {
        model.ask(Question::Downloads(fetched));
        return Vec::new();
    }
    // A worker that was just started may not have said so yet: only an end counts.
    let ended = |id: &String| {
        model
            .runs
            .iter()
            .any(|run| run.id == *id && run.state.is_final())
    };
    match model.foreground.clone().filter(|id| !ended(id)) {
        Some(id) => model.ask(Question::Leave(id)),
        None => model.leave = Some(Leave::Asked),
    }
    Vec::new()
}

/// The areas of the panes, for the mouse.
fn areas(model: &Model) -> view::Areas {
    view::areas(model, model.size)
}
