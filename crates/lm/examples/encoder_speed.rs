//! Seconds of one forward pass of an encoder, for `xtask/parity/encoder_speed.py`:
//!
//! ```text
//! cargo run -p lm --example encoder_speed -- FOLDER THREADS ROUNDS LENGTH [LENGTH ..]
//! ```
#![allow(clippy::print_stdout, reason = "an example that reports")]

use std::path::Path;
use std::time::Instant;

use lm::LmError;
use lm::encoder::Encoder;
use tch::{Device, Kind};

fn main() -> Result<(), LmError> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok());
    let folder = words.first().map_or(".", String::as_str);
    nn::runtime::prepare(number(1).unwrap_or(1));
    let rounds = number(2).unwrap_or(3);
    let started = Instant::now();
    let encoder = Encoder::load(Path::new(folder), Some(Kind::Float), Device::Cpu)?;
    let loaded = started.elapsed().as_secs_f64();
    let texts: Vec<Vec<i64>> = (3..words.len())
        .filter_map(number)
        .map(|length| (0..length as i64).map(|at| 3 + (at * 7) % 997).collect())
        .collect();
    let texts: Vec<&[i64]> = texts.iter().map(Vec::as_slice).collect();
    let mut best = f64::INFINITY;
    for _ in 0..rounds {
        let started = Instant::now();
        let vectors = encoder.forward(&texts)?;
        best = best.min(started.elapsed().as_secs_f64());
        drop(vectors);
    }
    let peak = peak_kibibytes().unwrap_or(0);
    println!("{{\"load_seconds\":{loaded:.3},\"seconds\":{best:.5},\"peak_kibibytes\":{peak}}}");
    Ok(())
}

/// The most memory that this process held, as Linux tells it.
fn peak_kibibytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
