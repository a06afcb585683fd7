use std::path::Path;

use tracking::{NewRun, ProcessIdentity, StatusWriter};

use super::*;

const NOW: f64 = 1_800_000_000.0;

fn folder(root: &Path, name: &str) -> RunFolder {
    let new = NewRun {
        name: name.into(),
        job: "train".into(),
        algorithm: "iql".into(),
        task: "lbf".into(),
        seed: 7,
        device: "cpu".into(),
        total_steps: 100,
        ..NewRun::default()
    };
    RunFolder::create(root, &new).expect("a run")
}

fn created(run: &RunFolder) -> f64 {
    run.meta().expect("a description").created
}

fn write(run: &RunFolder, status: &Status) {
    status.write(&run.status_file()).expect("a status");
}

fn seen(list: &mut RunList, now: f64) -> RunSummary {
    list.scan(now);
    list.runs().remove(0)
}

/// A process on another machine, which only its heartbeat tells of.
fn elsewhere() -> ProcessIdentity {
    ProcessIdentity {
        pid: 1,
        start_time: 1,
        machine: "another".to_owned(),
    }
}

fn running(process: ProcessIdentity, heartbeat: f64) -> Status {
    Status {
        version: STATUS_VERSION,
        state: RunState::Running,
        process: Some(process),
        heartbeat,
        started: heartbeat,
        ..Status::default()
    }
}

#[test]
fn a_list_changes_with_its_folder_and_only_then() {
    let root = tempfile::tempdir().expect("a folder");
    let mut list = RunList::new(&root.path().join("none yet"));
    assert!(list.scan(NOW) && list.runs().is_empty());
    assert!(!list.scan(NOW + 1.0));

    let mut list = RunList::new(root.path());
    let run = folder(root.path(), "a");
    std::fs::create_dir(root.path().join("no run")).expect("a folder");
    std::fs::write(root.path().join("a file"), "").expect("a file");
    assert!(list.scan(NOW));
    let summary = list.runs().remove(0);
    let described = (
        summary.job.as_str(),
        summary.algorithm.as_str(),
        summary.seed,
    );
    assert_eq!(described, ("train", "iql", 7));
    assert_eq!(
        (summary.total_steps, summary.device.as_str()),
        (100.0, "cpu")
    );
    assert!(summary.created > 1e9 && !summary.archived);

    StatusWriter::new(&run)
        .write(
            &Status {
                state: RunState::Running,
                best_evaluation: Some(0.5),
                ..Status::default()
            },
            false,
        )
        .expect("a status");
    let now = tracking::unix_seconds();
    assert!(list.scan(now) && !list.scan(now + 1.0));
    let summary = list.runs().remove(0);
    assert_eq!(
        (summary.state, summary.best_return),
        (RunState::Running, Some(0.5))
    );
    assert_eq!(summary.trouble, "");

    std::fs::write(run.path().join("archived"), "").expect("a mark");
    assert!(list.scan(now + 2.0) && list.runs()[0].archived);
    std::fs::remove_dir_all(run.path()).expect("a removed run");
    assert!(list.scan(now + 3.0) && list.runs().is_empty());
}

#[test]
fn a_folder_of_a_newer_version_says_so_and_is_shown_as_far_as_it_is_known() {
    let root = tempfile::tempdir().expect("a folder");
    let run = folder(root.path(), "a");
    let process = ProcessIdentity::current().expect("a process");
    let mut value = serde_json::to_value(running(process, NOW)).expect("a status");
    value["version"] = 9.into();
    value["state"] = "dancing".into();
    value["later"] = serde_json::json!([1]);
    std::fs::write(run.status_file(), value.to_string()).expect("a status");
    let mut list = RunList::new(root.path());
    let summary = seen(&mut list, NOW + 1.0);
    assert_eq!(summary.state, RunState::Running);
    assert!(
        summary
            .trouble
            .contains("newer version (status 9, this one knows 1)"),
        "{}",
        summary.trouble
    );
    // Broken, and of no newer version: that is said as well.
    std::fs::write(run.status_file(), "{\"state\":\"dancing\"").expect("a status");
    let summary = seen(&mut list, NOW + 2.0);
    assert!(
        summary.trouble.contains("status.json"),
        "{}",
        summary.trouble
    );
}

