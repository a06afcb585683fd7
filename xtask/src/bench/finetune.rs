//! Fine-tuning: an update of `sppo_hard` and a whole iteration beside TRL and a bare PyTorch loop.
//! The script alternates the sides and prints a JSON line for each figure.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Effort, grouped};
use crate::workspace;

/// Least times TRL's speed that `--assert` accepts: of an update, and of an iteration.
const LEAST_UPDATE: f64 = 1.8;
const LEAST_ITERATION: f64 = 3.0;

/// A JSON object for each figure.
pub fn measure(effort: &Effort, python: &Path) -> Result<Vec<Value>> {
    let built = workspace::cargo()
        .args(["build", "-p", "alignment", "--example", "preference_speed"])
        .status()
        .context("starting cargo build")?;
    ensure!(
        built.success(),
        "the example of alignment was not built: see cargo's messages above"
    );
    let rounds = if effort.quick { "1" } else { "7" };
    let mut rows = Vec::new();
    for threads in ["1", "2"] {
        eprintln!("finetune_speed.py: {rounds} turns, {threads} thread(s)");
        let output = Command::new(python)
            .arg(workspace::root().join("xtask/parity/finetune_speed.py"))
            .arg(workspace::built("examples").join("preference_speed"))
            .args([threads, rounds])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("starting {}", python.display()))?;
        ensure!(
            output.status.success(),
            "finetune_speed.py failed: see its messages above"
        );
        let text = String::from_utf8_lossy(&output.stdout);
        for line in text.lines() {
            rows.push(
                serde_json::from_str(line).with_context(|| format!("finetune_speed.py: {line}"))?,
            );
        }
    }
    Ok(rows)
}

/// The least that a figure may be.
fn least(row: &Value) -> f64 {
    if row["measure"] == "finetune update" {
        LEAST_UPDATE
    } else {
        LEAST_ITERATION
    }
}

/// Prints the figures as a table.
pub fn print(rows: &[Value]) {
    println!(
        "\n{:<30} {:>10} {:>10} {:>10} {:>9} {:>9}",
        "fine-tuning, ms", "TRL", "PyTorch", "ours", "x TRL", "x PyTorch"
    );
    let number = |value: &Value| value.as_f64().map_or_else(|| "-".to_owned(), grouped);
    let times = |value: &Value| {
        value
            .as_f64()
            .map_or_else(|| "-".to_owned(), |times| format!("{times:.2}"))
    };
    for row in rows {
        println!(
            "{:<30} {:>10} {:>10} {:>10} {:>9} {:>9}",
            format!(
                "{}, {} thread(s)",
                row["measure"].as_str().unwrap_or_default(),
                row["threads"]
            ),
            number(&row["trl_ms"]),
            number(&row["bare_ms"]),
            number(&row["ours_ms"]),
            times(&row["times_trl"]),
            times(&row["times_bare"]),
        );
        println!(
            "{:<30} {:>10} {:>10} {:>10}",
            "  peak memory, MB",
            number(&row["trl_peak_mb"]),
            number(&row["bare_peak_mb"]),
            number(&row["ours_peak_mb"]),
        );
    }
    println!();
}

/// Holds the figures against their limits.
///
/// # Errors
/// TRL was not there; all figures beyond their limits, in one sentence.
pub fn assert(rows: &[Value]) -> Result<()> {
    let mut beyond = Vec::new();
    for row in rows {
        let limit = least(row);
        match row["times_trl"].as_f64() {
            None => bail!(
                "TRL was not measured - name an interpreter that has it: --models-python FILE (pip \
                 install trl==1.16.0 datasets)"
            ),
            Some(times) if times < limit => beyond.push(format!(
                "times_trl {times} of {row} - allowed: {limit} or more"
            )),
            Some(_) => {}
        }
    }
    if !beyond.is_empty() {
        bail!("{}", beyond.join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_beyond_their_limits_are_told() {
        let update = |times: f64| json!({"measure": "finetune update", "times_trl": times});
        let iteration = |times: f64| json!({"measure": "finetune iteration", "times_trl": times});
        assert(&[update(1.9), iteration(3.1)]).unwrap();
        let message = assert(&[update(1.7), iteration(2.9)])
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("times_trl 1.7") && message.contains("allowed: 3 or more"),
            "{message}"
        );
        let message = assert(&[json!({"measure": "finetune update"})])
            .unwrap_err()
            .to_string();
        assert!(message.contains("--models-python"), "{message}");
    }
}
