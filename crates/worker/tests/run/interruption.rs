//! Stopping, killing and resuming.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use tracking::{ControlClient, ControlCommand, EvaluationPurpose, RunState};

use crate::folder::{TestRun, outcome};

/// Long enough to be interrupted between two checkpoints.
const LONG: &[&str] = &["total_steps=40000", "checkpoint.interval_steps=4000"];

pub(crate) fn signal(child: &std::process::Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Every byte of the last checkpoint, the wall-clock aside.
fn last_checkpoint(run: &TestRun) -> Vec<(String, Vec<u8>)> {
    let (_, path) = run.folder.checkpoints().into_iter().max().unwrap();
    let mut files: Vec<_> = fs::read_dir(&path)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let bytes = fs::read(&path).unwrap();
            if name != "state.json" {
                return (name, bytes);
            }
            let mut state: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            state["counters"]["progress"]["seconds"] = 0.0.into();
            (name, serde_json::to_vec(&state).unwrap())
        })
        .collect();
    files.sort();
    files
}

pub(crate) fn killed_and_resumed_equals_straight(extra: &[&str]) {
    interrupted_and_resumed_equals_straight(extra, |run| run.wait_for_checkpoint());
}

/// Kills a run once `meanwhile` is through with it.
pub(crate) fn interrupted_and_resumed_equals_straight(
    extra: &[&str],
    meanwhile: impl FnOnce(&TestRun),
) {
    let sets = [LONG, extra].concat();
    let straight = TestRun::new(&sets);
    assert_eq!(outcome(&straight.run()), (0, String::new()));

    let killed = TestRun::new(&sets);
    let mut child = killed.start();
    meanwhile(&killed);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    let (step, _) = killed.folder.checkpoints().into_iter().max().unwrap();
    assert!(step < 40_000, "the run was over before it was killed");
    assert_eq!(outcome(&killed.resume()), (0, String::new()));

    assert_eq!(
        straight.folder.checkpoints().len(),
        killed.folder.checkpoints().len()
    );
    let (left, right) = (last_checkpoint(&straight), last_checkpoint(&killed));
    for ((name, left), (other, right)) in left.iter().zip(&right) {
        assert_eq!(name, other);
        assert!(left == right, "{name} differs after the resume");
    }
    let scores = |run: &TestRun| run.returns(EvaluationPurpose::Absolute);
    assert_eq!(scores(&straight), scores(&killed));
}

#[test]
fn a_run_killed_and_resumed_continues_bit_for_bit() {
    killed_and_resumed_equals_straight(&[]);
}

#[test]
fn so_does_one_whose_actors_play_ahead_on_two_threads() {
    killed_and_resumed_equals_straight(&[
        "runtime.mode={kind='lockstep',lag_rounds=1}",
        "runtime.actors=2",
        "runtime.learner_shards=2",
        "network.kind=gru",
        "environment.action_masks=true",
    ]);
}

/// Rounds of five episodes and updates of twelve: some wait in the checkpoint.
#[test]
fn so_does_one_whose_episodes_wait_for_the_next_update() {
    killed_and_resumed_equals_straight(&[
        "algorithm.kind=mappo",
        "algorithm.ppo.minibatches=3",
        "algorithm.ppo.advantage={kind='gae',lambda=0.9}",
        "algorithm.ppo.value_clip=0.2",
        "algorithm.ppo.value_normalisation=true",
        "replay.batch_episodes=12",
        "runtime.environments_per_actor=5",
        "runtime.learner_shards=2",
        "environment.action_masks=true",
    ]);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let sets = [
        "runtime.mode={kind='lockstep',lag_rounds=1}",
        "runtime.actors=3",
    ];
    let runs = [TestRun::new(&sets), TestRun::new(&sets)];
    for run in &runs {
        assert_eq!(outcome(&run.run()), (0, String::new()));
    }
    assert!(last_checkpoint(&runs[0]) == last_checkpoint(&runs[1]));
    let other = TestRun::new(&[&sets[..], &["seed=2"]].concat());
    assert_eq!(outcome(&other.run()), (0, String::new()));
    assert!(last_checkpoint(&runs[0]) != last_checkpoint(&other));
}

#[test]
fn sigterm_writes_a_checkpoint_and_exits_5() {
    let run = TestRun::new(&["total_steps=100000000"]);
    let mut child = run.start();
    run.wait_for_checkpoint();
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let status = run.folder.status().unwrap();
    assert_eq!(status.state, RunState::Interrupted);
    let (step, _) = run.folder.checkpoints().into_iter().max().unwrap();
    assert_eq!(
        step, status.progress.step,
        "the checkpoint is older than the end"
    );
}

/// Long before the training begins: the worker has only just taken the folder.
#[test]
fn a_signal_while_the_worker_prepares_is_a_stop_too() {
    let run = TestRun::new(&["total_steps=100000000"]);
    let mut child = run.start();
    run.wait_until("the worker takes the folder", |run| {
        let status = run.folder.status();
        // A busy machine may look only after the preparation is over.
        status.is_ok_and(|status| matches!(status.state, RunState::Starting | RunState::Running))
    });
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let status = run.folder.status().unwrap();
    assert_eq!(status.state, RunState::Interrupted);
    assert!(!run.folder.checkpoints().is_empty());
}

#[test]
fn stop_pause_and_checkpoint_come_over_the_socket() {
    let run = TestRun::new(&[
        "total_steps=100000000",
        "checkpoint.interval_steps=100000000",
    ]);
    let mut child = run.start();
    let send =
        |command| ControlClient::send(&run.folder, command, std::time::Duration::from_secs(10));
    run.wait_until("the socket", |_| send(ControlCommand::Ping).is_ok());
    assert!(run.folder.checkpoints().is_empty());
    send(ControlCommand::CheckpointNow).unwrap();
    run.wait_for_checkpoint();
    send(ControlCommand::Pause).unwrap();
    let state = |run: &TestRun| run.folder.status().map(|status| status.state).ok();
    run.wait_until("the pause", |run| state(run) == Some(RunState::Paused));
    send(ControlCommand::Resume).unwrap();
    run.wait_until("the end of the pause", |run| {
        state(run) == Some(RunState::Running)
    });
    send(ControlCommand::Stop).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

#[test]
fn a_second_signal_leaves_at_once() {
    // The updates of the second round take far longer than the two signals.
    let run = TestRun::new(&[
        "total_steps=100000000",
        "runtime.updates_per_episode=1000",
        "network.hidden_size=256",
        "network.kind=gru",
        "logging.interval_secs=0.001",
    ]);
    let mut child = run.start();
    run.wait_until("the first round", |run| {
        let status = run.folder.status();
        status.is_ok_and(|status| status.progress.step > 0)
    });
    signal(&child, "-INT");
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let status = run.folder.status().unwrap();
    assert_eq!(
        (status.state, status.exit_code),
        (RunState::Interrupted, Some(130))
    );
}
