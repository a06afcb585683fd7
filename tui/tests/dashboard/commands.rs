//! The lines that are typed at the bottom, and the help.

use ratatui::crossterm::event::KeyCode;
use tui::model::{Leave, Overlay, Question};
use tui::panes::Pane;
use tui::screens::ScreenKind;
use tui::{Cmd, Model, Msg};

use crate::fixture::{key, letter, send, text, typed, typical};

fn command(model: &mut Model, text: &str) -> Vec<Cmd> {
    letter(model, ':');
    typed(model, text);
    key(model, KeyCode::Enter)
}

fn notice(model: &Model) -> &str {
    model.notice.as_ref().map_or("", |notice| &notice.text)
}

#[test]
fn a_wrong_command_names_the_nearest() {
    let mut model = typical();
    command(&mut model, "stpo");
    assert_eq!(notice(&model), "no command `stpo` - did you mean `stop`?");
    command(&mut model, "xyzzy");
    assert_eq!(notice(&model), "no command `xyzzy` - ? lists them");
}

#[test]
fn commands_do_what_keys_do() {
    let mut model = typical();
    command(&mut model, "pane logs");
    assert_eq!(model.focus, Pane::Logs);
    command(&mut model, "stop");
    assert!(matches!(model.overlay, Overlay::Ask(Question::Stop(_))));
    key(&mut model, KeyCode::Esc);
    command(&mut model, "new");
    assert_eq!(model.screen, ScreenKind::Launcher);
    command(&mut model, "q");
    assert_eq!(model.screen, ScreenKind::Dashboard, "q goes back first");
    command(&mut model, "q");
    assert_eq!(model.leave, Some(Leave::Asked));
}

#[test]
fn a_run_is_named_by_a_part_that_fits_it_alone() {
    let mut model = typical();
    command(&mut model, "attach 0006");
    assert_eq!(model.selected.as_deref(), Some("lbf-8x8-2p-iql-0006"));
    command(&mut model, "attach lbf");
    assert!(notice(&model).contains("fits 2 runs"), "{}", notice(&model));
    command(&mut model, "attach nothing");
    assert!(notice(&model).contains("no run's name contains"));
}

#[test]
fn tab_completes_as_far_as_all_agree() {
    let mut model = typical();
    let mut completed = |begun: &str| {
        letter(&mut model, ':');
        typed(&mut model, begun);
        key(&mut model, KeyCode::Tab);
        let text = model.prompt.as_ref().map(|one| one.input.text().to_owned());
        key(&mut model, KeyCode::Esc);
        text.unwrap_or_default()
    };
    assert_eq!(completed("chec"), "checkpoint");
    assert_eq!(completed("stop lb"), "stop lbf-8x8-2p-iql-000");
    assert_eq!(completed("theme h"), "theme high-contrast");
    assert_eq!(completed("zzz"), "zzz");
}

#[test]
fn arrows_bring_back_what_was_typed_before() {
    let mut model = typical();
    command(&mut model, "pane logs");
    command(&mut model, "pane runs");
    letter(&mut model, ':');
    key(&mut model, KeyCode::Up);
    key(&mut model, KeyCode::Up);
    key(&mut model, KeyCode::Up);
    let prompt = |model: &Model| model.prompt.as_ref().map(|one| one.input.text().to_owned());
    assert_eq!(prompt(&model).as_deref(), Some("pane logs"));
    key(&mut model, KeyCode::Down);
    assert_eq!(prompt(&model).as_deref(), Some("pane runs"));
    key(&mut model, KeyCode::Down);
    assert_eq!(prompt(&model).as_deref(), Some(""));
}

#[test]
fn letters_are_text_while_a_line_is_typed() {
    let mut model = typical();
    letter(&mut model, '/');
    typed(&mut model, "q?x:");
    assert_eq!(model.leave, None);
    assert_eq!(model.overlay, Overlay::None);
    assert_eq!(model.panes.runs.filter, "q?x:");
    send(&mut model, Msg::Paste("pa\u{1b}st\ne".to_owned()));
    assert_eq!(model.panes.runs.filter, "q?x:paste");
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.panes.runs.filter, "", "Esc gives the filter up");
}

#[test]
fn a_paste_outside_a_line_presses_no_keys() {
    let mut model = typical();
    assert_eq!(send(&mut model, Msg::Paste("xyq".to_owned())), []);
    assert_eq!((model.overlay, model.leave), (Overlay::None, None));
}

#[test]
fn the_help_is_searched() {
    let mut model = typical();
    letter(&mut model, '?');
    letter(&mut model, '/');
    typed(&mut model, "checkpoint now");
    let drawn = text(&model, 80, 24);
    assert!(drawn.contains("write a checkpoint now") && !drawn.contains("previous pane"));
    key(&mut model, KeyCode::Enter);
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.overlay, Overlay::None);
}

#[test]
fn every_theme_draws_and_only_some_have_colours() {
    use ratatui::style::Color;
    let mut model = typical();
    for (name, coloured) in [
        ("tol-bright", true),
        ("high-contrast", false),
        ("monochrome", false),
        ("okabe-ito", true),
    ] {
        command(&mut model, &format!("theme {name}"));
        let terminal = crate::fixture::draw(&model, 120, 40);
        let cells = terminal.backend().buffer().content();
        let any = cells.iter().any(|cell| cell.fg != Color::Reset);
        assert_eq!(any, coloured, "{name}");
    }
}
