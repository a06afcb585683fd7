//! Run folders for tests, and the worker on them.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use configs::{LoadRequest, load};
use tracking::{EvaluationPurpose, Event, EventKind, EventReader, NewRun, RunFolder};

/// A run folder in a folder of its own, removed at the end.
pub struct TestRun {
    _root: tempfile::TempDir,
    pub folder: RunFolder,
}

impl TestRun {
    /// The smoke preset with some settings changed (`path=value`).
    pub fn new(sets: &[&str]) -> Self {
        let request = LoadRequest {
            sets: sets.iter().map(|set| (*set).to_owned()).collect(),
            ..LoadRequest::named("smoke")
        };
        Self::of(load(&request).unwrap().config.to_toml())
    }

    /// A run of a whole configuration.
    pub fn of(config_toml: String) -> Self {
        let root = tempfile::tempdir().unwrap();
        let new = NewRun {
            name: "test".to_owned(),
            config_toml,
            origin_json: "{}".to_owned(),
            ..NewRun::default()
        };
        let folder = RunFolder::create(root.path(), &new).unwrap();
        Self {
            _root: root,
            folder,
        }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(worker());
        command.arg("run").arg("--run-dir").arg(self.folder.path());
        command
    }

    pub fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    pub fn resume(&self) -> Output {
        self.command().arg("--resume").output().unwrap()
    }

    pub fn start(&self) -> Child {
        self.command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    pub fn events(&self) -> Vec<Event> {
        EventReader::open(&self.folder.events()).poll().unwrap()
    }

    /// Values of a curve with their steps.
    pub fn curve(&self, wanted: &str) -> Vec<(u64, f64)> {
        let point = |event: Event| match event.kind {
            EventKind::Scalar {
                name, value, step, ..
            } if name == wanted => Some((step, value)),
            _ => None,
        };
        self.events().into_iter().filter_map(point).collect()
    }

    /// Steps and mean returns of the evaluations for this purpose.
    pub fn returns(&self, wanted: EvaluationPurpose) -> Vec<(u64, f64)> {
        let point = |event: Event| match event.kind {
            EventKind::Evaluation {
                purpose,
                progress,
                returns,
                ..
            } if purpose == wanted => {
                let mean = returns.iter().sum::<f64>() / returns.len() as f64;
                Some((progress.step, mean))
            }
            _ => None,
        };
        self.events().into_iter().filter_map(point).collect()
    }

    /// Waits until something holds of the run; fails after a generous time.
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = std::time::Instant::now();
        while !holds(self) {
            assert!(start.elapsed().as_secs() < 120, "{what} did not happen");
            std::thread::yield_now();
        }
    }

    pub fn wait_for_checkpoint(&self) {
        self.wait_until("a checkpoint", |run| !run.folder.checkpoints().is_empty());
    }
}

pub fn worker() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_concord-worker"))
}

/// The exit code and stderr.
pub fn outcome(output: &Output) -> (i32, String) {
    let code = output.status.code().unwrap_or(-1);
    (code, String::from_utf8_lossy(&output.stderr).into_owned())
}
