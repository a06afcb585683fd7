//! Drawing the world: the board, the switch below it, the map of calls beside it.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::{Paragraph, Wrap};
use tracking::switching::{CallMap, SwitchTimeline};

use super::switch::Moment;
use super::{View, episode, grid, heat, is_fresh, live, pick, shown, switch, timeline};
use crate::figures::{number, printable};
use crate::model::Model;
use crate::panes::Pane;
use crate::run::is_alive;
use crate::theme::Role;
use crate::view::{fit, pane_block};

/// From this size on the map of calls stands beside the board.
const BESIDE: (u16, u16) = (90, 14);
/// Lines of the switch that a small pane asks for.
const SWITCH_LINES: u16 = 4;

/// The height that shows the current frame whole, borders, caption and switch included.
pub(crate) fn wanted_height(model: &Model, _width: u16) -> u16 {
    let rows = shown(model).map_or(3, |frame| frame.rows.len());
    let rows = u16::try_from(rows).unwrap_or(u16::MAX);
    let of_switch = if timeline(model).is_some() {
        SWITCH_LINES
    } else {
        0
    };
    rows.saturating_add(3).saturating_add(of_switch)
}

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let block = pane_block(model, Pane::World, &title(model));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.width < 2 || inner.height == 0 {
        return;
    }
    let state = &model.panes.world;
    let size = |area: Rect| (usize::from(area.width), usize::from(area.height));
    if let Some(at) = state.picking {
        let (width, height) = size(inner);
        let lines = pick::lines(model, at, width, height);
        frame.render_widget(Paragraph::new(lines), inner);
        return;
    }
    let timeline = timeline(model);
    let map = match &state.map {
        Some((name, Ok(map))) => Some((name.as_str(), map)),
        _ => None,
    };
    match (state.view, &timeline, map) {
        (View::Board, ..) | (View::Together, None, None) => draw_board(model, frame, inner),
        (View::Timeline, Some(timeline), _) => draw_switch(model, frame, inner, timeline),
        (View::Timeline, None, _) => hint(model, frame, inner, "This run has no switch."),
        (View::Calls, _, Some(map)) => draw_map(model, frame, inner, map),
        (View::Calls, _, None) => hint(model, frame, inner, &no_map(model)),
        (View::Together, ..) => draw_together(model, frame, inner, timeline.as_ref(), map),
    }
}

fn no_map(model: &Model) -> String {
    match &model.panes.world.map {
        Some((_, Err(problem))) => printable(problem),
        _ => {
            "No map of central calls: a run with a switch writes one with each recorded evaluation."
                .to_owned()
        }
    }
}

fn draw_together(
    model: &Model,
    frame: &mut Frame,
    area: Rect,
    timeline: Option<&SwitchTimeline>,
    map: Option<(&str, &CallMap)>,
) {
    let board_rows = shown(model).map_or(1, |frame| frame.rows.len());
    let board_rows = u16::try_from(board_rows)
        .unwrap_or(u16::MAX)
        .saturating_add(1);
    let switch_height = match timeline {
        None => 0,
        // The board first, the strip and the share in any case.
        Some(_) => area
            .height
            .saturating_sub(board_rows)
            .clamp(2.min(area.height / 3), 5),
    };
    let [top, bottom] =
        Layout::vertical([Constraint::Min(1), Constraint::Length(switch_height)]).areas(area);
    match map {
        Some(map) if area.width >= BESIDE.0 && area.height >= BESIDE.1 => {
            let [left, _, right] = Layout::horizontal([
                Constraint::Percentage(45),
                Constraint::Length(2),
                Constraint::Min(1),
            ])
            .areas(top);
            draw_board(model, frame, left);
            draw_map(model, frame, right, map);
        }
        _ => draw_board(model, frame, top),
    }
    if let Some(timeline) = timeline {
        draw_switch(model, frame, bottom, timeline);
    }
}

fn title(model: &Model) -> String {
    let state = &model.panes.world;
    if state.picking.is_some() {
        return "recorded episodes: Enter plays, Esc closes".to_owned();
    }
    if let Some(moment) = live(model) {
        let word = match (is_fresh(model), state.frozen) {
            (_, true) => "frozen",
            (true, false) => "LIVE",
            (false, false) => "waiting for a frame",
        };
        return format!(
            "{word} environment {} step {}",
            state.environment, moment.step
        );
    }
    match episode(model) {
        Some(episode) => {
            let frozen = if state.frozen { " frozen" } else { "" };
            format!(
                "{} {}/{}{frozen}",
                printable(&episode.label),
                state.frame.min(episode.frames.len().saturating_sub(1)) + 1,
                episode.frames.len()
            )
        }
        None => String::new(),
    }
}

