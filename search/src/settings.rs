//! Everything that decides a search, apart from question, budget and seed.

use configs::search::{
    BudgetConfig, CriticScore, MethodConfig, PricesConfig, SearchConfig, TokenCount,
};
use serde::{Deserialize, Serialize};

use crate::resource::Limits;

/// The settings of a search. They are the first line of its log, so that it can be replayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// How the tree is searched.
    pub method: MethodConfig,
    /// What the critic is asked for.
    pub critic_score: CriticScore,
    /// Most tokens of a judgement.
    pub critic_tokens: u64,
    /// Most tokens of a step.
    pub step_tokens: u64,
    /// Fewest tokens that a step is still started with, near the end of the budget.
    pub fewest_step_tokens: u64,
    /// Most tokens of the plan.
    pub plan_tokens: u64,
    /// Most tokens of an answer.
    pub answer_tokens: u64,
    /// Tokens kept for the answer; a tenth of the budget and at most 512 when none.
    pub answer_reserve: Option<u64>,
    /// Which tokens are counted.
    pub count: TokenCount,
    /// Tokens set aside for the fixed part of a prompt, where prompts are counted or paid.
    pub prompt_tokens: u64,
    /// Characters of a token, for the rest of a prompt.
    pub characters_per_token: f64,
    /// The tools and what a call of each costs, in units of the tool budget.
    pub tools: Vec<(String, u64)>,
    /// What is paid, in dollars.
    pub prices: PricesConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Self::of(&SearchConfig::default())
    }
}

impl Settings {
    /// The part of a configuration that decides the search.
    pub fn of(config: &SearchConfig) -> Self {
        Self {
            method: config.method.clone(),
            critic_score: config.critic.score,
            critic_tokens: config.critic.max_tokens,
            step_tokens: config.generation.max_step_tokens,
            fewest_step_tokens: config
                .generation
                .min_step_tokens
                .min(config.generation.max_step_tokens),
            plan_tokens: config.generation.max_plan_tokens,
            answer_tokens: config.generation.max_answer_tokens,
            answer_reserve: config.budget.answer_reserve,
            count: config.budget.count,
            prompt_tokens: config.budget.prompt_tokens_reserved,
            characters_per_token: config.budget.characters_per_token,
            tools: config
                .tools
                .costs()
                .into_iter()
                .map(|(name, cost)| (name.to_owned(), cost))
                .collect(),
            prices: config.prices.clone(),
        }
    }

    /// The cost of a call; none for a tool that does not exist.
    pub fn tool_cost(&self, tool: &str) -> Option<u64> {
        let found = self.tools.iter().find(|(name, _)| name == tool);
        found.map(|(_, cost)| *cost)
    }

    /// What a call of the cheapest tool and of the dearest one cost; none without tools.
    pub fn tool_costs(&self) -> Option<(u64, u64)> {
        let costs = || self.tools.iter().map(|(_, cost)| *cost);
        Some((costs().min()?, costs().max()?))
    }

    /// Tokens kept for the answer under a budget of `tokens`.
    pub fn reserve(&self, tokens: Option<u64>) -> u64 {
        BudgetConfig::reserve_of(self.answer_reserve, tokens).min(tokens.unwrap_or(u64::MAX))
    }
}

/// The budgets of a configuration, in the ledger's units.
pub fn limits(config: &SearchConfig) -> Limits {
    let budget = &config.budget;
    // Above 0 and at most 1e15: exact enough as whole units, and never 0.
    let units = |amount: Option<f64>, each: f64| {
        amount.map(|amount| ((amount * each).round() as u64).max(1))
    };
    Limits {
        tokens: budget.tokens,
        tool_calls: budget.tool_calls,
        model_calls: budget.model_calls,
        milliseconds: units(budget.seconds, 1e3),
        micro_dollars: units(budget.dollars, 1e6),
    }
}
