//! `search`: the documents that fit a query best.

use std::sync::Arc;

use super::collection::Collection;
use super::{Tool, ToolError, ToolReply};

/// What is said when no document has a word of the query.
pub const NOTHING: &str = "nothing found";

/// BM25 over a collection.
pub struct DocumentSearch {
    collection: Arc<Collection>,
    results: usize,
    cost: u64,
}

impl DocumentSearch {
    /// A search that shows the `results` best passages, a line each.
    pub fn new(collection: Arc<Collection>, results: usize, cost: u64) -> Self {
        Self {
            collection,
            results,
            cost,
        }
    }
}

impl Tool for DocumentSearch {
    fn name(&self) -> &str {
        "search"
    }

    fn purpose(&self) -> &str {
        "Finds the passages of the documents that share most words with a query."
    }

    fn input(&self) -> &str {
        "a few words"
    }

    fn cost(&self) -> u64 {
        self.cost
    }

    fn call(&self, input: &str) -> Result<ToolReply, ToolError> {
        if !input.contains(char::is_alphanumeric) {
            return Err(ToolError::input(input, "words", "name what is looked for"));
        }
        let found = self.collection.search(input, self.results);
        if found.is_empty() {
            return Ok(ToolReply::new(NOTHING));
        }
        let passages = self.collection.passages();
        let lines: Vec<String> = found
            .into_iter()
            .map(|number| passages[number].shown())
            .collect();
        Ok(ToolReply::new(lines.join("\n")))
    }
}
