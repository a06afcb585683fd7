use ratatui::crossterm::event::KeyCode;
use tracking::{Axis, EventKind, History, Progress};
use tui::detail::LOG_LINES;
use tui::model::{Leave, Overlay, Question, RunState};
use tui::panes::Pane;
use tui::panes::chart::{curve_names, shown_curve, shows_return};
use tui::source::news_after;
use tui::update::News;
use tui::{Cmd, Msg, Request};

use crate::fixture::{
    NOW, control, empty, episode, event, key, letter, run, said, scalar, send, tell, typical, watch,
};

const FIRST: &str = "lbf-8x8-2p-iql-0007";
const SECOND: &str = "lbf-8x8-2p-iql-0006";

#[test]
fn the_first_run_is_selected_and_watched_once() {
    let mut model = empty();
    let runs = vec![
        run("b", RunState::Running, 1.0),
        run("a", RunState::Finished, 2.0),
    ];
    assert_eq!(send(&mut model, Msg::Runs(runs.clone())), [watch("b")]);
    assert_eq!(send(&mut model, Msg::Runs(runs)), []);
    assert_eq!(letter(&mut model, 'j'), [watch("a")]);
    assert_eq!(model.selected.as_deref(), Some("a"));
    assert_eq!(letter(&mut model, 'j'), [], "the list ends");
}

#[test]
fn the_run_of_the_foreground_is_selected_before_a_newer_one() {
    let mut model = empty();
    model.foreground = Some("mine".to_owned());
    assert_eq!(send(&mut model, Msg::Runs(Vec::new())), []);
    let runs = vec![
        run("newer", RunState::Running, 1.0),
        run("mine", RunState::Running, 1.0),
    ];
    assert_eq!(send(&mut model, Msg::Runs(runs)), [watch("mine")]);
}

#[test]
fn stopping_asks_first_and_only_a_live_run() {
    let mut model = typical();
    assert_eq!(letter(&mut model, 'x'), []);
    assert_eq!(
        model.overlay,
        Overlay::Ask(Question::Stop(vec![FIRST.to_owned()]))
    );
    assert_eq!(key(&mut model, KeyCode::Esc), []);
    assert_eq!(model.overlay, Overlay::None);
    letter(&mut model, 'x');
    assert_eq!(
        letter(&mut model, 'y'),
        [Cmd::Ask(Request::Stop(FIRST.to_owned()))]
    );
    letter(&mut model, 'j');
    assert_eq!(letter(&mut model, 'x'), []);
    assert_eq!(model.overlay, Overlay::None);
    assert!(
        model
            .notice
            .as_ref()
            .is_some_and(|notice| notice.text.contains("nothing to stop"))
    );
}

#[test]
fn resuming_refuses_a_live_or_finished_run() {
    let mut model = typical();
    assert_eq!(letter(&mut model, 'r'), []);
    letter(&mut model, 'j');
    assert_eq!(
        letter(&mut model, 'r'),
        [Cmd::Ask(Request::Resume(SECOND.to_owned()))]
    );
    letter(&mut model, 'j');
    assert_eq!(letter(&mut model, 'r'), []);
}

#[test]
fn quitting_asks_only_while_the_run_of_the_foreground_is_alive() {
    let mut model = typical();
    letter(&mut model, 'q');
    assert_eq!(model.leave, Some(Leave::Asked));

    let mut model = empty();
    model.foreground = Some(FIRST.to_owned());
    letter(&mut model, 'q');
    assert_eq!(
        model.leave, None,
        "a worker that has said nothing yet is alive"
    );

    let mut model = typical();
    model.foreground = Some(FIRST.to_owned());
    letter(&mut model, 'q');
    assert_eq!(model.leave, None);
    assert_eq!(
        model.overlay,
        Overlay::Ask(Question::Leave(FIRST.to_owned()))
    );
    assert_eq!(
        letter(&mut model, 'x'),
        [Cmd::Ask(Request::Stop(FIRST.to_owned()))]
    );
    assert_eq!(model.leave, None, "it stays to show the end");
    send(
        &mut model,
        Msg::Runs(vec![run(FIRST, RunState::Interrupted, 90_000.0)]),
    );
    letter(&mut model, 'q');
    assert_eq!(model.leave, Some(Leave::Asked));
}

