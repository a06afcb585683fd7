//! A tiny model answers.

use std::sync::Arc;

use alignment::text_model::{TextModel, TextParts};
use lm::decoder::Decoder;
use lm::generation::EngineSettings;
use search::dialogue::chat::{Chat, Critic};
use search::dialogue::compact::Compact;
use search::dialogue::{Form, Prompt, PromptStyle, Speaker, ToolDescription, Turn};
use search::job::{Action, Instruction, Job, JobId, JobKind, Remaining, State, Step};
use search::language::{Completion, CompletionModel, CompletionRequest, Finish, Sampling};
use search::tree::NodeId;
use tch::Device;
use testkit::chat_model::{ChatModel, REASONING};

use super::LocalModel;

fn open(chat: &ChatModel) -> TextModel {
    nn::runtime::prepare(1);
    let folder = tempfile::tempdir().expect("a folder for tests");
    chat.write(folder.path()).expect("room for a tiny model");
    let decoder = Decoder::load(folder.path(), None, Device::Cpu, false).expect("a sound folder");
    let parts = TextParts::open(folder.path()).expect("a sound folder");
    parts.with(decoder).expect("a tokenizer that fits")
}

fn local(model: &TextModel) -> LocalModel<'_> {
    LocalModel::new(model, EngineSettings::default()).expect("settings that work")
}

fn request(text: &str, max_tokens: u64, temperature: f64, seed: u64) -> CompletionRequest {
    CompletionRequest {
        prompt: Prompt {
            form: Form::Conversation,
            turns: vec![
                Turn::new(Speaker::System, "Rules."),
                Turn::new(Speaker::User, text),
            ],
            stop: Vec::new(),
            tools: Vec::new(),
            may_call: false,
            tools_in_words: String::new(),
        },
        max_tokens,
        sampling: Sampling {
            temperature,
            top_p: 1.0,
            top_k: 0,
        },
        seed,
        choices: Vec::new(),
    }
}

fn texts(model: &mut LocalModel<'_>, requests: &[CompletionRequest]) -> Vec<Completion> {
    let replies = model.complete(requests);
    assert_eq!(replies.len(), requests.len());
    replies
        .into_iter()
        .map(|reply| reply.expect("a reply"))
        .collect()
}

#[test]
fn replies_end_by_themselves_at_stop_texts_and_at_their_limit() {
    let model = open(&ChatModel::saying("Go:4[x]"));
    let mut model = local(&model);
    let mut stopped = request("hi", 99, 0.0, 1);
    stopped.prompt.stop = vec![":4".to_owned()];
    let requests = [
        request("hi", 99, 0.0, 1),
        stopped,
        request("hi there", 4, 0.0, 1),
        request("hi", 0, 0.0, 1),
    ];
    let replies = model.complete(&requests);
    let found: Vec<_> = replies
        .iter()
        .map(|reply| {
            reply
                .as_ref()
                .map(|one| (one.text.as_str(), one.finish, one.usage.output_tokens))
        })
        .collect();
    // The end of the turn is a token, and so is what a stop text cut away.
    assert_eq!(found[0], Ok(("Go:4[x]", Finish::Stop, 8)));
    assert_eq!(found[1], Ok(("Go", Finish::Stop, 4)));
    assert_eq!(found[2], Ok(("Go:4", Finish::Length, 4)));
    let error = replies[3]
        .as_ref()
        .expect_err("nothing can be said in 0 tokens");
    assert!(
        !error.fatal && error.why.contains("0 new tokens"),
        "{error}"
    );
}

#[test]
fn seeds_decide_and_not_who_else_is_in_the_batch() {
    let model = open(&ChatModel::default());
    let mut model = local(&model);
    let requests: Vec<_> = (0..5)
        .map(|seed| request("tell me", 12, 1.0, seed))
        .collect();
    let together: Vec<String> = texts(&mut model, &requests)
        .into_iter()
        .map(|one| one.text)
        .collect();
    for (request, text) in requests.iter().zip(&together) {
        assert_eq!(
            &texts(&mut model, std::slice::from_ref(request))[0].text,
            text
        );
    }
    assert_ne!(together[0], together[1]);
}

#[test]
fn a_template_without_system_messages_gets_the_rules_with_the_question() {
    let chat = ChatModel {
        template: Some(REASONING.to_owned()),
        ..ChatModel::saying("yes")
    };
    let model = open(&chat);
    let mut model = local(&model);
    for _ in 0..2 {
        assert_eq!(
            texts(&mut model, &[request("hi", 9, 0.0, 1)])[0].text,
            "yes"
        );
    }
    let bare = ChatModel {
        template: None,
        ..chat
    };
    let bare = open(&bare);
    let error = local(&bare).complete(&[request("hi", 9, 0.0, 1)]).remove(0);
    let error = error.expect_err("no template");
    assert!(error.fatal && error.why.contains("has none"), "{error}");
}

#[test]
fn a_prompt_beyond_the_context_fails_alone() {
    let model = open(&ChatModel::saying("yes"));
    let mut model = local(&model);
    let requests = [
        request(&"x".repeat(600), 9, 0.0, 1),
        request("hi", 9, 0.0, 1),
    ];
    let replies = model.complete(&requests);
    let error = replies[0].as_ref().expect_err("600 of 512 tokens");
    assert!(!error.fatal && error.why.contains("512"), "{error}");
    assert_eq!(replies[1].as_ref().map(|one| one.text.as_str()), Ok("yes"));
}

