//! The search pane: its keys, its replay, its screens.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::KeyCode;
use tracking::search_log::{Outcome, SLICE, SearchEvent, SearchEventKind as Kind, SearchReader};
use tui::look::{Look, Seen};
use tui::model::{Model, RunState, RunSummary};
use tui::panes::{self, Pane};
use tui::theme::Surroundings;
use tui::{Msg, update};

use crate::fixture::{NOW, draw, empty, key, letter, run, send, text};

pub const ID: &str = "questions-bavt-0003";

fn recorded(name: &str) -> Vec<SearchEvent> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/tracking/tests/fixtures/jobs/search")
        .join(format!("{name}.jsonl"));
    let slice = SearchReader::open(&path).poll(SLICE).expect("a fixture");
    slice.events
}

pub fn searching(unicode: bool) -> Model {
    let mut model = empty();
    if !unicode {
        model = Model::new(
            "runs",
            Surroundings {
                unicode,
                ..Surroundings::default()
            },
            NOW,
        );
    }
    let summary = RunSummary {
        job: "search".to_owned(),
        algorithm: "bavt".to_owned(),
        task: "three questions".to_owned(),
        total_steps: 3.0,
        ..run(ID, RunState::Finished, 3.0)
    };
    send(&mut model, Msg::Runs(vec![summary]));
    letter(&mut model, '5');
    model
}

pub fn seen(model: &mut Model, question: &str, events: Vec<SearchEvent>, anew: bool) {
    send(
        model,
        Msg::Seen(Seen::Search {
            run: ID.to_owned(),
            question: question.to_owned(),
            anew,
            events,
            damaged: 0,
            more: false,
        }),
    );
}

/// What the recorded searches came to.
pub fn outcomes() -> Vec<Outcome> {
    ["q1", "q2", "q10"]
        .into_iter()
        .map(|name| {
            let mut outcome = Outcome {
                name: name.to_owned(),
                ..Outcome::default()
            };
            for event in recorded(name) {
                outcome.take(event);
            }
            outcome
        })
        .collect()
}

fn questions(model: &mut Model) {
    let run = ID.to_owned();
    let outcomes = outcomes();
    send(model, Msg::Seen(Seen::Outcomes { run, outcomes }));
}

pub fn typical(unicode: bool) -> Model {
    let mut model = searching(unicode);
    questions(&mut model);
    seen(&mut model, "q1", recorded("q1"), true);
    model
}

fn event(time: f64, kind: Kind) -> SearchEvent {
    SearchEvent {
        version: 1,
        time,
        kind,
    }
}

fn node(id: u64, parent: Option<u64>, text: &str) -> SearchEvent {
    let (role, text) = ("thought".to_owned(), text.to_owned());
    event(
        id as f64,
        Kind::Node {
            id,
            parent,
            role,
            text,
        },
    )
}

fn value(id: u64, value: f64) -> SearchEvent {
    let (delta, why) = (None, String::new());
    event(
        id as f64,
        Kind::Value {
            id,
            value,
            delta,
            why,
        },
    )
}

fn spend(resource: &str, amount: f64, node: u64) -> SearchEvent {
    event(
        node as f64,
        Kind::Spend {
            resource: resource.to_owned(),
            amount,
            node: Some(node),
        },
    )
}

/// More of everything than fits: long and hostile texts, a deep path, budgets broken.
fn overflowing() -> Model {
    let mut model = searching(true);
    let long = "a very long 日本語 \u{1b}[31mquestion\u{202e} with 🦀 ".repeat(20);
    let mut events = vec![event(
        0.0,
        Kind::Question {
            id: "q".into(),
            text: long.clone(),
            policy: "greedy".repeat(9),
            expected: vec!["x".repeat(300)],
        },
    )];
    for (resource, limit) in [
        ("tokens", 10.0),
        ("日本 calls", f64::INFINITY),
        ("zero", 0.0),
    ] {
        let resource = resource.to_owned();
        events.push(event(0.0, Kind::Budget { resource, limit }));
    }
    for id in 0..60 {
        events.push(node(
            id,
            id.checked_sub(1),
            &format!("{id} {long}\n\tsecond\n"),
        ));
        events.push(value(id, if id == 7 { f64::NAN } else { 1e12 * id as f64 }));
        events.push(spend("tokens", 1e6, id));
        events.push(spend("zero", 1.0, id));
    }
    events.push(node(3, None, "twice"));
    seen(&mut model, "q", events, true);
    key(&mut model, KeyCode::Char('G'));
    model
}

