//! The rows of the run list.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};

use super::{Sort, visible};
use crate::figures::{age, count, number};
use crate::model::Model;
use crate::panes::Pane;
use crate::run::{RunState, RunSummary, is_alive, role, shown};
use crate::theme::Role;
use crate::view::{first_row, fit, pane_block};

/// From this inner width on a run takes one line instead of two.
const ONE_LINE: u16 = 64;
/// From this inner width on device, speed and method have columns.
const WIDE: usize = 110;

/// Where the rows are: their frame, the first one shown, lines per run.
struct Placed {
    inner: Rect,
    rows: Vec<usize>,
    first: usize,
    per_run: usize,
    visible: usize,
}

fn placed(model: &Model, area: Rect) -> Placed {
    let inner = Block::bordered().inner(area);
    let per_run = if inner.width >= ONE_LINE || inner.height < 2 {
        1
    } else {
        2
    };
    let heading = usize::from(per_run == 1 && inner.height > 3);
    let inner = Rect {
        y: inner.y + heading as u16,
        height: inner.height.saturating_sub(heading as u16),
        ..inner
    };
    let rows = visible(model);
    let visible = (inner.height as usize / per_run).max(1);
    let chosen = chosen(model, &rows);
    Placed {
        first: first_row(chosen.unwrap_or(0), rows.len(), visible),
        inner,
        rows,
        per_run,
        visible,
    }
}

fn chosen(model: &Model, rows: &[usize]) -> Option<usize> {
    rows.iter()
        .position(|index| Some(&model.runs[*index].id) == model.selected.as_ref())
}

/// The run under the pointer.
pub(super) fn at(model: &Model, at: Position, area: Rect) -> Option<String> {
    let placed = placed(model, area);
    if !placed.inner.contains(at) {
        return None;
    }
    let row = placed.first + (at.y - placed.inner.y) as usize / placed.per_run;
    let index = placed.rows.get(row)?;
    Some(model.runs[*index].id.clone())
}

fn title(model: &Model, shown: usize) -> String {
    let state = &model.panes.runs;
    let mut parts = Vec::new();
    if !state.filter.is_empty() {
        parts.push(format!("/{} {shown} of {}", state.filter, model.runs.len()));
    }
    if state.sort != Sort::Age || state.reversed {
        let order = if state.reversed { " reversed" } else { "" };
        parts.push(format!("by {}{order}", state.sort.name()));
    }
    if !state.marked.is_empty() {
        parts.push(format!("{} marked", state.marked.len()));
    }
    if state.archived {
        parts.push("with archived".to_owned());
    }
    parts.join(", ")
}

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let placed = placed(model, area);
    let block = pane_block(model, Pane::Runs, &title(model, placed.rows.len()));
    let whole = block.inner(area);
    frame.render_widget(block, area);
    if placed.inner.width < 4 || placed.inner.height == 0 {
        return;
    }
    if placed.rows.is_empty() {
        let hint = Paragraph::new(nothing(model))
            .style(model.theme.style(Role::Muted))
            .wrap(Wrap { trim: false });
        frame.render_widget(hint, whole);
        return;
    }
    let width = placed.inner.width as usize;
    if whole.height > placed.inner.height {
        let top = Rect { height: 1, ..whole };
        frame.render_widget(heading(model, width), top);
    }
    let selected = chosen(model, &placed.rows);
    let mut lines = Vec::new();
    let shown = placed.rows.iter().enumerate();
    for (row, index) in shown.skip(placed.first).take(placed.visible) {
        let run = &model.runs[*index];
        if placed.per_run == 1 {
            lines.push(one_line(model, run, width, selected == Some(row)));
        } else {
            lines.extend(two_lines(model, run, width, selected == Some(row)));
        }
    }
    frame.render_widget(Paragraph::new(lines), placed.inner);
}

fn nothing(model: &Model) -> String {
    if !model.loaded {
        return "Reading the run folders.".to_owned();
    }
    if model.runs.is_empty() {
        return "No runs here yet.\n\nn  starts one: presets and forms.\n\nOr in a shell:\n  concord train demo".to_owned();
    }
    if model.panes.runs.filter.is_empty() {
        "Every run is archived; A shows them.".to_owned()
    } else {
        "No run fits the filter; Esc clears it.".to_owned()
    }
}

struct Fields {
    symbol: &'static str,
    mark: &'static str,
    word: &'static str,
    progress: String,
    score: String,
    heard: String,
}

