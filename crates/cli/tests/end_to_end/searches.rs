//! `concord search`, with a worker that searches by a made-up policy and critic.

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Answer, Place};

const SETTINGS: &str = r#"
version = 1
job = "search"
[model]
kind = "scripted"
[questions]
count = 3
[budget]
tokens = 1000
tool_calls = 5
"#;

fn place() -> Place {
    let place = Place::new();
    std::fs::write(place.path().join("search.toml"), SETTINGS).expect("settings");
    place
}

/// The lines that a run printed.
fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let line = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    answer.stdout.lines().map(line).collect()
}

/// A run in JSON, and the path of its first log.
fn searched(place: &Place, more: &[&str]) -> (Vec<Value>, PathBuf) {
    let mut arguments = vec!["search", "search.toml", "--ui", "none", "--format", "json"];
    arguments.extend(more);
    let found = lines(&place.run(&arguments));
    let log = place.path().join(found[0]["log"].as_str().expect("a path"));
    (found, log)
}

/// The command ends with 2 and says why.
fn assert_refused(place: &Place, arguments: &[&str], why: &str) {
    let answer = place.run(arguments);
    assert!(
        answer.code == Some(2) && answer.stderr.contains(why),
        "{}",
        answer.stderr
    );
}

#[test]
fn a_line_per_question_has_the_answer_and_what_was_spent_and_left() {
    let place = place();
    let (found, log) = searched(&place, &[]);
    assert_eq!(found.len(), 3);
    for line in &found {
        assert!(
            line["answer"].is_string() && line["backstop"].is_boolean(),
            "{line}"
        );
        assert!(line["nodes"].as_u64() > Some(1), "{line}");
        let spent = line["spent"]["tokens"].as_u64().expect("whole tokens");
        let left = line["left"]["tokens"].as_u64().expect("whole tokens");
        assert_eq!(spent + left, 1000, "{line}");
        assert_eq!(line["violations"], 0);
        let seconds = line["seconds"].as_f64().expect("seconds");
        assert_eq!(seconds, (seconds * 1e3).round() / 1e3);
    }
    assert!(log.is_file());
}