/// A question without an answer, and lines that were refused.
fn failing() -> Model {
    let mut model = searching(true);
    let events = vec![
        node(0, None, "Where?"),
        node(1, Some(9), "no such parent"),
        spend("tokens", -4.0, 0),
        event(
            3.0,
            Kind::End {
                why: "the backend left".into(),
            },
        ),
    ];
    seen(&mut model, "q1", events, true);
    model
}

fn snapshots(name: &str, model: &mut Model) {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        send(model, Msg::Resized(width, height));
        insta::assert_snapshot!(
            format!("search_{name}_{width}x{height}"),
            text(model, width, height)
        );
    }
}

#[test]
fn screens_empty_typical_overflowing_and_failing() {
    snapshots("empty", &mut searching(true));
    snapshots("typical", &mut typical(true));
    snapshots("overflowing", &mut overflowing());
    snapshots("failing", &mut failing());
    let mut alone = typical(true);
    letter(&mut alone, 'z');
    snapshots("alone", &mut alone);
}

#[test]
fn ascii_terminals_get_ascii() {
    let mut model = typical(false);
    letter(&mut model, 'z');
    let drawn = text(&model, 120, 40);
    // What the model wrote itself may hold anything; q1 is ASCII.
    let own = drawn.lines().skip(5);
    let bad: Vec<&str> = own.filter(|line| !line.is_ascii()).collect();
    assert_eq!(bad, [""; 0]);
    assert!(drawn.contains(">- R In which city"), "{drawn}");
}

#[test]
fn the_pane_is_that_of_the_job_and_says_what_it_looks_at() {
    let mut model = searching(true);
    assert_eq!(model.shown_job_pane(), Pane::Search);
    let search = |question: Option<&str>| Look::Search {
        run: ID.to_owned(),
        question: question.map(str::to_owned),
    };
    assert_eq!(panes::look(&model), search(None));
    questions(&mut model);
    seen(&mut model, "q1", recorded("q1"), true);
    letter(&mut model, ']');
    assert_eq!(panes::look(&model), search(Some("q2")));
    // What is still told of the question before is not mixed in.
    seen(&mut model, "q1", recorded("q1"), false);
    assert!(model.panes.search.replay.is_empty());
    seen(&mut model, "q2", recorded("q2"), true);
    assert_eq!(model.panes.search.question, "q2");
    letter(&mut model, ']');
    letter(&mut model, ']');
    assert_eq!(panes::look(&model), search(Some("q10")));
    letter(&mut model, '[');
    assert_eq!(panes::look(&model), search(Some("q2")));
    // Nothing is read for a pane that is not on the screen.
    letter(&mut model, '1');
    letter(&mut model, 'z');
    assert_eq!(panes::look(&model), Look::Nothing);
}

#[test]
fn the_tree_is_opened_closed_and_walked() {
    let mut model = searching(true);
    let events = vec![
        node(0, None, "root"),
        node(1, Some(0), "a"),
        node(2, Some(1), "b"),
        node(3, Some(0), "c"),
        value(2, 0.4),
        value(3, 0.9),
    ];
    seen(&mut model, "q", events, true);
    let order = |model: &Model| -> Vec<u32> {
        let rows = model.panes.search.rows().iter();
        rows.map(|row| row.node).collect()
    };
    assert_eq!(order(&model), [0, 1, 2, 3]);
    let at = |model: &Model| model.panes.search.selected();
    letter(&mut model, 'l');
    letter(&mut model, 'l');
    assert_eq!(at(&model), Some(2));
    letter(&mut model, 'h');
    assert_eq!(at(&model), Some(1));
    letter(&mut model, 'h');
    assert_eq!((order(&model), at(&model)), (vec![0, 1, 3], Some(1)));
    letter(&mut model, 'l');
    assert_eq!(order(&model), [0, 1, 2, 3]);
    letter(&mut model, 'o');
    // By value: c before a, which has none; the cursor stays on its node.
    assert_eq!((order(&model), at(&model)), (vec![0, 3, 1, 2], Some(1)));
    assert_eq!(model.panes.search.best(), [0, 3]);
    letter(&mut model, 'b');
    assert_eq!(at(&model), Some(3));
    seen(
        &mut model,
        "q",
        vec![node(4, Some(3), "d"), value(4, 0.95)],
        false,
    );
    assert_eq!((at(&model), model.panes.search.best().len()), (Some(4), 3));
    key(&mut model, KeyCode::Up);
    assert!(!model.panes.search.follow_best);
}

