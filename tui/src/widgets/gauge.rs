//! Shares as bars with their number: never above full, never by colour alone.

use ratatui::text::{Line, Span};

use crate::figures::gauge_ratio;
use crate::theme::{Role, Theme};

/// A bar of a width in cells; what is not a number is drawn as nothing.
#[must_use]
pub fn bar(share: f64, width: usize, unicode: bool) -> String {
    let share = gauge_ratio(share);
    let full = (share * width as f64).round() as usize;
    // Something is never drawn as nothing, and less than all never as all.
    let full = match full {
        0 if share > 0.0 => 1.min(width),
        all if all == width && share < 1.0 => width.saturating_sub(1),
        other => other,
    };
    let (filled, empty) = if unicode { ("█", "░") } else { ("#", ".") };
    format!("{}{}", filled.repeat(full), empty.repeat(width - full))
}

/// A line of a name, a bar and words.
#[must_use]
pub fn line<'a>(
    (name, name_width): (&str, usize),
    share: f64,
    role: Role,
    words: &str,
    width: usize,
    theme: &Theme,
) -> Line<'a> {
    let name = crate::view::fit(name, name_width.min(width), theme.unicode());
    let left = width.saturating_sub(name_width + 2);
    let words_width = Span::raw(words).width().min(left);
    let bar_width = left.saturating_sub(words_width + 1).min(30);
    let mut spans = vec![Span::styled(name, theme.style(Role::Muted)), Span::raw(" ")];
    if bar_width >= 4 {
        spans.push(Span::styled(
            bar(share, bar_width, theme.unicode()),
            theme.style(role),
        ));
        spans.push(Span::raw(" "));
    }
    let words = crate::view::fit(words, words_width, theme.unicode());
    spans.push(Span::styled(words, theme.style(Role::Text)));
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_clamped_and_honest_at_their_ends() {
        let drawn = |share| bar(share, 4, true);
        assert_eq!(drawn(0.0), "░░░░");
        assert_eq!(drawn(0.001), "█░░░");
        assert_eq!(drawn(0.5), "██░░");
        assert_eq!(drawn(0.999), "███░");
        assert_eq!(drawn(7.0), "████");
        assert_eq!(drawn(f64::NAN), "░░░░");
        assert_eq!(bar(0.5, 0, false), "");
        assert_eq!(bar(0.5, 2, false), "#.");
    }
}
