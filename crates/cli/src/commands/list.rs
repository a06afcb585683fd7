//! `concord runs`: the dashboard's list of runs.

use serde_json::{Value, json};
use tracking::unix_seconds;
use tui::figures::{age, printable};
use tui::run::RunSummary;
use tui::source::RunList;

use crate::arguments::{Format, Global, Runs};
use crate::failure::Failure;
use crate::output::{Table, json_number, json_option, tell};
use crate::surroundings::runs_root;

/// Everything that is known of a run without reading its events.
const COLUMNS: [&str; 24] = [
    "id",
    "state",
    "step",
    "total_steps",
    "progress",
    "last_evaluation",
    "best_evaluation",
    "steps_per_second",
    "seed",
    "heard",
    "age",
    "job",
    "algorithm",
    "task",
    "device",
    "updates",
    "tokens",
    "seconds",
    "pid",
    "archived",
    "waits_for",
    "trouble",
    "message",
    "folder",
];
/// What people are spared.
const HIDDEN: [&str; 15] = [
    "total_steps",
    "steps_per_second",
    "seed",
    "age",
    "job",
    "algorithm",
    "task",
    "updates",
    "tokens",
    "seconds",
    "pid",
    "archived",
    "waits_for",
    "trouble",
    "folder",
];

/// Prints the list.
pub(crate) fn runs(global: &Global, arguments: &Runs) -> Result<(), Failure> {
    let root = runs_root(global);
    // A folder that cannot be listed is an error here; the dashboard shows it as empty.
    tracking::RunFolder::list(&root)?;
    let now = unix_seconds();
    let mut list = RunList::new(&root);
    list.scan(now);
    let format = arguments.format.format;
    let wanted = |run: &RunSummary| {
        arguments
            .filter
            .as_ref()
            .is_none_or(|text| run.id.contains(text.as_str()))
            && (arguments.archived || !run.archived)
    };
    let matching: Vec<RunSummary> = list.runs().into_iter().filter(wanted).collect();
    let mut table = Table::new(&COLUMNS).hide(&HIDDEN);
    for run in matching.iter().take(arguments.limit) {
        let folder = root.join(&run.id);
        let mut row = row(run, now, format);
        row.push(json!(folder));
        table.row(row);
    }
    if table.is_empty() && format == Format::Table {
        tell(&format!(
            "no runs in {} - start one with `concord train demo`",
            root.display()
        ));
        return Ok(());
    }
    if matching.len() > arguments.limit && format == Format::Table {
        tell(&format!(
            "{} of {} runs; --limit shows more",
            arguments.limit,
            matching.len()
        ));
    }
    table.print(format)
}

/// The values of a run in the order of [`COLUMNS`], without the folder.
fn row(run: &RunSummary, now: f64, format: Format) -> Vec<Value> {
    let people = format == Format::Table;
    let moment = |time: f64| match (people, time > 0.0) {
        (true, true) => json!(format!("{} ago", age(now - time))),
        (true, false) => Value::Null,
        (false, _) => json_number(time),
    };
    let progress = run.progress().map_or(Value::Null, |share| {
        if people {
            json!(format!("{:.0}%", (share * 100.0).floor()))
        } else {
            json_number(share)
        }
    });
    // People have one column for both: what is wrong is more than what was said last.
    let said = if people && !run.trouble.is_empty() {
        &run.trouble
    } else {
        &run.message
    };
    vec![
        json!(run.id),
        json!(run.state.name()),
        json!(run.step as u64),
        json!(run.total_steps as u64),
        progress,
        json_option(run.last_return),
        json_option(run.best_return),
        json_option(run.steps_per_second),
        json!(run.seed),
        moment(run.heard),
        moment(run.created),
        json!(run.job),
        json!(run.algorithm),
        json!(run.task),
        json!(run.device),
        json!(run.updates as u64),
        json!(run.tokens as u64),
        json_number(run.seconds),
        json!(run.pid),
        json!(run.archived),
        json!(run.waits_for),
        json!(printable(&run.trouble)),
        json!(printable(said)),
    ]
}
