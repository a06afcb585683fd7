//! The last turn of a prompt: what is wanted now. The budget stands at its very end.

use super::{Critic, ToolCall, ToolDescription};
use crate::job::{Action, Instruction, Job, JobKind, Remaining};

const RESIDUAL: &str = "\
Judge the last step alone: how much did it add to what was known before it? Points:
0 when its observation repeats what is known, failed, or the step only thinks
-1 to -4 when it contradicts what is known or leaves the question
+1 or +2 for a part of a fact that the question needs
+3 or +4 when a sub-question is settled
Reply with one JSON object and nothing else:
{\"delta\": whole number from -4 to 4, \"new_facts\": [texts], \"redundant\": true or false, \"sufficient\": true or \
false whether the question can be answered now, \"why\": \"at most 25 words\"}";

const ABSOLUTE: &str = "\
Judge how close all steps together are to a supported answer: 1 for nothing found, 10 for all facts found.
Reply with one JSON object and nothing else:
{\"score\": whole number from 1 to 10, \"sufficient\": true or false whether the question can be answered now, \
\"why\": \"at most 25 words\"}";

const PLAN: &str = "\
Before the first step, make a plan: the sub-questions in their order, one short line each, and then one line with the \
number of tool calls that they need. Do not answer yet.";

const ANSWER: &str = "\
Answer now from what was found above; if it is not enough, give the likeliest answer. Reply with one line \
`Answer: ` and the shortest exact answer, without an explanation.";

/// What a job wants.
pub(super) fn last_turn(job: &Job, tools: &[ToolDescription], critic: Critic) -> String {
    let remaining = &job.remaining;
    match &job.kind {
        JobKind::Plan => format!("{PLAN}\n{}", budget(remaining, tools)),
        JobKind::Critic => {
            let rules = match critic {
                Critic::Residual => RESIDUAL,
                Critic::Absolute => ABSOLUTE,
            };
            let points = (job.state.value * 10.0).round();
            format!("{rules}\nPoints before the step: {points} of 10.")
        }
        JobKind::Answer { forced: true } => format!("No step can be paid any more. {ANSWER}"),
        JobKind::Answer { forced: false } => ANSWER.to_owned(),
        JobKind::Step {
            instruction: Instruction::Answer,
            ..
        } => ANSWER.to_owned(),
        JobKind::Step {
            instruction,
            tried,
            tools_allowed,
        } => {
            let mut text = wanted(*instruction, job.state.steps.is_empty()).to_owned();
            let list: Vec<String> = tried.iter().filter_map(done).collect();
            if !list.is_empty() {
                text.push_str("\nTried here already, do something else:");
                for one in list {
                    text.push_str("\n- ");
                    text.push_str(&one);
                }
            }
            if !tools_allowed {
                text.push_str("\nNo tool can be called any more.");
            }
            format!("{text}\n{}", budget(remaining, tools))
        }
        // Never put to a model.
        JobKind::Tool { .. } => String::new(),
    }
}

fn wanted(instruction: Instruction, is_first: bool) -> &'static str {
    match (instruction, is_first) {
        (Instruction::Widen, _) => "Steps from here gained nothing. Take another one.",
        (_, true) => "Take the first step.",
        _ => "The last step helped. Take the next one.",
    }
}

/// A tried action in words.
fn done(action: &Action) -> Option<String> {
    match action {
        Action::Think => None,
        Action::Call { tool, input } => {
            let call = ToolCall {
                tool: tool.clone(),
                input: input.clone(),
            };
            Some(call.in_words())
        }
        Action::Answer { text } => Some(format!("Answer: {text}")),
    }
}

/// What is left.
fn budget(remaining: &Remaining, tools: &[ToolDescription]) -> String {
    let mut parts = Vec::new();
    if let Some(calls) = remaining.tool_calls.filter(|_| !tools.is_empty()) {
        parts.push(format!("{calls} for tool calls"));
    }
    if let Some(tokens) = remaining.tokens {
        parts.push(format!("{tokens} tokens"));
    }
    if parts.is_empty() {
        return String::new();
    }
    let share = (remaining.fraction * 100.0).round();
    format!("Budget left: {}; {share} % of it.", parts.join(", "))
}
