//! The nodes that can be selected, grouped by equal values, so that a draw among ten thousand
//! nodes costs no more than one among the values that they have.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::selection::SMALLEST_VALUE;
use crate::tree::NodeId;

/// Candidates by value, the smallest first.
#[derive(Clone, Debug, Default)]
pub struct Frontier {
    /// Keyed by the value's bits, which order positive numbers as the values do.
    groups: BTreeMap<u64, Vec<NodeId>>,
    /// Of each node that is in: its key and its place in the group.
    places: Vec<Option<(u64, usize)>>,
    count: usize,
}

/// A node that was drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// The node.
    pub node: NodeId,
    /// The probability of it.
    pub probability: f64,
}

impl Frontier {
    /// Puts a node in under a value, moves it, or takes it out.
    pub fn set(&mut self, node: NodeId, value: Option<f64>) {
        let index = node.index();
        if self.places.len() <= index {
            self.places.resize(index + 1, None);
        }
        // Values below the smallest count as that, as in the draw by a power.
        let key = value.map(|value| value.max(SMALLEST_VALUE).to_bits());
        if self.places[index].map(|(key, _)| key) == key {
            return;
        }
        if let Some((old, place)) = self.places[index].take() {
            self.take(old, place);
        }
        if let Some(key) = key {
            let group = self.groups.entry(key).or_default();
            self.places[index] = Some((key, group.len()));
            group.push(node);
            self.count += 1;
        }
    }

    fn take(&mut self, key: u64, place: usize) {
        let Some(group) = self.groups.get_mut(&key) else {
            return;
        };
        group.swap_remove(place);
        if let Some(moved) = group.get(place) {
            self.places[moved.index()] = Some((key, place));
        } else if group.is_empty() {
            self.groups.remove(&key);
        }
        self.count -= 1;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All of them, by value and then in no order that matters.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.groups.values().flatten().copied()
    }

    /// Draws a node in proportion to its value to a power; none when there is none.
    pub fn by_power(&self, exponent: f64, random: &mut ChaCha8Rng) -> Option<Drawn> {
        let best = f64::from_bits(*self.groups.last_key_value()?.0).ln();
        // Relative to the best, whose weight is exactly 1: nothing overflows.
        let weight = |key: u64| (exponent * (f64::from_bits(key).ln() - best)).exp();
        let weights: Vec<f64> = self.groups.keys().map(|key| weight(*key)).collect();
        let groups = self.groups.values();
        let sum: f64 = groups
            .clone()
            .zip(&weights)
            .map(|(group, weight)| group.len() as f64 * weight)
            .sum();
        let mut rest = random.random::<f64>() * sum;
        let mut drawn = None;
        for (group, weight) in groups.zip(&weights) {
            if *weight <= 0.0 {
                continue;
            }
            let mass = group.len() as f64 * weight;
            // The last place takes what rounding leaves over.
            let place = ((rest / weight) as usize).min(group.len() - 1);
            drawn = Some(Drawn {
                node: group[place],
                probability: weight / sum,
            });
            if rest < mass {
                break;
            }
            rest -= mass;
        }
        drawn
    }

    /// Draws one of the nodes of the best value.
    pub fn best(&self, random: &mut ChaCha8Rng) -> Option<Drawn> {
        let (_, group) = self.groups.last_key_value()?;
        Some(one_of(group, random))
    }

    /// Draws any node.
    pub fn any(&self, random: &mut ChaCha8Rng) -> Option<Drawn> {
        if self.count == 0 {
            return None;
        }
        let mut place = random.random_range(0..self.count);
        for group in self.groups.values() {
            if let Some(node) = group.get(place) {
                return Some(Drawn {
                    node: *node,
                    probability: 1.0 / self.count as f64,
                });
            }
            place -= group.len();
        }
        None
    }
}

fn one_of(group: &[NodeId], random: &mut ChaCha8Rng) -> Drawn {
    Drawn {
        node: group[random.random_range(0..group.len())],
        probability: 1.0 / group.len() as f64,
    }
}
