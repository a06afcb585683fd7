//! The conversation, the line of status, what is being written.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

use super::turn::{Section, Turn, Who};
use super::{Mode, Popup, Stand, State, panels};
use crate::figures::{count, duration, number, printable};
use crate::keys::Scope;
use crate::model::Model;
use crate::screens::ScreenKind;
use crate::theme::{Role, Theme};
use crate::view::fit;
use crate::widgets::gauge;

/// From this width on the panel of a token stands beside the conversation.
const BESIDE: u16 = 90;
/// Cells of that panel.
const PANEL: u16 = 36;
/// Rows of it where it stands below: frame, text, facts, five alternatives, and the sampled token
/// where it is none of them.
const PANEL_ROWS: u16 = 10;
/// Rows from which on it has a place below.
const WITH_PANEL: u16 = 18;
/// A worker that said nothing for so many seconds is told of.
const SILENCE: f64 = 15.0;

/// Where everything is.
struct Areas {
    conversation: Rect,
    panel: Option<Rect>,
    status: Rect,
    input: Option<Rect>,
}

fn areas(state: &State, area: Rect) -> Areas {
    let inside = area.width.saturating_sub(4).max(1);
    let input = match state.mode {
        Mode::Write => {
            let wanted = state.editor.height(usize::from(inside)) as u16 + 2;
            wanted.clamp(3, (area.height / 3).max(3))
        }
        Mode::Read | Mode::Tokens => 0,
    };
    // On the smallest terminals the line that is written has the one place there is.
    let input = input.min(area.height.saturating_sub(2));
    let [middle, status, bottom] = Layout::vertical([
        Constraint::Min(0),
        Constraint::Length(1),
        Constraint::Length(input),
    ])
    .areas(area);
    let (conversation, panel) = match state.mode {
        Mode::Tokens if area.width >= BESIDE => {
            let [left, right] =
                Layout::horizontal([Constraint::Min(1), Constraint::Length(PANEL)]).areas(middle);
            (left, Some(right))
        }
        Mode::Tokens if middle.height >= WITH_PANEL => {
            let [top, below] =
                Layout::vertical([Constraint::Min(1), Constraint::Length(PANEL_ROWS)])
                    .areas(middle);
            (top, Some(below))
        }
        // Without room the status tells the token under the cursor.
        _ => (middle, None),
    };
    Areas {
        conversation,
        panel,
        status,
        input: (input > 0).then_some(bottom),
    }
}

/// What lies between header and footer on the terminal.
fn body(model: &Model) -> Rect {
    crate::view::areas(model, model.size).body
}

/// Cells of a row of text on the terminal. A panel beside it takes none away, so that nothing is
/// wrapped anew when it comes: rows are as narrow as with it.
pub(super) fn text_width(model: &Model) -> usize {
    width_in(body(model))
}

fn width_in(area: Rect) -> usize {
    let panel = if area.width >= BESIDE { PANEL } else { 0 };
    usize::from(area.width.saturating_sub(2 + panel)).clamp(4, 110)
}

/// Rows of the conversation on the terminal.
pub(super) fn page(model: &Model) -> usize {
    usize::from(areas(&model.chat, body(model)).conversation.height)
}

/// The keys and words of the footer.
pub(crate) fn footer(model: &Model) -> Vec<(String, &'static str)> {
    let state = &model.chat;
    let own = |keys: &str, word| (keys.to_owned(), word);
    match (&state.popup, state.mode) {
        (Popup::Settings(_, Some(_)), _) => vec![own("Enter", "take"), own("Esc", "drop")],
        (Popup::Settings(_, None), _) => vec![
            own("Enter", "edit"),
            own("x", "default"),
            own("Esc", "close"),
        ],
        (Popup::Save(_), _) => vec![own("Enter", "write"), own("Esc", "do not")],
        (Popup::None, _) if state.is_writing() => {
            vec![own("Esc", "interrupt"), own("PgUp", "scroll")]
        }
        (Popup::None, Mode::Write) => vec![
            own("Enter", "send"),
            own("A-Enter", "new line"),
            own("Esc", "other keys"),
            own("PgUp", "scroll"),
        ],
        (Popup::None, _) => {
            let scope = Scope::On(ScreenKind::Chat);
            let mut all = crate::keys::footer(ScreenKind::Chat, model.focus, &model.preferences);
            if state.mode == Mode::Tokens {
                let shown = |keys: &str| keys.split(' ').next().unwrap_or(keys).to_owned();
                let rows = scope.bindings().iter();
                let own = rows.filter_map(|row| {
                    match row.action {
                        crate::keys::Action::Chat(super::Action::PreviousToken) => Some("before"),
                        crate::keys::Action::Chat(super::Action::NextToken) => Some("next"),
                        crate::keys::Action::Chat(super::Action::Unlikely(true)) => {
                            Some("unlikely")
                        }
                        _ => None,
                    }
                    .map(|word| (shown(&model.preferences.shown(scope, row)), word))
                });
                let mut own: Vec<(String, &'static str)> = own.collect();
                own.append(&mut all);
                return own;
            }
            all
        }
    }
}

pub(crate) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let state = &model.chat;
    let areas = areas(state, area);
    conversation(model, frame, areas.conversation, width_in(area));
    if let Some(panel) = areas.panel {
        panels::token(model, frame, panel);
    }
    frame.render_widget(status(model, areas.status.width as usize), areas.status);
    if let Some(input) = areas.input {
        write(model, frame, input);
    }
    panels::popup(model, frame, area);
}

