//! Drawing the form.

use configs::FieldKind;
use configs::draft::Setting;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::State;
use super::form::{Form, Row, words};
use super::look::{self, Split};
use super::popup::Popup;
use crate::figures::{duration, printable};
use crate::model::Model;
use crate::plan::bytes;
use crate::theme::Role;
use crate::view::{first_row, fit};

/// Widest name of a setting.
const LABEL: usize = 24;
/// The detail's part of the width, in hundredths.
const SHARE: u16 = 40;

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let Some(form) = &model.launcher.form else {
        return;
    };
    let [top, middle, bottom] = parts(model, area);
    frame.render_widget(summary(model, form), top);
    let Split { list, detail } = look::split(middle, SHARE);
    draw_rows(model, form, frame, list);
    if let Some(detail) = detail {
        draw_detail(model, form, frame, detail);
    }
    let command = match form.command(&model.root) {
        Some(command) => Line::from(vec![
            Span::styled(" $ ", model.theme.style(Role::Key)),
            Span::raw(printable(&command)),
        ]),
        None if form.errors() > 0 => {
            let text = " $ no command while something is wrong: n goes to the next problem";
            Line::styled(text, model.theme.style(Role::Muted))
        }
        None => {
            let text = " $ no command before it is saved: w writes it to a file";
            Line::styled(text, model.theme.style(Role::Muted))
        }
    };
    frame.render_widget(Paragraph::new(command).wrap(Wrap { trim: false }), bottom);
}

/// The summary, the rows with the detail, and the command with the lines that it takes.
fn parts(model: &Model, area: Rect) -> [Rect; 3] {
    let form = model.launcher.form.as_ref();
    let command = form
        .and_then(|form| form.command(&model.root))
        .unwrap_or_default();
    let cells = Span::raw(printable(&command)).width() + 3;
    // A line breaks at blanks, so that the last cells of one may stay free.
    let lines = (cells * 10 / 9).div_ceil((area.width as usize).max(1));
    let most = match area.height {
        0..16 => 0,
        16..30 => 2,
        _ => 5,
    };
    let command_height = u16::try_from(lines).unwrap_or(most).min(most);
    Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(command_height),
    ])
    .areas(area)
}

/// Focuses what was clicked; true when it was focused already.
pub(super) fn clicked(model: &mut Model, at: Position, area: Rect) -> bool {
    let [_, middle, _] = parts(model, area);
    let State { form, filter, .. } = &mut model.launcher;
    let Some(form) = form else {
        return false;
    };
    let rows = form.rows(filter);
    let focused = form.focused(&rows);
    let list = look::split(middle, SHARE).list;
    let index = look::entry_at(list, at, focused.unwrap_or(0), rows.len());
    let Some(key) = index.and_then(|index| rows[index].key()) else {
        return false;
    };
    form.focus = key;
    index == focused
}

/// Where it comes from, what was changed, what is wrong, what it would need.
fn summary<'a>(model: &Model, form: &Form) -> Line<'a> {
    let style = |role| model.theme.style(role);
    let mut spans = vec![
        Span::raw(" "),
        Span::styled(printable(&form.source()), style(Role::Strong)),
    ];
    let mut add = |text: String, role: Role| {
        spans.push(Span::raw("  "));
        spans.push(Span::styled(text, style(role)));
    };
    match form.changed() {
        0 => add("unchanged".to_owned(), Role::Muted),
        count => add(format!("* {count} changed"), Role::Warn),
    }
    let problems = form.problems();
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = problems.len() - errors;
    if errors > 0 {
        add(
            format!("! {errors} {}", plural(errors, "problem")),
            Role::Bad,
        );
    }
    if warnings > 0 {
        add(
            format!("{warnings} {}", plural(warnings, "warning")),
            Role::Warn,
        );
    }
    if let Some(plan) = form.plan() {
        if errors == 0 {
            add("ready".to_owned(), Role::Ok);
        }
        let time = plan
            .time()
            .seconds
            .map_or("time unknown".to_owned(), duration);
        let memory = plan.memory().map_or("memory unknown".to_owned(), |memory| {
            format!("about {}", bytes(memory.total()))
        });
        add(format!("{memory}, {time}"), Role::Muted);
    }
    Line::from(spans)
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
    }
}

fn draw_rows(model: &Model, form: &Form, frame: &mut Frame, area: Rect) {
    let filter = &model.launcher.filter;
    let rows = form.rows(filter);
    let hidden = if form.advanced {
        "all settings"
    } else {
        "settings, a for advanced ones"
    };
    let title = if filter.is_empty() {
        hidden.to_owned()
    } else {
        format!("settings with `{filter}`")
    };
    let inner = look::boxed(model, frame, area, &title, true);
    let focused = form.focused(&rows);
    let visible = inner.height as usize;
    let first = first_row(focused.unwrap_or(0), rows.len(), visible);
    let width = inner.width as usize;
    let lines = rows
        .iter()
        .enumerate()
        .skip(first)
        .take(visible)
        .map(|(index, row)| {
            let chosen = focused == Some(index);
            let line = row_line(model, row, width, chosen);
            if chosen && !matches!(model.launcher.popup, Popup::Value(_)) {
                look::selected(model, line, width)
            } else {
                line
            }
        });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), inner);
    if rows.is_empty() {
        let text = "no setting fits; Esc clears the filter, a shows advanced ones";
        let text = Paragraph::new(text).style(model.theme.style(Role::Muted));
        frame.render_widget(text.wrap(Wrap { trim: true }), inner);
    }
}

