//! Okapi BM25 over a collection of documents.
//!
//! For a query `q` and a document `d`, summed over the distinct terms of the query,
//! `idf(t) * f(t,d) * (k1 + 1) / (f(t,d) + k1 * (1 - b + b * |d| / mean |d|))`, with
//! `idf(t) = ln(1 + (N - n(t) + 0.5) / (n(t) + 0.5))` (Robertson and Zaragoza, 2009, with the 1 inside the logarithm
//! that Lucene adds, so that no term counts against a document).

use std::collections::HashMap;

/// How soon a repeated term stops counting. This and the next are what is usual for short passages.
const K1: f64 = 0.9;
/// How much long documents are held back.
const B: f64 = 0.4;

/// A document that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Its position in the collection.
    pub document: usize,
    /// Its score, above zero.
    pub score: f64,
}

/// An inverted index.
#[derive(Debug, Clone, Default)]
pub struct Bm25 {
    /// Of each term the documents that have it, ascending, and how often.
    postings: HashMap<String, Vec<(u32, u32)>>,
    /// Terms of each document.
    lengths: Vec<u32>,
    mean_length: f64,
}

impl Bm25 {
    /// Reads a collection. Terms are runs of letters and digits in lower case.
    pub fn new<'a>(documents: impl IntoIterator<Item = &'a str>) -> Self {
        let mut index = Self::default();
        for text in documents {
            // Collections have fewer than 2^32 documents and terms.
            let document = index.lengths.len() as u32;
            let mut length = 0;
            for term in terms(text) {
                length += 1;
                let list = index.postings.entry(term).or_default();
                match list.last_mut() {
                    Some((last, count)) if *last == document => *count += 1,
                    _ => list.push((document, 1)),
                }
            }
            index.lengths.push(length);
        }
        let total: f64 = index.lengths.iter().copied().map(f64::from).sum();
        index.mean_length = total / index.lengths.len().max(1) as f64;
        index
    }

    /// Documents of the collection.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether the collection has no document.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// The `k` documents of the highest scores, best first, earlier ones first among equals. Documents without a term
    /// of the query are never among them.
    pub fn search(&self, query: &str, k: usize) -> Vec<Hit> {
        let mut wanted: Vec<String> = Vec::new();
        for term in terms(query) {
            if !wanted.contains(&term) {
                wanted.push(term);
            }
        }
        let mut scores: HashMap<u32, f64> = HashMap::new();
        for term in &wanted {
            let Some(list) = self.postings.get(term) else {
                continue;
            };
            let idf = self.idf(list.len());
            for (document, count) in list {
                let length = f64::from(self.lengths[*document as usize]) / self.mean_length;
                let count = f64::from(*count);
                let weight = count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length));
                *scores.entry(*document).or_default() += idf * weight;
            }
        }
        let mut hits: Vec<Hit> = scores
            .into_iter()
            .map(|(document, score)| Hit {
                document: document as usize,
                score,
            })
            .collect();
        let order = |one: &Hit, two: &Hit| {
            two.score
                .total_cmp(&one.score)
                .then(one.document.cmp(&two.document))
        };
        if k < hits.len() && k > 0 {
            hits.select_nth_unstable_by(k - 1, order);
        }
        hits.truncate(k);
        hits.sort_by(order);
        hits
    }

    fn idf(&self, documents: usize) -> f64 {
        let (all, with) = (self.lengths.len() as f64, documents as f64);
        (1.0 + (all - with + 0.5) / (with + 0.5)).ln()
    }
}

/// The terms of a text.
pub fn terms(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|sign: char| !sign.is_alphanumeric())
        .filter(|term| !term.is_empty())
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collection() -> Bm25 {
        Bm25::new(["red fox", "red red dog barks", "blue bird"])
    }

    #[test]
    fn scores_are_those_computed_by_hand() {
        // Three documents of 2, 4 and 2 terms, mean 8/3. "red" is in two: idf = ln(1 + 1.5/2.5) = 0.470003629.
        let hits = collection().search("Red", 3);
        // "red fox": 1.9 / (1 + 0.9 (0.6 + 0.4 * 0.75)) = 1.9 / 1.81 = 1.049723757, times idf.
        // "red red dog barks": 2 * 1.9 / (2 + 0.9 (0.6 + 0.4 * 1.5)) = 3.8 / 3.08 = 1.233766234, times idf.
        let found: Vec<(usize, f64)> = hits.iter().map(|hit| (hit.document, hit.score)).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].0, found[1].0), (1, 0));
        assert!((found[0].1 - 0.579_874_608).abs() < 1e-9, "{found:?}");
        assert!((found[1].1 - 0.493_373_975).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_rare_term_counts_more_and_terms_add_up() {
        let index = collection();
        // "fox" is in one: idf = ln(1 + 2.5/1.5) = 0.980829253, times 1.049723757.
        let fox = index.search("fox", 1)[0].score;
        assert!((fox - 1.029_599_768).abs() < 1e-9, "{fox}");
        let both = index.search("red, red FOX!", 1)[0].score;
        assert!((both - fox - 0.493_373_975).abs() < 1e-9, "{both}");
    }

    #[test]
    fn equals_keep_their_order_and_strangers_are_not_found() {
        let index = Bm25::new(["a b", "b a", "c"]);
        let order: Vec<usize> = index
            .search("a b", 9)
            .iter()
            .map(|hit| hit.document)
            .collect();
        assert_eq!(order, [0, 1]);
        assert!(index.search("z", 3).is_empty());
        assert!(index.search("", 3).is_empty());
        assert!(index.search("a", 0).is_empty());
        assert!(Bm25::new([]).search("a", 3).is_empty());
    }
}