fn hint(model: &Model, frame: &mut Frame, area: Rect, text: &str) {
    let hint = Paragraph::new(text.to_owned())
        .style(model.theme.style(Role::Muted))
        .wrap(Wrap { trim: true });
    frame.render_widget(hint, area);
}

fn draw_board(model: &Model, frame: &mut Frame, area: Rect) {
    if area.is_empty() {
        return;
    }
    let state = &model.panes.world;
    let Some(world) = shown(model) else {
        let text = match (&state.recorded, &state.chosen) {
            (Some(Err(problem)), Some(_)) => printable(problem),
            (None, Some(name)) => format!("Reading episode {}.", printable(name)),
            _ => "The first evaluation records an episode; it plays here.".to_owned(),
        };
        hint(model, frame, area, &text);
        return;
    };
    let caption_height = u16::from(area.height > 2);
    let height = usize::from(area.height - caption_height);
    let map = match &state.map {
        Some((_, Ok(map))) => Some(map),
        _ => None,
    };
    let board = grid::board(
        world,
        (state.overlay, map),
        state.agent,
        (usize::from(area.width), height),
        &model.theme,
    );
    frame.render_widget(Paragraph::new(board.lines), area);
    if caption_height == 0 {
        return;
    }
    let below = Rect {
        y: area.y + area.height - 1,
        height: 1,
        ..area
    };
    let mut text = match live(model) {
        Some(moment) => {
            let over = if moment.over { "  over" } else { "" };
            let central = match moment.central {
                Some(true) => "  central call",
                Some(false) => "  independent",
                None => "",
            };
            let words = live_words(&world.caption);
            format!(
                "return {}{central}{words}{over}",
                number(moment.episode_return)
            )
        }
        None => match &state.live_problem {
            Some(problem) if state.chosen.is_none() && !state.not_live && alive(model) => {
                format!("{}  (no live view: {problem})", world.caption)
            }
            _ => world.caption.clone(),
        },
    };
    if let Some(part) = board.part {
        text.push_str("  ");
        text.push_str(&part);
    }
    // Cut at its end: centred, a long reason would lose its beginning.
    let text = fit(&text, usize::from(below.width), model.theme.unicode());
    frame.render_widget(grid::caption(text.trim_end(), &model.theme), below);
}

fn alive(model: &Model) -> bool {
    model.run().is_some_and(|run| is_alive(run.state))
}

/// What a live frame's caption says beyond the step, which the title has, and the return,
/// which the live moment has.
fn live_words(caption: &str) -> String {
    let parts = caption.split("  ").skip(1);
    let parts = parts.filter(|part| !part.starts_with("return"));
    parts.fold(String::new(), |text, part| format!("{text}  {part}"))
}

/// Both maps where there is room for them alone on the pane, else the one that is chosen.
fn draw_map(model: &Model, frame: &mut Frame, area: Rect, (name, map): (&str, &CallMap)) {
    let state = &model.panes.world;
    let mut draw = |area: Rect, by_distance: bool| {
        let size = (usize::from(area.width), usize::from(area.height));
        let lines = heat::lines(name, map, by_distance, size, &model.theme);
        frame.render_widget(Paragraph::new(lines), area);
    };
    if state.view != View::Calls || area.width < BESIDE.0 || map.distances.is_empty() {
        draw(area, state.by_distance);
        return;
    }
    let halves = Layout::horizontal([Constraint::Fill(1); 2]).spacing(2);
    let [left, right] = halves.areas(area);
    draw(left, state.by_distance);
    draw(right, !state.by_distance);
}

fn draw_switch(model: &Model, frame: &mut Frame, area: Rect, timeline: &SwitchTimeline) {
    let live = live(model);
    let decisions: Vec<bool> = match (live, episode(model)) {
        // No decision follows the last frame.
        (None, Some(episode)) => {
            let frames = &episode.frames[..episode.frames.len().saturating_sub(1)];
            frames.iter().map(|frame| frame.central).collect()
        }
        _ => Vec::new(),
    };
    let until = model.run().map_or(0.0, |run| run.total_steps).max(0.0);
    let moment = Moment {
        decisions: &decisions,
        budget_left: live.and_then(|moment| moment.budget_left),
        until: until as u64,
    };
    let size = (usize::from(area.width), usize::from(area.height));
    let lines = switch::lines(timeline, moment, size, &model.theme);
    frame.render_widget(Paragraph::new(lines), area);
}
