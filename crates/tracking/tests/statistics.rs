//! Against numpy, scipy and rliable (`xtask/parity/score_statistics.py`).

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use serde::Deserialize;
use tracking::statistics::{
    Bootstrap, Interval, interquartile_mean, interquartile_mean_of_tasks, mean, mean_of_tasks,
    median, median_of_tasks, performance_profile, probability_of_improvement, standard_deviation,
};

#[derive(Deserialize)]
struct Case {
    table: Vec<Vec<f64>>,
    other: Vec<Vec<f64>>,
    mean: f64,
    median: f64,
    trim_mean: f64,
    standard_deviation: Option<f64>,
    mean_of_tasks: f64,
    median_of_tasks: f64,
    interquartile_mean: f64,
    probability_of_improvement: f64,
    thresholds: Vec<f64>,
    profile: Vec<f64>,
    interquartile_mean_interval: Option<[f64; 3]>,
    mean_interval: Option<[f64; 3]>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("fixtures/statistics.json")).unwrap()
}

fn close(ours: f64, theirs: f64) {
    assert!((ours - theirs).abs() < 1e-12, "{ours} against {theirs}");
}

#[test]
fn point_estimates_equal_theirs() {
    let cases = cases();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let flat = case.table.concat();
        close(mean(&flat), case.mean);
        close(median(&flat), case.median);
        close(interquartile_mean(&flat), case.trim_mean);
        match case.standard_deviation {
            Some(theirs) => close(standard_deviation(&flat), theirs),
            None => assert!(standard_deviation(&flat).is_nan()),
        }
        close(mean_of_tasks(&case.table), case.mean_of_tasks);
        close(median_of_tasks(&case.table), case.median_of_tasks);
        close(
            interquartile_mean_of_tasks(&case.table),
            case.interquartile_mean,
        );
        close(
            probability_of_improvement(&case.table, &case.other),
            case.probability_of_improvement,
        );
        assert_eq!(
            performance_profile(&case.table, &case.thresholds),
            case.profile
        );
    }
}

/// Two bootstraps with other draws agree within their own noise: below a hundredth of
/// the range of the scores with 50,000 draws each.
#[test]
fn intervals_agree_with_rliable() {
    let bootstrap = Bootstrap {
        resamples: 50_000,
        ..Bootstrap::default()
    };
    let near = |ours: Interval, theirs: [f64; 3]| {
        close(ours.estimate, theirs[0]);
        assert!(
            (ours.low - theirs[1]).abs() < 0.005,
            "{ours:?} against {theirs:?}"
        );
        assert!(
            (ours.high - theirs[2]).abs() < 0.005,
            "{ours:?} against {theirs:?}"
        );
    };
    let mut compared = 0;
    for case in cases() {
        if let (Some(middle), Some(whole)) = (case.interquartile_mean_interval, case.mean_interval)
        {
            near(bootstrap.interquartile_mean(&case.table), middle);
            near(bootstrap.interval(&case.table, mean_of_tasks), whole);
            compared += 1;
        }
    }
    assert_eq!(compared, 5);
}
