//! Is the process that wrote a status still there?
//!
//! Process numbers are reused, so a process is known by its number, its start time and
//! the machine's boot and process namespace; where those are another's (a shared disk
//! watched from elsewhere), the age of the heartbeat decides.

use std::fs;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

/// A silent process on this machine is called stalled after this many seconds, and one
/// on another machine dead.
pub const HEARTBEAT_LIMIT_SECS: f64 = 60.0;

/// One process among all that ever ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Process number.
    pub pid: u32,
    /// Start time in clock ticks since boot (`/proc/<pid>/stat`, field 22).
    pub start_time: u64,
    /// Boot and process namespace; no host name.
    pub machine: String,
}

/// What is known of a run's process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Liveness {
    /// It runs.
    Alive,
    /// It runs and has not reported for this many seconds.
    Stalled {
        /// Age of the heartbeat, seconds.
        silent_secs: f64,
    },
    /// It is gone.
    Dead,
    /// The status names no process.
    Unknown,
}

impl ProcessIdentity {
    /// This process; `None` where `/proc` is not mounted.
    pub fn current() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// The process of this machine with that number; `None` when there is none, or where
    /// `/proc` is not mounted.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self {
            pid,
            start_time: start_time(pid)?,
            machine: this_machine(),
        })
    }

    /// Whether it is a process of this machine, which signals can reach.
    pub fn is_here(&self) -> bool {
        self.machine == this_machine()
    }

    /// Whether the process runs, `heartbeat` and `now` in seconds since 1970.
    pub fn liveness(&self, heartbeat: f64, now: f64) -> Liveness {
        let silent_secs = now - heartbeat;
        if self.is_here() {
            match start_time(self.pid) {
                Some(start) if start == self.start_time => {
                    if silent_secs > HEARTBEAT_LIMIT_SECS {
                        Liveness::Stalled { silent_secs }
                    } else {
                        Liveness::Alive
                    }
                }
                _ => Liveness::Dead,
            }
        } else if silent_secs > HEARTBEAT_LIMIT_SECS {
            Liveness::Dead
        } else {
            Liveness::Alive
        }
    }
}

/// Start time of a live process; a zombie counts as gone.
fn start_time(pid: u32) -> Option<u64> {
    start_time_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn start_time_in(stat: &str) -> Option<u64> {
    // The second field is the command in parentheses and may hold spaces and parentheses.
    let after_command = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_command.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn this_machine() -> String {
    /// Neither changes while a process lives, and a list of runs asks for each of them.
    static THIS: OnceLock<String> = OnceLock::new();
    let read = || {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = fs::read_link("/proc/self/ns/pid")
            .map(|link| link.to_string_lossy().into_owned())
            .unwrap_or_default();
        format!("{}/{namespace}", boot.trim())
    };
    THIS.get_or_init(read).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_time_is_read_behind_a_hostile_command_name() {
        let stat = "4242 (a) b (c) S 1 4242 4242 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2";
        assert_eq!(start_time_in(stat), Some(98765));
        assert_eq!(start_time_in(&stat.replace(" S ", " Z ")), None);
        assert_eq!(start_time_in("garbage"), None);
    }

    #[test]
    fn a_process_is_alive_stalled_or_dead() {
        let me = ProcessIdentity::current().unwrap();
        assert_eq!(me.liveness(100.0, 110.0), Liveness::Alive);
        assert_eq!(
            me.liveness(100.0, 200.0),
            Liveness::Stalled { silent_secs: 100.0 }
        );
        let reused = ProcessIdentity {
            start_time: me.start_time + 1,
            ..me.clone()
        };
        assert_eq!(reused.liveness(100.0, 100.0), Liveness::Dead);
        let elsewhere = ProcessIdentity {
            machine: "other".into(),
            ..reused
        };
        assert_eq!(elsewhere.liveness(100.0, 110.0), Liveness::Alive);
        assert_eq!(elsewhere.liveness(100.0, 200.0), Liveness::Dead);
    }

    #[test]
    fn a_killed_child_is_dead_even_before_it_is_reaped() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id();
        let identity = ProcessIdentity {
            pid,
            start_time: start_time(pid).unwrap(),
            machine: this_machine(),
        };
        assert_eq!(identity.liveness(0.0, 1.0), Liveness::Alive);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(identity.liveness(0.0, 1.0), Liveness::Dead);
    }
}
