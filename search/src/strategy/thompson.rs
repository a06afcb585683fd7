//! AB-MCTS-A (Inoue et al. 2025, as TreeQuest has it): at every node, one more child or one of
//! those there are, whichever a draw of its posterior says is better.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::subtrees::Subtrees;
use super::{Selection, Strategy, View};
use crate::random::normal;
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
        let variance = nu * scale / chi_squared(nu, random).max(f64::MIN_POSITIVE);
        centre + normal(random) * (variance / kappa).sqrt()
    }
}

/// A chi-squared draw of so many degrees: twice a gamma draw of half as many (Marsaglia and Tsang
/// 2000, with their boost for shapes below 1).
fn chi_squared(degrees: f64, random: &mut ChaCha8Rng) -> f64 {
    let shape = degrees / 2.0;
    let boost = if shape < 1.0 {
        (1.0 - random.random::<f64>()).powf(1.0 / shape)
    } else {
        1.0
    };
    let d = (if shape < 1.0 { shape + 1.0 } else { shape }) - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(random);
        let v = (1.0 + c * x).powi(3);
        if v <= 0.0 {
            continue;
        }
        let uniform = 1.0 - random.random::<f64>();
        if uniform.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return 2.0 * d * v * boost;
        }
    }
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

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// Mean and variance over many draws.
    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        const DRAWS: u32 = 40_000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..DRAWS {
            let drawn = draw();
            sum += drawn;
            squares += drawn * drawn;
        }
        let mean = sum / f64::from(DRAWS);
        (mean, squares / f64::from(DRAWS) - mean * mean)
    }

    #[test]
    fn chi_squared_has_its_mean_and_variance() {
        for degrees in [1.0, 2.0, 5.0, 40.0] {
            let mut random = ChaCha8Rng::seed_from_u64(3);
            let (mean, variance) = moments(|| chi_squared(degrees, &mut random));
            assert!((mean / degrees - 1.0).abs() < 0.03, "{degrees}: {mean}");
            let expected = 2.0 * degrees;
            assert!(
                (variance / expected - 1.0).abs() < 0.1,
                "{degrees}: {variance}"
            );
        }
    }

    #[test]
    fn the_posterior_gathers_around_the_scores() {
        let mut scores = Scores::default();
        for score in [0.6, 0.8].repeat(20) {
            scores.add(score);
        }
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let (mean, variance) = moments(|| scores.draw(&mut random));
        // kappa m / (kappa + n) with m = 0: 40 * 0.7 / 41. Scale as in TreeQuest's update.
        assert!((mean - 28.0 / 41.0).abs() < 0.003, "{mean}");
        let scale = 0.1 + 40.0 * 0.01 + 40.0 * 0.49 / 41.0;
        // Student's t of nu = 41 degrees: scale / nu / kappa * nu / (nu - 2).
        let expected = scale / 41.0 / 39.0;
        assert!(
            (variance / expected - 1.0).abs() < 0.1,
            "{variance} {expected}"
        );
    }
}
