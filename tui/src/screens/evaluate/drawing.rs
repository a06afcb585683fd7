//! The three parts on the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};
use tracking::evaluation::EvaluationState;

use super::form::Form;
use super::{Listed, Part, State, Typing, results};
use crate::figures::{age, printable};
use crate::keys::Move;
use crate::model::Model;
use crate::theme::{Role, Theme};
use crate::update::{Cmd, MouseKind};
use crate::view::{first_row, fit};

/// Below this only the part with the focus is drawn.
const TWO_COLUMNS: (u16, u16) = (100, 22);
/// Cells of the words before a field's value.
const LABEL: usize = 13;

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    for (part, area) in areas(model, area) {
        let block = block(model, part);
        let inside = block.inner(area);
        frame.render_widget(block, area);
        match part {
            Part::Form => form(model, frame, inside, form_room(model, area)),
            Part::Earlier => earlier(model, frame, inside),
            Part::Tables => tables(model, frame, inside),
        }
    }
}

/// Puts the focus where the mouse is, and chooses the line there.
pub(crate) fn clicked(model: &mut Model, at: Position, area: Rect, kind: MouseKind) -> Vec<Cmd> {
    let under = areas(model, area).into_iter();
    let mut under = under.filter(|(_, area)| area.contains(at));
    let Some((part, area)) = under.next() else {
        return Vec::new();
    };
    model.evaluate.part = part;
    match kind {
        MouseKind::WheelUp => return super::moved(model, Move::Lines(-3)),
        MouseKind::WheelDown => return super::moved(model, Move::Lines(3)),
        MouseKind::Click => {}
        _ => return Vec::new(),
    }
    let Some(row) = at.y.checked_sub(area.y + 1).map(usize::from) else {
        return Vec::new();
    };
    let visible = usize::from(area.height.saturating_sub(2));
    let state = &mut model.evaluate;
    match part {
        Part::Form => {
            let count = state.form.fields().len();
            let first = first_row(
                state.line.min(count.saturating_sub(1)),
                count,
                form_room(model, area),
            );
            let state = &mut model.evaluate;
            if first + row < count {
                state.line = first + row;
            }
        }
        Part::Earlier => {
            let first = first_row(chosen(state), state.listed.len(), visible);
            if let Some(one) = state.listed.get(first + row) {
                state.chosen = Some(one.id.clone());
            }
        }
        Part::Tables => {}
    }
    Vec::new()
}

/// Lines for the fields of the form in its frame.
fn form_room(model: &Model, framed: Rect) -> usize {
    let width = usize::from(framed.width.saturating_sub(2));
    let below = wrapped_height(&model.evaluate.form.command(&model.root), width) + 2;
    usize::from(framed.height.saturating_sub(2))
        .saturating_sub(below)
        .max(1)
}

/// The place of the chosen evaluation in the list.
fn chosen(state: &State) -> usize {
    let listed = state.listed.iter();
    let before = listed.take_while(|one| Some(&one.id) != state.chosen.as_ref());
    before.count()
}

/// Where each part is, when it is drawn.
fn areas(model: &Model, area: Rect) -> Vec<(Part, Rect)> {
    if area.width < TWO_COLUMNS.0 || area.height < TWO_COLUMNS.1 {
        return vec![(model.evaluate.part, area)];
    }
    let [left, right] =
        Layout::horizontal([Constraint::Length(50), Constraint::Min(1)]).areas(area);
    let lines = model.evaluate.form.fields().len() as u16 + 6;
    let [top, bottom] = Layout::vertical([
        Constraint::Length(lines.min(left.height * 2 / 3)),
        Constraint::Min(5),
    ])
    .areas(left);
    vec![
        (Part::Form, top),
        (Part::Earlier, bottom),
        (Part::Tables, right),
    ]
}

fn block<'a>(model: &Model, part: Part) -> Block<'a> {
    let state = &model.evaluate;
    let focused = state.part == part;
    let role = if focused { Role::Focus } else { Role::Muted };
    let mut title = part.title().to_owned();
    match part {
        Part::Earlier if !state.listed.is_empty() => {
            title.push_str(&format!(" {}", state.listed.len()));
        }
        Part::Tables => {
            if let Some(shown) = &state.shown {
                title.push_str(&format!(" of {}", printable(&shown.id)));
            }
        }
        _ => {}
    }
    Block::bordered()
        .border_set(model.theme.border())
        .border_style(model.theme.style(role))
        .title(Line::styled(format!(" {title} "), model.theme.style(role)))
}

