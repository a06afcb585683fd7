//! The judge.

use std::fs;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use alignment::oracles::judge::{BUILT_IN, Judge, JudgePrompt, verdict};
use alignment::oracles::{Candidates, OracleError, OracleKind, PreferenceOracle, Raw};
use configs::finetune::ServerConfig;
use serde_json::{Value, json};

use crate::scripted::{Reply, Server, client, config, good, refuse};

fn candidates(id: &str, responses: &[&str]) -> Candidates {
    Candidates {
        id: id.to_owned(),
        prompt: format!("Question of {id}?"),
        responses: responses.iter().map(|text| (*text).to_owned()).collect(),
        ..Candidates::default()
    }
}

/// The two answers that a judge is shown, in their order.
fn shown(body: &Value) -> (String, String) {
    let text = body["messages"][0]["content"].as_str().unwrap();
    let between = |open: &str, close: &str| {
        let (_, rest) = text.split_once(open).unwrap();
        rest.split_once(close).unwrap().0.to_owned()
    };
    (
        between("[Answer A]\n", "\n[End of answer A]"),
        between("[Answer B]\n", "\n[End of answer B]"),
    )
}

/// Prefers the longer answer, and the first of those of equal length.
fn longer(body: &Value) -> Reply {
    let (first, second) = shown(body);
    if first.len() >= second.len() {
        good(&["Well, not [[B]]. The first. [[A]]"])
    } else {
        good(&["The second is longer.\n\n[[b]]"])
    }
}

fn judge(server: &Server, max_failures: f64) -> Judge {
    Judge::new(
        client(&config(server)),
        JudgePrompt::default(),
        max_failures,
    )
}

#[test]
fn both_orders_are_asked_and_averaged() {
    let server = Server::new(|_, body| longer(body));
    let mut judge = judge(&server, 0.0);
    let batch = [
        candidates("p", &["aaa", "b", "cc", "b"]),
        candidates("q", &["xx", "yy"]),
        candidates("r", &["same", "same"]),
    ];
    let found = judge.judge(&batch).unwrap();
    let rows = |index: usize| Vec::<Vec<f64>>::from(found[index].wins.clone());
    let expected = [
        [0.5, 1.0, 1.0, 1.0],
        [0.0, 0.5, 0.0, 0.5],
        [0.0, 1.0, 0.5, 1.0],
        [0.0, 0.5, 0.0, 0.5],
    ];
    assert_eq!(rows(0), expected.map(Vec::from));
    // The first shown wins in either order: half.
    assert_eq!(rows(1), [[0.5, 0.5], [0.5, 0.5]].map(Vec::from));
    let half = Some(0.5);
    assert_eq!(
        found[1].raw,
        Raw::Verdicts(vec![vec![half, Some(1.0)], vec![Some(1.0), half]])
    );
    assert_eq!(rows(2), [[0.5, 0.5], [0.5, 0.5]].map(Vec::from));
    assert!(found.iter().all(|judgement| judgement.failures == 0));
    // Three distinct answers in both orders, two in both, and none for identical ones.
    let requests = server.requests();
    assert_eq!(requests.len(), 6 + 2);
    let body = &requests[0].body;
    assert_eq!(
        (&body["temperature"], &body["model"]),
        (&json!(0.0), &json!("judge-1"))
    );
    assert!(requests.iter().any(|request| {
        request.body["messages"][0]["content"]
            .as_str()
            .unwrap()
            .contains("Question of q?")
    }));
    assert_eq!(judge.kind(), OracleKind::Pairwise);
    assert_eq!(
        (judge.usage().prompt_tokens, judge.usage().completion_tokens),
        (8 * 7, 8 * 3)
    );
    let figures = [
        ("judgements", 8.0),
        ("judge_tokens_read", 56.0),
        ("judge_tokens_written", 24.0),
    ];
    assert_eq!(judge.figures(), figures);
    assert_eq!(judge.notes(), Vec::<String>::new());
    assert!(judge.name().starts_with("judge-1 at http://127.0.0.1:"));
}

