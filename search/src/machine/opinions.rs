//! Further judgements of a step, where they cost nothing of the scarcest budget.
//!
//! A critic that errs is the weak place of a search by values, and its calls are cheap where tool
//! calls are scarce. As long as the tokens would last longer than the scarcest other budget after
//! one more judgement, it leaves `r` and so the whole search as they are; the median of several
//! judgements errs less than one, as far as their errors differ.

use configs::search::CriticScore;

use super::Search;
use super::work::{Asked, Work};
use crate::resource::{Amounts, Resource};
use crate::tree::NodeId;

/// One judgement of a node.
#[derive(Clone, Debug)]
pub(super) struct Opinion {
    pub delta: Option<f64>,
    pub score: Option<f64>,
    pub why: String,
}

impl Search {
    /// A judgement came: another one is asked for, or the node gets its value.
    pub(super) fn heard(&mut self, asked: &Asked, opinion: Opinion) {
        let node = asked.node;
        if self.rules.opinions <= 1 {
            self.judged(node, opinion.delta, opinion.score, opinion.why);
            return;
        }
        self.opinions.entry(node).or_default().push(opinion);
        if self.is_settled(node) {
            self.settle_by_opinions(node);
            return;
        }
        match self.another(asked) {
            Some(again) => self.queue.push_back(again),
            None => {
                self.settle_by_opinions(node);
            }
        }
    }

    /// Whether further judgements can no longer change if the step gained.
    fn is_settled(&self, node: NodeId) -> bool {
        let base = self
            .tree
            .node(node)
            .parent
            .map_or(0.0, |parent| self.base(parent));
        let score = self.settings.critic_score;
        let gained = |opinion: &Opinion| match score {
            CriticScore::Residual => opinion.delta.is_some_and(|delta| delta > 0.0),
            CriticScore::Absolute => opinion.score.is_some_and(|score| score > base * 10.0),
        };
        let heard = self.opinions.get(&node).map_or(&[][..], Vec::as_slice);
        let gains = heard.iter().filter(|opinion| gained(opinion)).count();
        let most = self.rules.opinions as usize;
        gains.max(heard.len() - gains) > most / 2 || heard.len() >= most
    }

    /// One more judgement, where its cost leaves the scarcest budget the scarcest.
    fn another(&mut self, asked: &Asked) -> Option<Asked> {
        let characters = self.tree.node(asked.node).characters;
        let tokens = self.settings.critic_tokens;
        let most = self.most(tokens, characters);
        let kept = most.zip(self.answer_reserve(), u64::saturating_add);
        if !self.is_spare(most) || !self.fits(kept) {
            return None;
        }
        let reservation = self.set_aside(most)?;
        Some(Asked {
            node: asked.node,
            work: Work::Critic,
            reservation,
            max_tokens: tokens,
            attempt: 0,
        })
    }

    /// Whether every budget that pays for it would still be at least as full as the scarcest of
    /// the others. False where there are no others.
    fn is_spare(&self, most: Amounts) -> bool {
        let (mut paying, mut others) = (1.0_f64, None::<f64>);
        for resource in Resource::ALL {
            let Some(limit) = self
                .ledger
                .limits()
                .get(resource)
                .filter(|limit| *limit > 0)
            else {
                continue;
            };
            let left = self.ledger.left(resource).unwrap_or_default();
            let cost = most.get(resource);
            let fraction = left.saturating_sub(cost) as f64 / limit as f64;
            if cost > 0 {
                paying = paying.min(fraction);
            } else if resource != Resource::Milliseconds {
                others = Some(others.map_or(fraction, |least| least.min(fraction)));
            }
        }
        others.is_some_and(|others| paying >= others)
    }

    /// Gives the node the median of its judgements. False when there is none.
    pub(super) fn settle_by_opinions(&mut self, node: NodeId) -> bool {
        let Some(heard) = self.opinions.remove(&node) else {
            return false;
        };
        let median_of = |of: fn(&Opinion) -> Option<f64>| median(heard.iter().filter_map(of));
        let delta = median_of(|opinion| opinion.delta);
        let score = median_of(|opinion| opinion.score);
        let why = heard.into_iter().map(|opinion| opinion.why);
        let why = why.filter(|why| !why.is_empty()).collect::<Vec<_>>();
        self.judged(node, delta, score, why.join(" | "));
        true
    }
}

/// The middle one, or the mean of the two in the middle. Numbers that are not finite do not count.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}
