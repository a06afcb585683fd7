//! Logs as searches write them, read as the display reads them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../../search/tests/backends/made_up.rs"]
mod made_up;

use made_up::{METHODS, MadeUp, limits, settings};
use tracking::search_log::SearchLog;

/// The reader takes every line that is its own, and refuses none.
#[test]
fn every_line_of_a_search_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("q1.jsonl");
    for kind in METHODS {
        let file = std::fs::File::create(&path).unwrap();
        let search = made_up::search(&settings(kind), limits(2_000, 8), 4);
        let writer = search::log::Writer::new(file);
        let mut backend = MadeUp {
            lies: 0.1,
            failures: 0.1,
            ..MadeUp::default()
        };
        let (search, _) = search::serving::serve(search, writer, &mut backend, 1).unwrap();
        let log = SearchLog::read(&path).unwrap();
        assert_eq!(log.problems(), (&[][..], 0), "{kind:?}");
        assert_eq!(log.nodes().len(), search.tree().len());
        assert!(log.is_over());
        assert_eq!(log.question().id, "q1");
        let chosen = log.answers().iter().find(|answer| answer.chosen);
        let given = search.verdict().unwrap().answer.as_deref();
        assert_eq!(chosen.map(|answer| answer.text.as_str()), given);
    }
}
