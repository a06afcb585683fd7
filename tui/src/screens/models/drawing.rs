//! The parts on the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::downloads::{Download, State as Stand};
use super::list::{Sort, cells, columns, visible};
use super::{Part, Popup, choose, details};
use crate::figures::printable;
use crate::keys::Move;
use crate::model::Model;
use crate::plan::bytes;
use crate::screens::ScreenKind;
use crate::theme::Role;
use crate::update::{Cmd, MouseKind};
use crate::view::{centred, first_row};
use crate::widgets::{files, gauge, prose, table};

/// Below this only the part with the focus is drawn.
const TWO_COLUMNS: (u16, u16) = (100, 20);
/// Cells beyond which the list has no use for more.
const LIST: u16 = 116;
/// Least and most cells of the details.
const DETAILS: (u16, u16) = (40, 84);
/// Lines of a failure's words.
const WORDS: usize = 5;

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    for (part, area) in areas(model, area) {
        let block = block(model, part);
        let inside = block.inner(area);
        frame.render_widget(block, area);
        match part {
            Part::List => list(model, frame, inside),
            Part::Details => {
                let lines = details::lines(model, inside.width as usize);
                let last = lines.len().saturating_sub(inside.height as usize);
                let shown: Vec<Line> = lines
                    .into_iter()
                    .skip(model.models.scroll.min(last))
                    .collect();
                frame.render_widget(Paragraph::new(shown), inside);
            }
            Part::Downloads => downloads(model, frame, inside),
        }
    }
    popup(model, frame, area);
}

/// Whether a part is drawn on the terminal.
pub(super) fn shows(model: &Model, part: Part) -> bool {
    let body = crate::view::areas(model, model.size).body;
    areas(model, body).iter().any(|(drawn, _)| *drawn == part)
}

/// The keys and words of the footer.
pub(crate) fn footer(model: &Model) -> Vec<(String, &'static str)> {
    let own = |keys: &str, word| (keys.to_owned(), word);
    match &model.models.popup {
        Popup::None => {
            let mut all = crate::keys::footer(ScreenKind::Models, model.focus, &model.preferences);
            if let (Some(first), Some(_)) = (all.first_mut(), &model.models.wanted_by) {
                first.1 = "take";
            }
            all
        }
        Popup::Fetch(_) => vec![own("Enter", "fetch"), own("Esc", "do not")],
        Popup::Remove(..) => vec![own("Enter", "remove"), own("Esc", "keep")],
        Popup::Files(_) => vec![own("Enter", "open"), own("Left", "up"), own("Esc", "leave")],
    }
}

/// Where each part is, when it is drawn.
fn areas(model: &Model, area: Rect) -> Vec<(Part, Rect)> {
    let state = &model.models;
    if area.width < TWO_COLUMNS.0 || area.height < TWO_COLUMNS.1 {
        return vec![(state.part, area)];
    }
    let count = state.downloads.list.len();
    let wanted = match count {
        0 if state.part == Part::Downloads => 3,
        0 => 0,
        // A line for each, and those of the files under way.
        some => (some as u16 + 6).min(area.height / 2),
    };
    let [top, bottom] =
        Layout::vertical([Constraint::Min(8), Constraint::Length(wanted)]).areas(area);
    let width = area.width.saturating_sub(LIST).clamp(DETAILS.0, DETAILS.1);
    let [left, right] =
        Layout::horizontal([Constraint::Min(1), Constraint::Length(width)]).areas(top);
    let mut areas = vec![(Part::List, left), (Part::Details, right)];
    if wanted > 0 {
        areas.push((Part::Downloads, bottom));
    }
    areas
}

fn block<'a>(model: &Model, part: Part) -> Block<'a> {
    let state = &model.models;
    let focused = state.part == part;
    let role = if focused { Role::Focus } else { Role::Muted };
    let title = match part {
        Part::List => list_title(model),
        Part::Details if state.preview => "Sample conversation".to_owned(),
        Part::Details => "Details".to_owned(),
        Part::Downloads => match state.downloads.open().count() {
            0 => "Downloads".to_owned(),
            open => format!("Downloads, {open} to come"),
        },
    };
    Block::bordered()
        .border_set(model.theme.border())
        .border_style(model.theme.style(role))
        .title(Line::styled(format!(" {title} "), model.theme.style(role)))
}

