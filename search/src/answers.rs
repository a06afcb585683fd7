//! Which of several answers is given.

use configs::search::AnswerRule;

use crate::metrics::normalise;
use crate::tree::{NodeId, Tree};

/// Equal answers, in the order in which the first of each was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The answer as compared.
    pub normalised: String,
    /// The node of the best value among them, the first of equal ones.
    pub best: NodeId,
    /// The best value.
    pub best_value: f64,
    /// Their values in sum.
    pub sum: f64,
    /// How many they are.
    pub count: u32,
}

/// Groups terminal nodes, given in the order of their answers, by equal answers.
pub fn groups(tree: &Tree, terminals: &[NodeId]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for id in terminals {
        let node = tree.node(*id);
        let Some(answer) = &node.answer else {
            continue;
        };
        let text = normalise(answer);
        match groups.iter_mut().find(|group| group.normalised == text) {
            Some(group) => {
                group.sum += node.value;
                group.count += 1;
                if node.value > group.best_value {
                    group.best_value = node.value;
                    group.best = *id;
                }
            }
            None => groups.push(Group {
                normalised: text,
                best: *id,
                best_value: node.value,
                sum: node.value,
                count: 1,
            }),
        }
    }
    groups
}

/// The node whose answer is given. Ties go to the better single value, then to the earlier answer.
pub fn chosen(tree: &Tree, terminals: &[NodeId], rule: AnswerRule) -> Option<NodeId> {
    let weight = |group: &Group| match rule {
        AnswerRule::SumValue => group.sum,
        AnswerRule::BestValue => group.best_value,
        AnswerRule::Majority => f64::from(group.count),
    };
    let mut best: Option<(f64, Group)> = None;
    for group in groups(tree, terminals) {
        let weight = weight(&group);
        let better = best.as_ref().is_none_or(|(most, leader)| {
            // Sums of the same values in another order differ in the last digits.
            let close = (weight - most).abs() <= 1e-12;
            (!close && weight > *most) || (close && group.best_value > leader.best_value)
        });
        if better {
            best = Some((weight, group));
        }
    }
    best.map(|(_, group)| group.best)
}
