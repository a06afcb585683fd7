//! The tail of the worker's console.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::{fit, pane_block};
use crate::keys::Pane;
use crate::model::Model;
use crate::theme::Role;

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let more = if model.log_back > 0 {
        format!("{} lines back, f follows", model.log_back)
    } else {
        String::new()
    };
    let block = pane_block(model, Pane::Logs, &more);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.width < 2 || inner.height == 0 {
        return;
    }
    if model.detail.log.is_empty() {
        let text = if model.run().is_some() {
            "The worker has said nothing."
        } else {
            ""
        };
        frame.render_widget(
            Paragraph::new(text).style(model.theme.style(Role::Muted)),
            inner,
        );
        return;
    }
    let visible = inner.height as usize;
    let end = model.detail.log.len().saturating_sub(model.log_back);
    let start = end.saturating_sub(visible);
    let lines: Vec<Line> = model
        .detail
        .log
        .iter()
        .skip(start)
        .take(end - start)
        .map(|line| {
            let role = level(line);
            Line::styled(
                fit(line, inner.width as usize, model.theme.unicode()),
                model.theme.style(role),
            )
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

fn level(line: &str) -> Role {
    let lower = line
        .get(..line.len().min(80))
        .unwrap_or(line)
        .to_ascii_lowercase();
    if lower.contains("error") || lower.contains("panicked") {
        Role::Bad
    } else if lower.contains("warn") {
        Role::Warn
    } else {
        Role::Text
    }
}
