//! Self-play in preference games and the bias and variance of gradients of traces, all exact.
#![expect(clippy::unwrap_used, reason = "a test stops at its first surprise")]

use alignment::games::preference_game::PreferenceGame;
use alignment::games::self_play::{
    Normaliser, Update, bradley_terry_fit, log_partition, play, regression_minimiser,
    regression_targets,
};
use alignment::games::trace_model::{Sizes, TraceToy};
use alignment::games::trace_moments::{drawn_trace_gradient, exact, importance_gradient, sampled};
use alignment::losses::mixing::{
    EstimatorSettings, Moments, ShareEstimator, Sketch, importance_mean,
};
use alignment::oracles::aggregation::bradley_terry;
use alignment::oracles::synthetic::cycle;
use nn::random::RandomStream;

const START: [f64; 3] = [0.6, 0.3, 0.1];

fn rock_paper_scissors() -> PreferenceGame {
    PreferenceGame::new(cycle(3, 0.9).unwrap())
}

#[track_caller]
fn assert_close(actual: f64, expected: f64, tolerance: f64) {
    assert!(
        (actual - expected).abs() <= tolerance,
        "{actual} is not {expected} within {tolerance}"
    );
}

#[test]
fn the_average_policy_stays_under_its_bound_and_the_last_stays_exploitable() {
    let game = rock_paper_scissors();
    // The gaps were found by a separate program (numpy), to three places.
    for (rounds, gap) in [
        (100, 0.139),
        (400, 0.075),
        (1600, 0.048),
        (6400, 0.0011),
        (25_600, 0.0010),
    ] {
        let bound = 2.0 / f64::from(rounds).sqrt();
        let update = Update::MultiplicativeWeights { step_size: bound };
        let played = play(&game, update, &START, rounds as usize);
        let average = game.duality_gap(&played.average);
        assert!(average <= bound, "{rounds} rounds: {average} above {bound}");
        assert_close(average, gap, 0.0006);
        let last = game.exploitability(&played.last);
        assert!((0.09..0.23).contains(&last), "{rounds} rounds: {last}");
    }
}

#[test]
fn the_regression_with_the_exact_normaliser_is_the_multiplicative_weights_step() {
    let game = rock_paper_scissors();
    let logits = START.map(f64::ln);
    let rates = game.win_rates(&START);
    for (step_size, share, error) in [(0.1, 0.501, 1e-6), (1.0, 0.508, 4e-4), (3.0, 0.523, 5.5e-3)]
    {
        let step = |normaliser| {
            let targets = regression_targets(&game, &START, step_size, normaliser);
            regression_minimiser(&START, &targets)
        };
        let moved = Update::MultiplicativeWeights { step_size }.next(&game, &logits);
        let total: f64 = moved.iter().map(|logit| logit.exp()).sum();
        let distance = |policy: &[f64]| {
            let each = policy.iter().zip(&moved);
            each.map(|(share, logit)| (share - logit.exp() / total).abs())
                .fold(0.0, f64::max)
        };
        assert!(distance(&step(Normaliser::Exact)) < 1e-9);
        // A constant is more than a shift: the probabilities have to sum to 1.
        assert_close(
            log_partition(&START, &rates, step_size) / step_size,
            share,
            0.0006,
        );
        let constant = distance(&step(Normaliser::Baseline(0.5)));
        assert!(
            (0.5 * error..1.5 * error).contains(&constant),
            "{step_size}: {constant}"
        );
    }
}

#[test]
fn the_regression_minimiser_is_a_minimum() {
    let (policy, targets) = ([0.5, 0.3, 0.2], [1.3, -0.2, 0.9]);
    let cost = |chosen: &[f64]| -> f64 {
        let each = policy.iter().zip(chosen).zip(&targets);
        each.map(|((share, chosen), target)| share * ((chosen / share).ln() - target).powi(2))
            .sum()
    };
    let best = regression_minimiser(&policy, &targets);
    assert_close(best.iter().sum(), 1.0, 1e-12);
    for (first, second) in [(0, 1), (1, 2), (2, 0)] {
        for by in [1e-3, -1e-3] {
            let mut moved = best.clone();
            moved[first] += by;
            moved[second] -= by;
            assert!(cost(&moved) > cost(&best));
        }
    }
}

