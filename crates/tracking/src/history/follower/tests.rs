use std::io::Write;

use super::*;
use crate::event::{Axis, EvaluationPurpose, Progress};
use crate::status::RunState;

const FOREVER: Duration = Duration::from_secs(3600);

fn scalar(name: &str, axis: Axis, step: u64, value: f64) -> EventKind {
    EventKind::Scalar {
        name: name.into(),
        value,
        axis,
        step,
    }
}

fn position(step: u64) -> Progress {
    Progress {
        step,
        updates: step / 10,
        ..Progress::default()
    }
}

/// A run of three curves, evaluations, warnings and a resume.
fn kinds(rounds: u64) -> Vec<EventKind> {
    let mut kinds = vec![EventKind::State {
        state: RunState::Running,
        progress: position(0),
        message: String::new(),
    }];
    let mut round = |step: u64, shift: f64| {
        let value = (step as f64 * 0.01).sin() + shift;
        kinds.push(scalar("train/return", Axis::EnvSteps, step, value));
        kinds.push(scalar(
            "train/loss",
            Axis::LearnerUpdates,
            step / 10,
            -value,
        ));
        if step.is_multiple_of(1_000) {
            kinds.push(EventKind::Evaluation {
                purpose: EvaluationPurpose::Interval,
                progress: position(step),
                returns: vec![value, shift],
                lengths: vec![3, 4],
                extra: Default::default(),
                checkpoint: String::new(),
            });
        }
    };
    (1..=rounds).for_each(|step| round(step * 10, 0.0));
    let back = rounds * 5 / 1_000 * 1_000;
    let resumed = EventKind::Resumed {
        progress: position(back),
        checkpoint: "ckpt".into(),
    };
    (back / 10 + 1..=rounds * 2).for_each(|step| round(step * 10, 1.0));
    let place = kinds.len() - (rounds * 2 - back / 10) as usize * 2;
    let at = kinds[..place]
        .iter()
        .rposition(|kind| matches!(kind, EventKind::Scalar { step, .. } if *step == rounds * 10))
        .map_or(place, |at| at + 2);
    kinds.insert(at.min(kinds.len()), resumed);
    kinds.push(EventKind::Warning {
        source: "disk".into(),
        message: "full".into(),
    });
    kinds
}

fn lines(kinds: &[EventKind], first: u64) -> String {
    let event = |(index, kind): (usize, &EventKind)| Event {
        version: 1,
        sequence: first + index as u64,
        time: 1e9 + index as f64,
        kind: kind.clone(),
    };
    kinds
        .iter()
        .enumerate()
        .map(|pair| event(pair).to_line() + "\n")
        .collect()
}

fn straight(path: &Path, limit: usize) -> History {
    let mut history = History::with_point_limit(limit);
    EventReader::open(path)
        .poll_into(&mut |event| history.apply(event))
        .unwrap();
    history
}

fn append(path: &Path, text: &str) {
    File::options()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .unwrap();
}

#[test]
fn a_short_log_is_read_at_once_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut follower = Follower::open(&path, 100);
    let mut notes = 0;
    let quiet = follower.poll(FOREVER, &mut |_| notes += 1).unwrap();
    assert_eq!((quiet.changed, quiet.more), (false, false));
    let text = lines(&kinds(500), 0);
    let (head, tail) = text.split_at(text.len() / 2);
    for part in [head, tail] {
        append(&path, part);
        let progressed = follower.poll(FOREVER, &mut |_| notes += 1).unwrap();
        assert!(progressed.changed && !progressed.more);
    }
    assert_eq!(follower.history(), &straight(&path, 100));
    assert_eq!(follower.share(), None);
    let curves = text.matches("\"scalar\"").count();
    assert_eq!(notes, text.lines().count() - curves);
}

#[test]
fn a_long_log_shows_its_whole_range_first_and_ends_as_a_straight_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    append(&path, &lines(&kinds(40_000), 0));
    let length = std::fs::metadata(&path).unwrap().len();
    assert!(length > 4 * SAMPLE * SAMPLES / 2, "{length} bytes");

    let mut follower = Follower::open(&path, 400).with_long_log(1024 * 1024);
    let first = follower.poll(FOREVER, &mut |_| ()).unwrap();
    assert!(first.changed && first.more && !first.whole);
    assert_eq!(follower.share(), Some(0.0));
    let whole = straight(&path, 400);
    for name in ["train/return", "train/loss"] {
        let glanced = follower.history().series(name).unwrap();
        let known = whole.series(name).unwrap();
        assert_eq!(glanced.last(), known.last(), "{name}");
        assert_eq!(glanced.points()[0], known.points()[0], "{name}");
        let points = glanced.points();
        assert!(points.windows(2).all(|pair| pair[0].step <= pair[1].step));
        let end = known.last().unwrap().step as f64;
        let hole = points
            .windows(2)
            .map(|pair| pair[1].step - pair[0].step)
            .max();
        assert!(
            (hole.unwrap() as f64) < end / 20.0,
            "{name}: {hole:?} of {end}"
        );
    }
    assert_eq!(follower.history().events, whole.events);
    assert_eq!(follower.history().warnings, whole.warnings);

    // Time for one slice at a time; meanwhile the run goes on.
    let next = whole.events;
    let more = kinds(30);
    append(&path, &lines(&more, next));
    let (mut polls, mut shares) = (0, Vec::new());
    loop {
        let progressed = follower.poll(Duration::from_nanos(1), &mut |_| ()).unwrap();
        polls += 1;
        if progressed.whole {
            break;
        }
        shares.push(follower.share().unwrap());
        assert!(polls < 100);
    }
    assert!(polls > 2 && shares.is_sorted(), "{shares:?}");
    assert_eq!(follower.share(), None);
    assert_eq!(follower.history(), &straight(&path, 400));
    // Evaluations are exact: none is missing and none is thinned.
    let mut exact = History::new();
    EventReader::open(&path)
        .poll_into(&mut |event| exact.apply(event))
        .unwrap();
    assert_eq!(follower.history().evaluations, exact.evaluations);
}

#[test]
fn a_glance_takes_what_is_appended_while_the_log_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    append(&path, &lines(&kinds(40_000), 0));
    let mut follower = Follower::open(&path, 400).with_long_log(1024 * 1024);
    follower.poll(FOREVER, &mut |_| ()).unwrap();
    let next = follower.history().events;
    append(
        &path,
        &lines(
            &[scalar("train/return", Axis::EnvSteps, 99_999_999, 7.0)],
            next,
        ),
    );
    let progressed = follower.poll(Duration::from_nanos(1), &mut |_| ()).unwrap();
    assert!(progressed.changed && progressed.more);
    let last = follower.history().series("train/return").unwrap().last();
    assert_eq!(last.unwrap().step, 99_999_999);
}

#[test]
fn a_replaced_log_is_followed_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    append(&path, &lines(&kinds(50), 0));
    let mut follower = Follower::open(&path, 100);
    follower.poll(FOREVER, &mut |_| ()).unwrap();
    std::fs::write(&path, lines(&[scalar("other", Axis::EnvSteps, 1, 1.0)], 0)).unwrap();
    let progressed = follower.poll(FOREVER, &mut |_| ()).unwrap();
    assert!(progressed.anew && progressed.changed && progressed.more);
    assert_eq!(follower.history().events, 0);
    follower.poll(FOREVER, &mut |_| ()).unwrap();
    assert_eq!(follower.history(), &straight(&path, 100));
    assert_eq!(follower.history().all_series().count(), 1);
}
