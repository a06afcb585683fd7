//! The recorded jobs that other tests read are those that the example writes.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::Path;

use tracking::History;
use tracking::search_log::{Replay, SearchLog};

#[allow(dead_code, reason = "the example's own entry is not called here")]
#[path = "../examples/recorded_jobs/main.rs"]
mod example;

use example::chance;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jobs")
}

#[test]
fn the_files_are_what_the_example_writes() {
    for (name, text) in example::files() {
        let path = folder().join(&name);
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "{name} differs: `cargo run -p tracking --example recorded_jobs -- --files crates/tracking/tests/fixtures/jobs`"
        );
        assert!(text.len() < 300_000, "{name}: {} bytes", text.len());
    }
}

#[test]
fn the_fine_tuning_is_read_back_whole() {
    let history = History::read(&folder().join("fine-tuning.jsonl")).unwrap();
    assert_eq!(history.stages.iterations(), 3);
    let current = history.stages.current().unwrap();
    assert_eq!((current.name.as_str(), current.done), ("train", 144));
    assert_eq!(history.samples.len() as u64, history.samples.seen());
    let labelled = |label| {
        let samples = history.samples.iter();
        samples
            .filter(|(_, sample)| sample.labelled(label).is_some())
            .count()
    };
    assert_eq!(labelled(tracking::Label::Chosen), history.samples.len());
    assert!(history.series("preference/win_rate").unwrap().count() == 2);
}

#[test]
fn the_searches_stay_within_their_budgets_and_end_in_answers() {
    let mut backstops = 0;
    for name in ["q1", "q2", "q10"] {
        let path = folder().join("search").join(format!("{name}.jsonl"));
        let log = SearchLog::read(&path).unwrap();
        assert_eq!((log.problems().1, log.unknown()), (0, 0), "{name}");
        let replay = Replay::at_end(log);
        assert!(replay.budgets().all(|budget| !budget.violated()), "{name}");
        assert!(replay.node_count() >= 6 && replay.log().is_over(), "{name}");
        backstops += usize::from(replay.chosen().unwrap().backstop);
    }
    assert!((1..3).contains(&backstops), "{backstops}");
}
