//! Calls that were made before, in other words or the same.

use std::collections::BTreeSet;

use crate::job::Action;
use crate::metrics::normalise;
use crate::tree::{NodeId, Tree};

/// The node of the path to `parent`, or of its children, whose call is that of `action`: the same
/// tool, and an input that is equal once normalised or shares `similarity` of its words (Jaccard).
pub fn earlier(tree: &Tree, parent: NodeId, action: &Action, similarity: f64) -> Option<NodeId> {
    let Action::Call { tool, input } = action else {
        return None;
    };
    let wanted = normalise(input);
    let same = |id: NodeId| {
        let step = tree.node(id).step.as_ref();
        match step.map(|step| &step.action) {
            Some(Action::Call {
                tool: other,
                input: other_input,
            }) => other == tool && alike(&wanted, &normalise(other_input), similarity),
            _ => false,
        }
    };
    let path = tree.path_up(parent).map(|node| node.id);
    let siblings = tree.node(parent).children.iter().copied();
    path.chain(siblings).find(|id| same(*id))
}

/// Whether `action` is a call of that tool with an input that counts as the same.
pub fn same_call(action: &Action, tool: &str, input: &str, similarity: f64) -> bool {
    match action {
        Action::Call {
            tool: other,
            input: other_input,
        } => other == tool && alike(&normalise(input), &normalise(other_input), similarity),
        _ => false,
    }
}

/// Whether two normalised texts count as one.
fn alike(left: &str, right: &str, similarity: f64) -> bool {
    if left == right {
        return true;
    }
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let (left, right): (BTreeSet<String>, BTreeSet<String>) = (words(left), words(right));
    let shared = left.intersection(&right).count();
    let all = left.len() + right.len() - shared;
    all > 0 && shared as f64 / all as f64 >= similarity
}
