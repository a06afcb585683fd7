//! The queue's scheduler: starts waiting runs when their device is free.
//!
//! One process per folder of runs, in a session of its own: it needs no terminal and no
//! dashboard, and ends when nothing waits. Whoever puts a run in the queue or opens the
//! dashboard starts it again if it was killed; the queue itself is in the run folders.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use configs::RunConfig;
use serde::Deserialize;
use tracking::queue::{self, Occupancy, SchedulerLock, Waiting};
use tracking::{RunFolder, RunState, Status, unix_seconds};

use crate::arguments::Global;
use crate::failure::Failure;
use crate::output::tell;
use crate::{program, worker};

/// How often the devices are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A run that could not be started is tried again after this.
const AGAIN: Duration = Duration::from_secs(10);
/// What the scheduler says, in the folder of the runs.
const LOG: &str = ".queue.log";
/// A longer log is begun anew.
const LONGEST_LOG: u64 = 1024 * 1024;

/// Puts a run in the queue for the device that its configuration asks for, and sees to it
/// that somebody will start it.
///
/// # Errors
/// The run has a worker, or its folder cannot be written.
pub(crate) fn enqueue(
    global: &Global,
    root: &Path,
    run: &RunFolder,
    worker: &Path,
) -> Result<Waiting, Failure> {
    let device = match asked_device(run).as_str() {
        "auto" => automatic_device(worker),
        device => device.to_owned(),
    };
    let worker = std::fs::canonicalize(worker).unwrap_or_else(|_| worker.to_path_buf());
    let waiting = queue::enqueue(root, run, &device, &worker)?;
    ensure(global, root);
    Ok(waiting)
}

/// The device that a run's configuration names.
fn asked_device(run: &RunFolder) -> String {
    let text = std::fs::read_to_string(run.config()).unwrap_or_default();
    match RunConfig::from_toml("config.toml", &text) {
        Ok(config) => {
            let values = config.values();
            let device = values
                .get("runtime.device")
                .and_then(|value| value.as_str());
            device.unwrap_or("cpu").to_owned()
        }
        // Its worker will say what is wrong with it.
        Err(_) => "cpu".to_owned(),
    }
}

/// The device that `auto` means here: what the worker will find. It is asked only where
/// there is a driver, since that takes a moment.
fn automatic_device(worker: &Path) -> String {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(default)]
        cuda_devices: usize,
    }
    let driver = ["/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"];
    if !driver.iter().any(|path| Path::new(path).exists()) {
        return "cpu".to_owned();
    }
    let output = worker::command(worker)
        .args(["probe", "--format", "json"])
        .stdin(Stdio::null())
        .output();
    let devices = output
        .ok()
        .and_then(|output| serde_json::from_slice::<Probe>(&output.stdout).ok())
        .map_or(0, |probe| probe.cuda_devices);
    if devices > 0 { "cuda:0" } else { "cpu" }.to_owned()
}

/// Starts the scheduler when runs wait and nobody has its place. Failing that is told:
/// the queue is there all the same.
pub(crate) fn ensure(global: &Global, root: &Path) {
    let waits = queue::waiting(root).is_ok_and(|line| !line.is_empty());
    if !waits || SchedulerLock::holder(root).is_some() {
        return;
    }
    if let Err(error) = start(global, root) {
        tell(&format!(
            "cannot start the queue's scheduler: {error} - start it with `concord queue work`"
        ));
    }
}

fn start(global: &Global, root: &Path) -> std::io::Result<()> {
    let root = std::fs::canonicalize(root)?;
    let worker = global.worker.as_ref().map(std::fs::canonicalize);
    let mut command = program::command(&root, worker.transpose()?.as_deref())?;
    let (out, errors) = log(&root).map_or_else(
        || (Stdio::null(), Stdio::null()),
        |(out, errors)| (out.into(), errors.into()),
    );
    command
        .args(["queue", "work"])
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(errors);
    // Not waited for: it outlives this program. Until then the dead one is a zombie that
    // holds no lock.
    worker::in_own_session(&mut command).spawn().map(drop)
}

fn log(root: &Path) -> Option<(File, File)> {
    let path = root.join(LOG);
    let long = std::fs::metadata(&path).is_ok_and(|found| found.len() > LONGEST_LOG);
    let file = File::options()
        .create(true)
        .append(!long)
        .write(true)
        .truncate(long)
        .open(path)
        .ok()?;
    Some((file.try_clone().ok()?, file))
}

