//! Drawing a search: question and budgets on top, the tree at the left, the node at the
//! right, the slider of the replay and the answer below.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use tracking::search_log::{Budget, Outcome, Row};

use super::node::{answer_text, node, short_value};
use super::{State, questions};
use crate::figures::{count, plural, printable};
use crate::model::Model;
use crate::panes::Pane;
use crate::theme::{Role, Theme};
use crate::view::{fit, pane_block};
use crate::widgets::{gauge, prose};

/// From this width on the node stands beside the tree.
const SIDE_BY_SIDE: u16 = 64;
/// Gauges shown; a search has a handful of resources.
const GAUGES: usize = 4;
/// Indentation takes at most this part of a row, so that deep nodes keep their text.
const INDENT_PART: usize = 4;

/// Where the parts of the pane are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    head: Rect,
    heading: Rect,
    pub(super) tree: Rect,
    node: Rect,
    pub(super) slider: Rect,
    answer: Rect,
}

/// The pane without its border.
pub(super) fn inner(area: Rect) -> Rect {
    area.inner(ratatui::layout::Margin::new(1, 1))
}

pub(super) fn parts(model: &Model, area: Rect) -> Parts {
    let state = &model.panes.search;
    let gauges = state.replay.budgets().count().min(GAUGES) as u16;
    // What tells least goes first where there is no room.
    let (head, slider, answer) = match area.height {
        0..6 => (1.min(area.height), 0, 0),
        6..10 => (1, 1, 1),
        _ => (1 + gauges, 1, 1),
    };
    let [head, middle, slider, answer] = Layout::vertical([
        Constraint::Length(head),
        Constraint::Min(0),
        Constraint::Length(slider),
        Constraint::Length(answer),
    ])
    .areas(area);
    let (tree, node) = if area.width >= SIDE_BY_SIDE {
        let [tree, _, node] = Layout::horizontal([
            Constraint::Percentage(55),
            Constraint::Length(1),
            Constraint::Min(0),
        ])
        .areas(middle);
        (tree, node)
    } else if middle.height >= 12 {
        let [tree, node] =
            Layout::vertical([Constraint::Percentage(60), Constraint::Min(0)]).areas(middle);
        (tree, node)
    } else {
        (middle, Rect::default())
    };
    let [heading, tree] = if tree.height >= 4 {
        Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(tree)
    } else {
        [Rect::default(), tree]
    };
    Parts {
        head,
        heading,
        tree,
        node,
        slider,
        answer,
    }
}

/// The first row on the screen: the cursor in the middle, no empty rows at the end.
pub(super) fn first_row(state: &State, tree: Rect) -> usize {
    let height = usize::from(tree.height);
    state
        .cursor
        .saturating_sub(height / 2)
        .min(state.rows.len().saturating_sub(height))
}

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let state = &model.panes.search;
    let block = pane_block(model, Pane::Search, &title(state));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.is_empty() {
        return;
    }
    if state.listing {
        let rows = if state.report.is_some() { 1 } else { 0 };
        let [list, below] =
            Layout::vertical([Constraint::Min(0), Constraint::Length(rows)]).areas(inner);
        questions::draw(model, frame, list);
        draw_path(model, frame, below);
        return;
    }
    if state.replay.is_empty() {
        let text = if state.outcomes.is_empty() {
            "This run recorded no search. A search writes a log for each question under search/; its tree is shown here while it grows."
        } else {
            "Reading the log of this question."
        };
        let hint = Paragraph::new(text)
            .style(model.theme.style(Role::Muted))
            .wrap(Wrap { trim: true });
        frame.render_widget(hint, inner);
        return;
    }
    let parts = parts(model, inner);
    frame.render_widget(Paragraph::new(head(model, parts.head)), parts.head);
    draw_tree(model, frame, &parts);
    if !parts.node.is_empty() {
        frame.render_widget(Paragraph::new(node(model, parts.node)), parts.node);
    }
    if state.report.is_some() {
        let last = Rect {
            y: inner.bottom().saturating_sub(1),
            height: 1,
            ..inner
        };
        draw_path(model, frame, last);
        return;
    }
    if !parts.slider.is_empty() {
        frame.render_widget(slider(model, parts.slider.width), parts.slider);
    }
    if !parts.answer.is_empty() {
        frame.render_widget(answer(model, parts.answer.width), parts.answer);
    }
}

/// The path that is typed for a report.
fn draw_path(model: &Model, frame: &mut Frame, row: Rect) {
    if let Some(prompt) = &model.panes.search.report {
        prompt.draw(&model.theme, frame, row);
    }
}