#[test]
fn the_replay_steps_plays_and_ends() {
    let mut model = typical(true);
    let whole = model.panes.search.replay.len();
    let position = |model: &Model| model.panes.search.replay.position();
    assert_eq!(position(&model), whole);
    letter(&mut model, '.');
    assert_eq!(position(&model), whole);
    letter(&mut model, ',');
    assert_eq!(position(&model), whole - 1);
    letter(&mut model, '0');
    assert_eq!((position(&model), model.panes.search.rows().len()), (0, 0));
    letter(&mut model, ' ');
    assert!(model.panes.search.playing);
    let total = model.panes.search.replay.log().time_after(usize::MAX);
    send(&mut model, Msg::Tick(NOW + 1.0));
    let log = model.panes.search.replay.log();
    assert_eq!(position(&model), log.changes_at(1.0));
    // A clock that jumps an hour moves it by a second only.
    send(&mut model, Msg::Tick(NOW + 3_600.0));
    let log = model.panes.search.replay.log();
    assert_eq!(position(&model), log.changes_at(2.0));
    for second in 0..total as u64 + 3 {
        send(&mut model, Msg::Tick(NOW + 3_601.0 + second as f64));
    }
    assert_eq!(
        (position(&model), model.panes.search.playing),
        (whole, false)
    );
    // Again from the start, once it is over.
    letter(&mut model, ' ');
    assert_eq!((position(&model), model.panes.search.playing), (0, true));
    key(&mut model, KeyCode::End);
    assert_eq!(
        (position(&model), model.panes.search.playing),
        (whole, false)
    );
}

#[test]
fn a_log_read_again_keeps_its_place() {
    let mut model = typical(true);
    letter(&mut model, ',');
    letter(&mut model, ',');
    let position = model.panes.search.replay.position();
    seen(&mut model, "q1", recorded("q1"), true);
    assert_eq!(model.panes.search.replay.position(), position);
    // Of another run nothing is taken.
    let run = "another".to_owned();
    let outcomes = vec![Outcome::default()];
    send(&mut model, Msg::Seen(Seen::Outcomes { run, outcomes }));
    assert_eq!(model.panes.search.outcomes.len(), 3);
}

#[test]
fn broken_budgets_are_marked_and_gauges_stay_within_bounds() {
    let mut model = overflowing();
    letter(&mut model, 'z');
    let drawn = text(&model, 120, 40);
    assert!(drawn.contains("! 60M of 10: 60M over budget"), "{drawn}");
    assert!(drawn.contains("! 1 line refused"), "{drawn}");
    assert!(!drawn.contains('\u{1b}') && !drawn.contains('\u{202e}'));
}

#[test]
fn the_mouse_chooses_rows_and_moments() {
    use tui::update::MouseKind;
    let mut model = typical(true);
    letter(&mut model, 'z');
    send(&mut model, Msg::Resized(120, 40));
    let drawn = text(&model, 120, 40);
    let lines: Vec<&str> = drawn.lines().collect();
    let row = lines
        .iter()
        .position(|line| line.contains("▾ R In"))
        .expect("the root");
    let click = |model: &mut Model, column: u16, row: usize| {
        send(model, Msg::Mouse(MouseKind::Click, column, row as u16));
    };
    click(&mut model, 10, row + 2);
    assert_eq!(model.panes.search.cursor, 2);
    click(&mut model, 10, row);
    click(&mut model, 10, row);
    assert_eq!(model.panes.search.rows().len(), 1);
    let slider = lines
        .iter()
        .position(|line| line.contains("event 84"))
        .expect("the slider");
    click(&mut model, 1, slider);
    assert!(model.panes.search.replay.position() < 8);
    click(&mut model, 60, slider);
    let share =
        model.panes.search.replay.position() as f64 / model.panes.search.replay.len() as f64;
    assert!((0.2..1.0).contains(&share), "{share}");
}

