//! The sink thread: order, failures, full disks, the end.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::io;
use std::sync::{Arc, Mutex};

use tracking::{
    Axis, Event, EventKind, EventReader, NewRun, RunFolder, Sink, SinkOptions, Tracker,
    TrackerThread,
};

fn run_in(root: &std::path::Path) -> RunFolder {
    RunFolder::create(
        root,
        &NewRun {
            name: "sinks".into(),
            ..NewRun::default()
        },
    )
    .unwrap()
}

fn with(sink: impl Sink + 'static) -> SinkOptions {
    SinkOptions {
        extra: vec![Box::new(sink)],
        ..SinkOptions::default()
    }
}

fn events_of(run: &RunFolder) -> Vec<Event> {
    EventReader::open(&run.events()).poll().unwrap()
}

fn warnings_of(run: &RunFolder) -> Vec<String> {
    events_of(run)
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::Warning { source, message } => Some(format!("{source}: {message}")),
            _ => None,
        })
        .collect()
}

/// Takes `good` events, then fails in the way it is told to.
struct Failing {
    good: u32,
    panics: bool,
}

impl Sink for Failing {
    fn name(&self) -> &'static str {
        "double"
    }

    fn write(&mut self, _event: &Event, _line: &str) -> io::Result<()> {
        if self.good == 0 {
            assert!(!self.panics, "the double panics");
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.good -= 1;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        assert!(self.good > 0, "a broken observer must not be dropped");
    }
}

#[test]
fn events_of_many_threads_are_numbered_without_gaps_and_none_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    let (tracker, thread) = TrackerThread::start(&run, SinkOptions::default()).unwrap();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let tracker = tracker.clone();
            scope.spawn(move || {
                for step in 0..5000 {
                    tracker.scalar(&format!("t/{worker}"), step as f64, Axis::EnvSteps, step);
                }
            });
        }
    });
    let report = thread.close();
    assert_eq!(
        (report.events_written, report.events_lost, report.timed_out),
        (20_000, 0, false)
    );
    let events = events_of(&run);
    assert!(
        events
            .iter()
            .enumerate()
            .all(|(index, event)| event.sequence == index as u64)
    );
    for worker in 0..4 {
        let steps: Vec<u64> = events
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::Scalar { name, step, .. } if *name == format!("t/{worker}") => {
                    Some(*step)
                }
                _ => None,
            })
            .collect();
        assert_eq!(steps, (0..5000).collect::<Vec<_>>());
    }
}

#[test]
fn a_flush_puts_everything_reported_before_it_on_disk() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    let (tracker, _thread) = TrackerThread::start(&run, SinkOptions::default()).unwrap();
    for step in 0..100 {
        tracker.scalar("a", 0.0, Axis::EnvSteps, step);
        assert!(tracker.flush());
        assert_eq!(events_of(&run).len() as u64, step + 1);
    }
    assert_eq!(tracker.health().events_written, 100);
}

#[test]
fn a_second_session_continues_the_numbers() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    for _ in 0..2 {
        let (tracker, thread) = TrackerThread::start(&run, SinkOptions::default()).unwrap();
        tracker.text("note", "hello".into(), Axis::EnvSteps, 1);
        tracker.warning("test", "careful");
        assert_eq!(thread.close().events_written, 2);
    }
    let sequences: Vec<u64> = events_of(&run).iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [0, 1, 2, 3]);
}

#[test]
fn a_failing_or_panicking_observer_is_let_go_with_one_warning() {
    for panics in [false, true] {
        let root = tempfile::tempdir().unwrap();
        let run = run_in(root.path());
        let (tracker, thread) =
            TrackerThread::start(&run, with(Failing { good: 2, panics })).unwrap();
        for step in 0..10 {
            tracker.scalar("a", 0.0, Axis::EnvSteps, step);
        }
        assert!(tracker.flush());
        assert_eq!(tracker.health().dropped.len(), 1);
        let report = thread.close();
        assert_eq!((report.events_written, report.dropped.len()), (11, 1));
        assert_eq!(report.dropped[0].name, "double");
        let warnings = warnings_of(&run);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("double is off") && warnings[0].contains("training goes on"));
    }
}