fn fields(model: &Model, run: &RunSummary) -> Fields {
    let (word, unicode, ascii) = shown(run.state);
    let wins = run
        .win_rate
        .map(|share| format!("{:.0}% won", share * 100.0));
    Fields {
        symbol: if model.theme.unicode() {
            unicode
        } else {
            ascii
        },
        mark: if model.panes.runs.marked.contains(&run.id) {
            "+"
        } else {
            " "
        },
        word: if run.archived { "archived" } else { word },
        progress: run.progress().map_or_else(String::new, |share| {
            format!("{:.0}%", (share * 100.0).floor())
        }),
        score: wins
            .or_else(|| right(run))
            .or_else(|| run.last_return.map(number))
            .unwrap_or_default(),
        heard: age((model.now - run.heard).max(0.0)),
    }
}

/// Of a run of searches, the share of right answers.
fn right(run: &RunSummary) -> Option<String> {
    let share = run.last_return.filter(|_| run.job == "search")?;
    Some(format!("{:.0}% right", share * 100.0))
}

fn name_style(model: &Model, run: &RunSummary, selected: bool) -> ratatui::style::Style {
    if selected {
        model.theme.style(Role::Selected)
    } else if run.archived {
        model.theme.style(Role::Muted)
    } else {
        model.theme.style(Role::Text)
    }
}

fn two_lines<'a>(model: &Model, run: &RunSummary, width: usize, selected: bool) -> [Line<'a>; 2] {
    let unicode = model.theme.unicode();
    let fields = fields(model, run);
    let state = model.theme.style(role(run.state));
    let first = Line::from(vec![
        Span::styled(fields.symbol, state),
        Span::styled(fields.mark, model.theme.style(Role::Strong)),
        Span::styled(
            fit(&run.id, width.saturating_sub(2), unicode),
            name_style(model, run, selected),
        ),
    ]);
    let rest = format!(
        "{:>5} {:>7} {:>4}",
        fields.progress, fields.score, fields.heard
    );
    let second = Line::from(vec![
        Span::styled(format!("  {:<8}", fields.word), state),
        Span::styled(rest, model.theme.style(Role::Muted)),
    ]);
    [first, second]
}

/// Cells of the columns right of the name.
const COLUMNS: usize = 9 + 6 + 9 + 6;
/// Cells of the further columns of a wide list.
const FURTHER: usize = 11 + 10 + 10;

fn name_width(width: usize) -> usize {
    let further = if width >= WIDE { FURTHER } else { 0 };
    width.saturating_sub(2 + COLUMNS + further + 1).clamp(1, 60)
}

fn heading<'a>(model: &Model, width: usize) -> Line<'a> {
    let mut text = format!(
        "  {} {:<8} {:>5} {:>8} {:>5}",
        fit("run", name_width(width), true),
        "state",
        "done",
        "score",
        "heard"
    );
    if width >= WIDE {
        text.push_str(&format!(
            " {:<10} {:>9} {:<9}",
            "method", "steps/s", "device"
        ));
    }
    Line::styled(text, model.theme.style(Role::Muted))
}

fn one_line<'a>(model: &Model, run: &RunSummary, width: usize, selected: bool) -> Line<'a> {
    let unicode = model.theme.unicode();
    let fields = fields(model, run);
    let state = model.theme.style(role(run.state));
    let name = name_width(width);
    let mut spans = vec![
        Span::styled(fields.symbol, state),
        Span::styled(fields.mark, model.theme.style(Role::Strong)),
        Span::styled(
            fit(&run.id, name, unicode),
            name_style(model, run, selected),
        ),
        Span::styled(format!(" {:<8} ", fields.word), state),
        Span::raw(format!("{:>5} {:>8} ", fields.progress, fields.score)),
        Span::styled(
            format!("{:>5}", fields.heard),
            model.theme.style(Role::Muted),
        ),
    ];
    let mut used = 2 + name + COLUMNS;
    if width >= WIDE {
        let speed = run
            .steps_per_second
            .filter(|_| is_alive(run.state))
            .map_or_else(String::new, |speed| count(speed.round()));
        spans.push(Span::raw(format!(
            " {} {speed:>9} {}",
            fit(&run.algorithm, 10, unicode),
            fit(&run.device, 9, unicode)
        )));
        used += FURTHER;
    }
    let words = if run.state == RunState::Queued {
        &run.waits_for
    } else {
        &run.message
    };
    let room = width.saturating_sub(used + 2);
    spans.push(Span::raw(format!("  {}", fit(words, room, unicode))));
    Line::from(spans)
}
