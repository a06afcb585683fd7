//! The compare screen: which runs, what is computed, what is shown and written.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use ratatui::crossterm::event::KeyCode;
use tracking::event::HyperParameter;
use tracking::{Axis, EvaluationPurpose, EventKind, History, Progress};
use tui::comparison::EVALUATION;
use tui::curve::axes::XAxis;
use tui::host::Request;
use tui::model::{Model, RunState, RunSummary};
use tui::screens::ScreenKind;
use tui::screens::compare::{Shown, Table, metric_names, plot};
use tui::theme::{ColourDepth, Surroundings, Theme};
use tui::update::{MouseKind, News};
use tui::{Cmd, Msg, view};

use crate::fixture::{NOW, draw, empty, event, key, letter, run, scalar, send, text, typed};

mod searches;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn snapshots(name: &str, model: &Model) {
    for (width, height) in SIZES {
        let name = format!("compare_{name}_{width}x{height}");
        insta::assert_snapshot!(name, text(model, width, height));
    }
}

fn evaluated(purpose: EvaluationPurpose, step: u64, solved: usize) -> tracking::Event {
    event(EventKind::Evaluation {
        purpose,
        progress: Progress {
            step,
            updates: step / 25,
            seconds: step as f64 / 600.0,
            ..Progress::default()
        },
        returns: (0..20)
            .map(|one| f64::from(u8::from(one < solved)))
            .collect(),
        lengths: vec![12; 20],
        extra: BTreeMap::new(),
        checkpoint: String::new(),
    })
}

/// A run whose returns rise at its own pace.
fn history(algorithm: &str, seed: u64, steps: u64) -> History {
    let pace = if algorithm == "mansa" {
        30_000.0
    } else {
        70_000.0
    } + seed as f64 * 4_000.0;
    let mut history = History::new();
    let values = BTreeMap::from([
        ("seed".to_owned(), HyperParameter::Number(seed as f64)),
        (
            "algorithm.kind".to_owned(),
            HyperParameter::Text(algorithm.to_owned()),
        ),
        (
            "environment.id".to_owned(),
            HyperParameter::Text("Foraging-5x5".to_owned()),
        ),
    ]);
    history.apply(event(EventKind::Hparams { values }));
    for step in (0..=steps).step_by(10_000) {
        let solved = (20.0 * (1.0 - (-(step as f64) / pace).exp())).round() as usize;
        history.apply(evaluated(EvaluationPurpose::Interval, step, solved));
        for part in 0..10_u64 {
            let at = step + part * 1_000;
            let value = 1.0 - (-(at as f64) / pace).exp() + (at as f64).sin() * 0.03;
            history.apply(scalar("train/return", Axis::EnvSteps, at, value));
            history.apply(scalar(
                "train/loss",
                Axis::LearnerUpdates,
                at / 25,
                1.0 / (1.0 + at as f64),
            ));
        }
    }
    if steps == 100_000 {
        history.apply(evaluated(
            EvaluationPurpose::Absolute,
            steps,
            18 + seed as usize % 3,
        ));
    }
    history
}

fn summary(id: &str, algorithm: &str, seed: u64, steps: u64) -> RunSummary {
    let state = if steps == 100_000 {
        RunState::Finished
    } else {
        RunState::Running
    };
    RunSummary {
        algorithm: algorithm.to_owned(),
        seed,
        seconds: steps as f64 / (500.0 + seed as f64 * 100.0),
        tokens: 0.0,
        ..run(id, state, steps as f64)
    }
}

fn news(id: &str, history: History) -> Msg {
    Msg::News(News {
        id: id.to_owned(),
        history: Some(Arc::new(history)),
        ..News::default()
    })
}

const RUNS: [(&str, &str, u64, u64); 5] = [
    ("20261124-100000-mansa-s1", "mansa", 1, 100_000),
    ("20261124-100100-mansa-s2", "mansa", 2, 100_000),
    ("20261124-100200-mansa-s3", "mansa", 3, 60_000),
    ("20261124-100300-iql-s1", "iql", 1, 100_000),
    ("20261124-100400-iql-s2", "iql", 2, 100_000),
];