fn title(state: &State) -> String {
    let at = state
        .outcomes
        .iter()
        .position(|one| one.name == state.question);
    let mut text = match at {
        Some(at) => format!(
            "{} {}/{}",
            printable(&state.question),
            at + 1,
            state.outcomes.len()
        ),
        None => printable(&state.question),
    };
    if state.listing {
        if !state.filter.is_empty() {
            text.push_str(&format!(" /{}", printable(&state.filter)));
        }
        return text;
    }
    if state.chosen.is_none() && state.outcomes.iter().any(Outcome::is_at_work) {
        text.push_str(" live");
    }
    if !state.replay.is_empty() {
        text.push_str(&format!(" by {}", state.order.name()));
    }
    if state.follow_best {
        text.push_str(" following");
    }
    if state.loading {
        text.push_str(" reading");
    }
    text
}

fn head<'a>(model: &Model, area: Rect) -> Vec<Line<'a>> {
    let (state, theme) = (&model.panes.search, &model.theme);
    let question = state.replay.log().question();
    let width = usize::from(area.width);
    let policy = if question.policy.is_empty() {
        String::new()
    } else {
        format!("[{}] ", printable(&question.policy))
    };
    let text = format!("{policy}{}", question.text);
    let mut lines = vec![Line::styled(
        fit(&text, width, theme.unicode()),
        theme.style(Role::Strong),
    )];
    let names = state.replay.log().resources();
    let longest = names.iter().map(|name| prose::cells(name)).max();
    let name_width = longest.unwrap_or(0).min(14);
    for budget in state.replay.budgets().take(GAUGES) {
        lines.push(budget_line(budget, name_width, width, theme));
    }
    lines
}

fn budget_line<'a>(budget: Budget<'_>, name_width: usize, width: usize, theme: &Theme) -> Line<'a> {
    let (share, role, words) = match budget.limit {
        None => (
            0.0,
            Role::Muted,
            format!("{} spent, no limit", count(budget.spent)),
        ),
        Some(limit) if budget.violated() => (
            1.0,
            Role::Bad,
            format!(
                "! {} of {}: {} over budget",
                count(budget.spent),
                count(limit),
                count(budget.spent - limit)
            ),
        ),
        Some(limit) => {
            let share = budget.share().unwrap_or(0.0);
            let role = if share >= 0.8 { Role::Warn } else { Role::Ok };
            let words = format!(
                "{:>3.0}% {} of {}, {} left",
                (share * 100.0).floor(),
                count(budget.spent),
                count(limit),
                count(limit - budget.spent)
            );
            (share, role, words)
        }
    };
    let name = (budget.resource, name_width);
    gauge::line(name, share, role, &words, width, theme)
}

/// Widths of the columns at the right of a row: value, visits, cost.
fn columns(width: usize) -> [usize; 3] {
    match width {
        0..24 => [0, 0, 0],
        24..36 => [6, 0, 0],
        36..48 => [6, 7, 0],
        _ => [7, 8, 8],
    }
}

fn draw_tree(model: &Model, frame: &mut Frame, parts: &Parts) {
    let (state, theme) = (&model.panes.search, &model.theme);
    let width = usize::from(parts.tree.width);
    let columns = columns(width);
    let used: usize = columns.iter().sum();
    if !parts.heading.is_empty() {
        let names = ["value", "visits", "cost"];
        let mut text = fit("node", width.saturating_sub(used), theme.unicode());
        for (name, column) in names.iter().zip(columns).filter(|(_, column)| *column > 0) {
            text.push_str(&format!("{name:>column$}"));
        }
        let line = Line::styled(text, theme.style(Role::Muted));
        frame.render_widget(line, parts.heading);
    }
    let first = first_row(state, parts.tree);
    let visible = state
        .rows
        .iter()
        .enumerate()
        .skip(first)
        .take(usize::from(parts.tree.height));
    let lines: Vec<Line> = visible
        .map(|(index, row)| {
            let line = row_line(state, *row, width, columns, theme);
            if index == state.cursor {
                line.patch_style(theme.style(Role::Selected))
            } else {
                line
            }
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), parts.tree);
}

