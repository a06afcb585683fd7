//! Questions that must be answered before anything is lost.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::centred;
use crate::figures::printable;
use crate::model::{Model, Question};
use crate::panes::logs::wrapped;
use crate::theme::Role;

/// Runs named in a question; the others are counted.
const NAMED: usize = 5;
/// The widest field in which a name is typed.
const FIELD: usize = 60;

pub(super) fn draw(model: &Model, frame: &mut Frame, body: Rect, question: &Question) {
    let room = (body.width as usize).saturating_sub(2).max(1);
    let (title, lines) = words(model, question, room);
    let widest = lines.iter().map(Line::width).max().unwrap_or(0);
    let lines = fitted(lines, room, (body.height as usize).saturating_sub(2));
    let width = u16::try_from(widest).unwrap_or(u16::MAX).saturating_add(4);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let area = centred(body, width, height.saturating_add(2));
    frame.render_widget(Clear, area);
    let block = Block::bordered()
        .border_set(model.theme.border())
        .border_style(model.theme.style(Role::Warn))
        .title(Span::styled(
            format!(" {title} "),
            model.theme.style(Role::Warn),
        ));
    let text = Paragraph::new(lines).centered().block(block);
    frame.render_widget(text, area);
}

/// Lines of at most so many cells, and at most so many of them. Where there is no room for all,
/// what is asked and the keys that answer it stay, and what stands between goes.
fn fitted<'a>(lines: Vec<Line<'a>>, width: usize, height: usize) -> Vec<Line<'a>> {
    let mut all: Vec<Line> = lines
        .into_iter()
        .flat_map(|line| broken(line, width))
        .collect();
    if all.len() > height {
        all.retain(|line| line.width() > 0);
    }
    if let Some(missing) = all.len().checked_sub(height).filter(|missing| *missing > 0) {
        let from = usize::from(height > 1);
        all.drain(from..from + missing);
    }
    all
}

/// A line broken at blanks; one with several styles, as a field has, fits already.
fn broken<'a>(line: Line<'a>, width: usize) -> Vec<Line<'a>> {
    if line.width() <= width || line.spans.len() > 1 {
        return vec![line];
    }
    let lines = wrapped(&line.to_string(), width).into_iter();
    lines
        .map(|line| Line::from(line.trim().to_owned()))
        .collect()
}

fn words<'a>(model: &Model, question: &Question, width: usize) -> (String, Vec<Line<'a>>) {
    let plain = |text: &str| Line::from(printable(text));
    match question {
        Question::Stop(ids) => {
            let title = match ids.len() {
                1 => "Stop this run?".to_owned(),
                count => format!("Stop {count} runs?"),
            };
            let mut lines: Vec<Line> = ids.iter().take(NAMED).map(|id| plain(id)).collect();
            if ids.len() > NAMED {
                lines.push(plain(&format!("and {} more", ids.len() - NAMED)));
            }
            lines.extend([
                plain("It finishes its step, writes a checkpoint and can be resumed."),
                Line::default(),
                plain("y Enter  stop it      Esc  let it run"),
            ]);
            (title, lines)
        }
        Question::Kill(id, input) => {
            let lines = vec![
                plain(id),
                plain(
                    "What it learned since its last checkpoint is lost; it can be resumed from there.",
                ),
                plain("Type the name of the run, or its last part, to end its process."),
                Line::default(),
                input.line(FIELD.min(width), &model.theme),
                Line::default(),
                plain("Enter  end it      Esc  let it run"),
            ];
            ("End this process?".to_owned(), lines)
        }
        Question::Leave(id) => {
            let lines = vec![
                plain(&format!("{id} goes on without it.")),
                plain(&format!("Come back with: concord attach {id}")),
                Line::default(),
                plain("y Enter  leave      x  stop the run first      Esc  stay"),
            ];
            ("Leave the dashboard?".to_owned(), lines)
        }
        Question::Downloads(names) => {
            let mut lines: Vec<Line> = names.iter().take(NAMED).map(|name| plain(name)).collect();
            if names.len() > NAMED {
                lines.push(plain(&format!("and {} more", names.len() - NAMED)));
            }
            lines.extend([
                plain("What has arrived is kept; fetching again goes on from there."),
                Line::default(),
                plain("y Enter  leave      Esc  stay"),
            ]);
            ("Leave while this is fetched?".to_owned(), lines)
        }
        Question::Confirm(confirmation) => {
            let mut lines: Vec<Line> = confirmation.lines.iter().map(|line| plain(line)).collect();
            lines.push(Line::default());
            lines.push(plain(&format!(
                "y Enter  {}      Esc  no",
                confirmation.yes
            )));
            (confirmation.title.clone(), lines)
        }
    }
}
