//! What a user prefers: colours, the mouse, other keys.
//!
//! ```toml
//! theme = "tol-bright"
//! mouse = false
//!
//! [keys.dashboard]
//! "x" = "K"      # what x does by default is done by K
//! ```

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::keys::{Action, Binding, Scope};
use crate::theme::{PALETTES, Palette};

/// A key with or without Control.
type Stroke = (KeyCode, bool);

/// A binding that was given another key.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moved {
    scope: Scope,
    from: Stroke,
    to: Stroke,
}

/// What a user prefers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preferences {
    /// The colours.
    pub palette: Palette,
    /// Whether the mouse is left to the terminal.
    pub no_mouse: bool,
    moved: Vec<Moved>,
}

impl Preferences {
    /// Reads a file of preferences.
    ///
    /// # Errors
    /// Every problem, each in a line: what, what is allowed.
    pub fn from_toml(text: &str) -> Result<Self, Vec<String>> {
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return Err(vec![error.to_string().replace('\n', " ")]),
        };
        let mut preferences = Preferences::default();
        let mut problems = Vec::new();
        for (name, value) in &table {
            let read = match (name.as_str(), value) {
                ("theme", toml::Value::String(theme)) => palette(theme).map(|palette| {
                    preferences.palette = palette;
                }),
                ("mouse", toml::Value::Boolean(mouse)) => {
                    preferences.no_mouse = !mouse;
                    Ok(())
                }
                ("keys", toml::Value::Table(scopes)) => {
                    for (scope, keys) in scopes {
                        preferences.read_scope(scope, keys, &mut problems);
                    }
                    Ok(())
                }
                ("theme" | "mouse" | "keys", other) => Err(format!("{name}: wrong type: {other}")),
                (other, _) => Err(format!("unknown: {other} - allowed: theme, mouse, keys")),
            };
            problems.extend(read.err());
        }
        problems.extend(preferences.clashes());
        if problems.is_empty() {
            Ok(preferences)
        } else {
            Err(problems)
        }
    }

    fn read_scope(&mut self, name: &str, keys: &toml::Value, problems: &mut Vec<String>) {
        let scope = Scope::all().find(|scope| scope.title().eq_ignore_ascii_case(name));
        let (Some(scope), Some(keys)) = (scope, keys.as_table()) else {
            let titles: Vec<String> = Scope::all()
                .map(|scope| scope.title().to_ascii_lowercase())
                .collect();
            problems.push(format!(
                "keys.{name}: no such part of the screen - allowed: {}",
                titles.join(", ")
            ));
            return;
        };
        for (from, to) in keys {
            let place = format!("keys.{name}.\"{from}\"");
            let (Some(from), Some(to)) = (stroke(from), to.as_str().and_then(stroke)) else {
                problems.push(format!(
                    "{place}: no key - allowed: a character, C-x, Space, Enter, Tab, F1 to F12"
                ));
                continue;
            };
            if bound(scope, from).is_none() {
                let known: Vec<&str> = scope.bindings().iter().map(|row| row.shown).collect();
                problems.push(format!(
                    "{place}: nothing is bound to it there - allowed: {}",
                    known.join(", ")
                ));
                continue;
            }
            self.moved.push(Moved { scope, from, to });
        }
    }

    fn clashes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for moved in &self.moved {
            let others = self
                .moved
                .iter()
                .filter(|other| other.scope == moved.scope && other.to == moved.to)
                .count();
            let kept =
                bound(moved.scope, moved.to).is_some() && !self.is_moved(moved.scope, moved.to);
            if others > 1 || kept {
                found.push(format!(
                    "keys.{}: {} would mean two things - move the other one too",
                    moved.scope.title().to_ascii_lowercase(),
                    written(moved.to)
                ));
            }
        }
        found
    }

    fn is_moved(&self, scope: Scope, from: Stroke) -> bool {
        self.moved
            .iter()
            .any(|moved| moved.scope == scope && moved.from == from)
    }

    /// The row of the key table that a key means in a scope.
    #[must_use]
    pub fn binding(&self, scope: Scope, key: KeyEvent) -> Option<&'static Binding> {
        let pressed = (key.code, key.modifiers.contains(KeyModifiers::CONTROL));
        let by_preference = self
            .moved
            .iter()
            .find(|moved| moved.scope == scope && moved.to == pressed);
        match by_preference {
            Some(moved) => bound(scope, moved.from),
            None if self.is_moved(scope, pressed) => None,
            None => bound(scope, pressed),
        }
    }

    /// The action that a key means in a scope.
    #[must_use]
    pub fn action(&self, scope: Scope, key: KeyEvent) -> Option<Action> {
        self.binding(scope, key).map(|row| row.action)
    }

    /// How the keys of a row are written.
    #[must_use]
    pub fn shown(&self, scope: Scope, row: &Binding) -> String {
        let moved = self
            .moved
            .iter()
            .filter(|moved| moved.scope == scope)
            .find(|moved| row.keys.contains(&moved.from.0) && row.control == moved.from.1);
        moved.map_or_else(|| row.shown.to_owned(), |moved| written(moved.to))
    }
}

