//! The world pane: live and recorded episodes, the switch, the map of calls.

use ratatui::crossterm::event::KeyCode;
use tracking::switching::{CallMap, Tally};
use tracking::{Axis, Event, EventKind, Progress};
use tui::Msg;
use tui::detail::{Episode, WorldFrame};
use tui::look::{LiveMoment, Look, Seen};
use tui::model::{Model, RunState, RunSummary};
use tui::panes;
use tui::source::news_after;
use tui::theme::{Role, Surroundings};
use tui::update::News;

use crate::fixture::{NOW, draw, empty, event, key, letter, run, scalar, send, text};

const ID: &str = "lbf-mansa-0009";

fn board(rows: usize, cols: usize, agent: (usize, usize), step: usize) -> WorldFrame {
    let mut board = vec![vec![("·  ".to_owned(), Role::Muted); cols]; rows];
    let mut put = |(row, col): (usize, usize), text: &str, role| {
        if let Some(cell) = board.get_mut(row).and_then(|row| row.get_mut(col)) {
            *cell = (text.to_owned(), role);
        }
    };
    put((0, 0), "*3 ", Role::Goal);
    put(agent, "A2 ", Role::Series(1));
    WorldFrame {
        rows: board,
        caption: format!("step {step}  return 0.00"),
        agents: vec![agent],
        central: step % 3 == 1,
    }
}

fn episode(label: &str, frames: usize) -> Episode {
    Episode {
        label: label.to_owned(),
        frames: (0..frames)
            .map(|step| board(5, 5, (2, step % 5), step))
            .collect(),
    }
}

fn training(state: RunState, events: Vec<Event>, unicode: bool) -> Model {
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
        algorithm: "mansa".to_owned(),
        ..run(ID, state, 84_000.0)
    };
    send(&mut model, Msg::Runs(vec![summary]));
    letter(&mut model, '3');
    let news = News {
        episode: Some(episode("step-80000", 12)),
        ..news_after(&model.detail.history, ID, events)
    };
    send(&mut model, Msg::News(news));
    model
}

fn switching() -> Vec<Event> {
    let mut events = Vec::new();
    for window in 1..=42_u64 {
        let step = window * 2_000;
        let share = 0.9 * (-(window as f64) / 9.0).exp();
        let add = |name: &str, value| scalar(name, Axis::EnvSteps, step, value);
        events.push(add("mansa/cl_decision_fraction", share));
        events.push(add("mansa/budget_remaining", 1.0 - window as f64 / 60.0));
        events.push(add("train/return", 1.0 - share));
    }
    events.push(scalar(
        "evaluation/cl_decision_fraction",
        Axis::EnvSteps,
        80_000,
        0.0042,
    ));
    for (path, value) in [("media/step-40000.gif", 0.5), ("media/best.gif", 1.0)] {
        events.push(event(EventKind::Episode {
            progress: Progress::default(),
            path: path.to_owned(),
            episode_return: value,
            length: 9,
        }));
    }
    events
}

fn recorded(model: &mut Model) {
    let names = ["step-0", "step-40000", "best"].map(str::to_owned).to_vec();
    send(
        model,
        Msg::Seen(Seen::Recorded {
            run: ID.to_owned(),
            episodes: names.clone(),
            maps: names,
        }),
    );
    let tally = |visits, calls| Tally { visits, calls };
    let cells = (0..25).map(|cell| tally(cell * 40, cell * cell)).collect();
    let map = CallMap {
        title: "Foraging".into(),
        rows: 5,
        cols: 5,
        decisions: tally(6_000, 1_850),
        cells,
        distances: vec![tally(3, 1); 81],
    };
    let (run, name) = (ID.to_owned(), "best".to_owned());
    send(
        model,
        Msg::Seen(Seen::Map {
            run,
            name,
            map: Ok(map),
        }),
    );
}

fn typical() -> Model {
    let mut model = training(RunState::Finished, switching(), true);
    recorded(&mut model);
    model
}

fn live(model: &mut Model, step: u64) {
    let moment = LiveMoment {
        frame: board(5, 5, (3, 3), step as usize),
        step,
        episode_return: 0.25,
        central: Some(true),
        budget_left: Some(0.125),
        over: false,
    };
    let (run, environment) = (ID.to_owned(), model.panes.world.environment);
    let moment = Ok(moment);
    send(
        model,
        Msg::Seen(Seen::Live {
            run,
            environment,
            moment,
        }),
    );
}

