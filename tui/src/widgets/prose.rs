//! Text that others wrote, in lines of a width: printable, wrapped between words.

use ratatui::text::Span;

use crate::figures::printable;

/// A tabulator is this wide at most.
const TAB: usize = 4;

/// The first `most` lines of a text at a width in terminal cells. Unless `wrapped`, a
/// longer line is cut. Escape sequences and other controls do not come through.
#[must_use]
pub fn lines(text: &str, width: usize, wrapped: bool, most: usize) -> Vec<String> {
    let mut out = Vec::new();
    if width == 0 {
        return out;
    }
    for line in text.split('\n') {
        if out.len() >= most {
            break;
        }
        // No more of an endless line is looked at than can be shown.
        let budget = width.saturating_mul(if wrapped { most - out.len() } else { 1 });
        let line: String = line
            .chars()
            .take(budget.saturating_mul(4).saturating_add(64))
            .collect();
        let clean = clean(&line);
        if wrapped {
            wrap(&clean, width, most, &mut out);
        } else {
            out.push(cut(&clean, width).to_owned());
        }
    }
    out
}

/// Printable, with tabulators as spaces up to the next stop.
fn clean(line: &str) -> String {
    if !line.contains('\t') {
        return printable(line);
    }
    let mut out = String::new();
    for (index, part) in line.split('\t').enumerate() {
        if index > 0 {
            out.push_str(&" ".repeat(TAB - cells(&out) % TAB));
        }
        out.push_str(&printable(part));
    }
    out
}

fn wrap(line: &str, width: usize, most: usize, out: &mut Vec<String>) {
    let mut rest = line;
    loop {
        if out.len() >= most {
            return;
        }
        let Some((end, next)) = break_off(rest, width) else {
            out.push(rest.to_owned());
            return;
        };
        if end > 0 {
            out.push(rest[..end].trim_end().to_owned());
        }
        rest = &rest[next..];
        if rest.is_empty() && end > 0 {
            return;
        }
    }
}

/// Where the first row of a line ends, and where the next one begins; none where the line fits. A
/// character that does not fit at all is passed over: the row ends at 0.
pub(crate) fn break_off(line: &str, width: usize) -> Option<(usize, usize)> {
    let head = cut(line, width);
    if head.len() == line.len() {
        return None;
    }
    // Between words where there is a gap, within one where it is too long.
    let gap = head.rfind(' ').filter(|at| *at > 0);
    let end = if line[head.len()..].starts_with(' ') {
        head.len()
    } else {
        gap.unwrap_or(head.len())
    };
    if end == 0 {
        return Some((0, line.chars().next().map_or(1, char::len_utf8)));
    }
    let next = line.len() - line[end..].trim_start_matches(' ').len();
    Some((end, next))
}

/// The beginning of a line that fits into a width.
pub(crate) fn cut(line: &str, width: usize) -> &str {
    let mut used = 0;
    for (at, character) in line.char_indices() {
        let mut buffer = [0; 4];
        used += cells(character.encode_utf8(&mut buffer));
        if used > width {
            return &line[..at];
        }
    }
    line
}

/// The width of a text in terminal cells.
pub(crate) fn cells(text: &str) -> usize {
    Span::raw(text).width()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_within_long_ones() {
        let wrapped = |text, width| lines(text, width, true, 100);
        assert_eq!(
            wrapped("the quick  brown fox", 10),
            ["the quick", "brown fox"]
        );
        assert_eq!(wrapped("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrapped("日本語 テキスト", 6), ["日本語", "テキス", "ト"]);
        assert_eq!(wrapped("a\n\nb", 5), ["a", "", "b"]);
        assert_eq!(wrapped("日", 1), [""; 1]);
        assert_eq!(lines("one two", 5, false, 9), ["one t"]);
        assert_eq!(lines("a b c d", 1, true, 2), ["a", "b"]);
    }

    #[test]
    fn nothing_dangerous_comes_through_and_tabs_are_spread() {
        let text = "\u{1b}[2J\u{1b}]52;c;aGk=\u{7}a\tb\u{202e}c\r\nd";
        assert_eq!(lines(text, 40, true, 9), ["[2J]52;c;aGk=a  bc", "d"]);
        assert_eq!(lines("\tx", 9, true, 9), ["    x"]);
    }

    #[test]
    fn an_endless_line_costs_no_more_than_what_is_shown() {
        let text = "x".repeat(50_000_000);
        let start = std::time::Instant::now();
        assert_eq!(lines(&text, 80, true, 10).len(), 10);
        assert!(start.elapsed().as_secs_f64() < 0.2);
    }
}
