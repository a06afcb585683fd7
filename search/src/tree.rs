//! The tree, in an arena: a node is a state, the edge to it one [`Step`].

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::job::{Instruction, JobId, Step};

/// Names a node: its place in the arena. The root is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The question itself.
    pub const ROOT: Self = Self(0);

    /// Its place in the arena.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What can become of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not judged yet.
    Pending,
    /// It can be continued.
    Open,
    /// It ends in an answer.
    Terminal,
    /// It will not be continued.
    Pruned,
    /// Its step or tool failed.
    Failed,
}

/// A state: the question and the steps down to here.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its place.
    pub id: NodeId,
    /// The node that it continues; none for the root.
    pub parent: Option<NodeId>,
    /// Nodes that continue it, in the order in which they were made.
    pub children: Vec<NodeId>,
    /// Steps from the root.
    pub depth: u32,
    /// The step to it; none for the root.
    pub step: Option<Arc<Step>>,
    /// Its value now, 0.1..=1 on the paper's scale; moved by back-propagation.
    pub value: f64,
    /// The value that the critic gave, before any back-propagation.
    pub judged: f64,
    /// What the critic said its step added, clipped; none before.
    pub delta: Option<f64>,
    /// What the next step from here is for.
    pub instruction: Instruction,
    /// What can become of it.
    pub status: Status,
    /// Its answer, of a terminal node.
    pub answer: Option<Arc<str>>,
    /// Times that it was selected.
    pub visits: u32,
    /// The job that made its step; none for the root.
    pub made_by: Option<JobId>,
}

/// All nodes of one search.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// The node of that identity.
    ///
    /// # Panics
    /// The identity is of another tree.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The node of that identity, where there is one.
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())
    }

    /// All nodes, in the order in which they were made.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node and its ancestors, the deepest first.
    pub fn path_up(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        std::iter::successors(self.get(id), |node| {
            node.parent.and_then(|parent| self.get(parent))
        })
    }
}