#[test]
fn order_of_answers_does_not_depend_on_which_comes_first() {
    // The earlier a request, the later its answer.
    let server = Server::new(|number, body| {
        std::thread::sleep(Duration::from_millis(
            40u64.saturating_sub(5 * number as u64),
        ));
        longer(body)
    });
    let batch: Vec<Candidates> = (1..5)
        .map(|size: usize| candidates("p", &["x".repeat(size).as_str(), "yy"]))
        .collect();
    let found = judge(&server, 0.0).judge(&batch).unwrap();
    let wins: Vec<f64> = found
        .iter()
        .map(|judgement| judgement.wins.get(0, 1).unwrap())
        .collect();
    assert_eq!(wins, [0.0, 0.5, 1.0, 1.0]);
}

#[test]
fn nonsense_and_silence_are_ties_and_counted() {
    let server = Server::new(|_, body| match shown(body).0.as_str() {
        "nonsense" => good(&["I would rather talk of the weather."]),
        "silence" => Reply::Hang,
        "too long" => refuse(400, &json!({"error": "context length"})),
        _ => longer(body),
    });
    let config = ServerConfig {
        timeout_seconds: 0.3,
        retries: 0,
        ..config(&server)
    };
    let mut judge = Judge::new(client(&config), JudgePrompt::default(), 0.5);
    let batch = [
        candidates("p", &["nonsense", "ok"]),
        candidates("q", &["a longer one", "silence"]),
        candidates("r", &["too long", "no"]),
    ];
    let found = judge.judge(&batch).unwrap();
    // One order fails and ties; the other stands.
    let wins: Vec<f64> = found
        .iter()
        .map(|judgement| judgement.wins.get(0, 1).unwrap())
        .collect();
    assert_eq!(wins, [0.75, 0.75, 0.75]);
    assert!(found.iter().all(|judgement| judgement.failures == 1));
    assert_eq!(
        found[0].raw,
        Raw::Verdicts(vec![vec![Some(0.5), None], vec![Some(0.0), Some(0.5)]])
    );
    let raw = serde_json::to_value(&found[0].raw).unwrap();
    assert_eq!(raw, json!({"verdicts": [[0.5, null], [0.0, 0.5]]}));
    let notes = judge.notes();
    let told = "3 of 6 judgements failed and tie, first prompt p, responses 1 and 2: no verdict";
    assert!(notes[0].contains(told), "{notes:?}");
}

#[test]
fn too_many_failures_stop_with_counts_and_the_first() {
    let server = Server::new(|_, body| match shown(body).0.as_str() {
        "bad" => good(&["hm"]),
        _ => longer(body),
    });
    let mut judge = judge(&server, 0.25);
    // A quarter is allowed: one of four.
    judge
        .judge(&[
            candidates("p", &["bad", "ok"]),
            candidates("q", &["a", "ok"]),
        ])
        .unwrap();
    // Two of six are more.
    let error = judge.judge(&[candidates("r", &["x", "bad"])]).unwrap_err();
    let said = error.to_string();
    assert!(
        matches!(
            error,
            OracleError::Failures {
                failed: 2,
                asked: 6,
                ..
            }
        ),
        "{said}"
    );
    assert!(
        said.contains(
            "2 of 6 judgements failed, more than the share of 0.25 that oracle.max_failures allows"
        ),
        "{said}"
    );
    assert!(
        said.contains(
            "first prompt p, responses 1 and 2: no verdict [[A]], [[B]] or [[C]] in \"hm\""
        ),
        "{said}"
    );
    // Hopeless from the beginning: most is never asked for.
    let server = Server::new(|_, _| good(&["hm"]));
    let config = ServerConfig {
        concurrency: 2,
        ..config(&server)
    };
    let batch: Vec<Candidates> = (0..40)
        .map(|number: usize| candidates(&number.to_string(), &["a", "b"]))
        .collect();
    let error = Judge::new(client(&config), JudgePrompt::default(), 0.05)
        .judge(&batch)
        .unwrap_err();
    assert!(error.to_string().contains("5 of 80"), "{error}");
    assert!(server.requests().len() < 20, "{}", server.requests().len());
}

