//! AlpacaEval (`tatsu-lab/alpaca_eval`): `alpaca_eval --model_outputs FILE.json`.
//!
//! One JSON list of `{"instruction", "output", "generator", "dataset", "datasplit"}`. The tool joins answers and
//! the baseline's by `instruction`, which has to be the set's own text to the letter; `generator` is
//! the model's name. `input`, where the older set has one, is part of what is asked.

use dataset::Record;
use serde_json::{Value, json};

use super::exports::{Author, Question, Turn, first, text};

/// What a question looks like.
pub const EXAMPLE: &str = r#"{"instruction": "..", "dataset": ".."}"#;

/// Columns of a question that its answer repeats.
const KEPT: [&str; 4] = ["instruction", "input", "dataset", "datasplit"];

/// Reads a question; the tool's own files of answers have the same columns and more.
pub(super) fn question(mut record: Record) -> Result<Question, String> {
    let instruction = text(&record, "instruction")?;
    let input = record.get("input").and_then(Value::as_str).unwrap_or("");
    let turn = if input.trim().is_empty() {
        instruction.clone()
    } else {
        format!("{instruction}\n\n{input}")
    };
    record.retain(|name, _| KEPT.contains(&name.as_str()));
    Ok(Question {
        id: Value::String(instruction),
        turns: vec![turn],
        temperature: None,
        kept: record,
    })
}

/// The answer's object.
pub(super) fn answer(question: &Question, choices: &[Vec<Turn>], author: &Author) -> Value {
    let mut object = question.kept.clone();
    object.insert("output".to_owned(), json!(first(choices).text));
    object.insert("generator".to_owned(), json!(author.name));
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instruction_is_repeated_to_the_letter() {
        let record = json!({
            "instruction": "  What is  2 + 2?\n", "dataset": "koala", "datasplit": "eval",
            "output": "the baseline's", "generator": "text_davinci_003"
        });
        let question = question(record.as_object().unwrap().clone()).unwrap();
        assert_eq!(question.turns, ["  What is  2 + 2?\n"]);
        let turn = Turn {
            text: "4".to_owned(),
            tokens: 1,
        };
        let author = Author {
            name: "ours".to_owned(),
            seconds: 0.0,
        };
        assert_eq!(
            answer(&question, &[vec![turn]], &author),
            json!({
                "instruction": "  What is  2 + 2?\n", "dataset": "koala", "datasplit": "eval",
                "output": "4", "generator": "ours"
            })
        );
    }

    #[test]
    fn an_input_is_part_of_what_is_asked() {
        let record = json!({"instruction": "Sort.", "input": "c a b"});
        let found = question(record.as_object().unwrap().clone()).unwrap();
        assert_eq!(found.turns, ["Sort.\n\nc a b"]);
        assert_eq!(found.kept["input"], "c a b");
        let record = json!({"instruction": " "});
        assert!(question(record.as_object().unwrap().clone()).is_err());
    }
}
