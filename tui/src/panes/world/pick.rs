//! The list of recorded episodes.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::text::Line;
use tracking::history::ArtifactNote;

use crate::figures::{count, number};
use crate::keys::Move;
use crate::model::Model;
use crate::theme::Role;
use crate::update::Cmd;
use crate::widgets::table::{self, Column};

pub(super) fn open(model: &mut Model) {
    let state = &mut model.panes.world;
    if state.episodes.is_empty() {
        let text = "this run recorded no episode yet";
        model.notify(text.to_owned(), Role::Warn);
        return;
    }
    let last = state.episodes.len() - 1;
    let chosen = state.chosen.as_ref();
    let at = chosen.and_then(|name| state.episodes.iter().position(|one| one == name));
    state.picking = Some(at.unwrap_or(last));
}

/// Keys while the list is open.
pub(crate) fn typed(model: &mut Model, key: KeyEvent) -> Option<Vec<Cmd>> {
    let state = &mut model.panes.world;
    let at = state.picking?;
    if key.kind == KeyEventKind::Release || key.modifiers.contains(KeyModifiers::CONTROL) {
        return None;
    }
    let by = match key.code {
        KeyCode::Char('j') | KeyCode::Down => Move::Lines(1),
        KeyCode::Char('k') | KeyCode::Up => Move::Lines(-1),
        KeyCode::Char('g') | KeyCode::Home => Move::Top,
        KeyCode::Char('G') | KeyCode::End => Move::Bottom,
        KeyCode::PageDown => Move::Pages(1),
        KeyCode::PageUp => Move::Pages(-1),
        KeyCode::Enter | KeyCode::Char(' ') => {
            state.picking = None;
            if let Some(name) = state.episodes.get(at).cloned() {
                if state.chosen.as_ref() != Some(&name) {
                    state.recorded = None;
                }
                state.chosen = Some(name);
                (state.frame, state.frozen, state.since) = (0, false, model.now);
            }
            return Some(Vec::new());
        }
        KeyCode::Esc | KeyCode::Char('o' | 'q') => {
            state.picking = None;
            return Some(Vec::new());
        }
        // Anything else keeps its meaning.
        _ => return None,
    };
    state.picking = Some(by.apply(at, state.episodes.len()));
    Some(Vec::new())
}

/// The list, scrolled to its cursor.
pub(super) fn lines<'a>(model: &Model, at: usize, width: usize, height: usize) -> Vec<Line<'a>> {
    let state = &model.panes.world;
    let columns = [
        Column::text("episode"),
        Column::number("return"),
        Column::number("steps"),
    ];
    let room = height.saturating_sub(1).max(1);
    let first = at
        .saturating_sub(room / 2)
        .min(state.episodes.len().saturating_sub(room));
    let rows: Vec<Vec<table::Cell>> = state
        .episodes
        .iter()
        .skip(first)
        .take(room)
        .map(|name| {
            let (value, steps) = figures(model, name);
            [name.clone(), value, steps]
                .map(|text| (text, Role::Text))
                .to_vec()
        })
        .collect();
    table::lines(&columns, &rows, Some(at - first), width, &model.theme)
}

/// Return and steps of an episode, from the event that told of its film.
fn figures(model: &Model, name: &str) -> (String, String) {
    let episodes = &model.detail.history.episodes;
    let of_name = episodes.iter().rfind(|episode| {
        let file = episode.path.rsplit('/').next().unwrap_or_default();
        file.split('.').next() == Some(name)
    });
    match of_name.map(|episode| episode.note) {
        Some(ArtifactNote::Episode {
            episode_return,
            length,
        }) => (number(episode_return), count(length as f64)),
        _ => ("-".to_owned(), "-".to_owned()),
    }
}
