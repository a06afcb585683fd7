//! What a run of searches would spend at most, worked out before it starts.

use configs::RunConfig;
use configs::search::{ModelKind, QuestionsKind, SearchConfig};
use serde::Serialize;

use super::rows::{Row, amount, unknown};
use super::time::{Earlier, Time};
use crate::figures::count;

/// What the searches of a run would do and need.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchPlan {
    /// Who answers.
    pub answers: String,
    /// The rule that selects.
    pub method: String,
    /// Questions; none where their number is not known.
    pub questions: Option<u64>,
    /// Where the number comes from.
    pub counted: String,
    /// What each question may spend of each resource; only those with a ceiling.
    pub budgets: Vec<(&'static str, f64)>,
    /// Questions that are searched at the same time.
    pub parallel_questions: u64,
    /// How long it would take.
    pub time: Time,
}

impl SearchPlan {
    /// Of a configuration; `questions` as they were counted and how, `earlier` the runs whose
    /// speed is known.
    #[must_use]
    pub fn of(
        config: &SearchConfig,
        questions: (Option<u64>, String),
        earlier: &[Earlier],
    ) -> Self {
        let (questions, counted) = questions;
        let budget = &config.budget;
        let whole = |amount: Option<u64>| amount.map(|amount| amount as f64);
        let budgets = [
            ("tokens", whole(budget.tokens)),
            ("tool calls", whole(budget.tool_calls)),
            ("model calls", whole(budget.model_calls)),
            ("seconds", budget.seconds),
            ("dollars", budget.dollars),
        ];
        let word = RunConfig::Search(config.clone())
            .values()
            .remove("method.kind");
        let word = word.and_then(|word| word.as_str().map(str::to_owned));
        Self {
            answers: answers(config),
            method: word.unwrap_or_default(),
            questions,
            counted,
            budgets: budgets
                .into_iter()
                .filter_map(|(name, limit)| Some((name, limit?)))
                .collect(),
            parallel_questions: config.runtime.parallel_questions as u64,
            time: time(config, questions, earlier),
        }
    }

    /// The whole plan as rows.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let by = format!("{}, answered by {}", self.method, self.answers);
        let mut rows = vec![match self.questions {
            Some(questions) => amount("questions", questions, format!("{}; {by}", self.counted)),
            None => unknown("plan", "questions", "", format!("{}; {by}", self.counted)),
        }];
        for (name, limit) in &self.budgets {
            let each = format!("at most: {} for each question", shown(*limit));
            rows.push(match self.questions {
                Some(questions) => {
                    let all = limit * questions as f64;
                    Row {
                        shown: shown(all),
                        value: Some(all),
                        ..amount(name, 0, each)
                    }
                }
                None => unknown("plan", name, "", each),
            });
        }
        rows.push(amount(
            "at the same time",
            self.parallel_questions,
            "questions, so that batches stay full".to_owned(),
        ));
        rows.push(self.time.row());
        rows
    }
}

/// An amount that need not be whole.
fn shown(amount: f64) -> String {
    match amount.fract() == 0.0 {
        true => count(amount),
        false => format!("{amount:.2}"),
    }
}

fn answers(config: &SearchConfig) -> String {
    let (model, server) = (&config.model, &config.server);
    match model.kind {
        ModelKind::Local => model.name.clone().unwrap_or_default(),
        ModelKind::Server => format!(
            "{} at {}",
            server.model.as_deref().unwrap_or_default(),
            server.url.as_deref().unwrap_or_default()
        ),
        ModelKind::Scripted => "a made-up policy and critic".to_owned(),
    }
}

/// Runs with the same settings but for seed and questions come first, then those of the same model
/// and method.
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
    Time::from_speeds(
        questions,
        "questions",
        earlier,
        &[
            ("with these settings", &alike(same)),
            ("of this model and budget", &alike(akin)),
        ],
    )
}

fn same(one: &SearchConfig, other: &SearchConfig) -> bool {
    let strip = |config: &SearchConfig| {
        let mut config = config.clone();
        config.seed = 0;
        (config.questions.count, config.questions.offset) = (None, 0);
        config
    };
    strip(one) == strip(other)
}

fn akin(one: &SearchConfig, other: &SearchConfig) -> bool {
    one.model == other.model
        && one.server == other.server
        && one.budget == other.budget
        && one.runtime == other.runtime
}

/// How many questions the configuration itself tells of; none where a file has to be counted.
#[must_use]
pub fn questions(config: &SearchConfig) -> (Option<u64>, String) {
    match (config.model.kind, config.questions.kind) {
        (ModelKind::Local | ModelKind::Server, QuestionsKind::Text) => {
            (Some(1), "written in the configuration".to_owned())
        }
        _ => match config.questions.count {
            Some(count) => (Some(count), "questions.count".to_owned()),
            None => (None, "questions.count is not set: all there are".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> SearchConfig {
        let mut config = SearchConfig::default();
        config.model.kind = ModelKind::Scripted;
        config.questions.count = Some(200);
        config.budget.tokens = Some(1_000);
        config.budget.dollars = Some(0.015);
        config
    }

    fn cell(plan: &SearchPlan, name: &str) -> (Option<f64>, String) {
        let rows = plan.rows();
        let row = rows.iter().find(|row| row.name == name);
        row.map_or((None, String::new()), |row| (row.value, row.shown.clone()))
    }

    #[test]
    fn budgets_are_those_of_all_questions_together() {
        let config = config();
        let plan = SearchPlan::of(&config, questions(&config), &[]);
        assert_eq!(plan.method, "bavt");
        assert_eq!(cell(&plan, "questions").0, Some(200.0));
        assert_eq!(cell(&plan, "tokens"), (Some(200_000.0), "200k".into()));
        assert_eq!(cell(&plan, "dollars").0, Some(3.0));
        assert_eq!(cell(&plan, "tool calls").0, None);
        assert_eq!(plan.time.seconds, None);
    }

    #[test]
    fn time_is_that_of_runs_that_are_alike() {
        let config = config();
        let earlier = |tokens: u64, speed: f64| {
            let mut other = config.clone();
            other.budget.tokens = Some(tokens);
            other.questions.count = Some(7);
            Earlier {
                id: String::new(),
                config: RunConfig::Search(other),
                steps_per_second: speed,
            }
        };
        let runs = [earlier(1_000, 4.0), earlier(2_000, 9.0)];
        let plan = SearchPlan::of(&config, questions(&config), &runs);
        assert_eq!(plan.time.seconds, Some(50.0));
        let unknown = SearchPlan::of(&config, (None, String::new()), &runs);
        assert_eq!(unknown.time.seconds, None);
    }
}
