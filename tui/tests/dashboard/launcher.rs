//! The launcher: from presets to a start, with everything that may be wrong on the way.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};

use configs::RunConfig;
use configs::env::Environment;
use proptest::prelude::*;
use ratatui::crossterm::event::KeyCode;
use tui::host::{Launch, QueueEntry, Request as Any};
use tui::model::{Model, Overlay, RunState};
use tui::plan::{FinetunePlan, JobPlan, Plan, SearchPlan, SearchSizes, Sizes};
use tui::screens::ScreenKind;
use tui::screens::launcher::View;
use tui::screens::launcher::requests::{
    Answer, Entry, FileStart, Folder, NotSaved, Request, Starts,
};
use tui::update::MouseKind;
use tui::{Answer as Told, Cmd, Msg};

use crate::fixture::{control, draw, empty, key, letter, run, send, text};

mod data;
mod drawing;

const MINE: &str = "# a small try\nversion = 1 # of the format\ntotal_steps = 5_000\n";
const BROKEN: &str = "version = 1\nseed = = 3\n";

fn starts() -> Starts {
    Starts {
        files: vec![
            FileStart {
                path: "mine.toml".into(),
                about: "a small try".to_owned(),
            },
            FileStart {
                path: "broken.toml".into(),
                about: "not valid TOML".to_owned(),
            },
        ],
        runs: vec![(
            "20270115-120000-demo".to_owned(),
            "runs/a/config.toml".into(),
        )],
        variables: Environment::default(),
        environments: vec![
            "Foraging-5x5-2p-1f-coop-v3".to_owned(),
            "climbing".to_owned(),
        ],
        devices: vec!["cuda:0".to_owned()],
    }
}

/// What the program around would answer.
fn host(request: Request) -> Option<Answer> {
    Some(match request {
        Request::Starts => Answer::Starts(Box::new(starts())),
        Request::Text(path) => {
            let text = match path.to_str() {
                Some("mine.toml" | "/srv/mine.toml") => Ok(MINE.to_owned()),
                Some("broken.toml") => Ok(BROKEN.to_owned()),
                _ => Err("cannot read it: it is gone".to_owned()),
            };
            Answer::Text(path, text)
        }
        Request::Plan {
            number,
            config_toml,
        } => {
            let config = match RunConfig::from_toml("form", &config_toml) {
                Ok(RunConfig::Train(config)) => config,
                Ok(RunConfig::Finetune(config)) => {
                    let plan = FinetunePlan::of(&config, data::sizes(), &[]);
                    return Some(Answer::Plan(number, Ok(Box::new(JobPlan::Finetune(plan)))));
                }
                Ok(RunConfig::Search(config)) => {
                    let plan = SearchPlan::of(&config, SearchSizes::default(), &[]);
                    return Some(Answer::Plan(number, Ok(Box::new(JobPlan::Search(plan)))));
                }
                _ => panic!("only good configurations are planned"),
            };
            let known = !config.environment.id.contains("nowhere");
            let sizes = Sizes {
                environment: config.environment.id.clone(),
                agents: 2,
                actions: 6,
                observation: 9,
                episode_limit: config.environment.time_limit.unwrap_or(50) as u64,
                picture: 182_280,
            };
            let plan = Box::new(JobPlan::Train(Plan::of(&config, sizes, &[])));
            let unknown = configs::Problem::error("environment.id", "unknown environment")
                .value(&config.environment.id);
            Answer::Plan(number, known.then_some(plan).ok_or(vec![unknown]))
        }
        Request::Folder(path) if path == Path::new("/srv/secret") => {
            Answer::Folder(path, Err("cannot read /srv/secret: denied".to_owned()))
        }
        Request::Folder(path) => {
            let entry = |name: &str, is_folder: bool| Entry {
                name: name.to_owned(),
                is_folder,
                size: 900,
            };
            let entries = vec![
                entry("secret", true),
                entry("mine.toml", false),
                entry("pairs.jsonl", false),
            ];
            let full = if path.is_absolute() {
                path.clone()
            } else {
                PathBuf::from("/srv")
            };
            Answer::Folder(
                path,
                Ok(Folder {
                    path: full,
                    entries,
                }),
            )
        }
        Request::Preview(path) => Answer::Preview(path, vec!["# a small try".to_owned()]),
        Request::Data(asked) => {
            let known = data::preview(&asked);
            Answer::Data(asked.path, Box::new(known))
        }
        Request::Save { path, replace, .. } => {
            let result = match path.to_str() {
                Some("exists.toml") if !replace => Err(NotSaved::Exists),
                Some("full.toml") => Err(NotSaved::Failed("cannot write: disk full".to_owned())),
                _ => Ok(()),
            };
            Answer::Saved(path, result)
        }
    })
}