#[test]
fn a_server_that_refuses_everyone_is_no_tie() {
    let server = Server::new(|_, _| refuse(401, &json!({"error": {"message": "bad key"}})));
    let batch: Vec<Candidates> = (0..20)
        .map(|number: usize| candidates(&number.to_string(), &["a", "b"]))
        .collect();
    let error = judge(&server, 1.0).judge(&batch).unwrap_err();
    assert!(matches!(error, OracleError::Server(_)), "{error}");
    assert!(
        error.to_string().contains("status 401, \"bad key\""),
        "{error}"
    );
    assert!(server.requests().len() <= 16, "{}", server.requests().len());
}

#[test]
fn a_judge_stops_when_it_is_told_to() {
    let server = Server::new(|_, _| Reply::Hang);
    let start = Instant::now();
    let error = judge(&server, 0.0)
        .judge_while(&[candidates("p", &["a", "b"])], &mut || {
            ControlFlow::Break(())
        })
        .unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(matches!(error, OracleError::Stopped), "{error}");
}

#[test]
fn verdicts_are_the_last_ones() {
    for (text, value) in [
        ("[[A]]", Some(1.0)),
        ("[[B]] no: [[ c ]]", Some(0.5)),
        ("[[A]] or [[B]]", Some(0.0)),
        ("[[A]] and [[D]]", Some(1.0)),
        ("[[1, 2], [[B]]", Some(0.0)),
        ("[[ [1, 2] ]]", None),
        ("[A]", None),
        ("A", None),
        ("[[A", None),
        ("", None),
    ] {
        assert_eq!(verdict(text), value, "{text}");
    }
}

#[test]
fn instructions_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("judge.txt");
    let read = |text: &str| {
        fs::write(&path, text).unwrap();
        JudgePrompt::read(&path)
    };
    let prompt = read("{second}|{prompt}|{first}|{prompt}|[[A]] [[B]] {other}").unwrap();
    // What is put in is not read again.
    assert_eq!(
        prompt.fill("{first}", "{second}", "{prompt}"),
        "{prompt}|{first}|{second}|{first}|[[A]] [[B]] {other}"
    );
    assert_eq!(
        JudgePrompt::new("built in", BUILT_IN.to_owned()).unwrap(),
        JudgePrompt::default()
    );
    for (text, part) in [
        (
            "{first} {second} [[A]] [[B]]",
            "no {prompt} in the judge's instructions",
        ),
        ("{prompt} {second} [[A]] [[B]]", "no {first}"),
        ("{prompt} {first} [[A]] [[B]]", "no {second}"),
        ("{prompt} {first} {second}", "do not speak of [[A]]"),
        ("", "no {prompt}"),
    ] {
        let said = read(text).unwrap_err().to_string();
        assert!(said.contains(part) && said.contains("judge.txt"), "{said}");
    }
    let said = JudgePrompt::read(&folder.path().join("none.txt"))
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("none.txt") && said.contains("oracle.prompt"),
        "{said}"
    );
    let server = Server::new(|_, body| match body["messages"][0]["content"].as_str() {
        Some("Question of p?: a or b? [[A]] [[B]]") => good(&["[[A]]"]),
        Some("Question of p?: b or a? [[A]] [[B]]") => good(&["[[B]]"]),
        _ => refuse(400, &json!({"error": "not what was agreed"})),
    });
    let prompt = read("{prompt}: {first} or {second}? [[A]] [[B]]").unwrap();
    let mut judge = Judge::new(client(&config(&server)), prompt, 0.0);
    let found = judge.judge(&[candidates("p", &["a", "b"])]).unwrap();
    assert_eq!(found[0].wins.get(0, 1), Some(1.0));
}
