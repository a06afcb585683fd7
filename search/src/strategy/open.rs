//! Every open node is a candidate, wherever it is in the tree.

use configs::search::Method;
use rand_chacha::ChaCha8Rng;

use super::{Selection, Strategy, View};
use crate::frontier::{Drawn, Frontier};
use crate::selection::exponent;
use crate::tree::{NodeId, Tree};

/// BAVT (eq. 4 and 5) and the rules that differ from it in the power alone; and the choice by
/// value of information.
#[derive(Debug)]
pub struct Open {
    kind: Method,
    frontier: Frontier,
    gains: Gains,
}

/// What steps have added so far, in points.
#[derive(Clone, Copy, Debug, Default)]
struct Gains {
    sum: f64,
    count: f64,
}

impl Gains {
    /// The mean gain of a step; before any, a fifth of the scale.
    fn mean(self) -> f64 {
        const PRIOR: f64 = 2.0;
        (self.sum + PRIOR) / (self.count + 1.0)
    }
}

impl Open {
    /// Without candidates.
    pub fn new(kind: Method) -> Self {
        Self {
            kind,
            frontier: Frontier::default(),
            gains: Gains::default(),
        }
    }

    /// The node with the most value of an answer for each step that it would take: steps to the
    /// threshold are what is missing over the gain that a step from here is expected to bring,
    /// which is the mean over all steps so far, drawn towards the node's own children.
    fn most_informative(&self, view: &View<'_>) -> Option<Drawn> {
        let usual = self.gains.mean();
        let mut best: Option<(f64, NodeId)> = None;
        for id in self.frontier.nodes() {
            let node = view.tree.node(id);
            let own: f64 = node
                .children
                .iter()
                .filter_map(|child| view.tree.node(*child).delta)
                .map(|delta| delta.max(0.0))
                .sum();
            let gain = (usual + own) / (1.0 + node.children.len() as f64);
            let missing = (view.method.answer_threshold - node.value).max(0.0) * 10.0;
            let steps = (missing / gain.max(1e-3)).max(1.0);
            let rate = 1.0 / steps;
            let better = best.is_none_or(|(most, at)| rate > most || (rate == most && id < at));
            if better {
                best = Some((rate, id));
            }
        }
        best.map(|(_, node)| Drawn {
            node,
            probability: 1.0,
        })
    }
}

impl Strategy for Open {
    fn changed(&mut self, tree: &Tree, node: NodeId, selectable: bool) {
        let value = selectable.then(|| tree.node(node).value);
        self.frontier.set(node, value);
    }

    fn scored(&mut self, tree: &Tree, node: NodeId) {
        if let Some(delta) = tree.node(node).delta {
            self.gains.sum += delta.max(0.0);
            self.gains.count += 1.0;
        }
    }

    fn ready(&self, _view: &View<'_>) -> bool {
        !self.frontier.is_empty()
    }

    fn select(&mut self, view: &View<'_>, random: &mut ChaCha8Rng) -> Option<Selection> {
        let method = view.method;
        let drawn = match self.kind {
            Method::Greedy => self.frontier.best(random),
            Method::Uniform => self.frontier.any(random),
            Method::ValueOfInformation => self.most_informative(view),
            Method::ConstantExponent => self.frontier.by_power(method.exponent, random),
            Method::InvertedExponent => self.frontier.by_power(view.fraction, random),
            // The ledger's fraction is in 0..=1 and the cap was checked with the settings.
            _ => {
                let power = exponent(view.fraction, method.largest_exponent)
                    .unwrap_or(method.largest_exponent);
                let sharpness = match self.kind {
                    Method::SecondOpinion => method.sharpness,
                    _ => 1.0,
                };
                let power = (sharpness * power).min(method.largest_exponent);
                self.frontier.by_power(power, random)
            }
        };
        drawn.map(|drawn| Selection {
            node: drawn.node,
            probability: drawn.probability,
        })
    }
}
