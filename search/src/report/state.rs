//! A recorded search as it ended.

use super::recorded::{Recorded, Step};

/// What a node came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeEnding {
    /// Its last value.
    pub value: Option<f64>,
    /// What the critic added last.
    pub delta: Option<f64>,
    /// Why, in the critic's words: those that were said last.
    pub why: String,
    /// How often it was selected.
    pub visits: u32,
    /// The probability of its last selection.
    pub probability: Option<f64>,
    /// Why it was pruned; none when it was not.
    pub pruned: Option<String>,
    /// Spent for it, by resource.
    pub costs: Vec<f64>,
    /// Its answers, by their place among the answers.
    pub answers: Vec<usize>,
}

/// What was spent of a resource in all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SpentOf {
    /// Spent.
    pub spent: f64,
    /// Its ceiling; none for no ceiling.
    pub limit: Option<f64>,
}

impl SpentOf {
    /// Whether more was spent than allowed.
    #[must_use]
    pub fn violated(&self) -> bool {
        self.limit
            .is_some_and(|limit| self.spent > limit * (1.0 + 1e-9))
    }
}

/// A search after its last step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ending {
    /// By the places of the nodes.
    pub nodes: Vec<NodeEnding>,
    /// By the places of the resources.
    pub spent: Vec<SpentOf>,
    /// From a root to the chosen answer, or to the best leaf before there is one.
    pub best_path: Vec<usize>,
}

impl Ending {
    /// Plays all steps.
    #[must_use]
    pub fn of(recorded: &Recorded) -> Self {
        let mut ending = Self {
            nodes: vec![NodeEnding::default(); recorded.nodes.len()],
            spent: vec![SpentOf::default(); recorded.resources.len()],
            best_path: Vec::new(),
        };
        for node in &mut ending.nodes {
            node.costs = vec![0.0; recorded.resources.len()];
        }
        for (_, step) in &recorded.steps {
            ending.take(recorded, step);
        }
        ending.best_path = ending.find_best_path(recorded);
        ending
    }

    fn take(&mut self, recorded: &Recorded, step: &Step) {
        match step {
            Step::Budget(resource, limit) => self.spent[*resource].limit = *limit,
            Step::Value(node, value, delta, why) => {
                let node = &mut self.nodes[*node];
                (node.value, node.delta) = (Some(*value), delta.or(node.delta));
                if !why.is_empty() {
                    node.why.clone_from(why);
                }
            }
            Step::Visit(node, probability, _) => {
                let node = &mut self.nodes[*node];
                node.visits += 1;
                node.probability = *probability;
            }
            Step::Spend(resource, amount, node) => {
                self.spent[*resource].spent += amount;
                if let Some(node) = node {
                    self.nodes[*node].costs[*resource] += amount;
                }
            }
            Step::Prune(node, why) => self.nodes[*node].pruned = Some(why.clone()),
            Step::Answer(answer) => {
                if let Some(node) = recorded.answers[*answer].node {
                    self.nodes[node].answers.push(*answer);
                }
            }
            Step::Node(_) | Step::End(_) => {}
        }
    }

    fn find_best_path(&self, recorded: &Recorded) -> Vec<usize> {
        let chosen = recorded.chosen().and_then(|answer| answer.node);
        let Some(end) = chosen.or_else(|| self.best_leaf(recorded)) else {
            return Vec::new();
        };
        let parent = |place: &usize| recorded.nodes[*place].parent;
        let mut path: Vec<usize> = std::iter::successors(Some(end), parent).collect();
        path.reverse();
        path
    }

    /// The leaf of highest value that was not pruned, the earlier of equal ones.
    fn best_leaf(&self, recorded: &Recorded) -> Option<usize> {
        let children = recorded.children();
        let mut best: Option<(f64, usize)> = None;
        for (place, node) in self.nodes.iter().enumerate() {
            let Some(value) = node.value else { continue };
            let leaf = children[place].is_empty() && node.pruned.is_none();
            if leaf && best.is_none_or(|(highest, _)| value > highest) {
                best = Some((value, place));
            }
        }
        best.map(|(_, place)| place)
    }
}
