//! A growing text in rows of a width: what is wrapped once stays, only the last row is made again.

use std::ops::Range;

use super::prose;

/// Wraps a part of a text, as byte ranges. `rows` holds the rows of an earlier, shorter state of the
/// part; rows but the last one are kept. A part of no text is one empty row.
pub fn extend(text: &str, part: Range<usize>, width: usize, rows: &mut Vec<Range<usize>>) {
    let mut start = rows.pop().map_or(part.start, |last| last.start);
    loop {
        let rest = &text[start..part.end];
        let line_end = rest.find('\n');
        let line = &rest[..line_end.unwrap_or(rest.len())];
        wrap(line, start, width, rows);
        match line_end {
            Some(at) => start += at + 1,
            None => return,
        }
    }
}

fn wrap(line: &str, start: usize, width: usize, rows: &mut Vec<Range<usize>>) {
    let mut at = 0;
    loop {
        let rest = &line[at..];
        match prose::break_off(rest, width) {
            None => {
                rows.push(start + at..start + line.len());
                return;
            }
            Some((end, next)) => {
                if end > 0 {
                    rows.push(start + at..start + at + end);
                }
                at += next;
                if at == line.len() && end > 0 {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(text: &str, width: usize) -> Vec<Range<usize>> {
        let mut rows = Vec::new();
        extend(text, 0..text.len(), width, &mut rows);
        rows
    }

    #[test]
    fn rows_are_those_of_prose() {
        for text in [
            "the quick  brown fox",
            "abcdefghij k",
            "日本語 テキスト",
            "a\n\nb",
            "",
            "end\n",
            "trailing   ",
        ] {
            for width in 2..12 {
                let rows: Vec<String> = whole(text, width)
                    .into_iter()
                    .map(|row| text[row].trim_end().to_owned())
                    .collect();
                let known: Vec<String> = prose::lines(text, width, true, 100)
                    .into_iter()
                    .map(|line| line.trim_end().to_owned())
                    .collect();
                assert_eq!(rows, known, "{text:?} at {width}");
            }
        }
    }

    proptest! {
        #[test]
        fn growing_piece_by_piece_gives_the_same_rows(
            pieces in prop::collection::vec("[ab日 \n]{0,5}", 0..30),
            width in 1_usize..14,
        ) {
            let (mut text, mut rows) = (String::new(), Vec::new());
            for piece in &pieces {
                text.push_str(piece);
                extend(&text, 0..text.len(), width, &mut rows);
            }
            let whole = if pieces.is_empty() { Vec::new() } else { whole(&text, width) };
            prop_assert_eq!(rows, whole);
        }
    }
}
