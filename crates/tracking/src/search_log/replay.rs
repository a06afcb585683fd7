//! A search at a moment of its replay: forwards and backwards in steps.

use super::exceeds;
use super::log::{Answer, Change, SearchLog};

/// How the children of a node are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As they appeared.
    #[default]
    Age,
    /// Highest value first.
    Value,
    /// Most visits first.
    Visits,
    /// Most expensive first, by the first resource.
    Cost,
}

impl Order {
    /// All orders.
    pub const ALL: [Self; 4] = [Self::Age, Self::Value, Self::Visits, Self::Cost];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Value => "value",
            Self::Visits => "visits",
            Self::Cost => "cost",
        }
    }
}

/// What was spent of a resource.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget<'a> {
    /// Its name.
    pub resource: &'a str,
    /// Spent so far.
    pub spent: f64,
    /// Its ceiling; none when there is none.
    pub limit: Option<f64>,
}

impl Budget<'_> {
    /// The spent share, from 0 to 1; none without a ceiling.
    pub fn share(&self) -> Option<f64> {
        let limit = self.limit?;
        if limit <= 0.0 {
            return Some(1.0);
        }
        Some((self.spent / limit).clamp(0.0, 1.0))
    }

    /// Whether more was spent than allowed.
    pub fn violated(&self) -> bool {
        self.limit.is_some_and(|limit| exceeds(self.spent, limit))
    }
}

/// What a change replaced.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Undo {
    Nothing,
    Limit(f64),
    Value(f64, f64),
    Visit(f32, f32),
    Spend(f64, f64),
    Pruned(bool),
}

/// What changes of a node.
#[derive(Debug, Clone, PartialEq)]
struct NodeState {
    value: f64,
    delta: f64,
    visits: u32,
    probability: f32,
    pruned: bool,
}

const FRESH: NodeState = NodeState {
    value: f64::NAN,
    delta: f64::NAN,
    visits: 0,
    probability: f32::NAN,
    pruned: false,
};

/// A log with a place in it. Steps cost a constant each in either direction, so a
/// replay of a large search can be moved about freely.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    log: SearchLog,
    position: usize,
    undo: Vec<Undo>,
    nodes: Vec<NodeState>,
    /// Spent for each node, a row of resources per node.
    costs: Vec<Vec<f64>>,
    spent: Vec<f64>,
    limits: Vec<f64>,
    ratio: f32,
    answers: usize,
}

impl Replay {
    /// A log at its end.
    pub fn at_end(log: SearchLog) -> Self {
        let mut replay = Self {
            log,
            ratio: f32::NAN,
            ..Self::default()
        };
        replay.make_room();
        replay.seek(usize::MAX);
        replay
    }

    /// The log.
    pub fn log(&self) -> &SearchLog {
        &self.log
    }

    /// Adds what was read since; the place stays, except that a replay at its end
    /// follows the end.
    pub fn extend(&mut self, events: impl IntoIterator<Item = super::SearchEvent>) {
        if self.log.changes().is_empty() {
            self.ratio = f32::NAN;
        }
        let follows = self.position == self.log.changes().len();
        for event in events {
            self.log.apply(event);
        }
        self.make_room();
        if follows {
            self.seek(usize::MAX);
        }
    }

