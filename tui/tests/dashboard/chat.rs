//! The chat: streaming, tokens, interrupting, saving, a worker that dies or hangs.

use std::time::Instant;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use serde_json::json;
use tui::host::{self, Request as Asked};
use tui::model::{Model, Overlay};
use tui::screens::ScreenKind;
use tui::screens::chat::protocol::{Event, Order};
use tui::screens::chat::requests::{Answer, Request};
use tui::screens::chat::{Mode, Stand};
use tui::screens::launcher::requests as files;
use tui::theme::{ColourDepth, Surroundings, Theme};
use tui::{Cmd, Msg};

use crate::fixture::{NOW, control, draw, empty, key, letter, send, text, typed};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

pub fn event(value: serde_json::Value) -> Event {
    serde_json::from_value(value).expect("an event")
}

pub fn token(text: &str, log_probability: f64) -> Event {
    event(
        json!({"event": "token", "text": text, "id": 7, "log_probability": log_probability,
        "alternatives": [
            {"id": 7, "text": text, "log_probability": log_probability},
            {"id": 8, "text": " other", "log_probability": -1.2},
            {"id": 9, "text": "\n", "log_probability": -2.5},
            {"id": 10, "text": "日本", "log_probability": -4.0},
            {"id": 11, "text": "\u{1b}[2J", "log_probability": null}]}),
    )
}

/// A word of the worker of this model.
pub fn heard(model: &Model, event: Event) -> Msg {
    Msg::Answer(host::Answer::Chat(Answer::Heard(model.chat.id, event)))
}

fn hear(model: &mut Model, event: Event) -> Vec<Cmd> {
    let message = heard(model, event);
    send(model, message)
}

fn orders(commands: &[Cmd]) -> Vec<Order> {
    let order = |command: &Cmd| match command {
        Cmd::Ask(Asked::Chat(Request::Tell(_, order))) => Some(order.clone()),
        _ => None,
    };
    commands.iter().filter_map(order).collect()
}

fn closes(commands: &[Cmd]) -> bool {
    commands
        .iter()
        .any(|command| matches!(command, Cmd::Ask(Asked::Chat(Request::Close(_)))))
}

fn ready() -> Event {
    event(
        json!({"event": "ready", "model": "/m", "family": "llama", "parameters": 134_515_008,
        "context": 2048, "template": true, "device": "cpu", "dtype": "f32",
        "settings": {"temperature": 1.0, "top_k": 50}}),
    )
}

fn done(finish: &str, text: &str) -> Event {
    event(
        json!({"event": "done", "finish": finish, "text": text, "tokens": 6, "prompt_tokens": 31,
        "cached_tokens": 20, "seconds": 0.5, "tokens_per_second": 12.0}),
    )
}

pub fn opened() -> Model {
    let mut model = empty();
    letter(&mut model, ':');
    typed(&mut model, "chat owner/tiny");
    let commands = key(&mut model, KeyCode::Enter);
    assert!(matches!(
        commands.as_slice(),
        [Cmd::Ask(Asked::Chat(Request::Open { model, .. }))] if model == "owner/tiny"
    ));
    hear(&mut model, ready());
    model
}

fn say(model: &mut Model, text: &str) -> Vec<Order> {
    typed(model, text);
    orders(&key(model, KeyCode::Enter))
}

/// A question with an answer.
pub fn answered() -> Model {
    let mut model = opened();
    assert_eq!(say(&mut model, "Hi there"), [Order::Say("Hi there".into())]);
    for (text, value) in [
        ("Good", -0.02),
        (" morning", -0.4),
        (", 日本", -1.5),
        (" and", -3.0),
        ("\nfare", -7.0),
        ("well", -0.001),
    ] {
        hear(&mut model, token(text, value));
    }
    hear(
        &mut model,
        done("stop_id", "Good morning, 日本 and\nfarewell"),
    );
    model
}

