//! Independent paths from the root, one step after another.

use std::collections::BTreeSet;

use configs::search::{Method, MethodConfig};
use rand_chacha::ChaCha8Rng;

use super::{Selection, Strategy, View};
use crate::tree::{NodeId, Tree};

/// ReAct starts one path, the others as many as they are given or can be paid. The oldest path
/// goes on first.
#[derive(Debug)]
pub struct Trajectories {
    /// Ends of paths that can go on.
    ends: BTreeSet<NodeId>,
    root_selectable: bool,
    started: u64,
    most: u64,
    needs_tools: bool,
}

impl Trajectories {
    /// Without paths.
    pub fn new(method: &MethodConfig) -> Self {
        Self {
            ends: BTreeSet::new(),
            root_selectable: false,
            started: 0,
            most: match method.kind {
                Method::React => 1,
                _ => method.samples.unwrap_or(u64::MAX),
            },
            needs_tools: method.kind != Method::SelfConsistency,
        }
    }

    fn may_start(&self, view: &View<'_>) -> bool {
        self.root_selectable && self.started < self.most && (view.tools_left || !self.needs_tools)
    }
}

impl Strategy for Trajectories {
    fn changed(&mut self, tree: &Tree, node: NodeId, selectable: bool) {
        if node == NodeId::ROOT {
            self.root_selectable = selectable;
            return;
        }
        let at = tree.node(node);
        if selectable && at.pending == 0 && at.children.is_empty() {
            self.ends.insert(node);
        } else {
            self.ends.remove(&node);
        }
    }

    fn ready(&self, view: &View<'_>) -> bool {
        !self.ends.is_empty() || self.may_start(view)
    }

    fn select(&mut self, view: &View<'_>, _random: &mut ChaCha8Rng) -> Option<Selection> {
        let node = match self.ends.first() {
            Some(end) => *end,
            None if self.may_start(view) => {
                self.started += 1;
                NodeId::ROOT
            }
            None => return None,
        };
        Some(Selection {
            node,
            probability: 1.0,
        })
    }
}
