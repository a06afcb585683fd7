//! Prints the tables of docs/algorithms/sppo.md and bvpo.md as CSV: self-play in rock, paper, scissors, and
//! the mixture of gradients of a policy small enough to be enumerated.
//!
//! `cargo run -p alignment --example games -- TABLE`, with TABLE one of self-play, regression, mixing,
//! traces, sweep.
#![expect(clippy::print_stdout, reason = "it is what the example is for")]

use std::env;
use std::process::ExitCode;

use alignment::games::preference_game::PreferenceGame;
use alignment::games::self_play::{
    Normaliser, Update, log_partition, play, regression_minimiser, regression_targets,
};
use alignment::games::trace_model::{Sizes, TraceToy};
use alignment::games::trace_moments::{exact, sampled};
use alignment::oracles::OracleError;
use alignment::oracles::synthetic::cycle;

const START: [f64; 3] = [0.6, 0.3, 0.1];
const SIZES: Sizes = Sizes {
    prompts: 3,
    traces: 6,
    answers: 4,
};

fn main() -> Result<ExitCode, OracleError> {
    let game = PreferenceGame::new(cycle(3, 0.9)?);
    match env::args().nth(1).as_deref() {
        Some("self-play") => self_play(&game),
        Some("regression") => regression(&game),
        Some("mixing") => mixing(),
        Some("traces") => traces(),
        Some("sweep") => sweep(),
        _ => {
            println!("one of: self-play, regression, mixing, traces, sweep");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn self_play(game: &PreferenceGame) {
    println!("method,rounds,bound,average_gap,last_gap");
    for rounds in [100, 400, 1600, 6400, 25_600] {
        let bound = 2.0 / f64::from(rounds).sqrt();
        let updates = [
            ("sppo", Update::MultiplicativeWeights { step_size: bound }),
            (
                "dpo-renewed-equal-step",
                Update::Dpo {
                    preference_strength: 1.0 / bound,
                },
            ),
            (
                "dpo-renewed-beta-0.1",
                Update::Dpo {
                    preference_strength: 0.1,
                },
            ),
        ];
        for (name, update) in updates {
            let played = play(game, update, &START, rounds as usize);
            let (average, last) = (
                game.duality_gap(&played.average),
                game.duality_gap(&played.last),
            );
            println!("{name},{rounds},{bound:.4},{average:.6},{last:.6}");
        }
        // Data and reference stay those of the start: the optimum is reached by one update.
        let update = Update::Dpo {
            preference_strength: 0.1,
        };
        let gap = game.duality_gap(&play(game, update, &START, 2).last);
        println!("dpo-fixed-beta-0.1,{rounds},{bound:.4},{gap:.6},{gap:.6}");
    }
}

fn regression(game: &PreferenceGame) {
    println!("step_size,log_z_over_step_size,error_exact,error_constant");
    for step_size in [0.1, 1.0, 3.0] {
        let logits = START.map(f64::ln);
        let moved = Update::MultiplicativeWeights { step_size }.next(game, &logits);
        let total: f64 = moved.iter().map(|logit| logit.exp()).sum();
        let error = |normaliser| {
            let targets = regression_targets(game, &START, step_size, normaliser);
            let policy = regression_minimiser(&START, &targets);
            let each = policy.iter().zip(&moved);
            each.map(|(share, logit)| (share - logit.exp() / total).abs())
                .fold(0.0, f64::max)
        };
        let share = log_partition(&START, &game.win_rates(&START), step_size) / step_size;
        let (with, without) = (error(Normaliser::Exact), error(Normaliser::Baseline(0.5)));
        println!("{step_size},{share:.4},{with:.1e},{without:.1e}");
    }
}

fn toy(strength: f64, drift: f64) -> TraceToy {
    TraceToy::random(SIZES, strength, drift, 0)
}

fn mixing() {
    let toy = toy(0.5, 0.6);
    let moments = exact(&toy).moments;
    let best = moments.unclipped_share();
    let shares = [0.0, 0.25, 0.5, 0.75, 1.0, best];
    println!("share,exact_mse,sampled_mse,variance_ratio,share_squared");
    let rows = sampled(&toy, &shares, 20_000, 1);
    for row in &rows {
        println!(
            "{:.4},{:.6},{:.6},{:.6},{:.6}",
            row.share,
            moments.mean_square_error(row.share),
            row.mean_square_error,
            row.variance / rows[4].variance,
            row.share * row.share
        );
    }
}

/// A trace and an answer are a token each.
fn traces() {
    let moments = exact(&toy(0.5, 0.6)).moments;
    println!("estimate,traces_per_answer,tokens_per_pair,mse,mse_times_tokens");
    let row = |name: &str, traces: u32, tokens: u32, error: f64| {
        let product = error * f64::from(tokens);
        println!("{name},{traces},{tokens},{error:.6},{product:.6}");
    };
    for count in [1, 2, 4, 8, 16] {
        let error = moments.trace_variance / f64::from(count) + moments.trace_bias;
        row("mean of traces", count, 4 * count, error);
    }
    for (name, share) in [("half and half", 0.5), ("best share", moments.best_share())] {
        row(name, 1, 6, moments.mean_square_error(share));
    }
    row("empty trace", 0, 2, moments.mean_square_error(0.0));
}

fn sweep() {
    println!(
        "drift,beta,trace_variance,trace_bias,empty_bias,bias_product,best_share,mse_best,mse_half"
    );
    for drift in [0.0, 0.2, 0.6, 1.2] {
        for strength in [0.1, 0.5, 2.0] {
            let moments = exact(&toy(strength, drift)).moments;
            let best = moments.best_share();
            println!(
                "{drift},{strength},{:.6},{:.6},{:.6},{:.6},{best:.4},{:.6},{:.6}",
                moments.trace_variance,
                moments.trace_bias,
                moments.empty_bias,
                moments.bias_product,
                moments.mean_square_error(best),
                moments.mean_square_error(0.5)
            );
        }
    }
}
