//! The switch timeline: which policies acted over training and within an episode. The
//! same lines are drawn on the screen and printed by `concord show --switch`.

use ratatui::text::{Line, Span};
use tracking::switching::SwitchTimeline;

use crate::figures::{count, gauge_ratio};
use crate::theme::{Role, Theme};
use crate::widgets::gauge;

/// Width of the names of lines.
const LABEL: usize = 14;

/// A cell that is mostly central, mostly independent, or still to come.
fn cell(share: Option<f64>, unicode: bool) -> char {
    match (share, unicode) {
        (Some(share), true) if share >= 0.5 => '■',
        (Some(_), true) => '□',
        (None, true) => '·',
        (Some(share), false) if share >= 0.5 => '#',
        (Some(_), false) => 'o',
        (None, false) => '.',
    }
}

/// The share itself, from nothing to all.
fn height(share: Option<f64>, unicode: bool) -> char {
    let steps: &[char] = if unicode {
        &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
    } else {
        &['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']
    };
    match share {
        None => ' ',
        Some(share) if share <= 0.0 => '_',
        Some(share) => {
            let step = (gauge_ratio(share) * steps.len() as f64) as usize;
            steps[step.min(steps.len() - 1)]
        }
    }
}

/// Training in cells up to `until` steps: filled where most decisions were central,
/// hollow where they were not, a dot for what is to come.
#[must_use]
pub fn strip(timeline: &SwitchTimeline, width: usize, until: u64, unicode: bool) -> String {
    let cells = timeline.cells(width, until);
    cells
        .into_iter()
        .map(|share| cell(share, unicode))
        .collect()
}

/// The share of central calls in the same cells, as heights.
#[must_use]
pub fn shares(timeline: &SwitchTimeline, width: usize, until: u64, unicode: bool) -> String {
    let cells = timeline.cells(width, until);
    cells
        .into_iter()
        .map(|share| height(share, unicode))
        .collect()
}

/// The decisions of an episode, a cell each; those that do not fit are counted.
#[must_use]
pub fn decisions(central: &[bool], width: usize, unicode: bool) -> String {
    let cells = |count: usize| -> String {
        let shown = central.iter().take(count);
        shown
            .map(|one| cell(Some(f64::from(u8::from(*one))), unicode))
            .collect()
    };
    if central.len() <= width {
        return cells(central.len());
    }
    let rest = format!(
        " +{}",
        central.len().saturating_sub(width.saturating_sub(6))
    );
    let room = width.saturating_sub(rest.len());
    format!("{}{rest}", cells(room))
}

/// The running share in words.
#[must_use]
pub fn running_words(timeline: &SwitchTimeline) -> String {
    let percent = |share: f64| {
        let percent = share * 100.0;
        if percent > 0.0 && percent < 0.995 {
            format!("{percent:.2}%")
        } else {
            format!("{percent:.1}%")
        }
    };
    let about = if timeline.thinned { "about " } else { "" };
    let running = timeline.running.map_or_else(
        || "-".to_owned(),
        |share| format!("{about}{} of all decisions", percent(share)),
    );
    let evaluated = timeline.evaluated.map_or_else(String::new, |share| {
        format!(", {} when evaluated", percent(share))
    });
    format!("{running}{evaluated}")
}

/// What is left of the budget in words.
#[must_use]
pub fn budget_words(left: f64) -> String {
    format!(
        "{:.0}% of the calls left",
        (gauge_ratio(left) * 100.0).floor()
    )
}

/// What a switch shows besides its timeline.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment<'a> {
    /// The decisions of the episode that plays.
    pub(super) decisions: &'a [bool],
    /// The budget left, as a live episode has it.
    pub(super) budget_left: Option<f64>,
    /// Steps of the whole training.
    pub(super) until: u64,
}