fn snapshots(name: &str, model: &mut Model) {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        send(model, Msg::Resized(width, height));
        insta::assert_snapshot!(
            format!("world_{name}_{width}x{height}"),
            text(model, width, height)
        );
    }
}

#[test]
fn screens_typical_overflowing_and_failing() {
    snapshots("typical", &mut typical());
    let mut alone = typical();
    letter(&mut alone, 'z');
    snapshots("alone", &mut alone);
    for (name, presses) in [("timeline", 2), ("calls", 3)] {
        let mut model = typical();
        letter(&mut model, 'z');
        (0..presses).for_each(|_| drop(letter(&mut model, 'm')));
        send(&mut model, Msg::Resized(120, 40));
        insta::assert_snapshot!(format!("world_{name}_120x40"), text(&model, 120, 40));
    }
    let mut watched = training(RunState::Running, switching(), true);
    live(&mut watched, 17);
    letter(&mut watched, 'z');
    snapshots("live", &mut watched);
    let mut picking = typical();
    letter(&mut picking, 'o');
    snapshots("picking", &mut picking);

    let mut large = typical();
    let frames = vec![board(150, 180, (120, 170), 3)];
    let large_episode = Episode {
        label: "日本語 \u{1b}[1m".repeat(9),
        frames,
    };
    let (run, episode) = (ID.to_owned(), Ok(large_episode));
    large.panes.world.chosen = Some("best".to_owned());
    send(&mut large, Msg::Seen(Seen::Episode { run, episode }));
    letter(&mut large, 'z');
    snapshots("overflowing", &mut large);

    let mut failing = training(RunState::Failed, Vec::new(), true);
    failing.panes.world.chosen = Some("step-9".to_owned());
    let (run, episode) = (
        ID.to_owned(),
        Err("cannot read step-9.jsonl: gone".to_owned()),
    );
    send(&mut failing, Msg::Seen(Seen::Episode { run, episode }));
    letter(&mut failing, 'z');
    snapshots("failing", &mut failing);
}

