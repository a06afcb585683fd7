//! Against numbers computed by hand, and by numpy and scipy
//! (`xtask/parity/statistics.py` writes the fixture).

use super::*;

#[test]
fn interquartile_mean_by_hand() {
    // n = 8 cuts two from each end, n = 10 also (floor(2.5)), n = 3 none.
    assert_eq!(
        interquartile_mean(&[9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 100.0]),
        4.5
    );
    let ten: Vec<f64> = (1..=10).map(f64::from).collect();
    assert_eq!(interquartile_mean(&ten), 5.5);
    assert_eq!(interquartile_mean(&[0.0, 1.0, 5.0]), 2.0);
    assert!(interquartile_mean(&[]).is_nan());
    assert!(interquartile_mean(&[1.0, f64::NAN, 2.0, 3.0, 4.0]).is_nan());
    assert!(interquartile_mean(&[1.0, -f64::NAN, 2.0, 3.0, 4.0]).is_nan());
}

#[test]
fn simple_statistics_by_hand() {
    assert_eq!(mean(&[1.0, 2.0, 6.0]), 3.0);
    assert_eq!(median(&[5.0, 1.0, 4.0]), 4.0);
    assert_eq!(median(&[5.0, 1.0, 4.0, 2.0]), 3.0);
    assert_eq!(
        standard_deviation(&[2.0, 4.0, 4.0, 6.0]),
        (8.0_f64 / 3.0).sqrt()
    );
    assert!(standard_deviation(&[2.0]).is_nan());
    assert_eq!(range(&[3.0, -1.0, 2.0]), (-1.0, 3.0));
    assert_eq!(range(&[3.0]), (3.0, 3.0));
    assert!(range(&[]).0.is_nan());
}

#[test]
fn aggregates_over_tasks_by_hand() {
    let scores = vec![vec![0.0, 1.0], vec![2.0, 4.0], vec![10.0, 20.0]];
    assert_eq!(mean_of_tasks(&scores), (0.5 + 3.0 + 15.0) / 3.0);
    assert_eq!(median_of_tasks(&scores), 3.0);
    assert_eq!(
        interquartile_mean_of_tasks(&scores),
        (1.0 + 2.0 + 4.0 + 10.0) / 4.0
    );
}

#[test]
fn improvement_counts_wins_and_half_ties() {
    // Task 1: 2>1, 2=2 and 3>1, 3>2: 3.5 of 4. Task 2: 0 of 1.
    let first = vec![vec![2.0, 3.0], vec![0.0]];
    let second = vec![vec![1.0, 2.0], vec![1.0]];
    assert_eq!(
        probability_of_improvement(&first, &second),
        (3.5 / 4.0) / 2.0
    );
    assert_eq!(
        probability_of_improvement(&second, &first),
        (0.5 / 4.0 + 1.0) / 2.0
    );
    assert!(probability_of_improvement(&first, &second[..1]).is_nan());
}

#[test]
fn the_profile_counts_scores_above_each_threshold() {
    let scores = vec![vec![0.0, 0.5], vec![0.5, 1.0]];
    assert_eq!(
        performance_profile(&scores, &[-1.0, 0.0, 0.5, 1.0]),
        [1.0, 0.75, 0.25, 0.0]
    );
}

#[test]
fn a_degenerate_interval_collapses_and_a_seed_repeats() {
    let same = Bootstrap::default().interquartile_mean(&[vec![0.7; 5]]);
    assert_eq!((same.low, same.high), (same.estimate, same.estimate));
    let scores = vec![
        (0..20)
            .map(|run| f64::from(run * 37 % 23).sqrt())
            .collect::<Vec<_>>(),
    ];
    let once = Bootstrap {
        seed: 3,
        ..Bootstrap::default()
    };
    assert_eq!(
        once.interquartile_mean(&scores),
        once.interquartile_mean(&scores)
    );
    let general = once.interval(&scores, interquartile_mean_of_tasks);
    assert_eq!(general, once.interquartile_mean(&scores));
    let other = Bootstrap {
        seed: 4,
        ..Bootstrap::default()
    };
    assert_ne!(
        once.interquartile_mean(&scores),
        other.interquartile_mean(&scores)
    );
    assert!(Bootstrap::default().interquartile_mean(&[]).low.is_nan());
}

#[test]
fn the_interval_of_a_mean_of_two_runs_is_exact() {
    // Drawing two of {0, 1}: means 0, 0.5, 1 with probabilities 1/4, 1/2, 1/4, so the
    // central half of the distribution is exactly the value 0.5.
    let half = Bootstrap {
        confidence: 0.45,
        ..Bootstrap::default()
    };
    let interval = half.interval(&[vec![0.0, 1.0]], mean_of_tasks);
    assert_eq!(
        (interval.low, interval.estimate, interval.high),
        (0.5, 0.5, 0.5)
    );
    let wide = Bootstrap::default().interval(&[vec![0.0, 1.0]], mean_of_tasks);
    assert_eq!((wide.low, wide.high), (0.0, 1.0));
}

#[test]
fn tasks_are_resampled_within_themselves() {
    // Constant tasks stay what they are: no score can cross over to another task.
    let interval = Bootstrap::default().interval(&[vec![0.0; 3], vec![6.0; 3]], |table| {
        table[1][0] - table[0][2]
    });
    assert_eq!((interval.low, interval.high), (6.0, 6.0));
}