#[test]
fn the_tree_is_told_as_it_grows_and_the_table_follows() {
    let place = place();
    let answer = place.run(&["search", "search.toml", "--ui", "plain"]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let told = &answer.stderr;
    for words in [
        "chain-000000: Where does chain 0 end?",
        "tool calls left",
        "answer: ",
        "spent ",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let first = told.find("chain-000000:").expect("the first question");
    let second = told.find("chain-000001:").expect("the second question");
    assert!(first < second);
    assert!(
        answer.stdout.contains("searched     3 of 3 questions"),
        "{}",
        answer.stdout
    );
}

#[test]
fn questions_come_from_the_command_too() {
    let place = place();
    let asked =
        "{\"id\":\"one\",\"question\":\"Who?\"}\n{\"id\":\"two\",\"question\":\"Where?\"}\n";
    std::fs::write(place.path().join("Q.jsonl"), asked).expect("questions");
    let (found, _) = searched(&place, &["--question-file", "Q.jsonl"]);
    let ids: Vec<&Value> = found.iter().map(|line| &line["id"]).collect();
    assert_eq!(ids, ["one", "two"]);
    assert_refused(
        &place,
        &["search", "search.toml", "--question-file", "none.jsonl"],
        "none.jsonl",
    );
    std::fs::write(place.path().join("bad.jsonl"), format!("{asked}no JSON\n")).expect("a file");
    let runs = place.run(&["runs", "--format", "json"]).stdout;
    assert_refused(
        &place,
        &["search", "search.toml", "--question-file", "bad.jsonl"],
        "bad.jsonl, line 3",
    );
    assert_eq!(place.run(&["runs", "--format", "json"]).stdout, runs);
    std::fs::write(place.path().join("B.csv"), "Question,Answer\nWho?,Graz\n").expect("a file");
    let (found, _) = searched(&place, &["--question-file", "B.csv"]);
    assert_eq!(found[0]["question"], "Who?");
    assert_refused(
        &place,
        &["search", "search.toml", "--question", " "],
        "--question is empty",
    );
}

#[test]
fn a_sweep_is_a_run_for_each_budget() {
    let place = place();
    let (found, _) = searched(&place, &["--sweep", "tokens=300,600"]);
    assert_eq!(found.len(), 6);
    let runs = place.run(&["runs", "--format", "json"]).json();
    let mut ids: Vec<&str> = runs
        .as_array()
        .expect("runs")
        .iter()
        .filter_map(|run| run["id"].as_str())
        .collect();
    ids.sort_unstable();
    assert!(
        ids[0].ends_with("search-tokens-300") && ids[1].ends_with("search-tokens-600"),
        "{ids:?}"
    );
    assert_refused(
        &place,
        &["search", "search.toml", "--sweep", "tokens"],
        "no values",
    );
    assert_refused(
        &place,
        &["search", "search.toml", "--sweep", "tokens=0,5"],
        "budget.tokens",
    );
}

#[test]
fn a_dry_run_tells_the_most_that_can_be_spent() {
    let place = place();
    let plan = place
        .run(&["search", "search.toml", "--dry-run", "--format", "json"])
        .json();
    assert_eq!(plan["plan"]["questions"], 3);
    let table = place.run(&["search", "search.toml", "--dry-run"]);
    assert!(
        table.stdout.contains("at most 1k for each question"),
        "{}",
        table.stdout
    );
    assert!(!place.path().join("runs").exists());
}

#[test]
fn a_file_that_is_not_there_is_a_wrong_setting() {
    let place = place();
    let settings = SETTINGS.replace(
        "[model]\nkind = \"scripted\"\n[questions]\n",
        "[model]\nkind = \"server\"\n[server]\nurl = \"http://127.0.0.1:9/v1\"\nmodel = \"m\"\n[questions]\nkind = \"file\"\npath = \"asked.jsonl\"\n",
    );
    std::fs::write(place.path().join("file.toml"), settings).expect("settings");
    let refused = |more: &[&str], setting: &str, file: &str| {
        for command in [
            &["config", "check", "file.toml"][..],
            &["search", "file.toml", "--dry-run"],
            &["search", "file.toml", "--ui", "none"],
        ] {
            let answer = place.run(&[command, more].concat());
            let told = format!("{}{}", answer.stdout, answer.stderr);
            assert_eq!(answer.code, Some(2), "{command:?}: {told}");
            assert!(told.contains(setting) && told.contains(file), "{told}");
        }
        assert!(!place.path().join("runs").exists());
    };
    refused(&[], "questions.path", "asked.jsonl");
    std::fs::write(
        place.path().join("asked.jsonl"),
        "{\"question\":\"Who?\"}\n",
    )
    .expect("a file");
    let check = place.run(&["config", "check", "file.toml"]);
    assert_eq!(check.code, Some(0), "{}", check.stdout);
    refused(
        &["--set", "questions.documents=none.jsonl"],
        "questions.documents",
        "none.jsonl",
    );
    refused(
        &["--set", "questions.aliases=none.json"],
        "questions.aliases",
        "none.json",
    );
    refused(&["--set", "questions.path=."], "questions.path", "no file");
}

#[test]
fn a_worker_that_fails_without_words_is_told_by_its_code_and_its_console() {
    let place = place();
    let failed = place.run_as("leave", &["search", "search.toml", "--ui", "none"]);
    let told = &failed.stderr;
    assert_eq!(failed.code, Some(9), "{told}");
    assert!(told.contains("failed with exit code 9"), "{told}");
    assert!(told.contains("no such symbol: at_rest"), "{told}");
    assert!(!told.contains("lost"), "{told}");
}

#[test]
fn two_searches_that_are_compared_can_be_compared_by_their_questions() {
    let place = place();
    for name in ["one", "two"] {
        searched(&place, &["--name", name]);
    }
    let compared = place.run(&["compare", "one", "two"]);
    assert_eq!(compared.code, Some(0), "{}", compared.stderr);
    let hint = (compared.stderr.lines()).find_map(|line| line.split_once("concord "));
    let command: Vec<&str> = hint.expect("a hint").1.split_whitespace().collect();
    assert_eq!(command[..2], ["search", "compare"]);
    let answer = place.run(&command);
    assert!(
        !answer.stderr.contains("is no run of searches"),
        "{}",
        answer.stderr
    );
    for quiet in [
        &["compare", "one"][..],
        &["compare", "one", "two", "--format", "json"],
    ] {
        let answer = place.run(quiet);
        assert!(!answer.stderr.contains("question by question"), "{quiet:?}");
    }
}

#[test]
fn a_replay_gives_the_same_tree_and_an_edited_log_is_refused() {
    let place = place();
    let (found, log) = searched(&place, &[]);
    let path = log.to_string_lossy().into_owned();
    let replayed = place
        .run(&["search", "replay", &path, "--format", "json"])
        .json();
    assert_eq!(replayed["identical"], true);
    assert_eq!(replayed["nodes"], found[0]["nodes"]);
    assert_eq!(replayed["verdict"]["answer"], found[0]["answer"]);
    let tree = place.run(&["search", "replay", &path]);
    assert!(
        tree.code == Some(0) && tree.stdout.contains("Where does chain 0 end?"),
        "{}",
        tree.stdout
    );
    assert!(tree.stderr.contains("identical tree"), "{}", tree.stderr);

    let text = std::fs::read_to_string(&log).expect("a log");
    let edited = text.replacen("\"max_tokens\":", "\"max_tokens\":9", 1);
    std::fs::write(&log, edited).expect("a log");
    let refused = place.run(&["search", "replay", &path]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("the log was edited"),
        "{}",
        refused.stderr
    );
    assert_refused(&place, &["search", "replay", "none.jsonl"], "none.jsonl");
}

#[test]
fn a_branch_is_a_new_run_that_shares_the_beginning() {
    let place = place();
    let (_, log) = searched(&place, &[]);
    let path = log.to_string_lossy().into_owned();
    let branched = place.run(&[
        "search",
        "replay",
        &path,
        "--branch-from",
        "1",
        "--set",
        "budget.tokens=3000",
        "--seed",
        "77",
        "--ui",
        "none",
        "--format",
        "json",
    ]);
    let found = lines(&branched);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["id"], "chain-000000");
    let tokens = |key: &str| found[0][key]["tokens"].as_u64().expect("whole tokens");
    assert_eq!(tokens("spent") + tokens("left"), 3000);
    let before = std::fs::read_to_string(&log).expect("a log");
    let after =
        std::fs::read_to_string(place.path().join(found[0]["log"].as_str().expect("a path")));
    let after = after.expect("a log");
    let node = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.contains("\"kind\":\"node\",\"id\":1,"));
        let mut value: Value = serde_json::from_str(line.expect("node 1")).expect("JSON");
        value.as_object_mut().expect("an object").remove("time");
        value
    };
    assert_eq!(node(&before), node(&after));
    assert!(after.contains("\"kind\":\"branch\""), "{after}");
    let replayed = place.run(&[
        "search",
        "replay",
        found[0]["log"].as_str().expect("a path"),
    ]);
    assert_eq!(replayed.code, Some(0), "{}", replayed.stderr);

    assert_refused(
        &place,
        &[
            "search",
            "replay",
            &path,
            "--branch-from",
            "1",
            "--set",
            "method.kind=greedy",
        ],
        "budget",
    );
    assert_refused(
        &place,
        &["search", "replay", &path, "--branch-from", "9999"],
        "9999",
    );
}

