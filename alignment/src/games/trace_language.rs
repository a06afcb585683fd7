//! The language of toy B for arXiv 2510.05095, `x <think> r </think> y end` in 12 tokens: at most three
//! symbols of trace and one or two of answer, so that all traces and all answers can be listed.

use tch::{Device, Kind, Tensor};

use crate::AlignmentError;

/// Prompts, one token each.
pub const PROMPTS: usize = 3;
/// Tokens: the prompts, `<think>`, `</think>`, the end token, three symbols of traces, three of answers.
pub const VOCABULARY: usize = 12;
/// Symbols that traces are made of, and as many others for answers.
pub const SYMBOLS: usize = 3;
/// Most symbols of a trace; all shorter ones are possible too, down to the empty one.
pub const TRACE_LENGTH: usize = 3;
/// Traces: 1 + 3 + 9 + 27.
pub const TRACES: usize = 40;
/// Answers: 3 + 9.
pub const ANSWERS: usize = 12;

const OPEN: i64 = 3;
const CLOSE: i64 = 4;
const END: i64 = 5;
const TRACE_SYMBOLS: i64 = 6;
const ANSWER_SYMBOLS: i64 = 9;
/// Tokens of the longest text.
const LENGTH: usize = 9;

/// One text and what of it is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Prompt, below [`PROMPTS`].
    pub prompt: usize,
    /// Trace, below [`TRACES`]; 0 is the empty one.
    pub trace: usize,
    /// Answer, below [`ANSWERS`].
    pub answer: usize,
    /// Whether the trace is the policy's own: then it is scored with its closing token. Otherwise it
    /// belongs to the prompt, and the answer alone is.
    pub trace_scored: bool,
}

/// The symbols of number `place` when all strings of at least `shortest` symbols are listed by length.
fn symbols(mut place: usize, shortest: usize) -> Vec<i64> {
    let mut length = shortest;
    let mut count = SYMBOLS.pow(length as u32);
    while place >= count {
        place -= count;
        length += 1;
        count *= SYMBOLS;
    }
    let mut found = vec![0; length];
    for symbol in found.iter_mut().rev() {
        *symbol = (place % SYMBOLS) as i64;
        place /= SYMBOLS;
    }
    found
}

/// Tokens of a response with this trace and answer: what the policy writes after `<think>`.
pub fn response_tokens(trace: usize, answer: usize) -> usize {
    symbols(trace, 0).len() + 1 + answer_tokens(answer)
}

/// Tokens of an answer with its end token.
pub fn answer_tokens(answer: usize) -> usize {
    symbols(answer, 1).len() + 1
}

/// Texts as tensors, padded at the right; causal attention keeps the padding out.
#[derive(Debug)]
pub struct Texts {
    /// Tokens that are read, one-hot, `[texts, tokens, vocabulary]`, f64.
    pub(super) read: Tensor,
    /// The token that follows each, `[texts, tokens, 1]`.
    pub(super) next: Tensor,
    /// Tokens that may not follow, `[texts, tokens, vocabulary]`, bool.
    pub(super) forbidden: Tensor,
    /// Where the next token is not scored, `[texts, tokens]`, bool.
    pub(super) unscored: Tensor,
}

impl Texts {
    /// These texts as tensors.
    ///
    /// # Errors
    /// LibTorch.
    pub fn new(texts: &[Text]) -> Result<Self, AlignmentError> {
        let (mut read, mut next) = (Vec::new(), Vec::new());
        let (mut forbidden, mut unscored) = (Vec::new(), Vec::new());
        for text in texts {
            let tokens = tokens(text);
            for place in 0..LENGTH - 1 {
                let here = tokens.get(place).map_or(END, |token| token.0);
                read.push(here);
                let end = (END, [true; VOCABULARY], false);
                let (token, allowed, scored) = tokens.get(place + 1).copied().unwrap_or(end);
                next.push(token);
                forbidden.extend(allowed.map(|allowed| !allowed));
                unscored.push(!scored);
            }
        }
        let shape = [texts.len() as i64, LENGTH as i64 - 1];
        let wide = [shape[0], shape[1], VOCABULARY as i64];
        let read = Tensor::f_from_slice(&read)?.f_view(shape.as_slice())?;
        let read = read.f_one_hot(VOCABULARY as i64)?;
        Ok(Self {
            read: read.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?,
            next: Tensor::f_from_slice(&next)?.f_view([shape[0], shape[1], 1].as_slice())?,
            forbidden: Tensor::f_from_slice(&forbidden)?.f_view(wide.as_slice())?,
            unscored: Tensor::f_from_slice(&unscored)?.f_view(shape.as_slice())?,
        })
    }
}

/// Each token, which tokens were possible in its place, and whether it is scored.
fn tokens(text: &Text) -> Vec<(i64, [bool; VOCABULARY], bool)> {
    let any = [true; VOCABULARY];
    let mut tokens = vec![(text.prompt as i64, any, false), (OPEN, any, false)];
    let allowed = |first: i64, and: Option<i64>, symbols: bool| {
        let mut allowed = [false; VOCABULARY];
        for (token, allowed) in (0..).zip(&mut allowed) {
            *allowed =
                symbols && (first..first + SYMBOLS as i64).contains(&token) || Some(token) == and;
        }
        allowed
    };
    let trace = symbols(text.trace, 0);
    let further = allowed(TRACE_SYMBOLS, Some(CLOSE), true);
    for symbol in &trace {
        tokens.push((TRACE_SYMBOLS + symbol, further, text.trace_scored));
    }
    let closing = allowed(TRACE_SYMBOLS, Some(CLOSE), trace.len() < TRACE_LENGTH);
    tokens.push((CLOSE, closing, text.trace_scored));
    let answer = symbols(text.answer, 1);
    for (place, symbol) in answer.iter().enumerate() {
        let end = (place > 0).then_some(END);
        let here = allowed(ANSWER_SYMBOLS, end, true);
        tokens.push((ANSWER_SYMBOLS + symbol, here, true));
    }
    tokens.push((
        END,
        allowed(ANSWER_SYMBOLS, Some(END), answer.len() < 2),
        true,
    ));
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_strings_are_listed_once() {
        let traces: Vec<_> = (0..TRACES).map(|place| symbols(place, 0)).collect();
        assert_eq!(traces[0], Vec::<i64>::new());
        assert_eq!(traces[3], [2]);
        assert_eq!(traces[4], [0, 0]);
        assert_eq!(traces[TRACES - 1], [2, 2, 2]);
        let mut sorted = traces.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), TRACES);
        let answers: Vec<_> = (0..ANSWERS).map(|place| symbols(place, 1)).collect();
        assert_eq!(answers[0], [0]);
        assert_eq!(answers[ANSWERS - 1], [2, 2]);
        assert_eq!(response_tokens(TRACES - 1, ANSWERS - 1), 7);
        assert_eq!(response_tokens(0, 0), 3);
    }
}
