//! `lookup`: the sentences of a titled document that have a word.

use std::sync::Arc;

use super::bm25::terms;
use super::collection::Collection;
use super::{Tool, ToolError, ToolReply};

/// Between title and word.
const BAR: char = '|';
/// Sentences of a reply, at most.
const MOST: usize = 3;

/// Looks into documents whose title is known: cheaper than a search.
pub struct Lookup {
    collection: Arc<Collection>,
    cost: u64,
}

impl Lookup {
    /// Looks into these.
    pub fn new(collection: Arc<Collection>, cost: u64) -> Self {
        Self { collection, cost }
    }
}

impl Tool for Lookup {
    fn name(&self) -> &str {
        "lookup"
    }

    fn purpose(&self) -> &str {
        "Gives the sentences of a document that have the wanted words, or its beginning."
    }

    fn input(&self) -> &str {
        "title | words, or a title alone"
    }

    fn cost(&self) -> u64 {
        self.cost
    }

    fn call(&self, input: &str) -> Result<ToolReply, ToolError> {
        let (title, words) = input.split_once(BAR).unwrap_or((input, ""));
        let passages = self.collection.titled(title);
        if passages.is_empty() {
            return Err(ToolError::input(
                title.trim(),
                "the title of a document",
                "search for it first",
            ));
        }
        let wanted: Vec<String> = terms(words).collect();
        let has = |sentence: &&str| {
            let said: Vec<String> = terms(sentence).collect();
            wanted.iter().all(|word| said.contains(word))
        };
        let sentences = passages.iter().flat_map(|passage| sentences(&passage.text));
        let found: Vec<&str> = sentences.filter(has).take(MOST).collect();
        if found.is_empty() {
            return Ok(ToolReply::new(format!("no sentence has: {}", words.trim())));
        }
        Ok(ToolReply::new(found.join("\n")))
    }
}

/// Sentences end with a full stop, a question mark or an exclamation mark before a space.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['.', '?', '!'])
        .scan(0, |end, piece| {
            *end += piece.len();
            Some((*end, piece.len()))
        })
        .scan(0, |begin, (end, _)| {
            let inside = text[end..]
                .chars()
                .next()
                .is_some_and(|next| !next.is_whitespace());
            if inside {
                return Some("");
            }
            let sentence = text[*begin..end].trim();
            *begin = end;
            Some(sentence)
        })
        .filter(|sentence| !sentence.is_empty())
}
