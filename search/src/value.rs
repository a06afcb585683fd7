//! Values of nodes: BAVT's residual scores, structured instructions and back-propagation.
//!
//! The critic's scale is 1 to 10; values are a tenth of it, 0.1 to 1.

use crate::job::Instruction;
use crate::tree::{NodeId, Status, Tree};

/// The smallest score of the critic's scale.
pub const LOWEST_SCORE: f64 = 1.0;

/// The largest score of the critic's scale.
pub const HIGHEST_SCORE: f64 = 10.0;

/// The value of a score, in 0.1..=1: `Phi` of `V(n') = Phi(V(n) + delta)`.
pub fn of_score(score: f64) -> f64 {
    score.clamp(LOWEST_SCORE, HIGHEST_SCORE) / HIGHEST_SCORE
}

/// A residual within what one step may add or take.
pub fn clipped(delta: f64, most: f64) -> f64 {
    delta.clamp(-most, most)
}

/// `V(n') = Phi(V(n) + delta)`: the value of a child whose step added `delta` points, clipped.
pub fn of_child(parent: f64, delta: f64) -> f64 {
    of_score(parent * HIGHEST_SCORE + delta)
}

/// What is next for a node of value `child`, made from one of value `parent`: an answer from the
/// threshold on, another step from the parent without gain, else one more from here.
pub fn instruction(parent: f64, child: f64, threshold: f64) -> Instruction {
    // Sums of tenths: 0.1 + 0.7 must reach 0.8.
    const ROUNDING: f64 = 1e-9;
    if child >= threshold - ROUNDING {
        Instruction::Answer
    } else if child <= parent + ROUNDING {
        Instruction::Widen
    } else {
        Instruction::Deepen
    }
}

/// Smooths the values of a terminal node's ancestors, the deepest first:
/// `V(n) <- (V(n) + sum of V(c) over its children) / (1 + their number)`. Children that failed or
/// are not judged yet take no part, pruned ones where `pruned` says so. Gives the nodes whose
/// value moved.
pub fn back_propagate(tree: &mut Tree, terminal: NodeId, pruned: bool) -> Vec<NodeId> {
    let mut moved = Vec::new();
    let mut above = tree.node(terminal).parent;
    while let Some(id) = above {
        let node = tree.node(id);
        let counted =
            node.children
                .iter()
                .map(|child| tree.node(*child))
                .filter(|child| match child.status {
                    Status::Open | Status::Terminal => true,
                    Status::Pruned => pruned,
                    Status::Pending => false,
                });
        let (sum, count) = counted.fold((node.value, 1.0), |(sum, count), child| {
            (sum + child.value, count + 1.0)
        });
        let smoothed: f64 = sum / count;
        above = node.parent;
        if smoothed.to_bits() != node.value.to_bits() {
            tree.node_mut(id).value = smoothed;
            moved.push(id);
        }
    }
    moved
}
