//! The tail of the worker's console.

use ratatui::Frame;
use ratatui::crossterm::event::KeyCode::Char;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::detail::LOG_LINES;
use crate::keys::{self, Binding, Move};
use crate::model::Model;
use crate::panes::Pane;
use crate::pattern::Pattern;
use crate::theme::Role;
use crate::update::Cmd;
use crate::view::{fit, pane_block};

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Follow the end.
    Follow,
}

/// Its rows of the key table.
pub const BINDINGS: &[Binding] = &[Binding::new(
    &[Char('f')],
    "f",
    keys::Action::Logs(Action::Follow),
    "follow the end",
)
.footer("follow")];

/// What it remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Lines between the end of the log and the last one shown.
    pub back: usize,
    /// Shows only the lines that fit.
    pub filter: String,
}

impl State {
    pub(crate) fn run_changed(&mut self) {
        self.back = 0;
    }
}

pub(crate) fn act(model: &mut Model, action: Action) -> Vec<Cmd> {
    match action {
        Action::Follow => model.panes.logs.back = 0,
    }
    Vec::new()
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    let count = model.detail.log.len();
    let last = count.saturating_sub(1);
    let at = last.saturating_sub(model.panes.logs.back);
    model.panes.logs.back = last - by.apply(at, count).min(last);
    Vec::new()
}

/// New lines came; the place that was scrolled to stays.
pub(crate) fn added(model: &mut Model, lines: Vec<String>) {
    let following = model.panes.logs.back == 0;
    let added = lines.len();
    let log = &mut model.detail.log;
    log.extend(lines);
    while log.len() > LOG_LINES {
        log.pop_front();
    }
    if !following {
        let most = log.len().saturating_sub(1);
        model.panes.logs.back = (model.panes.logs.back + added).min(most);
    }
}

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let more = if model.panes.logs.back > 0 {
        format!("{} lines back, f follows", model.panes.logs.back)
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
    let pattern = Pattern::new(&model.panes.logs.filter);
    let fitting: Vec<&String> = model
        .detail
        .log
        .iter()
        .filter(|line| pattern.matches(line))
        .collect();
    let end = fitting.len().saturating_sub(model.panes.logs.back);
    let start = end.saturating_sub(visible);
    let lines: Vec<Line> = fitting
        .into_iter()
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