/// `concord queue work`.
pub(crate) fn work(global: &Global, root: &Path) -> Result<(), Failure> {
    let Some(mut lock) = SchedulerLock::take(root)? else {
        tell("another scheduler works on this queue");
        return Ok(());
    };
    let mut scheduler = Scheduler::new(global, root);
    loop {
        if scheduler.round()? {
            std::thread::sleep(LOOK);
            continue;
        }
        // Given up before the last look: a run put there meanwhile is either seen by it or
        // finds that there is no scheduler.
        drop(lock);
        if queue::waiting(root)?.is_empty() {
            return Ok(());
        }
        match SchedulerLock::take(root)? {
            Some(again) => lock = again,
            None => return Ok(()),
        }
    }
}

struct Scheduler<'a> {
    global: &'a Global,
    root: &'a Path,
    occupancy: Occupancy,
    automatic: Option<String>,
    started: Vec<(RunFolder, Child)>,
    failed: HashMap<PathBuf, Instant>,
}

impl<'a> Scheduler<'a> {
    fn new(global: &'a Global, root: &'a Path) -> Self {
        Scheduler {
            global,
            root,
            occupancy: Occupancy::default(),
            automatic: None,
            started: Vec::new(),
            failed: HashMap::new(),
        }
    }

    /// Starts what can be started; false when there is nothing left to do.
    fn round(&mut self) -> Result<bool, Failure> {
        self.started
            .retain_mut(|(run, child)| !is_settled(run, child));
        if !self.root.is_dir() {
            return Ok(false);
        }
        let line = queue::waiting(self.root)?;
        if line.is_empty() {
            return Ok(!self.started.is_empty());
        }
        let automatic = match &self.automatic {
            Some(device) => device.clone(),
            None => self
                .automatic
                .insert(automatic_device(&line[0].ticket.worker))
                .clone(),
        };
        let mut devices = self
            .occupancy
            .devices(self.root, &automatic, unix_seconds())?;
        for one in &line {
            let device = &one.ticket.device;
            let reason = match devices.get(device) {
                Some(occupant) if one.position == 1 => format!(
                    "waits for {device}: {} is {} there",
                    occupant.id, occupant.state
                ),
                Some(occupant) => format!(
                    "waits for {device}: {} ahead, {} is {} there",
                    one.position - 1,
                    occupant.id,
                    occupant.state
                ),
                None => match self.begin(one) {
                    Ok(()) => {
                        let id = one.run.id();
                        let state = RunState::Starting;
                        devices.insert(device.clone(), queue::Occupant { id, state });
                        continue;
                    }
                    Err(reason) => reason,
                },
            };
            // Words only: a full disk must not stop the queue.
            let _ = queue::explain(one, &reason);
        }
        Ok(true)
    }

    /// Starts a waiting run, or tells why it cannot be started now.
    fn begin(&mut self, one: &Waiting) -> Result<(), String> {
        let path = one.run.path();
        if let Some(tried) = self.failed.get(path)
            && tried.elapsed() < AGAIN
        {
            return Err(one.reason.clone());
        }
        let worker = match &one.ticket.worker {
            chosen if chosen.is_file() => Ok(chosen.clone()),
            _ => worker::locate(self.global),
        };
        let begun = !one.run.checkpoints().is_empty();
        let started = worker.and_then(|worker| worker::spawn(&worker, &one.run, begun));
        match started {
            Ok(child) => {
                tell(&format!("{} starts on {}", one.run.id(), one.ticket.device));
                self.failed.remove(path);
                self.started.push((one.run.clone(), child));
                Ok(())
            }
            Err(failure) => {
                self.failed.insert(path.to_path_buf(), Instant::now());
                Err(format!("cannot start yet: {}", failure.message))
            }
        }
    }
}

/// Whether a started worker speaks for itself, or is gone. One that went without a word
/// is given one.
fn is_settled(run: &RunFolder, child: &mut Child) -> bool {
    let Ok(Some(ended)) = child.try_wait() else {
        // While it loads, it cannot tell of its own failure yet.
        return !matches!(
            run.status().map(|status| status.state),
            Ok(RunState::Starting)
        );
    };
    let Ok(_lock) = run.lock() else { return true };
    if let Ok(status) = run.status()
        && status.state == RunState::Starting
        // One that went before it could be looked at has no identity.
        && status.process.as_ref().is_none_or(|process| process.pid == child.id())
    {
        let words = worker::console_tail(run, 1).concat();
        let _ = Status {
            state: RunState::Failed,
            exit_code: ended.code(),
            message: format!("the worker ended before it began: {ended} {words}")
                .trim_end()
                .to_owned(),
            ..status
        }
        .write(&run.status_file());
    }
    true
}
