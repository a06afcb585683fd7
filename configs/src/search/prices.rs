//! `[prices]`: what is paid, in dollars.

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldKind};

/// A table of prices, for costs in money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PricesConfig {
    /// Dollars for a million tokens of prompts.
    pub input_per_million: f64,
    /// Dollars for a million tokens of prompts that the server had computed before.
    pub cached_per_million: f64,
    /// Dollars for a million tokens made.
    pub output_per_million: f64,
    /// Dollars for a unit of tool calls.
    pub tool_unit: f64,
    /// When the prices were looked up, for reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

impl Default for PricesConfig {
    fn default() -> Self {
        Self {
            input_per_million: 0.0,
            cached_per_million: 0.0,
            output_per_million: 0.0,
            tool_unit: 0.0,
            date: None,
        }
    }
}

impl PricesConfig {
    /// Whether nothing costs money.
    #[must_use]
    pub fn are_zero(&self) -> bool {
        self.input_per_million == 0.0 && self.output_per_million == 0.0 && self.tool_unit == 0.0
    }

    /// Money for a call of a model, in millionths of a dollar, not rounded. `cached` tokens are a
    /// part of the prompt.
    #[must_use]
    pub fn of_model(&self, prompt: u64, cached: u64, output: u64) -> f64 {
        // A price per million tokens in dollars is one per token in millionths.
        let fresh = prompt.saturating_sub(cached) as f64 * self.input_per_million;
        let known = cached as f64 * self.cached_per_million;
        fresh + known + output as f64 * self.output_per_million
    }

    /// The field table of this section.
    pub const FIELDS: &'static [Field] = &[
        Field::new(
            "prices.input_per_million",
            "Input",
            FieldKind::Number {
                min: 0.0,
                max: 1_000_000_000.0,
                min_excluded: false,
            },
            "Dollars for a million tokens of prompts.",
        )
        .unit("dollars")
        .advanced(),
        Field::new(
            "prices.cached_per_million",
            "Cached input",
            FieldKind::Number {
                min: 0.0,
                max: 1_000_000_000.0,
                min_excluded: false,
            },
            "Dollars for a million tokens of prompts that the server had computed before.",
        )
        .unit("dollars")
        .advanced(),
        Field::new(
            "prices.output_per_million",
            "Output",
            FieldKind::Number {
                min: 0.0,
                max: 1_000_000_000.0,
                min_excluded: false,
            },
            "Dollars for a million tokens made.",
        )
        .unit("dollars")
        .advanced(),
        Field::new(
            "prices.tool_unit",
            "Tool call",
            FieldKind::Number {
                min: 0.0,
                max: 1_000_000.0,
                min_excluded: false,
            },
            "Dollars for a unit of tool calls.",
        )
        .unit("dollars")
        .advanced(),
        Field::new(
            "prices.date",
            "Date",
            FieldKind::Text,
            "When the prices were looked up, for reports.",
        )
        .optional()
        .advanced(),
    ];
}
