//! The whole log of one question in compact form: what never changes during a replay.

use std::collections::HashMap;
use std::path::Path;

use super::reader::{SLICE, SearchReader};
use super::{SearchEvent, SearchEventKind};
use crate::error::TrackingError;

/// Problems kept with their words; further ones are counted only.
const PROBLEMS_TOLD: usize = 20;
/// Resources beyond this are refused: a search has a handful.
const MOST_RESOURCES: usize = 16;

/// What was asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// Its identity in the data set.
    pub id: String,
    /// As asked.
    pub text: String,
    /// The search's selection rule.
    pub policy: String,
    /// Answers that count as correct.
    pub expected: Vec<String>,
}

/// What of a node never changes. Nodes are numbered in the order of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeInfo {
    /// Its identity in the file.
    pub id: u64,
    /// The node that it continues, by number.
    pub parent: Option<u32>,
    /// Steps from its root.
    pub depth: u32,
    /// What kind of step.
    pub role: Box<str>,
    /// The step's text.
    pub text: Box<str>,
    /// The nodes that continue it, by number, oldest first.
    pub children: Vec<u32>,
    /// The change that made it.
    pub born: usize,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The answer.
    pub text: String,
    /// The node that gave it, by number.
    pub node: Option<u32>,
    /// It is the answer of the search.
    pub chosen: bool,
    /// It was forced because a budget ran out.
    pub backstop: bool,
    /// Whether it is correct, where that is known.
    pub correct: Option<bool>,
    /// Token F1 against the expected answers, where that is known.
    pub f1: Option<f64>,
    /// The change that gave it.
    pub at: usize,
}

/// One step of a replay. Nodes, resources and answers are numbers into the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// The question was put.
    Question,
    /// A resource got a ceiling.
    Budget {
        /// The resource.
        resource: usize,
        /// Its ceiling; infinite for none.
        limit: f64,
    },
    /// A node appeared.
    Node(u32),
    /// A node was valued.
    Value {
        /// The node.
        node: u32,
        /// Its value.
        value: f64,
        /// What the critic added; NaN where it did not say.
        delta: f64,
    },
    /// A node was selected.
    Visit {
        /// The node.
        node: u32,
        /// Its probability; NaN where it is not known.
        probability: f32,
        /// The remaining share of the tightest budget; NaN where it is not known.
        ratio: f32,
    },
    /// Something was spent.
    Spend {
        /// The resource.
        resource: usize,
        /// How much.
        amount: f64,
        /// What for.
        node: Option<u32>,
    },
    /// A node was pruned.
    Prune(u32),
    /// An answer was given.
    Answer(usize),
    /// The search ended.
    End,
}

/// The log of one question. Feed it events in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct SearchLog {
    question: Question,
    resources: Vec<String>,
    nodes: Vec<NodeInfo>,
    roots: Vec<u32>,
    answers: Vec<Answer>,
    changes: Vec<Change>,
    times: Vec<f64>,
    /// Words that belong to a change: why a node was valued so, pruned, or the end came.
    notes: HashMap<usize, Box<str>>,
    noted: HashMap<u32, Vec<usize>>,
    by_id: HashMap<u64, u32>,
    problems: Vec<String>,
    refused: u64,
    unknown: u64,
}

impl SearchLog {
    /// Reads a whole file.
    ///
    /// # Errors
    /// The file is missing or cannot be read.
    pub fn read(path: &Path) -> Result<Self, TrackingError> {
        std::fs::metadata(path)
            .map_err(|source| TrackingError::io("read the search log", path, source))?;
        let mut log = Self::default();
        let mut reader = SearchReader::open(path);
        loop {
            let slice = reader.poll(SLICE)?;
            for event in slice.events {
                log.apply(event);
            }
            if !slice.more {
                log.refuse_many(reader.damaged(), "lines that are no events");
                return Ok(log);
            }
        }
    }

    /// Takes the next event of the file.
    pub fn apply(&mut self, event: SearchEvent) {
        match self.change(event.kind) {
            Ok(None) => {}
            Ok(Some((change, note))) => {
                // A clock that jumps must not reorder the replay.
                let before = self.times.last().copied().unwrap_or(0.0);
                let time = if event.time.is_finite() {
                    event.time.max(before)
                } else {
                    before
                };
                if !note.is_empty() {
                    if let Change::Value { node, .. } | Change::Prune(node) = change {
                        self.noted.entry(node).or_default().push(self.changes.len());
                    }
                    self.notes.insert(self.changes.len(), note.into());
                }
                self.changes.push(change);
                self.times.push(time);
            }
            Err(problem) => {
                self.refused += 1;
                if self.problems.len() < PROBLEMS_TOLD {
                    self.problems.push(problem);
                }
            }
        }
    }

    /// Counts lines of the file that were no events at all.
    pub fn refuse_many(&mut self, count: u64, what: &str) {
        if count > 0 {
            self.refused += count;
            self.problems.push(format!("{count} {what}"));
        }
    }

