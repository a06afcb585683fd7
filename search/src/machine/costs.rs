//! What jobs may cost, what they did cost, and when nothing more can be paid.

use configs::search::TokenCount;

use super::Search;
use super::work::{Asked, Work};
use crate::SearchError;
use crate::job::{JobId, Usage};
use crate::ledger::ReservationId;
use crate::log::{Event, unit};
use crate::resource::{Amounts, Limits, Resource};
use crate::settings::Settings;

/// Refuses budgets under which a search has no end or no answer.
pub(super) fn check(settings: &Settings, limits: &Limits) -> Result<(), SearchError> {
    let bounded = [
        limits.tokens,
        limits.model_calls,
        limits.milliseconds,
        limits.micro_dollars,
    ];
    if bounded.iter().all(Option::is_none) {
        return Err(SearchError::Unlimited);
    }
    let most = most(settings, 1, 0);
    for (resource, least) in [
        (Resource::Tokens, most.tokens.max(1)),
        (Resource::ModelCalls, 1),
        (Resource::Milliseconds, 1),
        (Resource::MicroDollars, most.micro_dollars.max(1)),
    ] {
        if let Some(limit) = limits.get(resource)
            && limit < least
        {
            return Err(SearchError::NoAnswer {
                resource,
                limit,
                least,
            });
        }
    }
    Ok(())
}

/// The most that a call of a model costs that makes `output` tokens, on a path of so many
/// characters.
fn most(settings: &Settings, output: u64, characters: u64) -> Amounts {
    let path = (characters as f64 / settings.characters_per_token).ceil() as u64;
    let prompt = settings.prompt_tokens.saturating_add(path);
    let counted = match settings.count {
        TokenCount::Output => output,
        TokenCount::InputPlusOutput => output.saturating_add(prompt),
    };
    Amounts {
        tokens: counted,
        model_calls: 1,
        micro_dollars: money(settings, prompt, 0, output),
        ..Amounts::default()
    }
}

/// Money of a call, in millionths of a dollar, rounded up.
fn money(settings: &Settings, prompt: u64, cached: u64, output: u64) -> u64 {
    settings.prices.of_model(prompt, cached, output).ceil() as u64
}

/// What one more expansion may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// Most tokens of the step.
    pub step_tokens: u64,
    /// The step alone.
    pub step: Amounts,
    /// The critic, where it judges.
    pub critic: Option<Amounts>,
    /// The tool, of so many units; none where none may be called.
    pub tool: Option<(Amounts, u64)>,
}

impl Search {
    /// The most that a call of a model costs.
    pub(super) fn most(&self, output: u64, characters: u64) -> Amounts {
        most(&self.settings, output, characters)
    }

    pub(super) fn tool_amounts(&self, units: u64) -> Amounts {
        Amounts {
            tool_calls: units,
            micro_dollars: (units as f64 * self.settings.prices.tool_unit * 1e6).ceil() as u64,
            ..Amounts::default()
        }
    }

    /// What is kept for the answer.
    pub(super) fn answer_reserve(&self) -> Amounts {
        let settings = &self.settings;
        let output = settings.reserve(self.ledger.limits().tokens);
        let mut amounts = self.most(output, self.most_characters);
        if settings.count == TokenCount::InputPlusOutput {
            // The prompt of an answer comes on top of what it makes; small budgets keep all.
            let limit = self.ledger.limits().tokens.unwrap_or(u64::MAX);
            amounts.tokens = amounts.tokens.min(limit);
        }
        amounts
    }

    /// Whether tools can be called at all.
    fn has_tools(&self) -> bool {
        !self.settings.tools.is_empty() && self.ledger.limits().tool_calls != Some(0)
    }

    /// Whether a call can still be paid, or none is needed.
    pub(super) fn tools_left(&self) -> bool {
        match self.settings.tool_costs() {
            Some((cheapest, _)) if self.has_tools() => {
                let left = self.ledger.left(Resource::ToolCalls);
                left.is_none_or(|left| left >= cheapest)
            }
            _ => true,
        }
    }