#[test]
fn a_transitive_game_ends_in_its_best_response() {
    let game = PreferenceGame::new(bradley_terry(&[2.0, 1.0, 0.0], 1.0).unwrap());
    for update in [
        Update::MultiplicativeWeights { step_size: 1.0 },
        Update::Regression {
            step_size: 1.0,
            normaliser: Normaliser::Baseline(0.5),
        },
        Update::Dpo {
            preference_strength: 1.0,
        },
    ] {
        let last = play(&game, update, &[0.1, 0.3, 0.6], 200).last;
        assert!(last[0] > 0.999_999, "{update:?}: {last:?}");
    }
    // The fit finds the rewards that made the game.
    let rewards = bradley_terry_fit(&game, &[0.1, 0.3, 0.6]);
    for (reward, made) in rewards.iter().zip([1.0, 0.0, -1.0]) {
        assert_close(*reward, made, 1e-10);
    }
}

#[test]
fn dpo_against_its_first_policy_is_more_exploitable_than_self_play() {
    let game = rock_paper_scissors();
    let rounds = 1600;
    let step_size = 2.0 / f64::from(rounds).sqrt();
    let weights = play(
        &game,
        Update::MultiplicativeWeights { step_size },
        &START,
        rounds as usize,
    );
    // Reference and data stay the first policy's: however long, it comes to one update's policy.
    let logits = Update::Dpo {
        preference_strength: 0.1,
    }
    .next(&game, &START.map(f64::ln));
    let dpo = alignment::games::preference_game::softmax(&logits);
    assert!(game.duality_gap(&weights.average) < 0.05);
    assert!(game.duality_gap(&dpo) > 0.39);
    // With the reference renewed, its last policies run into corners.
    let renewed = play(
        &game,
        Update::Dpo {
            preference_strength: 0.1,
        },
        &START,
        rounds as usize,
    );
    assert!(game.duality_gap(&renewed.last) > 0.79);
}

const SIZES: Sizes = Sizes {
    prompts: 3,
    traces: 6,
    answers: 4,
};

fn toy(drift: f64) -> TraceToy {
    TraceToy::random(SIZES, 0.5, drift, 0)
}

#[test]
fn the_closed_form_is_the_best_share_of_a_grid() {
    for strength in [0.1, 0.5, 2.0] {
        for drift in [0.2, 0.6, 1.2] {
            let moments = exact(&TraceToy::random(SIZES, strength, drift, 0)).moments;
            let share = moments.best_share();
            let grid = (0..=10_000).map(|place| f64::from(place) / 10_000.0);
            let best = grid
                .min_by(|a, b| {
                    moments
                        .mean_square_error(*a)
                        .total_cmp(&moments.mean_square_error(*b))
                })
                .unwrap();
            assert_close(share, best, 0.000_051);
            let least = moments.mean_square_error(share);
            assert!(share > 0.0 && share < 1.0);
            assert!(least < moments.mean_square_error(0.0));
            assert!(least < moments.mean_square_error(1.0));
        }
    }
}

#[test]
fn variance_and_error_of_sampled_mixtures_are_those_of_theory() {
    let toy = toy(0.6);
    let moments = exact(&toy).moments;
    let rows = sampled(&toy, &[1.0, 0.25, 0.5, 0.75], 20_000, 1);
    for row in &rows[1..] {
        assert_close(row.variance / rows[0].variance, row.share * row.share, 1e-9);
    }
    assert_close(rows[0].variance / moments.trace_variance, 1.0, 0.03);
    for row in &rows {
        let expected = moments.mean_square_error(row.share);
        assert_close(row.mean_square_error / expected, 1.0, 0.03);
    }
}

#[test]
fn traces_of_the_reference_are_unbiased_at_the_reference_only() {
    let start = exact(&toy(0.0)).moments;
    assert!(start.trace_bias < 1e-24, "{}", start.trace_bias);
    assert!(start.trace_variance > 0.0 && start.empty_bias > 0.0);
    assert!(exact(&toy(0.6)).moments.trace_bias > 1e-5);
}

