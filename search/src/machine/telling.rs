//! Outcomes: what follows from what was told.

use configs::search::DuplicateCheck;

use super::Search;
use super::opinions::Opinion;
use super::work::{Asked, Rest, Work};
use crate::duplicates::{Call, earlier};
use crate::job::{Action, JobId, Outcome, Step};
use crate::log::Event;
use crate::resource::Amounts;
use crate::tree::{MOST_FAILURES, NodeId, Status};

/// A reply to a step.
struct Reply {
    thought: String,
    action: Action,
    cut: bool,
}

impl Search {
    /// Charges an outcome and goes on from it.
    pub(super) fn take(&mut self, id: JobId, asked: Asked, outcome: Outcome) {
        let outcome = readable(outcome);
        let usage = outcome.usage();
        self.events.push(Event::Result {
            id,
            outcome: outcome.clone(),
        });
        self.charge(id, &asked, usage);
        if self.stopping.is_some() {
            self.abandon(&asked);
            return;
        }
        match (asked.work.clone(), outcome) {
            (_, Outcome::Failed { why, fatal, .. }) => self.failed(asked, &why, fatal),
            (Work::Plan, Outcome::Planned { text, .. }) => {
                if !text.trim().is_empty() {
                    self.plan = Some(text.as_str().into());
                }
                self.events.push(Event::Plan { text });
            }
            (
                Work::Step {
                    tools_allowed,
                    rest,
                    ..
                },
                Outcome::Stepped {
                    thought,
                    action,
                    cut,
                    ..
                },
            ) => {
                let reply = Reply {
                    thought,
                    action,
                    cut,
                };
                self.stepped(id, asked, reply, tools_allowed, rest);
            }
            (
                Work::Tool {
                    thought,
                    tool,
                    input,
                    step,
                    rest,
                },
                Outcome::Observed { text, failed, .. },
            ) => {
                let done = Step {
                    thought,
                    action: Action::Call { tool, input },
                    observation: Some(text),
                };
                self.observed(asked.node, step, done, failed, rest);
            }
            (
                Work::Critic,
                Outcome::Judged {
                    delta, score, why, ..
                },
            ) => self.heard(&asked, Opinion { delta, score, why }),
            (Work::Answer { forced, as_child }, Outcome::Answered { text, .. })
                if !text.trim().is_empty() =>
            {
                self.answered(id, asked.node, text, forced, as_child);
            }
            (Work::Answer { .. }, Outcome::Answered { .. }) => {
                self.failed(asked, "an empty answer", false);
            }
            _ => self.failed(asked, "an outcome of another kind than the job", false),
        }
    }

    /// Gives back what was set aside to go on from a job, and forgets the job.
    fn abandon(&mut self, asked: &Asked) {
        for reservation in asked.work.reservations() {
            self.refund(reservation);
        }
        match asked.work {
            Work::Step { .. } | Work::Tool { .. } | Work::Answer { as_child: true, .. } => {
                self.child_done(asked.node);
            }
            Work::Critic => {
                if let Some(parent) = self.tree.node(asked.node).parent {
                    self.child_done(parent);
                }
            }
            Work::Plan | Work::Answer { .. } => {}
        }
    }

    /// Asks again while there are retries and money, else does without.
    fn failed(&mut self, asked: Asked, why: &str, fatal: bool) {
        self.counters.failed_jobs += 1;
        if fatal {
            self.abandon(&asked);
            self.wind_down(why.to_owned());
            return;
        }
        if asked.attempt < self.settings.method.retries
            && let Some(again) = self.again(&asked)
        {
            self.queue.push_back(again);
            return;
        }
        match asked.work {
            Work::Plan => {}
            Work::Step { .. } | Work::Answer { as_child: true, .. } => {
                let node = asked.node;
                self.tree.node_mut(node).failures += 1;
                if self.tree.node(node).failures == MOST_FAILURES {
                    self.events.push(Event::Prune {
                        id: node,
                        why: format!("{MOST_FAILURES} steps failed, the last one: {why}"),
                    });
                }
                self.abandon(&asked);
            }
            Work::Tool {
                thought,
                tool,
                input,
                step,
                rest,
            } => {
                let done = Step {
                    thought,
                    action: Action::Call { tool, input },
                    observation: Some(why.to_owned()),
                };
                self.observed(asked.node, step, done, true, rest);
            }
            Work::Critic => {
                self.counters.failed_judgements += 1;
                if !self.settle_by_opinions(asked.node) {
                    self.no_gain(asked.node, why);
                }
            }
            Work::Answer { .. } => self.no_answer(asked.node, why),
        }
    }

