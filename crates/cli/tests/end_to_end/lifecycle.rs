//! Runs with the tests' worker: started, watched, stopped, resumed, killed.

use std::io::Read;

use rustix::process::Signal;

use crate::harness::{Place, eventually, signal};

#[test]
fn a_run_ends_with_its_result_and_json_alone_on_stdout() {
    let place = Place::new();
    let answer = place.run(&[
        "train", "demo", "--ui", "none", "--format", "json", "--seed", "4",
    ]);
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""));
    let result = answer.json();
    assert_eq!(
        (
            result["state"].as_str(),
            result["seed"].as_u64(),
            result["step"].as_u64()
        ),
        (Some("finished"), Some(4), Some(100))
    );
    assert_eq!(
        result["last_evaluation"]["mean_return"].as_f64(),
        Some(0.75)
    );
    assert!(
        result["written"]["checkpoint"]
            .as_str()
            .is_some_and(|path| path.ends_with("ckpt/step-100"))
    );
    let folder = place.run_folder();
    assert!(
        std::fs::read_to_string(folder.join("config.toml"))
            .expect("a config")
            .contains("seed = 4")
    );
    assert!(
        std::fs::read_to_string(folder.join("console.log"))
            .expect("a log")
            .contains("resumed false")
    );
    assert!(
        std::fs::read_to_string(folder.join("origin.json"))
            .expect("origins")
            .contains("seed=4")
    );
}

#[test]
fn plain_progress_goes_to_stderr_and_events_to_stdout() {
    let place = Place::new();
    let plain = place.run(&["train", "demo", "--ui", "plain"]);
    assert_eq!(plain.code, Some(0));
    assert!(
        plain.stderr.contains("evaluation at 10: return 0.750"),
        "{}",
        plain.stderr
    );
    assert!(
        plain.stdout.contains("run folder") && !plain.stdout.contains("evaluation at"),
        "{}",
        plain.stdout
    );
    let json = place.run(&["train", "demo", "--ui", "json"]);
    let kinds: Vec<String> = json
        .stdout
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("an event")["kind"]
                .as_str()
                .expect("a kind")
                .to_owned()
        })
        .collect();
    assert_eq!(kinds.first().map(String::as_str), Some("state"));
    assert_eq!(kinds.last().map(String::as_str), Some("finished"));
    assert!(kinds.contains(&"evaluation".to_owned()));
}

#[test]
fn the_first_interrupt_stops_with_a_checkpoint() {
    for behaviour in ["wait", "deaf"] {
        let place = Place::new();
        let child = place.start_as(behaviour, &["train", "demo", "--ui", "none"]);
        place.until_state("running");
        signal(&child, Signal::INT);
        let output = child.wait_with_output().expect("an end");
        assert_eq!(output.status.code(), Some(5), "{behaviour}");
        assert!(
            String::from_utf8_lossy(&output.stderr)
                .contains("finishes its step and writes a checkpoint")
        );
        assert_eq!(place.state().as_deref(), Some("interrupted"));
        assert!(place.run_folder().join("ckpt/step-10").is_dir());
    }
}

#[test]
fn the_second_interrupt_leaves_without_a_checkpoint() {
    let place = Place::new();
    let mut child = place.start_as("stubborn", &["train", "demo", "--ui", "none"]);
    place.until_state("running");
    signal(&child, Signal::INT);
    let mut stderr = child.stderr.take().expect("a pipe");
    let mut said = Vec::new();
    let mut read_until = |words: &str| {
        let mut byte = [0];
        while !String::from_utf8_lossy(&said).contains(words) {
            assert_eq!(
                stderr.read(&mut byte).expect("a readable pipe"),
                1,
                "{}",
                String::from_utf8_lossy(&said)
            );
            said.push(byte[0]);
        }
    };
    read_until("ctrl-c again: leave without one");
    signal(&child, Signal::INT);
    read_until("leaving");
    assert_eq!(child.wait().expect("an end").code(), Some(130));
    assert!(!place.run_folder().join("ckpt/step-10").exists());
}

#[test]
fn the_workers_exit_code_and_last_words_are_passed_on() {
    let place = Place::new();
    let answer = place.run_as("diverge", &["train", "demo", "--ui", "none"]);
    assert_eq!(answer.code, Some(4));
    assert!(
        answer.stderr.contains("the loss is NaN at update 310"),
        "{}",
        answer.stderr
    );

    let place = Place::new();
    let answer = place.run_as("die", &["train", "demo", "--ui", "none"]);
    assert_eq!(answer.code, Some(128 + 6), "an abort is a signal");
    assert!(
        answer.stderr.contains("killed by signal 6"),
        "{}",
        answer.stderr
    );
    assert!(answer.stderr.contains("last words 29") && answer.stderr.contains("last words 10"));
    assert!(
        !answer.stderr.contains("last words 9\n"),
        "twenty lines are enough"
    );
    assert_eq!(place.state().as_deref(), Some("lost"));
}

