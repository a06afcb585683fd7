//! Branches of searches, made by the command in a process of its own.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tracking::RunFolder;
use tui::panes::search::Branch;

use crate::arguments::Global;
use crate::commands::search::branch_of;
use crate::failure::Failure;
use crate::program;

/// How long a branch may take until its run is there.
const WITHIN: Duration = Duration::from_secs(30);
/// Time between two looks for it.
const POLL: Duration = Duration::from_millis(50);

/// Makes the branch of a log and starts its run; gives the run's id.
///
/// # Errors
/// The command cannot be started, refuses, or makes no run in time.
pub(super) fn branch(
    global: &Global,
    root: &Path,
    log: &Path,
    branch: &Branch,
) -> Result<String, Failure> {
    let failed = |what: String| {
        Failure::environment(format!("cannot go on from node {}: {what}", branch.node))
    };
    let expected = Expected::new(root, log, branch.node)?;
    let child = program::command(root, global.worker.as_deref())
        .map_err(|error| failed(error.to_string()))?
        .args(["search", "replay"])
        .arg(log)
        .args(["--branch-from", &branch.node.to_string(), "--ui", "none"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    expected.of(child, WITHIN)?.map_err(failed)
}

/// The run that a branch makes, known by what it says of itself.
struct Expected<'a> {
    root: &'a Path,
    log: &'a Path,
    node: u64,
    /// Runs that were there before.
    before: Vec<RunFolder>,
}

impl<'a> Expected<'a> {
    fn new(root: &'a Path, log: &'a Path, node: u64) -> Result<Self, Failure> {
        Ok(Self {
            root,
            log,
            node,
            before: RunFolder::list(root)?,
        })
    }

    /// Waits for the run of a process; the process is killed where it takes longer. Without a run,
    /// what the process said.
    fn of(&self, mut child: Child, within: Duration) -> Result<Result<String, String>, Failure> {
        let begun = Instant::now();
        loop {
            let ended = child.try_wait().ok().flatten().is_some();
            let late = !ended && begun.elapsed() > within;
            if late {
                // One that is gone by itself meanwhile needs no killing.
                let _ = child.kill();
                let _ = child.wait();
            }
            // Looked for after the process was: what an ended one made is there.
            if let Some(run) = self.find()? {
                // It follows its run; that it ends is waited for, not what it tells.
                std::thread::spawn(move || child.wait());
                return Ok(Ok(run.id()));
            }
            if late {
                let text = format!("no run was made within {} seconds", within.as_secs());
                return Ok(Err(text));
            }
            if ended {
                return Ok(Err(last_words(&mut child)));
            }
            std::thread::sleep(POLL);
        }
    }

    fn find(&self) -> Result<Option<RunFolder>, Failure> {
        let wanted = branch_of(self.log, self.node);
        let is_it = |run: &RunFolder| {
            !self.before.contains(run)
                && run.meta().is_ok_and(|meta| {
                    let mut said = wanted.iter();
                    said.all(|(name, value)| meta.extra.get(name) == Some(value))
                })
        };
        Ok(RunFolder::list(self.root)?.into_iter().find(is_it))
    }
}

/// What an ended process said.
fn last_words(child: &mut Child) -> String {
    let mut told = String::new();
    if let Some(mut pipe) = child.stderr.take() {
        let _ = pipe.read_to_string(&mut told);
    }
    match told.trim() {
        "" => "no run was made".to_owned(),
        told => told.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tracking::NewRun;

    use super::*;

    fn process(script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stderr(Stdio::piped());
        command.spawn().expect("a shell")
    }

    fn made(root: &Path, name: &str, log: &Path, node: u64) -> RunFolder {
        let new = NewRun {
            name: name.to_owned(),
            extra: branch_of(log, node),
            ..NewRun::default()
        };
        RunFolder::create(root, &new).expect("a run")
    }

    #[test]
    fn the_branch_is_told_from_other_new_runs() {
        let place = tempfile::tempdir().expect("a folder");
        let (root, log) = (place.path(), Path::new("a/search/q1.jsonl"));
        made(root, "earlier", log, 3);
        let expected = Expected::new(root, log, 3).expect("runs");
        made(root, "another-node", log, 4);
        made(root, "another-log", Path::new("b/search/q1.jsonl"), 3);
        let none = expected.of(process("echo 'no such node' >&2"), WITHIN);
        assert_eq!(none, Ok(Err("no such node".to_owned())));
        let branch = made(root, "branch", log, 3);
        let found = expected.of(process("sleep 1"), WITHIN);
        assert_eq!(found, Ok(Ok(branch.id())));
    }

    #[test]
    fn a_process_that_makes_no_run_in_time_is_killed() {
        let place = tempfile::tempdir().expect("a folder");
        let log = Path::new("q1.jsonl");
        let expected = Expected::new(place.path(), log, 0).expect("no runs");
        let child = process("exec sleep 60");
        let pid = rustix::process::Pid::from_child(&child);
        let none = expected.of(child, Duration::ZERO);
        assert_eq!(none, Ok(Err("no run was made within 0 seconds".to_owned())));
        assert!(rustix::process::test_kill_process(pid).is_err());
    }
}
