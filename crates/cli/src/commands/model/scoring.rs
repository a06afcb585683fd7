//! `concord model score`: texts and candidates by a reward model.

use std::process::Stdio;

use serde_json::{Value, json};

use super::{chosen, model_words};
use crate::arguments::{Format, Global, ScoreTexts};
use crate::failure::{ENVIRONMENT, Failure};
use crate::output::{Table, print};
use crate::worker;

/// Runs the command; the worker reads the file, or what comes in.
pub(super) fn score(global: &Global, arguments: &ScoreTexts) -> Result<(), Failure> {
    let (folder, file) = chosen(&arguments.model.choice, &arguments.first, &arguments.second)?;
    let mut words = model_words("score", folder, &arguments.model);
    words.push(file.unwrap_or_else(|| "-".to_owned()).into());
    if arguments.pair {
        words.push("--pair".into());
    }
    let most = arguments.max_tokens;
    words.extend(most.map(|most| format!("--max-tokens={most}").into()));
    let worker = worker::locate(global)?;
    let output = worker::command(&worker)
        .args(words)
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| {
            Failure::environment(format!(
                "cannot start {}: {error} - build it with `cargo build`",
                worker.display()
            ))
        })?;
    if !output.status.success() {
        let code = output.status.code();
        let code = code.and_then(|code| u8::try_from(code).ok());
        return Err(Failure::silent(code.unwrap_or(ENVIRONMENT)));
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    match arguments.format.format {
        // One object a line, as it came in.
        Format::Json => print(lines.trim_end()),
        format => table(&lines)?.print(format),
    }
}

/// A row for every text: of a line with several candidates, each with its mean chance against
/// the others.
fn table(lines: &str) -> Result<Table, Failure> {
    let mut table = Table::new(&["line", "id", "candidate", "score", "win", "tokens"]);
    for line in lines.lines() {
        let value: Value = serde_json::from_str(line).map_err(|error| {
            Failure::environment(format!(
                "cannot read the worker's answer: {error} - `concord` and `concord-worker` may be of different versions - build both with `cargo build`"
            ))
        })?;
        let tokens = &value["tokens"];
        let row = |candidate: Value, score: Value, win: Value, tokens: Value| {
            vec![
                value["line"].clone(),
                value["id"].clone(),
                candidate,
                score,
                win,
                tokens,
            ]
        };
        match (value["win"].as_array(), value["scores"].as_array()) {
            (Some(win), Some(scores)) => {
                for (number, (chances, score)) in win.iter().zip(scores).enumerate() {
                    let against = mean_of_others(chances, number);
                    let tokens = tokens.get(number).cloned().unwrap_or_default();
                    table.row(row(json!(number), score.clone(), json!(against), tokens));
                }
            }
            (None, Some(_)) => {
                let scores = value["scores"].clone();
                table.row(row(Value::Null, scores, Value::Null, tokens.clone()));
            }
            _ => {
                let score = value["score"].clone();
                table.row(row(Value::Null, score, Value::Null, tokens.clone()));
            }
        }
    }
    Ok(table)
}

fn mean_of_others(chances: &Value, own: usize) -> Option<f64> {
    let chances = chances.as_array()?.iter().enumerate();
    let others: Vec<f64> = chances
        .filter(|(number, _)| *number != own)
        .filter_map(|(_, chance)| chance.as_f64())
        .collect();
    (!others.is_empty()).then(|| others.iter().sum::<f64>() / others.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_have_a_row_each_and_their_chance_against_the_others() {
        let lines = concat!(
            r#"{"line":1,"id":"a","score":1.5,"tokens":7}"#,
            "\n",
            r#"{"line":3,"scores":[2.0,1.0,0.0],"win":[[0.5,0.75,0.25],[0.25,0.5,0.5],[0.75,0.5,0.5]]}"#,
        );
        let rows = table(lines).expect("a table").to_json();
        assert_eq!(rows.as_array().map(Vec::len), Some(4));
        assert_eq!(rows[0]["score"], 1.5);
        assert_eq!(rows[0]["win"], Value::Null);
        assert_eq!(rows[1]["win"], 0.5);
        assert_eq!(rows[2]["win"], 0.375);
        assert_eq!(rows[3]["win"], 0.625);
        assert_eq!([&rows[1]["candidate"], &rows[3]["line"]], [0, 3]);
    }
}
