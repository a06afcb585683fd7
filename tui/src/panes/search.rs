//! The tree of a search, replayed from its log.
//!
//! The rows are built here from the replay, not by a tree widget: a widget wants all
//! items with their texts at every frame, while this builds numbers for the open part of
//! the tree when something changed and text for the rows on the screen only.

use std::collections::HashMap;

use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};
use tracking::search_log::{Change, Order, Outcome, Replay, Row};

use crate::keys::Move;
use crate::look::{Look, Seen};
use crate::model::Model;
use crate::theme::Role;
use crate::update::{Cmd, MouseKind};
use crate::widgets::path_prompt::PathPrompt;

mod draw;
mod going_on;
mod keys;
mod node;
mod questions;
mod writing;

pub(crate) use draw::draw;
pub use going_on::Branch;
pub use keys::{Action, BINDINGS};
pub use node::answer_text;
pub use writing::ReportAsk;

/// A whole replay lasts at most this many seconds.
const REPLAY_SECONDS: f64 = 30.0;
/// More changes than this are not looked at one by one.
const FEW_CHANGES: usize = 1_000;
/// Smaller trees are shown whole.
const SMALL_TREE: usize = 300;
/// Levels of larger ones that are open from the start.
const OPEN_LEVELS: u32 = 2;

/// What it remembers.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Questions of the run and where they stand.
    pub outcomes: Vec<Outcome>,
    /// The question that was chosen; none for the one that is searched now.
    pub chosen: Option<String>,
    /// The list of questions is shown in place of the tree.
    pub listing: bool,
    /// Shows only questions that fit.
    pub filter: String,
    /// The path that is typed for a report.
    pub report: Option<PathPrompt>,
    /// The question that the replay is of.
    pub question: String,
    /// The search at a moment.
    pub replay: Replay,
    /// There is more of the log to read.
    pub loading: bool,
    /// Lines of the log that were no events.
    pub damaged: u64,
    /// How children are ordered.
    pub order: Order,
    /// The row with the cursor.
    pub cursor: usize,
    /// Stay on the end of the best path.
    pub follow_best: bool,
    /// Whether the replay plays.
    pub playing: bool,
    /// First line of the node's text that is shown.
    pub text_from: usize,
    /// The rows of the open part of the tree.
    rows: Vec<Row>,
    /// The best path, from its root.
    best: Vec<u32>,
    /// Nodes opened or closed by hand.
    opened: HashMap<u32, bool>,
    /// The clock of the replay, in its seconds, and when it was set.
    clock: (f64, f64),
    /// Where to go back to once a log that is read again has come so far.
    place: Option<usize>,
}

impl State {
    pub(crate) fn run_changed(&mut self) {
        *self = State {
            order: self.order,
            follow_best: self.follow_best,
            ..State::default()
        };
    }

    /// The rows of the open part of the tree.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The best path, from its root.
    #[must_use]
    pub fn best(&self) -> &[u32] {
        &self.best
    }

    /// The node with the cursor.
    #[must_use]
    pub fn selected(&self) -> Option<u32> {
        self.rows.get(self.cursor).map(|row| row.node)
    }

    fn is_open(&self, node: u32) -> bool {
        if let Some(open) = self.opened.get(&node) {
            return *open;
        }
        let depth = self
            .replay
            .log()
            .nodes()
            .get(node as usize)
            .map_or(0, |info| info.depth);
        self.replay.node_count() <= SMALL_TREE
            || depth < OPEN_LEVELS
            || self.best.binary_search(&node).is_ok()
    }

    /// The replay moved or grew: rows and best path follow; the cursor stays on its node.
    fn refresh(&mut self) {
        self.best = self.replay.best_path();
        self.arrange();
    }

    /// The open part or the order changed.
    fn arrange(&mut self) {
        let selected = if self.follow_best {
            self.best.last().copied()
        } else {
            self.selected()
        };
        if self.follow_best {
            for node in &self.best {
                self.opened.remove(node);
            }
        }
        self.rows = self.replay.rows(self.order, &|node| self.is_open(node));
        let at = selected.and_then(|node| self.rows.iter().position(|row| row.node == node));
        self.cursor = at
            .unwrap_or(self.cursor)
            .min(self.rows.len().saturating_sub(1));
    }

