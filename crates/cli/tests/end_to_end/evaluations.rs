//! Scores, tournaments and sweeps that are kept, with a worker that answers from a number.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};
use tracking::{NewRun, RunFolder};

use crate::harness::{Answer, Place, eventually, signal};

/// A run with policies: (step, skill).
fn run(place: &Place, name: &str, policies: &[(u64, &str)]) -> RunFolder {
    run_with(place, name, policies, |_| {})
}

fn run_with(
    place: &Place,
    name: &str,
    policies: &[(u64, &str)],
    change: impl Fn(&mut Value),
) -> RunFolder {
    let new = NewRun {
        name: name.to_owned(),
        ..NewRun::default()
    };
    let run = RunFolder::create(&place.path().join("runs"), &new).expect("a run");
    for (step, skill) in policies {
        let folder = run.checkpoint(*step);
        std::fs::create_dir_all(&folder).expect("a checkpoint");
        let mut text = json!({
            "version": 1, "step": step,
            "config": {
                "seed": 1,
                "environment": {"id": "Foraging-5x5-2p-1f-coop-v3", "time_limit": 20},
                "algorithm": {"kind": "iql"},
                "evaluation": {"environments": 8}
            },
            "environment": {"agents": 2, "actions": 6, "observation_size": 9}
        });
        change(&mut text);
        std::fs::write(folder.join("policy.json"), text.to_string()).expect("a policy");
        std::fs::write(folder.join("parameters.safetensors"), skill).expect("weights");
    }
    run
}

fn scorer() -> PathBuf {
    let path = assert_cmd::cargo::cargo_bin!("concord")
        .with_file_name("examples")
        .join("fake_scorer");
    assert!(path.is_file(), "cargo builds examples with the tests");
    path
}

fn log(place: &Place) -> PathBuf {
    place.path().join("calls")
}

fn calls(place: &Place) -> usize {
    let text = std::fs::read_to_string(log(place)).unwrap_or_default();
    text.lines().count()
}

fn command(place: &Place, behaviour: &str, arguments: &[&str]) -> std::process::Command {
    let mut command = place.concord(arguments);
    command
        .env("CONCORD_WORKER", scorer())
        .env("FAKE_SCORER", behaviour)
        .env("FAKE_SCORER_LOG", log(place));
    command
}

fn play_as(place: &Place, behaviour: &str, arguments: &[&str]) -> Answer {
    let output = command(place, behaviour, arguments).output();
    output.expect("concord starts").into()
}

fn play(place: &Place, arguments: &[&str]) -> Answer {
    play_as(place, "", arguments)
}

