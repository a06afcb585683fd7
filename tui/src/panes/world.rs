//! The world of a training: the board of a live or recorded episode, the switch between
//! independent and central policies, and where its central calls fire.

use ratatui::crossterm::event::KeyCode::{self, Char};
use tracking::switching::{CallMap, SwitchTimeline};

use crate::detail::{Episode, WorldFrame};
use crate::keys::{self, Binding, Move};
use crate::look::{LiveMoment, Look, Seen};
use crate::model::Model;
use crate::run::RunSummary;
use crate::theme::Role;
use crate::update::Cmd;

mod draw;
mod grid;
mod heat;
mod pick;
pub mod switch;

pub(crate) use draw::{draw, wanted_height};
pub(crate) use pick::typed;

/// Seconds a frame of the grid world stays on.
const FRAME_SECONDS: f64 = 0.25;
/// Seconds the last frame stays on before the episode starts again.
const LAST_FRAME_SECONDS: f64 = 1.5;
/// A live frame older than this is no longer called live.
const LIVE_SECONDS: f64 = 5.0;

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Freeze or play the grid world.
    PlayPause,
    /// One frame back.
    Back,
    /// One frame forward.
    Forward,
    /// Choose a recorded episode from the list.
    Pick,
    /// Watch the running training, or play what it recorded.
    Live,
    /// What lies over the board.
    Overlay,
    /// Board, timeline, map of calls, or all together.
    View,
    /// The map of calls by cell or by distance.
    Distances,
    /// The agent that a large board follows.
    Agent,
    /// Watch the environment before.
    PreviousEnvironment,
    /// Watch the next environment.
    NextEnvironment,
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[
    bind(&[Char(' ')], "Space", Action::PlayPause, "freeze or play").footer("play"),
    bind(&[Char(',')], ",", Action::Back, "one step back").footer("back"),
    bind(&[Char('.')], ".", Action::Forward, "one step forward").footer("forward"),
    bind(&[Char('o')], "o", Action::Pick, "choose a recorded episode").footer("episodes"),
    bind(
        &[Char('i')],
        "i",
        Action::Live,
        "watch the training live, or what it recorded",
    )
    .footer("live"),
    bind(
        &[Char('m')],
        "m",
        Action::View,
        "all together, board, switch timeline, map of calls",
    )
    .footer("view"),
    bind(
        &[Char('v')],
        "v",
        Action::Overlay,
        "over the board: levels, share of calls, nothing",
    ),
    bind(
        &[Char('t')],
        "t",
        Action::Distances,
        "map of calls by cell or by distance",
    ),
    bind(
        &[Char('a')],
        "a",
        Action::Agent,
        "the agent that a large board follows",
    ),
    bind(
        &[Char('[')],
        "[",
        Action::PreviousEnvironment,
        "watch the environment before",
    ),
    bind(
        &[Char(']')],
        "]",
        Action::NextEnvironment,
        "watch the next environment",
    ),
];

const fn bind(
    keys: &'static [KeyCode],
    shown: &'static str,
    action: Action,
    help: &'static str,
) -> Binding {
    Binding::new(keys, shown, keys::Action::World(action), help)
}

/// What of the world is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// As much as there is room for.
    #[default]
    Together,
    /// The board alone.
    Board,
    /// The switch timeline alone.
    Timeline,
    /// The map of calls alone.
    Calls,
}

/// What lies over the board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlay {
    /// Levels of agents and food.
    #[default]
    Levels,
    /// Levels, and the share of central calls in tenths where a cell is empty.
    Calls,
    /// Letters only.
    Plain,
}

