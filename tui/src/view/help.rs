//! The help overlay, generated from the key table and the list of commands.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::centred;
use crate::commands::COMMANDS;
use crate::keys::Scope;
use crate::model::Model;
use crate::pattern::Pattern;
use crate::theme::Role;

/// The fewest columns of the overlay, so that it keeps its place while it is searched.
const NARROWEST: u16 = 76;

pub(super) fn draw(model: &Model, frame: &mut Frame, body: Rect, scroll: usize, search: &str) {
    let lines = lines(model, search);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let widest = lines.iter().map(Line::width).max().unwrap_or(0);
    let width = u16::try_from(widest + 3).unwrap_or(u16::MAX).max(NARROWEST);
    let area = centred(body, width, height.saturating_add(2));
    let visible = area.height.saturating_sub(2) as usize;
    let scroll = scroll.min(lines.len().saturating_sub(visible));
    let more = if lines.len() > visible {
        " j k scroll, / searches, Esc closes "
    } else {
        " / searches, Esc closes "
    };
    let title = if search.is_empty() {
        " Keys and commands ".to_owned()
    } else {
        format!(" Keys and commands: /{search} ")
    };
    let block = Block::bordered()
        .border_set(model.theme.border())
        .border_style(model.theme.style(Role::Focus))
        .title(Span::styled(title, model.theme.style(Role::Focus)))
        .title_bottom(Span::styled(more, model.theme.style(Role::Muted)));
    frame.render_widget(Clear, area);
    let shown: Vec<Line> = lines.into_iter().skip(scroll).collect();
    frame.render_widget(Paragraph::new(shown).block(block), area);
}

/// What is valid here comes first.
fn lines<'a>(model: &Model, search: &str) -> Vec<Line<'a>> {
    let here = Scope::chain(model.screen, model.focus);
    let others = Scope::all().filter(|scope| !here.contains(scope));
    let mut sections: Vec<(&str, Vec<(String, &str)>)> = here
        .iter()
        .copied()
        .chain(others)
        .map(|scope| {
            let rows = scope.bindings().iter();
            let rows = rows
                .map(|row| (model.preferences.shown(scope, row), row.help))
                .collect();
            (scope.title(), rows)
        })
        .collect();
    let commands = COMMANDS
        .iter()
        .map(|one| (format!(":{} {}", one.name, one.arguments), one.help))
        .collect();
    sections.push(("Commands", commands));

    let pattern = Pattern::new(search);
    let mut lines = Vec::new();
    for (title, rows) in sections {
        let rows: Vec<_> = rows
            .into_iter()
            .filter(|(keys, help)| pattern.matches(&format!("{title} {keys} {help}")))
            .collect();
        if rows.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(
            format!(" {title}"),
            model.theme.style(Role::Strong),
        ));
        for (keys, help) in rows {
            lines.push(Line::from(vec![
                Span::styled(format!("  {keys:<9} "), model.theme.style(Role::Key)),
                Span::raw(help.to_owned()),
            ]));
        }
    }
    if lines.is_empty() {
        lines.push(Line::styled(
            " nothing fits",
            model.theme.style(Role::Muted),
        ));
    }
    lines
}
