use ratatui::crossterm::event::KeyCode;
use ratatui::style::Color;
use tracking::Axis;
use tui::model::{Model, RunState, RunSummary};
use tui::source::news_after;
use tui::theme::{ColourDepth, Surroundings, Theme};
use tui::update::News;
use tui::{Answer, Msg};

use crate::fixture::{
    draw, empty, evaluation, key, letter, run, said, scalar, send, tell, text, typical,
};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn snapshots(name: &str, model: &Model) {
    for (width, height) in SIZES {
        insta::assert_snapshot!(
            format!("{name}_{width}x{height}"),
            text(model, width, height)
        );
    }
}

fn loaded_empty() -> Model {
    let mut model = empty();
    send(&mut model, Msg::Runs(Vec::new()));
    model
}

/// Far more of everything than fits, and numbers that are not finite.
fn overflowing() -> Model {
    let mut model = empty();
    let runs = (0..60)
        .map(|index| {
            run(
                &format!("run-{index:03}-{}", "long-name-".repeat(8)),
                RunState::Paused,
                f64::from(index) * 1e4,
            )
        })
        .collect();
    send(&mut model, Msg::Runs(runs));
    let id = model.selected.clone().expect("a run is selected");
    let mut events = Vec::new();
    for index in 0..80_u32 {
        for step in 0..30_u32 {
            let value = if step == 20 {
                f64::NAN
            } else {
                1e9 * (f64::from(step) - f64::from(index))
            };
            events.push(scalar(
                &format!("group/{index:02}/return"),
                Axis::Tokens,
                u64::from(step),
                value,
            ));
        }
    }
    for step in 0..100 {
        events.push(evaluation(step, vec![f64::INFINITY, f64::NAN]));
        events.push(evaluation(1_000 + step, Vec::new()));
    }
    let mut news = news_after(&model.detail.history, &id, events);
    news.log = (0..5_000)
        .map(|line| {
            said(&format!(
                "\u{1b}[31m{line}\u{1b}[0m {}",
                "wide 日本 ".repeat(40)
            ))
        })
        .collect();
    send(&mut model, Msg::News(news));
    model
}

fn failed() -> Model {
    let mut model = typical();
    letter(&mut model, 'j');
    let news = News {
        id: "lbf-8x8-2p-iql-0006".to_owned(),
        log: vec![said("error: loss is NaN at update 310")],
        ..News::default()
    };
    send(&mut model, Msg::News(news));
    send(
        &mut model,
        Msg::Answer(Answer::Said(Err("no checkpoint to resume from".to_owned()))),
    );
    model
}

#[test]
fn an_empty_folder() {
    snapshots("empty", &loaded_empty());
}

#[test]
fn a_typical_run() {
    snapshots("typical", &typical());
}

#[test]
fn more_than_fits() {
    snapshots("overflowing", &overflowing());
}

#[test]
fn a_failed_run() {
    snapshots("failed", &failed());
}

#[test]
fn help_and_questions() {
    let mut model = typical();
    letter(&mut model, '?');
    snapshots("help", &model);
    key(&mut model, KeyCode::Esc);
    letter(&mut model, 'x');
    insta::assert_snapshot!("question_80x24", text(&model, 80, 24));
}

#[test]
fn each_pane_alone() {
    let mut model = typical();
    letter(&mut model, 'z');
    for pane in ['1', '2', '3', '4', '5', '6', '7'] {
        letter(&mut model, pane);
        insta::assert_snapshot!(format!("pane_{pane}_100x30"), text(&model, 100, 30));
    }
}

#[test]
fn without_unicode_every_character_but_the_chart_dots_is_ascii() {
    let mut model = typical();
    model.theme = Theme::new(Surroundings {
        colour: ColourDepth::None,
        unicode: false,
    });
    model.runs.truncate(2);
    model.detail.episode = None;
    let strange: String = text(&model, 120, 40)
        .chars()
        .filter(|character| !character.is_ascii())
        .collect();
    let strange = strange.replace('•', "");
    // ratatui draws the axes of its chart with box characters.
    assert_eq!(
        strange.trim_matches(|character| "│─└".contains(character)),
        ""
    );
}

#[test]
fn without_colour_no_cell_has_one() {
    let mut model = typical();
    model.theme = Theme::new(Surroundings {
        colour: ColourDepth::None,
        unicode: true,
    });
    for overlay in [None, Some('?'), Some('x')] {
        if let Some(overlay) = overlay {
            key(&mut model, KeyCode::Esc);
            letter(&mut model, overlay);
        }
        let terminal = draw(&model, 120, 40);
        for cell in terminal.backend().buffer().content() {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{cell:?}");
        }
    }
}

#[test]
fn the_focus_is_visible_without_colour() {
    let mut model = typical();
    model.theme = Theme::new(Surroundings {
        colour: ColourDepth::None,
        unicode: true,
    });
    let runs = format!("{:?}", draw(&model, 120, 40).backend().buffer());
    letter(&mut model, '6');
    let logs = format!("{:?}", draw(&model, 120, 40).backend().buffer());
    assert_ne!(runs, logs);
}

#[test]
fn no_size_panics_and_the_last_words_fit() {
    let mut asked = typical();
    letter(&mut asked, 'x');
    let mut helped = typical();
    letter(&mut helped, '?');
    let models = [
        empty(),
        loaded_empty(),
        typical(),
        overflowing(),
        failed(),
        asked,
        helped,
    ];
    let mut drawn = 0;
    for model in &models {
        for pane in ['1', '2', '3', '4', '5', '6', '7'] {
            for maximised in [false, true] {
                let mut model = model.clone();
                letter(&mut model, pane);
                model.maximised = maximised;
                for width in 0..=40 {
                    for height in 0..=12 {
                        draw(&model, width, height);
                        drawn += 1;
                    }
                }
            }
        }
    }
    assert_eq!(drawn, models.len() * 7 * 2 * 41 * 13);
}

#[test]
fn progress_beyond_the_plan_and_nonsense_draw_as_clamped() {
    for (step, total) in [
        (5.0, 1.0),
        (f64::NAN, 10.0),
        (1.0, f64::NAN),
        (f64::INFINITY, 1.0),
        (-3.0, 2.0),
    ] {
        let mut model = empty();
        let strange = RunSummary {
            step,
            total_steps: total,
            heard: f64::NAN,
            seconds: f64::INFINITY,
            ..run("a", RunState::Running, 0.0)
        };
        send(&mut model, Msg::Runs(vec![strange]));
        assert!(text(&model, 80, 24).contains("running a"));
    }
}

#[test]
fn values_too_large_for_a_plot_are_told_and_not_drawn() {
    let mut model = typical();
    let events = [f64::MAX, -f64::MAX, 0.5]
        .iter()
        .enumerate()
        .map(|(step, value)| scalar("train/return", Axis::EnvSteps, 90_000 + step as u64, *value))
        .chain([evaluation(90_000, vec![f64::MAX, -f64::MAX])])
        .collect();
    tell(&mut model, events);
    assert!(text(&model, 120, 40).contains("-1.80e308 x2 @ step 90k"));
}
