//! `score`: reward models and PairRM on JSON lines, against what `transformers` and the
//! definition of PairRM say (`xtask/parity/scoring_folders.py`).

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::folder::{outcome, worker};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/scoring")
}

/// A model's folder with the tokenizer that all of them share.
fn model(name: &str) -> TempDir {
    let target = tempfile::tempdir().unwrap();
    for part in [name, "tokenizer"] {
        for file in fs::read_dir(fixtures().join(part)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), target.path().join(file.file_name())).unwrap();
        }
    }
    target
}

fn change(folder: &Path, key: &str, value: Value) {
    let path = folder.join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config[key] = value;
    fs::write(&path, config.to_string()).unwrap();
}

/// What the worker answers to lines on its stdin.
fn score(folder: &Path, lines: &[Value], words: &[&str]) -> Output {
    let mut child = Command::new(worker())
        .arg("score")
        .arg("--model")
        .arg(folder)
        .args(["--threads", "1", "--device", "cpu"])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    // A worker that refuses its arguments may be gone before it reads.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    child.wait_with_output().unwrap()
}

fn answers(output: &Output) -> Vec<Value> {
    assert_eq!(outcome(output).0, 0, "{}", outcome(output).1);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn expected(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(fixtures().join("expected.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    all[name].as_array().unwrap().clone()
}

fn records(expected: &[Value]) -> Vec<Value> {
    expected.iter().map(|case| case["record"].clone()).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value.as_array() {
        Some(items) => items.iter().flat_map(numbers).collect(),
        None => vec![value.as_f64().unwrap()],
    }
}

fn difference(left: &Value, right: &Value) -> f64 {
    let (left, right) = (numbers(left), numbers(right));
    assert_eq!(left.len(), right.len());
    let deltas = left.iter().zip(&right).map(|(a, b)| (a - b).abs());
    deltas.fold(0.0, f64::max)
}

#[test]
fn pairs_are_scored_as_the_definition_says() {
    let folder = model("pair");
    let expected = expected("pair");
    let output = score(folder.path(), &records(&expected), &["--pair"]);
    let answers = answers(&output);
    assert_eq!(answers.len(), expected.len());
    for (number, (answer, case)) in answers.iter().zip(&expected).enumerate() {
        let delta = difference(&answer["logits"], &case["logits"]);
        assert!(delta <= 1e-4, "line {}: {delta}", number + 1);
        assert_eq!(answer["line"], number + 1);
        let win = &answer["win"];
        let both = win[0][1].as_f64().unwrap() + win[1][0].as_f64().unwrap();
        assert!((both - 1.0).abs() < 1e-6, "{both}");
        let logit = |i: usize, j: usize| answer["logits"][i][j].as_f64().unwrap();
        let chance = 1.0 / (1.0 + ((logit(1, 0) - logit(0, 1)) / 2.0).exp());
        assert!((win[0][1].as_f64().unwrap() - chance).abs() < 1e-6);
    }
    let cut: Vec<&Value> = answers.iter().map(|answer| &answer["truncated"]).collect();
    assert_eq!(cut, [false, false, true]);
    let told = outcome(&output).1;
    assert!(told.contains("stdin, line 3: cut to 1224 tokens"), "{told}");
}

#[test]
fn texts_are_scored_as_transformers_scores_them() {
    for name in ["reward", "encoder"] {
        let folder = model(name);
        let expected = expected(name);
        for words in [&[][..], &["--max-tokens", "20"]] {
            let answers = answers(&score(folder.path(), &records(&expected), words));
            for (answer, case) in answers.iter().zip(&expected) {
                let scores = &case["scores"];
                let found = match answer.get("scores") {
                    Some(found) => found.clone(),
                    None => json!([answer["score"]]),
                };
                let delta = difference(&found, scores);
                assert!(
                    delta <= 1e-4,
                    "{name}: {} differs by {delta}",
                    case["record"]
                );
                assert_eq!(numbers(&answer["tokens"]), numbers(&case["tokens"]));
                assert_eq!(answer.get("id"), case["record"].get("id"));
                if answer.get("win").is_some() {
                    let apart = scores[0].as_f64().unwrap() - scores[1].as_f64().unwrap();
                    let chance = 1.0 / (1.0 + (-apart).exp());
                    assert!((answer["win"][0][1].as_f64().unwrap() - chance).abs() < 1e-4);
                }
            }
        }
    }
}

/// The sentence that a line gets.
fn refusal(folder: &Path, line: &Value, words: &[&str]) -> String {
    let output = score(folder, std::slice::from_ref(line), words);
    let (code, message) = outcome(&output);
    // A damaged file is the environment's fault, the rest the argument's.
    assert!([2, 3].contains(&code), "{code}: {message}");
    assert!(output.stdout.is_empty());
    message
}

#[test]
fn what_does_not_fit_is_refused_in_a_sentence() {
    let (pair, reward, encoder) = (model("pair"), model("reward"), model("encoder"));
    let text = json!({"text": "hello"});
    let candidates = json!({"prompt": "a", "candidates": ["b", "c"]});
    let says = |folder: &TempDir, line: &Value, words: &[&str], reason: &str| {
        let message = refusal(folder.path(), line, words);
        assert!(message.contains(reason), "{message}");
    };
    says(
        &pair,
        &text,
        &[],
        "stdin, line 1: PairRM compares candidates",
    );
    says(
        &reward,
        &candidates,
        &["--pair"],
        "scores one text - allowed: a PairRM",
    );
    says(
        &encoder,
        &candidates,
        &["--pair"],
        "scores one text - allowed: a PairRM",
    );
    says(
        &reward,
        &json!({"prompt": "a"}),
        &[],
        "without `response` or `candidates`",
    );
    says(
        &reward,
        &json!({"prompt": "a", "candidates": ["b"]}),
        &[],
        "not two texts or more",
    );
    says(
        &reward,
        &json!({"other": 1}),
        &[],
        "neither a text, nor messages, nor a prompt",
    );
    let messages = json!({"prompt": [{"role": "user", "content": "a"}], "candidates": ["b", "c"]});
    says(
        &pair,
        &messages,
        &[],
        "`prompt` of PairRM - allowed: a text",
    );
    let long = json!({"text": "a ".repeat(5000)});
    says(&reward, &long, &[], "tokens - allowed: 4096");
    fs::remove_file(reward.path().join("chat_template.jinja")).unwrap();
    let messages = json!({"messages": [{"role": "user", "content": "a"}]});
    says(
        &reward,
        &messages,
        &[],
        "the model has none - give {\"text\"",
    );
    change(reward.path(), "architectures", json!(["LlamaForCausalLM"]));
    says(&reward, &text, &[], "no head that scores a text");
    change(encoder.path(), "architectures", json!(["DebertaV2Model"]));
    says(&encoder, &text, &[], "an encoder without a head");
    change(pair.path(), "vocab_size", json!(83));
    says(&pair, &candidates, &[], "vocab_size 83");
    fs::remove_file(pair.path().join("tokenizer.json")).unwrap();
    fs::write(pair.path().join("spm.model"), "").unwrap();
    says(&pair, &candidates, &[], "its tokenizer is spm.model alone");
}

#[test]
fn three_labels_do_not_compare_candidates() {
    let folder = model("encoder");
    // Rows that are not there are missed before; so the head is made of three rows.
    let path = folder.path().join("model.safetensors");
    let mut tensors = tch::Tensor::read_safetensors(&path).unwrap();
    for (name, tensor) in &mut tensors {
        if name.starts_with("classifier.") {
            *tensor = tch::Tensor::cat(&[&*tensor, &*tensor, &*tensor], 0);
        }
    }
    tch::Tensor::write_safetensors(&tensors, &path).unwrap();
    change(
        folder.path(),
        "id2label",
        json!({"0": "a", "1": "b", "2": "c"}),
    );
    let line = json!({"prompt": "a", "candidates": ["b", "c"]});
    let message = refusal(folder.path(), &line, &[]);
    assert!(
        message.contains("a model of 3 labels - allowed to compare candidates: one score"),
        "{message}"
    );
    let answers = answers(&score(folder.path(), &[json!({"text": "hello"})], &[]));
    let scores = numbers(&answers[0]["scores"]);
    assert_eq!(scores.len(), 3);
    assert_eq!(scores[0], scores[2]);
}
