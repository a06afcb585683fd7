//! The dashboard with the runs and workers of this program behind it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tracking::RunFolder;
use tui::{Answer, Host, Leave, Options, Request};

use crate::arguments::{Format, Global, Ui};
use crate::commands::control::resumable;
use crate::commands::train::{conclude, observer};
use crate::failure::Failure;
use crate::follow::{Ending, Followed, Interrupts, OnInterrupt, follow};
use crate::launcher::Launcher;
use crate::observers::Bars;
use crate::output::tell;
use crate::surroundings::{editor, has_bars, of_terminal, preferences};
use crate::{evaluations, scene, worker};

/// Workers started by this program, by run; kept so that they can be waited for.
#[derive(Default)]
struct Workers(Mutex<HashMap<String, Child>>);

impl Workers {
    fn add(&self, id: &str, child: Child) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.to_owned(), child);
    }

    fn take(&self, id: &str) -> Option<Child> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id)
    }
}

/// What the dashboard may ask for.
struct Program {
    global: Global,
    root: PathBuf,
    workers: Arc<Workers>,
    launcher: Launcher,
}

impl Host for Program {
    fn carry_out(&self, request: Request, tell: &dyn Fn(Answer)) -> Answer {
        match request {
            Request::Stop(id) => said(self.stop(&id)),
            Request::Kill(id) => said(self.kill(&id)),
            Request::Resume(id) => said(self.resume(&id)),
            Request::Save {
                path,
                text,
                replace,
            } => said(save(&path, &text, replace)),
            Request::Launcher(request) => {
                Answer::Launcher(self.launcher.carry_out(&self.root, request))
            }
            Request::Evaluation(request) => Answer::Evaluation(evaluations::carry_out(
                &self.global,
                &self.root,
                request,
                &|answer| tell(Answer::Evaluation(answer)),
            )),
            other => Answer::Said(Err(format!("cannot do this yet: {other:?}"))),
        }
    }
}

fn said(result: Result<String, Failure>) -> Answer {
    Answer::Said(result.map_err(|failure| failure.message))
}

/// Writes a text to a file; an existing one only when it may be replaced.
fn save(path: &str, text: &str, replace: bool) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        Failure::environment(format!(
            "cannot write {path}: {error} - name another file or free disk space"
        ))
    };
    if !replace && Path::new(path).exists() {
        return Err(Failure::arguments(format!(
            "{path} exists - name another file, or say that it may be replaced"
        )));
    }
    tracking::write_atomic(Path::new(path), text.as_bytes())
        .map_err(|error| failed(std::io::Error::other(error)))?;
    Ok(format!("wrote {path}"))
}

impl Program {
    fn run(&self, id: &str) -> Result<RunFolder, Failure> {
        Ok(RunFolder::open(&self.root.join(id))?)
    }

    fn stop(&self, id: &str) -> Result<String, Failure> {
        Ok(match worker::ask_to_stop(&self.run(id)?)? {
            worker::Asked::Socket => format!("{id} stops after its step, with a checkpoint"),
            worker::Asked::Signal => format!("{id} does not answer on its socket; sent SIGTERM"),
        })
    }

    fn kill(&self, id: &str) -> Result<String, Failure> {
        worker::kill(&self.run(id)?)?;
        Ok(format!(
            "ended the process of {id}; r resumes it from its last checkpoint"
        ))
    }

    fn resume(&self, id: &str) -> Result<String, Failure> {
        let run = self.run(id)?;
        let from_checkpoint = resumable(&run)?;
        let path = worker::locate(&self.global)?;
        let child = worker::spawn(&path, &run, from_checkpoint)?;
        self.workers.add(id, child);
        Ok(format!("{id} goes on"))
    }
}

fn options(global: &Global, root: &Path, workers: &Arc<Workers>) -> Options {
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
    let workers = Arc::new(Workers::default());
    let leave = tui::run(Options {
        selected,
        ..options(global, root, &workers)
    })?;
    broken(&leave)
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
    let workers = Arc::new(Workers::default());
    workers.add(&id, worker::spawn(worker, run, resume)?);
    let opened = tui::run(Options {
        foreground: Some(id.clone()),
        ..options(global, root, &workers)
    });
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
        observer(Ui::Plain, bars.as_ref(), &run.id()),
    );
    let mut one = Some(followed.only_new()?);
    let endings = follow(&mut interrupts, 1, || Ok(one.take()))?;
    conclude(&endings, Ui::Plain, format)
}