#[test]
fn a_hundred_thousand_nodes_are_drawn_in_no_time() {
    let mut model = searching(true);
    let mut events = vec![node(0, None, "root")];
    for id in 1..100_000_u64 {
        let parent = u64::saturating_sub(id, 50_000);
        events.push(node(id, Some(parent), "a step of the search"));
        events.push(value(id, (id % 89) as f64 / 89.0));
        events.push(spend("tokens", 3.0, id));
    }
    seen(&mut model, "q", events, true);
    letter(&mut model, 'z');
    send(&mut model, Msg::Resized(200, 60));
    // Two levels are open from the start, so every node has a row.
    letter(&mut model, 'o');
    let rows = model.panes.search.rows().len();
    assert_eq!(rows, 100_000);
    let start = Instant::now();
    for _ in 0..20 {
        draw(&model, 200, 60);
    }
    let frame = start.elapsed() / 20;
    let start = Instant::now();
    for _ in 0..20 {
        letter(&mut model, ',');
    }
    let step = start.elapsed() / 20;
    eprintln!("{rows} rows: a frame {frame:?}, a step back {step:?}");
    // Unoptimised, on a busy core; optimised it is a tenth of this.
    assert!(frame < Duration::from_millis(200), "{frame:?}");
    assert!(step < Duration::from_millis(1_500), "{step:?}");
    update(&mut model, Msg::Tick(NOW + 1.0));
}

