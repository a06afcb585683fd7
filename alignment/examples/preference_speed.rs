//! Seconds of an update of `sppo_hard` and of a whole iteration, for `xtask/parity/finetune_speed.py`:
//! a line on stdin (`update`, `iteration`) asks for one, a line on stdout answers.
//!
//! ```text
//! cargo run -p alignment --example preference_speed -- FOLDER THREADS PAIRS PROMPT RESPONSE
//! ```
//!
//! An update has PAIRS pairs of PROMPT and RESPONSE tokens: log-probabilities of the reference once,
//! forward, backward, RMSprop. An iteration samples five responses to each of 4 PAIRS prompts, takes best
//! and worst by a made-up score, and takes 4 updates.
#![allow(clippy::print_stdout, reason = "an example that reports")]

use std::error::Error;
use std::fs;
use std::io::BufRead;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use alignment::losses::preference::{PreferenceLoss, SppoForm};
use alignment::preparation::{Example, Pair, Sequence};
use alignment::training::{
    Objective, PassSettings, UpdateFigures, reference_log_probabilities, update,
};
use lm::decoder::Decoder;
use lm::generation::{Continuation, Engine, EngineSettings, GenerationSettings, Verdict};
use lm::sampling::Sampling;
use lm::scoring::{Activations, Gradient};
use lm::training::{OptimiserKind, Trainer, TrainerSettings};
use tch::{Device, Kind};

const SAMPLES: usize = 5;
const UPDATES: usize = 4;

struct Shape {
    pairs: usize,
    prompt: usize,
    response: usize,
}

/// A text that both sides can write down.
fn text(number: usize, length: usize) -> Vec<i64> {
    (0..length)
        .map(|at| 3 + ((number * 31 + at * 7 + number * at) % 4093) as i64)
        .collect()
}

fn pair(prompt: &[i64], chosen: &[i64], rejected: &[i64]) -> Example {
    Example::Pair(Pair {
        chosen: Sequence::new(prompt, chosen),
        rejected: Sequence::new(prompt, rejected),
        ..Pair::default()
    })
}

struct Learner {
    decoder: Decoder,
    trainer: Trainer,
    gradient: Gradient,
    settings: PassSettings,
    objective: Objective,
}

impl Learner {
    fn step(&mut self, mut rows: Vec<Example>) -> Result<UpdateFigures, Box<dyn Error>> {
        let go_on = &mut |_| ControlFlow::Continue(());
        reference_log_probabilities(&self.decoder, &mut rows, &self.settings, go_on)?;
        let rows: Vec<&Example> = rows.iter().collect();
        Ok(update(
            &mut self.decoder,
            &mut self.trainer,
            &mut self.gradient,
            &rows,
            &self.objective,
            &self.settings,
        )?)
    }

    /// Samples, scores, chooses, trains; the tokens that were sampled.
    fn iterate(&mut self, shape: &Shape, seed: u64) -> Result<usize, Box<dyn Error>> {
        let prompts: Vec<Vec<i64>> = (0..UPDATES * shape.pairs)
            .map(|number| text(number, shape.prompt))
            .collect();
        let slices: Vec<&[i64]> = prompts.iter().map(Vec::as_slice).collect();
        let settings = GenerationSettings {
            sampling: Sampling::PLAIN,
            max_new_tokens: shape.response,
            samples: SAMPLES,
            seed,
            ..GenerationSettings::default()
        };
        let mut engine = Engine::new(&self.decoder, EngineSettings::default())?;
        let answers = engine.run(&slices, &settings, &mut |_| Verdict::Continue)?;
        drop(engine);
        let tokens = answers.iter().map(|answer| answer.ids.len()).sum();
        let worth = |answer: &&Continuation| answer.ids.iter().filter(|id| *id % 7 == 0).count();
        let mut rows = Vec::new();
        for (prompt, answers) in prompts.iter().zip(answers.chunks(SAMPLES)) {
            let best = answers.iter().max_by_key(worth);
            let worst = answers.iter().min_by_key(worth);
            if let (Some(best), Some(worst)) = (best, worst) {
                rows.push(pair(prompt, &best.ids, &worst.ids));
            }
        }
        while !rows.is_empty() {
            let rest = rows.split_off(shape.pairs.min(rows.len()));
            self.step(rows)?;
            rows = rest;
        }
        Ok(tokens)
    }
}

/// Seconds that the threads of this process have computed; the kernel counts hundredths.
fn computed() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in parentheses: state, ten numbers, then user and system ticks.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let ticks = rest.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// The most memory this process ever held, in MB.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes
        .and_then(|number| number.parse::<f64>().ok())
        .unwrap_or(f64::NAN)
        * 1.024e-3
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, threads, pairs, prompt, response] = words.as_slice() else {
        return Err("FOLDER THREADS PAIRS PROMPT RESPONSE".into());
    };
    nn::runtime::prepare(threads.parse()?);
    let decoder = Decoder::load(Path::new(folder), Some(Kind::Float), Device::Cpu, true)?;
    let shape = Shape {
        pairs: pairs.parse()?,
        prompt: prompt.parse()?,
        response: response.parse()?,
    };
    let settings = TrainerSettings {
        optimiser: OptimiserKind::RMS_PROP,
        learning_rate: 5e-7,
        ..TrainerSettings::default()
    };
    let mut learner = Learner {
        trainer: Trainer::new(&decoder, settings)?,
        gradient: Gradient::zeros(&decoder)?,
        decoder,
        settings: PassSettings {
            rows: shape.pairs,
            activations: Activations::Kept,
            logit_chunk: 512,
            pack: true,
            seed: 1,
        },
        objective: Objective::Preference(PreferenceLoss::Sppo {
            form: SppoForm::Hard,
            step_size: 1e3,
            baseline_c: 0.5,
        }),
    };
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let (started, before) = (Instant::now(), computed());
        let told = if line? == "iteration" {
            let tokens = learner.iterate(&shape, number as u64)?;
            format!("\"sampled\":{tokens}")
        } else {
            let rows = (0..shape.pairs).map(|number| {
                let prompt = text(number, shape.prompt);
                let response = |seed| text(1000 + 2 * number + seed, shape.response);
                pair(&prompt, &response(0), &response(1))
            });
            let figures = learner.step(rows.collect())?;
            let (loss, norm) = (figures.loss, figures.gradient_norm);
            format!("\"loss\":{loss:.4},\"gradient_norm\":{norm:.4}")
        };
        let seconds = started.elapsed().as_secs_f64();
        let (cpu, peak) = (computed() - before, peak());
        println!(
            "{{\"seconds\":{seconds:.6},\"cpu_seconds\":{cpu:.3},{told},\"peak_mb\":{peak:.1}}}"
        );
    }
    Ok(())
}