fn row_line<'a>(model: &Model, row: &Row, width: usize, chosen: bool) -> Line<'a> {
    let style = |role| model.theme.style(role);
    match row {
        Row::Heading(name) => Line::styled(format!(" {name}"), style(Role::Focus)),
        Row::Problem(_, problem) => {
            let role = if problem.is_error() {
                Role::Bad
            } else {
                Role::Warn
            };
            Line::styled(
                fit(&format!(" ! {problem}"), width, model.theme.unicode()),
                style(role),
            )
        }
        Row::Setting(setting, problems) => {
            let error = row.has_error();
            let mark = match (error, problems.is_empty(), setting.changed) {
                (true, ..) => ("!", Role::Bad),
                (_, false, _) => ("~", Role::Warn),
                (_, _, true) => ("*", Role::Warn),
                _ => (" ", Role::Text),
            };
            let label_width = LABEL.min(width / 2);
            let mut spans = vec![
                Span::styled(format!(" {} ", mark.0), style(mark.1)),
                Span::raw(fit(setting.field.label, label_width, model.theme.unicode())),
                Span::raw(" "),
            ];
            let used = label_width + 4;
            let room = width.saturating_sub(used);
            if let (true, Popup::Value(value)) = (chosen, &model.launcher.popup) {
                spans.extend(value.input.line(room, &model.theme).spans);
                return Line::from(spans);
            }
            spans.extend(value_spans(model, setting, chosen, error));
            let taken: usize = spans.iter().map(Span::width).sum();
            let left = width.saturating_sub(taken + 2);
            if let (Some(problem), true) = (problems.first(), left >= 12) {
                let role = if error { Role::Bad } else { Role::Warn };
                let text = fit(&words(problem), left, model.theme.unicode());
                spans.push(Span::styled(format!("  {}", text.trim_end()), style(role)));
            }
            Line::from(spans)
        }
    }
}

/// The value with its unit; what can be stepped through has arrows when it is focused.
fn value_spans<'a>(model: &Model, setting: &Setting, chosen: bool, error: bool) -> Vec<Span<'a>> {
    let role = match (error, setting.changed) {
        (true, _) => Role::Bad,
        (_, true) => Role::Strong,
        _ if setting.value == "none" => Role::Muted,
        _ => Role::Text,
    };
    let steps = !matches!(
        setting.field.kind,
        FieldKind::Text | FieldKind::Model | FieldKind::Data
    );
    let (left, right) = match (chosen && steps, model.theme.unicode()) {
        (true, true) => ("‹ ", " ›"),
        (true, false) => ("< ", " >"),
        _ => ("", ""),
    };
    let mut spans = vec![
        Span::raw(left),
        Span::styled(printable(&setting.value), model.theme.style(role)),
        Span::raw(right),
    ];
    if !setting.field.unit.is_empty() && setting.value != "none" {
        let unit = format!(" {}", setting.field.unit);
        spans.push(Span::styled(unit, model.theme.style(Role::Muted)));
    }
    spans
}

fn draw_detail(model: &Model, form: &Form, frame: &mut Frame, area: Rect) {
    let rows = form.rows(&model.launcher.filter);
    let row = form.focused(&rows).and_then(|index| rows.get(index));
    let style = |role| model.theme.style(role);
    let (title, lines) = match row {
        Some(Row::Setting(setting, problems)) => {
            let mut lines = Vec::new();
            let mut used: Vec<Line> = problems
                .iter()
                .map(|problem| {
                    let role = if problem.is_error() {
                        Role::Bad
                    } else {
                        Role::Warn
                    };
                    Line::styled(printable(&words(problem)), style(role))
                })
                .collect();
            // A contradiction stands at one setting; the others that take part point to it.
            let path = setting.field.path;
            for problem in form.problems() {
                if problem.path != path && problem.related.iter().any(|other| other == path) {
                    let text = format!("takes part in {}: {}", problem.path, problem.message);
                    used.push(Line::styled(printable(&text), style(Role::Warn)));
                }
            }
            if let Popup::Value(value) = &model.launcher.popup {
                used = value
                    .complaint(setting)
                    .into_iter()
                    .map(|text| Line::styled(text, style(Role::Bad)))
                    .collect();
            }
            lines.append(&mut used);
            lines.push(Line::from(setting.field.help));
            let mut allowed = setting.field.kind.allowed();
            if !setting.field.unit.is_empty() {
                allowed = format!("{allowed} ({})", setting.field.unit);
            }
            if setting.field.optional {
                allowed.push_str(", or none");
            }
            lines.push(Line::from(vec![
                Span::styled("allowed  ", style(Role::Muted)),
                Span::raw(allowed),
            ]));
            lines.push(origin_line(model, form, setting));
            (setting.field.path.to_owned(), lines)
        }
        Some(Row::Problem(_, problem)) => (
            "problem".to_owned(),
            vec![
                Line::styled(printable(&problem.to_string()), style(Role::Bad)),
                Line::styled("e opens the text in your editor", style(Role::Muted)),
            ],
        ),
        _ => (String::new(), Vec::new()),
    };
    let inner = look::boxed(model, frame, area, &title, false);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), inner);
}

fn origin_line<'a>(model: &Model, form: &Form, setting: &Setting) -> Line<'a> {
    let style = |role| model.theme.style(role);
    let from = match &setting.origin {
        Some(origin) => origin.to_string(),
        None => {
            let before = form.draft.target().name();
            format!(
                "changed here; {before} says {} (x puts it back)",
                setting.before
            )
        }
    };
    Line::from(vec![
        Span::styled("from     ", style(Role::Muted)),
        Span::raw(printable(&from)),
    ])
}