    /// The same work once more, where it can still be paid.
    fn again(&mut self, asked: &Asked) -> Option<Asked> {
        let characters = self.tree.node(asked.node).characters;
        // Only an answer may take what is kept for it.
        let (most, max_tokens, kept) = match &asked.work {
            Work::Tool { tool, .. } => {
                let units = self.settings.tool_cost(tool)?;
                (self.tool_amounts(units), 0, self.answer_reserve())
            }
            Work::Answer { .. } => {
                let tokens = self.answer_tokens(characters)?;
                let most = self.most(tokens, characters);
                (most, tokens, Amounts::default())
            }
            _ => {
                let most = self.most(asked.max_tokens, characters);
                (most, asked.max_tokens, self.answer_reserve())
            }
        };
        if !self.fits(most.zip(kept, u64::saturating_add)) {
            return None;
        }
        let reservation = self.set_aside(most)?;
        Some(Asked {
            reservation,
            max_tokens,
            attempt: asked.attempt + 1,
            ..asked.clone()
        })
    }

    fn stepped(&mut self, id: JobId, asked: Asked, reply: Reply, tools_allowed: bool, rest: Rest) {
        let parent = asked.node;
        if reply.cut {
            self.counters.cut_replies += 1;
        }
        if let Action::Answer { text } = &reply.action
            && text.trim().is_empty()
        {
            self.failed(asked, "an empty answer", false);
            return;
        }
        if reply.cut && self.rules.judges {
            let step = bare(reply);
            self.useless(parent, id, step, rest, "cut at its most tokens");
            return;
        }
        let Action::Call { tool, input } = &reply.action else {
            let step = bare(reply);
            self.new_child(parent, id, step, rest);
            return;
        };
        let Some(units) = self.settings.tool_cost(tool) else {
            let why = format!("there is no tool {tool:?}");
            self.refused(parent, id, reply, rest, &why);
            return;
        };
        let affordable = rest.tool.is_some_and(|(_, most)| units <= most);
        if !tools_allowed || !affordable {
            self.refused(parent, id, reply, rest, "no budget is left for this tool");
            return;
        }
        if self.settings.method.duplicate_check == DuplicateCheck::Call
            && let Some(why) = self.repeats(parent, &reply.action)
        {
            self.useless(parent, id, bare(reply), rest, &why);
            return;
        }
        if let Some((reservation, _)) = rest.tool {
            self.refund(reservation);
        }
        let rest = Rest {
            critic: rest.critic,
            tool: None,
        };
        // At most what was set aside for it until now.
        let Some(reservation) = self.set_aside(self.tool_amounts(units)) else {
            self.refused(parent, id, reply, rest, "no budget is left for this tool");
            return;
        };
        let (tool, input) = (tool.clone(), input.clone());
        self.queue.push_back(Asked {
            node: parent,
            work: Work::Tool {
                thought: reply.thought,
                tool,
                input,
                step: id,
                rest,
            },
            reservation,
            max_tokens: 0,
            attempt: 0,
        });
    }

    /// A call that is not made: the policy sees why.
    fn refused(&mut self, parent: NodeId, id: JobId, reply: Reply, rest: Rest, why: &str) {
        let step = Step {
            observation: Some(why.to_owned()),
            ..bare(reply)
        };
        self.useless(parent, id, step, rest, why);
    }

    /// A child that is known to have gained nothing.
    fn useless(&mut self, parent: NodeId, id: JobId, step: Step, rest: Rest, why: &str) {
        self.refund_rest(rest);
        let child = self.add_child(parent, step, id);
        self.no_gain(child, why);
    }

