//! Tools, streams, log-probabilities and usage, as vLLM, llama.cpp, Ollama and SGLang have them.

use dataset::Message;
use openai::{Ask, Call, Client, Dialect, ServerError, Tool, ToolChoice, Usage};
use serde_json::{Value, json};

use crate::scripted::{Reply, Server, ask, client, client_of, config, good, one, refuse, say};

fn tool() -> Tool {
    Tool {
        name: "search".to_owned(),
        description: "Finds documents.".to_owned(),
        parameters: json!({"type": "object"}),
    }
}

#[test]
fn tools_stops_and_log_probabilities_go_out_and_calls_come_back() {
    let call = json!({"id": "call00001", "type": "function", "function": {"name": "search", "arguments": "{\"input\": \"a\"}"}});
    // Ollama's older versions give arguments as an object, and no identity.
    let other = json!({"function": {"name": "search", "arguments": {"input": "b"}}});
    let tokens = json!({"content": [{"token": "+2", "logprob": -0.5, "bytes": null, "top_logprobs": [{"token": "+2", "logprob": -0.5}, {"token": "0", "logprob": -1.5}]}]});
    let answer = json!({"choices": [{"message": {"content": null, "tool_calls": [call, other]}, "finish_reason": "tool_calls", "logprobs": tokens}]});
    let server = Server::new(move |_, _| say(&answer));
    let asked = Ask {
        stop: vec!["\nObservation:".to_owned()],
        tools: vec![tool()],
        tool_choice: ToolChoice::Named("search".to_owned()),
        top_log_probabilities: Some(2),
        json_object: true,
        ..ask("hi")
    };
    let choice = one(&client_of(&server), &asked).unwrap().choices.remove(0);
    assert_eq!(
        (choice.text.as_str(), choice.finish.as_deref()),
        ("", Some("tool_calls"))
    );
    let expected = Call {
        id: "call00001".to_owned(),
        name: "search".to_owned(),
        arguments: "{\"input\": \"a\"}".to_owned(),
    };
    assert_eq!(choice.calls[0], expected);
    assert_eq!(choice.calls[1].arguments, "{\"input\":\"b\"}");
    assert_eq!(choice.tokens[0].alternatives[1].log_probability, -1.5);
    let body = server.requests()[0].body.clone();
    let function = json!({"name": "search", "description": "Finds documents.", "parameters": {"type": "object"}});
    assert_eq!(
        body["tools"],
        json!([{"type": "function", "function": function}])
    );
    assert_eq!(
        body["tool_choice"],
        json!({"type": "function", "function": {"name": "search"}})
    );
    assert_eq!(body["stop"], json!(["\nObservation:"]));
    assert_eq!(
        (body["logprobs"].clone(), body["top_logprobs"].clone()),
        (json!(true), json!(2))
    );
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
}

#[test]
fn usage_is_read_wherever_it_stands_and_nothing_is_made_up() {
    let cases = [
        (
            json!({"usage": {"prompt_tokens": 9, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3}, "prompt_tokens_details": {"cached_tokens": 8}}}),
            Some((9, 5, 3, 8)),
        ),
        (
            json!({"usage": {"prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": null}}),
            Some((9, 5, 0, 0)),
        ),
        // DeepSeek's name, and parts that are larger than the whole.
        (
            json!({"usage": {"prompt_tokens": 9, "completion_tokens": 5, "prompt_cache_hit_tokens": 70, "completion_tokens_details": {"reasoning_tokens": 60}}}),
            Some((9, 5, 5, 9)),
        ),
        // llama.cpp's own block.
        (
            json!({"timings": {"prompt_n": 2, "cache_n": 7, "predicted_n": 5}}),
            Some((9, 5, 0, 7)),
        ),
        (json!({}), None),
        (json!({"usage": null}), None),
        (
            json!({"usage": {"prompt_tokens": 9, "completion_tokens": -5}}),
            None,
        ),
        (
            json!({"usage": {"prompt_tokens": "9", "completion_tokens": "5"}}),
            None,
        ),
    ];
    for (part, expected) in cases {
        let mut body =
            json!({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]});
        body.as_object_mut()
            .unwrap()
            .extend(part.as_object().unwrap().clone());
        let server = Server::new(move |_, _| say(&body));
        let answer = one(&client_of(&server), &ask("hi")).unwrap();
        let Usage {
            prompt_tokens,
            completion_tokens,
            reasoning_tokens,
            cached_tokens,
        } = answer.usage;
        let told = (
            prompt_tokens,
            completion_tokens,
            reasoning_tokens,
            cached_tokens,
        );
        assert_eq!(told, expected.unwrap_or_default(), "{part}");
        assert_eq!(
            answer.untold_usages,
            u32::from(expected.is_none()),
            "{part}"
        );
    }
}