fn write(model: &Model, frame: &mut Frame, area: Rect) {
    let theme = &model.theme;
    let block = Block::bordered()
        .border_set(theme.border())
        .border_style(theme.style(Role::Focus));
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let inside = Rect {
        x: inside.x + 1.min(inside.width),
        width: inside.width.saturating_sub(2),
        ..inside
    };
    let lines = model
        .chat
        .editor
        .lines(inside.width as usize, inside.height as usize, theme);
    frame.render_widget(Paragraph::new(lines), inside);
}

/// A row of the conversation.
enum Row<'a> {
    Heading(&'a Turn),
    /// A section with the bytes of the row; none for a folded one.
    Text(usize, &'a Turn, &'a Section, Option<std::ops::Range<usize>>),
    /// The bars below a row of text.
    Bars(&'a Turn, std::ops::Range<usize>),
    Gap,
}

fn row<'a>(state: &State, at: usize, turn: &'a Turn, index: usize) -> Row<'a> {
    let Some(index) = index.checked_sub(1) else {
        return Row::Heading(turn);
    };
    let (text, is_bars) = if state.has_bars(turn) {
        (index / 2, index % 2 == 1)
    } else {
        (index, false)
    };
    match turn.row(text, state.folded()) {
        Some((_, Some(bytes))) if is_bars => Row::Bars(turn, bytes),
        Some((section, bytes)) => Row::Text(at, turn, section, bytes),
        None => Row::Gap,
    }
}

fn conversation(model: &Model, frame: &mut Frame, area: Rect, width: usize) {
    let state = &model.chat;
    if state.turns.is_empty() {
        let lines: Vec<Line> = panels::welcome(model, area.width as usize);
        frame.render_widget(Paragraph::new(lines), area);
        return;
    }
    // The rows are made for the terminal's width; a drawing of another one makes its own.
    let other: Vec<Turn>;
    let turns = if state.turns.iter().all(|turn| turn.width() == width) {
        &state.turns
    } else {
        let mut turns = state.turns.clone();
        for turn in &mut turns {
            turn.resize(width);
        }
        other = turns;
        &other
    };
    let room = usize::from(area.height);
    let total: usize = turns.iter().map(|turn| state.rows_of(turn)).sum();
    let first = if state.mode == Mode::Tokens {
        cursor_row(state, turns)
            .saturating_sub(room / 2)
            .min(total.saturating_sub(room))
    } else {
        // The gap behind the last turn needs no place.
        (total - 1).saturating_sub(room).saturating_sub(state.up)
    };
    let mut lines = Vec::with_capacity(room);
    let mut before = 0;
    for (at, turn) in turns.iter().enumerate() {
        let rows = state.rows_of(turn);
        let from = first.saturating_sub(before).min(rows);
        for index in from..rows {
            if lines.len() >= room {
                break;
            }
            lines.push(line(model, row(state, at, turn, index)));
        }
        before += rows;
    }
    let inside = Rect {
        x: area.x + 1.min(area.width),
        width: area.width.saturating_sub(1),
        ..area
    };
    frame.render_widget(Paragraph::new(lines), inside);
    if state.up > 0 && state.mode != Mode::Tokens && area.height > 2 {
        let text = format!(" {} rows below ", state.up.min(total));
        let width = (text.len() as u16).min(area.width);
        let corner = Rect {
            x: area.right() - width,
            y: area.bottom() - 1,
            width,
            height: 1,
        };
        frame.render_widget(
            Line::styled(text, model.theme.style(Role::Selected)),
            corner,
        );
    }
}

fn cursor_row(state: &State, turns: &[Turn]) -> usize {
    let (at, token) = state.cursor;
    let before: usize = turns.iter().take(at).map(|turn| state.rows_of(turn)).sum();
    let within = turns
        .get(at)
        .map_or(0, |turn| turn.row_of(turn.token_range(token).start, false));
    before + 1 + 2 * within
}

fn line<'a>(model: &Model, row: Row<'a>) -> Line<'a> {
    let (state, theme) = (&model.chat, &model.theme);
    match row {
        Row::Gap => Line::default(),
        Row::Heading(turn) => heading(turn, theme),
        Row::Text(_, turn, section, None) => {
            let tokens = turn
                .tokens
                .iter()
                .filter(|token| section.range.contains(&token.start))
                .count();
            let sign = if theme.unicode() { "▸" } else { ">" };
            let open = section.range.end == turn.text.len() && turn.done.is_none();
            let word = if open { "thinks" } else { "thought" };
            let text = format!("{sign} {word}: {tokens} tokens (f unfolds)");
            Line::styled(text, theme.style(Role::Muted))
        }
        Row::Text(at, turn, section, Some(bytes)) => {
            if state.has_bars(turn) {
                return Line::from(panels::coloured(state, at, turn, bytes, theme));
            }
            let role = match (turn.who, section.thinking) {
                (Who::Failure, _) => Role::Bad,
                (Who::Note, _) | (_, true) => Role::Muted,
                (Who::User | Who::Model, false) => Role::Text,
            };
            Line::styled(&turn.text[bytes], theme.style(role))
        }
        Row::Bars(turn, bytes) => Line::from(panels::bars(turn, bytes, theme)),
    }
}

