//! Jobs to outcomes.

use std::sync::Mutex;

use configs::search::PricesConfig;
use search::dialogue::chat::{Chat, Critic};
use search::dialogue::{ToolCall, ToolDescription};
use search::job::{Action, Instruction, JobId, JobKind, Outcome, Usage};
use search::language::{
    Completion, CompletionModel, CompletionRequest, Finish, LanguageBackend, Manner, ModelError,
    Observation, Sampling, Toolbox,
};
use search::serving::Backend;

use crate::{answer, call, job, state, step, tools};

type Reply = Result<Completion, ModelError>;

/// Replies by a function of the request; keeps the requests.
struct Scripted<F> {
    script: F,
    asked: Vec<CompletionRequest>,
    batches: Vec<usize>,
}

impl<F: FnMut(&CompletionRequest) -> Reply> CompletionModel for Scripted<F> {
    fn complete(&mut self, requests: &[CompletionRequest]) -> Vec<Reply> {
        self.batches.push(requests.len());
        self.asked.extend(requests.iter().cloned());
        requests.iter().map(&mut self.script).collect()
    }
}

/// `search` echoes, `calculator` panics.
#[derive(Default)]
struct Echo {
    calls: Mutex<Vec<String>>,
}

impl Toolbox for Echo {
    fn descriptions(&self) -> Vec<ToolDescription> {
        tools()
    }

    fn call(&self, tool: &str, input: &str) -> Observation {
        assert_ne!(tool, "calculator", "breaks down");
        self.calls.lock().unwrap().push(input.to_owned());
        Observation {
            text: format!("found {input}"),
            failed: false,
            units: 5,
        }
    }
}

fn sampling(temperature: f64) -> Sampling {
    Sampling {
        temperature,
        top_p: 1.0,
        top_k: 0,
    }
}

fn backend<F: FnMut(&CompletionRequest) -> Reply>(script: F) -> LanguageBackend<Scripted<F>, Echo> {
    let model = Scripted {
        script,
        asked: Vec::new(),
        batches: Vec::new(),
    };
    let manner = Manner {
        generator: sampling(0.7),
        critic: sampling(0.0),
        weighs: true,
    };
    let prices = PricesConfig {
        input_per_million: 2.0,
        cached_per_million: 0.5,
        output_per_million: 10.0,
        tool_unit: 0.005,
        date: None,
    };
    let style = Box::new(Chat::new(tools(), Critic::Residual));
    LanguageBackend::new(model, style, Echo::default(), manner, prices)
}

fn said(text: &str) -> Completion {
    Completion {
        text: text.to_owned(),
        call: None,
        finish: Finish::Stop,
        usage: Usage {
            prompt_tokens: 100,
            cached_tokens: 60,
            output_tokens: 7,
            ..Usage::default()
        },
        choice_log_probabilities: None,
    }
}

fn a_step(tools_allowed: bool, instruction: Instruction) -> JobKind {
    JobKind::Step {
        instruction,
        tried: Vec::new(),
        tools_allowed,
    }
}

/// The outcome of one job under one reply.
fn outcome(kind: JobKind, reply: Completion) -> Outcome {
    let state = state(vec![step("a", Action::Think, None)], None);
    let mut backend = backend(move |_| Ok(reply.clone()));
    let mut served = backend.serve(&[job(3, kind, &state)]);
    assert_eq!(served.len(), 1);
    assert_eq!(served[0].0, JobId(3));
    served.remove(0).1
}

fn stepped(kind: JobKind, reply: Completion) -> (String, Action, bool) {
    match outcome(kind, reply) {
        Outcome::Stepped {
            thought,
            action,
            cut,
            ..
        } => (thought, action, cut),
        other => panic!("{other:?}"),
    }
}

#[test]
fn models_and_tools_are_served_together_each_under_its_own_identity() {
    let state = state(vec![step("a", Action::Think, None)], None);
    let tool = |input: &str| JobKind::Tool {
        tool: "search".to_owned(),
        input: input.to_owned(),
    };
    let mut jobs: Vec<_> = (0..40)
        .map(|id| job(id, tool(&id.to_string()), &state))
        .collect();
    jobs.insert(10, job(100, JobKind::Plan, &state));
    jobs.push(job(101, JobKind::Answer { forced: false }, &state));
    let mut backend = backend(|_| Ok(said("Answer: x")));
    let served = backend.serve(&jobs);
    assert_eq!(served.len(), 42);
    for (id, outcome) in served {
        let cost = outcome.usage().micro_dollars;
        match outcome {
            Outcome::Observed {
                text,
                failed,
                usage,
            } => {
                assert_eq!((text, failed), (format!("found {id}"), false));
                // Five units of half a cent.
                assert_eq!((usage.tool_units, cost), (5, 25_000));
            }
            Outcome::Planned { text, .. } => {
                assert_eq!((id, text.as_str()), (JobId(100), "Answer: x"));
            }
            Outcome::Answered { text, usage } => {
                assert_eq!((id, text.as_str()), (JobId(101), "x"));
                // 40 of 2, 60 of 0.5 and 7 of 10 dollars for a million.
                assert_eq!((usage.output_tokens, cost), (7, 180));
            }
            other => panic!("{other:?}"),
        }
    }
    let model = backend.model();
    assert_eq!(model.batches, [2], "one batch");
    assert_eq!(model.asked[0].sampling, sampling(0.7));
    assert_eq!((model.asked[0].max_tokens, model.asked[0].seed), (256, 7));
    assert!(backend.serve(&[]).is_empty());
}

