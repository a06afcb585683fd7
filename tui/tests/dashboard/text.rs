//! The text pane: samples, stages, metrics.

use std::path::Path;

use ratatui::crossterm::event::KeyCode;
use tracking::{
    Axis, Event, EventKind, EventReader, Label, Progress, Response, Sample, Stage, TokenLogProb,
};
use tui::Msg;
use tui::host::{Answer, Request};
use tui::look::Look;
use tui::model::{Model, Overlay, RunState, RunSummary};
use tui::panes::{self, Pane, text::shown};
use tui::source::news_after;
use tui::theme::Surroundings;
use tui::update::Cmd;

use crate::fixture::{NOW, draw, empty, event, key, letter, run, scalar, send, text};

const ID: &str = "chat-sppo-0002";

fn recorded() -> Vec<Event> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/tracking/tests/fixtures/jobs/fine-tuning.jsonl");
    EventReader::open(&path).poll().expect("a fixture")
}

fn tuning(events: Vec<Event>, unicode: bool) -> Model {
    let mut model = if unicode {
        empty()
    } else {
        let surroundings = Surroundings {
            unicode,
            ..Surroundings::default()
        };
        Model::new("runs", surroundings, NOW)
    };
    let summary = RunSummary {
        job: "finetune".to_owned(),
        algorithm: "sppo".to_owned(),
        task: "chat preferences".to_owned(),
        total_steps: 936.0,
        ..run(ID, RunState::Running, 768.0)
    };
    send(&mut model, Msg::Runs(vec![summary]));
    letter(&mut model, '4');
    take(&mut model, events);
    model
}

fn take(model: &mut Model, events: Vec<Event>) {
    let news = news_after(&model.detail.history, ID, events);
    send(model, Msg::News(news));
}

fn typical() -> Model {
    tuning(recorded(), true)
}

fn sample(step: u64, responses: Vec<Response>) -> Event {
    event(EventKind::Sample(Sample {
        axis: Axis::LearnerUpdates,
        step,
        iteration: 0,
        prompt: format!("prompt {step}"),
        responses,
    }))
}

fn response(text: &str, label: Option<Label>) -> Response {
    Response {
        text: text.to_owned(),
        label,
        tokens: 4,
        ..Response::default()
    }
}

/// Hostile and endless texts, numbers that are none, more samples than are kept.
fn overflowing() -> Model {
    let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}gpj.exe \t日本語のテキスト 🦀\u{200d}🦀\r\n";
    let mut events: Vec<Event> = (0..1_000)
        .map(|step| sample(step, vec![response("short", None)]))
        .collect();
    let mut long = response(&hostile.repeat(2_000), Some(Label::Chosen));
    long.win_rate = Some(f64::NAN);
    long.reward = Some(1e300);
    long.trace = "thinking ".repeat(400);
    long.trace_tokens = 400;
    long.cut = true;
    long.token_log_probs = vec![TokenLogProb("\u{1b}[1mx".into(), f64::NEG_INFINITY); 500];
    let other = response(&"x".repeat(9_000), Some(Label::Rejected));
    events.push(sample(2_000, vec![long, other]));
    for metric in panes::text::metrics::METRICS {
        for (step, value) in [1e300, f64::NAN, -1e300, 0.0].into_iter().enumerate() {
            events.push(scalar(
                metric.curve,
                Axis::LearnerUpdates,
                step as u64,
                value,
            ));
        }
    }
    events.push(event(EventKind::Stage(Stage {
        iteration: 9_999,
        iterations: 2,
        name: "generate and score ".repeat(9),
        index: 3,
        count: 40,
        done: 900,
        total: 10,
        unit: "日本".to_owned(),
        progress: Progress::default(),
    })));
    tuning(events, true)
}

/// Stages and metrics, but no sample came yet.
fn failing() -> Model {
    let events = recorded().into_iter();
    let events = events.filter(|event| !matches!(event.kind, EventKind::Sample(_)));
    tuning(events.collect(), true)
}

fn snapshots(name: &str, model: &mut Model) {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        send(model, Msg::Resized(width, height));
        insta::assert_snapshot!(
            format!("text_{name}_{width}x{height}"),
            text(model, width, height)
        );
    }
}

#[test]
fn screens_empty_typical_overflowing_and_failing() {
    snapshots("empty", &mut tuning(Vec::new(), true));
    snapshots("typical", &mut typical());
    snapshots("overflowing", &mut overflowing());
    snapshots("failing", &mut failing());
    let mut alone = typical();
    letter(&mut alone, 'z');
    letter(&mut alone, 'd');
    letter(&mut alone, 't');
    snapshots("side_by_side", &mut alone);
}