/// An answer that is being written and begins with thinking.
pub fn thinking() -> Model {
    let mut model = opened();
    say(&mut model, "Think");
    hear(
        &mut model,
        event(json!({"event": "begin", "prompt_tokens": 9, "cached_tokens": 0, "thinking": true})),
    );
    for text in ["two", " and two", "\nis four", "</think>", "\nFour"] {
        hear(&mut model, token(text, -0.3));
    }
    model
}

/// Something that may come at any time.
pub fn some_answer(model: &Model, which: usize) -> Msg {
    let id = model.chat.id;
    let answer = match which {
        0 => Answer::Heard(id, ready()),
        1 => Answer::Heard(id, done("odd\u{1b}", "none of it")),
        2 => Answer::Heard(id, event(json!({"event": "error", "message": "no"}))),
        3 => Answer::Heard(id, event(json!({"event": "note", "message": "so"}))),
        4 => Answer::Ended(id, Err("it died".to_owned())),
        5 => Answer::Ended(id, Ok(())),
        6 => Answer::Heard(id, event(json!({"event": "begin", "thinking": true}))),
        _ => Answer::Heard(id + 1, ready()),
    };
    Msg::Answer(host::Answer::Chat(answer))
}

#[test]
fn the_conversation_and_its_tokens_at_three_sizes() {
    let mut model = answered();
    for (width, height) in SIZES {
        let name = format!("chat_{width}x{height}");
        insta::assert_snapshot!(name, text(&model, width, height));
    }
    key(&mut model, KeyCode::Esc);
    letter(&mut model, 't');
    letter(&mut model, 'n');
    for (width, height) in SIZES {
        let name = format!("chat_tokens_{width}x{height}");
        insta::assert_snapshot!(name, text(&model, width, height));
    }
    key(&mut model, KeyCode::Esc);
    letter(&mut model, 's');
    insta::assert_snapshot!("chat_settings_80x24", text(&model, 80, 24));
    insta::assert_snapshot!("chat_thinking_80x24", text(&thinking(), 80, 24));
    insta::assert_snapshot!("chat_opened_80x24", text(&opened(), 80, 24));
    insta::assert_snapshot!("chat_small_40x12", text(&answered(), 40, 12));
}

#[test]
fn a_sampled_token_that_is_no_alternative_has_its_row_too() {
    let mut model = opened();
    say(&mut model, "Hi there");
    let alternatives: Vec<_> = (0..5)
        .map(|id| json!({"id": id, "text": format!("word {id}"), "log_probability": -1.0}))
        .collect();
    hear(
        &mut model,
        event(
            json!({"event": "token", "text": "rare", "id": 9, "log_probability": -9.0,
            "alternatives": alternatives}),
        ),
    );
    hear(&mut model, done("stop_id", "rare"));
    key(&mut model, KeyCode::Esc);
    letter(&mut model, 't');
    insta::assert_snapshot!("chat_rare_token_80x24", text(&model, 80, 24));
    for (width, height) in SIZES {
        let shown = text(&model, width, height);
        assert!(shown.contains(">\"rare\""), "{shown}");
        assert!(shown.contains("word 4"), "{shown}");
    }
}

#[test]
fn lines_are_written_pasted_and_recalled() {
    let mut model = opened();
    typed(&mut model, "one");
    send(
        &mut model,
        Msg::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::ALT)),
    );
    send(&mut model, Msg::Paste("two\nthree\u{1b}[2J".to_owned()));
    let sent = orders(&key(&mut model, KeyCode::Enter));
    assert_eq!(sent, [Order::Say("one\ntwo\nthree[2J".into())]);
    // While the answer is written what is typed stays.
    assert_eq!(say(&mut model, "more"), []);
    assert_eq!(model.chat.editor.text(), "more");
    assert!(text(&model, 80, 24).contains("Esc interrupts it"));
    hear(&mut model, done("stop_id", ""));
    control(&mut model, 'u');
    key(&mut model, KeyCode::Up);
    assert_eq!(model.chat.editor.text(), "one\ntwo\nthree[2J");
}

