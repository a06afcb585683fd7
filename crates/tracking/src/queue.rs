//! The queue: runs that wait until their device is free, one job per device.
//!
//! A waiting run is a run folder in state `queued` with a ticket, `queue.json`: the device
//! it waits for and its rank. What it waits for stands in the status as well, in words. A
//! scheduler (`concord queue work`) starts the first of each device; whoever else looks
//! needs nothing but the folders.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock::unix_seconds;
use crate::error::TrackingError;
use crate::run_folder::RunFolder;
use crate::status::{RunState, Status};

mod occupancy;

pub use occupancy::{Occupancy, Occupant};

/// How long another program may hold a run's lock for a few words.
const MOMENT: Duration = Duration::from_secs(1);

/// Format version of `queue.json`.
pub const TICKET_VERSION: u32 = 1;

/// Held by the scheduler, in the folder of the runs.
const SCHEDULER_LOCK: &str = ".queue.lock";
/// Held while ranks are changed.
const EDIT_LOCK: &str = ".queue.edit";
/// Somebody who only asked whether it is held lets it go at once.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// `queue.json`: a run's place in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// [`TICKET_VERSION`] of the writer.
    pub version: u32,
    /// The device it waits for, as [`device_key`] writes it.
    pub device: String,
    /// Rank among all tickets; the lowest of a device is next.
    pub rank: i64,
    /// Seconds since 1970.
    pub since: u64,
    /// State to fall back to when it is taken out.
    pub before: RunState,
    /// The worker that will run it.
    pub worker: PathBuf,
}

/// A waiting run.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Its folder.
    pub run: RunFolder,
    /// Its ticket.
    pub ticket: Ticket,
    /// Place in the line for its device, from 1.
    pub position: usize,
    /// What it waits for, in words.
    pub reason: String,
}

/// Where a waiting run is moved within the line for its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// One place ahead.
    Up,
    /// One place back.
    Down,
    /// To the front.
    Top,
}

/// One way to write a device: `cpu`, `cuda:0`; worker's and users' ways are understood.
pub fn device_key(device: &str) -> String {
    match device {
        "cuda" => "cuda:0".to_owned(),
        _ => device
            .strip_prefix("cuda(")
            .and_then(|rest| rest.strip_suffix(')'))
            .map_or_else(|| device.to_owned(), |index| format!("cuda:{index}")),
    }
}

/// All waiting runs under `root`, by device and position.
///
/// # Errors
/// `root` exists and cannot be listed.
pub fn waiting(root: &Path) -> Result<Vec<Waiting>, TrackingError> {
    let mut line: Vec<Waiting> = RunFolder::list(root)?
        .into_iter()
        .filter_map(|run| {
            let ticket = ticket(&run)?;
            let status = run.status().ok()?;
            (status.state == RunState::Queued).then_some(Waiting {
                run,
                ticket,
                position: 0,
                reason: status.message,
            })
        })
        .collect();
    line.sort_by(|left, right| {
        let key = |one: &Waiting| (one.ticket.device.clone(), one.ticket.rank, one.run.id());
        key(left).cmp(&key(right))
    });
    for index in 0..line.len() {
        let follows = index > 0 && line[index - 1].ticket.device == line[index].ticket.device;
        line[index].position = if follows {
            line[index - 1].position + 1
        } else {
            1
        };
    }
    Ok(line)
}

/// The ticket of a run; nothing when it has none that can be read.
pub fn ticket(run: &RunFolder) -> Option<Ticket> {
    let text = fs::read_to_string(run.ticket()).ok()?;
    serde_json::from_str(&text).ok()
}

/// Puts a run at the end of the line for a device. It must not have a living worker.
///
/// # Errors
/// Another process writes the run, or the folder cannot be written.
pub fn enqueue(
    root: &Path,
    run: &RunFolder,
    device: &str,
    worker: &Path,
) -> Result<Waiting, TrackingError> {
    let _editing = editing(root)?;
    let _lock = run.lock_within(MOMENT)?;
    let before = run.status()?;
    let last = waiting(root)?.iter().map(|one| one.ticket.rank).max();
    let ticket = Ticket {
        version: TICKET_VERSION,
        device: device_key(device),
        rank: last.map_or(0, |rank| rank.saturating_add(1)),
        since: unix_seconds().max(0.0) as u64,
        before: before.state,
        worker: worker.to_path_buf(),
    };
    write_ticket(run, &ticket)?;
    let message = format!("waits for {}", ticket.device);
    let queued = Status {
        state: RunState::Queued,
        process: None,
        exit_code: None,
        heartbeat: unix_seconds(),
        message: message.clone(),
        ..before
    };
    if let Err(error) = queued.write(&run.status_file()) {
        let _ = fs::remove_file(run.ticket());
        return Err(error);
    }
    let place = waiting(root)?.into_iter().find(|one| one.run == *run);
    Ok(place.unwrap_or_else(|| Waiting {
        run: run.clone(),
        ticket,
        position: 1,
        reason: message,
    }))
}