#[test]
fn the_pane_is_that_of_the_job_and_needs_nothing_else() {
    let model = typical();
    assert_eq!(model.shown_job_pane(), Pane::Text);
    assert_eq!(panes::look(&model), Look::Nothing);
}

#[test]
fn the_newest_sample_is_followed_until_another_is_chosen() {
    let mut model = tuning(Vec::new(), true);
    assert!(shown(&model).is_none());
    letter(&mut model, 'f');
    key(&mut model, KeyCode::Up);
    let step = |model: &Model| shown(model).map(|(_, sample)| sample.step);
    take(
        &mut model,
        (0..5).map(|step| sample(step, Vec::new())).collect(),
    );
    assert_eq!(step(&model), Some(4));
    key(&mut model, KeyCode::Up);
    assert_eq!(step(&model), Some(3));
    take(&mut model, vec![sample(5, Vec::new())]);
    assert_eq!(step(&model), Some(3));
    letter(&mut model, 'g');
    assert_eq!(step(&model), Some(0));
    // What was dropped from the ring gives way to the oldest one kept.
    take(
        &mut model,
        (6..1_000).map(|step| sample(step, Vec::new())).collect(),
    );
    let kept = model.detail.history.samples.len() as u64;
    assert_eq!(step(&model), Some(1_000 - kept));
    letter(&mut model, 'f');
    assert_eq!((step(&model), model.panes.text.at), (Some(999), None));
    letter(&mut model, 'f');
    take(&mut model, vec![sample(1_000, Vec::new())]);
    assert_eq!(step(&model), Some(999));
}

#[test]
fn chosen_and_rejected_stand_side_by_side() {
    let responses = vec![
        response("left out", None),
        response("the worse answer", Some(Label::Rejected)),
        response("the better answer", Some(Label::Chosen)),
    ];
    let mut model = tuning(vec![sample(1, responses)], true);
    letter(&mut model, 'z');
    assert!(text(&model, 100, 30).contains("left out"));
    letter(&mut model, 'd');
    let drawn = text(&model, 100, 30);
    let line = drawn
        .lines()
        .find(|line| line.contains("the better answer"));
    let line = line.expect("the chosen answer");
    assert!(line.contains("the worse answer"), "{drawn}");
    assert!(line.find("better") < line.find("worse"));
    assert!(!drawn.contains("left out"));
}

#[test]
fn unlikely_tokens_are_marked_in_text() {
    let mut certain = response("sure maybe", None);
    certain.token_log_probs = vec![
        TokenLogProb("sure".into(), -0.01),
        TokenLogProb(" maybe".into(), -7.0),
    ];
    let mut model = tuning(vec![sample(1, vec![certain])], true);
    letter(&mut model, 'z');
    assert!(text(&model, 100, 30).contains("sure maybe "));
    letter(&mut model, 't');
    let drawn = text(&model, 100, 30);
    assert!(
        drawn.contains("sure maybe!") && drawn.contains("below 1%"),
        "{drawn}"
    );
}

#[test]
fn long_samples_scroll_and_stop_at_their_end() {
    let lines: Vec<String> = (0..200).map(|line| format!("line {line}")).collect();
    let mut model = tuning(
        vec![sample(1, vec![response(&lines.join("\n"), None)])],
        true,
    );
    letter(&mut model, 'z');
    assert!(text(&model, 100, 30).contains("more lines, PgDn"));
    for _ in 0..40 {
        key(&mut model, KeyCode::PageDown);
    }
    let drawn = text(&model, 100, 30);
    assert!(
        drawn.contains("line 199") && !drawn.contains("more lines"),
        "{drawn}"
    );
    key(&mut model, KeyCode::Up);
    assert_eq!(model.panes.text.from, 0);
}

#[test]
fn nothing_hostile_reaches_the_screen() {
    let mut model = overflowing();
    letter(&mut model, 'z');
    for _ in 0..3 {
        for (width, height) in [(80, 24), (200, 60)] {
            let drawn = text(&model, width, height);
            assert!(!drawn.contains(['\u{1b}', '\u{202e}', '\u{7}', '\t', '\r']));
        }
        letter(&mut model, 'd');
        letter(&mut model, 't');
        letter(&mut model, 'w');
    }
}

