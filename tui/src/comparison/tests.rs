use std::collections::BTreeMap;

use proptest::prelude::*;
use tracking::statistics::{Bootstrap, interquartile_mean, mean};
use tracking::{Axis, EvaluationPurpose, Event, EventKind, History, Progress};

use super::*;

fn apply(history: &mut History, kind: EventKind) {
    history.apply(Event {
        version: 1,
        sequence: history.events,
        time: history.events as f64,
        kind,
    });
}

fn evaluate(history: &mut History, purpose: EvaluationPurpose, step: u64, returns: &[f64]) {
    let kind = EventKind::Evaluation {
        purpose,
        progress: Progress {
            step,
            ..Progress::default()
        },
        returns: returns.to_vec(),
        lengths: vec![1; returns.len()],
        extra: BTreeMap::new(),
        checkpoint: String::new(),
    };
    apply(history, kind);
}

fn configured(seed: u64, rate: f64) -> History {
    let mut history = History::new();
    let values = BTreeMap::from([
        ("seed".to_owned(), HyperParameter::Number(seed as f64)),
        ("algorithm.rate".to_owned(), HyperParameter::Number(rate)),
        (
            "environment.task".to_owned(),
            HyperParameter::Text("lbf".into()),
        ),
    ]);
    apply(&mut history, EventKind::Hparams { values });
    history
}

fn scored(seed: u64, rate: f64, scores: &[(u64, f64)]) -> History {
    let mut history = configured(seed, rate);
    for (step, score) in scores {
        evaluate(&mut history, EvaluationPurpose::Interval, *step, &[*score]);
    }
    history
}

#[test]
fn a_group_is_a_configuration_without_its_seed() {
    let histories = [
        configured(2, 0.1),
        configured(1, 0.1),
        configured(1, 0.2),
        History::new(),
    ];
    let ids = ["20261124-133656-a-s2", "a-s1", "a", "b"];
    let members: Vec<Member<'_>> = ids
        .iter()
        .zip(&histories)
        .map(|(id, history)| Member::of(id, history))
        .collect();
    let found = groups(&members);
    let named: Vec<(&str, &[usize])> = found
        .iter()
        .map(|group| (group.name.as_str(), group.members.as_slice()))
        .collect();
    // By seed inside a group; two configurations of one name are told apart.
    assert_eq!(
        named,
        [
            ("a rate=0.1", &[1, 0][..]),
            ("a rate=0.2", &[2][..]),
            ("b", &[3][..])
        ]
    );
    let differing = differences(&members[..3], &groups(&members[..3]));
    assert_eq!(differing.len(), 1);
    assert_eq!(differing[0].path, "algorithm.rate");
    assert_eq!(
        differing[0].values,
        [Some("0.1".to_owned()), Some("0.2".to_owned())]
    );
}

#[test]
fn names_without_settings_group_by_their_own_seed_alone() {
    assert_eq!(without_seed("demo-s3", Some(3)), "demo");
    assert_eq!(without_seed("demo-s3", Some(4)), "demo-s3");
    assert_eq!(unstamped("20261124-133656-demo-s1"), "demo-s1");
    assert_eq!(unstamped("2026112-133656-demo"), "2026112-133656-demo");
    assert_eq!(unstamped("20261124-133656-"), "20261124-133656-");
}

#[test]
fn a_band_holds_the_statistics_of_the_values_between_points() {
    let seeds = [
        vec![(0.0, 0.0), (10.0, 1.0)],
        vec![(0.0, 2.0), (5.0, 3.0), (10.0, 4.0)],
        vec![(5.0, 7.0), (20.0, 7.0)],
    ];
    let bootstrap = Bootstrap::default();
    let found = band(&seeds, Centre::Mean, 100, &bootstrap);
    let at: Vec<(f64, usize)> = found.iter().map(|point| (point.x, point.seeds)).collect();
    assert_eq!(at, [(0.0, 2), (5.0, 3), (10.0, 3), (20.0, 1)]);
    // At 5: half way from 0 to 1, then the points themselves.
    let scores = [0.5, 3.0, 7.0];
    let expected = bootstrap.interval(&[scores.to_vec()], |drawn: &[Vec<f64>]| mean(&drawn[0]));
    assert_eq!(found[1].interval, expected);
    assert_eq!(found[1].interval.estimate, 3.5);
    assert!(found[3].interval.low.is_nan() && found[3].interval.estimate == 7.0);
    let iqm = band(&seeds, Centre::InterquartileMean, 100, &bootstrap);
    assert_eq!(iqm[1].interval.estimate, interquartile_mean(&scores));
    assert_eq!(
        iqm[1].interval,
        bootstrap.interquartile_mean(&[scores.to_vec()])
    );
}

