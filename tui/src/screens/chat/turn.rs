//! A turn of the conversation: its text, its tokens, and its rows at a width.

use std::ops::Range;

use super::protocol::{Alternative, Done, Token};
use crate::figures::printable;
use crate::widgets::rows;

const BEGIN: &str = "<think>";
const END: &str = "</think>";
/// A tabulator.
const TAB: &str = "    ";

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The user.
    User,
    /// The model.
    Model,
    /// The worker, beside the conversation.
    Note,
    /// The worker, about something that failed.
    Failure,
}

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Where its text begins in the turn's.
    pub start: usize,
    /// Its id.
    pub id: u32,
    /// Its log-probability, where it is finite.
    pub log_probability: Option<f64>,
    /// The likeliest tokens of its step.
    pub alternatives: Vec<Alternative>,
}

/// A part of a turn: thinking, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Whether the model thinks.
    pub thinking: bool,
    /// Its rows, bytes of the text.
    pub rows: Vec<Range<usize>>,
}

/// A turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Who says it.
    pub who: Who,
    /// What was said, as it came.
    pub raw: String,
    /// The same, safe to draw.
    pub text: String,
    /// Its tokens; only of answers.
    pub tokens: Vec<Kept>,
    /// What is known of it since it is complete.
    pub done: Option<Done>,
    /// Its parts.
    pub sections: Vec<Section>,
    /// The width of their rows, in cells.
    width: usize,
    /// Up to here tags were looked for.
    scanned: usize,
    /// Sum and count of finite log-probabilities.
    sum: (f64, usize),
}

impl Turn {
    /// A turn whose text is known.
    #[must_use]
    pub fn new(who: Who, text: &str, width: usize) -> Self {
        let mut turn = Turn {
            who,
            raw: String::new(),
            text: String::new(),
            tokens: Vec::new(),
            done: None,
            sections: Vec::new(),
            width: width.max(1),
            scanned: 0,
            sum: (0.0, 0),
        };
        turn.append(text);
        turn
    }

    /// The template opened its thinking: it begins within.
    pub fn begin_thinking(&mut self) {
        if let Some(first) = self.sections.first_mut() {
            first.thinking = true;
        }
    }

    /// Takes a token of the answer.
    pub fn push(&mut self, token: Token) {
        self.tokens.push(Kept {
            start: self.text.len(),
            id: token.id,
            log_probability: token.log_probability.filter(|value| value.is_finite()),
            alternatives: token.alternatives,
        });
        if let Some(value) = self.tokens.last().and_then(|token| token.log_probability) {
            self.sum = (self.sum.0 + value, self.sum.1 + 1);
        }
        self.append(&token.text);
    }

