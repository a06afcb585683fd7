//! Environment steps while training: ours, and EPyMARL's with the same networks, batch and updates.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Effort, Peer, Spread, grouped};
use crate::workspace;

/// Before this many steps neither side has a full batch: nothing is learnt yet.
const WARM_UP_STEPS: u64 = 2_000;

/// One network, as both sides are told to train it. Presets named after EPyMARL are its
/// configurations, value for value.
struct Case {
    name: &'static str,
    preset: &'static str,
    /// EPyMARL's configuration; none where there is nothing to compare with.
    peer: Option<&'static str>,
    ours: &'static [&'static [&'static str]],
    theirs: &'static [&'static str],
    /// Steps of a whole measurement: ours are more, because they pass faster.
    our_steps: u64,
    their_steps: u64,
}

/// One environment, one update for each episode.
const IQL: &str = "iql-epymarl";
const MAP: &str = "lbforaging:Foraging-8x8-2p-2f-coop-v3";

/// Environments side by side, acting and learning at once, a batch cut over two threads: what
/// the fast presets do. Networks, batch and updates per episode stay those of the peer.
const PARALLEL: [&str; 3] = [
    "runtime.environments_per_actor=32",
    "runtime.learner_shards=2",
    "runtime.mode={kind=\"lockstep\",lag_rounds=1}",
];

const FEED_FORWARD: [&str; 2] = ["network.kind=\"feed_forward\"", "network.hidden_size=64"];
const GRU: [&str; 2] = ["network.kind=\"gru\"", "network.hidden_size=128"];

const CASES: [Case; 8] = [
    Case {
        name: "feed-forward 64, 32 environments",
        preset: IQL,
        peer: Some("iql"),
        ours: &[&FEED_FORWARD, &PARALLEL],
        theirs: &["use_rnn=False", "hidden_dim=64"],
        our_steps: 400_000,
        their_steps: 12_000,
    },
    Case {
        name: "feed-forward 64, 1 environment",
        preset: IQL,
        peer: Some("iql"),
        ours: &[&FEED_FORWARD],
        theirs: &["use_rnn=False", "hidden_dim=64"],
        our_steps: 200_000,
        their_steps: 12_000,
    },
    Case {
        name: "GRU 128, 32 environments",
        preset: IQL,
        peer: Some("iql"),
        ours: &[&GRU, &PARALLEL],
        theirs: &["use_rnn=True", "hidden_dim=128"],
        our_steps: 60_000,
        their_steps: 8_000,
    },
    Case {
        name: "GRU 128, 1 environment",
        preset: IQL,
        peer: Some("iql"),
        ours: &[&GRU],
        theirs: &["use_rnn=True", "hidden_dim=128"],
        our_steps: 30_000,
        their_steps: 8_000,
    },
    Case {
        name: "VDN, feed-forward 64, 32 environments",
        preset: "vdn-epymarl",
        peer: Some("vdn"),
        ours: &[&PARALLEL],
        theirs: &[],
        our_steps: 400_000,
        their_steps: 12_000,
    },
    Case {
        name: "QMIX, feed-forward 64, 32 environments",
        preset: "qmix-epymarl",
        peer: Some("qmix"),
        ours: &[&PARALLEL],
        theirs: &[],
        our_steps: 200_000,
        their_steps: 12_000,
    },
    Case {
        name: "MAPPO, GRU 128, 10 environments",
        preset: "mappo-epymarl",
        peer: Some("mappo"),
        ours: &[&["runtime.learner_shards=2"]],
        theirs: &[],
        our_steps: 100_000,
        their_steps: 12_000,
    },
    Case {
        name: "MAPPO, feed-forward 128, 256 environments",
        preset: "mappo-lbf-coop",
        peer: None,
        ours: &[],
        theirs: &[],
        our_steps: 500_000,
        their_steps: 0,
    },
];

