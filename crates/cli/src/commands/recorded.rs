//! `concord show` for what jobs record beside curves: switches, samples, searches. The
//! figures are those of the dashboard's panes.

use std::path::Path;

use serde_json::{Value, json};
use tracking::search_log::{self, Order, Replay, SearchLog};
use tracking::switching::SwitchTimeline;
use tracking::{History, RunFolder, Sample};
use tui::figures::{count, number, plural, printable};
use tui::panes::search::answer_text;
use tui::panes::text::{figures, metrics};
use tui::panes::world::switch;
use tui::widgets::prose;

use crate::arguments::{Format, Show};
use crate::failure::Failure;
use crate::output::{Table, json_number, json_option, json_seconds, print, print_json};
use crate::surroundings::of_terminal;

/// Width of text where the terminal does not say.
const WIDTH: usize = 80;
/// Lines of a response on a terminal; programs get all of it.
const LINES: usize = 1_000;

fn width() -> usize {
    tui::terminal_size().map_or(WIDTH, |(columns, _)| usize::from(columns).clamp(40, 160))
}

/// Prints a recorded file that belongs to no run; `None` when the argument is none.
pub(crate) fn show_file(arguments: &Show) -> Option<Result<(), Failure>> {
    let path = Path::new(&arguments.run.run);
    let is_file = path.extension().is_some_and(|ending| ending == "jsonl") && path.is_file();
    is_file.then(|| {
        let format = arguments.format.format;
        let log = SearchLog::read(path)?;
        if !log.nodes().is_empty() {
            return print_tree(&Replay::at_end(log), format);
        }
        let history = History::read(path)?;
        if history.events == 0 {
            return Err(Failure::arguments(format!(
                "no recording: {} - allowed: events.jsonl of a run, or a search log - name another file",
                path.display()
            )));
        }
        match SwitchTimeline::of(&history) {
            Some(_) if arguments.switch => show_switch(&history, 0, format),
            _ => show_samples(&history, arguments.samples.unwrap_or(5), format),
        }
    })
}

/// Prints how a switch divided training.
pub(crate) fn show_switch(history: &History, until: u64, format: Format) -> Result<(), Failure> {
    let Some(timeline) = SwitchTimeline::of(history) else {
        return Err(Failure::arguments(
            "this run has no switch - runs of MANSA report one".to_owned(),
        ));
    };
    match format {
        Format::Table => {
            let unicode = of_terminal().unicode;
            print(&switch::text(&timeline, width(), until, unicode))
        }
        Format::Csv => {
            let mut table = Table::new(&["step", "central_share"]);
            for (step, share) in &timeline.windows {
                table.row(vec![json!(step), json_number(*share)]);
            }
            print(&table.to_csv())
        }
        Format::Json => print_json(&json!({
            "windows": timeline.windows.iter().map(|(step, share)| {
                json!({"step": step, "central_share": json_number(*share)})
            }).collect::<Vec<_>>(),
            "running_share": json_option(timeline.running),
            "budget_left": json_option(timeline.budget_left),
            "evaluated_share": json_option(timeline.evaluated),
            "total_steps": until,
        })),
    }
}

/// Prints stages, metrics and the newest samples of a fine-tuning.
pub(crate) fn show_samples(
    history: &History,
    newest: usize,
    format: Format,
) -> Result<(), Failure> {
    let metrics = metrics::reported(history);
    if history.samples.is_empty() && history.stages.is_empty() && metrics.is_empty() {
        return Err(Failure::arguments(
            "this run recorded no samples - fine-tunings do".to_owned(),
        ));
    }
    let samples = &history.samples;
    let first = samples.seen().saturating_sub(samples.len() as u64) + 1;
    let numbered: Vec<(u64, &Sample)> = samples
        .iter()
        .enumerate()
        .skip(samples.len().saturating_sub(newest))
        .map(|(index, (_, sample))| (first + index as u64, &**sample))
        .collect();
    match format {
        Format::Table => print(&samples_text(history, &metrics, &numbered)),
        Format::Csv => print(&responses(&numbered).to_csv()),
        Format::Json => print_json(&json!({
            "stages": stages_json(history),
            "metrics": metrics.iter().map(|one| (one.metric.curve, json!({
                "value": one.points.last().map_or(Value::Null, |point| json_number(point.value)),
                "step": one.points.last().map(|point| point.step),
                "low": json_option(one.interval.map(|ends| ends.0)),
                "high": json_option(one.interval.map(|ends| ends.1)),
            }))).collect::<std::collections::BTreeMap<_, _>>(),
            "samples": numbered.iter().map(|(number, sample)| {
                let mut value = json!(sample);
                value["number"] = json!(number);
                value
            }).collect::<Vec<_>>(),
            "samples_seen": samples.seen(),
        })),
    }
}