#[test]
fn seeds_are_folded_and_what_is_missing_is_said() {
    let histories = [
        scored(1, 0.1, &[(0, 0.0), (100, 1.0)]),
        scored(2, 0.1, &[(0, 0.5), (100, 0.5), (200, 0.5)]),
        configured(1, 0.2),
    ];
    let ids = ["a-s1", "a-s2", "b"];
    let members: Vec<Member<'_>> = ids
        .iter()
        .zip(&histories)
        .map(|(id, history)| Member::of(id, history))
        .collect();
    let folded = compare(&members, &Request::default());
    assert_eq!(folded.curves.len(), 1);
    assert_eq!(folded.curves[0].curve.name, "a (2 seeds)");
    assert_eq!(
        folded.curves[0].curve.points,
        [(0.0, 0.25), (100.0, 0.75), (200.0, 0.5)]
    );
    assert_eq!(
        folded.notes,
        ["b: no evaluation yet", "a: fewer than 2 seeds from 200 on"]
    );
    let apart = compare(
        &members,
        &Request {
            fold: false,
            ..Request::default()
        },
    );
    let names: Vec<&str> = apart
        .curves
        .iter()
        .map(|one| one.curve.name.as_str())
        .collect();
    assert_eq!(names, ["a-s1", "a-s2"]);
    assert_eq!(apart.curves[1].curve.dots.len(), 3);
    let tokens = Request {
        axis: Some(XAxis::Tokens),
        ..Request::default()
    };
    assert_eq!(
        compare(&members, &tokens).notes[0],
        "a-s1: nothing tells its tokens"
    );
    let csv = curves_csv(&folded, &Request::default());
    assert_eq!(
        csv.lines().nth(2),
        Some("a (2 seeds),evaluation return,step,100,0.75,0.5,1,2")
    );
    assert_eq!(
        csv.lines().nth(3),
        Some("a (2 seeds),evaluation return,step,200,0.5,,,1")
    );
    let json = curves_json(&folded, &Request::default());
    assert_eq!(json[0]["points"][2]["low"], serde_json::Value::Null);
}

#[test]
fn results_are_those_of_the_statistics() {
    let mut histories = [
        scored(1, 0.1, &[(0, 0.9), (100, 0.4)]),
        scored(2, 0.1, &[(0, 0.1), (100, 0.6)]),
        scored(1, 0.2, &[(0, 0.1), (100, 0.2)]),
    ];
    let last_step = 100;
    evaluate(
        &mut histories[0],
        EvaluationPurpose::Absolute,
        last_step,
        &[0.8, 0.8],
    );
    let ids = ["a-s1", "a-s2", "b"];
    let mut members: Vec<Member<'_>> = ids
        .iter()
        .zip(&histories)
        .map(|(id, history)| Member::of(id, history))
        .collect();
    for (member, seconds) in members.iter_mut().zip([10.0, 20.0, 0.0]) {
        member.progress.step = 100;
        member.progress.seconds = seconds;
    }
    let bootstrap = Bootstrap::default();
    let groups = groups(&members);
    let rows = results(&members, &groups, true, Centre::Mean, &bootstrap);
    let expected = bootstrap.interval(&[vec![0.4, 0.6]], |drawn: &[Vec<f64>]| mean(&drawn[0]));
    assert_eq!(rows[0].last, Some(expected));
    assert_eq!(rows[0].best.map(|score| score.estimate), Some(0.75));
    assert_eq!(rows[0].absolute.map(|score| score.estimate), Some(0.8));
    assert_eq!(
        (rows[0].seeds, rows[0].steps, rows[0].seconds),
        (2, 100, 20.0)
    );
    assert_eq!(rows[0].steps_per_second, Some(7.5));
    assert_eq!((rows[1].steps_per_second, rows[1].absolute), (None, None));
    let sheet = result_sheet(&rows, true, Centre::Mean).to_csv();
    let line = sheet
        .lines()
        .nth(2)
        .map(|line| line.split(',').skip(1).take(5).collect());
    assert_eq!(line, Some(vec!["1", "", "0.2", "", ""]), "{sheet}");
    let beats = improvements(&members, &groups, &bootstrap);
    // Both seeds of the first beat the one of the second; not all have an absolute return.
    assert_eq!(
        (
            beats.len(),
            beats[0].probability.estimate,
            beats[0].absolute
        ),
        (1, 1.0, false)
    );
    let each = results(&members, &groups, false, Centre::Mean, &bootstrap);
    assert_eq!(each.len(), 3);
    assert_eq!(
        each[0].last.map(|score| (score.low, score.high)),
        Some((0.4, 0.4))
    );
}

