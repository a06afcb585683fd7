//! Live episodes over the socket of a run.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use tracking::{
    ControlClient, ControlCommand, ControlServer, LiveFrame, LiveFrames, LiveStage, NewRun,
    RunFolder, TrackingError,
};

const LIMIT: Duration = Duration::from_secs(5);

fn run_in(root: &tempfile::TempDir) -> RunFolder {
    let new = NewRun {
        name: "live".into(),
        ..NewRun::default()
    };
    RunFolder::create(root.path(), &new).unwrap()
}

fn frame(environment: usize, step: u64) -> LiveFrame {
    LiveFrame {
        environment,
        step,
        scene: serde_json::json!({"rows": 2}),
        central: Some(step.is_multiple_of(2)),
        budget_left: None,
        episode_return: 0.5,
        reward: 0.25,
        actions: vec![1, 2],
        over: false,
    }
}

fn waits_for(stage: &LiveStage, count: usize) {
    let start = Instant::now();
    while stage.waiting(0..8).len() != count {
        assert!(start.elapsed() < LIMIT, "never {count} watchers");
        std::thread::yield_now();
    }
}

#[test]
fn a_watcher_sees_one_episode_in_order_and_at_ten_frames_a_second() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(&root);
    let stage = LiveStage::new(8);
    let (_commands, server) = ControlServer::start_on_stage(&run, stage.clone()).unwrap();
    assert!(stage.waiting(0..8).is_empty(), "nobody watches");
    let mut frames = LiveFrames::open(&run, 3, LIMIT).unwrap();
    waits_for(&stage, 1);
    assert!(stage.waiting(0..3).is_empty() && stage.waiting(4..8).is_empty());
    assert_eq!(frames.next(Duration::from_millis(20)).unwrap(), None);

    let watcher = stage.waiting(3..4).remove(0);
    let start = Instant::now();
    for step in 0..4 {
        watcher.show(frame(watcher.environment(), step));
    }
    assert!(
        stage.waiting(0..8).is_empty(),
        "he still has frames to see: no further episode is made for him"
    );
    for step in 0..4 {
        assert_eq!(frames.next(LIMIT).unwrap(), Some(frame(3, step)));
    }
    assert!(start.elapsed() >= Duration::from_millis(300), "three gaps");
    waits_for(&stage, 1);
    // Other clients are served meanwhile.
    ControlClient::send(&run, ControlCommand::Ping, LIMIT).unwrap();

    server.close();
    let error = frames.next(LIMIT).unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
}

#[test]
fn a_watcher_who_left_costs_nothing_any_more() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(&root);
    let stage = LiveStage::new(1);
    let (_commands, _server) = ControlServer::start_on_stage(&run, stage.clone()).unwrap();
    let frames = LiveFrames::open(&run, 0, LIMIT).unwrap();
    waits_for(&stage, 1);
    drop(frames);
    waits_for(&stage, 0);
}

#[test]
fn what_cannot_be_watched_is_refused_with_what_can() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(&root);
    let missing = LiveFrames::open(&run, 0, LIMIT).unwrap_err();
    assert!(
        matches!(missing, TrackingError::Unreachable { .. }),
        "{missing}"
    );
    let stage = LiveStage::new(2);
    let (_commands, _server) = ControlServer::start_on_stage(&run, stage.clone()).unwrap();
    let outside = LiveFrames::open(&run, 2, LIMIT).unwrap_err();
    assert!(
        matches!(&outside, TrackingError::Refused { message } if message.contains("allowed: 0 to 1")),
        "{outside}"
    );
    let _seats: Vec<LiveFrames> = (0..16)
        .map(|_| LiveFrames::open(&run, 1, LIMIT).unwrap())
        .collect();
    waits_for(&stage, 16);
    let full = LiveFrames::open(&run, 1, LIMIT).unwrap_err();
    assert!(full.to_string().contains("16 watchers"), "{full}");
}

#[test]
fn an_endless_episode_is_cut_and_a_watcher_who_reads_nothing_is_let_go() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(&root);
    let stage = LiveStage::new(1);
    let (_commands, _server) = ControlServer::start_on_stage(&run, stage.clone()).unwrap();
    let mut silent = UnixStream::connect(run.control_socket()).unwrap();
    silent
        .write_all(b"{\"v\":1,\"command\":\"watch\",\"environment\":0}\n")
        .unwrap();
    waits_for(&stage, 1);
    let watcher = stage.waiting(0..1).remove(0);
    // No socket holds this: the sender has to wait, the actor has not.
    let large = LiveFrame {
        scene: serde_json::Value::String("x".repeat(8 << 20)),
        ..frame(0, 0)
    };
    for step in 0..5000 {
        watcher.show(if step < 2 {
            large.clone()
        } else {
            frame(0, step)
        });
    }
    let start = Instant::now();
    while std::sync::Arc::strong_count(&stage) > 3 {
        assert!(start.elapsed() < LIMIT, "the silent watcher keeps his seat");
        std::thread::sleep(Duration::from_millis(10));
    }
}
