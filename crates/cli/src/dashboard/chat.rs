//! Chats of the dashboard: a worker each, its lines read and written by threads of their own, so that
//! one that hangs holds up nothing.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hub::{DEFAULT_REVISION, Hub, ModelReference};
use tracking::RunFolder;
use tui::figures::printable;
use tui::screens::chat::protocol::{Event, Order};
use tui::screens::chat::requests::{Answer, Request};

use crate::arguments::Global;
use crate::commands::model_files::hub;
use crate::failure::Failure;
use crate::worker;

/// How long a worker that was told to quit may take.
const LEAVING: Duration = Duration::from_millis(1_500);
/// Lines of a worker's last words that are kept.
const LAST_WORDS: usize = 6;

/// A worker with a model.
struct Talk {
    orders: Sender<Order>,
    child: Arc<Mutex<Child>>,
    closed: bool,
}

/// The chats that are open, by their numbers.
#[derive(Default)]
pub(crate) struct Chats(Mutex<HashMap<u64, Talk>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Chats {
    /// Carries out a request. Opening goes on until the worker is gone.
    pub(super) fn carry_out(
        &self,
        global: &Global,
        root: &Path,
        request: Request,
        tell: &dyn Fn(Answer),
    ) -> Answer {
        match request {
            Request::Open { id, model } => {
                let ended = self.talk(id, global, root, &model, tell);
                Answer::Ended(id, ended.map_err(|failure| failure.message))
            }
            Request::Tell(id, order) => {
                if let Some(talk) = lock(&self.0).get(&id) {
                    // The reader tells that the worker is gone.
                    let _ = talk.orders.send(order);
                }
                Answer::Heard(id, Event::Unknown)
            }
            Request::Close(id) => {
                self.close(id);
                Answer::Heard(id, Event::Unknown)
            }
        }
    }

    /// Ends all of them at once: a chat keeps nothing that could be lost.
    pub(super) fn end(&self) {
        for talk in lock(&self.0).values() {
            // One that is gone needs no ending.
            let _ = lock(&talk.child).kill();
        }
    }

    fn close(&self, id: u64) {
        let mut talks = lock(&self.0);
        let Some(talk) = talks.get_mut(&id) else {
            return;
        };
        talk.closed = true;
        let _ = talk.orders.send(Order::Quit(true));
        let child = Arc::clone(&talk.child);
        let asked = Instant::now();
        let watch = move || {
            while asked.elapsed() < LEAVING {
                if !matches!(lock(&child).try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = lock(&child).kill();
        };
        let started = std::thread::Builder::new()
            .name("chat-end".to_owned())
            .spawn(watch);
        if started.is_err() {
            let _ = lock(&talk.child).kill();
        }
    }

    fn talk(
        &self,
        id: u64,
        global: &Global,
        root: &Path,
        model: &str,
        tell: &dyn Fn(Answer),
    ) -> Result<(), Failure> {
        let folder = folder(root, model)?;
        let program = worker::locate(global)?;
        let mut command = worker::command(&program);
        command
            .args(["chat", "--model"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let failed = |error: std::io::Error| {
            Failure::environment(format!(
                "cannot start {}: {error} - build it with `cargo build`, or name it with CONCORD_WORKER",
                program.display()
            ))
        };
        let mut child = worker::in_own_session(&mut command)
            .spawn()
            .map_err(failed)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let child = Arc::new(Mutex::new(child));
        let (orders, ordered) = channel();
        lock(&self.0).insert(
            id,
            Talk {
                orders,
                child: Arc::clone(&child),
                closed: false,
            },
        );
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        if let Some(stdin) = stdin {
            thread("chat-write")
                .spawn(move || write(stdin, &ordered))
                .map_err(failed)?;
        }
        let words = stderr.map(|stderr| thread("chat-words").spawn(move || last_words(stderr)));
        for line in BufReader::new(
            stdout
                .into_iter()
                .next()
                .ok_or_else(|| failed(std::io::Error::other("it has no output")))?,
        )
        .split(b'\n')
        {
            let Ok(line) = line else { break };
            let text = String::from_utf8_lossy(&line);
            if text.trim().is_empty() {
                continue;
            }
            let event = serde_json::from_str(&text).unwrap_or_else(|_| Event::Note {
                message: format!("the worker said: {}", printable(text.trim())),
                settings: None,
            });
            tell(Answer::Heard(id, event));
        }
        let status = ended(&child);
        let closed = lock(&self.0).remove(&id).is_none_or(|talk| talk.closed);
        let words = words
            .and_then(Result::ok)
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default();
        if closed {
            return Ok(());
        }
        Err(why(status, &words))
    }
}

/// Orders as lines, until nobody has any more or the worker is gone.
fn write(mut stdin: ChildStdin, ordered: &Receiver<Order>) {
    for order in ordered {
        let sent = stdin.write_all(order.line().as_bytes());
        if sent.and_then(|()| stdin.flush()).is_err() || order == Order::Quit(true) {
            return;
        }
    }
}

/// The end of what the worker writes to its error output.
fn last_words(stderr: ChildStderr) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else { break };
        let text = printable(&String::from_utf8_lossy(&line));
        if !text.trim().is_empty() {
            kept.push(text.trim().to_owned());
        }
        if kept.len() > LAST_WORDS {
            kept.remove(0);
        }
    }
    kept
}

/// Waits for a worker whose output has ended. The lock is not held meanwhile: it may have to be killed.
fn ended(child: &Mutex<Child>) -> Option<ExitStatus> {
    loop {
        match lock(child).try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => {}
            Err(_) => return None,
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn why(status: Option<ExitStatus>, words: &[String]) -> Failure {
    let said = words
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix("error: "))
        .or(words.last().map(String::as_str));
    let ending = match status {
        Some(status) if status.success() => "it ended by itself".to_owned(),
        Some(status) => format!("it ended with {status}"),
        None => "it is gone".to_owned(),
    };
    Failure::environment(match said {
        Some(said) => said.to_owned(),
        None => ending,
    })
}

/// The model's folder: of a name of the hub, or a folder, or a run's newest checkpoint.
fn folder(root: &Path, model: &str) -> Result<PathBuf, Failure> {
    let run = root.join(model);
    if !model.contains(['/', '\\']) && run.join("status.json").is_file() {
        return checkpoint(&RunFolder::open(&run)?, model);
    }
    let (name, revision) = match model.rsplit_once('@') {
        Some((name, revision)) if !Path::new(model).exists() => (name, revision),
        _ => (model, DEFAULT_REVISION),
    };
    Ok(match ModelReference::read(name)? {
        ModelReference::Folder(folder) => folder,
        ModelReference::Name(name) => hub().locate(&name, revision)?,
    })
}

/// The newest checkpoint of a run that is a model's folder.
fn checkpoint(run: &RunFolder, id: &str) -> Result<PathBuf, Failure> {
    let steps = std::fs::read_dir(run.path().join("ckpt"));
    let newest = steps
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let step: u64 = name.strip_prefix("step-")?.parse().ok()?;
            let folders = [entry.path().join("model"), entry.path()];
            let folder = folders
                .into_iter()
                .find(|folder| folder.join("config.json").is_file())?;
            Some((step, folder))
        })
        .max_by_key(|(step, _)| *step);
    newest.map(|(_, folder)| folder).ok_or_else(|| {
        Failure::arguments(format!(
            "{id} has no checkpoint with a language model - allowed: a run that trains one, OWNER/NAME, or a folder"
        ))
    })
}