#[test]
fn a_second_interrupt_leaves_at_once_and_a_late_one_asks_again() {
    let mut model = typical();
    model.foreground = Some(FIRST.to_owned());
    control(&mut model, 'c');
    assert_eq!(model.leave, None);
    send(&mut model, Msg::Tick(NOW + 5.0));
    control(&mut model, 'c');
    assert_eq!(model.leave, None);
    send(&mut model, Msg::Tick(NOW + 6.0));
    control(&mut model, 'c');
    assert_eq!(model.leave, Some(Leave::Asked));
}

#[test]
fn signals_and_dead_threads_leave_with_their_reason() {
    let mut model = typical();
    send(&mut model, Msg::Signal(15));
    assert_eq!(model.leave, Some(Leave::Signal(15)));
    send(
        &mut model,
        Msg::ThreadDied("tui-source: out of bounds".to_owned()),
    );
    assert_eq!(
        model.leave,
        Some(Leave::Broken("tui-source: out of bounds".to_owned()))
    );
}

#[test]
fn panes_zoom_and_help() {
    let mut model = typical();
    letter(&mut model, '3');
    assert_eq!(model.focus, Pane::World);
    key(&mut model, KeyCode::Tab);
    assert_eq!(model.focus, Pane::Logs);
    key(&mut model, KeyCode::Enter);
    assert!(model.maximised);
    letter(&mut model, '?');
    letter(&mut model, 'j');
    assert_eq!(model.overlay, Overlay::Help(1, String::new()));
    key(&mut model, KeyCode::Esc);
    assert_eq!(
        (model.overlay.clone(), model.maximised),
        (Overlay::None, true)
    );
    key(&mut model, KeyCode::Esc);
    assert!(!model.maximised);
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.focus, Pane::Runs);
}

fn shown(model: &tui::Model) -> Option<&str> {
    shown_curve(model).map(|(name, ..)| name)
}

#[test]
fn the_return_comes_first_among_the_curves_and_j_chooses() {
    let mut model = typical();
    assert_eq!(shown(&model), Some("train/return"));
    letter(&mut model, '2');
    letter(&mut model, 'j');
    assert_eq!(shown(&model), Some("train/epsilon"));
    assert!(!shows_return(&model));
    letter(&mut model, 'g');
    assert_eq!(shown(&model), Some("train/return"));
    assert!(shows_return(&model));
}

#[test]
fn the_episode_plays_waits_at_its_end_and_freezes() {
    let mut model = typical();
    let frame = |model: &mut tui::Model, time: f64| {
        send(model, Msg::Tick(NOW + time));
        model.panes.world.frame
    };
    assert_eq!(
        [0.1, 0.3, 0.6, 0.9, 1.2].map(|time| frame(&mut model, time)),
        [0, 1, 2, 3, 4]
    );
    assert_eq!(frame(&mut model, 2.0), 4);
    assert_eq!(frame(&mut model, 2.8), 0);
    letter(&mut model, '3');
    letter(&mut model, ',');
    assert_eq!(model.panes.world.frame, 4);
    assert_eq!(frame(&mut model, 20.0), 4);
    letter(&mut model, ' ');
    assert_eq!(frame(&mut model, 21.0), 0);
    let news = News {
        id: FIRST.to_owned(),
        episode: Some(episode(2)),
        ..News::default()
    };
    letter(&mut model, '.');
    send(&mut model, Msg::News(news));
    assert_eq!(model.panes.world.frame, 0);
}

#[test]
fn news_of_another_run_are_ignored() {
    let mut model = typical();
    let before = model.detail.log.len();
    let news = News {
        id: SECOND.to_owned(),
        log: vec![said("x")],
        ..News::default()
    };
    send(&mut model, Msg::News(news));
    assert_eq!(model.detail.log.len(), before);
}

