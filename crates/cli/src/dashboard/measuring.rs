//! Accuracy of a run's language model on made-up problems, measured by the command in a process of its own.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::arguments::Global;
use crate::failure::Failure;
use crate::program;

/// Measures; a line for each way in which it was asked to think.
///
/// # Errors
/// The command cannot be started, or refuses; its own words.
pub(super) fn measure(global: &Global, root: &Path, id: &str) -> Result<Vec<String>, Failure> {
    let failed = |error: std::io::Error| Failure::environment(error.to_string());
    let output = program::command(root, global.worker.as_deref())
        .map_err(failed)?
        .arg("eval")
        .arg(root.join(id))
        .args(["--problems", "arithmetic", "--format", "json"])
        .stdin(Stdio::null())
        .output()
        .map_err(failed)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("it said nothing");
        return Err(Failure::environment(last.trim_start_matches("error: ")));
    }
    let results: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| failed(error.into()))?;
    Ok(told(&results))
}

/// Its results in words.
fn told(results: &Value) -> Vec<String> {
    let summaries = results["summaries"].as_array();
    let summaries = summaries.into_iter().flatten();
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    summaries
        .map(|one| {
            let accuracy = &one["accuracy"];
            let thinking = match one["thinking"].as_bool() {
                Some(true) => "thinking on: ",
                Some(false) => "thinking off: ",
                None => "",
            };
            format!(
                "{thinking}accuracy {:.3} [{:.3}, {:.3}], {} problems x {}, answers of {:.1} tokens",
                number(&accuracy["estimate"]),
                number(&accuracy["low"]),
                number(&accuracy["high"]),
                one["problems"],
                one["samples"],
                number(&one["answer_tokens"]),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_are_a_line_for_each_way_of_thinking() {
        let accuracy = json!({"estimate": 0.3625, "low": 0.3275, "high": 0.3985});
        let one = |thinking: Value| json!({"thinking": thinking, "accuracy": accuracy, "problems": 500, "samples": 4, "answer_tokens": 8.43});
        let lines = told(&json!({"summaries": [one(json!(false)), one(Value::Null)]}));
        let said = "accuracy 0.362 [0.328, 0.399], 500 problems x 4, answers of 8.4 tokens";
        assert_eq!(lines, [format!("thinking off: {said}"), said.to_owned()]);
    }
}
