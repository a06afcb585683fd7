//! AB-MCTS-A (Inoue et al. 2025, as TreeQuest has it): at every node, one more child or one of
//! those there are, whichever a draw of its posterior says is better.

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use super::subtrees::Subtrees;
use super::{Selection, Strategy, View};
use crate::tree::{NodeId, Tree};

/// Adaptive branching with the scores below a node aggregated.
#[derive(Debug, Default)]
pub struct Thompson {
    subtrees: Subtrees,
    /// Of each node: what one more child, and going on with one, has brought; and what has been
    /// seen at and below it.
    beliefs: Vec<Beliefs>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Beliefs {
    another: Scores,
    go_on: Scores,
    below: Scores,
}

/// Scores that were seen.
#[derive(Clone, Copy, Debug, Default)]
struct Scores {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Scores {
    fn add(&mut self, score: f64) {
        self.count += 1.0;
        self.sum += score;
        self.squares += score * score;
    }

    /// A draw of the mean under TreeQuest's normal-inverse-gamma prior: m = 0, kappa = 1, nu = 1,
    /// tau^2 = 0.1 (Murphy, Probabilistic Machine Learning: Advanced Topics, 3.4.3.3).
    fn draw(self, random: &mut ChaCha8Rng) -> f64 {
        const TAU_SQUARED: f64 = 0.1;
        let count = self.count;
        let mean = if count > 0.0 { self.sum / count } else { 0.0 };
        let deviations = (self.squares - count * mean * mean).max(0.0);
        let (kappa, nu) = (1.0 + count, 1.0 + count);
        let centre = count * mean / kappa;
        let scale = (TAU_SQUARED + deviations + count * mean * mean / kappa) / nu;
        // Inverse gamma of nu/2 and nu tau^2 / 2: nu tau^2 over a chi-squared draw of nu degrees.
        let variance = nu * scale / chi_squared(nu as u64, random).max(f64::MIN_POSITIVE);
        centre + normal(random) * (variance / kappa).sqrt()
    }
}

/// The sum of `degrees` squares of standard normal draws; a normal draw of it beyond 64, where
/// the two differ by less than a draw can show.
fn chi_squared(degrees: u64, random: &mut ChaCha8Rng) -> f64 {
    if degrees > 64 {
        let degrees = degrees as f64;
        // Wilson and Hilferty.
        let ninth = 2.0 / (9.0 * degrees);
        return degrees * (1.0 - ninth + normal(random) * ninth.sqrt()).powi(3);
    }
    (0..degrees).map(|_| normal(random).powi(2)).sum()
}

/// A standard normal draw (Box and Muller).
fn normal(random: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

impl Thompson {
    fn beliefs(&self, node: NodeId) -> Beliefs {
        self.beliefs.get(node.index()).copied().unwrap_or_default()
    }

    /// The child to go down to; none to give the node one more.
    fn next(&self, view: &View<'_>, node: NodeId, random: &mut ChaCha8Rng) -> Option<NodeId> {
        let mut open = self.subtrees.open_children(view.tree, node).peekable();
        open.peek()?;
        if self.subtrees.get(node).selectable {
            let own = self.beliefs(node);
            if own.another.draw(random) >= own.go_on.draw(random) {
                return None;
            }
        }
        open.map(|child| (self.beliefs(child).below.draw(random), child))
            .reduce(|best, other| if other.0 > best.0 { other } else { best })
            .map(|(_, child)| child)
    }
}

impl Strategy for Thompson {
    fn changed(&mut self, tree: &Tree, node: NodeId, selectable: bool) {
        self.subtrees.set_selectable(tree, node, selectable);
    }

    fn scored(&mut self, tree: &Tree, node: NodeId) {
        if self.beliefs.len() < tree.len() {
            self.beliefs.resize(tree.len(), Beliefs::default());
        }
        let score = tree.node(node).value;
        for (steps, above) in tree.path_up(node).enumerate() {
            let beliefs = &mut self.beliefs[above.id.index()];
            beliefs.below.add(score);
            match steps {
                0 => {}
                1 => beliefs.another.add(score),
                _ => beliefs.go_on.add(score),
            }
        }
    }

    fn ready(&self, _view: &View<'_>) -> bool {
        self.subtrees.get(NodeId::ROOT).open > 0
    }

    fn select(&mut self, view: &View<'_>, random: &mut ChaCha8Rng) -> Option<Selection> {
        if self.subtrees.get(NodeId::ROOT).open == 0 {
            return None;
        }
        let mut node = NodeId::ROOT;
        while let Some(child) = self.next(view, node, random) {
            node = child;
        }
        Some(Selection {
            node,
            probability: 1.0,
        })
    }
}
