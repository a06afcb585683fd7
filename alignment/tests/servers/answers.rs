//! Responses from a server.

use std::ops::ControlFlow;

use alignment::FinetuneError;
use alignment::responding::{
    Ask, Responder, ServerResponder, TRACE_TOKENS, is_unclosed, sampled_ids,
};
use alignment::text_model::{TextModel, TextParts};
use configs::env::Environment;
use configs::finetune::{DataConfig, GenerationConfig, Source};
use dataset::{Content, Message, Response};
use lm::decoder::Decoder;
use serde_json::json;
use tch::Device;
use testkit::chat_model::ChatModel;

use crate::scripted::{Reply, Server, config, good, refuse, say};

/// A model that counts tokens; the server is the one that answers.
pub fn model(template: bool) -> TextModel {
    nn::runtime::prepare(1);
    let folder = tempfile::tempdir().unwrap();
    let mut chat = ChatModel::default();
    if !template {
        chat.template = None;
    }
    chat.write(folder.path()).unwrap();
    let decoder = Decoder::load(folder.path(), None, Device::Cpu, false).unwrap();
    TextParts::open(folder.path())
        .unwrap()
        .with(decoder)
        .unwrap()
}

fn generation(server: &Server) -> GenerationConfig {
    GenerationConfig {
        kind: Source::Server,
        temperature: 0.8,
        top_p: 0.95,
        max_new_tokens: 33,
        server: config(server),
        ..GenerationConfig::default()
    }
}

fn ask(id: &str, thinking: Option<bool>, stream: u64) -> Ask {
    Ask {
        id: id.to_owned(),
        content: Content::Text(format!("Question {id}?")),
        thinking,
        stream,
    }
}

