//! The plan of a search: ceilings, which hold whatever model and tools do, and what they come to
//! over all questions.

use configs::RunConfig;
use configs::search::{ModelKind, QuestionsKind, SearchConfig, TokenCount};
use serde::Serialize;

use super::rows::{Row, amount, estimate_rows, unknown};
use super::time::{Earlier, Time};
use super::{Estimate, Item};
use crate::figures::{count, duration, number};

/// Bytes of a token in a log: in the reply as it came, and in the node's text.
const TOKEN: u64 = 12;
/// Bytes of the lines about a node beside its texts.
const NODE: u64 = 900;
/// Bytes of a character in a log, escaped where it must be.
const CHARACTER: u64 = 2;
const MILLION: f64 = 1e6;

/// What the plan needs to know of the model and the questions, which only the caller can read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SearchSizes {
    /// The model, as the settings name it.
    pub model: String,
    /// Its numbers; none where they are not known.
    pub parameters: Option<u64>,
    /// Memory of the worker at its peak; none where it is not known.
    pub memory: Option<Vec<Item>>,
    /// Why the model's sizes are not known; empty where they are.
    pub missing: String,
    /// Questions of the file; none where they were not counted.
    pub questions: Option<u64>,
    /// Where the questions are from, or why they were not counted.
    pub counted: String,
}

/// What a search would do and need, at most.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchPlan {
    /// Of model and questions.
    pub sizes: SearchSizes,
    /// Questions that are asked.
    pub questions: Option<u64>,
    /// Tokens of a question; none without a ceiling.
    pub tokens: Option<u64>,
    /// Units of tool calls of a question.
    pub tool_calls: Option<u64>,
    /// Requests to the model of a question.
    pub model_calls: Option<u64>,
    /// Nodes of a tree.
    pub nodes: u64,
    /// Dollars of a question; none where prices leave them open.
    pub dollars: Option<f64>,
    /// Where the money comes from, or why it is not known.
    pub priced: String,
    /// Space of the logs on disk; none without a ceiling of tokens.
    pub disk: Option<Estimate>,
    /// Memory of the worker at its peak; none where the model is not at hand.
    pub memory: Option<Estimate>,
    /// How long it would take.
    pub time: Time,
}

impl SearchPlan {
    /// Works it out; `earlier` are the runs whose speed is known.
    #[must_use]
    pub fn of(config: &SearchConfig, sizes: SearchSizes, earlier: &[Earlier]) -> Self {
        let budget = &config.budget;
        let questions = questions(config, sizes.questions);
        let (dollars, priced) = dollars(config);
        let mut plan = Self {
            questions,
            tokens: budget.tokens,
            tool_calls: budget.tool_calls,
            model_calls: budget.model_calls,
            nodes: u64::from(config.method.node_limit),
            dollars,
            priced,
            disk: None,
            memory: sizes.memory.clone().map(|items| Estimate {
                items,
                uncertainty: "an upper bound on a CPU: every path as long as it may be".to_owned(),
            }),
            time: time(config, questions, earlier),
            sizes,
        };
        plan.disk = disk(config, &plan);
        plan
    }

    /// A ceiling over all questions.
    fn in_all(&self, each: Option<u64>) -> Option<u64> {
        Some(each?.saturating_mul(self.questions?))
    }

    /// The whole plan as rows, sums after their parts.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows = vec![match self.questions {
            Some(questions) => amount("questions", questions, self.sizes.counted.clone()),
            None => unknown("plan", "questions", "", self.sizes.counted.clone()),
        }];
        rows.push(self.ceiling("tokens", self.tokens, "budget.tokens"));
        rows.push(self.ceiling("tool calls", self.tool_calls, "budget.tool_calls"));
        rows.push(self.ceiling("model calls", self.model_calls, "budget.model_calls"));
        rows.push(amount(
            "nodes of a tree",
            self.nodes,
            "at most: method.node_limit".to_owned(),
        ));
        rows.push(self.money());
        if let Some(parameters) = self.sizes.parameters {
            rows.push(amount(
                "parameters",
                parameters,
                format!("of {}", self.sizes.model),
            ));
        }
        rows.push(self.time.row());
        match &self.disk {
            Some(estimate) => rows.extend(estimate_rows("disk", estimate)),
            None => rows.push(unknown(
                "disk",
                "in all",
                "bytes",
                "no ceiling of tokens".to_owned(),
            )),
        }
        match &self.memory {
            Some(estimate) => rows.extend(estimate_rows("memory", estimate)),
            None => rows.push(unknown(
                "memory",
                "in all",
                "bytes",
                self.sizes.missing.clone(),
            )),
        }
        rows
    }

    fn ceiling(&self, name: &str, each: Option<u64>, setting: &str) -> Row {
        let Some(per_question) = each else {
            let from = format!("no ceiling of its own: {setting} is not set");
            return unknown("plan", name, "", from);
        };
        match self.in_all(each) {
            Some(all) => {
                let from = format!("at most {} for each question", count(per_question as f64));
                amount(name, all, from)
            }
            None => {
                let from = "at most, for each question: how many there are is not known";
                amount(name, per_question, from.to_owned())
            }
        }
    }

    fn money(&self) -> Row {
        let Some(each) = self.dollars else {
            return unknown("plan", "money", "dollars", self.priced.clone());
        };
        let all = self
            .questions
            .map_or(each, |questions| each * questions as f64);
        let word = if self.questions.is_some() {
            ""
        } else {
            " for each question"
        };
        Row {
            part: "plan",
            name: "money".to_owned(),
            value: Some(all),
            unit: "dollars",
            shown: format!("${}{word}", number(all)),
            from: self.priced.clone(),
        }
    }
}

