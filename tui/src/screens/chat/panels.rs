//! Tokens by their probability, the panel of the one under the cursor, settings, the first words.

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

use super::settings::FIELDS;
use super::turn::Turn;
use super::{Popup, Stand, State};
use crate::figures::{number, printable};
use crate::model::Model;
use crate::theme::{Role, Theme};
use crate::view::{centred, first_row, fit};
use crate::widgets::input::Input;
use crate::widgets::{gauge, prose};

/// Probabilities from which on a token has a role; blue, yellow and red differ for every colour
/// vision, and the bars below say the same without colour.
const SHADES: [(f64, Role); 4] = [
    (0.5, Role::Text),
    (0.1, Role::Series(0)),
    (0.01, Role::Warn),
    (0.0, Role::Bad),
];

fn role(log_probability: Option<f64>) -> Role {
    let probability = log_probability.map_or(0.0, f64::exp);
    let shade = SHADES.iter().find(|(from, _)| probability >= *from);
    shade.map_or(Role::Bad, |(_, role)| *role)
}

/// The tokens of a row with the bytes that they have there.
fn tokens(turn: &Turn, row: &Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
    let first = turn.token_at(row.start).unwrap_or(0);
    let row = row.clone();
    (first..turn.tokens.len())
        .map(|index| (index, turn.token_range(index)))
        .take_while({
            let end = row.end;
            move |(_, bytes)| bytes.start < end
        })
        .filter_map(move |(index, bytes)| {
            let bytes = bytes.start.max(row.start)..bytes.end.min(row.end);
            (!bytes.is_empty()).then_some((index, bytes))
        })
}

/// A row of text, each token in its colour, the one under the cursor reversed.
pub(super) fn coloured<'a>(
    state: &State,
    at: usize,
    turn: &'a Turn,
    row: Range<usize>,
    theme: &Theme,
) -> Vec<Span<'a>> {
    // What comes behind the last token, as text held back for a stop string, has no colour.
    let covered = tokens(turn, &row).map(|(_, bytes)| bytes.end).last();
    let mut spans: Vec<Span> = tokens(turn, &row)
        .map(|(index, bytes)| {
            let style = theme.style(role(turn.tokens[index].log_probability));
            let style = if state.cursor == (at, index) {
                style.patch(theme.style(Role::Selected))
            } else {
                style
            };
            Span::styled(&turn.text[bytes], style)
        })
        .collect();
    let rest = covered.unwrap_or(row.start)..row.end;
    spans.push(Span::raw(&turn.text[rest]));
    spans
}

/// The bars below a row of text: each token's probability over all its cells.
pub(super) fn bars<'a>(turn: &Turn, row: Range<usize>, theme: &Theme) -> Vec<Span<'a>> {
    const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    tokens(turn, &row)
        .map(|(index, bytes)| {
            let kept = &turn.tokens[index];
            let probability = kept.log_probability.map_or(0.0, f64::exp);
            let sign = if theme.unicode() {
                STEPS[((probability * 8.0) as usize).min(7)].to_string()
            } else {
                ((probability * 10.0) as usize).min(9).to_string()
            };
            let width = prose::cells(&turn.text[bytes]);
            Span::styled(sign.repeat(width), theme.style(role(kept.log_probability)))
        })
        .collect()
}

fn shown(text: &str) -> String {
    if text.is_empty() {
        "(no text)".to_owned()
    } else {
        printable(&format!("{text:?}"))
    }
}

fn percent(log_probability: Option<f64>) -> String {
    match log_probability {
        Some(value) => format!("{:.1}%", value.exp() * 100.0),
        None => "-".to_owned(),
    }
}

