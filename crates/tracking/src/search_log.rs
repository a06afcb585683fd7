//! The log of a search: what a budgeted tree search over a question did, step by step.
//!
//! A run of the job `search` keeps one file per question, `search/<question>.jsonl`,
//! with a typed event per line. `time` counts seconds since the search of the question
//! began.
//!
//! ```json
//! {"v":1,"time":0.0,"kind":"question","id":"q1","text":"Where was the maker of X born?","policy":"bavt","expected":["Graz"]}
//! {"v":1,"time":0.0,"kind":"budget","resource":"tokens","limit":2000}
//! {"v":1,"time":0.0,"kind":"node","id":0,"role":"root","text":"Where was ..."}
//! {"v":1,"time":0.4,"kind":"visit","id":0,"probability":1.0,"ratio":1.0}
//! {"v":1,"time":1.2,"kind":"node","id":1,"parent":0,"role":"tool","text":"search(\"maker of X\")"}
//! {"v":1,"time":1.2,"kind":"spend","resource":"tokens","amount":61,"node":1}
//! {"v":1,"time":1.5,"kind":"value","id":1,"value":0.4,"delta":3}
//! {"v":1,"time":2.0,"kind":"prune","id":2,"why":"no gain"}
//! {"v":1,"time":3.1,"kind":"answer","node":1,"text":"Graz","chosen":true,"correct":true}
//! {"v":1,"time":3.1,"kind":"end","why":"answer found"}
//! ```
//!
//! Readers leave a half-written last line for later, skip kinds and keys that they do
//! not know, and refuse what cannot be a tree: a node with an identity used before or
//! with a parent that does not exist (which also rules out cycles), a spend that is
//! negative or not a number. What they refuse is counted and told
//! ([`SearchLog::problems`]), never shown as data.

use serde::{Deserialize, Serialize};

use crate::event::encoding::{number, optional_number};

mod log;
mod outcome;
mod pairing;
mod reader;
mod replay;
mod rows;

pub use log::{Answer, Change, NodeInfo, Question, SearchLog};
pub use outcome::{Outcome, Outcomes, Spent};
pub use pairing::{Paired, Side, key, pair, pairs};
pub use reader::{SLICE, SearchReader, Slice, questions};
pub use replay::{Budget, Order, Replay};
pub use rows::Row;

/// Version of the lines of a search log.
pub const SEARCH_LOG_VERSION: u32 = 1;

/// What happened in a search. The JSON key `kind` names the variant in snake case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SearchEventKind {
    /// The question, before anything else.
    Question {
        /// Its identity in the data set.
        id: String,
        /// As asked.
        text: String,
        /// The search's selection rule (`bavt`, `greedy`, `parallel`).
        #[serde(default, skip_serializing_if = "String::is_empty")]
        policy: String,
        /// Answers that count as correct, where they are known.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        expected: Vec<String>,
    },
    /// What may be spent of a resource, for the whole question.
    Budget {
        /// `tokens`, `tool_calls`, `seconds` or another one.
        resource: String,
        /// The ceiling; `"inf"` for none.
        #[serde(with = "number")]
        limit: f64,
    },
    /// A node of the tree: one step of a path.
    Node {
        /// Its identity, unique in the file.
        id: u64,
        /// The node that it continues; none for a root.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<u64>,
        /// What kind of step: `root`, `thought`, `tool`, `answer`.
        #[serde(default)]
        role: String,
        /// The step's text, tool call and observation.
        #[serde(default)]
        text: String,
    },
    /// A node was valued, or valued anew.
    Value {
        /// The node.
        id: u64,
        /// Its value from now on.
        #[serde(with = "number")]
        value: f64,
        /// What the critic added to the parent's score.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "optional_number"
        )]
        delta: Option<f64>,
        /// Why, in the critic's words.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// A node was selected to be continued.
    Visit {
        /// The node.
        id: u64,
        /// Its probability of being selected.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "optional_number"
        )]
        probability: Option<f64>,
        /// The remaining share of the tightest budget.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "optional_number"
        )]
        ratio: Option<f64>,
    },
    /// Something was spent.
    Spend {
        /// Of which resource.
        resource: String,
        /// How much; never negative.
        #[serde(with = "number")]
        amount: f64,
        /// The node that it was spent for; none for the plan and the like.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<u64>,
    },
    /// A job cost more than it was allowed. What could not be paid was not charged.
    Violation {
        /// Of which resource.
        #[serde(default)]
        resource: String,
    },
    /// The plan that was made before anything else.
    Plan {
        /// As the policy put it.
        text: String,
    },
    /// A node will not be continued.
    Prune {
        /// The node.
        id: u64,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
    },
    /// A path ended in an answer.
    Answer {
        /// The answer.
        text: String,
        /// The node that gave it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<u64>,
        /// It is the answer of the search, not one of several found on the way.
        #[serde(default, skip_serializing_if = "is_false")]
        chosen: bool,
        /// It was forced because a budget ran out.
        #[serde(default, skip_serializing_if = "is_false")]
        backstop: bool,
        /// Whether it is correct, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        correct: Option<bool>,
        /// Token F1 against the best of the expected answers, 0 to 1, where it is known.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "optional_number"
        )]
        f1: Option<f64>,
    },
    /// The search is over.
    End {
        /// Why.
        #[serde(default)]
        why: String,
    },
    /// A kind that this version does not know.
    #[serde(other)]
    Unknown,
}

/// One line of a search log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchEvent {
    /// [`SEARCH_LOG_VERSION`] of the writer.
    #[serde(rename = "v", default)]
    pub version: u32,
    /// Seconds since the search of this question began.
    #[serde(default, with = "number")]
    pub time: f64,
    /// What happened.
    #[serde(flatten)]
    pub kind: SearchEventKind,
}

impl SearchEvent {
    /// The event as one line of JSON, without the line feed.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("events hold strings, numbers and switches only")
    }
}

/// Whether more was spent than allowed. Sums of fractions may miss the ceiling by their rounding.
fn exceeds(spent: f64, limit: f64) -> bool {
    spent > limit * (1.0 + 1e-9)
}

fn is_false(value: &bool) -> bool {
    !value
}