fn list_title(model: &Model) -> String {
    let state = &model.models;
    let mut title = match &state.wanted_by {
        Some(setting) => format!("A model for {setting}"),
        None => "Models".to_owned(),
    };
    let all = state.list.as_ref().map_or(0, |list| list.models.len());
    if state.filter.is_empty() {
        title.push_str(&format!(" {all}"));
    } else {
        let shown = visible(state).len();
        title.push_str(&format!(" /{} {shown} of {all}", printable(&state.filter)));
    }
    if state.sort != Sort::Name || state.reversed {
        let order = if state.reversed { " reversed" } else { "" };
        title.push_str(&format!(", by {}{order}", state.sort.name()));
    }
    if state.list.as_ref().is_some_and(|list| list.offline) {
        title.push_str(", offline");
    }
    title
}

fn list(model: &Model, frame: &mut Frame, area: Rect) {
    let (state, theme) = (&model.models, &model.theme);
    let rows = visible(state);
    if rows.is_empty() {
        let hint = Paragraph::new(nothing(model)).style(theme.style(Role::Muted));
        frame.render_widget(hint.wrap(Wrap { trim: false }), area);
        return;
    }
    let entries: Vec<Vec<table::Cell>> =
        rows.iter().map(|one| cells(one, theme.unicode())).collect();
    let place = state.place();
    let lines = table::lines(
        &columns(),
        &entries,
        Some(place),
        area.width as usize,
        theme,
    );
    let (first, room) = rows_shown(place, rows.len(), area);
    let shown = lines
        .into_iter()
        .enumerate()
        .filter(|(index, _)| *index == 0 && area.height > 1 || *index > first)
        .map(|(_, line)| line)
        .take(room + 1)
        .collect::<Vec<Line>>();
    frame.render_widget(Paragraph::new(shown), area);
}

/// The first row on show, and how many there are beneath the heading.
fn rows_shown(place: usize, count: usize, area: Rect) -> (usize, usize) {
    let room = usize::from(area.height.saturating_sub(1)).max(1);
    (first_row(place, count, room), room)
}

fn nothing(model: &Model) -> String {
    let state = &model.models;
    match (&state.problem, &state.list) {
        (Some(problem), _) => printable(problem),
        (None, None) => "Reading the cache.".to_owned(),
        (None, Some(list)) if list.models.is_empty() => {
            let offline = if list.offline {
                "\n\nHF_HUB_OFFLINE is set: nothing is fetched until it is unset."
            } else {
                ""
            };
            format!(
                "No models in {} yet.\n\nf  fetches one, such as HuggingFaceTB/SmolLM2-135M-Instruct\no  looks for a folder with one{offline}",
                printable(&list.cache)
            )
        }
        (None, Some(_)) => "No model fits the filter; Esc clears it.".to_owned(),
    }
}

fn downloads(model: &Model, frame: &mut Frame, area: Rect) {
    let (state, theme) = (&model.models, &model.theme);
    let width = area.width as usize;
    let all = &state.downloads.list;
    if all.is_empty() {
        let text = "Nothing was fetched since the dashboard was opened; f fetches a model.";
        let hint = Paragraph::new(text).style(theme.style(Role::Muted));
        frame.render_widget(hint.wrap(Wrap { trim: true }), area);
        return;
    }
    let focused = state.part == Part::Downloads;
    let chosen = state.chosen_download.min(all.len() - 1);
    let mut lines = Vec::new();
    let mut chosen_line = 0;
    for (index, one) in all.iter().enumerate() {
        let is_chosen = focused && index == chosen;
        if index == chosen {
            chosen_line = lines.len();
        }
        lines.extend(download(one, is_chosen, width, model));
    }
    let first = first_row(chosen_line, lines.len(), area.height as usize);
    let shown: Vec<Line> = lines.into_iter().skip(first).collect();
    frame.render_widget(Paragraph::new(shown), area);
}