    /// Takes text that belongs to no token.
    pub fn append(&mut self, text: &str) {
        self.raw.push_str(text);
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                self.text.push('\n');
            }
            self.text.push_str(&printable(&line.replace('\t', TAB)));
        }
        self.flow();
    }

    /// Puts the rows into another width.
    pub fn resize(&mut self, width: usize) {
        let width = width.max(1);
        if width != self.width {
            self.width = width;
            for section in &mut self.sections {
                section.rows.clear();
                rows::extend(&self.text, section.range.clone(), width, &mut section.rows);
            }
        }
    }

    /// Cells of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The mean log-probability of its tokens.
    #[must_use]
    pub fn mean_log_probability(&self) -> Option<f64> {
        (self.sum.1 > 0).then(|| self.sum.0 / self.sum.1 as f64)
    }

    /// The text of a token.
    #[must_use]
    pub fn token_range(&self, index: usize) -> Range<usize> {
        let start = self.tokens.get(index).map_or(0, |token| token.start);
        let end = self.tokens.get(index + 1).map(|token| token.start);
        start..end.unwrap_or(self.text.len())
    }

    /// The token to which a byte of the text belongs.
    #[must_use]
    pub fn token_at(&self, byte: usize) -> Option<usize> {
        let behind = self.tokens.partition_point(|token| token.start <= byte);
        behind.checked_sub(1)
    }

    /// Rows on the screen: those of its sections, a folded one is one row.
    #[must_use]
    pub fn height(&self, folded: bool) -> usize {
        let rows = |section: &Section| {
            if section.thinking && folded {
                1
            } else {
                section.rows.len()
            }
        };
        self.sections.iter().map(rows).sum()
    }

    /// The row of a byte of the text.
    #[must_use]
    pub fn row_of(&self, byte: usize, folded: bool) -> usize {
        let mut before = 0;
        for section in &self.sections {
            let is_folded = section.thinking && folded;
            if byte < section.range.end || section.range.end == self.text.len() {
                if is_folded {
                    return before;
                }
                let behind = section.rows.partition_point(|row| row.start <= byte);
                return before + behind.saturating_sub(1);
            }
            before += if is_folded { 1 } else { section.rows.len() };
        }
        before
    }

    /// What a row shows: the section, and the bytes of the text; none for a folded section.
    #[must_use]
    pub fn row(&self, mut index: usize, folded: bool) -> Option<(&Section, Option<Range<usize>>)> {
        for section in &self.sections {
            let is_folded = section.thinking && folded;
            let count = if is_folded { 1 } else { section.rows.len() };
            if index < count {
                let row = (!is_folded).then(|| section.rows[index].clone());
                return Some((section, row));
            }
            index -= count;
        }
        None
    }

    fn flow(&mut self) {
        let is_new = self.sections.is_empty();
        if is_new {
            self.sections.push(Section {
                range: 0..0,
                thinking: false,
                rows: Vec::new(),
            });
        }
        if self.who == Who::Model {
            self.scan();
        }
        let end = self.text.len();
        if let Some(last) = self.sections.last_mut() {
            last.range.end = end;
            rows::extend(&self.text, last.range.clone(), self.width, &mut last.rows);
        }
    }

    /// Finds the tags of thinking in what is new, and cuts there.
    fn scan(&mut self) {
        loop {
            let rest = &self.text[self.scanned..];
            let open = self.sections.last().is_some_and(|last| last.thinking);
            let begin = rest.find(BEGIN).filter(|_| !open);
            let end = rest.find(END);
            match (begin, end) {
                (Some(at), end) if end.is_none_or(|end| at < end) => {
                    let start = self.scanned + at;
                    self.cut(start, true);
                    self.scanned = start + BEGIN.len();
                }
                (_, Some(at)) => {
                    // One that was not opened here was opened by the template.
                    if let Some(last) = self.sections.last_mut() {
                        last.thinking = true;
                    }
                    let start = self.scanned + at + END.len();
                    self.cut(start, false);
                    self.scanned = start;
                }
                _ => {
                    // A tag may be half here.
                    let mut from = self.text.len().saturating_sub(END.len() - 1);
                    while !self.text.is_char_boundary(from) {
                        from -= 1;
                    }
                    self.scanned = self.scanned.max(from);
                    return;
                }
            }
        }
    }

    fn cut(&mut self, at: usize, thinking: bool) {
        if let Some(last) = self.sections.last_mut() {
            last.range.end = at;
            last.rows.clear();
            if last.range.is_empty() {
                self.sections.pop();
            } else {
                rows::extend(&self.text, last.range.clone(), self.width, &mut last.rows);
            }
        }
        self.sections.push(Section {
            range: at..at,
            thinking,
            rows: Vec::new(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, log_probability: f64) -> Token {
        Token {
            text: text.to_owned(),
            log_probability: Some(log_probability),
            ..Token::default()
        }
    }

    fn told(pieces: &[&str]) -> Turn {
        let mut turn = Turn::new(Who::Model, "", 10);
        for piece in pieces {
            turn.push(token(piece, -0.5));
        }
        turn
    }

    fn shape(turn: &Turn) -> Vec<(&str, bool)> {
        let sections = turn.sections.iter();
        sections
            .map(|section| (&turn.text[section.range.clone()], section.thinking))
            .collect()
    }

    #[test]
    fn thinking_is_found_across_tokens_and_without_its_beginning() {
        let turn = told(&["<th", "ink>so", " it", " is</thi", "nk>", "\nyes"]);
        assert_eq!(
            shape(&turn),
            [("<think>so it is</think>", true), ("\nyes", false)]
        );
        assert_eq!(turn.height(true), 3);
        assert_eq!(turn.height(false), 5);
        let opened_before = told(&["hm ", "</think>", "no"]);
        assert_eq!(
            shape(&opened_before),
            [("hm </think>", true), ("no", false)]
        );
        let twice = told(&["a<think>b</think>c<think>d"]);
        assert_eq!(
            shape(&twice),
            [
                ("a", false),
                ("<think>b</think>", true),
                ("c", false),
                ("<think>d", true)
            ]
        );
        assert_eq!(shape(&told(&["日<本", "語"])), [("日<本語", false)]);
    }

    #[test]
    fn rows_tokens_and_bytes_lead_to_each_other() {
        let turn = told(&["Hello", "", " wide", " world", "\n", "end"]);
        assert_eq!(turn.height(false), 3);
        assert_eq!(turn.row(1, false).and_then(|row| row.1), Some(11..16));
        assert_eq!(turn.token_range(3), 10..16);
        assert_eq!(turn.token_at(12), Some(3));
        assert_eq!(turn.token_at(5), Some(2), "an empty token holds no byte");
        assert_eq!(turn.row_of(12, false), 1);
        assert_eq!(turn.row_of(17, false), 2);
        assert_eq!(turn.row(3, false), None);
        let mut narrow = turn.clone();
        narrow.resize(4);
        assert_eq!(narrow.height(false), 6);
        narrow.resize(10);
        assert_eq!(narrow, turn);
    }

    #[test]
    fn the_mean_leaves_out_what_is_not_finite() {
        let mut turn = Turn::new(Who::Model, "", 10);
        assert_eq!(turn.mean_log_probability(), None);
        turn.push(token("a", -1.0));
        turn.push(token("b", f64::NEG_INFINITY));
        turn.push(token("\u{1b}[2Jc\td", -2.0));
        assert_eq!(turn.mean_log_probability(), Some(-1.5));
        assert_eq!(turn.text, "ab[2Jc    d");
        assert_eq!(turn.raw, "ab\u{1b}[2Jc\td");
    }
}
