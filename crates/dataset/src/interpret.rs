//! What the columns of a record mean.

use serde_json::Value;

use crate::form::Form;
use crate::pair::{PairParts, Part};
use crate::read::ProblemKind;
use crate::row::{Content, Message, PreferenceRow, Prompt, RatedRow, Record, Response};

/// Why a record is no row.
#[derive(Debug)]
pub(crate) enum Flaw {
    /// A column that the form needs.
    Missing(&'static str),
    /// A value of another kind.
    Wrong(String),
    /// Nothing can be learnt from it.
    Useless(ProblemKind),
}

/// Columns that name a row.
const IDS: [&str; 5] = ["id", "prompt_id", "uid", "question_id", "uuid"];

/// Takes a column out.
fn take(record: &mut Record, name: &'static str) -> Result<Value, Flaw> {
    record.remove(name).ok_or(Flaw::Missing(name))
}

fn wrong(name: &str, value: &Value, allowed: &str) -> Flaw {
    let shown: String = value.to_string().chars().take(40).collect();
    Flaw::Wrong(format!("`{name}` is {shown} - allowed: {allowed}"))
}

fn text(name: &str, value: Value) -> Result<String, Flaw> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(wrong(name, &other, "a text")),
    }
}

fn message(name: &str, value: Value) -> Result<Message, Flaw> {
    let Value::Object(mut fields) = value else {
        return Err(wrong(name, &value, "messages of role and content"));
    };
    // ShareGPT's names.
    let role = fields.remove("role").or_else(|| fields.remove("from"));
    let content = fields.remove("content").or_else(|| fields.remove("value"));
    let role = match role {
        Some(Value::String(role)) => match role.as_str() {
            "human" => "user".to_owned(),
            "gpt" | "function_call" => "assistant".to_owned(),
            "observation" => "tool".to_owned(),
            _ => role,
        },
        _ => {
            return Err(Flaw::Wrong(format!(
                "`{name}` has a message without a role"
            )));
        }
    };
    // Columns that another row of the file has.
    fields.retain(|_, value| !value.is_null());
    let content = match content {
        Some(Value::String(content)) => content,
        None | Some(Value::Null) if fields.contains_key("tool_calls") => String::new(),
        other => {
            return Err(wrong(
                name,
                &other.unwrap_or_default(),
                "messages whose content is a text",
            ));
        }
    };
    Ok(Message {
        role,
        content,
        extra: fields,
    })
}

fn content(name: &str, value: Value) -> Result<Content, Flaw> {
    match value {
        Value::String(text) => Ok(Content::Text(text)),
        Value::Array(values) => Ok(Content::Messages(
            values
                .into_iter()
                .map(|value| message(name, value))
                .collect::<Result<_, _>>()?,
        )),
        // ShareGPT's answers are one message.
        Value::Object(_) => Ok(Content::Messages(vec![message(name, value)?])),
        Value::Null => Ok(Content::Text(String::new())),
        other => Err(wrong(name, &other, "a text or a list of messages")),
    }
}

fn number(name: &str, value: &Value) -> Result<f64, Flaw> {
    match value {
        Value::Number(number) => Ok(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) if text.parse::<f64>().is_ok_and(f64::is_finite) => {
            text.parse().map_err(|_| wrong(name, value, "a number"))
        }
        Value::Null => Ok(f64::NAN),
        Value::String(text) if text.parse::<f64>().is_ok() => Ok(f64::NAN),
        other => Err(wrong(name, other, "a number")),
    }
    .and_then(|number: f64| {
        if number.is_finite() {
            Ok(number)
        } else {
            Err(Flaw::Useless(ProblemKind::NotANumber))
        }
    })
}

fn optional_number(record: &mut Record, name: &str) -> Result<Option<f64>, Flaw> {
    match record.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => number(name, &value).map(Some),
    }
}

