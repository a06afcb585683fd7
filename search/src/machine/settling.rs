//! Nodes get their value, their status, or an answer.

use configs::search::{CriticScore, ResidualBase};

use super::Search;
use super::work::{Asked, Work};
use crate::job::{Action, Instruction};
use crate::log::Event;
use crate::tree::{NodeId, Status};
use crate::value::{
    HIGHEST_SCORE, LOWEST_SCORE, back_propagate, clipped, instruction, of_child, of_score,
};

impl Search {
    /// The value of a parent that a gain is added to.
    pub(super) fn base(&self, parent: NodeId) -> f64 {
        let node = self.tree.node(parent);
        match self.rules.base {
            ResidualBase::Value => node.value,
            ResidualBase::Judged => node.judged,
        }
    }

    /// A judgement of a node; what cannot be read is no gain.
    pub(super) fn judged(
        &mut self,
        id: NodeId,
        delta: Option<f64>,
        score: Option<f64>,
        why: String,
    ) {
        let parent = self.tree.node(id).parent.unwrap_or(NodeId::ROOT);
        let base = self.base(parent);
        let number = |read: Option<f64>| read.filter(|number| number.is_finite());
        let read = match self.settings.critic_score {
            CriticScore::Residual => number(delta).map(|delta| {
                let delta = clipped(delta, self.settings.method.delta_clip);
                (of_child(base, delta), delta)
            }),
            CriticScore::Absolute => number(score).map(|score| {
                let score = score.clamp(LOWEST_SCORE, HIGHEST_SCORE);
                (of_score(score), score - base * HIGHEST_SCORE)
            }),
        };
        match read {
            Some((value, delta)) => self.settle(id, value, Some(delta), why),
            None => {
                self.counters.critic_parse_failures += 1;
                self.no_gain(id, "the judgement could not be read");
            }
        }
    }

    /// A node without gain, known without the critic.
    pub(super) fn no_gain(&mut self, id: NodeId, why: &str) {
        let parent = self.tree.node(id).parent.unwrap_or(NodeId::ROOT);
        let value = self.base(parent);
        let delta = self.rules.judges.then_some(0.0);
        self.settle(id, value, delta, why.to_owned());
    }

    /// A node that nobody judges has its parent's value.
    pub(super) fn unjudged(&mut self, id: NodeId) {
        let parent = self.tree.node(id).parent.unwrap_or(NodeId::ROOT);
        let value = self.base(parent);
        self.settle(id, value, None, String::new());
    }

    fn settle(&mut self, id: NodeId, value: f64, delta: Option<f64>, why: String) {
        let node = self.tree.node_mut(id);
        node.value = value;
        node.judged = value;
        node.delta = delta;
        let (parent, depth) = (node.parent.unwrap_or(NodeId::ROOT), node.depth);
        let answer = match node.step.as_ref().map(|step| &step.action) {
            Some(Action::Answer { text }) => Some(text.clone()),
            _ => None,
        };
        self.events.push(Event::Value {
            id,
            value,
            delta,
            why,
        });
        self.strategy.scored(&self.tree, id);
        if let Some(text) = answer {
            self.terminal(id, &text, false);
        } else {
            self.follow(id, parent, depth, delta.is_some());
        }
        self.changed(id);
        self.child_done(parent);
    }

    /// What the instruction for a judged node says.
    fn follow(&mut self, id: NodeId, parent: NodeId, depth: u32, is_judged: bool) {
        let at_end = self.rules.finishes_paths && depth >= self.settings.method.depth_limit;
        let threshold = self.settings.method.answer_threshold;
        let next = if at_end {
            Instruction::Answer
        } else if is_judged {
            instruction(self.base(parent), self.tree.node(id).value, threshold)
        } else {
            Instruction::Deepen
        };
        match next {
            Instruction::Answer => {
                self.tree.node_mut(id).instruction = Instruction::Answer;
                // Pending until it is paid: nothing else goes on from it.
                self.unpaid.push_back(id);
            }
            Instruction::Widen => {
                self.tree.node_mut(parent).instruction = Instruction::Widen;
                if self.rules.prunes {
                    self.tree.set_status(id, Status::Pruned);
                    self.events.push(Event::Prune {
                        id,
                        why: "no gain".to_owned(),
                    });
                } else {
                    self.tree.set_status(id, Status::Open);
                }
            }
            Instruction::Deepen => self.tree.set_status(id, Status::Open),
        }
    }