/// Pieces of an answer, as servers stream them.
fn pieces(deltas: &[Value], usage: Option<Value>) -> Vec<String> {
    let mut events: Vec<String> = deltas.iter().enumerate().map(|(at, delta)| {
        let finish = (at + 1 == deltas.len()).then_some("stop");
        json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], "usage": null}).to_string()
    }).collect();
    events.extend(usage.map(|usage| json!({"choices": [], "usage": usage}).to_string()));
    events.push("[DONE]".to_owned());
    events
}

#[test]
fn pieces_of_a_stream_are_put_together_with_the_usage_of_the_last() {
    let deltas = [
        json!({"role": "assistant", "content": ""}),
        json!({"reasoning_content": "h"}),
        json!({"reasoning": "m"}),
        json!({"content": "ye"}),
        json!({"content": "s"}),
        json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "search", "arguments": ""}}]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"in"}}]}),
        json!({"tool_calls": [{"index": 0, "function": {"arguments": "put\": 1}"}}]}),
        json!({}),
    ];
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 5});
    let events = pieces(&deltas, Some(usage));
    let server = Server::new(move |_, _| Reply::Stream(events.clone()));
    let asked = Ask {
        stream: true,
        ..ask("hi")
    };
    let answer = one(&client_of(&server), &asked).unwrap();
    let choice = &answer.choices[0];
    assert_eq!(
        (choice.text.as_str(), choice.reasoning.as_deref()),
        ("yes", Some("hm"))
    );
    assert_eq!(
        (
            choice.calls[0].id.as_str(),
            choice.calls[0].arguments.as_str()
        ),
        ("c", "{\"input\": 1}")
    );
    assert_eq!(
        (answer.usage.completion_tokens, answer.untold_usages),
        (5, 0)
    );
    let body = server.requests()[0].body.clone();
    assert_eq!(
        (body["stream"].clone(), body["stream_options"].clone()),
        (json!(true), json!({"include_usage": true}))
    );
    // A server that does not stream answers at once.
    let server = Server::new(|_, _| good(&["yes"]));
    assert_eq!(
        one(&client_of(&server), &asked).unwrap().choices[0].text,
        "yes"
    );
    // One that does not know `stream_options` is asked without, from then on.
    let server = Server::new(|_, body| {
        if body["stream_options"].is_null() {
            Reply::Stream(pieces(&[json!({"content": "yes"})], None))
        } else {
            refuse(
                400,
                &json!({"error": {"message": "unknown field stream_options"}}),
            )
        }
    });
    let client = client_of(&server);
    for requests in [2, 3] {
        let answer = one(&client, &asked).unwrap();
        assert_eq!(
            (answer.choices[0].text.as_str(), answer.untold_usages),
            ("yes", 1)
        );
        assert_eq!(server.requests().len(), requests);
    }
}

