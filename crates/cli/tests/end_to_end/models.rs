//! `concord model` as a program, against a hub of this machine.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use testkit::chat_model::ChatModel;
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
fn a_preview_is_that_of_a_training_without_thinking() {
    let (place, server) = (Place::new(), server());
    run(&place, &server, false, &["model", "fetch", "owner/tiny"]);
    let file = place.path().join("chat.json");
    let record = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]);
    fs::write(&file, record.to_string()).expect("a file");
    let file = file.to_string_lossy();
    let preview = |more: &[&str]| {
        let head = ["model", "preview", "owner/tiny", &file, "--format", "json"];
        let shown = run(&place, &server, true, &[&head[..], more].concat());
        assert_eq!(shown.code, Some(0), "{}", shown.stderr);
        let shown = shown.json()[0].clone();
        let mask = shown["mask"].as_array().expect("a mask").clone();
        let learnt = mask.iter().filter(|one| **one == json!(1)).count();
        (shown["text"].as_str().expect("a text").to_owned(), learnt)
    };
    let ((plain, learnt), (on, _)) = (preview(&[]), preview(&["--thinking", "on"]));
    // This template knows nothing of traces.
    assert_eq!(on, plain);
    let (off, still) = preview(&["--thinking", "off"]);
    let trace = "assistant\n<think>\n\n</think>\n\nb<|im_end|>";
    assert!(off.contains(trace) && !plain.contains("<think>"), "{off}");
    assert_eq!(still, learnt, "the empty trace is not learnt");
    let asked = ["--thinking", "off", "--generation-prompt"];
    assert!(preview(&asked).0.ends_with("<think>\n\n</think>\n\n"));
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

