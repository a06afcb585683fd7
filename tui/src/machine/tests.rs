use std::fs;

use super::*;
use crate::theme::Role;

/// A `/proc` with these files.
fn fixture(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    root
}

fn machine(root: &tempfile::TempDir) -> Machine {
    Machine::at(root.path(), root.path(), Devices::none("none here"))
}

fn write(root: &tempfile::TempDir, name: &str, text: &str) {
    fs::write(root.path().join(name), text).expect("a file");
}

const MEMORY: &str =
    "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  100 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n";

#[test]
fn rates_are_measured_between_two_looks() {
    let process = |ticks: u64, start: u64| {
        format!("42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 {ticks} 0 0 0 20 0 3 0 {start} 1 2\n")
    };
    let root = fixture(&[
        (
            "stat",
            "cpu  100 0 0 100 0 0 0 0\ncpu0 50 0 0 50\ncpu1 50 0 0 50\nintr 1\n",
        ),
        ("loadavg", "0.50 1.25 2.00 1/100 999\n"),
        ("meminfo", MEMORY),
        ("42/stat", &process(10, 77)),
        (
            "42/status",
            "Name:\tworker\nVmRSS:\t  2048 kB\nThreads:\t5\n",
        ),
    ]);
    let workers = [("run".to_owned(), 42), ("gone".to_owned(), 43)];
    let mut machine = machine(&root);
    let first = machine.look(1.0, &workers);
    assert_eq!((first.busy, first.cores.len()), (None, 0));
    assert_eq!(first.workers.len(), 1);
    assert_eq!(first.workers[0].cores, None);

    // 200 ticks on two processors: the first all at work, the second idle.
    write(
        &root,
        "stat",
        "cpu  200 0 0 200 0 0 0 0\ncpu0 150 0 0 50\ncpu1 50 0 0 150\n",
    );
    write(&root, "42/stat", &process(85, 77));
    let second = machine.look(2.0, &workers);
    assert_eq!(second.busy, Some(0.5));
    assert_eq!(second.cores, [1.0, 0.0]);
    assert_eq!(second.load, Some([0.5, 1.25, 2.0]));
    assert_eq!(
        second.memory,
        Some(Share {
            used: 900 * 1024,
            total: 1000 * 1024
        })
    );
    assert_eq!(second.swap, None);
    assert_eq!(
        second.workers[0],
        Worker {
            run: "run".to_owned(),
            pid: 42,
            cores: Some(0.75),
            memory: 2048 * 1024,
            threads: 5,
        }
    );
    assert!(second.disk.is_some_and(|disk| disk.total > disk.used));

    // The number was given to another process: no rate across the two.
    write(
        &root,
        "stat",
        "cpu  300 0 0 300 0 0 0 0\ncpu0 200 0 0 100\ncpu1 100 0 0 200\n",
    );
    write(&root, "42/stat", &process(90, 99));
    assert_eq!(machine.look(3.0, &workers).workers[0].cores, None);
}

#[test]
fn waiting_for_the_disk_is_no_work_and_counters_may_step_back() {
    let root = fixture(&[("stat", "cpu 10 0 0 10 10 0 0 0\ncpu0 10 0 0 10 10\n")]);
    let mut machine = machine(&root);
    machine.look(1.0, &[]);
    write(&root, "stat", "cpu 9 0 0 61 60 0 0 0\ncpu0 9 0 0 61 60\n");
    let seen = machine.look(2.0, &[]);
    assert_eq!((seen.busy, seen.cores), (Some(0.0), vec![0.0]));
    // All counters started anew: no rate until the next look.
    write(&root, "stat", "cpu 1 0 0 1 0 0 0 0\ncpu0 1 0 0 1 0\n");
    assert_eq!(machine.look(3.0, &[]).busy, None);
}

