//! Answers to completions, and what they are charged.

use std::time::Duration;

use openai::{Answer, Ask, Call};
use search::dialogue::ToolCall;
use search::job::Usage;
use search::language::{Completion, CompletionRequest, Finish};
use serde_json::Value;

use super::requests::INPUT;

/// Bytes of a token where the server does not count: usual for English, too many for other scripts.
const USUAL_BYTES: usize = 4;
/// No text of a reply has more bytes for each of its tokens.
const MOST_BYTES: usize = 32;
/// More tokens than any request can have taken.
const MOST_TOKENS: u64 = 1 << 32;

/// The reply of an answer.
pub(super) fn completion(request: &CompletionRequest, ask: &Ask, answer: Answer) -> Completion {
    let (usage, told) = (answer.usage, answer.untold_usages == 0);
    let took = answer.took;
    let choice = answer.choices.into_iter().next().unwrap_or_default();
    let finish = match choice.finish.as_deref() {
        Some("length" | "max_tokens") => Finish::Length,
        _ => Finish::Stop,
    };
    let thought = choice.reasoning.as_deref().unwrap_or_default();
    let calls = choice.calls.iter();
    let call_bytes: usize = calls
        .map(|call| call.name.len() + call.arguments.len())
        .sum();
    let bytes = choice.text.len() + thought.len() + call_bytes;
    // A server that tells too few tokens has not counted all of the reply.
    let believed = told && usage.completion_tokens >= bytes.div_ceil(MOST_BYTES) as u64;
    let output = if believed {
        usage.completion_tokens.min(MOST_TOKENS)
    } else {
        tokens(bytes).min(request.max_tokens)
    };
    let prompt = if told && usage.prompt_tokens > 0 {
        usage.prompt_tokens.min(MOST_TOKENS)
    } else {
        prompt_tokens(ask)
    };
    let reasoning = match usage.reasoning_tokens {
        0 => tokens(thought.len()),
        told => told,
    };
    let call = choice.calls.first();
    Completion {
        call: call.and_then(|call| called(call, finish)),
        text: choice.text,
        finish,
        usage: Usage {
            prompt_tokens: prompt,
            output_tokens: output,
            reasoning_tokens: reasoning.min(output),
            cached_tokens: usage.cached_tokens.min(prompt),
            milliseconds: took.as_millis() as u64,
            estimated: !believed || usage.prompt_tokens == 0,
            ..Usage::default()
        },
        choice_log_probabilities: None,
    }
}

/// What a reply that nobody heard may have cost: all it was allowed.
pub(super) fn silence(request: &CompletionRequest, ask: &Ask, took: Duration) -> Usage {
    Usage {
        prompt_tokens: prompt_tokens(ask),
        output_tokens: request.max_tokens,
        milliseconds: took.as_millis() as u64,
        estimated: true,
        ..Usage::default()
    }
}

fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(USUAL_BYTES) as u64
}

fn prompt_tokens(ask: &Ask) -> u64 {
    let bytes = ask.messages.iter().map(|message| message.content.len());
    tokens(bytes.sum())
}

/// A call; none where it was cut within its arguments.
fn called(call: &Call, finish: Finish) -> Option<ToolCall> {
    let input = match serde_json::from_str(&call.arguments) {
        Ok(Value::Object(arguments)) => match arguments.get(INPUT) {
            Some(Value::String(input)) => input.clone(),
            // A model that named its argument otherwise.
            _ => {
                let texts = arguments.values().filter_map(Value::as_str);
                texts.collect::<Vec<_>>().join(" ")
            }
        },
        Ok(Value::String(input)) => input,
        Ok(other) => other.to_string(),
        Err(_) if finish == Finish::Length => return None,
        Err(_) => call.arguments.clone(),
    };
    Some(ToolCall {
        tool: call.name.clone(),
        input,
    })
}
