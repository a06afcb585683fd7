//! The dashboard with the runs and workers of this program behind it.

use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tracking::RunFolder;
use tui::{Leave, Options};

use crate::arguments::{Format, Global, Ui};
use crate::commands::train::{conclude, observer};
use crate::failure::Failure;
use crate::follow::{Ending, Followed, Interrupts, OnInterrupt, follow};
use crate::launcher::Launcher;
use crate::observers::{Bars, Words};
use crate::output::tell;
use crate::surroundings::{editor, has_bars, of_terminal, preferences};
use crate::{scene, scheduler, worker};

mod branching;
mod chat;
mod host;
mod measuring;
pub(crate) mod models;

use chat::Chats;
use host::{Program, Workers};

fn options(global: &Global, root: &Path, workers: &Arc<Workers>, chats: &Arc<Chats>) -> Options {
    Options {
        root: root.to_path_buf(),
        foreground: None,
        selected: None,
        surroundings: of_terminal(),
        preferences: preferences(),
        editor: editor(),
        render: Arc::new(scene::from_json),
        host: Arc::new(Program {
            global: global.clone(),
            root: root.to_path_buf(),
            workers: Arc::clone(workers),
            launcher: Launcher::default(),
            models: models::Models::default(),
            chats: Arc::clone(chats),
        }),
    }
}

/// `--run-dir` again when it was given, for commands shown to the user.
pub(crate) fn root_flag(global: &Global) -> String {
    global
        .run_dir
        .as_ref()
        .map_or_else(String::new, |root| format!(" --run-dir {}", root.display()))
}

/// Opens the dashboard over all runs.
pub(crate) fn open(global: &Global, root: &Path, selected: Option<String>) -> Result<(), Failure> {
    scheduler::ensure(global, root);
    let (workers, chats) = (Arc::new(Workers::default()), Arc::default());
    let leave = tui::run(Options {
        selected,
        ..options(global, root, &workers, &chats)
    });
    chats.end();
    broken(&leave?)
}

fn broken(leave: &Leave) -> Result<(), Failure> {
    match leave {
        Leave::Broken(report) => Err(Failure::environment(format!(
            "the dashboard broke off: {report} - runs are not affected - please report it; `concord runs` lists them"
        ))),
        Leave::Asked | Leave::Signal(_) => Ok(()),
    }
}

/// Starts a run's worker, opens the dashboard for it, and tells the result once it is
/// left: on the normal screen, with what was written.
pub(crate) fn launch(
    global: &Global,
    worker: &Path,
    root: &Path,
    run: &RunFolder,
    resume: bool,
    format: Format,
) -> Result<(), Failure> {
    let id = run.id();
    let (workers, chats) = (Arc::new(Workers::default()), Arc::default());
    workers.add(&id, worker::spawn(worker, run, resume)?);
    scheduler::ensure(global, root);
    let opened = tui::run(Options {
        foreground: Some(id.clone()),
        ..options(global, root, &workers, &chats)
    });
    chats.end();
    let child = workers.take(&id);
    match opened {
        Ok(Leave::Signal(SIGTERM | SIGINT)) => wait(run, child, format, true),
        Ok(leave @ (Leave::Asked | Leave::Signal(_) | Leave::Broken(_))) => {
            if leave == Leave::Signal(SIGHUP) {
                return Ok(());
            }
            broken(&leave)?;
            // A worker that wrote its last state may need a moment to leave.
            let child = child.map(|child| settle(run, child));
            let ending = child
                .and_then(|(_, ending)| ending)
                .unwrap_or(Ending::Detached);
            conclude(&[(run.clone(), ending)], Ui::Tui, format)
        }
        Err(error) => {
            tell(&format!("{error}; going on with --ui plain"));
            wait(run, child, format, false)
        }
    }
}

/// Gives an ended run's process the time to be gone.
fn settle(run: &RunFolder, mut child: Child) -> (Child, Option<Ending>) {
    let mut ending = None;
    for _ in 0..40 {
        ending = child.try_wait().ok().flatten().map(Ending::of);
        if ending.is_some() || !worker::state(run).is_final() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    (child, ending)
}

/// Goes on without the dashboard until the run ends.
fn wait(run: &RunFolder, child: Option<Child>, format: Format, stop: bool) -> Result<(), Failure> {
    let bars = has_bars().then(Bars::new);
    let mut interrupts = Interrupts::new(OnInterrupt::Stop)?;
    if stop {
        worker::ask_to_stop(run)?;
    }
    let followed = Followed::new(
        run.clone(),
        child,
        observer(Ui::Plain, bars.as_ref(), &run.id(), Words::of(run)),
    );
    let mut one = Some(followed.only_new()?);
    let endings = follow(&mut interrupts, 1, || Ok(one.take()))?;
    conclude(&endings, Ui::Plain, format)
}
