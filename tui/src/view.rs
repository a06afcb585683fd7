//! The screen as a function of the model.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Wrap};

use crate::figures::printable;
use crate::model::{Model, Overlay, Purpose};
use crate::panes::{self, Pane, progress, world};
use crate::run::is_alive;
use crate::screens::{self, ScreenKind};
use crate::theme::Role;

mod help;
mod question;

/// Below this width or height only the focused pane is drawn.
const TWO_COLUMNS: (u16, u16) = (72, 17);
/// From this height on the machine has its place.
const WITH_MACHINE: u16 = 34;
/// Below this nothing can be drawn.
const SMALLEST: (u16, u16) = (16, 5);

/// Where everything is. Pure: the view draws there and the mouse looks there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Areas {
    /// The line at the top.
    pub header: Rect,
    /// Everything between header and footer.
    pub body: Rect,
    /// The line at the bottom.
    pub footer: Rect,
    /// The selected run at a glance.
    pub progress: Option<Rect>,
    /// The panes of the dashboard.
    pub panes: Vec<(Pane, Rect)>,
}

/// Where everything is on a terminal of so many columns and rows.
#[must_use]
pub fn areas(model: &Model, size: (u16, u16)) -> Areas {
    let area = Rect::new(0, 0, size.0, size.1);
    let [header, body, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(area);
    let mut areas = Areas {
        header,
        body,
        footer,
        ..Areas::default()
    };
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        return areas;
    }
    if model.maximised || area.width < TWO_COLUMNS.0 || area.height < TWO_COLUMNS.1 {
        single(model, &mut areas);
    } else {
        columns(model, &mut areas);
    }
    areas
}

fn single(model: &Model, areas: &mut Areas) {
    let mut area = areas.body;
    if model.focus != Pane::Runs && model.run().is_some() && area.height >= 12 {
        let [top, rest] = Layout::vertical([Constraint::Length(4), Constraint::Min(1)]).areas(area);
        areas.progress = Some(top);
        area = rest;
    }
    areas.panes.push((model.focus, area));
}

/// Runs, machine and a grid world at the left; what wants width at the right.
fn columns(model: &Model, areas: &mut Areas) {
    let body = areas.body;
    let job = model.shown_job_pane();
    let left_width = (body.width * 3 / 10).clamp(30, 52);
    let [left, right] =
        Layout::horizontal([Constraint::Length(left_width), Constraint::Min(1)]).areas(body);
    let machine_height = if left.height >= WITH_MACHINE { 8 } else { 0 };
    let world_height = if job == Pane::World {
        world::wanted_height(model, left.width).min(left.height.saturating_sub(7 + machine_height))
    } else {
        0
    };
    let [runs_area, world_area, machine_area] = Layout::vertical([
        Constraint::Min(5),
        Constraint::Length(world_height),
        Constraint::Length(machine_height),
    ])
    .areas(left);
    let log_height = (right.height / 5).clamp(4, 14);
    let wide_height = if job == Pane::World {
        0
    } else {
        (right.height.saturating_sub(4 + log_height)) * 3 / 5
    };
    let [top, metrics, wide, logs_area] = Layout::vertical([
        Constraint::Length(4),
        Constraint::Min(6),
        Constraint::Length(wide_height),
        Constraint::Length(log_height),
    ])
    .areas(right);
    areas.progress = Some(top);
    areas.panes = vec![(Pane::Runs, runs_area), (Pane::Metrics, metrics)];
    areas
        .panes
        .push((job, if job == Pane::World { world_area } else { wide }));
    // The machine takes the place of the logs where there is no room for both.
    match (machine_height, model.focus) {
        (0, Pane::Machine) => areas.panes.push((Pane::Machine, logs_area)),
        (0, _) => areas.panes.push((Pane::Logs, logs_area)),
        _ => areas
            .panes
            .extend([(Pane::Logs, logs_area), (Pane::Machine, machine_area)]),
    }
}

/// Draws the whole screen.
pub fn view(model: &Model, frame: &mut Frame) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        frame.render_widget(
            Paragraph::new("concord: enlarge the terminal").wrap(Wrap { trim: true }),
            area,
        );
        return;
    }
    let areas = areas(model, (area.width, area.height));
    draw_header(model, frame, areas.header);
    if model.screen == ScreenKind::Dashboard {
        if let Some(top) = areas.progress {
            progress::draw(model, frame, top);
        }
        for (pane, area) in &areas.panes {
            panes::draw(model, *pane, frame, *area);
        }
    } else {
        screens::draw(model, frame, areas.body);
    }
    draw_footer(model, frame, areas.footer);
    match &model.overlay {
        Overlay::None => {}
        Overlay::Help(scroll, search) => help::draw(model, frame, areas.body, *scroll, search),
        Overlay::Ask(question) => question::draw(model, frame, areas.body, question),
    }
}