/// Three seeds of one method and two of another; those with these numbers are marked.
fn listed(marked: &[usize]) -> Model {
    let mut model = empty();
    send(&mut model, Msg::Resized(120, 40));
    let runs = RUNS.map(|(id, algorithm, seed, steps)| summary(id, algorithm, seed, steps));
    send(&mut model, Msg::Runs(runs.to_vec()));
    for index in marked {
        model.panes.runs.marked.insert(RUNS[*index].0.to_owned());
    }
    model
}

fn read(model: &mut Model) {
    for (id, algorithm, seed, steps) in RUNS {
        send(model, news(id, history(algorithm, seed, steps)));
    }
    send(model, Msg::Tick(NOW + 5.0));
}

fn compared() -> Model {
    let mut model = listed(&[0, 1, 2, 3, 4]);
    letter(&mut model, 'c');
    read(&mut model);
    model
}

#[test]
fn marked_runs_are_watched_and_left_again() {
    let mut model = listed(&[0, 3]);
    let commands = letter(&mut model, 'c');
    assert_eq!(model.screen, ScreenKind::Compare);
    let wanted = vec![RUNS[0].0.to_owned(), RUNS[3].0.to_owned()];
    assert_eq!(
        commands,
        [Cmd::Watch {
            selected: Some(RUNS[0].0.to_owned()),
            compared: wanted
        }]
    );
    let commands = key(&mut model, KeyCode::Esc);
    assert_eq!(model.screen, ScreenKind::Dashboard);
    assert!(matches!(&commands[..], [Cmd::Watch { compared, .. }] if compared.is_empty()));
}

#[test]
fn without_marks_the_seeds_of_the_selected_run_are_compared() {
    let mut model = listed(&[]);
    letter(&mut model, 'c');
    let ids: Vec<&String> = model.compared.keys().collect();
    assert_eq!(ids, [RUNS[0].0, RUNS[1].0, RUNS[2].0]);
}

#[test]
fn seeds_fold_into_a_band_per_configuration() {
    let mut model = compared();
    let names = |model: &Model| -> Vec<String> {
        plot(model)
            .curves
            .iter()
            .map(|curve| curve.name.clone())
            .collect()
    };
    assert_eq!(names(&model), ["mansa (3 seeds)", "iql (2 seeds)"]);
    assert_eq!(model.compare.request.metric, EVALUATION);
    let band = &plot(&model).curves[0].band;
    assert_eq!(band.first().map(|part| part.0), Some(0.0));
    let notes = &model.compare.found.notes;
    assert_eq!(notes[..], ["mansa: fewer than 3 seeds from 70k on"]);
    letter(&mut model, 'f');
    let runs = ["mansa-s1", "mansa-s2", "mansa-s3", "iql-s1", "iql-s2"];
    assert_eq!(names(&model), runs);
    assert_eq!(model.compare.sheets[2].rows.len(), 5);
}

#[test]
fn folded_and_single() {
    let mut model = compared();
    snapshots("folded", &model);
    letter(&mut model, 'f');
    letter(&mut model, 'e');
    letter(&mut model, '.');
    snapshots("single_read", &model);
}

#[test]
fn settings_and_improvement() {
    let mut model = compared();
    letter(&mut model, 'd');
    assert_eq!(model.compare.table, Table::Settings);
    let shown = text(&model, 120, 40);
    assert!(
        shown.contains("algorithm.kind") && !shown.contains("environment.id"),
        "{shown}"
    );
    snapshots("settings", &model);
    key(&mut model, KeyCode::Tab);
    key(&mut model, KeyCode::Tab);
    key(&mut model, KeyCode::Tab);
    key(&mut model, KeyCode::Tab);
    assert_eq!(model.compare.table, Table::Improvement);
    let shown = text(&model, 120, 40);
    // Not every run has an absolute return: the third seed is still running.
    assert!(shown.contains("final returns"), "{shown}");
    letter(&mut model, 'z');
    letter(&mut model, 'z');
    assert_eq!(model.compare.shown, Shown::Table);
    snapshots("improvement", &model);
    key(&mut model, KeyCode::Esc);
    assert_eq!(
        (model.compare.shown, model.screen),
        (Shown::Both, ScreenKind::Compare)
    );
}

#[test]
fn nothing_to_compare_says_what_to_do() {
    let mut model = empty();
    send(&mut model, Msg::Runs(Vec::new()));
    letter(&mut model, 'c');
    assert!(
        model
            .notice
            .as_ref()
            .is_some_and(|notice| notice.text.contains("mark runs"))
    );
    snapshots("empty", &model);
    // Runs that wrote nothing yet.
    let mut model = listed(&[0, 3]);
    letter(&mut model, 'c');
    snapshots("waiting", &model);
}

