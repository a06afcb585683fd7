//! Lists, details, comparisons and exports of runs on disk.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tracking::export::{RunRecord, csv, marl_eval};
use tracking::statistics::Bootstrap;
use tracking::summary::{compare, details, rows};
use tracking::{
    Axis, EvaluationPurpose, EventKind, NewRun, Progress, RunFolder, RunState, SinkOptions, Status,
    StatusWriter, TrackerThread,
};

fn evaluation(purpose: EvaluationPurpose, step: u64, returns: &[f64]) -> EventKind {
    EventKind::Evaluation {
        purpose,
        progress: Progress {
            step,
            updates: step / 10,
            tokens: 0,
            seconds: step as f64 / 100.0,
        },
        returns: returns.to_vec(),
        lengths: vec![10; returns.len()],
        extra: BTreeMap::new(),
        checkpoint: String::new(),
    }
}

/// A run whose evaluations at the given steps are `score` everywhere.
fn run_with(
    root: &Path,
    algorithm: &str,
    seed: u64,
    steps: &[u64],
    score: f64,
    absolute: bool,
) -> RunFolder {
    let new = NewRun {
        name: format!("{algorithm} s{seed}"),
        job: "train".into(),
        algorithm: algorithm.into(),
        environment: "lbf".into(),
        task: "Foraging, small".into(),
        seed,
        total_steps: 1000,
        ..NewRun::default()
    };
    let run = RunFolder::create(root, &new).unwrap();
    let (tracker, thread) = TrackerThread::start(&run, SinkOptions::default()).unwrap();
    for step in steps {
        tracker.scalar("train/return", *step as f64, Axis::EnvSteps, *step);
        tracker.event(evaluation(
            EvaluationPurpose::Interval,
            *step,
            &[score, score],
        ));
    }
    if absolute {
        tracker.event(evaluation(EvaluationPurpose::Absolute, 1000, &[score; 4]));
    }
    thread.close();
    run
}

#[test]
fn the_list_shows_state_progress_and_scores_newest_first() {
    let root = tempfile::tempdir().unwrap();
    let queued = run_with(root.path(), "iql", 1, &[], 0.0, false);
    let running = run_with(root.path(), "vdn", 1, &[100], 0.5, false);
    let mut status = Status {
        state: RunState::Running,
        total_steps: 1000,
        steps_per_second: Some(50.0),
        last_evaluation: Some(0.5),
        best_evaluation: Some(0.75),
        device: "cuda:0".into(),
        ..Status::default()
    };
    status.progress.step = 250;
    StatusWriter::new(&running).write(&status, true).unwrap();
    let broken = run_with(root.path(), "xql", 1, &[], 0.0, false);
    fs::write(broken.status_file(), "{").unwrap();

    let list = rows(root.path()).unwrap();
    let row = |run: &RunFolder| list.iter().find(|row| row.id == run.id()).unwrap();
    let ids: Vec<&String> = list.iter().map(|row| &row.id).collect();
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "{ids:?}");
    assert_eq!(
        (row(&queued).state, row(&queued).fraction),
        (RunState::Queued, Some(0.0))
    );
    let at_work = row(&running);
    assert_eq!(
        (at_work.state, at_work.fraction),
        (RunState::Running, Some(0.25))
    );
    assert_eq!(
        (at_work.remaining_secs, at_work.best_evaluation),
        (Some(15.0), Some(0.75))
    );
    assert_eq!(
        (at_work.device.as_str(), at_work.silent_secs),
        ("cuda:0", None)
    );
    assert!(
        row(&broken).message.contains("status.json"),
        "{}",
        row(&broken).message
    );
    assert_eq!(row(&broken).state, RunState::Lost);
}

#[test]
fn the_details_hold_evaluations_curves_artifacts_and_the_console() {
    let root = tempfile::tempdir().unwrap();
    let run = run_with(root.path(), "iql", 1, &[100, 200], 0.5, true);
    let (tracker, thread) = TrackerThread::start(&run, SinkOptions::default()).unwrap();
    let progress = Progress {
        step: 200,
        ..Progress::default()
    };
    fs::create_dir(run.checkpoint(200)).unwrap();
    let path = "ckpt/step-200".to_owned();
    tracker.event(EventKind::Checkpoint {
        progress,
        path,
        best: true,
    });
    let path = "media/gone.gif".to_owned();
    tracker.event(EventKind::Episode {
        progress,
        path,
        episode_return: 1.0,
        length: 9,
    });
    tracker.warning("learner", "slow");
    thread.close();
    let failed = Status {
        state: RunState::Failed,
        exit_code: Some(4),
        ..Status::default()
    };
    failed.write(&run.status_file()).unwrap();
    let lines: String = (0..30).map(|line| format!("line {line}\n")).collect();
    fs::write(run.console_log(), lines).unwrap();

    let shown = details(&run).unwrap();
    assert_eq!(shown.evaluations.len(), 3);
    assert_eq!(
        (shown.evaluations[0].mean, shown.evaluations[0].episodes),
        (0.5, 2)
    );
    assert_eq!(shown.evaluations[2].purpose, EvaluationPurpose::Absolute);
    assert_eq!(
        (
            shown.curves[0].points,
            shown.curves[0].last,
            shown.curves[0].lowest
        ),
        (2, 200.0, 100.0)
    );
    assert!(shown.checkpoints[0].exists && shown.checkpoints[0].best);
    assert!(!shown.episodes[0].exists);
    assert_eq!(shown.warnings[0].message, "slow");
    assert_eq!(shown.console_tail.len(), 20);
    assert_eq!(shown.console_tail[19], "line 29");
    // The whole is JSON for `--format json`.
    let text = serde_json::to_string(&shown).unwrap();
    assert_eq!(
        serde_json::from_str::<tracking::summary::RunDetails>(&text).unwrap(),
        shown
    );
}