    /// How many changes have happened.
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.log.changes().len()
    }

    /// Whether there is nothing to replay.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the place is the end.
    pub fn is_at_end(&self) -> bool {
        self.position == self.len()
    }

    /// Goes to a place; beyond the end is the end.
    pub fn seek(&mut self, position: usize) {
        let position = position.min(self.len());
        while self.position < position {
            self.forward();
        }
        while self.position > position {
            self.back();
        }
    }

    fn forward(&mut self) {
        let change = self.log.changes()[self.position];
        let undo = match change {
            Change::Question | Change::End => Undo::Nothing,
            Change::Answer(_) => {
                self.answers += 1;
                Undo::Nothing
            }
            Change::Budget { resource, limit } => {
                Undo::Limit(std::mem::replace(&mut self.limits[resource], limit))
            }
            Change::Node(_) => {
                self.nodes.push(FRESH);
                self.costs.push(Vec::new());
                Undo::Nothing
            }
            Change::Value { node, value, delta } => {
                let state = &mut self.nodes[node as usize];
                let old = (state.value, state.delta);
                (state.value, state.delta) = (value, delta);
                Undo::Value(old.0, old.1)
            }
            Change::Visit {
                node,
                probability,
                ratio,
            } => {
                let state = &mut self.nodes[node as usize];
                state.visits += 1;
                let old = std::mem::replace(&mut state.probability, probability);
                Undo::Visit(old, std::mem::replace(&mut self.ratio, ratio))
            }
            Change::Spend {
                resource,
                amount,
                node,
            } => {
                let before = self.spent[resource];
                self.spent[resource] += amount;
                let own = node.map_or(0.0, |node| {
                    let costs = &mut self.costs[node as usize];
                    if costs.len() <= resource {
                        costs.resize(resource + 1, 0.0);
                    }
                    let own = costs[resource];
                    costs[resource] += amount;
                    own
                });
                Undo::Spend(before, own)
            }
            Change::Prune(node) => {
                let state = &mut self.nodes[node as usize];
                Undo::Pruned(std::mem::replace(&mut state.pruned, true))
            }
        };
        self.undo.push(undo);
        self.position += 1;
    }

    fn back(&mut self) {
        let Some(undo) = self.undo.pop() else { return };
        self.position -= 1;
        match (self.log.changes()[self.position], undo) {
            (Change::Answer(_), _) => self.answers -= 1,
            (Change::Node(_), _) => {
                self.nodes.pop();
                self.costs.pop();
            }
            (Change::Budget { resource, .. }, Undo::Limit(old)) => self.limits[resource] = old,
            (Change::Value { node, .. }, Undo::Value(value, delta)) => {
                let state = &mut self.nodes[node as usize];
                (state.value, state.delta) = (value, delta);
            }
            (Change::Visit { node, .. }, Undo::Visit(probability, ratio)) => {
                let state = &mut self.nodes[node as usize];
                state.visits -= 1;
                state.probability = probability;
                self.ratio = ratio;
            }
            (Change::Spend { resource, node, .. }, Undo::Spend(spent, own)) => {
                self.spent[resource] = spent;
                if let Some(node) = node {
                    self.costs[node as usize][resource] = own;
                }
            }
            (Change::Prune(node), Undo::Pruned(old)) => self.nodes[node as usize].pruned = old,
            _ => {}
        }
    }

    /// All resources have their place from the start, so that gauges do not jump.
    fn make_room(&mut self) {
        let resources = self.log.resources().len();
        self.spent.resize(resources, 0.0);
        self.limits.resize(resources, f64::INFINITY);
    }

    /// Nodes that exist now.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The value of a node, where it has one.
    pub fn value(&self, node: u32) -> Option<f64> {
        let value = self.nodes.get(node as usize)?.value;
        (!value.is_nan()).then_some(value)
    }

    /// What the critic added at a node.
    pub fn delta(&self, node: u32) -> Option<f64> {
        let delta = self.nodes.get(node as usize)?.delta;
        (!delta.is_nan()).then_some(delta)
    }

    /// How often a node was selected.
    pub fn visits(&self, node: u32) -> u32 {
        self.nodes
            .get(node as usize)
            .map_or(0, |state| state.visits)
    }

    /// The probability with which a node was selected last.
    pub fn probability(&self, node: u32) -> Option<f64> {
        let probability = self.nodes.get(node as usize)?.probability;
        (!probability.is_nan()).then(|| f64::from(probability))
    }

    /// Whether a node was pruned.
    pub fn pruned(&self, node: u32) -> bool {
        self.nodes
            .get(node as usize)
            .is_some_and(|state| state.pruned)
    }

    /// What was spent for a node itself, of one resource.
    pub fn cost(&self, node: u32, resource: usize) -> f64 {
        let costs = self.costs.get(node as usize);
        costs
            .and_then(|costs| costs.get(resource))
            .copied()
            .unwrap_or(0.0)
    }

    /// The budgets now, in order of appearance.
    pub fn budgets(&self) -> impl Iterator<Item = Budget<'_>> {
        let named = self.log.resources().iter().zip(&self.spent);
        named
            .zip(&self.limits)
            .map(|((resource, spent), limit)| Budget {
                resource,
                spent: *spent,
                limit: limit.is_finite().then_some(*limit),
            })
    }

    /// The remaining share of the tightest budget, as the search saw it last.
    pub fn ratio(&self) -> Option<f64> {
        (!self.ratio.is_nan()).then(|| f64::from(self.ratio))
    }

    /// The answers given so far.
    pub fn answers(&self) -> &[Answer] {
        &self.log.answers()[..self.answers]
    }

    /// The answer of the search, once it is chosen.
    pub fn chosen(&self) -> Option<&Answer> {
        self.answers().iter().rfind(|answer| answer.chosen)
    }

    /// The answers that a node gave so far.
    pub fn answers_of(&self, node: u32) -> impl Iterator<Item = &Answer> {
        let of = move |answer: &&Answer| answer.node == Some(node);
        self.answers().iter().filter(of)
    }

    /// The children of a node that exist now, oldest first.
    pub fn children(&self, node: u32) -> &[u32] {
        let Some(info) = self.log.nodes().get(node as usize) else {
            return &[];
        };
        let living = info.children.partition_point(|child| self.exists(*child));
        &info.children[..living]
    }

    /// The roots that exist now.
    pub fn roots(&self) -> &[u32] {
        let roots = self.log.roots();
        &roots[..roots.partition_point(|root| self.exists(*root))]
    }

    fn exists(&self, node: u32) -> bool {
        (node as usize) < self.nodes.len()
    }

    /// Puts nodes in an order, equal ones as they appeared; by age they stay as they are.
    pub fn sort(&self, nodes: &mut [u32], order: Order) {
        let key = |node: u32| match order {
            Order::Age => 0.0,
            Order::Value => self.value(node).unwrap_or(f64::NEG_INFINITY),
            Order::Visits => f64::from(self.visits(node)),
            Order::Cost => self.cost(node, 0),
        };
        if order == Order::Age {
            return;
        }
        let mut keyed: Vec<(f64, u32)> = nodes.iter().map(|node| (key(*node), *node)).collect();
        // By number where keys are equal: nodes are numbered as they appeared.
        keyed.sort_unstable_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
        for (place, (_, node)) in nodes.iter_mut().zip(keyed) {
            *place = node;
        }
    }

    /// From the root to a node.
    pub fn path(&self, node: u32) -> Vec<u32> {
        let nodes = self.log.nodes();
        let parent = |node: &u32| nodes.get(*node as usize).and_then(|info| info.parent);
        let start = self.exists(node).then_some(node);
        let mut path: Vec<u32> = std::iter::successors(start, parent).collect();
        path.reverse();
        path
    }

    /// The path to the chosen answer; before there is one, to the leaf of highest value
    /// that was not pruned (the earlier of equal ones).
    pub fn best_path(&self) -> Vec<u32> {
        if let Some(node) = self.chosen().and_then(|answer| answer.node) {
            return self.path(node);
        }
        let mut best: Option<(f64, u32)> = None;
        for node in 0..self.nodes.len() as u32 {
            let Some(value) = self.value(node) else {
                continue;
            };
            let leaf = self.children(node).is_empty() && !self.pruned(node);
            if leaf && best.is_none_or(|(highest, _)| value > highest) {
                best = Some((value, node));
            }
        }
        best.map_or_else(Vec::new, |(_, node)| self.path(node))
    }
}
