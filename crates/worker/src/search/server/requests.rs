//! Prompts to messages.

use dataset::Message;
use openai::{Ask, Dialect, Tool, ToolChoice};
use search::dialogue::{Form, Prompt, Speaker, ToolDescription};
use search::job::Usage;
use search::language::{CompletionRequest, ModelError};
use serde_json::{Value, json};

use crate::search::serving::role;

/// The one argument of every tool.
pub(super) const INPUT: &str = "input";

/// Why a request is not sent at all.
pub(super) fn refusal(request: &CompletionRequest) -> Option<ModelError> {
    let refused = |why: &str, fatal: bool| ModelError {
        why: why.to_owned(),
        fatal,
        usage: Usage::default(),
    };
    if request.prompt.form == Form::Text {
        return Some(refused(
            "dialogue.style: compact, with a server - allowed: chat, since servers answer messages; or model.kind = local",
            true,
        ));
    }
    (request.max_tokens == 0).then(|| refused("0 tokens for a reply - allowed: 1 or more", false))
}

/// What is sent.
pub(super) fn ask(
    request: &CompletionRequest,
    dialect: Dialect,
    native_tools: bool,
    stream: bool,
) -> Ask {
    let prompt = &request.prompt;
    let native = native_tools && !prompt.tools.is_empty();
    let (messages, tools) = if native {
        let tools = prompt.tools.iter().map(tool).collect();
        (messages(prompt), tools)
    } else {
        (messages(&prompt.in_words()), Vec::new())
    };
    let sampling = request.sampling;
    let mut ask = Ask {
        messages,
        choices: 1,
        seed: Some(request.seed),
        temperature: Some(sampling.temperature),
        top_p: Some(sampling.top_p),
        top_k: Some(sampling.top_k).filter(|most| *most > 0),
        max_tokens: Some(usize::try_from(request.max_tokens).unwrap_or(usize::MAX)),
        stop: prompt.stop.clone(),
        tools,
        tool_choice: if prompt.may_call {
            ToolChoice::Auto
        } else {
            ToolChoice::Never
        },
        stream,
        lenient: true,
        ..Ask::default()
    };
    ask.extra = dialect.fields(&ask);
    if !request.choices.is_empty() {
        let one_of = dialect.one_of(&request.choices);
        // Where nothing holds the model to a choice, its form at least is asked for.
        ask.json_object = one_of.is_empty();
        ask.extra.extend(one_of);
    }
    ask
}

fn tool(tool: &ToolDescription) -> Tool {
    Tool {
        name: tool.name.clone(),
        description: tool.purpose.clone(),
        parameters: json!({
            "type": "object",
            "properties": {INPUT: {"type": "string", "description": tool.input}},
            "required": [INPUT],
        }),
    }
}

/// The turns; a tool's turn answers the call before it.
fn messages(prompt: &Prompt) -> Vec<Message> {
    let mut calls = 0;
    let turns = prompt.turns.iter().map(|turn| {
        let mut message = Message::new(role(turn.speaker), turn.text.as_str());
        if let Some(call) = &turn.call {
            calls += 1;
            let arguments = json!({INPUT: call.input}).to_string();
            let call = json!({
                "id": identity(calls),
                "type": "function",
                "function": {"name": call.tool, "arguments": arguments},
            });
            message.extra.insert("tool_calls".to_owned(), json!([call]));
        }
        if turn.speaker == Speaker::Tool {
            let answered = Value::from(identity(calls));
            message.extra.insert("tool_call_id".to_owned(), answered);
        }
        message
    });
    turns.collect()
}

/// Nine letters and digits: what the strictest templates, Mistral's, want.
fn identity(call: usize) -> String {
    format!("call{call:05}")
}
