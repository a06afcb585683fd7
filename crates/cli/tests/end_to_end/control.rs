//! Pausing, checkpoints on request, killing, archiving and watching.

use std::io::Read as _;

use rustix::process::Signal;

use crate::harness::{Place, eventually, signal};

fn running() -> Place {
    let place = Place::new();
    place.run_as("wait", &["train", "demo", "--detach"]);
    place.until_state("running");
    place
}

#[test]
fn a_run_is_paused_checkpointed_and_let_go_on() {
    let place = running();
    let paused = place.run(&["pause", "last", "--format", "json"]);
    assert_eq!(paused.code, Some(0), "{}", paused.stderr);
    let row = &paused.json()[0];
    assert_eq!(
        (row["state"].as_str(), row["done"].as_bool()),
        (Some("paused"), Some(true))
    );
    let again = place.run(&["pause", "last"]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("concord unpause"), "{}", again.stderr);

    // Twice: a checkpoint of the same step is a new one.
    for _ in 0..2 {
        let written = place.run(&["checkpoint", "last", "--format", "csv"]);
        assert_eq!(written.code, Some(0), "{}", written.stderr);
        assert!(
            written.stdout.contains(",ckpt/step-10,"),
            "{}",
            written.stdout
        );
    }
    assert_eq!(place.state().as_deref(), Some("paused"));

    // `resume` of a paused run continues it: no second worker, and it is followed.
    let resumed = place.run(&["resume", "last", "--detach"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    place.until_state("running");
    let refused = place.run(&["unpause", "last"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("only a paused run"),
        "{}",
        refused.stderr
    );
    let log = std::fs::read_to_string(place.run_folder().join("console.log")).expect("a log");
    assert_eq!(
        log.matches("fake worker").count(),
        1,
        "one worker all along"
    );

    place.run(&["pause", "last"]);
    let stopped = place.run(&["stop", "last", "--format", "json"]);
    assert_eq!(stopped.json()["state"], "interrupted");
    for command in ["pause", "unpause", "checkpoint", "stop"] {
        let refused = place.run(&[command, "last"]);
        assert_eq!(refused.code, Some(2), "{command}");
        assert!(
            refused.stderr.contains("it is interrupted"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn several_runs_are_asked_at_once_and_each_tells_its_own() {
    let place = running();
    place.run(&["train", "demo", "--name", "other", "--ui", "none"]);
    let answer = place.run(&["pause", "demo", "other", "demo", "--format", "json"]);
    assert_eq!(answer.code, Some(2));
    assert!(
        answer.stderr.contains("it is finished"),
        "{}",
        answer.stderr
    );
    let rows = answer.json();
    let states: Vec<_> = (0..2).map(|row| rows[row]["state"].as_str()).collect();
    assert_eq!(states, [Some("paused"), Some("finished")]);
    let unknown = place.run(&["pause", "demo", "nobody"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("no such run"), "{}", unknown.stderr);
    assert_eq!(place.run(&["stop", "demo"]).code, Some(0));
}

#[test]
fn a_kill_is_asked_for_twice_and_leaves_its_state() {
    let place = running();
    let asked = place.run(&["kill", "last"]);
    assert_eq!(asked.code, Some(2));
    assert!(asked.stderr.contains("--yes"), "{}", asked.stderr);
    assert_eq!(place.state().as_deref(), Some("running"));
    let killed = place.run(&["kill", "last", "--yes", "--format", "json"]);
    assert_eq!(killed.code, Some(0), "{}", killed.stderr);
    assert_eq!(killed.json()[0]["state"], "killed");
    assert_eq!(place.state().as_deref(), Some("killed"));
    assert_eq!(place.run(&["kill", "last", "--yes"]).code, Some(2));
    let resumed = place.run(&["resume", "last", "--ui", "none"]);
    assert!(
        resumed.stderr.contains("no checkpoint"),
        "{}",
        resumed.stderr
    );
}

#[test]
fn archived_runs_are_hidden_and_can_still_be_named() {
    let place = running();
    let refused = place.run(&["archive", "last"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("concord stop"),
        "{}",
        refused.stderr
    );
    place.run(&["stop", "last"]);
    let before = std::fs::read(place.run_folder().join("status.json")).expect("a status");
    assert_eq!(place.run(&["archive", "last"]).code, Some(0));
    let listed = |arguments: &[&str]| {
        let rows = place
            .run(&[arguments, &["--format", "json"]].concat())
            .json();
        rows.as_array().map(Vec::len)
    };
    assert_eq!(listed(&["runs"]), Some(0));
    assert_eq!(listed(&["runs", "--archived"]), Some(1));
    assert_eq!(place.run(&["show", "demo"]).code, Some(0));
    assert_eq!(place.run(&["archive", "--undo", "demo"]).code, Some(0));
    assert_eq!(listed(&["runs"]), Some(1));
    let after = std::fs::read(place.run_folder().join("status.json")).expect("a status");
    assert!(before == after, "nothing of the run was touched");
}

#[test]
fn a_stop_reaches_a_worker_that_still_loads() {
    let place = Place::new();
    let child = place.start_as("slow", &["train", "demo", "--ui", "none"]);
    place.until_state("starting");
    signal(&child, Signal::INT);
    let output = child.wait_with_output().expect("an end");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert_eq!(place.state().as_deref(), Some("interrupted"));
}

#[test]
fn a_worker_has_a_session_of_its_own() {
    let place = running();
    let status = std::fs::read_to_string(place.run_folder().join("status.json")).expect("a status");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let pid = status["process"]["pid"].as_i64().expect("a pid") as i32;
    let pid = rustix::process::Pid::from_raw(pid);
    assert_eq!(
        rustix::process::getsid(pid).ok(),
        pid,
        "it leads its session"
    );
    assert_eq!(place.run(&["stop", "last"]).code, Some(0));
}

#[test]
fn an_environment_is_watched_as_text_and_as_json() {
    let place = running();
    let text = place.run(&["attach", "last", "--watch", "1", "--frames", "3"]);
    assert_eq!(text.code, Some(0), "{}", text.stderr);
    let expected = "A1 ·  ·\nstep 0  return 0  independent  budget left 50%\n\n·  A1 ·\nstep 1";
    assert!(text.stdout.starts_with(expected), "{}", text.stdout);
    assert!(
        text.stdout.contains("end of the episode"),
        "{}",
        text.stdout
    );
    let lines = place.run(&[
        "attach", "last", "--watch", "0", "--frames", "2", "--format", "json",
    ]);
    let frames: Vec<serde_json::Value> = lines
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("a frame"))
        .collect();
    assert_eq!(
        (frames[0]["step"].as_u64(), frames[1]["central"].as_bool()),
        (Some(0), Some(true))
    );
    let outside = place.run(&["attach", "last", "--watch", "2"]);
    assert_eq!(outside.code, Some(2));
    assert!(
        outside.stderr.contains("allowed: 0 to 1"),
        "{}",
        outside.stderr
    );

    let mut watching = place.start_as("", &["attach", "last", "--watch", "0"]);
    let shown = watching.stdout.as_mut().expect("a pipe");
    shown.read_exact(&mut [0]).expect("a first frame");
    assert_eq!(place.run(&["stop", "last"]).code, Some(0));
    let output = watching.wait_with_output().expect("an end");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let ended = place.run(&["attach", "last", "--watch", "0"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("it is interrupted"),
        "{}",
        ended.stderr
    );
    eventually("nothing hangs", || true);
}
