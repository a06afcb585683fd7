//! `concord-worker assess`: accuracy, win rates and answer files of tiny models.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use testkit::chat_model::{ChatModel, REASONING, Voice};

use crate::folder::{outcome, worker};
use crate::interruption::signal;

fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(worker());
    command
        .args(["assess", "--threads", "1", "--device", "cpu", "--model"])
        .arg(folder)
        .args(words)
        .stdin(Stdio::null());
    command
}

fn assess(folder: &Path, words: &[&str]) -> Output {
    command(folder, words).output().unwrap()
}

/// The last event of an evaluation that succeeds.
fn done(folder: &Path, words: &[&str]) -> Value {
    let output = assess(folder, words);
    assert_eq!(outcome(&output).0, 0, "{}", outcome(&output).1);
    let text = String::from_utf8(output.stdout).unwrap();
    let last = text.lines().last().unwrap();
    let event: Value = serde_json::from_str(last).unwrap();
    assert_eq!(event["event"], "done");
    event
}

/// The one sentence of an evaluation that is refused before anything is generated.
fn refusal(folder: &Path, words: &[&str]) -> String {
    let output = assess(folder, words);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let (code, message) = outcome(&output);
    assert_eq!(code, 2, "{message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}

fn written(model: &ChatModel) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    model.write(folder.path()).unwrap();
    folder
}

fn file(folder: &Path, name: &str, lines: &[Value]) -> String {
    let path = folder.join(name);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn problems_are_solved_and_counted() {
    let folder = written(&ChatModel::saying("It=42."));
    let here = tempfile::tempdir().unwrap();
    let problems = file(
        here.path(),
        "problems.jsonl",
        &[
            json!({"id": "a", "problem": "6 * 7?", "answer": "42"}),
            json!({"id": "b", "problem": "6 * 8?", "answer": "48"}),
            json!({"id": "c", "problem": "40 + 2?", "answer": "42"}),
            json!({"id": "d", "problem": "41 + 1?", "answer": "42"}),
        ],
    );
    let output = here.path().join("new/records.jsonl");
    let words = [
        "--problems",
        &problems,
        "--output",
        output.to_str().unwrap(),
    ];
    let found = done(folder.path(), &words);
    assert_eq!((&found["finished"], &found["of"]), (&json!(4), &json!(4)));
    assert_eq!(found["sampling"]["greedy"], true);
    let one = &found["summaries"][0];
    assert_eq!(one["accuracy"]["estimate"], 0.75);
    // Wilson's interval of 3 of 4.
    assert!(
        (number(&one["accuracy"]["low"]) - 0.3006).abs() < 1e-3,
        "{one}"
    );
    assert!(
        (number(&one["accuracy"]["high"]) - 0.9544).abs() < 1e-3,
        "{one}"
    );
    assert_eq!(one["answer_characters"], 6.0);
    // Six bytes and the end of the turn.
    assert_eq!(one["answer_tokens"], 7.0);
    assert_eq!((&one["cut"], &one["unclosed"]), (&json!(0.0), &json!(0.0)));
    let records = lines(&output);
    assert_eq!(records.len(), 4);
    assert_eq!(records[1]["id"], "b");
    assert_eq!(records[1]["samples"], json!(["It=42."]));
    assert_eq!(records[1]["correct"], json!([false]));
    // Nothing is written over.
    let refused = refusal(folder.path(), &words);
    assert!(refused.contains("is there already"), "{refused}");
    // An exact answer is the whole answer; cut answers are counted.
    let settings = json!({"oracle": {"verifier": "exact"}}).to_string();
    let words = [
        "--problems",
        &problems,
        "--settings",
        &settings,
        "--max-new",
        "3",
        "--limit",
        "2",
    ];
    let found = done(folder.path(), &words);
    let one = &found["summaries"][0];
    assert_eq!(
        (&one["problems"], &one["accuracy"]["estimate"]),
        (&json!(2), &json!(0.0))
    );
    assert_eq!(one["cut"], 1.0);
}

#[test]
fn several_samples_give_pass_at_k_and_are_the_same_every_time() {
    let folder = written(&ChatModel::saying("42!"));
    let words = [
        "--problems",
        "arithmetic",
        "--limit",
        "6",
        "--samples",
        "4",
        "--temperature",
        "1.5",
        "--max-new",
        "12",
        "--seed",
        "3",
    ];
    let found = done(folder.path(), &words);
    assert_eq!(found["sampling"]["temperature"], 1.5);
    let one = &found["summaries"][0];
    assert_eq!((&one["problems"], &one["samples"]), (&json!(6), &json!(4)));
    let rates = one["pass_at"].as_array().unwrap();
    let ks: Vec<u64> = rates
        .iter()
        .map(|rate| rate["k"].as_u64().unwrap())
        .collect();
    assert_eq!(ks, [1, 2, 4]);
    let estimates: Vec<f64> = rates
        .iter()
        .map(|rate| number(&rate["rate"]["estimate"]))
        .collect();
    assert!(
        estimates.windows(2).all(|two| two[0] <= two[1]),
        "{estimates:?}"
    );
    assert_eq!(found["summaries"], done(folder.path(), &words)["summaries"]);
    let refused = refusal(
        folder.path(),
        &["--problems", "arithmetic", "--samples", "4", "--greedy"],
    );
    assert!(refused.contains("all alike at temperature 0"), "{refused}");
}

#[test]
fn traces_are_apart_from_answers() {
    let folder = written(&ChatModel {
        voice: Voice::Phrase("<think>6*7</think>42"),
        template: Some(REASONING.to_owned()),
        ..ChatModel::default()
    });
    let here = tempfile::tempdir().unwrap();
    let problems = file(
        here.path(),
        "problems.jsonl",
        &[json!({"problem": "What?", "answer": "42"})],
    );
    let output = here.path().join("records.jsonl");
    let words = [
        "--problems",
        &problems,
        "--thinking",
        "both",
        "--output",
        output.to_str().unwrap(),
    ];
    let found = done(folder.path(), &words);
    let summaries = found["summaries"].as_array().unwrap();
    assert_eq!(summaries.len(), 2);
    assert_eq!(
        (&summaries[0]["thinking"], &summaries[1]["thinking"]),
        (&json!(true), &json!(false))
    );
    let one = &summaries[0];
    assert_eq!(one["accuracy"]["estimate"], 1.0);
    // The marks and three bytes; two digits and the end of the turn.
    assert_eq!(
        (&one["trace_tokens"], &one["answer_tokens"]),
        (&json!(5.0), &json!(3.0))
    );
    let records = lines(&output);
    assert_eq!(records[0]["samples"], json!(["42"]));
    assert_eq!(records[0]["traces"], json!(["6*7"]));
    // A trace that never closes holds no answer, whatever is in it.
    let words = [
        "--problems",
        &problems,
        "--thinking",
        "on",
        "--max-new",
        "4",
    ];
    let one = &done(folder.path(), &words)["summaries"][0];
    assert_eq!(one["accuracy"]["estimate"], 0.0);
    assert_eq!(
        (&one["unclosed"], &one["cut"], &one["without_answer"]),
        (&json!(1.0), &json!(1.0), &json!(1.0))
    );
}

#[test]
fn two_models_are_compared_beside_their_lengths() {
    let ours = written(&ChatModel::saying("It=42."));
    let theirs = written(&ChatModel::saying("7"));
    let here = tempfile::tempdir().unwrap();
    let prompts = file(
        here.path(),
        "prompts.jsonl",
        &[
            json!({"prompt": "6 * 7?", "answer": "42"}),
            json!({"prompt": "3 + 4?", "answer": "7"}),
            json!({"prompt": "6 + 36?", "answer": "42"}),
            json!({"prompt": "1 + 1?", "answer": "2"}),
        ],
    );
    let other = theirs.path().to_str().unwrap();
    let output = here.path().join("records.jsonl");
    let words = [
        "--against",
        other,
        "--prompts",
        &prompts,
        "--greedy",
        "--output",
        output.to_str().unwrap(),
    ];
    let found = done(ours.path(), &words);
    let summary = &found["summary"];
    assert_eq!(found["oracle"], "numeric");
    assert_eq!(summary["win_rate"]["estimate"], 0.625);
    assert_eq!(
        (&summary["wins"], &summary["ties"], &summary["losses"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(summary["ours"]["characters"], 6.0);
    assert_eq!(summary["theirs"]["characters"], 1.0);
    assert_eq!(summary["matched"]["prompts"], 0);
    let records = lines(&output);
    assert_eq!((records.len(), &records[0]["win"]), (4, &json!(1.0)));
    assert_eq!(records[0]["others"][0]["text"], "7");
    // Another oracle: the shorter one wins; and a model against itself is all ties.
    let settings = json!({"oracle": {"kind": "synthetic", "game": "shorter"}}).to_string();
    let words = [
        "--against",
        other,
        "--prompts",
        &prompts,
        "--greedy",
        "--settings",
        &settings,
    ];
    let found = done(ours.path(), &words);
    assert!(
        number(&found["summary"]["win_rate"]["estimate"]) < 0.5,
        "{found}"
    );
    let itself = ours.path().to_str().unwrap();
    let words = ["--against", itself, "--prompts", &prompts, "--greedy"];
    let summary = &done(ours.path(), &words)["summary"];
    assert_eq!(
        (&summary["win_rate"]["estimate"], &summary["identical"]),
        (&json!(0.5), &json!(4))
    );
}

#[test]
fn answer_files_are_those_of_the_tools() {
    let folder = written(&ChatModel::saying("*Bye"));
    let here = tempfile::tempdir().unwrap();
    let export = |tool: &str, questions: &str, name: &str, more: &[&str]| {
        let output = here.path().join(name);
        let mut words = vec![
            "--export",
            tool,
            "--questions",
            questions,
            "--output",
            output.to_str().unwrap(),
        ];
        words.extend(more);
        (done(folder.path(), &words), output)
    };
    let alpaca = here.path().join("alpaca.json");
    fs::write(
        &alpaca,
        json!([{"instruction": "Say it.", "dataset": "koala"}, {"instruction": "Say it again."}])
            .to_string(),
    )
    .unwrap();
    let (found, output) = export(
        "alpaca-eval",
        alpaca.to_str().unwrap(),
        "ours.json",
        &["--greedy", "--name", "ours"],
    );
    assert_eq!((&found["finished"], &found["of"]), (&json!(2), &json!(2)));
    let answers: Value = serde_json::from_slice(&fs::read(&output).unwrap()).unwrap();
    assert_eq!(
        answers[0],
        json!({"instruction": "Say it.", "dataset": "koala", "output": "*Bye", "generator": "ours"})
    );

    let arena = file(
        here.path(),
        "arena.jsonl",
        &[json!({"uid": "328c", "category": "hard_prompt", "prompt": "Say it."})],
    );
    let (_, output) = export("arena-hard", &arena, "arena-ours.jsonl", &["--greedy"]);
    let line = &lines(&output)[0];
    assert_eq!(
        (&line["uid"], &line["model"]),
        (&json!("328c"), &json!("arena-ours"))
    );
    assert_eq!(line["messages"][1]["role"], "assistant");
    assert!(
        line["messages"][1]["content"]["answer"].is_string(),
        "{line}"
    );
    assert!(line["metadata"]["token_len"].is_u64(), "{line}");

    let bench = file(
        here.path(),
        "bench.jsonl",
        &[
            json!({"question_id": 81, "category": "writing", "turns": ["Say it.", "Say it again."]}),
            json!({"question_id": 111, "category": "math", "turns": ["2 + 2?"]}),
        ],
    );
    let (found, output) = export(
        "mt-bench",
        &bench,
        "bench-ours.jsonl",
        &["--samples", "2", "--max-new", "8"],
    );
    assert_eq!(found["name"], "bench-ours");
    let answered = lines(&output);
    assert_eq!(
        (&answered[0]["question_id"], &answered[1]["question_id"]),
        (&json!(81), &json!(111))
    );
    assert_eq!(answered[0]["model_id"], "bench-ours");
    let turns = |answer: &Value, choice: usize| {
        answer["choices"][choice]["turns"].as_array().unwrap().len()
    };
    assert_eq!(
        (
            turns(&answered[0], 0),
            turns(&answered[0], 1),
            turns(&answered[1], 0)
        ),
        (2, 2, 1)
    );
    // Mathematics is answered greedily: both choices are alike.
    assert_eq!(
        answered[1]["choices"][0]["turns"],
        answered[1]["choices"][1]["turns"]
    );
    assert!(answered[0]["tstamp"].as_f64().unwrap() > 1.7e9);
}

#[test]
fn what_cannot_be_evaluated_is_told_before_anything_is_generated() {
    let folder = written(&ChatModel::default());
    let here = tempfile::tempdir().unwrap();
    let told = |words: &[&str], part: &str| {
        let message = refusal(folder.path(), words);
        assert!(message.contains(part), "{words:?}: {message}");
    };
    let without = file(
        here.path(),
        "without.jsonl",
        &[
            json!({"prompt": "a?"}),
            json!({"prompt": "b?", "answer": "1"}),
        ],
    );
    told(&["--problems", &without], "1 of 2 rows have no answer");
    told(
        &[
            "--against",
            folder.path().to_str().unwrap(),
            "--prompts",
            &without,
        ],
        "1 of 2 rows have no answer",
    );
    let words = file(
        here.path(),
        "words.jsonl",
        &[json!({"id": "x", "prompt": "a?", "answer": "Paris"})],
    );
    told(
        &["--problems", &words],
        "a reference answer without a number",
    );
    let empty = file(here.path(), "empty.jsonl", &[]);
    told(&["--problems", &empty], "no rows");
    told(
        &["--problems", "nowhere.jsonl"],
        "cannot read nowhere.jsonl",
    );
    told(&["--problems", &words, "--samples", "0"], "--samples 0");
    told(&["--problems", &words, "--limit", "0"], "--limit 0");
    let out = here.path().join("out.jsonl");
    let out = out.to_str().unwrap();
    told(
        &[
            "--export",
            "mt-bench",
            "--questions",
            &words,
            "--output",
            out,
        ],
        "no column `question_id`",
    );
    told(
        &["--export", "helm", "--questions", &words, "--output", out],
        "no answer file of `helm`",
    );
    let arena = file(
        here.path(),
        "arena.jsonl",
        &[json!({"uid": "1", "prompt": "a?"})],
    );
    told(
        &[
            "--export",
            "arena-hard",
            "--questions",
            &arena,
            "--output",
            out,
            "--samples",
            "2",
        ],
        "one answer to each question",
    );
    told(
        &[
            "--export",
            "arena-hard",
            "--questions",
            &arena,
            "--output",
            out,
            "--thinking",
            "both",
        ],
        "--thinking both",
    );
    let bench = file(
        here.path(),
        "bench.jsonl",
        &[json!({"question_id": 1, "turns": ["a?"]})],
    );
    told(
        &[
            "--export",
            "mt-bench",
            "--questions",
            &bench,
            "--output",
            out,
            "--greedy",
        ],
        "of each question's category",
    );
    let output = assess(
        Path::new("/nowhere"),
        &["--problems", "arithmetic", "--limit", "1"],
    );
    assert_ne!(outcome(&output).0, 0);
    assert!(
        outcome(&output).1.contains("/nowhere"),
        "{}",
        outcome(&output).1
    );
}

#[test]
fn told_to_stop_it_ends_with_what_is_finished() {
    let folder = written(&ChatModel::default());
    let here = tempfile::tempdir().unwrap();
    let output = here.path().join("records.jsonl");
    let words = [
        "--problems",
        "arithmetic",
        "--limit",
        "20000",
        "--max-new",
        "64",
        "--output",
        output.to_str().unwrap(),
    ];
    let mut child = command(folder.path(), &words)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut events = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let begun = events
        .find(|event| event["finished"].as_u64().unwrap_or(0) > 0)
        .unwrap();
    assert_eq!(begun["event"], "progress");
    signal(&child, "-INT");
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event"], &last["interrupted"]),
        (&json!("done"), &json!(true))
    );
    let finished = last["finished"].as_u64().unwrap();
    assert!(finished > 0 && finished < 20_000, "{finished}");
    assert_eq!(lines(&output).len() as u64, finished);
    assert_eq!(last["summaries"][0]["problems"], finished);
    assert_eq!(child.wait().unwrap().code(), Some(5));
}
