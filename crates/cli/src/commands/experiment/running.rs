//! Runs what there is to do.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use tracking::{RunFolder, RunState};

use super::Place;
use super::jobs;
use super::plan::{Plan, Planned, Standing, marks};
use super::progress::{Board, RunObserver};
use crate::arguments::{Experiment as Arguments, Ui};
use crate::creation;
use crate::failure::{ENVIRONMENT, Failure};
use crate::follow::{Ending, Followed, Interrupts, OnInterrupt, explain, follow};
use crate::output::tell;
use crate::worker;

/// Workers that may fail one after the other by the machine's fault before no more are
/// started.
const MOST_BROKEN: usize = 3;

/// Runs everything; true when the user stopped it before the end.
pub(super) fn run(
    plan: &Plan<'_>,
    place: &Place,
    worker: &Path,
    arguments: &Arguments,
    ui: Ui,
) -> Result<bool, Failure> {
    let to_do = plan.to_do(arguments.retry_failed);
    let (jobs, why) = jobs::decide(arguments.jobs, plan.experiment)?;
    if ui != Ui::None {
        tell(&format!(
            "{}: {} runs, {} finished, {} to do, {jobs} at a time ({why}); folder {}",
            plan.experiment.name,
            plan.runs.len(),
            plan.count(Standing::is_finished),
            to_do.len(),
            place.folder.display()
        ));
    }
    if to_do.is_empty() {
        return Ok(false);
    }
    let board = Rc::new(RefCell::new(Board::new(plan, ui)));
    let mut interrupts = Interrupts::new(OnInterrupt::Stop)?;
    let mut queue = to_do.iter();
    let mut started: Vec<RunFolder> = Vec::new();
    let mut trouble = None;
    let endings = follow(&mut interrupts, jobs, || {
        if trouble.is_some() {
            return Ok(None);
        }
        if let Some(message) = broken(&started) {
            trouble = Some(Failure::environment(message));
            return Ok(None);
        }
        let Some(index) = queue.next() else {
            return Ok(None);
        };
        match start(plan, *index, place, worker, &board) {
            Ok(followed) => {
                started.push(followed.run.clone());
                Ok(Some(followed))
            }
            // The runs that are under way go on; the reason is told at the end.
            Err(failure) => {
                trouble = Some(failure);
                Ok(None)
            }
        }
    })?;
    board.borrow().end();
    for (run, ending) in &endings {
        match ending {
            Ending::Detached => tell(&format!("{} goes on without this command", run.id())),
            _ => explain(run, *ending),
        }
    }
    let left = endings
        .iter()
        .any(|(_, ending)| *ending == Ending::Detached);
    let stopped = interrupts.stopping() || left;
    match trouble {
        Some(failure) if !stopped => Err(failure),
        _ => Ok(stopped),
    }
}

/// Starts, resumes or follows one run.
fn start<'a>(
    plan: &Plan<'_>,
    index: usize,
    place: &Place,
    worker: &Path,
    board: &Rc<RefCell<Board>>,
) -> Result<Followed<'a>, Failure> {
    let one = &plan.runs[index];
    let (folder, resume) = prepare(plan, one, place)?;
    let observer = RunObserver::new(Rc::clone(board), index, one, &folder);
    let followed = Followed::new(folder.clone(), None, Box::new(observer)).only_new()?;
    if one.standing == Standing::Running {
        return Ok(followed);
    }
    let child = worker::spawn(worker, &folder, resume)?;
    Ok(followed.with_child(child))
}

/// The folder of a run that is about to start, and whether it resumes.
fn prepare(
    plan: &Plan<'_>,
    one: &Planned<'_>,
    place: &Place,
) -> Result<(RunFolder, bool), Failure> {
    if let Some(folder) = &one.folder {
        let has_checkpoint = !folder.checkpoints().is_empty();
        match &one.standing {
            Standing::New | Standing::Running => return Ok((folder.clone(), false)),
            Standing::Interrupted => return Ok((folder.clone(), true)),
            // What diverged would diverge again from the same state.
            Standing::Failed { code, .. } if has_checkpoint && *code != 4 => {
                return Ok((folder.clone(), true));
            }
            Standing::Failed { .. } | Standing::Abandoned | Standing::Finished => {
                set_aside(folder, place)?;
            }
        }
    }
    let folder = creation::create(
        &place.runs(),
        one.run.name(),
        &one.run.config,
        &one.run.origins,
        marks(plan.experiment, one.run),
    )?;
    Ok((folder, false))
}

/// Moves a run that begins again out of the way.
fn set_aside(folder: &RunFolder, place: &Place) -> Result<(), Failure> {
    let target = place.folder.join("abandoned");
    let moved = std::fs::create_dir_all(&target)
        .and_then(|()| std::fs::rename(folder.path(), target.join(folder.id())));
    moved.map_err(|error| {
        Failure::environment(format!(
            "cannot move {} to {}: {error} - check the folder's rights",
            folder.path().display(),
            target.display()
        ))
    })
}

/// Why no more runs are started: the last few workers all failed by the machine's fault.
fn broken(started: &[RunFolder]) -> Option<String> {
    let last: Vec<_> = started
        .iter()
        .rev()
        .filter_map(|run| {
            let state = worker::state(run);
            state.is_final().then_some((run, state))
        })
        .take(MOST_BROKEN)
        .collect();
    let by_machine = |run: &RunFolder, state: RunState| {
        let status = run.status().unwrap_or_default();
        match state {
            RunState::Failed => status.exit_code == Some(i32::from(ENVIRONMENT)),
            RunState::Lost | RunState::Killed => run.checkpoints().is_empty(),
            _ => false,
        }
    };
    let all = last.len() == MOST_BROKEN && last.iter().all(|(run, state)| by_machine(run, *state));
    all.then(|| {
        let message = last[0].0.status().unwrap_or_default().message;
        let colon = if message.is_empty() { "" } else { ": " };
        format!(
            "{MOST_BROKEN} workers in a row did not get to work{colon}{message} - no more are started - see `concord doctor` and {}",
            last[0].0.console_log().display()
        )
    })
}
