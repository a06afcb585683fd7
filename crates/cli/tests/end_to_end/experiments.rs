//! Experiments with the tests' worker: resumed, retried, interrupted, reported.

use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Place, eventually, signal};

const SHEET: &str = r#"version = 1
job = "experiment"
name = "small"
preset = "smoke"
seeds = 2
tasks = ["Foraging-5x5-2p-1f-coop-v3"]
[[methods]]
name = "A"
[[methods]]
name = "B"
set = { "algorithm.discount" = 0.9 }
"#;

fn place(sheet: &str) -> Place {
    let place = Place::new();
    std::fs::write(place.path().join("small.toml"), sheet).expect("a writable folder");
    place
}

fn folders(place: &Place, kind: &str) -> Vec<PathBuf> {
    let root = place.path().join("runs/experiments/small").join(kind);
    let Ok(entries) = std::fs::read_dir(root) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// The states of all runs, in the experiment's order.
fn states(place: &Place) -> Vec<String> {
    let plan = place.run(&["experiment", "small.toml", "--dry-run", "--format", "json"]);
    let runs = plan.json()["runs"].clone();
    let state = |run: &Value| run["state"].as_str().unwrap_or_default().to_owned();
    runs.as_array().expect("runs").iter().map(state).collect()
}

#[test]
fn every_run_is_done_once_and_reported() {
    let place = place(SHEET);
    let plan = place.run(&["experiment", "small.toml", "--dry-run", "--jobs", "3"]);
    assert_eq!(plan.code, Some(0));
    assert!(
        plan.stdout
            .contains("4 runs (1 tasks, 2 methods, 2 seeds), 4 to do, 8k steps in all"),
        "{}",
        plan.stdout
    );
    assert!(plan.stdout.contains("3 at a time"), "{}", plan.stdout);
    assert_eq!(folders(&place, "runs").len(), 0);

    let answer = place.run(&["experiment", "small.toml", "--format", "json"]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let report = answer.json();
    assert_eq!(report["cells"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        report["cells"][0]["final_return"]["mean"]["estimate"].as_f64(),
        Some(0.75)
    );
    let before = folders(&place, "runs");
    assert_eq!(before.len(), 4);

    // Again: nothing to do, and the same report.
    let again = place.run(&["experiment", "small.toml", "--ui", "plain"]);
    assert_eq!(again.code, Some(0));
    assert!(
        again.stderr.contains("4 finished, 0 to do"),
        "{}",
        again.stderr
    );
    assert_eq!(folders(&place, "runs"), before);
    let files: Vec<String> = folders(&place, "report")
        .iter()
        .map(|path| {
            path.file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(
        files,
        [
            "aggregate.csv",
            "curves.csv",
            "episodes.csv",
            "iqm.png",
            "marl_eval.json",
            "performance_profile.csv",
            "performance_profile.png",
            "probability_of_improvement.csv",
            "return-foraging-5x5-2p-1f-coop-v3.png",
            "runs.csv",
            "summary.csv",
            "summary.md",
        ]
    );
    let export = std::fs::read_to_string(folders(&place, "report")[4].clone()).expect("a file");
    assert!(
        export.contains("\"A\"") && export.contains("\"seed_2\""),
        "{export}"
    );

    // The runs are runs as everywhere.
    let root = place.path().join("runs/experiments/small/runs");
    let root = root.to_str().expect("UTF-8");
    let compared = place.run(&[
        "compare",
        "v3-s1",
        "v3-s2",
        "--run-dir",
        root,
        "--format",
        "json",
    ]);
    assert_eq!(compared.json()["groups"].as_array().map(Vec::len), Some(2));
}

#[test]
fn changed_settings_make_other_runs_and_a_new_seed_adds_only_its_own() {
    let place = place(SHEET);
    let quiet = ["experiment", "small.toml", "--ui", "none"];
    assert_eq!(place.run(&quiet).code, Some(0));
    std::fs::write(
        place.path().join("small.toml"),
        SHEET.replace("seeds = 2", "seeds = 3"),
    )
    .expect("a writable folder");
    assert_eq!(place.run(&quiet).code, Some(0));
    assert_eq!(folders(&place, "runs").len(), 6);
    let shorter = [&quiet[..], &["--set", "total_steps=1_000", "--dry-run"]].concat();
    let plan = place.run(&shorter);
    assert!(
        plan.stdout
            .contains("6 of 6 run folders belong to another form"),
        "{}",
        plan.stdout
    );
    assert!(plan.stdout.contains("6 to do"), "{}", plan.stdout);
}

#[test]
fn ctrl_c_stops_all_with_checkpoints_and_the_next_call_resumes() {
    let place = place(SHEET);
    let arguments = ["experiment", "small.toml", "--jobs", "2", "--ui", "plain"];
    let child = place.start_as("wait", &arguments);
    eventually("two running", || {
        states(&place)
            .iter()
            .filter(|state| *state == "running")
            .count()
            == 2
    });
    // A second command keeps its hands off.
    let other = place.run(&arguments);
    assert_eq!(other.code, Some(2));
    assert!(
        other.stderr.contains("is being run by another process"),
        "{}",
        other.stderr
    );
    signal(&child, Signal::INT);
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(5));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("0 of 4 runs are done; go on with: concord experiment small.toml"),
        "{told}"
    );
    assert_eq!(states(&place), ["interrupted", "interrupted", "new", "new"]);

    let before = folders(&place, "runs");
    let answer = place.run(&arguments);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    assert_eq!(states(&place), ["finished"; 4]);
    let after = folders(&place, "runs");
    assert!(after.len() == 4 && before.iter().all(|folder| after.contains(folder)));
    for folder in &before {
        let log = std::fs::read_to_string(folder.join("console.log")).expect("a log");
        assert!(
            log.contains("resumed false") && log.contains("resumed true"),
            "{log}"
        );
    }
}

#[test]
fn failed_runs_are_told_and_taken_up_only_when_asked() {
    let place = place(SHEET);
    let arguments = ["experiment", "small.toml", "--ui", "plain"];
    let answer = place.run_as("diverge", &arguments);
    assert_eq!(answer.code, Some(4), "{}", answer.stderr);
    assert!(
        answer.stderr.contains("the loss is NaN at update 310"),
        "{}",
        answer.stderr
    );
    assert_eq!(states(&place), ["failed"; 4]);
    let again = place.run(&arguments);
    assert_eq!(again.code, Some(4));
    assert!(
        again.stderr.contains("0 to do") && again.stderr.contains("--retry-failed"),
        "{}",
        again.stderr
    );
    let retried = place.run(&["experiment", "small.toml", "--retry-failed", "--ui", "none"]);
    assert_eq!(retried.code, Some(0), "{}", retried.stderr);
    assert_eq!(states(&place), ["finished"; 4]);
    // What diverged begins again; the old folders are kept apart.
    assert_eq!(
        (
            folders(&place, "runs").len(),
            folders(&place, "abandoned").len()
        ),
        (4, 4)
    );
}

#[test]
fn a_machine_that_breaks_every_worker_is_told_early() {
    let place = place(&SHEET.replace("seeds = 2", "seeds = 20"));
    let answer = place.run_as(
        "die",
        &["experiment", "small.toml", "--jobs", "1", "--ui", "plain"],
    );
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    assert!(
        answer
            .stderr
            .contains("3 workers in a row did not get to work"),
        "{}",
        answer.stderr
    );
    assert_eq!(folders(&place, "runs").len(), 3);
}

#[test]
fn json_lines_name_the_run_and_bad_files_start_nothing() {
    let place = place(SHEET);
    let answer = place.run(&["experiment", "small.toml", "--ui", "json"]);
    let lines: Vec<Value> = answer
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let ended: Vec<&Value> = lines
        .iter()
        .filter(|line| line["event"] == "finished")
        .collect();
    assert_eq!(ended.len(), 4);
    assert_eq!(
        (ended[3]["ended"].as_u64(), ended[3]["runs"].as_u64()),
        (Some(4), Some(4))
    );
    assert!(ended[0]["method"] == "A" && ended[0]["seed"] == 1 || ended[0]["method"] == "B");

    std::fs::write(
        place.path().join("small.toml"),
        SHEET
            .replace("Foraging", "Foragin")
            .replace("discount\" = 0.9", "discount\" = 9"),
    )
    .expect("a writable folder");
    let bad = place.run(&["experiment", "small.toml"]);
    assert_eq!(bad.code, Some(2));
    assert!(bad.stderr.contains("2 problems"), "{}", bad.stderr);
    assert_eq!(folders(&place, "runs").len(), 4);
}
