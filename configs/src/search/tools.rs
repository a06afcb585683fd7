//! `[tools]`: what the policy can call, and what a call costs.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// The tools and their limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolsConfig {
    /// Whether the documents can be searched.
    pub search: bool,
    /// Units of the tool budget that a search costs.
    pub search_cost: u64,
    /// Documents that a search gives back.
    pub search_results: usize,
    /// Whether a document can be looked up by its title.
    pub lookup: bool,
    /// Units of the tool budget that a lookup costs.
    pub lookup_cost: u64,
    /// Whether the policy can have sums worked out.
    pub calculator: bool,
    /// Units of the tool budget that a calculation costs.
    pub calculator_cost: u64,
    /// Address of a search service of your own, with {query} where the query goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_url: Option<String>,
    /// Units of the tool budget that a web search costs.
    pub web_cost: u64,
    /// Characters of a reply of a tool; the rest is cut.
    pub max_characters: usize,
    /// Seconds after which a call is given up.
    pub timeout_seconds: f64,
    /// Share of calls that are made to fail, for tests.
    pub failure_rate: f64,
    /// Whether a call made before is answered from memory; it costs the same.
    pub cache: bool,
}

impl Default for ToolsConfig {
    fn default() -> Self {
        Self {
            search: true,
            search_cost: 1,
            search_results: 3,
            lookup: false,
            lookup_cost: 1,
            calculator: false,
            calculator_cost: 1,
            web_url: None,
            web_cost: 1,
            max_characters: 1_500,
            timeout_seconds: 30.0,
            failure_rate: 0.0,
            cache: true,
        }
    }
}

impl ToolsConfig {
    /// The tools there are and what a call of each costs, in units of the tool budget.
    #[must_use]
    pub fn costs(&self) -> Vec<(&'static str, u64)> {
        [
            ("search", self.search, self.search_cost),
            ("lookup", self.lookup, self.lookup_cost),
            ("calculator", self.calculator, self.calculator_cost),
            ("web", self.web_url.is_some(), self.web_cost),
        ]
        .into_iter()
        .filter(|(_, there, _)| *there)
        .map(|(name, _, cost)| (name, cost))
        .collect()
    }

    /// What a call of the cheapest tool costs; none without tools.
    #[must_use]
    pub fn cheapest(&self) -> Option<u64> {
        self.costs().into_iter().map(|(_, cost)| cost).min()
    }

    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "tools.search",
            "Search",
            FieldKind::Boolean,
            "Whether the documents can be searched.",
        )
        .when("model.kind", &["local", "server"]),
        Field::new(
            "tools.search_cost",
            "Cost of a search",
            FieldKind::Integer {
                min: 0,
                max: 1_000_000,
            },
            "Units of the tool budget that a search costs.",
        )
        .unit("units")
        .advanced()
        .when("model.kind", &["local", "server"]),
        Field::new(
            "tools.search_results",
            "Results",
            FieldKind::Integer { min: 1, max: 100 },
            "Documents that a search gives back.",
        )
        .known_as(&["k", "top_k"])
        .when("model.kind", &["local", "server"]),
        Field::new(
            "tools.lookup",
            "Lookup",
            FieldKind::Boolean,
            "Whether a document can be looked up by its title.",
        )
        .when("model.kind", &["local", "server"]),
        Field::new(
            "tools.lookup_cost",
            "Cost of a lookup",
            FieldKind::Integer {
                min: 0,
                max: 1_000_000,
            },
            "Units of the tool budget that a lookup costs.",
        )
        .unit("units")
        .advanced()
        .when("model.kind", &["local", "server"]),
        Field::new(
            "tools.calculator",
            "Calculator",
            FieldKind::Boolean,
            "Whether the policy can have sums worked out.",
        )
        .when("model.kind", &["local", "server"]),
        Field::new(
            "tools.calculator_cost",
            "Cost of a calculation",
            FieldKind::Integer {
                min: 0,
                max: 1_000_000,
            },
            "Units of the tool budget that a calculation costs.",
        )
        .unit("units")
        .advanced()
        .when("model.kind", &["local", "server"]),
        Field::new(
            "tools.web_url",
            "Web search",
            FieldKind::Text,
            "Address of a search service of your own, with {query} where the query goes.",
        )
        .optional()
        .known_as(&["http_url"])
        .when("model.kind", &["local", "server"]),
        Field::new(
            "tools.web_cost",
            "Cost of a web search",
            FieldKind::Integer {
                min: 0,
                max: 1_000_000,
            },
            "Units of the tool budget that a web search costs.",
        )
        .unit("units")
        .advanced()
        .when("model.kind", &["local", "server"]),
        Field::new(
            "tools.max_characters",
            "Longest observation",
            FieldKind::Integer {
                min: 1,
                max: 10_000_000,
            },
            "Characters of a reply of a tool; the rest is cut.",
        )
        .unit("characters")
        .advanced()
        .when("model.kind", &["local", "server"]),
        Field::new(
            "tools.timeout_seconds",
            "Timeout",
            FieldKind::Number {
                min: 0.0,
                max: 86_400.0,
                min_excluded: true,
            },
            "Seconds after which a call is given up.",
        )
        .unit("seconds")
        .advanced()
        .when("model.kind", &["local", "server"]),
        Field::new(
            "tools.failure_rate",
            "Made-up failures",
            FieldKind::Number {
                min: 0.0,
                max: 1.0,
                min_excluded: false,
            },
            "Share of calls that are made to fail, for tests.",
        )
        .advanced()
        .when("model.kind", &["local", "server"]),
        Field::new(
            "tools.cache",
            "Cache",
            FieldKind::Boolean,
            "Whether a call made before is answered from memory; it costs the same.",
        )
        .advanced()
        .when("model.kind", &["local", "server"]),
    ];
}
