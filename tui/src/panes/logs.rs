//! The log of a run: what its events tell, and its worker's console.

use std::collections::VecDeque;

use ratatui::crossterm::event::KeyCode::Char;
use tracking::Level;

use crate::keys::{self, Binding, Move};
use crate::log::{Choice, targets};
use crate::model::Model;
use crate::pattern::Pattern;
use crate::theme::Role;
use crate::update::Cmd;

mod drawing;

pub(crate) use drawing::{draw, wrapped};

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Follow the end.
    Follow,
    /// Wrap long lines, or cut them.
    Wrap,
    /// The next level as the threshold.
    Level,
    /// The next target alone, after the last one all.
    Target,
    /// Show lines around the matches too.
    Context,
    /// Show times.
    Times,
    /// The next match.
    NextMatch,
    /// The match before.
    PreviousMatch,
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[
    Binding::new(
        &[Char('f')],
        "f",
        keys::Action::Logs(Action::Follow),
        "follow the end",
    )
    .footer("follow"),
    Binding::new(
        &[Char('l')],
        "l",
        keys::Action::Logs(Action::Level),
        "least level: all, info, warning, error",
    )
    .footer("level"),
    Binding::new(
        &[Char('T')],
        "T",
        keys::Action::Logs(Action::Target),
        "one target after the other, then all",
    )
    .footer("target"),
    Binding::new(
        &[Char('w')],
        "w",
        keys::Action::Logs(Action::Wrap),
        "wrap long lines, or cut them",
    )
    .footer("wrap"),
    Binding::new(
        &[Char('c')],
        "c",
        keys::Action::Logs(Action::Context),
        "show the lines around what the filter finds, or only those",
    ),
    Binding::new(
        &[Char('t')],
        "t",
        keys::Action::Logs(Action::Times),
        "show the time of day (UTC) where it is known",
    ),
    Binding::new(
        &[Char('n')],
        "n",
        keys::Action::Logs(Action::NextMatch),
        "next line that the filter finds",
    ),
    Binding::new(
        &[Char('N')],
        "N",
        keys::Action::Logs(Action::PreviousMatch),
        "line before that the filter finds",
    ),
];

/// What it remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What the lines must match.
    pub filter: String,
    /// Lines at least this grave.
    pub level: Level,
    /// Lines of this target only; empty for all.
    pub target: String,
    /// Whether long lines are wrapped.
    pub wrap: bool,
    /// Whether lines that do not match are shown among those that do.
    pub context: bool,
    /// Whether times are shown.
    pub times: bool,
    /// The line at the bottom, counted from the first line of the log ever; `None` while
    /// the end is followed.
    pub anchor: Option<u64>,
    chosen: Chosen,
}

/// The lines that are wanted, by number. Kept from message to message, so that drawing
/// need not search the log.
#[derive(Clone, Debug, Default, PartialEq)]
struct Chosen {
    key: Key,
    /// Lines shown.
    shown: VecDeque<u64>,
    /// Lines that the filter finds.
    found: VecDeque<u64>,
    /// The first line that was not looked at.
    next: u64,
}

/// What the choice depends on.
#[derive(Clone, Debug, Default, PartialEq)]
struct Key {
    run: String,
    generation: u64,
    filter: String,
    level: Level,
    target: String,
    context: bool,
}

impl State {
    pub(crate) fn run_changed(&mut self) {
        self.anchor = None;
        self.target.clear();
    }

    /// Lines between the last one shown and the end.
    #[must_use]
    pub fn lines_back(&self) -> usize {
        self.chosen.shown.len() - self.below()
    }

    /// How many of the shown lines lie at or above the bottom.
    fn below(&self) -> usize {
        let shown = &self.chosen.shown;
        match self.anchor {
            None => shown.len(),
            Some(anchor) => shown
                .partition_point(|number| *number <= anchor)
                .max(usize::from(!shown.is_empty())),
        }
    }
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    let state = &mut model.panes.logs;
    match action {
        Action::Follow => state.anchor = None,
        Action::Wrap => state.wrap = !state.wrap,
        Action::Times => state.times = !state.times,
        Action::Context => state.context = !state.context,
        Action::Level => {
            let at = Level::ALL.iter().position(|level| *level == state.level);
            state.level = Level::ALL[(at.unwrap_or(0) + 1) % Level::ALL.len()];
        }
        Action::Target => {
            let names = targets(model.detail.log.iter());
            let next = match names.iter().position(|name| *name == state.target) {
                Some(at) => names.get(at + 1),
                None => names.first(),
            };
            state.target = next.map_or_else(String::new, |name| (*name).to_owned());
        }
        Action::NextMatch | Action::PreviousMatch => jump(model, action == Action::NextMatch),
    }
    Vec::new()
}

fn jump(model: &mut Model, forward: bool) {
    let state = &mut model.panes.logs;
    if state.filter.trim_start_matches('!').is_empty() {
        model.notify("/ sets what n and N look for".to_owned(), Role::Warn);
        return;
    }
    let found = &state.chosen.found;
    let target = match (forward, state.anchor) {
        (true, None) => None,
        (true, Some(at)) => found.iter().find(|number| **number > at),
        (false, at) => {
            let at = at.unwrap_or_else(|| state.chosen.shown.back().map_or(0, |last| last + 1));
            found.iter().rev().find(|number| **number < at)
        }
    };
    match target {
        Some(number) => state.anchor = Some(*number),
        None => {
            let way = if forward { "below" } else { "above" };
            let text = format!("no line {way} matches {}", state.filter);
            model.notify(text, Role::Muted);
        }
    }
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    let state = &mut model.panes.logs;
    let count = state.chosen.shown.len();
    let at = by.apply(state.below().saturating_sub(1), count);
    state.anchor = if at + 1 >= count {
        None
    } else {
        state.chosen.shown.get(at).copied()
    };
    Vec::new()
}

/// Brings the choice of lines up to date; called after every message.
pub(crate) fn settle(model: &mut Model) {
    let detail = &model.detail;
    let state = &mut model.panes.logs;
    let same = {
        let key = &state.chosen.key;
        key.generation == detail.generation
            && key.context == state.context
            && key.level == state.level
            && key.filter == state.filter
            && key.target == state.target
            && key.run == detail.id
    };
    let end = detail.forgotten + detail.log.len() as u64;
    if same && state.chosen.next == end {
        return;
    }
    if !same {
        if state.chosen.key.generation != detail.generation {
            // The numbers of the lines begin anew.
            state.anchor = None;
        }
        state.chosen = Chosen {
            key: Key {
                run: detail.id.clone(),
                generation: detail.generation,
                filter: state.filter.clone(),
                level: state.level,
                target: state.target.clone(),
                context: state.context,
            },
            ..Chosen::default()
        };
    }
    let choice = Choice {
        level: state.level,
        target: state.target.clone(),
        pattern: Pattern::new(&state.filter),
    };
    let chosen = &mut state.chosen;
    for number in chosen.next.max(detail.forgotten)..end {
        let line = &detail.log[(number - detail.forgotten) as usize];
        if !choice.concerns(line) {
            continue;
        }
        let found = choice.matches(line);
        if found {
            chosen.found.push_back(number);
        }
        if found || state.context {
            chosen.shown.push_back(number);
        }
    }
    for numbers in [&mut chosen.shown, &mut chosen.found] {
        let gone = numbers.partition_point(|number| *number < detail.forgotten);
        numbers.drain(..gone);
    }
    chosen.next = end;
}
