//! The report of an experiment, from its run folders to files and the terminal.

use std::path::Path;

use serde_json::{Value, json};
use tracking::export::{RunRecord, csv, marl_eval};
use tracking::report::{Cell, OverSeeds, Report, ReportOptions, ReportRun};
use tracking::statistics::Bootstrap;
use tracking::write_atomic;

use super::Place;
use super::plan::Plan;
use crate::failure::Failure;
use crate::output::{Table, json_number, tell};

/// Reads every run that has reported anything, computes the report and writes its files.
/// None when no run has an evaluation yet.
pub(super) fn write(
    plan: &Plan<'_>,
    place: &Place,
    file: &Path,
) -> Result<Option<Report>, Failure> {
    let mut runs = Vec::new();
    for one in &plan.runs {
        let Some(folder) = &one.folder else { continue };
        let record = RunRecord::read(folder)?;
        let evaluated = !record.history.evaluations.is_empty();
        if !evaluated && !one.standing.is_finished() {
            continue;
        }
        let point = one.run.point.0.iter();
        runs.push(ReportRun {
            task: one.run.task.clone(),
            method: one.run.method.clone(),
            point: point
                .map(|(path, value)| {
                    let text = value.as_str().map(str::to_owned);
                    (path.clone(), text.unwrap_or_else(|| value.to_string()))
                })
                .collect(),
            point_label: one.run.point.label(),
            finished: one.standing.is_finished(),
            record,
        });
    }
    // In the order of the file, which the order of seeds would hide.
    let order = |run: &ReportRun| {
        let of = |names: &[String], name: &str| names.iter().position(|known| known == name);
        (
            of(&plan.experiment.tasks, &run.task),
            of(&plan.experiment.methods, &run.method),
        )
    };
    runs.sort_by_key(order);
    let options = ReportOptions {
        name: plan.experiment.name.clone(),
        planned: plan.runs.len(),
        scalars: plan.experiment.scalars.clone(),
        return_range: plan.experiment.return_range,
        bootstrap: Bootstrap::default(),
    };
    let report = Report::new(&runs, &options);
    if report.cells.is_empty() {
        tell("no run has an evaluation yet; there is nothing to report");
        return Ok(None);
    }
    let folder = place.folder.join("report");
    std::fs::create_dir_all(&folder)?;
    let command = format!("concord experiment {}", file.display());
    for (name, text) in [
        ("summary.md", report.summary_markdown(&command)),
        ("summary.csv", report.summary_csv()),
        ("runs.csv", report.runs_csv()),
        ("curves.csv", report.curves_csv()),
        ("aggregate.csv", report.aggregate_csv()),
        ("probability_of_improvement.csv", report.improvement_csv()),
        ("performance_profile.csv", report.profile_csv()),
    ] {
        write_atomic(&folder.join(name), text.as_bytes())?;
    }
    exports(runs, &folder)?;
    for (name, bytes) in super::figures::plots(&report) {
        write_atomic(&folder.join(name), &bytes)?;
    }
    tell(&format!("report: {}", folder.display()));
    Ok(Some(report))
}

/// The files that other tools read: variants stand as algorithms in them.
fn exports(runs: Vec<ReportRun>, folder: &Path) -> Result<(), Failure> {
    let records: Vec<RunRecord> = runs
        .into_iter()
        .filter(|run| run.finished)
        .map(|run| {
            let mut record = run.record;
            record.meta.task = run.task;
            record.meta.algorithm = format!("{} {}", run.method, run.point_label)
                .trim_end()
                .to_owned();
            record
        })
        .collect();
    if records.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    csv::episodes(&records, &mut text)?;
    write_atomic(&folder.join("episodes.csv"), &text)?;
    match marl_eval::export(&records, true) {
        Ok(export) => {
            write_atomic(&folder.join("marl_eval.json"), export.to_json().as_bytes())?;
            for note in export.notes {
                tell(&format!("marl_eval.json: {note}"));
            }
        }
        Err(error) => tell(&format!("no marl_eval.json: {error}")),
    }
    Ok(())
}

/// A line per task and variant for the terminal.
pub(super) fn table(report: &Report) -> Table {
    let calls = report.measure_names().contains(&"cl_fraction");
    let mut columns = vec![
        "task", "method", "seeds", "final", "max", "average", "iqm", "low", "high", "sd",
    ];
    if calls {
        columns.push("cl_fraction");
    }
    let mut table = Table::new(&columns);
    for cell in &report.cells {
        let mut row = vec![
            json!(cell.task),
            json!(report.variants[cell.variant].name()),
            json!(cell.seeds.len()),
            rounded(cell.final_return.mean.estimate),
            rounded(cell.max_return.mean.estimate),
            rounded(cell.average_return.mean.estimate),
            rounded(cell.interquartile_mean.estimate),
            rounded(cell.interquartile_mean.low),
            rounded(cell.interquartile_mean.high),
            rounded(cell.standard_deviation),
        ];
        if calls {
            row.push(calls_of(cell).map_or(Value::Null, |over| rounded(over.mean.estimate)));
        }
        table.row(row);
    }
    table
}

/// The share of central calls: of the absolute evaluation, else of the last one.
fn calls_of(cell: &Cell) -> Option<&OverSeeds> {
    let measure = cell.measure("cl_fraction")?;
    measure.absolute.as_ref().or(measure.last.as_ref())
}

/// Four digits: people read this table, programs read the CSV files.
fn rounded(value: f64) -> Value {
    if value.is_nan() {
        Value::Null
    } else {
        json_number((value * 1e4).round() / 1e4)
    }
}