#[test]
fn half_a_stream_is_no_answer() {
    let whole = pieces(&[json!({"content": "ye"}), json!({"content": "s"})], None);
    let cases: [Vec<String>; 4] = [
        whole[..1].to_vec(),
        vec![whole[0].clone(), "{\"choices\": [{\"del".to_owned()],
        vec![
            whole[0].clone(),
            json!({"error": {"message": "out of memory"}}).to_string(),
        ],
        vec!["[DONE]".to_owned()],
    ];
    for events in cases {
        let said = format!("{events:?}");
        let server = Server::new(move |number, _| match number {
            0 => Reply::Stream(events.clone()),
            _ => good(&["yes"]),
        });
        let asked = Ask {
            stream: true,
            ..ask("hi")
        };
        assert_eq!(
            one(&client_of(&server), &asked).unwrap().choices[0].text,
            "yes",
            "{said}"
        );
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn an_answer_that_is_paid_for_is_asked_for_once() {
    let whole = json!({"choices": [{"message": {"content": "yes"}}]}).to_string();
    let half = whole.len() / 2;
    let cases = [
        Reply::Hang,
        Reply::Leave,
        Reply::Cut(whole.clone(), half),
        Reply::Stall(whole.clone(), half),
        Reply::Say(200, "", whole[..half].to_owned()),
        Reply::Stream(vec![]),
    ];
    for reply in cases {
        let said = format!("{reply:?}");
        let server = Server::new(move |_, _| reply.clone());
        let settings = configs::finetune::ServerConfig {
            timeout_seconds: 0.3,
            ..config(&server)
        };
        let error = one(&client(&settings).paying_once(), &ask("hi")).unwrap_err();
        assert!(error.may_be_answered(), "{said}: {error}");
        assert_eq!(server.requests().len(), 1, "{said}");
    }
    // What was surely not answered is sent again.
    let server = Server::new(|number, _| match number {
        0 => refuse(500, &json!("oops")),
        _ => good(&["yes"]),
    });
    let client = client_of(&server).paying_once();
    assert_eq!(one(&client, &ask("hi")).unwrap().choices[0].text, "yes");
}

#[test]
fn a_server_without_tools_says_so_in_its_own_words() {
    let cases = [
        (
            400,
            json!({"object": "error", "message": "\"auto\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set", "code": 400}),
        ),
        (
            500,
            json!({"error": {"code": 500, "message": "tools param requires --jinja flag", "type": "server_error"}}),
        ),
        (
            400,
            json!({"error": {"message": "registry.ollama.ai/library/tiny does not support tools", "type": "api_error"}}),
        ),
        (
            422,
            json!({"detail": [{"loc": ["body", "tools"], "msg": "extra fields not permitted"}]}),
        ),
        (
            400,
            json!({"error": {"message": "no", "param": "tool_choice"}}),
        ),
    ];
    for (status, body) in cases {
        let server = Server::new(move |_, _| refuse(status, &body));
        let asked = Ask {
            tools: vec![tool()],
            ..ask("hi")
        };
        let error = one(&client_of(&server), &asked).unwrap_err();
        assert!(matches!(error, ServerError::ToolsRefused { .. }), "{error}");
        assert_eq!(server.requests().len(), 1, "it is not asked again");
        // Without tools the same words mean something else.
        let error = one(&client_of(&server), &ask("hi")).unwrap_err();
        assert!(
            !matches!(error, ServerError::ToolsRefused { .. }),
            "{error}"
        );
    }
}

#[test]
fn a_limit_of_another_name_is_found_by_the_servers_words() {
    let server = Server::new(|_, body| {
        if body["max_tokens"].is_null() {
            good(&["yes"])
        } else {
            refuse(
                400,
                &json!({"error": {"message": "max_tokens is not known here, use max_completion_tokens"}}),
            )
        }
    });
    let asked = Ask {
        max_tokens: Some(9),
        ..ask("hi")
    };
    one(&client_of(&server), &asked).unwrap();
    assert_eq!(server.requests()[1].body["max_completion_tokens"], 9);
    // A limit that is too large is no reason to look for another name.
    let server = Server::new(|_, _| {
        refuse(
            400,
            &json!({"error": {"message": "'max_tokens' or 'max_completion_tokens' is too large: 9"}}),
        )
    });
    let said = one(&client_of(&server), &asked).unwrap_err().to_string();
    assert!(said.contains("too large: 9"), "{said}");
    assert_eq!(server.requests().len(), 1);
}

/// A server that lists its models.
fn listing(owner: Option<&'static str>) -> (Server, Client) {
    let server = Server::new(move |_, body| match (body, owner) {
        (Value::Null, Some(owner)) => {
            say(&json!({"object": "list", "data": [{"id": "m", "owned_by": owner}]}))
        }
        (Value::Null, None) => refuse(404, &json!("what?")),
        _ => good(&["yes"]),
    });
    let client = client_of(&server);
    (server, client)
}

#[test]
fn servers_are_told_apart_by_the_models_they_list() {
    let cases = [
        (Some("vllm"), Dialect::Vllm),
        (Some("llamacpp"), Dialect::LlamaCpp),
        (Some("library"), Dialect::Ollama),
        (Some("sglang"), Dialect::Sglang),
        (Some("openai"), Dialect::Plain),
        (None, Dialect::Plain),
    ];
    for (owner, dialect) in cases {
        let (server, client) = listing(owner);
        assert_eq!(client.dialect(), Some(dialect), "{owner:?}");
        assert_eq!(server.lines(), ["GET /v1/models HTTP/1.1"]);
    }
}

#[test]
fn each_kind_of_server_gets_its_own_fields() {
    let mut continued = ask("hi");
    continued.messages.push(Message::new("assistant", "So"));
    let fields = |dialect: Dialect, ask: &Ask| Value::Object(dialect.fields(ask));
    assert_eq!(fields(Dialect::Vllm, &ask("hi")), json!({}));
    assert_eq!(
        fields(Dialect::Vllm, &continued),
        json!({"continue_final_message": true, "add_generation_prompt": false})
    );
    assert_eq!(
        fields(Dialect::Sglang, &continued),
        json!({"continue_final_message": true})
    );
    assert_eq!(
        fields(Dialect::LlamaCpp, &continued),
        json!({"cache_prompt": true})
    );
    assert_eq!(fields(Dialect::Plain, &continued), json!({}));
    let choices = ["{\"delta\": -1,".to_owned(), "x".to_owned()];
    let one_of = |dialect: Dialect| Value::Object(dialect.one_of(&choices));
    assert_eq!(
        one_of(Dialect::LlamaCpp),
        json!({"grammar": "root ::= \"{\\\"delta\\\": -1,\" | \"x\""})
    );
    assert_eq!(
        one_of(Dialect::Sglang),
        json!({"regex": "(\\{\\\"delta\\\"\\: \\-1\\,|x)"})
    );
    assert_eq!(
        one_of(Dialect::Vllm)["structured_outputs"],
        json!({"choice": choices})
    );
    assert_eq!(one_of(Dialect::Ollama), json!({}));
    // They go out beside the others.
    let (server, client) = listing(Some("llamacpp"));
    let asked = Ask {
        extra: Dialect::LlamaCpp.fields(&continued),
        ..continued
    };
    one(&client, &asked).unwrap();
    assert_eq!(server.requests()[0].body["cache_prompt"], true);
}
