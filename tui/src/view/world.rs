//! The grid world: the last recorded evaluation episode, played in a loop.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::pane_block;
use crate::figures::printable;
use crate::keys::Pane;
use crate::model::{Model, WorldFrame};
use crate::theme::Role;

/// The height that shows the current frame whole, borders and caption included.
pub(super) fn wanted_height(model: &Model, _width: u16) -> u16 {
    let rows = shown(model).map_or(3, |frame| frame.rows.len());
    u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(3)
}

fn shown(model: &Model) -> Option<&WorldFrame> {
    let episode = model.detail.episode.as_ref()?;
    episode.frames.get(
        model
            .playback
            .frame
            .min(episode.frames.len().saturating_sub(1)),
    )
}

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let more = match &model.detail.episode {
        Some(episode) => {
            let state = if model.playback.frozen { " frozen" } else { "" };
            format!(
                "{} {}/{}{state}",
                printable(&episode.label),
                model.playback.frame + 1,
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
