//! Policies are scored in other places, and in teams with others.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::folder::{TestRun, outcome, worker};

/// Runs `concord-worker eval` with four episodes of a run's best policy.
fn eval(run: &TestRun, arguments: &[&str]) -> (i32, Value, String) {
    let output = Command::new(worker())
        .args(["eval", "--episodes", "4", "--run-dir"])
        .arg(run.folder.path())
        .args(arguments)
        .output()
        .unwrap();
    let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap(), answer, words)
}

#[test]
fn a_policy_plays_elsewhere_and_beside_others() {
    let run = TestRun::new(&["environment.id=Foraging-5x5-2p-1f-v3"]);
    assert_eq!(outcome(&run.run()).0, 0);

    let (code, answer, words) = eval(
        &run,
        &[
            "--environment",
            "Foraging-8x8-2p-1f-v3",
            "--time-limit",
            "7",
        ],
    );
    assert_eq!(code, 0, "{words}");
    assert_eq!(answer["environment"], "Foraging-8x8-2p-1f-v3");
    let lengths = answer["lengths"].as_array().unwrap();
    assert!(lengths.iter().all(|length| length.as_u64().unwrap() <= 7));

    let (code, _, words) = eval(&run, &["--environment", "Foraging-8x8-3p-1f-v3"]);
    assert_eq!(code, 2);
    assert!(
        words.contains("3 agents") && words.contains("same sizes"),
        "{words}"
    );
    let (code, _, words) = eval(&run, &["--execution", "cl"]);
    assert_eq!(code, 2);
    assert!(words.contains("one half"), "{words}");

    let best = run.folder.checkpoints_folder().join("best");
    let record = run.folder.path().join("episode.jsonl");
    let (code, answer, words) = eval(
        &run,
        &[
            "--with",
            best.to_str().unwrap(),
            "--record",
            record.to_str().unwrap(),
        ],
    );
    assert_eq!(code, 0, "{words}");
    let teams = answer["teams"].as_array().unwrap();
    let seats: Vec<String> = teams.iter().map(|team| team["seats"].to_string()).collect();
    assert_eq!(seats, ["[0,0]", "[0,1]", "[1,0]", "[1,1]"]);
    for team in teams {
        assert_eq!(
            team["returns"], teams[0]["returns"],
            "the same policy twice"
        );
    }
    let scenes = fs::read_to_string(record).unwrap();
    let first: Value = serde_json::from_str(scenes.lines().next().unwrap()).unwrap();
    assert_eq!(first["step"], 0);
}
