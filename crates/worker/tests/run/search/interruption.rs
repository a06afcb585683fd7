//! Searches that are killed, stopped, paused and resumed end as if nothing had been.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use tracking::{ControlClient, ControlCommand, EventKind, RunState};

use super::{all_lines, lines, logs, outcomes, scripted};
use crate::folder::{TestRun, outcome};
use crate::interruption::signal;

/// Enough to be interrupted in the middle.
const MANY: &[&str] = &["questions.count=400"];

/// A copy of a run whose logs were cut by a kill: the first of a third as long as they were, in the
/// middle of a line, and the last ones not begun.
fn cut(straight: &TestRun, share: usize) -> TestRun {
    let run = TestRun::of(fs::read_to_string(straight.folder.config()).unwrap());
    fs::copy(straight.folder.questions(), run.folder.questions()).unwrap();
    fs::create_dir_all(run.folder.searches()).unwrap();
    let logs = logs(straight);
    for (number, (name, path)) in logs.iter().enumerate() {
        let text = fs::read(path).unwrap();
        let kept = match number {
            0 => text.len(),
            last if last + 1 == logs.len() => continue,
            number => text.len() * (share + 7 * number) % text.len(),
        };
        let to = run.folder.searches().join(format!("{name}.jsonl"));
        fs::write(to, &text[..kept]).unwrap();
    }
    run
}

#[test]
fn killed_at_any_moment_and_resumed_equals_straight() {
    let straight = scripted(&[]);
    assert_eq!(outcome(&straight.run()), (0, String::new()));
    let expected = all_lines(&straight);
    for share in [3, 41, 59, 83] {
        let run = cut(&straight, share);
        assert_eq!(outcome(&run.resume()), (0, String::new()));
        assert_eq!(all_lines(&run), expected);
        assert_eq!(run.curve("search/accuracy").last().unwrap().0, 6);
    }
}

#[test]
fn a_kill_loses_nothing_that_was_answered() {
    let run = scripted(MANY);
    let mut child = run.start();
    run.wait_until("a few logs", |run| logs(run).len() > 5);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let before = outcomes(&run).iter().filter(|one| one.over).count();
    assert!(before < 400, "killed too late");
    assert_eq!(outcome(&run.resume()), (0, String::new()));
    let after = outcomes(&run);
    assert!(after.len() == 400 && after.iter().all(|one| one.over));
    let straight = scripted(MANY);
    assert_eq!(outcome(&straight.run()), (0, String::new()));
    assert_eq!(all_lines(&run), all_lines(&straight));
}

#[test]
fn told_to_stop_it_leaves_whole_logs_and_exit_code_5() {
    for told in ["-INT", "-TERM", "socket"] {
        let run = scripted(MANY);
        let mut child = run.start();
        run.wait_until("a few logs", |run| logs(run).len() > 5);
        match told {
            "socket" => {
                let limit = std::time::Duration::from_secs(10);
                ControlClient::send(&run.folder, ControlCommand::Stop, limit).unwrap();
            }
            name => signal(&child, name),
        }
        assert_eq!(child.wait().unwrap().code(), Some(5), "{told}");
        assert_eq!(run.folder.status().unwrap().state, RunState::Interrupted);
        for (_, path) in logs(&run) {
            lines(&path); // whole lines only
            let text = fs::read(&path).unwrap();
            let replayed = search::log::replay(&text).unwrap();
            assert!(replayed.missing.is_empty(), "{}", path.display());
        }
    }
}

#[test]
fn a_pause_holds_until_it_is_taken_back() {
    let run = scripted(MANY);
    let mut child = run.start();
    let limit = std::time::Duration::from_secs(10);
    run.wait_until("a log", |run| !logs(run).is_empty());
    ControlClient::send(&run.folder, ControlCommand::Pause, limit).unwrap();
    run.wait_until("the pause", |run| {
        run.folder
            .status()
            .is_ok_and(|status| status.state == RunState::Paused)
    });
    let paused = run.folder.status().unwrap();
    let logged = all_lines(&run);
    run.wait_until("a heartbeat", |run| {
        run.folder
            .status()
            .is_ok_and(|status| status.heartbeat > paused.heartbeat)
    });
    assert_eq!(all_lines(&run), logged, "it works while it is paused");
    let seconds = run.folder.status().unwrap().progress.seconds;
    assert_eq!(seconds, paused.progress.seconds, "a pause is no work");
    ControlClient::send(&run.folder, ControlCommand::Resume, limit).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(outcomes(&run).len(), 400);
}

#[test]
fn what_was_finished_is_not_searched_again() {
    let straight = scripted(&[]);
    assert_eq!(outcome(&straight.run()), (0, String::new()));
    let run = cut(&straight, 50);
    let finished = logs(&run).remove(0).1;
    let changed = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let before = changed(&finished);
    assert_eq!(outcome(&run.resume()), (0, String::new()));
    assert_eq!(changed(&finished), before);
    let resumed = run.events().into_iter().find_map(|event| match event.kind {
        EventKind::Resumed { progress, .. } => Some(progress.step),
        _ => None,
    });
    assert_eq!(resumed, Some(1));
}

#[test]
fn a_log_that_was_edited_is_named() {
    let straight = scripted(&["questions.count=2"]);
    assert_eq!(outcome(&straight.run()), (0, String::new()));
    let run = cut(&straight, 0);
    let path = logs(&run).remove(0).1;
    let text = fs::read_to_string(&path).unwrap();
    // Not over any more, and a job that was allowed more than it was.
    let job = text.find("\"kind\":\"job\"").unwrap();
    let (before, after) = text.split_at(job);
    let after = after.replacen("\"max_tokens\":", "\"max_tokens\":9", 1);
    let text = format!("{before}{after}");
    let end = text.trim_end().rfind('\n').unwrap();
    fs::write(&path, &text[..=end]).unwrap();
    let (code, message) = outcome(&run.resume());
    assert_eq!(code, 2, "{message}");
    assert!(message.contains(&*path.to_string_lossy()), "{message}");
    assert!(message.contains("remove the file"), "{message}");
}