fn stages_json(history: &History) -> Vec<Value> {
    let stages = &history.stages;
    let reported = 1..=stages.current().map_or(0, |current| current.iteration);
    reported
        .flat_map(|iteration| stages.of(iteration))
        .map(|(state, stage)| {
            json!({
                "iteration": stage.iteration,
                "name": stage.name,
                "state": format!("{state:?}").to_lowercase(),
                "done": stage.done,
                "total": stage.total,
                "unit": stage.unit,
            })
        })
        .collect()
}

fn samples_text(
    history: &History,
    metrics: &[metrics::Reported],
    samples: &[(u64, &Sample)],
) -> String {
    let mut text = String::new();
    if let Some(current) = history.stages.current() {
        text.push_str(&format!(
            "iteration {} of {}: {} {} of {} {}\n\n",
            current.iteration,
            history.stages.iterations(),
            printable(&current.name),
            count(current.done as f64),
            count(current.total as f64),
            printable(&current.unit),
        ));
    }
    let unicode = of_terminal().unicode;
    for metric in metrics {
        let spark = metrics::sparkline(&metric.points, 30, unicode);
        let (label, value) = (metric.metric.label, metric.value());
        text.push_str(&format!("{label:<17} {value:<24} {spark}\n"));
    }
    let width = width();
    for (number, sample) in samples {
        text.push_str(&format!(
            "\nsample {number}, step {}, iteration {}\n",
            sample.step, sample.iteration
        ));
        let mut paragraph = |start: &str, body: &str| {
            for line in prose::lines(body, width.saturating_sub(2), true, LINES) {
                text.push_str(&format!("{start}{line}\n"));
            }
        };
        paragraph("> ", &sample.prompt);
        for (index, response) in sample.responses.iter().enumerate() {
            let label = response.label.map_or("", tracking::Label::name);
            let head = format!("{} {label} {}", index + 1, figures(response));
            paragraph("", &head);
            if !response.trace.is_empty() {
                paragraph("  [trace] ", &response.trace);
            }
            paragraph("  ", &response.text);
        }
    }
    text
}

fn responses(samples: &[(u64, &Sample)]) -> Table {
    let mut table = Table::new(&[
        "sample",
        "step",
        "iteration",
        "response",
        "label",
        "win_rate",
        "reward",
        "log_prob",
        "reference_log_prob",
        "tokens",
        "prompt",
        "text",
    ]);
    for (number, sample) in samples {
        for (index, response) in sample.responses.iter().enumerate() {
            table.row(vec![
                json!(number),
                json!(sample.step),
                json!(sample.iteration),
                json!(index + 1),
                json!(response.label.map(tracking::Label::name)),
                json_option(response.win_rate),
                json_option(response.reward),
                json_option(response.log_prob),
                json_option(response.reference_log_prob),
                json!(response.tokens),
                json!(sample.prompt),
                json!(response.text),
            ]);
        }
    }
    table
}

/// Prints the tree of a question, or the list of questions.
pub(crate) fn show_search(run: &RunFolder, question: &str, format: Format) -> Result<(), Failure> {
    let questions = search_log::questions(&run.searches())?;
    if questions.is_empty() {
        return Err(Failure::arguments(
            "this run recorded no search - runs of the job `search` do".to_owned(),
        ));
    }
    if question.is_empty() {
        let mut table = questions_table();
        for (name, path) in &questions {
            table.row(question_row(name, &Replay::at_end(SearchLog::read(path)?)));
        }
        return table.print(format);
    }
    let Some((_, path)) = questions.iter().find(|(name, _)| name == question) else {
        let names: Vec<&str> = questions.iter().map(|(name, _)| name.as_str()).collect();
        let hint = configs::nearest(question, names.iter().copied()).map_or_else(
            || format!("this run has: {}", names.join(", ")),
            |name| format!("did you mean `{name}`?"),
        );
        return Err(Failure::arguments(format!(
            "no such question: {question} - {hint}"
        )));
    };
    print_tree(&Replay::at_end(SearchLog::read(path)?), format)
}

fn questions_table() -> Table {
    Table::new(&[
        "question",
        "policy",
        "nodes",
        "answer",
        "correct",
        "backstop",
        "seconds",
        "spent",
        "violations",
        "refused",
        "text",
    ])
    .hide(&["refused"])
}

fn question_row(name: &str, replay: &Replay) -> Vec<Value> {
    let log = replay.log();
    let chosen = replay.chosen();
    let spent: Vec<String> = replay
        .budgets()
        .map(|budget| {
            let limit = budget.limit.map_or_else(|| "-".to_owned(), count);
            format!("{} {}/{limit}", budget.resource, count(budget.spent))
        })
        .collect();
    let violations = replay.budgets().filter(|budget| budget.violated()).count();
    vec![
        json!(name),
        json!(log.question().policy),
        json!(replay.node_count()),
        json!(chosen.map(|answer| answer.text.as_str())),
        json!(chosen.and_then(|answer| answer.correct)),
        json!(chosen.map(|answer| answer.backstop)),
        json_seconds(log.time_after(usize::MAX)),
        json!(spent),
        json!(violations),
        json!(log.problems().1),
        json!(log.question().text),
    ]
}