#[test]
fn runs_are_compared_on_common_steps() {
    let root = tempfile::tempdir().unwrap();
    let runs = [
        run_with(root.path(), "iql", 1, &[100, 200, 300], 0.2, true),
        run_with(root.path(), "iql", 2, &[100, 300], 0.4, true),
        run_with(root.path(), "vdn", 1, &[100], 0.9, true),
    ];
    let comparison = compare(&runs, &Bootstrap::default()).unwrap();
    assert_eq!(comparison.rows.len(), 3);
    let iql = &comparison.groups[0];
    assert_eq!(
        (iql.algorithm.as_str(), iql.seeds.as_slice()),
        ("iql", [1, 2].as_slice())
    );
    let steps: Vec<u64> = iql.points.iter().map(|point| point.step).collect();
    assert_eq!(steps, [100, 200, 300]);
    assert_eq!(iql.points[1].values, [Some(0.2), Some(0.4)]);
    let middle = iql.points[1].interquartile_mean;
    assert!((middle.estimate - 0.3).abs() < 1e-12 && (middle.low, middle.high) == (0.2, 0.4));
    let absolute = iql.absolute.unwrap();
    assert!((absolute.estimate - 0.3).abs() < 1e-12, "{absolute:?}");
    let improvement = &comparison.improvements[0];
    assert_eq!(
        (improvement.first.as_str(), improvement.second.as_str()),
        ("iql", "vdn")
    );
    assert!(improvement.absolute);
    assert_eq!(improvement.probability.estimate, 0.0);
}

#[test]
fn a_step_outside_a_run_has_no_value() {
    let root = tempfile::tempdir().unwrap();
    let runs = [
        run_with(root.path(), "iql", 1, &[100, 400], 0.2, false),
        run_with(root.path(), "iql", 2, &[200], 0.4, false),
    ];
    let group = compare(&runs, &Bootstrap::default())
        .unwrap()
        .groups
        .remove(0);
    let values: Vec<_> = group
        .points
        .iter()
        .map(|point| point.values.clone())
        .collect();
    assert_eq!(
        values,
        [
            vec![Some(0.2), None],
            vec![Some(0.2), Some(0.4)],
            vec![Some(0.2), None]
        ]
    );
    assert_eq!(group.absolute, None);
}

#[test]
fn exports_keep_order_and_say_what_is_missing() {
    let root = tempfile::tempdir().unwrap();
    let steps: Vec<u64> = (1..=12).map(|index| index * 50).collect();
    let runs = [
        run_with(root.path(), "a,b", 1, &steps, 0.5, true),
        run_with(root.path(), "a,b", 2, &steps[..11], 0.5, false),
    ];
    let records = RunRecord::read_all(&runs).unwrap();
    let export = marl_eval::export(&records, false).unwrap();
    assert_eq!(export.notes.len(), 2, "{:?}", export.notes);
    let text = export.to_json();
    let at = |key: &str| text.find(&format!("\"{key}\"")).unwrap();
    assert!(
        at("step_2") < at("step_9")
            && at("step_9") < at("step_10")
            && at("step_11") < at("absolute_metrics")
    );
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let seeds = &json["lbf"]["Foraging, small"]["a-b"];
    assert_eq!(seeds["seed_1"]["step_11"]["step_count"], 600);
    assert_eq!(
        seeds["seed_1"]["step_0"]["return"],
        serde_json::json!([0.5, 0.5])
    );
    assert_eq!(
        seeds["seed_1"]["absolute_metrics"]["length"],
        serde_json::json!([10, 10, 10, 10])
    );
    assert!(seeds["seed_2"]["absolute_metrics"].is_null());

    let cut = marl_eval::export(&records, true).unwrap().to_json();
    assert!(!cut.contains("step_11") && cut.contains("step_10"));

    let mut table = Vec::new();
    csv::episodes(&records, &mut table).unwrap();
    let table = String::from_utf8(table).unwrap();
    assert_eq!(table.lines().count(), 1 + 12 * 2 + 4 + 11 * 2);
    let second = table.lines().nth(1).unwrap();
    assert!(
        second.ends_with(",lbf,\"Foraging, small\",\"a,b\",1,interval,50,5,0.5,0,0.5,10"),
        "{second}"
    );
}

#[test]
fn an_export_refuses_what_it_cannot_mean() {
    let root = tempfile::tempdir().unwrap();
    let twice = [
        run_with(root.path(), "iql", 1, &[100], 0.5, true),
        run_with(root.path(), "iql", 1, &[100], 0.6, true),
    ];
    let error = marl_eval::export(&RunRecord::read_all(&twice).unwrap(), false).unwrap_err();
    assert!(error.to_string().contains("seed 1 twice"), "{error}");
    let empty = [run_with(root.path(), "iql", 2, &[], 0.5, false)];
    let error = marl_eval::export(&RunRecord::read_all(&empty).unwrap(), false).unwrap_err();
    assert!(error.to_string().contains("without evaluations"), "{error}");
    let infinite = [run_with(root.path(), "iql", 3, &[100], f64::NAN, false)];
    let error = marl_eval::export(&RunRecord::read_all(&infinite).unwrap(), false).unwrap_err();
    assert!(error.to_string().contains("non-finite"), "{error}");
}