#[test]
fn a_worker_that_never_starts_is_remarked_on() {
    let root = tempfile::tempdir().expect("a folder");
    let run = folder(root.path(), "a");
    let mut list = RunList::new(root.path());
    let start = created(&run);
    assert_eq!(seen(&mut list, start + 10.0).trouble, "");
    let summary = seen(&mut list, start + 300.0);
    assert_eq!(summary.state, RunState::Queued);
    assert_eq!(
        summary.trouble,
        "no worker took it up for 5m 00s - r starts it"
    );
    // One that waits in the queue says what for.
    let waiting = Status {
        message: "cpu is in use by b".to_owned(),
        ..run.status().expect("a status")
    };
    write(&run, &waiting);
    let summary = seen(&mut list, start + 300.0);
    assert_eq!(
        (summary.trouble.as_str(), summary.waits_for.as_str()),
        ("", "cpu is in use by b")
    );

    let process = ProcessIdentity::current().expect("a process");
    let loading = Status {
        state: RunState::Starting,
        ..running(process.clone(), start)
    };
    write(&run, &loading);
    assert_eq!(seen(&mut list, start + 30.0).trouble, "");
    let summary = seen(&mut list, start + 240.0);
    assert!(
        summary.trouble.starts_with("loading for 4m 00s"),
        "{}",
        summary.trouble
    );
    // Its process is gone: lost, whatever the state says.
    let gone = ProcessIdentity {
        start_time: process.start_time + 1,
        ..process
    };
    write(
        &run,
        &Status {
            process: Some(gone),
            ..loading
        },
    );
    assert_eq!(seen(&mut list, start + 241.0).state, RunState::Lost);
}

#[test]
fn a_silent_worker_is_remarked_on() {
    let root = tempfile::tempdir().expect("a folder");
    let run = folder(root.path(), "a");
    let process = ProcessIdentity::current().expect("a process");
    write(&run, &running(process, NOW));
    let summary = seen(&mut RunList::new(root.path()), NOW + 200.0);
    assert_eq!(summary.state, RunState::Running);
    assert!(
        summary
            .trouble
            .starts_with("no word from its worker for 3m 20s"),
        "{}",
        summary.trouble
    );
}

#[test]
fn a_clock_that_jumps_gives_no_negative_age_and_no_false_loss() {
    let root = tempfile::tempdir().expect("a folder");
    let run = folder(root.path(), "a");
    let here = ProcessIdentity::current().expect("a process");
    // This machine's clock was put back by an hour; the worker is alive.
    write(&run, &running(here, NOW + 3600.0));
    let mut list = RunList::new(root.path());
    let summary = seen(&mut list, NOW);
    assert_eq!((summary.state, summary.heard), (RunState::Running, NOW));
    assert!(
        summary.trouble.contains("1h 00m ahead"),
        "{}",
        summary.trouble
    );

    // On another machine, from the future: alive as long as it is seen to beat, lost
    // once it has been silent here.
    write(&run, &running(elsewhere(), NOW + 3600.0));
    let mut list = RunList::new(root.path());
    assert_eq!(seen(&mut list, NOW).state, RunState::Running);
    write(&run, &running(elsewhere(), NOW + 3650.0));
    assert_eq!(seen(&mut list, NOW + 50.0).state, RunState::Running);
    assert_eq!(seen(&mut list, NOW + 100.0).state, RunState::Running);
    assert_eq!(seen(&mut list, NOW + 111.0).state, RunState::Lost);
    // It beats again, by a clock that is an hour behind: it is not lost for ever.
    write(&run, &running(elsewhere(), NOW - 3600.0));
    assert_eq!(seen(&mut list, NOW + 120.0).state, RunState::Running);
}

#[test]
fn an_ended_run_that_is_resumed_is_noticed() {
    let root = tempfile::tempdir().expect("a folder");
    let run = folder(root.path(), "a");
    let status = Status {
        state: RunState::Finished,
        ..Status::default()
    };
    write(&run, &status);
    let mut list = RunList::new(root.path());
    assert_eq!(seen(&mut list, NOW).state, RunState::Finished);
    let process = ProcessIdentity::current().expect("a process");
    write(&run, &running(process, NOW));
    let found = (0..ENDED_EVERY).any(|_| seen(&mut list, NOW).state == RunState::Running);
    assert!(found);
}

#[test]
fn a_fine_tuning_tells_its_latest_win_rate() {
    let root = tempfile::tempdir().expect("a folder");
    let new = NewRun {
        name: "a".into(),
        job: "finetune".into(),
        ..NewRun::default()
    };
    let run = RunFolder::create(root.path(), &new).expect("a run");
    let line = |sequence: u64, value: f64| {
        format!(
            "{{\"v\":1,\"seq\":{sequence},\"time\":1.5,\"kind\":\"scalar\",\"name\":\"{WIN_RATE}\",\
             \"value\":{value},\"axis\":\"learner_updates\",\"step\":{sequence}}}\n"
        )
    };
    let text: String = (0..2_000).map(|index| line(index, 0.25)).collect();
    std::fs::write(run.events(), text + &line(2_000, 0.75)).expect("a log");
    let summary = seen(&mut RunList::new(root.path()), NOW);
    assert_eq!(summary.win_rate, Some(0.75));
    // With accuracies the status has the score, as everywhere else.
    let text = line(0, 0.75) + &line(1, 0.5).replace(WIN_RATE, ACCURACY);
    std::fs::write(run.events(), text).expect("a log");
    let summary = seen(&mut RunList::new(root.path()), NOW);
    assert_eq!(summary.win_rate, None);
}
