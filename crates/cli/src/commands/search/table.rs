//! `concord search table`: methods of search on made-up questions.

use std::num::NonZero;
use std::thread;

use configs::search::SearchConfig;
use configs::{Job, RunConfig};
use search::scripted::table::{Answered, BUDGETS, Part, REFERENCE, ROWS, Row, TableError, answer};
use serde_json::{Value, json};
use tracking::statistics::{Bootstrap, mcnemar, wilson};

use crate::arguments::{SearchTable, Settings, TablePart};
use crate::failure::Failure;
use crate::output::Table;
use crate::settings::load_or_fail;

const COLUMNS: [&str; 22] = [
    "part",
    "method",
    "budget",
    "tool_calls",
    "tokens",
    "questions",
    "accuracy",
    "low",
    "high",
    "lowest_seed",
    "highest_seed",
    "backstop",
    "calls_spent",
    "tokens_spent",
    "critic_tokens",
    "violations",
    "astray",
    "behind",
    "difference",
    "difference_low",
    "difference_high",
    "p",
];

/// Columns for programs: they would make the table too wide.
const HIDDEN: [&str; 11] = [
    "part",
    "tool_calls",
    "tokens",
    "questions",
    "lowest_seed",
    "highest_seed",
    "critic_tokens",
    "violations",
    "astray",
    "behind",
    "p",
];

/// Runs the command.
pub(crate) fn table(arguments: &SearchTable) -> Result<(), Failure> {
    let rows = chosen(arguments)?;
    let mut table = Table::new(&COLUMNS).hide(&HIDDEN);
    for (budget, limits) in BUDGETS {
        let mut reference: Option<Vec<Answered>> = None;
        for row in &rows {
            let config = config(arguments, row, &limits)?;
            let answers = answers(arguments, &config)
                .map_err(|error| Failure::arguments(format!("{}: {error}", row.name)))?;
            table.row(values(
                arguments,
                row,
                budget,
                &config,
                &answers,
                reference.as_deref(),
            ));
            reference.get_or_insert(answers);
        }
    }
    table.print(arguments.format.format)
}

/// The rows that are asked for, the reference first.
fn chosen(arguments: &SearchTable) -> Result<Vec<&'static Row>, Failure> {
    if let Some(unknown) = arguments
        .rows
        .iter()
        .find(|name| ROWS.iter().all(|row| row.name != name.as_str()))
    {
        let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        return Err(Failure::arguments(format!(
            "no row `{unknown}` - there are: {}",
            names.join(", ")
        )));
    }
    let wanted = |row: &Row| {
        let part = arguments
            .parts
            .iter()
            .any(|part| Part::from(*part) == row.part);
        let named = arguments.rows.iter().any(|name| name == row.name);
        if arguments.rows.is_empty() {
            part
        } else {
            named
        }
    };
    let (reference, others): (Vec<&Row>, Vec<&Row>) = ROWS
        .iter()
        .filter(|row| row.name == REFERENCE || wanted(row))
        .partition(|row| row.name == REFERENCE);
    Ok(reference.into_iter().chain(others).collect())
}

impl From<TablePart> for Part {
    fn from(part: TablePart) -> Self {
        match part {
            TablePart::Methods => Self::Methods,
            TablePart::Ablations => Self::Ablations,
            TablePart::Critics => Self::Critics,
        }
    }
}