fn draw_header(model: &Model, frame: &mut Frame, area: Rect) {
    let alive = model.runs.iter().filter(|run| is_alive(run.state)).count();
    let separator = if model.theme.unicode() { " · " } else { " - " };
    let mut spans = vec![
        Span::styled(" concord ", model.theme.style(Role::Selected)),
        Span::raw(" "),
        Span::styled(printable(&model.root), model.theme.style(Role::Strong)),
    ];
    if model.screen != ScreenKind::Dashboard {
        let title = format!("{separator}{}", model.screen.title());
        spans.push(Span::styled(title, model.theme.style(Role::Focus)));
    }
    let runs = match model.runs.len() {
        _ if !model.loaded => "reading".to_owned(),
        0 => "no runs yet".to_owned(),
        1 => "1 run".to_owned(),
        count => format!("{count} runs"),
    };
    spans.push(Span::styled(
        format!("{separator}{runs}"),
        model.theme.style(Role::Muted),
    ));
    if alive > 0 {
        spans.push(Span::styled(separator, model.theme.style(Role::Muted)));
        spans.push(Span::styled(
            format!("{alive} active"),
            model.theme.style(Role::Ok),
        ));
    }
    if let Some(text) = model.models.downloads.headline() {
        spans.push(Span::styled(separator, model.theme.style(Role::Muted)));
        spans.push(Span::styled(
            printable(&text),
            model.theme.style(Role::Focus),
        ));
    }
    frame.render_widget(Line::from(spans), area);
}

fn draw_footer(model: &Model, frame: &mut Frame, area: Rect) {
    if let Some(prompt) = &model.prompt {
        let sign = match prompt.purpose {
            Purpose::Command => ":",
            Purpose::Filter | Purpose::HelpSearch => "/",
        };
        let mut line = Line::styled(sign, model.theme.style(Role::Key));
        let room = (area.width as usize).saturating_sub(1);
        line.extend(prompt.input.line(room, &model.theme).spans);
        frame.render_widget(line, area);
        return;
    }
    if let Some(notice) = &model.notice {
        let text = printable(&notice.text);
        frame.render_widget(
            Line::styled(format!(" {text}"), model.theme.style(notice.role)),
            area,
        );
        return;
    }
    let mut spans = Vec::new();
    let mut used = 0;
    for (key, word) in screens::footer(model) {
        let cells = key.chars().count() + word.chars().count() + 3;
        if used + cells > area.width as usize {
            break;
        }
        used += cells;
        spans.push(Span::styled(
            format!(" {key}"),
            model.theme.style(Role::Key),
        ));
        spans.push(Span::styled(
            format!(" {word} "),
            model.theme.style(Role::Muted),
        ));
    }
    frame.render_widget(Line::from(spans), area);
}

/// A rectangle of at most this size in the middle of another.
pub(crate) fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}

/// The frame of a pane, its border and title telling whether it has the focus.
pub(crate) fn pane_block<'a>(model: &Model, pane: Pane, more: &str) -> Block<'a> {
    let focused = model.focus == pane;
    let role = if focused { Role::Focus } else { Role::Muted };
    let title_role = if focused { Role::Focus } else { Role::Text };
    let mut title = vec![
        Span::styled(
            format!(" {} ", pane.number()),
            model.theme.style(Role::Muted),
        ),
        Span::styled(format!("{} ", pane.title()), model.theme.style(title_role)),
    ];
    if !more.is_empty() {
        title.push(Span::styled(
            format!("{more} "),
            model.theme.style(Role::Muted),
        ));
    }
    Block::bordered()
        .border_set(model.theme.border())
        .border_style(model.theme.style(role))
        .title(Line::from(title))
}

/// Text cut or padded to a width in terminal cells.
pub(crate) fn fit(text: &str, width: usize, unicode: bool) -> String {
    let clean = crate::figures::printable(text);
    let full = Span::raw(clean.as_str()).width();
    if full <= width {
        return format!("{clean}{}", " ".repeat(width - full));
    }
    let mark = if unicode { "…" } else { "~" };
    let mut kept = String::new();
    let mut used = 0;
    for character in clean.chars() {
        let cells = Span::raw(character.to_string()).width();
        if used + cells + 1 > width {
            break;
        }
        kept.push(character);
        used += cells;
    }
    if width > used {
        kept.push_str(mark);
        used += 1;
    }
    format!("{kept}{}", " ".repeat(width.saturating_sub(used)))
}

/// The first of `count` rows to draw so that the chosen one is visible.
pub(crate) fn first_row(chosen: usize, count: usize, visible: usize) -> usize {
    chosen
        .saturating_sub(visible / 2)
        .min(count.saturating_sub(visible))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_fitted_in_cells_not_characters() {
        assert_eq!(fit("abc", 5, true), "abc  ");
        assert_eq!(fit("abcdef", 4, true), "abc…");
        assert_eq!(fit("abcdef", 4, false), "abc~");
        assert_eq!(fit("日本語", 4, true), "日… ");
        assert_eq!(fit("abc", 0, true), "");
    }

    #[test]
    fn the_chosen_row_is_always_visible() {
        for chosen in 0..20 {
            let first = first_row(chosen, 20, 5);
            assert!((first..first + 5).contains(&chosen));
            assert!(first + 5 <= 20);
        }
        assert_eq!(first_row(2, 3, 10), 0);
    }
}