#[test]
fn esc_and_ctrl_c_interrupt_and_a_second_time_end_a_worker_that_hangs() {
    for control_c in [false, true] {
        let mut model = opened();
        let interrupt = |model: &mut Model| {
            if control_c {
                control(model, 'c')
            } else {
                key(model, KeyCode::Esc)
            }
        };
        say(&mut model, "go on");
        hear(&mut model, token("and", -0.1));
        assert_eq!(orders(&interrupt(&mut model)), [Order::Stop(true)]);
        send(&mut model, Msg::Tick(NOW + 5.0));
        let shown = text(&model, 120, 40);
        assert!(
            shown.contains("asked to stop 5s ago; Esc ends the worker"),
            "{shown}"
        );
        assert!(closes(&interrupt(&mut model)));
        assert!(model.leave.is_none());
        let shown = text(&model, 120, 40);
        assert!(
            shown.contains("did not react") && shown.contains("r starts it again"),
            "{shown}"
        );
        // What it says too late changes nothing.
        hear(&mut model, token("late", -0.1));
        assert!(!text(&model, 120, 40).contains("late"));
        key(&mut model, KeyCode::Esc);
        let again = letter(&mut model, 'r');
        assert!(matches!(
            again.as_slice(),
            [Cmd::Ask(Asked::Chat(Request::Open { .. }))]
        ));
        // The new worker hears what was said with the old one.
        let told = orders(&hear(&mut model, ready()));
        let [Order::Messages(messages)] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert_eq!(messages[0], json!({"role": "user", "content": "go on"}));
        assert_eq!(messages[1]["content"], "and");
    }
}

#[test]
fn a_worker_that_dies_or_is_missing_gives_its_sentence() {
    let mut model = opened();
    say(&mut model, "hello");
    let id = model.chat.id;
    let gone = Answer::Ended(id, Err("out of memory - choose a smaller model".to_owned()));
    send(&mut model, Msg::Answer(host::Answer::Chat(gone)));
    assert!(model.chat.writing.is_none());
    let shown = text(&model, 120, 40);
    assert!(
        shown.contains("out of memory - choose a smaller model - r starts"),
        "{shown}"
    );
    assert_eq!(say(&mut model, "anyone?"), []);
    assert_eq!(
        model.chat.editor.text(),
        "anyone?",
        "what was written is kept"
    );
}

#[test]
fn silence_is_told_while_loading_and_while_answering() {
    let mut model = empty();
    letter(&mut model, ':');
    typed(&mut model, "chat owner/tiny");
    key(&mut model, KeyCode::Enter);
    send(&mut model, Msg::Tick(NOW + 20.0));
    assert!(text(&model, 120, 40).contains("loading owner/tiny  20s; q leaves"));
    hear(&mut model, ready());
    say(&mut model, "hello");
    send(&mut model, Msg::Tick(NOW + 50.0));
    assert!(text(&model, 120, 40).contains("silent for 30s; Esc interrupts"));
}

#[test]
fn a_refused_question_comes_back_into_the_line_and_a_refused_retry_brings_the_old_answer_back() {
    let mut model = opened();
    say(&mut model, "much too long");
    let refused = json!({"event": "error", "message": "a message of 9000 tokens - allowed: 2016"});
    hear(&mut model, event(refused.clone()));
    assert_eq!(model.chat.editor.text(), "much too long");
    assert_eq!(model.chat.turns.len(), 1, "only the sentence is left");
    assert!(text(&model, 120, 40).contains("allowed: 2016"));
    let mut model = answered();
    key(&mut model, KeyCode::Esc);
    assert_eq!(orders(&letter(&mut model, 'r')), [Order::Retry(true)]);
    assert_eq!(model.chat.turns.len(), 2);
    assert!(model.chat.turns[1].raw.is_empty(), "it is written anew");
    hear(&mut model, event(refused));
    assert!(model.chat.turns[1].raw.starts_with("Good morning"));
}