/// Keeps the lines it saw.
struct Recording(Arc<Mutex<Vec<String>>>);

impl Sink for Recording {
    fn name(&self) -> &'static str {
        "recording"
    }

    fn write(&mut self, _event: &Event, line: &str) -> io::Result<()> {
        self.0.lock().unwrap().push(line.to_owned());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn observers_see_the_lines_of_the_log() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (tracker, thread) = TrackerThread::start(&run, with(Recording(Arc::clone(&seen)))).unwrap();
    tracker.scalar("a", f64::NAN, Axis::Tokens, 1);
    tracker.event(EventKind::Warning {
        source: "a".into(),
        message: "line\nfeed".into(),
    });
    thread.close();
    let text = fs::read_to_string(run.events()).unwrap();
    assert_eq!(text.lines().collect::<Vec<_>>(), *seen.lock().unwrap());
}

/// Holds the sink thread until told to go on.
struct Stuck(crossbeam::channel::Receiver<()>);

impl Sink for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }

    fn write(&mut self, _event: &Event, _line: &str) -> io::Result<()> {
        let _ = self.0.recv();
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_hanging_observer_costs_the_caller_one_short_wait_and_counted_events() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    let (release, hold) = crossbeam::channel::unbounded();
    let options = SinkOptions {
        queue_capacity: 4,
        ..with(Stuck(hold))
    };
    let (tracker, thread) = TrackerThread::start(&run, options).unwrap();
    let start = std::time::Instant::now();
    for step in 0..1000 {
        tracker.scalar("a", 0.0, Axis::EnvSteps, step);
    }
    assert!(start.elapsed().as_secs() < 2, "{:?}", start.elapsed());
    let lost = tracker.health().events_lost;
    assert!((990..=996).contains(&lost), "{lost}");
    drop(release);
    let report = thread.close();
    assert_eq!(report.events_written + report.events_lost, 1000);
}

#[test]
fn a_silent_tracker_and_one_whose_thread_is_gone_do_no_harm() {
    Tracker::silent().scalar("a", 0.0, Axis::EnvSteps, 0);
    assert!(Tracker::silent().flush());
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    let (tracker, thread) = TrackerThread::start(&run, SinkOptions::default()).unwrap();
    thread.close();
    tracker.scalar("a", 0.0, Axis::EnvSteps, 0);
    assert!(!tracker.flush());
    assert_eq!(tracker.health().events_lost, 1);
}

#[test]
fn a_log_that_cannot_be_opened_is_an_error_before_training() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    fs::create_dir(run.events()).unwrap();
    let Err(error) = TrackerThread::start(&run, SinkOptions::default()) else {
        panic!("a folder was opened as event log");
    };
    assert!(error.to_string().contains("events.jsonl"), "{error}");
}

#[test]
fn tensorboard_that_cannot_start_is_let_go() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    fs::remove_dir(run.tensorboard()).unwrap();
    fs::write(run.tensorboard(), "in the way").unwrap();
    let options = SinkOptions {
        tensorboard: true,
        ..SinkOptions::default()
    };
    let (tracker, thread) = TrackerThread::start(&run, options).unwrap();
    tracker.scalar("a", 0.0, Axis::EnvSteps, 0);
    let report = thread.close();
    assert_eq!((report.dropped.len(), report.events_written), (1, 2));
    assert!(warnings_of(&run)[0].starts_with("tensorboard: "));
}

/// Fails, and then panics where the sink thread does not expect it.
struct Hostile;

impl Sink for Hostile {
    fn name(&self) -> &'static str {
        panic!("no name")
    }

    fn write(&mut self, _event: &Event, _line: &str) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::Other))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_sink_thread_that_dies_is_noticed_at_once() {
    let root = tempfile::tempdir().unwrap();
    let run = run_in(root.path());
    let (tracker, thread) = TrackerThread::start(&run, with(Hostile)).unwrap();
    let start = std::time::Instant::now();
    tracker.scalar("a", 0.0, Axis::EnvSteps, 0);
    assert!(!tracker.flush());
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    assert!(thread.close().died);
}
