//! The evaluation screen: form, list, tables, export.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use ratatui::crossterm::event::KeyCode::{self, Backspace, Enter, Esc, Tab};
use tracking::evaluation::plan::Sweep;
use tracking::evaluation::{
    Contender, EvaluationState, Games, Kind, Plan, PlayOptions, Results, Sizes, TeamGames, Unit,
    searches,
};
use tracking::statistics::Bootstrap;
use tui::host::{Answer as HostAnswer, Request as HostRequest};
use tui::model::Model;
use tui::screens::ScreenKind;
use tui::screens::evaluate::requests::{Answer, Request};
use tui::screens::evaluate::{Listed, Part};
use tui::update::MouseKind;
use tui::{Cmd, Msg};

use crate::fixture::{NOW, control, draw, empty, key, letter, send, text, typed, typical};

fn contender(index: usize) -> Contender {
    Contender {
        run: format!("20261124-0915{index:02}-lbf-vdn"),
        run_folder: "runs/x".into(),
        checkpoint: "best".to_owned(),
        folder: "runs/x/ckpt/best".into(),
        step: 100_000 * (index as u64 + 1),
        algorithm: "mansa".to_owned(),
        seed: index as u64,
        sizes: Sizes {
            agents: 2,
            actions: 6,
            observation: 9,
        },
        environment: serde_json::from_str(r#"{"id": "Foraging-5x5-2p-1f-coop-v3"}"#)
            .expect("an object"),
        environments: 8,
        switched: true,
        fingerprint: format!("{index:016x}"),
    }
}

/// Results in which policy `i` with `j` solves a share of the starts.
fn results(kind: Kind, policies: usize, sweep: Option<&str>) -> Results {
    let options = PlayOptions {
        episodes: 20,
        ..PlayOptions::default()
    };
    let mut plan = Plan::new(kind, (0..policies).map(contender).collect(), options);
    plan.sweep = sweep.map(|text| Sweep::parse(text).expect("a sweep"));
    let team = |seats: &[usize], level: usize, calls: usize| TeamGames {
        seats: seats.to_vec(),
        returns: (0..20)
            .map(|start| f64::from(u8::from(start < level)))
            .collect(),
        lengths: vec![10; 20],
        calls: vec![calls as u64; 20],
    };
    let games = |unit: Unit| {
        let teams = match unit {
            Unit::Alone { policy, value } => {
                let value = value.unwrap_or(0);
                vec![team(&[0, 0], (policy * 3 + value * 2 + 5).min(20), value)]
            }
            Unit::Pair { first, second } => vec![
                team(&[0, 1], (first + 2 * second).min(20), 0),
                team(&[1, 0], (2 * first + second + 4).min(20), 0),
            ],
        };
        let fingerprints = unit.policies().into_iter();
        Games {
            fingerprints: fingerprints.map(|one| format!("{one:016x}")).collect(),
            teams,
        }
    };
    let all: BTreeMap<Unit, Games> = plan
        .units()
        .into_iter()
        .map(|unit| (unit, games(unit)))
        .collect();
    let bootstrap = Bootstrap {
        resamples: 200,
        ..Bootstrap::default()
    };
    Results::of(&plan, &all, &BTreeMap::new(), &bootstrap)
}

fn listed(id: &str, state: EvaluationState, done: usize, units: usize) -> Listed {
    Listed {
        id: id.to_owned(),
        kind: "tournament".to_owned(),
        state,
        done,
        units,
        policies: 3,
        created: NOW - 125.0,
    }
}

fn answered(model: &mut Model, answer: Answer) -> Vec<Cmd> {
    send(model, Msg::Answer(HostAnswer::Evaluation(answer)))
}

fn asked(request: Request) -> Vec<Cmd> {
    vec![Cmd::Ask(HostRequest::Evaluation(request))]
}

/// The screen over three runs with a list of evaluations.
fn opened() -> Model {
    let mut model = typical();
    assert_eq!(letter(&mut model, 'E'), asked(Request::List));
    let list = vec![
        listed("20261124-101500-tournament", EvaluationState::Done, 6, 6),
        listed(
            "20261124-101000-tournament",
            EvaluationState::Interrupted,
            2,
            6,
        ),
        listed("20261124-100500-tournament", EvaluationState::Running, 3, 6),
        listed("20261124-100000-tournament", EvaluationState::Failed, 0, 6),
    ];
    answered(&mut model, Answer::List(Ok(list)));
    model
}

fn showing(results: Results) -> Model {
    let mut model = opened();
    key(&mut model, Tab);
    let id = "20261124-101500-tournament".to_owned();
    assert_eq!(key(&mut model, Enter), asked(Request::Read(id.clone())));
    answered(&mut model, Answer::Read(id, Ok(Box::new(results))));
    model
}

#[test]
fn marked_runs_become_a_tournament_and_the_command_is_copied() {
    let mut model = typical();
    letter(&mut model, ' ');
    letter(&mut model, ' ');
    letter(&mut model, 'E');
    assert_eq!(model.screen, ScreenKind::Evaluate);
    let copied = letter(&mut model, 'y');
    let [Cmd::Copy(command)] = copied.as_slice() else {
        panic!("{copied:?}");
    };
    assert!(
        command.starts_with("concord tournament ") && command.contains("lbf-8x8-2p-iql-0006"),
        "{command}"
    );
    let started = letter(&mut model, 's');
    let words: Vec<String> = command.split(' ').skip(1).map(str::to_owned).collect();
    assert_eq!(started, asked(Request::Start(words)));
}

#[test]
fn fields_are_edited_and_a_wrong_one_stops_the_start() {
    let mut model = opened();
    for _ in 0..3 {
        letter(&mut model, 'j');
    }
    key(&mut model, Enter);
    control(&mut model, 'u');
    typed(&mut model, "0");
    // Keys are text while a field is edited.
    assert_eq!(letter(&mut model, 's'), Vec::new());
    key(&mut model, Backspace);
    key(&mut model, Enter);
    assert_eq!(letter(&mut model, 's'), Vec::new());
    let notice = model.notice.clone().expect("why not");
    assert!(
        notice.text.contains("episodes: 0 - allowed: 1 to 10000000"),
        "{}",
        notice.text
    );
    assert!(text(&model, 120, 40).contains("!episodes"));
    // Escape leaves a value as it was.
    key(&mut model, Enter);
    typed(&mut model, "00");
    key(&mut model, Esc);
    letter(&mut model, 'l');
    let started = letter(&mut model, 's');
    let [Cmd::Ask(HostRequest::Evaluation(Request::Start(words)))] = started.as_slice() else {
        panic!("{started:?}");
    };
    assert_eq!(words[2..], ["--episodes", "100", "--keep"]);
}

#[test]
fn a_running_evaluation_is_cancelled_and_an_interrupted_one_goes_on() {
    let mut model = opened();
    key(&mut model, Tab);
    assert_eq!(letter(&mut model, 'x'), Vec::new());
    letter(&mut model, 'j');
    let id = |name: &str| format!("20261124-{name}-tournament");
    assert_eq!(
        letter(&mut model, 'r'),
        asked(Request::Resume {
            id: id("101000"),
            jobs: 1
        })
    );
    letter(&mut model, 'j');
    assert_eq!(letter(&mut model, 'r'), Vec::new());
    assert_eq!(
        letter(&mut model, 'x'),
        asked(Request::Cancel(id("100500")))
    );
}

#[test]
fn progress_moves_the_list_and_the_end_opens_the_tables() {
    let mut model = opened();
    let id = "20261124-100500-tournament".to_owned();
    let progress = |done| Answer::Progress {
        id: "20261124-100500-tournament".to_owned(),
        done,
        units: 6,
    };
    answered(&mut model, progress(4));
    assert!(text(&model, 120, 40).contains("running 4/6"));
    // One that the list does not have yet is chosen, and the list asked for.
    let fresh = Answer::Progress {
        id: "new".to_owned(),
        done: 0,
        units: 3,
    };
    assert_eq!(answered(&mut model, fresh), asked(Request::List));
    let mut list = model.evaluate.listed.clone();
    list.insert(0, listed("new", EvaluationState::Running, 0, 3));
    answered(&mut model, Answer::List(Ok(list)));
    assert_eq!(model.evaluate.chosen.as_deref(), Some("new"));
    let done = |id: &str, outcome| Answer::Done {
        id: Some(id.to_owned()),
        outcome,
    };
    let commands = answered(&mut model, done("new", Ok("done: 0.9".to_owned())));
    assert_eq!(commands.len(), 2, "the list and the results: {commands:?}");
    answered(&mut model, done(&id, Err("the disk is full".to_owned())));
    assert_eq!(model.notice.expect("why").text, "the disk is full");
}

#[test]
fn the_folders_are_looked_at_only_while_something_runs() {
    let mut model = opened();
    assert_eq!(send(&mut model, Msg::Tick(NOW + 1.0)), Vec::new());
    assert_eq!(send(&mut model, Msg::Tick(NOW + 2.5)), asked(Request::List));
    assert_eq!(send(&mut model, Msg::Tick(NOW + 3.0)), Vec::new());
    // A clock that jumps back does not stop it.
    assert_eq!(
        send(&mut model, Msg::Tick(NOW - 900.0)),
        asked(Request::List)
    );
    answered(&mut model, Answer::List(Ok(Vec::new())));
    assert_eq!(send(&mut model, Msg::Tick(NOW + 90.0)), Vec::new());
    letter(&mut model, 'q');
    assert_eq!(model.screen, ScreenKind::Dashboard);
}

#[test]
fn results_are_written_in_the_form_that_the_ending_names() {
    let mut model = showing(results(Kind::Tournament, 3, None));
    let write = |model: &mut Model, name: &str| {
        letter(model, 'e');
        control(model, 'u');
        typed(model, name);
        key(model, Enter)
    };
    let saved = |commands: Vec<Cmd>| match commands.as_slice() {
        [Cmd::Ask(HostRequest::Save { text, replace, .. })] => {
            assert!(!replace);
            text.clone()
        }
        other => panic!("{other:?}"),
    };
    assert!(saved(write(&mut model, "a.md")).starts_with("# Tournament of 3 policies"));
    assert!(saved(write(&mut model, "a.json")).contains("\"cross_play\""));
    // CSV holds the table that is looked at.
    letter(&mut model, ']');
    let csv = saved(write(&mut model, "a.csv"));
    assert!(csv.starts_with("first_seat,A,A_low,A_high,B"), "{csv}");
    assert_eq!(write(&mut model, "a.pdf"), Vec::new());
    assert!(
        model
            .notice
            .clone()
            .expect("why")
            .text
            .contains(".md, .csv")
    );
    key(&mut model, Esc);
    assert_eq!(model.evaluate.typing, None);
}

#[test]
fn heat_is_a_digit_from_the_lowest_to_the_highest_mean() {
    let mut model = showing(results(Kind::Tournament, 3, None));
    letter(&mut model, ']');
    let screen = text(&model, 160, 40);
    // A with B in seat 1: 2 of 20; C alone: 11 of 20. (0.3 - 0.1) / (0.55 - 0.1) * 9 = 4.
    assert!(screen.contains("0 0.100±"), "{screen}");
    assert!(screen.contains("9 0.550±"), "{screen}");
    assert!(screen.contains("4 0.300±"), "{screen}");
    assert!(screen.contains("0 for 0.100, 9 for 0.550"), "{screen}");
}

#[test]
fn a_run_of_searches_is_judged_by_what_it_recorded() {
    let mut model = typical();
    let mut runs = model.runs.clone();
    runs[0].job = "search".to_owned();
    send(&mut model, Msg::Runs(runs));
    letter(&mut model, 'E');
    let words = ["eval", "lbf-8x8-2p-iql-0007", "--sweep", "tokens"];
    let words = words.map(str::to_owned).to_vec();
    assert_eq!(letter(&mut model, 's'), asked(Request::Start(words)));
    let recorded = searches::sweep([], "tokens", &Bootstrap::default());
    answered(
        &mut model,
        Answer::Read("searches over tokens".to_owned(), Ok(Box::new(recorded))),
    );
    assert_eq!(model.evaluate.part, Part::Tables);
    assert!(text(&model, 120, 40).contains("Nothing is played yet."));
}

#[test]
fn a_folder_that_is_gone_is_told_instead_of_tables() {
    let mut model = opened();
    key(&mut model, Tab);
    key(&mut model, Enter);
    let gone = Answer::Read("x".to_owned(), Err("no such evaluation: x".to_owned()));
    answered(&mut model, gone);
    assert!(text(&model, 120, 40).contains("no such evaluation: x"));
    answered(
        &mut model,
        Answer::List(Err("cannot list: denied".to_owned())),
    );
    assert!(!text(&model, 120, 40).is_empty());
}

#[test]
fn the_mouse_chooses_parts_and_lines() {
    let mut model = opened();
    model.size = (120, 40);
    text(&model, 120, 40);
    let click = |model: &mut Model, column, row| {
        send(model, Msg::Mouse(MouseKind::Click, column, row));
    };
    // The header is a line, the frame another: row 5 is the fourth field.
    click(&mut model, 5, 5);
    assert_eq!((model.evaluate.part, model.evaluate.line), (Part::Form, 3));
    click(&mut model, 5, 19);
    assert_eq!(model.evaluate.part, Part::Earlier);
    assert_eq!(
        model.evaluate.chosen.as_deref(),
        Some("20261124-101000-tournament")
    );
    click(&mut model, 80, 10);
    assert_eq!(model.evaluate.part, Part::Tables);
    click(&mut model, 119, 39);
    click(&mut model, 0, 0);
}

fn snapshots(name: &str, model: &Model) {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        assert_snapshot!(
            format!("evaluate_{name}_{width}x{height}"),
            text(model, width, height)
        );
    }
}