#[test]
fn missing_and_malformed_files_are_missing_figures() {
    let long = "9".repeat(400);
    for files in [
        vec![],
        vec![
            ("stat", ""),
            ("loadavg", ""),
            ("meminfo", ""),
            ("42/stat", ""),
            ("42/status", ""),
        ],
        vec![
            ("stat", "cpu\ncpu0 a b c\ncpu1 1 2\n\u{0}\u{0}"),
            ("loadavg", "NaN inf -1"),
            ("meminfo", "MemTotal: many kB\nMemAvailable:\n"),
            ("42/stat", "42 (a"),
            ("42/status", "VmRSS:\n"),
        ],
        vec![
            ("stat", "cpu -1 0 0 0\n"),
            ("loadavg", "1.0 2.0"),
            (
                "meminfo",
                &*format!("MemTotal: {long} kB\nMemAvailable: 1 kB\n"),
            ),
            ("42/stat", "42 (a) S 1"),
        ],
    ] {
        let root = fixture(&files);
        let mut machine = machine(&root);
        for now in [1.0, 2.0] {
            let seen = machine.look(now, &[("run".to_owned(), 42)]);
            assert_eq!(
                (seen.busy, seen.load, seen.memory),
                (None, None, None),
                "{files:?}"
            );
            assert!(seen.workers.is_empty() && seen.cores.is_empty());
            assert!(
                rows(&seen)
                    .iter()
                    .all(|row| ["disk", "device"].contains(&row.kind))
            );
        }
    }
}

#[test]
fn rows_judge_what_is_full_or_hot_and_say_so_in_text() {
    let share = |used| Some(Share { used, total: 100 });
    let snapshot = Snapshot {
        cores: vec![1.0, 0.0],
        busy: Some(0.5),
        load: Some([4.5, 1.0, 1.0]),
        memory: share(96),
        swap: share(81),
        disk: share(10),
        devices: vec![Device {
            id: "cuda:0".to_owned(),
            name: "H100".to_owned(),
            busy: Some(0.25),
            memory: share(50),
            celsius: Some(85.0),
            watts: Some(300.4),
            runs: vec!["run".to_owned()],
        }],
        ..Snapshot::default()
    };
    let rows = rows(&snapshot);
    let told = |kind: &str| {
        let row = rows.iter().find(|row| row.kind == kind).expect("a row");
        (row.role, row.remark(), row.text.as_str())
    };
    assert_eq!(told("processors"), (Role::Text, "", "1.00 of 2 cores"));
    assert_eq!(told("load"), (Role::Warn, "!", "4.50 1.00 1.00"));
    assert_eq!(told("memory"), (Role::Bad, "!!", "96 B of 100 B"));
    assert_eq!(told("swap"), (Role::Warn, "!", "81 B of 100 B"));
    assert_eq!(told("disk"), (Role::Text, "", "10 B of 100 B"));
    assert_eq!(
        told("device"),
        (Role::Warn, "!", "H100, 50 B of 100 B, 85 C, 300 W, run")
    );
    assert_eq!(rows.iter().filter(|row| row.kind == "core").count(), 2);
}

#[test]
fn bytes_are_written_in_the_unit_that_suits() {
    let written = [0, 1023, 1536, 200 * 1024, 3 << 30, u64::MAX].map(rows::bytes);
    assert_eq!(
        written,
        [
            "0 B",
            "1023 B",
            "1.5 KiB",
            "200 KiB",
            "3.0 GiB",
            "16384 PiB"
        ]
    );
}

#[test]
fn this_machine_is_read() {
    let mut machine = Machine::new(Path::new("no/such/folder"));
    let me = [("me".to_owned(), std::process::id())];
    machine.look(0.0, &me);
    let seen = machine.look(1.0, &me);
    assert_eq!(seen.workers.len(), 1);
    assert!(seen.workers[0].memory > 1024 * 1024);
    assert!(seen.memory.is_some_and(|memory| memory.used > 0));
    assert!(seen.disk.is_some());
    assert!(!seen.devices.is_empty() || !seen.no_devices.is_empty());
}
