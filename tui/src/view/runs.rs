//! The run list.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::{first_row, fit, pane_block};
use crate::figures::{age, number};
use crate::keys::Pane;
use crate::model::{Model, RunSummary, role, shown};
use crate::theme::Role;

/// From this inner width on a run takes one line instead of two.
const ONE_LINE: u16 = 64;

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let block = pane_block(model, Pane::Runs, "");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.width < 4 || inner.height == 0 {
        return;
    }
    if model.runs.is_empty() {
        let hint = if model.loaded {
            "No runs here yet.\n\nStart one:\n  concord train PRESET\nList the presets:\n  concord config presets"
        } else {
            "Reading the run folders."
        };
        frame.render_widget(
            Paragraph::new(hint)
                .style(model.theme.style(Role::Muted))
                .wrap(Wrap { trim: false }),
            inner,
        );
        return;
    }
    let per_run = if inner.width >= ONE_LINE || inner.height < 2 {
        1
    } else {
        2
    };
    let visible = (inner.height as usize / per_run).max(1);
    let chosen = model.run_index();
    let first = first_row(chosen.unwrap_or(0), model.runs.len(), visible);
    let mut lines = Vec::new();
    for (index, run) in model.runs.iter().enumerate().skip(first).take(visible) {
        let selected = chosen == Some(index);
        if per_run == 1 {
            lines.push(one_line(model, run, inner.width as usize, selected));
        } else {
            lines.extend(two_lines(model, run, inner.width as usize, selected));
        }
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

struct Fields {
    symbol: &'static str,
    word: &'static str,
    progress: String,
    last_return: String,
    heard: String,
}

fn fields(model: &Model, run: &RunSummary) -> Fields {
    let (word, unicode, ascii) = shown(run.state);
    Fields {
        symbol: if model.theme.unicode() {
            unicode
        } else {
            ascii
        },
        word,
        progress: run.progress().map_or_else(String::new, |share| {
            format!("{:.0}%", (share * 100.0).floor())
        }),
        last_return: run.last_return.map_or_else(String::new, number),
        heard: age(model.now - run.heard),
    }
}

fn name_style(model: &Model, selected: bool) -> ratatui::style::Style {
    if selected {
        model.theme.style(Role::Selected)
    } else {
        model.theme.style(Role::Text)
    }
}

fn two_lines<'a>(model: &Model, run: &RunSummary, width: usize, selected: bool) -> [Line<'a>; 2] {
    let unicode = model.theme.unicode();
    let fields = fields(model, run);
    let state = model.theme.style(role(run.state));
    let first = Line::from(vec![
        Span::styled(format!("{} ", fields.symbol), state),
        Span::styled(
            fit(&run.id, width.saturating_sub(2), unicode),
            name_style(model, selected),
        ),
    ]);
    let rest = format!(
        "{:>5} {:>7} {:>4}",
        fields.progress, fields.last_return, fields.heard
    );
    let second = Line::from(vec![
        Span::styled(format!("  {:<8}", fields.word), state),
        Span::styled(rest, model.theme.style(Role::Muted)),
    ]);
    [first, second]
}

fn one_line<'a>(model: &Model, run: &RunSummary, width: usize, selected: bool) -> Line<'a> {
    let unicode = model.theme.unicode();
    let fields = fields(model, run);
    let state = model.theme.style(role(run.state));
    let name = width.saturating_sub(2 + 9 + 6 + 9 + 6 + 1).clamp(1, 60);
    Line::from(vec![
        Span::styled(format!("{} ", fields.symbol), state),
        Span::styled(fit(&run.id, name, unicode), name_style(model, selected)),
        Span::styled(format!(" {:<8} ", fields.word), state),
        Span::raw(format!("{:>5} {:>8} ", fields.progress, fields.last_return)),
        Span::styled(
            format!("{:>5}", fields.heard),
            model.theme.style(Role::Muted),
        ),
        Span::raw(format!(
            "  {}",
            fit(&run.message, width.saturating_sub(name + 35), unicode)
        )),
    ])
}
