//! Seconds of one forward and backward pass, for `xtask/parity/lm_train_speed.py`: a line on
//! stdin asks for one, a line on stdout answers.
//!
//! ```text
//! cargo run -p lm --example train_speed -- FOLDER THREADS ROWS TOKENS
//! ```
#![allow(clippy::print_stdout, reason = "an example that reports")]

use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use lm::LmError;
use lm::decoder::{Batch, Decoder};
use lm::scoring::{Activations, Gradient, ScoreSettings};
use tch::{Device, Kind, Tensor};

fn main() -> Result<(), LmError> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| {
        let word = words.get(at);
        word.and_then(|word| word.parse().ok()).unwrap_or(default)
    };
    let folder = words.first().map_or(".", String::as_str);
    nn::runtime::prepare(number(1, 1));
    let decoder = Decoder::load(Path::new(folder), Some(Kind::Float), Device::Cpu, true)?;
    let (rows, tokens) = (number(2, 16) as i64, number(3, 128) as i64);
    let texts: Vec<Vec<i64>> = (0..rows)
        .map(|row| {
            (0..=tokens)
                .map(|at| 3 + (row * 31 + at * 7) % 97)
                .collect()
        })
        .collect();
    let inputs: Vec<&[i64]> = texts.iter().map(|text| &text[..tokens as usize]).collect();
    let targets: Vec<i64> = texts.iter().flat_map(|text| text[1..].to_vec()).collect();
    let targets = Tensor::from_slice(&targets).view([rows, tokens]);
    let mut gradient = Gradient::zeros(&decoder)?;
    let settings = ScoreSettings {
        activations: Activations::Kept,
        ..ScoreSettings::default()
    };
    for line in std::io::stdin().lock().lines() {
        if line.is_err() {
            break;
        }
        let started = Instant::now();
        let batch = Batch::padded(&inputs, Device::Cpu);
        gradient.clear();
        let scored = decoder.score(&batch, &targets, settings)?;
        let logs = scored.log_probabilities();
        let loss = -logs.mean(Kind::Float).double_value(&[]);
        let derivative = logs.full_like(-1.0 / logs.numel() as f64);
        decoder.accumulate(&batch, scored, &derivative, &mut gradient)?;
        let seconds = started.elapsed().as_secs_f64();
        let norm = nn::optimiser::gradient_norm(gradient.flat());
        println!("{{\"seconds\":{seconds:.6},\"loss\":{loss:.6},\"gradient_norm\":{norm:.6}}}");
    }
    Ok(())
}