#[test]
fn no_size_and_no_place_panics() {
    for mut model in [searching(true), typical(true), overflowing(), failing()] {
        letter(&mut model, 'z');
        for width in (0..60).step_by(3) {
            for height in 0..16 {
                draw(&model, width, height);
            }
        }
        for position in (0..model.panes.search.replay.len()).step_by(7) {
            model.panes.search.replay.seek(position);
            letter(&mut model, ',');
            draw(&model, 90, 20);
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn any_log_in_any_pieces_with_any_keys_is_shown(
        steps in proptest::collection::vec((0_u8..8, 0_u64..9, 0_u64..9, -2.0..60.0_f64), 0..60),
        keys in proptest::collection::vec(proptest::sample::select("hlobjkgG ,.0$[]JKzafBw".chars().collect::<Vec<_>>()), 0..60),
    ) {
        let mut model = searching(true);
        let mut keys = keys.into_iter();
        for (kind, one, other, number) in steps {
            let events = vec![match kind {
                0..3 => node(one, one.checked_sub(other), "x"),
                3 => value(one, number),
                4 => spend("tokens", number, one),
                5 => event(number, Kind::Prune { id: one, why: "y".into() }),
                6 => event(number, Kind::Budget { resource: "tokens".into(), limit: number }),
                _ => event(number, Kind::Visit { id: one, probability: None, ratio: Some(number) }),
            }];
            seen(&mut model, "q", events, other == 8 && kind == 0);
            if let Some(key) = keys.next() {
                letter(&mut model, key);
            }
            send(&mut model, Msg::Tick(NOW + number));
            draw(&model, (one * 13) as u16, (other * 3) as u16);
            let state = &model.panes.search;
            let last = state.rows().len().saturating_sub(1);
            proptest::prop_assert!(state.cursor <= last);
            proptest::prop_assert!(state.rows().len() <= state.replay.node_count());
        }
    }
}

#[test]
fn the_questions_are_listed_filtered_and_opened() {
    let mut model = typical(true);
    letter(&mut model, 'a');
    letter(&mut model, 'z');
    let drawn = text(&model, 120, 40);
    for part in [
        "3 of 3 over, accuracy 0.667, F1 0.667",
        "✓ q1",
        "✗ q2",
        "the Enns (forced)",
    ] {
        assert!(drawn.contains(part), "{part}: {drawn}");
    }
    // Moving chooses; the tree is that of the chosen one.
    letter(&mut model, 'G');
    assert_eq!(model.panes.search.question, "q10");
    letter(&mut model, 'k');
    assert_eq!(model.panes.search.chosen.as_deref(), Some("q2"));
    letter(&mut model, '/');
    crate::fixture::typed(&mut model, "right");
    key(&mut model, KeyCode::Enter);
    let drawn = text(&model, 120, 40);
    assert!(
        !drawn.contains("✗ q2") && drawn.contains("✓ q10"),
        "{drawn}"
    );
    letter(&mut model, 'j');
    assert_eq!(model.panes.search.question, "q1");
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.panes.search.filter, "");
    letter(&mut model, 'l');
    assert!(!model.panes.search.listing);
    letter(&mut model, 'f');
    assert_eq!(model.panes.search.chosen, None);
    letter(&mut model, 'z');
    letter(&mut model, 'a');
    snapshots("questions", &mut model);
}

#[test]
fn reports_and_branches_are_asked_of_the_program_around() {
    use tui::host::Request;
    use tui::panes::search::{Branch, ReportAsk};
    let mut model = typical(true);
    letter(&mut model, 'w');
    send(&mut model, Msg::Resized(120, 40));
    let drawn = text(&model, 120, 40);
    assert!(
        drawn.contains("write to questions-bavt-0003-q1.html"),
        "{drawn}"
    );
    let asked = key(&mut model, KeyCode::Enter);
    let report = |path: &str, replace| ReportAsk {
        run: ID.to_owned(),
        question: "q1".to_owned(),
        path: path.to_owned(),
        replace,
    };
    let expected = report("questions-bavt-0003-q1.html", false);
    assert_eq!(asked, [tui::Cmd::Ask(Request::SearchReport(expected))]);
    letter(&mut model, 'w');
    crate::fixture::control(&mut model, 'u');
    crate::fixture::typed(&mut model, "tree.pdf");
    assert_eq!(key(&mut model, KeyCode::Enter), []);
    assert!(text(&model, 120, 40).contains("allowed endings"));
    letter(&mut model, 'w');
    crate::fixture::control(&mut model, 'u');
    crate::fixture::typed(&mut model, "tree.dot!");
    let asked = key(&mut model, KeyCode::Enter);
    assert_eq!(
        asked,
        [tui::Cmd::Ask(Request::SearchReport(report(
            "tree.dot", true
        )))]
    );

    letter(&mut model, 'l');
    let node = model.panes.search.selected().expect("a node");
    let id = model.panes.search.replay.log().nodes()[node as usize].id;
    let copied = letter(&mut model, 'B');
    let command = format!("concord search replay runs/{ID}/search/q1.jsonl --branch-from {id}");
    assert_eq!(copied, [tui::Cmd::Copy(command.clone())]);
    assert!(
        text(&model, 120, 40).contains(&command),
        "the command is shown"
    );
    let branch = Branch {
        run: ID.to_owned(),
        question: "q1".to_owned(),
        node: id,
    };
    let asked = letter(&mut model, 'y');
    assert_eq!(asked, [tui::Cmd::Ask(Request::SearchBranch(branch))]);
}

#[test]
fn the_pane_works_on_twenty_columns_and_without_colour() {
    let mut model = typical(false);
    model.theme = tui::theme::Theme::new(Surroundings {
        unicode: false,
        colour: tui::theme::ColourDepth::None,
    });
    letter(&mut model, 'z');
    send(&mut model, Msg::Resized(20, 24));
    let tree = text(&model, 20, 24);
    assert!(tree.contains("R In") && tree.contains(">"), "{tree}");
    letter(&mut model, 'a');
    let list = text(&model, 20, 24);
    assert!(list.contains("x q2") && list.contains("+ q1"), "{list}");
}
