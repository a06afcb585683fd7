//! Node selection against numbers computed by hand, and its laws.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use search::SearchError;
use search::ledger::Ledger;
use search::resource::{Amounts, Limits};
use search::selection::{LARGEST_EXPONENT, draw, exponent, probabilities};

fn assert_close(left: &[f64], right: &[f64]) {
    assert_eq!(left.len(), right.len());
    for (left, right) in left.iter().zip(right) {
        assert!((left - right).abs() < 1e-14, "{left} is not {right}");
    }
}

/// The probabilities with a fraction of the budget left.
fn at(values: &[f64], fraction: f64) -> Vec<f64> {
    let exponent = exponent(fraction, LARGEST_EXPONENT).expect("a fraction in 0..=1");
    probabilities(values, exponent).expect("finite values")
}

#[test]
fn numbers_by_hand() {
    let values = [0.1, 0.2, 0.4, 0.8];
    // In proportion: 1 + 2 + 4 + 8 = 15.
    assert_close(&at(&values, 1.0), &[1., 2., 4., 8.].map(|n: f64| n / 15.));
    // Squares: 1 + 4 + 16 + 64 = 85.
    assert_close(&at(&values, 0.5), &[1., 4., 16., 64.].map(|n: f64| n / 85.));
    // Fifth powers, where the backstop sets in: 1 + 32 + 1024 + 32768 = 33825.
    assert_close(
        &at(&values, 0.2),
        &[1., 32., 1024., 32768.].map(|n: f64| n / 33825.),
    );
}

#[test]
fn the_exponent_is_one_over_the_fraction() {
    // 0.2^2 : 0.8^2 = 1 : 16. The power 0.5 would give 1 : 2, a flatter draw.
    assert_close(&at(&[0.2, 0.8], 0.5), &[1. / 17., 16. / 17.]);
    assert_eq!(exponent(0.25, LARGEST_EXPONENT), Ok(4.0));
    assert_eq!(exponent(1.0, 1.0), Ok(1.0));
}

#[test]
fn the_tighter_resource_decides() {
    let mut ledger = Ledger::new(Limits {
        tokens: Some(1000),
        tool_calls: Some(4),
        ..Limits::default()
    });
    let used = Amounts {
        tokens: 100,
        tool_calls: 2,
        ..Amounts::default()
    };
    let job = ledger.reserve(used).unwrap();
    ledger.commit(job, used).unwrap();
    assert_close(&at(&[0.2, 0.4], ledger.fraction_left()), &[0.2, 0.8]);
}

#[test]
fn an_empty_budget_meets_the_largest_exponent() {
    assert_eq!(exponent(0.0, LARGEST_EXPONENT), Ok(50.0));
    assert_eq!(exponent(f64::MIN_POSITIVE / 8.0, 7.0), Ok(7.0));
    // (1/2)^50 / (1 + (1/2)^50)
    let tail = 1.0 / (1.0 + 2.0_f64.powi(50));
    assert_close(&at(&[0.4, 0.8], 0.0), &[tail, 1.0 - tail]);
}

#[test]
fn values_outside_the_legal_range() {
    // Zero and below count as the smallest value, 0.1.
    assert_close(
        &at(&[0.0, -3.0, 0.1, 0.2], 1.0),
        &[1., 1., 1., 2.].map(|n: f64| n / 5.),
    );
    assert_close(&at(&[0.0, -1.0], 0.0), &[0.5, 0.5]);
    // 1e300^50 is beyond every float, and 0.1^50 / 1e300^50 below it.
    assert_eq!(at(&[1e300, 0.1], 0.0), [1.0, 0.0]);
    assert_close(&at(&[1e300, 1e300, 0.5], 0.0), &[0.5, 0.5, 0.0]);
    assert_eq!(at(&[f64::MAX], 0.0), [1.0]);
}

#[test]
fn bad_input_is_told() {
    assert_eq!(probabilities(&[], 1.0), Err(SearchError::NoCandidates));
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let refused = probabilities(&[0.5, value], 1.0).unwrap_err();
        assert!(
            matches!(refused, SearchError::Value { index: 1, .. }),
            "{refused}"
        );
    }
    for fraction in [-0.1, 1.1, f64::NAN] {
        assert!(exponent(fraction, 50.0).is_err(), "{fraction}");
    }
    for largest in [0.5, f64::NAN, f64::INFINITY] {
        assert!(exponent(0.5, largest).is_err(), "{largest}");
        assert!(probabilities(&[0.5], largest).is_err(), "{largest}");
    }
    for uniform in [-0.1, 1.0, f64::NAN] {
        assert!(draw(&[1.0], uniform).is_err(), "{uniform}");
    }
    assert_eq!(draw(&[], 0.5), Err(SearchError::NoCandidates));
    assert_eq!(draw(&[0.0, f64::NAN], 0.0), Err(SearchError::NoCandidates));
}

#[test]
fn a_draw_falls_on_the_running_sum() {
    let probabilities = [0.25, 0.0, 0.5, 0.25];
    let drawn = [0.0, 0.2499, 0.25, 0.7499, 0.75, 0.9999].map(|u| draw(&probabilities, u).unwrap());
    assert_eq!(drawn, [0, 0, 2, 2, 3, 3]);
    // The sum may fall short of 1: the rest belongs to the last that can be drawn.
    assert_eq!(draw(&[0.5, 0.25, 0.0], 0.9), Ok(1));
}

fn entropy(probabilities: &[f64]) -> f64 {
    -probabilities
        .iter()
        .filter(|p| **p > 0.0)
        .map(|p| p * p.ln())
        .sum::<f64>()
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    })]

    #[test]
    fn probabilities_sum_to_one_and_sharpen_as_the_budget_shrinks(
        values in proptest::collection::vec(-0.5..1.0_f64, 1..40),
        fractions in (0.0..=1.0_f64, 0.0..=1.0_f64),
    ) {
        let (less, more) = (fractions.0.min(fractions.1), fractions.0.max(fractions.1));
        let (sharp, flat) = (at(&values, less), at(&values, more));
        for drawn in [&sharp, &flat] {
            prop_assert!((drawn.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(drawn.iter().all(|p| (0.0..=1.0).contains(p)));
        }
        let best = |drawn: &[f64]| drawn.iter().copied().fold(0.0, f64::max);
        prop_assert!(best(&sharp) >= best(&flat) - 1e-12);
        prop_assert!(entropy(&sharp) <= entropy(&flat) + 1e-9);
    }

    #[test]
    fn the_ratio_of_two_nodes_is_the_power_of_the_ratio_of_their_values(
        values in (0.1..1.0_f64, 0.1..1.0_f64),
        fraction in 0.1..=1.0_f64,
    ) {
        let drawn = at(&[values.0, values.1], fraction);
        let expected = (values.0 / values.1).powf(1.0 / fraction);
        prop_assert!((drawn[0] / drawn[1] / expected - 1.0).abs() < 1e-10);
    }

    #[test]
    fn every_draw_has_a_positive_probability(
        values in proptest::collection::vec(0.1..1.0_f64, 1..20),
        uniform in 0.0..1.0_f64,
        fraction in 0.0..=1.0_f64,
    ) {
        let drawn = at(&values, fraction);
        let index = draw(&drawn, uniform).unwrap();
        let below: f64 = drawn[..index].iter().sum();
        prop_assert!(drawn[index] > 0.0);
        prop_assert!(below <= uniform);
    }
}
