//! The open part of a tree as rows of numbers.

use super::{Order, Replay};

/// A row of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The node, by its number in the log.
    pub node: u32,
    /// Steps from its root.
    pub depth: u32,
    /// Children that exist now.
    pub children: u32,
    /// Its children have rows.
    pub open: bool,
}

impl Replay {
    /// Rows from the top: a node, then its children in an order where it is open. Without
    /// recursion, since a path may be as long as the log.
    pub fn rows(&self, order: Order, is_open: &dyn Fn(u32) -> bool) -> Vec<Row> {
        let sorted = |nodes: &[u32]| {
            let mut nodes = nodes.to_vec();
            self.sort(&mut nodes, order);
            nodes
        };
        let mut rows = Vec::new();
        let mut waiting: Vec<u32> = sorted(self.roots());
        waiting.reverse();
        while let Some(node) = waiting.pop() {
            let children = self.children(node);
            let open = !children.is_empty() && is_open(node);
            rows.push(Row {
                node,
                depth: self.log().nodes()[node as usize].depth,
                children: children.len() as u32,
                open,
            });
            if open {
                waiting.extend(sorted(children).iter().rev());
            }
        }
        rows
    }
}
