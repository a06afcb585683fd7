//! `concord model` as a program, against a hub of this machine.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::loopback_hub::{COMMIT, Fault, Server, WEIGHTS};

use crate::harness::{Answer, Place};

const HUB_VARIABLES: [&str; 5] = [
    "HF_ENDPOINT",
    "HF_TOKEN",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
];

fn run(place: &Place, server: &Server, offline: bool, arguments: &[&str]) -> Answer {
    let mut command = place.concord(arguments);
    for name in HUB_VARIABLES {
        command.env_remove(name);
    }
    command
        .env("HF_HOME", place.path().join("hf"))
        .env("HF_ENDPOINT", server.address());
    if offline {
        command.env("HF_HUB_OFFLINE", "1");
    }
    command.output().expect("concord starts").into()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/tests/fixtures")
}

/// A server whose model has a tokenizer and a template too.
pub fn server() -> Server {
    let server = Server::start();
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        let content = fs::read(fixtures().join("byte_level").join(file)).expect("a fixture");
        server.set(file, &content);
    }
    let template = fs::read(fixtures().join("templates/qwen2_5.jinja")).expect("a fixture");
    server.set("chat_template.jinja", &template);
    server.set(
        "config.json",
        br#"{"model_type":"llama","vocab_size":400,"eos_token_id":2}"#,
    );
    server
}

#[test]
fn a_model_is_fetched_listed_inspected_and_previewed() {
    let (place, server) = (Place::new(), server());
    let empty = run(&place, &server, false, &["model", "list"]);
    assert_eq!(empty.code, Some(0));
    assert!(
        empty.stdout.contains("concord model fetch"),
        "{}",
        empty.stdout
    );

    let fetched = run(
        &place,
        &server,
        false,
        &["model", "fetch", "owner/tiny", "--format", "json"],
    );
    assert_eq!(fetched.code, Some(0), "{}", fetched.stderr);
    let answer = fetched.json();
    assert_eq!(answer["commit"], COMMIT);
    assert_eq!(answer["parameters"], 75_000);
    assert!(fetched.stderr.contains(WEIGHTS), "{}", fetched.stderr);

    let list = run(
        &place,
        &server,
        true,
        &["model", "list", "--format", "json"],
    )
    .json();
    assert_eq!(list[0]["model"], "owner/tiny");
    assert_eq!(list[0]["family"], "llama");
    assert_eq!(list[0]["revisions"], json!(["main"]));
    assert_eq!(list[0]["problem"], Value::Null);

    // The doctor without a worker is not content, but it looks.
    let doctor = run(&place, &server, true, &["doctor", "--format", "json"]);
    assert!(doctor.stdout.contains("1 in "), "{}", doctor.stdout);

    let inspect = ["model", "inspect", "owner/tiny", "--format", "json"];
    let facts = run(&place, &server, true, &inspect);
    assert_eq!(facts.code, Some(0), "{}", facts.stderr);
    let facts = facts.json();
    assert_eq!(facts["end_ids"], json!([1, 2]));
    assert_eq!(facts["types"], json!(["F32"]));
    assert_eq!(facts["chat_template"], true);
    assert_eq!(facts["problems"], json!([]));

    // The mask of a conversation is that of transformers; see crates/hub/tests/golden.rs.
    let golden = fs::read_to_string(fixtures().join("byte_level/golden.json")).expect("a fixture");
    let golden: Value = serde_json::from_str(&golden).expect("JSON");
    let golden = &golden["masks"][0];
    assert_eq!(golden["template"], "qwen2_5");
    let file = place.path().join("chat.jsonl");
    let record = json!({"messages": golden["messages"]});
    fs::write(&file, format!("{}\n{record}\n", json!({"messages": []}))).expect("a file");
    let file = file.to_string_lossy();
    let preview = [
        "model",
        "preview",
        "owner/tiny",
        &file,
        "--record",
        "2",
        "--format",
        "json",
    ];
    let shown = run(&place, &server, true, &preview);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let shown = shown.json();
    assert_eq!(shown[0]["ids"], golden["ids"]);
    let learnt = shown[0]["mask"].as_array().expect("a mask");
    assert!(learnt.contains(&json!(1)) && learnt.contains(&json!(0)));

    let text = run(
        &place,
        &server,
        true,
        &["model", "preview", "owner/tiny", &file, "--record", "2"],
    );
    assert!(
        text.stdout.contains("<|im_start|>assistant\nb<|im_end|>"),
        "{}",
        text.stdout
    );
    assert!(text.stdout.contains("learnt"), "{}", text.stdout);
    let bad = run(
        &place,
        &server,
        true,
        &["model", "preview", "owner/tiny", &file],
    );
    assert_eq!(bad.code, Some(2));
    assert!(
        bad.stderr.contains("record 1: no messages"),
        "{}",
        bad.stderr
    );
}

