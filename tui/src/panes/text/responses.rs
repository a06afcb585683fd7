//! A sample as lines: its prompt and responses, below each other or side by side.

use ratatui::text::{Line, Span};
use tracking::{Label, Response, Sample};

use super::State;
use crate::figures::number;
use crate::theme::{Role, Theme};
use crate::view::fit;
use crate::widgets::prose;

/// Lines of a prompt that are shown; what is asked is usually short.
const PROMPT_LINES: usize = 6;
/// Lines of a response that are made beyond the first ones shown.
const LINES_AHEAD: usize = 300;

/// How likely a token must be not to be marked, and the marks below that.
const MARKS: [(f64, char); 3] = [(0.01, '!'), (0.1, ':'), (0.5, '\'')];

/// The words that explain the marks of tokens.
pub(super) const LEGEND: &str = "token' below 50%  token: below 10%  token! below 1%";

/// All lines of a sample.
pub(super) fn lines<'a>(
    sample: &Sample,
    state: &State,
    width: usize,
    theme: &Theme,
) -> Vec<Line<'a>> {
    let mut out = Vec::new();
    let strong = theme.style(Role::Strong);
    for (index, line) in prose::lines(&sample.prompt, width.saturating_sub(8), true, PROMPT_LINES)
        .into_iter()
        .enumerate()
    {
        let head = if index == 0 { "prompt  " } else { "        " };
        out.push(Line::from(vec![
            Span::styled(head, theme.style(Role::Muted)),
            Span::styled(line, strong),
        ]));
    }
    if state.tokens {
        let has = |response: &Response| !response.token_log_probs.is_empty();
        let legend = if sample.responses.iter().any(has) {
            LEGEND
        } else {
            "no token probabilities were recorded with this sample"
        };
        out.push(Line::styled(
            fit(legend, width, theme.unicode()),
            theme.style(Role::Muted),
        ));
    }
    let pair = (
        sample.labelled(Label::Chosen),
        sample.labelled(Label::Rejected),
    );
    match pair {
        (Some(chosen), Some(rejected)) if state.side_by_side && width >= 24 => {
            beside(sample, [chosen, rejected], state, width, theme, &mut out);
        }
        _ => {
            if state.side_by_side {
                let text = "no chosen and rejected response in this sample";
                out.push(Line::styled(text, theme.style(Role::Muted)));
            }
            for (index, response) in sample.responses.iter().enumerate() {
                out.push(Line::default());
                out.extend(one(index, response, state, width, theme));
            }
        }
    }
    out
}

/// Two responses in two columns.
fn beside<'a>(
    sample: &Sample,
    pair: [&Response; 2],
    state: &State,
    width: usize,
    theme: &Theme,
    out: &mut Vec<Line<'a>>,
) {
    let column = (width - 3) / 2;
    let [left, right] = pair.map(|response| {
        let at = sample.responses.iter();
        let index = at.take_while(|one| !std::ptr::eq(*one, response)).count();
        one(index, response, state, column, theme)
    });
    out.push(Line::default());
    let gap = if theme.unicode() { " │ " } else { " | " };
    let height = left.len().max(right.len());
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    for _ in 0..height {
        let mut line = left.next().unwrap_or_default();
        let missing = column.saturating_sub(line.width());
        // A style of the whole line must not run on into the other column.
        let style = line.style;
        let mut spans: Vec<Span> = line
            .spans
            .drain(..)
            .map(|span| Span::styled(span.content, style.patch(span.style)))
            .collect();
        spans.push(Span::raw(" ".repeat(missing)));
        spans.push(Span::styled(gap, theme.style(Role::Muted)));
        let line = right.next().unwrap_or_default();
        let style = line.style;
        spans.extend(
            line.spans
                .into_iter()
                .map(|span| Span::styled(span.content, style.patch(span.style))),
        );
        out.push(Line::from(spans));
    }
}

/// One response: a line of figures, its trace, its text.
fn one<'a>(
    index: usize,
    response: &Response,
    state: &State,
    width: usize,
    theme: &Theme,
) -> Vec<Line<'a>> {
    let (word, role) = match response.label {
        Some(Label::Chosen) => ("chosen", Role::Ok),
        Some(Label::Rejected) => ("rejected", Role::Warn),
        Some(Label::Other) | None => ("", Role::Strong),
    };
    let head = format!("{} {word} {}", index + 1, figures(response));
    let mut out = vec![Line::styled(
        fit(head.trim_end(), width, theme.unicode()),
        theme.style(role),
    )];
    let body = |text: &str, role: Role| -> Vec<Line<'a>> {
        prose::lines(
            text,
            width,
            !state.cut,
            state.from.saturating_add(LINES_AHEAD),
        )
        .into_iter()
        .map(|line| Line::styled(line, theme.style(role)))
        .collect()
    };
    if !response.trace.is_empty() {
        out.extend(body(&format!("[trace] {}", response.trace), Role::Muted));
        out.push(Line::styled("[answer]", theme.style(Role::Muted)));
    }
    if state.tokens && !response.token_log_probs.is_empty() {
        out.extend(body(&marked(response), Role::Text));
    } else {
        out.extend(body(&response.text, Role::Text));
    }
    out
}

/// What is known of a response, in words.
#[must_use]
pub fn figures(response: &Response) -> String {
    let mut parts = Vec::new();
    if let Some(rate) = response.win_rate {
        let shown = if rate.is_finite() {
            format!("win {:.0}%", rate * 100.0)
        } else {
            format!("win {}", number(rate))
        };
        parts.push(shown);
    }
    if let Some(reward) = response.reward {
        parts.push(format!("reward {}", number(reward)));
    }
    if let Some(log_prob) = response.log_prob {
        parts.push(format!("log p {}", number(log_prob)));
    }
    parts.push(format!("{} tokens", response.tokens));
    if response.trace_tokens > 0 {
        parts.push(format!("{} of trace", response.trace_tokens));
    }
    if response.cut {
        parts.push("cut at the longest length".to_owned());
    }
    parts.join("  ")
}

/// The tokens of a response, a mark behind each unlikely one.
fn marked(response: &Response) -> String {
    let mut out = String::new();
    for token in &response.token_log_probs {
        let probability = token.1.exp();
        let mark = MARKS.iter().find(|(below, _)| probability < *below);
        // The mark stands at the word, not behind its line feed.
        let word = token.0.trim_end_matches(['\n', ' ']);
        let rest = &token.0[word.len()..];
        out.push_str(word);
        if let Some((_, mark)) = mark {
            out.push(*mark);
        }
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracking::TokenLogProb;

    #[test]
    fn unlikely_tokens_carry_marks_that_need_no_colour() {
        let token = |text: &str, probability: f64| TokenLogProb(text.into(), probability.ln());
        let response = Response {
            token_log_probs: vec![
                token("The", 0.9),
                token(" sky", 0.3),
                token(" is\n", 0.05),
                token("teal", 0.001),
            ],
            ..Response::default()
        };
        assert_eq!(marked(&response), "The sky' is:\nteal!");
    }

    #[test]
    fn figures_leave_out_what_is_not_known() {
        let mut response = Response {
            tokens: 12,
            ..Response::default()
        };
        assert_eq!(figures(&response), "12 tokens");
        response.win_rate = Some(0.744);
        response.log_prob = Some(f64::NAN);
        response.cut = true;
        assert_eq!(
            figures(&response),
            "win 74%  log p NaN  12 tokens  cut at the longest length"
        );
    }
}
