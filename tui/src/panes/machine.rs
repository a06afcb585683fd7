//! The machine: processors, memory, disk, workers, devices.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::figures::{gauge_ratio, printable};
use crate::keys::{Binding, Move};
use crate::machine::{Row, Snapshot, rows};
use crate::model::Model;
use crate::panes::Pane;
use crate::theme::{Role, Theme};
use crate::update::Cmd;
use crate::view::{fit, pane_block};

/// What its keys ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {}

/// Its rows of the key table: moving is all there is.
pub const BINDINGS: &[Binding] = &[];

/// Looks that the small charts reach back, at one in a second.
const HISTORY: usize = 120;
/// Figures with a small chart.
const CHARTED: [&str; 3] = ["processors", "memory", "device"];
/// Cells of a label, of a bar and of a share.
const LABEL: usize = 8;
const BAR: usize = 10;
const SHARE: usize = 5;
/// From this width on a row has a small chart beside its bar.
const WIDE: usize = 64;

/// What it remembers.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The last look.
    pub seen: Option<Arc<Snapshot>>,
    /// Shares in use over the last looks, by kind and name.
    history: BTreeMap<(&'static str, String), VecDeque<f64>>,
    /// Rows above the first one drawn.
    pub first: usize,
}

impl State {
    /// Takes a new look at the machine.
    pub(crate) fn look(&mut self, snapshot: Arc<Snapshot>) {
        let charted: Vec<Row> = rows(&snapshot)
            .into_iter()
            .filter(|row| CHARTED.contains(&row.kind))
            .collect();
        self.history.retain(|(kind, name), _| {
            charted
                .iter()
                .any(|row| row.kind == *kind && row.name == *name)
        });
        for row in charted {
            let Some(share) = row.share else { continue };
            let past = self.history.entry((row.kind, row.name)).or_default();
            past.push_back(gauge_ratio(share));
            let over = past.len().saturating_sub(HISTORY);
            past.drain(..over);
        }
        self.seen = Some(snapshot);
    }
}

pub(crate) fn act(_model: &mut Model, action: Action) -> Vec<Cmd> {
    match action {}
}

pub(crate) fn moved(model: &mut Model, by: Move) -> Vec<Cmd> {
    let count = model
        .panes
        .machine
        .seen
        .as_ref()
        .map_or(0, |seen| rows(seen).len());
    let state = &mut model.panes.machine;
    state.first = by.apply(state.first.min(count.saturating_sub(1)), count);
    Vec::new()
}

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let state = &model.panes.machine;
    let stale = state
        .seen
        .as_ref()
        .map(|seen| model.now - seen.time)
        .filter(|age| *age > 10.0);
    let more = stale.map_or_else(String::new, |age| {
        format!("as of {} ago", crate::figures::age(age))
    });
    let block = pane_block(model, Pane::Machine, &more);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.width < 4 || inner.height == 0 {
        return;
    }
    let Some(seen) = &state.seen else {
        let hint = Paragraph::new("Reading the machine.").style(model.theme.style(Role::Muted));
        frame.render_widget(hint, inner);
        return;
    };
    let width = inner.width as usize;
    let mut lines: Vec<Line> = Vec::new();
    for row in rows(seen) {
        if row.kind == "core" {
            continue;
        }
        lines.push(line(state, &row, width, &model.theme));
        if row.kind == "processors" && seen.cores.len() > 1 {
            lines.extend(cores(&seen.cores, width, &model.theme));
        }
    }
    let height = inner.height as usize;
    let first = state.first.min(lines.len().saturating_sub(height));
    let shown: Vec<Line> = lines.into_iter().skip(first).take(height).collect();
    frame.render_widget(Paragraph::new(shown), inner);
}

/// One row: what, how full, since when, in words.
fn line<'a>(state: &State, row: &Row, width: usize, theme: &Theme) -> Line<'a> {
    let unicode = theme.unicode();
    let label = match row.kind {
        "processors" => "cpu",
        "worker" => "worker",
        "device" if row.share.is_some() => &row.name,
        kind => kind,
    };
    let mut spans = vec![Span::styled(
        format!("{} ", fit(label, LABEL.min(width), unicode)),
        theme.style(Role::Muted),
    )];
    let mut used = LABEL + 1;
    if let Some(share) = row.share
        && width > LABEL + BAR + SHARE
    {
        let past = state.history.get(&(row.kind, row.name.clone()));
        if width >= WIDE || row.kind == "processors" {
            let shown = past.map_or_else(|| " ".repeat(BAR), |past| chart(past, BAR, theme));
            spans.push(Span::styled(
                format!("{shown} "),
                theme.style(Role::Series(0)),
            ));
            used += BAR + 1;
        }
        if width >= WIDE || row.kind != "processors" {
            spans.push(Span::styled(bar(share, theme), theme.style(row.role)));
            used += BAR;
        }
        spans.push(Span::styled(
            format!("{:>4.0}% ", gauge_ratio(share) * 100.0),
            theme.style(row.role),
        ));
        used += SHARE + 1;
    }
    if !row.remark().is_empty() {
        let remark = format!("{} ", row.remark());
        used += remark.len();
        spans.push(Span::styled(remark, theme.style(row.role)));
    }
    let words = if row.kind == "worker" {
        format!("{}: {}", short(&row.name), row.text)
    } else {
        row.text.clone()
    };
    let room = width.saturating_sub(used);
    if room > 0 {
        let text = fit(&printable(&words), room, unicode);
        spans.push(Span::styled(text, theme.style(row.role)));
    }
    Line::from(spans)
}

/// The end of a run's name: its beginning is a date.
fn short(run: &str) -> &str {
    let mut parts = run.splitn(3, '-');
    let dated = |part: Option<&str>, length: usize| {
        part.is_some_and(|part| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    if dated(parts.next(), 8) && dated(parts.next(), 6) {
        parts.next().unwrap_or(run)
    } else {
        run
    }
}

/// A character for each processor, in as many rows as needed.
fn cores<'a>(cores: &[f64], width: usize, theme: &Theme) -> Vec<Line<'a>> {
    let room = width.saturating_sub(LABEL + 1).max(1);
    cores
        .chunks(room)
        .enumerate()
        .map(|(index, part)| {
            let label = if index == 0 { "cores" } else { "" };
            let levels: String = part.iter().map(|share| level(*share, theme)).collect();
            Line::from(vec![
                Span::styled(
                    format!("{} ", fit(label, LABEL, theme.unicode())),
                    theme.style(Role::Muted),
                ),
                Span::styled(levels, theme.style(Role::Series(0))),
            ])
        })
        .collect()
}

/// The latest values, a character each.
fn chart(past: &VecDeque<f64>, width: usize, theme: &Theme) -> String {
    let missing = width.saturating_sub(past.len());
    let latest = past.iter().skip(past.len().saturating_sub(width));
    let levels = latest.map(|share| level(*share, theme));
    " ".repeat(missing).chars().chain(levels).collect()
}

/// A share as the height of a character; without Unicode as a digit from 0 to 9.
fn level(share: f64, theme: &Theme) -> char {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let share = gauge_ratio(share);
    if theme.unicode() {
        LEVELS[((share * 8.0) as usize).min(7)]
    } else {
        char::from(b'0' + ((share * 10.0) as u8).min(9))
    }
}

fn bar(share: f64, theme: &Theme) -> String {
    let (full, rest) = if theme.unicode() {
        ('━', '─')
    } else {
        ('#', '-')
    };
    let filled = (gauge_ratio(share) * BAR as f64).round() as usize;
    let cell = |index| if index < filled { full } else { rest };
    (0..BAR).map(cell).collect()
}
