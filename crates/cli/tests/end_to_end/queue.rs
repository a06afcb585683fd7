//! Runs that wait for their device, and who starts them.

use std::os::unix::fs::PermissionsExt;
use std::process::Child;

use rustix::process::Signal;

use crate::harness::{Place, eventually, fake_worker, signal};

/// A place whose first run holds the processor, and its program.
fn busy() -> Place {
    let place = Place::new();
    let started = place.run_as("wait", &["train", "demo", "--name", "first", "--detach"]);
    assert_eq!(started.code, Some(0), "{}", started.stderr);
    eventually("the first runs", || state(&place, "first") == "running");
    place
}

fn enqueue(place: &Place, behaviour: &str, name: &str) -> serde_json::Value {
    let answer = place.run_as(
        behaviour,
        &[
            "train", "demo", "--name", name, "--queue", "--format", "json",
        ],
    );
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    answer.json()
}

fn state(place: &Place, name: &str) -> String {
    let runs = place
        .run(&["runs", "--archived", "--format", "json"])
        .json();
    let row = runs.as_array().and_then(|rows| {
        let named =
            |row: &&serde_json::Value| row["id"].as_str().is_some_and(|id| id.ends_with(name));
        rows.iter().find(named).cloned()
    });
    row.and_then(|row| row["state"].as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn line(place: &Place) -> Vec<String> {
    let rows = place.run(&["queue", "--format", "json"]).json();
    let name = |row: &serde_json::Value| {
        let id = row["id"].as_str().unwrap_or_default().to_owned();
        format!(
            "{} {}",
            row["position"],
            id.rsplit('-').next().unwrap_or_default()
        )
    };
    rows.as_array().expect("rows").iter().map(name).collect()
}

fn scheduler(place: &Place) -> Option<u32> {
    tracking::queue::SchedulerLock::holder(&place.path().join("runs"))
}

fn kill_scheduler(place: &Place) {
    let pid = scheduler(place).expect("a scheduler") as i32;
    let pid = rustix::process::Pid::from_raw(pid).expect("a process");
    rustix::process::kill_process(pid, Signal::KILL).expect("it lives");
    eventually("the scheduler is gone", || scheduler(place).is_none());
}

#[test]
fn waiting_runs_start_in_their_order_one_after_the_other() {
    let place = busy();
    let row = enqueue(&place, "wait", "second");
    assert_eq!(
        (row[0]["position"].as_u64(), row[0]["device"].as_str()),
        (Some(1), Some("cpu"))
    );
    for name in ["third", "fourth"] {
        enqueue(&place, "wait", name);
    }
    assert_eq!(line(&place), ["1 second", "2 third", "3 fourth"]);
    eventually("the reason is written", || {
        let rows = place.run(&["queue", "--format", "csv"]).stdout;
        rows.contains("-first is running there") && rows.contains("2 ahead")
    });
    // Readable by anyone who reads the folder.
    let shown = place.run(&["runs"]).stdout;
    assert!(
        shown.contains("queued") && shown.contains("waits for cpu"),
        "{shown}"
    );

    assert_eq!(place.run(&["queue", "move", "fourth", "top"]).code, Some(0));
    assert_eq!(
        place.run(&["queue", "move", "second", "down"]).code,
        Some(0)
    );
    assert_eq!(line(&place), ["1 fourth", "2 third", "3 second"]);
    let removed = place.run(&["queue", "remove", "third"]);
    assert_eq!(removed.code, Some(0), "{}", removed.stderr);
    assert_eq!(state(&place, "third"), "interrupted");
    let again = place.run(&["queue", "remove", "third"]);
    assert_eq!(again.code, Some(2));
    assert!(
        again.stderr.contains("not in the queue"),
        "{}",
        again.stderr
    );

    assert_eq!(place.run(&["stop", "first"]).code, Some(0));
    eventually("the next starts", || state(&place, "fourth") == "running");
    assert_eq!(state(&place, "second"), "queued");
    assert_eq!(line(&place), ["1 second"]);
    // A paused run keeps its device.
    assert_eq!(place.run(&["pause", "fourth"]).code, Some(0));
    eventually("the reason follows", || {
        place
            .run(&["queue"])
            .stdout
            .contains("-fourth is paused there")
    });
    assert_eq!(place.run(&["stop", "fourth"]).code, Some(0));
    eventually("the last starts", || state(&place, "second") == "running");
    eventually("the scheduler leaves", || scheduler(&place).is_none());
    assert_eq!(state(&place, "second"), "running", "without its scheduler");
    assert_eq!(place.run(&["stop", "second"]).code, Some(0));
    // The one taken out starts from its beginning.
    assert_eq!(
        place.run(&["resume", "third", "--ui", "none"]).code,
        Some(0)
    );
    let empty = place.run(&["queue"]);
    assert_eq!((empty.code, empty.stdout.as_str()), (Some(0), ""));
    assert!(empty.stderr.contains("nothing waits"), "{}", empty.stderr);
}

#[test]
fn a_killed_scheduler_is_revived_and_two_are_one() {
    let place = busy();
    enqueue(&place, "wait", "second");
    eventually("a scheduler", || scheduler(&place).is_some());
    let second = place.run(&["queue", "work"]);
    assert_eq!(second.code, Some(0));
    assert!(
        second.stderr.contains("another scheduler"),
        "{}",
        second.stderr
    );
    kill_scheduler(&place);
    assert_eq!(place.run(&["stop", "first"]).code, Some(0));
    let told = place.run(&["queue"]);
    assert!(
        told.stderr.contains("nobody starts these"),
        "{}",
        told.stderr
    );
    assert_eq!(line(&place), ["1 second"], "the queue is in the folders");
    enqueue(&place, "wait", "third");
    eventually("it starts after all", || {
        state(&place, "second") == "running"
    });
    kill_scheduler(&place);
    assert_eq!(state(&place, "second"), "running", "its end ends no run");
    assert_eq!(place.run(&["stop", "second", "third"]).code, Some(0));
    assert_eq!(line(&place), [""; 0], "stopping a waiting run takes it out");
}

#[test]
fn a_worker_that_crashes_frees_its_device() {
    let place = busy();
    enqueue(&place, "", "second");
    let script = place.path().join("broken-worker");
    std::fs::write(&script, "#!/bin/sh\necho no such library\nexit 7\n").expect("a script");
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).expect("an executable");
    let path = script.display().to_string();
    let third = place.run(&[
        "train", "demo", "--name", "third", "--queue", "--worker", &path,
    ]);
    assert_eq!(third.code, Some(0), "{}", third.stderr);
    enqueue(&place, "wait", "fourth");
    let gone = place.path().join("gone-worker");
    std::fs::copy(fake_worker(), &gone).expect("a copy");
    let path = gone.display().to_string();
    place.run(&[
        "train", "demo", "--name", "fifth", "--queue", "--worker", &path,
    ]);
    std::fs::remove_file(&gone).expect("a file");

    assert_eq!(place.run(&["kill", "first", "--yes"]).code, Some(0));
    eventually("the third is found out", || {
        state(&place, "third") == "failed"
    });
    let runs = place.run(&["runs", "--format", "csv"]).stdout;
    assert!(runs.contains("exit status: 7 no such library"), "{runs}");
    // Nobody knows how the workers of the others behave but their scheduler.
    eventually("all had their turn", || {
        let done = |name| ["finished", "running"].contains(&state(&place, name).as_str());
        if state(&place, "fourth") == "running" {
            place.run(&["stop", "fourth"]);
        }
        if state(&place, "second") == "running" {
            place.run(&["stop", "second"]);
        }
        // The one whose worker is gone is run by the one that is there.
        done("fifth")
    });
    place.run(&["stop", "fifth"]);
    eventually("the scheduler leaves", || scheduler(&place).is_none());
}

#[test]
fn a_folder_removed_while_it_waits_is_nobodys_trouble() {
    let place = busy();
    let row = enqueue(&place, "wait", "second");
    enqueue(&place, "wait", "third");
    let folder = row[0]["folder"].as_str().expect("a folder").to_owned();
    std::fs::remove_dir_all(place.path().join(folder)).expect("a folder");
    assert_eq!(line(&place), ["1 third"]);
    assert_eq!(place.run(&["stop", "first"]).code, Some(0));
    eventually("the third starts", || state(&place, "third") == "running");
    // The whole folder of the runs goes: the scheduler does too.
    enqueue(&place, "wait", "fourth");
    place.run(&["stop", "third"]);
    eventually("the fourth starts", || state(&place, "fourth") == "running");
    place.run(&["stop", "fourth"]);
    eventually("no scheduler stays", || scheduler(&place).is_none());
}

#[test]
fn runs_wait_for_the_device_they_ask_for() {
    let place = busy();
    enqueue(&place, "wait", "second");
    let answer = place.run_as(
        "wait",
        &[
            "train", "demo", "--name", "other", "--queue", "--device", "cuda:3", "--format", "json",
        ],
    );
    assert_eq!(answer.json()[0]["device"], "cuda:3");
    // Another device is free; the fake worker runs anywhere.
    eventually("it does not wait for the processor", || {
        state(&place, "other") == "running"
    });
    assert_eq!(line(&place), ["1 second"]);
    assert_eq!(
        place.run(&["stop", "other", "second", "first"]).code,
        Some(0)
    );
}

#[test]
fn ended_and_new_runs_are_queued_and_started_by_hand() {
    let place = busy();
    let both = place.run_as(
        "wait",
        &["train", "demo", "--name", "n", "--seeds", "2", "--queue"],
    );
    assert_eq!(both.code, Some(0), "{}", both.stderr);
    assert_eq!(both.stdout.lines().count(), 3, "{}", both.stdout);
    // Started by hand, it does not wait any more, nor does its device count.
    let resumed = place.run_as("wait", &["resume", "n-s1", "--detach"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    eventually("it runs", || state(&place, "n-s1") == "running");
    assert_eq!(line(&place), ["1 s2"]);
    let refused = place.run(&["resume", "n-s1", "--queue"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let archived = place.run(&["archive", "n-s2"]);
    assert!(
        archived.stderr.contains("concord queue remove"),
        "{}",
        archived.stderr
    );
    assert_eq!(place.run(&["stop", "n-s1"]).code, Some(0));
    let again = place.run(&["resume", "n-s1", "--queue", "--format", "json"]);
    assert_eq!(again.json()[0]["position"], 2, "{}", again.stderr);
    place.run(&["queue", "move", "n-s1", "up"]);
    place.run(&["stop", "first"]);
    eventually("it goes on", || state(&place, "n-s1") == "running");
    let folder = again.json()[0]["folder"]
        .as_str()
        .expect("a folder")
        .to_owned();
    let log = std::fs::read_to_string(place.path().join(folder).join("console.log"));
    assert!(log.expect("a log").contains("resumed true"));
    place.run(&["stop", "n-s2", "n-s1"]);
}

/// Its place fills up while it runs: the queue waits, and goes on by itself.
#[test]
fn a_run_that_cannot_be_started_waits_with_the_reason() {
    let place = busy();
    let row = enqueue(&place, "wait", "second");
    let folder = place
        .path()
        .join(row[0]["folder"].as_str().expect("a folder"));
    // A folder in the place of the log: it cannot be opened, as on a full disk.
    std::fs::create_dir(folder.join("console.log")).expect("a folder");
    assert_eq!(place.run(&["stop", "first"]).code, Some(0));
    eventually("the reason is told", || {
        let told = place.run(&["queue"]).stdout;
        told.contains("cannot start yet") && told.contains("free disk space")
    });
    assert_eq!(state(&place, "second"), "queued");
    std::fs::remove_dir(folder.join("console.log")).expect("a folder");
    eventually("it is tried again", || state(&place, "second") == "running");
    assert_eq!(place.run(&["stop", "second"]).code, Some(0));
}

#[test]
fn ctrl_c_at_a_waiting_run_leaves_it_waiting() {
    let place = busy();
    enqueue(&place, "wait", "second");
    let attached: Child = place.start_as("", &["attach", "second", "--ui", "none"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal(&attached, Signal::INT);
    let output = attached.wait_with_output().expect("an end");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("waits for cpu"), "{said}");
    assert_eq!(place.run(&["stop", "second", "first"]).code, Some(0));
}
