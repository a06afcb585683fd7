use super::*;
use crate::event::{Axis, EvaluationPurpose, Event, EventKind, Progress};
use crate::meta::Meta;

fn history(points: &[(u64, f64)], absolute: f64, calls: Option<f64>) -> History {
    let mut history = History::new();
    let mut sequence = 0;
    let mut apply = |kind| {
        sequence += 1;
        history.apply(Event {
            version: 1,
            sequence,
            time: 0.0,
            kind,
        });
    };
    let evaluation = |purpose, step, value: f64| EventKind::Evaluation {
        purpose,
        progress: Progress {
            step,
            seconds: step as f64 / 10.0,
            ..Progress::default()
        },
        // Two episodes around the value, of ten and thirty steps.
        returns: vec![value - 0.1, value + 0.1],
        lengths: vec![10, 30],
        extra: calls
            .map(|share| ("cl_calls".to_owned(), vec![10.0 * share, 30.0 * share]))
            .into_iter()
            .collect(),
        checkpoint: String::new(),
    };
    for (step, value) in points {
        apply(evaluation(EvaluationPurpose::Interval, *step, *value));
        apply(EventKind::Scalar {
            name: "train/loss".to_owned(),
            value: *step as f64,
            axis: Axis::EnvSteps,
            step: *step,
        });
    }
    apply(evaluation(EvaluationPurpose::Absolute, 200, absolute));
    history
}

fn run(method: &str, seed: u64, history: History) -> ReportRun {
    ReportRun {
        task: "coop, small".to_owned(),
        method: method.to_owned(),
        point: Vec::new(),
        point_label: String::new(),
        finished: true,
        record: RunRecord {
            meta: Meta {
                id: format!("{method}-{seed}"),
                seed,
                ..Meta::default()
            },
            history,
        },
    }
}

/// Two seeds of A whose mean is highest at the second evaluation, and of B below it.
fn runs() -> Vec<ReportRun> {
    vec![
        run(
            "A",
            2,
            history(&[(0, 0.2), (104, 0.9), (200, 0.6)], 0.8, Some(0.5)),
        ),
        run(
            "A",
            1,
            history(&[(0, 0.0), (100, 0.7), (200, 0.8)], 1.0, Some(0.1)),
        ),
        run(
            "B",
            1,
            history(&[(0, 0.0), (100, 0.2), (200, 0.4)], 0.4, None),
        ),
        run(
            "B",
            2,
            history(&[(0, 0.0), (100, 0.2), (200, 0.2)], 0.8, None),
        ),
    ]
}

fn report(options: &ReportOptions) -> Report {
    Report::new(&runs(), options)
}

fn options() -> ReportOptions {
    ReportOptions {
        name: "x".to_owned(),
        planned: 4,
        scalars: vec!["train/loss".to_owned()],
        return_range: Some((0.0, 2.0)),
        bootstrap: Bootstrap::default(),
    }
}

fn close(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-12
}

#[test]
fn the_numbers_of_a_cell_are_those_of_the_protocol() {
    let report = report(&options());
    assert_eq!(report.notes, Vec::<String>::new());
    let cell = report.cell("coop, small", 0).unwrap();
    assert_eq!(
        (cell.seeds.as_slice(), cell.curve.len()),
        ([1, 2].as_slice(), 3)
    );
    // Last evaluations 0.8 and 0.6; seed-mean curve 0.1, 0.8, 0.7; averages 0.5 and 17/30.
    assert!(close(cell.final_return.mean.estimate, 0.7));
    assert!(close(cell.max_return.mean.estimate, 0.8));
    assert_eq!(cell.max_return.step, 102);
    assert!(close(
        cell.average_return.mean.estimate,
        (0.5 + 17.0 / 30.0) / 2.0
    ));
    // Absolute 1.0 and 0.8: sd sqrt(2) x 0.1; two seeds have no quarter to cut.
    assert!(close(cell.interquartile_mean.estimate, 0.9));
    assert!(close(cell.standard_deviation, 0.02_f64.sqrt()));
    // With two seeds the bootstrap mean is 0.6, 0.7 or 0.8, the ends each in a quarter.
    let ends = (cell.final_return.mean.low, cell.final_return.mean.high);
    assert!(close(ends.0, 0.6) && close(ends.1, 0.8), "{ends:?}");
}

