//! What is known of the node with the cursor.

use ratatui::layout::Rect;
use ratatui::text::Line;
use tracking::search_log::{Answer, Change, Replay};

use crate::figures::{count, number, printable};
use crate::model::Model;
use crate::theme::Role;
use crate::view::fit;
use crate::widgets::prose;

/// A value in five characters where it can be.
pub(super) fn short_value(value: f64) -> String {
    let text = if (0.0..10.0).contains(&value) {
        format!("{value:.2}")
    } else {
        number(value)
    };
    // The column has room for five characters at least.
    if text.len() <= 5 {
        text
    } else {
        format!("{value:.0e}")
    }
}

/// Facts and text of the node with the cursor.
pub(super) fn node<'a>(model: &Model, area: Rect) -> Vec<Line<'a>> {
    let (state, theme) = (&model.panes.search, &model.theme);
    let Some(selected) = state.selected() else {
        return Vec::new();
    };
    let replay = &state.replay;
    let width = usize::from(area.width);
    let info = &replay.log().nodes()[selected as usize];
    let fitted =
        |text: &str, role| Line::styled(fit(text, width, theme.unicode()), theme.style(role));
    let head = format!("node {} {}, depth {}", info.id, info.role, info.depth);
    let mut lines = vec![fitted(&head, Role::Strong)];
    lines.push(fitted(&figures(replay, selected), Role::Text));
    let costs = costs(replay, selected);
    if !costs.is_empty() {
        lines.push(fitted(&costs, Role::Muted));
    }
    if replay.pruned(selected) {
        let why = note(replay, selected, true).unwrap_or("no reason given");
        lines.push(fitted(&format!("pruned: {why}"), Role::Warn));
    }
    if let Some(why) = note(replay, selected, false) {
        lines.push(fitted(&format!("critic: {why}"), Role::Muted));
    }
    for answer in replay.answers_of(selected) {
        lines.push(fitted(&answer_text(answer), Role::Strong));
    }
    lines.push(Line::default());
    let room = usize::from(area.height).saturating_sub(lines.len());
    let most = state.text_from.saturating_add(room);
    let text = prose::lines(&info.text, width, true, most);
    let from = state.text_from.min(text.len().saturating_sub(1));
    lines.extend(text.into_iter().skip(from).map(Line::from));
    lines
}

fn figures(replay: &Replay, node: u32) -> String {
    let mut parts = Vec::new();
    if let Some(value) = replay.value(node) {
        let delta = replay.delta(node);
        let delta = delta.map_or_else(String::new, |delta| format!(" ({delta:+})"));
        parts.push(format!("value {}{delta}", short_value(value)));
    }
    let probability = replay.probability(node);
    let probability = probability.map_or_else(String::new, |p| format!(", last at p {p:.2}"));
    parts.push(format!("visits {}{probability}", replay.visits(node)));
    parts.join("  ")
}

/// What a node cost and what its path cost.
fn costs(replay: &Replay, node: u32) -> String {
    let path = replay.path(node);
    let resources = replay.log().resources().iter().enumerate();
    let parts: Vec<String> = resources
        .filter_map(|(index, name)| {
            let own = replay.cost(node, index);
            let whole: f64 = path.iter().map(|node| replay.cost(*node, index)).sum();
            (whole > 0.0)
                .then(|| format!("{} {} (path {})", printable(name), count(own), count(whole)))
        })
        .collect();
    parts.join("  ")
}

/// The newest words about a node up to now: why it was pruned, or valued so.
fn note(replay: &Replay, node: u32, of_pruning: bool) -> Option<&str> {
    let log = replay.log();
    // Notes are few; a search through the changes of a large log would not be.
    let newest = log.notes_of(node).filter(|at| *at < replay.position());
    let matching = newest.filter(|at| matches!(log.changes()[*at], Change::Prune(_)) == of_pruning);
    matching.last().and_then(|at| log.note(at))
}

/// An answer in words: how it came about and whether it is correct.
#[must_use]
pub fn answer_text(answer: &Answer) -> String {
    let mut text = format!("answer: {}", answer.text);
    if answer.backstop {
        text.push_str(" (forced: budget ran out)");
    }
    match answer.correct {
        Some(true) => text.push_str(" - correct"),
        Some(false) => text.push_str(" - wrong"),
        None => {}
    }
    text
}
