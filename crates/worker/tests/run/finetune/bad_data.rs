//! Prompts, pairs and scores that cannot be used are told before anything is generated.

use std::fs;

use serde_json::json;
use testkit::chat_model::{ChatModel, REASONING};

use super::{Place, finished, generated, lines, warnings};
use crate::folder::{TestRun, outcome};

/// Exit code and the one sentence of a run that did not begin to generate.
pub fn refusal(run: &TestRun) -> (i32, String) {
    let (code, message) = outcome(&run.run());
    assert!(!generated(run), "generated before it said: {message}");
    let errors = message.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{message}");
    assert!(!message.contains("panicked"), "{message}");
    let status = run.folder.status().unwrap();
    assert_eq!(status.exit_code, Some(code));
    assert!(message.contains(&status.message), "{message}");
    (code, message)
}

fn refused_with(run: &TestRun, code: i32, words: &[&str]) {
    let (found, message) = refusal(run);
    assert_eq!(found, code, "{message}");
    for word in words {
        assert!(message.contains(word), "{word}: {message}");
    }
}

#[test]
fn prompts_that_are_none_are_refused() {
    let place = Place::new();
    place.write("columns.jsonl", [json!({"question_text": "what is 1 + 1"})]);
    let run = place.run_of("columns.jsonl", &[]);
    refused_with(&run, 2, &["columns.jsonl", "question_text", "prompt"]);
    place.write("nothing.jsonl", []);
    refused_with(&place.run_of("nothing.jsonl", &[]), 2, &["nothing.jsonl"]);
    fs::write(
        place.path("broken.jsonl"),
        "{\"prompt\": \"a\"}\n{\"prompt\": \n",
    )
    .unwrap();
    refused_with(
        &place.run_of("broken.jsonl", &[]),
        2,
        &["broken.jsonl", "2"],
    );
    let run = place.run_of("missing.jsonl", &["iterations.count=1"]);
    refused_with(&run, 2, &["data.path", "missing.jsonl"]);
}

#[test]
fn more_prompts_than_there_are_cannot_be_asked_for() {
    let place = Place::new();
    let run = place.run(&["iterations.prompts=13"]);
    refused_with(
        &run,
        2,
        &["24 prompts for 2 iterations of 13", "iterations.count"],
    );
}

#[test]
fn empty_prompts_are_left_out_and_counted() {
    let place = Place::new();
    let prompts = ["one", "  ", "two", ""].map(|prompt| json!({"prompt": prompt}));
    place.write("some.jsonl", prompts);
    let run = finished(place.run_of("some.jsonl", &["iterations.count=1"]));
    assert_eq!(lines(&run, "iterations/1/responses.jsonl").len(), 2);
    let told = warnings(&run);
    let told = told
        .iter()
        .find(|message| message.contains("2 rows were left out"));
    assert!(told.is_some(), "{:?}", warnings(&run));
}

#[test]
fn a_verifier_without_answers_is_refused() {
    let place = Place::new();
    let run = place.run(&["oracle.kind=verifier", "oracle.verifier=numeric"]);
    refused_with(&run, 2, &["prompt 1", "no reference answer", "oracle.kind"]);
    let row = |answer: &str| json!({"problem": "how many", "answer": answer});
    place.write("words.jsonl", [row("12"), row("a dozen")]);
    let sets = ["oracle.kind=verifier", "oracle.verifier=numeric"];
    let run = place.run_of("words.jsonl", &sets);
    refused_with(&run, 2, &["prompt 2", "without a number"]);
    // Held-out prompts without answers are only not compared.
    place.write("numbers.jsonl", [row("12"), row("13")]);
    let sets = [&sets[..], &["iterations.count=1"]].concat();
    let (code, message) = outcome(&place.run_of("numbers.jsonl", &sets).run());
    assert_eq!(code, 2, "{message}");
    assert!(message.contains("equal to the oracle"), "{message}");
}

#[test]
fn a_file_of_scores_has_to_know_every_prompt_with_numbers() {
    let place = Place::new();
    let scores = format!("oracle.path={}", place.path("scores.jsonl").display());
    let sets = ["oracle.kind=scores_file", &scores, "iterations.prompts=2"];
    let row = |id: usize| json!({"id": id.to_string(), "scores": [0.0, 1.0, 2.0, 3.0]});
    place.write("scores.jsonl", (1..=2).map(row));
    refused_with(
        &place.run(&sets),
        2,
        &["prompt 3", "not in the file of scores"],
    );
    place.write("scores.jsonl", (1..=4).map(row));
    let run = finished(place.run(&sets));
    assert_eq!(lines(&run, "iterations/2/pairs.jsonl").len(), 2);
    let run = place.run(&[&sets[..], &["generation.responses=3"]].concat());
    refused_with(&run, 2, &["4 judged responses for 3"]);
    fs::write(
        place.path("scores.jsonl"),
        "{\"id\": \"1\", \"scores\": [1, 2, 3, 4]}\n{\"id\": \"2\", \"scores\": [1, 2, NaN, 4]}\n",
    )
    .unwrap();
    refused_with(&place.run(&sets), 2, &["scores.jsonl, line 2"]);
    let row = json!({"id": "1", "logits": [[0.0, 1.0], [0.0]]});
    place.write("scores.jsonl", [row]);
    refused_with(&place.run(&sets), 2, &["scores.jsonl, line 1"]);
}

#[test]
fn responses_that_are_all_equal_teach_nothing_and_are_counted() {
    let place = Place::new();
    let run = place.run(&["generation.temperature=0", "iterations.count=1"]);
    let (code, message) = outcome(&run.run());
    assert_eq!(code, 2, "{message}");
    assert!(
        message.contains("all responses are equal") && message.contains("temperature"),
        "{message}"
    );
    assert_eq!(run.curve("data/ties")[0].1, super::PROMPTS as f64);
    assert_eq!(lines(&run, "iterations/1/pairs.jsonl").len(), 0);
}

#[test]
fn turns_need_a_chat_template() {
    let model = ChatModel {
        template: None,
        ..ChatModel::default()
    };
    let place = Place::with(&model);
    finished(place.run(&["iterations.count=1"]));
    let turns = json!({"prompt": [{"role": "user", "content": "hello"}]});
    place.write("turns.jsonl", [json!({"prompt": "hello"}), turns]);
    let run = place.run_of("turns.jsonl", &["iterations.count=1"]);
    refused_with(&run, 2, &["prompt 2", "chat template", "model.tokenizer"]);
    let lesson = json!({"messages": [
        {"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"},
    ]});
    place.write("lessons.jsonl", [lesson]);
    let run = place.run_of("lessons.jsonl", &["algorithm.kind=sft"]);
    refused_with(&run, 2, &["lessons.jsonl, row 1", "chat template"]);
}

/// This template puts an empty thought into a prompt and none into the same prompt with its answer.
#[test]
fn a_template_that_writes_an_answered_prompt_otherwise_is_told() {
    let model = ChatModel {
        template: Some(REASONING.to_owned()),
        ..ChatModel::default()
    };
    let place = Place::with(&model);
    let row = json!({"prompt": "hello", "chosen": "hi there", "rejected": "go"});
    place.write("pairs.jsonl", [row.clone(), row]);
    let sets = [
        "iterations.count=0",
        "algorithm.kind=dpo",
        "data.thinking=off",
    ];
    let run = finished(place.run_of("pairs.jsonl", &sets));
    let told = warnings(&run);
    let wanted = "of 4 texts 4 were put behind their prompt";
    assert!(
        told.iter().any(|message| message.contains(wanted)),
        "{told:?}"
    );
}
