//! The client: what is sent, what is sent again, what is refused, and how it stops.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use configs::env::Environment;
use configs::finetune::ServerConfig;
use dataset::Message;
use openai::{Ask, Client, Event, ServerError};
use serde_json::{Value, json};

use crate::scripted::{KEY, Reply, Server, ask, client, client_of, config, good, one, refuse, say};

#[test]
fn a_request_has_openais_form_and_its_answer_is_read() {
    let server = Server::new(|_, _| {
        let first = json!({"index": 1, "message": {"role": "assistant", "content": "second", "reasoning_content": null}, "finish_reason": "length"});
        let other = json!({"index": 0, "message": {"content": [{"type": "text", "text": "fi"}, {"type": "text", "text": "rst"}], "reasoning": "hm", "reasoning_content": "hm"}, "finish_reason": "stop"});
        say(
            &json!({"choices": [first, other], "usage": {"prompt_tokens": 5, "completion_tokens": 8}}),
        )
    });
    let asked = Ask {
        messages: vec![
            Message::new("system", "Be brief."),
            Message::new("user", "1 + 1?"),
        ],
        choices: 2,
        seed: Some((1 << 40) + 5),
        temperature: Some(0.7),
        top_p: Some(0.9),
        top_k: Some(3),
        max_tokens: Some(64),
        enable_thinking: Some(false),
        ..Ask::default()
    };
    let answer = one(&client_of(&server), &asked).unwrap();
    let texts: Vec<_> = answer
        .choices
        .iter()
        .map(|choice| choice.text.as_str())
        .collect();
    assert_eq!(texts, ["first", "second"]);
    assert_eq!(answer.choices[0].reasoning.as_deref(), Some("hm"));
    assert_eq!(answer.choices[1].reasoning, None);
    assert_eq!(answer.choices[1].finish.as_deref(), Some("length"));
    assert_eq!(
        (answer.usage.prompt_tokens, answer.usage.completion_tokens),
        (5, 8)
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].line, "POST /v1/chat/completions HTTP/1.1");
    let authorised = format!("authorization: bearer {KEY}");
    assert!(
        requests[0]
            .headers
            .iter()
            .any(|header| header.to_lowercase() == authorised)
    );
    let expected = json!({
        "model": "judge-1",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1 + 1?"}],
        "n": 2, "seed": 5, "temperature": 0.7, "top_p": 0.9, "top_k": 3, "max_tokens": 64,
        "chat_template_kwargs": {"enable_thinking": false}
    });
    assert_eq!(requests[0].body, expected);
    // What is not set is not sent.
    one(&client_of(&server), &ask("hi")).unwrap();
    let keys: HashSet<String> = server.requests()[1]
        .body
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(
        keys,
        HashSet::from(["model".to_owned(), "messages".to_owned()])
    );
}

/// Runs one request against a script of its attempts.
fn attempts(script: fn(usize) -> Reply) -> (Result<String, String>, usize) {
    let server = Server::new(move |number, _| script(number));
    let answer = one(&client_of(&server), &ask("hi"));
    let said = answer
        .map(|answer| answer.choices[0].text.clone())
        .map_err(|error| error.to_string());
    (said, server.requests().len())
}