/// Answers what was asked for until nothing is; gives what was no question to the launcher.
fn answered(model: &mut Model, commands: Vec<Cmd>) -> Vec<Cmd> {
    let mut others = Vec::new();
    let mut waiting = commands;
    while let Some(command) = waiting.pop() {
        match command {
            Cmd::Ask(Any::Launcher(request)) => {
                let answer = host(request).unwrap();
                waiting.extend(send(model, Msg::Answer(Told::Launcher(answer))));
            }
            other => others.push(other),
        }
    }
    others
}

fn press(model: &mut Model, keys: &str) -> Vec<Cmd> {
    let mut others = Vec::new();
    for character in keys.chars() {
        let commands = match character {
            '\n' => key(model, KeyCode::Enter),
            '\u{1b}' => key(model, KeyCode::Esc),
            '\t' => key(model, KeyCode::Tab),
            '↓' => key(model, KeyCode::Down),
            other => letter(model, other),
        };
        others.extend(answered(model, commands));
    }
    others
}

fn picker() -> Model {
    let mut model = empty();
    send(&mut model, Msg::Runs(Vec::new()));
    press(&mut model, "n");
    assert_eq!(model.screen, ScreenKind::Launcher);
    model
}

/// The form of a preset.
fn form(preset: &str) -> Model {
    let mut model = picker();
    press(&mut model, &format!("/{preset}\n\n"));
    assert_eq!(model.launcher.view(), View::Form);
    model
}

/// Goes to a setting by the filter.
fn focus(model: &mut Model, path: &str) {
    press(model, "/");
    control(model, 'u');
    press(model, &format!("{path}\n"));
}

fn value(model: &Model, path: &str) -> String {
    model
        .launcher
        .form()
        .unwrap()
        .draft
        .setting(path)
        .unwrap()
        .value
}

fn command(model: &Model) -> String {
    model.launcher.form().unwrap().command("runs").unwrap()
}

fn notice(model: &Model) -> &str {
    model
        .notice
        .as_ref()
        .map_or("", |notice| notice.text.as_str())
}

#[test]
fn a_preset_is_found_by_a_few_letters_changed_and_started() {
    let mut model = form("demo");
    assert_eq!(command(&model), "concord train demo");
    focus(&mut model, "total_steps");
    press(&mut model, "2e4\n\u{1b}");
    assert_eq!(value(&model, "total_steps"), "20_000");
    focus(&mut model, "algorithm.kind");
    press(&mut model, "\nqm\n\u{1b}");
    assert_eq!(
        command(&model),
        "concord train demo --set total_steps=20000 --set algorithm.kind=qmix"
    );
    assert_eq!(press(&mut model, "y"), [Cmd::Copy(command(&model))]);
    press(&mut model, "sa b\t4\t ");
    let whole = "concord train demo --set total_steps=20000 --set algorithm.kind=qmix --name 'a b' --seeds 4";
    assert_eq!(command(&model), whole);
    let asked = press(&mut model, "\n");
    let [Cmd::Ask(Any::Launch(launch))] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    let config = RunConfig::from_toml("config.toml", &launch.config_toml).unwrap();
    assert_eq!(Some(&config), model.launcher.form().unwrap().draft.ready());
    assert!(
        launch.origin_json.contains("total_steps=20_000"),
        "{}",
        launch.origin_json
    );
    assert_eq!(
        Launch {
            config_toml: String::new(),
            origin_json: String::new(),
            ..launch.clone()
        },
        Launch {
            target: "demo".to_owned(),
            name: "a b".to_owned(),
            further_seeds: 3,
            queued: true,
            ..Launch::default()
        }
    );
    send(
        &mut model,
        Msg::Answer(Told::Launched(Ok("new-run".to_owned()))),
    );
    assert_eq!(model.screen, ScreenKind::Dashboard);
    send(
        &mut model,
        Msg::Runs(vec![run("new-run", RunState::Starting, 0.0)]),
    );
    assert_eq!(model.selected.as_deref(), Some("new-run"));
}

#[test]
fn a_start_is_refused_with_the_reason_and_leads_to_the_problem() {
    let mut model = form("smoke");
    focus(&mut model, "replay.batch_episodes");
    press(&mut model, "9999\n\u{1b}");
    focus(&mut model, "learning_rate");
    press(&mut model, "\nfast\n\u{1b}g");
    assert_eq!(model.launcher.form().unwrap().errors(), 2);
    assert_eq!(press(&mut model, "s"), []);
    assert!(
        notice(&model).starts_with("not started: 2 problems"),
        "{}",
        notice(&model)
    );
    assert!(text(&model, 100, 30).contains("algorithm.learning_rate"));
    press(&mut model, "n");
    assert!(text(&model, 100, 30).contains("batch larger than the replay"));
    focus(&mut model, "replay.capacity");
    let other = "takes part in replay.batch_episodes: batch larger than the replay";
    assert!(text(&model, 100, 30).contains(other));
    press(&mut model, "\u{1b}");
    assert_eq!(model.launcher.form().unwrap().command("runs"), None);
    press(&mut model, "y");
    assert!(notice(&model).contains("no command yet"));
    press(&mut model, "uu");
    assert_eq!(model.launcher.form().unwrap().errors(), 0);
    press(&mut model, "n");
    assert_eq!(notice(&model), "there is no problem");
}

