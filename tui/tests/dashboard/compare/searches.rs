//! Runs of searches beside each other.

use tracking::search_log::{Outcome, Spent};
use tui::Msg;
use tui::look::{Look, Seen};
use tui::model::{Model, RunState, RunSummary};
use tui::panes;
use tui::screens::compare::{Shown, Table};

use super::snapshots;
use crate::fixture::{empty, key, letter, run, send, text};
use ratatui::crossterm::event::KeyCode;

const RUNS: [&str; 2] = ["20261130-100000-bavt", "20261130-100100-greedy"];

fn outcomes(policy: &str, shift: usize) -> Vec<Outcome> {
    (0..40)
        .map(|index| {
            let correct = !(index + shift).is_multiple_of(3);
            Outcome {
                name: format!("q{index}"),
                id: format!("world-{index}"),
                text: "Who?".to_owned(),
                policy: policy.to_owned(),
                expected: vec!["Graz".to_owned()],
                answer: Some(if correct { "Graz" } else { "Wien" }.to_owned()),
                correct: Some(correct),
                f1: Some(f64::from(correct)),
                backstop: index % 10 == shift,
                spent: vec![
                    spent("tokens", 400.0 + 10.0 * index as f64, 1_000.0),
                    spent("tool_calls", (index % 5) as f64, 5.0),
                ],
                nodes: 9,
                seconds: 2.0,
                over: true,
                ..Outcome::default()
            }
        })
        .collect()
}

fn spent(resource: &str, amount: f64, limit: f64) -> Spent {
    Spent {
        resource: resource.to_owned(),
        amount,
        limit,
    }
}

fn compared() -> Model {
    let mut model = empty();
    let summary = |id: &str| RunSummary {
        job: "search".to_owned(),
        total_steps: 40.0,
        last_return: Some(0.675),
        ..run(id, RunState::Finished, 40.0)
    };
    send(&mut model, Msg::Runs(RUNS.map(summary).to_vec()));
    for _ in RUNS {
        letter(&mut model, ' ');
        key(&mut model, KeyCode::Down);
    }
    letter(&mut model, 'c');
    model
}

fn seen(model: &mut Model) {
    for (shift, (id, policy)) in RUNS.into_iter().zip(["bavt", "greedy"]).enumerate() {
        let (run, outcomes) = (id.to_owned(), outcomes(policy, shift));
        send(model, Msg::Seen(Seen::Outcomes { run, outcomes }));
    }
    // News are computed now and then.
    let now = model.now;
    send(model, Msg::Tick(now + 2.0));
}

#[test]
fn two_policies_are_compared_question_by_question() {
    let mut model = compared();
    let runs = RUNS.map(str::to_owned).to_vec();
    assert_eq!(panes::look(&model), Look::Searches { runs });
    assert_eq!(model.compare.table, Table::Searches);
    seen(&mut model);
    letter(&mut model, 'z');
    letter(&mut model, 'z');
    assert_eq!(model.compare.shown, Shown::Table);
    let shown = text(&model, 200, 60);
    for part in [
        "bavt",
        "greedy",
        "backstop",
        "violations",
        "paired bootstrap",
        "0.650",
        "0.675",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    snapshots("searches", &model);
    key(&mut model, KeyCode::Tab);
    assert_eq!(model.compare.table, Table::Questions);
    let shown = text(&model, 120, 40);
    assert!(
        shown.contains("wrong: Wien") && shown.contains("right: Graz"),
        "{shown}"
    );
    snapshots("questions", &model);
    // Of a run that is not compared nothing is taken.
    let (run, outcomes) = ("another".to_owned(), Vec::new());
    send(&mut model, Msg::Seen(Seen::Outcomes { run, outcomes }));
    assert_eq!(model.compare.searched.len(), 2);
}

#[test]
fn other_runs_have_no_tables_of_searches() {
    let mut model = compared();
    seen(&mut model);
    letter(&mut model, 'q');
    let runs = ["a", "b"].map(|id| run(id, RunState::Finished, 200_000.0));
    send(&mut model, Msg::Runs(runs.to_vec()));
    letter(&mut model, 'c');
    assert_eq!(model.compare.tables().len(), 3);
    assert_eq!(model.compare.table, Table::Results);
    assert_eq!(panes::look(&model), Look::Nothing);
}
