//! The reducer: messages change the model and ask for effects. It does no
//! input or output, and reads the clock from the messages.

use std::collections::VecDeque;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind};
use tracking::{Event, EventKind};

use crate::keys::{self, Action, Pane};
use crate::model::{
    Detail, Episode, LOG_LINES, Leave, Model, Notice, Overlay, Playback, Question, RunState,
    RunSummary, is_alive, role, shown,
};
use crate::source::describe;
use crate::theme::Role;

/// Seconds a frame of the grid world stays on.
const FRAME_SECS: f64 = 0.25;
/// Seconds the last frame stays on before the episode starts again.
const LAST_FRAME_SECS: f64 = 1.5;
/// Seconds within which a second Ctrl-c leaves at once.
const SECOND_INTERRUPT_SECS: f64 = 2.0;
const PAGE: usize = 10;

/// What happened.
#[derive(Clone, Debug)]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// Time passed; Unix seconds.
    Tick(f64),
    /// The terminal changed its size.
    Resized,
    /// The run list was read again.
    Runs(Vec<RunSummary>),
    /// News of one run.
    News(News),
    /// An effect ended; what to tell.
    Done(Result<String, String>),
    /// A signal arrived.
    Signal(i32),
    /// A thread of the dashboard died.
    ThreadDied(String),
}

/// What was read from the folder of one run since the last time.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// The run.
    pub id: String,
    /// The event log was replaced; what was told before is void.
    pub anew: bool,
    /// New events, in the order of the log.
    pub events: Vec<Event>,
    /// New console lines.
    pub log: Vec<String>,
    /// A newer recorded episode.
    pub episode: Option<Episode>,
}

/// An effect for the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cmd {
    /// Read this run from its beginning.
    Watch(String),
    /// Ask this run to stop.
    Stop(String),
    /// Start this run's worker again.
    Resume(String),
    /// Clear the terminal before the next drawing.
    Clear,
}

/// Applies one message.
pub fn update(model: &mut Model, message: Msg) -> Vec<Cmd> {
    match message {
        Msg::Key(key) => return pressed(model, key),
        Msg::Tick(now) => tick(model, now),
        Msg::Resized => {}
        Msg::Runs(runs) => return runs_read(model, runs),
        Msg::News(news) => news_read(model, news),
        Msg::Done(Ok(text)) => notify(model, text, Role::Ok),
        Msg::Done(Err(text)) => notify(model, text, Role::Bad),
        Msg::Signal(signal) => model.leave = Some(Leave::Signal(signal)),
        Msg::ThreadDied(report) => model.leave = Some(Leave::Broken(report)),
    }
    Vec::new()
}

fn notify(model: &mut Model, text: String, role: Role) {
    let secs = if role == Role::Bad { 15.0 } else { 6.0 };
    model.notice = Some(Notice {
        text,
        role,
        until: model.now + secs,
    });
}

fn tick(model: &mut Model, now: f64) {
    model.now = now;
    if model
        .notice
        .as_ref()
        .is_some_and(|notice| notice.until < now)
    {
        model.notice = None;
    }
    let frames = model
        .detail
        .episode
        .as_ref()
        .map_or(0, |episode| episode.frames.len());
    let playback = &mut model.playback;
    if frames == 0 || playback.frozen {
        return;
    }
    let stay = if playback.frame + 1 >= frames {
        LAST_FRAME_SECS
    } else {
        FRAME_SECS
    };
    if now - playback.since >= stay || now < playback.since {
        playback.frame = (playback.frame + 1) % frames;
        playback.since = now;
    }
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
        notify(model, text, role);
    }
    let gone = model.run().is_none_or(|run| run.id != model.detail.id);
    let known = |id: &String| model.runs.iter().any(|run| run.id == *id);
    let wanted = model
        .selected
        .clone()
        .filter(known)
        .or_else(|| model.foreground.clone().filter(known));
    match wanted.or_else(|| model.runs.first().map(|run| run.id.clone())) {
        Some(id) if gone => select(model, id),
        None => {
            model.selected = model.foreground.clone();
            Vec::new()
        }
        Some(_) => Vec::new(),
    }
}

