//! `concord eval` of a language model: what the worker is asked, and what is told of its answer.

use serde_json::{Value, json};
use testkit::chat_model::ChatModel;

use crate::harness::Place;

fn with_model() -> Place {
    let place = Place::new();
    let model = place.path().join("model");
    ChatModel::default().write(&model).expect("a folder");
    place
}

/// The settings among the worker's words.
fn settings(words: &Value) -> Value {
    let words = words.as_array().expect("words").iter();
    let text = words
        .filter_map(Value::as_str)
        .find_map(|word| word.strip_prefix("--settings="))
        .expect("the settings");
    serde_json::from_str(text).expect("an object")
}

#[test]
fn the_worker_is_asked_and_its_figures_are_told() {
    let place = with_model();
    let words = [
        "eval",
        "./model",
        "--problems",
        "arithmetic",
        "--limit",
        "2",
        "--samples",
        "3",
        "--temperature",
        "0.5",
        "--thinking",
        "both",
        "--verifier",
        "boxed",
        "--seed",
        "9",
        "--set",
        "data.system=Be brief.",
        "--device",
        "cpu",
    ];
    let json = place.run(&[&words[..], &["--format", "json"]].concat());
    // The worker said that it was interrupted.
    assert_eq!(json.code, Some(5), "{}", json.stderr);
    assert!(
        json.stderr.contains("interrupted: 1 of 2 are finished"),
        "{}",
        json.stderr
    );
    let found = json.json();
    assert_eq!(found["summaries"][0]["accuracy"]["estimate"], 0.5);
    let asked = found["words"].as_array().expect("words");
    for word in [
        "assess",
        "--model",
        "./model",
        "--problems=arithmetic",
        "--limit=2",
        "--samples=3",
        "--temperature=0.5",
        "--thinking=both",
        "--seed=9",
        "--device=cpu",
    ] {
        assert!(asked.contains(&json!(word)), "{word}: {asked:?}");
    }
    let settings = settings(&found["words"]);
    assert_eq!(settings["oracle"]["verifier"], "boxed");
    assert_eq!(settings["data"]["system"], "Be brief.");

    let table = place.run(&words);
    assert!(
        table.stdout.contains("0.5") && table.stdout.contains("Wilson's"),
        "{}",
        table.stdout
    );
    assert!(
        table.stderr.contains("problems: 1 of 2"),
        "{}",
        table.stderr
    );
}

#[test]
fn an_oracle_has_the_settings_of_a_fine_tuning() {
    let place = with_model();
    let compare = [
        "eval",
        "./model",
        "--against",
        "./model",
        "--prompts",
        "p.jsonl",
        "--format",
        "json",
    ];
    let asked = |more: &[&str]| place.run(&[&compare[..], more].concat());
    let found = asked(&[
        "--oracle",
        "judge",
        "--oracle-model",
        "gpt",
        "--set",
        "oracle.server.url=http://localhost:1/v1",
    ]);
    let settings = settings(&found.json()["words"]);
    assert_eq!(settings["oracle"]["kind"], "judge");
    assert_eq!(settings["oracle"]["server"]["model"], "gpt");
    // What a fine-tuning would refuse is refused here, before a worker is started.
    let refused = asked(&["--oracle", "judge"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
    assert!(
        refused.stderr.contains("oracle.server.url"),
        "{}",
        refused.stderr
    );
}

#[test]
fn what_does_not_go_together_is_told_in_a_sentence() {
    let place = with_model();
    for (words, reason) in [
        (&["eval", "./model"][..], "say what is evaluated"),
        (
            &["eval", "./model", "--problems", "a", "--gif", "b.gif"],
            "--gif: belongs to policies",
        ),
        (
            &["eval", "./model", "./model", "--problems", "a"],
            "2 models",
        ),
        (&["eval", "./nowhere", "--problems", "a"], "nowhere"),
        (
            &[
                "eval",
                "./model",
                "--problems",
                "a",
                "--set",
                "optimiser.rate=1",
            ],
            "allowed: data.*",
        ),
        (
            &[
                "eval",
                "./model",
                "--problems",
                "a",
                "--set",
                "oracle.nothing=1",
            ],
            "oracle.nothing",
        ),
        (&["eval", "./model", "--export", "mt-bench"], "--questions"),
        (&["eval", "./model", "--against", "./model"], "--prompts"),
    ] {
        let answer = place.run(words);
        assert_eq!(
            (answer.code, answer.stdout.as_str()),
            (Some(2), ""),
            "{words:?} {}",
            answer.stderr
        );
        assert!(
            answer.stderr.contains(reason),
            "{words:?}: {}",
            answer.stderr
        );
    }
}