#[test]
fn troubled_values_long_names_and_too_many_runs() {
    let mut model = empty();
    let ids: Vec<String> = (0..40)
        .map(|index| {
            format!(
                "20261124-1000{index:02}-長い名前-{}-{index}",
                "long-name".repeat(6)
            )
        })
        .collect();
    let runs = ids
        .iter()
        .map(|id| run(id, RunState::Failed, 1e4))
        .collect();
    send(&mut model, Msg::Runs(runs));
    model.panes.runs.marked.extend(ids.iter().cloned());
    letter(&mut model, 'c');
    assert_eq!(model.compared.len(), 32);
    for (index, id) in ids.iter().enumerate().take(32) {
        let mut history = History::new();
        for step in 0..50_u64 {
            let value = match step % 10 {
                3 => f64::NAN,
                7 => f64::INFINITY,
                _ => 10.0_f64.powi(index as i32 * 3 - 40),
            };
            history.apply(scalar("loss", Axis::Tokens, step * 1_000, value));
        }
        send(&mut model, news(id, history));
    }
    send(&mut model, Msg::Tick(NOW + 5.0));
    assert_eq!(model.compare.found.axis, XAxis::Tokens);
    letter(&mut model, 'L');
    snapshots("overflowing", &model);
}

#[test]
fn another_axis_metric_and_filter() {
    let mut model = compared();
    letter(&mut model, 't');
    assert_eq!(model.compare.found.axis, XAxis::Updates);
    let last = |model: &Model| plot(model).curves[1].points.last().map(|point| point.0);
    assert_eq!(last(&model), Some(4_000.0));
    letter(&mut model, 't');
    letter(&mut model, 't');
    assert_eq!(model.compare.found.axis, XAxis::Tokens);
    let notice = model.notice.clone().expect("it is said");
    assert_eq!(notice.text, "nothing tells the tokens of these runs");
    model.compare.request.axis = None;
    letter(&mut model, 'j');
    assert_eq!(model.compare.request.metric, "train/loss");
    // Shown over its own axis.
    assert_eq!(model.compare.found.axis, XAxis::Updates);
    letter(&mut model, '/');
    typed(&mut model, "return$");
    key(&mut model, KeyCode::Enter);
    assert_eq!(metric_names(&model.compare), [EVALUATION, "train/return"]);
    letter(&mut model, 'G');
    assert_eq!(model.compare.request.metric, "train/return");
}

#[test]
fn news_are_computed_at_most_once_a_second() {
    let mut model = compared();
    let before = model.compare.found.clone();
    send(&mut model, news(RUNS[2].0, history("mansa", 3, 100_000)));
    send(&mut model, Msg::Tick(NOW + 5.2));
    assert_eq!(model.compare.found, before);
    send(&mut model, Msg::Tick(NOW + 6.1));
    assert!(model.compare.found.notes.is_empty());
}

#[test]
fn what_is_shown_is_written_through_the_host() {
    let mut model = compared();
    let saved = |model: &mut Model, path: &str| -> (String, String, bool) {
        letter(model, 'E');
        assert!(text(model, 120, 40).contains("write to"));
        send(model, Msg::Key(KeyCode::Home.into()));
        for _ in 0.."comparison.csv".len() {
            key(model, KeyCode::Delete);
        }
        typed(model, path);
        let commands = key(model, KeyCode::Enter);
        match commands.into_iter().next() {
            Some(Cmd::Ask(Request::Save {
                path,
                text,
                replace,
            })) => (path, text, replace),
            other => panic!("{other:?}"),
        }
    };
    let (path, csv, replace) = saved(&mut model, "out/a.csv");
    assert_eq!((path.as_str(), replace), ("out/a.csv", false));
    assert!(csv.starts_with("curve,metric,axis,x,value,low,high,seeds\nmansa (3 seeds),"));
    let (path, svg, replace) = saved(&mut model, "a.svg!");
    assert_eq!((path.as_str(), replace), ("a.svg", true));
    assert!(svg.starts_with("<svg") && svg.contains("mansa (3 seeds)") && svg.contains("polygon"));
    let chart = saved(&mut model, "a.txt").1;
    assert!(
        chart.contains("● mansa (3 seeds)") && chart.contains("absolute return"),
        "{chart}"
    );
    let json = saved(&mut model, "a.json").1;
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(value[1]["runs"][0], RUNS[3].0);
    letter(&mut model, 'z');
    letter(&mut model, 'z');
    assert!(
        saved(&mut model, "t.csv")
            .1
            .starts_with("group,seeds,absolute_return")
    );
    letter(&mut model, 'E');
    typed(&mut model, ".doc");
    assert!(key(&mut model, KeyCode::Enter).is_empty());
    let notice = model.notice.clone().expect("it is said");
    assert!(notice.text.contains("comparison.csv.doc") && notice.text.contains(".svg"));
}