/// What it remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The frame shown.
    pub frame: usize,
    /// Whether it is frozen.
    pub frozen: bool,
    /// When the frame was put on, in Unix seconds.
    pub since: f64,
    /// What is shown.
    pub view: View,
    /// What lies over the board.
    pub overlay: Overlay,
    /// The map of calls is by distance.
    pub by_distance: bool,
    /// The agent that a large board follows.
    pub agent: usize,
    /// Recorded episodes by name.
    pub episodes: Vec<String>,
    /// Maps of calls by name.
    pub maps: Vec<String>,
    /// The recorded episode that was chosen; none for the newest.
    pub chosen: Option<String>,
    /// The list of episodes is open, with its cursor.
    pub picking: Option<usize>,
    /// The training is not watched although it could be.
    pub not_live: bool,
    /// The environment that is watched.
    pub environment: usize,
    /// The chosen episode, or why it cannot be shown.
    recorded: Option<Result<Episode, String>>,
    /// The map of calls with its name.
    map: Option<(String, Result<CallMap, String>)>,
    /// The last live moment and when it came.
    live: Option<(f64, LiveMoment)>,
    /// Why there is no live moment.
    live_problem: Option<String>,
}

impl State {
    pub(crate) fn run_changed(&mut self, now: f64) {
        *self = State {
            since: now,
            view: self.view,
            overlay: self.overlay,
            by_distance: self.by_distance,
            not_live: self.not_live,
            ..State::default()
        };
    }
}

/// The episode that is played when none is live.
fn episode(model: &Model) -> Option<&Episode> {
    let state = &model.panes.world;
    if state.chosen.is_none() {
        return model.detail.episode.as_ref();
    }
    state.recorded.as_ref()?.as_ref().ok()
}

fn frames(model: &Model) -> usize {
    episode(model).map_or(0, |episode| episode.frames.len())
}

/// The recorded frame that is on.
fn recorded_frame(model: &Model) -> Option<&WorldFrame> {
    let episode = episode(model)?;
    let last = episode.frames.len().checked_sub(1)?;
    episode.frames.get(model.panes.world.frame.min(last))
}

/// Whether the training can and shall be watched.
fn wants_live(state: &State, run: &RunSummary) -> bool {
    use tracking::RunState::{Paused, Pausing, Running, Stopping};
    matches!(run.state, Running | Pausing | Paused | Stopping)
        && !state.not_live
        && state.chosen.is_none()
}

/// The live moment, while it is what is shown.
fn live(model: &Model) -> Option<&LiveMoment> {
    let state = &model.panes.world;
    let run = model.run()?;
    let (_, moment) = state.live.as_ref()?;
    wants_live(state, run).then_some(moment)
}

/// The live moment came a moment ago.
fn is_fresh(model: &Model) -> bool {
    let state = &model.panes.world;
    let came = state.live.as_ref().map(|(came, _)| *came);
    !state.frozen && came.is_some_and(|came| model.now - came < LIVE_SECONDS)
}

/// The frame on the screen.
fn shown(model: &Model) -> Option<&WorldFrame> {
    match live(model) {
        Some(moment) => Some(&moment.frame),
        None => recorded_frame(model),
    }
}

/// The run's switch over training, where it has one.
fn timeline(model: &Model) -> Option<SwitchTimeline> {
    SwitchTimeline::of(&model.detail.history)
}

/// What is to be read.
pub(crate) fn look(model: &Model, run: &RunSummary) -> Look {
    let state = &model.panes.world;
    let live = wants_live(state, run) && !state.frozen && state.picking.is_none();
    Look::World {
        run: run.id.clone(),
        episode: state.chosen.clone(),
        // The map of the same evaluation, where there is one.
        map: state
            .chosen
            .clone()
            .filter(|name| state.maps.contains(name)),
        live: live.then_some(state.environment),
    }
}

/// Something of the world was read.
pub(crate) fn seen(model: &mut Model, seen: Seen) {
    let now = model.now;
    let own = model.selected.clone().unwrap_or_default();
    let state = &mut model.panes.world;
    match seen {
        Seen::Recorded {
            run,
            episodes,
            maps,
        } if run == own => {
            let last = episodes.len().saturating_sub(1);
            state.picking = state.picking.map(|at| at.min(last));
            (state.episodes, state.maps) = (episodes, maps);
        }
        Seen::Episode { run, episode } if run == own => {
            state.recorded = Some(episode);
            (state.frame, state.since) = (0, now);
        }
        Seen::Map { run, name, map } if run == own => state.map = Some((name, map)),
        Seen::Live {
            run,
            environment,
            moment,
        } if run == own && environment == state.environment && !state.frozen => match moment {
            Ok(moment) => {
                state.live = Some((now, moment));
                state.live_problem = None;
            }
            Err(problem) => state.live_problem = Some(problem),
        },
        _ => {}
    }
}

