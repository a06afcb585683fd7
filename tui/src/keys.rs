//! The key table: the single source of what a key does, of the help overlay
//! and of the footer. A test asserts that no key means two things in one scope.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a key asks for, independent of which key it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Leave the dashboard; runs keep going.
    Quit,
    /// Ctrl-c: as `Quit`, and a second one within two seconds leaves at once.
    Interrupt,
    /// Open or close the help overlay.
    Help,
    /// Focus the next pane.
    NextPane,
    /// Focus the previous pane.
    PreviousPane,
    /// Focus one pane by its number.
    Focus(Pane),
    /// Move the selection or the text down by one.
    Down,
    /// Move the selection or the text up by one.
    Up,
    /// Move down by a page.
    PageDown,
    /// Move up by a page.
    PageUp,
    /// Go to the first entry.
    Top,
    /// Go to the last entry.
    Bottom,
    /// Open: maximise the focused pane, or say yes to a question.
    Open,
    /// One level back: close an overlay, restore a maximised pane.
    Back,
    /// Maximise the focused pane, again to restore.
    Maximise,
    /// Stop the selected run (asks).
    Stop,
    /// Resume the selected run from its checkpoint.
    Resume,
    /// Freeze or play the grid world.
    PlayPause,
    /// One frame back.
    FrameBack,
    /// One frame forward.
    FrameForward,
    /// Smooth the chart, again for the raw values.
    Smooth,
    /// Follow the end of the log.
    Follow,
    /// Redraw everything.
    Redraw,
}

/// One of the four panes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// The list of runs.
    Runs,
    /// Chart and scalars of the selected run.
    Metrics,
    /// The grid world.
    World,
    /// The console log.
    Logs,
}

impl Pane {
    /// All panes in the order of `Tab` and of the digit keys.
    pub const ALL: [Pane; 4] = [Pane::Runs, Pane::Metrics, Pane::World, Pane::Logs];

    /// The heading of the pane.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Pane::Runs => "Runs",
            Pane::Metrics => "Metrics",
            Pane::World => "World",
            Pane::Logs => "Logs",
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

    pub(crate) fn step(self, forward: bool) -> Pane {
        let count = Pane::ALL.len();
        let index = self.number() - 1;
        Pane::ALL[if forward {
            index + 1
        } else {
            index + count - 1
        } % count]
    }
}

/// Where a binding is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// In one pane only.
    In(Pane),
}

impl Scope {
    /// The heading in the help overlay.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Scope::Global => "Everywhere",
            Scope::In(pane) => pane.title(),
        }
    }
}

/// One row of the key table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// Where it is valid.
    pub scope: Scope,
    /// The keys, as events without modifiers unless `control`.
    pub keys: &'static [KeyCode],
    /// Whether Control is held.
    pub control: bool,
    /// How the keys are written in help and footer.
    pub shown: &'static str,
    /// What it does.
    pub action: Action,
    /// A sentence for the help overlay.
    pub help: &'static str,
    /// A word for the footer; empty where the footer leaves it out.
    pub footer: &'static str,
}

const fn bind(
    scope: Scope,
    keys: &'static [KeyCode],
    shown: &'static str,
    action: Action,
    help: &'static str,
    footer: &'static str,
) -> Binding {
    Binding {
        scope,
        keys,
        control: false,
        shown,
        action,
        help,
        footer,
    }
}

const fn control(
    keys: &'static [KeyCode],
    shown: &'static str,
    action: Action,
    help: &'static str,
) -> Binding {
    Binding {
        scope: Scope::Global,
        keys,
        control: true,
        shown,
        action,
        help,
        footer: "",
    }
}

use KeyCode::{BackTab, Char, Down, End, Enter, Esc, F, Home, PageDown, PageUp, Tab, Up};
use Scope::{Global, In};

