//! The thread that reads: the list of runs, and what is shown of some of them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use tracking::{RunFolder, unix_seconds};

use super::{RunList, SceneRenderer, Watcher};
use crate::machine::Machine;
use crate::update::Msg;

/// How often runs are looked at.
const POLL: Duration = Duration::from_millis(250);
/// How often the folder of runs is.
const LIST: Duration = Duration::from_millis(500);
/// How often the machine is.
const LOOK: Duration = Duration::from_secs(1);
/// How long the machine's thread sleeps before it looks whether it is over.
const NAP: Duration = Duration::from_millis(100);
/// How long one run is read before the others and the orders have their turn.
const TURN: Duration = Duration::from_millis(40);

/// Which runs are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    /// The run that is shown.
    pub selected: Option<String>,
    /// Runs beside it.
    pub compared: Vec<String>,
}

/// The workers that the list found, for whoever looks at their processes.
pub(crate) type Workers = Arc<Mutex<Vec<(String, u32)>>>;

/// Looks at the machine once a second, until `over` is set or nobody hears.
pub(crate) fn watch_machine(over: &AtomicBool, to: &Sender<Msg>, root: &Path, workers: &Workers) {
    let mut machine = Machine::new(root);
    let mut looked: Option<Instant> = None;
    while !over.load(Ordering::Relaxed) {
        // The second look comes soon: rates need two.
        if looked.is_none_or(|at| at.elapsed() >= LOOK) {
            looked = looked.map_or_else(
                || Instant::now().checked_sub(LOOK / 2),
                |_| Some(Instant::now()),
            );
            let workers = workers.lock().map(|workers| workers.clone());
            let seen = machine.look(unix_seconds(), &workers.unwrap_or_default());
            if to.send(Msg::Machine(Arc::new(seen))).is_err() {
                return;
            }
        }
        std::thread::sleep(NAP);
    }
}

/// Reads until `over` is set or nobody hears the messages any more.
pub(crate) fn read_runs(
    over: &AtomicBool,
    to: &Sender<Msg>,
    watched: &Receiver<Watched>,
    root: &Path,
    render: &SceneRenderer,
    workers: &Workers,
) {
    let mut list = RunList::new(root);
    let mut listed: Option<Instant> = None;
    let mut watchers: Vec<(String, Watcher)> = Vec::new();
    while !over.load(Ordering::Relaxed) {
        if listed.is_none_or(|at| at.elapsed() >= LIST) {
            listed = Some(Instant::now());
            let changed = list.scan(unix_seconds());
            if let Ok(mut workers) = workers.lock() {
                *workers = list.workers();
            }
            if changed && to.send(Msg::Runs(list.runs())).is_err() {
                return;
            }
        }
        for (_, watcher) in &mut watchers {
            if let Some(news) = watcher.poll(render, TURN)
                && to.send(Msg::News(news)).is_err()
            {
                return;
            }
        }
        let busy = watchers.iter().any(|(_, watcher)| watcher.has_more());
        let wait = if busy { Duration::ZERO } else { POLL };
        match watched.recv_timeout(wait) {
            Ok(wanted) => {
                let wanted = watched.try_iter().last().unwrap_or(wanted);
                watchers = chosen(root, watchers, wanted);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The watchers for what is wanted now. Those that were there go on where they are, and
/// tell everything once more: the screen may have forgotten them in between.
fn chosen(
    root: &Path,
    mut before: Vec<(String, Watcher)>,
    wanted: Watched,
) -> Vec<(String, Watcher)> {
    let mut ids = wanted.compared;
    if let Some(selected) = wanted.selected
        && !ids.contains(&selected)
    {
        // First, so that it is shown first.
        ids.insert(0, selected);
    }
    ids.into_iter()
        .filter_map(|id| {
            if let Some(at) = before.iter().position(|(known, _)| *known == id) {
                let mut known = before.swap_remove(at);
                known.1.tell_again();
                return Some(known);
            }
            let run = RunFolder::open(&root.join(&id)).ok()?;
            Some((id, Watcher::new(run)))
        })
        .collect()
}
