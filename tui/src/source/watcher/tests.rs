use std::io::Write;
use std::path::Path;

use tracking::{Axis, EvaluationPurpose, Level, NewRun, Progress};

use super::*;
use crate::detail::WorldFrame;

const TURN: Duration = Duration::from_secs(5);

fn event(sequence: u64, kind: EventKind) -> Event {
    Event {
        version: 1,
        sequence,
        time: 0.0,
        kind,
    }
}

fn scalar(sequence: u64, step: u64, value: f64) -> String {
    let kind = EventKind::Scalar {
        name: "return".to_owned(),
        value,
        axis: Axis::EnvSteps,
        step,
    };
    event(sequence, kind).to_line()
}

fn warning(sequence: u64) -> String {
    let kind = EventKind::Warning {
        source: "disk".to_owned(),
        message: format!("full {sequence}"),
    };
    event(sequence, kind).to_line()
}

fn append(path: &Path, text: &str) {
    let mut file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path)
        .expect("a writable file");
    file.write_all(text.as_bytes()).expect("a written file");
}

fn none(_: &serde_json::Value) -> Option<WorldFrame> {
    None
}

fn run() -> (tempfile::TempDir, RunFolder) {
    let root = tempfile::tempdir().expect("a folder");
    let new = NewRun {
        name: "a".into(),
        total_steps: 9,
        ..NewRun::default()
    };
    let run = RunFolder::create(root.path(), &new).expect("a run");
    (root, run)
}

fn texts(news: &News) -> Vec<&str> {
    news.log.iter().map(|line| line.text.as_str()).collect()
}

fn events(news: &News) -> u64 {
    news.history.as_ref().expect("a history").events
}

#[test]
fn a_run_is_followed_from_its_beginning_over_half_lines() {
    let (_root, run) = run();
    let mut watcher = Watcher::new(run.clone());
    assert!(watcher.poll(&none, TURN).is_none());

    let second = scalar(1, 20, 2.0);
    append(
        &run.events(),
        &format!("{}\n{}", scalar(0, 10, 1.0), &second[..10]),
    );
    append(&run.console_log(), "hello\n\u{1b}[1mhalf");
    let news = watcher.poll(&none, TURN).expect("news");
    assert_eq!(
        (events(&news), news.anew, texts(&news)),
        (1, false, vec!["hello"])
    );
    assert_eq!(news.reading, None);

    append(&run.events(), &format!("{}\n", &second[10..]));
    append(&run.console_log(), " line\n");
    let news = watcher.poll(&none, TURN).expect("news");
    assert_eq!((events(&news), texts(&news)), (2, vec!["half line"]));
    assert!(watcher.poll(&none, TURN).is_none());

    // A new listener hears everything, and only once.
    watcher.tell_again();
    let news = watcher.poll(&none, TURN).expect("news");
    assert_eq!((events(&news), news.anew), (2, true));
    assert_eq!(texts(&news), ["hello", "half line"]);
    assert!(watcher.poll(&none, TURN).is_none());

    std::fs::write(run.events(), format!("{}\n", scalar(0, 1, 0.5))).expect("a replaced log");
    let news = watcher.poll(&none, TURN).expect("news");
    assert!(news.anew && watcher.has_more());
    let news = watcher.poll(&none, TURN).expect("news");
    assert_eq!(events(&news), 1);
}

#[test]
fn evaluations_are_scored_once_and_told() {
    let (_root, run) = run();
    let evaluation = |sequence, step, purpose| {
        let kind = EventKind::Evaluation {
            purpose,
            progress: Progress {
                step,
                ..Progress::default()
            },
            returns: vec![0.0, 1.0],
            lengths: vec![1, 1],
            extra: Default::default(),
            checkpoint: String::new(),
        };
        event(sequence, kind).to_line() + "\n"
    };
    let mut watcher = Watcher::new(run.clone());
    append(
        &run.events(),
        &evaluation(0, 10, EvaluationPurpose::Interval),
    );
    append(
        &run.events(),
        &evaluation(1, 10, EvaluationPurpose::Absolute),
    );
    let news = watcher.poll(&none, TURN).expect("news");
    let points = news.evaluations.expect("scores");
    assert_eq!((points.len(), points[0].mean), (1, 0.5));
    assert_eq!(news.absolute.map(|point| point.mean), Some(0.5));
    assert_eq!(news.log.len(), 2);
    // Points of a curve change no score.
    append(&run.events(), &(scalar(2, 11, 1.0) + "\n"));
    let news = watcher.poll(&none, TURN).expect("news");
    assert!(news.evaluations.is_none() && news.history.is_some());
}

#[test]
fn a_long_log_is_shown_before_it_is_read_and_its_lines_keep_their_order() {
    let (_root, run) = run();
    let mut text = String::new();
    for sequence in 0..40_000 {
        let line = if sequence % 4_000 == 0 {
            warning(sequence)
        } else {
            scalar(sequence, sequence, 1.0)
        };
        text.push_str(&line);
        text.push('\n');
    }
    append(&run.events(), &text);
    append(&run.console_log(), "warning: last\n");
    let mut watcher = Watcher::new(run.clone());
    watcher.follower = Follower::open(&run.events(), CURVE_POINTS).with_long_log(1024);
    let first = watcher.poll(&none, Duration::ZERO).expect("news");
    assert_eq!((events(&first), first.reading), (40_000, Some(0.0)));
    assert_eq!(
        first.log.last().map(|line| line.text.as_str()),
        Some("last")
    );

    let mut detail = crate::detail::Detail::new(&run.id());
    detail.take(first);
    while watcher.has_more() {
        if let Some(news) = watcher.poll(&none, Duration::ZERO) {
            detail.take(news);
        }
    }
    assert_eq!((detail.reading, detail.history.events), (None, 40_000));
    let told: Vec<&str> = detail.log.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(told[..3], ["full 0", "full 4000", "full 8000"]);
    assert_eq!((told.len(), told[10]), (11, "last"));
    assert!(detail.log.iter().all(|line| line.level == Level::Warning));
}

#[test]
fn a_folder_that_vanishes_leaves_what_was_known() {
    let (root, run) = run();
    append(&run.events(), &(scalar(0, 10, 1.0) + "\n"));
    let mut watcher = Watcher::new(run);
    watcher.poll(&none, TURN).expect("news");
    root.close().expect("a removed folder");
    assert!(watcher.poll(&none, TURN).is_none());
    assert_eq!(watcher.follower.history().events, 1);
}
