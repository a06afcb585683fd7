//! `concord attach` and `resume`.

use std::path::Path;

use tracking::{RunFolder, RunState, queue};

use crate::arguments::{Attach, Format, Global, Resume, Ui};
use crate::commands::train::{conclude, observer};
use crate::control::{Wish, ask, resumable};
use crate::dashboard;
use crate::failure::Failure;
use crate::follow::{Followed, Interrupts, OnInterrupt, follow};
use crate::observers::{Bars, Words};
use crate::output::{print, tell};
use crate::scheduler;
use crate::surroundings::{has_bars, interface, runs_root};
use crate::worker;

/// `concord attach`.
pub(crate) fn attach(global: &Global, arguments: &Attach) -> Result<(), Failure> {
    let root = runs_root(global);
    let run = RunFolder::find(&root, &arguments.run.run)?;
    if let Some(environment) = arguments.watch {
        return super::watch::watch(&run, environment, arguments);
    }
    let ui = interface(arguments.ui)?;
    if ui == Ui::Tui {
        return dashboard::open(global, &root, Some(run.id()));
    }
    follow_from_outside(&run, ui, arguments.format.format)
}

/// Follows a run whose worker is not this program's.
fn follow_from_outside(run: &RunFolder, ui: Ui, format: Format) -> Result<(), Failure> {
    let state = worker::state(run);
    if let (RunState::Queued, Some(ticket)) = (state, queue::ticket(run)) {
        tell(&format!(
            "{} waits for {}; it is followed from its start on (ctrl-c leaves it waiting)",
            run.id(),
            ticket.device
        ));
    } else if state == RunState::Queued {
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
        observer(ui, bars.as_ref(), &run.id(), Words::of(run)),
    ));
    let endings = follow(&mut interrupts, 1, || Ok(one.take()))?;
    conclude(&endings, ui, format)
}

/// A paused run has its worker: it is let go on, and followed like any other.
fn unpause(
    global: &Global,
    root: &Path,
    run: &RunFolder,
    arguments: &Resume,
) -> Result<(), Failure> {
    if arguments.queue {
        return Err(Failure::arguments(format!(
            "cannot queue {}: it is paused and keeps its device - let it go on with `concord unpause {}`",
            run.id(),
            run.id()
        )));
    }
    let pending = ask(run, Wish::Unpause)?;
    tell(&pending.said);
    if arguments.detach {
        return print(&run.path().display().to_string());
    }
    let ui = interface(arguments.ui)?;
    if ui == Ui::Tui {
        return dashboard::open(global, root, Some(run.id()));
    }
    follow_from_outside(run, ui, arguments.format.format)
}

/// `concord resume`.
pub(crate) fn resume(global: &Global, arguments: &Resume) -> Result<(), Failure> {
    let root = runs_root(global);
    let run = RunFolder::find(&root, &arguments.run.run)?;
    if matches!(worker::state(&run), RunState::Paused | RunState::Pausing) {
        return unpause(global, &root, &run, arguments);
    }
    let from_checkpoint = resumable(&run)?;
    let worker = worker::locate(global)?;
    if arguments.queue {
        let waiting = scheduler::enqueue(global, &root, &run, &worker)?;
        return super::queue::enqueued(&[waiting], arguments.format.format);
    }
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
        let observer = observer(ui, bars.as_ref(), &run.id(), Words::of(&run));
        let followed = Followed::new(run.clone(), None, observer).only_new()?;
        let child = worker::spawn(&worker, &run, from_checkpoint)?;
        Ok(Some(followed.with_child(child)))
    })?;
    conclude(&endings, ui, arguments.format.format)
}
