//! Search: what it costs beside its model. The example of the crate prints a JSON line for each
//! figure.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{Effort, Spread};
use crate::workspace;

/// Most microseconds of selection, ledger and log for a node of a tree of 10,000.
const MOST_MICROSECONDS: f64 = 50.0;
/// Most seconds of a replay of that tree.
const MOST_SECONDS: f64 = 2.0;

/// A JSON object for each figure: the median of the turns, with the ends.
pub fn measure(effort: &Effort) -> Result<Vec<Value>> {
    let built = workspace::cargo()
        .args(["build", "-p", "search", "--example", "search_speed"])
        .status()
        .context("starting cargo build")?;
    ensure!(
        built.success(),
        "the example of search was not built: see cargo's messages above"
    );
    let mut turns = Vec::new();
    for _ in 0..effort.turns {
        let output = Command::new(workspace::built("examples").join("search_speed"))
            .output()
            .context("starting search_speed")?;
        ensure!(
            output.status.success(),
            "search_speed failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        turns.push(
            text.lines()
                .map(|line| serde_json::from_str(line).context("reading search_speed's lines"))
                .collect::<Result<Vec<Value>>>()?,
        );
    }
    [
        ("node", "microseconds"),
        ("replay", "seconds"),
        ("questions", "per_second"),
    ]
    .into_iter()
    .map(|(measure, figure)| {
        let lines = turns.iter().flatten();
        let lines = lines.filter(|line| line["measure"] == measure);
        let values = lines.filter_map(|line| line[figure].as_f64()).collect();
        let spread = Spread::of(values).with_context(|| format!("no figure of {measure}"))?;
        Ok(json!({"measure": measure, "unit": figure, "value": spread.json()}))
    })
    .collect()
}

/// Prints the figures.
pub fn print(rows: &[Value]) {
    println!();
    for row in rows {
        println!(
            "search, {:<10} {:>12.2} {}",
            row["measure"].as_str().unwrap_or_default(),
            row["value"]["median"].as_f64().unwrap_or(f64::NAN),
            row["unit"].as_str().unwrap_or_default(),
        );
    }
    println!();
}

/// Holds the figures against their limits.
///
/// # Errors
/// All figures beyond their limits, in one sentence.
pub fn assert(rows: &[Value]) -> Result<()> {
    let mut beyond = Vec::new();
    for (measure, most) in [("node", MOST_MICROSECONDS), ("replay", MOST_SECONDS)] {
        let row = rows.iter().find(|row| row["measure"] == measure);
        match row.and_then(|row| row["value"]["median"].as_f64()) {
            Some(value) if value <= most => {}
            value => beyond.push(format!("{measure}: {value:?} - allowed: {most} or less")),
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

    #[test]
    fn figures_beyond_their_limits_are_told() {
        let rows = |node: f64, replay: f64| {
            [
                json!({"measure": "node", "value": {"median": node}}),
                json!({"measure": "replay", "value": {"median": replay}}),
            ]
        };
        assert(&rows(49.0, 1.9)).unwrap();
        let message = assert(&rows(51.0, 1.9)).unwrap_err().to_string();
        assert!(
            message.contains("node") && !message.contains("replay"),
            "{message}"
        );
        assert!(assert(&[]).is_err());
    }
}