fn select(model: &mut Model, id: String) -> Vec<Cmd> {
    if model.selected.as_deref() == Some(id.as_str()) && model.detail.id == id {
        return Vec::new();
    }
    model.detail = Detail::new(&id);
    model.curve = None;
    model.playback = Playback {
        since: model.now,
        ..Playback::default()
    };
    model.log_back = 0;
    model.selected = Some(id.clone());
    vec![Cmd::Watch(id)]
}

fn news_read(model: &mut Model, news: News) {
    if news.id != model.detail.id {
        return;
    }
    if news.anew {
        model.detail.history = Detail::new(&news.id).history;
    }
    let mut lines = news.log;
    lines.extend(news.events.iter().filter_map(describe));
    let scored = |event: &Event| {
        matches!(
            event.kind,
            EventKind::Evaluation { .. } | EventKind::Resumed { .. }
        )
    };
    let rescore = news.anew || news.events.iter().any(scored);
    for event in news.events {
        model.detail.history.apply(event);
    }
    if rescore {
        model.detail.score();
    }
    let following = model.log_back == 0;
    let added = lines.len();
    let log: &mut VecDeque<String> = &mut model.detail.log;
    log.extend(lines);
    while log.len() > LOG_LINES {
        log.pop_front();
    }
    if !following {
        model.log_back = (model.log_back + added).min(log.len().saturating_sub(1));
    }
    if let Some(episode) = news.episode {
        model.detail.episode = Some(episode);
        model.playback = Playback {
            since: model.now,
            ..Playback::default()
        };
    }
}

fn pressed(model: &mut Model, key: KeyEvent) -> Vec<Cmd> {
    let action = keys::action(key, model.pane);
    if action == Some(Action::Interrupt) {
        let again = model
            .interrupted
            .is_some_and(|before| model.now - before <= SECOND_INTERRUPT_SECS);
        model.interrupted = Some(model.now);
        if again {
            model.leave = Some(Leave::Asked);
            return Vec::new();
        }
        return act(model, Action::Quit);
    }
    if let Overlay::Ask(question) = model.overlay.clone() {
        return answer(model, question, key);
    }
    let Some(action) = action else {
        return Vec::new();
    };
    match model.overlay {
        Overlay::Help(scroll) => {
            model.overlay = match action {
                Action::Down => Overlay::Help(scroll.saturating_add(1)),
                Action::Up => Overlay::Help(scroll.saturating_sub(1)),
                Action::PageDown => Overlay::Help(scroll.saturating_add(PAGE)),
                Action::PageUp | Action::Top => Overlay::Help(0),
                _ => Overlay::None,
            };
            Vec::new()
        }
        Overlay::None | Overlay::Ask(_) => act(model, action),
    }
}

fn answer(model: &mut Model, question: Question, key: KeyEvent) -> Vec<Cmd> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    let yes = matches!(key.code, KeyCode::Enter | KeyCode::Char('y'));
    match question {
        Question::Stop(id) if yes => {
            model.overlay = Overlay::None;
            notify(
                model,
                format!("asking {id} to stop: it finishes its step and writes a checkpoint"),
                Role::Warn,
            );
            vec![Cmd::Stop(id)]
        }
        Question::Leave(_) if yes => {
            model.overlay = Overlay::None;
            model.leave = Some(Leave::Asked);
            Vec::new()
        }
        Question::Leave(id) if key.code == KeyCode::Char('x') => {
            model.overlay = Overlay::None;
            notify(
                model,
                format!("asking {id} to stop: it finishes its step and writes a checkpoint"),
                Role::Warn,
            );
            vec![Cmd::Stop(id)]
        }
        _ => {
            model.overlay = Overlay::None;
            Vec::new()
        }
    }
}

fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    match action {
        Action::Quit | Action::Interrupt => return quit(model),
        Action::Help => model.overlay = Overlay::Help(0),
        Action::NextPane => model.pane = model.pane.step(true),
        Action::PreviousPane => model.pane = model.pane.step(false),
        Action::Focus(pane) => model.pane = pane,
        Action::Open | Action::Maximise => {
            model.maximised = !(model.maximised && action == Action::Maximise);
        }
        Action::Back => {
            if model.maximised {
                model.maximised = false;
            } else {
                model.pane = Pane::Runs;
            }
        }
        Action::Redraw => return vec![Cmd::Clear],
        Action::Stop => stop(model),
        Action::Resume => return resume(model),
        Action::Smooth => model.smooth = !model.smooth,
        Action::PlayPause => model.playback.frozen = !model.playback.frozen,
        Action::FrameForward => step_frame(model, true),
        Action::FrameBack => step_frame(model, false),
        Action::Follow => model.log_back = 0,
        Action::Down => return move_by(model, 1),
        Action::Up => return move_by(model, -1),
        Action::PageDown => return move_by(model, PAGE as isize),
        Action::PageUp => return move_by(model, -(PAGE as isize)),
        Action::Top => return move_by(model, isize::MIN / 2),
        Action::Bottom => return move_by(model, isize::MAX / 2),
    }
    Vec::new()
}

fn quit(model: &mut Model) -> Vec<Cmd> {
    // A worker that was just started may not have said so yet: only an end counts.
    let ended = |id: &String| {
        model
            .runs
            .iter()
            .any(|run| run.id == *id && run.state.is_final())
    };
    let foreground = model.foreground.clone().filter(|id| !ended(id));
    match foreground {
        Some(id) => model.overlay = Overlay::Ask(Question::Leave(id)),
        None => model.leave = Some(Leave::Asked),
    }
    Vec::new()
}

fn stop(model: &mut Model) {
    let Some(run) = model.run() else {
        return notify(model, "no run is selected".to_owned(), Role::Warn);
    };
    let id = run.id.clone();
    if is_alive(run.state) {
        model.overlay = Overlay::Ask(Question::Stop(id));
    } else {
        let (word, ..) = shown(run.state);
        notify(
            model,
            format!("{id} is {word}: nothing to stop"),
            Role::Warn,
        );
    }
}

fn resume(model: &mut Model) -> Vec<Cmd> {
    let Some(run) = model.run() else {
        notify(model, "no run is selected".to_owned(), Role::Warn);
        return Vec::new();
    };
    let id = run.id.clone();
    let (word, ..) = shown(run.state);
    if is_alive(run.state) || run.state == RunState::Finished {
        notify(
            model,
            format!("{id} is {word}: nothing to resume"),
            Role::Warn,
        );
        return Vec::new();
    }
    notify(
        model,
        format!("starting {id} again from its last checkpoint"),
        Role::Ok,
    );
    vec![Cmd::Resume(id)]
}

fn step_frame(model: &mut Model, forward: bool) {
    let frames = model
        .detail
        .episode
        .as_ref()
        .map_or(0, |episode| episode.frames.len());
    if frames > 0 {
        model.playback.frozen = true;
        let by = if forward { 1 } else { frames - 1 };
        model.playback.frame = (model.playback.frame + by) % frames;
    }
}

fn move_by(model: &mut Model, by: isize) -> Vec<Cmd> {
    let moved =
        |index: usize, count: usize| index.saturating_add_signed(by).min(count.saturating_sub(1));
    match model.pane {
        Pane::Runs => {
            if model.runs.is_empty() {
                return Vec::new();
            }
            let index = moved(model.run_index().unwrap_or(0), model.runs.len());
            let id = model.runs[index].id.clone();
            return select(model, id);
        }
        Pane::Metrics => {
            let names = model.curve_names();
            if !names.is_empty() {
                let shown = model.shown_curve().map(|(name, ..)| name);
                let index = names
                    .iter()
                    .position(|name| Some(*name) == shown)
                    .unwrap_or(0);
                model.curve = Some(names[moved(index, names.len())].to_owned());
            }
        }
        Pane::World => {
            if by.unsigned_abs() <= PAGE {
                step_frame(model, by > 0);
            }
        }
        Pane::Logs => {
            let most = model.detail.log.len().saturating_sub(1);
            model.log_back = model
                .log_back
                .saturating_add_signed(by.saturating_neg())
                .min(most);
        }
    }
    Vec::new()
}