/// Every binding; pane scopes come first when a key is looked up.
pub const BINDINGS: &[Binding] = &[
    bind(
        Global,
        &[Char('q')],
        "q",
        Action::Quit,
        "leave the dashboard; runs keep going",
        "quit",
    ),
    bind(
        Global,
        &[Char('?'), F(1)],
        "? F1",
        Action::Help,
        "this help, again to close it",
        "help",
    ),
    bind(Global, &[Tab], "Tab", Action::NextPane, "next pane", "pane"),
    bind(
        Global,
        &[BackTab],
        "S-Tab",
        Action::PreviousPane,
        "previous pane",
        "",
    ),
    bind(
        Global,
        &[Char('1')],
        "1",
        Action::Focus(Pane::Runs),
        "go to the runs",
        "",
    ),
    bind(
        Global,
        &[Char('2')],
        "2",
        Action::Focus(Pane::Metrics),
        "go to the metrics",
        "",
    ),
    bind(
        Global,
        &[Char('3')],
        "3",
        Action::Focus(Pane::World),
        "go to the grid world",
        "",
    ),
    bind(
        Global,
        &[Char('4')],
        "4",
        Action::Focus(Pane::Logs),
        "go to the logs",
        "",
    ),
    bind(
        Global,
        &[Char('j'), Down],
        "j Down",
        Action::Down,
        "move down",
        "",
    ),
    bind(Global, &[Char('k'), Up], "k Up", Action::Up, "move up", ""),
    bind(
        Global,
        &[PageDown],
        "PgDn",
        Action::PageDown,
        "move down by a page",
        "",
    ),
    bind(
        Global,
        &[PageUp],
        "PgUp",
        Action::PageUp,
        "move up by a page",
        "",
    ),
    bind(
        Global,
        &[Char('g'), Home],
        "g Home",
        Action::Top,
        "first entry",
        "",
    ),
    bind(
        Global,
        &[Char('G'), End],
        "G End",
        Action::Bottom,
        "last entry",
        "",
    ),
    bind(
        Global,
        &[Enter],
        "Enter",
        Action::Open,
        "fill the screen with the pane",
        "",
    ),
    bind(Global, &[Esc], "Esc", Action::Back, "one level back", ""),
    bind(
        Global,
        &[Char('z')],
        "z",
        Action::Maximise,
        "fill the screen with the pane, again to restore",
        "zoom",
    ),
    bind(
        Global,
        &[Char('x')],
        "x",
        Action::Stop,
        "stop the selected run with a checkpoint (asks)",
        "stop",
    ),
    bind(
        Global,
        &[Char('r')],
        "r",
        Action::Resume,
        "resume the selected run from its checkpoint",
        "resume",
    ),
    bind(
        In(Pane::Metrics),
        &[Char('e')],
        "e",
        Action::Smooth,
        "smooth the curve, again for raw values",
        "smooth",
    ),
    bind(
        In(Pane::World),
        &[Char(' ')],
        "Space",
        Action::PlayPause,
        "freeze or play",
        "play",
    ),
    bind(
        In(Pane::World),
        &[Char(',')],
        ",",
        Action::FrameBack,
        "one step back",
        "back",
    ),
    bind(
        In(Pane::World),
        &[Char('.')],
        ".",
        Action::FrameForward,
        "one step forward",
        "forward",
    ),
    bind(
        In(Pane::Logs),
        &[Char('f')],
        "f",
        Action::Follow,
        "follow the end",
        "follow",
    ),
    control(
        &[Char('c')],
        "C-c",
        Action::Interrupt,
        "as q; twice within two seconds leaves at once",
    ),
    control(&[Char('d')], "C-d", Action::PageDown, "move down by a page"),
    control(&[Char('u')], "C-u", Action::PageUp, "move up by a page"),
    control(&[Char('l')], "C-l", Action::Redraw, "redraw everything"),
];

/// The action of a key in a pane, if it has one.
#[must_use]
pub fn action(key: KeyEvent, pane: Pane) -> Option<Action> {
    if key.kind == KeyEventKind::Release || key.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let matches =
        |binding: &&Binding| binding.control == control && binding.keys.contains(&key.code);
    let in_scope = |scope: Scope| {
        BINDINGS
            .iter()
            .filter(move |binding| binding.scope == scope)
            .find(matches)
    };
    in_scope(In(pane))
        .or_else(|| in_scope(Global))
        .map(|binding| binding.action)
}

/// The footer of a pane: (keys, word) in table order, the pane's own first.
#[must_use]
pub fn footer(pane: Pane) -> Vec<(&'static str, &'static str)> {
    let of = |scope: Scope| {
        BINDINGS
            .iter()
            .filter(move |binding| binding.scope == scope && !binding.footer.is_empty())
            .map(|binding| {
                (
                    binding.shown.split(' ').next().unwrap_or(binding.shown),
                    binding.footer,
                )
            })
    };
    of(In(pane)).chain(of(Global)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn no_key_means_two_things_in_one_scope() {
        let mut seen: HashMap<String, Action> = HashMap::new();
        for binding in BINDINGS {
            for key in binding.keys {
                let name = format!("{:?} {} {key:?}", binding.scope, binding.control);
                assert_eq!(
                    seen.insert(name.clone(), binding.action),
                    None,
                    "{name} is bound twice"
                );
            }
        }
        assert!(seen.len() >= BINDINGS.len());
    }

    #[test]
    fn a_pane_scope_wins_over_the_global_one_and_releases_are_ignored() {
        let space = KeyEvent::new(KeyCode::Char(' '), KeyModifiers::NONE);
        assert_eq!(action(space, Pane::World), Some(Action::PlayPause));
        assert_eq!(action(space, Pane::Runs), None);
        let mut release = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(action(release, Pane::Runs), Some(Action::Quit));
        release.kind = KeyEventKind::Release;
        assert_eq!(action(release, Pane::Runs), None);
    }

    #[test]
    fn tab_visits_every_pane_and_comes_back() {
        let mut pane = Pane::Runs;
        for _ in 0..4 {
            pane = pane.step(true);
        }
        assert_eq!(pane, Pane::Runs);
        assert_eq!(Pane::Runs.step(false), Pane::Logs);
    }

    #[test]
    fn the_footer_names_the_panes_own_keys_first() {
        let words = footer(Pane::World);
        assert_eq!(words[0], ("Space", "play"));
        assert!(words.contains(&("q", "quit")));
    }
}
