//! Cost in money, by a price table of the user. Prices change: none is built in.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::recorded::Recorded;
use super::state::Ending;
use super::{ReportError, short_number};

const MILLION: f64 = 1e6;

/// A price table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prices {
    /// Money per million prompt tokens.
    pub input: f64,
    /// Money per million prompt tokens that the server had already; as [`Self::input`] when none.
    pub cached: Option<f64>,
    /// Money per million tokens written.
    pub output: f64,
    /// Money per call of a tool that has no price of its own.
    pub call: f64,
    /// Money per unit of tool calls; tools cost several units each where the user says so.
    pub unit: f64,
    /// Money per call, by the name of the tool.
    pub calls: BTreeMap<String, f64>,
    /// What the money is.
    pub currency: String,
    /// When the prices held, in the user's words.
    pub date: String,
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            input: 0.0,
            cached: None,
            output: 0.0,
            call: 0.0,
            unit: 0.0,
            calls: BTreeMap::new(),
            currency: "USD".to_owned(),
            date: String::new(),
        }
    }
}

/// `input=0.15,cached=0.075,output=0.6,call=0.005,call.lookup=0,currency=EUR,date=2026-11`.
impl FromStr for Prices {
    type Err = ReportError;

    fn from_str(text: &str) -> Result<Self, ReportError> {
        let mut prices = Self::default();
        for word in text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            let refused = |why: &str| ReportError::Price {
                word: word.to_owned(),
                why: why.to_owned(),
            };
            let (key, value) = word
                .split_once('=')
                .ok_or_else(|| refused("no `=` in it"))?;
            let money = || {
                let money: f64 = value.parse().map_err(|_| refused("no number"))?;
                if money.is_finite() && money >= 0.0 {
                    Ok(money)
                } else {
                    Err(refused("a price is finite and not negative"))
                }
            };
            match key {
                "input" => prices.input = money()?,
                "cached" => prices.cached = Some(money()?),
                "output" => prices.output = money()?,
                "call" => prices.call = money()?,
                "unit" => prices.unit = money()?,
                "currency" => value.clone_into(&mut prices.currency),
                "date" => value.clone_into(&mut prices.date),
                _ => match key.strip_prefix("call.") {
                    Some(tool) => drop(prices.calls.insert(tool.to_owned(), money()?)),
                    None => return Err(refused("nothing has this name")),
                },
            }
        }
        Ok(prices)
    }
}

/// A line of a bill.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CostLine {
    /// What for.
    pub what: String,
    /// How much of it.
    pub amount: f64,
    /// Money for one.
    pub price: f64,
    /// Their product.
    pub money: f64,
}

/// What a search cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// One line for everything that has an amount.
    pub lines: Vec<CostLine>,
    /// Their sum.
    pub total: f64,
    /// What the money is.
    pub currency: String,
    /// When the prices held.
    pub date: String,
    /// What to know about it; empty when the counts are exact.
    pub note: String,
}

impl Cost {
    /// By what models and tools told, or else by what the budgets were charged.
    #[must_use]
    pub fn of(recorded: &Recorded, ending: &Ending, prices: &Prices) -> Self {
        let mut lines = Vec::new();
        let mut line = |what: &str, amount: f64, price: f64| {
            if amount > 0.0 {
                lines.push(CostLine {
                    what: what.to_owned(),
                    amount,
                    price,
                    money: amount * price,
                });
            }
        };
        let totals = &recorded.totals;
        let mut note = "";
        if totals.results > 0 {
            let fresh = totals.prompt_tokens.saturating_sub(totals.cached_tokens);
            let cached = prices.cached.unwrap_or(prices.input);
            line("prompt tokens", fresh as f64, prices.input / MILLION);
            line(
                "cached prompt tokens",
                totals.cached_tokens as f64,
                cached / MILLION,
            );
            line(
                "output tokens",
                totals.output_tokens as f64,
                prices.output / MILLION,
            );
            if totals.estimated {
                note = "some token counts are estimates";
            }
        } else {
            let tokens = spent(recorded, ending, "tokens");
            line("tokens", tokens, prices.output / MILLION);
            note = "the log has no token counts of its calls: all tokens are priced as output";
        }
        let by_call = prices.call > 0.0 || !prices.calls.is_empty();
        if totals.calls.is_empty() && by_call {
            line(
                "tool calls",
                spent(recorded, ending, "tool_calls"),
                prices.call,
            );
        }
        for (tool, calls) in totals.calls.iter().filter(|_| by_call) {
            let price = prices.calls.get(tool).copied().unwrap_or(prices.call);
            line(&format!("calls of {tool}"), *calls as f64, price);
        }
        let units = spent(recorded, ending, "tool_calls");
        if prices.unit > 0.0 {
            line("units of tool calls", units, prices.unit);
        }
        Self {
            total: lines.iter().map(|line| line.money).sum(),
            lines,
            currency: prices.currency.clone(),
            date: prices.date.clone(),
            note: note.to_owned(),
        }
    }

    /// The sum with its currency, to four digits that count.
    #[must_use]
    pub fn total_text(&self) -> String {
        let digits = if self.total >= 1.0 || self.total == 0.0 {
            format!("{:.2}", self.total)
        } else if self.total >= 1e-3 {
            format!("{:.4}", self.total)
        } else {
            format!("{:.2e}", self.total)
        };
        format!("{digits} {}", self.currency)
    }
}

fn spent(recorded: &Recorded, ending: &Ending, resource: &str) -> f64 {
    let place = recorded.resources.iter().position(|name| name == resource);
    place.map_or(0.0, |place| ending.spent[place].spent)
}

/// What was spent of each resource, for headings: `tokens 410 of 640`.
pub(super) fn spent_text(recorded: &Recorded, ending: &Ending) -> Vec<String> {
    let named = recorded.resources.iter().zip(&ending.spent);
    named
        .map(|(name, spent)| {
            let name = name.replace('_', " ");
            let mut text = format!("{name} {}", short_number(spent.spent));
            if let Some(limit) = spent.limit {
                text.push_str(&format!(" of {}", short_number(limit)));
            }
            if spent.violated() {
                text.push_str(" (exceeded)");
            }
            text
        })
        .collect()
}