fn numbers(name: &str, value: &Value) -> Result<Vec<f64>, Flaw> {
    value
        .as_array()
        .ok_or_else(|| wrong(name, value, "a list of numbers"))?
        .iter()
        .map(|value| number(name, value))
        .collect()
}

/// `[K][K]`
fn matrix(
    record: &mut Record,
    name: &'static str,
    size: usize,
) -> Result<Option<Vec<Vec<f64>>>, Flaw> {
    let value = match record.remove(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let rows = value
        .as_array()
        .ok_or_else(|| wrong(name, &value, "a list of lists of numbers"))?
        .iter()
        .map(|row| numbers(name, row))
        .collect::<Result<Vec<_>, _>>()?;
    if rows.len() != size || rows.iter().any(|row| row.len() != size) {
        return Err(Flaw::Wrong(format!(
            "`{name}` has {} rows for {size} responses - allowed: as many rows and columns as responses",
            rows.len()
        )));
    }
    Ok(Some(rows))
}

/// A prompt from its content and what is left of the record.
fn prompt(content: Content, mut record: Record, number: usize) -> Result<Prompt, Flaw> {
    if content.is_blank() {
        return Err(Flaw::Useless(ProblemKind::EmptyPrompt));
    }
    let id = IDS.iter().find(|name| {
        record
            .get(**name)
            .is_some_and(|value| value.is_string() || value.is_number())
    });
    let id = match id.and_then(|name| record.remove(*name)) {
        Some(value) => text("id", value)?,
        None => number.to_string(),
    };
    let answer = match record.remove("answer") {
        None | Some(Value::Null) => None,
        Some(value) => Some(text("answer", value)?),
    };
    // Parquet gives every row the columns of all.
    record.retain(|_, value| !value.is_null());
    Ok(Prompt {
        id,
        content,
        answer,
        extra: record,
    })
}

/// A row of prompts only or of problems.
pub(crate) fn read_prompt(form: Form, mut record: Record, number: usize) -> Result<Prompt, Flaw> {
    let (name, alternative) = match form {
        Form::Problems => ("problem", "question"),
        _ => ("prompt", "messages"),
    };
    if form == Form::Problems && !record.contains_key("answer") {
        return Err(Flaw::Missing("answer"));
    }
    let value = match record.remove(name) {
        Some(value) => value,
        None => record.remove(alternative).ok_or(Flaw::Missing(name))?,
    };
    prompt(content(name, value)?, record, number)
}

fn part(content: Content) -> Part<Message> {
    match content {
        Content::Text(text) => Part::Text(text),
        Content::Messages(messages) => Part::Turns(messages),
    }
}

fn whole(part: Part<Message>) -> Content {
    match part {
        Part::Text(text) => Content::Text(text),
        Part::Turns(messages) => Content::Messages(messages),
    }
}

/// A row of preferences.
pub(crate) fn read_preference(
    form: Form,
    mut record: Record,
    number: usize,
) -> Result<PreferenceRow, Flaw> {
    let chosen = content("chosen", take(&mut record, "chosen")?)?;
    let rejected = content("rejected", take(&mut record, "rejected")?)?;
    let asked = match form {
        Form::ShareGptRanking => {
            let turns = content("conversations", take(&mut record, "conversations")?)?;
            let mut turns = turns.messages("user");
            if let Some(Value::String(system)) = record.remove("system")
                && !system.is_empty()
            {
                turns.insert(0, Message::new("system", system));
            }
            Some(Content::Messages(turns))
        }
        _ => match record.remove("prompt") {
            None | Some(Value::Null) => None,
            Some(value) => Some(content("prompt", value)?),
        },
    };
    let pair = PairParts::split(asked.map(part), part(chosen), part(rejected), |text| {
        Message::new("user", text)
    })
    .map_err(|why| Flaw::Wrong(why.to_owned()))?;
    let (asked, chosen, rejected) = (whole(pair.prompt), whole(pair.chosen), whole(pair.rejected));
    if asked.is_blank() {
        return Err(Flaw::Useless(ProblemKind::EmptyPrompt));
    }
    if chosen.is_blank() || rejected.is_blank() {
        return Err(Flaw::Useless(ProblemKind::NoCompletion));
    }
    let chosen_wins = optional_number(&mut record, "chosen_probs")?;
    let chosen_win_rate = optional_number(&mut record, "chosen_probs_win")?;
    let rejected_win_rate = optional_number(&mut record, "chosen_probs_lose")?;
    if form == Form::UltraFeedbackBinarized {
        for name in ["score_chosen", "score_rejected"] {
            let value = record.get(name).ok_or(Flaw::Missing(name))?;
            crate::interpret::number(name, value)?;
        }
        // The chosen conversation once more.
        record.remove("messages");
    }
    Ok(PreferenceRow {
        prompt: prompt(asked, record, number)?,
        chosen,
        rejected,
        chosen_wins,
        chosen_win_rate,
        rejected_win_rate,
    })
}

fn response(name: &str, value: Value) -> Result<Response, Flaw> {
    let mut fields = match value {
        Value::String(text) => {
            return Ok(Response {
                text,
                ..Response::default()
            });
        }
        Value::Object(fields) => fields,
        other => return Err(wrong(name, &other, "texts, or objects with `text`")),
    };
    fields.retain(|_, value| !value.is_null());
    let said = fields.remove("text").or_else(|| fields.remove("response"));
    let said = said.or_else(|| fields.remove("content"));
    let string = |value: Option<Value>| match value {
        None => Ok(None),
        Some(value) => text(name, value).map(Some),
    };
    let trace = string(fields.remove("trace"))?;
    let finish = string(fields.remove("finish"))?;
    let tokens = fields.remove("tokens").and_then(|value| value.as_u64());
    Ok(Response {
        text: string(said)?.unwrap_or_default(),
        trace,
        tokens,
        finish,
        extra: fields,
    })
}

/// A row of several answers.
pub(crate) fn read_rated(form: Form, mut record: Record, number: usize) -> Result<RatedRow, Flaw> {
    let (asked, answers) = match form {
        Form::UltraFeedback => ("instruction", "completions"),
        _ => ("prompt", "responses"),
    };
    let asked = content(asked, take(&mut record, asked)?)?;
    let list = match take(&mut record, answers)? {
        Value::Array(list) => list,
        other => return Err(wrong(answers, &other, "a list of texts or objects")),
    };
    let responses = list
        .into_iter()
        .map(|value| response(answers, value))
        .collect::<Result<Vec<_>, _>>()?;
    if asked.is_blank() {
        return Err(Flaw::Useless(ProblemKind::EmptyPrompt));
    }
    if responses.is_empty() || responses.iter().any(|one| one.text.trim().is_empty()) {
        return Err(Flaw::Useless(ProblemKind::NoCompletion));
    }
    let scores = match form {
        Form::UltraFeedback => overall(&responses)?,
        _ => match record.remove("scores") {
            None | Some(Value::Null) => None,
            Some(value) => Some(numbers("scores", &value)?),
        },
    };
    if let Some(scores) = &scores
        && scores.len() != responses.len()
    {
        return Err(Flaw::Wrong(format!(
            "`scores` has {} numbers for {} responses - allowed: one for each",
            scores.len(),
            responses.len()
        )));
    }
    let win_matrix = matrix(&mut record, "win_matrix", responses.len())?;
    let raw_logits = matrix(&mut record, "raw_logits", responses.len())?;
    Ok(RatedRow {
        prompt: prompt(asked, record, number)?,
        responses,
        scores,
        win_matrix,
        raw_logits,
    })
}

/// UltraFeedback's scores stand in the answers.
fn overall(responses: &[Response]) -> Result<Option<Vec<f64>>, Flaw> {
    let name = "overall_score";
    if responses.iter().all(|one| !one.extra.contains_key(name)) {
        return Ok(None);
    }
    responses
        .iter()
        .map(|one| number(name, one.extra.get(name).unwrap_or(&Value::Null)))
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}