#[test]
fn ascii_terminals_get_ascii_marks() {
    let mut model = tuning(recorded(), false);
    letter(&mut model, 'z');
    key(&mut model, KeyCode::Char('g'));
    let drawn = text(&model, 120, 40);
    assert!(
        drawn.contains("+ generate + score + pair > train . evaluate"),
        "{drawn}"
    );
    let metrics = drawn.lines().filter(|line| line.contains("reward margin"));
    assert!(metrics.clone().count() == 1 && metrics.clone().all(str::is_ascii));
}

#[test]
fn no_size_panics_and_an_endless_text_is_drawn_quickly() {
    for mut model in [
        tuning(Vec::new(), true),
        typical(),
        overflowing(),
        failing(),
    ] {
        letter(&mut model, 'z');
        letter(&mut model, 'd');
        for width in 0..50 {
            for height in (0..20).step_by(2) {
                draw(&model, width, height);
            }
        }
    }
    let mut model = overflowing();
    letter(&mut model, 'z');
    let start = std::time::Instant::now();
    for _ in 0..10 {
        draw(&model, 200, 60);
    }
    let frame = start.elapsed() / 10;
    eprintln!("a frame of endless texts: {frame:?}");
    // Unoptimised, on a busy core.
    assert!(frame < std::time::Duration::from_millis(250), "{frame:?}");
}

#[test]
fn before_the_plan_is_known_the_bar_tells_the_stage() {
    let mut model = tuning(Vec::new(), true);
    let stage = "iteration 1 of 3: generate 120 of 2000 prompts";
    let mut summary = RunSummary {
        job: "finetune".to_owned(),
        message: stage.to_owned(),
        total_steps: 0.0,
        ..run(ID, RunState::Running, 0.0)
    };
    send(&mut model, Msg::Runs(vec![summary.clone()]));
    let shown = text(&model, 120, 40);
    assert!(shown.contains(stage), "{shown}");
    assert!(!shown.contains("0 updates"), "{shown}");
    summary.total_steps = 30.0;
    summary.updates = 15.0;
    send(&mut model, Msg::Runs(vec![summary]));
    let shown = text(&model, 120, 40);
    assert!(
        shown.contains("15 / 30 updates") && shown.contains(stage),
        "{shown}"
    );
}

#[test]
fn scores_of_a_language_model_have_their_names() {
    let mut model = tuning(Vec::new(), true);
    let scored = EventKind::Evaluation {
        purpose: tracking::EvaluationPurpose::Absolute,
        progress: Progress::default(),
        returns: vec![1.0, 0.0, 1.0, 1.0],
        lengths: vec![7; 4],
        extra: [("accuracy".to_owned(), vec![1.0, 0.0, 1.0, 1.0])].into(),
        checkpoint: "model".to_owned(),
    };
    take(&mut model, vec![event(scored)]);
    let shown = text(&model, 120, 40);
    assert!(shown.contains("accuracy 0.750 ["), "{shown}");
    assert!(!shown.contains("best checkpoint"), "{shown}");
}

#[test]
fn a_language_model_is_measured_from_here() {
    let mut model = tuning(Vec::new(), true);
    letter(&mut model, 'E');
    let shown = text(&model, 120, 40);
    let command = format!("concord eval {ID} --problems arithmetic");
    assert!(
        shown.contains("Measure this language model?") && shown.contains(&command),
        "{shown}"
    );
    let asked = letter(&mut model, 'y');
    let measure = Cmd::Ask(Request::Measure(ID.to_owned()));
    assert!(asked.contains(&measure), "{asked:?}");
    let answer = |outcome| {
        let id = ID.to_owned();
        Msg::Answer(Answer::Measured { id, outcome })
    };
    send(&mut model, answer(Err("no model yet".to_owned())));
    let shown = text(&model, 120, 40);
    assert!(shown.contains("was not measured: no model yet"), "{shown}");
    let line = "accuracy 0.362 [0.328, 0.399], 500 problems x 4";
    send(&mut model, answer(Ok(vec![line.to_owned()])));
    let shown = text(&model, 120, 40);
    assert!(
        shown.contains(line) && shown.contains("on made-up problems"),
        "{shown}"
    );
    assert_eq!(letter(&mut model, 'y'), [Cmd::Copy(command)]);
    // Nobody is interrupted.
    letter(&mut model, '?');
    send(&mut model, answer(Ok(vec![line.to_owned()])));
    assert!(matches!(model.overlay, Overlay::Help(..)));
}
