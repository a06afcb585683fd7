//! Theorem 1 of BAVT: the step counts, and that they hold in the process that they speak of.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use search::SearchError;
use search::resource::{Amounts, Limits};
use search::theorem::{
    advances, min_steps_bound, min_steps_exact, probability_of_fewer, steps_within,
    sufficient_budget,
};

/// (p_min, advances, epsilon, bound, fewest steps)
const COUNTS: [(f64, u64, f64, u64, u64); 3] = [
    (0.5, 2, 0.05, 23, 8),
    (0.3, 3, 0.05, 45, 19),
    (0.1, 7, 0.01, 243, 142),
];

#[test]
fn the_counts_of_the_specification() {
    for (p, k, epsilon, bound, exact) in COUNTS {
        assert_eq!(min_steps_bound(p, k, epsilon), Ok(bound), "p {p}, K {k}");
        assert_eq!(min_steps_exact(p, k, epsilon), Ok(exact), "p {p}, K {k}");
        // One step less is not enough, and at the bound failures are rare.
        assert!(probability_of_fewer(k, exact - 1, p).unwrap() > epsilon);
        assert!(probability_of_fewer(k, bound, p).unwrap() < 2e-3);
    }
}

#[test]
fn binomial_tails_are_the_sums_done_by_hand() {
    // 8 tosses of a coin: (1 + 8) / 256.
    assert_close(probability_of_fewer(2, 8, 0.5).unwrap(), 9.0 / 256.0);
    // 3 throws of a die without a six, or with one: (125 + 75) / 216.
    assert_close(
        probability_of_fewer(2, 3, 1.0 / 6.0).unwrap(),
        200.0 / 216.0,
    );
    assert_eq!(probability_of_fewer(0, 5, 0.3), Ok(0.0));
    assert_eq!(probability_of_fewer(6, 5, 0.3), Ok(1.0));
    assert_eq!(probability_of_fewer(1, 5, 0.0), Ok(1.0));
    assert_eq!(probability_of_fewer(5, 5, 1.0), Ok(0.0));
    // (1 - p)^trials is e^-20000, far below the smallest number, and the middle is still a half.
    let middle = probability_of_fewer(20_000, 40_000, 0.5).unwrap();
    assert!((middle - 0.498).abs() < 1e-3, "{middle}");
}

#[test]
fn advances_are_counted_without_rounding_up() {
    assert_eq!(advances(0.1, 0.8, 0.1), Ok(7));
    assert_eq!(advances(0.1, 0.8, 0.4), Ok(2));
    assert_eq!(advances(0.1, 0.8, 0.3), Ok(3));
    assert_eq!(advances(0.8, 0.8, 0.1), Ok(0));
    assert_eq!(advances(0.9, 0.8, 0.1), Ok(0));
    assert_eq!(min_steps_bound(0.5, 0, 0.05), Ok(0));
    assert_eq!(min_steps_exact(0.5, 0, 0.05), Ok(0));
}

#[test]
fn the_scarcer_resource_decides_how_many_steps_fit() {
    let limits = Limits {
        tokens: Some(1000),
        tool_calls: Some(5),
        ..Limits::default()
    };
    let most = |tokens, tool_calls| Amounts {
        tokens,
        tool_calls,
        ..Amounts::default()
    };
    assert_eq!(steps_within(limits, most(90, 1)), Some(5));
    assert_eq!(steps_within(limits, most(300, 1)), Some(3));
    assert_eq!(steps_within(limits, most(300, 0)), Some(3));
    assert_eq!(steps_within(limits, most(0, 0)), None);
    assert_eq!(steps_within(Limits::default(), most(300, 1)), None);
    assert_eq!(sufficient_budget(23, most(90, 1)), most(2070, 23));
    assert_eq!(sufficient_budget(2, most(u64::MAX, 1)), most(u64::MAX, 2));
}

