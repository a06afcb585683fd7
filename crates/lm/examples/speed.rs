//! Tokens per second of generation, for `xtask/parity/lm_speed.py`; greedy unless there is a
//! TOP_P, which samples. A line on stdin asks for a generation, a line on stdout answers:
//!
//! ```text
//! cargo run -p lm --example speed -- FOLDER THREADS ROWS NEW [TOP_P]
//! ```
#![allow(clippy::print_stdout, reason = "an example that reports")]

use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use lm::LmError;
use lm::decoder::Decoder;
use lm::generation::{GenerationSettings, Verdict, generate};
use lm::sampling::Sampling;
use tch::{Device, Kind};

fn main() -> Result<(), LmError> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| {
        let word = words.get(at);
        word.and_then(|word| word.parse().ok()).unwrap_or(default)
    };
    let folder = words.first().map_or(".", String::as_str);
    nn::runtime::prepare(number(1, 1));
    let started = Instant::now();
    let decoder = Decoder::load(Path::new(folder), Some(Kind::Float), Device::Cpu, false)?;
    let loaded = started.elapsed().as_secs_f64();
    let rows = number(2, 1);
    let prompts: Vec<Vec<i64>> = (0..rows as i64)
        .map(|row| (0..16).map(|at| 3 + (row * 31 + at * 7) % 97).collect())
        .collect();
    let prompts: Vec<&[i64]> = prompts.iter().map(Vec::as_slice).collect();
    let top_p = words.get(4).and_then(|word| word.parse().ok());
    let settings = GenerationSettings {
        max_new_tokens: number(3, 256),
        sampling: match top_p {
            None => Sampling::GREEDY,
            Some(top_p) => Sampling {
                top_p,
                ..Sampling::PLAIN
            },
        },
        ..GenerationSettings::default()
    };
    for line in std::io::stdin().lock().lines() {
        if line.is_err() {
            break;
        }
        let started = Instant::now();
        let answers = generate(&decoder, &prompts, &settings, &mut |_| Verdict::Continue)?;
        let seconds = started.elapsed().as_secs_f64();
        let tokens: usize = answers.iter().map(|answer| answer.ids.len()).sum();
        println!(
            "{{\"load_seconds\":{loaded:.4},\"tokens_per_second\":{:.1}}}",
            tokens as f64 / seconds
        );
    }
    Ok(())
}