fn row_line<'a>(
    state: &State,
    row: Row,
    width: usize,
    columns: [usize; 3],
    theme: &Theme,
) -> Line<'a> {
    let replay = &state.replay;
    let info = &replay.log().nodes()[row.node as usize];
    let on_best = state.best.get(row.depth as usize) == Some(&row.node);
    let pruned = replay.pruned(row.node);
    let answered = replay.answers_of(row.node).next().is_some();
    let fold = match (row.children > 0, row.open, theme.unicode()) {
        (false, _, true) => "·",
        (false, _, false) => " ",
        (true, true, true) => "▾",
        (true, true, false) => "-",
        (true, false, true) => "▸",
        (true, false, false) => "+",
    };
    let mark = if on_best { ">" } else { " " };
    let used: usize = columns.iter().sum();
    let deepest = (width.saturating_sub(used) / INDENT_PART / 2) as u32;
    let indent = "  ".repeat(row.depth.min(deepest) as usize);
    let deep = if row.depth > deepest {
        format!("(+{}) ", row.depth - deepest)
    } else {
        String::new()
    };
    let cross = match (pruned, theme.unicode()) {
        (false, _) => "",
        (true, true) => "✗ ",
        (true, false) => "x ",
    };
    let answer = if answered { "= " } else { "" };
    let text = prose::lines(&info.text, width, false, 1).pop();
    let text = format!(
        "{mark}{indent}{fold} {deep}{cross}{answer}{} {}",
        row_role(&info.role),
        text.unwrap_or_default()
    );
    let style = match (on_best, pruned) {
        (true, _) => theme.style(Role::Strong),
        (_, true) => theme.style(Role::Muted),
        _ => theme.style(Role::Text),
    };
    let mut spans = vec![Span::styled(
        fit(&text, width.saturating_sub(used), theme.unicode()),
        style,
    )];
    let value = replay
        .value(row.node)
        .map_or_else(|| "-".to_owned(), short_value);
    let figures = [
        value,
        replay.visits(row.node).to_string(),
        count(replay.cost(row.node, 0)),
    ];
    for (figure, column) in figures.iter().zip(columns).filter(|(_, width)| *width > 0) {
        spans.push(Span::styled(format!(" {figure:>0$}", column - 1), style));
    }
    Line::from(spans)
}

/// A letter for the role of a node.
fn row_role(role: &str) -> String {
    role.chars()
        .find(|one| one.is_alphanumeric())
        .map_or_else(|| "-".to_owned(), |one| one.to_uppercase().to_string())
}

fn slider<'a>(model: &Model, width: u16) -> Line<'a> {
    let (state, theme) = (&model.panes.search, &model.theme);
    let replay = &state.replay;
    let log = replay.log();
    let (now, total) = (
        log.time_after(replay.position()),
        log.time_after(usize::MAX),
    );
    let ratio = replay.ratio();
    let ratio = ratio.map_or_else(String::new, |ratio| {
        format!("  tightest {:.0}% left", ratio * 100.0)
    });
    let play = match (state.playing, theme.unicode()) {
        (true, true) => "▶",
        (true, false) => ">",
        (false, true) => "‖",
        (false, false) => "=",
    };
    let text = format!(
        " {play} {now:.1} of {total:.1} s  event {}/{}{ratio}",
        replay.position(),
        replay.len()
    );
    let text_width = prose::cells(&text).min(usize::from(width));
    let track = usize::from(width) - text_width;
    let share = if total > 0.0 { now / total } else { 1.0 };
    let bar = gauge::bar(share, track, theme.unicode());
    Line::from(vec![
        Span::styled(bar, theme.style(Role::Focus)),
        Span::raw(fit(&text, text_width, theme.unicode())),
    ])
}

fn answer<'a>(model: &Model, width: u16) -> Line<'a> {
    let (state, theme) = (&model.panes.search, &model.theme);
    let replay = &state.replay;
    let (_, problems) = replay.log().problems();
    let bad = problems + state.damaged;
    let (mut text, role) = match replay.chosen() {
        Some(chosen) => {
            let role = match chosen.correct {
                Some(true) => Role::Ok,
                Some(false) => Role::Bad,
                None => Role::Strong,
            };
            (answer_text(chosen), role)
        }
        None if replay.is_at_end() && replay.log().is_over() => {
            ("ended without an answer".to_owned(), Role::Warn)
        }
        None => {
            let nodes = replay.node_count();
            let noun = plural(nodes as f64, "node");
            (format!("{nodes} {noun}, no answer yet"), Role::Muted)
        }
    };
    let expected = &replay.log().question().expected;
    if !expected.is_empty() && replay.chosen().is_some() {
        text.push_str(&format!("  expected: {}", expected.join(" | ")));
    }
    if bad > 0 {
        let lines = plural(bad as f64, "line");
        text = format!("! {bad} {lines} refused  {text}");
    }
    Line::styled(
        fit(&text, usize::from(width), theme.unicode()),
        theme.style(role),
    )
}