    fn change(&mut self, kind: SearchEventKind) -> Result<Option<(Change, String)>, String> {
        let plain = |change| Ok(Some((change, String::new())));
        match kind {
            SearchEventKind::Question {
                id,
                text,
                policy,
                expected,
            } => {
                self.question = Question {
                    id,
                    text,
                    policy,
                    expected,
                };
                plain(Change::Question)
            }
            SearchEventKind::Budget { resource, limit } => {
                if limit.is_nan() || limit < 0.0 {
                    return Err(format!("budget of {resource}: {limit} is no limit"));
                }
                let resource = self.resource(resource)?;
                plain(Change::Budget { resource, limit })
            }
            SearchEventKind::Node {
                id,
                parent,
                role,
                text,
            } => plain(self.node(id, parent, &role, &text)?),
            SearchEventKind::Value {
                id,
                value,
                delta,
                why,
            } => {
                let node = self.known(id, "value")?;
                let delta = delta.unwrap_or(f64::NAN);
                Ok(Some((Change::Value { node, value, delta }, why)))
            }
            SearchEventKind::Visit {
                id,
                probability,
                ratio,
            } => plain(Change::Visit {
                node: self.known(id, "visit")?,
                probability: probability.map_or(f32::NAN, |share| share as f32),
                ratio: ratio.map_or(f32::NAN, |share| share as f32),
            }),
            SearchEventKind::Spend {
                resource,
                amount,
                node,
            } => {
                if !amount.is_finite() || amount < 0.0 {
                    return Err(format!("spend of {resource}: {amount} is no amount"));
                }
                let node = node.map(|id| self.known(id, "spend")).transpose()?;
                let resource = self.resource(resource)?;
                plain(Change::Spend {
                    resource,
                    amount,
                    node,
                })
            }
            SearchEventKind::Prune { id, why } => {
                Ok(Some((Change::Prune(self.known(id, "prune")?), why)))
            }
            SearchEventKind::Answer {
                text,
                node,
                chosen,
                backstop,
                correct,
                f1,
            } => {
                let node = node.map(|id| self.known(id, "answer")).transpose()?;
                self.answers.push(Answer {
                    text,
                    node,
                    chosen,
                    backstop,
                    correct,
                    f1: f1.filter(|f1| f1.is_finite()),
                    at: self.changes.len(),
                });
                plain(Change::Answer(self.answers.len() - 1))
            }
            SearchEventKind::End { why } => Ok(Some((Change::End, why))),
            // Of these a replay shows nothing.
            SearchEventKind::Violation { .. } | SearchEventKind::Plan { .. } => Ok(None),
            SearchEventKind::Unknown => {
                self.unknown += 1;
                Ok(None)
            }
        }
    }

    fn node(
        &mut self,
        id: u64,
        parent: Option<u64>,
        role: &str,
        text: &str,
    ) -> Result<Change, String> {
        if self.by_id.contains_key(&id) {
            return Err(format!("node {id} appears twice"));
        }
        let parent = match parent {
            None => None,
            // A parent must exist before its child, so no cycle can be written down.
            Some(parent) => Some(*self.by_id.get(&parent).ok_or_else(|| {
                format!("node {id} continues node {parent}, which does not exist")
            })?),
        };
        let number = u32::try_from(self.nodes.len()).map_err(|_| "too many nodes".to_owned())?;
        let depth = match parent {
            None => {
                self.roots.push(number);
                0
            }
            Some(parent) => {
                let parent = &mut self.nodes[parent as usize];
                parent.children.push(number);
                parent.depth + 1
            }
        };
        self.by_id.insert(id, number);
        self.nodes.push(NodeInfo {
            id,
            parent,
            depth,
            role: role.into(),
            text: text.into(),
            children: Vec::new(),
            born: self.changes.len(),
        });
        Ok(Change::Node(number))
    }

    fn known(&self, id: u64, what: &str) -> Result<u32, String> {
        let node = self.by_id.get(&id).copied();
        node.ok_or_else(|| format!("{what} of node {id}, which does not exist"))
    }

    fn resource(&mut self, name: String) -> Result<usize, String> {
        if let Some(index) = self.resources.iter().position(|known| *known == name) {
            return Ok(index);
        }
        if self.resources.len() >= MOST_RESOURCES {
            return Err(format!("resource {name}: more than {MOST_RESOURCES}"));
        }
        self.resources.push(name);
        Ok(self.resources.len() - 1)
    }

    /// What was asked.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Names of the resources, in order of appearance.
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// All nodes that the log ever has, by number.
    pub fn nodes(&self) -> &[NodeInfo] {
        &self.nodes
    }

    /// A node by the identity that the file gives it.
    pub fn node_of(&self, id: u64) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    /// Nodes without a parent.
    pub fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// All answers.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// The steps of a replay.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Words that belong to a change.
    pub fn note(&self, change: usize) -> Option<&str> {
        self.notes.get(&change).map(AsRef::as_ref)
    }

    /// The changes of a node that words belong to, in order.
    pub fn notes_of(&self, node: u32) -> impl Iterator<Item = usize> {
        self.noted.get(&node).into_iter().flatten().copied()
    }

    /// Seconds after which a number of changes has happened.
    pub fn time_after(&self, changes: usize) -> f64 {
        let index = changes.min(self.times.len()).checked_sub(1);
        index.map_or(0.0, |index| self.times[index])
    }

    /// How many changes have happened after some seconds.
    pub fn changes_at(&self, seconds: f64) -> usize {
        self.times.partition_point(|time| *time <= seconds)
    }

    /// Whether the search is over.
    pub fn is_over(&self) -> bool {
        matches!(self.changes.last(), Some(Change::End))
    }

    /// What was refused, in words; the first few, and how many there were in all.
    pub fn problems(&self) -> (&[String], u64) {
        (&self.problems, self.refused)
    }

    /// Events of kinds that this version does not know.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }
}