fn heading<'a>(turn: &Turn, theme: &Theme) -> Line<'a> {
    let (word, role) = match turn.who {
        Who::User => ("you", Role::Key),
        Who::Model => ("model", Role::Ok),
        Who::Note => ("note", Role::Muted),
        Who::Failure => ("failed", Role::Bad),
    };
    let mut spans = vec![Span::styled(word, theme.style(role))];
    let mut facts = Vec::new();
    if let Some(done) = &turn.done {
        facts.push(format!("{} tokens", done.tokens));
        if done.tokens_per_second > 0.0 {
            facts.push(format!("{}/s", number(done.tokens_per_second)));
        }
        facts.push(ending(&done.finish).to_owned());
    }
    if let Some(mean) = turn.mean_log_probability() {
        facts.push(format!("mean log p {}", number(mean)));
        facts.push(format!("perplexity {}", number((-mean).exp())));
    }
    if !facts.is_empty() {
        let text = format!("  {}", printable(&facts.join("  ")));
        spans.push(Span::styled(text, theme.style(Role::Muted)));
    }
    Line::from(spans)
}

/// Why an answer ended, in words.
fn ending(finish: &str) -> &str {
    match finish {
        "stop_id" => "complete",
        "stop_string" => "at a stop string",
        "max_new_tokens" => "cut at the most new tokens",
        "context" => "cut: the context is full",
        "stopped" => "interrupted",
        other => other,
    }
}

/// The line between the conversation and what is written.
fn status<'a>(model: &Model, width: usize) -> Line<'a> {
    let (state, theme, now) = (&model.chat, &model.theme, model.now);
    let (text, role) = match &state.stand {
        Stand::Closed => ("no worker".to_owned(), Role::Warn),
        Stand::Ended(why) => (
            format!("the worker is gone: {} - r starts it again", printable(why)),
            Role::Bad,
        ),
        Stand::Loading(since) => {
            let seconds = now - since;
            let slow = if seconds > SILENCE { "; q leaves" } else { "" };
            let text = format!(
                "loading {}  {}{slow}",
                printable(&state.name),
                duration(seconds)
            );
            (text, Role::Focus)
        }
        Stand::Ready(ready) => {
            let mut parts = vec![format!(
                "{} {} {} {}",
                ready.family,
                count(ready.parameters as f64),
                ready.dtype,
                ready.device
            )];
            parts.extend(speed(state, now));
            parts.extend(context(state, ready.context, theme));
            let settings = state.settings.words();
            if !settings.is_empty() {
                parts.push(settings);
            }
            if !ready.template {
                parts.push("no template".to_owned());
            }
            (printable(&parts.join("  ")), Role::Muted)
        }
    };
    // Without a panel the token under the cursor has its place here.
    let (text, role) = match panels::cursor_words(state) {
        Some(words) if state.mode == Mode::Tokens && width < usize::from(BESIDE) => {
            (words, Role::Strong)
        }
        _ => (text, role),
    };
    Line::styled(
        fit(&format!(" {text}"), width, theme.unicode()),
        theme.style(role),
    )
}

fn speed(state: &State, now: f64) -> Option<String> {
    let Some(writing) = &state.writing else {
        let done = state
            .turns
            .iter()
            .rev()
            .find_map(|turn| turn.done.as_ref())?;
        return Some(format!("{} tokens/s", number(done.tokens_per_second)));
    };
    let tokens = state
        .last_answer()
        .map_or(0, |at| state.turns[at].tokens.len());
    let silent = now - writing.heard;
    Some(match writing.first {
        _ if writing.stopping && silent > 2.0 => {
            format!(
                "asked to stop {} ago; Esc ends the worker",
                duration(silent)
            )
        }
        _ if silent > SILENCE => format!("silent for {}; Esc interrupts", duration(silent)),
        None => format!("reading the prompt {}", duration(now - writing.asked)),
        Some(first) if now - first > 0.3 => {
            format!(
                "{tokens} tokens, {}/s",
                number(tokens as f64 / (now - first))
            )
        }
        Some(_) => format!("{tokens} tokens"),
    })
}

fn context(state: &State, limit: u64, theme: &Theme) -> Option<String> {
    let done = state
        .turns
        .iter()
        .rev()
        .find_map(|turn| turn.done.as_ref())?;
    let used = done.prompt_tokens + done.tokens;
    if limit == 0 {
        return Some(format!("context {used}, {} cached", done.cached_tokens));
    }
    let bar = gauge::bar(used as f64 / limit as f64, 8, theme.unicode());
    Some(format!(
        "context {bar} {used}/{limit}, {} cached",
        done.cached_tokens
    ))
}
