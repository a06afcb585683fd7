//! Writes runs that hold everything a run can hold, for the checks in `xtask/parity`.
//!
//! `cargo run -p tracking --example write_run -- FOLDER` makes two algorithms of three
//! seeds each under FOLDER, with `marl_eval.json`, `episodes.csv`, `evaluations.csv` and
//! `scalars.csv` beside them, and prints the folder of each run.

#![allow(clippy::print_stdout, reason = "prints what it wrote")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;

use tracking::event::HyperParameter;
use tracking::export::{RunRecord, csv, marl_eval};
use tracking::{
    Axis, EvaluationPurpose, EventKind, NewRun, Progress, RunFolder, RunState, SinkOptions, Status,
    StatusWriter, Tracker, TrackerThread,
};

const TASK: &str = "Foraging-8x8-2p-2f-coop-v3";

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args()
        .nth(1)
        .ok_or("give the folder to write to")?;
    let root = Path::new(&root);
    let mut runs = Vec::new();
    for algorithm in ["iql", "vdn"] {
        for seed in 1..=3 {
            let run = RunFolder::create(root, &description(algorithm, seed))?;
            write(&run, algorithm, seed)?;
            println!("{}", run.path().display());
            runs.push(run);
        }
    }
    let records = RunRecord::read_all(&runs)?;
    let export = marl_eval::export(&records, false)?;
    fs::write(root.join("marl_eval.json"), export.to_json())?;
    csv::episodes(&records, &mut File::create(root.join("episodes.csv"))?)?;
    csv::evaluations(&records, &mut File::create(root.join("evaluations.csv"))?)?;
    csv::scalars(&records, &mut File::create(root.join("scalars.csv"))?)?;
    Ok(())
}

fn description(algorithm: &str, seed: u64) -> NewRun {
    NewRun {
        name: format!("{algorithm} lbf coop s{seed}"),
        job: "train".into(),
        algorithm: algorithm.into(),
        environment: "lbf".into(),
        task: TASK.into(),
        seed,
        config_toml: format!("version = 1\nseed = {seed}\n"),
        device: "cpu".into(),
        total_steps: 5000,
        ..NewRun::default()
    }
}

/// A run that is interrupted at step 3000 and resumed from step 2000.
fn write(run: &RunFolder, algorithm: &str, seed: u64) -> Result<(), Box<dyn Error>> {
    let options = || SinkOptions {
        tensorboard: true,
        ..SinkOptions::default()
    };
    let (tracker, thread) = TrackerThread::start(run, options())?;
    tracker.event(EventKind::Hparams {
        values: BTreeMap::from([
            (
                "algorithm.kind".to_owned(),
                HyperParameter::Text(algorithm.to_owned()),
            ),
            (
                "algorithm.double_q".to_owned(),
                HyperParameter::Switch(true),
            ),
            (
                "algorithm.learning_rate".to_owned(),
                HyperParameter::Number(3e-4),
            ),
            ("seed".to_owned(), HyperParameter::Number(seed as f64)),
        ]),
    });
    let text = "| key | value |\n|---|---|\n| gr\u{fc}\u{df}e | \u{1F980} |".to_owned();
    tracker.text("config", text, Axis::EnvSteps, 0);
    train(&tracker, seed, 0, 3000);
    assert_eq!(thread.close().dropped, []);

    let (tracker, thread) = TrackerThread::start(run, options())?;
    tracker.event(EventKind::Resumed {
        progress: at(2000),
        checkpoint: "ckpt/step-2000".into(),
    });
    train(&tracker, seed + 10, 2000, 5000);
    for (index, value) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 0.1]
        .into_iter()
        .enumerate()
    {
        tracker.scalar("odd/values", value, Axis::Seconds, index as u64);
    }
    tracker.scalar("odd/late", 1.0, Axis::Tokens, 10_000_000_000);
    tracker.event(evaluation(EvaluationPurpose::Absolute, seed, 5000));
    let progress = at(5000);
    let message = String::new();
    tracker.event(EventKind::Finished {
        outcome: RunState::Finished,
        exit_code: 0,
        progress,
        message,
    });
    assert_eq!(thread.close().dropped, []);
    let status = Status {
        state: RunState::Finished,
        progress,
        total_steps: 5000,
        device: "cpu".into(),
        exit_code: Some(0),
        ..Status::default()
    };
    StatusWriter::new(run).write(&status, true)?;
    Ok(())
}

fn at(step: u64) -> Progress {
    Progress {
        step,
        updates: step / 10,
        tokens: 0,
        seconds: step as f64 / 1000.0,
    }
}

fn train(tracker: &Tracker, seed: u64, from: u64, to: u64) {
    for step in (from..=to).step_by(50).skip(1) {
        tracker.scalar("train/return", wave(seed, step), Axis::EnvSteps, step);
        tracker.scalar(
            "train/loss",
            wave(seed + 5, step),
            Axis::LearnerUpdates,
            step / 10,
        );
        if step % 250 == 0 {
            tracker.event(evaluation(EvaluationPurpose::Interval, seed, step));
        }
    }
}

fn evaluation(purpose: EvaluationPurpose, seed: u64, step: u64) -> EventKind {
    let episodes = if purpose == EvaluationPurpose::Absolute {
        100
    } else {
        10
    };
    EventKind::Evaluation {
        purpose,
        progress: at(step),
        returns: (0..episodes)
            .map(|episode| wave(seed + episode, step))
            .collect(),
        lengths: (0..episodes)
            .map(|episode| 5 + (seed + episode + step) % 46)
            .collect(),
        extra: BTreeMap::new(),
        checkpoint: String::new(),
    }
}

/// Some number between 0 and 1.
fn wave(seed: u64, step: u64) -> f64 {
    ((seed as f64) * 12.9898 + (step as f64) * 0.078_233)
        .sin()
        .abs()
}