fn look(model: &Model) -> (Option<String>, Option<usize>) {
    match panes::look(model) {
        Look::World {
            episode, live, run, ..
        } => {
            assert_eq!(run, ID);
            (episode, live)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_running_training_is_watched_while_the_pane_is_on_the_screen() {
    let mut model = training(RunState::Running, Vec::new(), true);
    assert_eq!(look(&model), (None, Some(0)));
    letter(&mut model, ']');
    assert_eq!(look(&model), (None, Some(1)));
    live(&mut model, 5);
    letter(&mut model, 'z');
    assert!(text(&model, 120, 40).contains("LIVE environment 1 step 5"));
    // Without news it is no longer called live.
    send(&mut model, Msg::Tick(NOW + 60.0));
    assert!(text(&model, 120, 40).contains("waiting for a frame"));
    // A frame of the environment before comes too late.
    let (run, moment) = (ID.to_owned(), Err("gone".to_owned()));
    send(
        &mut model,
        Msg::Seen(Seen::Live {
            run,
            environment: 0,
            moment,
        }),
    );
    // Frozen: the worker is asked for nothing.
    letter(&mut model, ' ');
    assert_eq!(look(&model), (None, None));
    letter(&mut model, ' ');
    assert_eq!(look(&model), (None, Some(1)));
    // Steps go through what was recorded.
    letter(&mut model, '.');
    assert_eq!(look(&model), (None, None));
    assert!(text(&model, 120, 40).contains("/12 frozen"));
    letter(&mut model, 'i');
    assert_eq!(look(&model), (None, Some(1)));
    // Another pane fills the screen: nothing is asked for.
    letter(&mut model, '2');
    assert_eq!(panes::look(&model), Look::Nothing);
    letter(&mut model, '3');
    send(&mut model, Msg::Runs(vec![run_of(RunState::Finished)]));
    assert_eq!(look(&model), (None, None));
}

fn run_of(state: RunState) -> RunSummary {
    run(ID, state, 84_000.0)
}

#[test]
fn a_worker_that_shows_nothing_is_explained() {
    let mut model = training(RunState::Running, Vec::new(), true);
    let (run, moment) = (ID.to_owned(), Err("too old to show any".to_owned()));
    send(
        &mut model,
        Msg::Seen(Seen::Live {
            run,
            environment: 0,
            moment,
        }),
    );
    letter(&mut model, 'z');
    assert!(text(&model, 120, 40).contains("no live view: too old"));
}

#[test]
fn a_recorded_episode_is_picked_from_the_list() {
    let mut model = typical();
    letter(&mut model, 'o');
    assert_eq!(model.panes.world.picking, Some(2));
    letter(&mut model, 'z');
    let drawn = text(&model, 120, 40);
    assert!(drawn.contains("step-40000   0.500      9"), "{drawn}");
    letter(&mut model, 'k');
    letter(&mut model, 'k');
    letter(&mut model, 'k');
    key(&mut model, KeyCode::Enter);
    assert_eq!(look(&model), (Some("step-0".to_owned()), None));
    assert!(text(&model, 120, 40).contains("Reading episode step-0."));
    let run = ID.to_owned();
    let one = Ok(episode("step-0", 3));
    send(&mut model, Msg::Seen(Seen::Episode { run, episode: one }));
    assert!(text(&model, 120, 40).contains("step-0 1/3"));
    // A newer one does not take its place.
    let news = News {
        id: ID.to_owned(),
        episode: Some(episode("step-90000", 4)),
        ..News::default()
    };
    send(&mut model, Msg::News(news));
    letter(&mut model, ',');
    assert!(text(&model, 120, 40).contains("step-0 3/3 frozen"));
    letter(&mut model, 'i');
    assert!(text(&model, 120, 40).contains("step-90000 1/4"));
    // Nothing to pick from is said, and the list is closed by Esc.
    letter(&mut model, 'o');
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.panes.world.picking, None);
    let mut none = training(RunState::Finished, Vec::new(), true);
    letter(&mut none, 'o');
    assert_eq!(none.panes.world.picking, None);
    assert!(none.notice.is_some());
}

#[test]
fn overlays_views_and_agents_are_cycled() {
    let mut model = typical();
    letter(&mut model, 'z');
    letter(&mut model, 'v');
    // The calls of a cell stand where the board is empty.
    let drawn = text(&model, 60, 40);
    assert!(drawn.contains("*3 0  0  0  1"), "{drawn}");
    letter(&mut model, 'v');
    let drawn = text(&model, 60, 40);
    assert!(drawn.contains("A  ·") && !drawn.contains("A2"), "{drawn}");
    letter(&mut model, 'm');
    assert!(!text(&model, 120, 40).contains("central calls"));
    letter(&mut model, 'm');
    assert!(
        text(&model, 120, 40).contains("28% of the calls left")
            || text(&model, 120, 40).contains("30% of the calls left")
    );
    letter(&mut model, 'm');
    letter(&mut model, 't');
    assert!(text(&model, 120, 40).contains("by distance, best: 1.85k of 6k"));
    letter(&mut model, 'a');
    assert_eq!(model.panes.world.agent, 0);
}

#[test]
fn a_run_without_a_switch_says_so() {
    let mut model = training(RunState::Finished, Vec::new(), true);
    letter(&mut model, 'z');
    letter(&mut model, 'm');
    letter(&mut model, 'm');
    assert!(text(&model, 120, 40).contains("This run has no switch."));
    letter(&mut model, 'm');
    assert!(text(&model, 120, 40).contains("No map of central calls"));
}

#[test]
fn ascii_terminals_get_ascii() {
    let mut model = training(RunState::Finished, switching(), false);
    recorded(&mut model);
    letter(&mut model, 'z');
    let drawn = text(&model, 120, 40);
    assert!(drawn.lines().skip(5).all(str::is_ascii), "{drawn}");
    assert!(drawn.contains("######"), "{drawn}");
}

#[test]
fn no_size_panics() {
    let mut models = vec![typical(), training(RunState::Running, switching(), true)];
    live(&mut models[1], 3);
    for model in &mut models {
        letter(model, 'z');
        for _ in 0..4 {
            letter(model, 'm');
            for width in (0..130).step_by(3) {
                for height in 0..20 {
                    draw(model, width, height);
                }
            }
        }
    }
}
