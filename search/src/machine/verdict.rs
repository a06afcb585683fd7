//! What came of a search.

use serde::{Deserialize, Serialize};

use super::Search;
use crate::answers;
use crate::log::Event;
use crate::tree::NodeId;

/// What is counted along the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Jobs that cost more than they were allowed.
    pub violations: u32,
    /// Judgements that could not be read; they count as no gain.
    pub critic_parse_failures: u32,
    /// Judgements that nobody made, their jobs having failed; they count as no gain.
    pub failed_judgements: u32,
    /// Jobs that failed, retries included.
    pub failed_jobs: u32,
    /// Tool calls that failed.
    pub failed_calls: u32,
    /// Calls that were made before and so not judged, or not made.
    pub duplicates: u32,
    /// Replies that were cut.
    pub cut_replies: u32,
    /// Judgements, read or not.
    pub judgements: u32,
    /// Calls of tools that were made.
    pub tool_calls: u32,
    /// Outcomes that were told a second time.
    pub told_twice: u32,
    /// Outcomes of jobs that were never asked for.
    pub told_unknown: u32,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Of these, computed before.
    pub cached_tokens: u64,
    /// Tokens that were made.
    pub output_tokens: u64,
    /// Of these, by the critic.
    pub critic_tokens: u64,
    /// Of these, reasoning.
    pub reasoning_tokens: u64,
}

/// What came of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The answer; none when there is none.
    pub answer: Option<String>,
    /// The node that gave it.
    pub node: Option<NodeId>,
    /// It was forced because a budget ran out.
    pub backstop: bool,
    /// Why the search ended.
    pub why: String,
    /// Answers that were given on the way.
    pub answers: u32,
    /// Nodes of the tree.
    pub nodes: u32,
    /// Nodes that were selected, again counted again.
    pub visits: u64,
    /// Jobs that cost more than they were allowed.
    pub violations: u32,
    /// Judgements that could not be read.
    pub critic_parse_failures: u32,
    /// All counts.
    pub counters: Counters,
}

impl Search {
    /// Chooses the answer and ends.
    pub(super) fn finish(&mut self, why: &str) {
        let node = answers::chosen(&self.tree, &self.terminals, self.rules.answer);
        let answer = node.and_then(|id| self.tree.node(id).answer.clone());
        let backstop = self.forced && answer.is_some();
        if let Some(text) = &answer {
            self.events.push(Event::Answer {
                text: text.to_string(),
                node,
                chosen: true,
                backstop,
            });
        }
        self.events.push(Event::End {
            why: why.to_owned(),
        });
        self.verdict = Some(Verdict {
            answer: answer.map(|text| text.to_string()),
            node,
            backstop,
            why: why.to_owned(),
            answers: count(self.terminals.len()),
            nodes: count(self.tree.len()),
            visits: self.visits,
            violations: self.counters.violations,
            critic_parse_failures: self.counters.critic_parse_failures,
            counters: self.counters,
        });
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
