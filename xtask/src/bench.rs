//! `cargo xtask bench`: our speed beside the Python peers', measured in one run.
//!
//! Results go to `docs/data/bench-<name>.json` with a description of the machine. Peers take turns
//! with ours, several times, so that a busy moment does not hit one side alone.

mod environments;
mod finetune;
mod machine;
mod models;
mod search;
mod terminal;
mod training;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{parity, setup, workspace};

/// A load average above this is told before measuring.
const BUSY_LOAD: f64 = 0.5;

/// How long and how often is measured.
struct Effort {
    /// Seconds of one environment measurement.
    seconds: f64,
    /// Turns that each side gets; the median counts.
    turns: usize,
    quick: bool,
    /// Whether a figure beyond its limit is an error.
    assert: bool,
    /// The machine's load averages from before: what else it had to do.
    load_before: Vec<f64>,
}

/// A checkout of EPyMARL that the user supplies, and the interpreter that can run it.
struct Peer {
    checkout: PathBuf,
    python: String,
}

/// Runs the benchmarks: all, or those named.
pub fn command(arguments: &[String]) -> Result<ExitCode> {
    let mut effort = Effort {
        seconds: 3.0,
        turns: 3,
        quick: false,
        assert: false,
        load_before: Vec::new(),
    };
    let mut checkout = None;
    let mut models_python = None;
    let mut python = "python3".to_owned();
    let mut names: Vec<&str> = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--quick" => {
                effort.seconds = 0.5;
                effort.turns = 1;
                effort.quick = true;
            }
            "--assert" => effort.assert = true,
            "--epymarl" => {
                let folder = rest
                    .next()
                    .context("--epymarl needs the folder of a checkout")?;
                checkout = Some(PathBuf::from(folder));
            }
            "--epymarl-python" => {
                python.clone_from(
                    rest.next()
                        .context("--epymarl-python needs an interpreter")?,
                );
            }
            // An interpreter with torch and transformers, instead of the parity environment.
            "--models-python" => {
                let file = rest
                    .next()
                    .context("--models-python needs an interpreter")?;
                models_python = Some(PathBuf::from(file));
            }
            "environments" | "training" | "terminal" | "models" | "finetune" | "search" => {
                names.push(argument);
            }
            other => bail!(
                "unknown option of bench: {other} - allowed: environments, training, terminal, \
                 models, finetune, search, --quick, --assert, --models-python FILE, --epymarl DIR, \
                 --epymarl-python FILE"
            ),
        }
    }
    let peer = checkout.map(|checkout| Peer { checkout, python });
    if let Some(peer) = &peer
        && !peer.checkout.join("src/main.py").is_file()
    {
        bail!(
            "no EPyMARL checkout: {} has no src/main.py",
            peer.checkout.display()
        );
    }
    setup::ensure()?;
    workspace::build_binaries()?;
    effort.load_before = machine::load_averages();
    if let Some(load) = effort.load_before.first().filter(|load| **load > BUSY_LOAD) {
        eprintln!("warning: the machine is busy (load {load}), the figures will be low and uneven");
    }
    let wanted = |name| names.is_empty() || names.contains(&name);
    if wanted("environments") {
        let python = parity::environment::python()?;
        let rows = environments::measure(&effort, &python)?;
        environments::print(&rows);
        save("environments", &effort, &json!(rows))?;
    }
    if wanted("training") {
        let rows = training::measure(&effort, peer.as_ref())?;
        training::print(&rows);
        save("training", &effort, &json!(rows))?;
    }
    if wanted("terminal") {
        let found = terminal::measure(&effort)?;
        terminal::print(&found);
        save("terminal", &effort, &found)?;
        if effort.assert {
            terminal::assert(&found)?;
        }
    }
    let python = || match &models_python {
        Some(python) => Ok(python.clone()),
        None => parity::environment::python(),
    };
    if wanted("models") {
        let python = python()?;
        let rows = models::measure(&effort, &python)?;
        models::print(&rows);
        save("models", &effort, &json!(rows))?;
        if effort.assert {
            models::assert(&rows)?;
        }
    }
    if wanted("finetune") {
        let rows = finetune::measure(&effort, &python()?)?;
        finetune::print(&rows);
        save("finetune", &effort, &json!(rows))?;
        if effort.assert {
            finetune::assert(&rows)?;
        }
    }
    if wanted("search") {
        let rows = search::measure(&effort)?;
        search::print(&rows);
        save("search", &effort, &json!(rows))?;
        if effort.assert {
            search::assert(&rows)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes `docs/data/bench-<name>.json`; a quick run is not worth keeping.
fn save(name: &str, effort: &Effort, rows: &Value) -> Result<()> {
    if effort.quick {
        println!("(--quick: docs/data/bench-{name}.json is left as it was)\n");
        return Ok(());
    }
    let folder = workspace::root().join("docs/data");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("bench-{name}.json"));
    let record = json!({
        "command": format!("cargo xtask bench {name}"),
        "machine": machine::describe(&effort.load_before),
        "turns": effort.turns,
        "results": rows,
    });
    fs::write(&path, serde_json::to_string_pretty(&record)? + "\n")
        .with_context(|| format!("writing {}", path.display()))?;
    println!("written: docs/data/bench-{name}.json\n");
    Ok(())
}

/// The middle one of some measurements, and the smallest and the largest.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    /// `None` for no measurement.
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let upper = values.len() / 2;
        let lower = (values.len() - 1) / 2;
        let median = f64::midpoint(values[lower], values[upper]);
        Some(Self {
            median,
            least,
            most,
        })
    }

    fn json(&self) -> Value {
        json!({"median": self.median, "min": self.least, "max": self.most})
    }
}

/// `12345678.9` as `12 345 679`.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_ends_are_told() {
        let spread = Spread::of(vec![5.0, 1.0, 3.0]).unwrap();
        assert_eq!(
            spread,
            Spread {
                median: 3.0,
                least: 1.0,
                most: 5.0
            }
        );
        assert_eq!(Spread::of(vec![2.0, 4.0]).unwrap().median, 3.0);
        assert_eq!(Spread::of(vec![]), None);
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(grouped(12_345_678.9), "12 345 679");
        assert_eq!(grouped(999.0), "999");
        assert_eq!(grouped(1000.0), "1 000");
    }
}