/// The settings of a row under a budget. What the user sets comes last.
fn config(
    arguments: &SearchTable,
    row: &Row,
    limits: &[&'static str],
) -> Result<SearchConfig, Failure> {
    let sets = row.sets.iter().chain(limits).map(|set| (*set).to_owned());
    let settings = Settings {
        target: arguments.target.clone(),
        sets: sets.chain(arguments.sets.iter().cloned()).collect(),
        device: None,
        threads: None,
        seed: None,
    };
    match load_or_fail(&settings, Some(Job::Search))?.config {
        RunConfig::Search(config) => Ok(config),
        other => Err(Failure::arguments(format!(
            "`{}` is of job {} - a preset of job search is needed",
            arguments.target,
            other.job()
        ))),
    }
}

/// What became of every question of every seed, in order.
fn answers(arguments: &SearchTable, config: &SearchConfig) -> Result<Vec<Answered>, TableError> {
    let tasks: Vec<(u64, u64)> = (arguments.seed..arguments.seed.saturating_add(arguments.seeds))
        .flat_map(|seed| (0..arguments.questions).map(move |number| (seed, number)))
        .collect();
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = tasks.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = tasks
            .chunks(share)
            .map(|part| {
                scope.spawn(|| {
                    let answers = part
                        .iter()
                        .map(|(seed, number)| answer(config, *seed, *number));
                    answers.collect::<Result<Vec<_>, _>>()
                })
            })
            .collect();
        let mut all = Vec::with_capacity(tasks.len());
        for part in parts {
            match part.join() {
                Ok(answers) => all.extend(answers?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(all)
    })
}

fn values(
    arguments: &SearchTable,
    row: &Row,
    budget: &str,
    config: &SearchConfig,
    answers: &[Answered],
    reference: Option<&[Answered]>,
) -> Vec<Value> {
    let count = answers.len() as f64;
    let mean = |of: &dyn Fn(&Answered) -> f64| answers.iter().map(of).sum::<f64>() / count;
    let right = answers.iter().filter(|answered| answered.right).count();
    let share = wilson(right as f64, answers.len());
    let of_seeds = answers.chunks(arguments.questions as usize).map(|seed| {
        seed.iter().filter(|answered| answered.right).count() as f64 / seed.len() as f64
    });
    let (lowest, highest) = of_seeds.fold((f64::INFINITY, f64::NEG_INFINITY), |ends, share| {
        (ends.0.min(share), ends.1.max(share))
    });
    let mut values = vec![
        json!(row.part.name()),
        json!(row.name),
        json!(budget),
        json!(config.budget.tool_calls),
        json!(config.budget.tokens),
        json!(answers.len()),
        rounded(share.estimate),
        rounded(share.low),
        rounded(share.high),
        rounded(lowest),
        rounded(highest),
        rounded(mean(&|answered| f64::from(u8::from(answered.backstop)))),
        rounded(mean(&|answered| answered.tool_calls as f64)),
        rounded(mean(&|answered| answered.tokens as f64)),
        rounded(mean(&|answered| answered.critic_tokens as f64)),
        json!(
            answers
                .iter()
                .map(|answered| answered.violations)
                .sum::<u32>()
        ),
        rounded(mean(&|answered| answered.astray as f64)),
        rounded(mean(&|answered| answered.behind as f64)),
    ];
    values.extend(match reference {
        Some(reference) => difference(reference, answers),
        None => vec![Value::Null; 4],
    });
    values
}

/// Accuracy above the reference's, its interval over questions, and McNemar's p.
fn difference(reference: &[Answered], answers: &[Answered]) -> Vec<Value> {
    let right = |answers: &[Answered]| -> Vec<f64> {
        let right = answers
            .iter()
            .map(|answered| f64::from(u8::from(answered.right)));
        right.collect()
    };
    let found = Bootstrap::default().paired_difference(&right(reference), &right(answers));
    let pairs = || reference.iter().zip(answers);
    let only_reference = pairs().filter(|(one, other)| one.right && !other.right);
    let only_other = pairs().filter(|(one, other)| !one.right && other.right);
    let p = mcnemar(only_reference.count() as u64, only_other.count() as u64);
    vec![
        rounded(found.estimate),
        rounded(found.low),
        rounded(found.high),
        json!(p),
    ]
}

/// Four digits: questions are counted in thousands.
fn rounded(value: f64) -> Value {
    json!((value * 1e4).round() / 1e4)
}
