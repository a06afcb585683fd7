//! The dry run: what the run would do and need, with where each number comes from.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::form::Form;
use super::look;
use crate::keys::Move;
use crate::model::Model;
use crate::theme::Role;

/// Cells before the numbers that an amount comes from: name and amount.
const INDENT: usize = 40;
/// From this width on they stand beside the amount.
const BESIDE: usize = 66;

/// Scrolls the plan.
pub(super) fn moved(model: &mut Model, by: Move) {
    let Some(form) = &model.launcher.form else {
        return;
    };
    let (columns, rows) = model.size;
    let lines = lines(model, form, (columns as usize).saturating_sub(2)).len();
    let last = lines.saturating_sub((rows as usize).saturating_sub(4));
    model.launcher.scroll = by.apply(model.launcher.scroll, last + 1);
}

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let Some(form) = &model.launcher.form else {
        return;
    };
    let title = format!("dry run of {}; nothing is started", form.source());
    let inner = look::boxed(model, frame, area, &title, true);
    let lines = lines(model, form, inner.width as usize);
    let first = model
        .launcher
        .scroll
        .min(lines.len().saturating_sub(inner.height as usize));
    let shown: Vec<Line> = lines.into_iter().skip(first).collect();
    frame.render_widget(Paragraph::new(shown), inner);
}

fn lines<'a>(model: &Model, form: &Form, width: usize) -> Vec<Line<'a>> {
    let style = |role| model.theme.style(role);
    let problems = form.problems();
    let Some(plan) = form.plan() else {
        if problems.is_empty() {
            return vec![Line::styled("working it out", style(Role::Muted))];
        }
        let mut lines = vec![Line::styled(
            "There is no plan while something is wrong:",
            style(Role::Strong),
        )];
        for problem in &problems {
            let role = if problem.is_error() {
                Role::Bad
            } else {
                Role::Warn
            };
            let text = look::wrapped(&problem.to_string(), width);
            lines.extend(text.into_iter().map(|line| Line::styled(line, style(role))));
        }
        return lines;
    };
    let mut lines = Vec::new();
    let mut part = "";
    for row in plan.rows() {
        if row.part != part {
            if !lines.is_empty() {
                lines.push(Line::default());
            }
            lines.push(Line::styled(row.part, style(Role::Focus)));
            part = row.part;
        }
        let sum = row.name == "in all";
        let value_role = if sum { Role::Strong } else { Role::Text };
        let mut line = Line::from(vec![
            Span::styled(format!("  {:<22}", row.name), style(value_role)),
            Span::styled(format!("{:>14}  ", row.shown), style(value_role)),
        ]);
        // A long amount moves what follows it.
        let indent = if width >= BESIDE {
            INDENT.max(line.width())
        } else {
            4
        };
        let mut from = look::wrapped(&row.from, width.saturating_sub(indent)).into_iter();
        if width >= BESIDE
            && let Some(first) = from.next()
        {
            line.push_span(Span::styled(first, style(Role::Muted)));
        }
        lines.push(line);
        lines.extend(
            from.map(|more| {
                Line::styled(format!("{}{more}", " ".repeat(indent)), style(Role::Muted))
            }),
        );
    }
    lines
}
