//! What replies mean, however the model puts it.

use serde_json::Value;

use crate::job::Action;

/// A reply without what was thought between `<think>` and `</think>`, for servers that leave it in.
pub(super) fn spoken(reply: &str) -> &str {
    match (reply.rfind("</think>"), reply.find("<think>")) {
        // The template may have opened the thought.
        (Some(end), _) => &reply[end + "</think>".len()..],
        (None, Some(begin)) => &reply[..begin],
        (None, None) => reply,
    }
}

/// Thought and action of a step: the first line that calls or answers decides.
pub(super) fn step(reply: &str, cut: bool) -> (String, Action) {
    let text = spoken(reply).trim();
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let rest = &text[begin..];
        let before = &text[..begin];
        begin += line.len();
        if let Some(call) = after_label(rest, &["action"]).and_then(call) {
            return (thought(before), call);
        }
        if let Some(said) = after_label(rest, &["answer", "final answer"]) {
            // An answer that was cut may lack its end.
            if cut {
                break;
            }
            let text = first_line(said);
            return (thought(before), Action::Answer { text });
        }
    }
    (thought(text), Action::Think)
}

/// The answer of a reply: behind its label, else its last line.
pub(super) fn answer(reply: &str) -> String {
    let text = spoken(reply).trim();
    if let (_, Action::Answer { text }) = step(text, false)
        && !text.is_empty()
    {
        return text;
    }
    let mut lines = text.lines().rev();
    let last = lines.find(|line| !line.trim().is_empty());
    first_line(last.unwrap_or_default())
}

/// What stands behind `label:` at the beginning of `text`, whatever its letters' case and emphasis.
fn after_label<'a>(text: &'a str, labels: &[&str]) -> Option<&'a str> {
    let text = text.trim_start_matches(is_ornament);
    let (label, rest) = text.split_once(':')?;
    let label = label.trim_end_matches(is_ornament);
    let known = labels.iter().any(|known| label.eq_ignore_ascii_case(known));
    known.then(|| rest.trim_start_matches('*').trim_start())
}

fn is_ornament(character: char) -> bool {
    character.is_whitespace() || matches!(character, '*' | '#' | '-' | '>' | '`')
}

fn thought(text: &str) -> String {
    let text = text.trim();
    after_label(text, &["thought"])
        .unwrap_or(text)
        .trim()
        .to_owned()
}

/// The first line that says something, without emphasis and quotes around it.
fn first_line(text: &str) -> String {
    let line = text.lines().find(|line| !line.trim().is_empty());
    let line = line.unwrap_or_default();
    let line = line.trim_matches(is_ornament_of_words);
    line.to_owned()
}

fn is_ornament_of_words(character: char) -> bool {
    character.is_whitespace() || matches!(character, '*' | '`' | '"' | '\u{201c}' | '\u{201d}')
}

/// `name["input"]`, the input as JSON or as it stands; brackets may be round. None where it has no
/// end: it was cut.
fn call(text: &str) -> Option<Action> {
    let text = text.trim_start_matches(is_ornament);
    let open = text.find(['[', '('])?;
    let tool = text[..open].trim_end();
    let is_name = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
    if tool.is_empty() || !tool.chars().all(is_name) {
        return None;
    }
    let close = if text[open..].starts_with('[') {
        ']'
    } else {
        ')'
    };
    let inside = &text[open + 1..];
    let mut read = serde_json::Deserializer::from_str(inside).into_iter::<String>();
    let input = match read.next() {
        Some(Ok(input)) if inside[read.byte_offset()..].trim_start().starts_with(close) => input,
        _ => {
            let line = inside.lines().next().unwrap_or_default();
            let quotes = ['"', '\'', ' '];
            line[..line.rfind(close)?].trim_matches(quotes).to_owned()
        }
    };
    Some(Action::Call {
        tool: tool.to_owned(),
        input,
    })
}

/// A judgement, and a number that stands there without a name.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) delta: Option<f64>,
    pub(super) score: Option<f64>,
    pub(super) sufficient: Option<bool>,
    pub(super) why: String,
    pub(super) unnamed: Option<f64>,
}

/// A critic's reply: its JSON object, else the number behind `delta` or `score`, else the first one.
pub(super) fn judgement(reply: &str) -> Read {
    let text = spoken(reply);
    if let Some(object) = object(text) {
        let read = Read {
            delta: points(&object["delta"]).filter(|points| points.abs() <= 10.0),
            score: points(&object["score"]).filter(|points| (1.0..=10.0).contains(points)),
            sufficient: object["sufficient"].as_bool(),
            why: object["why"].as_str().unwrap_or_default().to_owned(),
            unnamed: None,
        };
        if read.delta.is_some() || read.score.is_some() {
            return read;
        }
    }
    // Cut, or no JSON, such as {"delta": +2}.
    let behind = |name: &str| {
        let at = text.find(name)?;
        number(&text[at + name.len()..])
    };
    Read {
        delta: behind("delta").filter(|points| points.abs() <= 10.0),
        score: behind("score").filter(|points| (1.0..=10.0).contains(points)),
        unnamed: number(text),
        ..Read::default()
    }
}

/// The first JSON object with a judgement in it.
fn object(text: &str) -> Option<Value> {
    text.match_indices('{').find_map(|(at, _)| {
        let mut values = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
        let value = values.next()?.ok()?;
        let is_judgement = value.get("delta").or(value.get("score")).is_some();
        is_judgement.then_some(value)
    })
}

/// A number, or a text such as `+2`.
fn points(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| number(value.as_str()?))
}

/// The first signed number of a text.
fn number(text: &str) -> Option<f64> {
    let begin = text.find(|character: char| character.is_ascii_digit())?;
    let length = text[begin..]
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len() - begin);
    let digits = text[begin..begin + length].trim_end_matches('.');
    let value: f64 = digits.parse().ok()?;
    // U+2212 is the sign that some models write.
    let is_negative = text[..begin].ends_with(['-', '\u{2212}']);
    Some(if is_negative { -value } else { value })
}
