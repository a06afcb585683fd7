//! Servers that answer by a script, on this machine.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use configs::env::Environment;
use configs::search::{DialogueStyle, PricesConfig, SearchConfig};
use crossbeam::channel::{never, unbounded};
use search::dialogue::chat::{Chat, Critic};
use search::dialogue::{Form, Prompt, Speaker, ToolCall, ToolDescription, Turn};
use search::job::Question;
use search::language::{
    Completion, CompletionModel, CompletionRequest, Finish, LanguageBackend, Manner, ModelError,
    Observation, Sampling, Toolbox,
};
use search::resource::Resource;
use search::serving::{AtOnce, serve_all};
use search::settings::{Settings, limits};
use search::{Search, Verdict};
use serde_json::{Value, json};
use testkit::scripted_server::{Reply, Server, good, refuse, say};
use tracking::ControlCommand;

use super::ServerModel;
use crate::search::orders::Orders;

fn config(server: &Server) -> SearchConfig {
    let mut config = SearchConfig::default();
    config.server.url = Some(server.url.clone());
    config.server.model = Some("m".to_owned());
    config.server.timeout_seconds = 5.0;
    config.server.retries = 2;
    config
}

fn open(config: &SearchConfig) -> ServerModel {
    let mut model = ServerModel::new(config, &Environment::default(), Orders::new(never()))
        .expect("a sound address");
    model.client = model.client.with_first_pause(Duration::from_millis(1));
    model
}

fn search_tool() -> ToolDescription {
    ToolDescription {
        name: "search".to_owned(),
        purpose: "Finds documents.".to_owned(),
        input: "a few words".to_owned(),
    }
}

fn request(text: &str) -> CompletionRequest {
    let call = ToolCall {
        tool: "search".to_owned(),
        input: "a \"b\"".to_owned(),
    };
    CompletionRequest {
        prompt: Prompt {
            form: Form::Conversation,
            turns: vec![
                Turn::new(Speaker::System, "Rules."),
                Turn::new(Speaker::User, "Question"),
                Turn {
                    call: Some(call),
                    ..Turn::new(Speaker::Assistant, "Hm.")
                },
                Turn::new(Speaker::Tool, "found"),
                Turn::new(Speaker::User, text),
            ],
            stop: vec!["\nObservation:".to_owned()],
            tools: vec![search_tool()],
            may_call: true,
            tools_in_words: "Tools: search".to_owned(),
        },
        max_tokens: 50,
        sampling: Sampling {
            temperature: 0.7,
            top_p: 0.9,
            top_k: 0,
        },
        seed: 5,
        choices: Vec::new(),
    }
}

fn one(model: &mut ServerModel, request: &CompletionRequest) -> Result<Completion, ModelError> {
    let mut replies = model.complete(std::slice::from_ref(request));
    assert_eq!(replies.len(), 1);
    replies.remove(0)
}

