//! What the dashboard asks of this program.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};

use configs::RunConfig;
use tracking::queue::{self, Move};
use tracking::{RunFolder, RunState};
use tui::host::{Budgets, Launch, QueueEntry};
use tui::panes::search::{Branch, ReportAsk};
use tui::{Answer, Host, Request};

use super::branching;
use super::chat::Chats;
use super::measuring;
use super::models::Models;
use crate::arguments::Global;
use crate::commands::search::written_report;
use crate::control::{Wish, ask, resumable};
use crate::creation;
use crate::failure::Failure;
use crate::launcher::Launcher;
use crate::{evaluations, scheduler, settings, worker};

/// Workers started by this program, by run; kept so that they can be waited for. They have
/// sessions of their own and outlive it.
#[derive(Default)]
pub(super) struct Workers(Mutex<HashMap<String, Child>>);

impl Workers {
    pub(super) fn add(&self, id: &str, child: Child) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.to_owned(), child);
    }

    pub(super) fn take(&self, id: &str) -> Option<Child> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id)
    }
}

/// What the dashboard may ask for.
pub(super) struct Program {
    pub(super) global: Global,
    pub(super) root: PathBuf,
    pub(super) workers: Arc<Workers>,
    pub(super) launcher: Launcher,
    pub(super) models: Models,
    pub(super) chats: Arc<Chats>,
}

impl Host for Program {
    fn carry_out(&self, request: Request, tell: &dyn Fn(Answer)) -> Answer {
        match request {
            Request::Stop(id) => said(self.stop(&id)),
            Request::Kill(id) => said(self.wish(&id, Wish::Kill)),
            Request::Pause(id) => said(self.wish(&id, Wish::Pause)),
            Request::Unpause(id) => said(self.wish(&id, Wish::Unpause)),
            Request::Checkpoint(id) => said(self.wish(&id, Wish::Checkpoint)),
            Request::Resume(id) => said(self.resume(&id)),
            Request::Archive { ids, undo } => said(self.archive(&ids, undo)),
            Request::Launch(launch) => {
                Answer::Launched(self.launch(&launch).map_err(|failure| failure.message))
            }
            Request::Queue => self.queue(Ok(())),
            Request::QueueMove { id, up } => {
                let to = if up { Move::Up } else { Move::Down };
                let moved = self.run(&id).and_then(|run| {
                    queue::shift(&self.root, &run, to)?;
                    Ok(())
                });
                self.queue(moved)
            }
            Request::QueueRemove(id) => {
                let removed = self.run(&id).and_then(|run| {
                    queue::take_out(&self.root, &run)?;
                    Ok(())
                });
                self.queue(removed)
            }
            Request::Save {
                path,
                text,
                replace,
            } => said(save(&path, &text, replace)),
            Request::SearchReport(wanted) => said(self.search_report(&wanted)),
            Request::SearchBranch(branch) => {
                Answer::Launched(self.branch(&branch).map_err(|failure| failure.message))
            }
            Request::Measure(id) => {
                let measured = measuring::measure(&self.global, &self.root, &id);
                let outcome = measured.map_err(|failure| failure.message);
                Answer::Measured { id, outcome }
            }
            Request::Models(request) => Answer::Models(
                self.models
                    .carry_out(request, &|answer| tell(Answer::Models(answer))),
            ),
            Request::Chat(request) => Answer::Chat(self.chats.carry_out(
                &self.global,
                &self.root,
                request,
                &|answer| tell(Answer::Chat(answer)),
            )),
            Request::Launcher(request) => {
                Answer::Launcher(self.launcher.carry_out(&self.root, request))
            }
            Request::Evaluation(request) => Answer::Evaluation(evaluations::carry_out(
                &self.global,
                &self.root,
                request,
                &|answer| tell(Answer::Evaluation(answer)),
            )),
        }
    }
}

/// The runs of a launch with their names: every budget with every seed.
fn variants(
    launch: &Launch,
    config: &RunConfig,
    group: &str,
) -> Result<Vec<(String, RunConfig)>, Failure> {
    let mut cells = vec![(group.to_owned(), config.clone())];
    if let Some(budgets) = &launch.budgets {
        cells.clear();
        for value in &budgets.values {
            let name = format!("{group}-{}-{value}", budgets.resource);
            cells.push((
                name,
                with_budget(config.clone(), &budgets.resource, *value)?,
            ));
        }
    }
    let mut all = Vec::new();
    for (name, config) in cells {
        for offset in 0..=launch.further_seeds {
            let seed = config.seed().wrapping_add(u64::from(offset));
            let name = match launch.further_seeds {
                0 => name.clone(),
                _ => format!("{name}-s{seed}"),
            };
            all.push((name, config.clone().with_seed(seed)));
        }
    }
    Ok(all)
}