#[test]
fn settings_are_checked_and_sent_when_the_panel_closes() {
    let mut model = opened();
    key(&mut model, KeyCode::Esc);
    letter(&mut model, 's');
    key(&mut model, KeyCode::Enter);
    typed(&mut model, "be brief");
    key(&mut model, KeyCode::Enter);
    typed(&mut model, "-1");
    // The minus is no digit and begins nothing; the value does.
    key(&mut model, KeyCode::Enter);
    assert!(text(&model, 80, 24).contains("be brief"));
    key(&mut model, KeyCode::Up);
    key(&mut model, KeyCode::Enter);
    control(&mut model, 'u');
    typed(&mut model, "900");
    key(&mut model, KeyCode::Enter);
    assert!(text(&model, 80, 24).contains("allowed: a number from 0 to 100"));
    control(&mut model, 'u');
    typed(&mut model, "0.5");
    key(&mut model, KeyCode::Enter);
    let sent = orders(&key(&mut model, KeyCode::Esc));
    let [Order::System(system), Order::Settings(settings)] = sent.as_slice() else {
        panic!("{sent:?}")
    };
    assert_eq!(system, "be brief");
    assert_eq!(json!(settings), json!({"temperature": 0.5, "top_k": 50}));
}

#[test]
fn the_conversation_is_saved_as_messages_and_leaving_asks_only_before() {
    let mut model = answered();
    key(&mut model, KeyCode::Esc);
    key(&mut model, KeyCode::Esc);
    assert!(matches!(model.overlay, Overlay::Ask(_)));
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.screen, ScreenKind::Chat);
    letter(&mut model, 'w');
    let commands = key(&mut model, KeyCode::Enter);
    let [
        Cmd::Ask(Asked::Launcher(files::Request::Save {
            path,
            text,
            replace: false,
        })),
    ] = commands.as_slice()
    else {
        panic!("{commands:?}")
    };
    let saved: serde_json::Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(
        saved,
        json!({"messages": [
            {"role": "user", "content": "Hi there"},
            {"role": "assistant", "content": "Good morning, 日本 and\nfarewell"}]})
    );
    let saved = |outcome| {
        Msg::Answer(host::Answer::Launcher(files::Answer::Saved(
            path.clone(),
            outcome,
        )))
    };
    send(&mut model, saved(Err(files::NotSaved::Exists)));
    let again = letter(&mut model, 'y');
    assert!(matches!(
        again.as_slice(),
        [Cmd::Ask(Asked::Launcher(files::Request::Save {
            replace: true,
            ..
        }))]
    ));
    send(&mut model, saved(Ok(())));
    let commands = letter(&mut model, 'q');
    assert_eq!(model.screen, ScreenKind::Dashboard);
    assert!(closes(&commands), "the worker ends with the screen");
    assert_eq!(model.chat.stand, Stand::Closed);
}

#[test]
fn a_new_conversation_is_asked_for_while_the_old_one_is_in_no_file() {
    let mut model = answered();
    key(&mut model, KeyCode::Esc);
    letter(&mut model, 'C');
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.chat.turns.len(), 2, "no is no");
    letter(&mut model, 'C');
    let commands = letter(&mut model, 'y');
    assert_eq!(orders(&commands), [Order::Forget(true)]);
    assert!(model.chat.turns.is_empty());
}

#[test]
fn thinking_is_folded_dimmed_and_unfolded() {
    let mut model = thinking();
    assert!(text(&model, 80, 24).contains("▸ thought: 4 tokens"));
    assert!(!text(&model, 80, 24).contains("two and two"));
    hear(
        &mut model,
        done("stop_id", "two and two\nis four</think>\nFour"),
    );
    key(&mut model, KeyCode::Esc);
    letter(&mut model, 'f');
    assert!(text(&model, 80, 24).contains("two and two"));
}

