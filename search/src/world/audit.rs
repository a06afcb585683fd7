//! What policy and critic did in searches about a world, held against what the world knows: the error rates that the
//! scripted actor and critic of [`crate::scripted`] can be set to.

use std::collections::BTreeMap;

use super::World;
use super::progress::{Aim, Progress, judge, judge_answer};
use super::questions::WorldQuestion;
use crate::job::Action;
use crate::tree::{NodeId, Tree};

/// Counts over the nodes of searches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Searches that were looked at.
    pub searches: u64,
    /// Queries for a needed fact that brought it.
    pub gained: u64,
    /// Queries for a needed fact that did not.
    pub missed: u64,
    /// Queries for a fact that was there already, and queries made before, along the path or from the same node.
    pub redundant: u64,
    /// Queries for anything else.
    pub astray: u64,
    /// Steps without a query or an answer.
    pub thoughts: u64,
    /// Right answers with all of the evidence found.
    pub right_answers: u64,
    /// All other answers.
    pub wrong_answers: u64,
    /// Judged steps by the world's delta and the critic's, rounded.
    pub judged: BTreeMap<(i32, i32), u64>,
    /// Fewest queries of the questions, in all.
    pub fewest_calls: u64,
}

/// Shares of a critic's judgements about "this step gained something".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CriticRates {
    /// Of the steps that gained nothing, those judged as gains.
    pub false_positive: f64,
    /// Of the gains, those judged as none.
    pub false_negative: f64,
}

impl Audit {
    /// Takes in the tree of one search.
    pub fn add(&mut self, world: &World, question: &WorldQuestion, tree: &Tree) {
        self.searches += 1;
        // Less than five.
        self.fewest_calls += question.fewest_calls(world) as u64;
        for node in tree.nodes() {
            let (Some(step), Some(parent)) = (&node.step, node.parent) else {
                continue;
            };
            let siblings = tree.node(parent).children.iter();
            let earlier = siblings.filter(|sibling| **sibling < node.id);
            let again = |sibling: &NodeId| {
                let other = &tree.node(*sibling).step;
                other
                    .as_ref()
                    .is_some_and(|other| other.action == step.action)
            };
            if matches!(step.action, Action::Call { .. }) && earlier.into_iter().any(again) {
                // Known to add nothing without a critic, where the search looks for such steps.
                self.redundant += 1;
                continue;
            }
            let path = tree.steps(parent);
            let seen = path.iter().filter_map(|step| step.observation.as_deref());
            let before = Progress::after(world, question, seen);
            let truth = match &step.action {
                Action::Think => {
                    self.thoughts += 1;
                    0
                }
                Action::Answer { text } => {
                    let truth = judge_answer(question, &before, text);
                    let count = if truth > 0 {
                        &mut self.right_answers
                    } else {
                        &mut self.wrong_answers
                    };
                    *count += 1;
                    truth
                }
                Action::Call { input, .. } => {
                    let observation = step.observation.as_deref().unwrap_or_default();
                    let truth = judge(world, question, &before, input, observation);
                    let repeated = path.iter().any(|earlier| earlier.action == step.action);
                    let count = match before.aim(world, question, input) {
                        _ if truth > 0 => &mut self.gained,
                        Aim::Needed(_) if !repeated => &mut self.missed,
                        Aim::Needed(_) | Aim::Found => &mut self.redundant,
                        Aim::Elsewhere => &mut self.astray,
                    };
                    *count += 1;
                    truth
                }
            };
            if let Some(delta) = node.delta {
                // Clipped to -4..=4.
                *self
                    .judged
                    .entry((truth, delta.round() as i32))
                    .or_default() += 1;
            }
        }
    }

    /// All queries.
    pub fn queries(&self) -> u64 {
        self.gained + self.missed + self.redundant + self.astray
    }

    /// The critic's rates; none where a kind of step was never judged. A delta above 0, rounded, is a gain.
    pub fn critic(&self) -> Option<CriticRates> {
        let share = |gained: bool, wrong: &dyn Fn(i32) -> bool| {
            let judged = self
                .judged
                .iter()
                .filter(|((truth, _), _)| (*truth > 0) == gained);
            let all: u64 = judged.clone().map(|(_, count)| count).sum();
            let wrong: u64 = judged
                .filter(|((_, told), _)| wrong(*told))
                .map(|(_, count)| count)
                .sum();
            (all > 0).then(|| wrong as f64 / all as f64)
        };
        Some(CriticRates {
            false_positive: share(false, &|told| told > 0)?,
            false_negative: share(true, &|told| told <= 0)?,
        })
    }
}