#[test]
fn what_the_environment_does_not_take_is_a_problem_too() {
    let mut model = form("smoke");
    focus(&mut model, "environment.id");
    press(&mut model, "\nnowhere-9\n\u{1b}");
    assert_eq!(value(&model, "environment.id"), "nowhere-9");
    assert_eq!(model.launcher.form().unwrap().errors(), 1);
    press(&mut model, "s");
    assert!(
        notice(&model).contains("unknown environment"),
        "{}",
        notice(&model)
    );
    // A late answer about another state of the form changes nothing.
    press(&mut model, "u");
    let late = configs::Problem::error("environment.id", "late");
    let answer = Told::Launcher(Answer::Plan(2, Err(vec![late])));
    send(&mut model, Msg::Answer(answer));
    assert_eq!(model.launcher.form().unwrap().errors(), 0);
}

#[test]
fn values_are_stepped_scaled_typed_reset_and_taken_back() {
    let mut model = form("smoke");
    focus(&mut model, "replay.batch_episodes");
    press(&mut model, "+");
    assert_eq!(value(&model, "replay.batch_episodes"), "9");
    press(&mut model, "-><<");
    assert_eq!(value(&model, "replay.batch_episodes"), "4");
    press(&mut model, "x");
    assert_eq!(value(&model, "replay.batch_episodes"), "8");
    press(&mut model, "u");
    assert_eq!(value(&model, "replay.batch_episodes"), "4");
    // A letter replaces the value, another key edits it, Esc leaves it.
    press(&mut model, "\n1\n");
    assert_eq!(value(&model, "replay.batch_episodes"), "1");
    key(&mut model, KeyCode::Enter);
    key(&mut model, KeyCode::End);
    press(&mut model, "6\n");
    assert_eq!(value(&model, "replay.batch_episodes"), "16");
    press(&mut model, "\n99\u{1b}");
    assert_eq!(value(&model, "replay.batch_episodes"), "16");
    focus(&mut model, "evaluation.record_episode");
    press(&mut model, " ");
    assert_eq!(value(&model, "evaluation.record_episode"), "false");
    focus(&mut model, "sight");
    press(&mut model, "3\n");
    press(&mut model, "\nnone\n");
    assert_eq!(value(&model, "environment.sight"), "none");
}

#[test]
fn settings_come_and_go_with_the_kind_and_advanced_ones_when_asked() {
    let mut model = form("smoke");
    let shown = |model: &Model| text(model, 120, 200);
    assert!(!shown(&model).contains("Switch cost"));
    assert!(!shown(&model).contains("Gradient clip"));
    press(&mut model, "a");
    assert!(shown(&model).contains("Gradient clip"));
    focus(&mut model, "algorithm.kind");
    press(&mut model, "\nmansa\n\u{1b}");
    assert!(shown(&model).contains("Switch cost"));
    assert!(shown(&model).contains("algorithm switch"));
}

#[test]
fn what_comes_back_from_the_editor_is_taken_or_mended() {
    let mut model = form("smoke");
    let asked = press(&mut model, "e");
    let [
        Cmd::Edit {
            text: edited,
            ending: "toml",
        },
    ] = asked.as_slice()
    else {
        panic!("{asked:?}");
    };
    let good = edited.replace("seed = 1", "seed = 5 # lucky");
    let commands = send(&mut model, Msg::Edited(Ok(good)));
    answered(&mut model, commands);
    assert_eq!(command(&model), "concord train smoke --seed 5");
    assert!(
        model
            .launcher
            .form()
            .unwrap()
            .draft
            .text()
            .contains("# lucky")
    );

    send(&mut model, Msg::Edited(Ok(BROKEN.to_owned())));
    assert!(
        text(&model, 80, 24).contains("form:2:8"),
        "{}",
        text(&model, 80, 24)
    );
    let again = press(&mut model, "e");
    assert_eq!(
        again,
        [Cmd::Edit {
            text: BROKEN.to_owned(),
            ending: "toml"
        }]
    );
    press(&mut model, "\u{1b}");
    assert_eq!(command(&model), "concord train smoke --seed 5");

    let wrong = "version = 1\nsede = 3\n[replay]\nbatch_episodes = 0\n";
    let commands = send(&mut model, Msg::Edited(Ok(wrong.to_owned())));
    assert_eq!(answered(&mut model, commands), []);
    assert_eq!(model.launcher.form().unwrap().errors(), 2);
    assert!(text(&model, 120, 40).contains("did you mean `seed`?"));

    send(
        &mut model,
        Msg::Edited(Err("the editor left no file".to_owned())),
    );
    assert_eq!(notice(&model), "the editor left no file");
}

