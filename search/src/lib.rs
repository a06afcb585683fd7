//! Budget-aware value tree search (BAVT, arXiv 2603.12634).
//!
//! | module | what it holds |
//! |---|---|
//! | [`resource`] | what a search may spend: tokens, tool calls, model calls, time, money |
//! | [`ledger`] | budgets that are never overspent: reserve, commit, refund |
//! | [`job`] | what is asked of a model or a tool, and what comes back |
//! | [`serving`] | who serves the jobs |
//! | [`language`] | a language model that serves them |
//! | [`dialogue`] | how a job is put to a model, and how its reply is read |
//! | [`machine`] | a search: asked for jobs, told their outcomes |
//! | [`settings`] | everything that decides it |
//! | [`strategy`] | which node is continued: BAVT and all that it is compared with |
//! | [`tree`] | nodes, in an arena |
//! | [`frontier`] | the nodes that can be selected, by value |
//! | [`value`] | residual values, instructions, back-propagation |
//! | [`duplicates`] | calls that were made before |
//! | [`answers`] | equal answers, and which one is given |
//! | [`log`] | everything that happened, to replay and to resume |
//! | [`random`] | streams of random numbers by seed and number |
//! | [`selection`] | which node to expand: value to the power of one over the budget left |
//! | [`scripted`] | a made-up policy and critic, for statistics |
//! | [`theorem`] | how large a budget suffices |
//! | [`tools`] | what a search may call |
//! | [`world`] | a made-up world with documents, questions and exact answers |
//! | [`datasets`] | questions from files, with their documents |
//! | [`metrics`] | whether an answer is right: exact match and F1 of the benchmarks |
//! | [`report`] | HTML, DOT, Mermaid and JSON of a recorded search |
//!
//! Nothing here reads a clock, and every random number comes from a stream of the search's seed:
//! the same calls give the same answers.

pub mod answers;
pub mod datasets;
pub mod dialogue;
pub mod duplicates;
pub mod error;
pub mod frontier;
pub mod job;
pub mod language;
pub mod ledger;
pub mod log;
pub mod machine;
pub mod metrics;
pub mod random;
pub mod report;
pub mod resource;
pub mod scripted;
pub mod selection;
pub mod serving;
pub mod settings;
pub mod strategy;
pub mod theorem;
pub mod tools;
pub mod tree;
pub mod value;
pub mod world;

pub use error::SearchError;
pub use machine::{Counters, Search, Verdict};
pub use settings::Settings;
