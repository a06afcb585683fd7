//! A model in the states that the tests need, at a fixed clock.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui::model::{Episode, EvaluationPoint, Model, RunState, RunSummary, WorldFrame};
use tui::theme::{ColourDepth, Role, Surroundings};
use tui::update::News;
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
        started: NOW - 125.0,
        message: String::new(),
        exit_code: None,
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
    let mut news = News {
        id,
        ..News::default()
    };
    for index in 0..84 {
        let step = f64::from(index) * 1_000.0;
        let rising = 1.0 - (-step / 30_000.0).exp();
        let wobble = (f64::from(index) * 0.9).sin() * 0.04;
        let mut scalar = |name: &str, axis: &str, value: f64| {
            news.scalars
                .push((name.to_owned(), axis.to_owned(), step, value));
        };
        scalar(
            "train/return",
            "env_steps",
            (rising + wobble).clamp(0.0, 1.0),
        );
        scalar("train/epsilon", "env_steps", 1.0 - step / 100_000.0);
        scalar(
            "learner/loss",
            "learner_updates",
            0.02 * (1.0 - rising) + 0.001,
        );
        scalar("learner/gradient_norm", "learner_updates", 1.5 + wobble);
    }
    for index in 1..=4 {
        let step = f64::from(index) * 20_000.0;
        let mean = 1.0 - (-step / 25_000.0).exp();
        news.evaluations.push(EvaluationPoint {
            step,
            mean,
            interval: (mean - 0.06, mean + 0.04),
            episodes: 100,
        });
    }
    news.log = (0..40)
        .map(|line| format!("update {line:>4}  loss 0.0123  return 0.512"))
        .collect();
    news.log
        .push("warning: TensorBoard is not writable and was dropped".to_owned());
    news.episode = Some(episode(5));
    send(&mut model, Msg::News(news));
    model
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