#[test]
fn files_and_runs_are_starts_and_broken_ones_are_mended_first() {
    let mut model = picker();
    press(&mut model, "/mine\n\n");
    assert_eq!(value(&model, "total_steps"), "5_000");
    assert_eq!(command(&model), "concord train mine.toml");
    press(&mut model, "\u{1b}/broken\n\n");
    assert!(text(&model, 80, 24).contains("broken.toml is no TOML"));
    assert_eq!(press(&mut model, "e").len(), 1);
    let commands = send(&mut model, Msg::Edited(Ok(MINE.to_owned())));
    answered(&mut model, commands);
    assert_eq!(model.launcher.view(), View::Form);
    assert_eq!(
        model.launcher.form().unwrap().command("runs"),
        None,
        "not saved yet"
    );
    press(&mut model, "w\n");
    assert_eq!(command(&model), "concord train broken.toml");
    // The run's folder was removed in between.
    press(&mut model, "\u{1b}/20270115\n\n");
    assert_eq!(notice(&model), "cannot read it: it is gone");
}

#[test]
fn a_file_is_looked_for_in_folders() {
    let mut model = picker();
    press(&mut model, "o");
    assert!(text(&model, 80, 24).contains("secret/"));
    press(&mut model, "\n");
    assert!(text(&model, 80, 24).contains("cannot read /srv/secret: denied"));
    let commands = key(&mut model, KeyCode::Left);
    answered(&mut model, commands);
    press(&mut model, "mi\n");
    assert_eq!(command(&model), "concord train /srv/mine.toml");
}

#[test]
fn saving_asks_before_it_replaces_and_tells_what_failed() {
    let mut model = form("smoke");
    press(&mut model, "w");
    control(&mut model, 'u');
    press(&mut model, "exists.toml\n");
    assert!(matches!(model.overlay, Overlay::Ask(_)));
    press(&mut model, "\n");
    assert_eq!(notice(&model), "wrote exists.toml");
    assert_eq!(command(&model), "concord train exists.toml");
    press(&mut model, "w");
    control(&mut model, 'u');
    press(&mut model, "full.toml\n");
    assert_eq!(notice(&model), "cannot write: disk full");
    assert_eq!(command(&model), "concord train exists.toml");
}

#[test]
fn a_form_that_was_left_is_offered_again() {
    let mut model = form("demo");
    press(&mut model, "5\nq");
    assert_eq!(model.screen, ScreenKind::Dashboard);
    press(&mut model, "n");
    assert!(text(&model, 80, 24).contains("back to preset demo"));
    press(&mut model, "\n");
    assert_eq!(value(&model, "seed"), "5");
}

#[test]
fn the_queue_is_shown_ordered_and_emptied() {
    let mut model = picker();
    assert_eq!(press(&mut model, "Q"), [Cmd::Ask(Any::Queue)]);
    let entry = |id: &str| QueueEntry {
        id: id.to_owned(),
        device: "cpu".to_owned(),
        reason: "running-run runs on cpu".to_owned(),
    };
    let entries = vec![entry("first"), entry("second")];
    send(&mut model, Msg::Answer(Told::Queue(Ok(entries))));
    let second = "second".to_owned();
    let lift = Any::QueueMove {
        id: second.clone(),
        up: true,
    };
    assert_eq!(press(&mut model, "jK"), [Cmd::Ask(lift)]);
    let entries = vec![entry("second"), entry("first")];
    send(&mut model, Msg::Answer(Told::Queue(Ok(entries))));
    let lower = Any::QueueMove {
        id: second.clone(),
        up: false,
    };
    assert_eq!(press(&mut model, "J"), [Cmd::Ask(lower)]);
    // A run that moves on is seen.
    let commands = send(&mut model, Msg::Runs(Vec::new()));
    assert!(commands.contains(&Cmd::Ask(Any::Queue)), "{commands:?}");
    assert_eq!(press(&mut model, "x"), []);
    assert_eq!(press(&mut model, "y"), [Cmd::Ask(Any::QueueRemove(second))]);
    send(
        &mut model,
        Msg::Answer(Told::Queue(Ok(vec![entry("first")]))),
    );
    assert!(text(&model, 80, 24).contains("running-run runs on cpu"));
    send(
        &mut model,
        Msg::Answer(Told::Queue(Err("cannot read the queue".to_owned()))),
    );
    assert!(text(&model, 80, 24).contains("cannot read the queue"));
}
