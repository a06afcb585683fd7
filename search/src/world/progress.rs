//! What a search has found of a question's evidence, and what each step was worth: the labels of a critic.

use super::World;
use super::documents::Content;
use super::questions::{Hop, WorldQuestion};

/// What a query went for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// A fact that is missing and can be asked for now: the number of its hop.
    Needed(usize),
    /// A fact that was found before.
    Found,
    /// Nothing that the question needs.
    Elsewhere,
}

/// Which hops are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    resolved: Vec<bool>,
}

impl Progress {
    /// Nothing found yet.
    pub fn new(question: &WorldQuestion) -> Self {
        Self {
            resolved: vec![false; question.hops.len()],
        }
    }

    /// After these observations, the oldest first.
    pub fn after<'a>(
        world: &World,
        question: &WorldQuestion,
        observations: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut progress = Self::new(question);
        for observation in observations {
            progress.observe(world, question, observation);
        }
        progress
    }

    /// Takes an observation in and gives the change of the critic's score, `delta*` of [`worth`]. A fact counts once
    /// what it builds on is known: who does not know the director learns nothing from where the director was born.
    pub fn observe(&mut self, world: &World, question: &WorldQuestion, observation: &str) -> i32 {
        let before = self.count();
        for (index, hop) in question.hops.iter().enumerate() {
            if !self.resolved[index] && self.known(hop) && states(world, observation, hop) {
                self.resolved[index] = true;
            }
        }
        worth(question.hops.len(), before, self.count())
    }

    /// How many hops are resolved.
    pub fn count(&self) -> usize {
        self.resolved.iter().filter(|resolved| **resolved).count()
    }

    /// Whether all of them are.
    pub fn complete(&self) -> bool {
        self.resolved.iter().all(|resolved| *resolved)
    }

    /// Whether this hop is.
    pub fn has(&self, hop: usize) -> bool {
        self.resolved[hop]
    }

    /// The first hop that is missing and can be asked for.
    pub fn next(&self, question: &WorldQuestion) -> Option<usize> {
        let missing = |index: &usize| !self.resolved[*index] && self.known(&question.hops[*index]);
        (0..question.hops.len()).find(missing)
    }

    /// What a query goes for, told by the subject's name and one of the relation's words.
    pub fn aim(&self, world: &World, question: &WorldQuestion, query: &str) -> Aim {
        let words: Vec<&str> = query.split(' ').collect();
        let names = |hop: &Hop| {
            let name = &world.graph.entity(hop.subject).name;
            let relation = hop.relation.description().words;
            name.split(' ').all(|word| words.contains(&word))
                && words.iter().any(|word| relation.contains(word))
        };
        let hops = question.hops.iter().enumerate();
        let mut aimed = hops.filter(|(_, hop)| names(hop) && self.known(hop));
        match aimed.next() {
            Some((index, _)) if self.resolved[index] => Aim::Found,
            Some((index, _)) => Aim::Needed(index),
            None => Aim::Elsewhere,
        }
    }

    fn known(&self, hop: &Hop) -> bool {
        hop.needs.is_none_or(|earlier| self.resolved[earlier])
    }
}

/// What a step was worth on the scale of 1 to 10: `10 (after - before) / hops`, rounded to the nearest whole number and a
/// half to the even one, so that four hops of 2 reach 9 of 10 and three do not reach 8; at most 4.
pub fn worth(hops: usize, before: usize, after: usize) -> i32 {
    let exact = 10.0 * (after as f64 - before as f64) / hops as f64;
    // Between -4 and 4.
    exact.round_ties_even().clamp(-4.0, 4.0) as i32
}

/// What a critic should say of a query and its observation: [`worth`] where hops were resolved; 0 for a needed or
/// repeated query that brought nothing; -1 for one that leads away from the question.
pub fn judge(
    world: &World,
    question: &WorldQuestion,
    before: &Progress,
    query: &str,
    observation: &str,
) -> i32 {
    let gained = before.clone().observe(world, question, observation);
    match before.aim(world, question, query) {
        _ if gained > 0 => gained,
        Aim::Elsewhere => -1,
        Aim::Needed(_) | Aim::Found => 0,
    }
}

/// What a critic should say of an answer: +2 for a right one with all of its evidence found, else -4.
pub fn judge_answer(question: &WorldQuestion, progress: &Progress, answer: &str) -> i32 {
    let right = question.answers.iter().any(|right| right == answer);
    if right && (progress.complete() || !question.answerable) {
        2
    } else {
        -4
    }
}

/// Whether an observation has the sentence of a hop's fact.
fn states(world: &World, observation: &str, hop: &Hop) -> bool {
    let Some(document) = world.document_of(Content::Fact(hop.fact)) else {
        return false;
    };
    observation.contains(&document.text)
}
