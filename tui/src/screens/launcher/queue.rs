//! The runs that wait for a device.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::look;
use crate::host::{QueueEntry, Request};
use crate::keys::Move;
use crate::model::{Confirmation, Model, Question};
use crate::theme::Role;
use crate::update::Cmd;
use crate::widgets::table::{Column, lines};

/// What is known of the queue.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// The waiting runs, first to last; none before it was read.
    pub(super) entries: Option<Vec<QueueEntry>>,
    /// Why it could not be read.
    pub(super) error: Option<String>,
    /// The chosen run's id, so that it stays chosen while it moves.
    pub(super) chosen: String,
}

impl Queue {
    fn all(&self) -> &[QueueEntry] {
        self.entries.as_deref().unwrap_or_default()
    }

    fn at(&self) -> usize {
        self.all()
            .iter()
            .position(|entry| entry.id == self.chosen)
            .unwrap_or(0)
    }

    fn entry(&self) -> Option<&QueueEntry> {
        self.all().get(self.at())
    }
}

pub(super) fn answered(queue: &mut Queue, answer: Result<Vec<QueueEntry>, String>) {
    match answer {
        Ok(entries) => {
            // The place of a run that left is taken by the one behind it.
            let at = queue.at();
            queue.entries = Some(entries);
            queue.error = None;
            if !queue.all().iter().any(|entry| entry.id == queue.chosen) {
                let last = queue.all().len().saturating_sub(1);
                queue.chosen = queue
                    .all()
                    .get(at.min(last))
                    .map_or_else(String::new, |entry| entry.id.clone());
            }
        }
        Err(text) => queue.error = Some(text),
    }
}

pub(super) fn moved(queue: &mut Queue, by: Move) {
    let at = by.apply(queue.at(), queue.all().len());
    if let Some(entry) = queue.all().get(at) {
        queue.chosen = entry.id.clone();
    }
}

pub(super) fn shift(queue: &Queue, up: bool) -> Vec<Cmd> {
    let Some(entry) = queue.entry() else {
        return Vec::new();
    };
    vec![Cmd::Ask(Request::QueueMove {
        id: entry.id.clone(),
        up,
    })]
}

/// Asks before it takes a run out.
pub(super) fn remove(model: &mut Model) -> Vec<Cmd> {
    let Some(entry) = model.launcher.queue.entry() else {
        return Vec::new();
    };
    let id = entry.id.clone();
    model.ask(Question::Confirm(Confirmation {
        title: "Take this run out of the queue?".to_owned(),
        lines: vec![
            id.clone(),
            "its folder stays; r on the dashboard starts it".to_owned(),
        ],
        yes: "take it out".to_owned(),
        commands: vec![Cmd::Ask(Request::QueueRemove(id))],
        action: None,
    }));
    Vec::new()
}

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let queue = &model.launcher.queue;
    let inner = look::boxed(model, frame, area, "queue: one run for each device", true);
    let told = |text: &str, role: Role| {
        Paragraph::new(crate::figures::printable(text))
            .style(model.theme.style(role))
            .wrap(Wrap { trim: true })
    };
    if let Some(error) = &queue.error {
        frame.render_widget(told(error, Role::Bad), inner);
        return;
    }
    if queue.all().is_empty() {
        let text = match queue.entries {
            None => "reading",
            Some(_) => {
                "No run waits. Start one with `when: in the queue`, or several seeds at once."
            }
        };
        frame.render_widget(told(text, Role::Muted), inner);
        return;
    }
    let columns = [
        Column::number("#"),
        Column::text("run"),
        Column::text("device"),
        Column::text("why it waits"),
    ];
    let rows: Vec<Vec<(String, Role)>> = queue
        .all()
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            vec![
                ((index + 1).to_string(), Role::Muted),
                (entry.id.clone(), Role::Strong),
                (entry.device.clone(), Role::Text),
                (entry.reason.clone(), Role::Muted),
            ]
        })
        .collect();
    // A reason is often longer than its column.
    let why = queue.entry().map_or("", |entry| entry.reason.as_str());
    let why = look::wrapped(why, inner.width as usize);
    let why_height = u16::try_from(why.len()).unwrap_or(1).min(inner.height / 3);
    let [list, below] =
        Layout::vertical([Constraint::Min(1), Constraint::Length(why_height)]).areas(inner);
    let width = list.width as usize;
    let mut drawn = lines(&columns, &rows, Some(queue.at()), width, &model.theme);
    let visible = (list.height as usize).max(2);
    let first = crate::view::first_row(queue.at(), rows.len(), visible - 1);
    let body: Vec<Line> = drawn.drain(1..).skip(first).collect();
    drawn.extend(body);
    frame.render_widget(Paragraph::new(drawn), list);
    let why: Vec<Line> = why.into_iter().map(Line::from).collect();
    frame.render_widget(Paragraph::new(why), below);
}