#[test]
fn numbers_without_a_meaning_are_refused() {
    for result in [
        min_steps_bound(0.0, 2, 0.05),
        min_steps_bound(1.1, 2, 0.05),
        min_steps_exact(f64::NAN, 2, 0.05),
        min_steps_exact(0.5, 2, 0.0),
        min_steps_bound(0.5, 2, 1.0),
        advances(0.1, 0.8, 0.0),
        advances(f64::INFINITY, 0.8, 0.1),
    ] {
        assert!(
            matches!(result, Err(SearchError::Theorem { .. })),
            "{result:?}"
        );
    }
    assert_eq!(
        min_steps_bound(0.5, 2, 1.0).unwrap_err().to_string(),
        "steps that suffice: epsilon 1 - allowed are numbers between 0 and 1"
    );
}

/// Runs of the process that the theorem speaks of: each of at most `steps` steps advances with
/// probability `p`. Returns how many of `runs` reach `k` advances.
fn runs_that_arrive(p: f64, k: u64, steps: u64, runs: u64, seed: u64) -> u64 {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let arrives = |random: &mut ChaCha8Rng| {
        let mut reached = 0;
        (0..steps).any(|_| {
            reached += u64::from(random.random_bool(p));
            reached >= k
        })
    };
    (0..runs).filter(|_| arrives(&mut random)).count() as u64
}

/// The lower end of the one-sided interval of Clopper and Pearson: the share at which as many
/// successes as were seen, or more, have probability `1 - confidence`.
fn lower_limit(successes: u64, runs: u64, confidence: f64) -> f64 {
    let (mut low, mut high) = (0.0, successes as f64 / runs as f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if 1.0 - fewer(successes, runs, middle) < 1.0 - confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[test]
fn the_interval_of_clopper_and_pearson_is_the_known_one() {
    // All of n succeed: (1 - confidence)^(1/n).
    assert_close(lower_limit(10, 10, 0.95), 0.05_f64.powf(0.1));
    // 8 of 10, from tables: 0.4931.
    assert!((lower_limit(8, 10, 0.95) - 0.4931).abs() < 1e-4);
}

#[test]
fn within_the_bound_enough_runs_arrive() {
    for (seed, (p, k, epsilon, bound, exact)) in (1..).zip(COUNTS) {
        let runs = 20_000;
        let arrived = runs_that_arrive(p, k, bound, runs, seed);
        let low = lower_limit(arrived, runs, 0.999);
        assert!(low >= 1.0 - epsilon, "p {p}: at least {low} of runs");
        // The exact count is the exact process: the shares agree within four standard errors.
        let share = runs_that_arrive(p, k, exact, runs, seed) as f64 / runs as f64;
        let expected = 1.0 - fewer(k, exact, p);
        let error = (expected * (1.0 - expected) / runs as f64).sqrt();
        assert!(
            (share - expected).abs() < 4.0 * error,
            "{share}, expected {expected}"
        );
    }
}

proptest! {
    #[test]
    fn the_bound_is_never_below_the_exact_count(
        p in 1e-4..=1.0_f64, k in 0..40_u64, epsilon in 1e-9..0.999_f64,
    ) {
        let bound = min_steps_bound(p, k, epsilon).unwrap();
        let exact = min_steps_exact(p, k, epsilon).unwrap();
        prop_assert!(exact <= bound, "exact {exact}, bound {bound}");
        prop_assert!(exact >= k);
        prop_assert!(probability_of_fewer(k, exact, p).unwrap() <= epsilon);
        if exact > k {
            prop_assert!(probability_of_fewer(k, exact - 1, p).unwrap() > epsilon);
        }
    }

    #[test]
    fn more_advances_and_more_certainty_take_more_steps(
        p in 0.01..1.0_f64, k in 1..20_u64, epsilon in 1e-6..0.4_f64,
    ) {
        let steps = min_steps_exact(p, k, epsilon).unwrap();
        prop_assert!(min_steps_exact(p, k + 1, epsilon).unwrap() > steps);
        prop_assert!(min_steps_exact(p, k, epsilon / 2.0).unwrap() >= steps);
        prop_assert!(min_steps_exact(p / 2.0, k, epsilon).unwrap() >= steps);
    }
}

fn assert_close(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-9, "{left} against {right}");
}

fn fewer(successes: u64, trials: u64, p: f64) -> f64 {
    probability_of_fewer(successes, trials, p).expect("a probability")
}