/// A conversation out of a script, with the tests' worker in place of a model.
fn chat(place: &Place, script: &str) -> Answer {
    let model = place.path().join("model");
    if !model.exists() {
        ChatModel::default().write(&model).expect("a folder");
    }
    let mut child = place
        .concord(&["model", "chat", "./model"])
        .env("FAKE_WORKER", "parrot")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("concord starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(script.as_bytes()).expect("an open pipe");
    drop(stdin);
    child.wait_with_output().expect("an end").into()
}

#[test]
fn a_script_gets_answers_alone_on_stdout() {
    let place = Place::new();
    let script = "hello\n/set temperature=0.5\n\n//x\n\"\"\"two\nlines\"\"\"\nrefuse\n/nonsense\n/save talk.json\n";
    let answer = chat(&place, script);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let thought = "<think>hm</think>";
    assert_eq!(
        answer.stdout,
        format!("{thought}hello\n{thought}/x\n{thought}two\nlines\n")
    );
    assert!(
        answer.stderr.contains("error: the template says no"),
        "{}",
        answer.stderr
    );
    assert!(
        answer
            .stderr
            .contains("no command /nonsense - allowed: /help"),
        "{}",
        answer.stderr
    );
    let saved = fs::read_to_string(place.path().join("talk.json")).expect("a file");
    let saved: Value = serde_json::from_str(&saved).expect("JSON");
    let said: Vec<&str> = saved["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .filter_map(|message| message["content"].as_str())
        .collect();
    assert_eq!(said[0], "hello");
    assert_eq!(said[1], "<think>hm</think>hello");
    assert_eq!(said[4], "two\nlines");
    // What was refused is no part of it.
    assert_eq!(said.len(), 6);
    // `preview` reads it.
    let shown = place.run(&[
        "model",
        "preview",
        "./model",
        "talk.json",
        "--format",
        "json",
    ]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let text = shown.json()[0]["text"].as_str().expect("a text").to_owned();
    assert!(text.contains("<|im_start|>user\nhello<|im_end|>"), "{text}");
    // A file that is there is not written over.
    let again = chat(&place, "hello\n/save talk.json\n");
    assert!(
        again.stderr.contains("cannot write talk.json"),
        "{}",
        again.stderr
    );
}

#[test]
fn a_model_that_is_killed_in_an_answer_is_told() {
    let place = Place::new();
    let answer = chat(&place, "hello\ndie\nhello\n");
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    assert_eq!(answer.stdout, "<think>hm</think>hello\nI d\n");
    assert!(
        answer.stderr.contains("was ended by signal 6"),
        "{}",
        answer.stderr
    );
}

#[test]
fn text_is_generated_by_folder_and_never_fetched_by_name() {
    let (place, server) = (Place::new(), server());
    let model = place.path().join("model");
    ChatModel::default().write(&model).expect("a folder");
    let plain = place.run(&[
        "model",
        "generate",
        "./model",
        "a b",
        "--temperature",
        "0.5",
    ]);
    assert_eq!(
        (plain.code, plain.stdout.as_str()),
        (Some(0), "a b/0.5\n"),
        "{}",
        plain.stderr
    );
    let words = [
        "model", "generate", "--model", "./model", "hi", "--format", "json",
    ];
    let object = place.run(&words).json();
    assert_eq!(object["text"], "hi/none");
    assert_eq!(object["ids"], json!([5, 6]));
    assert_eq!(object["continuations"][0]["finish"], "stop_id");
    let csv = place.run(&["model", "generate", "./model", "hi", "--format", "csv"]);
    assert_eq!(
        csv.stdout,
        "prompt,sample,finish,prompt_tokens,tokens,text\n0,0,stop_id,3,2,hi/none\n"
    );
    for (arguments, code, reason) in [
        (
            &["model", "generate", "owner/tiny", "hi"][..],
            3,
            "concord model fetch owner/tiny",
        ),
        (
            &["model", "chat", "owner/tiny"],
            3,
            "concord model fetch owner/tiny",
        ),
        (
            &["model", "generate", "./none", "hi"],
            2,
            "no model folder: ./none",
        ),
        (&["model", "generate", "./model"], 2, "one prompt is wanted"),
        (&["model", "generate"], 2, "no model is named"),
        (
            &["model", "generate", "./model", "hi", "--prompt-file", "f"],
            2,
            "one prompt is wanted",
        ),
        (
            &["model", "generate", "--model", "./model", "a", "b"],
            2,
            "one argument too many: `b`",
        ),
        (
            &[
                "model",
                "generate",
                "./model",
                "hi",
                "--samples",
                "2",
                "--stream",
            ],
            2,
            "--stream writes one",
        ),
        (
            &["model", "save", "./model"],
            2,
            "one folder to write is wanted",
        ),
        (
            &["model", "save", "./model", "x", "--shard-size", "5 TB"],
            2,
            "--shard-size 5 TB - allowed",
        ),
        (
            &["model", "chat", "./model", "--continue", "none.json"],
            2,
            "cannot go on with none.json",
        ),
    ] {
        let answer = run(&place, &server, false, arguments);
        assert_eq!(answer.code, Some(code), "{arguments:?}: {}", answer.stderr);
        assert_eq!(answer.stdout, "");
        assert!(answer.stderr.contains(reason), "{}", answer.stderr);
    }
    assert_eq!(server.all_seen(), 0);
}

#[test]
fn memory_is_told_before_a_model_is_there() {
    let place = Place::new();
    let write = |folder: &str, hidden: Value| {
        let folder = place.path().join(folder);
        fs::create_dir(&folder).expect("a folder");
        let config = json!({
            "model_type": "llama", "vocab_size": 4096, "hidden_size": hidden,
            "intermediate_size": 688, "num_hidden_layers": 4, "num_attention_heads": 4,
            "num_key_value_heads": 2, "tie_word_embeddings": false,
        });
        fs::write(folder.join("config.json"), config.to_string()).expect("a file");
    };
    write("model", json!(256));
    write("empty", json!(0));
    write("vast", json!(2_000_000_000));
    let ask = |words: &[&str]| place.run(&[&["model", "memory"], words].concat());
    let total = |words: &[&str]| {
        let answer = ask(&[words, &["--format", "json"]].concat());
        assert_eq!(answer.code, Some(0), "{}", answer.stderr);
        let answer = answer.json();
        let items = answer["items"].as_array().expect("items").iter();
        let sum: u64 = items
            .map(|item| item["bytes"].as_u64().expect("bytes"))
            .sum();
        assert_eq!(answer["total_bytes"], sum);
        sum
    };
    let adam = total(&["./model", "--dtype", "f32", "--rows", "8"]);
    let sgd = total(&[
        "./model",
        "--dtype",
        "f32",
        "--rows",
        "8",
        "--optimiser",
        "sgd",
    ]);
    // Adam's two numbers of each of the 4 999 424 weights.
    assert_eq!(adam - sgd, 8 * 4_999_424);
    assert!(total(&["./model", "--task", "lora", "--rank", "4"]) < total(&["./model"]));
    assert!(total(&["./model", "--task", "generate"]) < sgd);
    let table = ask(&["./model"]);
    assert!(table.stdout.contains("masters"), "{}", table.stdout);
    for (words, code, reason) in [
        (&["./none"][..], 2, "no model folder: ./none"),
        (&["./model", "--rows", "0"], 2, "1..=100000"),
        (&["./model", "--rank", "0"], 2, "1..=65536"),
        (&["./empty"], 3, "`hidden_size`"),
        (&["./vast", "--length", "1000000"], 3, "beyond any memory"),
    ] {
        let answer = ask(words);
        assert_eq!(answer.code, Some(code), "{words:?}: {}", answer.stderr);
        assert!(answer.stderr.contains(reason), "{}", answer.stderr);
        assert_eq!(answer.stdout, "");
    }
}

#[test]
fn a_model_is_created_as_it_was_asked_for() {
    let place = Place::new();
    let words = [
        "model",
        "create",
        "llama-5m",
        "new",
        "--seed",
        "3",
        "--dtype",
        "bf16",
        "--tokenizer",
        "t",
    ];
    let told = place.run(&words);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let wanted = "75 parameters of a llama model in bf16 written to new";
    assert_eq!(told.stdout.trim_end(), wanted);
    let answer = place
        .run(&[&words[..], &["--format", "json"]].concat())
        .json();
    let wanted = [
        "--config=llama-5m",
        "--out",
        "new",
        "--seed=3",
        "--dtype=bf16",
        "--tokenizer",
        "t",
    ];
    assert_eq!(answer["words"], json!(wanted));
    for (words, reason) in [
        (&["none", "new"][..], "none - allowed: a config.json"),
        (
            &["llama-5m", "new", "--dtype", "int8"],
            "invalid value 'int8'",
        ),
        (&["llama-5m"], "<DIR>"),
    ] {
        let answer = place.run(&[&["model", "create"], words].concat());
        assert_eq!(answer.code, Some(2), "{words:?}");
        assert!(answer.stderr.contains(reason), "{}", answer.stderr);
        assert_eq!(answer.stdout, "");
    }
}

#[test]
fn a_reader_that_left_is_no_failure() {
    let place = Place::new();
    let model = place.path().join("model");
    ChatModel::default().write(&model).expect("a folder");
    let mut child = place
        .concord(&["model", "chat", "./model"])
        .env("FAKE_WORKER", "parrot")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("concord starts");
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may have left before all of it is written.
    let _ = stdin.write_all(b"hello\nhello\n");
    drop(stdin);
    let mut errors = String::new();
    let mut stderr = child.stderr.take().expect("a pipe");
    stderr.read_to_string(&mut errors).expect("text");
    assert_eq!(child.wait().expect("an end").code(), Some(0), "{errors}");
    assert_eq!(errors, "");
}
