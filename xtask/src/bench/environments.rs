//! Environment steps under random actions: `concord env bench` and the Python package in turns.

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Effort, Spread, grouped};
use crate::workspace;

const MAPS: [&str; 2] = ["Foraging-8x8-2p-2f-v3", "Foraging-15x15-4p-5f-v3"];
const THREADS: [usize; 2] = [1, 2];

/// A JSON object for each map and number of threads.
pub fn measure(effort: &Effort, python: &Path) -> Result<Vec<Value>> {
    let script = workspace::root().join("xtask/bench/lbf_python.py");
    let mut rows = Vec::new();
    for map in MAPS {
        let mut ours: Vec<Vec<f64>> = vec![Vec::new(); THREADS.len()];
        let mut last = vec![Value::Null; THREADS.len()];
        let mut theirs = Vec::new();
        for turn in 1..=effort.turns {
            eprintln!("{map}: turn {turn} of {}", effort.turns);
            for (index, threads) in THREADS.iter().enumerate() {
                let mut command = Command::new(workspace::built("concord"));
                command.args(["env", "bench", "--env", map, "--format", "json"]);
                command.args(["--threads", &threads.to_string()]);
                let found = ask(command.args(["--seconds", &effort.seconds.to_string()]))?;
                ours[index].push(steps_per_second(&found)?);
                last[index] = found;
            }
            let mut command = Command::new(python);
            command.arg(&script).args(["--env", map]);
            // The environment sets these for old builds of OpenBLAS; numpy of today is slower so.
            command
                .env_remove("OPENBLAS_CORETYPE")
                .env_remove("OPENBLAS_L2_SIZE");
            let found = ask(command.args(["--seconds", &effort.seconds.to_string()]))?;
            theirs.push(steps_per_second(&found)?);
        }
        let theirs = Spread::of(theirs).expect("at least one turn");
        let single = Spread::of(ours[0].clone()).expect("at least one turn");
        for (index, threads) in THREADS.iter().enumerate() {
            let ours = Spread::of(ours[index].clone()).expect("at least one turn");
            rows.push(json!({
                "env": map,
                "threads": threads,
                "env_steps_per_second": ours.json(),
                "times_one_thread": ours.median / single.median,
                "environments": last[index]["environments"],
                "allocations_per_step": last[index]["allocations_per_step"],
                "bytes_written_per_step": last[index]["bytes_written_per_step"],
                "steps_per_second_of_writing_alone": writing_alone(&last[index]),
                "python_env_steps_per_second": theirs.json(),
                "times_python": ours.median / theirs.median,
            }));
        }
    }
    Ok(rows)
}

/// The floor on one core: steps per second if a step were nothing but writing its bytes, in a
/// buffer as large as the batch's. `None` where the measurement does not tell its bytes.
fn writing_alone(measured: &Value) -> Option<f64> {
    const LEAST_SECONDS: f64 = 0.2;
    let bytes = measured["bytes_written_per_step"].as_f64()?;
    let environments = measured["environments"].as_f64()?;
    let mut buffer = vec![0_u8; (bytes * environments) as usize];
    let start = Instant::now();
    let mut rounds = 0_u32;
    while start.elapsed().as_secs_f64() < LEAST_SECONDS {
        buffer.fill(black_box(rounds as u8));
        black_box(&mut buffer);
        rounds += 1;
    }
    Some(f64::from(rounds) * environments / start.elapsed().as_secs_f64())
}

/// Prints the rows as a table.
pub fn print(rows: &[Value]) {
    println!(
        "\n{:<26} {:>7} {:>14} {:>10} {:>11} {:>10} {:>14} {:>10} {:>8}",
        "environment",
        "threads",
        "env-steps/s",
        "x 1 thread",
        "allocs/step",
        "bytes/step",
        "writing alone",
        "Python's",
        "x Python"
    );
    for row in rows {
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        println!(
            "{:<26} {:>7} {:>14} {:>10.2} {:>11} {:>10} {:>14} {:>10} {:>8.0}",
            row["env"].as_str().unwrap_or_default(),
            row["threads"],
            grouped(number(&row["env_steps_per_second"]["median"])),
            number(&row["times_one_thread"]),
            format!("{:.4}", number(&row["allocations_per_step"])),
            row["bytes_written_per_step"].to_string(),
            grouped(number(&row["steps_per_second_of_writing_alone"])),
            grouped(number(&row["python_env_steps_per_second"]["median"])),
            number(&row["times_python"]),
        );
    }
}

/// Runs a command that prints one JSON object.
fn ask(command: &mut Command) -> Result<Value> {
    let name = command.get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting {name}"))?;
    ensure!(
        output.status.success(),
        "{name} ended with {}",
        output.status
    );
    serde_json::from_slice(&output.stdout).with_context(|| format!("reading what {name} printed"))
}

fn steps_per_second(found: &Value) -> Result<f64> {
    found["env_steps_per_second"]
        .as_f64()
        .with_context(|| format!("no env_steps_per_second in {found}"))
}
