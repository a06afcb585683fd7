//! The tree, in an arena: a node is a state, the edge to it one [`Step`].

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::duplicates::Call;
use crate::job::{Action, Instruction, JobId, Step};

/// Steps from one node that fail in a row before it is given up.
pub(crate) const MOST_FAILURES: u32 = 3;

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
    /// Children under way: asked for, not judged yet.
    pub pending: u32,
    /// Children that are open, terminal or not judged yet.
    pub live: u32,
    /// Steps from here that failed, since the last one that did not.
    pub failures: u32,
    /// Characters of all steps down to here.
    pub characters: u64,
    /// The call of its step, as calls are compared.
    pub call: Option<Call>,
}

impl Node {
    /// The root, of a value.
    pub(crate) fn root(value: f64) -> Self {
        Self {
            id: NodeId::ROOT,
            parent: None,
            children: Vec::new(),
            depth: 0,
            step: None,
            value,
            judged: value,
            delta: None,
            instruction: Instruction::Deepen,
            status: Status::Open,
            answer: None,
            visits: 0,
            made_by: None,
            pending: 0,
            live: 0,
            failures: 0,
            characters: 0,
            call: None,
        }
    }
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

    pub(crate) fn with_root(value: f64) -> Self {
        Self {
            nodes: vec![Node::root(value)],
        }
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.index()]
    }

    /// Adds a child that is not judged yet, of its parent's value.
    pub(crate) fn push(&mut self, parent: NodeId, step: Step, made_by: JobId) -> NodeId {
        // A node takes hundreds of bytes: memory ends before numbers do.
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let above = self.node_mut(parent);
        above.children.push(id);
        above.live += 1;
        // A node that was given up stays so, whatever a step that was under way brings.
        if above.failures < MOST_FAILURES {
            above.failures = 0;
        }
        let (value, depth) = (above.value, above.depth + 1);
        let characters = above.characters + characters(&step);
        let call = Call::of(&step.action);
        self.nodes.push(Node {
            id,
            parent: Some(parent),
            depth,
            step: Some(Arc::new(step)),
            made_by: Some(made_by),
            status: Status::Pending,
            characters,
            call,
            ..Node::root(value)
        });
        id
    }

    /// Gives a node another status and keeps its parent's count of live children.
    pub(crate) fn set_status(&mut self, id: NodeId, status: Status) {
        let lives = |status| status != Status::Pruned;
        let node = self.node_mut(id);
        let (before, after) = (lives(node.status), lives(status));
        node.status = status;
        if let Some(parent) = node.parent
            && before != after
        {
            let above = self.node_mut(parent);
            above.live = if after {
                above.live + 1
            } else {
                above.live.saturating_sub(1)
            };
        }
    }

    /// The steps from the root to a node, the oldest first.
    pub fn steps(&self, id: NodeId) -> Vec<Arc<Step>> {
        let mut steps: Vec<Arc<Step>> = self
            .path_up(id)
            .filter_map(|node| node.step.clone())
            .collect();
        steps.reverse();
        steps
    }

    /// The node and its ancestors, the deepest first.
    pub fn path_up(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        std::iter::successors(self.get(id), |node| {
            node.parent.and_then(|parent| self.get(parent))
        })
    }
}

fn characters(step: &Step) -> u64 {
    let action = match &step.action {
        Action::Think => 0,
        Action::Call { tool, input } => tool.len() + input.len(),
        Action::Answer { text } => text.len(),
    };
    let observation = step.observation.as_ref().map_or(0, String::len);
    (step.thought.len() + action + observation) as u64
}
