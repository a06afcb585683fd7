//! A disk that fills up under a run, twice: a small tmpfs where this user may mount one
//! (the disk has room again later), and a file size limit in a child process (any user).

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

use tracking::{
    Axis, Event, EventKind, EventReader, NewRun, RunFolder, SinkOptions, TrackerThread,
    write_atomic,
};

fn with_tensorboard() -> SinkOptions {
    SinkOptions {
        tensorboard: true,
        ..SinkOptions::default()
    }
}

struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn steps(events: &[Event]) -> Vec<u64> {
    events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Scalar { step, .. } => Some(step),
            _ => None,
        })
        .collect()
}

#[test]
fn events_wait_for_room_and_arrive_in_order() {
    let Some(disk) = SmallDisk::mount("320k") else {
        println!("skipped: this user may not mount a tmpfs");
        return;
    };
    // 136 KiB are free beside the ballast; the log takes about 240, its times in more or fewer
    // digits, and must fit when the ballast is gone.
    let run = RunFolder::create(disk.path(), &NewRun::default()).unwrap();
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![0; 184 * 1024]).unwrap();

    let (tracker, thread) = TrackerThread::start(&run, with_tensorboard()).unwrap();
    for step in 0..2000 {
        tracker.scalar("train/loss", 0.5, Axis::EnvSteps, step);
    }
    assert!(tracker.flush());
    let health = tracker.health();
    assert!(
        health.events_waiting > 0 && health.log_error.is_some(),
        "{health:?}"
    );
    assert_eq!(health.dropped.len(), 1, "{health:?}");
    assert_eq!(health.dropped[0].name, "tensorboard");
    // A reader that follows sees whole lines only, while the disk is full.
    let mut reader = EventReader::open(&run.events());
    let mut events = reader.poll().unwrap();
    assert_eq!(events.len() as u64, health.events_written);
    let message = write_atomic(&disk.path().join("file"), &[0; 64 * 1024])
        .unwrap_err()
        .to_string();
    assert!(message.contains("free disk space"), "{message}");

    fs::remove_file(ballast).unwrap();
    // The log needs more than what the ballast leaves once TensorBoard's file is there.
    for entry in fs::read_dir(run.tensorboard()).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert!(tracker.flush());
    assert_eq!(tracker.health().log_error, None);
    let report = thread.close();
    assert_eq!(report.events_lost, 0);
    events.extend(reader.poll().unwrap());
    assert_eq!(steps(&events), (0..2000).collect::<Vec<_>>());
    assert_eq!((reader.damaged(), reader.missing()), (0, 0));
    let warnings = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Warning { .. }));
    assert_eq!(warnings.count(), 2);
}

#[test]
fn a_disk_that_stays_full_costs_events_and_no_more() {
    let Some(disk) = SmallDisk::mount("128k") else {
        println!("skipped: this user may not mount a tmpfs");
        return;
    };
    let run = RunFolder::create(disk.path(), &NewRun::default()).unwrap();
    let (tracker, thread) = TrackerThread::start(&run, with_tensorboard()).unwrap();
    let long = "x".repeat(1000);
    for step in 0..6000 {
        tracker.text("note", long.clone(), Axis::EnvSteps, step);
    }
    let report = thread.close();
    assert!(!report.timed_out && report.events_lost > 5000, "{report:?}");
    // 6000 texts and the warnings of TensorBoard and the log, each counted once.
    assert_eq!(
        report.events_written + report.events_lost,
        6002,
        "{report:?}"
    );
    let mut reader = EventReader::open(&run.events());
    assert_eq!(reader.poll().unwrap().len() as u64, report.events_written);
}

/// The same under a file size limit, which needs no rights: this test starts itself
/// again in a child whose files may not exceed 64 KiB.
#[test]
fn a_file_size_limit_stops_neither_the_process_nor_its_thread() {
    const MARKER: &str = "TRACKING_FULL_DISK_CHILD";
    if let Ok(root) = std::env::var(MARKER) {
        let run = RunFolder::create(Path::new(&root), &NewRun::default()).unwrap();
        let (tracker, thread) = TrackerThread::start(&run, with_tensorboard()).unwrap();
        for step in 0..5000 {
            tracker.scalar("train/loss", 0.5, Axis::EnvSteps, step);
        }
        let report = thread.close();
        assert_eq!(report.dropped.len(), 1, "{report:?}");
        assert!(report.events_lost > 0, "{report:?}");
        let mut reader = EventReader::open(&run.events());
        assert_eq!(reader.poll().unwrap().len() as u64, report.events_written);
        println!("child survived");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    // SIGXFSZ would kill the child; ignored, the limit is an error of write().
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ && ulimit -f 128 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["a_file_size_limit_stops_neither", "--nocapture"])
        .env(MARKER, root.path())
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success() && text.contains("child survived"),
        "{text}"
    );
    assert!(!text.contains("panicked"), "{text}");
}
