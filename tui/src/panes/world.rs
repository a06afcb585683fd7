//! The grid world: the last recorded evaluation episode, played in a loop.

use ratatui::Frame;
use ratatui::crossterm::event::KeyCode::{self, Char};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use crate::detail::WorldFrame;
use crate::figures::printable;
use crate::keys::{self, Binding, Move};
use crate::model::Model;
use crate::panes::Pane;
use crate::theme::Role;
use crate::update::Cmd;
use crate::view::pane_block;

/// Seconds a frame of the grid world stays on.
const FRAME_SECONDS: f64 = 0.25;
/// Seconds the last frame stays on before the episode starts again.
const LAST_FRAME_SECONDS: f64 = 1.5;

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Freeze or play the grid world.
    PlayPause,
    /// One frame back.
    Back,
    /// One frame forward.
    Forward,
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[
    bind(&[Char(' ')], "Space", Action::PlayPause, "freeze or play").footer("play"),
    bind(&[Char(',')], ",", Action::Back, "one step back").footer("back"),
    bind(&[Char('.')], ".", Action::Forward, "one step forward").footer("forward"),
];

const fn bind(
    keys: &'static [KeyCode],
    shown: &'static str,
    action: Action,
    help: &'static str,
) -> Binding {
    Binding::new(keys, shown, keys::Action::World(action), help)
}

/// What it remembers: the playback of the recorded episode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The frame shown.
    pub frame: usize,
    /// Whether it is frozen.
    pub frozen: bool,
    /// When the frame was put on, in Unix seconds.
    pub since: f64,
}

impl State {
    pub(crate) fn run_changed(&mut self, now: f64) {
        *self = State {
            since: now,
            ..State::default()
        };
    }
}

fn frames(model: &Model) -> usize {
    model
        .detail
        .episode
        .as_ref()
        .map_or(0, |episode| episode.frames.len())
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

/// A newer episode was read.
pub(crate) fn episode_changed(model: &mut Model) {
    let now = model.now;
    model.panes.world.run_changed(now);
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    match action {
        Action::PlayPause => model.panes.world.frozen = !model.panes.world.frozen,
        Action::Forward => step(model, true),
        Action::Back => step(model, false),
    }
    Vec::new()
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
        playback.frozen = true;
        let by = if forward { 1 } else { frames - 1 };
        playback.frame = (playback.frame + by) % frames;
    }
}

/// The height that shows the current frame whole, borders and caption included.
pub(crate) fn wanted_height(model: &Model, _width: u16) -> u16 {
    let rows = shown(model).map_or(3, |frame| frame.rows.len());
    u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(3)
}

fn shown(model: &Model) -> Option<&WorldFrame> {
    let episode = model.detail.episode.as_ref()?;
    episode.frames.get(
        model
            .panes
            .world
            .frame
            .min(episode.frames.len().saturating_sub(1)),
    )
}

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let more = match &model.detail.episode {
        Some(episode) => {
            let state = if model.panes.world.frozen {
                " frozen"
            } else {
                ""
            };
            format!(
                "{} {}/{}{state}",
                printable(&episode.label),
                model.panes.world.frame + 1,
                episode.frames.len()
            )
        }
        None => String::new(),
    };
    let block = pane_block(model, Pane::World, &more);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.width < 2 || inner.height == 0 {
        return;
    }
    let Some(world) = shown(model) else {
        let text = "The first evaluation records an episode; it plays here.";
        let hint = Paragraph::new(text)
            .style(model.theme.style(Role::Muted))
            .wrap(Wrap { trim: true });
        frame.render_widget(hint, inner);
        return;
    };
    let widest = world.rows.iter().map(|row| width(row)).max().unwrap_or(0);
    let left = (inner.width as usize).saturating_sub(widest) / 2;
    let room = inner.height.saturating_sub(u16::from(inner.height > 2)) as usize;
    let top = room.saturating_sub(world.rows.len()) / 2;
    let mut lines: Vec<Line> = vec![Line::default(); top];
    for row in world.rows.iter().take(room.saturating_sub(top)) {
        let mut spans = vec![Span::raw(" ".repeat(left))];
        for (text, role) in row {
            spans.push(Span::styled(text.clone(), model.theme.style(*role)));
        }
        lines.push(Line::from(spans));
    }
    frame.render_widget(Paragraph::new(lines), inner);
    if inner.height > 2 {
        let caption = Rect {
            y: inner.y + inner.height - 1,
            height: 1,
            ..inner
        };
        let text =
            Line::styled(printable(&world.caption), model.theme.style(Role::Muted)).centered();
        frame.render_widget(text, caption);
    }
}

fn width(row: &[(String, Role)]) -> usize {
    row.iter()
        .map(|(text, _)| Span::raw(text.as_str()).width())
        .sum()
}
