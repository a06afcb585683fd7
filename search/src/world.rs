//! A made-up world that is known exactly: entities, facts, documents and questions of several hops with their
//! evidence, so that accuracy, the cost of a perfect search and a critic's errors can be measured without a download.
//!
//! | module | what it holds |
//! |---|---|
//! | [`names`] | names of two words, which of them are held out |
//! | [`relations`] | the relations, their two words, their sentences, held-out compositions |
//! | [`graph`] | entities and facts of a seed |
//! | [`documents`] | one sentence per fact, and how each relates to a question |
//! | [`questions`] | bridges, comparisons, questions about a year; evidence and fewest calls |
//! | [`progress`] | which hops a search has resolved, what its last step was worth |
//! | [`traces`] | prompts and replies to train a searcher and critic on |
//! | [`audit`] | policy and critic of recorded searches held against the world |
//! | [`export`] | files to make a searcher from |
//! | [`vocabulary`] | the words of all that, as a tokenizer |
//!
//! The same settings give the same world on every machine.

pub mod audit;
pub mod documents;
pub mod export;
pub mod graph;
pub mod names;
pub mod progress;
pub mod questions;
pub mod random;
pub mod relations;
pub mod traces;
pub mod vocabulary;

use std::collections::HashMap;
use std::sync::Arc;

use documents::{Content, Document};
use graph::Graph;
use names::{Kind, Split};

use crate::tools::collection::{Collection, Passage};
use crate::tools::document_search::NOTHING;

/// What a world is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldSettings {
    /// Of everything random.
    pub seed: u64,
    /// Whose names.
    pub split: Split,
    /// Entities in all: 64 % people, 14 % films, 12 % cities, 8 % companies, 2 % countries.
    pub entities: usize,
}

impl WorldSettings {
    /// Those of a configuration.
    pub fn of(config: &configs::search::WorldConfig) -> Self {
        Self {
            seed: config.seed,
            split: match config.split {
                configs::search::Split::Train => Split::Train,
                configs::search::Split::Test => Split::HeldOut,
            },
            entities: config.entities,
        }
    }
}

impl Default for WorldSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            split: Split::HeldOut,
            entities: 1_500,
        }
    }
}

/// What can be wrong with a world's settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// There are not so many names.
    #[error(
        "a {} world of {entities} entities: {asked} of kind {kind:?} are needed, {names} names are there - \
         ask for fewer entities", split.name()
    )]
    TooManyEntities {
        /// Of which kind.
        kind: Kind,
        /// How many are needed.
        asked: usize,
        /// How many there are.
        names: usize,
        /// All entities asked for.
        entities: usize,
        /// Of which split.
        split: Split,
    },
    /// No question has so many hops.
    #[error(
        "questions of {min} to {max} hops - allowed are 2 to 4, the fewest first - widen the range"
    )]
    Hops {
        /// Fewest hops asked for.
        min: usize,
        /// Most hops asked for.
        max: usize,
    },
}

/// A graph with its documents and their index.
#[derive(Debug, Clone)]
pub struct World {
    /// What it was made from.
    pub settings: WorldSettings,
    /// Entities and facts.
    pub graph: Graph,
    /// What is written about them.
    pub documents: Vec<Document>,
    /// The documents in the same order, for tools.
    pub collection: Arc<Collection>,
    by_content: HashMap<Content, usize>,
}

impl World {
    /// The world of these settings.
    ///
    /// # Errors
    /// [`WorldError::TooManyEntities`].
    pub fn new(settings: WorldSettings) -> Result<Self, WorldError> {
        let graph = Graph::new(&settings)?;
        let documents = documents::documents(&graph, settings.seed);
        let passage = |document: &Document| Passage {
            title: document.title.clone(),
            text: document.text.clone(),
        };
        let collection = Collection::new(documents.iter().map(passage).collect());
        let contents = documents.iter().enumerate();
        let by_content = contents
            .map(|(index, document)| (document.content, index))
            .collect();
        Ok(Self {
            settings,
            graph,
            documents,
            collection: Arc::new(collection),
            by_content,
        })
    }

    /// The document that says this; none for a fact that is told nowhere.
    pub fn document_of(&self, content: Content) -> Option<&Document> {
        self.by_content
            .get(&content)
            .map(|index| &self.documents[*index])
    }

    /// What a search for `query` shows: the `k` best sentences, best first, as the tool gives them but for the ends of
    /// lines.
    pub fn observe(&self, query: &str, k: usize) -> String {
        let hits = self.collection.search(query, k);
        if hits.is_empty() {
            return NOTHING.to_owned();
        }
        let texts: Vec<&str> = hits
            .iter()
            .map(|hit| self.documents[*hit].text.as_str())
            .collect();
        texts.join(" ")
    }
}
