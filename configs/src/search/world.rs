//! `[world]`: a made-up world with documents and questions about it.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// A graph of entities, written out as documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldConfig {
    /// Seed that the world is made from.
    pub seed: u64,
    /// Entities of the graph.
    pub entities: usize,
    /// Fewest facts that a question needs.
    pub min_hops: usize,
    /// Most facts that a question needs.
    pub max_hops: usize,
    /// Share of questions that have no answer.
    pub unanswerable: f64,
    /// Which entities and kinds of question: those of training, or those held out.
    pub split: Split,
}

/// Which part of the world is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// What the small searcher is trained on.
    Train,
    /// What it has never seen.
    #[default]
    Test,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            entities: 1_500,
            min_hops: 2,
            max_hops: 4,
            unanswerable: 0.05,
            split: Split::Test,
        }
    }
}

impl WorldConfig {
    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "world.seed",
            "World seed",
            FieldKind::Integer {
                min: 0,
                max: i64::MAX,
            },
            "Seed that the world is made from.",
        )
        .when("questions.kind", &["world", "text"]),
        Field::new(
            "world.entities",
            "Entities",
            FieldKind::Integer {
                min: 50,
                max: 100_000,
            },
            "Entities of the graph.",
        )
        .when("questions.kind", &["world", "text"]),
        Field::new(
            "world.min_hops",
            "Fewest hops",
            FieldKind::Integer { min: 1, max: 8 },
            "Fewest facts that a question needs.",
        )
        .when("questions.kind", &["world"]),
        Field::new(
            "world.max_hops",
            "Most hops",
            FieldKind::Integer { min: 1, max: 8 },
            "Most facts that a question needs.",
        )
        .when("questions.kind", &["world"]),
        Field::new(
            "world.unanswerable",
            "Unanswerable",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Share of questions that have no answer.",
        )
        .advanced()
        .when("questions.kind", &["world"]),
        Field::new(
            "world.split",
            "Split",
            FieldKind::Choice {
                values: &["train", "test"],
            },
            "Which entities and kinds of question: those of training, or those held out.",
        )
        .when("questions.kind", &["world", "text"]),
    ];
}