#[test]
fn a_detached_run_is_attached_to_stopped_and_resumed() {
    let place = Place::new();
    let started = place.run_as("wait", &["train", "demo", "--detach", "--format", "json"]);
    assert_eq!(started.code, Some(0), "{}", started.stderr);
    let id = started.json()["id"].as_str().expect("an id").to_owned();
    place.until_state("running");

    let refused = place.run(&["resume", "last", "--ui", "none"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("it is running"),
        "{}",
        refused.stderr
    );

    let attached = place.start_as("", &["attach", &id, "--ui", "json"]);
    let mut attached = attached;
    let mut first = [0; 1];
    attached
        .stdout
        .as_mut()
        .expect("a pipe")
        .read_exact(&mut first)
        .expect("the first event");
    signal(&attached, Signal::INT);
    let output = attached.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("goes on"));
    assert_eq!(
        place.state().as_deref(),
        Some("running"),
        "detaching stops nothing"
    );

    let stopped = place.run(&["stop", &id, "--format", "json"]);
    assert_eq!(
        (stopped.code, stopped.json()["state"].as_str()),
        (Some(0), Some("interrupted"))
    );
    let again = place.run(&["stop", &id]);
    assert_eq!(again.code, Some(2));

    let resumed = place.run(&["resume", "demo", "--ui", "json"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    assert_eq!(
        resumed
            .stdout
            .lines()
            .filter(|line| line.contains("\"evaluation\""))
            .count(),
        1,
        "only what is new"
    );
    let log = std::fs::read_to_string(place.run_folder().join("console.log")).expect("a log");
    assert!(log.contains("resumed true"));
    let finished = place.run(&["resume", &id]);
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("it is finished"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_worker_outlives_the_program_that_started_it() {
    let place = Place::new();
    let mut child = place.start_as("wait", &["train", "demo", "--ui", "none"]);
    place.until_state("running");
    signal(&child, Signal::KILL);
    child.wait().expect("an end");
    assert_eq!(place.state().as_deref(), Some("running"));
    assert_eq!(place.run(&["stop", "last"]).code, Some(0));
}

#[test]
fn several_seeds_are_runs_with_an_interval_over_them() {
    let place = Place::new();
    let answer = place.run(&[
        "train", "demo", "--seeds", "3", "--jobs", "2", "--seed", "5", "--ui", "none", "--format",
        "json",
    ]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let result = answer.json();
    let mut seeds: Vec<u64> = result["runs"]
        .as_array()
        .expect("runs")
        .iter()
        .filter_map(|run| run["seed"].as_u64())
        .collect();
    seeds.sort_unstable();
    assert_eq!(seeds, [5, 6, 7]);
    assert_eq!(
        result["interquartile_mean"]["estimate"].as_f64(),
        Some(0.75)
    );
    let compared = place.run(&["compare", "demo", "--format", "json"]).json();
    assert_eq!(compared["groups"][0]["seeds"], 3);
    assert_eq!(compared["groups"][0]["group"], "demo");
    assert_eq!(compared["settings"], serde_json::json!([]));
    let scores = place.run(&["compare", "demo", "--format", "csv"]).stdout;
    assert_eq!(scores.lines().count(), 4);
}

#[test]
fn runs_are_shown_found_and_missed() {
    let place = Place::new();
    let none = place.run(&["runs"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""));
    assert!(none.stderr.contains("concord train demo"));
    assert_eq!(
        place.run(&["runs", "--format", "json"]).json(),
        serde_json::json!([])
    );
    place.run(&["train", "demo", "--name", "first", "--ui", "none"]);
    place.run(&["train", "demo", "--name", "second", "--ui", "none"]);

    let missed = place.run(&["show", "frist"]);
    assert_eq!(missed.code, Some(2));
    assert!(missed.stderr.contains("did you mean"), "{}", missed.stderr);
    let shown = place
        .run(&["show", "first", "--format", "json", "--log", "5"])
        .json();
    assert_eq!(shown["evaluations"][0]["mean"].as_f64(), Some(0.75));
    assert_eq!(shown["console"][0], "fake worker: resumed false");
    let csv = place
        .run(&["show", "second", "--scalars", "return", "--format", "csv"])
        .stdout;
    assert!(
        csv.starts_with("curve,axis,step,value,time\ntrain/return,env_steps,10,0.5,"),
        "{csv}"
    );
    let near = place.run(&["show", "second", "--scalars", "train/retrun"]);
    assert!(
        near.code == Some(2) && near.stderr.contains("did you mean `train/return`?"),
        "{}",
        near.stderr
    );
}

#[test]
fn evaluations_come_from_the_worker_with_an_interval() {
    let place = Place::new();
    let early = place.run(&["eval", "demo"]);
    assert_eq!(early.code, Some(2));
    assert!(
        early.stderr.contains("concord train demo"),
        "{}",
        early.stderr
    );
    place.run(&["train", "demo", "--ui", "none"]);
    let answer = place.run(&["eval", "demo", "--episodes", "4", "--format", "json"]);
    assert_eq!(answer.code, Some(0), "{}", answer.stderr);
    let score = answer.json();
    assert_eq!(
        (
            score["mean_return"].as_f64(),
            score["interquartile_mean_return"].as_f64()
        ),
        (Some(0.75), Some(1.0))
    );
    assert_eq!(score["checkpoint"], "ckpt/last");
    assert!(
        score["interval_low"].as_f64() < Some(0.75) && score["interval_high"].as_f64() > Some(0.75)
    );
    assert_eq!(
        place
            .run(&["eval", "demo", "--format", "csv"])
            .stdout
            .lines()
            .count(),
        5
    );
    assert_eq!(place.run(&["eval", "demo", "--epsilon", "2"]).code, Some(2));
}

#[test]
fn policies_are_dealt_seats_exported_and_shown() {
    let place = Place::new();
    place.run(&["train", "demo", "--ui", "none"]);
    let last = place.run_folder().join("ckpt/step-900000");
    std::fs::create_dir_all(&last).expect("a checkpoint");
    std::fs::write(last.join("policy.json"), "{}").expect("a policy");
    let arguments = ["eval", "demo", "--with", "demo", "--episodes", "2"];
    let table = place.run(&arguments);
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    assert!(table.stdout.contains("A B   0.500"), "{}", table.stdout);
    let json = place.run(&[&arguments[..], &["--format", "json"]].concat());
    assert_eq!(json.json()["teams"][0]["seats"][1], "B");
    let unknown = place.run(&["eval", "demo", "--with", "nothing"]);
    assert_eq!(unknown.code, Some(2));
    assert_eq!(
        place.run(&["eval", "demo", "--execution", "both"]).code,
        Some(2)
    );

    let exported = place.run(&["policy", "export", "demo", "--out", "o"]);
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    assert!(
        exported.stdout.contains("o/policy.json") && exported.stdout.contains("concord_policy.py"),
        "{}",
        exported.stdout
    );

    let missing = place.run(&["show", "demo", "--episode", "step-7"]);
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.stderr.contains("no recorded episode `step-7`"),
        "{}",
        missing.stderr
    );
    let scene = r#"{"title":"Foraging","rows":1,"cols":2,"marks":[],"step":3,"step_limit":9,"note":"return 0.25"}"#;
    std::fs::write(place.path().join("e.jsonl"), format!("{scene}\n{scene}\n")).expect("a file");
    let shown = place.run(&["show", "demo", "--episode", "e.jsonl"]);
    assert_eq!(
        shown.stdout.matches("step 3 of 9").count(),
        2,
        "{}",
        shown.stderr
    );
}

#[test]
fn a_read_only_place_is_an_environment_problem() {
    let place = Place::new();
    let file = place.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let answer = place.run(&["train", "demo", "--ui", "none", "--run-dir", "file/runs"]);
    assert_eq!(answer.code, Some(3), "{}", answer.stderr);
    assert!(answer.stderr.contains("file/runs"), "{}", answer.stderr);
}

#[test]
fn a_run_in_use_is_not_resumed_under_another_name() {
    let place = Place::new();
    place.run_as("wait", &["train", "demo", "--detach"]);
    place.until_state("running");
    let path = place.run_folder();
    let answer = place.run(&["resume", &path.display().to_string(), "--ui", "none"]);
    assert_eq!(answer.code, Some(2), "{}", answer.stderr);
    assert_eq!(place.run(&["stop", "last"]).code, Some(0));
    eventually("the worker is gone", || {
        place.state().as_deref() == Some("interrupted")
    });
}