    fn seek(&mut self, position: usize) {
        let before = self.replay.position();
        self.replay.seek(position);
        let after = self.replay.position();
        let passed = &self.replay.log().changes()[before.min(after)..before.max(after)];
        // A step through a large tree must not look at all of it for nothing.
        if passed.len() > FEW_CHANGES || passed.iter().any(|change| self.moves_rows(change)) {
            self.refresh();
        }
    }

    /// Whether a change can move rows or the best path.
    fn moves_rows(&self, change: &Change) -> bool {
        match change {
            Change::Node(_) | Change::Value { .. } | Change::Prune(_) | Change::Answer(_) => true,
            Change::Visit { .. } => self.order == Order::Visits,
            Change::Spend { .. } => self.order == Order::Cost,
            Change::Question | Change::Budget { .. } | Change::End => false,
        }
    }

    fn go_to(&mut self, node: u32) {
        if let Some(at) = self.rows.iter().position(|row| row.node == node) {
            self.cursor = at;
        }
        self.text_from = 0;
    }
}

/// What is to be read.
pub(crate) fn look(model: &Model, run: &str) -> Look {
    Look::Search {
        run: run.to_owned(),
        question: model.panes.search.chosen.clone(),
    }
}

/// Something of a search was read.
pub(crate) fn seen(model: &mut Model, seen: Seen) {
    let own = model.selected.clone().unwrap_or_default();
    let state = &mut model.panes.search;
    match seen {
        Seen::Outcomes { run, outcomes } if run == own => state.outcomes = outcomes,
        Seen::Search {
            run,
            question,
            anew,
            events,
            damaged,
            more,
        } if run == own => {
            // A part of what was looked at before.
            if state.chosen.as_ref().is_some_and(|one| *one != question) {
                return;
            }
            if anew || state.question != question {
                begin(state, question);
            }
            state.replay.extend(events);
            state.damaged = damaged;
            state.loading = more;
            if let Some(place) = state.place
                && (!more || state.replay.len() >= place)
            {
                state.place = None;
                state.replay.seek(place);
            }
            state.refresh();
        }
        _ => {}
    }
}

/// A log is read from its beginning: the same one again keeps its place.
fn begin(state: &mut State, question: String) {
    let same = state.question == question;
    let place = (same && !state.replay.is_at_end()).then(|| state.replay.position());
    let mut kept = State {
        outcomes: std::mem::take(&mut state.outcomes),
        chosen: state.chosen.take(),
        listing: state.listing,
        filter: std::mem::take(&mut state.filter),
        report: state.report.take(),
        question,
        order: state.order,
        follow_best: state.follow_best,
        place,
        ..State::default()
    };
    if same {
        kept.opened = std::mem::take(&mut state.opened);
        kept.cursor = state.cursor;
    }
    *state = kept;
}

/// Time passed.
pub(crate) fn tick(model: &mut Model) {
    let now = model.now;
    let state = &mut model.panes.search;
    if !state.playing {
        return;
    }
    let total = state.replay.log().time_after(usize::MAX);
    let speed = (total / REPLAY_SECONDS).max(1.0);
    let (clock, since) = state.clock;
    // A clock that jumps moves the replay by no more than a second.
    let passed = (now - since).clamp(0.0, 1.0) * speed;
    state.clock = (clock + passed, now);
    let position = state.replay.log().changes_at(state.clock.0);
    if position > state.replay.position() {
        state.seek(position);
    }
    if state.replay.is_at_end() && !state.loading {
        state.playing = false;
    }
}

/// Whether the replay moves by itself.
pub(crate) fn is_animated(model: &Model) -> bool {
    model.panes.search.playing
}

