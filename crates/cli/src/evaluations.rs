//! Evaluations for the dashboard: the same plans as those of the commands, played by a
//! process of their own that the dashboard may leave behind.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use clap::Parser;
use rustix::process::Signal;
use tracking::evaluation::{EvaluationFolder, Results};
use tui::screens::evaluate::Listed;
use tui::screens::evaluate::requests::{Answer, Request};
use tui::sheet::evaluation::headline;

use crate::arguments::{Arguments, Command as Words, Global};
use crate::commands::evaluation::{Planned, find, of_root};
use crate::commands::{eval, tournament};
use crate::failure::{Failure, INTERRUPTED};
use crate::{program, worker};

/// How often the folder of a running evaluation is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// What the playing process says, in the folder of its evaluation.
const LOG: &str = "console.log";

/// Carries out a request of the screen.
pub(crate) fn carry_out(
    global: &Global,
    root: &Path,
    request: Request,
    tell: &dyn Fn(Answer),
) -> Answer {
    match request {
        Request::List => Answer::List(list(root).map_err(|failure| failure.message)),
        Request::Read(id) => {
            let read = find(root, &id).map(|folder| Box::new(folder.results()));
            Answer::Read(id, read.map_err(|failure| failure.message))
        }
        Request::Cancel(id) => match cancel(root, &id) {
            // The process that waits for it tells the end; the list shows it in any case.
            Ok(()) => Answer::List(list(root).map_err(|failure| failure.message)),
            Err(failure) => done(Some(id), Err(failure.message)),
        },
        Request::Start(words) => match start(root, &words) {
            Ok(Begun::Recorded(results)) => Answer::Read(
                format!("searches over {}", results.environment),
                Ok(results),
            ),
            Ok(Begun::Played(folder, jobs)) => play(global, root, &folder, jobs, tell),
            Err(failure) => done(None, Err(failure.message)),
        },
        Request::Resume { id, jobs } => match find(root, &id) {
            Ok(folder) => play(global, root, &folder, jobs.clamp(1, 256), tell),
            Err(failure) => done(Some(id), Err(failure.message)),
        },
    }
}

fn done(id: Option<String>, outcome: Result<String, String>) -> Answer {
    Answer::Done { id, outcome }
}

fn list(root: &Path) -> Result<Vec<Listed>, Failure> {
    let all = EvaluationFolder::list(root)?;
    let listed = all.iter().map(|one| Listed {
        id: one.id(),
        kind: one.plan.kind.word().to_owned(),
        state: one.state(),
        done: one.done(),
        units: one.plan.units().len(),
        policies: one.plan.contenders.len(),
        created: one.plan.created,
    });
    Ok(listed.collect())
}

fn cancel(root: &Path, id: &str) -> Result<(), Failure> {
    match find(root, id)?.player() {
        Some(process) => worker::signal(&process, Signal::TERM),
        None => Err(Failure::arguments(format!(
            "{id} is not being played - r goes on with it"
        ))),
    }
}

/// What a command means.
enum Begun {
    /// To be played in a folder by so many workers.
    Played(EvaluationFolder, u32),
    /// Recorded before: nothing is to be played.
    Recorded(Box<Results>),
}

/// The folder for what a command says, and how many workers it wants.
fn start(root: &Path, words: &[String]) -> Result<Begun, Failure> {
    let words = std::iter::once("concord").chain(words.iter().map(String::as_str));
    let parsed = Arguments::try_parse_from(words).map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or("cannot read the command");
        Failure::arguments(first.trim_start_matches("error: "))
    })?;
    let (Planned { plan, .. }, kept) = match &parsed.command {
        Some(Words::Tournament(arguments)) => (tournament::plan(root, arguments)?, &arguments.kept),
        Some(Words::Eval(arguments)) => {
            if let Some(results) = eval::searches::results(root, arguments)? {
                return Ok(Begun::Recorded(Box::new(results)));
            }
            (eval::many::plan(root, arguments)?, &arguments.kept)
        }
        _ => {
            return Err(Failure::arguments(
                "this command plays nothing - allowed: eval, tournament",
            ));
        }
    };
    Ok(Begun::Played(of_root(root, plan)?, kept.jobs))
}

/// Starts a process that plays, and tells how far it is until it ends.
fn play(
    global: &Global,
    root: &Path,
    folder: &EvaluationFolder,
    jobs: u32,
    tell: &dyn Fn(Answer),
) -> Answer {
    let id = folder.id();
    match follow(global, root, folder, jobs, tell) {
        Ok(text) => done(Some(id), Ok(text)),
        Err(failure) => done(Some(id), Err(failure.message)),
    }
}

fn follow(
    global: &Global,
    root: &Path,
    folder: &EvaluationFolder,
    jobs: u32,
    tell: &dyn Fn(Answer),
) -> Result<String, Failure> {
    // The one that plays must not lose its log to one that is refused.
    if folder.player().is_some() {
        return Err(Failure::arguments(format!(
            "{} is being played already - wait for it, or end it with x",
            folder.id()
        )));
    }
    let path = folder.path().join(LOG);
    let failed = |what: &str, error: std::io::Error| {
        Failure::environment(format!(
            "cannot {what}: {error} - free disk space or rights"
        ))
    };
    let log =
        File::create(&path).map_err(|error| failed(&format!("write {}", path.display()), error))?;
    let mut command = program::command(root, global.worker.as_deref())
        .map_err(|error| failed("find this program", error))?;
    command
        .args(["evaluation", "resume"])
        .arg(folder.path())
        .args(["--jobs", &jobs.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| failed("start this program", error))?;
    let units = folder.plan.units().len();
    let mut told = None;
    let status = loop {
        let played = folder.done();
        if told != Some(played) {
            told = Some(played);
            tell(Answer::Progress {
                id: folder.id(),
                done: played,
                units,
            });
        }
        match child.try_wait().map_err(|error| failed("wait", error))? {
            Some(status) => break status,
            None => std::thread::sleep(LOOK),
        }
    };
    let said = std::fs::read_to_string(&path).unwrap_or_default();
    let last = said
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("error: "));
    let last = last.map(|line| line.trim_start_matches("error: ").to_owned());
    match status.code() {
        Some(0) => Ok(format!(
            "{} done: {}",
            folder.id(),
            headline(&folder.results())
        )),
        Some(code) if code == i32::from(INTERRUPTED) => Ok(format!(
            "{} stopped; {} of {units} games are kept, r goes on",
            folder.id(),
            folder.done()
        )),
        _ => Err(Failure::environment(last.unwrap_or_else(|| {
            format!("{} broke off ({status}); r goes on", folder.id())
        }))),
    }
}
