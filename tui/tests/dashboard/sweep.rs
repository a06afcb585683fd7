//! No size and no messages panic: every screen and pane, tiny and random.

use proptest::prelude::*;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tracking::Axis;
use tui::model::{Model, RunState};
use tui::panes::Pane;
use tui::screens::ScreenKind;
use tui::source::news_after;
use tui::update::MouseKind;
use tui::{Answer, Msg};

use crate::fixture::{NOW, draw, evaluation, key, letter, run, scalar, send, typed, typical};
use crate::{chat, models};

/// Opens a screen by its command.
fn open(model: &mut Model, screen: ScreenKind) {
    let command = match screen {
        ScreenKind::Dashboard => return,
        ScreenKind::Launcher => "new",
        ScreenKind::Compare => "compare",
        ScreenKind::Evaluate => "evaluate",
        ScreenKind::Models => "models",
        ScreenKind::Chat => "chat owner/tiny",
    };
    letter(model, ':');
    typed(model, command);
    key(model, KeyCode::Enter);
    assert_eq!(model.screen, screen);
}

#[test]
fn every_screen_and_pane_draws_at_every_tiny_size() {
    let mut drawn = 0;
    let mut sweep = |model: &Model| {
        for width in 0..=40 {
            for height in 0..=12 {
                draw(model, width, height);
                drawn += 1;
            }
        }
    };
    for screen in ScreenKind::ALL {
        let mut model = typical();
        open(&mut model, screen);
        sweep(&model);
        key(&mut model, KeyCode::Enter);
        sweep(&model);
    }
    for mut model in [models::listed(), chat::answered(), chat::thinking()] {
        sweep(&model);
        for letter_of in ['p', 't', 's', 'f', 'w', 'D', 'o'] {
            if matches!(model.screen, ScreenKind::Chat) {
                key(&mut model, KeyCode::Esc);
            }
            letter(&mut model, letter_of);
            sweep(&model);
            key(&mut model, KeyCode::Esc);
        }
    }
    for pane in Pane::ALL {
        let mut model = typical();
        letter(&mut model, ':');
        typed(&mut model, &format!("pane {}", pane.title()));
        key(&mut model, KeyCode::Enter);
        assert_eq!(model.focus, pane);
        sweep(&model);
        model.maximised = true;
        sweep(&model);
    }
    assert_eq!(
        drawn,
        (2 * ScreenKind::ALL.len() + 3 * 8 + 2 * Pane::ALL.len()) * 41 * 13
    );
}

#[derive(Clone, Debug)]
enum Act {
    Key(KeyCode, bool),
    Mouse(MouseKind, u16, u16),
    Paste(String),
    Size(u16, u16),
    Screen(ScreenKind),
    Tick(f64),
    Runs(usize),
    Values(u64, f64),
    Said(bool, String),
    Token(String, f64),
    Chat(usize),
    Models(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let mouse = prop::sample::select(vec![
        MouseKind::Click,
        MouseKind::Drag,
        MouseKind::WheelUp,
        MouseKind::WheelDown,
    ]);
    let named = prop::sample::select(vec![
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::PageUp,
        KeyCode::Home,
        KeyCode::End,
    ]);
    let printable: Vec<char> = (' '..='~').collect();
    let act = prop_oneof![
        2 => (any::<char>(), any::<bool>())
            .prop_map(|(key, control)| Act::Key(KeyCode::Char(key), control)),
        8 => prop::sample::select(printable).prop_map(|key| Act::Key(KeyCode::Char(key), false)),
        4 => named.prop_map(|key| Act::Key(key, false)),
        2 => (mouse, 0_u16..140, 0_u16..50).prop_map(|(kind, x, y)| Act::Mouse(kind, x, y)),
        1 => any::<String>().prop_map(Act::Paste),
        1 => (0_u16..300, 0_u16..90).prop_map(|(columns, rows)| Act::Size(columns, rows)),
        1 => prop::sample::select(ScreenKind::ALL.to_vec()).prop_map(Act::Screen),
        1 => (-10.0..1e4).prop_map(Act::Tick),
        1 => (0_usize..5).prop_map(Act::Runs),
        2 => (any::<u64>(), any::<f64>()).prop_map(|(step, value)| Act::Values(step, value)),
        1 => (any::<bool>(), any::<String>()).prop_map(|(good, text)| Act::Said(good, text)),
        2 => (any::<String>(), any::<f64>()).prop_map(|(text, value)| Act::Token(text, value)),
        2 => (0_usize..8).prop_map(Act::Chat),
        2 => (0_usize..8).prop_map(Act::Models),
    ];
    prop::collection::vec(act, 0..80)
}

fn message(model: &Model, act: Act) -> Option<Msg> {
    Some(match act {
        Act::Key(code, control) => {
            let modifiers = if control {
                KeyModifiers::CONTROL
            } else {
                KeyModifiers::NONE
            };
            Msg::Key(KeyEvent::new(code, modifiers))
        }
        Act::Mouse(kind, column, row) => Msg::Mouse(kind, column, row),
        Act::Paste(text) => Msg::Paste(text),
        Act::Size(columns, rows) => Msg::Resized(columns, rows),
        Act::Tick(time) => Msg::Tick(NOW + time),
        Act::Runs(count) => {
            let lost = |index| run(&format!("run-{index}"), RunState::Lost, 1.0);
            Msg::Runs((0..count).map(lost).collect())
        }
        Act::Values(step, value) => {
            let events = vec![
                scalar("return", Axis::EnvSteps, step, value),
                evaluation(step, vec![value, 1.0]),
            ];
            let detail = &model.detail;
            Msg::News(news_after(&detail.history, &detail.id, events))
        }
        Act::Said(good, text) => Msg::Answer(Answer::Said(if good { Ok(text) } else { Err(text) })),
        Act::Token(text, value) => chat::heard(model, chat::token(&text, value)),
        Act::Chat(which) => chat::some_answer(model, which),
        Act::Models(which) => models::some_answer(which),
        Act::Screen(_) => return None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]
    #[test]
    fn any_messages_leave_a_model_that_draws(
        acts in acts(),
        width in 0_u16..210,
        height in 0_u16..65,
    ) {
        let mut model = typical();
        for act in acts {
            if let Act::Screen(screen) = act {
                // Only where a command can be typed.
                if model.prompt.is_none() && model.overlay == tui::model::Overlay::None {
                    model.screen = ScreenKind::Dashboard;
                    model.focus = Pane::Runs;
                    open(&mut model, screen);
                }
                continue;
            }
            if let Some(message) = message(&model, act) {
                send(&mut model, message);
            }
        }
        let drawn = draw(&model, width, height);
        prop_assert_eq!(drawn.backend().buffer().area.width, width);
    }
}