/// A JSON object for each case; EPyMARL's part is null without a checkout.
pub fn measure(effort: &Effort, peer: Option<&Peer>) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for case in &CASES {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for turn in 1..=effort.turns {
            eprintln!("{}: turn {turn} of {}", case.name, effort.turns);
            ours.push(train(case, effort)?);
            if let Some((peer, algorithm)) = peer.zip(case.peer) {
                theirs.push(train_peer(case, algorithm, effort, peer)?);
            }
        }
        let ours = Spread::of(ours).expect("at least one turn");
        let theirs = Spread::of(theirs);
        rows.push(json!({
            "case": case.name,
            "preset": case.preset,
            "settings": case.ours.concat(),
            "env_steps_per_second": ours.json(),
            "epymarl_env_steps_per_second": theirs.map(|spread| spread.json()),
            "times_epymarl": theirs.map(|spread| ours.median / spread.median),
        }));
    }
    Ok(rows)
}

/// Prints the rows as a table.
pub fn print(rows: &[Value]) {
    println!(
        "\n{:<34} {:>14} {:>14} {:>10}",
        "training", "env-steps/s", "EPyMARL's", "x EPyMARL"
    );
    for row in rows {
        let number = |value: &Value| value.as_f64().map_or_else(|| "-".to_owned(), grouped);
        println!(
            "{:<34} {:>14} {:>14} {:>10}",
            row["case"].as_str().unwrap_or_default(),
            number(&row["env_steps_per_second"]["median"]),
            number(&row["epymarl_env_steps_per_second"]["median"]),
            row["times_epymarl"]
                .as_f64()
                .map_or_else(|| "-".to_owned(), |times| format!("{times:.1}")),
        );
    }
}

fn steps(whole: u64, effort: &Effort) -> u64 {
    if effort.quick {
        (whole / 4).max(2 * WARM_UP_STEPS)
    } else {
        whole
    }
}

/// Trains with `concord` and reads the rate off the run's events.
fn train(case: &Case, effort: &Effort) -> Result<f64> {
    let folder = workspace::target_folder().join("bench");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let total = steps(case.our_steps, effort);
    let mut command = Command::new(workspace::built("concord"));
    command
        .args(["train", case.preset, "--ui", "none", "--run-dir"])
        .arg(&folder);
    command.args(["--set", &format!("total_steps={total}")]);
    command.args(["--set", "logging.interval_updates=10"]);
    // Neither side evaluates or saves while it is timed.
    command.args(["--set", &format!("evaluation.interval_steps={total}")]);
    command.args(["--set", "evaluation.absolute_episodes=0"]);
    command.args(["--set", &format!("checkpoint.interval_steps={total}")]);
    for setting in case.ours.concat() {
        command.args(["--set", setting]);
    }
    let output = command
        .current_dir(&folder)
        .output()
        .context("starting concord")?;
    ensure!(
        output.status.success(),
        "`concord train {}` ended with {}:\n{}",
        case.preset,
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let run = fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.join("events.jsonl").is_file())
        .with_context(|| format!("no run was left in {}", folder.display()))?;
    let events =
        fs::read_to_string(run.join("events.jsonl")).context("reading the run's events")?;
    rate_of_events(&events).with_context(|| {
        format!(
            "{} tells no rate after the first {WARM_UP_STEPS} steps",
            run.display()
        )
    })
}

/// The scalar whose points are taken; its value is the rate since the point before.
const RATE: &str = "runtime/env_steps_per_second";

/// Steps per second between the first point after the warm-up and the last, from `events.jsonl`.
pub(super) fn rate_of_events(text: &str) -> Option<f64> {
    let mut points = text.lines().filter_map(|line| {
        let event: Value = serde_json::from_str(line).ok()?;
        let counts =
            event["kind"] == "scalar" && event["axis"] == "env_steps" && event["name"] == RATE;
        if !counts {
            return None;
        }
        Some((event["step"].as_u64()?, event["time"].as_f64()?))
    });
    let (first_step, first_time) = points.find(|(step, _)| *step >= WARM_UP_STEPS)?;
    let (last_step, last_time) = points.next_back()?;
    let seconds = last_time - first_time;
    (last_step > first_step && seconds > 0.0).then(|| (last_step - first_step) as f64 / seconds)
}

