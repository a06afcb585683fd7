//! What `/proc` tells. A missing or malformed file is a missing figure, never an error.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Share;

/// Reads one `/proc`.
pub(super) struct Proc {
    root: PathBuf,
}

/// Times at work so far, in clock ticks.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    /// All processors together.
    all: Option<Ticks>,
    cores: Vec<Ticks>,
    /// By process number; with the start time, since numbers are used again.
    processes: HashMap<u32, (u64, u64)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    /// Of a line `cpu0 user nice system idle iowait irq softirq steal ...`.
    fn of(line: &str) -> Option<Self> {
        let fields: Vec<u64> = line
            .split_ascii_whitespace()
            .skip(1)
            .take(8)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        let waiting = fields.get(3)?.saturating_add(*fields.get(4).unwrap_or(&0));
        let all = fields
            .iter()
            .fold(0_u64, |sum, ticks| sum.saturating_add(*ticks));
        Some(Ticks {
            busy: all.saturating_sub(waiting),
            all,
        })
    }

    /// The share at work since an earlier look.
    fn since(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        // The kernel's counters may step back a little.
        let busy = self.busy.saturating_sub(before.busy);
        Some((busy as f64 / all as f64).clamp(0.0, 1.0))
    }
}

impl Counters {
    /// The share at work of each processor and of all, since an earlier look.
    pub(super) fn busy_since(&self, before: &Self) -> (Vec<f64>, Option<f64>) {
        let cores = if self.cores.len() == before.cores.len() {
            let pairs = self.cores.iter().zip(&before.cores);
            pairs
                .map(|(now, before)| now.since(*before).unwrap_or(0.0))
                .collect()
        } else {
            Vec::new()
        };
        let all = self.all.zip(before.all);
        (cores, all.and_then(|(now, before)| now.since(before)))
    }

    /// How many processors a process kept busy since an earlier look.
    pub(super) fn cores_of(&self, pid: u32, before: &Self) -> Option<f64> {
        let (started, now) = self.processes.get(&pid)?;
        let (same, then) = before.processes.get(&pid)?;
        if started != same {
            return None;
        }
        let passed = self.all?.all.checked_sub(before.all?.all)?;
        if passed == 0 || self.cores.is_empty() {
            return None;
        }
        let share = now.saturating_sub(*then) as f64 / passed as f64;
        Some(share * self.cores.len() as f64)
    }
}

impl Proc {
    pub(super) fn at(root: &Path) -> Self {
        Proc {
            root: root.to_path_buf(),
        }
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.root.join(name)).ok()
    }

    pub(super) fn counters(&self, workers: &[(String, u32)]) -> Counters {
        let stat = self.read("stat").unwrap_or_default();
        let mut counters = Counters::default();
        for line in stat.lines() {
            match line.split_ascii_whitespace().next() {
                Some("cpu") => counters.all = Ticks::of(line),
                Some(name) if name.starts_with("cpu") => counters.cores.extend(Ticks::of(line)),
                _ => {}
            }
        }
        for (_, pid) in workers {
            let stat = self.read(&format!("{pid}/stat"));
            if let Some(found) = stat.as_deref().and_then(process) {
                counters.processes.insert(*pid, found);
            }
        }
        counters
    }

    pub(super) fn load(&self) -> Option<[f64; 3]> {
        let text = self.read("loadavg")?;
        let mut fields = text.split_ascii_whitespace().map(str::parse::<f64>);
        let mut next = || {
            let value = fields.next()?.ok()?;
            value.is_finite().then_some(value)
        };
        Some([next()?, next()?, next()?])
    }

    /// Main memory and swap.
    pub(super) fn memory(&self) -> (Option<Share>, Option<Share>) {
        let text = self.read("meminfo").unwrap_or_default();
        let share = |total: &str, free: &str| {
            let total = kibibytes(&text, total)?;
            let free = kibibytes(&text, free)?;
            Some(Share {
                used: total.saturating_sub(free),
                total,
            })
        };
        let swap = share("SwapTotal", "SwapFree").filter(|swap| swap.total > 0);
        (share("MemTotal", "MemAvailable"), swap)
    }

    /// Memory in bytes and threads of a process.
    pub(super) fn size_of(&self, pid: u32) -> Option<(u64, u64)> {
        let text = self.read(&format!("{pid}/status"))?;
        let memory = kibibytes(&text, "VmRSS")?;
        let threads = field(&text, "Threads").and_then(|text| text.parse().ok());
        Some((memory, threads.unwrap_or(1)))
    }
}

/// The start time of a process and its time at work, user and system.
fn process(stat: &str) -> Option<(u64, u64)> {
    // The command stands in parentheses and may hold spaces and parentheses itself.
    let rest = &stat[stat.rfind(')')? + 1..];
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((number(19)?, number(11)?.saturating_add(number(12)?)))
}

/// The first word behind `name:`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines();
    lines.find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(':')?;
        value.split_ascii_whitespace().next()
    })
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.parse::<u64>().ok()?.checked_mul(1024)
}
