//! The help overlay, generated from the key table.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::centred;
use crate::keys::{BINDINGS, Pane, Scope};
use crate::model::Model;
use crate::theme::Role;

pub(super) fn draw(model: &Model, frame: &mut Frame, body: Rect, scroll: usize) {
    let lines = lines(model);
    let area = centred(
        body,
        66,
        u16::try_from(lines.len())
            .unwrap_or(u16::MAX)
            .saturating_add(2),
    );
    let visible = area.height.saturating_sub(2) as usize;
    let scroll = scroll.min(lines.len().saturating_sub(visible));
    let more = if lines.len() > visible {
        " j k scroll, Esc closes "
    } else {
        " Esc closes "
    };
    let block = Block::bordered()
        .border_set(model.theme.border())
        .border_style(model.theme.style(Role::Focus))
        .title(Span::styled(" Keys ", model.theme.style(Role::Focus)))
        .title_bottom(Span::styled(more, model.theme.style(Role::Muted)));
    frame.render_widget(Clear, area);
    let shown: Vec<Line> = lines.into_iter().skip(scroll).collect();
    frame.render_widget(Paragraph::new(shown).block(block), area);
}

fn lines<'a>(model: &Model) -> Vec<Line<'a>> {
    let own = Scope::In(model.pane);
    let others = Pane::ALL
        .into_iter()
        .map(Scope::In)
        .filter(move |scope| *scope != own);
    let mut lines = Vec::new();
    for scope in [own, Scope::Global].into_iter().chain(others) {
        let bindings: Vec<_> = BINDINGS
            .iter()
            .filter(|binding| binding.scope == scope)
            .collect();
        if bindings.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(
            format!(" {}", scope.title()),
            model.theme.style(Role::Strong),
        ));
        for binding in bindings {
            lines.push(Line::from(vec![
                Span::styled(
                    format!("  {:<8}", binding.shown),
                    model.theme.style(Role::Key),
                ),
                Span::raw(binding.help),
            ]));
        }
    }
    lines
}
