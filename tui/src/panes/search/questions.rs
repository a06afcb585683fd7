//! The list of questions: where each stands, its answer, what it spent.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use tracking::search_log::{Outcome, Side};

use super::{State, begin};
use crate::figures::{count, number, plural};
use crate::keys::Move;
use crate::model::Model;
use crate::pattern::Pattern;
use crate::theme::{Role, Theme};
use crate::view::{first_row, fit};
use crate::widgets::table::{self, Column};

/// The questions that fit the filter, by their places.
fn visible(state: &State) -> Vec<usize> {
    let pattern = Pattern::new(&state.filter);
    if pattern.is_empty() {
        return (0..state.outcomes.len()).collect();
    }
    let fits = |one: &Outcome| {
        let (sign, word) = standing(one, true);
        let answer = one.answer.as_deref().unwrap_or_default();
        pattern.matches(&format!("{} {} {answer} {sign} {word}", one.name, one.text))
    };
    let all = state.outcomes.iter().enumerate();
    all.filter(|(_, one)| fits(one))
        .map(|(place, _)| place)
        .collect()
}

fn at(state: &State, visible: &[usize]) -> Option<usize> {
    let is_shown = |place: &usize| state.outcomes[*place].name == state.question;
    visible.iter().position(is_shown)
}

/// Another question.
pub(super) fn moved(state: &mut State, by: Move) {
    let visible = visible(state);
    let to = match at(state, &visible) {
        Some(at) => by.apply(at, visible.len()),
        None if by == Move::Bottom => visible.len().saturating_sub(1),
        None => 0,
    };
    if let Some(place) = visible.get(to) {
        choose(state, *place);
    }
}

fn choose(state: &mut State, place: usize) {
    let name = state.outcomes[place].name.clone();
    if name != state.question {
        begin(state, name.clone());
        state.refresh();
    }
    state.chosen = Some(name);
}

fn at_work(state: &State) -> usize {
    let all = state.outcomes.iter();
    all.filter(|one| one.is_at_work()).count()
}

/// The question that is searched now is shown, and the next one after it.
pub(super) fn follow(model: &mut Model) {
    let state = &mut model.panes.search;
    state.chosen = None;
    let at_work = at_work(state);
    let text = match at_work {
        0 => "no question is being searched".to_owned(),
        1 => "following the question that is searched".to_owned(),
        several => format!("following one of {several} questions that are searched"),
    };
    model.notify(text, Role::Ok);
}

pub(super) fn clicked(model: &mut Model, position: Position, inner: Rect) {
    let rows = parts(inner)[1];
    let state = &mut model.panes.search;
    let visible = visible(state);
    // The heading of the table takes the first row.
    if !rows.contains(position) || position.y == rows.y {
        return;
    }
    let room = usize::from(rows.height).saturating_sub(1).max(1);
    let first = first_row(at(state, &visible).unwrap_or(0), visible.len(), room);
    let row = first + usize::from(position.y - rows.y) - 1;
    let Some(place) = visible.get(row) else {
        return;
    };
    // A click chooses, a second one on the same question opens its tree.
    if at(state, &visible) == Some(row) {
        state.listing = false;
    } else {
        choose(state, *place);
    }
}

fn parts(inner: Rect) -> [Rect; 2] {
    let head = u16::from(inner.height > 3);
    Layout::vertical([Constraint::Length(head), Constraint::Min(0)]).areas(inner)
}

pub(super) fn draw(model: &Model, frame: &mut Frame, inner: Rect) {
    let (state, theme) = (&model.panes.search, &model.theme);
    let [head, rows] = parts(inner);
    if !head.is_empty() {
        let text = fit(&summary(state), usize::from(head.width), theme.unicode());
        frame.render_widget(Line::styled(text, theme.style(Role::Strong)), head);
    }
    let visible = visible(state);
    if visible.is_empty() {
        let text = if state.outcomes.is_empty() {
            "no question was searched yet"
        } else {
            "no question fits the filter; Esc clears it"
        };
        let text = fit(text, usize::from(rows.width), theme.unicode());
        frame.render_widget(Line::styled(text, theme.style(Role::Muted)), rows);
        return;
    }
    let chosen = at(state, &visible);
    let room = usize::from(rows.height).saturating_sub(1).max(1);
    let first = first_row(chosen.unwrap_or(0), visible.len(), room);
    let width = usize::from(rows.width);
    let columns = columns(width);
    let drawn: Vec<Vec<table::Cell>> = visible
        .iter()
        .skip(first)
        .take(room)
        .map(|place| cells(&state.outcomes[*place], columns.len(), theme))
        .collect();
    let chosen = chosen.map(|at| at - first);
    let lines = table::lines(&columns, &drawn, chosen, width, theme);
    frame.render_widget(Paragraph::new(lines), rows);
}

