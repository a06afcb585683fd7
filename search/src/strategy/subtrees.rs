//! Which subtrees still hold a node that can be selected, and what values were seen in them.

use crate::tree::{NodeId, Tree};

/// Counts for every node over the subtree below it, itself included.
#[derive(Debug, Default)]
pub struct Subtrees {
    of: Vec<Subtree>,
}

/// Of one node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subtree {
    /// The node itself can be selected.
    pub selectable: bool,
    /// Nodes that can be selected.
    pub open: u32,
    /// Nodes that were scored.
    pub visits: f64,
    /// Their values in sum.
    pub sum: f64,
}

impl Subtree {
    /// The mean of the values; 0 before any.
    pub fn mean(self) -> f64 {
        if self.visits > 0.0 {
            self.sum / self.visits
        } else {
            0.0
        }
    }
}

impl Subtrees {
    /// The counts of a node.
    pub fn get(&self, node: NodeId) -> Subtree {
        self.of.get(node.index()).copied().unwrap_or_default()
    }

    /// A node can or cannot be selected.
    pub fn set_selectable(&mut self, tree: &Tree, node: NodeId, selectable: bool) {
        self.grow(tree);
        let before = self.of[node.index()].selectable;
        if before == selectable {
            return;
        }
        self.of[node.index()].selectable = selectable;
        for above in tree.path_up(node) {
            let open = &mut self.of[above.id.index()].open;
            *open = if selectable {
                *open + 1
            } else {
                open.saturating_sub(1)
            };
        }
    }

    /// A node was scored: its value counts for itself and all its ancestors.
    pub fn add_value(&mut self, tree: &Tree, node: NodeId) {
        self.grow(tree);
        let value = tree.node(node).value;
        for above in tree.path_up(node) {
            let subtree = &mut self.of[above.id.index()];
            subtree.visits += 1.0;
            subtree.sum += value;
        }
    }

    /// The children of a node whose subtree holds a node that can be selected.
    pub fn open_children<'a>(
        &'a self,
        tree: &'a Tree,
        node: NodeId,
    ) -> impl Iterator<Item = NodeId> + 'a {
        let children = tree.node(node).children.iter().copied();
        children.filter(|child| self.get(*child).open > 0)
    }

    fn grow(&mut self, tree: &Tree) {
        if self.of.len() < tree.len() {
            self.of.resize(tree.len(), Subtree::default());
        }
    }
}