#[test]
fn the_mouse_zooms_and_chooses_a_metric() {
    let mut model = compared();
    let body = view::areas(&model, model.size).body;
    send(
        &mut model,
        Msg::Mouse(MouseKind::WheelUp, body.x + 40, body.y + 8),
    );
    let zoomed = plot(&model).view.window;
    assert_ne!(zoomed, tui::widgets::plot::Window::Whole);
    send(
        &mut model,
        Msg::Mouse(MouseKind::Click, body.x + 40, body.y + 8),
    );
    assert!(plot(&model).view.cursor.is_some());
    send(
        &mut model,
        Msg::Mouse(MouseKind::Drag, body.x + 20, body.y + 8),
    );
    assert_ne!(plot(&model).view.window, zoomed);
    send(
        &mut model,
        Msg::Mouse(MouseKind::Click, body.right() - 10, body.y + 2),
    );
    assert_eq!(model.compare.request.metric, "train/loss");
}

#[test]
fn without_unicode_everything_is_ascii() {
    let mut model = compared();
    model.theme = Theme::new(Surroundings {
        colour: ColourDepth::None,
        unicode: false,
    });
    let shown = text(&model, 120, 40);
    assert!(shown.is_ascii(), "{shown}");
    assert!(shown.contains("o mansa (3 seeds)") && shown.contains("x iql (2 seeds)"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..Default::default() })]
    #[test]
    fn anything_pressed_or_pointed_at_leaves_a_comparison_that_draws(
        acts in prop::collection::vec((any::<prop::sample::Index>(), 0_u16..130, 0_u16..45), 0..40),
        width in 0_u16..130, height in 0_u16..45,
    ) {
        let keys: Vec<char> = "fidEeLowt+-hl0.z<>jkgG\u{9}".chars().collect();
        let kinds = [MouseKind::Click, MouseKind::Drag, MouseKind::WheelUp, MouseKind::WheelDown];
        let mut model = compared();
        for (which, x, y) in acts {
            let which = which.index(keys.len() + kinds.len() + 2);
            if let Some(pressed) = keys.get(which) {
                match pressed {
                    '\u{9}' => key(&mut model, KeyCode::Tab),
                    pressed => letter(&mut model, *pressed),
                };
            } else if let Some(kind) = kinds.get(which - keys.len()) {
                send(&mut model, Msg::Mouse(*kind, x, y));
            } else if which % 2 == 0 {
                key(&mut model, KeyCode::PageDown);
            } else {
                send(&mut model, Msg::Resized(x, y));
            }
        }
        let _ = draw(&model, width, height);
    }
}

#[test]
fn a_comparison_of_ten_runs_is_computed_between_frames() {
    let mut model = empty();
    let ids: Vec<String> = (0..10)
        .map(|index| format!("20261124-10000{index}-run-s{index}"))
        .collect();
    let runs = ids
        .iter()
        .map(|id| run(id, RunState::Finished, 1e5))
        .collect();
    send(&mut model, Msg::Runs(runs));
    model.panes.runs.marked.extend(ids.iter().cloned());
    letter(&mut model, 'c');
    for (seed, id) in ids.iter().enumerate() {
        send(&mut model, news(id, history("mansa", seed as u64, 100_000)));
    }
    // Once a second at most: mean, then interquartile mean over ten seeds, then each run.
    for key in ['i', 'i', 'f'] {
        let started = std::time::Instant::now();
        letter(&mut model, key);
        println!("{key}: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
        assert_eq!(model.compare.metrics.len(), 3);
    }
    assert_eq!(model.compare.sheets[2].rows.len(), 10);
}
