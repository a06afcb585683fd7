//! The screen as a function of the model.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use crate::keys::{self, Pane};
use crate::model::{Model, Overlay, Question, is_alive};
use crate::theme::Role;

mod chart;
mod help;
mod logs;
mod progress;
mod runs;
mod world;

/// Below this width or height only the focused pane is drawn.
const TWO_COLUMNS: (u16, u16) = (72, 17);

/// Draws the whole screen.
pub fn view(model: &Model, frame: &mut Frame) {
    let area = frame.area();
    if area.width < 16 || area.height < 5 {
        frame.render_widget(
            Paragraph::new("concord: enlarge the terminal").wrap(Wrap { trim: true }),
            area,
        );
        return;
    }
    let [header, body, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(area);
    draw_header(model, frame, header);
    if model.maximised || area.width < TWO_COLUMNS.0 || area.height < TWO_COLUMNS.1 {
        draw_single(model, frame, body);
    } else {
        draw_columns(model, frame, body);
    }
    draw_footer(model, frame, footer);
    match &model.overlay {
        Overlay::None => {}
        Overlay::Help(scroll) => help::draw(model, frame, body, *scroll),
        Overlay::Ask(question) => draw_question(model, frame, body, question),
    }
}

fn draw_single(model: &Model, frame: &mut Frame, body: Rect) {
    let area = if model.pane != Pane::Runs && model.run().is_some() && body.height >= 12 {
        let [top, rest] = Layout::vertical([Constraint::Length(4), Constraint::Min(1)]).areas(body);
        progress::draw(model, frame, top);
        rest
    } else {
        body
    };
    match model.pane {
        Pane::Runs => runs::draw(model, frame, area),
        Pane::Metrics => chart::draw(model, frame, area),
        Pane::World => world::draw(model, frame, area),
        Pane::Logs => logs::draw(model, frame, area),
    }
}

fn draw_columns(model: &Model, frame: &mut Frame, body: Rect) {
    let left_width = (body.width * 3 / 10).clamp(30, 52);
    let [left, right] =
        Layout::horizontal([Constraint::Length(left_width), Constraint::Min(1)]).areas(body);
    let world_height = world::wanted_height(model, left.width).min(left.height.saturating_sub(7));
    let [runs_area, world_area] =
        Layout::vertical([Constraint::Min(5), Constraint::Length(world_height)]).areas(left);
    let log_height = (right.height / 5).clamp(4, 14);
    let [top, metrics, logs_area] = Layout::vertical([
        Constraint::Length(4),
        Constraint::Min(6),
        Constraint::Length(log_height),
    ])
    .areas(right);
    runs::draw(model, frame, runs_area);
    world::draw(model, frame, world_area);
    progress::draw(model, frame, top);
    chart::draw(model, frame, metrics);
    logs::draw(model, frame, logs_area);
}

fn draw_header(model: &Model, frame: &mut Frame, area: Rect) {
    let alive = model.runs.iter().filter(|run| is_alive(run.state)).count();
    let separator = if model.theme.unicode() { " · " } else { " - " };
    let mut spans = vec![
        Span::styled(" concord ", model.theme.style(Role::Selected)),
        Span::raw(" "),
        Span::styled(model.root.clone(), model.theme.style(Role::Strong)),
    ];
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
    frame.render_widget(Line::from(spans), area);
}

fn draw_footer(model: &Model, frame: &mut Frame, area: Rect) {
    if let Some(notice) = &model.notice {
        let text = crate::figures::printable(&notice.text);
        frame.render_widget(
            Line::styled(format!(" {text}"), model.theme.style(notice.role)),
            area,
        );
        return;
    }
    let mut spans = Vec::new();
    for (key, word) in keys::footer(model.pane) {
        spans.push(Span::styled(
            format!(" {key}"),
            model.theme.style(Role::Key),
        ));
        spans.push(Span::styled(
            format!(" {word} "),
            model.theme.style(Role::Muted),
        ));
    }
    spans.push(Span::styled(" 1-4", model.theme.style(Role::Key)));
    spans.push(Span::styled(" pane ", model.theme.style(Role::Muted)));
    frame.render_widget(Line::from(spans), area);
}

fn draw_question(model: &Model, frame: &mut Frame, body: Rect, question: &Question) {
    let (title, lines) = match question {
        Question::Stop(id) => (
            " Stop this run? ",
            vec![
                id.clone(),
                "It finishes its step, writes a checkpoint and can be resumed.".to_owned(),
                String::new(),
                "y Enter  stop it      Esc  let it run".to_owned(),
            ],
        ),
        Question::Leave(id) => (
            " Leave the dashboard? ",
            vec![
                format!("{id} goes on without it."),
                format!("Come back with: concord attach {id}"),
                String::new(),
                "y Enter  leave      x  stop the run first      Esc  stay".to_owned(),
            ],
        ),
    };
    let widest = lines
        .iter()
        .map(|line| Span::raw(line).width())
        .max()
        .unwrap_or(0) as u16;
    let area = centred(body, widest + 4, lines.len() as u16 + 2);
    frame.render_widget(Clear, area);
    let block = Block::bordered()
        .border_set(model.theme.border())
        .border_style(model.theme.style(Role::Warn))
        .title(Span::styled(title, model.theme.style(Role::Warn)));
    let text: Vec<Line> = lines.into_iter().map(Line::from).collect();
    frame.render_widget(
        Paragraph::new(text)
            .centered()
            .wrap(Wrap { trim: true })
            .block(block),
        area,
    );
}

/// A rectangle of at most this size in the middle of another.
fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}

/// The frame of a pane, its border and title telling whether it has the focus.
fn pane_block<'a>(model: &Model, pane: Pane, more: &str) -> Block<'a> {
    let focused = model.pane == pane;
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
fn fit(text: &str, width: usize, unicode: bool) -> String {
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
fn first_row(chosen: usize, count: usize, visible: usize) -> usize {
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
