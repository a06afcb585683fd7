//! Jobs: what is asked for next.

use std::sync::Arc;

use configs::search::TriedActions;

use super::Search;
use super::costs::Offer;
use super::work::{Asked, Rest, Work};
use crate::job::{Action, Instruction, Job, JobId, Remaining, State};
use crate::log::Event;
use crate::random::{self, Stream};
use crate::resource::Resource;
use crate::strategy::View;
use crate::tree::NodeId;

/// Earlier actions that a prompt names at most, the latest ones.
const MOST_TRIED: usize = 16;

impl Search {
    /// The next job; none to wait. Changes nothing when it gives none.
    pub(super) fn ask_one(&mut self) -> Option<Job> {
        if self.verdict.is_some() {
            return None;
        }
        if let Some(asked) = self.queue.pop_front() {
            return Some(self.hand_out(asked, None));
        }
        let planning = self
            .open
            .values()
            .any(|asked| matches!(asked.work, Work::Plan));
        if planning || self.stopping.is_some() || self.obstacle().is_some() {
            return None;
        }
        if self.rules.answers_only {
            return self.ask_answer();
        }
        // A strategy may count what it selects: it is asked only for what can be paid.
        let offer = self.offer()?;
        let (node, visit) = self.choose()?;
        let asked = self.expansion(node, offer)?;
        self.visited(node, visit.is_some());
        self.tree.node_mut(node).pending += 1;
        self.pending += 1;
        self.changed(node);
        Some(self.hand_out(asked, visit))
    }

    /// The node to continue: the one selected before while it gets more children, else a new
    /// one, with what the log says of the choice.
    fn choose(&mut self) -> Option<(NodeId, Option<Event>)> {
        if let Some((node, more)) = self.burst
            && more > 0
            && self.selectable(node)
        {
            return Some((node, None));
        }
        let ratio = self.ledger.fraction_left();
        let mut random = random::stream(self.seed, Stream::Selection, self.visits);
        let view = View {
            tree: &self.tree,
            method: &self.settings.method,
            fraction: ratio,
            terminals: &self.terminals,
            tools_left: self.tools_left(),
        };
        let chosen = self.strategy.select(&view, &mut random)?;
        let visit = Event::Visit {
            id: chosen.node,
            probability: chosen.probability,
            ratio,
        };
        Some((chosen.node, Some(visit)))
    }

    fn visited(&mut self, node: NodeId, selected: bool) {
        if selected {
            self.visits += 1;
            self.tree.node_mut(node).visits += 1;
            let more = self.settings.method.children_per_visit.saturating_sub(1);
            self.burst = (more > 0 && self.rules.judges).then_some((node, more));
        } else if let Some((_, more)) = &mut self.burst {
            *more -= 1;
        }
    }

    /// Reserves step, critic and tool of one child.
    fn expansion(&mut self, node: NodeId, offer: Offer) -> Option<Asked> {
        let reservation = self.set_aside(offer.step)?;
        let rest = Rest {
            critic: offer.critic.and_then(|most| self.set_aside(most)),
            tool: offer
                .tool
                .and_then(|(most, units)| Some((self.set_aside(most)?, units))),
        };
        let work = Work::Step {
            instruction: self.instruction(node),
            tried: self.tried(node),
            tools_allowed: rest.tool.is_some(),
            rest,
        };
        Some(Asked {
            node,
            work,
            reservation,
            max_tokens: offer.step_tokens,
            attempt: 0,
        })
    }

    fn instruction(&self, node: NodeId) -> Instruction {
        if self.rules.judges {
            self.tree.node(node).instruction
        } else {
            Instruction::Deepen
        }
    }

    /// The actions of a node's children that the policy is told of, oldest first.
    fn tried(&self, node: NodeId) -> Vec<Action> {
        let gained = |child: &crate::tree::Node| child.judged > self.tree.node(node).judged;
        let children = self.tree.node(node).children.iter().rev();
        let mut tried: Vec<Action> = children
            .map(|id| self.tree.node(*id))
            .filter(|child| match self.rules.tried {
                TriedActions::Off => false,
                TriedActions::NoGain => child.delta.is_some() && !gained(child),
                TriedActions::All => true,
            })
            .filter_map(|child| child.step.as_ref().map(|step| step.action.clone()))
            .take(MOST_TRIED)
            .collect();
        tried.reverse();
        tried
    }

    /// An answer from the root, without steps.
    fn ask_answer(&mut self) -> Option<Job> {
        let tokens = self.direct_answer_tokens()?;
        let (node, visit) = self.choose()?;
        let reservation = self.set_aside(self.most(tokens, 0))?;
        self.visited(node, true);
        self.tree.node_mut(node).pending += 1;
        self.pending += 1;
        let asked = Asked {
            node,
            work: Work::Answer {
                forced: false,
                as_child: true,
            },
            reservation,
            max_tokens: tokens,
            attempt: 0,
        };
        Some(self.hand_out(asked, visit))
    }

    fn hand_out(&mut self, asked: Asked, visit: Option<Event>) -> Job {
        let id = JobId(self.next_job);
        self.next_job += 1;
        self.events.push(Event::Job {
            id,
            node: asked.node,
            work: asked.work.name().to_owned(),
            max_tokens: asked.max_tokens,
            reserved: self
                .ledger
                .reservation(asked.reservation)
                .unwrap_or_default(),
        });
        self.events.extend(visit);
        let job = self.job(id, &asked);
        self.open.insert(id, asked);
        job
    }

    /// The job as a backend sees it.
    pub(super) fn job(&self, id: JobId, asked: &Asked) -> Job {
        let node = self.tree.node(asked.node);
        let value = match (&asked.work, node.parent) {
            (Work::Critic, Some(parent)) => self.base(parent),
            _ => node.value,
        };
        Job {
            id,
            node: asked.node,
            kind: asked.work.kind(),
            state: Arc::new(State {
                question: Arc::clone(&self.question.text),
                question_id: Arc::clone(&self.question.id),
                plan: self.plan.clone(),
                steps: self.tree.steps(asked.node),
                value,
            }),
            remaining: self.remaining(asked),
            max_tokens: asked.max_tokens,
            seed: random::seed(self.seed, Stream::Job, id.0),
        }
    }

    fn remaining(&self, asked: &Asked) -> Remaining {
        let own = self
            .ledger
            .reservation(asked.reservation)
            .unwrap_or_default();
        let free = |resource: Resource| {
            self.ledger.limits().get(resource)?;
            Some(
                self.ledger
                    .available(resource)
                    .saturating_add(own.get(resource)),
            )
        };
        let of_tools = match &asked.work {
            Work::Step { rest, .. } => rest.tool.map_or(0, |(_, units)| units),
            _ => 0,
        };
        Remaining {
            tokens: free(Resource::Tokens),
            tool_calls: free(Resource::ToolCalls).map(|calls| calls.saturating_add(of_tools)),
            fraction: self.ledger.fraction_left(),
        }
    }
}