fn start(place: &Place, behaviour: &str, arguments: &[&str]) -> Child {
    let mut command = command(place, behaviour, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("concord starts")
}

fn evaluations(place: &Place) -> Vec<PathBuf> {
    let folder = place.path().join("runs/evaluations");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

const HUNDRED: [&str; 4] = ["--episodes", "100", "--format", "json"];

fn close(value: &Value, expected: f64) -> bool {
    value
        .as_f64()
        .is_some_and(|value| (value - expected).abs() < 1e-9)
}

#[test]
fn a_tournament_scores_ranks_and_keeps() {
    let place = Place::new();
    run(&place, "good", &[(10, "0.9")]);
    run(&place, "fair", &[(10, "0.6")]);
    run(&place, "poor", &[(10, "0.0")]);
    let arguments = [&["tournament", "good", "fair", "poor"][..], &HUNDRED].concat();
    let answer = play(&place, &arguments);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let json = answer.json();
    assert_eq!(calls(&place), 6);
    // The first seat counts double: good with fair 0.8 and 0.7, with poor 0.6 and 0.3.
    let rows = &json["cross_play"];
    assert!(close(&rows[0]["A"]["estimate"], 0.9), "{rows}");
    assert!(close(&rows[0]["B"]["estimate"], 0.8), "{rows}");
    assert!(close(&rows[1]["A"]["estimate"], 0.7), "{rows}");
    assert!(close(&rows[2]["A"]["estimate"], 0.3), "{rows}");
    let ranking = &json["ranking"];
    assert!(
        close(&ranking[0]["cross_play"]["estimate"], 0.6),
        "{ranking}"
    );
    assert_eq!(ranking[0]["policy"], "A");
    assert_eq!(ranking[2]["rank"], 3);
    // The share of starts on which good solves more than poor: half of what they differ in
    // counts as ties.
    let chance = json["improvement"][0]["C"]["estimate"]
        .as_f64()
        .expect("a chance");
    assert!(chance > 0.6 && chance < 1.0, "{chance}");
    assert_eq!(json["state"], "done");

    let folder = evaluations(&place).pop().expect("a kept evaluation");
    let names = [
        "results.json",
        "report.md",
        "ranking.csv",
        "cross_play.csv",
        "scores.csv",
    ];
    for name in names {
        assert!(folder.join(name).is_file(), "{name}");
    }
    let report = std::fs::read_to_string(folder.join("report.md")).expect("a report");
    assert!(report.contains("## ranking by cross-play"), "{report}");

    // Again: nothing is played, and the numbers are the same.
    let again = play(&place, &arguments);
    assert_eq!((again.code, calls(&place)), (Some(0), 6));
    assert_eq!(again.json(), json);
    // One more policy plays its own games only.
    run(&place, "more", &[(10, "0.3")]);
    let more = [
        &["tournament", "good", "fair", "poor", "more"][..],
        &HUNDRED,
    ]
    .concat();
    let more = play(&place, &more);
    assert_eq!((more.code, calls(&place)), (Some(0), 10));
    assert!(
        more.stderr.contains("6 games are taken over"),
        "{}",
        more.stderr
    );
    // Another folder and another order of workers give the same numbers as well.
    let other = [&arguments[..], &["--out", "elsewhere", "--jobs", "3"]].concat();
    let elsewhere = play(&place, &other).json();
    assert_eq!(calls(&place), 16);
    assert_eq!(elsewhere["ranking"], json["ranking"]);
    assert_eq!(elsewhere["improvement"], json["improvement"]);
    assert_eq!(evaluations(&place).len(), 2);
}

#[test]
fn tables_and_values_for_programs_have_every_pair() {
    let place = Place::new();
    run(&place, "good", &[(10, "0.9")]);
    run(&place, "fair", &[(10, "0.6")]);
    let names = ["tournament", "good", "fair", "--episodes", "100"];
    let table = play(&place, &names);
    assert!(table.stdout.contains("0.800 ["), "{}", table.stdout);
    assert!(table.stdout.contains("share a rank"), "{}", table.stdout);
    let csv = play(&place, &[&names[..], &["--format", "csv"]].concat());
    let head = csv.stdout.lines().next().expect("a head");
    assert!(
        head.contains("cross_play,cross_play_low,cross_play_high"),
        "{head}"
    );
    assert_eq!(csv.stdout.lines().count(), 3);
    let list = play(&place, &["evaluation", "list", "--format", "json"]).json();
    assert_eq!(list[0]["state"], "done");
    assert_eq!(list[0]["games"], 3);
    let shown = play(&place, &["evaluation", "show", "last"]);
    assert_eq!(shown.stdout, table.stdout);
}

#[test]
fn what_cannot_be_played_is_told_before_anything_is() {
    let place = Place::new();
    let good = run(&place, "good", &[(10, "0.9")]);
    run_with(&place, "large", &[(10, "0.9")], |text| {
        text["environment"]["agents"] = json!(3);
    });
    run_with(&place, "long", &[(10, "0.8")], |text| {
        text["config"]["environment"]["time_limit"] = json!(50);
    });
    run(&place, "fresh", &[]);
    let path = good.checkpoint(10).display().to_string();
    for (arguments, part) in [
        (
            &["tournament", "good", "large"][..],
            "large:step-10 is for 3 agents",
        ),
        (&["tournament", "good", "long"], "time_limit is 20 and 50"),
        (&["tournament", "good"], "two are needed at least"),
        (&["tournament", "good", &path], "two are needed at least"),
        (&["tournament", "good", "fresh"], "no checkpoint yet"),
        (&["tournament", "good", "nobody"], "nobody"),
        (
            &["tournament", "good", "long", "--episodes", "0"],
            "0 is not in",
        ),
        (&["tournament", "good", "long", "--epsilon", "2"], "0 to 1"),
        (
            &["tournament", "good", "long", "--checkpoints", "first"],
            "every:N",
        ),
        (&["eval", "good", "--sweep", "budget_calls=1"], "one half"),
        (&["eval", "good", "--sweep", "epsilon=1,x"], "epsilon=x"),
        (
            &["eval", "good", "long", "--with", "good"],
            "concord tournament",
        ),
        (&["eval", "good", "--keep", "--gif", "a.gif"], "--gif"),
        (
            &["eval", "good", "--keep", "--env", "Foraging-8x8-2p-2f-v3"],
            "12 numbers",
        ),
        (&["eval", "good", "--keep", "--env", "Foraging"], "Foraging"),
        (&["evaluation", "show", "x"], "no such evaluation"),
    ] {
        let answer = play(&place, arguments);
        assert_eq!(answer.code, Some(2), "{arguments:?} {}", answer.stderr);
        assert!(
            answer.stderr.contains(part),
            "{arguments:?} {}",
            answer.stderr
        );
    }
    assert_eq!((calls(&place), evaluations(&place).len()), (0, 0));
    // With one limit for all of them they do fit.
    let limited = ["tournament", "good", "long", "--time-limit", "9"];
    assert_eq!(play(&place, &limited).code, Some(0));
}

#[test]
fn a_policy_that_is_named_twice_plays_once() {
    let place = Place::new();
    let good = run(&place, "good", &[(10, "0.9"), (20, "0.5")]);
    let path = good.checkpoint(10).display().to_string();
    let names = ["tournament", "good", &path, "--checkpoints", "all"];
    let answer = play(&place, &[&names[..], &HUNDRED].concat());
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert!(
        answer.stderr.contains("named twice; it plays once"),
        "{}",
        answer.stderr
    );
    assert_eq!(answer.json()["policies"].as_array().map(Vec::len), Some(2));
    assert_eq!(calls(&place), 3);
}

#[test]
fn what_is_killed_halfway_goes_on_where_it_was() {
    for kill in [Signal::TERM, Signal::KILL] {
        let place = Place::new();
        let skills = [(10, "0.1"), (20, "0.5"), (30, "0.9")];
        run(&place, "good", &skills);
        let arguments = [
            "tournament",
            "good",
            "--checkpoints",
            "all",
            "--episodes",
            "50",
        ];
        let mut child = start(&place, "stall=4", &arguments);
        eventually("four games and one that stalls", || calls(&place) == 5);
        let locked = play(&place, &arguments);
        assert!(locked.stderr.contains("being played"), "{}", locked.stderr);
        signal(&child, kill);
        let status = child.wait().expect("it ends");
        let code = (kill == Signal::TERM).then_some(5);
        assert_eq!(status.code(), code);
        let list = play(&place, &["evaluation", "list", "--format", "json"]).json();
        assert_eq!(
            (&list[0]["state"], &list[0]["games"]),
            (&json!("interrupted"), &json!(4))
        );
        let before = calls(&place);
        let answer = play(&place, &[&arguments[..], &["--format", "json"]].concat());
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        assert!(answer.stderr.contains("4 of 6 games are there already"));
        assert_eq!(calls(&place) - before, 2);
        // As if nothing had happened.
        let whole = [&arguments[..], &["--out", "whole", "--format", "json"]].concat();
        assert_eq!(
            play(&place, &whole).json()["ranking"],
            answer.json()["ranking"]
        );
    }
}

#[test]
fn a_checkpoint_that_vanishes_costs_its_own_games_only() {
    let place = Place::new();
    let skills = [(10, "0.1"), (20, "0.5"), (30, "0.9")];
    let good = run(&place, "good", &skills);
    let gone = good.checkpoint(20);
    let behaviour = format!("vanish={}", gone.display());
    let arguments = [
        "tournament",
        "good",
        "--checkpoints",
        "all",
        "--episodes",
        "50",
    ];
    let answer = play_as(&place, &behaviour, &arguments);
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    assert!(
        answer.stderr.contains("step-20 is gone"),
        "{}",
        answer.stderr
    );
    assert!(
        answer.stderr.contains("3 of 6 games were not played"),
        "{}",
        answer.stderr
    );
    assert!(
        answer
            .stdout
            .contains("not ranked, since games are missing: B"),
        "{}",
        answer.stdout
    );
    let json = play(&place, &["evaluation", "show", "last", "--format", "json"]).json();
    assert_eq!(json["state"], "failed");
    assert_eq!(json["ranking"].as_array().map(Vec::len), Some(2));
    // Put back, it plays what it missed; another policy in its place does not.
    std::fs::create_dir_all(&gone).expect("a folder");
    let other = good.checkpoint(10);
    for name in ["policy.json", "parameters.safetensors"] {
        std::fs::copy(other.join(name), gone.join(name)).expect("a copy");
    }
    let changed = play(&place, &["evaluation", "resume", "last"]);
    assert_eq!(changed.code, Some(3));
    assert!(
        changed.stderr.contains("another policy"),
        "{}",
        changed.stderr
    );
}

#[test]
fn curves_and_sweeps_have_a_row_each() {
    let place = Place::new();
    let skills = [(10, "0.1"), (20, "0.5"), (30, "0.9"), (400, "0.6")];
    run(&place, "good", &skills);
    let curve = play(
        &place,
        &[&["eval", "good", "--checkpoint", "all"][..], &HUNDRED].concat(),
    );
    assert_eq!(curve.code, Some(0), "{}", curve.stderr);
    let scores = curve.json()["scores"].clone();
    let steps: Vec<u64> = scores
        .as_array()
        .expect("scores")
        .iter()
        .filter_map(|row| row["step"].as_u64())
        .collect();
    assert_eq!(steps, [10, 20, 30, 400]);
    assert!(close(&scores[2]["mean"]["estimate"], 0.9));
    let some = ["eval", "good", "--checkpoint", "every:3"];
    let some = play(&place, &[&some[..], &HUNDRED].concat()).json();
    assert_eq!(some["scores"].as_array().map(Vec::len), Some(2));
    let sweep = ["eval", "good", "--sweep", "epsilon=0,0.5"];
    let sweep = play(&place, &[&sweep[..], &HUNDRED].concat()).json();
    assert_eq!(sweep["parameter"], "epsilon");
    assert_eq!(sweep["sweep"].as_array().map(Vec::len), Some(2));
    let said = std::fs::read_to_string(log(&place)).expect("calls");
    assert!(
        said.lines()
            .last()
            .is_some_and(|line| line.contains("--epsilon 0.5"))
    );
}

#[test]
fn recorded_searches_are_a_table_of_accuracy_against_budget() {
    let place = Place::new();
    let new = NewRun {
        name: "bavt".to_owned(),
        job: "search".to_owned(),
        ..NewRun::default()
    };
    let searches = RunFolder::create(&place.path().join("runs"), &new).expect("a run");
    let folder = searches.path().join("search");
    std::fs::create_dir_all(&folder).expect("a folder");
    for (index, (limit, spent, correct)) in
        [(500, 480, false), (500, 300, true), (2000, 1500, true)]
            .into_iter()
            .enumerate()
    {
        let lines = [
            json!({"v": 1, "time": 0, "kind": "question", "id": index.to_string(), "text": "?", "policy": "bavt"}),
            json!({"v": 1, "time": 0, "kind": "budget", "resource": "tokens", "limit": limit}),
            json!({"v": 1, "time": 0, "kind": "node", "id": 0, "role": "root", "text": "?"}),
            json!({"v": 1, "time": 1, "kind": "spend", "resource": "tokens", "amount": spent, "node": 0}),
            json!({"v": 1, "time": 1, "kind": "answer", "node": 0, "text": "a", "chosen": true, "correct": correct}),
            json!({"v": 1, "time": 1, "kind": "end", "why": "answer"}),
        ];
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        std::fs::write(
            folder.join(format!("q{index}.jsonl")),
            text.join("\n") + "\n",
        )
        .expect("a log");
    }
    let csv = play(
        &place,
        &["eval", "bavt", "--sweep", "tokens", "--format", "csv"],
    );
    assert_eq!(csv.code, Some(0), "{}", csv.stderr);
    let rows: Vec<&str> = csv.stdout.lines().collect();
    assert!(
        rows[1].starts_with("bavt,500,0.5,0.0,1.0,390.0"),
        "{rows:?}"
    );
    assert!(
        rows[2].starts_with("bavt,2000,1.0,1.0,1.0,1500.0"),
        "{rows:?}"
    );
    let wrong = play(&place, &["eval", "bavt", "--sweep", "minutes"]);
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.stderr.contains("recorded: tokens"),
        "{}",
        wrong.stderr
    );
    run(&place, "good", &[(10, "0.9")]);
    let mixed = play(&place, &["eval", "bavt", "good"]);
    assert!(
        mixed.stderr.contains("evaluate them apart"),
        "{}",
        mixed.stderr
    );
    assert_eq!(calls(&place), 0);
}

#[test]
fn a_worker_that_fails_is_not_asked_for_every_game() {
    let place = Place::new();
    let skills: Vec<(u64, String)> = (1..=6).map(|step| (step, format!("0.{step}"))).collect();
    let skills: Vec<(u64, &str)> = skills
        .iter()
        .map(|(step, skill)| (*step, skill.as_str()))
        .collect();
    run(&place, "good", &skills);
    let arguments = [
        "tournament",
        "good",
        "--checkpoints",
        "all",
        "--episodes",
        "5",
    ];
    let answer = play_as(&place, "fail", &arguments);
    assert_eq!((answer.code, calls(&place)), (Some(3), 3));
    assert!(
        answer.stderr.contains("no such device"),
        "{}",
        answer.stderr
    );
    assert!(
        answer.stderr.contains("21 of 21 games"),
        "{}",
        answer.stderr
    );
    let short = play_as(&place, "short", &["evaluation", "resume", "last"]);
    assert!(
        short.stderr.contains("too few episodes"),
        "{}",
        short.stderr
    );
}

#[test]
fn a_folder_that_is_taken_or_full_is_told() {
    let place = Place::new();
    run(&place, "good", &[(10, "0.9"), (20, "0.5")]);
    let names = ["tournament", "good", "--checkpoints", "all"];
    let few = ["--episodes", "5"];
    let at = |place: &Place, more: &[&str]| play(place, &[&names[..], &few, more].concat());
    assert_eq!(at(&place, &["--out", "kept"]).code, Some(0));
    let other = at(&place, &["--out", "kept", "--seed", "2"]);
    assert_eq!(other.code, Some(2));
    assert!(other.stderr.contains("\"seed\":1"), "{}", other.stderr);
    let taken = at(&place, &["--out", "runs"]);
    assert!(
        taken.stderr.contains("holds other files"),
        "{}",
        taken.stderr
    );
    // No byte can be written below a file.
    std::fs::write(place.path().join("file"), "").expect("a file");
    let impossible = at(&place, &["--out", "file/kept"]);
    assert_eq!(impossible.code, Some(3), "{}", impossible.stderr);
    full(&place, &names);
}

/// A disk that takes the plan and no games: a limit on the size of files stands for it.
fn full(place: &Place, names: &[&str]) {
    let script = "ulimit -f 4; trap '' XFSZ; exec \"$0\" \"$@\"";
    let concord = assert_cmd::cargo::cargo_bin!("concord");
    let long = [names, &["--episodes", "2000", "--out", "full"]].concat();
    let output = std::process::Command::new("bash")
        .args(["-c", script])
        .arg(concord)
        .args(long)
        .current_dir(place.path())
        .env("CONCORD_WORKER", scorer())
        .output()
        .expect("bash");
    let answer = Answer::from(output);
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    assert!(answer.stderr.contains("cannot write"), "{}", answer.stderr);
    assert!(!Path::new(&place.path().join("full/games/alone-0.json")).exists());
    // With room again it goes on.
    let resumed = play(place, &["evaluation", "resume", "full"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
}
