//! The event log as a file: torn lines, numbering, growth under a reader.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::{self, OpenOptions};
use std::io::Write;

use tracking::{Axis, Event, EventKind, EventReader, EventWriter};

fn scalar(sequence: u64, step: u64) -> Event {
    let kind = EventKind::Scalar {
        name: "a".into(),
        value: 0.5,
        axis: Axis::EnvSteps,
        step,
    };
    Event {
        version: 1,
        sequence,
        time: 1.0,
        kind,
    }
}

fn append(writer: &mut EventWriter, count: u64) {
    for _ in 0..count {
        let sequence = writer.next_sequence();
        writer.push(sequence, &scalar(sequence, sequence * 10).to_line());
    }
    writer.flush().unwrap();
}

fn sequences(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.sequence).collect()
}

#[test]
fn a_reader_follows_a_growing_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut reader = EventReader::open(&path);
    assert!(reader.poll().unwrap().is_empty());
    let mut writer = EventWriter::open(&path).unwrap();
    append(&mut writer, 2);
    assert_eq!(sequences(&reader.poll().unwrap()), [0, 1]);
    assert!(reader.poll().unwrap().is_empty());
    append(&mut writer, 1);
    assert_eq!(sequences(&reader.poll().unwrap()), [2]);
    assert_eq!((reader.missing(), reader.damaged()), (0, 0));
}

#[test]
fn a_line_in_two_halves_is_read_once_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let line = scalar(0, 5).to_line() + "\n";
    let mut reader = EventReader::open(&path);
    for cut in 0..line.len() {
        fs::write(&path, &line[..cut]).unwrap();
        assert!(reader.poll().unwrap().is_empty(), "cut at {cut}");
    }
    fs::write(&path, &line).unwrap();
    assert_eq!(sequences(&reader.poll().unwrap()), [0]);
}

#[test]
fn reopening_cuts_a_torn_line_and_continues_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    append(&mut EventWriter::open(&path).unwrap(), 3);
    // Longer than one block of the backward search.
    let torn = format!("{{\"v\":1,\"seq\":3,\"text\":\"{}", "x".repeat(200_000));
    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(torn.as_bytes())
        .unwrap();
    let mut writer = EventWriter::open(&path).unwrap();
    assert_eq!(writer.next_sequence(), 3);
    append(&mut writer, 1);
    let mut reader = EventReader::open(&path);
    assert_eq!(sequences(&reader.poll().unwrap()), [0, 1, 2, 3]);
    assert_eq!((reader.missing(), reader.damaged()), (0, 0));
}

#[test]
fn a_file_that_is_one_torn_line_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    fs::write(&path, "{\"v\":1,\"se").unwrap();
    let writer = EventWriter::open(&path).unwrap();
    assert_eq!(writer.next_sequence(), 0);
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn damaged_lines_and_gaps_are_counted_and_do_not_restart_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let text = format!(
        "{}\nnot json\n{}\n\u{0}\u{0}\n",
        scalar(0, 1).to_line(),
        scalar(5, 2).to_line()
    );
    fs::write(&path, text).unwrap();
    let mut reader = EventReader::open(&path);
    assert_eq!(sequences(&reader.poll().unwrap()), [0, 5]);
    assert_eq!((reader.missing(), reader.damaged()), (4, 2));
    assert_eq!(EventWriter::open(&path).unwrap().next_sequence(), 6);
}

#[test]
fn a_replaced_shorter_file_is_read_from_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    append(&mut EventWriter::open(&path).unwrap(), 3);
    let mut reader = EventReader::open(&path);
    reader.poll().unwrap();
    fs::write(&path, scalar(0, 9).to_line() + "\n").unwrap();
    assert_eq!(sequences(&reader.poll().unwrap()), [0]);
}