/// Changes with what the replay shows.
pub(crate) fn beat(model: &Model) -> u64 {
    model.panes.search.replay.position() as u64
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    let now = model.now;
    let state = &mut model.panes.search;
    match action {
        Action::Expand if state.listing => state.listing = false,
        Action::Collapse | Action::Order | Action::FollowBest if state.listing => {}
        Action::Collapse => collapse(state),
        Action::Expand => expand(state),
        Action::Order => {
            let at = Order::ALL.iter().position(|one| *one == state.order);
            let next = (at.unwrap_or(0) + 1) % Order::ALL.len();
            state.order = Order::ALL[next];
            state.arrange();
            let text = format!("children by {}", state.order.name());
            model.notify(text, Role::Ok);
        }
        Action::FollowBest => {
            state.follow_best = !state.follow_best;
            state.arrange();
        }
        Action::Back => step(state, false),
        Action::Forward => step(state, true),
        Action::Play => play(state, now),
        Action::Start => jump(state, 0),
        Action::Finish => jump(state, usize::MAX),
        Action::PreviousQuestion => questions::moved(state, Move::Lines(-1)),
        Action::NextQuestion => questions::moved(state, Move::Lines(1)),
        Action::Questions => state.listing = !state.listing,
        Action::FollowQuestion => questions::follow(model),
        Action::Report => writing::open(model),
        Action::Branch => return going_on::ask(model),
        Action::TextDown => state.text_from = state.text_from.saturating_add(5),
        Action::TextUp => state.text_from = state.text_from.saturating_sub(5),
    }
    Vec::new()
}

fn collapse(state: &mut State) {
    let Some(row) = state.rows.get(state.cursor).copied() else {
        return;
    };
    state.follow_best = false;
    if row.open {
        state.opened.insert(row.node, false);
        state.arrange();
        return;
    }
    let parent = state.replay.log().nodes()[row.node as usize].parent;
    if let Some(parent) = parent {
        state.go_to(parent);
    }
}

fn expand(state: &mut State) {
    let Some(row) = state.rows.get(state.cursor).copied() else {
        return;
    };
    state.follow_best = false;
    if row.open {
        state.cursor = (state.cursor + 1).min(state.rows.len() - 1);
        state.text_from = 0;
    } else if row.children > 0 {
        state.opened.insert(row.node, true);
        state.arrange();
    }
}

fn step(state: &mut State, forward: bool) {
    state.playing = false;
    let position = state.replay.position();
    state.seek(if forward {
        position.saturating_add(1)
    } else {
        position.saturating_sub(1)
    });
}

fn jump(state: &mut State, position: usize) {
    state.playing = false;
    state.seek(position);
}

fn play(state: &mut State, now: f64) {
    state.playing = !state.playing && !state.replay.is_empty();
    if state.playing {
        if state.replay.is_at_end() {
            state.seek(0);
        }
        let clock = state.replay.log().time_after(state.replay.position());
        state.clock = (clock, now);
    }
}

/// Keys while a path is typed.
pub(crate) fn typed(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    writing::typed(model, key)
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    let state = &mut model.panes.search;
    if state.listing {
        questions::moved(state, by);
        return Vec::new();
    }
    state.follow_best = false;
    state.cursor = by.apply(state.cursor, state.rows.len());
    state.text_from = 0;
    Vec::new()
}

pub(crate) fn clicked(model: &mut Model, at: Position, area: Rect, kind: MouseKind) -> Vec<Cmd> {
    match kind {
        MouseKind::WheelUp => return moved(model, Move::Lines(-3)),
        MouseKind::WheelDown => return moved(model, Move::Lines(3)),
        MouseKind::Click | MouseKind::Drag => {}
    }
    if model.panes.search.listing {
        if kind == MouseKind::Click {
            questions::clicked(model, at, draw::inner(area));
        }
        return Vec::new();
    }
    let parts = draw::parts(model, draw::inner(area));
    let state = &mut model.panes.search;
    if parts.slider.contains(at) && parts.slider.width > 0 {
        let share = f64::from(at.x - parts.slider.x) / f64::from(parts.slider.width.max(2) - 1);
        let total = state.replay.log().time_after(usize::MAX);
        let position = state.replay.log().changes_at(total * share.min(1.0));
        jump(state, position);
    } else if parts.tree.contains(at) && kind == MouseKind::Click {
        let row = draw::first_row(state, parts.tree) + usize::from(at.y - parts.tree.y);
        if row < state.rows.len() {
            state.follow_best = false;
            state.text_from = 0;
            if state.cursor == row {
                let node = state.rows[row].node;
                let open = state.rows[row].open;
                state.opened.insert(node, !open);
                state.arrange();
            } else {
                state.cursor = row;
            }
        }
    }
    Vec::new()
}
