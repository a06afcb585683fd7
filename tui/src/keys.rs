//! The key table: the single source of what a key does, of the help overlay and of the
//! footer. Every pane and screen owns its rows; a test asserts that no key means two
//! things in one scope.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::panes::{self, Pane};
use crate::preferences::Preferences;
use crate::screens::{self, ScreenKind};

mod global;

/// A movement in a list, a text or a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// By lines; down is positive.
    Lines(isize),
    /// By pages; down is positive.
    Pages(isize),
    /// To the first entry.
    Top,
    /// To the last entry.
    Bottom,
}

/// Lines of a page where a pane does not know its height.
const PAGE: isize = 10;

impl Move {
    /// The index that an index becomes in a list of `count` entries.
    #[must_use]
    pub fn apply(self, index: usize, count: usize) -> usize {
        let last = count.saturating_sub(1);
        match self {
            Move::Lines(by) => index.saturating_add_signed(by).min(last),
            Move::Pages(by) => index
                .saturating_add_signed(by.saturating_mul(PAGE))
                .min(last),
            Move::Top => 0,
            Move::Bottom => last,
        }
    }
}

/// What a key asks for, independent of which key it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Leave the dashboard; runs keep going. From another screen: back to the dashboard.
    Quit,
    /// Ctrl-c: as `Quit`, and a second one within two seconds leaves at once.
    Interrupt,
    /// Ctrl-z: give the terminal back and stop, until continued.
    Suspend,
    /// Open or close the help overlay.
    Help,
    /// Redraw everything.
    Redraw,
    /// Open the command line.
    Command,
    /// Open the filter of the focused pane.
    Filter,
    /// Move the selection or the text.
    Move(Move),
    /// One level back: close an overlay, clear a filter, restore a maximised pane.
    Back,
    /// Focus the next pane.
    NextPane,
    /// Focus the previous pane.
    PreviousPane,
    /// Focus one pane by its number.
    Focus(Pane),
    /// Open: maximise the focused pane.
    Open,
    /// Maximise the focused pane, again to restore.
    Maximise,
    /// Go to another screen.
    Show(ScreenKind),
    /// Of the run list and of the selected run.
    Runs(panes::runs::Action),
    /// Of the chart.
    Chart(panes::chart::Action),
    /// Of the grid world.
    World(panes::world::Action),
    /// Of the texts of a fine-tuning.
    Text(panes::text::Action),
    /// Of the search tree.
    Search(panes::search::Action),
    /// Of the logs.
    Logs(panes::logs::Action),
    /// Of the machine.
    Machine(panes::machine::Action),
    /// Of the launcher.
    Launcher(screens::launcher::Action),
    /// Of the comparison.
    Compare(screens::compare::Action),
    /// Of the evaluations.
    Evaluate(screens::evaluate::Action),
    /// Of the models.
    Models(screens::models::Action),
    /// Of the chat.
    Chat(screens::chat::Action),
}

/// Where a binding is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    Global,
    /// On the dashboard, whatever pane has the focus.
    Dashboard,
    /// In one pane of the dashboard.
    In(Pane),
    /// On one screen other than the dashboard.
    On(ScreenKind),
}

impl Scope {
    /// The heading in the help overlay.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Scope::Global => "Everywhere",
            Scope::Dashboard => "Dashboard",
            Scope::In(pane) => pane.title(),
            Scope::On(screen) => screen.title(),
        }
    }

    /// The rows of the key table in this scope.
    #[must_use]
    pub fn bindings(self) -> &'static [Binding] {
        match self {
            Scope::Global => global::GLOBAL,
            Scope::Dashboard => global::DASHBOARD,
            Scope::In(pane) => pane.bindings(),
            Scope::On(screen) => screen.bindings(),
        }
    }

    /// Every scope.
    pub fn all() -> impl Iterator<Item = Scope> {
        [Scope::Global, Scope::Dashboard]
            .into_iter()
            .chain(Pane::ALL.into_iter().map(Scope::In))
            .chain(ScreenKind::ALL.into_iter().map(Scope::On))
    }

    /// The scopes in which a key is looked up, first to last.
    #[must_use]
    pub fn chain(screen: ScreenKind, pane: Pane) -> Vec<Scope> {
        match screen {
            ScreenKind::Dashboard => vec![Scope::In(pane), Scope::Dashboard, Scope::Global],
            other => vec![Scope::On(other), Scope::Global],
        }
    }
}