proptest! {
    #[test]
    fn a_band_lies_between_the_seeds(
        seeds in prop::collection::vec(
            prop::collection::vec((0_u32..1000, -10.0..10.0_f64), 1..20), 1..5),
        points in 0_usize..30,
    ) {
        let curves: Vec<Vec<(f64, f64)>> = seeds
            .into_iter()
            .map(|mut seed| {
                seed.sort_by_key(|point| point.0);
                seed.dedup_by_key(|point| point.0);
                seed.into_iter().map(|(x, y)| (f64::from(x), y)).collect()
            })
            .collect();
        let all = || curves.iter().flatten().map(|point| point.1);
        let low = all().fold(f64::INFINITY, f64::min) - 1e-9;
        let high = all().fold(f64::NEG_INFINITY, f64::max) + 1e-9;
        let bootstrap = Bootstrap { resamples: 50, ..Bootstrap::default() };
        let found = band(&curves, Centre::InterquartileMean, points, &bootstrap);
        prop_assert!(found.len() <= points.max(2).max(1));
        prop_assert!(found.windows(2).all(|pair| pair[0].x < pair[1].x));
        for point in found {
            let interval = point.interval;
            prop_assert!(low <= interval.estimate && interval.estimate <= high);
            if point.seeds > 1 {
                prop_assert!(low <= interval.low && interval.high <= high);
                prop_assert!(interval.low <= interval.high);
            } else {
                prop_assert!(interval.low.is_nan());
            }
        }
    }

    #[test]
    fn any_points_are_folded_without_a_panic(
        seeds in prop::collection::vec(
            prop::collection::vec((prop::num::f64::ANY, prop::num::f64::ANY), 0..12), 0..4),
    ) {
        let bootstrap = Bootstrap { resamples: 10, ..Bootstrap::default() };
        let _ = band(&seeds, Centre::Mean, 10, &bootstrap);
    }
}

#[test]
fn a_metric_of_any_run_is_offered() {
    let mut first = scored(1, 0.1, &[(0, 0.9)]);
    let second = configured(2, 0.1);
    apply(
        &mut first,
        EventKind::Scalar {
            name: "train/loss".into(),
            value: 1.0,
            axis: Axis::EnvSteps,
            step: 1,
        },
    );
    let members = [Member::of("b", &second), Member::of("a", &first)];
    assert_eq!(metrics(&members), [EVALUATION, "train/loss"]);
}

#[test]
fn a_fine_tunings_scores_are_called_by_their_name_and_equal_seeds_count_once() {
    let scored = |seed: u64| {
        let mut history = configured(seed, 0.1);
        let kind = EventKind::Evaluation {
            purpose: EvaluationPurpose::Interval,
            progress: Progress {
                step: 4,
                updates: 4,
                ..Progress::default()
            },
            returns: vec![0.5],
            lengths: vec![1],
            extra: BTreeMap::from([("accuracy".to_owned(), vec![0.5])]),
            checkpoint: String::new(),
        };
        apply(&mut history, kind);
        history
    };
    let histories = [scored(1), scored(1)];
    let members: Vec<Member<'_>> = ["a-s1", "b-s1"]
        .iter()
        .zip(&histories)
        .map(|(id, history)| Member::of(id, history))
        .collect();
    let found = compare(&members, &Request::default());
    assert_eq!(
        title(EVALUATION, found.axis, &members),
        "evaluation accuracy over learner updates"
    );
    assert_eq!(found.curves[0].curve.name, "a (2 runs, 1 seed)");
    assert!(
        found.notes[0].contains("2 runs of 1 seed"),
        "{:?}",
        found.notes
    );
    let groups = groups(&members);
    let centre = Centre::default();
    let rows = results(&members, &groups, true, centre, &Bootstrap::default());
    assert_eq!(rows[0].seeds, 1);
}
