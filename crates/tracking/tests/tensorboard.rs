//! TensorBoard files, decoded record by record.
//!
//! TensorBoard's own reader does the same in `xtask/parity/tensorboard.py`.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use protobuf::Message;
use tensorboard_proto::event::Event as Record;
use tensorboard_rs::masked_crc32c::masked_crc32c;
use tracking::{Axis, EventKind, NewRun, Progress, RunFolder, SinkOptions, TrackerThread};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// Splits a file into records; both checksums of each must fit and nothing may be left.
fn records(file: &Path) -> Vec<Record> {
    let bytes = fs::read(file).unwrap();
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        let checksum = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        assert_eq!(checksum(8), masked_crc32c(&rest[..8]) as u32);
        let data = &rest[12..12 + length];
        assert_eq!(checksum(12 + length), masked_crc32c(data) as u32);
        records.push(Record::parse_from_bytes(data).unwrap());
        rest = &rest[16 + length..];
    }
    records
}

fn scalars(records: &[Record]) -> Vec<(String, i64, f32)> {
    records
        .iter()
        .flat_map(|record| {
            let step = record.get_step();
            let values = record.get_summary().get_value();
            values
                .iter()
                .map(move |value| (value.get_tag().to_owned(), step, value.get_simple_value()))
        })
        .collect()
}

fn start(run: &RunFolder) -> (tracking::Tracker, TrackerThread) {
    let options = SinkOptions {
        tensorboard: true,
        ..SinkOptions::default()
    };
    TrackerThread::start(run, options).unwrap()
}

#[test]
fn scalars_arrive_in_order_and_a_flush_makes_them_visible() {
    let root = tempfile::tempdir().unwrap();
    let run = RunFolder::create(root.path(), &NewRun::default()).unwrap();
    let (tracker, thread) = start(&run);
    tracker.scalar("a", 0.5, Axis::EnvSteps, 7);
    tracker.scalar("a", f64::INFINITY, Axis::EnvSteps, 8);
    assert!(tracker.flush());
    let all = files(&run.tensorboard());
    assert_eq!(all.len(), 1);
    let read = records(&all[0]);
    assert_eq!(read[0].get_file_version(), "brain.Event:2");
    assert_eq!(
        scalars(&read),
        [("a".to_owned(), 7, 0.5), ("a".to_owned(), 8, f32::INFINITY)]
    );
    thread.close();
}

#[test]
fn two_sessions_in_one_second_keep_both_files() {
    let root = tempfile::tempdir().unwrap();
    let run = RunFolder::create(root.path(), &NewRun::default()).unwrap();
    for step in 0..3 {
        let (tracker, thread) = start(&run);
        tracker.scalar("a", 1.0, Axis::EnvSteps, step);
        thread.close();
    }
    let all = files(&run.tensorboard());
    assert_eq!(all.len(), 3);
    let steps: Vec<i64> = all
        .iter()
        .flat_map(|file| scalars(&records(file)))
        .map(|(_, step, _)| step)
        .collect();
    assert_eq!(steps, [0, 1, 2]);
}

#[test]
fn a_resume_writes_the_folder_anew_without_the_void_points() {
    let root = tempfile::tempdir().unwrap();
    let run = RunFolder::create(root.path(), &NewRun::default()).unwrap();
    let (tracker, thread) = start(&run);
    for step in [10, 20, 30] {
        tracker.scalar("a", 1.0, Axis::EnvSteps, step);
        tracker.scalar("loss", 1.0, Axis::LearnerUpdates, step / 10);
    }
    thread.close();
    let (tracker, thread) = start(&run);
    let progress = Progress {
        step: 20,
        updates: 2,
        ..Progress::default()
    };
    tracker.event(EventKind::Resumed {
        progress,
        checkpoint: "ckpt/step-20".into(),
    });
    tracker.scalar("a", 2.0, Axis::EnvSteps, 30);
    thread.close();
    let all = files(&run.tensorboard());
    assert_eq!(all.len(), 1);
    let name = |text: &str| text.to_owned();
    assert_eq!(
        scalars(&records(&all[0])),
        [
            (name("a"), 10, 1.0),
            (name("loss"), 1, 1.0),
            (name("a"), 20, 1.0),
            (name("loss"), 2, 1.0),
            (name("a"), 30, 2.0)
        ]
    );
}
