//! From the root down, by visits and values.

use configs::search::Method;
use rand_chacha::ChaCha8Rng;

use super::subtrees::Subtrees;
use super::{Selection, Strategy, View};
use crate::tree::{NodeId, Tree};

/// MCTS with UCT: a node gets `branching` children, then the child of the largest
/// `Q + c sqrt(ln N / n)` is gone down to. A value is its own roll-out: nothing is simulated.
///
/// Budget-guided MCTS (arXiv 2602.09574): with `rho` the share of the budget left, a child scores
/// `Q + c rho P sqrt(N) / (1 + n) + kappa (1 - rho) depth / (mean depth of answers)`, `P` its
/// share of its siblings' values, and one more child `mu + lambda rho sigma^2` with mean and
/// variance of the children's `Q`: wide first, then deep.
#[derive(Debug)]
pub struct Descent {
    kind: Method,
    subtrees: Subtrees,
}

impl Descent {
    /// Without nodes.
    pub fn new(kind: Method) -> Self {
        Self {
            kind,
            subtrees: Subtrees::default(),
        }
    }

    /// The child to go down to; none to give the node one more.
    fn next(&self, view: &View<'_>, node: NodeId, answer_depth: f64) -> Option<NodeId> {
        let own = self.subtrees.get(node);
        let open: Vec<NodeId> = self.subtrees.open_children(view.tree, node).collect();
        let score = |child: NodeId| match self.kind {
            Method::BgMcts => self.guided(view, node, child, answer_depth),
            _ => {
                let below = self.subtrees.get(child);
                let visits = below.visits.max(1.0);
                let spread = (own.visits.max(1.0).ln() / visits).sqrt();
                below.mean() + view.method.exploration * spread
            }
        };
        let best = open
            .into_iter()
            .map(|child| (score(child), child))
            // The earlier of equals.
            .reduce(|best, other| if other.0 > best.0 { other } else { best });
        match best {
            None => None,
            Some((_, child)) if !own.selectable => Some(child),
            // UCT fills a node up before it goes down.
            Some(_) if self.kind == Method::Mcts => None,
            Some((score, child)) => (score >= self.widening(view, node)).then_some(child),
        }
    }

    fn guided(&self, view: &View<'_>, node: NodeId, child: NodeId, answer_depth: f64) -> f64 {
        let rho = view.fraction;
        let (above, below) = (self.subtrees.get(node), self.subtrees.get(child));
        let siblings: f64 = view
            .tree
            .node(node)
            .children
            .iter()
            .fold(0.0, |sum, other| sum + view.tree.node(*other).value);
        let at = view.tree.node(child);
        let prior = at.value / siblings.max(f64::MIN_POSITIVE);
        let exploration = view.method.exploration * rho * prior * above.visits.sqrt();
        let depth = f64::from(at.depth) / answer_depth;
        below.mean()
            + exploration / (1.0 + below.visits)
            + view.method.completion_bias * (1.0 - rho) * depth
    }

    fn widening(&self, view: &View<'_>, node: NodeId) -> f64 {
        let means = view.tree.node(node).children.iter().filter_map(|child| {
            let below = self.subtrees.get(*child);
            (below.visits > 0.0).then(|| below.mean())
        });
        let (count, sum, squares) = means.fold((0.0, 0.0, 0.0), |(count, sum, squares), mean| {
            (count + 1.0, sum + mean, squares + mean * mean)
        });
        if count == 0.0 {
            return view.method.widening_mean;
        }
        let mean: f64 = sum / count;
        let variance = (squares / count - mean * mean).max(0.0);
        mean + view.method.widening_mean + view.method.widening_spread * view.fraction * variance
    }
}

impl Strategy for Descent {
    fn changed(&mut self, tree: &Tree, node: NodeId, selectable: bool) {
        self.subtrees.set_selectable(tree, node, selectable);
    }

    fn scored(&mut self, tree: &Tree, node: NodeId) {
        self.subtrees.add_value(tree, node);
    }

    fn ready(&self, _view: &View<'_>) -> bool {
        self.subtrees.get(NodeId::ROOT).open > 0
    }

    fn select(&mut self, view: &View<'_>, _random: &mut ChaCha8Rng) -> Option<Selection> {
        if self.subtrees.get(NodeId::ROOT).open == 0 {
            return None;
        }
        let answer_depth = mean_depth(view);
        let mut node = NodeId::ROOT;
        while let Some(child) = self.next(view, node, answer_depth) {
            node = child;
        }
        Some(Selection {
            node,
            probability: 1.0,
        })
    }
}

/// The mean depth of the answers, or before any the depth that a path may have at most.
fn mean_depth(view: &View<'_>) -> f64 {
    if view.terminals.is_empty() {
        return f64::from(view.method.depth_limit.max(1));
    }
    let depths = view.terminals.iter().map(|id| view.tree.node(*id).depth);
    let sum: u32 = depths.sum();
    (f64::from(sum) / view.terminals.len() as f64).max(1.0)
}