#[test]
fn a_tool_that_breaks_down_or_is_not_there_has_failed() {
    let state = state(Vec::new(), None);
    for (tool, why) in [
        ("calculator", "calculator broke down"),
        ("oracle", "there is no tool oracle, only search, calculator"),
    ] {
        let kind = JobKind::Tool {
            tool: tool.to_owned(),
            input: "1".to_owned(),
        };
        // Alone, and beside others.
        for beside in [0, 3] {
            let mut jobs = vec![job(0, kind.clone(), &state)];
            jobs.extend((0..beside).map(|id| job(id + 1, JobKind::Plan, &state)));
            let mut backend = backend(|_| Ok(said("x")));
            let served = backend.serve(&jobs);
            assert_eq!(served.len(), jobs.len());
            let of_tool = served.iter().find(|(id, _)| *id == JobId(0)).unwrap();
            assert!(
                matches!(&of_tool.1, Outcome::Observed { text, failed: true, usage } if text == why && usage.tool_units == 0),
                "{of_tool:?}"
            );
        }
    }
}

#[test]
fn calls_come_in_words_or_by_the_servers_protocol_and_only_where_they_are_allowed() {
    let deepen = |allowed| a_step(allowed, Instruction::Deepen);
    let words = said("Who?\nAction: Search[\"a\"]");
    let native = Completion {
        call: Some(ToolCall {
            tool: "search".to_owned(),
            input: "a".to_owned(),
        }),
        ..said("Who?")
    };
    for reply in [&words, &native] {
        let expected = ("Who?".to_owned(), call("search", "a"), false);
        assert_eq!(stepped(deepen(true), reply.clone()), expected);
        let (thought, action, _) = stepped(deepen(false), reply.clone());
        assert_eq!(
            (thought.as_str(), action),
            ("Who? (no tool can be called any more)", Action::Think)
        );
    }
    let (thought, action, _) = stepped(deepen(true), said("Action: oracle[\"a\"]"));
    assert_eq!(
        (thought.as_str(), action),
        (
            "(there is no tool oracle, only search, calculator)",
            Action::Think
        )
    );
    let cut = Completion {
        finish: Finish::Length,
        ..said("Answer: Port Ve")
    };
    assert_eq!(
        stepped(deepen(true), cut.clone()),
        ("Answer: Port Ve".to_owned(), Action::Think, true)
    );
    // Who is asked for the answer alone need not say that it is one, unless it was cut.
    let (_, action, _) = stepped(a_step(true, Instruction::Answer), said("Port Velda"));
    assert_eq!(action, answer("Port Velda"));
    let (_, action, was_cut) = stepped(a_step(true, Instruction::Answer), cut);
    assert_eq!((action, was_cut), (Action::Think, true));
}

#[test]
fn a_critic_is_weighed_or_read() {
    let judged = |reply: Completion| match outcome(JobKind::Critic, reply) {
        Outcome::Judged {
            delta,
            score: None,
            why,
            usage,
            ..
        } => (delta, why, usage.output_tokens),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        judged(said("{\"delta\": 2, \"why\": \"half\"}")),
        (Some(2.0), "half".to_owned(), 7)
    );
    assert_eq!(judged(said("no idea")).0, None);
    // -4 to 4: three quarters on 3, a quarter on -1, nothing on the others.
    let mut logs = vec![f64::NEG_INFINITY; 9];
    (logs[7], logs[3]) = (0.75_f64.ln() - 800.0, 0.25_f64.ln() - 800.0);
    let weighed = |logs: Vec<f64>| Completion {
        choice_log_probabilities: Some(logs),
        ..said("")
    };
    let (delta, ..) = judged(weighed(logs));
    assert!((delta.unwrap() - 2.0).abs() < 1e-12, "{delta:?}");
    // Nothing to weigh is nothing read.
    assert_eq!(judged(weighed(vec![f64::NEG_INFINITY; 9])).0, None);
    assert_eq!(judged(weighed(vec![0.0; 3])).0, None);
    let state = state(vec![step("a", Action::Think, None)], None);
    let mut backend = backend(|_| Ok(said("1")));
    backend.serve(&[job(0, JobKind::Critic, &state)]);
    let asked = &backend.model().asked[0];
    assert_eq!((asked.choices.len(), asked.sampling), (9, sampling(0.0)));
}

#[test]
fn an_error_is_a_failure_with_its_price() {
    let state = state(Vec::new(), None);
    let mut backend = backend(|_| {
        Err(ModelError {
            why: "no answer".to_owned(),
            fatal: true,
            usage: Usage {
                output_tokens: 256,
                estimated: true,
                ..Usage::default()
            },
        })
    });
    let served = backend.serve(&[job(0, JobKind::Plan, &state)]);
    assert!(
        matches!(&served[0].1, Outcome::Failed { why, fatal: true, usage } if why == "no answer" && usage.micro_dollars == 2560 && usage.estimated),
        "{served:?}"
    );
}