/// Trains with EPyMARL and times the progress lines of its log.
fn train_peer(case: &Case, algorithm: &str, effort: &Effort, peer: &Peer) -> Result<f64> {
    let total = steps(case.their_steps, effort);
    let never = "1000000000";
    let mut command = Command::new(&peer.python);
    command
        .arg("src/main.py")
        .arg(format!("--config={algorithm}"))
        .args(["--env-config=gymma", "with"])
        .args(["env_args.time_limit=50", &format!("env_args.key={MAP}")])
        .args([&format!("t_max={total}"), "use_cuda=False", "seed=1"])
        .args([
            &format!("test_interval={never}"),
            "test_nepisode=1",
            "log_interval=1000",
        ])
        .args(case.theirs)
        .current_dir(&peer.checkout)
        // Small networks are faster on one thread; ours are given one too.
        .env("OMP_NUM_THREADS", "1")
        .env("MKL_NUM_THREADS", "1")
        .env_remove("OPENBLAS_CORETYPE")
        .env_remove("OPENBLAS_L2_SIZE")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("starting {}", peer.python))?;
    let log = BufReader::new(child.stderr.take().expect("stderr was asked to be piped"));
    let mut points: Vec<(u64, Instant)> = Vec::new();
    let mut tail = Vec::new();
    for line in log.lines() {
        let line = line?;
        if let Some(step) = step_of_line(&line).filter(|step| *step >= WARM_UP_STEPS) {
            points.push((step, Instant::now()));
        }
        tail.push(line);
        if tail.len() > 8 {
            tail.remove(0);
        }
    }
    let status = child.wait()?;
    ensure!(
        status.success(),
        "EPyMARL in {} ended with {status}; its last lines:\n{}",
        Path::new(&peer.checkout).display(),
        tail.join("\n")
    );
    let (first, last) = points
        .first()
        .zip(points.last())
        .context("EPyMARL reported no progress")?;
    let seconds = last.1.duration_since(first.1).as_secs_f64();
    ensure!(
        last.0 > first.0 && seconds > 0.0,
        "EPyMARL reported progress only once"
    );
    Ok((last.0 - first.0) as f64 / seconds)
}

/// The number after `t_env:` in a line such as `Recent Stats | t_env:  10050 | Episode: 201`.
fn step_of_line(line: &str) -> Option<u64> {
    let (_, after) = line.split_once("t_env:")?;
    after.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_leaves_out_the_warm_up() {
        let event = |name: &str, axis: &str, step: u64, time: f64| {
            json!({"v": 1, "time": time, "kind": "scalar", "name": name, "value": 0.5,
                   "axis": axis, "step": step})
            .to_string()
        };
        let text = [
            event(RATE, "env_steps", 100, 0.0),
            event(RATE, "env_steps", 2_000, 10.0),
            event(RATE, "learner_updates", 7, 11.0),
            event(RATE, "env_steps", 5_000, 12.0),
            event("evaluation/return", "env_steps", 5_000, 99.0),
            "{\"half".into(),
        ]
        .join("\n");
        assert_eq!(rate_of_events(&text), Some(1_500.0));
        assert_eq!(rate_of_events(""), None);
    }

    #[test]
    fn progress_lines_of_the_peer_are_read() {
        let line = "[INFO 10:00:00] my_main Recent Stats | t_env:      10050 | Episode:      201";
        assert_eq!(step_of_line(line), Some(10_050));
        assert_eq!(
            step_of_line("[INFO 10:00:00] my_main t_env: 50 / 20000"),
            Some(50)
        );
        assert_eq!(step_of_line("Beginning training for 20000 timesteps"), None);
    }
}