/// The token under the cursor in a few words.
pub(super) fn cursor_words(state: &State) -> Option<String> {
    let (at, index) = state.cursor;
    let turn = state.turns.get(at)?;
    let kept = turn.tokens.get(index)?;
    let text = shown(&turn.text[turn.token_range(index)]);
    let others: Vec<String> = kept
        .alternatives
        .iter()
        .filter(|other| other.id != kept.id)
        .take(2)
        .map(|other| format!("{} {}", shown(&other.text), percent(other.log_probability)))
        .collect();
    Some(format!(
        "{}/{} {text} {}  or {}",
        index + 1,
        turn.tokens.len(),
        percent(kept.log_probability),
        others.join(" ")
    ))
}

/// The panel of the token under the cursor.
pub(super) fn token(model: &Model, frame: &mut Frame, area: Rect) {
    let (state, theme) = (&model.chat, &model.theme);
    let block = Block::bordered()
        .border_set(theme.border())
        .border_style(theme.style(Role::Focus))
        .title(Span::styled(" Token ", theme.style(Role::Focus)));
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let (at, index) = state.cursor;
    let Some(turn) = state.turns.get(at) else {
        return;
    };
    let Some(kept) = turn.tokens.get(index) else {
        return;
    };
    let width = inside.width as usize;
    let muted = theme.style(Role::Muted);
    let text = shown(&turn.text[turn.token_range(index)]);
    let mut lines = vec![
        Line::styled(
            fit(&text, width, theme.unicode()),
            theme.style(Role::Strong),
        ),
        Line::styled(
            fit(
                &format!(
                    "{} of {}, id {}, log p {}",
                    index + 1,
                    turn.tokens.len(),
                    kept.id,
                    kept.log_probability
                        .map_or_else(|| "-inf".to_owned(), number)
                ),
                width,
                theme.unicode(),
            ),
            muted,
        ),
    ];
    if inside.height > 9 {
        lines.push(Line::default());
    }
    let name_width = (width / 3).clamp(4, 16);
    for other in &kept.alternatives {
        let is_it = other.id == kept.id;
        let sign = if is_it { ">" } else { " " };
        let name = format!("{sign}{}", shown(&other.text));
        let words = percent(other.log_probability);
        let share = other.log_probability.map_or(0.0, f64::exp);
        let role = if is_it { Role::Focus } else { Role::Muted };
        lines.push(gauge::line(
            (&name, name_width),
            share,
            role,
            &words,
            width,
            theme,
        ));
    }
    let is_among = kept.alternatives.iter().any(|other| other.id == kept.id);
    if !is_among {
        let name = format!(">{text}");
        let words = percent(kept.log_probability);
        let share = kept.log_probability.map_or(0.0, f64::exp);
        lines.push(gauge::line(
            (&name, name_width),
            share,
            Role::Warn,
            &words,
            width,
            theme,
        ));
    }
    if inside.height > 10 {
        lines.push(Line::default());
        if let Some(mean) = turn.mean_log_probability() {
            lines.push(Line::styled(format!("mean log p  {}", number(mean)), muted));
            lines.push(Line::styled(
                format!("perplexity  {}", number((-mean).exp())),
                muted,
            ));
        }
        if inside.height > 16 {
            lines.push(Line::default());
            for (words, role) in [
                ("from 50%", Role::Text),
                ("from 10%", Role::Series(0)),
                ("from 1%", Role::Warn),
                ("below", Role::Bad),
            ] {
                lines.push(Line::styled(words, theme.style(role)));
            }
        }
    }
    frame.render_widget(Paragraph::new(lines), inside);
}