/// One row of the key table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
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

impl Binding {
    /// A binding of plain keys that the footer leaves out.
    #[must_use]
    pub const fn new(
        keys: &'static [KeyCode],
        shown: &'static str,
        action: Action,
        help: &'static str,
    ) -> Self {
        Binding {
            keys,
            control: false,
            shown,
            action,
            help,
            footer: "",
        }
    }

    /// The same keys with Control held.
    #[must_use]
    pub const fn control(mut self) -> Self {
        self.control = true;
        self
    }

    /// Names it in the footer.
    #[must_use]
    pub const fn footer(mut self, word: &'static str) -> Self {
        self.footer = word;
        self
    }
}

/// The action of a key on a screen and in a pane, if it has one.
#[must_use]
pub fn action(
    key: KeyEvent,
    screen: ScreenKind,
    pane: Pane,
    preferences: &Preferences,
) -> Option<Action> {
    if key.kind == KeyEventKind::Release || key.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    Scope::chain(screen, pane)
        .into_iter()
        .find_map(|scope| preferences.binding(scope, key))
        .map(|row| row.action)
}

/// The footer: (keys, word) in table order, the innermost scope first.
#[must_use]
pub fn footer(
    screen: ScreenKind,
    pane: Pane,
    preferences: &Preferences,
) -> Vec<(String, &'static str)> {
    Scope::chain(screen, pane)
        .into_iter()
        .flat_map(|scope| scope.bindings().iter().map(move |row| (scope, row)))
        .filter(|(_, row)| !row.footer.is_empty())
        .map(|(scope, row)| {
            let shown = preferences.shown(scope, row);
            let first = shown.split(' ').next().unwrap_or(&shown).to_owned();
            (first, row.footer)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn no_key_means_two_things_in_one_scope() {
        let mut rows = 0;
        for scope in Scope::all() {
            let mut seen: HashMap<String, Action> = HashMap::new();
            for row in scope.bindings() {
                rows += 1;
                assert!(!row.help.is_empty(), "{scope:?} {}", row.shown);
                for key in row.keys {
                    let name = format!("{} {key:?}", row.control);
                    let before = seen.insert(name.clone(), row.action);
                    assert_eq!(before, None, "{scope:?}: {name} is bound twice");
                }
            }
        }
        assert!(rows >= 40, "{rows} rows");
    }

    #[test]
    fn the_innermost_scope_wins_and_releases_are_ignored() {
        let space = KeyEvent::new(KeyCode::Char(' '), KeyModifiers::NONE);
        let own = Preferences::default();
        let on = |pane| action(space, ScreenKind::Dashboard, pane, &own);
        assert_eq!(
            on(Pane::World),
            Some(Action::World(panes::world::Action::PlayPause))
        );
        assert_eq!(
            on(Pane::Runs),
            Some(Action::Runs(panes::runs::Action::Mark))
        );
        let mut quit = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        let pressed = |key| action(key, ScreenKind::Dashboard, Pane::Runs, &own);
        assert_eq!(pressed(quit), Some(Action::Quit));
        quit.kind = KeyEventKind::Release;
        assert_eq!(pressed(quit), None);
    }

    #[test]
    fn the_footer_names_the_innermost_keys_first() {
        let own = Preferences::default();
        let words = footer(ScreenKind::Dashboard, Pane::World, &own);
        assert_eq!(words[0], ("Space".to_owned(), "play"));
        assert!(words.contains(&("q".to_owned(), "quit")));
    }

    #[test]
    fn a_movement_stays_in_its_list() {
        assert_eq!(Move::Lines(3).apply(8, 10), 9);
        assert_eq!(Move::Pages(-1).apply(8, 10), 0);
        assert_eq!(Move::Bottom.apply(0, 0), 0);
        assert_eq!(Move::Pages(isize::MAX).apply(1, 3), 2);
    }
}
