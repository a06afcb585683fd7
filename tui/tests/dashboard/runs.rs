//! The run list: filter, sort, marks, and what is done to runs.

use ratatui::crossterm::event::KeyCode;
use tui::model::{Model, Overlay, Question, RunState, RunSummary};
use tui::panes::runs::visible;
use tui::update::MouseKind;
use tui::{Cmd, Msg, Request};

use crate::fixture::{empty, key, letter, run, send, text, typed, typical, watch};

fn several() -> Model {
    let mut model = empty();
    let with = |id: &str, state, step, last_return| RunSummary {
        last_return,
        ..run(id, state, step)
    };
    let mut archived = with("old-iql-s1", RunState::Finished, 200_000.0, Some(0.2));
    archived.archived = true;
    let mut qmix = with("qmix-s1", RunState::Failed, 10_000.0, None);
    qmix.algorithm = "qmix".to_owned();
    let runs = vec![
        with("mansa-s2", RunState::Queued, 0.0, Some(f64::NAN)),
        with("mansa-s1", RunState::Running, 50_000.0, Some(0.9)),
        qmix,
        archived,
    ];
    send(&mut model, Msg::Runs(runs));
    model
}

fn listed(model: &Model) -> Vec<&str> {
    visible(model)
        .into_iter()
        .map(|index| model.runs[index].id.as_str())
        .collect()
}

fn asked(commands: Vec<Cmd>) -> Vec<Request> {
    let request = |command| match command {
        Cmd::Ask(request) => request,
        other => panic!("{other:?}"),
    };
    commands.into_iter().map(request).collect()
}

#[test]
fn archived_runs_are_hidden_until_asked_for() {
    let mut model = several();
    assert_eq!(listed(&model), ["mansa-s2", "mansa-s1", "qmix-s1"]);
    letter(&mut model, 'A');
    assert_eq!(listed(&model).len(), 4);
    assert!(text(&model, 100, 30).contains("archived"));
}

#[test]
fn the_filter_knows_names_states_and_methods_and_inverts() {
    let mut model = several();
    letter(&mut model, '/');
    typed(&mut model, "mansa");
    assert_eq!(
        listed(&model),
        ["mansa-s2", "mansa-s1"],
        "while it is typed"
    );
    key(&mut model, KeyCode::Enter);
    assert_eq!(model.prompt, None);
    assert!(text(&model, 100, 30).contains("/mansa 2 of 4"));
    for (filter, count) in [("failed", 1), ("qmix", 1), ("!mansa", 1), ("s[12]$", 3)] {
        key(&mut model, KeyCode::Esc);
        letter(&mut model, '/');
        typed(&mut model, filter);
        assert_eq!(listed(&model).len(), count, "{filter}");
        key(&mut model, KeyCode::Enter);
    }
    key(&mut model, KeyCode::Esc);
    assert_eq!(listed(&model).len(), 3, "Esc clears it");
}

#[test]
fn every_order_and_its_reverse() {
    let mut model = several();
    let mut order = |by: &str| {
        letter(&mut model, ':');
        typed(&mut model, &format!("sort {by}"));
        key(&mut model, KeyCode::Enter);
        listed(&model)[0].to_owned()
    };
    assert_eq!(order("return"), "mansa-s1", "a NaN is not the best");
    assert_eq!(order("name"), "mansa-s1");
    assert_eq!(order("state"), "mansa-s1");
    assert_eq!(order("progress"), "mansa-s1");
    assert_eq!(order("age"), "mansa-s2");
    letter(&mut model, 'S');
    assert_eq!(listed(&model)[0], "qmix-s1");
    letter(&mut model, ':');
    typed(&mut model, "sort size");
    key(&mut model, KeyCode::Enter);
    let notice = model.notice.expect("a notice").text;
    assert!(notice.contains("allowed: age, name"), "{notice}");
}

#[test]
fn marked_runs_are_stopped_together_after_one_question() {
    let mut model = several();
    letter(&mut model, ' ');
    letter(&mut model, ' ');
    assert_eq!(model.panes.runs.marked.len(), 2);
    letter(&mut model, 'x');
    let both = vec!["mansa-s2".to_owned(), "mansa-s1".to_owned()];
    assert_eq!(model.overlay, Overlay::Ask(Question::Stop(both.clone())));
    let wanted: Vec<Request> = both.into_iter().map(Request::Stop).collect();
    assert_eq!(asked(key(&mut model, KeyCode::Enter)), wanted);
    letter(&mut model, 'u');
    assert!(model.panes.runs.marked.is_empty());
}

