//! A model in the states that the tests need, at a fixed clock.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tracking::{Axis, EvaluationPurpose, Event, EventKind, Level, LogLine, Progress};
use tui::detail::{Episode, WorldFrame};
use tui::model::{Model, RunState, RunSummary};
use tui::source::news_after;
use tui::theme::{ColourDepth, Role, Surroundings};
use tui::{Cmd, Msg, update};

pub const NOW: f64 = 1_800_000_000.0;

pub fn run(id: &str, state: RunState, step: f64) -> RunSummary {
    RunSummary {
        id: id.to_owned(),
        state,
        step,
        total_steps: 200_000.0,
        updates: step / 25.0,
        last_return: Some(0.875),
        steps_per_second: Some(672.4),
        heard: NOW - 3.0,
        seconds: 125.0,
        message: String::new(),
        exit_code: None,
        job: "train".to_owned(),
        algorithm: "iql".to_owned(),
        task: "Foraging-8x8-2p-2f-coop-v3".to_owned(),
        device: "cpu".to_owned(),
        ..RunSummary::default()
    }
}

/// The effect that reads one run and no other.
pub fn watch(id: &str) -> Cmd {
    Cmd::Watch {
        selected: Some(id.to_owned()),
        compared: Vec::new(),
    }
}

pub fn empty() -> Model {
    Model::new(
        "runs",
        Surroundings {
            colour: ColourDepth::True,
            unicode: true,
        },
        NOW,
    )
}

/// Three runs, the first selected, with curves, an episode and a log.
pub fn typical() -> Model {
    let mut model = empty();
    let runs = vec![
        run("lbf-8x8-2p-iql-0007", RunState::Running, 84_000.0),
        RunSummary {
            message: "loss is NaN at update 310".to_owned(),
            exit_code: Some(4),
            ..run("lbf-8x8-2p-iql-0006", RunState::Failed, 12_400.0)
        },
        run("climbing-vdn-日本語-🦀", RunState::Finished, 200_000.0),
    ];
    send(&mut model, Msg::Runs(runs));
    let id = "lbf-8x8-2p-iql-0007".to_owned();
    let mut events = Vec::new();
    for index in 0..84_u64 {
        let step = index * 1_000;
        let rising = 1.0 - (-(step as f64) / 30_000.0).exp();
        let wobble = (index as f64 * 0.9).sin() * 0.04;
        let mut add =
            |name: &str, axis: Axis, value: f64| events.push(scalar(name, axis, step, value));
        add(
            "train/return",
            Axis::EnvSteps,
            (rising + wobble).clamp(0.0, 1.0),
        );
        add(
            "train/epsilon",
            Axis::EnvSteps,
            1.0 - step as f64 / 100_000.0,
        );
        add(
            "train/loss",
            Axis::LearnerUpdates,
            0.02 * (1.0 - rising) + 0.001,
        );
        add("runtime/acting_share", Axis::EnvSteps, 0.4 + wobble);
    }
    for index in 1..=4 {
        let step = index * 20_000;
        let solved = (100.0 * (1.0 - (-(step as f64) / 25_000.0).exp())) as usize;
        let returns = (0..100)
            .map(|episode| f64::from(u8::from(episode < solved)))
            .collect();
        events.push(evaluation(step, returns));
    }
    events.push(event(EventKind::Warning {
        source: "tensorboard".to_owned(),
        message: "not writable; dropped".to_owned(),
    }));
    let mut news = news_after(&model.detail.history, &id, events);
    news.log.insert(0, said("LibTorch 2.11.0 on 1 thread"));
    news.episode = Some(episode(5));
    send(&mut model, Msg::News(news));
    model
}

/// A line of the console.
pub fn said(line: &str) -> LogLine {
    LogLine::of_console(line, Level::Info)
}

/// Tells the selected run's next events.
pub fn tell(model: &mut Model, events: Vec<Event>) {
    let news = news_after(&model.detail.history, &model.detail.id, events);
    send(model, Msg::News(news));
}

pub fn event(kind: EventKind) -> Event {
    Event {
        version: 1,
        sequence: 0,
        time: NOW,
        kind,
    }
}

pub fn scalar(name: &str, axis: Axis, step: u64, value: f64) -> Event {
    event(EventKind::Scalar {
        name: name.to_owned(),
        value,
        axis,
        step,
    })
}

pub fn evaluation(step: u64, returns: Vec<f64>) -> Event {
    event(EventKind::Evaluation {
        purpose: EvaluationPurpose::Interval,
        progress: Progress {
            step,
            ..Progress::default()
        },
        lengths: vec![12; returns.len()],
        returns,
        extra: std::collections::BTreeMap::new(),
        checkpoint: String::new(),
    })
}

pub fn episode(frames: usize) -> Episode {
    let frames = (0..frames)
        .map(|step| {
            let rows = (0..8)
                .map(|row| {
                    (0..8)
                        .map(|column| match (row, column) {
                            (2, c) if c == step % 8 => ("A1 ".to_owned(), Role::Series(1)),
                            (5, 6) => ("B2 ".to_owned(), Role::Series(2)),
                            (2, 7) => ("*3 ".to_owned(), Role::Goal),
                            _ => ("·  ".to_owned(), Role::Muted),
                        })
                        .collect()
                })
                .collect();
            WorldFrame {
                rows,
                caption: format!("step {step}  return 0.000"),
                ..WorldFrame::default()
            }
        })
        .collect();
    Episode {
        label: "step 80000".to_owned(),
        frames,
    }
}

pub fn send(model: &mut Model, message: Msg) -> Vec<Cmd> {
    update(model, message)
}

pub fn key(model: &mut Model, code: KeyCode) -> Vec<Cmd> {
    update(model, Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

pub fn letter(model: &mut Model, letter: char) -> Vec<Cmd> {
    key(model, KeyCode::Char(letter))
}

pub fn typed(model: &mut Model, text: &str) -> Vec<Cmd> {
    text.chars()
        .flat_map(|character| letter(model, character))
        .collect()
}

pub fn control(model: &mut Model, letter: char) -> Vec<Cmd> {
    update(
        model,
        Msg::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)),
    )
}

pub fn draw(model: &Model, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test backend");
    terminal
        .draw(|frame| tui::view(model, frame))
        .expect("drawing never fails");
    terminal
}

pub fn text(model: &Model, width: u16, height: u16) -> String {
    draw(model, width, height).backend().to_string()
}