/// As many lines as there is room for, the most telling ones first to stay.
pub(super) fn lines<'a>(
    timeline: &SwitchTimeline,
    moment: Moment<'_>,
    (width, room): (usize, usize),
    theme: &Theme,
) -> Vec<Line<'a>> {
    let unicode = theme.unicode();
    let strip_width = width.saturating_sub(LABEL + 1);
    let named = |name: &str, text: String, role: Role| {
        let name = crate::view::fit(name, LABEL.min(width), unicode);
        Line::from(vec![
            Span::styled(name, theme.style(Role::Muted)),
            Span::raw(" "),
            Span::styled(text, theme.style(role)),
        ])
    };
    let share = timeline.running.unwrap_or(0.0);
    let gauge_line = |name: &str, share, role, words: &str| {
        gauge::line((name, LABEL), share, role, words, width, theme)
    };
    let until = moment.until;
    // (rank by which it gives way, line) in the order of drawing.
    let mut ranked = vec![
        (
            0,
            named(
                "switch",
                strip(timeline, strip_width, until, unicode),
                Role::Series(1),
            ),
        ),
        (
            4,
            named(
                "share",
                shares(timeline, strip_width, until, unicode),
                Role::Series(1),
            ),
        ),
        (
            1,
            gauge_line(
                "central calls",
                share,
                Role::Series(1),
                &running_words(timeline),
            ),
        ),
    ];
    if let Some(left) = moment.budget_left.or(timeline.budget_left) {
        let role = if left <= 0.1 { Role::Warn } else { Role::Ok };
        ranked.push((
            2,
            gauge_line("budget left", left, role, &budget_words(left)),
        ));
    }
    if !moment.decisions.is_empty() {
        let text = decisions(moment.decisions, strip_width, unicode);
        ranked.push((3, named("this episode", text, Role::Series(1))));
    }
    let last_rank = {
        let mut ranks: Vec<usize> = ranked.iter().map(|(rank, _)| *rank).collect();
        ranks.sort_unstable();
        ranks.get(room.min(ranks.len()).wrapping_sub(1)).copied()
    };
    ranked
        .into_iter()
        .filter(|(rank, _)| last_rank.is_some_and(|last| *rank <= last))
        .map(|(_, line)| line)
        .collect()
}

/// The timeline as text of a width.
#[must_use]
pub fn text(timeline: &SwitchTimeline, width: usize, until: u64, unicode: bool) -> String {
    let strip_width = width.saturating_sub(LABEL + 1);
    let end = timeline.windows.last().map_or(0, |window| window.0);
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        out.push_str(&format!("{name:<LABEL$} {text}\n"));
    };
    line("switch", &strip(timeline, strip_width, until, unicode));
    line("share", &shares(timeline, strip_width, until, unicode));
    let share = timeline.running.unwrap_or(0.0);
    let bar = gauge::bar(share, 20, unicode);
    line(
        "central calls",
        &format!("{bar} {}", running_words(timeline)),
    );
    if let Some(left) = timeline.budget_left {
        let bar = gauge::bar(left, 20, unicode);
        line("budget left", &format!("{bar} {}", budget_words(left)));
    }
    let (filled, hollow, ahead) = (
        cell(Some(1.0), unicode),
        cell(Some(0.0), unicode),
        cell(None, unicode),
    );
    line(
        "",
        &format!(
            "{filled} mostly central, {hollow} mostly independent, {ahead} to come; {} windows, {} of {} steps",
            timeline.windows.len(),
            count(end as f64),
            count(until.max(end) as f64),
        ),
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline() -> SwitchTimeline {
        SwitchTimeline {
            windows: vec![(100, 0.9), (200, 0.2), (300, 0.0)],
            running: Some(0.004),
            budget_left: Some(0.25),
            ..SwitchTimeline::default()
        }
    }

    #[test]
    fn cells_are_filled_hollow_or_to_come() {
        assert_eq!(strip(&timeline(), 4, 400, true), "■□□·");
        assert_eq!(strip(&timeline(), 4, 400, false), "#oo.");
        assert_eq!(shares(&timeline(), 4, 400, true), "█▂_ ");
        assert_eq!(shares(&timeline(), 4, 400, false), "92_ ");
        assert_eq!(strip(&timeline(), 0, 400, true), "");
    }

    #[test]
    fn decisions_that_do_not_fit_are_counted() {
        assert_eq!(decisions(&[true, false], 9, true), "■□");
        let many = [false; 50];
        let drawn = decisions(&many, 12, false);
        assert_eq!(drawn, "oooooooo +44");
        assert_eq!(decisions(&many, 0, false), " +50");
    }

    #[test]
    fn small_shares_are_not_nothing() {
        assert_eq!(running_words(&timeline()), "0.40% of all decisions");
        assert_eq!(budget_words(0.999), "99% of the calls left");
        assert_eq!(budget_words(f64::NAN), "0% of the calls left");
    }

    #[test]
    fn lines_give_way_in_their_rank() {
        let theme = Theme::new(crate::theme::Surroundings::default());
        let moment = Moment {
            decisions: &[true],
            until: 400,
            ..Moment::default()
        };
        let drawn = |room| -> Vec<String> {
            lines(&timeline(), moment, (60, room), &theme)
                .iter()
                .map(|line| line.to_string()[..8].to_owned())
                .collect()
        };
        assert_eq!(drawn(9).len(), 5);
        assert_eq!(drawn(3), ["switch  ", "central ", "budget l"]);
        assert_eq!(drawn(1), ["switch  "]);
        assert_eq!(drawn(0).len(), 0);
    }
}
