//! The machine under the runs: processors, memory, the disk of the run folders, the
//! workers' processes and, where NVML is there, the devices. Read from `/proc`; the panel
//! and `concord machine` show the same.

use std::path::{Path, PathBuf};

mod devices;
mod proc;
mod rows;

pub use devices::Devices;
pub use rows::{Row, rows};

use proc::{Counters, Proc};

/// A part of a whole, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// In use.
    pub used: u64,
    /// All there is.
    pub total: u64,
}

impl Share {
    /// The share in use, 0 to 1; 0 of nothing.
    #[must_use]
    pub fn fraction(self) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        (self.used as f64 / self.total as f64).clamp(0.0, 1.0)
    }
}

/// The process of a worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worker {
    /// Its run.
    pub run: String,
    /// Its process number.
    pub pid: u32,
    /// Processors that it keeps busy; `None` at the first look.
    pub cores: Option<f64>,
    /// Memory in use, bytes.
    pub memory: u64,
    /// Its threads.
    pub threads: u64,
}

/// A device for tensors, as its driver describes it. What a driver does not tell is
/// `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Device {
    /// Its name for `device = ...`: `cuda:0`.
    pub id: String,
    /// The model.
    pub name: String,
    /// Share of time at work, 0 to 1.
    pub busy: Option<f64>,
    /// Its memory.
    pub memory: Option<Share>,
    /// Degrees Celsius.
    pub celsius: Option<f64>,
    /// Watts.
    pub watts: Option<f64>,
    /// Runs whose workers compute on it.
    pub runs: Vec<String>,
}

/// The machine at one moment. What cannot be read is `None` or missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// When, in Unix seconds.
    pub time: f64,
    /// Share of time at work of each processor, 0 to 1; empty at the first look.
    pub cores: Vec<f64>,
    /// The same of all together.
    pub busy: Option<f64>,
    /// Processes that want to run, over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// Main memory.
    pub memory: Option<Share>,
    /// Swap, where there is any.
    pub swap: Option<Share>,
    /// The disk that holds the run folders.
    pub disk: Option<Share>,
    /// Workers of this machine.
    pub workers: Vec<Worker>,
    /// Devices for tensors.
    pub devices: Vec<Device>,
    /// Why no devices are listed, in words for the user.
    pub no_devices: String,
}

/// Takes snapshots; what is a rate is measured between two of them.
pub struct Machine {
    proc: Proc,
    disk: PathBuf,
    devices: Devices,
    before: Counters,
}

impl Machine {
    /// This machine; `runs` is the folder whose disk is watched.
    #[must_use]
    pub fn new(runs: &Path) -> Self {
        Self::at(Path::new("/proc"), runs, Devices::new())
    }

    /// A machine whose `/proc` lies elsewhere.
    #[must_use]
    pub fn at(proc: &Path, runs: &Path, devices: Devices) -> Self {
        Machine {
            proc: Proc::at(proc),
            disk: runs.to_path_buf(),
            devices,
            before: Counters::default(),
        }
    }

    /// Looks at the machine; `workers` are runs with their process numbers.
    pub fn look(&mut self, now: f64, workers: &[(String, u32)]) -> Snapshot {
        let counters = self.proc.counters(workers);
        let (cores, busy) = counters.busy_since(&self.before);
        let (memory, swap) = self.proc.memory();
        let workers: Vec<Worker> = workers
            .iter()
            .filter_map(|(run, pid)| {
                let (memory, threads) = self.proc.size_of(*pid)?;
                Some(Worker {
                    run: run.clone(),
                    pid: *pid,
                    cores: counters.cores_of(*pid, &self.before),
                    memory,
                    threads,
                })
            })
            .collect();
        let (devices, no_devices) = self.devices.look(&workers);
        self.before = counters;
        Snapshot {
            time: now,
            cores,
            busy,
            load: self.proc.load(),
            memory,
            swap,
            disk: disk_of(&self.disk),
            workers,
            devices,
            no_devices,
        }
    }
}

/// The disk of a folder, or of the nearest folder above it that exists.
fn disk_of(folder: &Path) -> Option<Share> {
    let absolute = std::path::absolute(folder).ok()?;
    let found = absolute.ancestors().find(|path| path.exists())?;
    let disk = rustix::fs::statvfs(found).ok()?;
    let total = disk.f_blocks.checked_mul(disk.f_frsize)?;
    // What is kept for the superuser counts as used: a run cannot have it.
    let free = disk.f_bavail.checked_mul(disk.f_frsize)?;
    Some(Share {
        used: total.saturating_sub(free),
        total,
    })
}

#[cfg(test)]
mod tests;
