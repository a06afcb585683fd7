//! The search machine, by its own words: budgets, answers, order and replay.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod made_up;

use made_up::{METHODS, MadeUp, limits, run, settings};
use search::log::LogEvent;

#[test]
fn every_method_answers_within_its_budget() {
    for kind in METHODS {
        for seed in 0..20 {
            let (search, events) = run(&settings(kind), limits(2_000, 10), seed, MadeUp::default());
            let verdict = search.verdict().unwrap();
            assert!(verdict.answer.is_some(), "{kind:?} {seed}: {verdict:?}");
            assert_eq!(verdict.violations, 0, "{kind:?} {seed}");
            assert_eq!(
                search.ledger().reserved(),
                Default::default(),
                "{kind:?} {seed}"
            );
            let text: String = events
                .iter()
                .map(|event| LogEvent::at(0.0, event.clone()).to_line() + "\n")
                .collect();
            let replayed = search::log::replay(text.as_bytes()).unwrap();
            assert_eq!(replayed.search.tree(), search.tree());
            assert!(replayed.missing.is_empty());
            if seed == 0 {
                println!(
                    "{kind:?} {} nodes, {} visits, {:?}, {}",
                    search.tree().len(),
                    verdict.visits,
                    search.ledger().spent(),
                    verdict.why
                );
            }
        }
    }
}
