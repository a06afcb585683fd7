//! Runs of searches: what they recorded, by their budgets.

use std::path::Path;

use tracking::RunFolder;
use tracking::evaluation::{Results, searches};
use tracking::search_log::{SearchLog, questions};
use tracking::statistics::Bootstrap;
use tui::sheet::evaluation as tables;

use crate::arguments::{Eval, Format};
use crate::commands::compare::find_all;
use crate::failure::Failure;
use crate::output::{print, print_json};

/// The job of a run that searches.
const JOB: &str = "search";
/// What is counted when no resource is named.
const USUAL: &str = "tokens";

/// Accuracy against budget, when the runs are of searches; none when they are not.
pub(crate) fn results(root: &Path, arguments: &Eval) -> Result<Option<Results>, Failure> {
    let mut found: Vec<RunFolder> = Vec::new();
    let mut others: Vec<String> = Vec::new();
    for name in &arguments.targets {
        // What is no run's name is the other commands' to explain.
        for run in find_all(root, name).unwrap_or_default() {
            if run.meta().is_ok_and(|meta| meta.job == JOB) {
                found.push(run);
            } else {
                others.push(run.id());
            }
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    if let Some(other) = others.first() {
        return Err(Failure::arguments(format!(
            "searches beside other runs: {other} - searches are judged by their answers, policies by their returns - evaluate them apart"
        )));
    }
    let resource = arguments.sweep.as_deref().unwrap_or(USUAL);
    if resource.is_empty() || resource.contains('=') {
        return Err(Failure::arguments(format!(
            "--sweep {resource}: recorded searches have the budgets that they had - allowed: the name of a resource, such as tokens or tool_calls - leave the values out"
        )));
    }
    let mut logs = Vec::new();
    for run in &found {
        for (_, path) in questions(&run.path().join(JOB))? {
            logs.push(SearchLog::read(&path)?);
        }
    }
    let known = |log: &SearchLog| log.resources().iter().any(|one| one == resource);
    if !logs.is_empty() && !logs.iter().any(known) {
        let mut names: Vec<&String> = logs.iter().flat_map(SearchLog::resources).collect();
        names.sort();
        names.dedup();
        let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
        return Err(Failure::arguments(format!(
            "--sweep {resource}: nothing was spent of it - recorded: {} - name one of these",
            names.join(", ")
        )));
    }
    Ok(Some(searches::sweep(logs, resource, &Bootstrap::default())))
}

/// Prints the table.
pub(super) fn report(results: &Results, format: Format) -> Result<(), Failure> {
    match format {
        Format::Csv => print(&tables::searches(results).to_csv()),
        Format::Json => print_json(&tables::to_json(results, None)),
        Format::Table => print(&format!(
            "{}\n{}\n\n{}",
            tables::title(results),
            tables::played(results),
            tables::to_text(results)
        )),
    }
}