#[test]
fn the_log_is_bounded_and_keeps_its_place_while_scrolled_back() {
    let mut model = typical();
    letter(&mut model, '6');
    for _ in 0..3 {
        letter(&mut model, 'k');
    }
    assert_eq!(model.panes.logs.lines_back(), 3);
    let log = (0..LOG_LINES - 10)
        .map(|line| said(&line.to_string()))
        .collect();
    send(
        &mut model,
        Msg::News(News {
            id: FIRST.to_owned(),
            log,
            ..News::default()
        }),
    );
    assert_eq!(model.panes.logs.lines_back(), 3 + LOG_LINES - 10);
    let log = (0..LOG_LINES).map(|line| said(&line.to_string())).collect();
    send(
        &mut model,
        Msg::News(News {
            id: FIRST.to_owned(),
            log,
            ..News::default()
        }),
    );
    // The place that was scrolled to is gone: the oldest line takes it.
    assert_eq!(model.detail.log.len(), LOG_LINES);
    assert_eq!(model.panes.logs.lines_back(), LOG_LINES - 1);
    letter(&mut model, 'f');
    assert_eq!(model.panes.logs.lines_back(), 0);
}

#[test]
fn the_end_of_a_run_is_told_for_a_while() {
    let mut model = typical();
    let mut ended = run(FIRST, RunState::Failed, 134_000.0);
    ended.message = "loss is NaN".to_owned();
    send(&mut model, Msg::Runs(vec![ended]));
    assert_eq!(
        model.notice.as_ref().map(|notice| notice.text.as_str()),
        Some("lbf-8x8-2p-iql-0007 failed: loss is NaN")
    );
    send(&mut model, Msg::Tick(NOW + 200.0));
    assert_eq!(model.notice, None);
}

#[test]
fn a_log_that_was_replaced_replaces_the_curves() {
    let mut model = typical();
    let events = vec![scalar("train/return", Axis::EnvSteps, 1, 0.25)];
    let mut news = news_after(&History::with_point_limit(100), FIRST, events);
    news.anew = true;
    send(&mut model, Msg::News(news));
    assert_eq!(curve_names(&model), ["train/return"]);
    assert!(model.detail.evaluations.is_empty() && model.detail.log.is_empty());
}

#[test]
fn a_resume_takes_back_what_lies_beyond_its_checkpoint() {
    let mut model = typical();
    assert_eq!(model.detail.evaluations.len(), 4);
    let progress = Progress {
        step: 50_000,
        ..Progress::default()
    };
    let events = vec![event(EventKind::Resumed {
        progress,
        checkpoint: "ckpt/step-50000".to_owned(),
    })];
    tell(&mut model, events);
    let steps: Vec<u64> = model
        .detail
        .evaluations
        .iter()
        .map(|point| point.step)
        .collect();
    assert_eq!(steps, [20_000, 40_000]);
    let (_, _, curve) = shown_curve(&model).expect("a curve");
    assert_eq!(curve.last().map(|point| point.step), Some(50_000));
    assert_eq!(
        model.detail.log.back().map(|line| line.text.as_str()),
        Some("continuing from ckpt/step-50000")
    );
}

#[test]
fn a_run_whose_folder_is_removed_while_shown_is_told_and_another_is_shown() {
    let mut model = typical();
    assert_eq!(model.detail.id, FIRST);
    let rest: Vec<_> = model.runs.iter().skip(1).cloned().collect();
    send(&mut model, Msg::Runs(rest));
    let notice = model.notice.as_ref().map(|notice| notice.text.as_str());
    assert_eq!(
        notice,
        Some("the folder of lbf-8x8-2p-iql-0007 was removed")
    );
    assert_eq!(model.selected.as_deref(), Some(SECOND));
    assert_eq!(model.detail.id, SECOND);
}