    /// A child of the node is no longer under way.
    pub(super) fn child_done(&mut self, parent: NodeId) {
        let node = self.tree.node_mut(parent);
        node.pending = node.pending.saturating_sub(1);
        self.pending = self.pending.saturating_sub(1);
        self.changed(parent);
    }

    /// A node ends in an answer; its ancestors hear of it.
    pub(super) fn terminal(&mut self, id: NodeId, text: &str, forced: bool) {
        self.tree.set_status(id, Status::Terminal);
        self.tree.node_mut(id).answer = Some(text.trim().into());
        self.terminals.push(id);
        self.events.push(Event::Answer {
            text: text.trim().to_owned(),
            node: Some(id),
            chosen: false,
            backstop: forced,
        });
        self.changed(id);
        if !self.rules.smooths {
            return;
        }
        let pruned = self.settings.method.backpropagate_pruned;
        for moved in back_propagate(&mut self.tree, id, pruned) {
            self.events.push(Event::Value {
                id: moved,
                value: self.tree.node(moved).value,
                delta: None,
                why: format!("the answer of node {id}"),
            });
            self.changed(moved);
        }
    }

    /// Asks for a plan first, where one is wanted and leaves enough for an answer.
    pub(super) fn queue_plan(&mut self) {
        if !self.settings.method.plan {
            return;
        }
        let tokens = self.settings.plan_tokens;
        let most = self.most(tokens, 0);
        if !self.fits(most.zip(self.answer_reserve(), u64::saturating_add)) {
            return;
        }
        if let Some(reservation) = self.set_aside(most) {
            self.queue.push_back(Asked {
                node: NodeId::ROOT,
                work: Work::Plan,
                reservation,
                max_tokens: tokens,
                attempt: 0,
            });
        }
    }

    /// Queues the answers that can be paid. The first one may take the reserve.
    pub(super) fn pay_answers(&mut self) {
        while let Some(id) = self.unpaid.front().copied() {
            let characters = self.tree.node(id).characters;
            let reserve = self.settings.reserve(self.ledger.limits().tokens);
            let enough = self.settings.answer_tokens.min(reserve);
            let busy = !self.open.is_empty() || !self.queue.is_empty();
            let first = self.terminals.is_empty() && !busy;
            let tokens = self
                .answer_tokens(characters)
                .filter(|tokens| *tokens >= enough || first);
            if tokens.is_none() && busy {
                return;
            }
            self.unpaid.pop_front();
            let queued = tokens.is_some_and(|tokens| self.queue_answer(id, tokens, false));
            if !queued {
                self.no_answer(id, "it cannot be paid");
            }
        }
    }

    fn queue_answer(&mut self, id: NodeId, tokens: u64, forced: bool) -> bool {
        let most = self.most(tokens, self.tree.node(id).characters);
        let Some(reservation) = self.set_aside(most) else {
            return false;
        };
        self.queue.push_back(Asked {
            node: id,
            work: Work::Answer {
                forced,
                as_child: false,
            },
            reservation,
            max_tokens: tokens,
            attempt: 0,
        });
        true
    }

    /// The backstop: an answer from the node of the best value, the deepest and latest of equal
    /// ones, with what is left. False when nothing is left.
    pub(super) fn force_answer(&mut self) -> bool {
        let nodes = self.tree.nodes().iter();
        let best = nodes
            .filter(|node| node.status != Status::Pruned)
            .max_by(|left, right| {
                let by_value = left.value.total_cmp(&right.value);
                by_value
                    .then(left.depth.cmp(&right.depth))
                    .then(left.id.cmp(&right.id))
            });
        let Some((id, characters)) = best.map(|node| (node.id, node.characters)) else {
            return false;
        };
        self.forced = true;
        self.answer_tokens(characters)
            .is_some_and(|tokens| self.queue_answer(id, tokens, true))
    }
}