#[test]
fn what_may_pass_is_tried_again() {
    let busy = |_| Reply::Say(429, "Retry-After: 0\r\n", "{}".to_owned());
    let cases: [fn(usize) -> Reply; 5] = [
        |number| match number {
            0 => Reply::Say(429, "Retry-After: 0\r\n", "{}".to_owned()),
            _ => good(&["yes"]),
        },
        |number| match number {
            0 => Reply::Say(500, "", "oops".to_owned()),
            _ => good(&["yes"]),
        },
        |number| match number {
            0 => Reply::Leave,
            _ => good(&["yes"]),
        },
        |number| match number {
            0 => Reply::Say(200, "", "<html>a proxy</html>".to_owned()),
            _ => good(&["yes"]),
        },
        |number| match number {
            0 => say(&json!({"choices": []})),
            1 => Reply::Say(503, "Retry-After: 0.001\r\n", String::new()),
            _ => good(&["yes"]),
        },
    ];
    for (case, script) in cases.into_iter().enumerate() {
        let (said, requests) = attempts(script);
        assert_eq!(said.as_deref(), Ok("yes"), "case {case}");
        assert_eq!(requests, if case == 4 { 3 } else { 2 }, "case {case}");
    }
    // Two retries are three requests.
    let (said, requests) = attempts(busy);
    let said = said.unwrap_err();
    assert_eq!(requests, 3);
    assert!(
        said.contains("status 429") && said.contains("tried 3 times"),
        "{said}"
    );
    // More patience than ten minutes is not had.
    let (said, requests) = attempts(|_| {
        Reply::Say(
            429,
            "Retry-After: 86400\r\n",
            "{\"error\": \"full\"}".to_owned(),
        )
    });
    let said = said.unwrap_err();
    assert_eq!(requests, 1);
    assert!(
        said.contains("\"full\"") && said.contains("a pause of 86400 s"),
        "{said}"
    );
}

