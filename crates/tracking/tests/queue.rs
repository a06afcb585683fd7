//! The line of waiting runs, and who uses which device.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use tracking::queue::{
    Move, Occupancy, SchedulerLock, device_key, enqueue, explain, leave_line, shift, take_out,
    ticket, waiting,
};
use tracking::{
    NewRun, ProcessIdentity, RunFolder, RunState, Status, StatusWriter, TrackingError, unix_seconds,
};

fn run_in(root: &Path, name: &str) -> RunFolder {
    let new = NewRun {
        name: name.into(),
        device: "auto".into(),
        ..NewRun::default()
    };
    RunFolder::create(root, &new).unwrap()
}

fn line(root: &Path) -> Vec<(String, String, usize)> {
    waiting(root)
        .unwrap()
        .into_iter()
        .map(|one| {
            let id = one.run.id();
            let name = id.rsplit('-').next().unwrap().to_owned();
            (one.ticket.device, name, one.position)
        })
        .collect()
}

fn names(root: &Path, device: &str) -> String {
    let on = |(own, name, _): (String, String, usize)| (own == device).then_some(name);
    line(root).into_iter().filter_map(on).collect()
}

#[test]
fn runs_wait_in_a_line_per_device_and_are_moved_within_it() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    assert!(waiting(root).unwrap().is_empty());
    let worker = Path::new("worker");
    let runs: Vec<RunFolder> = ["a", "b", "c", "d"].map(|name| run_in(root, name)).into();
    for (run, device) in runs.iter().zip(["cpu", "cuda", "cpu", "cpu"]) {
        let place = enqueue(root, run, device, worker).unwrap();
        assert_eq!(place.reason, format!("waits for {}", device_key(device)));
    }
    assert_eq!(names(root, "cpu"), "acd");
    assert_eq!(line(root)[3], ("cuda:0".to_owned(), "b".to_owned(), 1));

    for (moved, to, order) in [
        (3, Move::Up, "adc"),
        (3, Move::Up, "dac"),
        (3, Move::Up, "dac"),
        (0, Move::Down, "dca"),
        (0, Move::Down, "dca"),
        (0, Move::Top, "adc"),
    ] {
        shift(root, &runs[moved], to).unwrap();
        assert_eq!(names(root, "cpu"), order);
    }
    // A folder that is removed leaves the line; so does one that was started.
    std::fs::remove_dir_all(runs[3].path()).unwrap();
    leave_line(&runs[0]).unwrap();
    assert_eq!(names(root, "cpu"), "c");
    let error = shift(root, &runs[0], Move::Up).unwrap_err();
    assert!(error.to_string().contains("not in the queue"), "{error}");
}

#[test]
fn a_run_taken_out_is_as_it_was_before() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let fresh = run_in(root, "fresh");
    let begun = run_in(root, "begun");
    let failed = Status {
        state: RunState::Failed,
        exit_code: Some(4),
        ..begun.status().unwrap()
    };
    failed.write(&begun.status_file()).unwrap();
    for (run, expected) in [(&fresh, RunState::Interrupted), (&begun, RunState::Failed)] {
        let place = enqueue(root, run, "cpu", Path::new("worker")).unwrap();
        assert_eq!(run.status().unwrap().state, RunState::Queued);
        explain(&place, "waits for cpu, busy with x").unwrap();
        assert_eq!(
            waiting(root).unwrap()[0].reason,
            "waits for cpu, busy with x"
        );
        assert_eq!(take_out(root, run).unwrap(), expected);
        let status = run.status().unwrap();
        assert_eq!(status.state, expected);
        assert!(status.message.contains("taken out"), "{}", status.message);
        assert!(ticket(run).is_none());
    }
}

#[test]
fn nobody_queues_a_run_that_another_process_writes() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path(), "held");
    let _lock = run.lock().unwrap();
    let error = enqueue(root.path(), &run, "cpu", Path::new("worker")).unwrap_err();
    assert!(matches!(error, TrackingError::InUse { .. }), "{error}");
    assert!(!run.ticket().exists());
}

#[test]
fn there_is_one_scheduler() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(SchedulerLock::holder(root.path()), None);
    let held = SchedulerLock::take(root.path()).unwrap();
    assert!(held.is_some());
    assert!(SchedulerLock::take(root.path()).unwrap().is_none());
    assert_eq!(SchedulerLock::holder(root.path()), Some(std::process::id()));
    drop(held);
    assert_eq!(SchedulerLock::holder(root.path()), None);
    assert!(SchedulerLock::take(root.path()).unwrap().is_some());
}

#[test]
fn a_device_is_in_use_while_its_run_lives() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let mut occupancy = Occupancy::default();
    let mut devices = || {
        let found = occupancy.devices(root, "cpu", unix_seconds()).unwrap();
        let pairs = found.into_iter().map(|(device, one)| (device, one.state));
        pairs.collect::<Vec<_>>()
    };
    let run = run_in(root, "one");
    assert_eq!(devices(), []);
    let mut status = Status {
        state: RunState::Paused,
        device: "cuda(1)".into(),
        ..run.status().unwrap()
    };
    let writer = StatusWriter::new(&run);
    writer.write(&status, false).unwrap();
    assert_eq!(devices(), [("cuda:1".to_owned(), RunState::Paused)]);
    status.device = "auto".into();
    writer.write(&status, false).unwrap();
    assert_eq!(devices(), [("cpu".to_owned(), RunState::Paused)]);
    // Its process is gone: the device is free, whatever the file says.
    status.process = ProcessIdentity::current().map(|process| ProcessIdentity {
        start_time: process.start_time + 1,
        ..process
    });
    status.write(&run.status_file()).unwrap();
    assert_eq!(devices(), []);
}

#[test]
fn archived_runs_give_way_and_can_still_be_named() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let (old, new) = (run_in(root, "demo-1"), run_in(root, "demo-2"));
    assert_eq!(RunFolder::find(root, "last").unwrap(), new);
    new.set_archived(true).unwrap();
    assert!(new.is_archived() && !old.is_archived());
    assert_eq!(RunFolder::find(root, "last").unwrap(), old);
    assert_eq!(RunFolder::find(root, "demo").unwrap(), old);
    assert_eq!(RunFolder::find(root, "demo-2").unwrap(), new);
    old.set_archived(true).unwrap();
    assert!(matches!(
        RunFolder::find(root, "demo").unwrap_err(),
        TrackingError::AmbiguousRun { .. }
    ));
    for _ in 0..2 {
        new.set_archived(false).unwrap();
    }
    assert_eq!(RunFolder::find(root, "last").unwrap(), new);
}
