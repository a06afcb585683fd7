//! The panes of the dashboard. Adding one for a new kind of job is a module, a variant of
//! [`Pane`], and a row in [`JOB_PANES`].

use ratatui::Frame;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};

use crate::keys::{Binding, Move};
use crate::look::{Look, Seen};
use crate::model::Model;
use crate::screens::ScreenKind;
use crate::update::{Cmd, MouseKind};

pub mod chart;
pub mod logs;
pub mod machine;
pub(crate) mod progress;
pub mod runs;
pub mod search;
pub mod text;
pub mod world;

/// A pane of the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// The list of runs.
    Runs,
    /// Chart and scalars of the selected run.
    Metrics,
    /// The grid world of a training.
    World,
    /// Stages and samples of a fine-tuning.
    Text,
    /// The tree of a search.
    Search,
    /// The console log and what the events tell.
    Logs,
    /// Processors, memory, devices.
    Machine,
}

/// Which pane shows what is particular to a kind of job; the first is the default.
pub const JOB_PANES: &[(&str, Pane)] = &[
    ("train", Pane::World),
    ("finetune", Pane::Text),
    ("search", Pane::Search),
];

impl Pane {
    /// All panes in the order of `Tab` and of the digit keys.
    pub const ALL: [Pane; 7] = [
        Pane::Runs,
        Pane::Metrics,
        Pane::World,
        Pane::Text,
        Pane::Search,
        Pane::Logs,
        Pane::Machine,
    ];

    /// The pane for a kind of job.
    #[must_use]
    pub fn of_job(job: &str) -> Pane {
        JOB_PANES
            .iter()
            .find(|(name, _)| *name == job)
            .map_or(JOB_PANES[0].1, |(_, pane)| *pane)
    }

    /// Whether it shows one kind of job only.
    #[must_use]
    pub fn is_of_job(self) -> bool {
        JOB_PANES.iter().any(|(_, pane)| *pane == self)
    }

    /// The heading of the pane.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Pane::Runs => "Runs",
            Pane::Metrics => "Metrics",
            Pane::World => "World",
            Pane::Text => "Text",
            Pane::Search => "Search",
            Pane::Logs => "Logs",
            Pane::Machine => "Machine",
        }
    }

    /// The digit that jumps to the pane, from 1.
    #[must_use]
    pub fn number(self) -> usize {
        Pane::ALL
            .iter()
            .position(|pane| *pane == self)
            .map_or(1, |index| index + 1)
    }

    /// Its rows of the key table.
    #[must_use]
    pub fn bindings(self) -> &'static [Binding] {
        match self {
            Pane::Runs => runs::BINDINGS,
            Pane::Metrics => chart::BINDINGS,
            Pane::World => world::BINDINGS,
            Pane::Text => text::BINDINGS,
            Pane::Search => search::BINDINGS,
            Pane::Logs => logs::BINDINGS,
            Pane::Machine => machine::BINDINGS,
        }
    }
}

/// Draws a pane.
pub(crate) fn draw(model: &Model, pane: Pane, frame: &mut Frame, area: Rect) {
    match pane {
        Pane::Runs => runs::draw(model, frame, area),
        Pane::Metrics => chart::draw(model, frame, area),
        Pane::World => world::draw(model, frame, area),
        Pane::Text => text::draw(model, frame, area),
        Pane::Search => search::draw(model, frame, area),
        Pane::Logs => logs::draw(model, frame, area),
        Pane::Machine => machine::draw(model, frame, area),
    }
}

/// Moves in the focused pane.
pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    match model.focus {
        Pane::Runs => runs::moved(model, by),
        Pane::Metrics => chart::moved(model, by),
        Pane::World => world::moved(model, by),
        Pane::Text => text::moved(model, by),
        Pane::Search => search::moved(model, by),
        Pane::Logs => logs::moved(model, by),
        Pane::Machine => machine::moved(model, by),
    }
}

/// Gives a key to the focused pane while it takes text; `None` when it does not.
pub(crate) fn typed(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    match model.focus {
        Pane::World => world::typed(model, key),
        Pane::Search => search::typed(model, key),
        // The prompt of the model serves filters.
        _ => None,
    }
}

/// The mouse in a pane that has the focus by now.
pub(crate) fn clicked(
    model: &mut Model,
    pane: Pane,
    at: Position,
    area: Rect,
    kind: MouseKind,
) -> Vec<Cmd> {
    match (pane, kind) {
        (Pane::Runs, _) => runs::clicked(model, at, area, kind),
        (Pane::Metrics, _) => chart::clicked(model, at, area, kind),
        (Pane::Text, _) => text::clicked(model, kind),
        (Pane::Search, _) => search::clicked(model, at, area, kind),
        (_, MouseKind::WheelUp) => moved(model, Move::Lines(-3)),
        (_, MouseKind::WheelDown) => moved(model, Move::Lines(3)),
        _ => Vec::new(),
    }
}

/// The filter of a pane, where it has one.
pub(crate) fn filter(model: &mut Model, pane: Pane) -> Option<&mut String> {
    match pane {
        Pane::Runs => Some(&mut model.panes.runs.filter),
        Pane::Metrics => Some(&mut model.panes.chart.filter),
        Pane::Logs => Some(&mut model.panes.logs.filter),
        Pane::Search => Some(&mut model.panes.search.filter),
        Pane::World | Pane::Text | Pane::Machine => None,
    }
}

/// What each pane remembers.
#[derive(Clone, Debug, Default)]
pub struct States {
    /// The run list.
    pub runs: runs::State,
    /// The chart.
    pub chart: chart::State,
    /// The grid world.
    pub world: world::State,
    /// The texts.
    pub text: text::State,
    /// The search tree.
    pub search: search::State,
    /// The logs.
    pub logs: logs::State,
    /// The machine.
    pub machine: machine::State,
}

impl States {
    /// Another run is selected: what belongs to one run starts anew, preferences stay.
    pub(crate) fn run_changed(&mut self, now: f64) {
        self.chart.run_changed();
        self.world.run_changed(now);
        self.text.run_changed();
        self.search.run_changed();
        self.logs.run_changed();
    }
}

/// A number that changes when an animation of a pane does.
pub(crate) fn beat(model: &Model) -> u64 {
    model.panes.world.frame as u64 ^ (search::beat(model) << 32)
}

/// Whether something on the screen moves by itself.
pub(crate) fn is_animated(model: &Model) -> bool {
    world::is_animated(model) || search::is_animated(model)
}

/// What is to be read for the job pane on the screen, beyond the events of the run.
#[must_use]
pub fn look(model: &Model) -> Look {
    match model.screen {
        ScreenKind::Dashboard => {}
        ScreenKind::Compare => return crate::screens::compare::look(model),
        _ => return Look::Nothing,
    }
    let areas = crate::view::areas(model, model.size);
    let shown = |pane: Pane| {
        let area = areas.panes.iter().find(|(one, _)| *one == pane);
        area.is_some_and(|(_, area)| area.width > 2 && area.height > 2)
    };
    match model.run() {
        Some(run) if shown(Pane::World) => world::look(model, run),
        Some(run) if shown(Pane::Search) => search::look(model, &run.id),
        _ => Look::Nothing,
    }
}

/// Something looked at was read.
pub(crate) fn seen(model: &mut Model, seen: Seen) {
    match seen {
        Seen::Outcomes { run, outcomes } if model.screen == ScreenKind::Compare => {
            crate::screens::compare::seen(model, &run, &outcomes);
        }
        Seen::Outcomes { .. } | Seen::Search { .. } => search::seen(model, seen),
        _ => world::seen(model, seen),
    }
}
