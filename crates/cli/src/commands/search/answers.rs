//! What searches came to: a line per question.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tracking::search_log::{Outcome, Outcomes};
use tui::figures::{count, duration, number, plural};

use crate::arguments::Format;
use crate::failure::Failure;
use crate::output::{Table, json_number, json_option, json_seconds, print};
use crate::result::RunResult;

/// The job of a run that searches.
pub(super) const JOB: &str = "search";
/// The resource that is a time.
pub(super) const SECONDS: &str = "seconds";
/// Questions that a table lists; programs get all of them.
const LISTED: usize = 40;

/// Whether all of these runs search.
pub(crate) fn are_searches(results: &[RunResult]) -> bool {
    let search = |result: &RunResult| result.meta.as_ref().is_some_and(|meta| meta.job == JOB);
    !results.is_empty() && results.iter().all(search)
}

/// Prints the answers of runs.
pub(crate) fn report(results: &[RunResult], format: Format) -> Result<(), Failure> {
    let mut all = Vec::new();
    for result in results {
        all.push((result, Outcomes::read(&result.run.searches())?));
    }
    match format {
        Format::Json => {
            let mut text = String::new();
            for (result, lines) in &all {
                for line in lines {
                    text.push_str(&format!("{}\n", to_json(result, line)));
                }
            }
            match text.is_empty() {
                true => Ok(()),
                false => print(&text),
            }
        }
        Format::Csv => {
            let mut sheet = table();
            for (result, lines) in &all {
                for line in lines {
                    sheet.row(row(result, line));
                }
            }
            print(&sheet.to_csv())
        }
        Format::Table => {
            let parts: Vec<String> = all
                .iter()
                .map(|(result, lines)| text(result, lines))
                .collect();
            print(parts.join("\n").trim_end())
        }
    }
}

/// A question's line for programs.
fn to_json(result: &RunResult, line: &Outcome) -> Value {
    let spent: BTreeMap<&str, Value> = line
        .spent
        .iter()
        .map(|one| (one.resource.as_str(), amount(&one.resource, one.amount)))
        .collect();
    let left: BTreeMap<&str, Value> = line
        .spent
        .iter()
        .map(|one| {
            let left = match one.limit.is_finite() {
                true => amount(&one.resource, (one.limit - one.amount).max(0.0)),
                false => Value::Null,
            };
            (one.resource.as_str(), left)
        })
        .collect();
    json!({
        "id": line.id,
        "question": line.text,
        "policy": line.policy,
        "answer": line.answer,
        "correct": line.verdict(),
        "f1": json_option(line.f1()),
        "spent": spent,
        "left": left,
        "nodes": line.nodes,
        "backstop": line.backstop,
        "violations": line.violations(),
        "seconds": json_seconds(line.seconds),
        "over": line.over,
        "why": line.why,
        "run": result.run.id(),
        "log": log(result, line),
    })
}

/// An amount of a resource: without a point where it is whole.
fn amount(resource: &str, value: f64) -> Value {
    match value.fract() == 0.0 && value.abs() < 2f64.powi(53) {
        true => json!(value as i64),
        false if resource == SECONDS => json_seconds(value),
        false => json_number(value),
    }
}

/// The log of a question.
fn log(result: &RunResult, line: &Outcome) -> Value {
    let path = result.run.searches().join(format!("{}.jsonl", line.name));
    json!(path)
}

fn table() -> Table {
    Table::new(&[
        "id",
        "answer",
        "correct",
        "f1",
        "tokens",
        "tool_calls",
        "nodes",
        "backstop",
        "violations",
        "seconds",
        "why",
        "run",
        "log",
    ])
    .hide(&["violations", "run", "log"])
}

fn row(result: &RunResult, line: &Outcome) -> Vec<Value> {
    vec![
        json!(line.id),
        json!(line.answer),
        json!(line.verdict()),
        json_option(line.f1()),
        amount("tokens", line.spent_of("tokens")),
        amount("tool_calls", line.spent_of("tool_calls")),
        json!(line.nodes),
        json!(line.backstop),
        json!(line.violations()),
        json_seconds(line.seconds),
        json!(line.why),
        json!(result.run.id()),
        log(result, line),
    ]
}

fn text(result: &RunResult, lines: &[Outcome]) -> String {
    let mut sheet = table();
    for line in lines.iter().take(LISTED) {
        sheet.row(row(result, line));
    }
    let mut text = match lines.is_empty() {
        true => String::new(),
        false => sheet.to_text(),
    };
    if lines.len() > LISTED {
        let more = lines.len() - LISTED;
        text.push_str(&format!("and {more} more: --format json lists all\n"));
    }
    let (word, ..) = tui::model::shown(result.state);
    let mut rows = vec![("run", format!("{}  {word}", result.run.id()))];
    rows.extend(figures(result, lines));
    rows.extend(result.written());
    text.push('\n');
    for (what, value) in rows {
        text.push_str(&format!("{what:<12} {value}\n"));
    }
    text
}

/// What a run came to, in words.
fn figures(result: &RunResult, lines: &[Outcome]) -> Vec<(&'static str, String)> {
    let over: Vec<&Outcome> = lines.iter().filter(|line| line.over).collect();
    let planned = result.status.total_steps.max(lines.len() as u64);
    let mut rows = vec![(
        "searched",
        format!(
            "{} of {planned} {}, {}",
            over.len(),
            plural(planned as f64, "question"),
            duration(result.seconds())
        ),
    )];
    if over.is_empty() {
        return rows;
    }
    let share = |yes: usize| number(yes as f64 / over.len() as f64);
    if let Some(score) = result.final_score() {
        rows.push(("result", score.to_text()));
    }
    let mean = |resource: &str| {
        let spent = over.iter().map(|line| line.spent_of(resource));
        spent.sum::<f64>() / over.len() as f64
    };
    let (tokens, calls) = (mean("tokens").round(), mean("tool_calls"));
    rows.push((
        "spent",
        format!(
            "{} {} and {} {} a question",
            count(tokens),
            plural(tokens, "token"),
            number(calls),
            plural(calls, "tool call")
        ),
    ));
    let backstops = over.iter().filter(|line| line.backstop).count();
    let violations: usize = over.iter().map(|line| line.violations()).sum();
    rows.push((
        "backstop",
        format!(
            "{} of the questions; {violations} {} exceeded",
            share(backstops),
            plural(violations as f64, "budget")
        ),
    ));
    rows
}