#[test]
fn reports_come_in_every_form() {
    let place = place();
    let (_, log) = searched(&place, &[]);
    let path = log.to_string_lossy().into_owned();
    for (format, sign) in [
        ("html", "<!doctype html"),
        ("dot", "digraph"),
        ("mermaid", "flowchart"),
        ("json", "{"),
    ] {
        let report = place.run(&["search", "report", &path, "--format", format]);
        assert_eq!(report.code, Some(0), "{}", report.stderr);
        assert!(
            report.stdout.to_lowercase().contains(sign),
            "{format}: {}",
            report.stdout
        );
    }
    let priced = place.run(&[
        "search",
        "report",
        &path,
        "--format",
        "json",
        "--prices",
        "output=2",
        "--out",
        "report.json",
    ]);
    assert_eq!(priced.code, Some(0), "{}", priced.stderr);
    assert!(place.path().join("report.json").is_file());
}

#[test]
fn the_world_is_written_once() {
    let place = place();
    let sets = ["--set", "questions.count=5", "--set", "world.entities=300"];
    let mut arguments = vec![
        "search", "world", "--export", "world", "--rows", "240", "--format", "json",
    ];
    arguments.extend(sets);
    let written = place.run(&arguments);
    assert_eq!(written.code, Some(0), "{}", written.stderr);
    let count = |name: &str| {
        let text = std::fs::read_to_string(place.path().join("world").join(name)).expect("a file");
        let parsed = |line: &str| serde_json::from_str::<Value>(line).is_ok();
        assert!(text.lines().all(parsed), "{name}");
        text.lines().count()
    };
    assert_eq!(count("questions.jsonl"), 5);
    assert!(count("documents.jsonl") > 300);
    assert_eq!(count("train.jsonl"), 240);
    let again = place.run(&arguments);
    assert!(
        again.code == Some(2) && again.stderr.contains("it exists"),
        "{}",
        again.stderr
    );
}