#[test]
fn the_screen_without_runs() {
    let mut model = empty();
    send(&mut model, Msg::Runs(Vec::new()));
    send(&mut model, Msg::Key(KeyCode::Char('E').into()));
    answered(&mut model, Answer::List(Ok(Vec::new())));
    snapshots("empty", &model);
}

#[test]
fn the_screen_with_a_tournament() {
    let model = showing(results(Kind::Tournament, 3, None));
    snapshots("typical", &model);
}

#[test]
fn the_screen_with_a_sweep() {
    let model = showing(results(Kind::Sweep, 1, Some("budget_calls=0,1,2,5")));
    snapshots("sweep", &model);
}

#[test]
fn the_screen_with_more_than_fits() {
    let mut model = showing(results(Kind::Tournament, 12, None));
    let list = (0..80).map(|index| listed(&format!("e{index}"), EvaluationState::Done, 78, 78));
    answered(&mut model, Answer::List(Ok(list.collect())));
    letter(&mut model, ']');
    letter(&mut model, 'l');
    letter(&mut model, 'j');
    snapshots("overflowing", &model);
}

#[test]
fn the_screen_when_things_fail() {
    let mut model = opened();
    for _ in 0..3 {
        letter(&mut model, 'j');
    }
    key(&mut model, Enter);
    typed(&mut model, "x");
    key(&mut model, Enter);
    let gone = Err("cannot read: runs/evaluations/x - no such file".to_owned());
    answered(&mut model, Answer::Read("x".to_owned(), gone));
    snapshots("failing", &model);
}

#[test]
fn no_size_and_no_key_panics() {
    let missing = {
        let mut results = results(Kind::Tournament, 3, None);
        results.cross_play = None;
        results.ranking.clear();
        results.scores.clear();
        results
    };
    let models = [
        opened(),
        showing(results(Kind::Tournament, 5, None)),
        showing(results(Kind::Scores, 4, None)),
        showing(results(Kind::Sweep, 2, Some("epsilon=0,0.5,1"))),
        showing(missing),
    ];
    for mut model in models {
        for character in "jjhl[]e\u{8}xysrGgE".chars() {
            letter(&mut model, character);
            key(&mut model, Tab);
            for (width, height) in [(0, 0), (30, 8), (100, 22)] {
                draw(&model, width, height);
            }
        }
        for width in (0..=40).step_by(2) {
            for height in 0..=12 {
                draw(&model, width, height);
            }
        }
    }
}
