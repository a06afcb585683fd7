//! `concord stop`, `attach` and `resume`.

use std::time::{Duration, Instant};

use tracking::{RunFolder, RunState};

use crate::arguments::{Attach, Format, Global, Resume, Stop, Ui};
use crate::commands::train::{conclude, observer};
use crate::dashboard;
use crate::failure::{ENVIRONMENT, Failure};
use crate::follow::{Followed, Interrupts, OnInterrupt, follow};
use crate::observers::Bars;
use crate::output::{print, print_json, tell};
use crate::result::RunResult;
use crate::surroundings::{has_bars, interface, runs_root};
use crate::worker;

/// `concord stop`.
pub(crate) fn stop(global: &Global, arguments: &Stop) -> Result<(), Failure> {
    let run = RunFolder::find(&runs_root(global), &arguments.run.run)?;
    let id = run.id();
    let state = worker::state(&run);
    if state.is_final() || state == RunState::Queued {
        return Err(Failure::arguments(format!(
            "cannot stop {id}: it is {state} - only a run with a living worker can be stopped - see `concord runs`"
        )));
    }
    match worker::ask_to_stop(&run)? {
        worker::Asked::Socket => tell(&format!("{id} finishes its step and writes a checkpoint")),
        worker::Asked::Signal => tell(&format!("{id} does not answer on its socket; sent SIGTERM")),
    }
    let limit = Duration::try_from_secs_f64(arguments.timeout.max(0.0)).unwrap_or(Duration::MAX);
    let asked = Instant::now();
    let mut state = worker::state(&run);
    while !state.is_final() {
        if asked.elapsed() >= limit {
            return Err(Failure {
                code: ENVIRONMENT,
                message: format!(
                    "{id} is still {state} after {} s - a long step or a slow disk - wait longer with --timeout, or see `concord show {id} --log 20`",
                    arguments.timeout
                ),
            });
        }
        std::thread::sleep(Duration::from_millis(50));
        state = worker::state(&run);
    }
    let result = RunResult::read(run)?;
    match arguments.format.format {
        Format::Json => print_json(&result.to_json()),
        Format::Csv => print(&super::runs::table(&[result]).to_csv()),
        Format::Table => print(&result.to_text()),
    }
}

/// `concord attach`.
pub(crate) fn attach(global: &Global, arguments: &Attach) -> Result<(), Failure> {
    let root = runs_root(global);
    let run = RunFolder::find(&root, &arguments.run.run)?;
    let ui = interface(arguments.ui)?;
    if ui == Ui::Tui {
        return dashboard::open(global, &root, Some(run.id()));
    }
    let state = worker::state(&run);
    if state == RunState::Queued {
        return Err(Failure::arguments(format!(
            "cannot attach to {}: it was never started - no worker has it - start it with `concord resume {}`",
            run.id(),
            run.id()
        )));
    }
    let bars = has_bars().then(Bars::new);
    let mut interrupts = Interrupts::new(OnInterrupt::Detach)?;
    let mut one = Some(Followed::new(
        run.clone(),
        None,
        observer(ui, bars.as_ref(), &run.id()),
    ));
    let endings = follow(&mut interrupts, 1, || Ok(one.take()))?;
    conclude(&endings, ui, arguments.format.format)
}

/// Why a run cannot be resumed now; `Ok(true)` when from a checkpoint, `Ok(false)` when
/// it never began and starts from the beginning.
pub(crate) fn resumable(run: &RunFolder) -> Result<bool, Failure> {
    let id = run.id();
    let state = worker::state(run);
    match state {
        RunState::Finished => Err(Failure::arguments(format!(
            "cannot resume {id}: it is finished - only an interrupted, failed or lost run can go on - train longer with `concord train {} --set total_steps=N`",
            run.config().display()
        ))),
        RunState::Queued => Ok(false),
        _ if state.is_final() => {
            if run.checkpoints().is_empty() {
                return Err(Failure::arguments(format!(
                    "cannot resume {id}: it has no checkpoint - it ended before the first one - start again with `concord train {}`",
                    run.config().display()
                )));
            }
            Ok(true)
        }
        _ => Err(Failure::arguments(format!(
            "cannot resume {id}: it is {state} - one worker may write a run - follow it with `concord attach {id}`"
        ))),
    }
}

/// `concord resume`.
pub(crate) fn resume(global: &Global, arguments: &Resume) -> Result<(), Failure> {
    let root = runs_root(global);
    let run = RunFolder::find(&root, &arguments.run.run)?;
    let from_checkpoint = resumable(&run)?;
    let worker = worker::locate(global)?;
    if arguments.detach {
        worker::spawn(&worker, &run, from_checkpoint)?;
        let id = run.id();
        tell(&format!(
            "{id} is running; follow it with: concord{} attach {id}",
            dashboard::root_flag(global)
        ));
        return print(&run.path().display().to_string());
    }
    let ui = interface(arguments.ui)?;
    if ui == Ui::Tui {
        return dashboard::launch(
            global,
            &worker,
            &root,
            &run,
            from_checkpoint,
            arguments.format.format,
        );
    }
    let bars = has_bars().then(Bars::new);
    let mut interrupts = Interrupts::new(OnInterrupt::Stop)?;
    let mut started = false;
    let endings = follow(&mut interrupts, 1, || {
        if started {
            return Ok(None);
        }
        started = true;
        let observer = observer(ui, bars.as_ref(), &run.id());
        let followed = Followed::new(run.clone(), None, observer).only_new()?;
        let child = worker::spawn(&worker, &run, from_checkpoint)?;
        Ok(Some(followed.with_child(child)))
    })?;
    conclude(&endings, ui, arguments.format.format)
}
