//! The log pane.

use ratatui::crossterm::event::KeyCode;
use tracking::Level;
use tui::update::News;
use tui::{Model, Msg};

use crate::fixture::{key, letter, said, send, text, typed, typical};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn snapshots(name: &str, model: &Model) {
    for (width, height) in SIZES {
        let name = format!("logs_{name}_{width}x{height}");
        insta::assert_snapshot!(name, text(model, width, height));
    }
}

fn say(model: &mut Model, lines: &[&str]) {
    let news = News {
        id: model.detail.id.clone(),
        log: lines.iter().map(|line| said(line)).collect(),
        ..News::default()
    };
    send(model, Msg::News(news));
}

/// The log on the whole screen.
fn opened() -> Model {
    let mut model = typical();
    letter(&mut model, '6');
    letter(&mut model, 'z');
    say(
        &mut model,
        &[
            "loading the environment",
            "warning: learner: loss is large at update 12",
            "DEBUG tracking::sink: opened",
            "[W1124 13:35:02.1 TensorImpl.cpp:12] Warning: no CUDA",
            "error: disk: no room left",
            "   in runs/a",
            "still here",
        ],
    );
    model
}

fn filter(model: &mut Model, text: &str) {
    letter(model, '/');
    typed(model, text);
    key(model, KeyCode::Enter);
}

fn shown(model: &Model) -> String {
    text(model, 120, 40)
}

#[test]
fn levels_have_letters_and_a_threshold() {
    let mut model = opened();
    snapshots("typical", &model);
    let screen = shown(&model);
    assert!(screen.contains("E disk: no room left"));
    assert!(screen.contains("W TensorImpl.cpp:12: no CUDA"));
    assert!(screen.contains("1 of debug hidden") && !screen.contains("opened"));

    letter(&mut model, 'l');
    assert_eq!(model.panes.logs.level, Level::Warning);
    let screen = shown(&model);
    assert!(screen.contains("warning or worse") && !screen.contains("still here"));
    letter(&mut model, 'l');
    let screen = shown(&model);
    assert!(screen.contains("no room left") && !screen.contains("no CUDA"));
    letter(&mut model, 'l');
    assert!(shown(&model).contains("D tracking::sink: opened"));
    letter(&mut model, 'l');
    assert_eq!(model.panes.logs.level, Level::Info);
}

#[test]
fn one_target_after_the_other_then_all() {
    let mut model = opened();
    let mut seen = Vec::new();
    loop {
        letter(&mut model, 'T');
        if model.panes.logs.target.is_empty() {
            break;
        }
        seen.push(model.panes.logs.target.clone());
        assert!(seen.len() < 20);
    }
    assert!(seen.is_sorted() && seen.contains(&"learner".to_owned()));
    letter(&mut model, 'T');
    model.panes.logs.target = "disk".to_owned();
    let now = model.now;
    send(&mut model, Msg::Tick(now));
    let screen = shown(&model);
    assert!(screen.contains("no room left") && !screen.contains("no CUDA"));
}

#[test]
fn a_filter_hides_or_marks_and_its_matches_are_visited() {
    let mut model = opened();
    letter(&mut model, 'n');
    assert!(
        model
            .notice
            .as_ref()
            .is_some_and(|notice| notice.text.contains('/'))
    );
    filter(&mut model, "no (room|cuda)");
    let screen = shown(&model);
    assert!(screen.contains("no CUDA") && screen.contains("no room left"));
    assert!(!screen.contains("still here") && screen.contains("/no (room|cuda): 2"));

    letter(&mut model, 'c');
    assert!(shown(&model).contains("still here"));
    letter(&mut model, 'N');
    let screen = shown(&model);
    assert!(screen.contains("no room left") && !screen.contains("still here"));
    letter(&mut model, 'N');
    assert!(!shown(&model).contains("no room left"));
    letter(&mut model, 'N');
    assert!(
        model
            .notice
            .as_ref()
            .is_some_and(|notice| notice.text.contains("above"))
    );
    letter(&mut model, 'n');
    assert!(shown(&model).contains("no room left"));
    letter(&mut model, 'f');
    assert!(shown(&model).contains("still here"));

    // A filter that is inverted, and one that nothing fits.
    letter(&mut model, 'c');
    filter(&mut model, "x");
    key(&mut model, KeyCode::Esc);
    filter(&mut model, "!no ");
    assert!(!shown(&model).contains("no CUDA"));
    key(&mut model, KeyCode::Esc);
    filter(&mut model, "nobody says this");
    assert!(shown(&model).contains("No line fits"));
}

#[test]
fn long_lines_are_cut_or_wrapped() {
    let mut model = opened();
    let long = format!("start {} end", "word ".repeat(100));
    say(&mut model, &[&long]);
    assert!(!shown(&model).contains(" end"));
    letter(&mut model, 'w');
    let screen = shown(&model);
    assert!(screen.contains(" end") && screen.contains("start"));
    snapshots("wrapped", &model);
}

#[test]
fn the_place_stays_when_lines_come_and_fall_off() {
    let mut model = opened();
    key(&mut model, KeyCode::Home);
    let first = shown(&model);
    assert!(first.contains("f follows"));
    say(&mut model, &["more"; 50]);
    assert!(!shown(&model).contains("more"));
    let many: Vec<String> = (0..6_000).map(|index| format!("line {index}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    say(&mut model, &many);
    // The place fell off: the oldest line that is left takes it.
    assert!(shown(&model).contains("line 1000"));
    letter(&mut model, 'f');
    assert!(shown(&model).contains("line 5999"));
    key(&mut model, KeyCode::PageUp);
    say(&mut model, &["after"]);
    assert!(!shown(&model).contains("after"));
    key(&mut model, KeyCode::End);
    assert!(shown(&model).contains("after"));
}

#[test]
fn times_are_shown_where_they_are_known() {
    let mut model = opened();
    letter(&mut model, 't');
    let screen = shown(&model);
    assert!(
        screen.contains("W 08:00:00Z tensorboard: not writable"),
        "{screen}"
    );
}

#[test]
fn a_log_that_begins_anew_is_shown_anew() {
    let mut model = opened();
    key(&mut model, KeyCode::Home);
    let news = News {
        id: model.detail.id.clone(),
        anew: true,
        log: vec![said("fresh")],
        ..News::default()
    };
    send(&mut model, Msg::News(news));
    let screen = shown(&model);
    assert!(screen.contains("fresh") && !screen.contains("no CUDA"));
    assert_eq!(model.panes.logs.anchor, None);
}