#[test]
fn the_cursor_walks_over_tokens_and_finds_unlikely_ones() {
    let mut model = answered();
    key(&mut model, KeyCode::Esc);
    letter(&mut model, 't');
    assert_eq!((model.chat.mode, model.chat.cursor), (Mode::Tokens, (1, 0)));
    letter(&mut model, 'l');
    letter(&mut model, 'n');
    assert_eq!(model.chat.cursor, (1, 3), "the first below 10 percent");
    letter(&mut model, 'n');
    assert_eq!(model.chat.cursor, (1, 4));
    letter(&mut model, 'n');
    assert!(text(&model, 120, 40).contains("no further token"));
    letter(&mut model, 'N');
    assert_eq!(model.chat.cursor, (1, 3));
    letter(&mut model, 'j');
    assert_eq!(
        model.chat.cursor,
        (1, 5),
        "the row below, at the same place"
    );
    letter(&mut model, 'k');
    assert_eq!(model.chat.cursor.0, 1);
    letter(&mut model, 'g');
    assert_eq!(model.chat.cursor, (1, 0));
    letter(&mut model, 'h');
    assert_eq!(model.chat.cursor, (1, 0));
}

#[test]
fn probabilities_are_told_without_colour() {
    let mut model = answered();
    key(&mut model, KeyCode::Esc);
    letter(&mut model, 't');
    model.theme = Theme::new(Surroundings {
        colour: ColourDepth::None,
        unicode: false,
    });
    let terminal = draw(&model, 120, 40);
    for cell in terminal.backend().buffer().content() {
        assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
    }
    // One digit per cell: the first of its percent.
    let shown = terminal.backend().to_string();
    assert!(shown.contains("9999666666662222220000"), "{shown}");
}

#[test]
fn what_is_read_stays_in_its_place_while_more_comes() {
    let mut model = opened();
    say(&mut model, "count");
    for number in 0..200 {
        hear(&mut model, token(&format!("line {number}\n"), -0.1));
    }
    key(&mut model, KeyCode::PageUp);
    let before = text(&model, 80, 24);
    for number in 200..230 {
        hear(&mut model, token(&format!("line {number}\n"), -0.1));
    }
    let after = text(&model, 80, 24);
    let rows = |shown: &str| -> Vec<String> {
        let lines = shown.lines().skip(1).take(15);
        lines.map(str::to_owned).collect()
    };
    assert_eq!(rows(&before), rows(&after));
    assert!(after.contains("rows below"));
    key(&mut model, KeyCode::PageDown);
    for _ in 0..20 {
        key(&mut model, KeyCode::PageDown);
    }
    assert!(text(&model, 80, 24).contains("line 229"));
}

/// Measured with an answer of 10,000 tokens; the bound is loose, since others may use the machine.
#[test]
fn a_long_answer_costs_no_more_than_what_is_shown() {
    let mut model = opened();
    send(&mut model, Msg::Resized(200, 60));
    say(&mut model, "at length");
    let started = Instant::now();
    for number in 0..10_000 {
        let text = if number % 37 == 0 {
            " thing\n"
        } else {
            " thing"
        };
        hear(&mut model, token(text, -0.7));
    }
    let taken_in = started.elapsed().as_secs_f64();
    let mut terminal = draw(&model, 200, 60);
    let started = Instant::now();
    for _ in 0..20 {
        terminal
            .draw(|frame| tui::view(&model, frame))
            .expect("drawing never fails");
    }
    let frame = started.elapsed().as_secs_f64() / 20.0;
    assert!(taken_in < 5.0, "{taken_in} s for 10,000 tokens");
    assert!(frame < 0.05, "{frame} s for a frame");
}
