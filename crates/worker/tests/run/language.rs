//! `logits` and `generate` on a checkpoint that `transformers` wrote in shards.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nn::arrays::Arrays;

use crate::folder::{outcome, worker};

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../lm/tests/fixtures/saved")
}

fn ask(command: &str, words: &[&str]) -> Output {
    let mut asked = Command::new(worker());
    asked.arg(command).arg("--model").arg(model());
    asked
        .args(["--threads", "1", "--device", "cpu"])
        .args(words);
    asked.output().unwrap()
}

#[test]
fn logits_are_written_as_the_reference_computes_them() {
    let expected = Arrays::read(&model().join("expected.safetensors")).unwrap();
    let wanted = expected.f32("logits", &[80, 131]).unwrap();
    let ids = expected.i32("ids", &[80]).unwrap();
    let text: Vec<String> = ids.iter().map(i32::to_string).collect();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("logits.safetensors");
    let words = ["--dtype", "f32", "--ids", &text.join(",")];
    let words = [&words[..], &["--out", out.to_str().unwrap()]].concat();
    let output = ask("logits", &words);
    assert_eq!(outcome(&output).0, 0, "{}", outcome(&output).1);
    let written = Arrays::read(&out).unwrap();
    let logits = written.f32("logits", &[80, 131]).unwrap();
    let worst = logits.iter().zip(&wanted).map(|(a, b)| (a - b).abs());
    assert!(worst.fold(0.0, f32::max) <= 1e-4);
    let kept = written.i64("ids", &[80]).unwrap();
    assert!(
        kept.iter()
            .zip(ids)
            .all(|(kept, id)| *kept == i64::from(id))
    );
}

#[test]
fn continuations_are_one_json_object_and_wrong_ids_exit_2() {
    let words = [
        "--prompt-ids",
        "5,6,7",
        "--max-new",
        "6",
        "--greedy",
        "--ignore-eos",
    ];
    let output = ask("generate", &words);
    assert_eq!(outcome(&output).0, 0, "{}", outcome(&output).1);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["ids"].as_array().unwrap().len(), 6);
    assert_eq!(answer["ids"], answer["continuations"][0]["ids"]);
    for (ids, reason) in [
        ("5,131", "token id 131 - allowed: 0 to 130"),
        ("5,x", "`x`"),
    ] {
        let (code, message) = outcome(&ask("generate", &["--prompt-ids", ids]));
        assert_eq!(code, 2, "{message}");
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_stop_string_across_tokens_ends_text_and_ids_alike() {
    let folder = tempfile::tempdir().unwrap();
    let says = testkit::chat_model::ChatModel::saying("Lumpy fox");
    says.write(folder.path()).unwrap();
    let say = |stop: &[&str]| {
        let output = Command::new(worker())
            .args(["generate", "--model", folder.path().to_str().unwrap()])
            .args(["--threads", "1", "--device", "cpu", "--prompt", "?"])
            .args(["--greedy", "--log-probabilities"])
            .args(stop)
            .output()
            .unwrap();
        assert_eq!(outcome(&output).0, 0, "{}", outcome(&output).1);
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["continuations"][0].clone()
    };
    let whole = say(&[]);
    assert_eq!(whole["text"], "Lumpy fox");
    assert_eq!(whole["finish"], "stop_id");
    // A token is a byte here: three make the stop string.
    let cut = say(&["--stop", "y f"]);
    assert_eq!(cut["text"], "Lump");
    assert_eq!(cut["finish"], "stop_string");
    for name in ["ids", "log_probabilities"] {
        let (cut, whole) = (
            cut[name].as_array().unwrap(),
            whole[name].as_array().unwrap(),
        );
        assert_eq!(cut[..], whole[..4], "{name}");
    }
}
