//! Level by level: every path that is kept gets its children, then the best of these are kept.

use rand_chacha::ChaCha8Rng;

use super::{Selection, Strategy, View};
use crate::tree::{NodeId, Status, Tree};

/// Beam search and the breadth-first tree of thoughts, which differ in what the policy is told
/// of its earlier proposals (see [`super::Rules::tried`]).
#[derive(Debug)]
pub struct Rounds {
    kept: Vec<Kept>,
    selectable: Vec<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    node: NodeId,
    asked: usize,
}

impl Default for Rounds {
    fn default() -> Self {
        Self {
            kept: vec![Kept {
                node: NodeId::ROOT,
                asked: 0,
            }],
            selectable: Vec::new(),
        }
    }
}

impl Rounds {
    fn can(&self, node: NodeId) -> bool {
        self.selectable.get(node.index()).copied().unwrap_or(false)
    }

    fn unfinished(&self, view: &View<'_>) -> Option<usize> {
        self.kept
            .iter()
            .position(|kept| kept.asked < view.method.branching && self.can(kept.node))
    }

    fn waits(&self, view: &View<'_>) -> bool {
        self.kept
            .iter()
            .any(|kept| view.tree.node(kept.node).pending > 0)
    }

    /// The best open children of the paths that are kept, the earlier of equals first.
    fn survivors(&self, view: &View<'_>) -> Vec<NodeId> {
        let children = self
            .kept
            .iter()
            .flat_map(|kept| view.tree.node(kept.node).children.iter().copied());
        let mut open: Vec<NodeId> = children
            .filter(|child| view.tree.node(*child).status == Status::Open && self.can(*child))
            .collect();
        let value = |id: &NodeId| view.tree.node(*id).value;
        open.sort_by(|left, right| value(right).total_cmp(&value(left)).then(left.cmp(right)));
        open.truncate(view.method.width);
        open
    }
}

impl Strategy for Rounds {
    fn changed(&mut self, tree: &Tree, node: NodeId, selectable: bool) {
        if self.selectable.len() < tree.len() {
            self.selectable.resize(tree.len(), false);
        }
        self.selectable[node.index()] = selectable;
    }

    fn ready(&self, view: &View<'_>) -> bool {
        self.unfinished(view).is_some() || !self.survivors(view).is_empty()
    }

    fn select(&mut self, view: &View<'_>, _random: &mut ChaCha8Rng) -> Option<Selection> {
        if self.unfinished(view).is_none() {
            if self.waits(view) {
                return None;
            }
            let survivors = self.survivors(view);
            if survivors.is_empty() {
                return None;
            }
            self.kept = survivors
                .into_iter()
                .map(|node| Kept { node, asked: 0 })
                .collect();
        }
        let index = self.unfinished(view)?;
        self.kept[index].asked += 1;
        Some(Selection {
            node: self.kept[index].node,
            probability: 1.0,
        })
    }
}