fn form(model: &Model, frame: &mut Frame, area: Rect, visible: usize) {
    let (state, theme) = (&model.evaluate, &model.theme);
    let fields = state.form.fields();
    let chosen = state.line.min(fields.len().saturating_sub(1));
    let width = area.width as usize;
    let command = state.form.command(&model.root);
    let first = first_row(chosen, fields.len(), visible);
    let mut lines: Vec<Line> = Vec::new();
    for (index, field) in fields.iter().enumerate().skip(first).take(visible) {
        let focused = index == chosen && state.part == Part::Form;
        let problem = state.form.problem(*field);
        let sign = if problem.is_some() { "!" } else { " " };
        let label = fit(&format!("{sign}{}", field.label()), LABEL, theme.unicode());
        let role = match (focused, &problem) {
            (_, Some(_)) => Role::Bad,
            (true, None) => Role::Focus,
            (false, None) => Role::Muted,
        };
        let mut line = Line::from(Span::styled(label, theme.style(role)));
        let room = width.saturating_sub(LABEL);
        match &state.typing {
            Some(Typing::Field(typed, input)) if typed == field => {
                line.extend(input.line(room, theme).spans);
            }
            _ => line.push_span(value(state, index, room, focused, theme)),
        }
        lines.push(line);
    }
    let hint = fields.get(chosen).map(|field| {
        let problem = state.form.problem(*field);
        let role = if problem.is_some() {
            Role::Bad
        } else {
            Role::Muted
        };
        let text = problem.unwrap_or_else(|| field.allowed(&state.form).to_owned());
        Line::styled(printable(&text), theme.style(role))
    });
    lines.extend(hint);
    lines.push(Line::default());
    lines.push(Line::styled(printable(&command), theme.style(Role::Strong)));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
}

fn value<'a>(state: &State, index: usize, room: usize, focused: bool, theme: &Theme) -> Span<'a> {
    let fields = state.form.fields();
    let field = fields[index];
    let text = state.form.text(field);
    let shown = match (text, Form::is_choice(field)) {
        ("", _) => "-".to_owned(),
        (text, true) if focused => format!("< {text} >"),
        (text, _) => text.to_owned(),
    };
    let role = if focused { Role::Selected } else { Role::Text };
    let text = fit(&shown, room, theme.unicode());
    Span::styled(text.trim_end().to_owned(), theme.style(role))
}

fn wrapped_height(text: &str, width: usize) -> usize {
    Span::raw(text.to_owned()).width().div_ceil(width.max(1))
}

fn earlier(model: &Model, frame: &mut Frame, area: Rect) {
    let (state, theme) = (&model.evaluate, &model.theme);
    if state.listed.is_empty() {
        let text = match (&state.problem, state.loaded) {
            (Some(problem), _) => printable(problem),
            (None, false) => "reading".to_owned(),
            (None, true) => "No evaluations yet: s starts the one in the form.".to_owned(),
        };
        let hint = Paragraph::new(text).style(theme.style(Role::Muted));
        frame.render_widget(hint.wrap(Wrap { trim: true }), area);
        return;
    }
    let visible = area.height as usize;
    let chosen = chosen(state);
    let first = first_row(chosen, state.listed.len(), visible);
    let rows = state.listed.iter().enumerate().skip(first).take(visible);
    let lines: Vec<Line> = rows
        .map(|(index, one)| {
            let line = listed(one, model.now, area.width as usize, theme);
            if index == chosen {
                line.patch_style(theme.style(Role::Selected))
            } else {
                line
            }
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn listed<'a>(one: &Listed, now: f64, width: usize, theme: &Theme) -> Line<'a> {
    let (sign, ascii, role) = match one.state {
        EvaluationState::Running => ("●", "*", Role::Focus),
        EvaluationState::Done => ("✓", "+", Role::Ok),
        EvaluationState::Interrupted => ("‖", "=", Role::Warn),
        EvaluationState::Failed => ("✗", "x", Role::Bad),
    };
    let sign = if theme.unicode() { sign } else { ascii };
    let games = match one.state {
        EvaluationState::Done => format!("{} games", one.units),
        other => format!("{} {}/{}", other.word(), one.done, one.units),
    };
    let text = format!(
        "{:<10} {} pol  {games}  {} ago",
        one.kind,
        one.policies,
        age(now - one.created)
    );
    let room = width.saturating_sub(2);
    Line::from(vec![
        Span::styled(format!("{sign} "), theme.style(role)),
        Span::styled(fit(&text, room, theme.unicode()), theme.style(Role::Text)),
    ])
}

fn tables(model: &Model, frame: &mut Frame, area: Rect) {
    let (state, theme) = (&model.evaluate, &model.theme);
    let [body, line] = match &state.typing {
        Some(Typing::Export(_)) => {
            Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(area)
        }
        _ => [area, Rect::default()],
    };
    if let Some(Typing::Export(input)) = &state.typing {
        let words = "write to: ";
        let room = (line.width as usize).saturating_sub(words.len());
        let mut shown = Line::styled(words, theme.style(Role::Key));
        shown.extend(input.line(room, theme).spans);
        frame.render_widget(shown, line);
    }
    match &state.shown {
        Some(shown) => results::draw(shown, theme, frame, body),
        None => {
            let text = match &state.problem {
                Some(problem) => printable(problem),
                None => "Enter on an evaluation shows its tables.".to_owned(),
            };
            let hint = Paragraph::new(text).style(theme.style(Role::Muted));
            frame.render_widget(hint.wrap(Wrap { trim: true }), body);
        }
    }
}
