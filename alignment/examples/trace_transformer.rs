//! Prints the tables of docs/algorithms/bvpo.md on toy B as CSV: a transformer of 1,500 parameters whose
//! traces are all listed.
//!
//! `cargo run -p alignment --example trace_transformer -- TABLE`, with TABLE one of mixing, traces,
//! sweep, contradiction (seconds each), descent, descent-contradicted (minutes).
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use std::env;
use std::process::ExitCode;

use alignment::AlignmentError;
use alignment::games::transformer_descent::{Share, Steps, descend, descend_exactly};
use alignment::games::transformer_toy::TransformerToy;
use alignment::losses::mixing::Moments;
use nn::random::RandomStream;

const STRENGTH: f64 = 0.5;
const DRIFT: f64 = 0.1;
const STEP_SIZES: [f64; 2] = [0.01, 0.1];
const SEEDS: u64 = 20;
const STEPS: Steps = Steps {
    count: 300,
    interval: 20,
};

fn main() -> Result<ExitCode, AlignmentError> {
    tch::set_num_threads(1);
    match env::args().nth(1).as_deref() {
        Some("mixing") => mixing()?,
        Some("traces") => traces()?,
        Some("sweep") => sweep()?,
        Some("contradiction") => contradiction()?,
        Some("descent") => descent(false)?,
        Some("descent-contradicted") => descent(true)?,
        _ => {
            println!("one of: mixing, traces, sweep, contradiction, descent, descent-contradicted");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn toy() -> Result<TransformerToy, AlignmentError> {
    TransformerToy::random(STRENGTH, false, 0)
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter()
        .zip(right)
        .map(|(left, right)| left * right)
        .sum()
}

fn mixing() -> Result<(), AlignmentError> {
    const DRAWS: usize = 20_000;
    let toy = toy()?;
    let policy = toy.drifted(DRIFT, 1)?;
    let listed = toy.listed(&policy)?;
    let moments = toy.moments(&listed);
    let mean = listed.gradient(&toy.marginal_weights(&listed))?;
    let shares = [0.0, 0.25, 0.5, 0.75, 1.0, moments.unclipped_share()];
    let mut sums = vec![(vec![0.0; mean.len()], 0.0, 0.0); shares.len()];
    let mut stream = RandomStream::new(1, "draws", 0);
    for _ in 0..DRAWS {
        let traces = toy.drawn_traces(&mut stream);
        let half = |share| -> Result<Vec<f64>, AlignmentError> {
            Ok(Vec::try_from(
                &toy.mixed_gradient(&policy, &traces, share)?,
            )?)
        };
        let (trace, empty) = (half(1.0)?, half(0.0)?);
        for (share, (sum, square, error)) in shares.iter().zip(&mut sums) {
            for (place, (trace, empty)) in trace.iter().zip(&empty).enumerate() {
                let mixed = share * trace + (1.0 - share) * empty;
                sum[place] += mixed;
                *square += mixed * mixed;
                *error += (mixed - mean[place]).powi(2);
            }
        }
    }
    let count = DRAWS as f64;
    let variance = |row: usize| {
        let (sum, square, _) = &sums[row];
        (square - dot(sum, sum) / count) / (count - 1.0)
    };
    println!("share,exact_mse,sampled_mse,variance_ratio,share_squared");
    for (row, share) in shares.iter().enumerate() {
        println!(
            "{share:.4},{:.6},{:.6},{:.6},{:.6}",
            moments.mean_square_error(*share),
            sums[row].2 / count,
            (variance(row) / variance(4)).abs(),
            share * share
        );
    }
    Ok(())
}

fn traces() -> Result<(), AlignmentError> {
    let toy = toy()?;
    let moments = toy.moments(&toy.listed(&toy.drifted(DRIFT, 1)?)?);
    let (with, without) = toy.pair_tokens();
    println!("estimate,traces_per_answer,tokens_per_pair,mse,mse_times_tokens");
    let row = |name: &str, traces: usize, tokens: f64, error: f64| {
        println!(
            "{name},{traces},{tokens:.2},{error:.6},{:.4}",
            error * tokens
        );
    };
    for count in [1, 2, 4, 8, 16] {
        let error = moments.trace_variance / count as f64 + moments.trace_bias;
        row("mean of traces", count, with * count as f64, error);
    }
    for (name, share) in [("half and half", 0.5), ("best share", moments.best_share())] {
        row(name, 1, with + without, moments.mean_square_error(share));
    }
    row("empty trace", 0, without, moments.mean_square_error(0.0));
    Ok(())
}

fn print_moments(moments: &Moments) {
    let best = moments.best_share();
    println!(
        ",{:.6},{:.6},{:.6},{:.6},{best:.4},{:.6},{:.6}",
        moments.trace_variance,
        moments.trace_bias,
        moments.empty_bias,
        moments.bias_product,
        moments.mean_square_error(best),
        moments.mean_square_error(0.5)
    );
}

const MOMENTS: &str =
    "trace_variance,trace_bias,empty_bias,bias_product,best_share,mse_best,mse_half";

fn sweep() -> Result<(), AlignmentError> {
    println!("seed,drift,beta,{MOMENTS}");
    for seed in [0, 1, 2] {
        for drift in [0.0, 0.05, 0.1, 0.2] {
            for strength in [0.1, 0.5, 2.0] {
                let toy = TransformerToy::random(strength, false, seed)?;
                let moments = toy.moments(&toy.listed(&toy.drifted(drift, 1)?)?);
                print!("{seed},{drift},{strength}");
                print_moments(&moments);
            }
        }
    }
    Ok(())
}

fn contradiction() -> Result<(), AlignmentError> {
    println!("pairs_without_traces,steps,marginal_loss,{MOMENTS}");
    let counts = [0, 10, 25, 50, 100, 200, 400];
    let policies = descend_exactly(&toy()?, 0.03, &counts)?;
    for (name, swapped) in [("agree", false), ("contradict", true)] {
        let toy = TransformerToy::random(STRENGTH, swapped, 0)?;
        for (count, policy) in counts.iter().zip(&policies) {
            print!("{name},{count},{:.6}", toy.marginal_loss(policy)?);
            print_moments(&toy.moments(&toy.listed(policy)?));
        }
    }
    Ok(())
}

fn descent(swapped: bool) -> Result<(), AlignmentError> {
    let toy = TransformerToy::random(STRENGTH, swapped, 0)?;
    println!("step_size,share,step,loss_mean,loss_sd,loss_low,loss_high,share_mean");
    for step_size in STEP_SIZES {
        curves(&toy, step_size)?;
    }
    Ok(())
}

fn curves(toy: &TransformerToy, step_size: f64) -> Result<(), AlignmentError> {
    let fixed = [0.0, 0.25, 0.5, 0.75, 1.0].map(Share::Fixed);
    for share in fixed.into_iter().chain([Share::Best]) {
        let seeds = if share == Share::Fixed(0.0) { 1 } else { SEEDS };
        let curves = (0..seeds)
            .map(|seed| descend(toy, share, step_size, STEPS, seed))
            .collect::<Result<Vec<_>, AlignmentError>>()?;
        let name = match share {
            Share::Fixed(share) => share.to_string(),
            Share::Best => "best".to_owned(),
        };
        for (place, point) in curves[0].iter().enumerate() {
            let losses: Vec<f64> = curves.iter().map(|curve| curve[place].loss).collect();
            let shares: f64 = curves.iter().map(|curve| curve[place].share).sum();
            let (mean, deviation) = mean_and_deviation(&losses);
            // Student's t with 19 degrees of freedom, two-sided 95 %.
            let half = 2.093 * deviation / (losses.len() as f64).sqrt();
            println!(
                "{step_size},{name},{},{mean:.6},{deviation:.6},{:.6},{:.6},{:.4}",
                point.step,
                mean - half,
                mean + half,
                shares / losses.len() as f64
            );
        }
    }
    Ok(())
}

fn mean_and_deviation(numbers: &[f64]) -> (f64, f64) {
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let square: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    (mean, (square / (count - 1.0).max(1.0)).sqrt())
}