    /// Why no new step is started whatever is under way; none when one may be.
    pub(super) fn obstacle(&self) -> Option<String> {
        let limit = self.settings.method.node_limit as usize;
        if self.tree.len() + self.pending >= limit {
            return Some(format!("the tree has its most nodes, {limit}"));
        }
        if !self.tools_left() && !self.rules.finishes_paths {
            return Some("the tools are used up".to_owned());
        }
        if self.ledger.left(Resource::Milliseconds) == Some(0) {
            return Some("the time is used up".to_owned());
        }
        if !self.terminals.is_empty() {
            return None;
        }
        let backstop = self.settings.method.backstop_fraction;
        let soft = [
            Resource::Tokens,
            Resource::Milliseconds,
            Resource::MicroDollars,
        ];
        let low = |resource: &Resource| {
            let left = self.ledger.fraction_left_of(*resource);
            left.is_some_and(|left| left < backstop)
        };
        soft.iter().find(|resource| low(resource)).map(|resource| {
            format!("less than {backstop} of the {resource} are left, and there is no answer")
        })
    }

    /// Whether one more expansion can be paid now.
    pub(super) fn can_pay(&self) -> bool {
        if self.rules.answers_only {
            self.direct_answer_tokens().is_some()
        } else {
            self.offer().is_some()
        }
    }

    /// What one more step may take, on the longest path there is; none when the budget does not
    /// reach for it, the critic and an answer.
    pub(super) fn offer(&self) -> Option<Offer> {
        let settings = &self.settings;
        let characters = self.most_characters;
        let critic = self
            .rules
            .judges
            .then(|| self.most(settings.critic_tokens, characters));
        let tool = self.tool_offer()?;
        let around = self
            .answer_reserve()
            .zip(critic.unwrap_or_default(), u64::saturating_add)
            .zip(tool.unwrap_or_default().0, u64::saturating_add);
        let prompt = self.most(0, characters).tokens;
        let free = self.ledger.available(Resource::Tokens);
        let free = free.saturating_sub(around.tokens).saturating_sub(prompt);
        let step_tokens = settings.step_tokens.min(free);
        if step_tokens < settings.fewest_step_tokens.max(1) {
            return None;
        }
        let step = self.most(step_tokens, characters);
        self.fits(around.zip(step, u64::saturating_add))
            .then_some(Offer {
                step_tokens,
                step,
                critic,
                tool,
            })
    }

    /// Most tokens of an answer from a path of so many characters that can be paid now, by every
    /// budget.
    pub(super) fn answer_tokens(&self, characters: u64) -> Option<u64> {
        // By halves, since a longer reply never costs less: a division by the price would round,
        // and miss the one token that the smallest budget pays for.
        let (mut paid, mut unpaid) = (0, self.settings.answer_tokens.saturating_add(1));
        while unpaid - paid > 1 {
            let tokens = paid + (unpaid - paid) / 2;
            if self.fits(self.most(tokens, characters)) {
                paid = tokens;
            } else {
                unpaid = tokens;
            }
        }
        (paid > 0).then_some(paid)
    }

    /// Most tokens of an answer without steps; one more stays affordable until there is one.
    pub(super) fn direct_answer_tokens(&self) -> Option<u64> {
        let idle = self.open.is_empty() && self.queue.is_empty();
        if self.terminals.is_empty() && idle {
            return self.answer_tokens(0);
        }
        let answer = self.most(self.settings.answer_tokens, 0);
        let kept = if self.terminals.is_empty() {
            self.answer_reserve()
        } else {
            Amounts::default()
        };
        self.fits(answer.zip(kept, u64::saturating_add))
            .then_some(self.settings.answer_tokens)
    }