fn bound(scope: Scope, (code, control): Stroke) -> Option<&'static Binding> {
    scope
        .bindings()
        .iter()
        .find(|row| row.control == control && row.keys.contains(&code))
}

fn palette(name: &str) -> Result<Palette, String> {
    let known = PALETTES.iter().find(|palette| palette.name() == name);
    known.copied().ok_or_else(|| {
        let names: Vec<&str> = PALETTES.iter().map(|palette| palette.name()).collect();
        format!("theme: {name} - allowed: {}", names.join(", "))
    })
}

fn stroke(text: &str) -> Option<Stroke> {
    if let Some(rest) = text.strip_prefix("C-")
        && !rest.is_empty()
    {
        return stroke(rest).map(|(code, _)| (code, true));
    }
    let mut characters = text.chars();
    if let (Some(one), None) = (characters.next(), characters.next()) {
        return Some((KeyCode::Char(one), false));
    }
    let function = text
        .strip_prefix('F')
        .and_then(|number| number.parse().ok());
    let code = match text {
        "Space" => KeyCode::Char(' '),
        "Enter" => KeyCode::Enter,
        "Tab" => KeyCode::Tab,
        "Esc" => KeyCode::Esc,
        "Backspace" => KeyCode::Backspace,
        "Delete" => KeyCode::Delete,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        _ => KeyCode::F(function.filter(|number| (1..=12).contains(number))?),
    };
    Some((code, false))
}

fn written((code, control): Stroke) -> String {
    let key = match code {
        KeyCode::Char(' ') => "Space".to_owned(),
        KeyCode::Char(one) => one.to_string(),
        KeyCode::F(number) => format!("F{number}"),
        KeyCode::PageUp => "PgUp".to_owned(),
        KeyCode::PageDown => "PgDn".to_owned(),
        other => format!("{other:?}"),
    };
    if control { format!("C-{key}") } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panes::{Pane, runs};

    fn press(letter: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)
    }

    #[test]
    fn a_moved_key_is_free_again_and_shown_where_it_went() {
        let text = "theme = \"monochrome\"\nmouse = false\n[keys.dashboard]\n\"x\" = \"C-k\"\n";
        let read = Preferences::from_toml(text).expect("valid preferences");
        assert_eq!((read.palette, read.no_mouse), (Palette::Monochrome, true));
        let scope = Scope::Dashboard;
        assert_eq!(read.action(scope, press('x')), None);
        let stop = KeyEvent::new(KeyCode::Char('k'), KeyModifiers::CONTROL);
        assert_eq!(
            read.action(scope, stop),
            Some(Action::Runs(runs::Action::Stop))
        );
        let row = read.binding(scope, stop).expect("a row");
        assert_eq!(read.shown(scope, row), "C-k");
        assert_eq!(Preferences::default().shown(scope, row), "x");
    }

    #[test]
    fn two_keys_may_change_places() {
        let text = "[keys.runs]\n\"s\" = \"S\"\n\"S\" = \"s\"\n";
        let read = Preferences::from_toml(text).expect("valid preferences");
        let runs = Scope::In(Pane::Runs);
        let reverse = Some(Action::Runs(runs::Action::Reverse));
        assert_eq!(read.action(runs, press('s')), reverse);
    }

    #[test]
    fn every_problem_is_told() {
        let text = "theme = \"blue\"\nsound = 1\nmouse = 3\n[keys.runs]\n\"~\" = \"a\"\n\"s\" = \"nokey\"\n\"y\" = \"u\"\n[keys.moon]\n";
        let problems = Preferences::from_toml(text).expect_err("problems");
        for part in [
            "theme: blue - allowed: okabe-ito",
            "unknown: sound",
            "mouse: wrong type",
            "keys.runs.\"~\": nothing is bound",
            "keys.runs.\"s\": no key",
            "keys.runs: u would mean two things",
            "keys.moon: no such part",
        ] {
            assert!(
                problems.iter().any(|problem| problem.starts_with(part)),
                "{part}: {problems:#?}"
            );
        }
        assert!(Preferences::from_toml("[").is_err());
        assert_eq!(Preferences::from_toml(""), Ok(Preferences::default()));
    }
}