#[test]
fn killing_needs_the_name_typed() {
    let mut model = several();
    letter(&mut model, 'X');
    assert_eq!(model.overlay, Overlay::None, "a queued run has no process");
    letter(&mut model, 'j');
    letter(&mut model, 'X');
    assert_eq!(key(&mut model, KeyCode::Enter), []);
    typed(&mut model, "yes");
    assert_eq!(key(&mut model, KeyCode::Enter), [], "not its name");
    assert!(matches!(model.overlay, Overlay::Ask(Question::Kill(..))));
    // On a small screen the sentences give way, not the run, the field and the keys.
    let drawn = text(&model, 40, 10);
    for kept in ["mansa-s1", "yes", "Enter", "Esc"] {
        assert!(drawn.contains(kept), "{kept}: {drawn}");
    }
    for _ in 0..3 {
        key(&mut model, KeyCode::Backspace);
    }
    typed(&mut model, "s1");
    let wanted = [Request::Kill("mansa-s1".to_owned())];
    assert_eq!(asked(key(&mut model, KeyCode::Enter)), wanted);
    assert_eq!(model.overlay, Overlay::None);
}

#[test]
fn pausing_continues_a_paused_run_and_refuses_one_without_worker() {
    let mut model = several();
    assert_eq!(letter(&mut model, 'p'), []);
    let notice = model.notice.clone().expect("a notice").text;
    assert!(notice.contains("no worker has it"), "{notice}");
    letter(&mut model, 'j');
    let id = "mansa-s1".to_owned();
    let wanted = [Request::Pause(id.clone())];
    assert_eq!(asked(letter(&mut model, 'p')), wanted);
    model.runs[1].state = RunState::Paused;
    let wanted = [Request::Unpause(id.clone())];
    assert_eq!(asked(letter(&mut model, 'p')), wanted);
    assert_eq!(asked(letter(&mut model, 'r')), wanted, "r goes on as well");
    let wanted = [Request::Checkpoint(id)];
    assert_eq!(asked(letter(&mut model, 'C')), wanted);
}

#[test]
fn archiving_hides_and_shows_again_but_never_a_living_run() {
    let mut model = several();
    letter(&mut model, 'G');
    let archive = |ids: &[&str], undo| Request::Archive {
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        undo,
    };
    assert_eq!(
        asked(letter(&mut model, 'D')),
        [archive(&["qmix-s1"], false)]
    );
    letter(&mut model, 'A');
    letter(&mut model, 'G');
    assert_eq!(
        asked(letter(&mut model, 'D')),
        [archive(&["old-iql-s1"], true)]
    );
    letter(&mut model, 'g');
    letter(&mut model, 'j');
    assert_eq!(letter(&mut model, 'D'), []);
    let notice = model.notice.expect("a notice").text;
    assert!(notice.contains("stop it before"), "{notice}");
}

#[test]
fn a_mark_goes_with_its_run() {
    let mut model = several();
    letter(&mut model, ' ');
    send(
        &mut model,
        Msg::Runs(vec![run("other", RunState::Running, 1.0)]),
    );
    assert!(model.panes.runs.marked.is_empty());
}

#[test]
fn a_click_selects_the_run_under_it_and_focuses_the_pane() {
    let mut model = several();
    model.size = (120, 40);
    letter(&mut model, '2');
    let drawn = text(&model, 120, 40);
    let row = drawn
        .lines()
        .position(|line| line.contains("qmix-s1"))
        .expect("it is drawn");
    let click = Msg::Mouse(MouseKind::Click, 5, row as u16);
    assert_eq!(send(&mut model, click), [watch("qmix-s1")]);
    assert_eq!(model.focus, tui::panes::Pane::Runs);
    letter(&mut model, 'x');
    send(&mut model, Msg::Mouse(MouseKind::Click, 5, 3));
    let notice = model.notice.as_ref().map(|notice| notice.text.as_str());
    assert_eq!(notice, Some("qmix-s1 is failed: nothing to stop"));
}

#[test]
fn a_click_answers_no_question() {
    let mut model = typical();
    letter(&mut model, 'x');
    let before = model.overlay.clone();
    for column in 0..80 {
        for row in 0..24 {
            send(&mut model, Msg::Mouse(MouseKind::Click, column, row));
        }
    }
    assert_eq!(model.overlay, before);
}

#[test]
fn the_name_is_copied() {
    let mut model = several();
    assert_eq!(letter(&mut model, 'y'), [Cmd::Copy("mansa-s2".to_owned())]);
}
