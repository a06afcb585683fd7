//! Language models: generation beside `transformers`, training passes beside a bare PyTorch
//! loop. The scripts alternate the two sides and print a JSON line for each figure.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Effort, grouped};
use crate::workspace;

/// Least times the peer's speed that `--assert` accepts.
const LEAST_GENERATION: f64 = 5.0;
const LEAST_TRAINING: f64 = 1.0;
/// Most times the floor of a training pass, LibTorch's matrix products alone.
const MOST_OF_FLOOR: f64 = 1.15;

/// A JSON object for each figure.
pub fn measure(effort: &Effort, python: &Path) -> Result<Vec<Value>> {
    let built = workspace::cargo()
        .args([
            "build",
            "-p",
            "lm",
            "--example",
            "speed",
            "--example",
            "train_speed",
        ])
        .status()
        .context("starting cargo build")?;
    ensure!(
        built.success(),
        "the examples of lm were not built: see cargo's messages above"
    );
    let rounds = if effort.quick { "1" } else { "7" };
    let mut rows = Vec::new();
    for (script, example, threads) in [
        ("lm_speed.py", "speed", "1"),
        ("lm_train_speed.py", "train_speed", "1"),
        ("lm_train_speed.py", "train_speed", "2"),
    ] {
        eprintln!("{script}: {rounds} turns, {threads} thread(s)");
        let output = Command::new(python)
            .arg(workspace::root().join("xtask/parity").join(script))
            .arg(workspace::built("examples").join(example))
            .args([threads, rounds])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("starting {}", python.display()))?;
        ensure!(
            output.status.success(),
            "{script} failed: see its messages above"
        );
        let text = String::from_utf8_lossy(&output.stdout);
        for line in text.lines() {
            rows.push(serde_json::from_str(line).with_context(|| format!("{script}: {line}"))?);
        }
    }
    Ok(rows)
}

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().unwrap_or(f64::NAN)
}

fn is_generation(row: &Value) -> bool {
    row["measure"] == "generation"
}

/// Prints the figures as two tables.
pub fn print(rows: &[Value]) {
    println!(
        "\n{:<26} {:>12} {:>12} {:>7} {:>10} {:>10}",
        "generation, tokens/s", "transformers", "ours", "times", "step, us", "floor, us"
    );
    for row in rows.iter().filter(|row| is_generation(row)) {
        println!(
            "{:<26} {:>12} {:>12} {:>7.1} {:>10.0} {:>10.0}",
            format!("{} rows, {} thread(s)", row["rows"], row["threads"]),
            grouped(number(row, "transformers")),
            grouped(number(row, "ours")),
            number(row, "times"),
            number(row, "microseconds_per_step"),
            number(row, "microseconds_of_reading_the_weights"),
        );
    }
    println!(
        "\n{:<26} {:>12} {:>12} {:>7} {:>10} {:>10}",
        "training pass, ms", "PyTorch", "ours", "times", "floor", "of floor"
    );
    for row in rows.iter().filter(|row| !is_generation(row)) {
        println!(
            "{:<26} {:>12.0} {:>12.0} {:>7.2} {:>10.0} {:>10.2}",
            format!("{} thread(s)", row["threads"]),
            number(row, "pytorch_ms"),
            number(row, "ours_ms"),
            number(row, "times_pytorch"),
            number(row, "floor_ms"),
            number(row, "of_floor"),
        );
    }
    println!();
}

/// Holds the figures against their limits.
///
/// # Errors
/// All figures beyond theirs, in one sentence.
pub fn assert(rows: &[Value]) -> Result<()> {
    let mut beyond = Vec::new();
    for row in rows {
        let mut least = |key: &str, limit: f64| {
            let found = number(row, key);
            if found.is_nan() || found < limit {
                beyond.push(format!("{key} {found} of {row} - allowed: {limit} or more"));
            }
        };
        if is_generation(row) {
            least("times", LEAST_GENERATION);
        } else {
            least("times_pytorch", LEAST_TRAINING);
            let found = number(row, "of_floor");
            if found.is_nan() || found > MOST_OF_FLOOR {
                beyond.push(format!(
                    "of_floor {found} of {row} - allowed: {MOST_OF_FLOOR} or less"
                ));
            }
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
        let good = json!({"measure": "generation", "times": 6.0});
        let training = json!({"measure": "training", "times_pytorch": 1.4, "of_floor": 0.9});
        assert(&[good, training]).unwrap();
        let slow = json!({"measure": "generation", "times": 4.9});
        let far = json!({"measure": "training", "times_pytorch": 1.4, "of_floor": 1.2});
        let message = assert(&[slow, far]).unwrap_err().to_string();
        assert!(
            message.contains("times 4.9") && message.contains("of_floor 1.2"),
            "{message}"
        );
        assert(&[json!({"measure": "generation"})]).unwrap_err();
    }
}