#[test]
fn calls_are_a_share_of_all_steps_and_curves_are_cut_between_evaluations() {
    let report = report(&options());
    let cell = report.cell("coop, small", 0).unwrap();
    let calls = cell.measure("cl_fraction").unwrap();
    assert!(close(calls.last.as_ref().unwrap().mean.estimate, 0.3));
    assert!(close(calls.absolute.as_ref().unwrap().values[1], 0.5));
    let loss = cell.measure("train/loss").unwrap();
    assert!(close(loss.last.as_ref().unwrap().mean.estimate, 200.0));
    assert!(close(loss.mean.as_ref().unwrap().values[0], 100.0));
    let middle = loss.curve[1];
    assert_eq!((middle.step, middle.mean.estimate), (102, 102.0));
    assert!(
        report
            .cell("coop, small", 1)
            .unwrap()
            .measure("cl_fraction")
            .is_none()
    );
}

#[test]
fn over_all_tasks_scores_are_normalised_and_compared() {
    let report = report(&options());
    let iqm: Vec<f64> = report
        .overall
        .aggregates
        .iter()
        .map(|one| one.interquartile_mean.estimate)
        .collect();
    assert!(close(iqm[0], 0.45) && close(iqm[1], 0.3), "{iqm:?}");
    // 1.0 beats both; 0.8 beats 0.4 and ties with 0.8.
    let first = &report.overall.improvements[0];
    assert_eq!(
        (first.first, first.second, first.task.as_deref()),
        (0, 1, None)
    );
    assert!(close(first.probability.estimate, 3.5 / 4.0));
    let share = |threshold: usize| report.overall.profiles[1].points[threshold].1.estimate;
    // B's normalised scores are 0.2 and 0.4.
    assert_eq!([share(10), share(30), share(50)], [1.0, 0.5, 0.0]);
    let own = ReportOptions {
        return_range: None,
        ..options()
    };
    assert_eq!(
        Report::new(&runs(), &own).overall.ranges,
        [("coop, small".to_owned(), 0.4, 1.0)]
    );
}

#[test]
fn tables_have_a_line_per_cell_run_and_pair_and_quote_names() {
    let report = report(&options());
    let summary = report.summary_csv();
    let lines: Vec<&str> = summary.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[1].starts_with("\"coop, small\",A,,2,0,3,0.7,"),
        "{}",
        lines[1]
    );
    let columns = lines[0].split(',').count();
    // The quoted comma adds one.
    assert!(
        lines[1..]
            .iter()
            .all(|line| line.split(',').count() == columns + 1)
    );
    assert_eq!(report.runs_csv().lines().count(), 5);
    assert_eq!(report.improvement_csv().lines().count(), 5);
    assert_eq!(report.profile_csv().lines().count(), 203);
    assert_eq!(report.curves_csv().lines().count(), 1 + 2 * 2 * 3 + 3);
    let markdown = report.summary_markdown("concord experiment x.toml");
    assert!(
        markdown.contains("| A | 2 | 0.700 [0.600, 0.800] |"),
        "{markdown}"
    );
    assert!(markdown.contains("0.875"), "{markdown}");
}

#[test]
fn missing_runs_and_unknown_curves_are_told() {
    let mut some = runs();
    some.truncate(3);
    some[0].finished = false;
    let wanted = ReportOptions {
        scalars: vec!["nothing".to_owned()],
        ..options()
    };
    let report = Report::new(&some, &wanted);
    assert_eq!(
        report.notes,
        [
            "2 of 4 runs are finished; the numbers below are preliminary",
            "cells have 1 to 2 seeds",
            "no run has a curve named nothing"
        ]
    );
}