pub(crate) fn print_tree(replay: &Replay, format: Format) -> Result<(), Failure> {
    match format {
        Format::Table => print(&tree_text(replay)),
        Format::Csv => print(&nodes(replay).to_csv()),
        Format::Json => {
            let log = replay.log();
            let question = log.question();
            print_json(&json!({
                "question": question.id,
                "text": question.text,
                "policy": question.policy,
                "expected": question.expected,
                "budgets": replay.budgets().map(|budget| json!({
                    "resource": budget.resource,
                    "spent": json_number(budget.spent),
                    "limit": json_option(budget.limit),
                    "violated": budget.violated(),
                })).collect::<Vec<_>>(),
                "answers": replay.answers().iter().map(|answer| json!({
                    "text": answer.text,
                    "node": answer.node.map(|node| log.nodes()[node as usize].id),
                    "chosen": answer.chosen,
                    "backstop": answer.backstop,
                    "correct": answer.correct,
                })).collect::<Vec<_>>(),
                "best_path": replay.best_path().into_iter()
                    .map(|node| log.nodes()[node as usize].id).collect::<Vec<_>>(),
                "nodes": nodes(replay).to_json(),
                "seconds": json_seconds(log.time_after(usize::MAX)),
                "refused": log.problems().1,
                "problems": log.problems().0,
            }))
        }
    }
}

/// A row per node, in the order of the tree.
fn nodes(replay: &Replay) -> Table {
    let mut table = Table::new(&[
        "id", "parent", "depth", "role", "value", "delta", "visits", "pruned", "best", "cost",
        "text",
    ]);
    let log = replay.log();
    let best = replay.best_path();
    let id = |node: u32| log.nodes()[node as usize].id;
    for row in replay.rows(Order::Age, &|_| true) {
        let info = &log.nodes()[row.node as usize];
        let costs: Vec<String> = log
            .resources()
            .iter()
            .enumerate()
            .map(|(index, name)| format!("{name}={}", replay.cost(row.node, index)))
            .collect();
        table.row(vec![
            json!(info.id),
            json!(info.parent.map(id)),
            json!(info.depth),
            json!(info.role),
            json_option(replay.value(row.node)),
            json_option(replay.delta(row.node)),
            json!(replay.visits(row.node)),
            json!(replay.pruned(row.node)),
            json!(best.binary_search(&row.node).is_ok()),
            json!(costs),
            json!(info.text),
        ]);
    }
    table
}

fn tree_text(replay: &Replay) -> String {
    let log = replay.log();
    let question = log.question();
    let mut text = format!("{}\n", printable(&question.text));
    for budget in replay.budgets() {
        let limit = budget.limit.map_or_else(
            || "no limit".to_owned(),
            |limit| format!("of {}", count(limit)),
        );
        let over = if budget.violated() {
            "  ! over budget"
        } else {
            ""
        };
        text.push_str(&format!(
            "{} {} {limit}{over}\n",
            printable(budget.resource),
            count(budget.spent)
        ));
    }
    text.push('\n');
    let best = replay.best_path();
    let width = width();
    for row in replay.rows(Order::Age, &|_| true) {
        let info = &log.nodes()[row.node as usize];
        let mark = if best.binary_search(&row.node).is_ok() {
            '>'
        } else {
            ' '
        };
        let indent = "  ".repeat(row.depth.min(20) as usize);
        let value = replay
            .value(row.node)
            .map_or_else(|| "-".to_owned(), number);
        let pruned = if replay.pruned(row.node) {
            " pruned"
        } else {
            ""
        };
        let head = format!(
            "{mark} {indent}[{}] value {value}, visits {}, cost {}{pruned}: ",
            info.id,
            replay.visits(row.node),
            count(replay.cost(row.node, 0)),
        );
        let room = width.saturating_sub(head.len()).max(20);
        let line = prose::lines(&info.text, room, false, 1).pop();
        text.push_str(&format!("{head}{}\n", line.unwrap_or_default()));
    }
    text.push('\n');
    for answer in replay.answers() {
        let chosen = if answer.chosen { "" } else { " (not chosen)" };
        text.push_str(&format!("{}{chosen}\n", printable(&answer_text(answer))));
    }
    let (problems, refused) = log.problems();
    if refused > 0 {
        let lines = plural(refused as f64, "line");
        text.push_str(&format!("{refused} {lines} refused\n"));
        for problem in problems {
            text.push_str(&format!("  {}\n", printable(problem)));
        }
    }
    text
}
