//! A folder of its own for each test, and `concord` in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Nothing in these tests takes longer.
const LONGEST: Duration = Duration::from_secs(30);

pub struct Place {
    folder: TempDir,
}

pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Answer {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
        }
    }
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON alone on stdout: {error}\n{}", self.stdout))
    }
}

impl Place {
    pub fn new() -> Self {
        Place {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `concord` in this folder with the tests' worker, away from any terminal.
    pub fn concord(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("concord"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CONCORD_") {
                command.env_remove(name);
            }
        }
        command
            .current_dir(self.path())
            .env("CONCORD_WORKER", fake_worker())
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env_remove("NO_COLOR")
            .env_remove("CI")
            .env("TERM", "xterm-256color")
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.concord(arguments)
            .output()
            .expect("concord starts")
            .into()
    }

    /// Runs with a behaviour of the tests' worker.
    pub fn run_as(&self, behaviour: &str, arguments: &[&str]) -> Answer {
        let output = self
            .concord(arguments)
            .env("FAKE_WORKER", behaviour)
            .output();
        output.expect("concord starts").into()
    }

    pub fn start_as(&self, behaviour: &str, arguments: &[&str]) -> Child {
        self.concord(arguments)
            .env("FAKE_WORKER", behaviour)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("concord starts")
    }

    /// The state of the only run, as `concord runs` tells it.
    pub fn state(&self) -> Option<String> {
        let runs = self.run(&["runs", "--format", "json"]).json();
        Some(runs.as_array()?.first()?.get("state")?.as_str()?.to_owned())
    }

    /// The process of the only run's worker.
    pub fn worker(&self) -> Option<rustix::process::Pid> {
        let text = std::fs::read_to_string(self.run_folder().join("status.json")).ok()?;
        let status: serde_json::Value = serde_json::from_str(&text).ok()?;
        let pid = status.get("process")?.get("pid")?.as_i64()?;
        rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)
    }

    pub fn until_state(&self, wanted: &str) {
        eventually(wanted, || self.state().as_deref() == Some(wanted));
    }

    /// The folder of the only run.
    pub fn run_folder(&self) -> PathBuf {
        let mut entries = std::fs::read_dir(self.path().join("runs")).expect("a runs folder");
        entries
            .next()
            .expect("a run")
            .expect("a readable folder")
            .path()
    }
}

pub fn fake_worker() -> PathBuf {
    let path = assert_cmd::cargo::cargo_bin!("concord")
        .with_file_name("examples")
        .join("fake_worker");
    assert!(
        path.is_file(),
        "cargo builds examples with the tests: {}",
        path.display()
    );
    path
}

/// Asks again until it holds; the test fails after a time that is never needed.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONGEST, "never: {what}");
        std::thread::yield_now();
    }
}

pub fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(child.id() as i32).expect("a process");
    rustix::process::kill_process(pid, signal).expect("a living process");
}