/// Takes a waiting run out of the line: one that had run before is as it was, one that
/// had not is `interrupted` and can be resumed from its beginning.
///
/// # Errors
/// It does not wait, another process writes it, or the folder cannot be written.
pub fn take_out(root: &Path, run: &RunFolder) -> Result<RunState, TrackingError> {
    let _editing = editing(root)?;
    let ticket = ticket(run).ok_or_else(|| not_waiting(run))?;
    let _lock = run.lock_within(MOMENT)?;
    let status = run.status()?;
    if status.state != RunState::Queued {
        return Err(not_waiting(run));
    }
    let began = ticket.before.is_final();
    let state = if began {
        ticket.before
    } else {
        RunState::Interrupted
    };
    let message = if began {
        "taken out of the queue"
    } else {
        "taken out of the queue before it began"
    };
    Status {
        state,
        message: message.to_owned(),
        ..status
    }
    .write(&run.status_file())?;
    leave_line(run)?;
    Ok(state)
}

/// Removes the ticket of a run that was started or is gone.
///
/// # Errors
/// The folder cannot be written.
pub fn leave_line(run: &RunFolder) -> Result<(), TrackingError> {
    match fs::remove_file(run.ticket()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(TrackingError::io("remove", &run.ticket(), error))
        }
        _ => Ok(()),
    }
}

/// Moves a waiting run within the line for its device; at an end it stays.
///
/// # Errors
/// It does not wait, or its folder or a neighbour's cannot be written.
pub fn shift(root: &Path, run: &RunFolder, to: Move) -> Result<Vec<Waiting>, TrackingError> {
    let _editing = editing(root)?;
    let line = waiting(root)?;
    let own = line
        .iter()
        .find(|one| one.run.id() == run.id())
        .ok_or_else(|| not_waiting(run))?;
    let mut order: Vec<&Waiting> = line
        .iter()
        .filter(|one| one.ticket.device == own.ticket.device)
        .collect();
    let place = own.position - 1;
    let target = match to {
        Move::Up => place.saturating_sub(1),
        Move::Down => (place + 1).min(order.len() - 1),
        Move::Top => 0,
    };
    let mut ranks: Vec<i64> = order.iter().map(|one| one.ticket.rank).collect();
    for index in 1..ranks.len() {
        // Two of one rank, as two machines' clocks may make them: told apart again.
        ranks[index] = ranks[index].max(ranks[index - 1].saturating_add(1));
    }
    let moved = order.remove(place);
    order.insert(target, moved);
    for (one, rank) in order.into_iter().zip(ranks) {
        if one.ticket.rank != rank {
            let ticket = Ticket {
                rank,
                ..one.ticket.clone()
            };
            write_ticket(&one.run, &ticket)?;
        }
    }
    waiting(root)
}

/// Writes what a waiting run waits for into its status, when it changed. A run that
/// somebody else writes just now is left alone.
///
/// # Errors
/// The folder cannot be written.
pub fn explain(waiting: &Waiting, reason: &str) -> Result<(), TrackingError> {
    if waiting.reason == reason {
        return Ok(());
    }
    let Ok(_lock) = waiting.run.lock() else {
        return Ok(());
    };
    let status = waiting.run.status()?;
    if status.state != RunState::Queued {
        return Ok(());
    }
    Status {
        message: reason.to_owned(),
        heartbeat: unix_seconds(),
        ..status
    }
    .write(&waiting.run.status_file())
}

fn write_ticket(run: &RunFolder, ticket: &Ticket) -> Result<(), TrackingError> {
    let mut bytes = serde_json::to_vec_pretty(ticket).expect("a struct of plain fields serialises");
    bytes.push(b'\n');
    crate::write_atomic(&run.ticket(), &bytes)
}

fn not_waiting(run: &RunFolder) -> TrackingError {
    TrackingError::Unusable {
        what: "not in the queue",
        value: run.id(),
        allowed: "a run that waits for its device",
        hint: "`concord queue` lists them",
    }
}

/// The right to change ranks, for a moment.
fn editing(root: &Path) -> Result<File, TrackingError> {
    let path = root.join(EDIT_LOCK);
    let failed = |source| TrackingError::io("lock", &path, source);
    let file = open_lock(&path).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// The right to start waiting runs; one process has it, until it ends.
#[derive(Debug)]
pub struct SchedulerLock {
    _file: File,
}

impl SchedulerLock {
    /// Takes it; nothing when another process has it.
    ///
    /// # Errors
    /// The lock file cannot be opened.
    pub fn take(root: &Path) -> Result<Option<Self>, TrackingError> {
        let path = root.join(SCHEDULER_LOCK);
        let failed = |source| TrackingError::io("lock", &path, source);
        let mut file = open_lock(&path).map_err(failed)?;
        let end = Instant::now() + LOCK_PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        // Whose it is, is a comfort for people: a full disk must not stop the queue.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Some(Self { _file: file }))
    }

    /// The process that has it.
    pub fn holder(root: &Path) -> Option<u32> {
        let mut file = File::open(root.join(SCHEDULER_LOCK)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {}
            Ok(()) | Err(TryLockError::Error(_)) => return None,
        }
        let mut text = String::new();
        let _ = file.read_to_string(&mut text);
        Some(text.trim().parse().unwrap_or(0))
    }
}
