//! MT-Bench of FastChat (`lm-sys/FastChat`, `fastchat/llm_judge`): two turns, the second in the
//! conversation of the first.
//!
//! `data/mt_bench/model_answer/NAME.jsonl`, a line for each question:
//! `{"question_id", "answer_id", "model_id", "choices": [{"index", "turns": [..]}], "tstamp"}`. The tool knows
//! a model by the name of its file.

use dataset::Record;
use serde_json::{Value, json};

use super::exports::{Author, Question, Turn, id, short_id};

/// What a question looks like.
pub const EXAMPLE: &str = r#"{"question_id": 81, "category": "writing", "turns": ["..", ".."]}"#;

/// The temperature of a question of this category, `temperature_config` of FastChat's
/// `llm_judge/common.py`; 0.7 for all others, as there.
pub fn temperature(category: &str) -> f64 {
    match category {
        "extraction" | "math" | "coding" | "reasoning" | "arena-hard-200" => 0.0,
        "stem" | "humanities" => 0.1,
        _ => 0.7,
    }
}

/// Reads a question.
pub(super) fn question(record: &Record) -> Result<Question, String> {
    let id = id(record, "question_id")?;
    let turns = match record.get("turns") {
        Some(Value::Array(turns)) if !turns.is_empty() => turns
            .iter()
            .map(|turn| {
                turn.as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| "a turn in `turns` is no text".to_owned())
            })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err("`turns` is no list of texts".to_owned()),
        None => return Err("no column `turns`".to_owned()),
    };
    let category = record.get("category").and_then(Value::as_str).unwrap_or("");
    Ok(Question {
        id,
        turns,
        temperature: Some(temperature(category)),
        kept: Record::new(),
    })
}

/// The answer's line.
pub(super) fn answer(question: &Question, choices: &[Vec<Turn>], author: &Author) -> Value {
    let texts =
        |turns: &Vec<Turn>| -> Vec<String> { turns.iter().map(|turn| turn.text.clone()).collect() };
    let said: Vec<Vec<String>> = choices.iter().map(texts).collect();
    let whole = said.concat().join("\n");
    let choices: Vec<Value> = said
        .into_iter()
        .enumerate()
        .map(|(index, turns)| json!({"index": index, "turns": turns}))
        .collect();
    json!({
        "question_id": question.id,
        "answer_id": short_id(&[&author.name, &question.name(), &whole, &author.seconds.to_string()]),
        "model_id": author.name,
        "choices": choices,
        "tstamp": author.seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_keeps_its_number_and_gets_its_categorys_temperature() {
        let record = json!({"question_id": 111, "category": "math", "turns": ["2?", "And 3?"], "reference": ["", ""]});
        let found = question(record.as_object().unwrap()).unwrap();
        assert_eq!(found.turns, ["2?", "And 3?"]);
        assert_eq!(found.temperature, Some(0.0));
        assert_eq!(temperature("writing"), 0.7);
        assert_eq!(temperature("roleplay"), 0.7);
        assert_eq!(temperature("stem"), 0.1);
        assert_eq!(temperature("my own"), 0.7);
        let turn = |text: &str| Turn {
            text: text.to_owned(),
            tokens: 1,
        };
        let choices = [vec![turn("two"), turn("three")], vec![turn("2"), turn("3")]];
        let author = Author {
            name: "ours".to_owned(),
            seconds: 1.5,
        };
        let line = answer(&found, &choices, &author);
        assert_eq!(line["question_id"], json!(111));
        assert_eq!(line["model_id"], "ours");
        assert_eq!(line["tstamp"], json!(1.5));
        assert_eq!(
            line["choices"],
            json!([{"index": 0, "turns": ["two", "three"]}, {"index": 1, "turns": ["2", "3"]}])
        );
    }

    #[test]
    fn turns_have_to_be_texts() {
        for wrong in [
            json!({"question_id": 1}),
            json!({"question_id": 1, "turns": []}),
            json!({"question_id": 1, "turns": [{"content": "a"}]}),
            json!({"question_id": null, "turns": ["a"]}),
        ] {
            assert!(question(wrong.as_object().unwrap()).is_err(), "{wrong}");
        }
    }
}
