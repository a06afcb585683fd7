//! The dashboard on large runs, and what it costs a training.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{Effort, Spread, grouped};
use crate::workspace;

mod screen;

use screen::Screen;

/// What the figures must keep to with `--assert`: a path in the result, the limit, the unit.
const LIMITS: [(&str, f64, &str); 9] = [
    ("/open/first_picture_seconds", 1.0, "s"),
    ("/frames/p99_milliseconds", 5.0, "ms"),
    ("/chat/writing/p99_milliseconds", 5.0, "ms"),
    ("/chat/walking/p99_milliseconds", 5.0, "ms"),
    ("/models/p99_milliseconds", 5.0, "ms"),
    ("/dashboard/peak_memory_megabytes", 150.0, "MB"),
    ("/dashboard/key_answered_seconds/median", 0.2, "s"),
    ("/first_screen_seconds/median", 0.1, "s"),
    ("/overhead/share/median", 0.01, "of the training's speed"),
];

const FOLDERS: u32 = 1_000;
/// Tokens of the answer that the chat shows.
const TOKENS: u32 = 10_000;
/// Models on the list.
const MODELS: u32 = 200;
const FEED_PER_SECOND: u32 = 1_000;
const FEED_SECONDS: u32 = 8;

/// One learner on one environment: all of its time is spent on the training's own threads.
const TRAINING: [&str; 3] = [
    "network.kind=\"feed_forward\"",
    "network.hidden_size=64",
    "evaluation.absolute_episodes=0",
];

/// All measurements, as one JSON object.
pub fn measure(effort: &Effort) -> Result<Value> {
    let folder = workspace::target_folder().join("bench-terminal");
    remove(&folder)?;
    fs::create_dir_all(&folder)?;
    let found = measure_in(&folder, effort);
    remove(&folder)?;
    found
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    Ok(())
}

fn measure_in(folder: &Path, effort: &Effort) -> Result<Value> {
    let load = build()?;
    let (events, pairs) = if effort.quick {
        (1_000_000_u32, 2)
    } else {
        (10_000_000, 7)
    };
    let (long, many) = (folder.join("long"), folder.join("many"));
    eprintln!("a run of {} events", grouped(f64::from(events)));
    let made = ask(Command::new(&load)
        .arg("make")
        .arg(&long)
        .arg(events.to_string()))?;
    let run = PathBuf::from(made["run"].as_str().context("no run was made")?);
    let open = ask(Command::new(&load).arg("open").arg(&run))?;
    let frames = ask(Command::new(&load).arg("frames").arg(&long))?;
    let chat = ask(Command::new(&load).args(["chat", &TOKENS.to_string()]))?;
    let models = ask(Command::new(&load).args(["models", &MODELS.to_string()]))?;
    let dashboard = on_a_long_run(&load, &long, &run)?;
    remove(&long)?;

    eprintln!("{FOLDERS} run folders");
    ask(Command::new(&load)
        .arg("folders")
        .arg(&many)
        .arg(FOLDERS.to_string()))?;
    let list = ask(Command::new(&load).arg("list").arg(&many))?;
    let first_screen = first_screens(&many, effort)?;
    remove(&many)?;
    let overhead = overhead(&folder.join("trained"), effort, pairs)?;
    Ok(json!({
        "open": open,
        "frames": frames,
        "chat": chat,
        "models": models,
        "dashboard": dashboard,
        "list": list,
        "first_screen_seconds": first_screen.json(),
        "overhead": overhead,
    }))
}

/// Builds what measures inside one process.
fn build() -> Result<PathBuf> {
    let status = workspace::cargo()
        .args(["build", "--package", "tui", "--example", "terminal_load"])
        .status()
        .context("starting cargo build")?;
    ensure!(status.success(), "terminal_load was not built");
    Ok(workspace::target_folder().join("debug/examples/terminal_load"))
}

