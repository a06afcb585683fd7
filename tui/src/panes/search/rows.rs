//! The open part of a tree as rows of numbers.

use super::State;

/// A row of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The node, by its number in the log.
    pub node: u32,
    /// Steps from its root.
    pub depth: u32,
    /// Children that exist now.
    pub children: u32,
    /// Its children are shown.
    pub open: bool,
}

/// Rows from the top: a node, then its children in order where it is open. Without
/// recursion, since a path may be as long as the log.
pub(super) fn build(state: &State) -> Vec<Row> {
    let replay = &state.replay;
    let mut rows = Vec::new();
    let mut waiting: Vec<u32> = sorted(state, replay.roots());
    waiting.reverse();
    while let Some(node) = waiting.pop() {
        let children = replay.children(node);
        let open = !children.is_empty() && state.is_open(node);
        rows.push(Row {
            node,
            depth: replay.log().nodes()[node as usize].depth,
            children: children.len() as u32,
            open,
        });
        if open {
            waiting.extend(sorted(state, children).iter().rev());
        }
    }
    rows
}

fn sorted(state: &State, nodes: &[u32]) -> Vec<u32> {
    let mut nodes = nodes.to_vec();
    state.replay.sort(&mut nodes, state.order);
    nodes
}
