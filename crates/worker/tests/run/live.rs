//! Episodes of a training, watched while it goes on.

use std::time::Duration;

use tracking::{ControlClient, ControlCommand, LiveFrame, LiveFrames};

use crate::folder::TestRun;

const LIMIT: Duration = Duration::from_secs(20);

fn watch(run: &TestRun, environment: usize) -> LiveFrames {
    run.wait_until("the socket", |run| {
        ControlClient::send(&run.folder, ControlCommand::Ping, LIMIT).is_ok()
    });
    LiveFrames::open(&run.folder, environment, LIMIT).unwrap()
}

fn episode(frames: &mut LiveFrames) -> Vec<LiveFrame> {
    let mut seen: Vec<LiveFrame> = Vec::new();
    while seen.last().is_none_or(|frame| !frame.over) {
        seen.push(frames.next(LIMIT).unwrap().expect("a frame in time"));
    }
    seen
}

#[test]
fn a_watched_run_shows_whole_episodes_and_ends_as_ever() {
    let run = TestRun::new(&[
        "total_steps=100000000",
        "runtime.actors=2",
        "runtime.environments_per_actor=3",
        "environment.time_limit=6",
    ]);
    let mut child = run.start();
    let outside = {
        drop(watch(&run, 5));
        LiveFrames::open(&run.folder, 6, LIMIT).unwrap_err()
    };
    assert!(outside.to_string().contains("allowed: 0 to 5"), "{outside}");
    let mut frames = watch(&run, 4);
    for _ in 0..2 {
        let seen = episode(&mut frames);
        let steps: Vec<u64> = seen.iter().map(|frame| frame.step).collect();
        assert_eq!(steps, (0..seen.len() as u64).collect::<Vec<_>>());
        let rewards: f64 = seen.iter().map(|frame| frame.reward).sum();
        let last = seen.last().unwrap();
        assert!((last.episode_return - rewards).abs() < 1e-9);
        assert!(
            seen.iter()
                .all(|frame| frame.environment == 4 && frame.central.is_none())
        );
    }
    ControlClient::send(&run.folder, ControlCommand::Stop, LIMIT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let end = loop {
        match frames.next(LIMIT) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a worker that left keeps its watcher waiting"),
            Err(error) => break error,
        }
    };
    assert!(end.to_string().contains("closed"), "{end}");
}

#[test]
fn a_watched_switch_tells_its_decisions_and_its_budget() {
    let run = TestRun::new(&[
        "total_steps=100000000",
        "algorithm.kind=mansa",
        "algorithm.switch.kind=random",
        "algorithm.switch.budget={kind='per_episode',calls=2}",
        "environment.time_limit=8",
    ]);
    let mut child = run.start();
    let seen = episode(&mut watch(&run, 0));
    let decided = seen.iter().filter(|frame| frame.central.is_some()).count();
    assert_eq!(
        decided,
        seen.len() - 1,
        "every step is decided, the end is not"
    );
    let calls = seen
        .iter()
        .filter(|frame| frame.central == Some(true))
        .count();
    let left = seen.last().unwrap().budget_left.unwrap();
    assert!(
        calls <= 2 && (left - (1.0 - calls as f64 / 2.0)).abs() < 1e-6,
        "{calls} {left}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}