    /// The dearest tool that can be paid now; none in the inner option where no tool may be
    /// called, none in the outer one to wait for what is under way.
    #[expect(
        clippy::option_option,
        reason = "two different kinds of none, told apart above"
    )]
    fn tool_offer(&self) -> Option<Option<(Amounts, u64)>> {
        let Some((cheapest, dearest)) = self.settings.tool_costs() else {
            return Some(None);
        };
        if !self.has_tools() {
            return Some(None);
        }
        let available = self.ledger.available(Resource::ToolCalls);
        if available >= cheapest {
            let units = dearest.min(available);
            return Some(Some((self.tool_amounts(units), units)));
        }
        if self.rules.finishes_paths && !self.tools_left() {
            return Some(None);
        }
        None
    }

    pub(super) fn fits(&self, amounts: Amounts) -> bool {
        Resource::ALL
            .into_iter()
            .all(|resource| amounts.get(resource) <= self.ledger.available(resource))
    }

    /// Sets `most` aside where it fits.
    pub(super) fn set_aside(&mut self, most: Amounts) -> Option<ReservationId> {
        self.ledger.reserve(most).ok()
    }

    /// Charges a job. What it took beyond its reservation is charged as far as there is
    /// something, and recorded where it was not allowed to.
    pub(super) fn charge(&mut self, id: JobId, asked: &Asked, usage: Usage) {
        let used = self.cost(asked, usage);
        let reserved = self.reserved(asked.reservation);
        let mut charged = used;
        for resource in Resource::ALL {
            let reach = reserved
                .get(resource)
                .saturating_add(self.ledger.available(resource));
            let most = used.get(resource).min(reach);
            charged = charged.with(resource, most);
            let allowed = match resource {
                // Nothing is set aside for time, which nobody can promise.
                Resource::Milliseconds => u64::MAX,
                _ => reserved.get(resource),
            };
            let unpaid = used.get(resource) > most && resource != Resource::Milliseconds;
            let over = used.get(resource) > allowed && self.is_violation(asked, resource, usage);
            if over || unpaid {
                self.counters.violations += 1;
                self.events.push(Event::Violation {
                    id,
                    resource: unit(resource).0.to_owned(),
                    allowed: reserved.get(resource),
                    used: used.get(resource),
                    charged: most,
                });
            }
        }
        // In one go where the reservation suffices; else it is made anew, within what there is.
        if self.ledger.commit(asked.reservation, charged).is_err() {
            self.refund(asked.reservation);
            if let Some(larger) = self.set_aside(charged) {
                let _ = self.ledger.commit(larger, charged);
            }
        }
        self.record(asked, charged);
        self.count(asked, usage);
    }

    /// Estimates of prompts may be wrong; replies may not be longer than allowed.
    fn is_violation(&self, asked: &Asked, resource: Resource, usage: Usage) -> bool {
        match resource {
            Resource::Tokens | Resource::MicroDollars => {
                usage.output_tokens.max(usage.reasoning_tokens) > asked.max_tokens
            }
            _ => true,
        }
    }

    fn cost(&self, asked: &Asked, usage: Usage) -> Amounts {
        let settings = &self.settings;
        let of_model = asked.work.is_of_model();
        let output = usage.output_tokens.max(usage.reasoning_tokens);
        let tokens = match settings.count {
            TokenCount::Output => output,
            TokenCount::InputPlusOutput => output.saturating_add(usage.prompt_tokens),
        };
        let units = match &asked.work {
            Work::Tool { tool, .. } if usage.tool_units == 0 => {
                settings.tool_cost(tool).unwrap_or_default()
            }
            _ => usage.tool_units,
        };
        let paid = money(settings, usage.prompt_tokens, usage.cached_tokens, output)
            .saturating_add(self.tool_amounts(units).micro_dollars);
        Amounts {
            tokens,
            tool_calls: units,
            model_calls: u64::from(of_model),
            milliseconds: usage.milliseconds,
            micro_dollars: usage.micro_dollars.max(paid),
        }
    }

    fn reserved(&self, id: ReservationId) -> Amounts {
        self.ledger.reservation(id).unwrap_or_default()
    }

    fn record(&mut self, asked: &Asked, charged: Amounts) {
        let node = match asked.work {
            Work::Plan => None,
            _ => Some(asked.node),
        };
        for resource in Resource::ALL {
            let amount = charged.get(resource);
            let shown =
                resource != Resource::ModelCalls || self.ledger.limits().get(resource).is_some();
            if amount > 0 && shown {
                let (name, units) = unit(resource);
                self.events.push(Event::Spend {
                    resource: name.to_owned(),
                    amount: amount as f64 / units,
                    node,
                });
            }
        }
    }

    fn count(&mut self, asked: &Asked, usage: Usage) {
        let counters = &mut self.counters;
        counters.prompt_tokens += usage.prompt_tokens;
        counters.cached_tokens += usage.cached_tokens;
        counters.output_tokens += usage.output_tokens;
        counters.reasoning_tokens += usage.reasoning_tokens;
        match asked.work {
            Work::Critic => {
                counters.judgements += 1;
                counters.critic_tokens += usage.output_tokens;
            }
            Work::Tool { .. } => counters.tool_calls += 1,
            _ => {}
        }
    }
}
