//! `[budget]`: what may be spent on one question.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// Hard ceilings, shared by all branches. What is absent has no limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetConfig {
    /// Tokens of policy and critic, for every question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Calls of tools, in units of their cost, for every question; 0 for none at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<u64>,
    /// Requests to the model, for every question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_calls: Option<u64>,
    /// Time of model and tools, for every question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Money by the table of prices, for every question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dollars: Option<f64>,
    /// Tokens kept for the answer; a tenth of the budget and at most 512 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_reserve: Option<u64>,
    /// Which tokens are counted: those made, or those of the prompts too.
    pub count: TokenCount,
    /// Tokens set aside for the fixed part of a prompt, where prompts are counted or paid.
    pub prompt_tokens_reserved: u64,
    /// Characters of a token, for the rest of a prompt before its count is known.
    pub characters_per_token: f64,
}

/// Which tokens are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenCount {
    /// Those that the model makes, reasoning included.
    #[default]
    Output,
    /// Those of the prompts too.
    InputPlusOutput,
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self {
            tokens: None,
            tool_calls: None,
            model_calls: None,
            seconds: None,
            dollars: None,
            answer_reserve: None,
            count: TokenCount::Output,
            prompt_tokens_reserved: 512,
            characters_per_token: 3.0,
        }
    }
}

impl BudgetConfig {
    /// Tokens kept for the answer, see [`Self::reserve_of`].
    #[must_use]
    pub fn reserve(&self) -> u64 {
        Self::reserve_of(self.answer_reserve, self.tokens)
    }

    /// Tokens kept for the answer under a budget of `tokens`: as `set`, else a tenth of the
    /// budget and at most 512, at least 1. 512 where tokens have no limit.
    #[must_use]
    pub fn reserve_of(set: Option<u64>, tokens: Option<u64>) -> u64 {
        match (set, tokens) {
            (Some(reserve), _) => reserve,
            (None, Some(tokens)) => (tokens / 10).clamp(1, 512),
            (None, None) => 512,
        }
    }

    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "budget.tokens",
            "Tokens",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Tokens of policy and critic, for every question.",
        )
        .optional()
        .unit("tokens")
        .known_as(&["max_tokens", "token_budget"]),
        Field::new(
            "budget.tool_calls",
            "Tool calls",
            FieldKind::Integer {
                min: 0,
                max: i64::MAX,
            },
            "Calls of tools, in units of their cost, for every question; 0 for none at all.",
        )
        .optional()
        .unit("calls")
        .known_as(&["max_tool_calls", "tool_budget"]),
        Field::new(
            "budget.model_calls",
            "Model calls",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Requests to the model, for every question.",
        )
        .optional()
        .unit("calls")
        .advanced(),
        Field::new(
            "budget.seconds",
            "Seconds",
            FieldKind::Number {
                min: 0.0,
                max: 1_000_000_000.0,
                min_excluded: true,
            },
            "Time of model and tools, for every question.",
        )
        .optional()
        .unit("seconds")
        .advanced(),
        Field::new(
            "budget.dollars",
            "Dollars",
            FieldKind::Number {
                min: 0.0,
                max: 1_000_000_000.0,
                min_excluded: true,
            },
            "Money by the table of prices, for every question.",
        )
        .optional()
        .unit("dollars")
        .advanced(),
        Field::new(
            "budget.answer_reserve",
            "Answer reserve",
            FieldKind::Integer {
                min: 1,
                max: i64::MAX,
            },
            "Tokens kept for the answer; a tenth of the budget and at most 512 when absent.",
        )
        .optional()
        .unit("tokens")
        .advanced(),
        Field::new(
            "budget.count",
            "Counted",
            FieldKind::Choice {
                values: &["output", "input_plus_output"],
            },
            "Which tokens are counted: those made, or those of the prompts too.",
        )
        .known_as(&["count_mode"])
        .advanced(),
        Field::new(
            "budget.prompt_tokens_reserved",
            "Reserved for prompts",
            FieldKind::Integer {
                min: 0,
                max: 10_000_000,
            },
            "Tokens set aside for the fixed part of a prompt, where prompts are counted or paid.",
        )
        .unit("tokens")
        .advanced(),
        Field::new(
            "budget.characters_per_token",
            "Characters per token",
            FieldKind::Number {
                min: 0.1,
                max: 100.0,
                min_excluded: false,
            },
            "Characters of a token, for the rest of a prompt before its count is known.",
        )
        .advanced(),
    ];
}