#[test]
fn calls_go_by_the_servers_protocol_until_it_refuses_and_then_in_words() {
    let native = json!({"choices": [{"message": {"content": "Hm.", "tool_calls": [{"id": "x", "function": {"name": "search", "arguments": "{\"query\": \"a b\"}"}}]}, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 9, "completion_tokens": 8}});
    let server = Server::new(move |_, _| say(&native));
    let mut settings = config(&server);
    settings.server.tools_api = true;
    let reply = one(&mut open(&settings), &request("go on")).expect("a reply");
    let expected = ToolCall {
        tool: "search".to_owned(),
        input: "a b".to_owned(),
    };
    assert_eq!((reply.call, reply.finish), (Some(expected), Finish::Stop));
    let body = server.requests()[0].body.clone();
    let messages = body["messages"].as_array().expect("messages");
    let call = &messages[2]["tool_calls"][0];
    assert_eq!(
        call["function"]["arguments"],
        json!({"input": "a \"b\""}).to_string()
    );
    assert_eq!(messages[3]["tool_call_id"], call["id"]);
    assert_eq!(messages[3]["role"], "tool");
    assert_eq!(
        (
            body["tool_choice"].clone(),
            body["tools"][0]["function"]["name"].clone()
        ),
        (json!("auto"), json!("search"))
    );
    assert_eq!(
        (
            body["max_tokens"].clone(),
            body["seed"].clone(),
            body["stop"].clone()
        ),
        (json!(50), json!(5), json!(["\nObservation:"]))
    );

    let server = Server::new(|_, body| {
        if body["tools"].is_null() {
            good(&["Hm.\nAction: search[\"a\"]"])
        } else {
            refuse(
                400,
                &json!({"error": {"message": "tiny does not support tools"}}),
            )
        }
    });
    settings.server.url = Some(server.url.clone());
    let mut model = open(&settings);
    let replies = model.complete(&[request("a"), request("b"), request("c")]);
    assert!(
        replies
            .iter()
            .all(|reply| reply.as_ref().is_ok_and(|one| one.call.is_none())),
        "{replies:?}"
    );
    assert!(!model.native_tools);
    let before = server.requests().len();
    one(&mut model, &request("d")).expect("a reply");
    assert_eq!(
        server.requests().len(),
        before + 1,
        "it is not offered again"
    );
    let messages = server.requests()[before].body["messages"].clone();
    assert_eq!(messages[0]["content"], "Rules.\n\nTools: search");
    assert_eq!(
        messages[2]["content"],
        "Hm.\nAction: search[\"a \\\"b\\\"\"]"
    );
    assert_eq!(
        messages[3],
        json!({"role": "user", "content": "Observation: found\n\nd"})
    );
}

#[test]
fn a_usage_that_cannot_be_is_counted_here() {
    let text = "x".repeat(400);
    let answer = |usage: Value| json!({"choices": [{"message": {"content": text, "reasoning_content": "y".repeat(40)}, "finish_reason": "stop"}], "usage": usage});
    let usage = |body: Value| {
        let server = Server::new(move |_, _| say(&body));
        let mut wide = request("hi");
        wide.max_tokens = 200;
        one(&mut open(&config(&server)), &wide)
            .expect("a reply")
            .usage
    };
    let told = usage(answer(
        json!({"prompt_tokens": 90, "completion_tokens": 120, "prompt_tokens_details": {"cached_tokens": 80}}),
    ));
    assert_eq!(
        (
            told.prompt_tokens,
            told.output_tokens,
            told.cached_tokens,
            told.estimated
        ),
        (90, 120, 80, false)
    );
    // Not told: of the reply's bytes, reasoning among them.
    assert_eq!(
        (told.reasoning_tokens, told.milliseconds < 5_000),
        (10, true)
    );
    // Nothing told, nothing at all, far too little: 440 bytes are 110 tokens here.
    for lie in [
        json!(null),
        json!({"prompt_tokens": 0, "completion_tokens": 0}),
        json!({"prompt_tokens": 90, "completion_tokens": 3}),
        json!({"prompt_tokens": 90, "completion_tokens": -3}),
    ] {
        let counted = usage(answer(lie.clone()));
        assert_eq!(
            (counted.output_tokens, counted.estimated),
            (110, true),
            "{lie}"
        );
        assert!(counted.prompt_tokens > 0, "{lie}");
    }
    // Far too much is for the search's audit.
    let much = usage(answer(
        json!({"prompt_tokens": u64::MAX, "completion_tokens": u64::MAX}),
    ));
    assert_eq!((much.output_tokens, much.prompt_tokens), (1 << 32, 1 << 32));
}

#[test]
fn silence_is_charged_as_the_settings_say() {
    let whole = good(&["yes"]);
    let Reply::Say(_, _, body) = whole else {
        panic!("a reply")
    };
    let half = body.len() / 2;
    for reply in [
        Reply::Hang,
        Reply::Leave,
        Reply::Cut(body.clone(), half),
        Reply::Stall(body.clone(), half),
        Reply::Say(200, "", body[..half].to_owned()),
    ] {
        let said = format!("{reply:?}");
        let server = Server::new(move |_, _| reply.clone());
        let mut settings = config(&server);
        settings.server.timeout_seconds = 0.2;
        let error = one(&mut open(&settings), &request("hi")).expect_err(&said);
        assert_eq!(
            (
                error.usage.output_tokens,
                error.usage.estimated,
                error.fatal
            ),
            (50, true, false),
            "{said}: {error}"
        );
        assert_eq!(server.requests().len(), 1, "{said}");
        settings.server.charge_timeouts = false;
        let error = one(&mut open(&settings), &request("hi")).expect_err(&said);
        assert_eq!(
            (error.usage.output_tokens, error.fatal),
            (0, false),
            "{said}: {error}"
        );
        assert_eq!(server.requests().len(), 4, "{said}: sent three times");
    }
}

#[test]
fn what_concerns_all_requests_is_fatal_and_what_concerns_one_is_not() {
    let cases = [
        (400, json!({"error": "context of 4096 tokens"}), false),
        (404, json!({"error": "no such model"}), true),
        (401, json!({"error": "who are you?"}), true),
        (500, json!({"error": "out of memory"}), false),
    ];
    for (status, body, fatal) in cases {
        let server = Server::new(move |_, _| refuse(status, &body));
        let error = one(&mut open(&config(&server)), &request("hi")).expect_err("a refusal");
        assert_eq!(
            (error.fatal, error.usage.output_tokens),
            (fatal, 0),
            "{error}"
        );
    }
    let server = Server::new(|_, _| good(&["yes"]));
    let mut settings = config(&server);
    settings.server.url = Some("http://127.0.0.1:9/v1".to_owned());
    assert!(
        one(&mut open(&settings), &request("hi"))
            .expect_err("nobody listens")
            .fatal
    );
    let mut text = request("hi");
    text.prompt.form = Form::Text;
    assert!(
        one(&mut open(&config(&server)), &text)
            .expect_err("no messages")
            .fatal
    );
    assert!(server.requests().is_empty());
    settings.dialogue.style = DialogueStyle::Compact;
    let failure = super::model(&settings, Orders::new(never()))
        .err()
        .expect("no messages")
        .to_string();
    assert!(failure.contains("dialogue.style"), "{failure}");
    settings.dialogue.style = DialogueStyle::Chat;
    settings.server.url = None;
    let failure = super::model(&settings, Orders::new(never()))
        .err()
        .expect("no address")
        .to_string();
    assert!(failure.contains("server.url"), "{failure}");
}

#[test]
fn what_a_server_does_not_take_is_left_out_or_put_in_words_and_told_once() {
    let server = Server::new(|_, body| match body {
        body if !body["top_k"].is_null() => refuse(
            422,
            &json!({"detail": "Unexpected fields in the request: {'top_k'}"}),
        ),
        body if !body["tools"].is_null() => refuse(
            500,
            &json!({"error": {"message": "tools param requires --jinja flag"}}),
        ),
        _ => good(&["Hm.\nAction: search[\"a\"]"]),
    });
    let mut settings = config(&server);
    settings.server.tools_api = true;
    let mut model = open(&settings);
    let mut asked = request("go on");
    asked.sampling.top_k = 20;
    one(&mut model, &asked).expect("a reply");
    let notes = model.notes();
    assert!(notes[0].contains("requires --jinja"), "{notes:?}");
    assert!(notes[1].contains("does not take top_k"), "{notes:?}");
    assert_eq!(notes.len(), 2);
    one(&mut model, &asked).expect("a reply");
    assert!(model.notes().is_empty());
    let last = server.requests().pop().expect("a request").body;
    assert!(last["top_k"].is_null() && last["tools"].is_null(), "{last}");
}

/// A server that is still starting is no reason to take it for one of another kind.
#[test]
fn a_server_that_could_not_say_what_it_is_is_asked_again() {
    let listings = AtomicU64::new(0);
    let server = Server::new(move |_, body| match body {
        Value::Null if listings.fetch_add(1, Ordering::Relaxed) == 0 => {
            refuse(503, &json!({"error": {"message": "Loading model"}}))
        }
        Value::Null => say(&json!({"data": [{"id": "m", "owned_by": "llamacpp"}]})),
        _ => good(&["2"]),
    });
    let mut model = open(&config(&server));
    let mut asked = request("Score:");
    asked.choices = vec!["1".to_owned(), "2".to_owned()];
    one(&mut model, &asked).expect("a reply");
    one(&mut model, &asked).expect("a reply");
    one(&mut model, &asked).expect("a reply");
    let grammars = server.requests().into_iter();
    let grammars: Vec<bool> = grammars
        .map(|request| !request.body["grammar"].is_null())
        .collect();
    assert_eq!(grammars, [false, true, true]);
    let listed = server.lines().into_iter();
    assert_eq!(listed.filter(|line| line.starts_with("GET")).count(), 2);
}

#[test]
fn a_stop_ends_the_wait_for_a_server() {
    let server = Server::new(|_, body| match body {
        Value::Null => refuse(404, &json!("what?")),
        _ => Reply::Hang,
    });
    let mut settings = config(&server);
    settings.server.timeout_seconds = 600.0;
    let (sender, commands) = unbounded();
    let orders = Orders::new(commands);
    let mut model = ServerModel::new(&settings, &Environment::default(), orders.clone())
        .expect("a sound address");
    sender.send(ControlCommand::Stop).expect("an open channel");
    let error = one(&mut model, &request("go on")).expect_err("no reply");
    assert!(error.fatal && error.why == "stopped", "{error:?}");
    assert_eq!(orders.next(), Some(ControlCommand::Stop));
}

#[test]
fn a_weighed_critic_is_held_to_its_choices_as_the_server_can() {
    let cases = [
        ("vllm", "structured_outputs"),
        ("llamacpp", "grammar"),
        ("sglang", "regex"),
        ("library", "response_format"),
    ];
    for (owner, field) in cases {
        let server = Server::new(move |_, body| match body {
            Value::Null => say(&json!({"data": [{"id": "m", "owned_by": owner}]})),
            _ => good(&["{\"delta\": 3,"]),
        });
        let mut critic = request("judge");
        critic.choices = vec!["{\"delta\": 3,".to_owned()];
        let reply = one(&mut open(&config(&server)), &critic).expect("a reply");
        assert_eq!(
            (reply.text.as_str(), reply.choice_log_probabilities),
            ("{\"delta\": 3,", None)
        );
        assert!(!server.requests()[0].body[field].is_null(), "{owner}");
    }
}

/// Finds something, or breaks down.
struct Documents;

impl Toolbox for Documents {
    fn descriptions(&self) -> Vec<ToolDescription> {
        vec![search_tool()]
    }

    fn call(&self, _: &str, input: &str) -> Observation {
        let failed = input.len().is_multiple_of(3);
        Observation {
            text: format!("found {input}"),
            failed,
            units: 1,
        }
    }
}

/// Numbers that look random (splitmix64).
fn mixed(number: u64) -> u64 {
    let mut word = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word ^ (word >> 27)
}

/// A server that does anything, good replies among it.
fn chaos(seed: u64) -> Server {
    let count = AtomicU64::new(0);
    Server::new(move |_, body| {
        if body.is_null() {
            return refuse(404, &json!("what?"));
        }
        let number = mixed(seed << 32 | count.fetch_add(1, Ordering::SeqCst));
        let last = body["messages"].as_array().and_then(|list| list.last());
        let asked = last
            .and_then(|last| last["content"].as_str())
            .unwrap_or_default();
        let text = if asked.contains("delta") {
            ["{\"delta\": 3}", "{\"delta\": 0, \"why\"", "no idea", "-2"][number as usize % 4]
                .to_owned()
        } else if asked.contains("Answer now") {
            ["Answer: Port Velda", "Port Velda", "", "<think>"][number as usize % 4].to_owned()
        } else {
            [
                "Hm.\nAction: search[\"a\"]".to_owned(),
                "Answer: x".to_owned(),
                format!("Action: search[\"{number}\"]"),
                "Hm.".to_owned(),
            ][number as usize % 4]
                .clone()
        };
        let most = body["max_tokens"].as_u64().unwrap_or(1);
        let usage = match number >> 8 & 7 {
            0 => json!(null),
            1 => json!({"prompt_tokens": 10, "completion_tokens": 0}),
            2 => json!({"prompt_tokens": 10, "completion_tokens": most * 1000}),
            3 => json!({"prompt_tokens": u64::MAX, "completion_tokens": u64::MAX}),
            _ => json!({"prompt_tokens": 100, "completion_tokens": most.min(12)}),
        };
        let finish = if number >> 12 & 3 == 0 {
            "length"
        } else {
            "stop"
        };
        let whole = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}], "usage": usage}).to_string();
        let half = whole.len() / 2;
        match number >> 16 & 31 {
            0 => refuse(500, &json!("oops")),
            1 => Reply::Cut(whole, half),
            2 => Reply::Leave,
            3 => Reply::Say(200, "", whole[..half].to_owned()),
            4 => Reply::Hang,
            5 => Reply::Say(429, "Retry-After: 0\r\n", "{}".to_owned()),
            6 => refuse(400, &json!({"error": {"message": "too long"}})),
            7 => Reply::Stream(vec![
                json!({"choices": [{"delta": {"content": text}}]}).to_string(),
            ]),
            8 => say(&json!({"choices": []})),
            _ => Reply::Say(200, "", whole),
        }
    })
}