    fn refund_rest(&mut self, rest: Rest) {
        for reservation in rest.all() {
            self.refund(reservation);
        }
    }

    fn observed(&mut self, parent: NodeId, id: JobId, step: Step, failed: bool, rest: Rest) {
        if !failed {
            self.new_child(parent, id, step, rest);
            return;
        }
        self.counters.failed_calls += 1;
        self.refund_rest(rest);
        let child = self.add_child(parent, step, id);
        self.no_gain(child, "the tool failed");
    }

    /// A child that is judged next, unless it repeats another.
    fn new_child(&mut self, parent: NodeId, id: JobId, step: Step, rest: Rest) {
        let repeats = self.repeats(parent, &step.action);
        let is_answer = matches!(step.action, Action::Answer { .. });
        let child = self.add_child(parent, step, id);
        // Of a critic too: the path is longer than when it was set aside.
        self.refund_rest(rest);
        if !self.rules.judges || (is_answer && !self.settings.method.judge_answers) {
            self.unjudged(child);
            return;
        }
        if let Some(why) = repeats {
            self.no_gain(child, &why);
            return;
        }
        let most = self.most(
            self.settings.critic_tokens,
            self.tree.node(child).characters,
        );
        match self.set_aside(most) {
            Some(reservation) => self.queue.push_back(Asked {
                node: child,
                work: Work::Critic,
                reservation,
                max_tokens: self.settings.critic_tokens,
                attempt: 0,
            }),
            None => self.no_gain(child, "no budget is left for the critic"),
        }
    }

    /// The words for a call that was made before, on the path, beside it or just now.
    fn repeats(&mut self, parent: NodeId, action: &Action) -> Option<String> {
        let method = &self.settings.method;
        if !self.rules.judges || method.duplicate_check == DuplicateCheck::Off {
            return None;
        }
        let similarity = method.duplicate_similarity;
        let call = Call::of(action)?;
        let under_way = self.queue.iter().chain(self.open.values());
        let twin = under_way.into_iter().any(|other| match &other.work {
            Work::Tool { tool, input, .. } => {
                other.node == parent && call.is_like(&Call::new(tool, input), similarity)
            }
            _ => false,
        });
        let why = match earlier(&self.tree, parent, &call, similarity) {
            Some(node) => format!("repeats the call of node {node}"),
            None if twin => "repeats a call that is under way".to_owned(),
            None => return None,
        };
        self.counters.duplicates += 1;
        Some(why)
    }

    fn add_child(&mut self, parent: NodeId, step: Step, id: JobId) -> NodeId {
        let child = self.tree.push(parent, step, id);
        let node = self.tree.node(child);
        self.most_characters = self.most_characters.max(node.characters);
        self.events.push(Event::node(node, ""));
        child
    }

    fn answered(&mut self, id: JobId, node: NodeId, text: String, forced: bool, as_child: bool) {
        if !as_child {
            self.terminal(node, &text, forced);
            return;
        }
        let step = Step {
            thought: String::new(),
            action: Action::Answer { text },
            observation: None,
        };
        let child = self.add_child(node, step, id);
        self.unjudged(child);
    }

    /// A node whose answer failed for good.
    pub(super) fn no_answer(&mut self, node: NodeId, why: &str) {
        if self.tree.node(node).status == Status::Pending {
            self.tree.set_status(node, Status::Pruned);
            self.events.push(Event::Prune {
                id: node,
                why: format!("no answer: {why}"),
            });
            self.changed(node);
            if let Some(parent) = self.tree.node(node).parent {
                self.changed(parent);
            }
        }
    }
}

fn bare(reply: Reply) -> Step {
    Step {
        thought: reply.thought,
        action: reply.action,
        observation: None,
    }
}

/// Without numbers that a log cannot hold.
fn readable(mut outcome: Outcome) -> Outcome {
    if let Outcome::Judged { delta, score, .. } = &mut outcome {
        *delta = delta.filter(|number| number.is_finite());
        *score = score.filter(|number| number.is_finite());
    }
    outcome
}
