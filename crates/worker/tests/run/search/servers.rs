//! Searches by a server that answers, fails and comes back.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use testkit::scripted_server::{Reply, Server, good, refuse, say};

use super::{configured, lines, logs, outcomes};
use crate::folder::{TestRun, outcome};

const SETTINGS: &str = r#"
version = 1
job = "search"
[model]
kind = "server"
[server]
model = "m"
retries = 1
timeout_seconds = 5.0
[questions]
kind = "world"
count = 3
[world]
entities = 200
[method]
plan = false
[budget]
tokens = 600
tool_calls = 3
[generation]
max_step_tokens = 100
min_step_tokens = 20
max_answer_tokens = 60
[critic]
max_tokens = 40
[runtime]
parallel_questions = 3
[logging]
tensorboard = false
interval_secs = 0.001
"#;

fn run(server: &Server, sets: &[&str]) -> TestRun {
    let url = format!("server.url={}", server.url);
    let sets = [&[url.as_str()], sets].concat();
    TestRun::of(configured(SETTINGS, &sets).unwrap())
}

/// Steps that search, judgements that see a gain.
fn helpful(request: &serde_json::Value) -> Reply {
    let text = request.to_string();
    if text.contains("delta") {
        good(&["{\"delta\": 3, \"sufficient\": false, \"why\": \"a fact\"}"])
    } else {
        good(&["I look it up.\nAction: search[\"director\"]"])
    }
}

#[test]
fn a_server_is_asked_for_steps_judgements_and_answers() {
    let server = Server::new(|_, request| helpful(request));
    let run = run(&server, &[]);
    assert_eq!(outcome(&run.run()).0, 0);
    let found = outcomes(&run);
    assert_eq!(found.len(), 3);
    for one in &found {
        assert!(one.over && one.violations() == 0, "{one:?}");
        assert!(one.spent_of("tokens") <= 600.0 && one.spent_of("tool_calls") <= 3.0);
        assert!(one.spent_of("tool_calls") > 0.0, "{one:?}");
    }
}

#[test]
fn a_critic_that_never_parses_counts_as_no_gain_and_is_told() {
    let server = Server::new(|_, request| match request.to_string().contains("delta") {
        true => good(&["I would rather talk about the weather."]),
        false => helpful(request),
    });
    let run = run(&server, &["critic.constrained=false"]);
    assert_eq!(outcome(&run.run()).0, 0);
    let found = outcomes(&run);
    assert!(
        found.iter().all(|one| one.over && one.answer.is_some()),
        "{found:?}"
    );
    let told = run.events().into_iter().any(|event| {
        matches!(event.kind, tracking::EventKind::Warning { message, .. } if message.contains("judgements could not be read"))
    });
    assert!(told);
    assert!(run.curve("search/critic_parse_failures").last().unwrap().1 > 0.0);
}

#[test]
fn a_tool_that_always_fails_is_seen_and_an_answer_is_given_all_the_same() {
    let server = Server::new(|_, request| helpful(request));
    let run = run(&server, &["tools.failure_rate=1.0", "tools.cache=false"]);
    assert_eq!(outcome(&run.run()).0, 0);
    let found = outcomes(&run);
    assert!(
        found.iter().all(|one| one.over && one.answer.is_some()),
        "{found:?}"
    );
}

#[test]
fn a_server_that_breaks_down_ends_the_run_with_exit_3_and_a_resume_goes_on() {
    let broken = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&broken);
    let server = Server::new(move |number, request| {
        if number >= 6 && !state.load(Ordering::SeqCst) {
            return refuse(401, &json!({"error": {"message": "the key has expired"}}));
        }
        helpful(request)
    });
    let run = run(&server, &[]);
    let (code, message) = outcome(&run.run());
    assert_eq!(code, 3, "{message}");
    assert!(message.contains("concord resume"), "{message}");
    for (_, path) in logs(&run) {
        lines(&path); // whole lines only
        let text = fs::read(&path).unwrap();
        assert!(search::log::replay(&text).unwrap().missing.is_empty());
    }
    let before: usize = logs(&run).iter().map(|(_, path)| lines(path).len()).sum();
    broken.store(true, Ordering::SeqCst);
    assert_eq!(outcome(&run.resume()).0, 0);
    let found = outcomes(&run);
    assert!(
        found.len() == 3 && found.iter().all(|one| one.over),
        "{found:?}"
    );
    let after: usize = logs(&run).iter().map(|(_, path)| lines(path).len()).sum();
    assert!(after > before);
}

#[test]
fn half_a_reply_is_no_crash() {
    let server = Server::new(|number, request| match number % 3 {
        0 => say(&json!({"choices": [{"message": {}}]})),
        _ => helpful(request),
    });
    let run = run(&server, &[]);
    let (code, message) = outcome(&run.run());
    assert!(code == 0 || code == 3, "{code}: {message}");
    for (_, path) in logs(&run) {
        lines(&path); // whole lines only
    }
    if code == 0 {
        assert!(outcomes(&run).iter().all(|one| one.over));
    }
}

#[test]
fn a_server_that_answers_500_only_is_exit_3_and_no_question_is_lost() {
    for broken in [refuse(500, &json!({"error": "out of order"})), Reply::Leave] {
        let reply = broken.clone();
        let server = Server::new(move |_, _| reply.clone());
        let run = run(&server, &["server.retries=0"]);
        let (code, message) = outcome(&run.run());
        assert_eq!(code, 3, "{broken:?}: {message}");
        assert!(message.contains("concord resume"), "{message}");
        assert!(outcomes(&run).iter().all(|one| !one.over), "{broken:?}");
    }
}