/// What stands where nothing was said yet.
pub(super) fn welcome<'a>(model: &Model, width: usize) -> Vec<Line<'a>> {
    let (state, theme) = (&model.chat, &model.theme);
    let mut texts = vec![
        (state.name.clone(), Role::Strong),
        (String::new(), Role::Text),
    ];
    match &state.stand {
        Stand::Loading(_) => {
            texts.push((
                "The model is being loaded; you can write already.".to_owned(),
                Role::Muted,
            ));
        }
        Stand::Ready(ready) => {
            let context = match ready.context {
                0 => String::new(),
                tokens => format!(", a context of {tokens} tokens"),
            };
            texts.push((
                format!("Ready: {} on {}{context}.", ready.family, ready.device),
                Role::Muted,
            ));
        }
        Stand::Ended(why) => texts.push((why.clone(), Role::Bad)),
        Stand::Closed => {}
    }
    for note in &state.notes {
        texts.push((note.clone(), Role::Warn));
    }
    texts.push((
        "Esc, then s: temperature, length, seed, system prompt.".to_owned(),
        Role::Muted,
    ));
    let mut lines = Vec::new();
    for (text, role) in texts {
        for line in prose::lines(&text, width.saturating_sub(2), true, 12) {
            lines.push(Line::styled(format!(" {line}"), theme.style(role)));
        }
    }
    lines
}

/// What lies over the conversation.
pub(super) fn popup(model: &Model, frame: &mut Frame, area: Rect) {
    match &model.chat.popup {
        Popup::None => {}
        Popup::Settings(at, input) => settings(model, frame, area, *at, input.as_ref()),
        Popup::Save(input) => {
            let lines = vec![
                input.line(56, &model.theme),
                Line::styled(
                    "a JSON that `concord model preview` reads",
                    model.theme.style(Role::Muted),
                ),
            ];
            window(model, frame, area, "Write the conversation to", lines, 60);
        }
    }
}

fn settings(model: &Model, frame: &mut Frame, area: Rect, at: usize, input: Option<&Input>) {
    let (state, theme) = (&model.chat, &model.theme);
    let width = usize::from(area.width.saturating_sub(4)).min(72);
    let label = 20.min(width / 2);
    let room = usize::from(area.height.saturating_sub(4)).max(1);
    let first = first_row(at, FIELDS.len(), room);
    let mut lines: Vec<Line> = Vec::new();
    for (index, field) in FIELDS.iter().enumerate().skip(first).take(room) {
        let is_chosen = index == at;
        let role = if is_chosen { Role::Focus } else { Role::Muted };
        let name = fit(field.label, label, theme.unicode());
        let mut line = Line::from(Span::styled(name, theme.style(role)));
        let space = width.saturating_sub(label + 1);
        line.push_span(Span::raw(" "));
        match input.filter(|_| is_chosen) {
            Some(input) => line.extend(input.line(space, theme).spans),
            None => {
                let text = state.settings.text(index);
                let own = match (&state.stand, text) {
                    (Stand::Ready(ready), "") => ready.settings.get(field.key),
                    _ => None,
                };
                let (text, role) = match (text.is_empty(), is_chosen) {
                    (true, chosen) => (
                        own.map_or_else(|| "default".to_owned(), |own| format!("default {own}")),
                        if chosen { Role::Selected } else { Role::Muted },
                    ),
                    (false, true) => (text.to_owned(), Role::Selected),
                    (false, false) => (text.to_owned(), Role::Text),
                };
                let shown = fit(&text, space, theme.unicode());
                line.push_span(Span::styled(shown.trim_end().to_owned(), theme.style(role)));
            }
        }
        lines.push(line);
    }
    if let Some(field) = FIELDS.get(at) {
        for line in prose::lines(field.help, width.max(1), true, 2) {
            lines.push(Line::styled(line, theme.style(Role::Muted)));
        }
    }
    window(model, frame, area, "Settings", lines, width as u16 + 2);
}

fn window(model: &Model, frame: &mut Frame, area: Rect, title: &str, lines: Vec<Line>, width: u16) {
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let area = centred(area, width, height);
    frame.render_widget(Clear, area);
    let block = Block::bordered()
        .border_set(model.theme.border())
        .border_style(model.theme.style(Role::Focus))
        .title(Span::styled(
            format!(" {title} "),
            model.theme.style(Role::Focus),
        ));
    let text = Paragraph::new(lines)
        .wrap(Wrap { trim: false })
        .block(block);
    frame.render_widget(text, area);
}