/// A whole search against one chaotic server.
fn searched(seed: u64) -> (Search, Verdict) {
    let server = chaos(seed);
    let mut settings = config(&server);
    settings.server.timeout_seconds = 0.1;
    settings.server.charge_timeouts = seed.is_multiple_of(2);
    settings.server.tools_api = seed.is_multiple_of(3);
    settings.server.stream = seed.is_multiple_of(5);
    settings.budget.tokens = Some(600);
    settings.budget.tool_calls = Some(4);
    settings.budget.model_calls = Some(40);
    settings.generation.max_step_tokens = 60;
    settings.generation.max_answer_tokens = 40;
    settings.generation.max_plan_tokens = 40;
    settings.critic.max_tokens = 30;
    let style = Box::new(Chat::new(vec![search_tool()], Critic::Residual));
    let sampling = request("").sampling;
    let manner = Manner {
        generator: sampling,
        critic: sampling,
        weighs: seed.is_multiple_of(7),
    };
    let mut backend = LanguageBackend::new(
        open(&settings),
        style,
        Documents,
        manner,
        PricesConfig::default(),
    );
    let question = Question::new("q", "Where?");
    let search = Search::new(&Settings::of(&settings), question, limits(&settings), seed)
        .expect("a budget for an answer");
    let mut first = Some((search, ()));
    let mut ended = None;
    let at_once = AtOnce {
        questions: 1,
        jobs: 3,
    };
    serve_all(
        || first.take(),
        &mut backend,
        at_once,
        |search, ()| ended = Some(search),
    )
    .expect("it ends");
    let search = ended.expect("it ends");
    let verdict = search.verdict().cloned().expect("a verdict");
    (search, verdict)
}

#[test]
fn whatever_a_server_does_a_search_ends_within_its_budget() {
    let mut answered = 0;
    for seed in 0..24 {
        let (search, verdict) = searched(seed);
        let ledger = search.ledger();
        for resource in Resource::ALL {
            let limit = ledger.limits().get(resource).unwrap_or(u64::MAX);
            assert!(
                ledger.spent().get(resource) <= limit,
                "seed {seed}: {resource}"
            );
            assert_eq!(
                ledger.reserved().get(resource),
                0,
                "seed {seed}: {resource}"
            );
        }
        answered += u32::from(verdict.answer.is_some());
    }
    // Three quarters of the replies are good.
    assert!(answered >= 12, "{answered} of 24");
}
