//! `concord stop`, `pause`, `unpause`, `checkpoint`, `kill` and `archive`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tracking::{RunFolder, queue, unix_seconds};

use crate::arguments::{Archive, Control, Format, Global, Kill};
use crate::commands::train::worse;
use crate::control::{Wish, ask};
use crate::failure::Failure;
use crate::output::{Table, print, print_json, tell};
use crate::result::RunResult;
use crate::surroundings::runs_root;
use crate::worker;

/// `concord stop`. A run that waits in the queue is taken out of it.
pub(crate) fn stop(global: &Global, arguments: &Control) -> Result<(), Failure> {
    let runs = find_all(global, &arguments.runs)?;
    let (waiting, working): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| {
        queue::ticket(run).is_some() && worker::state(run) == tracking::RunState::Queued
    });
    for run in &waiting {
        queue::take_out(&runs_root(global), run)?;
        tell(&format!("{} left the queue", run.id()));
    }
    let (outcomes, code) = carry_out(working, Wish::Stop, limit(arguments.timeout))?;
    let results = outcomes
        .iter()
        .map(|outcome| &outcome.run)
        .chain(&waiting)
        .map(|run| RunResult::read(run.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    match (arguments.format.format, results.as_slice()) {
        (Format::Json, [one]) => print_json(&one.to_json())?,
        (Format::Table, [one]) => print(&one.to_text())?,
        (format, several) => super::runs::table(several).print(format)?,
    }
    ended_with(code)
}

/// `concord pause`, `unpause` and `checkpoint`.
pub(crate) fn control(global: &Global, arguments: &Control, wish: Wish) -> Result<(), Failure> {
    let runs = find_all(global, &arguments.runs)?;
    let (outcomes, code) = carry_out(runs, wish, limit(arguments.timeout))?;
    table(&outcomes).print(arguments.format.format)?;
    ended_with(code)
}

/// `concord kill`.
pub(crate) fn kill(global: &Global, arguments: &Kill) -> Result<(), Failure> {
    let runs = find_all(global, &arguments.runs)?;
    if !arguments.yes {
        let ids: Vec<String> = runs.iter().map(RunFolder::id).collect();
        return Err(Failure::arguments(format!(
            "kill {}: its process ends at once and what it learnt since the last checkpoint is lost - repeat with --yes to do so, or let it write one with `concord stop {}`",
            ids.join(" "),
            ids.join(" ")
        )));
    }
    let (outcomes, code) = carry_out(runs, Wish::Kill, Duration::ZERO)?;
    table(&outcomes).print(arguments.format.format)?;
    ended_with(code)
}

/// `concord archive`.
pub(crate) fn archive(global: &Global, arguments: &Archive) -> Result<(), Failure> {
    let runs = find_all(global, &arguments.runs)?;
    let wish = if arguments.undo {
        Wish::TakeBack
    } else {
        Wish::Archive
    };
    let (outcomes, code) = carry_out(runs, wish, Duration::ZERO)?;
    table(&outcomes).print(arguments.format.format)?;
    ended_with(code)
}

/// The runs that a user means, each once; all of them are found before anything is done.
pub(crate) fn find_all(global: &Global, names: &[String]) -> Result<Vec<RunFolder>, Failure> {
    let root = runs_root(global);
    let mut runs: Vec<RunFolder> = Vec::new();
    for name in names {
        let run = RunFolder::find(&root, name)?;
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    Ok(runs)
}

fn limit(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

fn ended_with(code: u8) -> Result<(), Failure> {
    if code == 0 {
        Ok(())
    } else {
        Err(Failure::silent(code))
    }
}

struct Outcome {
    run: RunFolder,
    /// What was said, or why not.
    message: String,
    done: bool,
}

/// Asks all runs, then waits for all of them. The only run's failure is the command's;
/// of several, each is told, and the worst decides the exit code.
fn carry_out(
    runs: Vec<RunFolder>,
    wish: Wish,
    limit: Duration,
) -> Result<(Vec<Outcome>, u8), Failure> {
    let alone = runs.len() == 1;
    let asked = Instant::now();
    let pending: Vec<_> = runs
        .into_iter()
        .map(|run| {
            let pending = ask(&run, wish);
            if let Ok(pending) = &pending {
                tell(&pending.said);
            }
            (run, pending)
        })
        .collect();
    let mut code = 0;
    let mut outcomes = Vec::new();
    for (run, pending) in pending {
        let result = pending.and_then(|pending| {
            pending.wait(&run, asked, limit)?;
            Ok(pending.said)
        });
        let done = result.is_ok();
        let message = match result {
            Ok(said) => said,
            Err(failure) if alone => return Err(failure),
            Err(failure) => {
                tell(&format!("error: {}", failure.message));
                code = worse(code, failure.code);
                failure.message
            }
        };
        outcomes.push(Outcome { run, message, done });
    }
    Ok((outcomes, code))
}

fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new(&[
        "id",
        "done",
        "state",
        "step",
        "checkpoint",
        "archived",
        "message",
        "folder",
    ])
    .hide(&["archived", "message", "folder"]);
    for outcome in outcomes {
        let status = outcome.run.status().unwrap_or_default();
        let checkpoint = outcome.run.checkpoints().pop();
        table.row(vec![
            json!(outcome.run.id()),
            json!(outcome.done),
            json!(status.observed_state(unix_seconds()).name()),
            json!(status.progress.step),
            checkpoint.map_or(Value::Null, |(step, _)| json!(format!("ckpt/step-{step}"))),
            json!(outcome.run.is_archived()),
            json!(outcome.message),
            json!(outcome.run.path()),
        ]);
    }
    table
}