/// Whether it moves by itself.
pub(crate) fn is_animated(model: &Model) -> bool {
    !model.panes.world.frozen && frames(model) > 1
}

/// Time passed.
pub(crate) fn tick(model: &mut Model) {
    let (now, frames) = (model.now, frames(model));
    let playback = &mut model.panes.world;
    if frames == 0 || playback.frozen {
        return;
    }
    let stay = if playback.frame + 1 >= frames {
        LAST_FRAME_SECONDS
    } else {
        FRAME_SECONDS
    };
    if now - playback.since >= stay || now < playback.since {
        playback.frame = (playback.frame + 1) % frames;
        playback.since = now;
    }
}

/// A newer episode was read: it is played from its start unless another one was chosen.
pub(crate) fn episode_changed(model: &mut Model) {
    let state = &mut model.panes.world;
    if state.chosen.is_none() {
        state.frame = 0;
        state.since = model.now;
        state.frozen = false;
    }
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    match action {
        Action::PlayPause => model.panes.world.frozen = !model.panes.world.frozen,
        Action::Forward => step(model, true),
        Action::Back => step(model, false),
        Action::Pick => pick::open(model),
        Action::Live => toggle_live(model),
        Action::View => next_view(model),
        Action::Overlay => next_overlay(model),
        Action::Distances => model.panes.world.by_distance = !model.panes.world.by_distance,
        Action::Agent => {
            let agents = shown(model).map_or(0, |frame| frame.agents.len());
            let next = model.panes.world.agent + 1;
            model.panes.world.agent = if next < agents { next } else { 0 };
        }
        Action::PreviousEnvironment => environment(model, false),
        Action::NextEnvironment => environment(model, true),
    }
    Vec::new()
}

fn toggle_live(model: &mut Model) {
    let state = &mut model.panes.world;
    // From a chosen episode it leads back to the training.
    state.not_live = state.chosen.is_none() && !state.not_live;
    state.chosen = None;
    state.recorded = None;
    state.frozen = false;
    state.frame = 0;
    let (text, role) = match model.run() {
        Some(run) if wants_live(&model.panes.world, run) => ("watching the training", Role::Ok),
        Some(run) if !crate::run::is_alive(run.state) => {
            ("the run is over: the newest episode plays", Role::Warn)
        }
        _ => ("the newest recorded episode plays", Role::Ok),
    };
    model.notify(text.to_owned(), role);
}

fn next_view(model: &mut Model) {
    let next = match model.panes.world.view {
        View::Together => View::Board,
        View::Board => View::Timeline,
        View::Timeline => View::Calls,
        View::Calls => View::Together,
    };
    model.panes.world.view = next;
}

fn next_overlay(model: &mut Model) {
    let state = &mut model.panes.world;
    let has_map = matches!(&state.map, Some((_, Ok(_))));
    state.overlay = match state.overlay {
        Overlay::Levels if has_map => Overlay::Calls,
        Overlay::Levels | Overlay::Calls => Overlay::Plain,
        Overlay::Plain => Overlay::Levels,
    };
}

fn environment(model: &mut Model, next: bool) {
    let state = &mut model.panes.world;
    let before = state.environment;
    // The worker knows how many there are and says so.
    state.environment = if next {
        before.saturating_add(1)
    } else {
        before.saturating_sub(1)
    };
    if state.environment != before {
        (state.live, state.live_problem) = (None, None);
        let text = format!("watching environment {}", state.environment);
        model.notify(text, Role::Ok);
    }
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    if let Move::Lines(by) = by {
        step(model, by > 0);
    }
    Vec::new()
}

fn step(model: &mut Model, forward: bool) {
    let frames = frames(model);
    if frames > 0 {
        let playback = &mut model.panes.world;
        // Steps go through what was recorded.
        playback.not_live = true;
        playback.frozen = true;
        let by = if forward { 1 } else { frames - 1 };
        playback.frame = (playback.frame + by) % frames;
    }
}
