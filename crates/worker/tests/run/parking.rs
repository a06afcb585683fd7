//! Paused runs: idle, alive, and as good as any other to checkpoint, stop and kill.

use std::process::Child;
use std::time::{Duration, Instant};

use tracking::{ControlClient, ControlCommand, Progress, RunState};

use crate::folder::TestRun;
use crate::interruption::interrupted_and_resumed_equals_straight;

const LIMIT: Duration = Duration::from_secs(10);

fn send(run: &TestRun, command: ControlCommand) {
    ControlClient::send(&run.folder, command, LIMIT).unwrap();
}

fn state(run: &TestRun) -> Option<RunState> {
    run.folder.status().map(|status| status.state).ok()
}

fn progress(run: &TestRun) -> Progress {
    run.folder.status().unwrap().progress
}

fn pause(run: &TestRun) {
    run.wait_until("some steps", |run| {
        let status = run.folder.status();
        status.is_ok_and(|status| status.progress.step > 0)
    });
    send(run, ControlCommand::Pause);
    run.wait_until("the pause", |run| state(run) == Some(RunState::Paused));
}

/// Clock ticks of all threads of a process, a hundred a second.
fn ticks(child: &Child) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let number = |index: usize| fields[index].parse::<u64>().unwrap();
    number(11) + number(12) // fields 14 and 15: user and system time
}

fn seconds_of_last_checkpoint(run: &TestRun) -> f64 {
    let (_, path) = run.folder.checkpoints().into_iter().max().unwrap();
    let text = std::fs::read_to_string(path.join("state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&text).unwrap();
    state["counters"]["progress"]["seconds"].as_f64().unwrap()
}

#[test]
fn a_paused_run_is_idle_and_alive_and_its_time_does_not_count() {
    for mode in [
        "runtime.mode={kind='lockstep',lag_rounds=1}",
        "runtime.mode={kind='free'}",
    ] {
        let run = TestRun::new(&[
            "total_steps=100000000",
            "logging.interval_secs=0.05",
            "runtime.actors=2",
            mode,
        ]);
        let started = Instant::now();
        let mut child = run.start();
        pause(&run);
        let (before, heartbeat) = (progress(&run), run.folder.status().unwrap().heartbeat);
        std::thread::sleep(Duration::from_millis(500)); // rounds under way end
        let (parked, then) = (ticks(&child), Instant::now());
        run.wait_until("three heartbeats", |run| {
            run.folder
                .status()
                .is_ok_and(|s| s.heartbeat > heartbeat + 3.0)
        });
        let share = (ticks(&child) - parked) as f64 / (100.0 * then.elapsed().as_secs_f64());
        assert!(share < 0.05, "{mode}: {share} of a core while paused");
        assert_eq!(progress(&run), before, "{mode}");

        send(&run, ControlCommand::Resume);
        run.wait_until("further steps", |run| {
            run.folder
                .status()
                .is_ok_and(|status| status.progress.step > before.step)
        });
        let after = progress(&run).seconds;
        let limit = started.elapsed().as_secs_f64() - 3.0;
        assert!(
            before.seconds < after && after < limit,
            "{mode}: {after} s of at most {limit}"
        );
        send(&run, ControlCommand::Stop);
        assert_eq!(child.wait().unwrap().code(), Some(5));
    }
}

#[test]
fn a_paused_run_writes_checkpoints_and_stops_with_one() {
    let run = TestRun::new(&[
        "total_steps=100000000",
        "checkpoint.interval_steps=100000000",
        "logging.interval_secs=0.05",
    ]);
    let mut child = run.start();
    pause(&run);
    let parked = progress(&run);
    std::thread::sleep(Duration::from_millis(1500));
    send(&run, ControlCommand::CheckpointNow);
    run.wait_for_checkpoint();
    assert!(run.folder.checkpoint(parked.step).is_dir());
    assert_eq!(state(&run), Some(RunState::Paused));
    assert!(seconds_of_last_checkpoint(&run) < parked.seconds + 0.5);
    std::fs::remove_dir_all(run.folder.checkpoint(parked.step)).unwrap();

    send(&run, ControlCommand::Stop);
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let status = run.folder.status().unwrap();
    assert_eq!(
        (status.state, status.progress.step),
        (RunState::Interrupted, parked.step)
    );
    assert!(run.folder.checkpoint(parked.step).is_dir());
    assert!(seconds_of_last_checkpoint(&run) < parked.seconds + 0.5);
}

/// Rounds ordered before the pause are played during it, and are part of the checkpoint.
#[test]
fn a_run_killed_while_paused_continues_bit_for_bit() {
    for extra in [
        &[][..],
        &[
            "runtime.mode={kind='lockstep',lag_rounds=1}",
            "runtime.actors=2",
        ],
    ] {
        let extra = [extra, &["logging.interval_secs=0.05"]].concat();
        interrupted_and_resumed_equals_straight(&extra, |run| {
            pause(run);
            let step = progress(run).step;
            send(run, ControlCommand::CheckpointNow);
            run.wait_until("its checkpoint", |run| run.folder.checkpoint(step).is_dir());
            std::thread::sleep(Duration::from_millis(200));
        });
    }
}