/// The whole loss by its definition, to which the gradients belong.
#[test]
fn gradients_of_the_toy_equal_finite_differences() {
    let mut stream = RandomStream::new(3, "logits", 0);
    let logits: Vec<f64> = (0..SIZES.parameters())
        .map(|_| f64::from(stream.uniform()))
        .collect();
    let mut toy = toy(0.6);
    let mut at = |logits: &[f64]| {
        toy.policy = alignment::games::trace_model::TracePolicy::new(SIZES, logits);
        toy.clone()
    };
    let loss = |toy: &TraceToy, empty: bool| -> f64 {
        let each = toy
            .pairs
            .iter()
            .enumerate()
            .map(|(prompt, (chosen, rejected))| {
                let ratio = |answer: usize| {
                    let (policy, reference) = (&toy.policy, &toy.reference);
                    if empty {
                        (policy.answer(prompt, 0, answer) / reference.answer(prompt, 0, answer))
                            .ln()
                    } else {
                        (policy.marginal(prompt, answer) / reference.marginal(prompt, answer)).ln()
                    }
                };
                (1.0 + (-0.5 * (ratio(*chosen) - ratio(*rejected))).exp()).ln()
            });
        each.sum::<f64>() / 3.0
    };
    let here = at(&logits);
    for (empty, gradient) in [
        (false, here.marginal_gradient()),
        (true, here.empty_gradient()),
    ] {
        for place in 0..logits.len() {
            let mut moved = |by: f64| {
                let mut logits = logits.clone();
                logits[place] += by;
                loss(&at(&logits), empty)
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert_close(gradient[place], difference, 1e-9);
        }
    }
}

#[test]
fn the_estimator_finds_the_best_share_from_draws() {
    let toy = toy(0.6);
    let exact = exact(&toy);
    let wanted = exact.moments.unclipped_share();
    let settings = EstimatorSettings {
        decay: 0.999,
        ..EstimatorSettings::default()
    };
    let (mut with_mean, mut estimated) = (
        ShareEstimator::new(settings).unwrap(),
        ShareEstimator::new(settings).unwrap(),
    );
    assert_eq!(with_mean.share(), 0.5);
    let mut stream = RandomStream::new(5, "redraws", 0);
    for _ in 0..3000 {
        let redraws: Vec<_> = (0..2)
            .map(|_| drawn_trace_gradient(&toy, &mut stream))
            .collect();
        with_mean
            .observe(&redraws, &exact.empty, &exact.mean)
            .unwrap();
        let mean = importance_gradient(&toy, 64, &mut stream);
        estimated.observe(&redraws, &exact.empty, &mean).unwrap();
    }
    assert_close(with_mean.unclipped().unwrap(), wanted, 0.02);
    assert_close(estimated.unclipped().unwrap(), wanted, 0.05);
    assert_eq!(estimated.share(), estimated.unclipped().unwrap());
    assert!(with_mean.observe(&[], &exact.empty, &exact.mean).is_err());
    assert!(
        with_mean
            .observe(&[vec![1.0]], &exact.empty, &exact.mean)
            .is_err()
    );
}

#[test]
fn the_estimate_is_clipped_and_its_settings_are_checked() {
    let mut estimator = ShareEstimator::new(EstimatorSettings::default()).unwrap();
    // g_t = mu: all of it, up to the limit.
    estimator
        .observe(&[vec![1.0, 0.0]], &[0.0, 1.0], &[1.0, 0.0])
        .unwrap();
    assert_eq!(estimator.unclipped(), Some(1.0));
    assert_eq!(estimator.share(), 0.9);
    assert!(
        estimator
            .observe(&[vec![f64::NAN, 0.0]], &[0.0, 1.0], &[1.0, 0.0])
            .is_err()
    );
    assert_eq!(estimator.unclipped(), Some(1.0));
    for (decay, lowest) in [(1.0, 0.1), (0.9, 0.95), (0.9, -0.1), (f64::NAN, 0.1)] {
        let settings = EstimatorSettings {
            decay,
            lowest,
            ..EstimatorSettings::default()
        };
        assert!(ShareEstimator::new(settings).is_err());
    }
    let same = Moments {
        trace_variance: 0.0,
        empty_variance: 0.0,
        covariance: 0.0,
        trace_bias: 1.0,
        empty_bias: 1.0,
        bias_product: 1.0,
    };
    assert_eq!(same.best_share(), 0.5);
}

#[test]
fn importance_weights_and_sketches_keep_means_and_products() {
    let gradients = [vec![1.0, 0.0], vec![0.0, 2.0]];
    let mean = importance_mean(&gradients, &[1000.0, 1000.0 + 3.0_f64.ln()]).unwrap();
    assert_close(mean[0], 0.25, 1e-12);
    assert_close(mean[1], 1.5, 1e-12);
    assert!(importance_mean(&gradients, &[0.0]).is_err());
    assert!(importance_mean(&gradients, &[f64::NEG_INFINITY; 2]).is_err());
    let long = |seed| {
        let mut stream = RandomStream::new(seed, "long", 0);
        (0..5000)
            .map(|_| f64::from(stream.uniform()))
            .collect::<Vec<_>>()
    };
    let (left, right) = (long(1), long(2));
    let product = |left: &[f64], right: &[f64]| -> f64 {
        left.iter()
            .zip(right)
            .map(|(left, right)| left * right)
            .sum()
    };
    let mean: f64 = (0..64)
        .map(|seed| {
            let sketch = Sketch { size: 64, seed };
            product(
                &sketch.of(left.iter().copied()),
                &sketch.of(right.iter().copied()),
            ) / 64.0
        })
        .sum();
    assert_close(mean / product(&left, &right), 1.0, 0.06);
}
