//! `concord queue`: runs that wait for their device.

use serde_json::json;
use tracking::queue::{self, Move, SchedulerLock, Waiting};
use tracking::unix_seconds;
use tui::figures::age;

use crate::arguments::{Direction, Format, Global, Queue, QueueArguments};
use crate::commands::control::find_all;
use crate::failure::Failure;
use crate::output::{Table, tell};
use crate::scheduler;
use crate::surroundings::runs_root;

/// Runs the command.
pub(crate) fn queue(global: &Global, arguments: &QueueArguments) -> Result<(), Failure> {
    let root = runs_root(global);
    let format = arguments.format;
    match &arguments.command {
        None | Some(Queue::List) => {}
        Some(Queue::Work) => return scheduler::work(global, &root),
        Some(Queue::Move { run, to }) => {
            let to = match to {
                Direction::Up => Move::Up,
                Direction::Down => Move::Down,
                Direction::Top => Move::Top,
            };
            for run in find_all(global, std::slice::from_ref(run))? {
                queue::shift(&root, &run, to)?;
            }
        }
        Some(Queue::Remove { runs }) => {
            for run in find_all(global, runs)? {
                let state = queue::take_out(&root, &run)?;
                let id = run.id();
                tell(&format!(
                    "{id} left the queue and is {state}; `concord resume {id}` starts it, `concord archive {id}` puts it aside"
                ));
            }
        }
    }
    let line = queue::waiting(&root)?;
    if line.is_empty() && format == Format::Table {
        tell(&format!(
            "nothing waits in {} - `concord train demo --queue` puts a run there",
            root.display()
        ));
        return Ok(());
    }
    if !line.is_empty() && SchedulerLock::holder(&root).is_none() {
        if arguments.command.is_some() {
            scheduler::ensure(global, &root);
        } else {
            tell(
                "nobody starts these runs: `concord queue work`, the dashboard or the next --queue does",
            );
        }
    }
    table(&line).print(format)
}

/// Tells what was put in the queue just now.
pub(crate) fn enqueued(line: &[Waiting], format: Format) -> Result<(), Failure> {
    table(line).print(format)
}

fn table(line: &[Waiting]) -> Table {
    let mut table = Table::new(&[
        "position", "id", "device", "waiting", "reason", "since", "folder",
    ])
    .hide(&["since", "folder"]);
    for one in line {
        table.row(vec![
            json!(one.position),
            json!(one.run.id()),
            json!(one.ticket.device),
            json!(age(unix_seconds() - one.ticket.since as f64)),
            json!(one.reason),
            json!(one.ticket.since),
            json!(one.run.path()),
        ]);
    }
    table
}