/// Memory and answers of the dashboard while a long run is open and grows.
fn on_a_long_run(load: &Path, root: &Path, run: &Path) -> Result<Value> {
    let mut screen = Screen::open(&workspace::built("concord"), root)?;
    let listed = screen.until("train/return")?;
    let mut feed = Command::new(load)
        .arg("feed")
        .arg(run)
        .args([FEED_PER_SECOND.to_string(), FEED_SECONDS.to_string()])
        .stdout(Stdio::null())
        .spawn()
        .context("starting terminal_load")?;
    // The log is being read to its end at first, and grows all the time.
    let mut answers = Vec::new();
    while feed.try_wait()?.is_none() {
        answers.push(screen.answer("?", "Everywhere")?);
        screen.answer("?", "Logs")?;
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let peak = screen.peak_memory()?;
    screen.close()?;
    let slowest = answers.iter().copied().fold(0.0, f64::max);
    let count = answers.len();
    let answers = Spread::of(answers).context("no key was answered")?;
    Ok(json!({
        "curves_shown_seconds": listed,
        "fed_events_per_second": FEED_PER_SECOND,
        "keys": count,
        "key_answered_seconds": answers.json(),
        "slowest_answer_seconds": slowest,
        "peak_memory_megabytes": peak as f64 / 1e6,
    }))
}

/// Seconds from the start of the process to the list of runs, again and again.
fn first_screens(root: &Path, effort: &Effort) -> Result<Spread> {
    let mut seconds = Vec::new();
    for _ in 0..(effort.turns * 3).max(3) {
        let screen = Screen::open(&workspace::built("concord"), root)?;
        seconds.push(screen.until(&format!("{FOLDERS} runs"))?);
        screen.close()?;
    }
    Spread::of(seconds).context("at least one start")
}

/// Trains with and without a dashboard that shows it, in turns.
fn overhead(folder: &Path, effort: &Effort, pairs: usize) -> Result<Value> {
    let (mut with, mut without, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..pairs {
        eprintln!("training beside a dashboard: pair {} of {pairs}", pair + 1);
        // Which one comes first changes from pair to pair: a warm machine favours nobody.
        let first = train(folder, effort, pair % 2 == 0)?;
        let second = train(folder, effort, pair % 2 == 1)?;
        let (watched, alone) = if pair % 2 == 0 {
            (first, second)
        } else {
            (second, first)
        };
        shares.push(1.0 - watched / alone);
        with.push(watched);
        without.push(alone);
    }
    let shares = Spread::of(shares).context("at least one pair")?;
    Ok(json!({
        "pairs": pairs,
        // The median lies between the extremes of n pairs with this probability.
        "interval_probability": 1.0 - 0.5_f64.powi(pairs as i32 - 1),
        "share": shares.json(),
        "env_steps_per_second_with": Spread::of(with).map(|spread| spread.json()),
        "env_steps_per_second_without": Spread::of(without).map(|spread| spread.json()),
    }))
}

/// Steps per second of one training.
fn train(folder: &Path, effort: &Effort, watched: bool) -> Result<f64> {
    remove(folder)?;
    fs::create_dir_all(folder)?;
    let total = if effort.quick { 40_000 } else { 300_000 };
    let screen = watched
        .then(|| Screen::open(&workspace::built("concord"), folder))
        .transpose()?;
    let mut command = Command::new(workspace::built("concord"));
    command
        .args(["train", "iql-epymarl", "--ui", "none", "--run-dir"])
        .arg(folder)
        .args(["--set", &format!("total_steps={total}")])
        .args(["--set", &format!("evaluation.interval_steps={total}")])
        .args(["--set", &format!("checkpoint.interval_steps={total}")]);
    for setting in TRAINING {
        command.args(["--set", setting]);
    }
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("starting concord")?;
    ensure!(
        output.status.success(),
        "the training ended with {}:\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    if let Some(screen) = screen {
        screen.close()?;
    }
    let run = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.join("events.jsonl").is_file())
        .context("the training left no run")?;
    let events = fs::read_to_string(run.join("events.jsonl"))?;
    super::training::rate_of_events(&events).context("the training tells no rate")
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

/// Prints the figures beside their limits.
pub fn print(found: &Value) {
    println!("\n{:<44} {:>12} {:>12}", "terminal", "measured", "limit");
    for (path, limit, unit) in LIMITS {
        let value = found.pointer(path).and_then(Value::as_f64);
        let shown = value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
        let name = path.trim_start_matches('/').replace('/', " ");
        println!("{name:<44} {shown:>12} {limit:>12} {unit}");
    }
    let number = |path: &str| found.pointer(path).and_then(Value::as_f64);
    for (name, path) in [
        ("whole log read, s", "/open/whole_seconds"),
        ("events/s, read and thinned", "/open/events_per_second"),
        (
            "events/s, parsed by hand",
            "/open/events_per_second_parsed_by_hand",
        ),
        (
            "events/s, parsed by serde",
            "/open/events_per_second_parsed_by_serde",
        ),
    ] {
        let value = number(path).map_or_else(
            || "-".to_owned(),
            |value| {
                if value < 1000.0 {
                    format!("{value:.3}")
                } else {
                    grouped(value)
                }
            },
        );
        println!("{name:<44} {value:>12}");
    }
}

/// Fails on a figure that is missing or beyond its limit, naming all of them.
pub fn assert(found: &Value) -> Result<()> {
    let beyond = beyond_limits(found);
    if !beyond.is_empty() {
        bail!("beyond the limits of the terminal:\n{}", beyond.join("\n"));
    }
    Ok(())
}

fn beyond_limits(found: &Value) -> Vec<String> {
    LIMITS
        .iter()
        .filter_map(|(path, limit, unit)| {
            let name = path.trim_start_matches('/');
            match found.pointer(path).and_then(Value::as_f64) {
                Some(value) if value <= *limit => None,
                Some(value) => Some(format!("  {name}: {value:.4} {unit} - at most {limit}")),
                None => Some(format!("  {name}: not measured")),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_beyond_their_limits_and_missing_ones_are_named() {
        let mut found = json!({
            "open": {"first_picture_seconds": 0.02},
            "frames": {"p99_milliseconds": 2.5},
            "chat": {
                "writing": {"p99_milliseconds": 1.5},
                "walking": {"p99_milliseconds": 1.5},
            },
            "models": {"p99_milliseconds": 1.5},
            "dashboard": {
                "peak_memory_megabytes": 60.0,
                "key_answered_seconds": {"median": 0.05},
            },
            "first_screen_seconds": {"median": 0.08},
            "overhead": {"share": {"median": -0.002}},
        });
        assert_eq!(beyond_limits(&found), Vec::<String>::new());
        found["frames"]["p99_milliseconds"] = json!(7.25);
        found["overhead"] = Value::Null;
        assert_eq!(
            beyond_limits(&found),
            [
                "  frames/p99_milliseconds: 7.2500 ms - at most 5",
                "  overhead/share/median: not measured"
            ]
        );
    }
}
