//! `generate`, `logits` and `save` with text, on a tiny model with a tokenizer and a template.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use testkit::chat_model::{ChatModel, VOCABULARY};

use crate::folder::{outcome, worker};
use crate::interruption::signal;

fn ask(command: &str, folder: &Path, words: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(worker())
        .args([command, "--threads", "1", "--device", "cpu", "--model"])
        .arg(folder)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn generate(folder: &Path, words: &[&str]) -> Value {
    let output = ask("generate", folder, words, b"");
    assert_eq!(outcome(&output).0, 0, "{}", outcome(&output).1);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Exit code and the one sentence.
fn refusal(folder: &Path, words: &[&str]) -> (i32, String) {
    let output = ask("generate", folder, words, b"");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let (code, message) = outcome(&output);
    let errors = message.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{message}");
    assert!(!message.contains("panicked"), "{message}");
    (code, message)
}

fn written(model: &ChatModel) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    model.write(folder.path()).unwrap();
    folder
}

#[test]
fn a_prompt_goes_through_the_template_and_its_answer_is_text() {
    let folder = written(&ChatModel::saying("Bye \u{1f600}!"));
    let model = folder.path();
    let answer = generate(model, &["--prompt", "hello", "--greedy"]);
    let first = &answer["continuations"][0];
    assert_eq!(answer["text"], "Bye \u{1f600}!");
    assert_eq!(
        (
            &first["finish"],
            &first["prompt_tokens"],
            &first["prompt_text"]
        ),
        (
            &json!("stop_id"),
            &json!(9),
            &json!("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n")
        )
    );
    let words = ["--prompt", "hello", "--greedy", "--raw", "--show-special"];
    let answer = generate(model, &words);
    assert_eq!(answer["text"], "Bye \u{1f600}!<|im_end|>");
    assert_eq!(answer["continuations"][0]["prompt_tokens"], 1);
    let words = ["--prompt", "hi", "--system", "be brief", "--greedy"];
    let answer = generate(model, &words);
    let text = answer["continuations"][0]["prompt_text"].as_str().unwrap();
    assert!(
        text.starts_with("<|im_start|>system\nbe brief<|im_end|>"),
        "{text}"
    );
    // A stop string that begins in one token and ends in another.
    let words = ["--prompt", "hello", "--greedy", "--stop", "ye"];
    let answer = generate(model, &words);
    assert_eq!(answer["text"], "B");
    assert_eq!(answer["continuations"][0]["finish"], "stop_string");
    // The text before a character that was cut is whole.
    let words = [
        "--prompt",
        "hello",
        "--greedy",
        "--ignore-eos",
        "--max-new",
        "12",
    ];
    let answer = generate(model, &words);
    assert_eq!(answer["text"], "Bye \u{1f600}!By");
}

#[test]
fn a_text_and_its_ids_give_the_same() {
    let folder = written(&ChatModel::default());
    let words = [
        "--prompt",
        "hello",
        "--raw",
        "--max-new",
        "8",
        "--seed",
        "3",
    ];
    let by_text = generate(folder.path(), &words);
    let words = ["--prompt-ids", "284", "--max-new", "8", "--seed", "3"];
    let by_ids = generate(folder.path(), &words);
    assert_eq!(by_text["ids"], by_ids["ids"]);
    let words = [
        "--prompt",
        "hello",
        "--max-new",
        "8",
        "--samples",
        "2",
        "--log-probabilities",
    ];
    let several = generate(folder.path(), &words);
    let several = several["continuations"].as_array().unwrap();
    assert_eq!(several.len(), 2);
    assert_ne!(several[0]["ids"], several[1]["ids"]);
    assert_eq!(
        several[0]["log_probabilities"].as_array().unwrap().len(),
        several[0]["ids"].as_array().unwrap().len()
    );
}

#[test]
fn a_file_of_prompts_is_answered_line_by_line() {
    let folder = written(&ChatModel::saying("Bye!"));
    let input = "{\"prompt\": \"a\"}\n\n\"b\"\n{\"id\": 7, \"messages\": [{\"role\": \"user\", \"content\": \"c\"}]}\n[{\"role\": \"user\", \"content\": \"d\"}]\n";
    let words = ["--prompt-file", "-", "--greedy", "--events", "--tokens"];
    let output = ask("generate", folder.path(), &words, input.as_bytes());
    assert_eq!(outcome(&output).0, 0, "{}", outcome(&output).1);
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| -> Vec<&Value> {
        events
            .iter()
            .filter(|event| event["event"] == kind)
            .collect()
    };
    let answers = of("answer");
    assert_eq!(answers.len(), 4);
    assert!(answers.iter().all(|answer| answer["text"] == "Bye!"));
    let third = answers.iter().find(|answer| answer["prompt"] == 2).unwrap();
    assert_eq!(third["id"], 7);
    assert_eq!(of("token").len(), 4 * 5);
    let done = of("done")[0];
    assert_eq!(
        (&done["finished"], &done["tokens"]),
        (&json!(4), &json!(20))
    );
    for (input, reason) in [
        (
            &b"{\"prompt\": \"a\"}\n{\"prompt\""[..],
            "stdin, line 2 is no JSON",
        ),
        (b"\"a\"\n\xff\xfe\n", "stdin, line 2 is no UTF-8"),
        (b"{\"text\": \"a\"}\n", "stdin, line 1 has no prompt"),
        (b"\n", "stdin has no lines"),
        (b"{\"messages\": []}\n", "stdin, line 1: no messages"),
        (
            b"\"a\"\n{\"prompt\": \"\", \"x\": 1}\n{\"prompt\": 5}\n",
            "line 3 has no prompt",
        ),
    ] {
        let output = ask("generate", folder.path(), &words, input);
        let (code, message) = outcome(&output);
        assert_eq!(code, 2, "{message}");
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn what_generation_config_says_is_taken_and_told() {
    let folder = written(&ChatModel {
        generation: Some(json!({ "do_sample": false, "eos_token_id": [0, 105] })),
        ..ChatModel::saying("Bye!")
    });
    let output = ask("generate", folder.path(), &["--prompt", "hello"], b"");
    let (code, message) = outcome(&output);
    assert_eq!(code, 0, "{message}");
    assert!(
        message.contains("note: sampling of generation_config.json: greedy (do_sample is false)"),
        "{message}"
    );
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["text"], "Bye!");
    let ids = json!([71, 126, 106, 38, 2]);
    assert_eq!(answer["ids"], ids);
    // The ends of all three places stop it: here the `e`.
    let generation = json!({ "eos_token_id": [0, 106] });
    fs::write(
        folder.path().join("generation_config.json"),
        generation.to_string(),
    )
    .unwrap();
    let answer = generate(folder.path(), &["--prompt", "hello", "--greedy"]);
    assert_eq!(answer["ids"], json!([71, 126, 106]));
}

/// A sound folder with one thing changed.
fn damaged(change: impl FnOnce(&Path)) -> tempfile::TempDir {
    let folder = written(&ChatModel::default());
    change(folder.path());
    folder
}

fn with_config(folder: &Path, key: &str, value: Value) {
    let path = folder.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config[key] = value;
    fs::write(path, config.to_string()).unwrap();
}

#[test]
fn a_folder_that_cannot_be_used_is_refused_in_a_sentence() {
    let weights = "model.safetensors";
    let cases: Vec<(&str, tempfile::TempDir, i32)> = vec![
        (
            "only pickled weights",
            damaged(|at| fs::rename(at.join(weights), at.join("pytorch_model.bin")).unwrap()),
            2,
        ),
        (
            "tokenizer.model alone",
            damaged(|at| {
                fs::rename(at.join("tokenizer.json"), at.join("tokenizer.model")).unwrap();
            }),
            2,
        ),
        (
            "no tokenizer.json",
            damaged(|at| fs::remove_file(at.join("tokenizer.json")).unwrap()),
            2,
        ),
        (
            "tokenizer.json is damaged",
            damaged(|at| fs::write(at.join("tokenizer.json"), "{}").unwrap()),
            3,
        ),
        (
            "truncated, over-long or damaged",
            damaged(|at| {
                let bytes = fs::read(at.join(weights)).unwrap();
                fs::write(at.join(weights), &bytes[..bytes.len() - 3]).unwrap();
            }),
            2,
        ),
        (
            "truncated, over-long or damaged",
            damaged(|at| {
                let bytes = fs::read(at.join(weights)).unwrap();
                fs::write(at.join(weights), [&bytes[..], b"abc"].concat()).unwrap();
            }),
            2,
        ),
        (
            "`model_type`: mamba",
            damaged(|at| with_config(at, "model_type", json!("mamba"))),
            2,
        ),
        (
            "rotation `spiral`",
            damaged(|at| {
                with_config(
                    at,
                    "rope_scaling",
                    json!({ "rope_type": "spiral", "factor": 2.0 }),
                );
            }),
            2,
        ),
        (
            "vocab_size 100, which allows ids to 99",
            damaged(|at| with_config(at, "vocab_size", json!(100))),
            3,
        ),
        (
            "allowed by config.json: [320, 64]",
            damaged(|at| with_config(at, "vocab_size", json!(320))),
            2,
        ),
        (
            "the chat template refuses the conversation: no",
            damaged(|at| {
                fs::write(
                    at.join("chat_template.jinja"),
                    "{{ raise_exception('no') }}",
                )
                .unwrap();
            }),
            2,
        ),
        (
            "does not end",
            damaged(|at| {
                let loops =
                    "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
                fs::write(at.join("chat_template.jinja"), loops).unwrap();
            }),
            2,
        ),
        (
            "cannot be compiled in line 1",
            damaged(|at| fs::write(at.join("chat_template.jinja"), "{% if %}").unwrap()),
            2,
        ),
        (
            "chat_template.jinja",
            damaged(|at| fs::write(at.join("chat_template.jinja"), b"\xff\xfe").unwrap()),
            3,
        ),
        (
            "generation_config.json",
            damaged(|at| fs::write(at.join("generation_config.json"), "{\"eos").unwrap()),
            3,
        ),
    ];
    for (reason, folder, wanted) in cases {
        let (code, message) = refusal(folder.path(), &["--prompt", "hello"]);
        assert!(message.contains(reason), "wanted {reason}: {message}");
        assert_eq!(code, wanted, "{message}");
    }
}

#[test]
fn shards_that_miss_one_are_refused() {
    let folder = written(&ChatModel::default());
    let root = tempfile::tempdir().unwrap();
    let saved = root.path().join("saved");
    let words = ["--out", saved.to_str().unwrap(), "--shard-bytes", "100000"];
    let mut command = Command::new(worker());
    command
        .arg("save")
        .arg("--model")
        .arg(folder.path())
        .args(words);
    let output = command.output().unwrap();
    assert_eq!(outcome(&output).0, 0, "{}", outcome(&output).1);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let files = answer["files"].as_array().unwrap();
    let shards = files
        .iter()
        .filter(|name| name.as_str().unwrap().ends_with(".safetensors"));
    assert!(shards.count() >= 4, "{answer}");
    // Tokenizer and template came along: text goes in and comes out as before.
    let words = ["--prompt", "hello", "--greedy", "--max-new", "8"];
    assert_eq!(
        generate(&saved, &words)["ids"],
        generate(folder.path(), &words)["ids"]
    );
    let output = command.output().unwrap();
    assert_eq!(outcome(&output).0, 2);
    assert!(outcome(&output).1.contains("is there already"));
    fs::remove_file(saved.join("model-00002-of-00005.safetensors")).unwrap();
    let (code, message) = refusal(&saved, &words);
    assert_eq!(code, 2);
    assert!(
        message.contains("model-00002-of-00005.safetensors"),
        "{message}"
    );
}

#[test]
fn prompts_that_do_not_fit_are_refused() {
    let folder = written(&ChatModel {
        context: 20,
        ..ChatModel::default()
    });
    let (code, message) = refusal(folder.path(), &["--prompt", &"zyx".repeat(9)]);
    assert_eq!(code, 2);
    assert!(
        message.contains("the prompt: a prompt of 35 tokens - allowed: 20, the model's context"),
        "{message}"
    );
    let (code, message) = refusal(folder.path(), &["--prompt", "", "--raw"]);
    assert_eq!(code, 2);
    assert!(message.contains("the prompt has no tokens"), "{message}");
    // The room that is left is used, and no more.
    let words = [
        "--prompt",
        "hello",
        "--greedy",
        "--ignore-eos",
        "--max-new",
        "50",
    ];
    let answer = generate(folder.path(), &words);
    assert_eq!(answer["continuations"][0]["finish"], "context");
    assert_eq!(answer["ids"].as_array().unwrap().len(), 20 - 9);
    for (words, reason) in [
        (
            &["--prompt", "x", "--temperature=-1"][..],
            "temperature: -1",
        ),
        (&["--prompt", "x", "--max-new", "0"], "allowed: at least 1"),
        (
            &["--prompt", "x", "--template", "novalue"],
            "allowed: NAME=JSON",
        ),
    ] {
        let (code, message) = refusal(folder.path(), words);
        assert_eq!(code, 2);
        assert!(message.contains(reason), "{message}");
    }
    let folder = written(&ChatModel {
        template: None,
        ..ChatModel::default()
    });
    for words in [["--chat"].as_slice(), &["--system", "s"]] {
        let words = [&["--prompt", "x"][..], words].concat();
        let (code, message) = refusal(folder.path(), &words);
        assert_eq!(code, 2);
        assert!(
            message.contains("the chat template is missing"),
            "{message}"
        );
    }
}

#[test]
fn scores_that_are_no_numbers_name_the_prompt() {
    let folder = written(&ChatModel::default());
    let path = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    // The last weights of the file are those of the last layer.
    let end = bytes.len();
    for place in (end - 4000..end).step_by(4) {
        bytes[place..place + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    }
    fs::write(&path, bytes).unwrap();
    for greedy in [&["--greedy"][..], &[]] {
        let words = [&["--prompt", "hello"][..], greedy].concat();
        let (code, message) = refusal(folder.path(), &words);
        assert_eq!(code, 2, "{message}");
        assert!(
            message.contains("prompt 0, new token 0: the model's scores are not numbers"),
            "{message}"
        );
    }
}

#[test]
fn an_interruption_keeps_what_is_finished() {
    let folder = written(&ChatModel {
        context: 1_000_000,
        ..ChatModel::default()
    });
    let mut child = Command::new(worker())
        .args(["generate", "--threads", "1", "--device", "cpu", "--model"])
        .arg(folder.path())
        .args(["--prompt", "hello", "--ignore-eos", "--max-new", "900000"])
        .args(["--events", "--tokens"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    lines.next().unwrap().unwrap();
    signal(&child, "-INT");
    let last: Vec<Value> = lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let [.., answer, done] = last.as_slice() else {
        panic!("{last:?}");
    };
    assert_eq!(answer["finish"], "interrupted");
    assert_eq!(
        (&done["interrupted"], &done["finished"]),
        (&json!(true), &json!(0))
    );
}

#[test]
fn logits_of_a_text_are_those_of_its_ids() {
    let folder = written(&ChatModel::default());
    let out = folder.path().join("logits.safetensors");
    let out = out.to_str().unwrap();
    let output = ask(
        "logits",
        folder.path(),
        &["--text", "hello", "--out", out],
        b"",
    );
    assert_eq!(outcome(&output).0, 0, "{}", outcome(&output).1);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["ids"], json!([284]));
    assert_eq!(answer["shape"], json!([1, VOCABULARY]));
}
