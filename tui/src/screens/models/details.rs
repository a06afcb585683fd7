//! The chosen model's facts, files and sample conversation, as lines.

use ratatui::text::{Line, Span};

use super::requests::{Inspected, Listed, Preview};
use crate::figures::{age, printable};
use crate::model::Model;
use crate::plan::bytes;
use crate::theme::{Role, Theme};
use crate::view::fit;
use crate::widgets::prose;

/// Cells of a fact's name.
const NAME: usize = 16;
/// Lines of one fact or sentence.
const MOST: usize = 12;
/// Lines of a sample conversation.
const PREVIEW: usize = 400;

/// About so many lines there are: for moving without a drawing.
pub(super) fn count(model: &Model) -> usize {
    match model.models.details() {
        Some(Ok(known)) if model.models.preview => match &known.preview {
            Ok(preview) => preview
                .pieces
                .iter()
                .map(|piece| piece.0.len() / 8 + 2)
                .sum(),
            Err(_) => 1,
        },
        Some(Ok(known)) => 2 * known.facts.len() + known.files.len() + 2 * known.problems.len() + 8,
        _ => 1,
    }
}

/// All lines at a width.
pub(super) fn lines<'a>(model: &Model, width: usize) -> Vec<Line<'a>> {
    let theme = &model.theme;
    let Some(one) = model.models.chosen() else {
        return Vec::new();
    };
    let mut out = head(one, model.now, width, theme);
    match model.models.details() {
        None => out.push(Line::styled("reading", theme.style(Role::Muted))),
        // The head says what is wrong already.
        Some(Err(_)) if one.problem.is_some() && !one.is_folder() => {
            let text = "r fetches what is missing";
            sentence(text, Role::Muted, width, theme, &mut out);
        }
        Some(Err(text)) => sentence(text, Role::Bad, width, theme, &mut out),
        Some(Ok(known)) if model.models.preview => sample(known, width, theme, &mut out),
        Some(Ok(known)) => facts(known, width, theme, &mut out),
    }
    out
}

fn head<'a>(one: &Listed, now: f64, width: usize, theme: &Theme) -> Vec<Line<'a>> {
    let mut out = Vec::new();
    sentence(&one.name, Role::Strong, width, theme, &mut out);
    if !one.is_folder() {
        let revisions = match one.revisions.as_slice() {
            [] => "no revision".to_owned(),
            some => some.join(", "),
        };
        let commit: String = one.commit.chars().take(12).collect();
        let changed = if one.modified > 0.0 {
            format!(", {} ago", age(now - one.modified))
        } else {
            String::new()
        };
        let text = format!("{revisions} at {commit}{changed}");
        sentence(&text, Role::Muted, width, theme, &mut out);
    }
    if let Some(problem) = &one.problem {
        sentence(problem, Role::Bad, width, theme, &mut out);
    }
    out.push(Line::default());
    out
}

fn sentence<'a>(text: &str, role: Role, width: usize, theme: &Theme, out: &mut Vec<Line<'a>>) {
    for line in prose::lines(text, width, true, MOST) {
        out.push(Line::styled(line, theme.style(role)));
    }
}

fn facts<'a>(known: &Inspected, width: usize, theme: &Theme, out: &mut Vec<Line<'a>>) {
    let room = width.saturating_sub(NAME + 1);
    for (name, value) in &known.facts {
        let name = fit(&name.replace('_', " "), NAME.min(width), theme.unicode());
        for (index, line) in prose::lines(value, room.max(8), true, MOST)
            .into_iter()
            .enumerate()
        {
            let head = if index == 0 {
                name.clone()
            } else {
                " ".repeat(NAME)
            };
            out.push(Line::from(vec![
                Span::styled(head, theme.style(Role::Muted)),
                Span::raw(" "),
                Span::styled(line, theme.style(Role::Text)),
            ]));
        }
    }
    if !known.problems.is_empty() {
        out.push(Line::default());
        for problem in &known.problems {
            sentence(problem, Role::Bad, width, theme, out);
        }
    }
    out.push(Line::default());
    out.push(Line::styled("files", theme.style(Role::Muted)));
    for (name, size) in &known.files {
        let size = format!("{:>11}", bytes(*size));
        let room = width.saturating_sub(12);
        out.push(Line::raw(format!(
            "{} {size}",
            fit(name, room, theme.unicode())
        )));
    }
}

/// What the model learns to write is bold, the rest of the text is plain.
fn sample<'a>(known: &Inspected, width: usize, theme: &Theme, out: &mut Vec<Line<'a>>) {
    let preview = match &known.preview {
        Ok(preview) => preview,
        Err(text) => return sentence(text, Role::Warn, width, theme, out),
    };
    let (all, learnt) = preview.tokens;
    let text = format!("a sample conversation: {all} tokens, bold: {learnt} learnt");
    sentence(&text, Role::Muted, width, theme, out);
    out.push(Line::default());
    pieces(preview, width, theme, out);
    for note in &preview.notes {
        sentence(note, Role::Warn, width, theme, out);
    }
}

/// The text of a preview in lines of a width; what is learnt is bold.
pub(crate) fn pieces<'a>(preview: &Preview, width: usize, theme: &Theme, out: &mut Vec<Line<'a>>) {
    let mut line: Vec<Span<'a>> = Vec::new();
    let mut used = 0;
    let first = out.len();
    for (text, learnt) in &preview.pieces {
        let style = theme.style(if *learnt { Role::Strong } else { Role::Text });
        for (index, part) in text.split('\n').enumerate() {
            if index > 0 {
                out.push(Line::from(std::mem::take(&mut line)));
                used = 0;
            }
            let mut rest = printable(part);
            while !rest.is_empty() && out.len() - first < PREVIEW {
                let head = prose::cut(&rest, width.saturating_sub(used)).len();
                if head == 0 && used == 0 {
                    break;
                }
                let tail = rest.split_off(head);
                used += prose::cells(&rest);
                line.push(Span::styled(rest, style));
                rest = tail;
                if !rest.is_empty() {
                    out.push(Line::from(std::mem::take(&mut line)));
                    used = 0;
                }
            }
        }
    }
    out.push(Line::from(line));
}