fn columns(width: usize) -> Vec<Column> {
    let mut columns = vec![Column::text("question"), Column::text("answer")];
    if width >= 40 {
        columns.push(Column::number("tokens"));
    }
    if width >= 56 {
        columns.push(Column::number("calls"));
    }
    if width >= 72 {
        columns.extend([Column::number("nodes"), Column::number("F1")]);
    }
    columns
}

fn cells(one: &Outcome, columns: usize, theme: &Theme) -> Vec<table::Cell> {
    let (sign, word) = standing(one, theme.unicode());
    let role = match one.verdict() {
        Some(true) => Role::Ok,
        Some(false) => Role::Bad,
        None => Role::Text,
    };
    let spent = |resource: &str| {
        let found = one.spent.iter().find(|spent| spent.resource == resource);
        found.map_or_else(
            || ("-".to_owned(), Role::Muted),
            |spent| {
                let (mark, role) = match spent.is_over() {
                    true => ("!", Role::Bad),
                    false => ("", Role::Text),
                };
                (format!("{mark}{}", count(spent.amount)), role)
            },
        )
    };
    let answer = match (&one.answer, one.backstop) {
        (Some(answer), true) => format!("{answer} (forced)"),
        (Some(answer), false) => answer.clone(),
        (None, _) => word.to_owned(),
    };
    let f1 = one.f1().map_or_else(|| "-".to_owned(), number);
    let mut cells = vec![
        (format!("{sign} {}", one.name), role),
        (answer, role),
        spent("tokens"),
        spent("tool_calls"),
        (count(one.nodes as f64), Role::Text),
        (f1, Role::Text),
    ];
    cells.truncate(columns);
    cells
}

/// A sign and a word for where a question stands: told apart without colour.
pub(super) fn standing(one: &Outcome, unicode: bool) -> (&'static str, &'static str) {
    let (sign, ascii, word) = match (one.over, &one.answer, one.verdict()) {
        (false, ..) if one.is_at_work() => ("●", "*", "searching"),
        (false, ..) => ("·", ".", "waits"),
        (true, _, Some(true)) => ("✓", "+", "right"),
        (true, Some(_), Some(false)) => ("✗", "x", "wrong"),
        (true, None, _) => ("∅", "0", "no answer"),
        (true, Some(_), None) => ("=", "=", "answered"),
    };
    (if unicode { sign } else { ascii }, word)
}

/// All questions in a line.
fn summary(state: &State) -> String {
    let all: Vec<&Outcome> = state.outcomes.iter().collect();
    let side = Side::of(&all);
    let at_work = at_work(state);
    let mut parts = vec![format!("{} of {} over", side.questions, all.len())];
    if at_work > 0 {
        parts.push(format!("{at_work} searched now"));
    }
    if side.judged > 0 {
        parts.push(format!("accuracy {}", number(side.accuracy)));
    }
    if let Some(f1) = side.f1 {
        parts.push(format!("F1 {}", number(f1)));
    }
    if side.questions > 0 {
        parts.push(format!("{:.0}% forced", side.backstop * 100.0));
        let mean = |(resource, amount): &(String, f64)| {
            format!("{} {} each", count(*amount), resource.replace('_', " "))
        };
        parts.extend(side.spent.iter().take(2).map(mean));
    }
    if side.violations > 0 {
        let budgets = plural(side.violations as f64, "budget");
        parts.insert(0, format!("! {} {budgets} exceeded", side.violations));
    }
    parts.join(", ")
}