#[test]
fn a_pair_is_previewed_out_of_a_folder() {
    let (place, server) = (Place::new(), server());
    let fetched = run(&place, &server, false, &["model", "fetch", "owner/tiny"]);
    let folder = fetched.stdout.trim().to_owned();
    let file = place.path().join("pair.json");
    fs::write(&file, r#"{"prompt":"1+1=","chosen":"2","rejected":"11"}"#).expect("a file");
    let file = file.to_string_lossy();
    let shown = run(
        &place,
        &server,
        true,
        &["model", "preview", &folder, &file, "--format", "json"],
    );
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let shown = shown.json();
    assert_eq!(shown[0]["text"], "1+1=2</s>");
    assert_eq!(shown[1]["part"], "rejected");
    let before = server.all_seen();
    let fetched = run(&place, &server, false, &["model", "fetch", &folder]);
    assert_eq!(fetched.code, Some(0), "{}", fetched.stderr);
    assert_eq!(server.all_seen(), before);
}

#[test]
fn failures_have_their_exit_codes() {
    let (place, server) = (Place::new(), server());
    let told = |offline, arguments: &[&str]| {
        let answer = run(&place, &server, offline, arguments);
        assert_eq!(answer.stdout, "");
        (answer.code, answer.stderr)
    };
    let (code, text) = told(false, &["model", "inspect", "owner/tiny"]);
    assert_eq!(code, Some(3));
    assert!(text.contains("concord model fetch owner/tiny"), "{text}");
    let (code, text) = told(true, &["model", "fetch", "owner/tiny"]);
    assert_eq!(code, Some(3));
    assert!(text.contains("HF_HUB_OFFLINE"), "{text}");
    let (code, text) = told(false, &["model", "fetch", "no name"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("OWNER/NAME"), "{text}");
    let (code, _) = told(false, &["model", "inspect", "./missing"]);
    assert_eq!(code, Some(2));
    server.fault(
        "revision/main",
        [Fault::Refuse(401, vec![("X-Error-Code", "GatedRepo")])],
    );
    let (code, text) = told(false, &["model", "fetch", "owner/tiny"]);
    assert_eq!(code, Some(3));
    assert!(
        text.contains("gated") && text.contains("HF_TOKEN"),
        "{text}"
    );
    server.fault(WEIGHTS, [Fault::Corrupt]);
    let (code, text) = told(false, &["model", "fetch", "owner/tiny"]);
    assert_eq!(code, Some(3));
    assert!(text.contains("damaged"), "{text}");
    server.remove(WEIGHTS);
    let (code, text) = told(false, &["model", "fetch", "owner/tiny"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("pickle"), "{text}");
}

#[test]
fn a_folder_with_problems_is_described_and_refused() {
    let (place, server) = (Place::new(), server());
    let folder = place.path().join("model");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("config.json"), r#"{"model_type":"llama"}"#).expect("a file");
    fs::write(folder.join("model.safetensors"), b"cut").expect("a file");
    fs::write(folder.join("tokenizer.model"), b"").expect("a file");
    let answer = run(
        &place,
        &server,
        true,
        &["model", "inspect", "./model", "--format", "json"],
    );
    assert_eq!(answer.code, Some(2));
    let problems = answer.json()["problems"].clone();
    assert_eq!(problems.as_array().map(Vec::len), Some(2), "{problems}");
    assert!(
        answer.stderr.contains("tokenizer.model alone"),
        "{}",
        answer.stderr
    );
}