#[test]
fn the_pause_that_a_server_names_is_made() {
    let server = Server::new(|number, _| match number {
        0 => Reply::Say(429, "Retry-After: 0.3\r\n", String::new()),
        _ => good(&["yes"]),
    });
    let start = Instant::now();
    one(&client_of(&server), &ask("hi")).unwrap();
    // The client's own pause is a millisecond.
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn what_will_not_pass_is_refused_with_the_servers_words() {
    let cases: [(u16, Value, &[&str]); 6] = [
        (
            401,
            json!({"error": {"message": format!("Incorrect API key provided: {KEY}")}}),
            &["status 401", "[key]", "mend the key"],
        ),
        (
            404,
            json!({"error": {"message": "The model `judge-1` does not exist"}}),
            &["status 404", "`judge-1` does not exist", "the model's name"],
        ),
        (
            400,
            json!({"object": "error", "message": "context of 4096 tokens"}),
            &["status 400", "context of 4096 tokens"],
        ),
        (
            422,
            json!({"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}),
            &["status 422", "field required"],
        ),
        (
            429,
            json!({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
            &["quota", "means are spent"],
        ),
        (
            307,
            json!("elsewhere"),
            &["status 307", "a key is not sent on"],
        ),
    ];
    for (status, body, parts) in cases {
        let server = Server::new(move |_, _| {
            Reply::Say(
                status,
                "Location: http://127.0.0.1:9/v1\r\n",
                body.to_string(),
            )
        });
        let error = one(&client_of(&server), &ask("hi")).unwrap_err();
        let said = error.to_string();
        assert_eq!(server.requests().len(), 1, "{said}");
        for part in parts {
            assert!(said.contains(part), "{said} lacks {part}");
        }
        assert!(said.contains(&server.url), "{said}");
        assert!(
            !said.contains(KEY) && !format!("{error:?}").contains(KEY),
            "{said}"
        );
        assert_eq!(error.concerns_all(), !matches!(status, 400 | 422), "{said}");
    }
    // Without a key the sentence says so.
    let server = Server::new(|_, _| refuse(401, &json!({"error": "who are you?"})));
    let client = Client::new("oracle.server", &config(&server), &Environment::default()).unwrap();
    let said = one(&client, &ask("hi")).unwrap_err().to_string();
    assert!(said.contains("no key was sent"), "{said}");
    assert!(
        !server.requests()[0]
            .headers
            .iter()
            .any(|header| header.to_lowercase().starts_with("authorization"))
    );
    assert!(!format!("{:?}", client_of(&server)).contains(KEY));
}

#[test]
fn silence_ends_after_the_timeout_and_no_server_is_told() {
    let server = Server::new(|_, _| Reply::Hang);
    let config = ServerConfig {
        timeout_seconds: 0.2,
        retries: 1,
        ..config(&server)
    };
    let start = Instant::now();
    let error = one(&client(&config), &ask("hi")).unwrap_err();
    let said = error.to_string();
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert!(
        said.contains("no answer within 0.2 s, tried 2 times"),
        "{said}"
    );
    assert!(!error.concerns_all());
    assert_eq!(server.requests().len(), 2);
    // A port that nobody listens at.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = ServerConfig {
        url: Some(format!("http://user:secret@{port}/v1/")),
        ..crate::scripted::config(&server)
    };
    let error = one(&client(&config), &ask("hi")).unwrap_err();
    let said = error.to_string();
    assert!(
        said.starts_with(&format!("http://{port}/v1: no answer")),
        "{said}"
    );
    assert!(
        error.concerns_all() && said.contains("tried 3 times"),
        "{said}"
    );
}

#[test]
fn fewer_answers_than_wanted_are_made_up_for() {
    let wanted = |choices| Ask {
        choices,
        seed: Some(40),
        ..ask("hi")
    };
    let numbers = |server: &Server, name: &str| -> Vec<Value> {
        server
            .requests()
            .iter()
            .map(|request| request.body[name].clone())
            .collect()
    };
    let texts = |answer: openai::Answer| -> Vec<String> {
        answer
            .choices
            .into_iter()
            .map(|choice| choice.text)
            .collect()
    };
    // One at a time, whatever is asked for.
    let server = Server::new(|number, _| good(&[["a", "b", "c"][number]]));
    let answer = one(&client_of(&server), &wanted(3)).unwrap();
    assert_eq!(answer.usage.prompt_tokens, 21);
    assert_eq!(texts(answer), ["a", "b", "c"]);
    assert_eq!(numbers(&server, "n"), [json!(3), json!(2), Value::Null]);
    assert_eq!(numbers(&server, "seed"), [40, 41, 42]);
    // More than one is refused; the client remembers.
    let server = Server::new(|number, body| {
        if body["n"].is_null() {
            good(&[["", "a", "b", "c"][number]])
        } else {
            refuse(
                400,
                &json!({"error": {"message": "only one choice is allowed", "param": "n"}}),
            )
        }
    });
    let client = client_of(&server);
    assert_eq!(texts(one(&client, &wanted(2)).unwrap()), ["a", "b"]);
    assert_eq!(texts(one(&client, &wanted(1)).unwrap()), ["c"]);
    assert_eq!(
        numbers(&server, "n"),
        [json!(2), Value::Null, Value::Null, Value::Null]
    );
    // More than wanted.
    let server = Server::new(|_, _| good(&["a", "b", "c"]));
    assert_eq!(
        texts(one(&client_of(&server), &wanted(2)).unwrap()),
        ["a", "b"]
    );
    // Another 400 stays one.
    let server = Server::new(|_, _| refuse(400, &json!({"error": {"message": "too long"}})));
    let said = one(&client_of(&server), &wanted(2))
        .unwrap_err()
        .to_string();
    assert!(said.contains("too long"), "{said}");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn settings_that_a_server_refuses_are_changed_where_that_is_allowed() {
    let newer = |_: usize, body: &Value| {
        let unsupported = |name: &str, hint: &str| {
            refuse(
                400,
                &json!({"error": {"message": format!("Unsupported parameter: '{name}'. {hint}"), "param": name, "code": "unsupported_parameter"}}),
            )
        };
        if !body["max_tokens"].is_null() {
            unsupported("max_tokens", "Use 'max_completion_tokens' instead.")
        } else if !body["temperature"].is_null() {
            unsupported("temperature", "")
        } else {
            good(&["yes"])
        }
    };
    let server = Server::new(newer);
    let lenient = Ask {
        temperature: Some(0.0),
        max_tokens: Some(9),
        lenient: true,
        ..ask("hi")
    };
    let client = client_of(&server);
    for _ in 0..2 {
        assert_eq!(one(&client, &lenient).unwrap().choices[0].text, "yes");
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 4, "learned once");
    assert_eq!(requests[3].body["max_completion_tokens"], 9);
    // A temperature of sampling is no detail.
    let strict = Ask {
        lenient: false,
        temperature: Some(0.7),
        ..lenient
    };
    let server = Server::new(newer);
    let said = one(&client_of(&server), &strict).unwrap_err().to_string();
    assert!(
        said.contains("Unsupported parameter: 'temperature'"),
        "{said}"
    );
}

#[test]
fn many_are_under_way_but_no_more_than_allowed() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (busy, peak) = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::new(move |_, body| {
        peak.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(20));
        busy.fetch_sub(1, Ordering::SeqCst);
        good(&[body["messages"][0]["content"].as_str().unwrap()])
    });
    let config = ServerConfig {
        concurrency: 4,
        ..config(&server)
    };
    let asks: Vec<Ask> = (0..24).map(|number| ask(&number.to_string())).collect();
    let mut answers = vec![String::new(); asks.len()];
    let mut told = 0;
    client(&config)
        .chat_all(&asks, &mut |event| {
            if let Event::Answered(place, answer) = event {
                answers[place].clone_from(&answer.unwrap().choices[0].text);
                told += 1;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    let expected: Vec<String> = (0..24).map(|number: usize| number.to_string()).collect();
    assert_eq!((answers, told), (expected, 24));
    let most = most.load(Ordering::SeqCst);
    assert!((2..=4).contains(&most), "{most}");
    client(&config)
        .chat_all(&[], &mut |_| panic!("nothing was asked"))
        .unwrap();
}

#[test]
fn a_break_ends_requests_and_pauses_at_once() {
    for pause in [false, true] {
        let server = Server::new(move |number, _| match (number, pause) {
            (0, _) => good(&["yes"]),
            (_, false) => Reply::Hang,
            (_, true) => Reply::Say(429, "Retry-After: 300\r\n", String::new()),
        });
        let config = ServerConfig {
            timeout_seconds: 300.0,
            concurrency: 3,
            ..config(&server)
        };
        let asks: Vec<Ask> = (0..9).map(|number| ask(&number.to_string())).collect();
        let start = Instant::now();
        let mut waits = 0;
        let ended = client(&config).chat_all(&asks, &mut |event| {
            waits += usize::from(matches!(event, Event::Waiting));
            if waits == 2 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        assert_eq!(ended, Err(ServerError::Stopped));
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{:?}",
            start.elapsed()
        );
        assert!(server.requests().len() < asks.len());
    }
}

#[test]
fn settings_that_cannot_work_are_named() {
    let config = |url: &str, model: &str, timeout: f64| ServerConfig {
        url: Some(url.to_owned()),
        model: Some(model.to_owned()),
        timeout_seconds: timeout,
        ..ServerConfig::default()
    };
    let told = |config: &ServerConfig, key: &str| {
        let environment = Environment::from_pairs([("OPENAI_API_KEY", key)]);
        Client::new("generation.server", config, &environment)
            .map(|client| client.url().to_owned())
            .map_err(|error| error.to_string())
    };
    let good = "http://localhost:8000/v1";
    assert_eq!(
        told(
            &config("http://localhost:8000/v1/chat/completions", "m", 1.0),
            KEY
        ),
        Ok(good.to_owned())
    );
    for (config, key, part) in [
        (
            config("localhost:8000", "m", 1.0),
            KEY,
            "generation.server.url: \"localhost:8000\" - allowed",
        ),
        (
            config("http://a b/", "m", 1.0),
            KEY,
            "generation.server.url",
        ),
        (
            config(good, "", 1.0),
            KEY,
            "generation.server.model: no model",
        ),
        (
            config(good, "m", 0.0),
            KEY,
            "generation.server.timeout_seconds: 0 - allowed",
        ),
        (
            config(good, "m", f64::NAN),
            KEY,
            "generation.server.timeout_seconds",
        ),
        (
            config(good, "m", 1.0),
            "two\nlines",
            "the key in OPENAI_API_KEY",
        ),
    ] {
        let said = told(&config, key).unwrap_err();
        assert!(said.contains(part) && !said.contains("two"), "{said}");
    }
}