fn questions(config: &SearchConfig, there: Option<u64>) -> Option<u64> {
    let wanted = config.questions.count;
    match config.questions.kind {
        QuestionsKind::Text if config.model.kind != ModelKind::Scripted => Some(1),
        QuestionsKind::File => {
            let left = there.map(|all| all.saturating_sub(config.questions.offset));
            match (wanted, left) {
                (Some(wanted), Some(left)) => Some(wanted.min(left)),
                (wanted, left) => wanted.or(left),
            }
        }
        _ => wanted.or(there),
    }
}

/// The most that a question can cost, and where that comes from.
fn dollars(config: &SearchConfig) -> (Option<f64>, String) {
    let (budget, prices) = (&config.budget, &config.prices);
    if let Some(dollars) = budget.dollars {
        return (
            Some(dollars),
            "at most: budget.dollars for each question".to_owned(),
        );
    }
    if prices.are_zero() {
        return (Some(0.0), "by [prices], which are all zero".to_owned());
    }
    let tools = match (budget.tool_calls, prices.tool_unit > 0.0) {
        (Some(calls), _) => calls as f64 * prices.tool_unit,
        (None, false) => 0.0,
        (None, true) => return (None, "tool calls have a price and no ceiling".to_owned()),
    };
    let Some(tokens) = budget.tokens else {
        return (None, "tokens have a price and no ceiling".to_owned());
    };
    let (price, words) = match budget.count {
        TokenCount::InputPlusOutput => (
            prices.output_per_million.max(prices.input_per_million),
            "at most, by [prices]: every token at the dearer price",
        ),
        TokenCount::Output if prices.input_per_million == 0.0 => {
            (prices.output_per_million, "at most, by [prices]")
        }
        TokenCount::Output => {
            return (
                None,
                "prompts have a price and are not counted: set budget.count = input_plus_output or budget.dollars"
                    .to_owned(),
            );
        }
    };
    (
        Some(tokens as f64 * price / MILLION + tools),
        words.to_owned(),
    )
}

fn disk(config: &SearchConfig, plan: &SearchPlan) -> Option<Estimate> {
    let questions = plan.questions?;
    let mut estimate = Estimate::default();
    let tokens = plan.tokens?.saturating_mul(TOKEN);
    estimate.add(
        "texts",
        tokens.saturating_mul(questions),
        format!("{} tokens of each question", count(plan.tokens? as f64)),
    );
    // A tool that costs nothing can be called at every node.
    let free = config.tools.cheapest() == Some(0);
    let calls = plan
        .tool_calls
        .filter(|_| !free)
        .unwrap_or(plan.nodes)
        .min(plan.nodes);
    let observations = calls.saturating_mul(config.tools.max_characters as u64);
    estimate.add(
        "observations",
        observations
            .saturating_mul(2 * CHARACTER)
            .saturating_mul(questions),
        format!("{calls} of {} characters", config.tools.max_characters),
    );
    estimate.add(
        "nodes",
        plan.nodes.saturating_mul(NODE).saturating_mul(questions),
        format!("{} of each tree", plan.nodes),
    );
    estimate.uncertainty = "an upper bound: logs hold everything that was said".to_owned();
    Some(estimate)
}

/// Runs with the same settings but for seed and questions come first, then those of the same
/// model with the same budget.
fn time(config: &SearchConfig, questions: Option<u64>, earlier: &[Earlier]) -> Time {
    let Some(questions) = questions else {
        return Time {
            from: "unknown: how many questions there are is not known".to_owned(),
            ..Time::default()
        };
    };
    let alike = |akin: fn(&SearchConfig, &SearchConfig) -> bool| {
        move |other: &RunConfig| match other {
            RunConfig::Search(other) => akin(config, other),
            _ => false,
        }
    };
    let found = Time::from_speeds(
        questions,
        "questions",
        0,
        earlier,
        &[
            ("with these settings", &alike(same)),
            ("of this model, method and budget", &alike(akin)),
        ],
    );
    match (found.seconds, config.budget.seconds) {
        (None, Some(each)) => {
            let side_by_side = config.runtime.parallel_questions.max(1) as u64;
            let seconds = each * questions.div_ceil(side_by_side) as f64;
            Time {
                seconds: Some(seconds),
                range: None,
                from: format!("at most: {} for each question", duration(each)),
            }
        }
        _ => found,
    }
}

fn same(one: &SearchConfig, other: &SearchConfig) -> bool {
    let strip = |config: &SearchConfig| {
        let mut config = config.clone();
        config.seed = 0;
        config.questions.count = None;
        config.questions.offset = 0;
        config
    };
    strip(one) == strip(other)
}

fn akin(one: &SearchConfig, other: &SearchConfig) -> bool {
    let key = |config: &SearchConfig| {
        (
            config.model.clone(),
            config.server.url.clone(),
            config.method.kind,
            config.budget.clone(),
            config.runtime.clone(),
        )
    };
    key(one) == key(other)
}