/// What a server's answers become, by the place of the question.
fn answers(
    server: &Server,
    data: &DataConfig,
    asks: &[Ask],
    responses: usize,
) -> Result<(bool, Vec<Vec<Response>>), FinetuneError> {
    let model = model(true);
    let mut responder =
        ServerResponder::new(&model, data, &generation(server), &Environment::default())?;
    let mut found = vec![Vec::new(); asks.len()];
    let whole = responder.respond(asks, responses, 100, &mut |at, responses| {
        found[at] = responses;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((whole, found))
}

#[test]
fn prompts_go_out_as_messages_and_answers_come_back_in_their_place() {
    let server = Server::new(|_, body| {
        let messages = body["messages"].as_array().unwrap();
        let text = messages.last().unwrap()["content"].as_str().unwrap();
        good(&[&format!(" {text} one "), &format!("{text} two")])
    });
    let data = DataConfig {
        system: Some("Be brief.".to_owned()),
        ..DataConfig::default()
    };
    let turns = vec![
        Message::new("system", "Be long."),
        Message::new("user", "hello"),
        Message::new("assistant", "hi"),
        Message::new("user", "and?"),
    ];
    let conversation = Ask {
        content: Content::Messages(turns.clone()),
        ..ask("b", Some(false), 2)
    };
    let (whole, found) = answers(&server, &data, &[ask("a", None, 0), conversation], 2).unwrap();
    assert!(whole);
    let texts: Vec<Vec<&str>> = found
        .iter()
        .map(|responses| responses.iter().map(|one| one.text.as_str()).collect())
        .collect();
    assert_eq!(
        texts,
        [
            ["Question a? one", "Question a? two"],
            ["and? one", "and? two"]
        ]
    );
    let first = &found[0][0];
    assert_eq!(
        (first.finish.as_deref(), &first.trace),
        (Some("stop"), &None)
    );
    assert_eq!(sampled_ids(first), None);
    let expected = model(true)
        .tokenizer
        .encode(&first.text, false)
        .unwrap()
        .len();
    assert_eq!(first.tokens, Some(expected as u64));
    let mut bodies: Vec<_> = server
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    bodies.sort_by_key(|body| body["seed"].as_u64());
    let plain = json!({
        "model": "judge-1", "n": 2, "seed": 100, "temperature": 0.8, "top_p": 0.95, "max_tokens": 33,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Question a?"}]
    });
    assert_eq!(bodies[0], plain);
    assert_eq!(bodies[1]["messages"], json!(turns));
    assert_eq!(bodies[1]["seed"], 102);
    assert_eq!(
        bodies[1]["chat_template_kwargs"],
        json!({"enable_thinking": false})
    );
}

#[test]
fn traces_are_taken_apart_however_the_server_gives_them() {
    let choice = |content: &str, reasoning: Option<&str>, finish: &str| json!({"message": {"content": content, "reasoning_content": reasoning}, "finish_reason": finish});
    // Content, reasoning, why it ended; trace, answer, whether it closed.
    let cases = [
        (
            "<think>\n2+3\n</think>\n\n5",
            None,
            "stop",
            Some("2+3"),
            "5",
            true,
        ),
        ("5", Some("2+3 "), "stop", Some("2+3"), "5", true),
        ("", Some("2+3 and"), "length", Some("2+3 and"), "", false),
        // The template opened the trace.
        ("2+3</think>5", None, "stop", Some("2+3"), "5", true),
        ("2+3 and", None, "length", Some("2+3 and"), "", false),
        ("<think>2+3 and", None, "length", Some("2+3 and"), "", false),
        ("5", None, "stop", None, "5", true),
    ];
    let choices: Vec<_> = cases
        .iter()
        .map(|case| choice(case.0, case.1, case.2))
        .collect();
    let server = Server::new(move |_, _| say(&json!({"choices": choices})));
    let (_, found) = answers(
        &server,
        &DataConfig::default(),
        &[ask("a", Some(true), 0)],
        cases.len(),
    )
    .unwrap();
    assert_eq!(found[0].len(), cases.len());
    for (response, (content, _, finish, trace, answer, closed)) in found[0].iter().zip(cases) {
        assert_eq!(response.trace.as_deref(), trace, "{content}");
        assert_eq!(response.text, answer, "{content}");
        assert_eq!(is_unclosed(response), !closed, "{content}");
        assert_eq!(response.finish.as_deref(), Some(finish));
        assert_eq!(response.extra.contains_key(TRACE_TOKENS), trace.is_some());
    }
}

#[test]
fn what_keeps_a_server_from_answering_is_told() {
    let said = |server: &Server| {
        let asks = [ask("first", None, 0)];
        answers(server, &DataConfig::default(), &asks, 1)
            .unwrap_err()
            .to_string()
    };
    let server = Server::new(|_, _| refuse(400, &json!({"error": "context of 64 tokens"})));
    let text = said(&server);
    assert!(
        text.starts_with("prompt first: ") && text.contains("context of 64 tokens"),
        "{text}"
    );
    let server = Server::new(|_, _| refuse(404, &json!({"error": "no such model"})));
    let text = said(&server);
    assert!(
        text.starts_with(&server.url) && text.contains("no such model"),
        "{text}"
    );
    let bare = model(false);
    let responder = ServerResponder::new(
        &bare,
        &DataConfig::default(),
        &generation(&server),
        &Environment::default(),
    );
    let text = responder.err().unwrap().to_string();
    assert!(text.contains("has no chat template"), "{text}");
    let mut settings = generation(&server);
    settings.server.url = None;
    let model = model(true);
    let responder = ServerResponder::new(
        &model,
        &DataConfig::default(),
        &settings,
        &Environment::default(),
    );
    let text = responder.err().unwrap().to_string();
    assert!(text.starts_with("generation.server.url"), "{text}");
}

#[test]
fn whoever_asks_can_stop_and_fail() {
    let server = Server::new(|number, _| {
        if number == 0 {
            good(&["yes"])
        } else {
            Reply::Hang
        }
    });
    let model = model(true);
    let mut responder = ServerResponder::new(
        &model,
        &DataConfig::default(),
        &generation(&server),
        &Environment::default(),
    )
    .unwrap();
    let asks: Vec<Ask> = (0..3)
        .map(|number| ask(&number.to_string(), None, number))
        .collect();
    // While nothing comes.
    let mut answered = 0;
    let whole = responder.respond_while(
        &asks,
        1,
        1,
        &mut |_, _| {
            answered += 1;
            Ok(ControlFlow::Continue(()))
        },
        &mut || ControlFlow::Break(()),
    );
    assert!(matches!(whole, Ok(false)), "{whole:?}");
    assert_eq!(answered, 1);
    // A full disk of the caller is the caller's error.
    let server = Server::new(|_, _| good(&["yes"]));
    let mut responder = ServerResponder::new(
        &model,
        &DataConfig::default(),
        &generation(&server),
        &Environment::default(),
    )
    .unwrap();
    let error = responder.respond(&asks, 1, 1, &mut |_, _| {
        Err(FinetuneError::Settings("no room".to_owned()))
    });
    assert_eq!(error.unwrap_err().to_string(), "no room");
}
