//! Calls that were made before, in other words or the same.

use crate::job::Action;
use crate::metrics::normalise;
use crate::tree::{NodeId, Tree};

/// A call as calls are compared. Kept with each node: a large tree compares a new call with
/// thousands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    tool: String,
    /// The input, normalised.
    text: String,
    /// Its words in order, each once.
    words: Vec<String>,
}

impl Call {
    /// A call of a tool.
    pub fn new(tool: &str, input: &str) -> Self {
        let text = normalise(input);
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        words.sort_unstable();
        words.dedup();
        Self {
            tool: tool.to_owned(),
            text,
            words,
        }
    }

    /// The call that an action is, where it is one.
    pub fn of(action: &Action) -> Option<Self> {
        match action {
            Action::Call { tool, input } => Some(Self::new(tool, input)),
            _ => None,
        }
    }

    /// Whether both call the same tool with inputs that count as one: equal once normalised, or
    /// with `similarity` of their words shared (Jaccard).
    pub fn is_like(&self, other: &Self, similarity: f64) -> bool {
        self.tool == other.tool
            && (self.text == other.text || self.shared_words(other) >= similarity)
    }

    /// Words of both over words of either; 0 without words.
    fn shared_words(&self, other: &Self) -> f64 {
        let (mut left, mut right) = (self.words.iter().peekable(), other.words.iter().peekable());
        let mut shared = 0;
        while let (Some(one), Some(two)) = (left.peek(), right.peek()) {
            let order = one.cmp(two);
            shared += usize::from(order.is_eq());
            if order.is_le() {
                left.next();
            }
            if order.is_ge() {
                right.next();
            }
        }
        let all = self.words.len() + other.words.len() - shared;
        if all == 0 {
            return 0.0;
        }
        shared as f64 / all as f64
    }
}

/// The node of the path to `parent`, or of its children, whose call is like this one.
pub fn earlier(tree: &Tree, parent: NodeId, call: &Call, similarity: f64) -> Option<NodeId> {
    let same = |id: &NodeId| {
        let other = tree.node(*id).call.as_ref();
        other.is_some_and(|other| call.is_like(other, similarity))
    };
    let path = tree.path_up(parent).map(|node| node.id);
    let siblings = tree.node(parent).children.iter().copied();
    path.chain(siblings).find(same)
}