#[test]
fn choices_are_weighed_by_their_log_probabilities() {
    let model = open(&ChatModel::saying("2."));
    let mut model = local(&model);
    let mut critic = request("how much?", 9, 0.0, 1);
    critic.choices = ["1.", "2.", "22"].map(str::to_owned).to_vec();
    let weighed = texts(&mut model, &[critic.clone()]).remove(0);
    let logs = weighed.choice_log_probabilities.expect("logs of choices");
    let chances: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
    // Each token of the phrase is taken with probability 0.78.
    assert!((chances[1] - 0.78 * 0.78).abs() < 0.02, "{chances:?}");
    assert!(chances[0] < 0.01 && chances[2] < 0.01, "{chances:?}");
    assert_eq!(
        (weighed.usage.output_tokens, weighed.usage.cached_tokens),
        (2, 0)
    );
    // The prompt is computed once, and its last token again.
    let again = texts(&mut model, &[critic.clone()]).remove(0);
    assert_eq!(again.usage.cached_tokens + 1, again.usage.prompt_tokens);
    // What cannot be paid is not weighed.
    critic.max_tokens = 1;
    let poor = texts(&mut model, &[critic]).remove(0);
    assert_eq!(
        (poor.finish, poor.choice_log_probabilities),
        (Finish::Length, None)
    );
}

/// The prompts of a search that goes six steps deep with two children of every node on the way, each of them
/// judged, and answers at the end.
fn prompts_of_a_tree(style: &dyn PromptStyle) -> Vec<CompletionRequest> {
    let job = |id: u64, kind: JobKind, steps: &[Arc<Step>], left: u64| Job {
        id: JobId(id),
        node: NodeId(0),
        kind,
        state: Arc::new(State {
            question: "Where was the director of Silent Harvest born, and when?".into(),
            question_id: "q".into(),
            plan: Some(
                "1. director of Silent Harvest\n2. birthplace and year\n2 tool calls".into(),
            ),
            steps: steps.to_vec(),
            value: 0.3,
        }),
        remaining: Remaining {
            tokens: Some(4000 - 100 * left),
            tool_calls: Some(20 - left),
            fraction: 1.0 - left as f64 / 20.0,
        },
        max_tokens: 8,
        seed: id,
    };
    let mut jobs = Vec::new();
    let mut steps: Vec<Arc<Step>> = Vec::new();
    for depth in 0..6_u64 {
        let mut tried = Vec::new();
        for child in 0..2 {
            let instruction = if child == 0 {
                Instruction::Deepen
            } else {
                Instruction::Widen
            };
            let kind = JobKind::Step {
                instruction,
                tried: tried.clone(),
                tools_allowed: true,
            };
            let number = 2 * depth + child;
            jobs.push(job(4 * number, kind, &steps, number));
            let action = Action::Call {
                tool: "search".to_owned(),
                input: format!("director of Silent Harvest {number}"),
            };
            tried.push(action.clone());
            let step = Step {
                thought: format!("The {depth}th fact is missing, so I look for it."),
                action,
                observation: Some(format!(
                    "Silent Harvest is a film of 1962 directed by Ada Frost, who was born in Port Velda. ({number})"
                )),
            };
            let mut path = steps.clone();
            path.push(Arc::new(step));
            jobs.push(job(4 * number + 1, JobKind::Critic, &path, number));
            if child == 1 {
                steps = path;
            }
        }
    }
    jobs.push(job(99, JobKind::Answer { forced: false }, &steps, 12));
    let requests = jobs.iter().map(|job| CompletionRequest {
        prompt: style.prompt(job),
        max_tokens: job.max_tokens,
        seed: job.seed,
        ..request("", 8, 0.0, 0)
    });
    requests.collect()
}

/// The part of the prompt tokens that need not be computed.
fn saved(style: &dyn PromptStyle) -> f64 {
    let chat = ChatModel {
        context: 8192,
        ..ChatModel::default()
    };
    let model = open(&chat);
    let mut model = local(&model);
    let mut told = 0;
    for request in prompts_of_a_tree(style) {
        let reply = texts(&mut model, &[request]).remove(0);
        told += reply.usage.prompt_tokens - reply.usage.cached_tokens;
    }
    let statistics = model.statistics();
    assert_eq!(
        told, statistics.prompt_tokens_computed as u64,
        "usage tells the same"
    );
    statistics.prompt_tokens_saved() as f64 / statistics.prompt_tokens as f64
}

#[test]
fn cached_beginnings_save_most_prompt_tokens_of_a_tree_of_depth_six() {
    let tool = ToolDescription {
        name: "search".to_owned(),
        purpose: "Finds documents.".to_owned(),
        input: "a few words".to_owned(),
    };
    let chat = saved(&Chat::new(vec![tool], Critic::Residual));
    let compact = saved(&Compact);
    println!("prompt tokens saved: chat {chat:.3}, compact {compact:.3}");
    assert!(chat > 0.5, "{chat}");
    assert!(compact > 0.5, "{compact}");
}
