//! Answers that come in pieces: server-sent events, `data: {…}` lines that end with `data: [DONE]`.

use serde::Deserialize;
use serde_json::Value;

use crate::answer::{Answer, Call, Choice, Usage, WireContent, WireMessage, WireTokens};

#[derive(Deserialize)]
struct Piece {
    // Empty in the piece that tells the usage.
    #[serde(default)]
    choices: Vec<PieceOfChoice>,
}

#[derive(Deserialize)]
struct PieceOfChoice {
    #[serde(default)]
    index: usize,
    delta: Option<WireMessage>,
    finish_reason: Option<String>,
    logprobs: Option<WireTokens>,
}

/// More answers or calls than this are not put together.
const MOST: usize = 128;

/// Puts the pieces of `text` together. Whole is what every answer has an end of.
pub(crate) fn read(text: &str) -> Result<Answer, String> {
    let mut choices: Vec<Choice> = Vec::new();
    let mut usage = None;
    for line in text.lines() {
        // Comments keep the connection open; other fields are of no use here.
        let Some(data) = line.strip_prefix("data:").map(str::trim) else {
            continue;
        };
        if data == "[DONE]" {
            break;
        }
        if data.is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
        if !value["error"].is_null() {
            return Err(format!("the stream ends with an error, {}", value["error"]));
        }
        // Some servers tell what was used so far with every piece: the last one counts.
        usage = Usage::told(&value).or(usage);
        let piece: Piece = serde_json::from_value(value).map_err(|error| error.to_string())?;
        for piece in piece.choices {
            take(&mut choices, piece)?;
        }
    }
    if choices.is_empty() {
        return Err("a stream without a piece of an answer".to_owned());
    }
    if choices.iter().any(|choice| choice.finish.is_none()) {
        return Err("the stream ends before the answer does".to_owned());
    }
    Ok(Answer {
        choices,
        usage: usage.unwrap_or_default(),
        untold_usages: u32::from(usage.is_none()),
        ..Answer::default()
    })
}

fn take(choices: &mut Vec<Choice>, piece: PieceOfChoice) -> Result<(), String> {
    let choice = entry(choices, piece.index)?;
    choice.finish = piece.finish_reason.or(choice.finish.take());
    if let Some(tokens) = piece.logprobs.and_then(|tokens| tokens.content) {
        choice.tokens.extend(tokens);
    }
    let Some(mut message) = piece.delta else {
        return Ok(());
    };
    if let Some(thought) = message.thought() {
        choice.reasoning.get_or_insert_default().push_str(&thought);
    }
    let said = message.content.map(WireContent::text);
    choice
        .text
        .push_str(&said.or(message.refusal).unwrap_or_default());
    for piece in message.tool_calls.unwrap_or_default() {
        // A call without a number is whole, and the next one.
        let place = piece.index.unwrap_or(choice.calls.len());
        let call: &mut Call = entry(&mut choice.calls, place)?;
        let piece = Call::from(piece);
        if !piece.id.is_empty() {
            call.id = piece.id;
        }
        if !piece.name.is_empty() {
            call.name = piece.name;
        }
        call.arguments.push_str(&piece.arguments);
    }
    Ok(())
}

fn entry<T: Default>(list: &mut Vec<T>, place: usize) -> Result<&mut T, String> {
    if place >= MOST {
        return Err(format!(
            "part {place} of an answer - allowed: 0 to {}",
            MOST - 1
        ));
    }
    while list.len() <= place {
        list.push(T::default());
    }
    Ok(&mut list[place])
}
