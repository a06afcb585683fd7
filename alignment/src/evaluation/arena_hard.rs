//! Arena-Hard (`lmarena/arena-hard-auto`): `data/arena-hard-v2.0/model_answer/NAME.jsonl`.
//!
//! A line for each question: `{"uid", "ans_id", "model", "messages": [{"role": "user", "content": ".."},
//! {"role": "assistant", "content": {"answer": ".."}}], "tstamp", "metadata"}`; before 2025
//! `{"question_id", "answer_id", "model_id", "choices": [{"index", "turns": [{"content", "token_len"}]}], "tstamp"}`.
//!
//! `metadata` is what style control reads: counts of headers, lists and bold spans outside code blocks,
//! as `utils/add_markdown_info.py` counts them, and `token_len`, which the tool counts with the tokenizer of gpt-4o
//! and Concord with the model's own. Where the length term of style control matters, that script counts anew.

use dataset::Record;
use serde_json::{Value, json};

use super::exports::{Author, Question, Turn, first, id, short_id, text};

/// What a question looks like.
pub const EXAMPLE: &str = r#"{"uid": "..", "category": "hard_prompt", "prompt": ".."}"#;
/// What a question looked like before 2025.
pub const EXAMPLE_2024: &str =
    r#"{"question_id": "..", "category": "arena-hard-v0.1", "turns": [{"content": ".."}]}"#;

/// Reads a question.
pub(super) fn question(record: &Record) -> Result<Question, String> {
    Ok(Question {
        id: id(record, "uid")?,
        turns: vec![text(record, "prompt")?],
        temperature: None,
        kept: Record::new(),
    })
}

/// Reads a question as it was before 2025.
pub(super) fn question_2024(record: &Record) -> Result<Question, String> {
    let id = id(record, "question_id")?;
    let turns = record.get("turns").and_then(Value::as_array);
    let turns = turns.ok_or_else(|| "no list `turns`".to_owned())?;
    let turns = turns.iter().map(|turn| {
        let text = turn.get("content").and_then(Value::as_str);
        text.map(str::to_owned)
            .ok_or_else(|| "a turn in `turns` has no text `content`".to_owned())
    });
    let turns: Vec<String> = turns.collect::<Result<_, _>>()?;
    if turns.is_empty() {
        return Err("`turns` is empty".to_owned());
    }
    Ok(Question {
        id,
        turns,
        temperature: None,
        kept: Record::new(),
    })
}

/// The answer's line.
pub(super) fn answer(question: &Question, choices: &[Vec<Turn>], author: &Author) -> Value {
    let said = first(choices);
    let asked = question.turns.first().map_or("", String::as_str);
    json!({
        "uid": question.id,
        "ans_id": answer_id(question, &said.text, author),
        "model": author.name,
        "messages": [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": {"answer": said.text}},
        ],
        "tstamp": author.seconds,
        "metadata": metadata(&said),
    })
}

/// The answer's line as it was before 2025.
pub(super) fn answer_2024(question: &Question, choices: &[Vec<Turn>], author: &Author) -> Value {
    let written: Vec<Value> = choices
        .iter()
        .enumerate()
        .map(|(index, turns)| {
            let turns: Vec<Value> = turns
                .iter()
                .map(|turn| json!({"content": turn.text, "token_len": turn.tokens}))
                .collect();
            json!({"index": index, "turns": turns})
        })
        .collect();
    json!({
        "question_id": question.id,
        "answer_id": answer_id(question, &first(choices).text, author),
        "model_id": author.name,
        "choices": written,
        "tstamp": author.seconds,
    })
}

fn answer_id(question: &Question, text: &str, author: &Author) -> String {
    let seconds = author.seconds.to_string();
    short_id(&[&author.name, &question.name(), text, &seconds])
}

fn metadata(turn: &Turn) -> Value {
    let text = without_code(&turn.text);
    let headers: serde_json::Map<String, Value> = (1..=6)
        .map(|level| (format!("h{level}"), json!(headers(&text, level))))
        .collect();
    json!({
        "token_len": turn.tokens,
        "header_count": headers,
        "list_count": {"ordered": ordered(&text), "unordered": unordered(&text)},
        "bold_count": {"**": spans(&text, '*'), "__": spans(&text, '_')},
    })
}

/// What stands between two fences is taken out everywhere it stands, as the tool does.
fn without_code(text: &str) -> String {
    const FENCE: &str = "```";
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(FENCE) {
        let inside = &rest[start + FENCE.len()..];
        // No backtick may stand inside, so the block ends at the next one or is none.
        match inside.find('`') {
            Some(end) if inside[end..].starts_with(FENCE) => {
                blocks.push(&inside[..end]);
                rest = &inside[end + FENCE.len()..];
            }
            // The search goes on one letter further, as a regular expression's does.
            _ => rest = &rest[start + 1..],
        }
    }
    let blocks = blocks.into_iter().filter(|block| !block.is_empty());
    blocks.fold(text.to_owned(), |text, block| text.replace(block, ""))
}

