//! Documents that can be searched and looked up.

use std::collections::HashMap;

use super::bm25::Bm25;

/// A titled text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// What it is about.
    pub title: String,
    /// What it says.
    pub text: String,
}

impl Passage {
    /// Title and text; the text alone where it names the title itself.
    pub fn shown(&self) -> String {
        if self.title.is_empty() || self.text.contains(&self.title) {
            self.text.clone()
        } else {
            format!("{}: {}", self.title, self.text)
        }
    }
}

/// Passages with an index over titles and texts.
#[derive(Debug, Clone)]
pub struct Collection {
    passages: Vec<Passage>,
    index: Bm25,
    by_title: HashMap<String, Vec<usize>>,
}

impl Collection {
    /// These passages, in their order.
    pub fn new(passages: Vec<Passage>) -> Self {
        let shown: Vec<String> = passages.iter().map(Passage::shown).collect();
        let index = Bm25::new(shown.iter().map(String::as_str));
        let mut by_title: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, passage) in passages.iter().enumerate() {
            let titled = by_title.entry(passage.title.to_lowercase()).or_default();
            titled.push(number);
        }
        Self {
            passages,
            index,
            by_title,
        }
    }

    /// The passages, in their order.
    pub fn passages(&self) -> &[Passage] {
        &self.passages
    }

    /// The numbers of the `k` passages that fit a query best, best first; those without a word of it are never among
    /// them.
    pub fn search(&self, query: &str, k: usize) -> Vec<usize> {
        let hits = self.index.search(query, k);
        hits.iter().map(|hit| hit.document).collect()
    }

    /// The passages of a title, whatever its letters' case.
    pub fn titled(&self, title: &str) -> Vec<&Passage> {
        let numbers = self.by_title.get(&title.trim().to_lowercase());
        let numbers = numbers.map_or(&[][..], Vec::as_slice);
        numbers
            .iter()
            .map(|number| &self.passages[*number])
            .collect()
    }
}