/// A search with another ceiling, checked as a whole.
fn with_budget(mut config: RunConfig, resource: &str, value: u64) -> Result<RunConfig, Failure> {
    let RunConfig::Search(search) = &mut config else {
        return Err(Failure::arguments(
            "budgets of another job than a search - launch it without a sweep",
        ));
    };
    match resource {
        "tokens" => search.budget.tokens = Some(value),
        "tool_calls" => search.budget.tool_calls = Some(value),
        "model_calls" => search.budget.model_calls = Some(value),
        other => {
            return Err(Failure::arguments(format!(
                "budget of {other} - allowed: {}",
                Budgets::RESOURCES.join(", ")
            )));
        }
    }
    let name = format!("budget.{resource}={value}");
    RunConfig::from_toml(&name, &config.to_toml())
        .map_err(|problems| Failure::problems(&format!("`{name}`"), &problems))
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

    /// The log of a question.
    fn search_log(&self, run: &str, question: &str) -> Result<PathBuf, Failure> {
        let folder = self.run(run)?.searches();
        Ok(folder.join(format!("{question}.jsonl")))
    }

    fn search_report(&self, wanted: &ReportAsk) -> Result<String, Failure> {
        let ending = Path::new(&wanted.path).extension().unwrap_or_default();
        let format = ending
            .to_string_lossy()
            .parse()
            .map_err(|error: search::report::ReportError| Failure::arguments(error.to_string()))?;
        let log = self.search_log(&wanted.run, &wanted.question)?;
        let text = written_report(&log, format, None)?;
        save(&wanted.path, &text, wanted.replace)
    }

    fn branch(&self, branch: &Branch) -> Result<String, Failure> {
        let log = self.search_log(&branch.run, &branch.question)?;
        branching::branch(&self.global, &self.root, &log, branch)
    }

    fn wish(&self, id: &str, wish: Wish) -> Result<String, Failure> {
        ask(&self.run(id)?, wish).map(|pending| pending.said)
    }

    /// A run that waits is taken out of the queue.
    fn stop(&self, id: &str) -> Result<String, Failure> {
        let run = self.run(id)?;
        if queue::ticket(&run).is_some() && worker::state(&run) == RunState::Queued {
            queue::take_out(&self.root, &run)?;
            return Ok(format!("{id} left the queue"));
        }
        ask(&run, Wish::Stop).map(|pending| pending.said)
    }

    fn resume(&self, id: &str) -> Result<String, Failure> {
        let run = self.run(id)?;
        if matches!(worker::state(&run), RunState::Paused | RunState::Pausing) {
            return self.wish(id, Wish::Unpause);
        }
        let from_checkpoint = resumable(&run)?;
        self.start(&run, from_checkpoint)?;
        Ok(format!("{id} goes on"))
    }

    fn start(&self, run: &RunFolder, from_checkpoint: bool) -> Result<(), Failure> {
        let path = worker::locate(&self.global)?;
        let child = worker::spawn(&path, run, from_checkpoint)?;
        self.workers.add(&run.id(), child);
        Ok(())
    }

    /// All that can be, and the first reason where one cannot.
    fn archive(&self, ids: &[String], undo: bool) -> Result<String, Failure> {
        let wish = if undo { Wish::TakeBack } else { Wish::Archive };
        let mut refused = None;
        let mut done = Vec::new();
        for id in ids {
            match self.wish(id, wish) {
                Ok(said) => done.push(said),
                Err(failure) => refused = refused.or(Some(failure)),
            }
        }
        match (done.as_slice(), refused) {
            (_, Some(failure)) => Err(failure),
            ([one], None) => Ok(one.clone()),
            (several, None) => {
                let verb = if undo { "listed again" } else { "archived" };
                Ok(format!("{} runs {verb}", several.len()))
            }
        }
    }

    /// Makes the run and starts it or lets it wait; further seeds wait behind it.
    fn launch(&self, launch: &Launch) -> Result<String, Failure> {
        let config = RunConfig::from_toml(&launch.target, &launch.config_toml)
            .map_err(|problems| Failure::problems(&format!("`{}`", launch.target), &problems))?;
        let missing = || settings::missing_file(&config).filter(|_| !launch.queued);
        if let Some(problem) = settings::surroundings(&config).or_else(missing) {
            return Err(Failure::problems(
                &format!("`{}`", launch.target),
                &[problem],
            ));
        }
        let worker = worker::locate(&self.global)?;
        let group = match launch.name.trim() {
            "" => Path::new(&launch.target).file_stem().map_or_else(
                || launch.target.clone(),
                |s| s.to_string_lossy().into_owned(),
            ),
            name => name.to_owned(),
        };
        let mut first = None;
        for (name, config) in variants(launch, &config, &group)? {
            let run = creation::create_from(
                &self.root,
                name,
                &config,
                launch.origin_json.clone(),
                BTreeMap::new(),
            )?;
            if first.is_none() && !launch.queued {
                self.start(&run, false)?;
            } else {
                scheduler::enqueue(&self.global, &self.root, &run, &worker)?;
            }
            first.get_or_insert(run.id());
        }
        Ok(first.unwrap_or_default())
    }

    /// The queue after something was done to it.
    fn queue(&self, done: Result<(), Failure>) -> Answer {
        let line = done.and_then(|()| Ok(queue::waiting(&self.root)?));
        Answer::Queue(match line {
            Ok(line) => Ok(line
                .into_iter()
                .map(|one| QueueEntry {
                    id: one.run.id(),
                    device: one.ticket.device,
                    reason: one.reason,
                })
                .collect()),
            Err(failure) => Err(failure.message),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(place: &Path, script: &str) -> Program {
        let worker = place.join("worker");
        std::fs::write(&worker, script).expect("a script");
        std::fs::set_permissions(&worker, PermissionsExt::from_mode(0o755)).expect("executable");
        Program {
            global: Global {
                run_dir: Some(place.join("runs")),
                worker: Some(worker),
            },
            root: place.join("runs"),
            workers: Arc::default(),
            launcher: Launcher::default(),
            models: Models::default(),
            chats: Arc::default(),
        }
    }

    fn text_of(preset: &str) -> String {
        let loaded = configs::load(&configs::LoadRequest::named(preset));
        loaded.expect("a preset").config.to_toml()
    }

    #[test]
    fn a_launched_run_has_its_folder_its_settings_and_a_worker_that_outlives_us() {
        let place = tempfile::tempdir().expect("a folder");
        let program = program(place.path(), "#!/bin/sh\nexec sleep 60\n");
        let launch = Launch {
            target: "presets/smoke.toml".to_owned(),
            config_toml: text_of("smoke"),
            ..Launch::default()
        };
        let answer = program.carry_out(Request::Launch(launch.clone()), &|_| {});
        let Answer::Launched(Ok(id)) = answer else {
            panic!("{answer:?}")
        };
        assert!(id.ends_with("-smoke"), "{id}");
        let run = program.run(&id).expect("a run");
        let status = run.status().expect("a status");
        assert_eq!(status.state, RunState::Starting);
        let process = status.process.expect("a process");
        let pid = rustix::process::Pid::from_raw(process.pid as i32);
        assert_eq!(rustix::process::getsid(pid).ok(), pid);

        let refused = |request| match program.carry_out(request, &|_| {}) {
            Answer::Said(Err(text)) | Answer::Launched(Err(text)) | Answer::Queue(Err(text)) => {
                text
            }
            other => panic!("{other:?}"),
        };
        let again = refused(Request::Resume(id.clone()));
        assert!(again.contains("it is starting"), "{again}");
        let archived = refused(Request::Archive {
            ids: vec![id.clone()],
            undo: false,
        });
        assert!(archived.contains("concord stop"), "{archived}");
        let broken = refused(Request::Launch(Launch {
            config_toml: launch.config_toml.replace("Foraging", "Forging"),
            ..launch
        }));
        assert!(broken.contains("nearest name"), "{broken}");
        assert_eq!(RunFolder::list(&program.root).expect("runs").len(), 1);

        assert!(matches!(
            program.carry_out(Request::Kill(id.clone()), &|_| {}),
            Answer::Said(Ok(_))
        ));
        assert_eq!(worker::state(&run), RunState::Killed);
        let ids = vec![id];
        program.carry_out(Request::Archive { ids, undo: false }, &|_| {});
        assert!(run.is_archived());
    }

    #[test]
    fn the_queue_is_told_and_changed() {
        let place = tempfile::tempdir().expect("a folder");
        let program = program(place.path(), "#!/bin/sh\n");
        let runs: Vec<RunFolder> = ["a", "b"]
            .map(|name| {
                let new = tracking::NewRun {
                    name: name.to_owned(),
                    ..tracking::NewRun::default()
                };
                let run = RunFolder::create(&program.root, &new).expect("a run");
                queue::enqueue(&program.root, &run, "cpu", Path::new("w")).expect("a place");
                run
            })
            .into();
        let line = |request| match program.carry_out(request, &|_| {}) {
            Answer::Queue(Ok(line)) => line.into_iter().map(|one| one.id).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        let (a, b) = (runs[0].id(), runs[1].id());
        assert_eq!(line(Request::Queue), [a.clone(), b.clone()]);
        let up = Request::QueueMove {
            id: b.clone(),
            up: true,
        };
        assert_eq!(line(up), [b.clone(), a.clone()]);
        assert_eq!(
            line(Request::QueueRemove(b.clone())),
            std::slice::from_ref(&a)
        );
        let answer = program.carry_out(Request::Stop(a.clone()), &|_| {});
        assert_eq!(answer, Answer::Said(Ok(format!("{a} left the queue"))));
        assert_eq!(line(Request::Queue), [""; 0]);
    }
}