fn download<'a>(one: &Download, is_chosen: bool, width: usize, model: &Model) -> Vec<Line<'a>> {
    let theme = &model.theme;
    let (sign, ascii, role) = match one.state {
        Stand::Waiting => ("…", "-", Role::Muted),
        Stand::Running => ("↓", ">", Role::Focus),
        Stand::Stopping | Stand::Stopped => ("‖", "=", Role::Warn),
        Stand::Done(_) => ("✓", "+", Role::Ok),
        Stand::Failed(_) => ("✗", "x", Role::Bad),
    };
    let sign = if theme.unicode() { sign } else { ascii };
    let name_width = (width * 2 / 5).clamp(8, 44);
    let name = format!("{sign} {}", one.name);
    let mut head = gauge::line(
        (&name, name_width),
        one.share(),
        role,
        &one.words(),
        width,
        theme,
    );
    if is_chosen {
        head = head.patch_style(theme.style(Role::Selected));
    }
    let mut lines = vec![head];
    if let Stand::Failed(why) | Stand::Done(why) = &one.state
        && !why.is_empty()
    {
        let role = if matches!(one.state, Stand::Failed(_)) {
            Role::Bad
        } else {
            Role::Warn
        };
        for line in prose::lines(why, width.saturating_sub(2), true, WORDS) {
            lines.push(Line::styled(format!("  {line}"), theme.style(role)));
        }
    }
    if let Some(why) = &one.setback {
        for line in prose::lines(why, width.saturating_sub(2), true, 2) {
            lines.push(Line::styled(format!("  {line}"), theme.style(Role::Warn)));
        }
    }
    if one.state == Stand::Running || one.state == Stand::Stopping {
        for part in one.parts.iter().rev().take(3).rev() {
            let words = format!("{} of {}", bytes(part.done), bytes(part.bytes));
            let share = part.done as f64 / part.bytes.max(1) as f64;
            let name = format!("    {}", part.name);
            let line = gauge::line(
                (&name, name_width),
                share,
                Role::Muted,
                &words,
                width,
                theme,
            );
            lines.push(line);
        }
    }
    lines
}

fn popup(model: &Model, frame: &mut Frame, area: Rect) {
    let theme = &model.theme;
    let (title, before, input, hint) = match &model.models.popup {
        Popup::None => return,
        Popup::Files(looked) => return files::draw(looked, theme, frame, centred(area, 110, 34)),
        Popup::Fetch(input) => {
            let hint = if model.models.list.as_ref().is_some_and(|list| list.offline) {
                "HF_HUB_OFFLINE is set: only what is cached counts"
            } else {
                "OWNER/NAME or OWNER/NAME@REVISION, or an address of the hub; Enter fetches"
            };
            ("Fetch a model", Vec::new(), input, hint)
        }
        Popup::Remove(one, input) => {
            let before = vec![
                one.name.clone(),
                format!(
                    "The snapshot {} of {} goes, with the files that no other snapshot uses.",
                    one.commit.chars().take(12).collect::<String>(),
                    bytes(one.bytes)
                ),
                "Type the model's name, or its last part.".to_owned(),
            ];
            (
                "Remove from the cache?",
                before,
                input,
                "Enter removes it, Esc keeps it",
            )
        }
    };
    let width = 78.min(area.width);
    let inside = usize::from(width.saturating_sub(2)).max(1);
    let mut lines: Vec<Line> = Vec::new();
    for text in &before {
        lines.extend(
            prose::lines(text, inside, true, 3)
                .into_iter()
                .map(Line::raw),
        );
    }
    let mut typed = Line::styled("> ", theme.style(Role::Key));
    typed.extend(input.line(inside.saturating_sub(2), theme).spans);
    lines.push(typed);
    for line in prose::lines(hint, inside, true, 2) {
        lines.push(Line::styled(line, theme.style(Role::Muted)));
    }
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let area = centred(area, width, height);
    frame.render_widget(Clear, area);
    let block = Block::bordered()
        .border_set(theme.border())
        .border_style(theme.style(Role::Focus))
        .title(Span::styled(format!(" {title} "), theme.style(Role::Focus)));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// Puts the focus where the mouse is, and chooses the line there.
pub(crate) fn clicked(model: &mut Model, at: Position, area: Rect, kind: MouseKind) -> Vec<Cmd> {
    if !matches!(model.models.popup, Popup::None) {
        return Vec::new();
    }
    let under = areas(model, area);
    let Some((part, area)) = under.into_iter().find(|(_, area)| area.contains(at)) else {
        return Vec::new();
    };
    model.models.part = part;
    match kind {
        MouseKind::WheelUp => return super::moved(model, Move::Lines(-3)),
        MouseKind::WheelDown => return super::moved(model, Move::Lines(3)),
        MouseKind::Click if part == Part::List => {}
        _ => return Vec::new(),
    }
    let inside = Block::bordered().inner(area);
    let Some(row) = at.y.checked_sub(inside.y + 1).map(usize::from) else {
        return Vec::new();
    };
    let count = visible(&model.models).len();
    let (first, room) = rows_shown(model.models.place(), count, inside);
    if row < room && first + row < count {
        return choose(model, first + row);
    }
    Vec::new()
}
