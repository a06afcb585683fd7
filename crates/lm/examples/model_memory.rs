//! Memory and speed of training and generating, each setting in a process of its own, beside
//! what `hub::memory` estimates:
//!
//! ```text
//! concord model create llama-5m FOLDER/llama-5m
//! concord model create smollm2-135m FOLDER/smollm2-135m --dtype f32
//! cargo run -p lm --example model_memory -- FOLDER [OUT.json]
//! ```
//!
//! Settings that OUT.json has are not measured again.
#![allow(clippy::print_stdout, reason = "an example that reports")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use hub::ModelFolder;
use hub::memory::{Activations as Keep, Adaptation, Numbers, Rule, Task, Training, estimate};
use lm::LmError;
use lm::adapters::{Adapter, AdapterSettings};
use lm::decoder::{Batch, Decoder};
use lm::generation::{GenerationSettings, Verdict, generate};
use lm::scoring::{Activations, Gradient, ScoreSettings};
use lm::training::{OptimiserKind, Trainer, TrainerSettings};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

/// Model, task, type, optimiser, activations, rows, tokens of a row, and whether the constants
/// of the estimate were chosen on it.
type Setting = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    usize,
    usize,
    bool,
);

const SMALL: &str = "llama-5m";
const LARGE: &str = "smollm2-135m";

#[rustfmt::skip] // a table
const SETTINGS: [Setting; 20] = [
    (SMALL, "train", "f32", "adamw", "kept", 8, 256, true),
    (SMALL, "train", "f32", "rmsprop", "recomputed", 8, 256, true),
    (SMALL, "train", "bf16", "adamw", "kept", 8, 256, true),
    (SMALL, "train", "f32", "adamw", "kept", 2, 1024, true),
    (SMALL, "generate", "f32", "", "", 1, 512, true),
    (SMALL, "generate", "f32", "", "", 8, 512, true),
    (LARGE, "train", "f32", "adamw", "recomputed", 1, 256, true),
    (LARGE, "train", "bf16", "adamw", "recomputed", 1, 256, true),
    (LARGE, "generate", "f32", "", "", 1, 32, true),
    (LARGE, "generate", "f32", "", "", 8, 32, true),
    (LARGE, "train", "f32", "rmsprop", "recomputed", 2, 192, false),
    (LARGE, "train", "bf16", "rmsprop", "kept", 1, 128, false),
    (LARGE, "train", "f32", "adamw", "kept", 1, 192, false),
    (SMALL, "lora", "f32", "adamw", "kept", 8, 256, true),
    (LARGE, "lora", "f32", "adamw", "recomputed", 1, 192, false),
    (LARGE, "lora", "bf16", "adamw", "kept", 1, 128, false),
    (LARGE, "lora", "f32", "adamw", "kept", 4, 256, false),
    (SMALL, "lora", "bf16", "adamw", "recomputed", 4, 256, false),
    (SMALL, "train", "f32", "sgd", "recomputed", 16, 128, false),
    (LARGE, "generate", "bf16", "", "", 8, 32, false),
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["one", folder, task, dtype, rule, keep, rows, length] => {
            let number = |word: &str| word.parse().expect("a number");
            let measured = one(
                folder,
                task,
                dtype,
                (rule, keep),
                number(rows),
                number(length),
            );
            println!("{}", measured.expect("a model that can be run"));
        }
        [folder] => all(folder, None),
        [folder, out] => all(folder, Some(out)),
        _ => println!("model_memory FOLDER [OUT.json]"),
    }
}

fn all(folder: &str, out: Option<&str>) {
    let program = std::env::current_exe().expect("a program has a path");
    // What is measured already: a file that was interrupted is continued, and estimates are new.
    let earlier = out.and_then(|out| fs::read(out).ok());
    let earlier: Value = earlier
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    let mut rows = Vec::new();
    for (model, task, dtype, rule, keep, count, length, fitted) in SETTINGS {
        let path = format!("{folder}/{model}");
        let setting = json!([model, task, dtype, rule, keep, count, length]);
        let known = earlier["settings"].as_array().into_iter().flatten();
        let mut known = known.filter(|row| row["setting"] == setting);
        let measured = match known.next() {
            Some(row) => row["measured"].clone(),
            None => {
                let mut command = Command::new(&program);
                command.args(["one", &path, task, dtype, rule, keep]);
                command.args([count.to_string(), length.to_string()]);
                let output = command.output().expect("this program starts");
                let Ok(measured) = serde_json::from_slice::<Value>(&output.stdout) else {
                    let reason = String::from_utf8_lossy(&output.stderr);
                    println!("{model} {task}: {reason}");
                    continue;
                };
                measured
            }
        };
        let opened = ModelFolder::open(Path::new(&path)).expect("a model's folder");
        let numbers = if dtype == "f32" {
            Numbers::F32
        } else {
            Numbers::Bf16
        };
        let training = |adaptation| {
            Task::Train(Training {
                adaptation,
                rule: match rule {
                    "adamw" => Rule::AdamW,
                    "rmsprop" => Rule::RmsProp,
                    _ => Rule::Sgd { momentum: false },
                },
                activations: if keep == "kept" {
                    Keep::Kept
                } else {
                    Keep::Recomputed
                },
            })
        };
        let task_of = match task {
            "train" => training(Adaptation::Full),
            "lora" => training(Adaptation::Lora { rank: 16 }),
            _ => Task::Generate,
        };
        let told = estimate(&opened, numbers, task_of, count as u64, length as u64);
        let told = told.expect("a decoder");
        let peak = measured["peak_bytes"].as_f64().unwrap_or(f64::NAN);
        let error = told.total() as f64 / peak - 1.0;
        println!(
            "{model:13} {task:9} {dtype:4} {rule:8}{keep:11}{count:3} x {length:5}: {:6.0} MB, estimated {:6.0} ({:+.1} %), {:.0} tokens/s, loaded in {:.2} s",
            peak / 1e6,
            told.total() as f64 / 1e6,
            100.0 * error,
            measured["tokens_per_second"].as_f64().unwrap_or_default(),
            measured["load_seconds"].as_f64().unwrap_or_default(),
        );
        let items: Vec<Value> = told
            .items
            .iter()
            .map(|item| json!([item.name, item.bytes]))
            .collect();
        rows.push(json!({
            "setting": setting, "fitted": fitted, "measured": measured,
            "estimated_bytes": told.total(), "error": error, "items": items,
        }));
        if let Some(out) = out {
            let command = "cargo run -p lm --example model_memory -- FOLDER OUT.json";
            let text = format!("{:#}\n", json!({ "command": command, "settings": rows }));
            fs::write(out, text).expect("a file that can be written");
        }
    }
}

