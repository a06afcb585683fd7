//! Tokens per second of many samples of unequal lengths, for `xtask/parity/lm_batches.py`:
//!
//! ```text
//! cargo run -p lm --example batches -- FOLDER WORK.json THREADS ROWS full|static
//! ```
//!
//! `full` lets samples join as soon as a row is free; `static` runs one batch after another.
#![allow(clippy::print_stdout, reason = "an example that reports")]

use std::path::Path;
use std::time::Instant;

use lm::LmError;
use lm::decoder::Decoder;
use lm::generation::{Engine, EngineSettings, GenerationSettings, Verdict};
use lm::sampling::Sampling;
use serde::Deserialize;
use tch::{Device, Kind};

#[derive(Deserialize)]
struct Work {
    prompts: Vec<Vec<i64>>,
    /// Wanted tokens of every sample of every prompt.
    lengths: Vec<Vec<usize>>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, work, threads, rows, form] = words.as_slice() else {
        return Err("FOLDER WORK.json THREADS ROWS full|static".into());
    };
    nn::runtime::prepare(threads.parse()?);
    let decoder = Decoder::load(Path::new(folder), Some(Kind::Float), Device::Cpu, false)?;
    let work: Work = serde_json::from_slice(&std::fs::read(work)?)?;
    let rows: usize = rows.parse()?;
    let samples = work.lengths[0].len();
    let batch = match form.as_str() {
        "static" => (rows / samples).max(1),
        _ => work.prompts.len(),
    };
    let settings = EngineSettings {
        rows,
        ..EngineSettings::default()
    };
    let mut engine = Engine::new(&decoder, settings)?;
    let started = Instant::now();
    let mut tokens = 0;
    let all = work.prompts.chunks(batch).zip(work.lengths.chunks(batch));
    for (prompts, lengths) in all {
        tokens += run(&mut engine, prompts, lengths)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let statistics = engine.statistics();
    println!(
        "{{\"tokens_per_second\":{:.1},\"tokens\":{tokens},\"steps\":{},\"occupancy\":{:.4},\"prompt_tokens\":{},\"computed\":{}}}",
        tokens as f64 / seconds,
        statistics.steps,
        statistics.occupancy(),
        statistics.prompt_tokens,
        statistics.prompt_tokens_computed,
    );
    Ok(())
}

/// Samples every prompt until each sample has its length; returns the tokens.
fn run(
    engine: &mut Engine<'_>,
    prompts: &[Vec<i64>],
    lengths: &[Vec<usize>],
) -> Result<usize, LmError> {
    let prompts: Vec<&[i64]> = prompts.iter().map(Vec::as_slice).collect();
    let longest = lengths.iter().flatten().max().copied().unwrap_or(1);
    let settings = GenerationSettings {
        sampling: Sampling::PLAIN,
        max_new_tokens: longest,
        samples: lengths[0].len(),
        ..GenerationSettings::default()
    };
    let answers = engine.run(&prompts, &settings, &mut |step| {
        if step.ids.len() >= lengths[step.prompt][step.sample] {
            Verdict::Stop
        } else {
            Verdict::Continue
        }
    })?;
    Ok(answers.iter().map(|answer| answer.ids.len()).sum())
}
