//! Jobs to prompts, replies to outcomes, by a model and tools that follow a script.
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

mod backend;
mod chat;

use std::sync::Arc;

use search::dialogue::ToolDescription;
use search::job::{Action, Job, JobId, JobKind, Remaining, State, Step};
use search::tree::NodeId;

fn state(steps: Vec<Step>, plan: Option<&str>) -> Arc<State> {
    Arc::new(State {
        question: "Where was the director of Silent Harvest born?".into(),
        question_id: "q1".into(),
        plan: plan.map(Into::into),
        steps: steps.into_iter().map(Arc::new).collect(),
        value: 0.3,
    })
}

fn job(id: u64, kind: JobKind, state: &Arc<State>) -> Job {
    Job {
        id: JobId(id),
        node: NodeId(0),
        kind,
        state: Arc::clone(state),
        remaining: Remaining {
            tokens: Some(812),
            tool_calls: Some(3),
            fraction: 0.406,
        },
        max_tokens: 256,
        seed: 7,
    }
}

fn call(tool: &str, input: &str) -> Action {
    Action::Call {
        tool: tool.to_owned(),
        input: input.to_owned(),
    }
}

fn answer(text: &str) -> Action {
    Action::Answer {
        text: text.to_owned(),
    }
}

fn step(thought: &str, action: Action, observation: Option<&str>) -> Step {
    Step {
        thought: thought.to_owned(),
        action,
        observation: observation.map(str::to_owned),
    }
}

fn tools() -> Vec<ToolDescription> {
    let tool = |name: &str, purpose: &str, input: &str| ToolDescription {
        name: name.to_owned(),
        purpose: purpose.to_owned(),
        input: input.to_owned(),
    };
    vec![
        tool("search", "Finds documents.", "a few words"),
        tool("calculator", "Works out sums.", "a sum"),
    ]
}