fn one(
    folder: &str,
    task: &str,
    dtype: &str,
    (rule, keep): (&str, &str),
    rows: usize,
    length: usize,
) -> Result<Value, LmError> {
    nn::runtime::prepare(std::thread::available_parallelism().map_or(1, usize::from));
    let kind = if dtype == "f32" {
        Kind::Float
    } else {
        Kind::BFloat16
    };
    let started = Instant::now();
    let mut decoder = Decoder::load(Path::new(folder), Some(kind), Device::Cpu, task == "train")?;
    if task == "lora" {
        // Rank 16 on every product.
        let settings = AdapterSettings::default();
        decoder.attach(Adapter::create(
            &settings,
            decoder.config(),
            Device::Cpu,
            0,
        )?)?;
    }
    let load_seconds = started.elapsed().as_secs_f64();
    let loaded = peak_bytes();
    let vocabulary = decoder.config().vocabulary as i64;
    let text = |row: usize, count: usize| -> Vec<i64> {
        let ids = (0..count).map(|at| 3 + (row * 31 + at * 7 + at * at) as i64 % (vocabulary - 3));
        ids.collect()
    };
    let started;
    let tokens;
    if task != "generate" {
        let settings = TrainerSettings {
            optimiser: match rule {
                "adamw" => OptimiserKind::ADAM,
                "rmsprop" => OptimiserKind::RMS_PROP,
                _ => OptimiserKind::Sgd { momentum: 0.0 },
            },
            ..TrainerSettings::default()
        };
        let mut trainer = Trainer::new(&decoder, settings)?;
        let mut gradient = Gradient::zeros(&decoder)?;
        let score = ScoreSettings {
            activations: if keep == "kept" {
                Activations::Kept
            } else {
                Activations::Recomputed
            },
            ..ScoreSettings::default()
        };
        let texts: Vec<Vec<i64>> = (0..rows).map(|row| text(row, length)).collect();
        let slices: Vec<&[i64]> = texts.iter().map(Vec::as_slice).collect();
        let batch = Batch::padded(&slices, Device::Cpu);
        let targets: Vec<i64> = texts
            .iter()
            .flat_map(|text| [&text[1..], &[-1]].concat())
            .collect();
        let targets = Tensor::from_slice(&targets).view([rows as i64, length as i64]);
        const STEPS: usize = 2;
        started = Instant::now();
        for _ in 0..STEPS {
            let scored = decoder.score(&batch, &targets, score)?;
            let derivative = scored
                .log_probabilities()
                .full_like(-1.0 / (rows * (length - 1)) as f64);
            decoder.accumulate(&batch, scored, &derivative, &mut gradient)?;
            trainer.step(&mut decoder, &mut gradient)?;
        }
        tokens = STEPS * rows * length;
    } else {
        let prompts: Vec<Vec<i64>> = (0..rows).map(|row| text(row, length / 2)).collect();
        let prompts: Vec<&[i64]> = prompts.iter().map(Vec::as_slice).collect();
        let settings = GenerationSettings {
            max_new_tokens: length / 2,
            ..GenerationSettings::default()
        };
        started = Instant::now();
        let answers = generate(&decoder, &prompts, &settings, &mut |_| Verdict::Continue)?;
        tokens = answers.iter().map(|answer| answer.ids.len()).sum();
    }
    Ok(json!({
        "load_seconds": load_seconds,
        "loaded_bytes": loaded,
        "peak_bytes": peak_bytes(),
        "tokens_per_second": tokens as f64 / started.elapsed().as_secs_f64(),
    }))
}

/// The most memory that this process had in use.
fn peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number
        .and_then(|number| number.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}