/// Lines with what follows them: white space behind a mark may be the line's end.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n')
}

fn is_blank_next(text: &str) -> bool {
    text.chars().next().is_some_and(char::is_whitespace)
}

/// `^#{level}\s`
fn headers(text: &str, level: usize) -> usize {
    let marks = "#".repeat(level);
    let is_header = |line: &&str| line.strip_prefix(&marks).is_some_and(is_blank_next);
    lines(text).filter(is_header).count()
}

/// `^\s*\d+\.\s`
fn ordered(text: &str) -> usize {
    let is_item = |line: &&str| {
        let line = line.trim_start();
        let rest = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
        rest.len() < line.len() && rest.strip_prefix('.').is_some_and(is_blank_next)
    };
    lines(text).filter(is_item).count()
}

/// `^\s*[-*+]\s`
fn unordered(text: &str) -> usize {
    let is_item = |line: &&str| {
        let line = line.trim_start();
        line.strip_prefix(['-', '*', '+'])
            .is_some_and(is_blank_next)
    };
    lines(text).filter(is_item).count()
}

/// `\*\*[^*\n]+\*\*`, and the same with another mark.
fn spans(text: &str, mark: char) -> usize {
    let fence = [mark, mark].iter().collect::<String>();
    let mut count = 0;
    let mut rest = text;
    while let Some(start) = rest.find(&fence) {
        let inside = &rest[start + fence.len()..];
        let end = inside.find([mark, '\n']);
        match end {
            Some(end) if end > 0 && inside[end..].starts_with(&fence) => {
                count += 1;
                rest = &inside[end + fence.len()..];
            }
            _ => rest = &rest[start + 1..],
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(text: &str) -> Turn {
        Turn {
            text: text.to_owned(),
            tokens: 7,
        }
    }

    fn author() -> Author {
        Author {
            name: "ours".to_owned(),
            seconds: 2.25,
        }
    }

    #[test]
    fn the_answer_is_an_object_inside_the_message() {
        let record = json!({"uid": "328c", "category": "hard_prompt", "prompt": "Write."});
        let question = question(record.as_object().unwrap()).unwrap();
        let line = answer(
            &question,
            &[vec![turn("# Title\n\n1. **one**\n")]],
            &author(),
        );
        assert_eq!(line["uid"], "328c");
        assert_eq!(line["model"], "ours");
        assert_eq!(
            line["messages"],
            json!([
                {"role": "user", "content": "Write."},
                {"role": "assistant", "content": {"answer": "# Title\n\n1. **one**\n"}}
            ])
        );
        assert_eq!(
            line["metadata"],
            json!({
                "token_len": 7,
                "header_count": {"h1": 1, "h2": 0, "h3": 0, "h4": 0, "h5": 0, "h6": 0},
                "list_count": {"ordered": 1, "unordered": 0},
                "bold_count": {"**": 1, "__": 0},
            })
        );
    }

    #[test]
    fn the_older_form_has_turns_with_lengths() {
        let record = json!({"question_id": "328c", "category": "arena-hard-v0.1", "turns": [{"content": "Write."}]});
        let question = question_2024(record.as_object().unwrap()).unwrap();
        let line = answer_2024(&question, &[vec![turn("Done")]], &author());
        assert_eq!(line["question_id"], "328c");
        assert_eq!(
            line["choices"],
            json!([{"index": 0, "turns": [{"content": "Done", "token_len": 7}]}])
        );
        let wrong = json!({"question_id": "328c", "prompt": "Write."});
        assert!(question_2024(wrong.as_object().unwrap()).is_err());
    }

    #[test]
    fn counts_are_the_tools_own() {
        let golden = include_str!("../../tests/golden/answer_files.json");
        let golden: Value = serde_json::from_str(golden).unwrap();
        let texts = golden["texts"].as_array().unwrap();
        assert!(texts.len() > 20);
        for one in texts {
            let text = one["text"].as_str().unwrap();
            let mut found = metadata(&turn(text));
            found.as_object_mut().unwrap().remove("token_len");
            assert_eq!(found, one["metadata"], "{text:?}");
        }
        let temperatures = golden["temperatures"].as_object().unwrap();
        assert!(temperatures.len() > 5);
        for (category, temperature) in temperatures {
            let ours = super::super::mt_bench::temperature(category);
            assert_eq!(json!(ours), *temperature, "{category}");
        }
    }
}
